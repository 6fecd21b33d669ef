/* Exceptions: try_table with its clauses, and the older try ... catch ... end. */
#include "wasm/decoder.h"

static struct wasm_types tag_params(const struct wasm_validator *v, uint32_t tag)
{
    const struct wasm_module *m = v->decoder->module;
    const struct wasm_functype *type = &m->types[m->tags[tag].type];
    return (struct wasm_types){type->params, type->nparams};
}

static void check_clause(struct wasm_validator *v, struct wasm_catch clause)
{
    static const wasm_valtype exn = WASM_EXNREF | WASM_NON_NULL;
    const bool has_ref = clause.kind == WASM_CATCH_REF || clause.kind == WASM_CATCH_ALL_REF;
    struct wasm_types caught = {NULL, 0};
    if (clause.tag != WASM_NONE) {
        wasm_check_index(v->decoder, v->instr->offset, "tag", clause.tag,
                         v->decoder->module->ntags);
        caught = tag_params(v, clause.tag);
    }
    struct wasm_types label = wasm_label_types(v, wasm_label(v, clause.label));
    if (label.count != caught.count + has_ref)
        wasm_reject(v, "type mismatch in try_table: %u values caught for a label with %u",
                    caught.count + has_ref, label.count);
    wasm_check_types(v, caught, (struct wasm_types){label.types, caught.count});
    if (has_ref)
        wasm_check_types(v, (struct wasm_types){&exn, 1},
                         (struct wasm_types){label.types + caught.count, 1});
}

void wasm_validate_try_table(struct wasm_validator *v)
{
    const struct wasm_instr *instr = v->instr;
    wasm_check_limit(v->decoder, instr->offset, "catch clauses", instr->imm.block.catch_count,
                     v->decoder->limits->br_table_targets);
    uint32_t pos = instr->imm.block.catches;
    for (uint32_t i = 0; i < instr->imm.block.catch_count; i++)
        check_clause(v, wasm_catch_next(v->decoder->module, &pos));
    wasm_validate_block(v);
}

void wasm_validate_catch(struct wasm_validator *v)
{
    const struct wasm_frame *f = &v->frames[v->nframes - 1];
    if (f->kind != WASM_OP_try && f->kind != WASM_OP_catch)
        wasm_fail(&v->decoder->failure, v->instr->offset, WASM_MALFORMED,
                  "END opcode expected: %s without try", wasm_op_info[v->instr->op].name);
    wasm_restart_block(v, v->instr->op);
    if (v->instr->op == WASM_OP_catch)
        wasm_push_all(v, tag_params(v, v->instr->imm.index));
}

/* Ends the try and names the label whose handlers get what it throws, counted from around it. */
void wasm_validate_delegate(struct wasm_validator *v)
{
    if (v->frames[v->nframes - 1].kind != WASM_OP_try)
        wasm_fail(&v->decoder->failure, v->instr->offset, WASM_MALFORMED,
                  "END opcode expected: delegate without try");
    if (v->instr->imm.index >= v->nframes - 1)
        wasm_reject(v, "unknown label %u", v->instr->imm.index);
    wasm_validate_end(v);
}

void wasm_validate_rethrow(struct wasm_validator *v)
{
    const struct wasm_frame *f = wasm_label(v, v->instr->imm.index);
    if (f->kind != WASM_OP_catch && f->kind != WASM_OP_catch_all)
        wasm_reject(v, "invalid rethrow label %u: not of a catch block", v->instr->imm.index);
    wasm_set_unreachable(v);
}

void wasm_validate_throw(struct wasm_validator *v)
{
    wasm_pop_all(v, tag_params(v, v->instr->imm.index));
    wasm_set_unreachable(v);
}
