#include "wasm/cursor.h"

void wasm_unexpected_end(const struct wasm_cursor *c)
{
    wasm_malformed(c, c->end, "unexpected end of section or function");
}

uint64_t wasm_read_fixed(struct wasm_cursor *c, unsigned bytes)
{
    if (wasm_remaining(c) < bytes)
        wasm_unexpected_end(c);
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes; i++)
        value |= (uint64_t)c->pos[i] << (8 * i);
    c->pos += bytes;
    return value;
}

struct wasm_cursor wasm_read_span(struct wasm_cursor *c, uint32_t size, const uint8_t *size_at)
{
    if (wasm_remaining(c) < size)
        wasm_malformed(c, size_at, "length out of bounds: %u bytes declared, %zu left", size,
                       wasm_remaining(c));
    struct wasm_cursor span = *c;
    span.end = span.pos + size;
    c->pos = span.end;
    return span;
}

struct wasm_bytes wasm_read_name(struct wasm_cursor *c)
{
    const uint8_t *start = c->pos;
    uint32_t size = wasm_read_u32(c);
    struct wasm_cursor span = wasm_read_span(c, size, start);
    if (!wasm_utf8_valid(span.pos, size))
        wasm_malformed(c, span.pos, "malformed UTF-8 encoding");
    return (struct wasm_bytes){span.pos, size};
}

wasm_valtype wasm_read_valtype(struct wasm_cursor *c)
{
    uint8_t byte = wasm_read_byte(c);
    switch (byte) {
    case WASM_I32:
    case WASM_I64:
    case WASM_F32:
    case WASM_F64:
    case WASM_V128:
    case WASM_FUNCREF:
    case WASM_EXTERNREF: return byte;
    default: wasm_malformed(c, c->pos - 1, "malformed value type 0x%02x", byte);
    }
}

wasm_valtype wasm_read_reftype(struct wasm_cursor *c)
{
    uint8_t byte = wasm_read_byte(c);
    if (!wasm_is_ref(byte))
        wasm_malformed(c, c->pos - 1, "malformed reference type 0x%02x", byte);
    return byte;
}
