/* The timers of time limits. */
#ifndef LUCET_RUNTIME_TIMEOUT_H
#define LUCET_RUNTIME_TIMEOUT_H

#include "runtime/activation.h"

/* timeout.c: the thread's timer fires the stop signal at the earliest deadline of the chain. */
enum lucet_error lucet__timer_prepare(struct thread *t);
void lucet__timer_set(struct thread *t);    /* from the chain's deadlines */
void lucet__timer_repeat(struct thread *t); /* soon and again: a stop waits for a host function */
void lucet__timer_release(struct thread *t);
uint64_t lucet__now(void);

#endif
