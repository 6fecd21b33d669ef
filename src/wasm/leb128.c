/* Variable-length integers: seven bits a byte, lowest first, the eighth says that more follow.
 *
 *     1xxxxxxx 1xxxxxxx 0xxxxxxx
 *
 * Padding is legal up to ceil(bits / 7) bytes; bits of the last byte beyond `bits` must be zero or
 * copies of the sign. */
#include "wasm/cursor.h"

uint64_t wasm_read_uleb(struct wasm_cursor *c, unsigned bits)
{
    const uint8_t *start = c->pos;
    uint64_t value = 0;
    for (unsigned shift = 0; shift < bits; shift += 7) {
        uint8_t byte = wasm_read_byte(c);
        unsigned room = bits - shift;
        if (room < 7 && !(byte & 0x80) && byte >> room != 0)
            wasm_malformed(c, start, "integer too large");
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return value;
    }
    wasm_malformed(c, start, "integer representation too long");
}

int64_t wasm_read_sleb(struct wasm_cursor *c, unsigned bits)
{
    const uint8_t *start = c->pos;
    uint64_t value = 0;
    for (unsigned shift = 0; shift < bits; shift += 7) {
        uint8_t byte = wasm_read_byte(c);
        unsigned room = bits - shift;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte & 0x80)
            continue;
        if (room < 7) {
            unsigned sign_and_above = byte >> (room - 1);
            if (sign_and_above != 0 && sign_and_above != 0x7fu >> (room - 1))
                wasm_malformed(c, start, "integer too large");
        }
        if ((byte & 0x40) && shift + 7 < 64)
            value |= UINT64_MAX << (shift + 7);
        return (int64_t)value;
    }
    wasm_malformed(c, start, "integer representation too long");
}
