#include "lucetc/dwarf_read.h"

#include <string.h>

struct wasm_bytes dwarf_read_string(struct lucet_input *in)
{
    const uint8_t *start = in->pos;
    const uint8_t *nul = start == in->end ? NULL : memchr(start, 0, (size_t)(in->end - start));
    if (!nul) {
        in->bad = true;
        in->pos = in->end;
        return (struct wasm_bytes){NULL, 0};
    }
    in->pos = nul + 1;
    return (struct wasm_bytes){start, (uint32_t)(nul - start)};
}

/* Longer than any path: an entry of a few bytes must not ask for a search through all of a
 * section. */
#define NAME_LIMIT 8192u

static struct wasm_bytes string_at(struct wasm_bytes section, uint64_t offset,
                                   struct lucet_input *in)
{
    if (offset >= section.size) {
        in->bad = true;
        return (struct wasm_bytes){NULL, 0};
    }
    struct lucet_input at = {section.data + offset, section.data + section.size, false};
    at = lucet_read_part(&at,
                         section.size - offset < NAME_LIMIT ? section.size - offset : NAME_LIMIT);
    const struct wasm_bytes found = dwarf_read_string(&at);
    in->bad |= at.bad;
    return found;
}

enum shape {
    UNKNOWN,
    FIXED,
    ULEB,
    SLEB,
    OFFSET,
    BLOCK,
    BLOCK_ULEB,
    SKIPPED,
    STRING,
    STRP,
    LINE_STRP
};

/* By the number of the form. `size`: of a number, or of the length of a block. */
static const struct {
    uint8_t shape, size;
} forms[] = {
    [0x01] = {FIXED, 4},      /* addr */
    [0x03] = {BLOCK, 2},      /* block2 */
    [0x04] = {BLOCK, 4},      /* block4 */
    [0x05] = {FIXED, 2},      /* data2 */
    [0x06] = {FIXED, 4},      /* data4 */
    [0x07] = {FIXED, 8},      /* data8 */
    [0x08] = {STRING, 0},     /* string */
    [0x09] = {BLOCK_ULEB, 0}, /* block */
    [0x0a] = {BLOCK, 1},      /* block1 */
    [0x0b] = {FIXED, 1},      /* data1 */
    [0x0c] = {FIXED, 1},      /* flag */
    [0x0d] = {SLEB, 0},       /* sdata */
    [0x0e] = {STRP, 0},       /* strp */
    [0x0f] = {ULEB, 0},       /* udata */
    [0x10] = {OFFSET, 0},     /* ref_addr */
    [0x11] = {FIXED, 1},      /* ref1 */
    [0x12] = {FIXED, 2},      /* ref2 */
    [0x13] = {FIXED, 4},      /* ref4 */
    [0x14] = {FIXED, 8},      /* ref8 */
    [0x15] = {ULEB, 0},       /* ref_udata */
    [0x17] = {OFFSET, 0},     /* sec_offset */
    [0x18] = {BLOCK_ULEB, 0}, /* exprloc */
    [0x19] = {FIXED, 0},      /* flag_present */
    [0x1e] = {SKIPPED, 16},   /* data16 */
    [0x1f] = {LINE_STRP, 0},  /* line_strp */
    [0x20] = {FIXED, 8},      /* ref_sig8 */
};

struct dwarf_value dwarf_read_form(struct lucet_input *in, uint64_t form, bool wide,
                                   const struct dwarf_sections *s)
{
    const unsigned offset_size = wide ? 8 : 4;
    const bool known = form < sizeof forms / sizeof *forms;
    const uint8_t size = known ? forms[form].size : 0;
    struct dwarf_value v = {{NULL, 0}, 0};
    switch ((enum shape)(known ? forms[form].shape : UNKNOWN)) {
    case FIXED: v.number = lucet_read_fixed(in, size); break;
    case ULEB: v.number = lucet_read_uleb(in); break;
    case SLEB: v.number = (uint64_t)lucet_read_sleb(in); break;
    case OFFSET: v.number = lucet_read_fixed(in, offset_size); break;
    case BLOCK: lucet_read_part(in, lucet_read_fixed(in, size)); break;
    case BLOCK_ULEB: lucet_read_part(in, lucet_read_uleb(in)); break;
    case SKIPPED: lucet_read_part(in, size); break;
    case STRING: v.text = dwarf_read_string(in); break;
    case STRP: v.text = string_at(s->str, lucet_read_fixed(in, offset_size), in); break;
    case LINE_STRP: v.text = string_at(s->line_str, lucet_read_fixed(in, offset_size), in); break;
    case UNKNOWN: in->bad = true; break;
    }
    return v;
}
