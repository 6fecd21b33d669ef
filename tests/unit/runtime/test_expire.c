/* Time limits that the host keeps: lucet_expire_timeouts(), and what happens beside it. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "run/patience.h"
#include "runtime/activation.h"
#include "runtime/host_time.h"
#include "runtime/instance.h"

#define TELLING UINT64_MAX /* timeout.c */

static atomic_int processor_given_up;

/* In place of the C library's. */
int sched_yield(void)
{
    atomic_fetch_add(&processor_given_up, 1);
    return (int)syscall(SYS_sched_yield);
}

/* ---- Who is told ---- */

static atomic_bool over;

static void *look_all_the_time(void *arg)
{
    while (!atomic_load(&over))
        lucet_expire_timeouts();
    return arg;
}

static size_t told[3];
static bool at_once;   /* nothing held up what is not to take long */
static uint64_t limit; /* milliseconds */

static void too_long(struct lucet_vmctx *ctx)
{
    told[0] = lucet_expire_timeouts(); /* not yet */
    usleep((useconds_t)limit * 2000);
    told[1] = lucet_expire_timeouts();
    const double began = set_seconds();
    told[2] = lucet_expire_timeouts(); /* once is enough */
    at_once = told[0] == 0 && set_seconds() - began < 0.008;
    assert_int_equal(lucet_vmctx_stop_requested(ctx), told[1] != 0);
}

static void sleeps_only(struct lucet_vmctx *ctx)
{
    usleep(40000);
    assert_false(lucet_vmctx_stop_requested(ctx));
}

static void those_are_told_whose_time_is_over(void **state)
{
    struct set s = host_time_begin(too_long);

    (void)state;
    assert_int_equal(lucet_expire_timeouts(), 0);
    for (limit = 20;; limit = longer(limit)) {
        lucet_instance_set_timeout(s.a, limit);
        assert_int_equal(host_time_run(s.a, "host"), lucet_error_runtime_terminated);
        if (at_once) /* else it was over before the function looked, or told again */
            break;
        assert_int_equal(lucet_instance_reset(s.a), lucet_error_ok);
    }
    assert_int_equal(told[1], 1);
    assert_int_equal(told[2], 0);
    assert_int_equal(lucet_expire_timeouts(), 0);
    assert_int_equal(lucet_instance_reset(s.a), lucet_error_ok);
    lucet_instance_set_timeout(s.a, 0);
    assert_int_equal(host_time_run(s.a, "host"), lucet_error_ok);
    assert_int_equal(told[1], 0);
    host_time_end(&s);
}

static void yields(struct lucet_vmctx *ctx)
{
    lucet_vmctx_yield(ctx, NULL);
}

/* That is the host's to know. */
static void nobody_is_told_unless_the_host_looks(void **state)
{
    struct set s = host_time_begin(sleeps_only);

    (void)state;
    lucet_instance_set_timeout(s.a, 5);
    assert_int_equal(host_time_run(s.a, "host"), lucet_error_ok);
    host_time_end(&s);
}

static void spins(struct lucet_vmctx *ctx)
{
    const double until = set_seconds() + 0.003;

    while (set_seconds() < until)
        ;
    told[0] += lucet_expire_timeouts();
    (void)ctx;
}

/* What has been sent is there once a system call returns. */
static void a_run_that_was_told_makes_a_system_call_before_it_is_over(void **state)
{
    struct set s = host_time_begin(spins);
    struct lucet_func f;

    (void)state;
    assert_int_equal(lucet_dl_module_func(s.module, "host", ":", &f), lucet_error_ok);
    for (int k = 0; k < 4; k++) { /* by name and by handle, in time and not */
        const enum lucet_error expected = k % 2 ? lucet_error_runtime_terminated : lucet_error_ok;
        lucet_instance_set_timeout(s.a, k % 2 ? 1 : 60000);
        atomic_store(&processor_given_up, 0);
        told[0] = 0;
        assert_int_equal(k < 2 ? host_time_run(s.a, "host") : lucet_func_call(&f, s.a, NULL, NULL),
                         expected);
        assert_int_equal(told[0], k % 2);
        assert_int_equal(atomic_load(&processor_given_up), k % 2);
        lucet_instance_reset(s.a);
    }
    host_time_end(&s);
}

/* One that was about to begin has not heard the signal. */
static void the_signal_comes_again_until_the_run_is_over(void **state)
{
    struct set s = host_time_begin(sleeps_only);

    (void)state;
    assert_int_equal(host_time_run(s.a, "short"), lucet_error_ok); /* the thread is ready */
    at_once = false;
    for (unsigned n = 0; !at_once && n < 10000; n++) {
        atomic_store(&lucet__thread.deadline, 1);
        const double began = set_seconds();
        assert_int_equal(lucet_expire_timeouts(), 1);
        const size_t again = lucet_expire_timeouts();
        at_once = set_seconds() - began < 0.008;
        assert_true(again == 0 || !at_once);
    }
    assert_true(at_once);
    usleep(15000);
    assert_int_equal(lucet_expire_timeouts(), 1);
    atomic_store(&lucet__thread.deadline, 0);
    host_time_end(&s);
}

/* ---- Calls by handle ---- */

static void calls_by_handle_end_in_time_however_they_go_on(void **state)
{
    struct set s = host_time_begin(yields);
    struct lucet_func loop, host_loop, short_func;
    union lucet_raw v;
    struct lucet_result r;
    pthread_t looker;

    (void)state;
    assert_int_equal(lucet_dl_module_func(s.module, "loop", ":", &loop), lucet_error_ok);
    assert_int_equal(lucet_dl_module_func(s.module, "host loop", ":", &host_loop), lucet_error_ok);
    assert_int_equal(lucet_dl_module_func(s.module, "short", ":i", &short_func), lucet_error_ok);
    atomic_store(&over, false);
    assert_int_equal(pthread_create(&looker, NULL, look_all_the_time, NULL), 0);
    for (int k = 0; k < 40; k++) {
        uint64_t ms = 5;
        lucet_instance_set_timeout(s.a, ms);
        double began = set_seconds();
        if (k % 2) {
            assert_int_equal(lucet_func_call(&loop, s.a, NULL, &r), lucet_error_runtime_terminated);
        } else { /* what is left of its time goes on elsewhere */
            while (lucet_func_call(&host_loop, s.a, NULL, &r) != lucet_error_ok) {
                /* It was over before the function yielded. */
                assert_int_equal(r.val.terminated.reason, lucet_terminated_reason_timeout);
                assert_int_equal(lucet_instance_reset(s.a), lucet_error_ok);
                lucet_instance_set_timeout(s.a, ms = longer(ms));
                began = set_seconds();
            }
            assert_int_equal(r.tag, lucet_result_tag_yielded);
            assert_int_equal(atomic_load(&lucet__thread.deadline), 0);
            assert_int_equal(lucet_instance_resume(s.a, NULL, &r), lucet_error_runtime_terminated);
        }
        assert_int_equal(r.val.terminated.reason, lucet_terminated_reason_timeout);
        assert_true(set_seconds() - began > 0.0009 * (double)ms);
        assert_int_equal(s.a->act.deadline, 0);
        assert_int_equal(lucet_instance_reset(s.a), lucet_error_ok);
        lucet_instance_set_timeout(s.a, 60000);
        for (int n = 0; n < 100; n++) {
            assert_int_equal(lucet_func_call(&short_func, s.a, &v, NULL), lucet_error_ok);
            assert_int_equal(v.i32, 9);
            assert_int_equal(atomic_load(&lucet__thread.deadline), 0);
        }
        assert_ptr_equal(lucet__thread.bound, s.a); /* they went the quick way */
    }
    atomic_store(&over, true);
    pthread_join(looker, NULL);
    host_time_end(&s);
}

static struct lucet_instance *inner;

static void runs_another(struct lucet_vmctx *ctx)
{
    const uint64_t outer = atomic_load(&lucet__thread.deadline);

    (void)ctx;
    assert_int_not_equal(outer, 0);
    lucet_instance_set_timeout(inner, 20000);
    assert_int_equal(host_time_run(inner, "short"), lucet_error_ok);
    assert_int_equal(atomic_load(&lucet__thread.deadline), outer);
    lucet_instance_set_timeout(inner, 0);
    assert_int_equal(host_time_run(inner, "short"), lucet_error_ok);
    assert_int_equal(atomic_load(&lucet__thread.deadline), outer);
}

static void an_inner_run_gives_the_outer_ones_time_back(void **state)
{
    struct set s = host_time_begin(runs_another);
    struct lucet_func f;

    (void)state;
    inner = s.b;
    assert_int_equal(lucet_dl_module_func(s.module, "host", ":", &f), lucet_error_ok);
    lucet_instance_set_timeout(s.a, 60000);
    assert_int_equal(host_time_run(s.a, "host"), lucet_error_ok);
    for (int k = 0; k < 3; k++) {
        assert_int_equal(lucet_func_call(&f, s.a, NULL, NULL), lucet_error_ok);
        assert_int_equal(atomic_load(&lucet__thread.deadline), 0);
    }
    host_time_end(&s);
}

/* ---- The source ---- */

/* As of a run that had begun when the source changed. */
static void no_deadline_stays_behind_when_the_source_has_changed(void **state)
{
    struct set s = host_time_begin(sleeps_only);

    (void)state;
    guest_call(s.a, "short", 0, NULL); /* the thread is ready */
    assert_int_equal(lucet_set_timeout_source(lucet_timeout_source_timers), lucet_error_ok);
    atomic_store(&lucet__thread.deadline, UINT64_MAX / 2);
    guest_call(s.a, "short", 0, NULL);
    assert_int_equal(lucet_expire_timeouts(), 0);
    host_time_end(&s);
}

static enum lucet_error while_running;

static void changes_the_source(struct lucet_vmctx *ctx)
{
    (void)ctx;
    while_running = lucet_set_timeout_source(lucet_timeout_source_timers);
}

static void the_source_stays_while_a_guest_runs(void **state)
{
    struct set s = host_time_begin(changes_the_source);

    (void)state;
    assert_int_equal(host_time_run(s.a, "host"), lucet_error_ok);
    assert_int_equal(while_running, lucet_error_instance_not_returned);
    assert_string_equal(lucet_timeout_source_name(lucet_timeout_source_timers), "timers");
    assert_string_equal(lucet_timeout_source_name(lucet_timeout_source_host), "host");
    assert_string_equal(lucet_timeout_source_name((enum lucet_timeout_source)2), "unknown");
    assert_int_equal(lucet_set_timeout_source((enum lucet_timeout_source)2),
                     lucet_error_invalid_argument);
    assert_int_equal(lucet_set_timeout_source((enum lucet_timeout_source) - 1),
                     lucet_error_invalid_argument);
    host_time_end(&s);
}

/* ---- At the same time ---- */

static void *run_both(void *arg)
{
    struct lucet_instance *i = arg;

    for (int k = 0; k < 100; k++) {
        lucet_instance_set_timeout(i, 1);
        if (host_time_run(i, "loop") != lucet_error_runtime_terminated ||
            lucet_instance_reset(i) != lucet_error_ok)
            return NULL;
        for (int n = 0; n < 50; n++)
            if (host_time_run(i, "short") == lucet_error_runtime_terminated)
                lucet_instance_reset(i); /* on a busy machine */
        lucet_instance_set_timeout(i, 0);
        if (host_time_run(i, "short") !=
            lucet_error_ok) /* what was the last one's is gone with it */
            return NULL;
    }
    return i;
}

static void no_run_is_forgotten_and_none_pays_for_another(void **state)
{
    struct set s = host_time_begin(sleeps_only);
    pthread_t looker, runner;
    void *good;

    (void)state;
    atomic_store(&over, false);
    assert_int_equal(pthread_create(&looker, NULL, look_all_the_time, NULL), 0);
    assert_int_equal(pthread_create(&runner, NULL, run_both, s.b), 0);
    assert_ptr_equal(run_both(s.a), s.a);
    pthread_join(runner, &good);
    assert_ptr_equal(good, s.b);
    atomic_store(&over, true);
    pthread_join(looker, NULL);
    host_time_end(&s);
}

/* ---- A thread that is being told ---- */

static struct thread *telling;
static atomic_bool begun, returned;

static void is_told(struct lucet_vmctx *ctx)
{
    (void)ctx;
    telling = &lucet__thread;
    atomic_store(&telling->deadline, TELLING);
    atomic_store(&begun, true);
}

static void *tell(void *arg)
{
    while (!atomic_load(&begun))
        sched_yield();
    usleep(30000);
    const bool early = atomic_load(&returned);
    atomic_store(&telling->deadline, 0);
    return early ? NULL : arg;
}

static void a_run_ends_when_it_has_been_told(void **state)
{
    struct set s = host_time_begin(is_told);
    pthread_t teller;
    void *waited;

    (void)state;
    atomic_store(&begun, false);
    atomic_store(&returned, false);
    assert_int_equal(pthread_create(&teller, NULL, tell, &s), 0);
    lucet_instance_set_timeout(s.a, 60000);
    assert_int_equal(host_time_run(s.a, "host"), lucet_error_ok);
    atomic_store(&returned, true);
    pthread_join(teller, &waited);
    assert_ptr_equal(waited, &s);
    host_time_end(&s);
}

static pid_t child = -1;

/* As if another thread had been about to tell it. The child goes on with the run, and loops. */
static void forks(struct lucet_vmctx *ctx)
{
    pthread_t looker;

    atomic_store(&lucet__thread.deadline, TELLING);
    child = fork();
    if (child != 0) {
        atomic_store(&lucet__thread.deadline, 0);
        lucet_vmctx_terminate(ctx, NULL);
    }
    if (pthread_create(&looker, NULL, look_all_the_time, NULL) != 0)
        _exit(1);
}

static void in_the_child_of_a_fork_it_is_told_anew(void **state)
{
    struct set s = host_time_begin(forks);
    struct lucet_result r;
    int status = -1;

    (void)state;
    atomic_store(&over, false);
    lucet_instance_set_timeout(s.a, 5);
    assert_int_equal(lucet_instance_run(s.a, "host loop", 0, NULL, &r),
                     lucet_error_runtime_terminated);
    if (child == 0)
        _exit(r.val.terminated.reason == lucet_terminated_reason_timeout ? 0 : 2);
    assert_int_equal(r.val.terminated.reason, lucet_terminated_reason_provided);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    host_time_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(those_are_told_whose_time_is_over),
        cmocka_unit_test(nobody_is_told_unless_the_host_looks),
        cmocka_unit_test(a_run_that_was_told_makes_a_system_call_before_it_is_over),
        cmocka_unit_test(the_signal_comes_again_until_the_run_is_over),
        cmocka_unit_test(calls_by_handle_end_in_time_however_they_go_on),
        cmocka_unit_test(an_inner_run_gives_the_outer_ones_time_back),
        cmocka_unit_test(no_deadline_stays_behind_when_the_source_has_changed),
        cmocka_unit_test(the_source_stays_while_a_guest_runs),
        cmocka_unit_test(no_run_is_forgotten_and_none_pays_for_another),
        cmocka_unit_test(a_run_ends_when_it_has_been_told),
        cmocka_unit_test(in_the_child_of_a_fork_it_is_told_anew),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
