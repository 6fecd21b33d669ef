#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "wasm/cursor.h"

bool wasm_attempt(struct wasm_failure *f, void (*run)(void *arg), void *arg)
{
    if (setjmp(f->exit) != 0)
        return false;
    run(arg);
    return true;
}

void wasm_fail(struct wasm_failure *f, uint64_t offset, enum wasm_status status, const char *format,
               ...)
{
    /* Bytes that were valid are not any more: the caller changed them under a reader's feet. */
    if (!f)
        abort();
    if (f->err) {
        f->err->status = status;
        f->err->offset = offset;
        f->err->func_index = f->func_index;
        va_list args;
        va_start(args, format);
        vsnprintf(f->err->message, sizeof f->err->message, format, args);
        va_end(args);
    }
    longjmp(f->exit, 1);
}

const char *wasm_escape(char *out, size_t size, struct wasm_bytes name)
{
    static const char hex[] = "0123456789abcdef";
    size_t n = 0;
    for (uint32_t i = 0; i < name.size && n + 4 <= size; i++) {
        uint8_t byte = name.data[i];
        if (byte >= 0x20 && byte < 0x7f && byte != '\\' && byte != '"') {
            out[n++] = (char)byte;
        } else {
            out[n++] = '\\';
            out[n++] = hex[byte >> 4];
            out[n++] = hex[byte & 15];
        }
    }
    out[n] = '\0';
    return out;
}

static const char *plain_name(wasm_valtype t)
{
    switch (t) {
    case WASM_I32: return "i32";
    case WASM_I64: return "i64";
    case WASM_F32: return "f32";
    case WASM_F64: return "f64";
    case WASM_V128: return "v128";
    case WASM_FUNCREF: return "funcref";
    case WASM_EXTERNREF: return "externref";
    case WASM_EXNREF: return "exnref";
    case WASM_NULLFUNCREF: return "nullfuncref";
    case WASM_NULLEXTERNREF: return "nullexternref";
    case WASM_NULLEXNREF: return "nullexnref";
    default: return NULL;
    }
}

static const char *heap_name(wasm_valtype t)
{
    switch (wasm_heap_type(t)) {
    case WASM_FUNCREF: return "func";
    case WASM_EXTERNREF: return "extern";
    case WASM_EXNREF: return "exn";
    case WASM_NULLFUNCREF: return "nofunc";
    case WASM_NULLEXTERNREF: return "noextern";
    case WASM_NULLEXNREF: return "noexn";
    default: return NULL;
    }
}

struct wasm_valtype_name wasm_valtype_name(wasm_valtype t)
{
    struct wasm_valtype_name name;
    const char *plain = plain_name(t), *heap = heap_name(t);
    if (plain)
        snprintf(name.text, sizeof name.text, "%s", plain);
    else if (heap)
        snprintf(name.text, sizeof name.text, "(ref %s)", heap);
    else if (wasm_ref_is_concrete(t))
        snprintf(name.text, sizeof name.text, "(ref %s%u)", wasm_ref_is_nullable(t) ? "null " : "",
                 wasm_ref_index(t));
    else
        snprintf(name.text, sizeof name.text, t == 0 ? "any type" : "any reference");
    return name;
}
