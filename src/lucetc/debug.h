/* Debug locations: every instruction of LLVM is told which WebAssembly instruction it is made of.
 * The line is the instruction's offset in the module; line_table.h says what becomes of it. */
#ifndef LUCETC_DEBUG_H
#define LUCETC_DEBUG_H

#include "lucetc/emitter.h"

/* Begins a module. Does nothing, as do the others, without the option for it. */
void debug_begin(struct emitter *e);
/* From here on instructions belong to that function; then, to its instruction at `offset` in the
 * module. */
void debug_function(struct emitter *e, LLVMValueRef func, uint32_t func_index);
void debug_at(struct emitter *e, uint32_t offset);
/* What follows is of no function. */
void debug_function_end(struct emitter *e);
/* Before the module is optimised. */
void debug_finish(struct emitter *e);
void debug_free(struct emitter *e);

#endif
