/* The machine code is made for. */
#ifndef LUCETC_TARGET_H
#define LUCETC_TARGET_H

#include <llvm-c/TargetMachine.h>

#include "lucetc/compilation.h"

/* Resolves options into c->target. Errors: compile (unknown CPU or feature), unsupported (triple),
 * no_memory. */
enum lucet_error target_resolve(struct compilation *c);
void target_free(struct target *t);

/* A target machine of the caller's; NULL when LLVM refuses (diagnosed). One per thread. */
LLVMTargetMachineRef target_machine(const struct compilation *c, enum lucetc_opt_level level);

/* Registers LLVM's backend; any thread, any number of times. */
void target_initialize(void);

#endif
