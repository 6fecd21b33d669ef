/* .eh_frame, of which only what docs/abi.md T6 allows is understood: the frame address is the
 * stack pointer, or in the middle of a stack probe its register, plus a constant.
 *
 *   record:  u32 length | u32 id (0 = CIE, else distance back to the FDE's CIE) | ...
 *   CIE:     u8 version 1 | "zR" | uleb code alignment | sleb data alignment | uleb register |
 *            uleb length | u8 pointer encoding (pc-relative, 4 bytes) | instructions
 *   FDE:     i32 start | u32 size | uleb length | ... | instructions
 *
 * Everything is read through a cursor that knows its end. The index is made at load, because
 * handlers, which use it, may not allocate. */
#include "runtime/frames.h"

#include <stdlib.h>
#include <string.h>

#include "module/input.h"
#include "module/search.h"
#include "runtime/allocate.h"
#include "runtime/error.h"
#include "runtime/module.h"

enum { STACK_POINTER = 7, PROBE_REGISTER = 11 }; /* DWARF's numbers on x86-64: rsp, r11 */
enum { POINTER_ENCODING = 0x1b, STATES = 8, STEPS = 100000 };

struct section {
    const uint8_t *bytes;
    uint64_t size, vaddr;
};

static struct section eh_frame(const struct lucet_dl_module *m)
{
    const struct lucet_artifact_section *s = &m->artifact.eh_frame;

    return (struct section){m->artifact.bytes + s->offset, s->size, s->vaddr};
}

/* The record at `offset`, without its length; bad when there is none. */
static struct lucet_input record_at(const struct section *s, uint64_t offset)
{
    struct lucet_input c = {s->bytes, s->bytes + s->size, false};

    lucet_read_part(&c, offset);
    uint64_t length = lucet_read_fixed(&c, 4);
    if (length == 0 || length > (uint64_t)(c.end - c.pos))
        c.bad = true;
    else
        c.end = c.pos + length;
    return c;
}

struct cie {
    uint64_t code_align;
    int64_t data_align;
    struct lucet_input instructions;
};

static bool read_cie(const struct section *s, uint64_t offset, struct cie *out)
{
    struct lucet_input c = record_at(s, offset);

    if (lucet_read_fixed(&c, 4) != 0 || lucet_read_fixed(&c, 1) != 1)
        return false;
    if (lucet_read_fixed(&c, 1) != 'z' || lucet_read_fixed(&c, 1) != 'R' ||
        lucet_read_fixed(&c, 1) != 0)
        return false;
    out->code_align = lucet_read_uleb(&c);
    out->data_align = lucet_read_sleb(&c);
    lucet_read_uleb(&c);
    if (lucet_read_uleb(&c) != 1 || lucet_read_fixed(&c, 1) != POINTER_ENCODING)
        return false;
    out->instructions = c;
    return !c.bad;
}

struct fde {
    uint64_t cie;         /* offset */
    uint64_t start, size; /* of the code, from the image's base */
    struct lucet_input instructions;
};

static bool read_fde(const struct section *s, uint64_t offset, struct fde *out)
{
    struct lucet_input c = record_at(s, offset);
    uint64_t back = lucet_read_fixed(&c, 4);

    if (c.bad || back == 0 || back > offset + 4)
        return false;
    out->cie = offset + 4 - back;
    uint64_t at = s->vaddr + (uint64_t)(c.pos - s->bytes);
    out->start = at + (uint64_t)(int64_t)(int32_t)lucet_read_fixed(&c, 4);
    out->size = lucet_read_fixed(&c, 4);
    lucet_read_part(&c, lucet_read_uleb(&c));
    out->instructions = c;
    return !c.bad;
}

/* ---- The index ---- */

static int by_start(const void *a, const void *b)
{
    const struct frame_entry *x = a, *y = b;

    return (x->start > y->start) - (x->start < y->start);
}

/* Writes an entry for every FDE in .text, `capacity` at most, and counts them. False: damaged. */
static bool collect(const struct lucet_dl_module *m, struct frame_entry *out, uint32_t capacity,
                    uint32_t *count)
{
    const struct section s = eh_frame(m);
    const struct lucet_artifact_section *text = &m->artifact.text;
    uint32_t n = 0;

    for (uint64_t offset = 0; s.size - offset >= 4;) {
        uint32_t length;
        memcpy(&length, s.bytes + offset, 4);
        if (length == 0)
            break;
        if (length > s.size - offset - 4 || length < 4)
            return false;
        uint32_t id;
        memcpy(&id, s.bytes + offset + 4, 4);
        struct fde f;
        if (id != 0) {
            if (!read_fde(&s, offset, &f))
                return false;
            if (f.start >= text->vaddr && f.start - text->vaddr < text->size &&
                f.size <= text->size - (f.start - text->vaddr)) {
                if (n < capacity)
                    out[n] = (struct frame_entry){(uint32_t)f.start, (uint32_t)f.size,
                                                  (uint32_t)offset, false};
                n++;
            }
        }
        offset += 4 + (uint64_t)length;
    }
    *count = n;
    return true;
}

static const struct frame_entry *find(const struct lucet_dl_module *m, uint64_t offset)
{
    const size_t low = lucet_count_started(m->frames, m->nframes, sizeof(*m->frames), offset);

    if (low == 0 || offset - m->frames[low - 1].start >= m->frames[low - 1].size)
        return NULL;
    return &m->frames[low - 1];
}

/* Trampolines and thunks hold a pointer to what belongs to the thread, gates and accessors one to
 * the entries of a table, which move when others let it grow. */
static bool may_wait(const struct lucet_artifact *a, struct lucet_str name)
{
    const char *text = lucet_artifact_str(a, name);

    return (name.size > 6 && memcmp(text, "entry.", 6) == 0) ||
           (name.size > 7 && memcmp(text, "import.", 7) == 0);
}

static void pin_helpers(struct lucet_dl_module *m)
{
    const struct lucet_artifact *a = &m->artifact;

    for (uint32_t i = 0; i < a->nhelpers; i++) {
        const struct frame_entry *e = find(m, lucet_artifact_code(a, a->helpers[i].code));
        if (e && !may_wait(a, a->helpers[i].name))
            m->frames[e - m->frames].pinned = true;
    }
}

bool lucet__preemptible(const struct lucet_dl_module *m, uintptr_t pc)
{
    const struct frame_entry *e = find(m, pc - (uintptr_t)m->base);

    return e && !e->pinned;
}

enum lucet_error lucet__frames_index(struct lucet_dl_module *m)
{
    uint32_t n = 0;
    bool sorted = true;

    if (m->artifact.eh_frame.size > UINT32_MAX || !collect(m, NULL, 0, &n))
        return lucet__fail(lucet_error_module,
                           "a damaged artifact, to be compiled again: .eh_frame");
    m->frames = lucet__malloc(((size_t)n + 1) * sizeof(*m->frames));
    if (!m->frames)
        return lucet__no_memory();
    collect(m, m->frames, n, &m->nframes);
    for (uint32_t i = 1; i < n && sorted; i++)
        sorted = m->frames[i - 1].start < m->frames[i].start;
    if (!sorted)
        qsort(m->frames, n, sizeof(*m->frames), by_start);
    pin_helpers(m);
    return lucet_error_ok;
}

/* ---- The instructions ---- */

struct rule {
    uint64_t reg;
    int64_t offset;
};

struct machine {
    struct rule now, saved[STATES];
    unsigned depth;
    uint64_t at, target; /* code addresses */
    const struct cie *cie;
};

enum step { STEP_ON, STEP_DONE, STEP_UNKNOWN };

static enum step advance(struct machine *m, uint64_t delta)
{
    m->at += delta * m->cie->code_align;
    return m->at > m->target ? STEP_DONE : STEP_ON;
}

static enum step save_or_restore(struct machine *m, bool save)
{
    if (save ? m->depth == STATES : m->depth == 0)
        return STEP_UNKNOWN;
    if (save)
        m->saved[m->depth++] = m->now;
    else
        m->now = m->saved[--m->depth];
    return STEP_ON;
}

static enum step one(struct machine *m, struct lucet_input *c)
{
    uint8_t op = (uint8_t)lucet_read_fixed(c, 1);

    switch (op & 0xc0) {
    case 0x40: /* advance_loc */ return advance(m, op & 0x3f);
    case 0x80: /* offset */ lucet_read_uleb(c); return STEP_ON;
    case 0xc0: /* restore */ return STEP_ON;
    default: break;
    }
    switch (op) {
    case 0x00: /* nop */ return STEP_ON;
    case 0x02: /* advance_loc1, 2, 4 */ return advance(m, lucet_read_fixed(c, 1));
    case 0x03: return advance(m, lucet_read_fixed(c, 2));
    case 0x04: return advance(m, lucet_read_fixed(c, 4));
    case 0x05: /* offset_extended, register */
    case 0x09:
        lucet_read_uleb(c);
        lucet_read_uleb(c);
        return STEP_ON;
    case 0x06: /* restore_extended, undefined, same_value, GNU_args_size */
    case 0x07:
    case 0x08:
    case 0x2e: lucet_read_uleb(c); return STEP_ON;
    case 0x0a: return save_or_restore(m, true);
    case 0x0b: return save_or_restore(m, false);
    case 0x0c: /* def_cfa, def_cfa_register, def_cfa_offset */
        m->now.reg = lucet_read_uleb(c);
        m->now.offset = (int64_t)lucet_read_uleb(c);
        return STEP_ON;
    case 0x0d: m->now.reg = lucet_read_uleb(c); return STEP_ON;
    case 0x0e: m->now.offset = (int64_t)lucet_read_uleb(c); return STEP_ON;
    default: return STEP_UNKNOWN;
    }
}

static bool execute(struct machine *m, struct lucet_input c)
{
    for (unsigned steps = 0; c.pos < c.end && steps < STEPS; steps++) {
        enum step s = one(m, &c);
        if (s == STEP_UNKNOWN || c.bad)
            return false;
        if (s == STEP_DONE)
            return true;
    }
    return true;
}

bool lucet__frame_cfa(const struct lucet_dl_module *m, uintptr_t pc, int64_t *offset, bool *probe)
{
    const struct section s = eh_frame(m);
    uint64_t target = pc - (uintptr_t)m->base;
    const struct frame_entry *entry = find(m, target);
    struct fde f;
    struct cie cie;

    if (!entry || !read_fde(&s, entry->fde, &f) || !read_cie(&s, f.cie, &cie))
        return false;
    struct machine machine = {.at = f.start, .target = target, .cie = &cie};
    if (!execute(&machine, cie.instructions) || !execute(&machine, f.instructions))
        return false;
    if (machine.now.reg != STACK_POINTER && machine.now.reg != PROBE_REGISTER)
        return false;
    *offset = machine.now.offset;
    *probe = machine.now.reg == PROBE_REGISTER;
    return true;
}
