/* Time limits: they end guests and interrupt waiting host functions, and leave nothing behind. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "run/guest.h"
#include "run/patience.h"
#include "run/process.h"
#include "run/set.h"
#include "runtime/instance.h"
#include "runtime/module.h"
#include "runtime/region.h"
#include "runtime/signals.h"

static const char wat[] =
    "(module (import \"h\" \"f\" (func $f)) (memory 64)"
    " (func (export \"loop\") (loop (br 0)))"
    " (func (export \"host\") (call $f))"
    " (func (export \"host loop\") (loop (call $f) (br 0)))"
    " (func (export \"fill\") (loop"
    "   (memory.fill (i32.const 0) (i32.const 1) (i32.const 4194304)) (br 0)))"
    " (func (export \"short\") (result i32) (i32.const 9)))";

static struct set set_up(void *f)
{
    const struct set_host hosts[] = {{"f", ":", f}, {0}};

    return set_begin(wat, &guest_default, hosts);
}

static void expect_timeout(struct lucet_instance *inst, const char *name)
{
    struct lucet_result r;

    assert_int_equal(lucet_instance_run(inst, name, 0, NULL, &r), lucet_error_runtime_terminated);
    assert_int_equal(r.tag, lucet_result_tag_terminated);
    assert_int_equal(r.val.terminated.reason, lucet_terminated_reason_timeout);
    assert_int_equal(lucet_instance_run(inst, "short", 0, NULL, &r),
                     lucet_error_instance_not_returned);
    assert_int_equal(r.tag, lucet_result_tag_errored);
    assert_int_equal(lucet_instance_reset(inst), lucet_error_ok);
}

static int waits, interrupted;
static struct lucet_instance *inner; /* that a host function runs */

/* Waits for what never comes, as long as nobody asks it to stop. */
static void waiting_host(struct lucet_vmctx *ctx)
{
    waits++;
    while (!lucet_vmctx_stop_requested(ctx))
        if (poll(NULL, 0, PATIENCE * 1000) < 0 && errno == EINTR)
            interrupted++;
}

static void nothing(struct lucet_vmctx *ctx)
{
    (void)ctx;
}

static void guests_end_in_time(void **state)
{
    static const char *const endless[] = {"loop", "fill", "host loop"};

    (void)state;
    guest_begin();
    struct set s = set_up(nothing);
    for (int i = 0; i < 30; i++) {
        double start = set_seconds();
        lucet_instance_set_timeout(s.a, (uint64_t)(1 + i % 5 * 4));
        expect_timeout(s.a, endless[i % 3]);
        assert_true(set_seconds() - start < PATIENCE);
        assert_true(set_seconds() - start > 0.0009);
        /* Enough time, then none set. */
        lucet_instance_set_timeout(s.a, 100000);
        assert_int_equal((uint32_t)guest_call(s.a, "short", 0, NULL), 9);
        lucet_instance_set_timeout(s.a, UINT64_MAX);
        assert_int_equal((uint32_t)guest_call(s.a, "short", 0, NULL), 9);
    }
    set_end(&s);
}

/* On a busy machine a limit may come before the function is called. */
static void waiting_host_functions_are_interrupted(void **state)
{
    enum { MOST = 500, ENOUGH = 15 };

    (void)state;
    guest_begin();
    struct set s = set_up(waiting_host);
    waits = interrupted = 0;
    for (unsigned i = 0; i < MOST && interrupted < ENOUGH; i++) {
        const double start = set_seconds();
        lucet_instance_set_timeout(s.a, 5 + i / 20 * 5);
        expect_timeout(s.a, "host");
        assert_true(set_seconds() - start < PATIENCE);
    }
    assert_true(interrupted >= ENOUGH);
    set_end(&s);
}

/* A run that keeps to a limit of so many milliseconds, or more where that is too little. When the
 * limit has passed nothing is interrupted. */
static void run_within_its_time(const struct set *s, uint64_t ms)
{
    struct lucet_result r;

    for (;; ms = longer(ms)) {
        lucet_instance_set_timeout(s->a, ms);
        if (lucet_instance_run(s->a, "short", 0, NULL, &r) == lucet_error_ok)
            break;
        assert_int_equal(r.val.terminated.reason, lucet_terminated_reason_timeout);
        assert_int_equal(lucet_instance_reset(s->a), lucet_error_ok);
    }
    assert_int_equal(lucet_retval_gp(&r.val.returned), 9);
    assert_int_equal(poll(NULL, 0, (int)ms + (int)ms / 8 + 10), 0);
}

/* The timer does not go on when the run is over. */
static void nothing_interrupts_the_host_afterwards(void **state)
{
    (void)state;
    guest_begin();
    struct set s = set_up(waiting_host);
    lucet_instance_set_timeout(s.a, 5);
    expect_timeout(s.a, "host");
    assert_int_equal(poll(NULL, 0, 60), 0);
    run_within_its_time(&s, 15);
    set_end(&s);
}

static void *run_in_time(void *arg)
{
    run_within_its_time(arg, 125);
    return NULL;
}

/* Nor when it ends before its time, on a thread that has had no other limit. */
static void limits_that_were_kept_interrupt_nothing(void **state)
{
    pthread_t thread;

    (void)state;
    guest_begin();
    struct set s = set_up(nothing);
    assert_int_equal(pthread_create(&thread, NULL, run_in_time, &s), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    set_end(&s);
}

static void *run_with_a_limit(void *arg)
{
    struct set *s = arg;

    lucet_instance_set_timeout(s->a, 5);
    expect_timeout(s->a, "loop");
    return NULL;
}

/* Each has its own, which ends that thread's guests. */
static void timers_go_with_their_threads(void **state)
{
    pthread_t thread;

    (void)state;
    guest_begin();
    struct set s = set_up(nothing);
    run_with_a_limit(&s);
    const unsigned before = process_timers();
    for (int i = 0; i < 8; i++) {
        assert_int_equal(pthread_create(&thread, NULL, run_with_a_limit, &s), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
    }
    assert_int_equal(process_timers(), before);
    set_end(&s);
}

static pthread_barrier_t in_host;
static struct lucet_kill_switch *kill_switch;

static void *kill_in_host(void *arg)
{
    pthread_barrier_wait(&in_host);
    assert_int_equal(lucet_kill_switch_terminate(kill_switch), lucet_kill_pending);
    return arg;
}

/* Does not ask whether it should stop. */
static void stubborn_host(struct lucet_vmctx *ctx)
{
    (void)ctx;
    pthread_barrier_wait(&in_host);
    for (int i = 0; i < 3; i++)
        interrupted += poll(NULL, 0, PATIENCE * 1000) < 0 && errno == EINTR;
    if (!inner)
        return;
    /* A run of another with a limit of its own has the timer in between. */
    lucet_instance_set_timeout(inner, PATIENCE * 1000);
    guest_call(inner, "short", 0, NULL);
    for (int i = 0; i < 3; i++)
        interrupted += poll(NULL, 0, PATIENCE * 1000) < 0 && errno == EINTR;
}

/* The signal of a kill may come before a function of the host blocks: it comes again. */
static void killed_host_functions_are_interrupted_until_they_return(void **state)
{
    (void)state;
    guest_begin();
    struct set s = set_up(stubborn_host);
    for (int nested = 0; nested < 2; nested++) {
        struct lucet_result r;
        pthread_t thread;
        inner = nested ? guest_instance(s.region, s.module, s.linker, NULL) : NULL;
        interrupted = 0;
        assert_int_equal(pthread_barrier_init(&in_host, NULL, 2), 0);
        assert_int_equal(lucet_instance_kill_switch(s.a, &kill_switch), lucet_error_ok);
        assert_int_equal(pthread_create(&thread, NULL, kill_in_host, NULL), 0);
        assert_int_equal(lucet_instance_run(s.a, "host", 0, NULL, &r),
                         lucet_error_runtime_terminated);
        assert_int_equal(r.val.terminated.reason, lucet_terminated_reason_remote);
        assert_int_equal(interrupted, nested ? 6 : 3);
        pthread_join(thread, NULL);
        pthread_barrier_destroy(&in_host);
        lucet_kill_switch_release(kill_switch);
        lucet_instance_release(inner);
        assert_int_equal(lucet_instance_reset(s.a), lucet_error_ok);
    }
    set_end(&s);
}

/* What the host function saw; -1: it has not been called. */
static int stop_requested;
static enum lucet_error inner_error;

static void runs_another(struct lucet_vmctx *ctx)
{
    struct lucet_result r;

    inner_error = lucet_instance_run(inner, "loop", 0, NULL, &r);
    stop_requested = lucet_vmctx_stop_requested(ctx);
}

/* The outer one's time is over while the inner one, which has more of it or no limit, runs. */
static void both_end(const struct set *s, uint64_t inner_ms)
{
    stop_requested = -1;
    for (uint64_t ms = 10; stop_requested < 0; ms = longer(ms)) {
        lucet_instance_set_timeout(inner, inner_ms);
        lucet_instance_set_timeout(s->a, ms);
        expect_timeout(s->a, "host");
        if (stop_requested < 0) /* the limit came before the function was called */
            continue;
        assert_int_equal(inner_error, lucet_error_runtime_terminated);
        assert_int_equal(stop_requested, 1);
    }
    assert_int_equal(lucet_instance_reset(inner), lucet_error_ok);
}

static void nested_runs_have_limits_of_their_own(void **state)
{
    (void)state;
    guest_begin();
    struct set s = set_up(runs_another);
    struct lucet_result r;
    inner = guest_instance(s.region, s.module, s.linker, NULL);
    /* The inner one ends, the outer goes on and returns. */
    lucet_instance_set_timeout(inner, 5);
    lucet_instance_set_timeout(s.a, 60000);
    assert_int_equal(lucet_instance_run(s.a, "host", 0, NULL, &r), lucet_error_ok);
    assert_int_equal(inner_error, lucet_error_runtime_terminated);
    assert_int_equal(stop_requested, 0);
    assert_int_equal(lucet_instance_reset(inner), lucet_error_ok);
    const double start = set_seconds();
    both_end(&s, 20 * PATIENCE * 1000);
    assert_true(set_seconds() - start < 10 * PATIENCE);
    /* Only the inner one has a limit. */
    lucet_instance_set_timeout(inner, 5);
    lucet_instance_set_timeout(s.a, 0);
    assert_int_equal(lucet_instance_run(s.a, "host", 0, NULL, &r), lucet_error_ok);
    assert_int_equal(inner_error, lucet_error_runtime_terminated);
    assert_int_equal(lucet_instance_reset(inner), lucet_error_ok);
    both_end(&s, 0);
    lucet_instance_release(inner);
    set_end(&s);
}

static volatile sig_atomic_t others, others_and_ours;

static void other_handler(int sig, siginfo_t *info, void *context)
{
    (void)sig;
    (void)context;
    others_and_ours++;
    others += info->si_code == SI_TIMER && info->si_int == 4711;
}

static void kill_itself(struct lucet_vmctx *ctx)
{
    (void)ctx;
    assert_int_equal(lucet_kill_switch_terminate(kill_switch), lucet_kill_pending);
}

/* A host that has timers with the signal that the runtime uses to stop guests. */
static void timers_of_others_reach_their_handler(void **state)
{
    (void)state;
    guest_begin();
    struct set s = set_up(nothing);
    const int sig = lucet__stop_signal();
    struct sigaction theirs = {.sa_sigaction = other_handler, .sa_flags = SA_SIGINFO};
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = sig};
    const struct itimerspec when = {.it_value.tv_nsec = 1000000}, never = {0};
    timer_t timer;

    /* Theirs was there first. */
    set_end(&s);
    assert_int_equal(lucet_remove_signal_handlers(), lucet_error_ok);
    assert_int_equal(sigaction(sig, &theirs, NULL), 0);
    assert_int_equal(lucet_install_signal_handlers(), lucet_error_ok);
    s = set_up(kill_itself);
    event.sigev_value.sival_int = 4711;
    assert_int_equal(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
    assert_int_equal(timer_settime(timer, 0, &when, NULL), 0);
    AWAIT(others != 0);
    assert_int_equal(others, 1);
    /* Ours do not. */
    lucet_instance_set_timeout(s.a, 5);
    expect_timeout(s.a, "loop");
    assert_int_equal(lucet_instance_reset(s.a), lucet_error_ok);
    lucet_instance_set_timeout(s.a, 0);
    assert_int_equal(lucet_instance_set_slice(s.a, 100000), lucet_error_ok);
    assert_int_equal(lucet_instance_run(s.a, "loop", 0, NULL, NULL), lucet_error_ok);
    assert_int_equal(lucet_instance_status(s.a), lucet_instance_status_yielded);
    assert_int_equal(lucet_instance_reset(s.a), lucet_error_ok);
    assert_int_equal(lucet_instance_set_slice(s.a, 0), lucet_error_ok);
    assert_int_equal(lucet_instance_kill_switch(s.a, &kill_switch), lucet_error_ok);
    assert_int_equal(lucet_instance_run(s.a, "host", 0, NULL, NULL),
                     lucet_error_runtime_terminated);
    lucet_kill_switch_release(kill_switch);
    assert_int_equal(others_and_ours, 1);
    /* What others queue does, though it is queued as ours is. */
    assert_int_equal(sigqueue(getpid(), sig, (union sigval){.sival_int = 1}), 0);
    assert_int_equal(others_and_ours, 2);
    timer_settime(timer, 0, &never, NULL);
    timer_delete(timer);
    set_end(&s);
}

/* ---- All of it also where the host keeps the time ------------------------------------------ */

static struct {
    pthread_t thread;
    atomic_bool stop;
} keeper;

static void *keep_time(void *arg)
{
    while (!atomic_load(&keeper.stop)) {
        lucet_expire_timeouts();
        usleep(300);
    }
    return arg;
}

static int begin_to_keep_time(void **state)
{
    (void)state;
    others = others_and_ours = 0;
    atomic_store(&keeper.stop, false);
    return lucet_set_timeout_source(lucet_timeout_source_host) != lucet_error_ok ||
           pthread_create(&keeper.thread, NULL, keep_time, NULL) != 0;
}

static int end_to_keep_time(void **state)
{
    (void)state;
    atomic_store(&keeper.stop, true);
    pthread_join(keeper.thread, NULL);
    return lucet_set_timeout_source(lucet_timeout_source_timers) != lucet_error_ok;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(guests_end_in_time),
        cmocka_unit_test(waiting_host_functions_are_interrupted),
        cmocka_unit_test(nothing_interrupts_the_host_afterwards),
        cmocka_unit_test(limits_that_were_kept_interrupt_nothing),
        cmocka_unit_test(timers_go_with_their_threads),
        cmocka_unit_test(killed_host_functions_are_interrupted_until_they_return),
        cmocka_unit_test(nested_runs_have_limits_of_their_own),
        cmocka_unit_test(timers_of_others_reach_their_handler),
    };
    const int failed = cmocka_run_group_tests_name("timers", tests, NULL, NULL);

    return failed + cmocka_run_group_tests_name("the host keeps the time", tests,
                                                begin_to_keep_time, end_to_keep_time);
}
