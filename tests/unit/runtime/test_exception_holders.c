/* Who keeps what exceptions refer to: instances that exceptions come to hold those that functions
 * among the values are of, others are not held, and no exception is taken for another. */
#include <stdio.h>

#include "lucet/exception.h"
#include "run/linked.h"
#include "runtime/counting.h"

/* Run by host functions. */
static struct lucet_instance *maker;
static struct lucet_exception *given;

/* Exceptions with values of all kinds: of 1, one with a function; of 2, one with an exception; of
 * 3, with neither. */
static const char maker_wat[] =
    "(module (type $f (func (result i64)))"
    " (import \"host\" \"tag\" (tag $t (param i64 funcref exnref))) (tag $n (param i64))"
    " (elem declare func $answer) (func $answer (result i64) (i64.const 42))"
    " (func $one (result exnref)"
    "   (block $h (result exnref)"
    "     (try_table (catch_all_ref $h) (throw $n (i64.const 8))) unreachable))"
    " (func $throw (export \"throw\") (param i64)"
    "   (throw $t (i64.const 5)"
    "     (if (result funcref) (i64.eq (local.get 0) (i64.const 1))"
    "       (then (ref.func $answer)) (else (ref.null func)))"
    "     (if (result exnref) (i64.eq (local.get 0) (i64.const 2))"
    "       (then (call $one)) (else (ref.null exn)))))"
    " (func (export \"make\") (param i64) (result exnref)"
    "   (block $h (result exnref)"
    "     (try_table (catch_all_ref $h) (call $throw (local.get 0))) unreachable)))";

/* Keeps the values of what the host function throws. */
static const char taker_wat[] =
    "(module (type $f (func (result i64)))"
    " (import \"host\" \"tag\" (tag $t (param i64 funcref exnref)))"
    " (import \"%s\" \"throw\" (func $throw (param i64)))"
    " (table $t (export \"t\") 1 funcref) (global $e (mut exnref) (ref.null exn))"
    " (func $keep (param funcref exnref)"
    "   (table.set $t (i32.const 0) (local.get 0)) (global.set $e (local.get 1)))"
    " (func (export \"take\") (param i64) (result i64)"
    "   (block $h (result i64 funcref exnref)"
    "     (try_table (catch $t $h) (call $throw (local.get 0))) (return (i64.const 0)))"
    "   (call $keep))"
    " (func (export \"use\") (result i64)"
    "   (call_indirect (type $f) (i32.const 0)))"
    " (func (export \"null\") (result i32) (ref.is_null (global.get $e)))"
    " (func (export \"again\") (throw_ref (global.get $e))))";

static void host_throw_anew(struct lucet_vmctx *ctx, int64_t n)
{
    struct lucet_result r;

    assert_int_equal(lucet_instance_run(maker, "throw", ARGS(I64(n)), &r),
                     lucet_error_runtime_threw);
    assert_int_equal(lucet_vmctx_throw(ctx, r.val.threw.exception), lucet_error_ok);
}

static struct linked begin(void)
{
    struct linked s = linked_first();

    s.mode = &guest_default;
    assert_int_equal(lucet_tag_new("Irx:", &linked_tag), lucet_error_ok);
    assert_int_equal(lucet_linker_tag(s.linker, "host", "tag", linked_tag), lucet_error_ok);
    linked_host(&s, "throw", "I:", host_throw_anew);
    maker = linked_add(&s, "maker", maker_wat);
    return s;
}

static void end(struct linked *s)
{
    lucet_tag_release(linked_tag);
    s->mode = &guest_modes[GUEST_MODES - 1]; /* no other */
    *s = linked_next(s);
}

static struct lucet_instance *add_taker(struct linked *s, const char *from)
{
    char wat[2000];

    snprintf(wat, sizeof wat, taker_wat, from);
    return linked_add(s, NULL, wat);
}

/* The linker holds what is registered with it. */
static void forget_linker(struct linked *s)
{
    lucet_linker_release(s->linker);
    assert_int_equal(lucet_linker_new(&s->linker), lucet_error_ok);
}

/* The exception comes by the host, so that nothing else links the two. With what is not a reference
 * or null, one does not hold the other. */
static void who_catches_holds_what_the_values_refer_to(void **state)
{
    static const char passer[] =
        "(module (import \"host\" \"throw\" (func $throw (param i64)))"
        " (func (export \"throw\") (param i64) (call $throw (local.get 0))))";

    (void)state;
    for (int over = 0; over < 2; over++) /* frames that do not look for exceptions */
        for (int64_t n = 1; n <= 3; n++) {
            struct linked s = begin();
            struct lucet_instance *p = linked_add(&s, "passer", passer);
            struct lucet_instance *t = add_taker(&s, over ? "passer" : "host");
            struct lucet_result r;
            forget_linker(&s);
            lucet_instance_release(p);
            assert_int_equal(guest_call(t, "take", ARGS(I64(n))), 5);
            assert_int_equal(lucet_region_used_slots(s.region), 2 + over);
            lucet_instance_release(maker);
            assert_int_equal(lucet_region_used_slots(s.region), 1 + over + (n < 3));
            if (n == 1)
                assert_int_equal(guest_call(t, "use", 0, NULL), 42);
            if (n == 2)
                assert_int_equal(lucet_instance_run(t, "again", 0, NULL, &r),
                                 lucet_error_runtime_threw);
            assert_int_equal(guest_call(t, "null", 0, NULL), n != 2);
            lucet_instance_release(t);
            end(&s);
        }
}

/* Who throws does not come to be held by who catches, unless there is something to hold. */
static void who_is_called_holds_the_caller_only_for_references(void **state)
{
    (void)state;
    for (int64_t n = 1; n <= 3; n++) {
        struct linked s = begin();
        struct lucet_instance *t = add_taker(&s, "maker");
        forget_linker(&s);
        assert_int_equal(guest_call(t, "take", ARGS(I64(n))), 5);
        lucet_instance_release(t);
        assert_int_equal(lucet_region_used_slots(s.region), 1 + (n < 3));
        lucet_instance_release(maker);
        end(&s);
    }
}

/* ---- Exceptions within exceptions ---- */

static struct lucet_exception *made(struct lucet_instance *i, int64_t n)
{
    struct lucet_result r;
    struct lucet_val v;

    assert_int_equal(lucet_instance_call(i, "make", 4, ARGS(I64(n)), 1, &v, &r), lucet_error_ok);
    return (struct lucet_exception *)(uintptr_t)v.inner_val.as_ref;
}

static enum lucet_error thrown_error, passed_error;

static void host_throw_given(struct lucet_vmctx *ctx, int64_t n)
{
    uint64_t ref = 77;

    (void)n;
    passed_error = lucet_vmctx_exnref(ctx, given, &ref);
    thrown_error = lucet_vmctx_throw(ctx, given);
}

/* One within another is found by its own instance, and no other takes its number for something
 * else. */
static void an_exception_within_one_of_the_hosts_is_known_to_its_instance_only(void **state)
{
    struct linked s = begin();
    struct lucet_val v;
    struct lucet_result r;

    (void)state;
    linked_host(&s, "give", "I:", host_throw_given);
    struct lucet_instance *other = linked_add(&s, NULL, maker_wat), *t;
    char wat[2000];
    snprintf(wat, sizeof wat, taker_wat, "give");
    assert_int_equal(
        lucet_linker_func(s.linker, "give", "throw", "I:", (void (*)(void))host_throw_given),
        lucet_error_ok);
    t = linked_add(&s, NULL, wat);
    struct lucet_exception *nested = made(other, 3);
    lucet_exception_retain(nested);
    const struct lucet_val values[] = {
        I64(6), {.ty = lucet_val_type_funcref}, LUCET_VAL(exnref, as_ref, nested)};
    assert_int_equal(lucet_exception_new(linked_tag, 3, values, &given), lucet_error_ok);
    assert_int_equal(guest_call(t, "take", ARGS(I64(0))), 0);
    assert_int_equal(thrown_error, lucet_error_type_mismatch);
    assert_int_equal(passed_error, lucet_error_type_mismatch);
    assert_int_equal(guest_call(t, "null", 0, NULL), 1);
    /* Nor does it come in as an argument. Its own instance's function returns it as it is. */
    struct lucet_instance *echo = linked_add(
        &s, NULL, "(module (func (export \"f\") (param exnref) (result exnref) (local.get 0)))");
    const struct lucet_val arg = LUCET_VAL(exnref, as_ref, given);
    assert_int_equal(lucet_instance_call(echo, "f", 1, 1, &arg, 1, &v, &r),
                     lucet_error_type_mismatch);
    assert_non_null(strstr(lucet_error_detail(), "does not exist any more"));
    lucet_exception_release(given);
    lucet_exception_release(nested);
    lucet_instance_release(echo);
    lucet_instance_release(other);
    lucet_instance_release(t);
    lucet_instance_release(maker);
    end(&s);
}

static void its_own_instance_gets_it_whole(void **state)
{
    static const char wat[] =
        "(module (import \"host\" \"tag\" (tag $t (param i64 funcref exnref))) (tag $n (param i64))"
        " (func (export \"make\") (param i64) (result exnref)"
        "   (block $h (result exnref)"
        "     (try_table (catch_all_ref $h) (throw $n (local.get 0))) unreachable))"
        " (func (export \"open\") (param exnref) (result i64)"
        "   (block $h (result i64 funcref exnref)"
        "     (try_table (catch $t $h) (throw_ref (local.get 0))) unreachable)"
        "   (call $value) (i64.add))"
        " (func $value (param funcref exnref) (result i64)"
        "   (block $h (result i64)"
        "     (try_table (catch $n $h) (throw_ref (local.get 1))) unreachable)))";
    struct linked s = begin();
    struct lucet_val v;
    struct lucet_result r;

    (void)state;
    struct lucet_instance *i = linked_add(&s, NULL, wat);
    struct lucet_exception *nested = made(i, 9);
    const struct lucet_val values[] = {
        I64(6), {.ty = lucet_val_type_funcref}, LUCET_VAL(exnref, as_ref, nested)};
    lucet_exception_retain(nested);
    assert_int_equal(lucet_exception_new(linked_tag, 3, values, &given), lucet_error_ok);
    const struct lucet_val arg = LUCET_VAL(exnref, as_ref, given);
    assert_int_equal(lucet_instance_call(i, "open", 4, 1, &arg, 1, &v, &r), lucet_error_ok);
    assert_int_equal(v.inner_val.as_i64, 6 + 9);
    /* It is one of the instance's now, and says what it has. */
    assert_int_equal(lucet_exception_value(given, 2, &v), lucet_error_ok);
    assert_ptr_equal(v.inner_val.as_ref, nested);
    lucet_exception_release(nested);
    lucet_exception_release(given);
    lucet_instance_release(i);
    lucet_instance_release(maker);
    end(&s);
}

/* ---- One exception after another ---- */

/* Throws $a with the number. */
static const char numbers[] =
    "(module (tag $a (export \"a\") (param i64))"
    " (global $e (mut exnref) (ref.null exn))"
    " (func $throw (export \"throw\") (param i64) (throw $a (local.get 0)))"
    " (func (export \"throw object\") (param i64)"
    "   (block $h (result exnref)"
    "     (try_table (catch_all_ref $h) (call $throw (local.get 0))) unreachable)"
    "   (global.set $e) (throw_ref (global.get $e))))";
/* Does not know $a. */
static const char keeper[] =
    "(module (import \"n\" \"throw\" (func $throw (param i64))) (tag $own (param i64))"
    " (func (export \"swallow\") (param i64)"
    "   (block $h (try_table (catch_all $h) (call $throw (local.get 0)))))"
    " (func (export \"through\") (param i64) (call $throw (local.get 0)))"
    " (func (export \"swallow and keep own\") (param i64) (result i64) (local $e exnref)"
    "   (block $h (try_table (catch_all $h) (call $throw (local.get 0))))"
    "   (block $k (result exnref)"
    "     (try_table (catch_all_ref $k) (throw $own (i64.const 9))) unreachable)"
    "   (local.set $e)"
    "   (block $v (result i64)"
    "     (try_table (catch $own $v) (throw_ref (local.get $e))) unreachable)))";
static const char user[] =
    "(module (import \"n\" \"throw\" (func $throw (param i64)))"
    " (import \"n\" \"throw object\" (func $throw_object (param i64)))"
    " (import \"n\" \"a\" (tag $a (param i64)))"
    " (import \"k\" \"swallow\" (func $swallow (param i64)))"
    " (import \"k\" \"through\" (func $through (param i64)))"
    " (func (export \"after one that was not known\") (param i64) (result i64)"
    "   (call $swallow (i64.const 7))"
    "   (block $h (result i64) (try_table (catch $a $h) (call $throw (local.get 0))) unreachable))"
    " (func (export \"both not known on the way\") (param i64) (result i64)"
    "   (call $swallow (i64.const 7))"
    "   (block $h (result i64) (try_table (catch $a $h) (call $through (local.get 0))) "
    "unreachable))"
    " (func (export \"after an object\") (param i64) (result i64) (local $e exnref)"
    "   (block $h (result i64)"
    "     (try_table (catch $a $h) (call $throw_object (i64.const 7))) unreachable) (drop)"
    "   (block $k (result exnref)"
    "     (try_table (catch_all_ref $k) (call $throw (local.get 0))) unreachable)"
    "   (local.set $e)"
    "   (block $h (result i64) (try_table (catch $a $h) (throw_ref (local.get $e))) unreachable)))";

static void what_comes_second_is_not_taken_for_the_first(void **state)
{
    static const char *const names[] = {"after one that was not known", "both not known on the way",
                                        "after an object"};

    (void)state;
    EACH_MODE(s)
    {
        struct lucet_instance *n = linked_add(&s, "n", numbers), *k = linked_add(&s, "k", keeper);
        struct lucet_instance *u = linked_add(&s, NULL, user);
        for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
            for (int64_t v = 100; v < 103; v++)
                assert_int_equal(guest_call(u, names[i], ARGS(I64(v))), v);
        assert_int_equal(guest_call(k, "swallow and keep own", ARGS(I64(1))), 9);
        lucet_instance_release(n);
        lucet_instance_release(k);
        lucet_instance_release(u);
    }
}

/* An object stays the same one when it is thrown, caught, and thrown out of the run. */
static void an_object_stays_itself(void **state)
{
    static const char lib[] =
        "(module (tag $a (export \"a\") (param i64))"
        " (func $make (export \"make\") (param i64) (result exnref)"
        "   (block $h (result exnref)"
        "     (try_table (catch_all_ref $h) (throw $a (local.get 0))) unreachable))"
        " (func $again (export \"again\") (param exnref) (throw_ref (local.get 0))))";
    static const char over[] =
        "(module (import \"l\" \"again\" (func $again (param exnref)))"
        " (import \"l\" \"a\" (tag $a (param i64)))"
        " (func (export \"catch\") (param exnref) (result exnref)"
        "   (block $h (result exnref)"
        "     (try_table (catch_all_ref $h) (call $again (local.get 0))) unreachable))"
        " (func (export \"out\") (param exnref) (call $again (local.get 0))))";

    (void)state;
    EACH_MODE(s)
    {
        struct lucet_instance *l = linked_add(&s, "l", lib), *o = linked_add(&s, NULL, over);
        struct lucet_exception *e = made(l, 4);
        struct lucet_val v;
        struct lucet_result r;
        const struct lucet_val arg = LUCET_VAL(exnref, as_ref, e);
        lucet_exception_retain(e);
        for (int k = 0; k < 3; k++) {
            assert_int_equal(lucet_instance_call(o, "catch", 5, 1, &arg, 1, &v, &r),
                             lucet_error_ok);
            assert_ptr_equal(v.inner_val.as_ref, e);
            assert_int_equal(lucet_instance_run(o, "out", 1, &arg, &r), lucet_error_runtime_threw);
            assert_ptr_equal(r.val.threw.exception, e);
            assert_int_equal(lucet_instance_run(l, "again", 1, &arg, &r),
                             lucet_error_runtime_threw);
            assert_ptr_equal(r.val.threw.exception, e);
        }
        lucet_exception_release(e);
        lucet_instance_release(l);
        lucet_instance_release(o);
    }
}

/* An object of one instance, thrown by the host into another that does not know its tag and makes
 * an object of it: each has its own, and both may go. */
static void one_object_is_never_in_two_sets(void **state)
{
    static const char wat[] =
        "(module (import \"give\" \"throw\" (func $throw (param i64))) (tag $own)"
        " (table $t 8 exnref) (global $n (mut i32) (i32.const 0))"
        " (func (export \"keep\")"
        "   (block $h (result exnref)"
        "     (try_table (catch_all_ref $h) (call $throw (i64.const 0))) unreachable)"
        "   (call $put))"
        " (func $put (param exnref) (table.set $t (global.get $n) (local.get 0))"
        "   (global.set $n (i32.add (global.get $n) (i32.const 1))))"
        " (func (export \"again\") (param i32) (throw_ref (table.get $t (local.get 0)))))";
    struct linked s = begin();
    struct lucet_result r;
    struct lucet_val v;

    (void)state;
    assert_int_equal(
        lucet_linker_func(s.linker, "give", "throw", "I:", (void (*)(void))host_throw_given),
        lucet_error_ok);
    struct lucet_instance *k = linked_add(&s, NULL, wat);
    for (int32_t n = 0; n < 8; n++) {
        given = made(maker, 3);
        lucet_exception_retain(given);
        guest_call(k, "keep", 0, NULL);
        assert_int_equal(thrown_error, lucet_error_ok);
        lucet_exception_release(given);
    }
    lucet_instance_release(maker);
    for (int32_t n = 0; n < 8; n++) {
        assert_int_equal(lucet_instance_run(k, "again", ARGS(I32(n)), &r),
                         lucet_error_runtime_threw);
        assert_ptr_equal(lucet_exception_tag(r.val.threw.exception), linked_tag);
        assert_int_equal(lucet_exception_value(r.val.threw.exception, 0, &v), lucet_error_ok);
        assert_int_equal(v.inner_val.as_i64, 5);
    }
    lucet_instance_release(k);
    end(&s);
}

/* ---- Limits ---- */

static uint64_t host_new(struct lucet_vmctx *ctx)
{
    const struct lucet_val values[] = {
        I64(1), {.ty = lucet_val_type_funcref}, {.ty = lucet_val_type_exnref}};
    struct lucet_exception *e;
    uint64_t ref;

    assert_int_equal(lucet_exception_new(linked_tag, 3, values, &e), lucet_error_ok);
    assert_int_equal(lucet_vmctx_exnref(ctx, e, &ref), lucet_error_ok);
    lucet_exception_release(given);
    given = e;
    return ref;
}

static uint64_t host_same(struct lucet_vmctx *ctx)
{
    uint64_t ref;

    assert_int_equal(lucet_vmctx_exnref(ctx, given, &ref), lucet_error_ok);
    return ref;
}

static void host_functions_give_no_more_than_may_be_held(void **state)
{
    static const char wat[] =
        "(module (import \"host\" \"new\" (func $new (result exnref)))"
        " (import \"host\" \"same\" (func $same (result exnref)))"
        " (table $t 100000 exnref) (global $n (mut i32) (i32.const 0))"
        " (func $put (param exnref) (table.set $t (global.get $n) (local.get 0))"
        "   (global.set $n (i32.add (global.get $n) (i32.const 1))))"
        " (func (export \"fill\") (loop $l (call $put (call $new)) (br $l)))"
        " (func (export \"one\") (call $put (call $same)))"
        " (func (export \"n\") (result i32) (global.get $n)))";
    struct linked s = begin();

    (void)state;
    given = NULL;
    linked_host(&s, "new", ":x", (void *)host_new);
    linked_host(&s, "same", ":x", (void *)host_same);
    struct lucet_instance *i = linked_add(&s, NULL, wat);
    lucet_instance_set_continue_after_fault(i, true);
    assert_int_equal(guest_trap(i, "fill", 0, NULL), lucet_trapcode_exceptions_exhausted);
    assert_in_range(guest_call(i, "n", 0, NULL), 1000, 50000);
    /* What it has already needs no room. */
    for (int k = 0; k < 10; k++)
        guest_call(i, "one", 0, NULL);
    lucet_exception_release(given);
    lucet_instance_release(i);
    lucet_instance_release(maker);
    end(&s);
}

/* ---- Arguments ---- */

static void host_without(struct lucet_vmctx *ctx, int64_t n)
{
    uint64_t ref = 5;

    (void)n;
    assert_int_equal(lucet_vmctx_throw(NULL, given), lucet_error_invalid_argument);
    assert_int_equal(lucet_vmctx_throw(ctx, NULL), lucet_error_invalid_argument);
    assert_int_equal(lucet_vmctx_exnref(NULL, given, &ref), lucet_error_invalid_argument);
    assert_int_equal(ref, 5);
    assert_int_equal(lucet_vmctx_exnref(ctx, given, NULL), lucet_error_invalid_argument);
    assert_string_not_equal(lucet_error_detail(), "");
    assert_int_equal(lucet_vmctx_exnref(ctx, NULL, &ref), lucet_error_ok);
    assert_string_equal(lucet_error_detail(), "");
    assert_int_equal(ref, 0);
    assert_null(lucet_vmctx_exception(NULL, 1));
    assert_null(lucet_vmctx_exception(ctx, 0));
    assert_null(lucet_vmctx_exception(ctx, 1));
    lucet_vmctx_throw(ctx, NULL);
    assert_int_equal(lucet_vmctx_throw(ctx, given), lucet_error_ok);
    assert_string_equal(lucet_error_detail(), "");
}

static void arguments_are_checked_and_nothing_is_lost(void **state)
{
    struct linked s = begin();
    const struct lucet_val values[] = {
        I64(1), {.ty = lucet_val_type_funcref}, {.ty = lucet_val_type_exnref}};
    struct lucet_val wrong[] = {values[0], values[0], values[2]}, v;
    struct lucet_exception *e = (struct lucet_exception *)&wrong, *free_one;

    (void)state;
    assert_int_equal(lucet_instance_reset(maker), lucet_error_ok);
    assert_int_equal(lucet_exception_new(linked_tag, 3, values, &free_one), lucet_error_ok);
    const long blocks = counting_counts.blocks;
    assert_int_equal(lucet_exception_new(NULL, 3, values, &e), lucet_error_invalid_argument);
    assert_int_equal(lucet_exception_new(linked_tag, 3, values, NULL),
                     lucet_error_invalid_argument);
    assert_int_equal(lucet_exception_new(linked_tag, 2, values, &e), lucet_error_type_mismatch);
    assert_null(e);
    assert_int_equal(lucet_exception_new(linked_tag, 3, wrong, &e), lucet_error_type_mismatch);
    wrong[1] = values[1];
    wrong[2] = LUCET_VAL(exnref, as_ref, free_one); /* no instance has it */
    assert_int_equal(lucet_exception_new(linked_tag, 3, wrong, &e), lucet_error_type_mismatch);
    counting_counts.fails_after = 0;
    assert_int_equal(lucet_exception_new(linked_tag, 3, values, &e), lucet_error_no_memory);
    assert_int_equal(counting_counts.blocks, blocks);
    assert_int_equal(lucet_exception_value(NULL, 0, &v), lucet_error_invalid_argument);
    assert_int_equal(lucet_exception_value(free_one, 0, NULL), lucet_error_invalid_argument);
    assert_int_equal(lucet_exception_value(free_one, 3, &v), lucet_error_invalid_argument);
    assert_string_not_equal(lucet_error_detail(), "");
    assert_int_equal(lucet_exception_value(free_one, 2, &v), lucet_error_ok);
    assert_string_equal(lucet_error_detail(), "");
    assert_null(v.inner_val.as_ref);
    assert_int_equal(lucet_exception_value(NULL, 0, &v), lucet_error_invalid_argument);
    assert_int_equal(lucet_exception_new(linked_tag, 3, values, &e), lucet_error_ok);
    assert_string_equal(lucet_error_detail(), "");
    assert_null(lucet_exception_tag(NULL));
    assert_int_equal(lucet_exception_count(NULL), 0);
    lucet_exception_release(e);
    assert_int_equal(counting_counts.blocks, blocks);

    given = free_one;
    assert_int_equal(
        lucet_linker_func(s.linker, "without", "throw", "I:", (void (*)(void))host_without),
        lucet_error_ok);
    struct lucet_instance *t = add_taker(&s, "without");
    assert_int_equal(guest_call(t, "take", ARGS(I64(0))), 1);
    lucet_exception_release(free_one);
    lucet_instance_release(t);
    lucet_instance_release(maker);
    end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_catches_holds_what_the_values_refer_to),
        cmocka_unit_test(who_is_called_holds_the_caller_only_for_references),
        cmocka_unit_test(an_exception_within_one_of_the_hosts_is_known_to_its_instance_only),
        cmocka_unit_test(its_own_instance_gets_it_whole),
        cmocka_unit_test(what_comes_second_is_not_taken_for_the_first),
        cmocka_unit_test(an_object_stays_itself),
        cmocka_unit_test(one_object_is_never_in_two_sets),
        cmocka_unit_test(host_functions_give_no_more_than_may_be_held),
        cmocka_unit_test(arguments_are_checked_and_nothing_is_lost),
    };

    if (lucet_set_allocator(&counting_allocator) != lucet_error_ok)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
