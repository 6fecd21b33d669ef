/* Bytes that are read once, from the first to the last, and may be anything: .eh_frame,
 * .lucet.lines, DWARF. Behind the end there are zeros, and `bad` stays set. Safe in signal
 * handlers. (Modules have a stricter reader of their own, src/wasm/cursor.h.) */
#ifndef LUCET_MODULE_INPUT_H
#define LUCET_MODULE_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lucet_input {
    const uint8_t *pos, *end;
    bool bad;
};

/* A little-endian number of at most 8 bytes. */
static inline uint64_t lucet_read_fixed(struct lucet_input *in, unsigned size)
{
    uint64_t v = 0;

    if ((size_t)(in->end - in->pos) < size) {
        in->bad = true;
        in->pos = in->end;
        return 0;
    }
    for (unsigned i = 0; i < size; i++)
        v |= (uint64_t)*in->pos++ << 8 * i;
    return v;
}

/* LEB128 of at most ten bytes; bits beyond the 64th are dropped. */
static inline uint64_t lucet_read_leb128(struct lucet_input *in, bool is_signed)
{
    uint64_t v = 0;

    for (unsigned shift = 0; shift < 70; shift += 7) {
        const uint8_t byte = (uint8_t)lucet_read_fixed(in, 1);
        v |= (uint64_t)(byte & 0x7f) << shift;
        if (byte & 0x80)
            continue;
        if (is_signed && byte & 0x40 && shift + 7 < 64)
            v |= UINT64_MAX << (shift + 7);
        return v;
    }
    in->bad = true;
    return 0;
}

static inline uint64_t lucet_read_uleb(struct lucet_input *in)
{
    return lucet_read_leb128(in, false);
}

static inline int64_t lucet_read_sleb(struct lucet_input *in)
{
    return (int64_t)lucet_read_leb128(in, true);
}

/* The next `size` bytes, to be read by themselves. Less is left: what is left, and `in` is bad. */
static inline struct lucet_input lucet_read_part(struct lucet_input *in, uint64_t size)
{
    struct lucet_input p = {in->pos, in->end, false};

    if ((uint64_t)(in->end - in->pos) < size)
        in->bad = true;
    else
        p.end = in->pos + size;
    in->pos = p.end;
    return p;
}

#endif
