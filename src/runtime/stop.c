/* Stopping guests from outside: kill switches and time limits. States (without STOP_):
 *
 *      NONE ──▶ DECIDING ──▶ CANCELLED   not running: the next run ends at once ──▶ DISABLED
 *       │           └──────▶ REMOTE      running: its end is `terminated` ────────▶ DISABLED
 *       └────── time is up ▶ TIMEOUT     likewise ────────────────────────────────▶ DISABLED
 *
 * Whoever leaves STOP_NONE by a compare-and-swap has won, and the run ends as terminated whatever
 * the guest did meanwhile. The signal says nothing by itself: its handler looks at the states of
 * the activations of its thread, so that one that arrives late finds nothing to do. STOP_DISABLED
 * lasts until the instance is reset.
 *
 * Runs begin and end far more often than guests are stopped, so they pay nothing: they store
 * `running` and then load `state`, without a fence. The killer, between storing `state` and loading
 * `running`, has the kernel make every thread of the process pass a barrier. So at least one of the
 * two sees the other's store; and a run that sees STOP_DECIDING, as it begins or ends, waits for
 * the decision. While a killer that found the instance running is deciding, the activation stays.
 * The same holds for STOP_LOOKING, from STOP_NONE and back: somebody ends a time slice. */
#include "runtime/stop.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/activation.h"
#include "runtime/allocate.h"
#include "runtime/error.h"
#include "runtime/instance.h"
#include "runtime/ranges.h"
#include "runtime/signals.h"
#include "runtime/slice.h"
#include "runtime/timeout.h"
#include "runtime/tsan.h"
#include "runtime/wait.h"
#include "runtime/x86_64/machine.h"

struct lucet_kill_switch {
    struct stop *stop;
};

struct stop *lucet__stop_new(void)
{
    struct stop *s = lucet__calloc(1, sizeof(*s));

    if (s) {
        atomic_init(&s->refs, 1);
        atomic_init(&s->state, STOP_NONE);
        pthread_mutex_init(&s->mutex, NULL);
    }
    return s;
}

void lucet__stop_retain(struct stop *s)
{
    atomic_fetch_add(&s->refs, 1);
}

void lucet__stop_release(struct stop *s)
{
    if (atomic_fetch_sub(&s->refs, 1) != 1)
        return;
    pthread_mutex_destroy(&s->mutex);
    lucet__free(s);
}

bool lucet__stop_shared(const struct stop *s)
{
    return atomic_load(&s->refs) != 1;
}

static bool change(struct stop *s, int from, int to)
{
    return atomic_compare_exchange_strong(&s->state, &from, to);
}

/* The state once no killer is deciding or looking. */
static int decided(struct stop *s)
{
    int state;

    while ((state = atomic_load(&s->state)) == STOP_DECIDING || state == STOP_LOOKING)
        sched_yield();
    return state;
}

void lucet__stop_disable(struct stop *s)
{
    while (!change(s, decided(s), STOP_DISABLED))
        ;
}

void lucet__stop_enable(struct stop *s)
{
    change(s, STOP_DISABLED, STOP_NONE);
}

/* ---- Beginning and ending ---- */

atomic_bool lucet__stop_fences;

void lucet__stop_prepare(void)
{
    atomic_store(&lucet__stop_fences,
                 syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) != 0);
    lucet__quick_calls_update();
}

/* All threads that run, and this one, see what was stored before. After a fork the child has to
 * register anew. */
static void barrier_everywhere(void)
{
    if (atomic_load(&lucet__stop_fences) ||
        syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0)
        return;
    lucet__stop_prepare();
    if (syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) != 0)
        usleep(1000); /* forbidden meanwhile: what was stored by now is visible by then */
}

/* Somebody wants it to stop. */
static bool begin_slowly(struct stop *s)
{
    int state = decided(s);

    if (state == STOP_NONE || state == STOP_REMOTE)
        return true; /* it is told so as it begins */
    lucet__stop_running(s, false);
    change(s, STOP_CANCELLED, STOP_DISABLED);
    return false;
}

void lucet__stop_not_begun(struct stop *s)
{
    const int state = decided(s);

    if (state != STOP_REMOTE && state != STOP_TIMEOUT)
        lucet__stop_running(s, false);
}

bool lucet__stop_begin(struct stop *s, struct activation *act)
{
    atomic_store_explicit(&s->act, act, memory_order_relaxed);
    atomic_store_explicit(&s->abi, &lucet__thread.abi, memory_order_relaxed);
    atomic_store_explicit(&s->preempted, false, memory_order_relaxed);
    return lucet__stop_running(s, true) || begin_slowly(s);
}

/* A killer that is deciding may have cut the run off already: it must find it running. */
static bool end_slowly(struct stop *s, enum lucet_terminated_reason *reason)
{
    int state;

    decided(s);
    lucet__stop_running(s, false);
    state = decided(s);
    lucet__stop_requested(s, reason);
    return (state == STOP_REMOTE || state == STOP_TIMEOUT) && change(s, state, STOP_DISABLED);
}

bool lucet__stop_end(struct stop *s, bool usable, enum lucet_terminated_reason *reason)
{
    if (!lucet__stop_ended(s) && end_slowly(s, reason))
        return true;
    if (!usable)
        lucet__stop_disable(s);
    return false;
}

bool lucet__stop_requested(const struct stop *s, enum lucet_terminated_reason *reason)
{
    int state = atomic_load_explicit(&s->state, memory_order_acquire);

    *reason =
        state == STOP_TIMEOUT ? lucet_terminated_reason_timeout : lucet_terminated_reason_remote;
    return state == STOP_DECIDING || state == STOP_REMOTE || state == STOP_TIMEOUT;
}

bool lucet__stop_preempted(const struct stop *s)
{
    return atomic_load(&s->preempted);
}

void lucet__stop_preempt(struct stop *s)
{
    atomic_store(&s->preempted, true);
}

bool lucet__stop_expire(struct stop *s)
{
    return change(s, STOP_NONE, STOP_TIMEOUT);
}

/* ---- The running thread's side ---- */

void lucet__terminate(struct activation *act, enum lucet_terminated_reason reason, void *provided)
{
    act->outcome = OUTCOME_TERMINATED;
    act->reason = reason;
    act->provided = provided;
    lucet__leave_host();
}

static bool in_guest(uintptr_t pc)
{
    if (lucet__thread.abi.guest_frame != NULL)
        return false;
    return (pc >= (uintptr_t)lucet__enter_begin && pc < (uintptr_t)lucet__enter_end) ||
           (pc >= (uintptr_t)lucet__quick_begin && pc < (uintptr_t)lucet__quick_end) ||
           (pc >= (uintptr_t)lucet__closed_begin && pc < (uintptr_t)lucet__closed_end) ||
           (pc >= (uintptr_t)lucet__continue_begin && pc < (uintptr_t)lucet__continue_end) ||
           lucet__code_range_find(pc) != NULL;
}

/* A limit holds for all of a run, so also for runs that its host functions began. */
static void expire(struct activation *current)
{
    const struct activation *outermost = NULL;

    for (const struct activation *act = current; act; act = act->outer)
        if (act->deadline && lucet__now() >= act->deadline)
            outermost = act;
    if (!outermost)
        return;
    for (struct activation *act = current; act; act = act->outer) {
        lucet__stop_expire(act->instance->stop);
        if (act == outermost)
            return;
    }
}

/* Guest code ends here; host functions are never interrupted, the way back from them is barred. */
static bool stop_activations(struct activation *current, ucontext_t *u)
{
    bool waiting = false;

    expire(current);
    for (struct activation *act = current; act; act = act->outer) {
        enum lucet_terminated_reason reason;
        if (!lucet__stop_requested(act->instance->stop, &reason))
            continue;
        struct lucet_activation *abi = act == current ? &lucet__thread.abi : &act->abi;
        __atomic_fetch_or(&abi->pending, LUCET__PENDING_STOP, __ATOMIC_RELAXED);
        if (act == current && in_guest(machine_pc(u))) {
            act->outcome = OUTCOME_TERMINATED;
            act->reason = reason;
            act->provided = NULL;
            machine_redirect(u, (const void *)(uintptr_t)lucet__leave, act->host_sp);
        } else {
            waiting = true;
        }
    }
    return waiting;
}

void lucet__stop_handler(int sig, siginfo_t *info, void *context)
{
    if (lucet__tsan_postpone(sig, context))
        return;

    const int saved_errno = errno;
    struct thread *t = &lucet__thread;

    /* A host function may be about to block: the signal comes again until it has returned. */
    if (t->current && stop_activations(t->current, context)) {
        lucet__wait_stop(t);
        lucet__timer_repeat(t);
    }
    lucet__slices_check(t, context);
    /* Others may use the signal too, with timers of their own. */
    bool ours = info->si_code == SI_QUEUE || info->si_code == SI_TIMER;
    if (!ours || info->si_ptr != &lucet__thread_mark)
        lucet__chain(sig, info, context);
    errno = saved_errno;
    if (machine_called_by_kernel())
        lucet__slice_leave(t, context);
}

/* ---- The killer's side ---- */

const char lucet__thread_mark;

void lucet__stop_signal_send(pid_t tid)
{
    siginfo_t info = {.si_signo = lucet__stop_signal(), .si_code = SI_QUEUE};

    info.si_pid = getpid();
    info.si_uid = getuid();
    info.si_ptr = (void *)(uintptr_t)&lucet__thread_mark;
    syscall(SYS_rt_tgsigqueueinfo, getpid(), tid, info.si_signo, &info);
}

/* Tells the thread, and goes from the short state that keeps the activation in place to `next`. */
static enum lucet_kill_result tell(struct stop *s, int next)
{
    struct thread *t =
        lucet__activation_thread(atomic_load_explicit(&s->abi, memory_order_relaxed));
    struct activation *current = __atomic_load_n(&t->current, __ATOMIC_RELAXED);
    bool in_host = current != atomic_load_explicit(&s->act, memory_order_relaxed) ||
                   __atomic_load_n(&t->abi.guest_frame, __ATOMIC_RELAXED) != NULL;

    lucet__stop_signal_send(t->tid);
    atomic_store(&s->state, next);
    return in_host ? lucet_kill_pending : lucet_kill_signalled;
}

/* False: it cannot be stopped any more. */
static bool begin_to_look(struct stop *s, int as)
{
    while (!change(s, STOP_NONE, as)) {
        if (atomic_load(&s->state) != STOP_LOOKING)
            return false;
        sched_yield();
    }
    barrier_everywhere();
    return true;
}

static enum lucet_kill_result terminate(struct stop *s)
{
    if (!begin_to_look(s, STOP_DECIDING))
        return lucet_kill_not_terminable;
    if (atomic_load_explicit(&s->running, memory_order_acquire))
        return tell(s, STOP_REMOTE);
    atomic_store(&s->state, STOP_CANCELLED);
    return lucet_kill_cancelled;
}

enum lucet_kill_result lucet_kill_switch_terminate(struct lucet_kill_switch *k)
{
    if (!k)
        return lucet_kill_not_terminable;
    const enum lucet_kill_result result = terminate(k->stop);
    /* Who is added from now on sees the state. */
    pthread_mutex_lock(&k->stop->mutex);
    for (struct stop *t = k->stop->threads; t; t = t->next_thread)
        terminate(t);
    pthread_mutex_unlock(&k->stop->mutex);
    return result;
}

bool lucet__stop_add_thread(struct stop *first, struct stop *thread)
{
    pthread_mutex_lock(&first->mutex);
    const int state = atomic_load(&first->state);
    const bool possible = state == STOP_NONE || state == STOP_LOOKING;
    if (possible) {
        thread->next_thread = first->threads;
        first->threads = thread;
    }
    pthread_mutex_unlock(&first->mutex);
    return possible;
}

void lucet__stop_remove_thread(struct stop *first, struct stop *thread)
{
    pthread_mutex_lock(&first->mutex);
    for (struct stop **p = &first->threads; *p; p = &(*p)->next_thread)
        if (*p == thread) {
            *p = thread->next_thread;
            break;
        }
    pthread_mutex_unlock(&first->mutex);
}

enum lucet_kill_result lucet_kill_switch_preempt(struct lucet_kill_switch *k)
{
    if (!k || !begin_to_look(k->stop, STOP_LOOKING))
        return lucet_kill_not_terminable;
    if (atomic_load_explicit(&k->stop->running, memory_order_acquire) &&
        atomic_load_explicit(&k->stop->act, memory_order_relaxed)->slice) {
        lucet__stop_preempt(k->stop);
        return tell(k->stop, STOP_NONE);
    }
    atomic_store(&k->stop->state, STOP_NONE);
    return lucet_kill_not_terminable;
}

enum lucet_error lucet_instance_kill_switch(struct lucet_instance *inst,
                                            struct lucet_kill_switch **out)
{
    struct lucet_kill_switch *k;

    lucet__clear_error();
    if (!inst || !out)
        return lucet__fail(lucet_error_invalid_argument, "lucet_instance_kill_switch: NULL");
    *out = NULL;
    k = lucet__malloc(sizeof(*k));
    if (!k)
        return lucet__no_memory();
    k->stop = inst->stop;
    lucet__stop_retain(k->stop);
    *out = k;
    return lucet_error_ok;
}

void lucet_kill_switch_release(struct lucet_kill_switch *k)
{
    if (!k)
        return;
    lucet__stop_release(k->stop);
    lucet__free(k);
}
