/* Exceptions as objects: how many there may be, which are forgotten; at the border to the host. */
#include "guest.h"

static struct lucet_region *region;

/* A million exceptions in a set of 1 MiB; more at once than fit do not; what is kept stays. */
static void exceptions_that_nobody_holds_are_forgotten(void **state)
{
    (void)state;
    guest_begin();
    GUEST_EXPECT_CALLS(
        "(module (tag $a (param i64))"
        " (global $g (mut exnref) (ref.null exn)) (table $t 100 exnref)"
        " (tag $nest (param exnref))"
        " (func $make (param i64) (result exnref)"
        "   (block $h (result exnref)"
        "     (try_table (catch_all_ref $h) (throw $a (local.get 0))) unreachable))"
        " (func $wrap (param exnref) (result exnref)"
        "   (block $h (result exnref)"
        "     (try_table (catch_all_ref $h) (throw $nest (local.get 0))) unreachable))"
        " (func $unwrap (param exnref) (result exnref)"
        "   (block $h (result exnref)"
        "     (try_table (catch $nest $h) (throw_ref (local.get 0))) unreachable))"
        " (func $value (param exnref) (result i64)"
        "   (block $a (result i64)"
        "     (try_table (catch $a $a) (throw_ref (local.get 0))) unreachable))"
        " (func $spend (param $n i64)"
        "   (loop $l (drop (call $make (local.get $n)))"
        "     (br_if $l (i32.wrap_i64"
        "       (local.tee $n (i64.sub (local.get $n) (i64.const 1)))))))"
        " (func (export \"loop\") (param i64) (result i64)"
        "   (call $spend (local.get 0)) (i64.const 1))"
        /* Local variable, global, table, and one within another, within another. */
        " (func (export \"kept\") (param $n i64) (result i64) (local $e exnref)"
        "   (local.set $e (call $make (i64.const 1)))"
        "   (global.set $g (call $make (i64.const 20)))"
        "   (table.set $t (i32.const 99) (call $make (i64.const 300)))"
        "   (table.set $t (i32.const 5)"
        "     (call $wrap (call $wrap (call $make (i64.const 4000)))))"
        "   (call $spend (local.get $n))"
        "   (call $value (local.get $e))"
        "   (i64.add (call $value (global.get $g)))"
        "   (i64.add (call $value (table.get $t (i32.const 99))))"
        "   (i64.add (call $value"
        "     (call $unwrap (call $unwrap (table.get $t (i32.const 5))))))"
        "   (global.set $g (ref.null exn)))"
        /* In a frame further out than the one that makes room. */
        " (func $deep (param $n i64) (param $depth i64) (result i64) (local $e exnref)"
        "   (if (i64.eqz (local.get $depth))"
        "     (then (call $spend (local.get $n)) (return (i64.const 0))))"
        "   (local.set $e (call $make (i64.const 1)))"
        "   (i64.add (call $deep (local.get $n) (i64.sub (local.get $depth) (i64.const 1)))"
        "            (call $value (local.get $e))))"
        " (func (export \"frames\") (param i64) (result i64)"
        "   (call $deep (local.get 0) (i64.const 200)))"
        " (func (export \"chain\") (param $n i64) (result i64) (local $e exnref)"
        "   (local.set $e (call $make (i64.const 1)))"
        "   (loop $l (local.set $e (call $wrap (local.get $e)))"
        "     (br_if $l (i32.wrap_i64"
        "       (local.tee $n (i64.sub (local.get $n) (i64.const 1))))))"
        "   (i64.const 2)))",
        {"loop", 100000, 1}, {"kept", 100000, 4321}, {"frames", 50000, 200}, {"chain", 5000, 2});
}

static const char holder[] =
    "(module (tag $a (param i64))"
    " (table $t (export \"t\") 20000 exnref)"
    " (func $make (param i64) (result exnref)"
    "   (block $h (result exnref)"
    "     (try_table (catch_all_ref $h) (throw $a (local.get 0))) unreachable))"
    " (func (export \"fill\") (param $n i64) (result i64)"
    "   (loop $l (table.set $t (i32.wrap_i64 (local.get $n)) (call $make (local.get $n)))"
    "     (br_if $l (i32.wrap_i64 (local.tee $n (i64.sub (local.get $n) (i64.const 1))))))"
    "   (i64.const 1))"
    " (func (export \"clear\") (param i64) (result i64)"
    "   (table.fill $t (i32.const 0) (ref.null exn) (i32.const 20000)) (i64.const 3))"
    " (func (export \"null\") (throw_ref (ref.null exn))))";

static void holding_too_many_exceptions_is_a_trap(void **state)
{
    (void)state;
    guest_begin();
    struct lucet_dl_module *m = guest_module(holder, &guest_modes[4]);
    struct lucet_instance *inst = guest_instance(region, m, NULL, NULL);

    lucet_instance_set_continue_after_fault(inst, true);
    assert_int_equal(guest_call(inst, "fill", ARGS(I64(5000))), 1);
    assert_int_equal(guest_call(inst, "fill", ARGS(I64(5000))), 1);
    assert_int_equal(guest_trap(inst, "fill", ARGS(I64(19999))),
                     lucet_trapcode_exceptions_exhausted);
    /* Still full; and no exception was left on its way. */
    assert_int_equal(guest_trap(inst, "fill", ARGS(I64(19999))),
                     lucet_trapcode_exceptions_exhausted);
    assert_int_equal(guest_call(inst, "clear", ARGS(I64(0))), 3);
    assert_int_equal(guest_call(inst, "fill", ARGS(I64(5000))), 1);
    assert_int_equal(guest_trap(inst, "null", 0, NULL), lucet_trapcode_null_exception);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(lucet_instance_reset(inst), lucet_error_ok);
        assert_int_equal(guest_call(inst, "fill", ARGS(I64(5000))), 1);
    }
    lucet_instance_release(inst);
    lucet_dl_module_release(m);
}

static const char uncaught[] =
    "(module (tag $a (export \"ta\") (param i32 i64 f32 f64 v128)) (tag $b (export \"tb\"))"
    " (global $n (mut i64) (i64.const 5))"
    " (func (export \"a\") (param i32)"
    "   (global.set $n (i64.add (global.get $n) (i64.const 1)))"
    "   (throw $a (local.get 0) (global.get $n) (f32.const 1.5) (f64.const 2.5)"
    "     (v128.const i64x2 3 4)))"
    " (func (export \"b\") (result i64 i64 i64 f64 f64 f64) (throw $b))"
    " (func (export \"n\") (result i64) (global.get $n))"
    " (func (export \"trap\") unreachable))";

static void what_nothing_catches_comes_to_the_host(void **state)
{
    (void)state;
    guest_begin();
    for (unsigned mode = 0; mode < GUEST_MODES; mode++) {
        struct lucet_dl_module *m = guest_module(uncaught, &guest_modes[mode]);
        struct lucet_instance *inst = guest_instance(region, m, NULL, NULL);
        struct lucet_tag *a, *b;
        struct lucet_result r;
        struct lucet_val v, results[6];

        assert_int_equal(lucet_instance_tag(inst, "ta", 2, &a), lucet_error_ok);
        assert_int_equal(lucet_instance_tag(inst, "tb", 2, &b), lucet_error_ok);
        assert_int_equal(lucet_instance_tag(inst, "n", 1, &b), lucet_error_symbol_not_found);
        assert_int_equal(lucet_instance_tag(inst, "tb", 2, &b), lucet_error_ok);
        assert_string_equal(lucet_tag_signature(a), "iIfFv:");
        assert_ptr_not_equal(a, b);
        assert_int_equal(lucet_instance_run(inst, "a", ARGS(I32(-3)), &r),
                         lucet_error_runtime_threw);
        assert_int_equal(r.tag, lucet_result_tag_threw);
        assert_string_equal(lucet_result_tag_name(r.tag), "threw");
        struct lucet_exception *e = r.val.threw.exception;
        assert_ptr_equal(lucet_exception_tag(e), a);
        assert_int_equal(lucet_exception_count(e), 5);
        assert_int_equal(lucet_exception_value(e, 0, &v), lucet_error_ok);
        assert_int_equal(v.ty, lucet_val_type_i32);
        assert_int_equal(v.inner_val.as_i32, -3);
        assert_int_equal(lucet_exception_value(e, 1, &v), lucet_error_ok);
        assert_int_equal(v.inner_val.as_i64, 6);
        assert_int_equal(lucet_exception_value(e, 2, &v), lucet_error_ok);
        assert_true(v.inner_val.as_f32 == 1.5f);
        assert_int_equal(lucet_exception_value(e, 3, &v), lucet_error_ok);
        assert_true(v.inner_val.as_f64 == 2.5);
        assert_int_equal(lucet_exception_value(e, 4, &v), lucet_error_ok);
        assert_int_equal(v.inner_val.as_v128[0], 3);
        assert_int_equal(v.inner_val.as_v128[8], 4);
        assert_int_equal(lucet_exception_value(e, 5, &v), lucet_error_invalid_argument);

        /* The instance goes on as it is; a retained exception stays. */
        lucet_exception_retain(e);
        assert_int_equal(guest_call(inst, "n", 0, NULL), 6);
        assert_int_equal(lucet_instance_call(inst, "b", 1, 0, NULL, 6, results, &r),
                         lucet_error_runtime_threw);
        assert_ptr_equal(lucet_exception_tag(r.val.threw.exception), b);
        assert_int_equal(lucet_exception_count(r.val.threw.exception), 0);
        assert_int_equal(guest_trap(inst, "trap", 0, NULL), lucet_trapcode_unreachable);
        assert_int_equal(lucet_instance_reset(inst), lucet_error_ok);
        assert_int_equal(lucet_instance_run(inst, "a", ARGS(I32(1)), &r),
                         lucet_error_runtime_threw);
        lucet_instance_release(inst);
        assert_int_equal(lucet_exception_value(e, 1, &v), lucet_error_ok);
        assert_int_equal(v.inner_val.as_i64, 6);
        assert_string_equal(lucet_tag_signature(lucet_exception_tag(e)), "iIfFv:");
        lucet_exception_release(e);
        lucet_dl_module_release(m);
    }
}

static void a_start_function_may_throw(void **state)
{
    (void)state;
    guest_begin();
    struct lucet_dl_module *m = guest_module(
        "(module (tag $a) (func $s (throw $a)) (start $s) (func (export \"f\")))", &guest_default);
    const struct lucet_instance_options o = {.run_start = true};
    struct lucet_instance *inst;
    struct lucet_result r;

    assert_int_equal(lucet_region_new_instance_with(region, m, &o, &inst),
                     lucet_error_runtime_threw);
    assert_null(inst);
    assert_int_equal(lucet_region_new_instance(region, m, &inst), lucet_error_ok);
    assert_int_equal(lucet_instance_call_start(inst, &r), lucet_error_runtime_threw);
    assert_int_equal(r.tag, lucet_result_tag_threw);
    assert_int_equal(guest_call(inst, "f", 0, NULL), 0);
    lucet_instance_release(inst);
    lucet_dl_module_release(m);
}

/* References that the host gets and gives. */
static void exceptions_as_arguments_and_results(void **state)
{
    (void)state;
    guest_begin();
    struct lucet_dl_module *m =
        guest_module("(module (tag $a (export \"a\") (param i64)) (global (export \"g\") (mut "
                     "exnref) (ref.null exn))"
                     " (func (export \"make\") (param i64) (result exnref)"
                     "   (block $h (result exnref)"
                     "     (try_table (catch_all_ref $h) (throw $a (local.get 0))) unreachable))"
                     " (func (export \"value\") (param exnref) (result i64)"
                     "   (block $a (result i64)"
                     "     (try_table (catch $a $a) (throw_ref (local.get 0))) unreachable)))",
                     &guest_default);
    struct lucet_instance *inst = guest_instance(region, m, NULL, NULL);
    struct lucet_instance *other = guest_instance(region, m, NULL, NULL);
    struct lucet_exception *mine, *e;
    struct lucet_tag *tag;
    struct lucet_val v = {0}, null = {.ty = lucet_val_type_exnref};
    struct lucet_result r;

    assert_int_equal(lucet_instance_call(inst, "make", 4, ARGS(I64(5)), 1, &v, &r), lucet_error_ok);
    assert_int_equal(v.ty, lucet_val_type_exnref);
    e = (struct lucet_exception *)(uintptr_t)v.inner_val.as_ref;
    lucet_exception_retain(e);
    assert_int_equal(guest_call(inst, "value", 1, &v), 5);
    assert_int_equal(lucet_instance_set_global(inst, "g", 1, v), lucet_error_ok);
    assert_int_equal(lucet_instance_get_global(inst, "g", 1, &v), lucet_error_ok);
    assert_ptr_equal(v.inner_val.as_ref, e);
    assert_int_equal(guest_trap(inst, "value", 1, &null), lucet_trapcode_null_exception);
    assert_int_equal(lucet_instance_reset(inst), lucet_error_ok);
    assert_int_equal(lucet_instance_get_global(inst, "g", 1, &v), lucet_error_ok);
    assert_null(v.inner_val.as_ref);
    /* Held by the host, it survived. */
    v.inner_val.as_ref = e;
    assert_int_equal(guest_call(inst, "value", 1, &v), 5);

    /* Another instance can be given it, but has another tag $a: what it does not catch comes
     * back. */
    for (int i = 0; i < 30000; i++) {
        const enum lucet_error error = lucet_instance_run(other, "value", 1, &v, &r);
        if (error != lucet_error_runtime_threw)
            fail_msg("%d: %s: %s", i, lucet_error_name(error), lucet_error_detail());
        assert_ptr_equal(lucet_exception_tag(r.val.threw.exception), lucet_exception_tag(e));
    }

    /* One of the host's own. */
    assert_int_equal(lucet_instance_tag(other, "a", 1, &tag), lucet_error_ok);
    assert_int_equal(lucet_exception_new(tag, ARGS(I64(77)), &mine), lucet_error_ok);
    v.inner_val.as_ref = mine;
    assert_int_equal(guest_call(other, "value", 1, &v), 77);
    lucet_instance_release(other);
    lucet_exception_release(mine);
    lucet_instance_release(inst);
    lucet_exception_release(e);
    lucet_dl_module_release(m);
}

/* An instance that holds as many exceptions as it may gets no more of them as arguments, but those
 * it has. */
static void arguments_count_as_exceptions_held(void **state)
{
    struct lucet_alloc_limits limits = lucet_alloc_limits_default();
    struct lucet_exception *first = NULL, *e;
    struct lucet_region *tight;
    struct lucet_result r;
    struct lucet_tag *t;
    unsigned n = 0;

    (void)state;
    guest_begin();
    limits.exceptions_size = 4096;
    assert_int_equal(lucet_mmap_region_create(2, &limits, &tight), lucet_error_ok);
    struct lucet_dl_module *m = guest_module(
        "(module (table $t 0 exnref)"
        " (func (export \"second\") (param exnref exnref) (result exnref) (local.get 1))"
        " (func (export \"keep\") (param exnref exnref) (result i32)"
        "   (drop (table.grow $t (local.get 0) (i32.const 1)))"
        "   (table.grow $t (local.get 1) (i32.const 1)))"
        " (func (export \"drop\") (table.fill $t (i32.const 0) (ref.null exn) (table.size $t))))",
        &guest_default);
    struct lucet_instance *inst = guest_instance(tight, m, NULL, NULL);
    assert_int_equal(lucet_tag_new("II:", &t), lucet_error_ok);
    for (enum lucet_error error = lucet_error_ok; error == lucet_error_ok; n++) {
        assert_int_equal(lucet_exception_new(t, ARGS(I64(n), I64(1)), &e), lucet_error_ok);
        const struct lucet_val args[] = {LUCET_VAL(exnref, as_ref, e),
                                         {.ty = lucet_val_type_exnref}};
        error = lucet_instance_run(inst, "keep", 2, args, &r);
        if (!first)
            first = e;
        else
            lucet_exception_release(e);
        assert_true(n < 1000);
    }
    assert_in_range(n, 20, 128);
    assert_int_equal(r.tag, lucet_result_tag_errored);
    assert_int_equal(r.val.errored, lucet_error_limits_exceeded);
    assert_non_null(strstr(lucet_error_detail(), "exceptions_size"));
    const struct lucet_val had = LUCET_VAL(exnref, as_ref, first);
    for (int k = 0; k < 200; k++)
        guest_call(inst, "keep", ARGS(had, had));
    /* One that another instance has would be copied. */
    struct lucet_instance *other = guest_instance(tight, m, NULL, NULL);
    assert_int_equal(lucet_exception_new(t, ARGS(I64(n), I64(2)), &e), lucet_error_ok);
    const struct lucet_val both[] = {LUCET_VAL(exnref, as_ref, first),
                                     LUCET_VAL(exnref, as_ref, e)};
    guest_call(other, "keep", ARGS(both[1], both[1]));
    assert_int_equal(lucet_instance_run(inst, "keep", ARGS(both[1], both[1]), &r),
                     lucet_error_limits_exceeded);
    /* Each argument is what it was. */
    struct lucet_val v, values;
    assert_int_equal(lucet_instance_call(other, "second", 6, 2, both, 1, &v, &r), lucet_error_ok);
    assert_int_equal(lucet_exception_count(v.inner_val.as_ref), 2);
    assert_int_equal(lucet_exception_value(v.inner_val.as_ref, 1, &values), lucet_error_ok);
    assert_int_equal(values.inner_val.as_i64, 2);
    lucet_exception_release(e);
    lucet_instance_release(other);
    /* Whatever it lets go makes room. */
    guest_call(inst, "drop", 0, NULL);
    assert_int_equal(lucet_exception_new(t, ARGS(I64(n), I64(1)), &e), lucet_error_ok);
    const struct lucet_val more = LUCET_VAL(exnref, as_ref, e);
    guest_call(inst, "keep", ARGS(more, more));
    lucet_exception_release(e);
    lucet_exception_release(first);
    lucet_tag_release(t);
    lucet_instance_release(inst);
    lucet_dl_module_release(m);
    lucet_region_release(tight);
}

static void tags_and_exceptions_are_checked(void **state)
{
    struct lucet_tag *t;
    struct lucet_exception *e;

    (void)state;
    assert_int_equal(lucet_tag_new("ii", &t), lucet_error_invalid_argument);
    assert_int_equal(lucet_tag_new("i:i", &t), lucet_error_invalid_argument);
    assert_int_equal(lucet_tag_new("z:", &t), lucet_error_invalid_argument);
    assert_int_equal(lucet_tag_new("", &t), lucet_error_invalid_argument);
    assert_int_equal(lucet_tag_new(NULL, &t), lucet_error_invalid_argument);
    assert_int_equal(lucet_tag_new("ix:", &t), lucet_error_ok);
    const struct lucet_val good[] = {I32(1), {.ty = lucet_val_type_exnref}};
    const struct lucet_val bad[] = {I64(1), {.ty = lucet_val_type_exnref}};
    assert_int_equal(lucet_exception_new(t, 1, good, &e), lucet_error_type_mismatch);
    assert_int_equal(lucet_exception_new(t, 2, bad, &e), lucet_error_type_mismatch);
    assert_int_equal(lucet_exception_new(t, 2, NULL, &e), lucet_error_invalid_argument);
    assert_int_equal(lucet_exception_new(t, 2, good, &e), lucet_error_ok);
    struct lucet_val nested[] = {I32(1), LUCET_VAL(exnref, as_ref, e)};
    struct lucet_exception *outer;
    /* No instance has it, so that guests have no name for it. */
    assert_int_equal(lucet_exception_new(t, 2, nested, &outer), lucet_error_type_mismatch);
    lucet_tag_release(t);
    assert_string_equal(lucet_tag_signature(lucet_exception_tag(e)), "ix:");
    lucet_exception_release(e);
    lucet_exception_release(NULL);
    lucet_exception_retain(NULL);
    lucet_tag_release(NULL);
}

/* Stopped in the middle of throwing and catching, with exceptions on their way. */
static void a_guest_that_throws_for_ever_can_be_stopped(void **state)
{
    (void)state;
    guest_begin();
    static const char wat[] =
        "(module (tag $a (param i64)) (table $t 9000 exnref)"
        " (func $deep (param i64)"
        "   (if (i64.eqz (local.get 0)) (then (throw $a (i64.const 1))))"
        "   (call $deep (i64.sub (local.get 0) (i64.const 1))))"
        " (func (export \"throw\")"
        "   (loop $l (block $h (result i64) (try_table (catch $a $h)"
        "     (call $deep (i64.const 50))) unreachable) (drop) (br $l)))"
        " (func (export \"collect\") (local $i i32) (local $e exnref)"
        "   (loop $l (block $h (result i64 exnref) (try_table (catch_ref $a $h)"
        "     (call $deep (i64.const 1))) unreachable)"
        "     (local.set $e) (drop) (table.set $t (local.get $i) (local.get $e))"
        "     (local.set $i (i32.rem_u (i32.add (local.get $i) (i32.const 1)) (i32.const 9000)))"
        "     (br $l)))"
        " (func (export \"fine\") (result i32)"
        "   (call $quiet (i32.const 3)))"
        " (func $quiet (param i32) (result i32) (i32.mul (local.get 0) (local.get 0))))";
    static const char *const names[] = {"throw", "collect"};
    struct lucet_dl_module *m = guest_module(wat, &guest_default);
    struct lucet_instance *inst = guest_instance(region, m, NULL, NULL);
    struct lucet_result r;

    for (int i = 0; i < 40; i++) {
        assert_int_equal(lucet_instance_set_timeout(inst, 1 + (uint64_t)i % 5), lucet_error_ok);
        assert_int_equal(lucet_instance_run(inst, names[i % 2], 0, NULL, &r),
                         lucet_error_runtime_terminated);
        assert_int_equal(lucet_instance_reset(inst), lucet_error_ok);
        assert_int_equal(lucet_instance_set_timeout(inst, 0), lucet_error_ok);
        assert_int_equal(guest_call(inst, "fine", 0, NULL), 9);
    }
    lucet_instance_release(inst);
    lucet_dl_module_release(m);
}

static int make_region(void **state)
{
    (void)state;
    region = guest_region(4);
    return 0;
}

static int drop_region(void **state)
{
    (void)state;
    const size_t used = lucet_region_used_slots(region);
    lucet_region_release(region);
    return used != 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exceptions_that_nobody_holds_are_forgotten),
        cmocka_unit_test(holding_too_many_exceptions_is_a_trap),
        cmocka_unit_test(what_nothing_catches_comes_to_the_host),
        cmocka_unit_test(a_start_function_may_throw),
        cmocka_unit_test(exceptions_as_arguments_and_results),
        cmocka_unit_test(arguments_count_as_exceptions_held),
        cmocka_unit_test(tags_and_exceptions_are_checked),
        cmocka_unit_test(a_guest_that_throws_for_ever_can_be_stopped),
    };
    return cmocka_run_group_tests(tests, make_region, drop_region);
}
