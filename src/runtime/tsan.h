/* For a build with ThreadSanitizer (`make tsan`); nothing otherwise.
 *
 * Its library holds asynchronous signals back until the thread calls it the next time, which guest
 * code never does. So our handlers are put in place behind its back; and a signal that finds the
 * thread in the library, which is not made for that, is made to come again a little later. Stacks
 * are switched without a word to it: functions are compiled without the calls at entry and exit
 * that would have to come in pairs. */
#ifndef LUCET_RUNTIME_TSAN_H
#define LUCET_RUNTIME_TSAN_H

#include <stdbool.h>

#ifdef LUCET_TSAN

#include <signal.h>

extern int __sigaction(int sig, const struct sigaction *now, struct sigaction *before);
#define sigaction(sig, now, before) __sigaction(sig, now, before)

/* True: the handler of the stop signal, `sig`, is to return at once. */
bool lucet__tsan_postpone(int sig, const void *context);
/* No signal comes again: the library forgets the thread before it has ended. */
void lucet__tsan_thread_gone(void);

#else

static inline bool lucet__tsan_postpone(int sig, const void *context)
{
    (void)sig, (void)context;
    return false;
}
static inline void lucet__tsan_thread_gone(void)
{
}

#endif

#endif
