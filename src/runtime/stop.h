/* Stop requests: kill switches, time limits, ends of slices. */
#ifndef LUCET_RUNTIME_STOP_H
#define LUCET_RUNTIME_STOP_H

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "runtime/activation.h"

/* stop.c: shared with kill switches. What a run does to it, func.c does by itself. */
struct stop {
    atomic_uint refs;
    atomic_int state; /* enum stop_state */
    atomic_bool running, preempted;
    uint32_t depth; /* of the instance: runs in progress. For the thread that runs it alone; here,
                       because calls by handle write it with the two before in one store */
    /* Valid while running; written before. Between runs `act` is the instance's own, for calls by
     * handle. */
    struct activation *_Atomic act;
    struct lucet_activation *_Atomic abi; /* the thread's */
    /* Of a program's first instance: its other threads. */
    pthread_mutex_t mutex; /* guards the rest, of all of them */
    struct stop *threads, *next_thread;
};
enum stop_state {
    STOP_NONE,
    STOP_DECIDING,
    STOP_LOOKING,
    STOP_CANCELLED,
    STOP_REMOTE,
    STOP_TIMEOUT,
    STOP_DISABLED
};
/* Every thread that stores `running` passes a full barrier, because the kernel offers none to
 * killers. */
extern atomic_bool lucet__stop_fences;

struct stop *lucet__stop_new(void);
void lucet__stop_retain(struct stop *s);
/* Whoever kills the first instance kills the thread, too, until that is removed (or was not added).
 * False: it has been killed, or cannot run any more. */
bool lucet__stop_add_thread(struct stop *first, struct stop *thread);
void lucet__stop_remove_thread(struct stop *first, struct stop *thread);
/* A kill switch holds it. */
bool lucet__stop_shared(const struct stop *s);
/* Once per process, and in the child of a fork: what killers rely on. */
void lucet__stop_prepare(void);
void lucet__stop_release(struct stop *s);
/* The instance is going away, or has faulted (until reset): nothing to stop. */
void lucet__stop_disable(struct stop *s);
void lucet__stop_enable(struct stop *s);
/* As new; of one that is not shared. */
static inline void lucet__stop_renew(struct stop *s)
{
    atomic_store_explicit(&s->state, STOP_NONE, memory_order_relaxed);
}
/* The quick part of both: false when somebody wants it to stop, and the rest must be done. */
static inline bool lucet__stop_running(struct stop *s, bool running)
{
    atomic_store_explicit(&s->running, running, memory_order_release);
    if (__builtin_expect(atomic_load_explicit(&lucet__stop_fences, memory_order_relaxed), 0))
        atomic_thread_fence(memory_order_seq_cst);
    atomic_signal_fence(memory_order_seq_cst);
    return atomic_load_explicit(&s->state, memory_order_acquire) == STOP_NONE;
}
/* The quick part of the end: the same, but nothing is changed while somebody is deciding. */
static inline bool lucet__stop_ended(struct stop *s)
{
    return atomic_load_explicit(&s->state, memory_order_acquire) == STOP_NONE &&
           lucet__stop_running(s, false);
}
/* What was about to begin, and said that it was running, does not: somebody wants it to stop. */
void lucet__stop_not_begun(struct stop *s);
/* A run begins; false: it was cancelled before. */
bool lucet__stop_begin(struct stop *s, struct activation *act);
/* Nothing is running: the activation that does next, unless lucet__stop_begin() says otherwise. */
static inline void lucet__stop_belongs(struct stop *s, struct activation *act)
{
    atomic_store_explicit(&s->act, act, memory_order_relaxed);
}
/* A run ends; `usable`: another may follow. True and the reason: it was asked to stop. */
bool lucet__stop_end(struct stop *s, bool usable, enum lucet_terminated_reason *reason);
bool lucet__stop_requested(const struct stop *s, enum lucet_terminated_reason *reason);
/* Someone asked for the end of the slice; until the next run begins. Safe in signal handlers. */
bool lucet__stop_preempted(const struct stop *s);
void lucet__stop_preempt(struct stop *s);
/* Time is up, on the thread that runs; false: someone else was first. Safe in signal handlers. */
bool lucet__stop_expire(struct stop *s);
void lucet__stop_handler(int sig, siginfo_t *info, void *context);
/* To a thread of this process that exists: its handler looks what there is to stop. */
void lucet__stop_signal_send(pid_t tid);
/* Ends the current activation as terminated. */
LUCET_NORETURN void lucet__terminate(struct activation *act, enum lucet_terminated_reason reason,
                                     void *provided);

#endif
