/* Frames of guests. */
#ifndef LUCET_RUNTIME_BACKTRACE_H
#define LUCET_RUNTIME_BACKTRACE_H

#include "lucet/lucet.h"
#include "runtime/activation.h"

/* backtrace.c: collects the frames above (pc, sp) in guest code into the instance's trace; pc is a
 * return address when `from_call`. Safe in signal handlers. */
void lucet__backtrace(struct activation *act, uintptr_t pc, uintptr_t sp, uintptr_t probe,
                      bool from_call);
/* Fills result->val.faulted from the activation. */
void lucet__describe_fault(const struct activation *act, struct lucet_result *result);

#endif
