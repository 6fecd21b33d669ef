/* Constant expressions. The reader has checked them: the stack fits, one value of the wanted type
 * is left. */
#include <string.h>

#include "runtime/instance.h"
#include "runtime/module.h"

static void make_value(const struct lucet_instance *i, const struct lucet_init_op *op,
                       uint64_t out[2])
{
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

/* False when it is no operator of arithmetic. */
static bool calculate(uint32_t kind, uint64_t a, uint64_t b, uint64_t *out)
{
    switch (kind) {
    case LUCET_INIT_I32_ADD: *out = (uint32_t)(a + b); return true;
    case LUCET_INIT_I32_SUB: *out = (uint32_t)(a - b); return true;
    case LUCET_INIT_I32_MUL: *out = (uint32_t)(a * b); return true;
    case LUCET_INIT_I64_ADD: *out = a + b; return true;
    case LUCET_INIT_I64_SUB: *out = a - b; return true;
    case LUCET_INIT_I64_MUL: *out = a * b; return true;
    default: return false;
    }
}

void lucet__init_value(const struct lucet_instance *i, struct lucet_init init, uint64_t out[2])
{
    const struct lucet_init_op *ops = &i->module->artifact.init_ops[init.first];
    uint64_t stack[LUCET_INIT_DEPTH][2];
    uint32_t height = 0;

    if (init.count == 1) {
        make_value(i, ops, out);
        return;
    }
    for (uint32_t k = 0; k < init.count; k++) {
        uint64_t result;
        if (height >= 2 &&
            calculate(ops[k].kind, stack[height - 2][0], stack[height - 1][0], &result))
            stack[--height - 1][0] = result;
        else
            make_value(i, &ops[k], stack[height++]);
    }
    memcpy(out, stack[0], sizeof(stack[0]));
}
