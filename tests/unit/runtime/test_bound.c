/* What calls by handle find as the last one on the thread left it (`bound` of struct thread): whose
 * it is, and after what it is nobody's. */
#include <pthread.h>

#include "runtime/bound.h"
#include "runtime/same_place.h"

static const char shared_wat[] =
    "(module (import \"h\" \"f\" (func $f)) (import \"o\" \"m\" (memory 1))"
    " (func (export \"closed\") (result i32) (i32.const 7))"
    " (func (export \"open\") (result i32) (call $f) (i32.const 8)))";

static void another_in_the_place_of_one_that_is_gone(void **state)
{
    bound_begin(state);
    struct lucet_region *first = bound_region(32 << 10), *second;
    struct lucet_instance *i = guest_instance(first, bound.module, bound.linker, NULL);
    const void *place = i;
    bound_to(i);
    lucet_instance_release(i);
    lucet_region_release(first);

    second = bound_region(16 << 10);
    i = guest_instance(second, bound.module, bound.linker, NULL);
    assert_ptr_equal(i, place);
    assert_ptr_equal(lucet__thread.bound, i);
    bound_is_at_home(i);
    lucet_instance_release(i);
    lucet_region_release(second);
    bound_end();
}

static void *at_home_here(void *i)
{
    bound_is_at_home(i);
    return NULL;
}

static void one_that_was_on_another_thread(void **state)
{
    bound_begin(state);
    for (int round = 0; round < 3; round++) {
        pthread_t thread;
        bound_to(bound.one);
        assert_int_equal(pthread_create(&thread, NULL, at_home_here, bound.one), 0);
        pthread_join(thread, NULL);
        assert_ptr_equal(lucet__thread.bound, bound.one); /* so it thinks */
        bound_is_at_home(bound.one);
    }
    bound_end();
}

static void run_by_name(struct lucet_instance *i)
{
    struct lucet_result r;

    assert_int_equal(lucet_instance_run(i, "closed", 0, NULL, &r), lucet_error_ok);
}

static void fault(struct lucet_instance *i)
{
    union lucet_raw v;

    assert_int_equal(lucet_func_call(&bound.trap, i, &v, NULL), lucet_error_runtime_fault);
    assert_int_equal(lucet_instance_reset(i), lucet_error_ok);
}

static void yield_and_go_on(struct lucet_instance *i)
{
    union lucet_raw v;
    struct lucet_result r;

    bound.yields = true;
    assert_int_equal(lucet_func_call(&bound.open, i, &v, &r), lucet_error_ok);
    bound.yields = false;
    assert_int_equal(r.tag, lucet_result_tag_yielded);
    assert_ptr_equal(lucet__thread.bound, LUCET__UNBOUND);
    assert_int_equal(lucet_instance_resume(i, NULL, &r), lucet_error_ok);
}

static void run_itself_within(struct lucet_instance *i)
{
    bound.within = i;
    assert_int_equal(bound_call(&bound.open, i), 8);
    bound.within = NULL;
}

static void detach(struct lucet_instance *i)
{
    (void)i;
    assert_int_equal(lucet_thread_detach(), lucet_error_ok);
}

static void nobody_after_all_that_is_not_plain(void **state)
{
    void (*const not_plain[])(struct lucet_instance *) = {run_by_name, fault, yield_and_go_on,
                                                          run_itself_within, detach};

    bound_begin(state);
    for (size_t k = 0; k < sizeof(not_plain) / sizeof(*not_plain); k++) {
        bound_to(bound.one);
        not_plain[k](bound.other);
        assert_ptr_equal(lucet__thread.bound, LUCET__UNBOUND);
        bound_is_at_home(bound.one);
        not_plain[k](bound.one);
        assert_ptr_equal(lucet__thread.bound, LUCET__UNBOUND);
        bound_to(bound.one);
        assert_null(lucet__thread.abi.guest_frame); /* or kills would take it for the host's */
        bound_is_at_home(bound.one);
    }
    bound_end();
}

/* The outer one finds its memory, and where its host functions' stack ends. */
static void an_inner_run_takes_nothing_from_the_outer_one(void **state)
{
    bound_begin(state);
    struct lucet_region *tight = bound_region(16 << 10);
    struct lucet_instance *outer = bound.one;
    struct lucet_instance *inner = guest_instance(tight, bound.module, bound.linker, NULL);
    for (int round = 0; round < 3; round++) {
        bound_to(round == 1 ? outer : inner);
        bound.within = inner;
        assert_int_equal(bound_call(&bound.open, outer), 8);
        assert_ptr_equal(lucet__thread.bound, LUCET__UNBOUND);
        bound.within = NULL;
        for (int k = 0; k < 3; k++) {
            struct lucet_instance *const next[] = {bound.other, outer, inner};
            bound_is_at_home(next[k]);
            assert_ptr_equal(lucet__thread.bound, next[k]); /* what is in gs is a guest's */
        }
    }
    lucet_instance_release(inner);
    lucet_region_release(tight);
    bound_end();
}

static void cancel(struct lucet_instance *i)
{
    struct lucet_kill_switch *k;

    assert_int_equal(lucet_instance_kill_switch(i, &k), lucet_error_ok);
    assert_int_equal(lucet_kill_switch_terminate(k), lucet_kill_cancelled);
    lucet_kill_switch_release(k);
}

/* It stops at the last moment, when it is the host's already: the next one's faults would be,
 * too. */
static void one_that_was_cancelled(void **state)
{
    bound_begin(state);
    const struct lucet_func *const ways[] = {&bound.closed, &bound.trap, &bound.open};
    for (size_t k = 0; k < sizeof(ways) / sizeof(*ways); k++) {
        union lucet_raw v;
        bound_to(bound.one);
        cancel(bound.one);
        assert_int_equal(lucet_func_call(ways[k], bound.one, &v, NULL),
                         lucet_error_runtime_terminated);
        assert_ptr_equal(lucet__thread.bound, LUCET__UNBOUND);
        assert_int_equal(lucet_instance_reset(bound.one), lucet_error_ok);
        fault(bound.one);
        bound_is_at_home(bound.one);
    }
    bound_end();
}

/* Whatever keeps it from being told so. */
static void one_that_was_cancelled_without_memory(void **state)
{
    static const char many_wat[] =
        "(module (func (export \"many\")"
        " (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))";
    bound_begin(state);
    union lucet_raw values[17];
    struct lucet_func many;
    struct lucet_dl_module *m = guest_module(many_wat, &guest_default);
    many = guest_func(m, "many", NULL);
    struct lucet_instance *i = guest_instance(bound.region, m, NULL, NULL);
    memset(values, 0, sizeof(values));
    for (int round = 0; round < 2; round++)
        assert_int_equal(lucet_func_call(&many, i, values, NULL), lucet_error_ok);
    assert_ptr_equal(lucet__thread.bound, i);
    cancel(i);
    same_place_full = true;
    assert_int_equal(lucet_func_call(&many, i, values, NULL), lucet_error_no_memory);
    same_place_full = false;
    assert_false(atomic_load(&i->stop->running));
    assert_ptr_equal(lucet__thread.bound, LUCET__UNBOUND);
    assert_int_equal(lucet_func_call(&many, i, values, NULL), lucet_error_runtime_terminated);
    lucet_instance_release(i);
    lucet_dl_module_release(m);
    bound_end();
}

/* The memory, and so gs, is that of one that stays; a run that never began has named the thread. */
static void another_that_was_cancelled_in_the_place_of_one_that_is_gone(void **state)
{
    static const char owner_wat[] = "(module (memory (export \"m\") 1))";
    bound_begin(state);
    struct lucet_dl_module *owners = guest_module(owner_wat, &guest_default);
    struct lucet_instance *owner = guest_instance(bound.region, owners, NULL, NULL);
    struct lucet_region *tight = bound_region(16 << 10);
    struct lucet_dl_module *users = guest_module(shared_wat, &guest_default);
    assert_int_equal(lucet_linker_instance(bound.linker, "o", owner), lucet_error_ok);
    const struct lucet_func f = guest_func(users, "closed", ":i");
    const struct lucet_func g = guest_func(users, "open", ":i");

    struct lucet_instance *i = guest_instance(bound.region, users, bound.linker, NULL);
    const void *place = i;
    bound_call(&f, i);
    bound_call(&f, i);
    assert_ptr_equal(lucet__thread.bound, i);
    lucet_instance_release(i);
    i = guest_instance(tight, users, bound.linker, NULL);
    assert_ptr_equal(i, place);
    assert_ptr_equal(lucet__thread.bound, i);
    cancel(i);
    assert_int_equal(lucet_instance_run(i, "closed", 0, NULL, NULL),
                     lucet_error_runtime_terminated);
    assert_int_equal(lucet_instance_reset(i), lucet_error_ok);
    memset(&bound.seen, 0, sizeof(bound.seen));
    assert_int_equal(bound_call(&g, i), 8);
    assert_ptr_equal(bound.seen.limit, i->hostcall_limit);

    lucet_instance_release(i);
    lucet_instance_release(owner);
    lucet_dl_module_release(users);
    lucet_dl_module_release(owners);
    lucet_region_release(tight);
    bound_end();
}

/* What killers and handlers see of it while it runs. */
static struct {
    const struct activation *current, *act;
    const struct lucet_activation *abi;
    bool running, in_host;
    uint32_t depth;
} found;

static enum lucet_signal_behavior look(struct lucet_instance *i, const enum lucet_trapcode *code,
                                       int sig, const lucet_siginfo *info, const void *context)
{
    (void)code, (void)sig, (void)info, (void)context;
    found.current = lucet__thread.current;
    found.act = atomic_load(&i->stop->act);
    found.abi = atomic_load(&i->stop->abi);
    found.running = atomic_load(&i->stop->running);
    found.in_host = lucet__thread.abi.guest_frame != NULL;
    found.depth = i->stop->depth;
    return lucet_signal_behavior_default;
}

static void one_that_faults_is_seen_running(void **state)
{
    bound_begin(state);
    const struct lucet_func open_trap = guest_func(bound.module, "open trap", ":i");
    assert_int_equal(open_trap.effects, 0);
    assert_int_equal(lucet_instance_set_signal_handler(bound.one, look), lucet_error_ok);
    const struct lucet_func *const ways[] = {&bound.trap, &open_trap};
    for (size_t k = 0; k < sizeof(ways) / sizeof(*ways); k++) {
        union lucet_raw v;
        bound_to(bound.one);
        memset(&found, 0, sizeof(found));
        assert_int_equal(lucet_func_call(ways[k], bound.one, &v, NULL), lucet_error_runtime_fault);
        assert_ptr_equal(found.current, &bound.one->act);
        assert_ptr_equal(found.act, &bound.one->act);
        assert_ptr_equal(found.abi, &lucet__thread.abi);
        assert_true(found.running && !found.in_host);
        assert_int_equal(found.depth, 1);
        assert_int_equal(bound.one->stop->depth, 0);
        assert_false(atomic_load(&bound.one->stop->running));
        assert_int_equal(lucet_instance_reset(bound.one), lucet_error_ok);
    }
    bound_end();
}

/* Also where a function could have thrown. */
static void plain_ones_leave_it_bound(void **state)
{
    bound_begin(state);
    struct lucet_dl_module *m =
        guest_module("(module (tag $t) (func (export \"f\") (result i32) (i32.const 7))"
                     " (func (export \"g\") (throw $t)))",
                     &guest_default);
    const struct lucet_func f = guest_func(m, "f", ":i");
    const struct lucet_func g = guest_func(m, "g", ":");
    struct lucet_instance *thrower = guest_instance(bound.region, m, NULL, NULL);
    for (int round = 0; round < 3; round++) {
        bound_to(bound.one);
        assert_int_equal(bound_call(&bound.open, bound.one), 8);
        assert_ptr_equal(lucet__thread.bound, bound.one);
        assert_int_equal(bound_call(&f, thrower), 7);
        assert_int_equal(bound_call(&f, thrower), 7);
        assert_ptr_equal(lucet__thread.bound, thrower);
        assert_int_equal(lucet_func_call(&g, thrower, NULL, NULL), lucet_error_runtime_threw);
        assert_ptr_equal(lucet__thread.bound, LUCET__UNBOUND);
        assert_int_equal(lucet_instance_reset(thrower), lucet_error_ok);
    }
    lucet_instance_release(thrower);
    lucet_dl_module_release(m);
    bound_end();
}

/* The next call, which wants none, writes nothing there. */
static void a_result_is_one_calls(void **state)
{
    bound_begin(state);
    const struct lucet_func *const ways[] = {&bound.closed, &bound.open};
    for (size_t k = 0; k < sizeof(ways) / sizeof(*ways); k++) {
        struct lucet_result r = {.tag = lucet_result_tag_yielded};
        union lucet_raw v;
        bound_to(bound.one);
        assert_int_equal(lucet_func_call(ways[k], bound.one, &v, &r), lucet_error_ok);
        assert_int_equal(r.tag, lucet_result_tag_returned);
        r.tag = lucet_result_tag_yielded;
        bound_call(ways[k], bound.one);
        assert_int_equal(r.tag, lucet_result_tag_yielded);
    }
    bound_end();
}

static void nothing_is_no_instance(void **state)
{
    union lucet_raw v;

    bound_begin(state);
    assert_int_equal(lucet_func_call(&bound.closed, NULL, &v, NULL), lucet_error_invalid_argument);
    assert_int_equal(lucet_thread_detach(), lucet_error_ok);
    assert_int_equal(lucet_func_call(&bound.closed, NULL, &v, NULL), lucet_error_invalid_argument);
    bound_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(another_in_the_place_of_one_that_is_gone),
        cmocka_unit_test(one_that_was_on_another_thread),
        cmocka_unit_test(nobody_after_all_that_is_not_plain),
        cmocka_unit_test(an_inner_run_takes_nothing_from_the_outer_one),
        cmocka_unit_test(one_that_was_cancelled),
        cmocka_unit_test(one_that_was_cancelled_without_memory),
        cmocka_unit_test(another_that_was_cancelled_in_the_place_of_one_that_is_gone),
        cmocka_unit_test(one_that_faults_is_seen_running),
        cmocka_unit_test(plain_ones_leave_it_bound),
        cmocka_unit_test(a_result_is_one_calls),
        cmocka_unit_test(nothing_is_no_instance),
    };

    if (!same_place_allocate())
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
