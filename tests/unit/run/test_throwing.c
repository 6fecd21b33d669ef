/* Exceptions from one instance to another, over the frames of modules that know nothing of them. */
#include "linked.h"

#include <stdio.h>
#include <stdlib.h>

#include "lucet/exception.h"
#include "runtime/exception.h"
#include "runtime/instance.h"
static void an_exception_comes_from_one_instance_to_another(void **state)
{
    (void)state;
    EACH_MODE(s)
    {
        struct lucet_instance *t = linked_add(&s, "t", linked_thrower);
        struct lucet_instance *c = linked_add(&s, NULL, LINKED_CATCHER("t"));
        for (int i = 0; i < 3; i++) {
            assert_int_equal(guest_call(c, "f", ARGS(I64(1))), 'C' + 21 + 10);
            assert_int_equal(guest_call(c, "f", ARGS(I64(0))), 'C' + 500);
            assert_int_equal(guest_call(c, "f", ARGS(I64(2))), 'C' + 42 + 1000 + 'T');
            assert_int_equal(guest_call(c, "many", ARGS(I64(0))), 20);
            assert_int_equal(guest_call(c, "many", ARGS(I64(1))), 6);
        }
        lucet_instance_release(t);
        lucet_instance_release(c);
    }
}

static void it_passes_frames_of_modules_without_tags(void **state)
{
    (void)state;
    EACH_MODE(s)
    {
        struct lucet_instance *t = linked_add(&s, "t", linked_thrower);
        struct lucet_instance *m = linked_add(&s, "m", LINKED_MIDDLE);
        struct lucet_instance *c = linked_add(&s, NULL, LINKED_CATCHER("m"));
        struct lucet_result r;
        for (int i = 0; i < 3; i++) {
            assert_int_equal(guest_call(c, "f", ARGS(I64(1))), 'C' + 21 + 10);
            assert_int_equal(guest_call(c, "f", ARGS(I64(0))), 'C' + 500);
            assert_int_equal(guest_call(c, "f", ARGS(I64(501))), 'C' + 21 * 501 + 10);
            assert_int_equal(guest_call(c, "f", ARGS(I64(2))), 'C' + 42 + 1000 + 'T');
            assert_int_equal(guest_call(c, "many", ARGS(I64(0))), 20);
            assert_int_equal(guest_call(c, "many", ARGS(I64(1))), 6);
        }
        /* What the frames did before the call stays; nothing behind it was done. */
        assert_int_equal(guest_call(m, "g", 0, NULL), 3 * (1 + 1 + 51 + 1000001));
        /* Nobody catches it at all: out of frames that know nothing. */
        assert_int_equal(lucet_instance_run(m, "throw", ARGS(I64(1)), &r),
                         lucet_error_runtime_threw);
        struct lucet_val v;
        assert_int_equal(lucet_exception_value(r.val.threw.exception, 0, &v), lucet_error_ok);
        assert_int_equal(v.inner_val.as_i64, 10);
        assert_int_equal(guest_call(m, "throw", ARGS(I64(2))), 'T');
        lucet_instance_release(t);
        lucet_instance_release(m);
        lucet_instance_release(c);
    }
}

/* Both call each other through a table, with an instance without tags in between, to any depth; every
 * other level catches what it knows. */
static void it_passes_many_instances_in_turn(void **state)
{
    static const char plain[] =
        "(module (type $t (func (param i64) (result i64)))"
        " (table (export \"t\") 8 funcref)"
        " (func $f (param i64) (result i64)"
        "   (i64.add (call_indirect (type $t) (local.get 0) (i32.const 1)) (i64.const 1000000)))"
        " (elem (i32.const 0) $f))";
    static const char tagged[] =
        "(module (type $t (func (param i64) (result i64)))"
        " (import \"p\" \"t\" (table 8 funcref)) (import \"x\" \"tag\" (tag $x (param i64)))"
        " (tag $foreign (param f64))"
        " (elem (i32.const %d) $f)"
        " (func $f (export \"f\") (param $n i64) (result i64)"
        "   (if (i64.eqz (local.get $n)) (then (throw $x (i64.const 7))))"
        "   (if (result i64) (i64.eqz (i64.rem_s (local.get $n) (i64.const 2)))"
        "     (then (block $h (result i64)"
        "       (try_table (result i64) (catch $x $h)"
        "         (call_indirect (type $t) (i64.sub (local.get $n) (i64.const 1)) (i32.const %d)))"
        "       unreachable)"
        "       (i64.add (i64.const 1)) (throw $x))"
        "     (else (call_indirect (type $t) (i64.sub (local.get $n) (i64.const 1))"
        "       (i32.const %d)))))"
        " (func (export \"begin\") (param i64) (result i64)"
        "   (block $h (result i64)"
        "     (try_table (result i64) (catch $x $h) (call $f (local.get 0))))))";

    (void)state;
    EACH_MODE(s)
    {
        char one[2000], two[2000];
        struct lucet_tag *x;
        assert_int_equal(lucet_tag_new("I:", &x), lucet_error_ok);
        assert_int_equal(lucet_linker_tag(s.linker, "x", "tag", x), lucet_error_ok);
        lucet_tag_release(x);
        struct lucet_instance *p = linked_add(&s, "p", plain);
        snprintf(one, sizeof one, tagged, 1, 0, 2); /* plain calls entry 1 */
        snprintf(two, sizeof two, tagged, 2, 1, 0);
        struct lucet_instance *a = linked_add(&s, "a", one), *b = linked_add(&s, "b", two);
        for (int64_t n = 0; n < 300; n += 1 + n / 3) {
            assert_int_equal(guest_call(a, "begin", ARGS(I64(n))), 7 + n / 2);
            assert_int_equal(guest_call(b, "begin", ARGS(I64(n))), 7 + n / 2);
        }
        lucet_instance_release(p);
        lucet_instance_release(a);
        lucet_instance_release(b);
    }
}

static void tags_are_the_same_only_when_they_are_shared(void **state)
{
    static const char user[] =
        "(module (import \"%s\" \"a\" (tag $a (param i64)))"
        " (import \"%s\" \"throw\" (func $throw (param i64) (result i64)))"
        " (tag $like (param i64))"
        " (export \"again\" (tag $a)) (export \"like\" (tag $like))"
        " (func (export \"f\") (param i64) (result i64)"
        "   (block $all (block $a (result i64) (block $like (result i64)"
        "     (try_table (result i64) (catch $like $like) (catch $a $a) (catch_all $all)"
        "       (call $throw (local.get 0))) (drop) (return (i64.const 0)))"
        "     (return (i64.add (i64.const 1000))))"
        "     (return (i64.add (i64.const 2000))))"
        "   (i64.const 3000)))";

    (void)state;
    EACH_MODE(s)
    {
        char wat[1000];
        struct lucet_tag *one, *two, *again, *like, *like2;
        struct lucet_instance *t = linked_add(&s, "t", linked_thrower),
                              *t2 = linked_add(&s, "t2", linked_thrower);
        snprintf(wat, sizeof wat, user, "t", "t");
        struct lucet_instance *same = linked_add(&s, "same", wat);
        snprintf(wat, sizeof wat, user, "t2", "t");
        struct lucet_instance *other = linked_add(&s, NULL, wat);
        snprintf(wat, sizeof wat, user, "t", "t");
        struct lucet_instance *same2 = linked_add(&s, NULL, wat);
        assert_int_equal(guest_call(same, "f", ARGS(I64(1))), 2010);
        assert_int_equal(guest_call(other, "f", ARGS(I64(1))), 3000);
        assert_int_equal(guest_call(same, "f", ARGS(I64(0))), 3000);
        assert_int_equal(lucet_instance_tag(t, "a", 1, &one), lucet_error_ok);
        assert_int_equal(lucet_instance_tag(t2, "a", 1, &two), lucet_error_ok);
        assert_int_equal(lucet_instance_tag(same, "again", 5, &again), lucet_error_ok);
        assert_int_equal(lucet_instance_tag(same, "like", 4, &like), lucet_error_ok);
        assert_int_equal(lucet_instance_tag(same2, "like", 4, &like2), lucet_error_ok);
        assert_ptr_equal(one, again);
        assert_ptr_not_equal(one, two);
        assert_ptr_not_equal(one, like);
        assert_ptr_not_equal(like, like2);
        /* Nor does a reset make others of them. */
        assert_int_equal(lucet_instance_reset(t), lucet_error_ok);
        assert_int_equal(lucet_instance_reset(same), lucet_error_ok);
        assert_int_equal(guest_call(same, "f", ARGS(I64(1))), 2010);

        struct lucet_dl_module *m =
            guest_module("(module (import \"t\" \"a\" (tag (param i32))))", s.mode);
        const struct lucet_instance_options o = {.linker = s.linker};
        struct lucet_instance *none;
        assert_int_equal(lucet_region_new_instance_with(s.region, m, &o, &none),
                         lucet_error_type_mismatch);
        assert_non_null(strstr(lucet_error_detail(), "tag has another type"));
        lucet_dl_module_release(m);
        lucet_instance_release(t);
        lucet_instance_release(t2);
        lucet_instance_release(same);
        lucet_instance_release(same2);
        lucet_instance_release(other);
    }
}

/* Its values stay on the way through an instance that cannot name them. */
static void an_unknown_exception_can_be_kept_and_thrown_again(void **state)
{
    static const char keeper[] =
        "(module (import \"t\" \"throw\" (func $throw (param i64) (result i64)))"
        " (tag $noise (param i64)) (global $e (mut exnref) (ref.null exn))"
        " (func $busy (block $h (result i64)"
        "   (try_table (catch $noise $h) (throw $noise (i64.const 1))) unreachable) (drop))"
        " (func (export \"throw\") (param i64) (result i64)"
        "   (block $h (result exnref)"
        "     (try_table (catch_all_ref $h) (return (call $throw (local.get 0)))) unreachable)"
        "   (global.set $e) (call $busy)"
        "   (throw_ref (global.get $e)))"
        " (func (export \"legacy\") (param i64) (result i64)"
        "   try (result i64) local.get 0 call $throw"
        "   catch $noise"
        "   catch_all call $busy rethrow 0 end)"
        " (func (export \"through\") (param i64) (result i64)"
        "   (block $h (result i64)"
        "     (try_table (result i64) (catch $noise $h) (call $throw (local.get 0)))))"
        " (func (export \"many\") (param i64) (result i64 i64 i64 f64) unreachable))";

    (void)state;
    EACH_MODE(s)
    {
        struct lucet_instance *t = linked_add(&s, "t", linked_thrower),
                              *k = linked_add(&s, "k", keeper);
        struct lucet_instance *c = linked_add(&s, NULL, LINKED_CATCHER("k"));
        struct lucet_result r;
        struct lucet_tag *a;
        assert_int_equal(lucet_instance_tag(t, "a", 1, &a), lucet_error_ok);
        for (int i = 0; i < 20000; i++)
            if (guest_call(c, "f", ARGS(I64(1))) != 'C' + 21 + 10)
                fail_msg("%d", i);
        assert_int_equal(guest_call(c, "f", ARGS(I64(0))), 'C' + 500);
        for (int i = 0; i < 3; i++) {
            static const char *const names[] = {"throw", "legacy", "through"};
            assert_int_equal(lucet_instance_run(k, names[i], ARGS(I64(1)), &r),
                             lucet_error_runtime_threw);
            assert_ptr_equal(lucet_exception_tag(r.val.threw.exception), a);
            assert_int_equal(lucet_instance_run(k, names[i], ARGS(I64(0)), &r),
                             lucet_error_runtime_threw);
            assert_ptr_not_equal(lucet_exception_tag(r.val.threw.exception), a);
        }
        lucet_instance_release(t);
        lucet_instance_release(k);
        lucet_instance_release(c);
    }
}

/* A function and an exception among the values outlive their instance's owner. */
static void what_an_exception_refers_to_lives_on(void **state)
{
    static const char maker[] =
        "(module (tag $f (export \"f\") (param funcref exnref)) (tag $n (export \"n\") (param i64))"
        " (global $g (mut i64) (i64.const 41)) (elem declare func $next)"
        " (func $next (result i64)"
        "   (global.set $g (i64.add (global.get $g) (i64.const 1))) (global.get $g))"
        " (func (export \"throw\") (local $e exnref)"
        "   (block $h (result exnref)"
        "     (try_table (catch_all_ref $h) (throw $n (i64.const 8))) unreachable)"
        "   (local.set $e) (throw $f (ref.func $next) (local.get $e))))";
    static const char taker[] =
        "(module (import \"m\" \"throw\" (func $throw))"
        " (import \"m\" \"f\" (tag $f (param funcref exnref)))"
        " (import \"m\" \"n\" (tag $n (param i64)))"
        " (table $t 1 funcref) (global $e (mut exnref) (ref.null exn))"
        " (type $r (func (result i64)))"
        " (func (export \"take\")"
        "   (block $h (result funcref exnref)"
        "     (try_table (catch $f $h) (call $throw)) unreachable)"
        "   (global.set $e) (table.set $t (i32.const 0) (table.get $t (i32.const 0)))"
        "   (call $put))"
        " (func $put (param funcref) (table.set $t (i32.const 0) (local.get 0)))"
        " (func (export \"use\") (result i64)"
        "   (block $h (result i64)"
        "     (try_table (catch $n $h) (throw_ref (global.get $e))) unreachable)"
        "   (i64.add (call_indirect (type $r) (i32.const 0)))))";

    (void)state;
    EACH_MODE(s)
    {
        struct lucet_instance *m = linked_add(&s, "m", maker), *t = linked_add(&s, NULL, taker);
        struct lucet_exception *e;
        struct lucet_result r;
        struct lucet_val v;
        guest_call(t, "take", 0, NULL);
        assert_int_equal(lucet_instance_run(m, "throw", 0, NULL, &r), lucet_error_runtime_threw);
        e = r.val.threw.exception;
        lucet_exception_retain(e);
        assert_int_equal(lucet_exception_value(e, 0, &v), lucet_error_ok);
        assert_non_null(v.inner_val.as_ref);
        assert_int_equal(lucet_exception_value(e, 1, &v), lucet_error_ok);
        assert_int_equal(v.ty, lucet_val_type_exnref);
        assert_int_equal(lucet_exception_value(v.inner_val.as_ref, 0, &v), lucet_error_ok);
        assert_int_equal(v.inner_val.as_i64, 8);
        lucet_instance_release(m);
        lucet_linker_release(s.linker);
        assert_int_equal(lucet_linker_new(&s.linker), lucet_error_ok);
        assert_int_equal(guest_call(t, "use", 0, NULL), 50);
        assert_int_equal(guest_call(t, "use", 0, NULL), 51);
        assert_int_equal(lucet_instance_reset(t), lucet_error_ok);
        lucet_instance_release(t);
        /* All are gone: what the host holds refers to nothing any more. */
        assert_int_equal(lucet_region_used_slots(s.region), 0);
        for (size_t k = 0; k < 2; k++) {
            assert_int_equal(lucet_exception_value(e, k, &v), lucet_error_ok);
            assert_null(v.inner_val.as_ref);
        }
        lucet_exception_release(e);
    }
}

/* By a function's result, parameter and a global: then the two are one store, and know each other's. */
static void references_go_between_linked_instances(void **state)
{
    static const char maker[] =
        "(module (tag $a (export \"tag\") (param i64))"
        " (global $g (export \"g\") (mut exnref) (ref.null exn))"
        " (func $make (export \"make\") (param i64) (result exnref)"
        "   (block $h (result exnref)"
        "     (try_table (catch_all_ref $h) (throw $a (local.get 0))) unreachable))"
        " (func (export \"value\") (param exnref) (result i64)"
        "   (block $h (result i64)"
        "     (try_table (catch $a $h) (throw_ref (local.get 0))) unreachable)))";
    static const char user[] =
        "(module (import \"m\" \"tag\" (tag $a (param i64)))"
        " (import \"m\" \"make\" (func $make (param i64) (result exnref)))"
        " (import \"m\" \"value\" (func $value (param exnref) (result i64)))"
        " (import \"m\" \"g\" (global $g (mut exnref)))"
        " (global $mine (mut exnref) (ref.null exn))"
        " (func $own (param exnref) (result i64)"
        "   (block $h (result i64)"
        "     (try_table (catch $a $h) (throw_ref (local.get 0))) unreachable))"
        " (func $catch (param i64) (result exnref)"
        "   (block $h (result exnref)"
        "     (try_table (catch_all_ref $h) (throw $a (local.get 0))) unreachable))"
        " (func (export \"f\") (param $n i64) (result i64)"
        "   (global.set $mine (call $make (i64.const 1)))"
        "   (global.set $g (call $catch (i64.const 20)))"
        /* Both make so many that those which are not in use go. */
        "   (loop $l"
        "     (drop (call $make (local.get $n))) (drop (call $catch (local.get $n)))"
        "     (br_if $l (i32.wrap_i64"
        "       (local.tee $n (i64.sub (local.get $n) (i64.const 1))))))"
        "   (call $own (global.get $mine))"
        "   (i64.add (call $value (global.get $mine)))"
        "   (i64.add (call $own (global.get $g)))"
        "   (i64.add (call $value (global.get $g)))))";

    (void)state;
    EACH_MODE(s)
    {
        struct lucet_instance *m = linked_add(&s, "m", maker), *u = linked_add(&s, NULL, user);
        assert_int_equal(guest_call(u, "f", ARGS(I64(20000))), 42);
        lucet_instance_release(m);
        assert_int_equal(guest_call(u, "f", ARGS(I64(20000))), 42);
        lucet_instance_release(u);
    }
}

/* ---- Host functions ---- */

static struct lucet_tag *host_tag;

static int64_t host_throw(struct lucet_vmctx *ctx, int64_t n)
{
    struct lucet_exception *e;

    if (n > 100)
        return n;
    assert_int_equal(lucet_exception_new(host_tag, ARGS(I64(n), LUCET_VAL_F64(2.5)), &e),
                     lucet_error_ok);
    assert_int_equal(lucet_vmctx_throw(ctx, e), lucet_error_ok);
    lucet_exception_release(e);
    return 12345;
}

static int64_t host_throw_and_trap(struct lucet_vmctx *ctx, int64_t n)
{
    host_throw(ctx, n);
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

#define CATCH_HOST                                                                                 \
    "(module (import \"host\" \"f\" (func $f (param i64) (result i64)))"                           \
    " (import \"host\" \"tag\" (tag $t (param i64 f64)))"                                          \
    " (func (export \"f\") (param i64) (result i64)"                                               \
    "   (block $h (result i64 f64)"                                                                \
    "     (try_table (catch $t $h) (return (call $f (local.get 0)))) unreachable)"                 \
    "   (i64.trunc_f64_s (f64.mul (f64.const 2))) (i64.add) (i64.add (i64.const 1000)))"           \
    " (func (export \"trap\") (param i64) (result i64)"                                            \
    "   (block $h (result i64 f64)"                                                                \
    "     (try_table (catch $t $h) (return (call $f (local.get 0)))) unreachable)"                 \
    "   unreachable))"

static void add_tag(struct set *s)
{
    assert_int_equal(lucet_tag_new("IF:", &host_tag), lucet_error_ok);
    assert_int_equal(lucet_linker_tag(s->linker, "host", "tag", host_tag), lucet_error_ok);
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
        add_tag(&s);
        add_host(&s, "f", "I:I", host_throw);
        struct lucet_instance *c = add(&s, NULL, CATCH_HOST), *u = add(&s, "u", uncaught);
        struct lucet_instance *o = add(&s, NULL, over), *k = add(&s, NULL, unknown);
        for (int i = 0; i < 5000; i++) { /* nothing is left of each */
            assert_int_equal(guest_call(c, "f", ARGS(I64(3))), 1008);
            assert_int_equal(guest_call(o, "f", ARGS(I64(4))), 4);
        }
        assert_int_equal(guest_call(c, "f", ARGS(I64(500))), 500);
        assert_int_equal(guest_call(o, "f", ARGS(I64(500))), 501);
        assert_int_equal(lucet_instance_run(u, "f", ARGS(I64(6)), &r), lucet_error_runtime_threw);
        assert_ptr_equal(lucet_exception_tag(r.val.threw.exception), host_tag);
        assert_int_equal(lucet_exception_value(r.val.threw.exception, 0, &v), lucet_error_ok);
        assert_int_equal(v.inner_val.as_i64, 6);
        assert_int_equal(guest_call(u, "f", ARGS(I64(500))), 501);
        for (int i = 0; i < 20000; i++)
            if (lucet_instance_run(k, "throw", ARGS(I64(9)), &r) != lucet_error_runtime_threw)
                fail_msg("%d: %s", i, lucet_error_detail());
        assert_ptr_equal(lucet_exception_tag(r.val.threw.exception), host_tag);
        assert_int_equal(lucet_exception_value(r.val.threw.exception, 0, &v), lucet_error_ok);
        assert_int_equal(v.inner_val.as_i64, 9);
        lucet_tag_release(host_tag);
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
        add_tag(&s);
        add_host(&s, "f", "I:I", host_throw_and_trap);
        struct lucet_instance *c = add(&s, NULL, CATCH_HOST);
        assert_int_equal(guest_trap(c, "f", ARGS(I64(3))), lucet_trapcode_heap_misaligned);
        assert_int_equal(lucet_instance_reset(c), lucet_error_ok);
        assert_int_equal(guest_trap(c, "f", ARGS(I64(3))), lucet_trapcode_heap_misaligned);
        lucet_tag_release(host_tag);
        lucet_instance_release(c);
    }
}

static void host_functions_pass_on_what_a_guest_threw(void **state)
{
    (void)state;
    EACH_MODE(s)
    {
        add_tag(&s);
        add_host(&s, "f", "I:I", host_throw);
        inner = add(&s, NULL,
                    "(module (import \"host\" \"f\" (func $f (param i64) (result i64)))"
                    " (tag $mine (param f64))"
                    " (func (export \"f\") (param i64) (result i64)"
                    "   (if (i64.eqz (local.get 0)) (then (throw $mine (f64.const 1))))"
                    "   (call $f (local.get 0))))");
        add_host(&s, "f", "I:I", host_pass);
        struct lucet_instance *c = add(&s, NULL, CATCH_HOST);
        struct lucet_result r;
        for (int i = 0; i < 200; i++)
            assert_int_equal(guest_call(c, "f", ARGS(I64(3))), 1008);
        assert_int_equal(guest_call(c, "f", ARGS(I64(500))), 507);
        /* The inner one's own tag nobody here knows. */
        assert_int_equal(lucet_instance_run(c, "f", ARGS(I64(0)), &r), lucet_error_runtime_threw);
        assert_string_equal(lucet_tag_signature(lucet_exception_tag(r.val.threw.exception)), "F:");
        lucet_instance_release(inner);
        lucet_tag_release(host_tag);
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
        add_tag(&s);
        add_host(&s, "f", "I:I", host_throw);
        inner = add(&s, NULL, plain);
        add_host(&s, "f", "I:I", host_run_plain);
        struct lucet_instance *middle = add(&s, "host", plain);
        assert_int_equal(lucet_linker_tag(s.linker, "host", "tag", host_tag), lucet_error_ok);
        struct lucet_instance *c = add(&s, NULL, CATCH_HOST);
        for (int i = 0; i < 3; i++)
            assert_int_equal(guest_call(c, "f", ARGS(I64(3))), 66);
        lucet_tag_release(host_tag);
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
        add_host(&s, "swap", "x:x", host_swap);
        struct lucet_instance *one = add(&s, NULL, wat), *two = add(&s, NULL, wat);
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

/* A guest that was put aside keeps what it holds, and what its host function threw before. */
static int64_t host_throw_and_yield(struct lucet_vmctx *ctx, int64_t n)
{
    host_throw(ctx, n);
    lucet_vmctx_yield(ctx, NULL);
    return 0;
}

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
    static const char spender[] =
        "(module (import \"a\" \"make\" (func $make (param i64) (result exnref)))"
        " (tag $none)"
        " (func (export \"spend\") (param $n i64) (result i64)"
        "   (loop $l (drop (call $make (local.get $n)))"
        "     (br_if $l (i32.wrap_i64"
        "       (local.tee $n (i64.sub (local.get $n) (i64.const 1))))))"
        "   (i64.const 0)))";

    (void)state;
    EACH_MODE(s)
    {
        struct lucet_result r;
        add_tag(&s);
        add_host(&s, "f", "I:I", host_throw_and_yield);
        struct lucet_instance *a = add(&s, "a", holder), *b = add(&s, NULL, spender);
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
        lucet_tag_release(host_tag);
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
        add_host(&s, "f", "I:I", host_throw_kill_and_yield);
        struct lucet_instance *a = add(&s, NULL, wat);
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
    return host_throw(ctx, n);
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
        add_tag(&s);
        add_host(&s, "f", "I:I", host_yield_and_throw);
        struct lucet_instance *m = add(&s, "host", middle);
        assert_int_equal(lucet_linker_tag(s.linker, "host", "tag", host_tag), lucet_error_ok);
        struct lucet_instance *c = add(&s, NULL, CATCH_HOST);
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
        lucet_tag_release(host_tag);
        lucet_instance_release(m);
        lucet_instance_release(c);
    }
}

/* A run is stopped while exceptions are on their way in the instance that it called. That one is not reset,
 * because the host does not know of it; what was on its way there must not appear in its next call. */
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
        struct lucet_instance *c = add(&s, "c", callee), *a = add(&s, NULL, caller);
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

/* Calls through handles end like others. */
static void calls_through_handles_throw(void **state)
{
    (void)state;
    EACH_MODE(s)
    {
        struct lucet_func throw, f, fine;
        struct lucet_result r;
        struct lucet_val v;
        struct lucet_instance *t = add(&s, "t", thrower);
        struct lucet_dl_module *tm = guest_module(thrower, s.mode);
        struct lucet_dl_module *cm = guest_module(CATCHER("t"), s.mode);
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
        struct lucet_instance *t = add(&s, "t", thrower), *c = add(&s, NULL, wat);
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
        cmocka_unit_test(an_exception_comes_from_one_instance_to_another),
        cmocka_unit_test(it_passes_frames_of_modules_without_tags),
        cmocka_unit_test(it_passes_many_instances_in_turn),
        cmocka_unit_test(tags_are_the_same_only_when_they_are_shared),
        cmocka_unit_test(an_unknown_exception_can_be_kept_and_thrown_again),
        cmocka_unit_test(what_an_exception_refers_to_lives_on),
        cmocka_unit_test(references_go_between_linked_instances),
        cmocka_unit_test(host_functions_throw),
        cmocka_unit_test(a_trap_after_throwing_is_a_trap),
        cmocka_unit_test(host_functions_pass_on_what_a_guest_threw),
        cmocka_unit_test(no_exception_passes_frames_of_the_host),
        cmocka_unit_test(host_functions_take_and_give_references),
        cmocka_unit_test(exceptions_and_yielding),
        cmocka_unit_test(a_kill_that_meets_a_yield_drops_what_was_thrown),
        cmocka_unit_test(an_exception_lands_on_another_thread),
        cmocka_unit_test(what_a_stopped_run_left_is_gone),
        cmocka_unit_test(calls_through_handles_throw),
        cmocka_unit_test(near_the_end_of_the_stack),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
