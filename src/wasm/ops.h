#ifndef LUCET_WASM_OPS_H
#define LUCET_WASM_OPS_H

#include "wasm/wasm.h"

/* The operation of an opcode; `prefix` is 0, 0xfc or 0xfd. */
bool wasm_op_find(uint8_t prefix, uint32_t code, enum wasm_op *op);

#endif
