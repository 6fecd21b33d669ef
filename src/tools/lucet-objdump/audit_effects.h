/* What functions are marked not to do (docs/abi.md section 8; enum lucet_func_effects). Calls of
 * them from the host leave out what protects from it, so the marks are proved from the code. */
#ifndef LUCET_AUDIT_EFFECTS_H
#define LUCET_AUDIT_EFFECTS_H

#include "tools/lucet-objdump/audit_classify.h"

/* Of a report's, before the first function is judged. False when out of memory. */
bool effects_begin(const struct audit_input *in, struct audit_report *out);

/* Parts of the last pass over a function; they do nothing for functions without marks. An
 * instruction, whatever is known before it; its memory operand; where it goes; what the stack
 * pointer is after it. */
void effects_judge_kind(struct judge *j, const struct audit_insn *insn);
void effects_judge_memory(struct judge *j, const struct audit_state *s,
                          const struct audit_insn *insn, enum audit_memory m);
void effects_judge_flow(struct judge *j, const struct audit_state *s,
                        const struct audit_insn *insn);
void effects_judge_stack(struct judge *j, const struct audit_state *s,
                         const struct audit_insn *insn);

/* When all functions have been judged: how they call each other. False when out of memory. */
bool effects_end(const struct audit_input *in, struct audit_report *out);

#endif
