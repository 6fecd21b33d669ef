#ifndef LUCET_WASM_OPS_H
#define LUCET_WASM_OPS_H

#include "wasm/wasm.h"

/* A row for each prefix; operation + 1 at each code, 0 where there is none. */
enum { WASM_CODES_PER_PREFIX = 0x120, WASM_PREFIX_ROWS = 4 };
#define WASM_PREFIX_ROW(prefix) ((prefix) == 0 ? 0 : (prefix) - 0xfb)
extern const uint16_t wasm_op_by_code[WASM_PREFIX_ROWS * WASM_CODES_PER_PREFIX];

/* The operation of an opcode; `prefix` is 0, 0xfc, 0xfd or 0xfe. */
static inline bool wasm_op_find(uint8_t prefix, uint32_t code, enum wasm_op *op)
{
    if (code >= WASM_CODES_PER_PREFIX)
        return false;
    uint16_t found = wasm_op_by_code[WASM_PREFIX_ROW(prefix) * WASM_CODES_PER_PREFIX + code];
    *op = (enum wasm_op)(found - 1);
    return found != 0;
}

#endif
