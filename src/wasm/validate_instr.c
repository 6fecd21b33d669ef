/* What each instruction does to the operand stack. */
#include "wasm/decoder.h"

/* The type of addresses of the memory that the instruction at hand names. */
static wasm_valtype address_type(const struct wasm_validator *v)
{
    const struct wasm_instr *instr = v->instr;
    uint32_t memory;
    switch (wasm_op_info[instr->op].imm) {
    case WASM_IMM_memory: memory = instr->imm.index; break;
    case WASM_IMM_data_memory: memory = instr->imm.index2; break;
    default: memory = instr->imm.memarg.memory; break;
    }
    return wasm_address_type(v->decoder->module->memories[memory].type.limits);
}

static wasm_valtype type_of_letter(const struct wasm_validator *v, char letter)
{
    static const uint8_t types[128] = {
        ['i'] = WASM_I32, ['I'] = WASM_I64, ['f'] = WASM_F32, ['F'] = WASM_F64, ['v'] = WASM_V128,
    };
    return letter == 'a' ? address_type(v) : types[(unsigned char)letter];
}

static void apply_signature(struct wasm_validator *v, const char *sig)
{
    const char *colon = sig;
    while (*colon != ':')
        colon++;
    for (const char *p = colon; p > sig;)
        wasm_pop(v, type_of_letter(v, *--p));
    for (const char *p = colon + 1; *p != '\0'; p++)
        wasm_push(v, type_of_letter(v, *p));
}

static void validate_select(struct wasm_validator *v)
{
    wasm_pop(v, WASM_I32);
    wasm_valtype b = wasm_pop_any(v);
    wasm_valtype a = wasm_pop_any(v);
    if (wasm_is_ref(a) || wasm_is_ref(b))
        wasm_reject(v, "type mismatch: select of references needs a type");
    if (a != b && a != WASM_UNKNOWN && b != WASM_UNKNOWN)
        wasm_reject(v, "type mismatch in select: %s and %s", wasm_valtype_name(a).text,
                    wasm_valtype_name(b).text);
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

void wasm_validate_call(struct wasm_validator *v, uint32_t type_index)
{
    const struct wasm_functype *type = &v->decoder->module->types[type_index];
    wasm_pop_all(v, (struct wasm_types){type->params, type->nparams});
    wasm_push_all(v, (struct wasm_types){type->results, type->nresults});
}

void wasm_validate_tail_call(struct wasm_validator *v, uint32_t type_index)
{
    const struct wasm_functype *type = &v->decoder->module->types[type_index];
    struct wasm_types results = {type->results, type->nresults};
    struct wasm_types expected = wasm_function_results(v);
    if (results.count != expected.count)
        wasm_reject(v, "type mismatch in %s: %u results for a function with %u",
                    wasm_op_info[v->instr->op].name, results.count, expected.count);
    wasm_check_types(v, results, expected);
    wasm_pop_all(v, (struct wasm_types){type->params, type->nparams});
    wasm_set_unreachable(v);
}

static void pop_indirect(struct wasm_validator *v)
{
    const struct wasm_table_type *table = &v->decoder->module->tables[v->instr->imm.index2].type;
    if (!wasm_is_subtype(v->decoder->module, table->elem, WASM_FUNCREF))
        wasm_reject(v, "type mismatch: %s needs a table of functions",
                    wasm_op_info[v->instr->op].name);
    wasm_pop(v, wasm_address_type(table->limits));
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

static void validate_local(struct wasm_validator *v)
{
    const uint32_t index = v->instr->imm.index;
    const wasm_valtype type = wasm_local_type(v, index);
    if (v->instr->op == WASM_OP_local_get) {
        wasm_check_local_init(v, index, type);
    } else {
        wasm_pop(v, type);
        wasm_set_local_init(v, index, type);
    }
    if (v->instr->op != WASM_OP_local_set)
        wasm_push(v, type);
}

/* Those whose types depend on context. */
static void validate_special(struct wasm_validator *v)
{
    const struct wasm_instr *instr = v->instr;
    const struct wasm_module *m = v->decoder->module;
    uint32_t index = instr->imm.index;
    switch (instr->op) {
    case WASM_OP_local_get:
    case WASM_OP_local_set:
    case WASM_OP_local_tee: validate_local(v); break;
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
    case WASM_OP_call: wasm_validate_call(v, m->funcs[index].type); break;
    case WASM_OP_return_call: wasm_validate_tail_call(v, m->funcs[index].type); break;
    case WASM_OP_call_indirect:
        pop_indirect(v);
        wasm_validate_call(v, index);
        break;
    case WASM_OP_return_call_indirect:
        pop_indirect(v);
        wasm_validate_tail_call(v, index);
        break;
    case WASM_OP_call_ref:
    case WASM_OP_return_call_ref: wasm_validate_call_ref(v); break;
    case WASM_OP_try: wasm_validate_block(v); break;
    case WASM_OP_try_table: wasm_validate_try_table(v); break;
    case WASM_OP_catch:
    case WASM_OP_catch_all: wasm_validate_catch(v); break;
    case WASM_OP_delegate: wasm_validate_delegate(v); break;
    case WASM_OP_rethrow: wasm_validate_rethrow(v); break;
    case WASM_OP_throw: wasm_validate_throw(v); break;
    case WASM_OP_throw_ref:
        wasm_pop(v, WASM_EXNREF);
        wasm_set_unreachable(v);
        break;
    case WASM_OP_drop: wasm_pop_any(v); break;
    case WASM_OP_select: validate_select(v); break;
    case WASM_OP_select_t: validate_select_t(v); break;
    case WASM_OP_ref_null: wasm_push(v, instr->imm.valtype); break;
    case WASM_OP_ref_is_null: wasm_validate_ref_is_null(v); break;
    case WASM_OP_ref_as_non_null: wasm_validate_ref_as_non_null(v); break;
    case WASM_OP_ref_func: wasm_validate_ref_func(v); break;
    case WASM_OP_br_on_null: wasm_validate_br_on_null(v); break;
    case WASM_OP_br_on_non_null: wasm_validate_br_on_non_null(v); break;
    case WASM_OP_memory_copy: wasm_validate_memory_copy(v); break;
    case WASM_OP_table_init: wasm_validate_table_init(v); break;
    case WASM_OP_table_get:
    case WASM_OP_table_set:
    case WASM_OP_table_size:
    case WASM_OP_table_grow:
    case WASM_OP_table_copy:
    case WASM_OP_table_fill: wasm_validate_table_op(v); break;
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
    if (info->sig)
        apply_signature(v, info->sig);
    else
        validate_special(v);
}
