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

const char *wasm_valtype_name(wasm_valtype t)
{
    switch (t) {
    case WASM_I32: return "i32";
    case WASM_I64: return "i64";
    case WASM_F32: return "f32";
    case WASM_F64: return "f64";
    case WASM_V128: return "v128";
    case WASM_FUNCREF: return "funcref";
    case WASM_EXTERNREF: return "externref";
    default: return "any type";
    }
}
