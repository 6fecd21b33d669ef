#include "lucetc/weight.h"

/* What has been met in a body so far. */
struct weight {
    uint32_t run, longest_run;
    uint32_t divisions, targets;
    uint32_t depth;           /* of open blocks of all kinds */
    uint32_t loops;           /* open loops; those deeper than `kinds` can tell are not counted */
    uint32_t deepest;         /* most loops open at once */
    uint64_t kinds[64];       /* bit d: whether the open block at depth d is a loop */
    bool divisor_is_constant; /* the instruction before pushed one */
};

#define MAX_TRACKED (64u * 64u)

static void open_block(struct weight *w, bool is_loop)
{
    if (w->depth < MAX_TRACKED) {
        const uint64_t bit = 1ull << (w->depth % 64);
        uint64_t *word = &w->kinds[w->depth / 64];
        *word = is_loop ? *word | bit : *word & ~bit;
        w->loops += is_loop;
    }
    if (w->loops > w->deepest)
        w->deepest = w->loops;
    w->depth++;
}

static void close_block(struct weight *w)
{
    if (w->depth == 0)
        return; /* the end of the function */
    w->depth--;
    if (w->depth < MAX_TRACKED)
        w->loops -= w->kinds[w->depth / 64] >> (w->depth % 64) & 1;
}

static bool is_constant(enum wasm_op op)
{
    return op == WASM_OP_i32_const || op == WASM_OP_i64_const;
}

static bool is_access(enum wasm_op op)
{
    return wasm_op_info[op].imm == WASM_IMM_memarg || wasm_op_info[op].imm == WASM_IMM_memarg_lane;
}

/* How a body goes on: an instruction that branches ends a run of accesses. */
static void weigh_control(struct weight *w, const struct wasm_instr *in)
{
    const enum wasm_imm imm = wasm_op_info[in->op].imm;
    if (imm == WASM_IMM_block || imm == WASM_IMM_try_table)
        open_block(w, in->op == WASM_OP_loop);
    switch (in->op) {
    case WASM_OP_end:
    case WASM_OP_delegate: close_block(w); break;
    case WASM_OP_br_table:
        w->targets += in->imm.br_table.count;
        w->run = 0;
        break;
    case WASM_OP_loop:
    case WASM_OP_if_:
    case WASM_OP_else_:
    case WASM_OP_br:
    case WASM_OP_br_if: w->run = 0; break;
    default: break;
    }
}

static void weigh(struct weight *w, const struct wasm_instr *in)
{
    switch (in->op) {
    case WASM_OP_i32_div_s:
    case WASM_OP_i32_div_u:
    case WASM_OP_i32_rem_s:
    case WASM_OP_i32_rem_u:
    case WASM_OP_i64_div_s:
    case WASM_OP_i64_div_u:
    case WASM_OP_i64_rem_s:
    case WASM_OP_i64_rem_u: w->divisions += !w->divisor_is_constant; break;
    default:
        if (is_access(in->op) && ++w->run > w->longest_run)
            w->longest_run = w->run;
        weigh_control(w, in);
        break;
    }
    w->divisor_is_constant = is_constant(in->op);
}

bool func_is_heavy(const struct wasm_module *m, uint32_t func)
{
    struct weight w = {0};
    struct wasm_reader r;
    struct wasm_locals_run run;
    struct wasm_instr in;

    wasm_reader_init_body(&r, m, func);
    while (wasm_reader_locals(&r, &run))
        ;
    while (wasm_reader_next(&r, &in))
        weigh(&w, &in);
    return m->funcs[func].body_size > MAX_BODY || w.longest_run > MAX_STRAIGHT_RUN ||
           w.deepest > MAX_LOOP_DEPTH || w.divisions > MAX_DIVISIONS ||
           w.targets > MAX_BRANCH_TARGETS;
}
