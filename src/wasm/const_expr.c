/* Constant expressions: initial values of globals and tables, offsets and items of segments. */
#include "wasm/decoder.h"

static void check_global(struct wasm_decoder *d, const struct wasm_instr *instr)
{
    const struct wasm_module *m = d->module;
    /* Before 3.0 only imported globals had their value before the module's own were made. */
    const uint32_t later = WASM_FEATURE_EXTENDED_CONST | WASM_FEATURE_FUNCTION_REFERENCES;
    uint32_t count = d->features & later ? m->nglobals : m->nimported_globals;
    wasm_check_index(d, instr->offset, "global", instr->imm.index, count);
    if (m->globals[instr->imm.index].type.mutable)
        wasm_fail(&d->failure, instr->offset, WASM_INVALID,
                  "constant expression required: global %u is mutable", instr->imm.index);
}

/* Whether the instruction may be part of a constant expression. */
static void check_constant(struct wasm_decoder *d, const struct wasm_instr *instr)
{
    struct wasm_module *m = d->module;
    switch (instr->op) {
    case WASM_OP_end:
    case WASM_OP_i32_const:
    case WASM_OP_i64_const:
    case WASM_OP_f32_const:
    case WASM_OP_f64_const:
    case WASM_OP_v128_const:
    case WASM_OP_ref_null: break;
    case WASM_OP_ref_func:
        wasm_check_index(d, instr->offset, "function", instr->imm.index, m->nfuncs);
        m->funcs[instr->imm.index].declared_ref = true;
        break;
    case WASM_OP_global_get: check_global(d, instr); break;
    case WASM_OP_i32_add:
    case WASM_OP_i32_sub:
    case WASM_OP_i32_mul:
    case WASM_OP_i64_add:
    case WASM_OP_i64_sub:
    case WASM_OP_i64_mul:
        wasm_require(d, instr->offset, WASM_FEATURE_EXTENDED_CONST,
                     "arithmetic in a constant expression");
        break;
    default:
        wasm_fail(&d->failure, instr->offset, WASM_INVALID, "constant expression required, not %s",
                  wasm_op_info[instr->op].name);
    }
}

struct wasm_expr wasm_decode_const_expr(struct wasm_decoder *d, struct wasm_cursor *c,
                                        wasm_valtype expected)
{
    struct wasm_validator *v = &d->validator;
    struct wasm_expr expr = {.offset = wasm_position(c)};
    wasm_enter_expr(v, expected);
    do {
        struct wasm_instr instr;
        wasm_read_instr(c, &instr);
        check_constant(d, &instr);
        v->instr = &instr;
        wasm_validate_instr(v);
        wasm_check_limit(d, instr.offset, "operands in a constant expression", v->noperands,
                         d->limits->const_operands);
    } while (v->nframes > 0);
    expr.size = wasm_position(c) - expr.offset;
    return expr;
}
