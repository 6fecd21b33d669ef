/* Time limits. Every thread that runs guests with one has a POSIX timer that sends the stop signal
 * to that thread. A timer needs no thread of ours (which would be lost in a fork, and would have to
 * be woken for every run), and setting it is one system call of some 300 ns.
 *
 * A host that has a clock of its own spares both system calls of a run: the deadline stands in the
 * thread, and the host has those that are over sent the signal, again and again until the run ends:
 * one that has not begun yet is not stopped by it. Meanwhile the deadline is TELLING, and the run
 * does not end; and one that has been told makes a system call as it ends, which a signal on its
 * way to the thread does not outlast: none comes later, to interrupt what the host does next. */
#include "runtime/timeout.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <time.h>

#include "runtime/activation.h"
#include "runtime/call.h"
#include "runtime/error.h"
#include "runtime/instance.h"
#include "runtime/signals.h"
#include "runtime/stop.h"

#define REPEAT_NS 10000000 /* how often a waiting stop request interrupts system calls */
#define TELLING UINT64_MAX
#define LONG_PAST UINT64_C(1)

static atomic_int source = lucet_timeout_source_timers;

uint64_t lucet__now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

enum lucet_error lucet__timer_prepare(struct thread *t)
{
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = lucet__stop_signal()};
    timer_t timer;

    if (t->have_timer)
        return lucet_error_ok;
    event._sigev_un._tid = t->tid;
    event.sigev_value.sival_ptr = (void *)(uintptr_t)&lucet__thread_mark;
    if (timer_create(CLOCK_MONOTONIC, &event, &timer) != 0)
        return lucet__fail_errno(lucet_error_no_memory, "cannot make a timer");
    t->timer = timer;
    t->have_timer = true;
    return lucet_error_ok;
}

static struct timespec timespec_of(uint64_t ns)
{
    return (struct timespec){.tv_sec = (time_t)(ns / 1000000000u),
                             .tv_nsec = (long)(ns % 1000000000u)};
}

bool lucet__host_keeps_time(void)
{
    return atomic_load_explicit(&source, memory_order_relaxed) == lucet_timeout_source_host;
}

/* Of the chain; 0 = none. */
static uint64_t earliest_deadline(const struct activation *act)
{
    uint64_t earliest = 0;

    for (; act; act = act->outer)
        if (act->deadline && (earliest == 0 || act->deadline < earliest))
            earliest = act->deadline;
    return earliest;
}

/* A stop waits for a host function to return: that is interrupted. */
static bool is_stopping(const struct activation *act)
{
    enum lucet_terminated_reason reason;

    for (; act; act = act->outer)
        if (lucet__stop_requested(act->instance->stop, &reason))
            return true;
    return false;
}

static void publish(struct thread *t, uint64_t deadline)
{
    uint64_t now = atomic_load_explicit(&t->deadline, memory_order_relaxed);

    deadline = lucet__deadline_own(deadline);
    while (now == TELLING || !atomic_compare_exchange_weak(&t->deadline, &now, deadline))
        if (now == TELLING) {
            sched_yield();
            now = atomic_load(&t->deadline);
        }
    if (now != lucet__deadline_own(now)) /* it has been told */
        sched_yield();
}

void lucet__timer_set(struct thread *t)
{
    struct itimerspec when = {.it_interval = {.tv_nsec = REPEAT_NS}};
    const bool by_host = lucet__host_keeps_time();
    uint64_t earliest = earliest_deadline(t->current);

    /* Also what is left there by a run that began while the source changed. */
    if (by_host || atomic_load_explicit(&t->deadline, memory_order_relaxed) != 0)
        publish(t, by_host ? earliest : 0);
    if (by_host)
        earliest = 0;
    if (!t->have_timer)
        return;
    if (is_stopping(t->current))
        earliest = LONG_PAST;
    if (earliest == 0 && !t->armed)
        return;
    t->armed = earliest != 0;
    when.it_value = timespec_of(earliest); /* zero: never */
    timer_settime(t->timer, TIMER_ABSTIME, &when, NULL);
}

/* In the stop handler. */
void lucet__timer_repeat(struct thread *t)
{
    struct itimerspec when = {{.tv_nsec = REPEAT_NS}, {.tv_nsec = REPEAT_NS}};

    if (!t->have_timer)
        return;
    t->armed = true;
    timer_settime(t->timer, 0, &when, NULL);
}

void lucet__deadline_in_child(struct thread *t)
{
    if (atomic_load(&t->deadline) == TELLING) /* by a thread that is not there */
        atomic_store(&t->deadline, LONG_PAST);
}

void lucet__timer_release(struct thread *t)
{
    if (t->have_timer)
        timer_delete(t->timer);
    t->have_timer = false;
}

enum lucet_error lucet_instance_set_timeout(struct lucet_instance *inst, uint64_t milliseconds)
{
    lucet__clear_error();
    if (!inst)
        return lucet__fail(lucet_error_invalid_argument, "lucet_instance_set_timeout: NULL");
    if (milliseconds > UINT64_MAX / 4000000u)
        milliseconds = UINT64_MAX / 4000000u;
    inst->timeout_ns = milliseconds * 1000000u;
    inst->deadline = 0;
    lucet__callable_update(inst); /* also for the runs after the one in progress */
    return lucet_error_ok;
}

const char *lucet_timeout_source_name(enum lucet_timeout_source s)
{
    static const char *const names[] = {"timers", "host"};

    return (unsigned)s < sizeof(names) / sizeof(names[0]) ? names[s] : "unknown";
}

enum lucet_error lucet_set_timeout_source(enum lucet_timeout_source wanted)
{
    lucet__clear_error();
    if (wanted != lucet_timeout_source_timers && wanted != lucet_timeout_source_host)
        return lucet__fail(lucet_error_invalid_argument, "there is no source of time %d",
                           (int)wanted);
    if (lucet__threads_running())
        return lucet__fail(lucet_error_instance_not_returned, "a guest is running");
    atomic_store(&source, (int)wanted);
    return lucet_error_ok;
}

struct over {
    uint64_t now;
    size_t told;
};

static void tell_if_over(struct thread *t, void *arg)
{
    struct over *over = arg;
    uint64_t deadline = atomic_load(&t->deadline);

    if (deadline == 0 || deadline > over->now ||
        !atomic_compare_exchange_strong(&t->deadline, &deadline, TELLING))
        return;
    lucet__stop_signal_send(t->tid);
    atomic_store(&t->deadline, (over->now + REPEAT_NS) & ~UINT64_C(1)); /* until the run is over */
    over->told++;
}

size_t lucet_expire_timeouts(void)
{
    struct over over = {.now = lucet__now()};

    lucet__threads_each(tell_if_over, &over);
    return over.told;
}
