/* Constant expressions: initial values of globals, offsets and items of segments. */
#include "wasm/decoder.h"

/* The type of the value a constant instruction makes. */
static wasm_valtype constant_type(struct wasm_decoder *d, const struct wasm_instr *instr)
{
    struct wasm_module *m = d->module;
    switch (instr->op) {
    case WASM_OP_i32_const: return WASM_I32;
    case WASM_OP_i64_const: return WASM_I64;
    case WASM_OP_f32_const: return WASM_F32;
    case WASM_OP_f64_const: return WASM_F64;
    case WASM_OP_v128_const: return WASM_V128;
    case WASM_OP_ref_null: return instr->imm.valtype;
    case WASM_OP_ref_func:
        wasm_check_index(d, instr->offset, "function", instr->imm.index, m->nfuncs);
        m->funcs[instr->imm.index].declared_ref = true;
        return WASM_FUNCREF;
    case WASM_OP_global_get:
        /* Only imported globals have their value before the module's own are made. */
        wasm_check_index(d, instr->offset, "global", instr->imm.index, m->nimported_globals);
        if (m->globals[instr->imm.index].type.mutable)
            wasm_fail(&d->failure, instr->offset, WASM_INVALID,
                      "constant expression required: global %u is mutable", instr->imm.index);
        return m->globals[instr->imm.index].type.type;
    default:
        wasm_fail(&d->failure, instr->offset, WASM_INVALID, "constant expression required, not %s",
                  wasm_op_info[instr->op].name);
    }
}

struct wasm_expr wasm_decode_const_expr(struct wasm_decoder *d, struct wasm_cursor *c,
                                        wasm_valtype expected)
{
    struct wasm_expr expr = {.offset = wasm_position(c)};
    uint32_t nvalues = 0;
    wasm_valtype type = 0;
    for (;;) {
        struct wasm_instr instr;
        wasm_read_instr(c, &instr);
        if (instr.op == WASM_OP_end)
            break;
        wasm_require(d, instr.offset, wasm_op_info[instr.op].feature, wasm_op_info[instr.op].name);
        type = constant_type(d, &instr);
        nvalues++;
    }
    if (nvalues != 1)
        wasm_fail(&d->failure, expr.offset, WASM_INVALID,
                  "type mismatch: constant expression makes %u values, not one", nvalues);
    if (type != expected)
        wasm_fail(&d->failure, expr.offset, WASM_INVALID,
                  "type mismatch: constant expression is %s, expected %s", wasm_valtype_name(type),
                  wasm_valtype_name(expected));
    expr.size = wasm_position(c) - expr.offset;
    return expr;
}
