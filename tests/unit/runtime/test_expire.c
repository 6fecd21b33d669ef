/* Time limits that the host keeps: lucet_expire_timeouts(), and what happens beside it. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "run/set.h"
#include "runtime/activation.h"
#include "runtime/instance.h"
#include "runtime/module.h"

#define TELLING UINT64_MAX /* timeout.c */

static const char wat[] = "(module (import \"h\" \"f\" (func $f))"
                          " (func (export \"loop\") (loop (br 0)))"
                          " (func (export \"host\") (call $f))"
                          " (func (export \"host loop\") (call $f) (loop (br 0)))"
                          " (func (export \"host for ever\") (loop (call $f) (br 0)))"
                          " (func (export \"short\") (result i32) (i32.const 9))"
                          " (func (export \"fault\") (unreachable))"
                          " (tag $t) (func (export \"throw\") (throw $t)))";

static void (*in_host)(struct lucet_vmctx *ctx);

static void host(struct lucet_vmctx *ctx)
{
    in_host(ctx);
}

static struct set begin(void (*f)(struct lucet_vmctx *ctx))
{
    const struct set_host hosts[] = {{"f", ":", host}, {0}};

    guest_begin();
    in_host = f;
    assert_int_equal(lucet_set_timeout_source(lucet_timeout_source_host), lucet_error_ok);
    return set_begin(wat, &guest_default, hosts);
}

static void end(struct set *s)
{
    assert_int_equal(atomic_load(&lucet__thread.deadline), 0);
    set_end(s);
    assert_int_equal(lucet_set_timeout_source(lucet_timeout_source_timers), lucet_error_ok);
}

static enum lucet_error run(struct lucet_instance *i, const char *name)
{
    struct lucet_result r;
    const enum lucet_error e = lucet_instance_run(i, name, 0, NULL, &r);

    if (e == lucet_error_runtime_terminated)
        assert_int_equal(r.val.terminated.reason, lucet_terminated_reason_timeout);
    return e;
}

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

static void too_long(struct lucet_vmctx *ctx)
{
    told[0] = lucet_expire_timeouts(); /* not yet */
    usleep(40000);
    told[1] = lucet_expire_timeouts();
    told[2] = lucet_expire_timeouts(); /* once is enough */
    assert_int_equal(lucet_vmctx_stop_requested(ctx), told[1] != 0);
}

static void sleeps_only(struct lucet_vmctx *ctx)
{
    usleep(40000);
    assert_false(lucet_vmctx_stop_requested(ctx));
}

static void those_are_told_whose_time_is_over(void **state)
{
    struct set s = begin(too_long);

    (void)state;
    assert_int_equal(lucet_expire_timeouts(), 0);
    lucet_instance_set_timeout(s.a, 20);
    assert_int_equal(run(s.a, "host"), lucet_error_runtime_terminated);
    assert_int_equal(told[0], 0);
    assert_int_equal(told[1], 1);
    assert_int_equal(told[2], 0);
    assert_int_equal(lucet_expire_timeouts(), 0);
    assert_int_equal(lucet_instance_reset(s.a), lucet_error_ok);
    lucet_instance_set_timeout(s.a, 0);
    assert_int_equal(run(s.a, "host"), lucet_error_ok);
    assert_int_equal(told[1], 0);
    end(&s);
}

static void yields(struct lucet_vmctx *ctx)
{
    lucet_vmctx_yield(ctx, NULL);
}

/* That is the host's to know. */
static void nobody_is_told_unless_the_host_looks(void **state)
{
    struct set s = begin(sleeps_only);

    (void)state;
    lucet_instance_set_timeout(s.a, 5);
    assert_int_equal(run(s.a, "host"), lucet_error_ok);
    end(&s);
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
    struct set s = begin(spins);
    struct lucet_func f;

    (void)state;
    assert_int_equal(lucet_dl_module_func(s.module, "host", ":", &f), lucet_error_ok);
    for (int k = 0; k < 4; k++) { /* by name and by handle, in time and not */
        const enum lucet_error expected = k % 2 ? lucet_error_runtime_terminated : lucet_error_ok;
        lucet_instance_set_timeout(s.a, k % 2 ? 1 : 60000);
        atomic_store(&processor_given_up, 0);
        told[0] = 0;
        assert_int_equal(k < 2 ? run(s.a, "host") : lucet_func_call(&f, s.a, NULL, NULL), expected);
        assert_int_equal(told[0], k % 2);
        assert_int_equal(atomic_load(&processor_given_up), k % 2);
        lucet_instance_reset(s.a);
    }
    end(&s);
}

/* One that was about to begin has not heard the signal. */
static void the_signal_comes_again_until_the_run_is_over(void **state)
{
    struct set s = begin(sleeps_only);

    (void)state;
    assert_int_equal(run(s.a, "short"), lucet_error_ok); /* the thread is ready */
    atomic_store(&lucet__thread.deadline, 1);
    assert_int_equal(lucet_expire_timeouts(), 1);
    assert_int_equal(lucet_expire_timeouts(), 0);
    usleep(15000);
    assert_int_equal(lucet_expire_timeouts(), 1);
    atomic_store(&lucet__thread.deadline, 0);
    end(&s);
}

/* ---- Calls by handle ---- */

static void calls_by_handle_end_in_time_however_they_go_on(void **state)
{
    struct set s = begin(yields);
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
        lucet_instance_set_timeout(s.a, 5);
        const double began = set_seconds();
        if (k % 2) {
            assert_int_equal(lucet_func_call(&loop, s.a, NULL, &r), lucet_error_runtime_terminated);
        } else { /* what is left of its time goes on elsewhere */
            assert_int_equal(lucet_func_call(&host_loop, s.a, NULL, &r), lucet_error_ok);
            assert_int_equal(r.tag, lucet_result_tag_yielded);
            assert_int_equal(atomic_load(&lucet__thread.deadline), 0);
            assert_int_equal(lucet_instance_resume(s.a, NULL, &r), lucet_error_runtime_terminated);
        }
        assert_int_equal(r.val.terminated.reason, lucet_terminated_reason_timeout);
        assert_true(set_seconds() - began > 0.0045);
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
    end(&s);
}

static struct lucet_instance *inner;

static void runs_another(struct lucet_vmctx *ctx)
{
    const uint64_t outer = atomic_load(&lucet__thread.deadline);

    (void)ctx;
    assert_int_not_equal(outer, 0);
    lucet_instance_set_timeout(inner, 20000);
    assert_int_equal(run(inner, "short"), lucet_error_ok);
    assert_int_equal(atomic_load(&lucet__thread.deadline), outer);
    lucet_instance_set_timeout(inner, 0);
    assert_int_equal(run(inner, "short"), lucet_error_ok);
    assert_int_equal(atomic_load(&lucet__thread.deadline), outer);
}

static void an_inner_run_gives_the_outer_ones_time_back(void **state)
{
    struct set s = begin(runs_another);
    struct lucet_func f;

    (void)state;
    inner = s.b;
    assert_int_equal(lucet_dl_module_func(s.module, "host", ":", &f), lucet_error_ok);
    lucet_instance_set_timeout(s.a, 60000);
    assert_int_equal(run(s.a, "host"), lucet_error_ok);
    for (int k = 0; k < 3; k++) {
        assert_int_equal(lucet_func_call(&f, s.a, NULL, NULL), lucet_error_ok);
        assert_int_equal(atomic_load(&lucet__thread.deadline), 0);
    }
    end(&s);
}

/* ---- What is cut into parts ---- */

static enum lucet_error resume_until_it_ends(struct lucet_instance *i, struct lucet_result *r)
{
    const double began = set_seconds();
    enum lucet_error e = lucet_error_ok;

    while (e == lucet_error_ok && r->tag == lucet_result_tag_yielded) {
        assert_true(set_seconds() - began < 10);
        lucet_expire_timeouts(); /* never meets a run */
        e = lucet_instance_resume(i, NULL, r);
    }
    return e;
}

static void time_that_is_spent_in_short_parts_is_over_without_a_signal(void **state)
{
    static const char *const endless[] = {"loop", "host for ever"};
    struct set s = begin(yields);
    struct lucet_result r;

    (void)state;
    lucet_instance_set_timeout(s.a, 5);
    for (int k = 0; k < 2; k++) {
        assert_int_equal(lucet_instance_set_slice(s.a, k == 0 ? 200000 : 0), lucet_error_ok);
        assert_int_equal(lucet_instance_run(s.a, endless[k], 0, NULL, &r), lucet_error_ok);
        assert_int_equal(resume_until_it_ends(s.a, &r), lucet_error_runtime_terminated);
        assert_int_equal(r.tag, lucet_result_tag_terminated);
        assert_int_equal(r.val.terminated.reason, lucet_terminated_reason_timeout);
        assert_int_equal(lucet_instance_reset(s.a), lucet_error_ok);
        guest_call(s.a, "short", 0, NULL); /* it has its time again */
    }
    end(&s);
}

/* As of a thread of a guest whose first one has had its time. */
static void a_run_that_begins_after_its_time_is_over_at_once(void **state)
{
    struct set s = begin(sleeps_only);
    struct lucet_func f;

    (void)state;
    assert_int_equal(lucet_dl_module_func(s.module, "short", ":i", &f), lucet_error_ok);
    for (int k = 0; k < 2; k++) {
        union lucet_raw v;
        lucet_instance_set_timeout(s.a, 60000);
        s.a->deadline = 1;
        assert_int_equal(k ? lucet_func_call(&f, s.a, &v, NULL) : run(s.a, "short"),
                         lucet_error_runtime_terminated);
        assert_int_equal(lucet_instance_reset(s.a), lucet_error_ok);
    }
    lucet_instance_set_timeout(s.a, 60000);
    guest_call(s.a, "short", 0, NULL);
    end(&s);
}

/* ---- By handle, where something speaks against it ---- */

static void expect_nothing_left(const struct set *s)
{
    assert_int_equal(atomic_load(&lucet__thread.deadline), 0);
    assert_int_equal(s->a->act.deadline, 0);
    assert_int_not_equal(s->a->ready, s->a->module->id);
}

static void whatever_becomes_of_a_call_leaves_no_deadline(void **state)
{
    struct set s = begin(sleeps_only);
    struct lucet_func f, fault, throws;
    struct lucet_kill_switch *k;
    struct lucet_result r;
    union lucet_raw v;

    (void)state;
    assert_int_equal(lucet_dl_module_func(s.module, "short", ":i", &f), lucet_error_ok);
    assert_int_equal(lucet_dl_module_func(s.module, "fault", ":", &fault), lucet_error_ok);
    assert_int_equal(lucet_dl_module_func(s.module, "throw", ":", &throws), lucet_error_ok);
    assert_int_equal(lucet_func_call(&f, s.a, &v, NULL), lucet_error_ok);
    lucet_instance_set_timeout(s.a, UINT64_MAX);
    assert_int_equal(lucet_func_call(&f, s.a, &v, &r), lucet_error_ok);
    expect_nothing_left(&s);
    assert_int_equal(lucet_func_call(&f, s.a, NULL, &r), lucet_error_invalid_argument);
    expect_nothing_left(&s);
    assert_int_equal(lucet_func_call(&throws, s.a, NULL, &r), lucet_error_runtime_threw);
    expect_nothing_left(&s);
    assert_non_null(s.a->uncaught);
    assert_int_equal(lucet_func_call(&f, s.a, &v, &r), lucet_error_ok);
    assert_null(s.a->uncaught); /* it was that run's */
    assert_int_equal(lucet_instance_kill_switch(s.a, &k), lucet_error_ok);
    assert_int_equal(lucet_kill_switch_terminate(k), lucet_kill_cancelled);
    lucet_kill_switch_release(k);
    assert_int_equal(lucet_func_call(&f, s.a, &v, &r), lucet_error_runtime_terminated);
    assert_int_equal(r.val.terminated.reason, lucet_terminated_reason_remote);
    expect_nothing_left(&s);
    assert_int_equal(lucet_instance_reset(s.a), lucet_error_ok);
    assert_int_equal(lucet_func_call(&fault, s.a, NULL, &r), lucet_error_runtime_fault);
    expect_nothing_left(&s);
    assert_int_equal(lucet_func_call(&f, s.a, &v, &r), lucet_error_instance_not_returned);
    expect_nothing_left(&s);
    end(&s);
}

static void slices_end_calls_that_are_limited_too(void **state)
{
    struct set s = begin(sleeps_only);
    struct lucet_func loop;
    struct lucet_result r;

    (void)state;
    assert_int_equal(lucet_dl_module_func(s.module, "loop", ":", &loop), lucet_error_ok);
    lucet_instance_set_timeout(s.a, 60000);
    assert_int_equal(lucet_instance_set_slice(s.a, 1000000), lucet_error_ok);
    assert_int_equal(lucet_func_call(&loop, s.a, NULL, &r), lucet_error_ok);
    assert_int_equal(r.tag, lucet_result_tag_yielded);
    assert_int_equal(r.val.yielded.reason, lucet_yield_reason_slice);
    expect_nothing_left(&s);
    end(&s);
}

static struct lucet_func of_host;
static int depth;

/* Its own instance again, whose limit it changes: what has begun keeps its own. */
static void calls_itself(struct lucet_vmctx *ctx)
{
    const uint64_t outer = atomic_load(&lucet__thread.deadline);
    struct lucet_instance *self = lucet_vmctx_instance(ctx);

    assert_int_not_equal(outer, 0);
    assert_int_equal(lucet_instance_reset(self), lucet_error_instance_not_returned);
    assert_int_equal(lucet_instance_set_slice(self, 1000000), lucet_error_instance_not_returned);
    if (depth++ < 3) {
        lucet_instance_set_timeout(self, 20000000);
        assert_int_equal(lucet_func_call(&of_host, self, NULL, NULL), lucet_error_ok);
        lucet_instance_set_timeout(self, 0);
        assert_int_equal(run(self, "short"), lucet_error_ok);
        lucet_instance_set_timeout(self, 60000);
        assert_int_equal(lucet_func_call(&of_host, inner, NULL, NULL), lucet_error_ok);
    }
    assert_int_equal(atomic_load(&lucet__thread.deadline), outer);
}

static void calls_within_calls_keep_the_first_ones_time(void **state)
{
    struct set s = begin(calls_itself);

    (void)state;
    inner = s.b;
    lucet_instance_set_timeout(s.b, 20000000);
    assert_int_equal(lucet_dl_module_func(s.module, "host", ":", &of_host), lucet_error_ok);
    for (int k = 0; k < 3; k++) {
        depth = 0;
        lucet_instance_set_timeout(s.a, 30000);
        assert_int_equal(lucet_func_call(&of_host, s.a, NULL, NULL), lucet_error_ok);
        assert_true(depth > 3);
        expect_nothing_left(&s);
    }
    end(&s);
}

/* ---- The source ---- */

/* As of a run that had begun when the source changed. */
static void no_deadline_stays_behind_when_the_source_has_changed(void **state)
{
    struct set s = begin(sleeps_only);

    (void)state;
    guest_call(s.a, "short", 0, NULL); /* the thread is ready */
    assert_int_equal(lucet_set_timeout_source(lucet_timeout_source_timers), lucet_error_ok);
    atomic_store(&lucet__thread.deadline, UINT64_MAX / 2);
    guest_call(s.a, "short", 0, NULL);
    assert_int_equal(lucet_expire_timeouts(), 0);
    end(&s);
}

static enum lucet_error while_running;

static void changes_the_source(struct lucet_vmctx *ctx)
{
    (void)ctx;
    while_running = lucet_set_timeout_source(lucet_timeout_source_timers);
}

static void the_source_stays_while_a_guest_runs(void **state)
{
    struct set s = begin(changes_the_source);

    (void)state;
    assert_int_equal(run(s.a, "host"), lucet_error_ok);
    assert_int_equal(while_running, lucet_error_instance_not_returned);
    assert_string_equal(lucet_timeout_source_name(lucet_timeout_source_timers), "timers");
    assert_string_equal(lucet_timeout_source_name(lucet_timeout_source_host), "host");
    assert_string_equal(lucet_timeout_source_name((enum lucet_timeout_source)2), "unknown");
    assert_int_equal(lucet_set_timeout_source((enum lucet_timeout_source)2),
                     lucet_error_invalid_argument);
    assert_int_equal(lucet_set_timeout_source((enum lucet_timeout_source) - 1),
                     lucet_error_invalid_argument);
    end(&s);
}

/* ---- At the same time ---- */

static void *run_both(void *arg)
{
    struct lucet_instance *i = arg;

    for (int k = 0; k < 100; k++) {
        lucet_instance_set_timeout(i, 1);
        if (run(i, "loop") != lucet_error_runtime_terminated ||
            lucet_instance_reset(i) != lucet_error_ok)
            return NULL;
        for (int n = 0; n < 50; n++)
            if (run(i, "short") == lucet_error_runtime_terminated)
                lucet_instance_reset(i); /* on a busy machine */
        lucet_instance_set_timeout(i, 0);
        if (run(i, "short") != lucet_error_ok) /* what was the last one's is gone with it */
            return NULL;
    }
    return i;
}

static void no_run_is_forgotten_and_none_pays_for_another(void **state)
{
    struct set s = begin(sleeps_only);
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
    end(&s);
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
    struct set s = begin(is_told);
    pthread_t teller;
    void *waited;

    (void)state;
    atomic_store(&begun, false);
    atomic_store(&returned, false);
    assert_int_equal(pthread_create(&teller, NULL, tell, &s), 0);
    lucet_instance_set_timeout(s.a, 60000);
    assert_int_equal(run(s.a, "host"), lucet_error_ok);
    atomic_store(&returned, true);
    pthread_join(teller, &waited);
    assert_ptr_equal(waited, &s);
    end(&s);
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
    struct set s = begin(forks);
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
    end(&s);
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
        cmocka_unit_test(time_that_is_spent_in_short_parts_is_over_without_a_signal),
        cmocka_unit_test(a_run_that_begins_after_its_time_is_over_at_once),
        cmocka_unit_test(whatever_becomes_of_a_call_leaves_no_deadline),
        cmocka_unit_test(slices_end_calls_that_are_limited_too),
        cmocka_unit_test(calls_within_calls_keep_the_first_ones_time),
        cmocka_unit_test(no_deadline_stays_behind_when_the_source_has_changed),
        cmocka_unit_test(the_source_stays_while_a_guest_runs),
        cmocka_unit_test(no_run_is_forgotten_and_none_pays_for_another),
        cmocka_unit_test(a_run_ends_when_it_has_been_told),
        cmocka_unit_test(in_the_child_of_a_fork_it_is_told_anew),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
