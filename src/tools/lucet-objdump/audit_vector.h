/* Vectorised code computes addresses in vectors: which instructions keep the lanes of 64 bits below
 * 2^32. */
#ifndef LUCET_AUDIT_VECTOR_H
#define LUCET_AUDIT_VECTOR_H

#include <Zydis/Zydis.h>

#include "tools/lucet-objdump/audit_insn.h"

/* Fills in out->vector, and out->op for what takes a lane out. */
void audit_decode_vector(const ZydisDecodedInstruction *insn, const ZydisDecodedOperand *operands,
                         struct audit_insn *out);

#endif
