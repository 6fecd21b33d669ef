/* Time slices: who ends them, and what happens to a guest whose slice is over.
 *
 * A thread that runs guests in slices has a timer of its own for them, set when one begins and
 * taken back when the run ends otherwise: no signal comes when no guest runs. Which slices are over
 * is decided by the clock, because signals that come at the same time become one.
 *
 * In the handler, guest code that may wait where it is (docs/abi.md T7) loses its registers to
 * the instance's save area: the general ones here, the others in lucet__preempted, or here as
 * well, when the handler can be left without that it returns. Everything else finds its
 * `pending` set, which is tested on the way back to guest code; and if it is code that has no
 * such way, a moment later the signal comes again. */
#include "runtime/slice.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "runtime/activation.h"
#include "runtime/allocate.h"
#include "runtime/call.h"
#include "runtime/error.h"
#include "runtime/frames.h"
#include "runtime/instance.h"
#include "runtime/module.h"
#include "runtime/ranges.h"
#include "runtime/signals.h"
#include "runtime/sizes.h"
#include "runtime/stop.h"
#include "runtime/suspend.h"
#include "runtime/timeout.h"
#include "runtime/x86_64/machine.h"
#include "runtime/x86_64/signal_frame.h"

#define LEAST_SLICE 20000
#ifndef SS_AUTODISARM
#define SS_AUTODISARM (1u << 31)
#endif
/* Nanoseconds until the signal comes again; each time twice as many, because where signals take
 * long (tracing), the guest would not come to its next instruction in between. */
#define SOON 20000u
#define NOT_SO_SOON 10000000u

/* ---- The timer ---- */

enum lucet_error lucet__slices_prepare(struct thread *t)
{
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID,
                             .sigev_signo = lucet__stop_signal(),
                             .sigev_value.sival_ptr = (void *)(uintptr_t)&lucet__thread_mark};
    timer_t timer;

    if (t->have_slice_timer)
        return lucet_error_ok;
    event._sigev_un._tid = t->tid;
    if (timer_create(CLOCK_MONOTONIC, &event, &timer) != 0)
        return lucet__fail_errno(lucet_error_no_memory, "cannot make a timer");
    t->slice_timer = timer;
    t->have_slice_timer = true;
    return lucet_error_ok;
}

void lucet__slices_release(struct thread *t)
{
    if (t->have_slice_timer)
        timer_delete(t->slice_timer);
    t->have_slice_timer = false;
    t->slice_timer_at = 0;
}

/* At `when` (CLOCK_MONOTONIC; what has passed is at once); 0 = never. */
static void set_timer(struct thread *t, uint64_t when)
{
    const struct itimerspec setting = {.it_value = {.tv_sec = (time_t)(when / 1000000000u),
                                                    .tv_nsec = (long)(when % 1000000000u)}};

    t->slice_timer_at = when;
    timer_settime(t->slice_timer, TIMER_ABSTIME, &setting, NULL);
}

/* Of the slices that are not over at `now`; 0 = none. */
static uint64_t earliest_end(const struct activation *act, uint64_t now)
{
    uint64_t earliest = 0;

    for (; act; act = act->outer)
        if (act->slice_end > now && (earliest == 0 || act->slice_end < earliest))
            earliest = act->slice_end;
    return earliest;
}

void lucet__slice_begin(struct thread *t, struct activation *act)
{
    t->slice_again = SOON;
    if (act->slice == LUCET_SLICE_MANUAL)
        return;
    act->slice_end = lucet__now() + act->slice;
    if (t->slice_timer_at == 0 || act->slice_end < t->slice_timer_at)
        set_timer(t, act->slice_end);
}

/* If a signal for an outer one came meanwhile, its effect may be lost: it is to come again. */
void lucet__slice_end(struct thread *t, const struct activation *act)
{
    uint64_t next = earliest_end(act->outer, 0);

    if (t->slice_timer_at || next)
        set_timer(t, next);
}

/* ---- In the handler ---- */

static void put_aside(struct activation *act, const struct thread *t, ucontext_t *u)
{
    struct suspended *s = &act->instance->suspended;

    s->abi = t->abi;
    s->sp = NULL;
    s->reason = lucet_yield_reason_slice;
    s->value = NULL;
    act->outcome = OUTCOME_YIELDED;
    machine_save_general(u, act->instance->registers);
    machine_redirect_to_stub(u, lucet__preempted, act->host_sp, act->instance->registers);
}

/* False: it has to be tried again. */
static bool end_slice(struct activation *act, struct thread *t, ucontext_t *u)
{
    struct lucet_activation *abi = act == t->current ? &t->abi : &act->abi;
    const struct lucet_dl_module *m;
    enum lucet_terminated_reason reason;

    if (act == t->current && !abi->guest_frame) {
        if (lucet__stop_requested(act->instance->stop, &reason))
            return true; /* it is on its way out */
        m = lucet__code_range_find(machine_pc(u));
        if (m && lucet__preemptible(m, machine_pc(u))) {
            put_aside(act, t, u);
            return true;
        }
    }
    __atomic_fetch_or(&abi->pending, LUCET__PENDING_PREEMPT, __ATOMIC_RELAXED);
    /* Before it is entered (see call.c), or in code that does not test: soon. */
    return act != t->current || (abi->guest_frame && abi->guest_frame != (void *)act);
}

void lucet__slices_check(struct thread *t, void *context)
{
    uint64_t now = t->slice_timer_at ? lucet__now() : 0, next = 0;
    bool done = true;

    if (t->slice_timer_at && now >= t->slice_timer_at) {
        t->slice_timer_at = 0; /* it has fired */
        next = earliest_end(t->current, now);
    }
    for (struct activation *act = t->current; act; act = act->outer)
        if (act->slice && ((act->slice_end && now >= act->slice_end) ||
                           lucet__stop_preempted(act->instance->stop)))
            done = end_slice(act, t, context) && done;
    if (machine_pc(context) == (uintptr_t)lucet__preempted)
        return; /* lucet__slice_end() sees to the others */
    if (!done && (next == 0 || now + t->slice_again < next)) {
        next = lucet__now() + t->slice_again;
        t->slice_again = t->slice_again < NOT_SO_SOON ? 2 * t->slice_again : NOT_SO_SOON;
    }
    if (next)
        set_timer(t, next);
}

/* Another signal may come on the same stack before it is left. */
static bool has_room(const struct thread *t, const stack_t *stack)
{
    const uintptr_t here = (uintptr_t)__builtin_frame_address(0), low = (uintptr_t)stack->ss_sp;

    return !((unsigned)stack->ss_flags & SS_AUTODISARM) && here - low >= t->signal_stack_least;
}

void lucet__slice_leave(const struct thread *t, const void *context)
{
    const ucontext_t *u = context;

    if (machine_pc(u) != (uintptr_t)lucet__preempted || !has_room(t, &u->uc_stack))
        return;
    if (lucet__signal_frame_vectors(u, t->current->instance->registers)) {
        lucet__signal_frame_x87(t->current->instance->registers);
        lucet__leave_handler(&u->uc_sigmask);
    }
}

/* ---- For embedders ---- */

void lucet_end_slice(void *ucontext)
{
    const int saved_errno = errno;
    struct thread *t = &lucet__thread;

    for (const struct activation *act = t->current; act; act = act->outer)
        if (act->slice)
            lucet__stop_preempt(act->instance->stop);
    if (t->current)
        lucet__slices_check(t, ucontext);
    errno = saved_errno;
}

static struct registers *new_registers(void)
{
    const size_t size = sizeof(struct registers) + lucet__xsave_size;
    struct registers *r = lucet__aligned_malloc(64, size);

    if (r)
        memset(r, 0, size);
    return r;
}

enum lucet_error lucet_instance_set_slice(struct lucet_instance *inst, uint64_t nanoseconds)
{
    lucet__clear_error();
    if (!inst)
        return lucet__fail(lucet_error_invalid_argument, "lucet_instance_set_slice: NULL");
    if (nanoseconds && nanoseconds < LEAST_SLICE)
        return lucet__fail(lucet_error_invalid_argument,
                           "a slice of %llu ns is shorter than what switching takes: %d at least",
                           (unsigned long long)nanoseconds, LEAST_SLICE);
    if (inst->stop->depth)
        return lucet__fail(lucet_error_instance_not_returned, "the instance is running");
    if (nanoseconds && !inst->registers && !(inst->registers = new_registers()))
        return lucet__no_memory();
    if (nanoseconds != LUCET_SLICE_MANUAL && nanoseconds > UINT64_MAX / 4)
        nanoseconds = UINT64_MAX / 4;
    inst->slice_ns = nanoseconds;
    lucet__callable_update(inst);
    return lucet_error_ok;
}
