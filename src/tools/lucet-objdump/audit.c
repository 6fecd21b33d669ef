/* The whole artifact: every function, and what lies between them. */
#include "tools/lucet-objdump/audit.h"

#include "tools/lucet-objdump/audit_effects.h"
#include "tools/lucet-objdump/audit_unit.h"

/* The last function that begins at or before the address. */
static uint32_t function_before(const struct audit_input *in, uint64_t address)
{
    uint32_t lo = 0, hi = in->nfunctions;

    while (lo < hi) {
        const uint32_t mid = lo + (hi - lo) / 2;
        if (in->functions[mid].start <= address)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo == 0 ? UINT32_MAX : lo - 1;
}

uint32_t audit_function_at(const struct audit_input *in, uint64_t address)
{
    const uint32_t n = function_before(in, address);

    return n != UINT32_MAX && address < in->functions[n].end ? n : UINT32_MAX;
}

uint32_t audit_function_from(const struct audit_input *in, uint64_t address)
{
    const uint32_t n = function_before(in, address);

    return n != UINT32_MAX && address == in->functions[n].start ? n : UINT32_MAX;
}

const uint8_t *audit_readonly(const struct audit_input *in, int64_t address, uint64_t size)
{
    for (unsigned i = 0; i < in->nreadonly; i++) {
        const struct audit_area *a = &in->readonly[i];
        if (address >= a->start && address < a->end && size <= a->end - (uint64_t)address)
            return a->bytes + (address - a->start);
    }
    return NULL;
}

static bool is_padding(const struct audit_insn *insn)
{
    return insn->op == OP_NOP || (insn->flow == FLOW_STOP && insn->trap == 0);
}

/* Between functions there is nothing but nops and traps. */
static bool check_gap(const struct audit_input *in, uint32_t number, uint32_t from, uint32_t to,
                      struct audit_report *out)
{
    const struct audit_unit u = {.in = in, .fn = &in->functions[number], .number = number};
    struct audit_insn insn;

    while (from < to) {
        const uint8_t *bytes = in->text.bytes + (from - in->text.start);
        if (!audit_decode(bytes, to - from, from, in->has_bmi, &insn) || !is_padding(&insn))
            return audit_found(out, &u, FINDING_PADDING, true, from,
                               "code that belongs to no function");
        from += insn.size;
    }
    return true;
}

static bool check_gaps(const struct audit_input *in, struct audit_report *out)
{
    uint32_t from = in->text.start;

    for (uint32_t i = 0; i < in->nfunctions; i++) {
        if (!check_gap(in, i, from, in->functions[i].start, out))
            return false;
        from = in->functions[i].end;
    }
    return in->nfunctions == 0 || check_gap(in, in->nfunctions - 1, from, in->text.end, out);
}

static bool run_function(const struct audit_input *in, uint32_t number, struct audit_report *out)
{
    struct audit_unit u;
    bool gave_up = false;
    bool ok = unit_open(&u, in, number) && unit_solve(&u, &gave_up);

    if (ok && gave_up)
        ok = audit_found(out, &u, FINDING_LIMIT, true, u.fn->start,
                         "the analysis came to no end; nothing here is proved");
    if (ok && u.fn->range_note)
        ok = audit_found(out, &u, FINDING_RANGE, u.fn->range_wrong, u.fn->start, "%s",
                         u.fn->range_note);
    ok = ok && unit_classify(&u, out);
    unit_close(&u);
    return ok;
}

static void add_up(struct audit_report *r)
{
    for (unsigned c = 0; c < CLASS_COUNT; c++) {
        const uint64_t *from = (const uint64_t *)&r->classes[c];
        uint64_t *to = (uint64_t *)&r->total;
        for (size_t i = 0; i < sizeof r->total / sizeof *to; i++)
            to[i] += from[i];
    }
}

bool audit_run(const struct audit_input *in, struct audit_report *out)
{
    *out = (struct audit_report){0};
    if (!effects_begin(in, out))
        return false;
    for (uint32_t i = 0; i < in->nfunctions; i++)
        if (!run_function(in, i, out))
            return false;
    if (!check_gaps(in, out) || !effects_end(in, out))
        return false;
    add_up(out);
    return true;
}

#define X(id, name) name,
static const char *const class_names[] = {AUDIT_CLASSES(X)};
static const char *const finding_names[] = {AUDIT_FINDINGS(X)};
#undef X
#define X(id, name, text) name,
static const char *const memory_names[] = {AUDIT_MEMORY(X)};
static const char *const branch_names[] = {AUDIT_BRANCHES(X)};
#undef X
#define X(id, name, text) text,
static const char *const memory_texts[] = {AUDIT_MEMORY(X)};
static const char *const branch_texts[] = {AUDIT_BRANCHES(X)};
#undef X

const char *audit_class_name(enum audit_class c)
{
    return class_names[c];
}

const char *audit_memory_name(enum audit_memory m)
{
    return memory_names[m];
}

const char *audit_memory_text(enum audit_memory m)
{
    return memory_texts[m];
}

const char *audit_branch_name(enum audit_branch b)
{
    return branch_names[b];
}

const char *audit_branch_text(enum audit_branch b)
{
    return branch_texts[b];
}

const char *audit_finding_name(enum audit_finding_kind k)
{
    return finding_names[k];
}
