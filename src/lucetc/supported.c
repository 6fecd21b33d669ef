#include "lucetc/supported.h"

#include "lucetc/diagnostic.h"
#include "lucetc/func.h"

/* Their frames are left without passing a place where instructions are counted. */
static bool unwinds(enum wasm_op op)
{
    switch (op) {
    case WASM_OP_try:
    case WASM_OP_try_table:
    case WASM_OP_throw:
    case WASM_OP_throw_ref:
    case WASM_OP_rethrow: return true;
    default: return false;
    }
}

enum lucet_error supported_instr(const struct compilation *c, uint32_t func,
                                 const struct wasm_instr *in)
{
    if (c->options->count_instructions && unwinds(in->op)) {
        diagnose_at(c->diagnostic, "unsupported", c->module, func, in->offset,
                    "%s: not together with --count-instructions", wasm_op_info[in->op].name);
        return lucet_error_compile;
    }
    if (rules[in->op].emit)
        return lucet_error_ok;
    diagnose_at(c->diagnostic, "unsupported", c->module, func, in->offset,
                "%s: not supported yet by this compiler", wasm_op_info[in->op].name);
    return lucet_error_compile;
}
