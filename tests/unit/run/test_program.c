/* Programs of several threads (`thread_of`): what limits the first instance limits all of them, and
 * who stops it stops all. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "run/guest.h"
#include "run/patience.h"
#include "run/set.h"

static const char wat[] =
    "(module (import \"h\" \"f\" (func $f)) (import \"h\" \"begun\" (func $begun)) (memory (export "
    "\"m\") 1 10) (table $t 10 1000 "
    "externref)"
    " (func (export \"call\") (call $f))"
    " (func (export \"forever\") (call $begun) (loop (br 0)))"
    " (func (export \"trap\") unreachable)"
    " (func (export \"grow\") (param i32) (result i32) (memory.grow (local.get 0)))"
    " (func (export \"grow_table\") (param i32) (result i32)"
    "   (table.grow $t (ref.null extern) (local.get 0))))";

static const char key, other_key;
static int value = 5, other_value = 6, delegate = 7;

/* What host functions are to do, and with what. */
static struct {
    struct lucet_region *region;
    struct lucet_dl_module *module;
    struct lucet_linker *linker;
    struct lucet_instance *made;
    enum lucet_error error;
    bool make;
    void *seen, *seen_delegate;
} test;

static enum lucet_error make_thread(struct lucet_instance *of, struct lucet_instance **out)
{
    const struct lucet_instance_options o = {.linker = test.linker, .thread_of = of};

    return lucet_region_new_instance_with(test.region, test.module, &o, out);
}

static void host(struct lucet_vmctx *ctx)
{
    test.seen = lucet_vmctx_context(ctx, &key);
    test.seen_delegate = lucet_vmctx_get_delegate(ctx);
    if (test.make)
        test.error = make_thread(lucet_vmctx_instance(ctx), &test.made);
}

static atomic_int begun;

static void host_begun(struct lucet_vmctx *ctx)
{
    (void)ctx;
    atomic_fetch_add(&begun, 1);
}

static void begin_in(struct lucet_region *region, const struct guest_mode *mode)
{
    memset(&test, 0, sizeof(test));
    test.region = region;
    test.module = guest_module(wat, mode);
    assert_int_equal(lucet_linker_new(&test.linker), lucet_error_ok);
    assert_int_equal(lucet_linker_func(test.linker, "h", "f", ":", (void (*)(void))host),
                     lucet_error_ok);
    assert_int_equal(lucet_linker_func(test.linker, "h", "begun", ":", (void (*)(void))host_begun),
                     lucet_error_ok);
}

static void begin(void)
{
    guest_begin();
    begin_in(guest_region(5), &guest_default);
}

static void end(void)
{
    lucet_linker_release(test.linker);
    lucet_dl_module_release(test.module);
    assert_int_equal(lucet_region_used_slots(test.region), 0);
    lucet_region_release(test.region);
}

static struct lucet_instance *first_with(struct lucet_instance_options o)
{
    struct lucet_instance *i;

    o.linker = test.linker;
    assert_int_equal(lucet_region_new_instance_with(test.region, test.module, &o, &i),
                     lucet_error_ok);
    return i;
}

static struct lucet_instance *first(void)
{
    return first_with((struct lucet_instance_options){0});
}

static struct lucet_instance *thread_of(struct lucet_instance *of)
{
    struct lucet_instance *i;

    assert_int_equal(make_thread(of, &i), lucet_error_ok);
    return i;
}

static int32_t grow(struct lucet_instance *i, int32_t pages)
{
    return (int32_t)guest_call(i, "grow", ARGS(I32(pages)));
}

static int32_t grow_table(struct lucet_instance *i, int32_t entries)
{
    return (int32_t)guest_call(i, "grow_table", ARGS(I32(entries)));
}

static void memory_is_one_allowance(void **state)
{
    (void)state;
    begin();
    struct lucet_instance *a =
        first_with((struct lucet_instance_options){.heap_memory_limit = 5 * 65536});
    struct lucet_instance *b = thread_of(a), *c = thread_of(b), *d;
    assert_int_equal(grow(a, 3), -1);
    assert_int_equal(grow(b, 3), -1);
    assert_int_equal(grow(b, 2), 1);
    assert_int_equal(grow(c, 1), -1);
    assert_int_equal(make_thread(b, &d), lucet_error_limits_exceeded);
    /* What a thread had, another may have. */
    lucet_instance_release(c);
    assert_int_equal(make_thread(b, &d), lucet_error_ok);
    lucet_instance_release(d);
    assert_int_equal(grow(a, 1), 1);
    /* A reset gives what was grown, and no more. */
    assert_int_equal(grow(a, 1), -1);
    assert_int_equal(lucet_instance_reset(b), lucet_error_ok);
    assert_int_equal(grow(a, 3), -1);
    assert_int_equal(grow(a, 2), 2);
    assert_int_equal(lucet_instance_reset(a), lucet_error_ok);
    assert_int_equal(grow(b, 4), -1);
    assert_int_equal(grow(b, 3), 1);
    assert_int_equal(lucet_instance_reset(a), lucet_error_ok);
    assert_int_equal(grow(a, 1), -1);
    lucet_instance_release(a);
    lucet_instance_release(b);
    end();
}

static void table_entries_are_one_allowance(void **state)
{
    (void)state;
    guest_begin();
    struct lucet_alloc_limits limits = lucet_alloc_limits_default();
    struct lucet_region *region;
    limits.table_entries = 40;
    assert_int_equal(lucet_mmap_region_create(6, &limits, &region), lucet_error_ok);
    begin_in(region, &guest_default);
    struct lucet_instance *a = first(), *b = thread_of(a), *c = thread_of(a), *d;
    assert_int_equal(grow_table(a, 11), -1);
    assert_int_equal(grow_table(b, 5), 10);
    assert_int_equal(make_thread(c, &d), lucet_error_limits_exceeded);
    assert_int_equal(grow_table(c, 6), -1);
    lucet_instance_release(b);
    assert_int_equal(grow_table(c, 20), 10);
    assert_int_equal(lucet_instance_reset(c), lucet_error_ok);
    d = thread_of(c);
    assert_int_equal(grow_table(d, 11), -1);
    assert_int_equal(grow_table(d, 10), 10);
    lucet_instance_release(c);
    lucet_instance_release(d);
    assert_int_equal(grow_table(a, 30), 10);
    lucet_instance_release(a);
    /* Whoever comes into one of their slots has all of it. */
    a = first();
    assert_int_equal(grow_table(a, 30), 10);
    lucet_instance_release(a);
    end();
}

static void what_a_thread_inherits(void **state)
{
    (void)state;
    begin();
    const struct lucet_context contexts[] = {{&key, &value}, {&other_key, &other_value}};
    struct lucet_instance *a =
        first_with((struct lucet_instance_options){.embed_ctx = &delegate,
                                                   .contexts = contexts,
                                                   .ncontexts = 2,
                                                   .terminate_on_heap_oom = true});
    struct lucet_instance *b = thread_of(a), *c;
    guest_call(b, "call", 0, NULL);
    assert_ptr_equal(test.seen, &value);
    assert_ptr_equal(test.seen_delegate, &delegate);
    assert_ptr_equal(lucet_instance_context(b, &other_key), &other_value);
    struct lucet_result r;
    assert_int_equal(lucet_instance_run(b, "grow", ARGS(I32(9)), &r), lucet_error_ok);
    /* Beyond what it declares: no business of limits. */
    assert_int_equal(lucet_instance_run(b, "grow", ARGS(I32(9)), &r), lucet_error_ok);
    lucet_instance_release(b);
    lucet_instance_release(a);

    a = first_with((struct lucet_instance_options){.heap_memory_limit = 3 * 65536,
                                                   .terminate_on_heap_oom = true});
    b = thread_of(a);
    assert_int_equal(lucet_instance_run(b, "grow", ARGS(I32(2)), &r),
                     lucet_error_runtime_terminated);
    assert_int_equal(r.val.terminated.reason, lucet_terminated_reason_heap_out_of_memory);
    lucet_instance_release(b);
    lucet_instance_release(a);

    /* Its own come first. */
    a = first_with((struct lucet_instance_options){.contexts = contexts, .ncontexts = 2});
    const struct lucet_context own = {&key, &other_value};
    const struct lucet_instance_options o = {.linker = test.linker,
                                             .thread_of = a,
                                             .embed_ctx = &value,
                                             .contexts = &own,
                                             .ncontexts = 1};
    assert_int_equal(lucet_region_new_instance_with(test.region, test.module, &o, &c),
                     lucet_error_ok);
    guest_call(c, "call", 0, NULL);
    assert_ptr_equal(test.seen, &other_value);
    assert_ptr_equal(test.seen_delegate, &value);
    assert_ptr_equal(lucet_instance_context(c, &other_key), &other_value);
    assert_ptr_equal(lucet_instance_context(a, &key), &value);
    lucet_instance_release(c);
    lucet_instance_release(a);
    end();
}

static struct lucet_instance *handled;

static enum lucet_signal_behavior handler(struct lucet_instance *inst,
                                          const enum lucet_trapcode *trap, int signum,
                                          const lucet_siginfo *info, const void *context)
{
    (void)trap, (void)signum, (void)info, (void)context;
    handled = inst;
    return lucet_signal_behavior_terminate;
}

static void a_thread_has_the_fault_handler(void **state)
{
    (void)state;
    begin();
    struct lucet_result r;
    struct lucet_instance *a = first();
    assert_int_equal(lucet_instance_set_signal_handler(a, handler), lucet_error_ok);
    struct lucet_instance *b = thread_of(a);
    assert_int_equal(lucet_instance_run(b, "trap", 0, NULL, &r), lucet_error_runtime_terminated);
    assert_int_equal(r.val.terminated.reason, lucet_terminated_reason_signal);
    assert_ptr_equal(handled, b);
    lucet_instance_release(b);
    lucet_instance_release(a);
    end();
}

/* ---- Stopping ---- */

struct running {
    struct lucet_instance *inst;
    pthread_t thread;
    struct lucet_result result;
    enum lucet_error error;
};

static void *run_forever(void *arg)
{
    struct running *r = arg;

    r->error = lucet_instance_run(r->inst, "forever", 0, NULL, &r->result);
    return NULL;
}

static void start(struct running *r, struct lucet_instance *inst)
{
    r->inst = inst;
    assert_int_equal(pthread_create(&r->thread, NULL, run_forever, r), 0);
}

static void await(int n)
{
    AWAIT(atomic_load(&begun) >= n);
}

/* It ends by itself, or fails the test. */
static void join(struct running *r)
{
    struct lucet_kill_switch *k;
    struct timespec until;

    assert_int_equal(lucet_instance_kill_switch(r->inst, &k), lucet_error_ok);
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 2 * PATIENCE;
    const int late = pthread_timedjoin_np(r->thread, NULL, &until);
    if (late) {
        lucet_kill_switch_terminate(k);
        pthread_join(r->thread, NULL);
    }
    lucet_kill_switch_release(k);
    assert_int_equal(late, 0);
    assert_int_equal(r->error, lucet_error_runtime_terminated);
}

static atomic_bool time_is_kept;

static void *keep_time(void *arg)
{
    while (atomic_load(&time_is_kept)) {
        lucet_expire_timeouts();
        usleep(300);
    }
    return arg;
}

/* By handle; the host keeps the time. */
static void ends_at_once(struct lucet_instance *i, uint64_t ms)
{
    pthread_t keeper;
    struct lucet_func f;
    struct lucet_result r;
    double shortest = PATIENCE;

    assert_int_equal(lucet_set_timeout_source(lucet_timeout_source_host), lucet_error_ok);
    assert_int_equal(lucet_dl_module_func(test.module, "forever", ":", &f), lucet_error_ok);
    atomic_store(&time_is_kept, true);
    assert_int_equal(pthread_create(&keeper, NULL, keep_time, NULL), 0);
    for (int k = 0; k < 10; k++) {
        assert_int_equal(lucet_instance_reset(i), lucet_error_ok);
        const double began = set_seconds();
        assert_int_equal(lucet_func_call(&f, i, NULL, &r), lucet_error_runtime_terminated);
        assert_int_equal(r.val.terminated.reason, lucet_terminated_reason_timeout);
        shortest = set_seconds() - began < shortest ? set_seconds() - began : shortest;
    }
    assert_true(shortest < 0.0005 * (double)ms);
    atomic_store(&time_is_kept, false);
    pthread_join(keeper, NULL);
    assert_int_equal(lucet_set_timeout_source(lucet_timeout_source_timers), lucet_error_ok);
}

/* A thread of the first one's, and one that it makes later, all in the time of the first one's
 * run. False: that was over before. */
static bool make_both(struct lucet_instance *a, uint64_t ms, struct lucet_instance *made[2])
{
    struct lucet_instance *of = a;
    struct lucet_result r;

    made[0] = made[1] = NULL;
    test.make = true;
    assert_int_equal(lucet_instance_set_timeout(a, ms), lucet_error_ok);
    for (int k = 0; k < 2; k++) {
        test.made = NULL;
        const enum lucet_error e = lucet_instance_run(of, "call", 0, NULL, &r);
        made[k] = test.made;
        if (e != lucet_error_ok) {
            assert_int_equal(e, lucet_error_runtime_terminated);
            assert_int_equal(r.val.terminated.reason, lucet_terminated_reason_timeout);
            lucet_instance_release(made[0]);
            lucet_instance_release(made[1]);
            assert_int_equal(lucet_instance_reset(a), lucet_error_ok);
            return false;
        }
        assert_int_equal(test.error, lucet_error_ok);
        if (k == 0)
            usleep((useconds_t)ms * 100);
        of = made[0];
    }
    return true;
}

static void a_thread_ends_with_the_time_of_the_run_that_made_it(void **state)
{
    (void)state;
    begin();
    struct lucet_instance *a = first(), *both[2];
    struct running b = {0}, c = {0};
    uint64_t ms = 1000;
    double began = set_seconds();
    while (!make_both(a, ms, both)) {
        ms = longer(ms);
        began = set_seconds();
    }
    struct lucet_instance *made = both[0], *by_made = both[1];
    start(&b, made);
    start(&c, by_made);
    join(&b);
    join(&c);
    const double took = set_seconds() - began;
    assert_int_equal(b.result.val.terminated.reason, lucet_terminated_reason_timeout);
    assert_int_equal(c.result.val.terminated.reason, lucet_terminated_reason_timeout);
    if (took < 0.00099 * (double)ms)
        fail_msg("ended after %.3f s", took);
    /* Its time is over for all its runs: none has as much again. */
    double shortest = PATIENCE;
    for (int k = 0; k < 10; k++) {
        const double over = set_seconds();
        assert_int_equal(lucet_instance_reset(made), lucet_error_ok);
        start(&b, made);
        join(&b);
        assert_int_equal(b.result.val.terminated.reason, lucet_terminated_reason_timeout);
        shortest = set_seconds() - over < shortest ? set_seconds() - over : shortest;
    }
    assert_true(shortest < 0.0005 * (double)ms);
    ends_at_once(made, ms);
    /* The embedder's own word for it. */
    assert_int_equal(lucet_instance_reset(made), lucet_error_ok);
    assert_int_equal(lucet_instance_set_timeout(made, 0), lucet_error_ok);
    test.make = false;
    guest_call(made, "call", 0, NULL);
    lucet_instance_release(made);
    lucet_instance_release(by_made);
    lucet_instance_release(a);
    end();
}

static void who_kills_the_first_kills_all(void **state)
{
    (void)state;
    begin();
    for (int running = 0; running < 2; running++) {
        atomic_store(&begun, 0);
        struct lucet_kill_switch *k;
        struct lucet_instance *a = first();
        struct running one = {0}, b = {0}, c = {0};
        assert_int_equal(lucet_instance_kill_switch(a, &k), lucet_error_ok);
        struct lucet_instance *idle = thread_of(a), *gone = thread_of(idle), *more;
        lucet_instance_release(gone);
        start(&b, thread_of(a));
        if (running)
            start(&one, a);
        else
            start(&c, thread_of(idle));
        await(2);
        const enum lucet_kill_result met = lucet_kill_switch_terminate(k);
        if (running)
            assert_true(met == lucet_kill_signalled || met == lucet_kill_pending);
        else
            assert_int_equal(met, lucet_kill_cancelled);
        join(&b);
        assert_int_equal(b.result.val.terminated.reason, lucet_terminated_reason_remote);
        join(running ? &one : &c);
        struct lucet_result r;
        assert_int_equal(lucet_instance_run(idle, "grow", ARGS(I32(0)), &r),
                         lucet_error_runtime_terminated);
        assert_int_equal(make_thread(b.inst, &more), lucet_error_runtime_terminated);
        /* Until the first one begins anew. */
        if (!running) /* it was not running: this is what the kill was kept for */
            assert_int_equal(lucet_instance_run(a, "grow", ARGS(I32(0)), &r),
                             lucet_error_runtime_terminated);
        assert_int_equal(lucet_instance_reset(a), lucet_error_ok);
        lucet_instance_release(thread_of(a));
        lucet_instance_release(b.inst);
        if (c.inst)
            lucet_instance_release(c.inst);
        lucet_instance_release(idle);
        lucet_instance_release(a);
        lucet_kill_switch_release(k);
    }
    end();
}

/* Threads are made and ended while the first one is killed: none is left running. */
static void *make_threads(void *arg)
{
    struct lucet_instance *of = arg, *made;

    while (make_thread(of, &made) == lucet_error_ok)
        lucet_instance_release(made);
    return NULL;
}

static void a_kill_meets_threads_that_come_and_go(void **state)
{
    (void)state;
    begin();
    for (int round = 0; round < 20; round++) {
        struct lucet_kill_switch *k;
        struct lucet_instance *a = first(), *b = thread_of(a);
        struct running c = {0};
        pthread_t maker;
        assert_int_equal(lucet_instance_kill_switch(a, &k), lucet_error_ok);
        start(&c, thread_of(a));
        assert_int_equal(pthread_create(&maker, NULL, make_threads, b), 0);
        usleep((useconds_t)(round * 300));
        lucet_kill_switch_terminate(k);
        pthread_join(maker, NULL); /* it ends, because no more can be made */
        join(&c);
        lucet_instance_release(a); /* before its threads, which hold it */
        assert_int_equal(lucet_region_used_slots(test.region), 3);
        lucet_instance_release(b);
        lucet_instance_release(c.inst);
        assert_int_equal(lucet_region_used_slots(test.region), 0);
        lucet_kill_switch_terminate(k);
        lucet_kill_switch_release(k);
    }
    end();
}

/* ---- What would be a way around a limit ---- */

static void bounded_instructions_have_one_thread(void **state)
{
    struct guest_mode mode = guest_default;

    (void)state;
    guest_begin();
    mode.count = true;
    begin_in(guest_region(4), &mode);
    struct lucet_instance *a = first(), *b;
    assert_int_equal(lucet_instance_set_instruction_bound(a, 1000), lucet_error_ok);
    assert_int_equal(make_thread(a, &b), lucet_error_unsupported);
    assert_int_equal(lucet_instance_set_instruction_bound(a, 0), lucet_error_ok);
    b = thread_of(a);
    assert_int_equal(lucet_instance_set_instruction_bound(a, 1000), lucet_error_unsupported);
    assert_int_equal(lucet_instance_set_instruction_bound(b, 1000), lucet_error_unsupported);
    lucet_instance_release(b);
    lucet_instance_release(a);
    end();
}

static void limited_resident_memory_is_imported(void **state)
{
    const struct lucet_region_options o = {.heap_resident_limit = 1 << 20};
    struct lucet_region *region;

    (void)state;
    guest_begin();
    if (lucet_uffd_region_create_with(2, NULL, &o, &region) == lucet_error_unsupported)
        skip();
    begin_in(region, &guest_default);
    struct lucet_instance *a = first(), *b;
    assert_int_equal(make_thread(a, &b), lucet_error_unsupported);
    lucet_instance_release(a);
    end();
}

static struct lucet_instance *asked;

static bool limiter(void *arg, struct lucet_instance *inst, uint64_t current, uint64_t desired)
{
    (void)arg, (void)current;
    asked = inst;
    return !inst || desired < 2 * 65536;
}

static void the_limiter_knows_whose_threads_they_are(void **state)
{
    const struct lucet_region_options o = {.memory_limiter = limiter};
    struct lucet_region *region;

    (void)state;
    guest_begin();
    assert_int_equal(lucet_mmap_region_create_with(3, NULL, &o, &region), lucet_error_ok);
    begin_in(region, &guest_default);
    struct lucet_instance *a = first();
    assert_null(asked);
    struct lucet_instance *b = thread_of(a);
    assert_ptr_equal(asked, a);
    assert_int_equal(grow(b, 1), -1);
    assert_ptr_equal(asked, b);
    lucet_instance_release(b);
    lucet_instance_release(a);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_one_allowance),
        cmocka_unit_test(table_entries_are_one_allowance),
        cmocka_unit_test(what_a_thread_inherits),
        cmocka_unit_test(a_thread_has_the_fault_handler),
        cmocka_unit_test(a_thread_ends_with_the_time_of_the_run_that_made_it),
        cmocka_unit_test(who_kills_the_first_kills_all),
        cmocka_unit_test(a_kill_meets_threads_that_come_and_go),
        cmocka_unit_test(bounded_instructions_have_one_thread),
        cmocka_unit_test(limited_resident_memory_is_imported),
        cmocka_unit_test(the_limiter_knows_whose_threads_they_are),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
