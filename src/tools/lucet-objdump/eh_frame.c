/* .eh_frame as LLVM writes it for x86-64:
 *
 *   u32 length; u32 id
 *   id 0: CIE   u8 version 1, "zR\0", uleb code alignment, sleb data alignment, uleb return
 *               register, uleb augmentation size, u8 encoding of addresses (0x1b: pc-relative,
 *               signed 32 bits)
 *   else: FDE   i32 start relative to this field, u32 size, ...
 *   length 0: end */
#include "tools/lucet-objdump/eh_frame.h"

#include <stdlib.h>
#include <string.h>

#include "module/input.h"

enum { PCREL_SDATA4 = 0x1b };

static uint32_t u32_at(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* `p` stands behind the id. */
static bool check_cie(const uint8_t *p, const uint8_t *end)
{
    static const uint8_t head[] = {1, 'z', 'R', 0};

    if ((size_t)(end - p) < sizeof head || memcmp(p, head, sizeof head) != 0)
        return false;
    struct lucet_input in = {p + sizeof head, end, false};
    for (int i = 0; i < 4; i++) /* alignments, return register, augmentation size */
        lucet_read_uleb(&in);
    return lucet_read_fixed(&in, 1) == PCREL_SDATA4 && !in.bad;
}

static bool append(struct frame_range **out, size_t *count, size_t *room, struct frame_range r)
{
    if (*count == *room) {
        const size_t more = *room ? 2 * *room : 256;
        struct frame_range *p = realloc(*out, more * sizeof *p);
        if (!p)
            return false;
        *out = p;
        *room = more;
    }
    (*out)[(*count)++] = r;
    return true;
}

static int by_start(const void *a, const void *b)
{
    const struct frame_range *x = a, *y = b;
    return x->start < y->start ? -1 : x->start > y->start;
}

static bool read_all(const uint8_t *bytes, size_t size, uint64_t vaddr, struct frame_range **out,
                     size_t *count)
{
    size_t at = 0, room = 0;

    while (size - at >= 4) {
        const uint32_t length = u32_at(bytes + at);
        if (length == 0)
            return true;
        if (length < 4 || length > size - at - 4)
            return false;
        const uint8_t *p = bytes + at + 8, *end = bytes + at + 4 + length;
        if (u32_at(bytes + at + 4) == 0) {
            if (!check_cie(p, end))
                return false;
        } else {
            if (end - p < 8)
                return false;
            const struct frame_range r = {.start = (uint32_t)(vaddr + at + 8 + u32_at(p)),
                                          .size = u32_at(p + 4)};
            if (!append(out, count, &room, r))
                return false;
        }
        at += 4 + (size_t)length;
    }
    return at == size;
}

bool eh_frame_ranges(const uint8_t *bytes, size_t size, uint64_t vaddr, struct frame_range **out,
                     size_t *count)
{
    *out = NULL;
    *count = 0;
    const bool ok = read_all(bytes, size, vaddr, out, count);
    if (*count)
        qsort(*out, *count, sizeof **out, by_start);
    return ok;
}
