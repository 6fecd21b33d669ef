/* Throwing and catching (docs/abi.md E1 to E3). An exception on its way stands in the context;
 * every call is followed by a look at it, and by a branch to where the innermost try around the
 * call decides, or to the function's end. */
#include <stdlib.h>
#include <string.h>

#include "lucetc/func.h"

/* ---- The place in the context ---- */

static uint64_t field(const struct func *f, size_t offset)
{
    return f->e->c->layout.exception + offset;
}

static LLVMValueRef load_tag(struct func *f)
{
    return load_at(f->e, f->e->i64, f->context, field(f, offsetof(struct lucet_pending, tag)),
                   ALIAS_EXCEPTION);
}

static void store_word(struct func *f, size_t offset, LLVMValueRef value)
{
    store_at(f->e, value, f->context, field(f, offset), ALIAS_EXCEPTION);
}

/* It has been caught. */
static void clear(struct func *f)
{
    store_word(f, offsetof(struct lucet_pending, tag), const_i64(f->e, 0));
}

static LLVMValueRef identity(struct func *f, uint32_t tag)
{
    return load_at(f->e, f->e->i64, f->context, f->e->c->layout.tags + (uint64_t)tag * 8,
                   ALIAS_CONTEXT);
}

static uint64_t value_offset(const struct func *f, uint32_t i)
{
    return field(f, offsetof(struct lucet_pending, values) + (uint64_t)i * LUCET_RESULT_SLOT);
}

static const struct wasm_functype *tag_type(const struct func *f, uint32_t tag)
{
    const struct wasm_module *m = f->e->c->module;
    return &m->types[m->tags[tag].type];
}

static void load_values(struct func *f, uint32_t tag, LLVMValueRef *values)
{
    const struct wasm_functype *t = tag_type(f, tag);
    for (uint32_t i = 0; i < t->nparams; i++)
        values[i] = load_at(f->e, emitter_valtype(f->e, t->params[i]), f->context,
                            value_offset(f, i), ALIAS_EXCEPTION);
    f->work += t->nparams;
}

static void store_exception(struct func *f, uint32_t tag, LLVMValueRef *values)
{
    const struct wasm_functype *t = tag_type(f, tag);
    for (uint32_t i = 0; i < t->nparams; i++)
        store_at(f->e, values[i], f->context, value_offset(f, i), ALIAS_EXCEPTION);
    store_word(f, offsetof(struct lucet_pending, exnref), const_i64(f->e, 0));
    store_word(f, offsetof(struct lucet_pending, tag), identity(f, tag));
    f->work += t->nparams;
}

static LLVMValueRef caught_reference(struct func *f)
{
    call_helper(f, "builtin.exn_catch", ":I", NULL, 0);
    return pop(f);
}

/* ---- Where exceptions go ---- */

/* The block where an exception arrives that is thrown in code whose innermost try is number
 * `try_label` of the labels, from 1; 0 = none. Made when first needed. */
static LLVMBasicBlockRef landing(struct func *f, uint32_t try_label)
{
    LLVMBasicBlockRef *block = try_label ? &f->labels[try_label - 1].landing : &f->leave;
    if (!*block)
        *block = LLVMAppendBasicBlockInContext(f->e->llvm, f->llvm, "landing");
    return *block;
}

static LLVMBasicBlockRef landing_here(struct func *f)
{
    return landing(f, f->labels[f->nlabels - 1].try_label);
}

void look_for_exception(struct func *f)
{
    struct emitter *e = f->e;
    if (!e->c->plan.exceptions)
        return;
    LLVMBasicBlockRef next = emitter_block(e, "");
    LLVMValueRef none = LLVMBuildICmp(e->b, LLVMIntEQ, load_tag(f), const_i64(e, 0), "");
    branch_expect(e, none, true, next, landing_here(f));
    LLVMPositionBuilderAtEnd(e->b, next);
    f->work++;
}

void end_exceptions(struct func *f)
{
    if (!f->leave)
        return;
    LLVMPositionBuilderAtEnd(f->e->b, f->leave);
    /* Callers look at the context before they use results. */
    LLVMTypeRef type = LLVMGetReturnType(LLVMGlobalGetValueType(f->llvm));
    if (type == f->e->void_type)
        LLVMBuildRetVoid(f->e->b);
    else
        LLVMBuildRet(f->e->b, LLVMGetPoison(type));
}

/* ---- Throwing ---- */

TRANSLATOR(emit_throw)
{
    (void)arg;
    store_exception(f, in->imm.index, pop_many(f, tag_type(f, in->imm.index)->nparams));
    LLVMBuildBr(f->e->b, landing_here(f));
    mark_unreachable(f);
}

static void throw_reference(struct func *f, LLVMValueRef exnref)
{
    call_helper(f, "builtin.exn_throw", "I:", &exnref, 1);
    LLVMBuildBr(f->e->b, landing_here(f));
}

TRANSLATOR(emit_throw_ref)
{
    (void)in, (void)arg;
    throw_reference(f, pop(f));
    mark_unreachable(f);
}

/* ---- Catching ---- */

/* Splits the current block: goes on in the returned one when the exception has the tag; the builder
 * stays where it has not. */
static LLVMBasicBlockRef split_by_tag(struct func *f, uint32_t tag)
{
    LLVMBasicBlockRef matched = emitter_block(f->e, "catch"), other = emitter_block(f->e, "");
    LLVMValueRef same = LLVMBuildICmp(f->e->b, LLVMIntEQ, load_tag(f), identity(f, tag), "");
    LLVMBuildCondBr(f->e->b, same, matched, other);
    LLVMPositionBuilderAtEnd(f->e->b, other);
    f->work += 2;
    return matched;
}

/* Takes what a clause catches, and goes to its label. `base` is the label's depth 0. */
static void take_clause(struct func *f, struct wasm_catch clause, uint32_t base)
{
    LLVMValueRef values[1000 + 1];
    uint32_t n = 0;
    if (clause.tag != WASM_NONE) {
        load_values(f, clause.tag, values);
        n = tag_type(f, clause.tag)->nparams;
    }
    if (clause.kind == WASM_CATCH_REF || clause.kind == WASM_CATCH_ALL_REF)
        values[n++] = caught_reference(f); /* this clears it, too */
    else
        clear(f);
    branch_with(f, &f->labels[base - clause.label], values);
}

/* The landing of a try_table, its label being the topmost. */
static void emit_clauses(struct func *f, const struct label *l)
{
    const uint32_t self = f->nlabels - 1;
    uint32_t pos = l->catches;
    LLVMPositionBuilderAtEnd(f->e->b, l->landing);
    for (uint32_t i = 0; i < l->catch_count && work_is_left(f); i++) {
        const struct wasm_catch clause = wasm_catch_next(f->e->c->module, &pos);
        if (clause.tag == WASM_NONE) {
            take_clause(f, clause, self - 1);
            return; /* what follows catches nothing any more */
        }
        LLVMBasicBlockRef matched = split_by_tag(f, clause.tag);
        LLVMBasicBlockRef other = LLVMGetInsertBlock(f->e->b);
        LLVMPositionBuilderAtEnd(f->e->b, matched);
        take_clause(f, clause, self - 1);
        LLVMPositionBuilderAtEnd(f->e->b, other);
    }
    LLVMBuildBr(f->e->b, landing(f, f->labels[self - 1].try_label));
}

TRANSLATOR(emit_try_table)
{
    (void)arg;
    emit_block(f, in, 0);
    if (f->error)
        return;
    struct label *l = &f->labels[f->nlabels - 1];
    l->catches = in->imm.block.catches;
    l->catch_count = in->imm.block.catch_count;
    if (l->catch_count > 0)
        l->try_label = f->nlabels;
}

TRANSLATOR(emit_try)
{
    (void)arg;
    emit_block(f, in, 0);
    if (!f->error)
        f->labels[f->nlabels - 1].try_label = f->nlabels;
}

void end_try_table(struct func *f, const struct label *l)
{
    if (l->kind == WASM_OP_try_table && l->landing)
        emit_clauses(f, l);
}

/* ---- The older form. A try's landing becomes a chain of tests, of which `unmatched` is the end.
 * ---- */

/* Ends the body of a try or of one of its clauses. */
static void next_clause(struct func *f, struct label *l, enum wasm_op kind)
{
    finish_side(f, l);
    if (l->kind == WASM_OP_try) {
        l->unmatched = l->landing;
        l->try_label = f->labels[f->nlabels - 2].try_label;
    }
    l->kind = kind;
    l->rethrown = NULL;
    free(l->caught);
    l->caught = NULL;
    f->height = l->height;
    f->skip = 0;
}

TRANSLATOR(emit_catch)
{
    (void)arg;
    struct label *l = &f->labels[f->nlabels - 1];
    const uint32_t n = tag_type(f, in->imm.index)->nparams;
    next_clause(f, l, WASM_OP_catch);
    if (!l->unmatched) { /* nothing in the try can throw */
        mark_unreachable(f);
        return;
    }
    l->caught = calloc((size_t)n + 1, sizeof(LLVMValueRef));
    if (!l->caught) {
        f->error = lucet_error_no_memory;
        return;
    }
    l->caught_tag = in->imm.index;
    LLVMPositionBuilderAtEnd(f->e->b, l->unmatched);
    LLVMBasicBlockRef matched = split_by_tag(f, in->imm.index);
    l->unmatched = LLVMGetInsertBlock(f->e->b);
    LLVMPositionBuilderAtEnd(f->e->b, matched);
    load_values(f, in->imm.index, l->caught);
    clear(f);
    for (uint32_t i = 0; i < n; i++)
        push(f, l->caught[i]);
}

/* A rethrow, if there is one, comes later: then the exception is made an object here. */
TRANSLATOR(emit_catch_all)
{
    (void)in, (void)arg;
    struct label *l = &f->labels[f->nlabels - 1];
    next_clause(f, l, WASM_OP_catch_all);
    if (!l->unmatched) {
        mark_unreachable(f);
        return;
    }
    LLVMPositionBuilderAtEnd(f->e->b, l->unmatched);
    LLVMBasicBlockRef body = emitter_block(f->e, "");
    LLVMBuildBr(f->e->b, body);
    LLVMPositionBuilderAtEnd(f->e->b, body);
    l->catch_all = l->unmatched;
    l->unmatched = NULL;
    clear(f);
    f->work++;
}

static LLVMValueRef caught_by_all(struct func *f, struct label *l)
{
    if (!l->rethrown) {
        LLVMBasicBlockRef here = LLVMGetInsertBlock(f->e->b);
        LLVMPositionBuilderBefore(f->e->b, LLVMGetBasicBlockTerminator(l->catch_all));
        l->rethrown = caught_reference(f);
        LLVMPositionBuilderAtEnd(f->e->b, here);
    }
    return l->rethrown;
}

TRANSLATOR(emit_rethrow)
{
    (void)arg;
    struct label *l = &f->labels[f->nlabels - 1 - in->imm.index];
    if (l->kind == WASM_OP_catch_all) {
        throw_reference(f, caught_by_all(f, l));
    } else {
        store_exception(f, l->caught_tag, l->caught);
        LLVMBuildBr(f->e->b, landing_here(f));
    }
    mark_unreachable(f);
}

void end_try(struct func *f, struct label *l)
{
    LLVMBasicBlockRef unmatched = l->kind == WASM_OP_try ? l->landing : l->unmatched;
    if (!unmatched)
        return;
    LLVMPositionBuilderAtEnd(f->e->b, unmatched);
    LLVMBuildBr(f->e->b, landing(f, f->labels[f->nlabels - 2].try_label));
}

TRANSLATOR(emit_delegate)
{
    (void)arg;
    struct label *l = &f->labels[f->nlabels - 1];
    finish_side(f, l);
    if (l->landing) {
        const uint32_t to = f->nlabels - 2 - in->imm.index;
        LLVMPositionBuilderAtEnd(f->e->b, l->landing);
        LLVMBuildBr(f->e->b, landing(f, f->labels[to].try_label));
        l->landing = NULL;
    }
    end_block(f, l);
}
