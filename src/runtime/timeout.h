/* The timers of time limits. */
#ifndef LUCET_RUNTIME_TIMEOUT_H
#define LUCET_RUNTIME_TIMEOUT_H

#include "runtime/activation.h"

/* timeout.c: the thread's timer, or the host, sends the stop signal at the earliest deadline of the
 * chain. */
enum lucet_error lucet__timer_prepare(struct thread *t);
void lucet__timer_set(struct thread *t); /* from the chain's deadlines */
/* Whether there is anything to take back. */
static inline bool lucet__timer_is_set(const struct thread *t)
{
    return t->armed || atomic_load_explicit(&t->deadline, memory_order_relaxed) != 0;
}
bool lucet__host_keeps_time(void); /* instead of timers */
/* In struct thread those that the thread put there are odd, those that others did are even. */
static inline uint64_t lucet__deadline_own(uint64_t deadline)
{
    return deadline ? deadline | 1 : 0;
}
/* After a fork, on the thread that made it. */
void lucet__deadline_in_child(struct thread *t);
void lucet__timer_repeat(struct thread *t); /* soon and again: a stop waits for a host function */
void lucet__timer_release(struct thread *t);
uint64_t lucet__now(void);

#endif
