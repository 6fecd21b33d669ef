#include <string.h>

#include "wasm/cursor.h"

static bool is_continuation(uint8_t byte)
{
    return (byte & 0xc0) == 0x80;
}

/* Bytes of the sequence at `s`, 0 when it is none: overlong, a surrogate, above U+10FFFF or cut. */
static size_t sequence_length(const uint8_t *s, size_t size)
{
    if (s[0] < 0x80)
        return 1;
    if (s[0] < 0xc2)
        return 0;
    if (s[0] < 0xe0)
        return size >= 2 && is_continuation(s[1]) ? 2 : 0;
    if (size < 3 || !is_continuation(s[1]) || !is_continuation(s[2]))
        return 0;
    if (s[0] < 0xf0) {
        bool overlong = s[0] == 0xe0 && s[1] < 0xa0;
        bool surrogate = s[0] == 0xed && s[1] >= 0xa0;
        return overlong || surrogate ? 0 : 3;
    }
    if (s[0] > 0xf4 || size < 4 || !is_continuation(s[3]))
        return 0;
    bool overlong = s[0] == 0xf0 && s[1] < 0x90;
    bool beyond = s[0] == 0xf4 && s[1] >= 0x90;
    return overlong || beyond ? 0 : 4;
}

bool wasm_utf8_valid(const uint8_t *s, size_t size)
{
    size_t i = 0;
    while (i < size) {
        uint64_t eight;
        if (size - i >= sizeof eight) {
            memcpy(&eight, s + i, sizeof eight);
            if (!(eight & 0x8080808080808080)) {
                i += sizeof eight;
                continue;
            }
        }
        size_t length = sequence_length(s + i, size - i);
        if (length == 0)
            return false;
        i += length;
    }
    return true;
}
