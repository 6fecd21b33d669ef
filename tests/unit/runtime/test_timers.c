/* Timers of time limits: a limit that cannot be kept is an error, and a timer that repeats a stop
 * request ends with the run. */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

#include "run/set.h"
#include "runtime/activation.h"
#include "runtime/failing.h"

static const char wat[] = "(module (import \"h\" \"f\" (func $f))"
                          " (func (export \"host\") (call $f))"
                          " (func (export \"loop\") (loop (br 0)))"
                          " (func (export \"short\") (result i32) (i32.const 9)))";

static atomic_bool in_host;
static struct lucet_kill_switch *own_switch; /* the host function fires it */
static timer_t hosts_timer;                  /* the process's first, whose number is 0 */

static void waiting_host(struct lucet_vmctx *ctx)
{
    atomic_store(&in_host, true);
    if (own_switch)
        lucet_kill_switch_terminate(own_switch);
    while (!lucet_vmctx_stop_requested(ctx))
        poll(NULL, 0, 1);
    poll(NULL, 0, 25); /* the request comes again meanwhile */
    poll(NULL, 0, 25);
}

static struct set set_up(void)
{
    const struct set_host hosts[] = {{"f", ":", waiting_host}, {0}};

    return set_begin(wat, &guest_default, hosts);
}

#ifndef FAILING_SOME_ONLY
/* Asserting is left to the main thread. */
static struct {
    struct lucet_instance *inst;
    enum lucet_error attached, without, changed, by_host, killed, with;
    bool failed, says;
    enum lucet_result_tag tag;
    struct lucet_result result;
} run;

static void *run_without_timer(void *arg)
{
    struct lucet_result r;

    failing_begin(FAIL_THREADS, 1, true); /* the signal stack is made */
    run.attached = lucet_thread_attach(0);
    run.without = lucet_instance_run(run.inst, "short", 0, NULL, &run.result);
    run.tag = run.result.tag;
    run.says = strstr(lucet_error_detail(), "timer") != NULL;
    run.changed = lucet_set_timeout_source(lucet_timeout_source_host);
    run.by_host = lucet_instance_run(run.inst, "short", 0, NULL, &r);
    run.killed = lucet_instance_run(run.inst, "host", 0, NULL, &run.result);
    lucet_thread_detach();
    failing_end();
    lucet_instance_reset(run.inst);
    lucet_set_timeout_source(lucet_timeout_source_timers);
    run.failed = failing_happened();
    run.with = lucet_instance_run(run.inst, "short", 0, NULL, &r);
    return arg;
}

/* A thread that has had none yet. The host needs none for the limits it keeps; and one of the
 * host's is not taken for it. */
static void a_limit_that_cannot_be_kept_is_an_error(void **state)
{
    pthread_t thread;

    (void)state;
    guest_begin();
    struct itimerspec at;
    struct set s = set_up();
    run.inst = s.a;
    assert_int_equal(lucet_instance_kill_switch(s.a, &own_switch), lucet_error_ok);
    assert_int_equal(lucet_instance_set_timeout(s.a, 60000), lucet_error_ok);
    assert_int_equal(pthread_create(&thread, NULL, run_without_timer, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(run.failed);
    assert_int_equal(run.attached, lucet_error_ok);
    assert_int_equal(run.without, lucet_error_no_memory);
    assert_int_equal(run.tag, lucet_result_tag_errored);
    assert_true(run.says);
    assert_int_equal(run.changed, lucet_error_ok);
    assert_int_equal(run.by_host, lucet_error_ok);
    assert_int_equal(run.killed, lucet_error_runtime_terminated);
    assert_int_equal(run.with, lucet_error_ok);
    assert_int_equal(timer_gettime(hosts_timer, &at), 0);
    assert_true(guest_all_zero((const uint8_t *)&at, sizeof(at)));
    lucet_kill_switch_release(own_switch);
    own_switch = NULL;
    set_end(&s);
}
#endif

static void *kill_in_host(void *arg)
{
    while (!atomic_load(&in_host))
        poll(NULL, 0, 1);
    lucet_kill_switch_terminate(arg);
    return NULL;
}

/* On a thread whose timer was there for limits before. */
static void a_kill_that_was_repeated_interrupts_nothing_afterwards(void **state)
{
    struct lucet_kill_switch *k;
    struct lucet_result r;
    pthread_t thread;

    (void)state;
    guest_begin();
    struct set s = set_up();
    lucet_instance_set_timeout(s.a, 60000);
    assert_int_equal(guest_call(s.a, "short", 0, NULL), 9);
    lucet_instance_set_timeout(s.a, 0);
    const struct lucet_func host = guest_func(s.module, "host", ":");
    for (int n = 0; n < 4; n++) {
        atomic_store(&in_host, false);
        assert_int_equal(lucet_instance_kill_switch(s.a, &k), lucet_error_ok);
        assert_int_equal(pthread_create(&thread, NULL, kill_in_host, k), 0);
        assert_int_equal(n % 2 ? lucet_func_call(&host, s.a, NULL, &r)
                               : lucet_instance_run(s.a, "host", 0, NULL, &r),
                         lucet_error_runtime_terminated);
        assert_int_equal(poll(NULL, 0, 60), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
        lucet_kill_switch_release(k);
        assert_int_equal(lucet_instance_reset(s.a), lucet_error_ok);
        assert_int_equal(guest_call(s.a, "short", 0, NULL), 9);
        assert_int_equal(poll(NULL, 0, 30), 0);
    }
    set_end(&s);
}

static void a_limit_is_kept_on_a_thread_that_was_detached(void **state)
{
    struct itimerspec at;
    struct lucet_result r;

    (void)state;
    guest_begin();
    struct set s = set_up();
    lucet_instance_set_timeout(s.a, 5);
    for (int round = 0; round < 3; round++) {
        assert_int_equal(lucet_instance_run(s.a, "loop", 0, NULL, &r),
                         lucet_error_runtime_terminated);
        assert_int_equal(r.val.terminated.reason, lucet_terminated_reason_timeout);
        assert_int_equal(lucet_instance_reset(s.a), lucet_error_ok);
        const timer_t gone = lucet__thread.timer;
        assert_int_equal(lucet_thread_detach(), lucet_error_ok);
        assert_int_equal(timer_gettime(gone, &at), -1);
    }
    set_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#ifndef FAILING_SOME_ONLY
        cmocka_unit_test(a_limit_that_cannot_be_kept_is_an_error),
#endif
        cmocka_unit_test(a_kill_that_was_repeated_interrupts_nothing_afterwards),
        cmocka_unit_test(a_limit_is_kept_on_a_thread_that_was_detached),
    };

    if (timer_create(CLOCK_MONOTONIC, &(struct sigevent){.sigev_notify = SIGEV_NONE}, &hosts_timer))
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
