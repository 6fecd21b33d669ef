/* Exceptions from and to host functions, and to the host that calls by handle. */
#include "linked.h"

static int64_t host_throw_and_trap(struct lucet_vmctx *ctx, int64_t n)
{
    linked_throw(ctx, n);
    lucet_vmctx_trap(ctx, lucet_trapcode_heap_misaligned);
}

/* Runs "f" of the instance whose address is the linked set's, and passes on what it threw. */
static struct lucet_instance *inner;

static int64_t host_pass(struct lucet_vmctx *ctx, int64_t n)
{
    struct lucet_result r;

    switch (lucet_instance_run(inner, "f", ARGS(I64(n)), &r)) {
    case lucet_error_ok: return (int64_t)lucet_retval_gp(&r.val.returned) + 7;
    case lucet_error_runtime_threw:
        assert_int_equal(lucet_vmctx_throw(ctx, r.val.threw.exception), lucet_error_ok);
        return -1;
    default: fail_msg("%s", lucet_error_detail()); return 0;
    }
}

/* And runs "f" after it. */
static int64_t host_throw_and_run(struct lucet_vmctx *ctx, int64_t n)
{
    linked_throw(ctx, n);
    assert_int_equal(guest_call(inner, "f", ARGS(I64(500))), 500);
    return -1;
}

static void host_functions_throw(void **state)
{
    static const char uncaught[] =
        "(module (import \"host\" \"f\" (func $f (param i64) (result i64)))"
        " (func $x (export \"f\") (param i64) (result i64)"
        "   (i64.add (call $f (local.get 0)) (i64.const 1)))"
        " (func (export \"throw\") (param i64) (result i64) (call $x (local.get 0)))"
        " (func (export \"many\") (param i64) (result i64 i64 i64 f64) unreachable))";
    static const char over[] =
        "(module (import \"u\" \"throw\" (func $f (param i64) (result i64)))"
        " (import \"host\" \"tag\" (tag $t (param i64 f64)))"
        " (func (export \"f\") (param i64) (result i64)"
        "   (block $h (result i64 f64)"
        "     (try_table (catch $t $h) (return (call $f (local.get 0)))) unreachable)"
        "   (drop)))";
    static const char unknown[] =
        "(module (import \"host\" \"f\" (func $f (param i64) (result i64)))"
        " (global $e (mut exnref) (ref.null exn))"
        " (func (export \"throw\") (param i64) (result i64)"
        "   (block $h (result exnref)"
        "     (try_table (catch_all_ref $h) (return (call $f (local.get 0)))) unreachable)"
        "   (global.set $e) (throw_ref (global.get $e))))";

    (void)state;
    EACH_MODE(s)
    {
        struct lucet_result r;
        struct lucet_val v;
        linked_add_tag(&s);
        linked_host(&s, "f", "I:I", linked_throw);
        struct lucet_instance *c = linked_add(&s, NULL, LINKED_CATCH_HOST),
                              *u = linked_add(&s, "u", uncaught);
        struct lucet_instance *o = linked_add(&s, NULL, over), *k = linked_add(&s, NULL, unknown);
        for (int i = 0; i < 5000; i++) { /* nothing is left of each */
            assert_int_equal(guest_call(c, "f", ARGS(I64(3))), 1008);
            assert_int_equal(guest_call(o, "f", ARGS(I64(4))), 4);
        }
        assert_int_equal(guest_call(c, "f", ARGS(I64(500))), 500);
        assert_int_equal(guest_call(o, "f", ARGS(I64(500))), 501);
        assert_int_equal(lucet_instance_run(u, "f", ARGS(I64(6)), &r), lucet_error_runtime_threw);
        assert_ptr_equal(lucet_exception_tag(r.val.threw.exception), linked_tag);
        assert_int_equal(lucet_exception_value(r.val.threw.exception, 0, &v), lucet_error_ok);
        assert_int_equal(v.inner_val.as_i64, 6);
        assert_int_equal(guest_call(u, "f", ARGS(I64(500))), 501);
        for (int i = 0; i < 20000; i++)
            if (lucet_instance_run(k, "throw", ARGS(I64(9)), &r) != lucet_error_runtime_threw)
                fail_msg("%d: %s", i, lucet_error_detail());
        assert_ptr_equal(lucet_exception_tag(r.val.threw.exception), linked_tag);
        assert_int_equal(lucet_exception_value(r.val.threw.exception, 0, &v), lucet_error_ok);
        assert_int_equal(v.inner_val.as_i64, 9);
        lucet_tag_release(linked_tag);
        lucet_instance_release(c);
        lucet_instance_release(o);
        lucet_instance_release(u);
        lucet_instance_release(k);
    }
}

static void a_trap_after_throwing_is_a_trap(void **state)
{
    (void)state;
    EACH_MODE(s)
    {
        linked_add_tag(&s);
        linked_host(&s, "f", "I:I", host_throw_and_trap);
        struct lucet_instance *c = linked_add(&s, NULL, LINKED_CATCH_HOST);
        assert_int_equal(guest_trap(c, "f", ARGS(I64(3))), lucet_trapcode_heap_misaligned);
        assert_int_equal(lucet_instance_reset(c), lucet_error_ok);
        assert_int_equal(guest_trap(c, "f", ARGS(I64(3))), lucet_trapcode_heap_misaligned);
        lucet_tag_release(linked_tag);
        lucet_instance_release(c);
    }
}

static void a_run_after_throwing_takes_nothing_from_it(void **state)
{
    (void)state;
    EACH_MODE(s)
    {
        linked_add_tag(&s);
        linked_host(&s, "f", "I:I", host_throw_and_run);
        struct lucet_instance *c = linked_add(&s, NULL, LINKED_CATCH_HOST);
        inner = linked_add(&s, NULL,
                           "(module (func (export \"f\") (param i64) (result i64)"
                           "   (local.get 0)))");
        for (int round = 0; round < 2; round++)
            assert_int_equal(guest_call(c, "f", ARGS(I64(3))), 1008);
        lucet_tag_release(linked_tag);
        lucet_instance_release(c);
        lucet_instance_release(inner);
    }
}

static void host_functions_pass_on_what_a_guest_threw(void **state)
{
    (void)state;
    EACH_MODE(s)
    {
        linked_add_tag(&s);
        linked_host(&s, "f", "I:I", linked_throw);
        inner = linked_add(&s, NULL,
                           "(module (import \"host\" \"f\" (func $f (param i64) (result i64)))"
                           " (tag $mine (param f64))"
                           " (func (export \"f\") (param i64) (result i64)"
                           "   (if (i64.eqz (local.get 0)) (then (throw $mine (f64.const 1))))"
                           "   (call $f (local.get 0))))");
        linked_host(&s, "f", "I:I", host_pass);
        struct lucet_instance *c = linked_add(&s, NULL, LINKED_CATCH_HOST);
        struct lucet_result r;
        for (int i = 0; i < 200; i++)
            assert_int_equal(guest_call(c, "f", ARGS(I64(3))), 1008);
        assert_int_equal(guest_call(c, "f", ARGS(I64(500))), 507);
        /* The inner one's own tag nobody here knows. */
        assert_int_equal(lucet_instance_run(c, "f", ARGS(I64(0)), &r), lucet_error_runtime_threw);
        assert_string_equal(lucet_tag_signature(lucet_exception_tag(r.val.threw.exception)), "F:");
        lucet_instance_release(inner);
        lucet_tag_release(linked_tag);
        lucet_instance_release(c);
    }
}

/* A nested run ends with it, though further out there is a catcher that it could land in. */
static int64_t host_run_plain(struct lucet_vmctx *ctx, int64_t n)
{
    struct lucet_result r;

    (void)ctx;
    assert_int_equal(lucet_instance_run(inner, "f", ARGS(I64(n)), &r), lucet_error_runtime_threw);
    return 66;
}

static void no_exception_passes_frames_of_the_host(void **state)
{
    static const char plain[] =
        "(module (import \"host\" \"f\" (func $f (param i64) (result i64)))"
        " (func (export \"f\") (param i64) (result i64) (call $f (local.get 0))))";

    (void)state;
    EACH_MODE(s)
    {
        linked_add_tag(&s);
        linked_host(&s, "f", "I:I", linked_throw);
        inner = linked_add(&s, NULL, plain);
        linked_host(&s, "f", "I:I", host_run_plain);
        struct lucet_instance *middle = linked_add(&s, "host", plain);
        assert_int_equal(lucet_linker_tag(s.linker, "host", "tag", linked_tag), lucet_error_ok);
        struct lucet_instance *c = linked_add(&s, NULL, LINKED_CATCH_HOST);
        for (int i = 0; i < 3; i++)
            assert_int_equal(guest_call(c, "f", ARGS(I64(3))), 66);
        lucet_tag_release(linked_tag);
        lucet_instance_release(inner);
        lucet_instance_release(middle);
        lucet_instance_release(c);
    }
}

/* References in parameters and results of host functions. */
static struct lucet_exception *kept;

static uint64_t host_swap(struct lucet_vmctx *ctx, uint64_t exnref)
{
    struct lucet_exception *e = lucet_vmctx_exception(ctx, exnref), *before = kept;
    uint64_t result = 0;

    lucet_exception_retain(e);
    kept = e;
    assert_int_equal(lucet_vmctx_exnref(ctx, before, &result), lucet_error_ok);
    lucet_exception_release(before);
    return result;
}

static void host_functions_take_and_give_references(void **state)
{
    static const char wat[] =
        "(module (import \"host\" \"swap\" (func $swap (param exnref) (result exnref)))"
        " (tag $a (param i64))"
        " (func $make (param i64) (result exnref)"
        "   (block $h (result exnref)"
        "     (try_table (catch_all_ref $h) (throw $a (local.get 0))) unreachable))"
        " (func $value (param exnref) (result i64)"
        "   (block $a (result i64)"
        "     (try_table (catch $a $a) (throw_ref (local.get 0))) unreachable))"
        " (func (export \"put\") (param i64) (result i32)"
        "   (ref.is_null (call $swap (call $make (local.get 0)))))"
        " (func (export \"get\") (result i64) (call $value (call $swap (ref.null exn))))"
        " (func (export \"spend\") (param $n i64) (result i64)"
        "   (loop $l (drop (call $make (local.get $n)))"
        "     (br_if $l (i32.wrap_i64"
        "       (local.tee $n (i64.sub (local.get $n) (i64.const 1))))))"
        "   (i64.const 0)))";

    (void)state;
    EACH_MODE(s)
    {
        struct lucet_result r;
        linked_host(&s, "swap", "x:x", host_swap);
        struct lucet_instance *one = linked_add(&s, NULL, wat), *two = linked_add(&s, NULL, wat);
        assert_int_equal(guest_call(one, "put", ARGS(I64(5))), 1);
        guest_call(one, "spend", ARGS(I64(30000)));
        assert_int_equal(guest_call(one, "get", 0, NULL), 5);
        assert_int_equal(guest_call(one, "put", ARGS(I64(6))), 1);
        /* To another one, which cannot catch it, and back. */
        for (int i = 0; i < 20000; i++) {
            struct lucet_exception *mine = kept;
            lucet_exception_retain(mine);
            if (lucet_instance_run(two, "get", 0, NULL, &r) != lucet_error_runtime_threw)
                fail_msg("%d: %s", i, lucet_error_detail());
            kept = mine;
        }
        assert_int_equal(guest_call(one, "get", 0, NULL), 6);
        assert_int_equal(guest_trap(one, "get", 0, NULL), lucet_trapcode_null_exception);
        assert_int_equal(lucet_instance_reset(one), lucet_error_ok);
        /* And after it is gone. */
        assert_int_equal(guest_call(one, "put", ARGS(I64(7))), 1);
        lucet_instance_release(one);
        assert_int_equal(lucet_instance_run(two, "get", 0, NULL, &r), lucet_error_runtime_threw);
        assert_null(kept);
        lucet_instance_release(two);
    }
}

/* Calls through handles end like others. */
static void calls_through_handles_throw(void **state)
{
    (void)state;
    EACH_MODE(s)
    {
        struct lucet_func throw, f, fine;
        struct lucet_result r;
        struct lucet_val v;
        struct lucet_instance *t = linked_add(&s, "t", linked_thrower);
        struct lucet_dl_module *tm = guest_module(linked_thrower, s.mode);
        struct lucet_dl_module *cm = guest_module(LINKED_CATCHER("t"), s.mode);
        struct lucet_instance *own = guest_instance(s.region, tm, s.linker, NULL);
        struct lucet_instance *c = guest_instance(s.region, cm, s.linker, NULL);
        assert_int_equal(lucet_dl_module_func(tm, "throw", "I:I", &throw), lucet_error_ok);
        assert_int_equal(lucet_dl_module_func(tm, "many", "I:IIIF", &fine), lucet_error_ok);
        assert_int_equal(lucet_dl_module_func(cm, "f", "I:I", &f), lucet_error_ok);
        for (int i = 0; i < 100; i++) {
            union lucet_raw raw[4] = {{.i64 = 1}};
            assert_int_equal(lucet_func_call(&throw, own, raw, &r), lucet_error_runtime_threw);
            assert_int_equal(r.tag, lucet_result_tag_threw);
            assert_int_equal(lucet_exception_value(r.val.threw.exception, 0, &v), lucet_error_ok);
            assert_int_equal(v.inner_val.as_i64, 10);
            raw[0].i64 = 2;
            assert_int_equal(lucet_func_call(&throw, own, raw, &r), lucet_error_ok);
            assert_int_equal(r.tag, lucet_result_tag_returned);
            assert_int_equal(raw[0].i64, 'T');
            raw[0].i64 = 1;
            assert_int_equal(lucet_func_call(&fine, own, raw, &r), lucet_error_ok);
            assert_int_equal(raw[2].i64, 3);
            raw[0].i64 = i % 2; /* an exception that it knows, and one that it does not */
            assert_int_equal(lucet_func_call(&f, c, raw, &r), lucet_error_ok);
            assert_int_equal(raw[0].i64, i % 2 ? 'C' + 21 + 10 : 'C' + 500);
        }
        lucet_instance_release(t);
        lucet_instance_release(own);
        lucet_instance_release(c);
        lucet_dl_module_release(tm);
        lucet_dl_module_release(cm);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(host_functions_throw),
        cmocka_unit_test(a_trap_after_throwing_is_a_trap),
        cmocka_unit_test(a_run_after_throwing_takes_nothing_from_it),
        cmocka_unit_test(host_functions_pass_on_what_a_guest_threw),
        cmocka_unit_test(no_exception_passes_frames_of_the_host),
        cmocka_unit_test(host_functions_take_and_give_references),
        cmocka_unit_test(calls_through_handles_throw),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
