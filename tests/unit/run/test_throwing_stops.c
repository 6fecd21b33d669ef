/* Exceptions, and runs that are put aside, stopped, or at the end of their stack. */
#include "linked.h"

#include <pthread.h>

#include "lucet/exception.h"
#include "runtime/exception.h"
#include "runtime/instance.h"

/* A guest that was put aside keeps what it holds, and what its host function threw before. */
static int64_t host_throw_and_yield(struct lucet_vmctx *ctx, int64_t n)
{
    linked_throw(ctx, n);
    lucet_vmctx_yield(ctx, NULL);
    return 0;
}

/* Makes exceptions until those that nothing refers to are collected. */
static const char spender[] =
    "(module (import \"a\" \"make\" (func $make (param i64) (result exnref)))"
    " (tag $none)"
    " (func (export \"spend\") (param $n i64) (result i64)"
    "   (loop $l (drop (call $make (local.get $n)))"
    "     (br_if $l (i32.wrap_i64"
    "       (local.tee $n (i64.sub (local.get $n) (i64.const 1))))))"
    "   (i64.const 0)))";

static void exceptions_and_yielding(void **state)
{
    static const char holder[] =
        "(module (import \"host\" \"f\" (func $f (param i64) (result i64)))"
        " (import \"host\" \"tag\" (tag $t (param i64 f64))) (tag $a (export \"a\") (param i64))"
        " (func $make (param i64) (result exnref)"
        "   (block $h (result exnref)"
        "     (try_table (catch_all_ref $h) (throw $a (local.get 0))) unreachable))"
        " (func $value (param exnref) (result i64)"
        "   (block $a (result i64)"
        "     (try_table (catch $a $a) (throw_ref (local.get 0))) unreachable))"
        " (func (export \"make\") (param i64) (result exnref) (call $make (local.get 0)))"
        " (func (export \"f\") (param i64) (result i64) (local $e exnref)"
        "   (local.set $e (call $make (i64.const 70)))"
        "   (block $h (result i64 f64)"
        "     (try_table (catch $t $h) (return (call $f (local.get 0)))) unreachable)"
        "   (drop) (i64.add (call $value (local.get $e)))))";

    (void)state;
    EACH_MODE(s)
    {
        struct lucet_result r;
        linked_add_tag(&s);
        linked_host(&s, "f", "I:I", host_throw_and_yield);
        struct lucet_instance *a = linked_add(&s, "a", holder), *b = linked_add(&s, NULL, spender);
        for (int i = 0; i < 3; i++) {
            assert_int_equal(lucet_instance_run(a, "f", ARGS(I64(5)), &r), lucet_error_ok);
            assert_int_equal(r.tag, lucet_result_tag_yielded);
            /* The two share a set, because references go between them; it is filled many times. */
            guest_call(b, "spend", ARGS(I64(40000)));
            assert_int_equal(lucet_instance_resume(a, NULL, &r), lucet_error_ok);
            assert_int_equal(r.tag, lucet_result_tag_returned);
            assert_int_equal(lucet_retval_gp(&r.val.returned), 75);
        }
        /* And is dropped with what it threw. */
        assert_int_equal(lucet_instance_run(a, "f", ARGS(I64(5)), &r), lucet_error_ok);
        assert_int_equal(lucet_instance_reset(a), lucet_error_ok);
        assert_int_equal(lucet_instance_run(a, "f", ARGS(I64(5)), &r), lucet_error_ok);
        lucet_tag_release(linked_tag);
        lucet_instance_release(a);
        lucet_instance_release(b);
    }
}

/* In one of its registers, perhaps. */
static void a_preempted_guest_keeps_what_it_holds(void **state)
{
    static const char holder[] =
        "(module (memory (export \"m\") 1) (tag $a (export \"a\") (param i64))"
        " (func $make (export \"make\") (param i64) (result exnref)"
        "   (block $h (result exnref)"
        "     (try_table (catch_all_ref $h) (throw $a (local.get 0))) unreachable))"
        " (func (export \"f\") (param i64) (result i64) (local $e exnref)"
        "   (local.set $e (call $make (local.get 0)))"
        "   (loop $l (br_if $l (i32.eqz (i32.atomic.load (i32.const 0)))))"
        "   (block $a (result i64)"
        "     (try_table (catch $a $a) (throw_ref (local.get $e))) unreachable)))";

    (void)state;
    EACH_MODE(s)
    {
        struct lucet_result r;
        struct lucet_instance *a = linked_add(&s, "a", holder);
        struct lucet_instance *b = linked_add(&s, NULL, spender);
        assert_int_equal(lucet_instance_set_slice(a, 200000), lucet_error_ok);
        assert_int_equal(lucet_instance_run(a, "f", ARGS(I64(70)), &r), lucet_error_ok);
        for (int i = 0; i < 3; i++) {
            assert_int_equal(r.tag, lucet_result_tag_yielded);
            guest_call(b, "spend", ARGS(I64(40000)));
            assert_int_equal(lucet_instance_resume(a, NULL, &r), lucet_error_ok);
        }
        *(volatile uint32_t *)lucet_instance_heap(a) = 1;
        while (r.tag == lucet_result_tag_yielded)
            assert_int_equal(lucet_instance_resume(a, NULL, &r), lucet_error_ok);
        assert_int_equal(lucet_retval_gp(&r.val.returned), 70);
        lucet_instance_release(a);
        lucet_instance_release(b);
    }
}

/* Killed between the host function's decision to yield and the end of the part. */
static struct lucet_kill_switch *own_switch;
static struct lucet_exception *thrown_by_host;
static int64_t host_throw_kill_and_yield(struct lucet_vmctx *ctx, int64_t n)
{
    (void)n;
    assert_int_equal(lucet_vmctx_throw(ctx, thrown_by_host), lucet_error_ok);
    assert_int_equal(lucet_kill_switch_terminate(own_switch), lucet_kill_pending);
    lucet_vmctx_yield(ctx, NULL);
    return 0;
}

static void a_kill_that_meets_a_yield_drops_what_was_thrown(void **state)
{
    static const char wat[] = "(module (import \"host\" \"f\" (func $f (param i64) (result i64)))"
                              " (func (export \"f\") (param i64) (result i64)"
                              "   (call $f (local.get 0))))";
    struct lucet_tag *tag;
    struct lucet_func f;

    (void)state;
    EACH_MODE(s)
    {
        struct lucet_result r;
        linked_host(&s, "f", "I:I", host_throw_kill_and_yield);
        struct lucet_instance *a = linked_add(&s, NULL, wat);
        assert_int_equal(lucet_tag_new(":", &tag), lucet_error_ok);
        assert_int_equal(lucet_exception_new(tag, 0, NULL, &thrown_by_host), lucet_error_ok);
        assert_int_equal(lucet_instance_kill_switch(a, &own_switch), lucet_error_ok);
        assert_int_equal(lucet_dl_module_func(a->module, "f", "I:I", &f), lucet_error_ok);
        for (int i = 0; i < 4; i++) {
            union lucet_raw raw = {.i64 = 1};
            const enum lucet_error e = i % 2 ? lucet_func_call(&f, a, &raw, &r)
                                             : lucet_instance_run(a, "f", ARGS(I64(1)), &r);
            assert_int_equal(e, lucet_error_runtime_terminated);
            assert_int_equal(lucet_instance_reset(a), lucet_error_ok);
            assert_int_equal(thrown_by_host->refs, 1);
        }
        lucet_kill_switch_release(own_switch);
        lucet_instance_release(a);
        lucet_exception_release(thrown_by_host);
        lucet_tag_release(tag);
    }
}

/* Goes on on another thread, and throws from there over frames of instances that know nothing. */
static int64_t host_yield_and_throw(struct lucet_vmctx *ctx, int64_t n)
{
    lucet_vmctx_yield(ctx, NULL);
    return linked_throw(ctx, n);
}

static void *resume_on_this_thread(void *arg)
{
    struct lucet_result r;

    switch (lucet_instance_resume(arg, NULL, &r)) {
    case lucet_error_ok:
        return r.tag == lucet_result_tag_returned
                   ? (void *)(uintptr_t)lucet_retval_gp(&r.val.returned)
                   : NULL;
    /* Faults are contained there, too: the thread knows that it runs guest code. */
    case lucet_error_runtime_fault: return (void *)(uintptr_t)(100 + r.val.faulted.trapcode);
    default: return NULL;
    }
}

static void an_exception_lands_on_another_thread(void **state)
{
    static const char middle[] =
        "(module (import \"host\" \"f\" (func $f (param i64) (result i64)))"
        " (func (export \"f\") (param i64) (result i64) (call $f (local.get 0))))";

    (void)state;
    EACH_MODE(s)
    {
        pthread_t thread;
        void *result;
        struct lucet_result r;
        linked_add_tag(&s);
        linked_host(&s, "f", "I:I", host_yield_and_throw);
        struct lucet_instance *m = linked_add(&s, "host", middle);
        assert_int_equal(lucet_linker_tag(s.linker, "host", "tag", linked_tag), lucet_error_ok);
        struct lucet_instance *c = linked_add(&s, NULL, LINKED_CATCH_HOST);
        for (int i = 0; i < 3; i++) {
            assert_int_equal(lucet_instance_run(c, "f", ARGS(I64(3)), &r), lucet_error_ok);
            assert_int_equal(r.tag, lucet_result_tag_yielded);
            assert_int_equal(pthread_create(&thread, NULL, resume_on_this_thread, c), 0);
            assert_int_equal(pthread_join(thread, &result), 0);
            assert_int_equal((uintptr_t)result, 1008);
        }
        assert_int_equal(lucet_instance_run(c, "trap", ARGS(I64(3)), &r), lucet_error_ok);
        assert_int_equal(pthread_create(&thread, NULL, resume_on_this_thread, c), 0);
        assert_int_equal(pthread_join(thread, &result), 0);
        assert_int_equal((uintptr_t)result, 100 + lucet_trapcode_unreachable);
        lucet_tag_release(linked_tag);
        lucet_instance_release(m);
        lucet_instance_release(c);
    }
}

/* A run is stopped while exceptions are on their way in the instance that it called. That one is
 * not reset, because the host does not know of it; what was on its way there must not appear in its
 * next call. */
static void what_a_stopped_run_left_is_gone(void **state)
{
    static const char callee[] =
        "(module (tag $a (export \"a\"))"
        " (func $deep (param i64)"
        "   (if (i64.eqz (local.get 0)) (then (throw $a)))"
        "   (call $deep (i64.sub (local.get 0) (i64.const 1))))"
        " (func (export \"throw\") (call $deep (i64.const 2000)))"
        " (func $quiet (param i64) (result i64) (i64.mul (local.get 0) (local.get 0)))"
        " (func (export \"fine\") (param i64) (result i64)"
        "   (i64.add (call $quiet (local.get 0)) (i64.const 1))))";
    static const char caller[] =
        "(module (import \"c\" \"throw\" (func $throw))"
        " (import \"c\" \"fine\" (func $fine (param i64) (result i64))) (tag $mine)"
        " (func (export \"loop\")"
        "   (loop $l (block $h (try_table (catch_all $h) (call $throw))) (br $l)))"
        " (func (export \"fine\") (param i64) (result i64) (call $fine (local.get 0))))";

    (void)state;
    EACH_MODE(s)
    {
        struct lucet_instance *c = linked_add(&s, "c", callee), *a = linked_add(&s, NULL, caller);
        struct lucet_result r;
        for (unsigned i = 0; i < 30; i++) {
            assert_int_equal(lucet_instance_set_timeout(a, 1 + i % 2), lucet_error_ok);
            assert_int_equal(lucet_instance_run(a, "loop", 0, NULL, &r),
                             lucet_error_runtime_terminated);
            assert_int_equal(lucet_instance_reset(a), lucet_error_ok);
            assert_int_equal(lucet_instance_set_timeout(a, 0), lucet_error_ok);
            assert_int_equal(guest_call(a, "fine", ARGS(I64(5))), 26);
            assert_int_equal(guest_call(c, "fine", ARGS(I64(6))), 37);
        }
        lucet_instance_release(c);
        lucet_instance_release(a);
    }
}

/* The stack ends while an exception is between two instances: there is a trap, and nothing else. */
static void near_the_end_of_the_stack(void **state)
{
    static const char wat[] =
        "(module (import \"t\" \"throw\" (func $throw (param i64) (result i64)))"
        " (import \"t\" \"a\" (tag $a (param i64)))"
        " (func $f (export \"f\") (param i64) (result i64)"
        "   (if (i64.eqz (local.get 0)) (then (return (call $throw (i64.const 1)))))"
        "   (i64.add (call $f (i64.sub (local.get 0) (i64.const 1))) (i64.const 1)))"
        " (func (export \"g\") (param i64) (result i64)"
        "   (block $h (result i64)"
        "     (try_table (result i64) (catch $a $h) (call $f (local.get 0))))))";

    (void)state;
    EACH_MODE(s)
    {
        struct lucet_instance *t = linked_add(&s, "t", linked_thrower),
                              *c = linked_add(&s, NULL, wat);
        bool threw = false, overflowed = false;
        for (int64_t depth = 1000; depth < 200000; depth += depth / 8) {
            struct lucet_result r;
            const enum lucet_error e = lucet_instance_run(c, "g", ARGS(I64(depth)), &r);
            if (e == lucet_error_ok) {
                assert_int_equal(lucet_retval_gp(&r.val.returned), 10);
                threw = true;
            } else {
                assert_int_equal(e, lucet_error_runtime_fault);
                assert_int_equal(r.val.faulted.trapcode, lucet_trapcode_stack_overflow);
                assert_int_equal(lucet_instance_reset(c), lucet_error_ok);
                overflowed = true;
            }
            assert_int_equal(guest_call(c, "g", ARGS(I64(1))), 10);
        }
        assert_true(threw && overflowed);
        lucet_instance_release(t);
        lucet_instance_release(c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exceptions_and_yielding),
        cmocka_unit_test(a_preempted_guest_keeps_what_it_holds),
        cmocka_unit_test(a_kill_that_meets_a_yield_drops_what_was_thrown),
        cmocka_unit_test(an_exception_lands_on_another_thread),
        cmocka_unit_test(what_a_stopped_run_left_is_gone),
        cmocka_unit_test(near_the_end_of_the_stack),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
