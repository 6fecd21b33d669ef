/* What each class of functions may do. docs/audit.md says why. */
#ifndef LUCET_AUDIT_POLICY_H
#define LUCET_AUDIT_POLICY_H

#include "tools/lucet-objdump/audit.h"

struct audit_policy {
    uint32_t memory;                   /* set of 1 << enum audit_memory */
    uint32_t branches;                 /* set of 1 << enum audit_branch */
    uint32_t callees;                  /* set of 1 << enum audit_class, also of tail jumps */
    uint32_t branches_with_tail_calls; /* these too, in modules with tail calls */
    bool gs_base;                      /* wrgsbase */
    bool own_context; /* calls pass the context the function was called with, else that or a
                         record's */
};

extern const struct audit_policy audit_policies[CLASS_COUNT];

#endif
