/* Faults of guests. */
#ifndef LUCET_RUNTIME_FAULT_H
#define LUCET_RUNTIME_FAULT_H

#include <signal.h>

#include "runtime/activation.h"

/* fault.c: ends the current activation as faulted, from a host function or builtin. */
/* The current activation, which must be in a host function or builtin called by `ctx`: anything
 * else is a mistake of the host and aborts the process. */
struct activation *lucet__in_host(const struct lucet_vmctx *ctx);
bool lucet__is_in_host(const struct lucet_vmctx *ctx);
LUCET_NORETURN void lucet__trap(struct lucet_vmctx *ctx, enum lucet_trapcode code);
void lucet__fault_handler(int sig, siginfo_t *info, void *context);

#endif
