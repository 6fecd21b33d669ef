/* Blocks, branches and their values. Values that merge become phis, created when the first edge
 * arrives, so that blocks nobody branches to cost nothing. */
#include <stdlib.h>
#include <string.h>

#include "lucetc/func.h"

static LLVMBasicBlockRef new_block(struct func *f)
{
    f->work++;
    return LLVMAppendBasicBlockInContext(f->e->llvm, f->llvm, "");
}

static void position(struct func *f, LLVMBasicBlockRef block)
{
    LLVMPositionBuilderAtEnd(f->e->b, block);
}

static bool terminated(struct func *f)
{
    return LLVMGetBasicBlockTerminator(LLVMGetInsertBlock(f->e->b)) != NULL;
}

/* ---- Labels ---- */

void free_label(struct label *l)
{
    free(l->phis);
    free(l->saved);
    free(l->caught);
}

static struct label *top_label(struct func *f)
{
    return &f->labels[f->nlabels - 1];
}

static struct label *label_at(struct func *f, uint32_t depth)
{
    return &f->labels[f->nlabels - 1 - depth];
}

static bool is_function_label(const struct label *l)
{
    return l->kind == WASM_OP_end;
}

/* What a branch to the label carries. */
static uint32_t arity(const struct label *l)
{
    return l->kind == WASM_OP_loop ? l->nparams : l->nresults;
}

static struct label *push_label(struct func *f, enum wasm_op kind)
{
    if (f->nlabels == f->labels_capacity) {
        const uint32_t capacity = f->labels_capacity ? 2 * f->labels_capacity : 32;
        struct label *grown = realloc(f->labels, capacity * sizeof *grown);
        if (!grown) {
            f->error = lucet_error_no_memory;
            return NULL;
        }
        f->labels = grown;
        f->labels_capacity = capacity;
    }
    const uint32_t try_label = f->nlabels ? f->labels[f->nlabels - 1].try_label : 0;
    struct label *l = &f->labels[f->nlabels++];
    *l = (struct label){.kind = kind, .try_label = try_label};
    return l;
}

bool push_function_label(struct func *f)
{
    struct label *l = push_label(f, WASM_OP_end);
    if (!l)
        return false;
    l->results = f->type->results;
    l->nresults = f->type->nresults;
    return true;
}

/* Pushes a label of the instruction's block type, its parameters being on the stack. */
static struct label *push_block_label(struct func *f, const struct wasm_instr *in)
{
    struct label *l = push_label(f, in->op);
    if (!l)
        return NULL;
    if (in->imm.block.is_type_index) {
        const struct wasm_functype *t = &f->e->c->module->types[in->imm.block.index];
        l->params = t->params;
        l->nparams = t->nparams;
        l->results = t->results;
        l->nresults = t->nresults;
    } else if (!in->imm.block.is_empty) {
        l->single = in->imm.block.result;
        l->nresults = 1;
    }
    l->height = f->height - l->nparams;
    return l;
}

static wasm_valtype result_type(const struct label *l, uint32_t i)
{
    return l->results ? l->results[i] : l->single;
}

/* ---- Edges ---- */

static bool make_phis(struct func *f, struct label *l)
{
    const uint32_t n = arity(l);
    if (n == 0 || l->phis)
        return true;
    l->phis = calloc(n, sizeof(LLVMValueRef));
    if (!l->phis) {
        f->error = lucet_error_no_memory;
        return false;
    }
    LLVMBasicBlockRef here = LLVMGetInsertBlock(f->e->b);
    position(f, l->target);
    for (uint32_t i = 0; i < n; i++) {
        const wasm_valtype t = l->kind == WASM_OP_loop ? l->params[i] : result_type(l, i);
        l->phis[i] = LLVMBuildPhi(f->e->b, emitter_valtype(f->e, t), "");
    }
    position(f, here);
    f->work += n;
    return true;
}

/* Records that the current block goes to the label with the given values. */
static void add_edge(struct func *f, struct label *l, LLVMValueRef *values)
{
    if (!make_phis(f, l))
        return;
    LLVMBasicBlockRef from = LLVMGetInsertBlock(f->e->b);
    for (uint32_t i = 0; i < arity(l); i++)
        LLVMAddIncoming(l->phis[i], &values[i], &from, 1);
    f->work += arity(l);
    l->reached = true;
}

static LLVMValueRef *top_values(struct func *f, uint32_t n)
{
    return f->stack + (f->height - n);
}

void branch_with(struct func *f, struct label *l, LLVMValueRef *values)
{
    if (is_function_label(l)) {
        build_return(f, values);
        return;
    }
    add_edge(f, l, values);
    LLVMBuildBr(f->e->b, l->target);
}

/* Ends the current block with a branch to the label; the operands stay on the stack. */
static void branch_to(struct func *f, struct label *l)
{
    branch_with(f, l, top_values(f, arity(l)));
}

/* ---- Instructions ---- */

TRANSLATOR(emit_unreachable)
{
    (void)in, (void)arg;
    trap_always(f->e, LUCET_TRAP_unreachable);
    mark_unreachable(f);
}

TRANSLATOR(emit_nop)
{
    (void)f, (void)in, (void)arg;
}

TRANSLATOR(emit_block)
{
    (void)arg;
    struct label *l = push_block_label(f, in);
    if (l)
        l->target = new_block(f);
}

TRANSLATOR(emit_loop)
{
    (void)arg;
    struct label *l = push_block_label(f, in);
    if (!l)
        return;
    l->target = new_block(f);
    add_edge(f, l, top_values(f, l->nparams));
    LLVMBuildBr(f->e->b, l->target);
    position(f, l->target);
    if (l->phis)
        memcpy(top_values(f, l->nparams), l->phis, l->nparams * sizeof *l->phis);
}

TRANSLATOR(emit_if)
{
    (void)arg;
    LLVMValueRef condition = pop_condition(f);
    struct label *l = push_block_label(f, in);
    if (!l)
        return;
    if (l->nparams > 0) {
        l->saved = calloc(l->nparams, sizeof(LLVMValueRef));
        if (!l->saved) {
            f->error = lucet_error_no_memory;
            return;
        }
        memcpy(l->saved, top_values(f, l->nparams), l->nparams * sizeof *l->saved);
    }
    LLVMBasicBlockRef then = new_block(f);
    l->otherwise = new_block(f);
    l->target = new_block(f);
    LLVMBuildCondBr(f->e->b, condition, then, l->otherwise);
    position(f, then);
}

void finish_side(struct func *f, struct label *l)
{
    if (f->skip > 0 || terminated(f))
        return;
    add_edge(f, l, top_values(f, l->nresults));
    LLVMBuildBr(f->e->b, l->target);
}

static void begin_else(struct func *f, struct label *l)
{
    f->skip = 0;
    f->height = l->height;
    for (uint32_t i = 0; i < l->nparams; i++)
        push(f, l->saved[i]);
    position(f, l->otherwise);
    l->otherwise = NULL;
    l->kind = WASM_OP_else_;
}

TRANSLATOR(emit_else)
{
    (void)in, (void)arg;
    struct label *l = top_label(f);
    finish_side(f, l);
    begin_else(f, l);
}

/* Goes on behind the label's end with its results. */
static void continue_after(struct func *f, struct label *l)
{
    f->height = l->height;
    if (!l->reached) {
        LLVMDeleteBasicBlock(l->target);
        mark_unreachable(f);
        return;
    }
    f->skip = 0;
    position(f, l->target);
    for (uint32_t i = 0; i < l->nresults; i++)
        push(f, l->phis[i]);
}

void end_block(struct func *f, struct label *l)
{
    continue_after(f, l);
    free_label(l);
    f->nlabels--;
}

static void end_function(struct func *f)
{
    if (f->skip == 0)
        build_return(f, top_values(f, f->type->nresults));
    f->skip = 1;
}

/* The end of a block, an if or a try, whatever its side. */
static void end_sides(struct func *f, struct label *l)
{
    finish_side(f, l);
    switch (l->kind) {
    case WASM_OP_if_:
        begin_else(f, l);
        finish_side(f, l);
        break;
    case WASM_OP_try_table: end_try_table(f, l); break;
    case WASM_OP_try:
    case WASM_OP_catch:
    case WASM_OP_catch_all: end_try(f, l); break;
    default: break;
    }
    end_block(f, l);
}

TRANSLATOR(emit_end)
{
    (void)in, (void)arg;
    struct label *l = top_label(f);
    if (!is_function_label(l) && l->kind != WASM_OP_loop) {
        end_sides(f, l);
        return;
    }
    if (is_function_label(l))
        end_function(f);
    else if (f->skip > 0) /* nothing branches to a loop's end: its results are on the stack */
        f->height = l->height;
    free_label(l);
    f->nlabels--;
}

TRANSLATOR(emit_br)
{
    (void)arg;
    branch_to(f, label_at(f, in->imm.index));
    mark_unreachable(f);
}

TRANSLATOR(emit_return)
{
    (void)in, (void)arg;
    build_return(f, top_values(f, f->type->nresults));
    mark_unreachable(f);
}

/* A branch that may not be taken; the values for the label stay on the stack. */
static void branch_if(struct func *f, uint32_t depth, LLVMValueRef condition)
{
    struct label *l = label_at(f, depth);
    LLVMBasicBlockRef next = new_block(f);
    if (is_function_label(l)) {
        LLVMBasicBlockRef leave = new_block(f);
        LLVMBuildCondBr(f->e->b, condition, leave, next);
        position(f, leave);
        branch_to(f, l);
    } else {
        add_edge(f, l, top_values(f, arity(l)));
        LLVMBuildCondBr(f->e->b, condition, l->target, next);
    }
    position(f, next);
}

TRANSLATOR(emit_br_if)
{
    (void)arg;
    branch_if(f, in->imm.index, pop_condition(f));
}

TRANSLATOR(emit_br_on_null)
{
    (void)arg;
    LLVMValueRef reference = pop(f);
    branch_if(f, in->imm.index, LLVMBuildIsNull(f->e->b, reference, ""));
    push(f, reference);
}

/* The reference is the last of the label's values, and is gone where the branch is not taken. */
TRANSLATOR(emit_br_on_non_null)
{
    (void)arg;
    LLVMValueRef reference = f->stack[f->height - 1];
    branch_if(f, in->imm.index, LLVMBuildIsNotNull(f->e->b, reference, ""));
    pop(f);
}

/* The block a br_table goes to for a label: one per label and br_table, however many cases name
 * it, so that values merge once per label and not once per case. */
static LLVMBasicBlockRef switch_block(struct func *f, uint32_t depth, LLVMBasicBlockRef from)
{
    struct label *l = label_at(f, depth);
    if (l->switch_id == f->switches)
        return l->switch_block;
    l->switch_id = f->switches;
    l->switch_block = new_block(f);
    position(f, l->switch_block);
    branch_to(f, l);
    position(f, from);
    return l->switch_block;
}

TRANSLATOR(emit_br_table)
{
    (void)arg;
    LLVMValueRef index = pop(f);
    LLVMBasicBlockRef from = LLVMGetInsertBlock(f->e->b);
    const uint32_t count = in->imm.br_table.count;
    uint32_t pos = in->imm.br_table.targets;

    f->switches++;
    f->work += count;
    LLVMBasicBlockRef otherwise = switch_block(f, in->imm.br_table.deflt, from);
    LLVMValueRef branch = LLVMBuildSwitch(f->e->b, index, otherwise, count);
    for (uint32_t i = 0; i < count; i++) {
        LLVMBasicBlockRef block = switch_block(f, wasm_br_table_next(f->e->c->module, &pos), from);
        /* switch_block() left the builder behind the switch, where nothing is built any more. */
        if (block != otherwise)
            LLVMAddCase(branch, const_i32(f->e, i), block);
    }
    mark_unreachable(f);
}
