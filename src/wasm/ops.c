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

const uint16_t wasm_op_by_code[WASM_PREFIX_ROWS * WASM_CODES_PER_PREFIX] = {
#define WASM_OP(id, name, prefix, code, imm, sig, feature)                                         \
    [WASM_PREFIX_ROW(prefix) * WASM_CODES_PER_PREFIX + (code)] = WASM_OP_##id + 1,
#include "wasm/ops.def"
#undef WASM_OP
};
