/* Which instructions guest code may contain at all. */
#ifndef LUCET_AUDIT_ALLOW_H
#define LUCET_AUDIT_ALLOW_H

#include <Zydis/Zydis.h>
#include <stdbool.h>

/* NULL when it is allowed, else a few words why not. */
const char *audit_forbidden(const ZydisDecodedInstruction *insn,
                            const ZydisDecodedOperand *operands);

/* Whether it is one that names general registers only. What else it could name is forbidden. */
bool audit_is_integer(const ZydisDecodedInstruction *insn);

#endif
