/* Constant expressions. The reader has checked them: one operator, of the wanted type. */
#include <string.h>

#include "runtime/runtime.h"

void lucet__init_value(const struct lucet_instance *i, struct lucet_init init, uint64_t out[2])
{
    const struct lucet_init_op *op = &i->module->artifact.init_ops[init.first];

    out[0] = out[1] = 0;
    switch (op->kind) {
    case LUCET_INIT_I32:
    case LUCET_INIT_F32: out[0] = (uint32_t)op->value[0]; break;
    case LUCET_INIT_I64:
    case LUCET_INIT_F64: out[0] = op->value[0]; break;
    case LUCET_INIT_V128:
        out[0] = op->value[0];
        out[1] = op->value[1];
        break;
    case LUCET_INIT_GLOBAL_GET: {
        uint32_t index = (uint32_t)op->value[0];
        bool wide = i->module->artifact.globals[index].type == LUCET_V128;
        memcpy(out, lucet__global_cell(i, index), wide ? 16 : 8);
        break;
    }
    case LUCET_INIT_REF_FUNC:
        out[0] = (uintptr_t)lucet__func_record(i, (uint32_t)op->value[0]);
        break;
    default: /* null */ break;
    }
}
