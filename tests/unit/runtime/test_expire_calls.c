/* Time limits that the host keeps, of runs that go on later, begin late, or are within others; and
 * what calls by handle leave behind, whatever becomes of them. */
#include <pthread.h>
#include <stdatomic.h>

#include "runtime/activation.h"
#include "runtime/host_time.h"
#include "runtime/instance.h"
#include "runtime/module.h"

static struct lucet_instance *inner;

static void yields(struct lucet_vmctx *ctx)
{
    lucet_vmctx_yield(ctx, NULL);
}

static void nothing(struct lucet_vmctx *ctx)
{
    (void)ctx;
}

/* ---- What is cut into parts ---- */

/* It ends when its parts have taken as much time together as one may; the last one goes on from
 * there. False: they took much longer, as they may where the machine stands still between two, or
 * were but a few. */
static bool ends_in_time(struct lucet_instance *i, const char *name, uint64_t ms)
{
    const double limit = (double)ms / 1000;
    struct lucet_result r;
    unsigned parts = 0;
    double spent = 0;

    lucet_instance_set_timeout(i, ms);
    for (;; parts++) {
        const double began = set_seconds();
        lucet_expire_timeouts(); /* never meets a run */
        const enum lucet_error e =
            parts ? lucet_instance_resume(i, NULL, &r) : lucet_instance_run(i, name, 0, NULL, &r);
        if (e != lucet_error_ok || spent > 4 * limit)
            break;
        assert_int_equal(r.tag, lucet_result_tag_yielded);
        spent += set_seconds() - began;
    }
    if (r.tag != lucet_result_tag_yielded) {
        assert_int_equal(r.tag, lucet_result_tag_terminated);
        assert_int_equal(r.val.terminated.reason, lucet_terminated_reason_timeout);
    }
    assert_int_equal(lucet_instance_reset(i), lucet_error_ok);
    guest_call(i, "short", 0, NULL); /* it has its time again */
    return parts >= 5 && spent < 2 * limit;
}

static void time_that_is_spent_in_short_parts_is_over_without_a_signal(void **state)
{
    static const char *const endless[] = {"loop", "host for ever"};
    struct set s = host_time_begin(yields);

    (void)state;
    for (int k = 0; k < 2; k++) {
        bool good = false;
        assert_int_equal(lucet_instance_set_slice(s.a, k == 0 ? 200000 : 0), lucet_error_ok);
        for (int n = 0; n < 10 && !good; n++)
            good = ends_in_time(s.a, endless[k], 300);
        assert_true(good);
    }
    host_time_end(&s);
}

/* As of a thread of a guest whose first one has had its time. */
static void a_run_that_begins_after_its_time_is_over_at_once(void **state)
{
    struct set s = host_time_begin(nothing);

    (void)state;
    const struct lucet_func f = guest_func(s.module, "short", ":i");
    for (int k = 0; k < 2; k++) {
        union lucet_raw v;
        lucet_instance_set_timeout(s.a, 60000);
        s.a->deadline = 1;
        assert_int_equal(k ? lucet_func_call(&f, s.a, &v, NULL) : host_time_run(s.a, "short"),
                         lucet_error_runtime_terminated);
        assert_int_equal(lucet_instance_reset(s.a), lucet_error_ok);
    }
    lucet_instance_set_timeout(s.a, 60000);
    guest_call(s.a, "short", 0, NULL);
    host_time_end(&s);
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
    struct set s = host_time_begin(nothing);
    struct lucet_kill_switch *k;
    struct lucet_result r;
    union lucet_raw v;

    (void)state;
    const struct lucet_func f = guest_func(s.module, "short", ":i");
    const struct lucet_func fault = guest_func(s.module, "fault", ":");
    const struct lucet_func throws = guest_func(s.module, "throw", ":");
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
    host_time_end(&s);
}

static void slices_end_calls_that_are_limited_too(void **state)
{
    struct set s = host_time_begin(nothing);
    struct lucet_result r;

    (void)state;
    const struct lucet_func loop = guest_func(s.module, "loop", ":");
    lucet_instance_set_timeout(s.a, 60000);
    assert_int_equal(lucet_instance_set_slice(s.a, 1000000), lucet_error_ok);
    assert_int_equal(lucet_func_call(&loop, s.a, NULL, &r), lucet_error_ok);
    assert_int_equal(r.tag, lucet_result_tag_yielded);
    assert_int_equal(r.val.yielded.reason, lucet_yield_reason_slice);
    expect_nothing_left(&s);
    host_time_end(&s);
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
        assert_int_equal(host_time_run(self, "short"), lucet_error_ok);
        lucet_instance_set_timeout(self, 60000);
        assert_int_equal(lucet_func_call(&of_host, inner, NULL, NULL), lucet_error_ok);
    }
    assert_int_equal(atomic_load(&lucet__thread.deadline), outer);
}

static void calls_within_calls_keep_the_first_ones_time(void **state)
{
    struct set s = host_time_begin(calls_itself);

    (void)state;
    inner = s.b;
    lucet_instance_set_timeout(s.b, 20000000);
    of_host = guest_func(s.module, "host", ":");
    for (int k = 0; k < 3; k++) {
        depth = 0;
        lucet_instance_set_timeout(s.a, 30000);
        assert_int_equal(lucet_func_call(&of_host, s.a, NULL, NULL), lucet_error_ok);
        assert_true(depth > 3);
        expect_nothing_left(&s);
    }
    host_time_end(&s);
}

static struct lucet_func short_func;
static enum lucet_error elsewhere;

static void *calls_it_too(void *arg)
{
    union lucet_raw v;

    lucet_thread_attach(0);
    elsewhere = lucet_func_call(&short_func, arg, &v, NULL);
    return arg;
}

static void is_called_on_another_thread(struct lucet_vmctx *ctx)
{
    struct lucet_instance *self = lucet_vmctx_instance(ctx);
    const uint64_t deadline = self->act.deadline;
    pthread_t other;

    assert_int_not_equal(deadline, 0);
    lucet_instance_set_timeout(self, 60000);
    assert_int_equal(pthread_create(&other, NULL, calls_it_too, self), 0);
    pthread_join(other, NULL);
    assert_int_equal(self->act.deadline, deadline);
}

static void a_call_that_is_refused_leaves_the_running_one_its_limit(void **state)
{
    struct set s = host_time_begin(is_called_on_another_thread);

    (void)state;
    short_func = guest_func(s.module, "short", ":i");
    const struct lucet_func f = guest_func(s.module, "host", ":");
    guest_call(s.a, "short", 0, NULL);
    lucet_instance_set_timeout(s.a, 60000);
    assert_int_equal(lucet_func_call(&f, s.a, NULL, NULL), lucet_error_ok);
    assert_int_equal(elsewhere, lucet_error_instance_not_returned);
    expect_nothing_left(&s);
    host_time_end(&s);
}

static void timers_end_calls_by_handle_too(void **state)
{
    struct set s = host_time_begin(nothing);
    struct lucet_result r;

    (void)state;
    const struct lucet_func loop = guest_func(s.module, "loop", ":");
    assert_int_equal(lucet_set_timeout_source(lucet_timeout_source_timers), lucet_error_ok);
    guest_call(s.a, "short", 0, NULL);
    lucet_instance_set_timeout(s.a, 5);
    assert_int_equal(lucet_func_call(&loop, s.a, NULL, &r), lucet_error_runtime_terminated);
    assert_int_equal(r.val.terminated.reason, lucet_terminated_reason_timeout);
    expect_nothing_left(&s);
    host_time_end(&s);
}

/* ---- With a bound of instructions ---- */

static void each_call_has_all_its_instructions(void **state)
{
    static const char wat[] = "(module (func (export \"f\") (local i32)"
                              " (loop (br_if 0 (i32.lt_u (local.tee 0"
                              "   (i32.add (local.get 0) (i32.const 1))) (i32.const 100))))))";
    struct guest_mode counts = guest_default;
    struct set s = host_time_begin(nothing), counted;
    struct lucet_func f;

    (void)state;
    counts.count = true;
    counted = set_begin(wat, &counts, (const struct set_host[]){{0}});
    f = guest_func(counted.module, "f", ":");
    lucet_instance_set_timeout(counted.a, 60000);
    assert_int_equal(lucet_instance_set_instruction_bound(counted.a, 2000), lucet_error_ok);
    for (int k = 0; k < 20; k++)
        assert_int_equal(lucet_func_call(&f, counted.a, NULL, NULL), lucet_error_ok);
    set_end(&counted);
    host_time_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(time_that_is_spent_in_short_parts_is_over_without_a_signal),
        cmocka_unit_test(a_run_that_begins_after_its_time_is_over_at_once),
        cmocka_unit_test(whatever_becomes_of_a_call_leaves_no_deadline),
        cmocka_unit_test(slices_end_calls_that_are_limited_too),
        cmocka_unit_test(calls_within_calls_keep_the_first_ones_time),
        cmocka_unit_test(a_call_that_is_refused_leaves_the_running_one_its_limit),
        cmocka_unit_test(timers_end_calls_by_handle_too),
        cmocka_unit_test(each_call_has_all_its_instructions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
