/* Stopping guests from outside: kill switches and time limits.
 *
 *                    terminate: cancelled
 *        IDLE ─────────────────────────────▶ CANCELLED
 *         │ ▲ begin                              │ begin: the run ends at once
 *   begin │ │ end                                ▼
 *         ▼ │           terminate             DISABLED (until the instance is reset)
 *      RUNNING ──▶ STOPPING ──▶ STOP_REMOTE ──▶ end: terminated ──▶ DISABLED
 *         └─────────── time is up ▶ STOP_TIMEOUT ──▶ end: terminated ──▶ DISABLED
 *
 * Whoever leaves RUNNING by a compare-and-swap has won, and the run ends as terminated whatever
 * the guest did meanwhile. The signal says nothing by itself: its handler looks at the states of
 * the activations of its thread, so that one that arrives late finds nothing to do. STOPPING is
 * short: the killer needs the activation to stay while it looks at it. */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/runtime.h"
#include "runtime/x86_64/machine.h"

enum state { IDLE, CANCELLED, RUNNING, STOPPING, STOP_REMOTE, STOP_TIMEOUT, DISABLED };

struct stop {
    atomic_uint refs;
    atomic_int state;
    /* Valid in RUNNING and STOPPING; written before. */
    struct activation *act;
    struct thread *thread;
};

struct lucet_kill_switch {
    struct stop *stop;
};

struct stop *lucet__stop_new(void)
{
    struct stop *s = calloc(1, sizeof(*s));

    if (s) {
        atomic_init(&s->refs, 1);
        atomic_init(&s->state, IDLE);
    }
    return s;
}

void lucet__stop_retain(struct stop *s)
{
    atomic_fetch_add(&s->refs, 1);
}

void lucet__stop_release(struct stop *s)
{
    if (atomic_fetch_sub(&s->refs, 1) == 1)
        free(s);
}

void lucet__stop_disable(struct stop *s)
{
    atomic_store(&s->state, DISABLED);
}

void lucet__stop_enable(struct stop *s)
{
    int disabled = DISABLED;

    atomic_compare_exchange_strong(&s->state, &disabled, IDLE);
}

static bool change(struct stop *s, int from, int to)
{
    return atomic_compare_exchange_strong(&s->state, &from, to);
}

bool lucet__stop_begin(struct stop *s, struct activation *act)
{
    s->act = act;
    s->thread = &lucet__thread;
    if (change(s, IDLE, RUNNING))
        return true;
    change(s, CANCELLED, DISABLED);
    return false;
}

bool lucet__stop_end(struct stop *s, bool usable, enum lucet_terminated_reason *reason)
{
    while (!change(s, RUNNING, usable ? IDLE : DISABLED)) {
        lucet__stop_requested(s, reason);
        if (change(s, STOP_REMOTE, DISABLED) || change(s, STOP_TIMEOUT, DISABLED))
            return true;
        sched_yield(); /* the killer is looking at the activation */
    }
    return false;
}

bool lucet__stop_requested(const struct stop *s, enum lucet_terminated_reason *reason)
{
    int state = atomic_load(&s->state);

    *reason =
        state == STOP_TIMEOUT ? lucet_terminated_reason_timeout : lucet_terminated_reason_remote;
    return state == STOPPING || state == STOP_REMOTE || state == STOP_TIMEOUT;
}

bool lucet__stop_expire(struct stop *s)
{
    return change(s, RUNNING, STOP_TIMEOUT);
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
           lucet__code_range_find(pc) != NULL;
}

/* Guest code ends here; host functions are never interrupted, the way back from them is barred. */
static bool stop_activations(struct activation *current, ucontext_t *u)
{
    bool waiting = false;

    for (struct activation *act = current; act; act = act->outer) {
        enum lucet_terminated_reason reason;
        if (act->deadline && lucet__now() >= act->deadline)
            lucet__stop_expire(act->instance->stop);
        if (!lucet__stop_requested(act->instance->stop, &reason))
            continue;
        struct lucet_activation *abi = act == current ? &lucet__thread.abi : &act->abi;
        *(volatile uint32_t *)&abi->pending = 1;
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
    const int saved_errno = errno;
    struct thread *t = &lucet__thread;

    /* A host function may be about to block: the signal comes again until it has returned. */
    if (t->current && stop_activations(t->current, context))
        lucet__timer_repeat(t);
    if (!(info->si_code == SI_QUEUE && info->si_ptr == &lucet__thread_mark) &&
        info->si_code != SI_TIMER)
        lucet__chain(sig, info, context);
    errno = saved_errno;
}

/* ---- The killer's side ---- */

const char lucet__thread_mark;

static void send_signal(pid_t tid)
{
    siginfo_t info = {.si_signo = lucet__stop_signal(), .si_code = SI_QUEUE};

    info.si_pid = getpid();
    info.si_uid = getuid();
    info.si_ptr = (void *)(uintptr_t)&lucet__thread_mark;
    syscall(SYS_rt_tgsigqueueinfo, getpid(), tid, info.si_signo, &info);
}

static enum lucet_kill_result stop_running(struct stop *s)
{
    struct activation *current = __atomic_load_n(&s->thread->current, __ATOMIC_RELAXED);
    bool in_host =
        current != s->act || __atomic_load_n(&s->thread->abi.guest_frame, __ATOMIC_RELAXED) != NULL;

    send_signal(s->thread->tid);
    atomic_store(&s->state, STOP_REMOTE);
    return in_host ? lucet_kill_pending : lucet_kill_signalled;
}

enum lucet_kill_result lucet_kill_switch_terminate(struct lucet_kill_switch *k)
{
    if (!k)
        return lucet_kill_not_terminable;
    for (;;) {
        int state = atomic_load(&k->stop->state);
        switch (state) {
        case IDLE:
            if (change(k->stop, IDLE, CANCELLED))
                return lucet_kill_cancelled;
            break;
        case RUNNING:
            if (change(k->stop, RUNNING, STOPPING))
                return stop_running(k->stop);
            break;
        default: return lucet_kill_not_terminable;
        }
    }
}

enum lucet_error lucet_instance_kill_switch(struct lucet_instance *inst,
                                            struct lucet_kill_switch **out)
{
    struct lucet_kill_switch *k;

    lucet__clear_error();
    if (!inst || !out)
        return lucet__fail(lucet_error_invalid_argument, "lucet_instance_kill_switch: NULL");
    *out = NULL;
    k = malloc(sizeof(*k));
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
    free(k);
}
