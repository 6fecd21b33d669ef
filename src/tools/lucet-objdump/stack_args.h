/* How many bytes of arguments a function gets on the stack, by the C convention of x86-64: what it
 * may read above its return address, and may overwrite. */
#ifndef LUCET_OBJDUMP_STACK_ARGS_H
#define LUCET_OBJDUMP_STACK_ARGS_H

#include "module/reader.h"
#include "tools/lucet-objdump/audit.h"

/* Of the C function of a type. */
uint32_t stack_args_of_type(const struct lucet_artifact *a, uint32_t type);
/* Of a guest function: none in modules with tail calls (docs/abi.md C10). */
uint32_t stack_args_of_body(const struct lucet_artifact *a, uint32_t type);
/* Sets stack_args and outgoing_args from a helper's name, "gate.3.0". */
void stack_args_of_helper(const struct lucet_artifact *a, const char *name,
                          struct audit_function *fn);

#endif
