/* Which functions are too heavy to optimise. Several of LLVM's analyses and its instruction
 * selection take time and memory that grow with the square of something a few bytes of input can
 * make large. A function over one of these budgets is compiled without optimisation, which is
 * linear. The budgets are many times what was found in real programs, and depend on nothing but the
 * module, so that the output does not depend on the machine. */
#ifndef LUCETC_WEIGHT_H
#define LUCETC_WEIGHT_H

#include "wasm/wasm.h"

enum {
    MAX_BODY = 512 << 10,      /* bytes of one function */
    MAX_STRAIGHT_RUN = 4096,   /* memory accesses without a branch between them */
    MAX_LOOP_DEPTH = 64,       /* loops in loops */
    MAX_DIVISIONS = 256,       /* of integers, by something that is no constant: two traps each */
    MAX_BRANCH_TARGETS = 4096, /* of all br_table instructions */
};

/* Walks over the body of a function that is not imported. */
bool func_is_heavy(const struct wasm_module *m, uint32_t func);

#endif
