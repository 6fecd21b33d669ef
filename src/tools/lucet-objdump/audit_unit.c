/* Decoding of a function and its division into blocks. */
#include "tools/lucet-objdump/audit_unit.h"

#include <stdlib.h>

enum { MAX_THRESHOLDS = 100 };

static bool decode_all(struct audit_unit *u)
{
    const struct audit_area *text = &u->in->text;
    const uint32_t bytes = u->fn->end - u->fn->start;
    uint32_t at = u->fn->start;
    size_t room = bytes / 4 + 16;

    u->insns = malloc(room * sizeof *u->insns);
    if (!u->insns)
        return false;
    while (at < u->fn->end) {
        if (u->ninsns >= room) {
            room = 2 * (size_t)u->ninsns;
            struct audit_insn *more = realloc(u->insns, room * sizeof *more);
            if (!more)
                return false;
            u->insns = more;
        }
        struct audit_insn *insn = &u->insns[u->ninsns];
        if (!audit_decode(text->bytes + (at - text->start), u->fn->end - at, at, u->in->has_bmi,
                          insn))
            break;
        at += insn->size;
        u->ninsns++;
    }
    u->bad_at = at;
    return true;
}

uint32_t unit_insn_at(const struct audit_unit *u, int64_t address)
{
    uint32_t lo = 0, hi = u->ninsns;

    while (lo < hi) {
        const uint32_t mid = lo + (hi - lo) / 2;
        if (u->insns[mid].at < address)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < u->ninsns && u->insns[lo].at == address ? lo : UINT32_MAX;
}

uint32_t unit_block_from(const struct audit_unit *u, uint32_t insn)
{
    uint32_t lo = 0, hi = u->nblocks;

    while (lo < hi) {
        const uint32_t mid = lo + (hi - lo) / 2;
        if (u->blocks[mid].first < insn)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < u->nblocks && u->blocks[lo].first == insn ? lo : UINT32_MAX;
}

static void free_blocks(struct audit_unit *u)
{
    for (uint32_t i = 0; i < u->nblocks; i++)
        state_free(&u->blocks[i].in);
    free(u->blocks);
    u->blocks = NULL;
    u->nblocks = 0;
}

static bool make_blocks(struct audit_unit *u)
{
    uint32_t n = 0;

    free_blocks(u);
    for (uint32_t i = 0; i < u->ninsns; i++)
        n += u->leader[i];
    u->blocks = calloc(n ? n : 1, sizeof *u->blocks);
    if (!u->blocks)
        return false;
    for (uint32_t i = 0; i < u->ninsns; i++) {
        if (u->leader[i] && u->nblocks < n)
            u->blocks[u->nblocks++].first = i;
        if (u->nblocks)
            u->blocks[u->nblocks - 1].last = i;
    }
    return true;
}

static int by_value(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static void add_threshold(int64_t *list, uint32_t *n, int64_t c)
{
    if (c <= INT64_MIN + 1 || c >= INT64_MAX - 1)
        return;
    for (int64_t side = -1; side <= 1; side++)
        list[(*n)++] = c + side;
}

/* Loops end where a counter equals or passes a constant, or zero: it stays at most one step short
 * of that, which is the one or the other side of it. */
static bool collect_thresholds(struct audit_unit *u)
{
    struct audit_thresholds *t = &u->thresholds;
    uint32_t n = 0;

    t->list = malloc(3 * (MAX_THRESHOLDS + 1) * sizeof *t->list);
    if (!t->list)
        return false;
    add_threshold(t->list, &n, 0);
    for (uint32_t i = 0; i < u->ninsns && n < 3 * MAX_THRESHOLDS; i++) {
        const struct audit_insn *insn = &u->insns[i];
        const bool constant = insn->b.kind == OPERAND_IMM;
        if (constant && (insn->op == OP_CMP || insn->op == OP_MOV))
            add_threshold(t->list, &n,
                          insn->a.width == 4 ? (int64_t)(uint32_t)insn->b.imm : insn->b.imm);
    }
    qsort(t->list, n, sizeof *t->list, by_value);
    for (uint32_t i = 0; i < n; i++)
        if (t->count == 0 || t->list[t->count - 1] != t->list[i])
            t->list[t->count++] = t->list[i];
    return true;
}

static bool ends_block(const struct audit_insn *i)
{
    return i->flow != FLOW_NEXT && i->flow != FLOW_CALL && i->flow != FLOW_CALL_IND;
}

bool unit_open(struct audit_unit *u, const struct audit_input *in, uint32_t number)
{
    *u = (struct audit_unit){.in = in, .fn = &in->functions[number], .number = number};
    if (!decode_all(u) || !collect_thresholds(u))
        return false;
    u->leader = calloc((size_t)u->ninsns + 1, 1);
    if (!u->leader)
        return false;
    u->leader[0] = 1;
    for (uint32_t i = 0; i < u->ninsns; i++) {
        const struct audit_insn *insn = &u->insns[i];
        if (!ends_block(insn))
            continue;
        u->leader[i + 1] = 1;
        if (insn->flow == FLOW_JUMP || insn->flow == FLOW_COND) {
            const uint32_t target = unit_insn_at(u, insn->target);
            if (target != UINT32_MAX)
                u->leader[target] = 1;
        }
    }
    return make_blocks(u);
}

bool unit_split(struct audit_unit *u, uint32_t insn)
{
    u->leader[insn] = 1;
    return make_blocks(u);
}

void unit_close(struct audit_unit *u)
{
    free_blocks(u);
    free(u->insns);
    free(u->leader);
    free(u->thresholds.list);
    *u = (struct audit_unit){0};
}
