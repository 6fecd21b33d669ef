/* How parameters travel to the functions a module calls directly: its bodies and gates.
 *
 * In a module without tail calls they are the parameters of the C function. In one with tail calls
 * all these functions have one prototype (docs/abi.md C10), since LLVM guarantees a tail jump only
 * between equal ones:
 *
 *     R f(ptr swiftself context, ptr nest scratch, i64 x integer_params, <2 x i64> x vector_params)
 *
 * Each wasm parameter is in the register in which the C convention puts it; the ones for which
 * there is no register are in the scratch space of the running context, in order, one per result
 * slot. So types whose parameters all fit have one machine-level convention, whatever the module,
 * and only the others ("wide" types) need conversion where they meet the C convention: in import
 * gates, call gates and thunks. */
#ifndef LUCETC_PARAMS_H
#define LUCETC_PARAMS_H

#include "lucetc/emitter.h"

void params_count(const struct wasm_functype *t, uint32_t *integers, uint32_t *vectors);
/* How many parameters of the type have no register; such a type is wide. */
uint32_t params_beyond_registers(const struct wasm_functype *t);

/* Whether bodies of the type get their parameters as the C function of records of that type does,
 * so that one can be jumped to for the other. */
bool params_are_plain(const struct compilation *c, uint32_t type);

/* Makes the module's one prototype fit for functions of the type. */
void params_note(struct plan *p, const struct wasm_functype *t);
/* The one prototype's parameters behind the first two (14 at most); returns their number. */
unsigned params_shared_types(const struct emitter *e, LLVMTypeRef *types);

/* Caller's side: fills args[2..] for a call with `context` as the callee's (of this module); stores
 * what has no register. Returns the number of arguments, the first two included. */
unsigned params_pass(struct emitter *e, const struct wasm_functype *t, LLVMValueRef context,
                     const LLVMValueRef *values, LLVMValueRef *args);
/* Callee's side: the wasm parameters of `func`, in whose first block the builder stands. */
void params_take(struct emitter *e, const struct wasm_functype *t, LLVMValueRef func,
                 LLVMValueRef *values);

#endif
