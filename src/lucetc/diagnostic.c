#include "lucetc/diagnostic.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void fill(struct lucetc_diagnostic *d, const char *kind, const char *format, va_list args)
{
    memset(d, 0, sizeof *d);
    d->kind = kind;
    d->offset = UINT64_MAX;
    d->function_index = UINT32_MAX;
    vsnprintf(d->message, sizeof d->message, format, args);
}

void diagnose(struct lucetc_diagnostic *d, const char *kind, const char *format, ...)
{
    if (!d)
        return;
    va_list args;
    va_start(args, format);
    fill(d, kind, format, args);
    va_end(args);
}

void diagnose_at(struct lucetc_diagnostic *d, const char *kind, const struct wasm_module *m,
                 uint32_t func, uint64_t offset, const char *format, ...)
{
    if (!d)
        return;
    va_list args;
    va_start(args, format);
    fill(d, kind, format, args);
    va_end(args);
    d->offset = offset;
    d->function_index = func;
    if (func != WASM_NONE)
        escape_name(d->function_name, sizeof d->function_name, m->funcs[func].name);
}

void diagnose_wasm_error(struct lucetc_diagnostic *d, const struct wasm_error *e)
{
    static const char *const kinds[] = {
        [WASM_OK] = "internal", [WASM_MALFORMED] = "malformed",     [WASM_INVALID] = "invalid",
        [WASM_LIMIT] = "limit", [WASM_UNSUPPORTED] = "unsupported", [WASM_NO_MEMORY] = "internal",
    };
    if (!d)
        return;
    if (e->status == WASM_UNSUPPORTED && e->feature)
        diagnose(d, kinds[e->status], "%s (--features +%s)", e->message,
                 wasm_feature_name((uint32_t)__builtin_ctz(e->feature)));
    else
        diagnose(d, kinds[e->status], "%s", e->message);
    d->offset = e->offset;
    d->function_index = e->func_index;
}

void escape_name(char *out, size_t size, struct wasm_bytes name)
{
    size_t used = 0;
    for (uint32_t i = 0; i < name.size; i++) {
        const uint8_t byte = name.data[i];
        const bool plain = byte >= 0x20 && byte < 0x7f && byte != '\\' && byte != '"';
        const size_t need = plain ? 1 : 4;
        if (used + need + 1 > size)
            break;
        if (plain)
            out[used] = (char)byte;
        else
            snprintf(out + used, 5, "\\x%02x", byte);
        used += need;
    }
    out[used] = '\0';
}
