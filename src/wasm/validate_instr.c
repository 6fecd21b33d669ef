/* What each instruction does to the operand stack. */
#include "wasm/decoder.h"

static wasm_valtype type_of_letter(char letter)
{
    static const uint8_t types[128] = {
        ['i'] = WASM_I32,  ['I'] = WASM_I64,     ['f'] = WASM_F32,       ['F'] = WASM_F64,
        ['v'] = WASM_V128, ['r'] = WASM_FUNCREF, ['e'] = WASM_EXTERNREF,
    };
    return types[(unsigned char)letter];
}

/* Signatures have at most three operands and one result. */
static void apply_signature(struct wasm_validator *v, const char *sig)
{
    unsigned operands = sig[0] == ':' ? 0 : sig[1] == ':' ? 1 : sig[2] == ':' ? 2 : 3;
    if (operands > 2)
        wasm_pop(v, type_of_letter(sig[2]));
    if (operands > 1)
        wasm_pop(v, type_of_letter(sig[1]));
    if (operands > 0)
        wasm_pop(v, type_of_letter(sig[0]));
    if (sig[operands + 1] != '\0')
        wasm_push(v, type_of_letter(sig[operands + 1]));
}

static void validate_select(struct wasm_validator *v)
{
    wasm_pop(v, WASM_I32);
    wasm_valtype b = wasm_pop_any(v);
    wasm_valtype a = wasm_pop_any(v);
    if (wasm_is_ref(a) || wasm_is_ref(b))
        wasm_reject(v, "type mismatch: select of references needs a type");
    if (a != b && a != WASM_UNKNOWN && b != WASM_UNKNOWN)
        wasm_reject(v, "type mismatch in select: %s and %s", wasm_valtype_name(a),
                    wasm_valtype_name(b));
    wasm_push(v, a == WASM_UNKNOWN ? b : a);
}

static void validate_select_t(struct wasm_validator *v)
{
    wasm_valtype type = v->instr->imm.valtype;
    wasm_pop(v, WASM_I32);
    wasm_pop(v, type);
    wasm_pop(v, type);
    wasm_push(v, type);
}

static void validate_global_set(struct wasm_validator *v)
{
    const struct wasm_global *global = &v->decoder->module->globals[v->instr->imm.index];
    if (!global->type.mutable)
        wasm_reject(v, "global is immutable: %u", v->instr->imm.index);
    wasm_pop(v, global->type.type);
}

static void validate_call(struct wasm_validator *v, uint32_t type_index)
{
    const struct wasm_functype *type = &v->decoder->module->types[type_index];
    wasm_pop_all(v, (struct wasm_types){type->params, type->nparams});
    wasm_push_all(v, (struct wasm_types){type->results, type->nresults});
}

static wasm_valtype table_type(const struct wasm_validator *v, uint32_t table)
{
    return v->decoder->module->tables[table].type.elem;
}

static void validate_call_indirect(struct wasm_validator *v)
{
    if (table_type(v, v->instr->imm.index2) != WASM_FUNCREF)
        wasm_reject(v, "type mismatch: call_indirect needs a table of funcref");
    wasm_pop(v, WASM_I32);
    validate_call(v, v->instr->imm.index);
}

static void validate_branch(struct wasm_validator *v)
{
    wasm_pop_all(v, wasm_label_types(v, wasm_label(v, v->instr->imm.index)));
    wasm_set_unreachable(v);
}

static void validate_br_if(struct wasm_validator *v)
{
    wasm_pop(v, WASM_I32);
    struct wasm_types types = wasm_label_types(v, wasm_label(v, v->instr->imm.index));
    wasm_pop_all(v, types);
    wasm_push_all(v, types);
}

static void check_same_element(struct wasm_validator *v, wasm_valtype to, wasm_valtype from)
{
    if (to != from)
        wasm_reject(v, "type mismatch in %s: from %s to %s", wasm_op_info[v->instr->op].name,
                    wasm_valtype_name(from), wasm_valtype_name(to));
    wasm_pop(v, WASM_I32);
    wasm_pop(v, WASM_I32);
    wasm_pop(v, WASM_I32);
}

static void validate_table_op(struct wasm_validator *v)
{
    wasm_valtype type = table_type(v, v->instr->imm.index);
    switch (v->instr->op) {
    case WASM_OP_table_get:
        wasm_pop(v, WASM_I32);
        wasm_push(v, type);
        break;
    case WASM_OP_table_set:
        wasm_pop(v, type);
        wasm_pop(v, WASM_I32);
        break;
    case WASM_OP_table_grow:
        wasm_pop(v, WASM_I32);
        wasm_pop(v, type);
        wasm_push(v, WASM_I32);
        break;
    default: /* table.fill */
        wasm_pop(v, WASM_I32);
        wasm_pop(v, type);
        wasm_pop(v, WASM_I32);
        break;
    }
}

static void validate_ref_is_null(struct wasm_validator *v)
{
    wasm_valtype type = wasm_pop_any(v);
    if (type != WASM_UNKNOWN && !wasm_is_ref(type))
        wasm_reject(v, "type mismatch: ref.is_null of %s", wasm_valtype_name(type));
    wasm_push(v, WASM_I32);
}

/* Those whose types depend on context. */
static void validate_special(struct wasm_validator *v)
{
    const struct wasm_instr *instr = v->instr;
    const struct wasm_module *m = v->decoder->module;
    uint32_t index = instr->imm.index;
    switch (instr->op) {
    case WASM_OP_local_get: wasm_push(v, wasm_local_type(v, index)); break;
    case WASM_OP_local_set: wasm_pop(v, wasm_local_type(v, index)); break;
    case WASM_OP_local_tee:
        wasm_pop(v, wasm_local_type(v, index));
        wasm_push(v, wasm_local_type(v, index));
        break;
    case WASM_OP_global_get: wasm_push(v, m->globals[index].type.type); break;
    case WASM_OP_global_set: validate_global_set(v); break;
    case WASM_OP_block:
    case WASM_OP_loop:
    case WASM_OP_if_: wasm_validate_block(v); break;
    case WASM_OP_else_: wasm_validate_else(v); break;
    case WASM_OP_end: wasm_validate_end(v); break;
    case WASM_OP_br: validate_branch(v); break;
    case WASM_OP_br_if: validate_br_if(v); break;
    case WASM_OP_br_table: wasm_validate_br_table(v); break;
    case WASM_OP_return_:
        wasm_pop_all(v, wasm_function_results(v));
        wasm_set_unreachable(v);
        break;
    case WASM_OP_unreachable: wasm_set_unreachable(v); break;
    case WASM_OP_call: validate_call(v, m->funcs[index].type); break;
    case WASM_OP_call_indirect: validate_call_indirect(v); break;
    case WASM_OP_drop: wasm_pop_any(v); break;
    case WASM_OP_select: validate_select(v); break;
    case WASM_OP_select_t: validate_select_t(v); break;
    case WASM_OP_ref_null: wasm_push(v, instr->imm.valtype); break;
    case WASM_OP_ref_is_null: validate_ref_is_null(v); break;
    case WASM_OP_table_get:
    case WASM_OP_table_set:
    case WASM_OP_table_grow:
    case WASM_OP_table_fill: validate_table_op(v); break;
    default: wasm_reject(v, "%s is not known to the validator", wasm_op_info[instr->op].name);
    }
}

void wasm_validate_instr(struct wasm_validator *v)
{
    const struct wasm_instr *instr = v->instr;
    const struct wasm_op_info *info = &wasm_op_info[instr->op];
    if (info->feature & ~v->decoder->features)
        wasm_require(v->decoder, instr->offset, info->feature, info->name);
    if (info->imm != WASM_IMM_none)
        wasm_check_immediates(v);
    if (instr->op == WASM_OP_table_copy)
        check_same_element(v, table_type(v, instr->imm.index), table_type(v, instr->imm.index2));
    else if (instr->op == WASM_OP_table_init)
        check_same_element(v, table_type(v, instr->imm.index2),
                           v->decoder->module->elems[instr->imm.index].type);
    else if (info->sig)
        apply_signature(v, info->sig);
    else
        validate_special(v);
}
