#include "lucetc/supported.h"

#include "lucetc/diagnostic.h"
#include "lucetc/func.h"

enum lucet_error supported_instr(const struct compilation *c, uint32_t func,
                                 const struct wasm_instr *in)
{
    if (rules[in->op].emit)
        return lucet_error_ok;
    diagnose_at(c->diagnostic, "unsupported", c->module, func, in->offset,
                "%s: not supported yet by this compiler", wasm_op_info[in->op].name);
    return lucet_error_compile;
}
