/* The time that threads of a program have: until the first of the runs, and of the threads, that
 * they come from has to end (test_program.c has what becomes of them then). */
#include "run/set.h"
#include "runtime/instance.h"
#include "runtime/timeout.h"

#define HOUR UINT64_C(3600000000000) /* nanoseconds */

static const char wat[] =
    "(module (import \"h\" \"f\" (func $f)) (func (export \"call\") (call $f)))";

static struct set s;
static struct lucet_instance *made;
static struct lucet_instance *inner, *maker; /* what is run within, and whose the thread is then */

static void make_thread(struct lucet_instance *of)
{
    const struct lucet_instance_options o = {.linker = s.linker, .thread_of = of};

    assert_int_equal(lucet_region_new_instance_with(s.region, s.module, &o, &made), lucet_error_ok);
}

static void host(struct lucet_vmctx *ctx)
{
    struct lucet_instance *const next = inner;

    inner = NULL;
    if (next)
        guest_call(next, "call", 0, NULL);
    else
        make_thread(maker ? maker : lucet_vmctx_instance(ctx));
}

static void begin(void **state)
{
    const struct set_host hosts[] = {{"f", ":", host}, {0}};

    (void)state;
    guest_begin();
    s = set_begin(wat, &guest_default, hosts);
}

static void no_limit_is_none(void **state)
{
    begin(state);
    make_thread(s.a);
    assert_true(made->deadline == 0 && made->timeout_ns == 0);
    lucet_instance_release(made);
    guest_call(s.a, "call", 0, NULL);
    assert_true(made->deadline == 0 && made->timeout_ns == 0);
    lucet_instance_release(made);
    set_end(&s);
}

static void each_run_has_the_first_ones_limit(void **state)
{
    begin(state);
    lucet_instance_set_timeout(s.a, 7200000);
    make_thread(s.a);
    assert_true(made->deadline == 0 && made->timeout_ns == 2 * HOUR);
    lucet_instance_release(made);
    set_end(&s);
}

/* As those have that a thread makes, or that are made of it: it is no way around its own end. */
static void threads_of_threads_end_with_them(void **state)
{
    begin(state);
    const uint64_t end = lucet__now() + HOUR;
    s.a->deadline = end;
    make_thread(s.a);
    assert_true(made->deadline == end);
    assert_in_range(made->timeout_ns, 1, HOUR);
    lucet_instance_release(made);
    s.a->deadline = 1; /* it is over */
    make_thread(s.a);
    assert_int_equal(made->deadline, 1);
    assert_true(made->timeout_ns > 0);
    lucet_instance_release(made);
    set_end(&s);
}

/* The run that makes it, or the thread that is running. */
static void the_earlier_end_counts(void **state)
{
    begin(state);
    for (int earlier = 0; earlier < 2; earlier++) {
        const uint64_t end = lucet__now() + (earlier ? HOUR : 3 * HOUR);
        lucet_instance_set_timeout(s.a, 7200000);
        s.a->deadline = end;
        guest_call(s.a, "call", 0, NULL);
        if (earlier)
            assert_true(made->deadline == end);
        else
            assert_in_range(made->deadline, end - 2 * HOUR, end - 1);
        assert_true(made->timeout_ns == 2 * HOUR);
        lucet_instance_release(made);
    }
    set_end(&s);
}

/* In hours; 0: none. */
static void the_earliest_of_runs_within_each_other_counts(void **state)
{
    static const uint8_t limits[][2] = {{1, 0}, {0, 1}, {1, 2}, {2, 1}};

    begin(state);
    for (size_t k = 0; k < sizeof(limits) / sizeof(*limits); k++) {
        lucet_instance_set_timeout(s.a, limits[k][0] * (HOUR / 1000000));
        lucet_instance_set_timeout(s.b, limits[k][1] * (HOUR / 1000000));
        inner = s.b;
        guest_call(s.a, "call", 0, NULL);
        assert_in_range(made->deadline, 1, lucet__now() + HOUR);
        lucet_instance_release(made);
    }
    set_end(&s);
}

static void a_thread_made_in_anothers_run_ends_with_its_own_program(void **state)
{
    begin(state);
    lucet_instance_set_timeout(s.a, 7200000);
    maker = s.b;
    maker->deadline = lucet__now() + HOUR;
    guest_call(s.a, "call", 0, NULL);
    assert_true(made->deadline == maker->deadline);
    lucet_instance_release(made);
    maker = NULL;
    set_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_limit_is_none),
        cmocka_unit_test(each_run_has_the_first_ones_limit),
        cmocka_unit_test(threads_of_threads_end_with_them),
        cmocka_unit_test(the_earlier_end_counts),
        cmocka_unit_test(the_earliest_of_runs_within_each_other_counts),
        cmocka_unit_test(a_thread_made_in_anothers_run_ends_with_its_own_program),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
