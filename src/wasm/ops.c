/* Tables made of ops.def and memory_ops.def. */
#include "wasm/ops.h"

const struct wasm_op_info wasm_op_info[WASM_OP_COUNT] = {
#define WASM_OP(id, name, prefix, code, imm, sig, feature)                                         \
    [WASM_OP_##id] = {name, prefix, code, WASM_IMM_##imm, sig, WASM_FEATURE_##feature},
#include "wasm/ops.def"
#undef WASM_OP
};

static const uint8_t access_log2[WASM_OP_COUNT] = {
#define WASM_MEMORY_OP(id, log2) [WASM_OP_##id] = log2,
#include "wasm/memory_ops.def"
#undef WASM_MEMORY_OP
};

uint32_t wasm_op_access_log2(enum wasm_op op)
{
    return access_log2[op];
}

/* Operation + 1 at prefix and code, 0 where there is none. */
enum { CODES_PER_PREFIX = 0x120 };
#define ROW(prefix) ((prefix) == 0 ? 0 : (prefix) - 0xfb)
static const uint16_t op_by_code[(ROW(0xfd) + 1) * CODES_PER_PREFIX] = {
#define WASM_OP(id, name, prefix, code, imm, sig, feature)                                         \
    [ROW(prefix) * CODES_PER_PREFIX + (code)] = WASM_OP_##id + 1,
#include "wasm/ops.def"
#undef WASM_OP
};

bool wasm_op_find(uint8_t prefix, uint32_t code, enum wasm_op *op)
{
    if (code >= CODES_PER_PREFIX)
        return false;
    uint16_t found = op_by_code[ROW(prefix) * CODES_PER_PREFIX + code];
    *op = (enum wasm_op)(found - 1);
    return found != 0;
}
