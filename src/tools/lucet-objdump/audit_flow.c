/* Propagates states along the edges of a function until they are stable; loops are brought to an
 * end by widening where an edge goes backwards, and two more rounds over the result give back what
 * widening lost for nothing. Every round starts from sound states, so its result is sound. */
#include "tools/lucet-objdump/audit_unit.h"

#include <stdlib.h>

enum { WIDEN_AFTER = 3, THRESHOLDS_UNTIL = 15, NARROWINGS = 2, MAX_ROUNDS = 400 };

struct solver {
    struct audit_unit *u;
    struct audit_state *next; /* narrowing: the new states; NULL while iterating */
    bool failed;              /* out of memory */
    uint32_t split;           /* an instruction that turned out to be a target, or UINT32_MAX */
};

static void flow_into(struct solver *sv, const struct audit_state *s, const struct audit_insn *from,
                      uint32_t insn)
{
    struct audit_unit *u = sv->u;
    const uint32_t number = unit_block_from(u, insn);
    bool changed;

    if (number == UINT32_MAX) {
        sv->split = insn;
        return;
    }
    struct audit_block *b = &u->blocks[number];
    const bool back = from && u->insns[b->first].at <= from->at;
    static const struct audit_thresholds none;
    const struct audit_thresholds *widen = NULL;
    if (!sv->next && back && b->rounds >= WIDEN_AFTER)
        widen = b->rounds < THRESHOLDS_UNTIL ? &u->thresholds : &none;
    struct audit_state *in = sv->next ? &sv->next[number] : &b->in;
    if (!state_join(in, s, u->insns[b->first].at, widen, &changed))
        sv->failed = true;
    if (changed && !sv->next) {
        b->dirty = true;
        b->rounds += back;
    }
}

static void flow_to_target(struct solver *sv, const struct audit_state *s,
                           const struct audit_insn *from, int64_t target)
{
    const uint32_t insn = unit_insn_at(sv->u, target);

    if (insn != UINT32_MAX)
        flow_into(sv, s, from, insn);
}

static void flow_cond(struct solver *sv, const struct audit_state *s, const struct audit_insn *insn,
                      uint32_t next)
{
    struct audit_state taken;

    if (!state_copy(&taken, s)) {
        sv->failed = true;
        return;
    }
    if (state_assume(&sv->u->in->sizes, &taken, insn->cond))
        flow_to_target(sv, &taken, insn, insn->target);
    state_free(&taken);
    if (next >= sv->u->ninsns)
        return;
    if (!state_copy(&taken, s)) {
        sv->failed = true;
        return;
    }
    if (state_assume(&sv->u->in->sizes, &taken, insn->cond ^ 1))
        flow_into(sv, &taken, insn, next);
    state_free(&taken);
}

static void flow_table(struct solver *sv, const struct audit_state *s,
                       const struct audit_insn *insn)
{
    if (insn->a.kind != OPERAND_REG)
        return;
    const struct audit_value v = s->regs[insn->a.reg];
    if (!value_is(&v, VALUE_TARGET))
        return;
    for (uint32_t i = 0; i < unit_table_size(&v) && sv->split == UINT32_MAX; i++)
        flow_to_target(sv, s, insn, unit_table_target(sv->u, &v, i));
}

static void flow_block(struct solver *sv, uint32_t number)
{
    struct audit_unit *u = sv->u;
    const uint32_t last = u->blocks[number].last;
    const struct audit_insn *end = &u->insns[last];
    struct audit_state s;

    if (!state_copy(&s, &u->blocks[number].in)) {
        sv->failed = true;
        return;
    }
    for (uint32_t i = u->blocks[number].first; i <= last; i++)
        if (!unit_step(u, &s, &u->insns[i]))
            sv->failed = true;
    switch ((enum audit_flow)end->flow) {
    case FLOW_JUMP: flow_to_target(sv, &s, end, end->target); break;
    case FLOW_COND: flow_cond(sv, &s, end, last + 1); break;
    case FLOW_JUMP_IND: flow_table(sv, &s, end); break;
    case FLOW_RET:
    case FLOW_STOP: break;
    default:
        if (last + 1 < u->ninsns)
            flow_into(sv, &s, end, last + 1);
        break;
    }
    state_free(&s);
}

/* Blocks in order of address, again and again: compilers put them in an order that suits. */
static bool iterate(struct solver *sv)
{
    struct audit_unit *u = sv->u;
    bool again = true;

    for (unsigned round = 0; again && round < MAX_ROUNDS; round++) {
        again = false;
        for (uint32_t i = 0; i < u->nblocks && !sv->failed; i++) {
            if (!u->blocks[i].dirty)
                continue;
            u->blocks[i].dirty = false;
            again = true;
            flow_block(sv, i);
            if (sv->split != UINT32_MAX)
                return true;
        }
    }
    return !again;
}

static void narrow_once(struct solver *sv)
{
    struct audit_unit *u = sv->u;

    sv->next = calloc(u->nblocks, sizeof *sv->next);
    if (!sv->next) {
        sv->failed = true;
        return;
    }
    unit_entry_state(u, &sv->next[0]);
    for (uint32_t i = 0; i < u->nblocks && !sv->failed; i++)
        if (u->blocks[i].in.reached)
            flow_block(sv, i);
    /* A target that was none before would be a path that is not followed: keep what there was. */
    const bool keep = sv->split != UINT32_MAX || sv->failed;
    for (uint32_t i = 0; i < u->nblocks; i++) {
        state_free(keep ? &sv->next[i] : &u->blocks[i].in);
        if (!keep)
            u->blocks[i].in = sv->next[i];
    }
    free(sv->next);
    sv->next = NULL;
}

bool unit_solve(struct audit_unit *u, bool *gave_up)
{
    struct solver sv = {.u = u};

    *gave_up = false;
    if (u->nblocks == 0)
        return true;
    do {
        sv.split = UINT32_MAX;
        unit_entry_state(u, &u->blocks[0].in);
        u->blocks[0].dirty = true;
        *gave_up = !iterate(&sv);
        if (sv.split != UINT32_MAX && !unit_split(u, sv.split))
            return false;
    } while (sv.split != UINT32_MAX && !sv.failed);

    for (unsigned i = 0; i < NARROWINGS && !sv.failed && !*gave_up && sv.split == UINT32_MAX; i++)
        narrow_once(&sv);
    return !sv.failed;
}
