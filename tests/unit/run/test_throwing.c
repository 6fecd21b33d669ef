/* Exceptions from one instance to another, over the frames of modules that know nothing of them. */
#include "linked.h"

#include <stdio.h>

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

/* Both call each other through a table, with an instance without tags in between, to any depth;
 * every other level catches what it knows. */
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

/* By a function's result, parameter and a global: then the two are one store, and know each
 * other's. */
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
