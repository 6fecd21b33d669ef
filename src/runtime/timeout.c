/* Time limits. Every thread that runs guests with one has a POSIX timer that sends the stop signal
 * to that thread. A timer needs no thread of ours (which would be lost in a fork, and would have to
 * be woken for every run), and setting it is one system call of some 300 ns. */
#include "runtime/timeout.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "runtime/activation.h"
#include "runtime/call.h"
#include "runtime/error.h"
#include "runtime/instance.h"
#include "runtime/signals.h"
#include "runtime/stop.h"

#define REPEAT_NS 10000000 /* how often a waiting stop request interrupts system calls */

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

void lucet__timer_set(struct thread *t)
{
    struct itimerspec when = {.it_interval = {.tv_nsec = REPEAT_NS}};
    uint64_t earliest = 0;

    if (!t->have_timer)
        return;
    for (const struct activation *a = t->current; a; a = a->outer) {
        enum lucet_terminated_reason reason;
        uint64_t deadline = a->deadline;
        if (lucet__stop_requested(a->instance->stop, &reason))
            deadline = 1; /* it waits for a host function to return: interrupt that */
        if (deadline && (earliest == 0 || deadline < earliest))
            earliest = deadline;
    }
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
