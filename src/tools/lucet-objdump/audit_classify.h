/* Parts of the last pass over a function, when the states before all its blocks are known. */
#ifndef LUCET_AUDIT_CLASSIFY_H
#define LUCET_AUDIT_CLASSIFY_H

#include "tools/lucet-objdump/audit_unit.h"

enum { WHY_SIZE = 128 };

struct judge {
    struct audit_unit *u;
    struct audit_report *report;
    struct audit_counts *counts; /* of the function's class */
    const struct audit_policy *policy;
    bool failed; /* out of memory */
};

/* Into which category an access falls; why[] says more when the answer is MEMORY_OTHER. */
enum audit_memory classify_memory(const struct audit_unit *u, const struct audit_state *s,
                                  const struct audit_insn *insn, char why[WHY_SIZE]);
/* Counts and judges calls, jumps and returns. */
void judge_flow(struct judge *j, const struct audit_state *s, const struct audit_insn *insn);

#endif
