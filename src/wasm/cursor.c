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

static wasm_valtype read_abstract(struct wasm_cursor *c, const char *what)
{
    uint8_t byte = wasm_read_byte(c);
    switch (byte) {
    case WASM_NULLEXNREF:
    case WASM_NULLFUNCREF:
    case WASM_NULLEXTERNREF:
    case WASM_FUNCREF:
    case WASM_EXTERNREF:
    case WASM_EXNREF: return byte;
    case 0x71: /* none */
    case 0x6e: /* any */
    case 0x6d: /* eq */
    case 0x6c: /* i31 */
    case 0x6b: /* struct */
    case 0x6a: /* array */ wasm_needs_gc(c, c->pos - 1, "a heap type");
    default: wasm_malformed(c, c->pos - 1, "malformed %s type 0x%02x", what, byte);
    }
}

wasm_valtype wasm_read_heap_type(struct wasm_cursor *c)
{
    if (c->pos < c->end && (*c->pos & 0xc0) == 0x40)
        return read_abstract(c, "heap");
    const uint8_t *start = c->pos;
    int64_t index = wasm_read_sleb(c, 33);
    if (index < 0)
        wasm_malformed(c, start, "malformed heap type");
    if (index >= WASM_REF_INDEX_LIMIT)
        wasm_invalid(c, start, "unknown type %lld", (long long)index);
    return wasm_ref_to_type((uint32_t)index, true);
}

static wasm_valtype read_type(struct wasm_cursor *c, const char *what)
{
    uint8_t byte = c->pos < c->end ? *c->pos : 0;
    if (byte != WASM_REF_TYPE && byte != WASM_REF_TYPE + 1)
        return read_abstract(c, what);
    c->pos++;
    wasm_valtype type = wasm_read_heap_type(c);
    return byte == WASM_REF_TYPE ? type : wasm_ref_as_non_null(type);
}

wasm_valtype wasm_read_valtype(struct wasm_cursor *c)
{
    if (c->pos < c->end && *c->pos >= WASM_V128 && *c->pos <= WASM_I32)
        return *c->pos++;
    return read_type(c, "value");
}

wasm_valtype wasm_read_reftype(struct wasm_cursor *c)
{
    return read_type(c, "reference");
}
