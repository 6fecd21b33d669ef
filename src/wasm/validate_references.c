/* Instructions on references. */
#include "wasm/decoder.h"

void wasm_validate_ref_is_null(struct wasm_validator *v)
{
    wasm_pop_ref(v);
    wasm_push(v, WASM_I32);
}

void wasm_validate_ref_as_non_null(struct wasm_validator *v)
{
    wasm_push(v, wasm_ref_as_non_null(wasm_pop_ref(v)));
}

void wasm_validate_ref_func(struct wasm_validator *v)
{
    uint32_t type = v->decoder->module->funcs[v->instr->imm.index].type;
    wasm_push(v, wasm_ref_to_type(type, false));
}

void wasm_validate_call_ref(struct wasm_validator *v)
{
    uint32_t type = v->instr->imm.index;
    wasm_pop(v, wasm_ref_to_type(type, true));
    if (v->instr->op == WASM_OP_return_call_ref)
        wasm_validate_tail_call(v, type);
    else
        wasm_validate_call(v, type);
}

/* The label gets what is below the reference. */
void wasm_validate_br_on_null(struct wasm_validator *v)
{
    wasm_valtype type = wasm_pop_ref(v);
    struct wasm_types types = wasm_label_types(v, wasm_label(v, v->instr->imm.index));
    wasm_pop_all(v, types);
    wasm_push_all(v, types);
    wasm_push(v, wasm_ref_as_non_null(type));
}

/* The label gets the reference too. */
void wasm_validate_br_on_non_null(struct wasm_validator *v)
{
    struct wasm_types types = wasm_label_types(v, wasm_label(v, v->instr->imm.index));
    if (types.count == 0 || !wasm_is_ref(types.types[types.count - 1]))
        wasm_reject(v, "type mismatch in br_on_non_null: the label does not end with a reference");
    wasm_valtype type = wasm_ref_as_non_null(wasm_pop_ref(v));
    types.count--;
    wasm_check_types(v, (struct wasm_types){&type, 1},
                     (struct wasm_types){types.types + types.count, 1});
    wasm_pop_all(v, types);
    wasm_push_all(v, types);
}
