/* Exceptions within one instance, in both forms of the language, at every level of optimisation. */
#include "guest.h"

/* The callee throws $a(n), $b(n, 2n) or $none() for 1, 2, 3; else returns. */
#define TAGS                                                                                       \
    "(module"                                                                                      \
    " (tag $none) (tag $a (param i64)) (tag $b (param i64 f64))"                                   \
    " (table funcref (elem $thrower))"                                                             \
    " (type $t (func (param i64)))"                                                                \
    " (func $thrower (param i64)"                                                                  \
    "   (if (i64.eq (local.get 0) (i64.const 1)) (then (throw $a (local.get 0))))"                 \
    "   (if (i64.eq (local.get 0) (i64.const 2))"                                                  \
    "     (then (throw $b (local.get 0) (f64.const 4))))"                                          \
    "   (if (i64.eq (local.get 0) (i64.const 3)) (then (throw $none))))"

static void clauses_are_tried_in_order(void **state)
{
    (void)state;
    guest_begin();
    GUEST_EXPECT_CALLS(
        TAGS " (func (export \"direct\") (param i64) (result i64)"
             "   (block $all (block $a (result i64) (block $b (result i64 f64)"
             "     (try_table (catch $a $a) (catch $b $b) (catch_all $all) (call $thrower "
             "(local.get 0)))"
             "     (return (i64.const 100)))"
             "     (return (i64.add (i64.trunc_f64_s) (i64.const 20))))"
             "     (return (i64.add (i64.const 10))))"
             "   (i64.const 30))"
             " (func (export \"indirect\") (param i64) (result i64)"
             "   (block $all (block $a (result i64)"
             "     (try_table (catch $a $a) (catch_all $all)"
             "       (call_indirect (type $t) (local.get 0) (i32.const 0)))"
             "     (return (i64.const 100)))"
             "     (return (i64.add (i64.const 10))))"
             "   (i64.const 30))"
             " (func (export \"first wins\") (param i64) (result i64)"
             "   (block $one (block $two (try_table (catch_all $one) (catch_all $two)"
             "     (call $thrower (local.get 0))) (return (i64.const 0))) (return (i64.const 2)))"
             "   (i64.const 1))"
             /* A clause may name any label, also a loop's and the function's. */
             " (func (export \"loop\") (param i64) (result i64)"
             "   (local $n i64)"
             "   (i64.const 3)"
             "   (loop $again (param i64) (result i64)"
             "     (local.set 0)"
             "     (local.set $n (i64.add (local.get $n) (i64.const 1)))"
             "     (try_table (catch $a $again)"
             "       (if (i64.lt_s (local.get $n) (i64.const 5))"
             "         (then (throw $a (i64.mul (local.get 0) (i64.const 2))))))"
             "     (local.get 0)))"
             " (func (export \"function\") (param i64) (result i64)"
             "   (try_table (catch $a 0) (call $thrower (local.get 0)))"
             "   (i64.const 7)))",
        {"direct", 0, 100}, {"direct", 1, 11}, {"direct", 2, 24}, {"direct", 3, 30},
        {"indirect", 0, 100}, {"indirect", 1, 11}, {"indirect", 2, 30}, {"indirect", 3, 30},
        {"first wins", 0, 0}, {"first wins", 2, 1}, {"loop", 0, 48}, {"function", 1, 1},
        {"function", 0, 7});
}

static void what_is_not_caught_goes_on_to_the_next_try(void **state)
{
    (void)state;
    guest_begin();
    GUEST_EXPECT_CALLS(
        TAGS
        " (func $middle (param i64)"
        "   (block $b (result i64 f64)"
        "     (try_table (catch $b $b) (call $thrower (local.get 0))) (return))"
        "   (drop) (drop))"
        " (func (export \"nested\") (param i64) (result i64)"
        "   (block $outer (result i64)"
        "     (try_table (catch $a $outer)"
        "       (block $inner (try_table (catch $none $inner) (call $middle (local.get 0)))"
        "         (return (i64.const 50)))"
        "       (return (i64.const 60)))"
        "     (i64.const 70)))"
        /* A handler's own exceptions are not for its try. */
        " (func (export \"handler\") (param i64) (result i64)"
        "   (block $outer (result i64)"
        "     (try_table (catch $a $outer)"
        "       (block $h (result i64)"
        "         (try_table (catch $a $h) (call $thrower (local.get 0))) (return (i64.const 0)))"
        "       (throw $a (i64.add (i64.const 5))))"
        "     unreachable))"
        /* Locals are as they were at the call. */
        " (func (export \"locals\") (param i64) (result i64) (local $x i64)"
        "   (block $h"
        "     (try_table (catch_all $h)"
        "       (local.set $x (i64.const 1)) (call $thrower (i64.const 0))"
        "       (local.set $x (i64.const 2)) (call $thrower (local.get 0))"
        "       (local.set $x (i64.const 3))))"
        "   (local.get $x)))",
        {"nested", 0, 50}, {"nested", 1, 1}, {"nested", 2, 50}, {"nested", 3, 60},
        {"handler", 1, 6}, {"handler", 0, 0}, {"locals", 0, 3}, {"locals", 1, 2});
}

static void references_to_exceptions_can_be_thrown_again(void **state)
{
    (void)state;
    guest_begin();
    GUEST_EXPECT_CALLS(
        TAGS
        " (global $g (mut exnref) (ref.null exn))"
        " (table $t 3 exnref)"
        " (func $catch (param i64) (result exnref)"
        "   (block $h (result exnref)"
        "     (try_table (catch_all_ref $h) (call $thrower (local.get 0))) (ref.null exn)))"
        " (func $value (param exnref) (result i64)"
        "   (block $a (result i64)"
        "     (try_table (catch $a $a) (throw_ref (local.get 0))) unreachable))"
        " (func (export \"again\") (param i64) (result i64)"
        "   (call $value (call $catch (local.get 0))))"
        " (func (export \"null\") (param i64) (result i64)"
        "   (i64.extend_i32_u (ref.is_null (call $catch (local.get 0)))))"
        " (func (export \"global\") (param i64) (result i64)"
        "   (global.set $g (call $catch (local.get 0))) (call $value (global.get $g)))"
        " (func (export \"table\") (param i64) (result i64)"
        "   (table.set $t (i32.const 1) (call $catch (local.get 0)))"
        "   (table.copy $t $t (i32.const 2) (i32.const 1) (i32.const 1))"
        "   (call $value (table.get $t (i32.const 2))))"
        /* The same exception with its values beside it; and twice. */
        " (func (export \"both\") (param i64) (result i64) (local $e exnref)"
        "   (block $h (result i64 exnref)"
        "     (try_table (catch_ref $a $h) (call $thrower (local.get 0))) (return (i64.const 0)))"
        "   (local.set $e)"
        "   (i64.mul (i64.const 100))"
        "   (i64.add (call $value (local.get $e)))"
        "   (i64.add (call $value (local.get $e)))))",
        {"again", 1, 1}, {"null", 1, 0}, {"null", 0, 1}, {"global", 1, 1}, {"table", 1, 1},
        {"both", 1, 102});
}

static void values_of_every_type_arrive(void **state)
{
    (void)state;
    guest_begin();
    GUEST_EXPECT_CALLS(
        "(module"
        " (tag $inner (param i64))"
        " (tag $t (param i32 i64 f32 f64 v128 externref funcref exnref i64))"
        " (elem declare func $f)"
        " (func $f (result i64) (i64.const 1000))"
        " (type $r (func (result i64)))"
        " (table $calls 1 funcref)"
        " (func $throw (param i64) (local $e exnref)"
        "   (block $h (result exnref)"
        "     (try_table (catch_all_ref $h) (throw $inner (i64.const 10000))) unreachable)"
        "   (local.set $e)"
        "   (throw $t (i32.const 1) (i64.const 2) (f32.const 3) (f64.const 4)"
        "     (v128.const i64x2 5 6) (ref.null extern) (ref.func $f) (local.get $e)"
        "     (local.get 0)))"
        " (func $sum (param i32 i64 f32 f64 v128 externref funcref exnref i64) (result i64)"
        "   (if (i32.eqz (ref.is_null (local.get 5))) (then unreachable))"
        "   (table.set $calls (i32.const 0) (local.get 6))"
        "   (block $h (result i64)"
        "     (try_table (catch $inner $h) (throw_ref (local.get 7))) unreachable)"
        "   (i64.add (call_indirect $calls (type $r) (i32.const 0)))"
        "   (i64.add (i64.extend_i32_u (local.get 0)))"
        "   (i64.add (local.get 1))"
        "   (i64.add (i64.trunc_f32_s (local.get 2)))"
        "   (i64.add (i64.trunc_f64_s (local.get 3)))"
        "   (i64.add (i64x2.extract_lane 0 (local.get 4)))"
        "   (i64.add (i64x2.extract_lane 1 (local.get 4)))"
        "   (i64.add (local.get 8)))"
        " (func (export \"direct\") (param i64) (result i64)"
        "   (block $h (result i32 i64 f32 f64 v128 externref funcref exnref i64)"
        "     (try_table (catch $t $h) (call $throw (local.get 0))) unreachable)"
        "   (call $sum))"
        " (func (export \"by reference\") (param i64) (result i64) (local $e exnref)"
        "   (block $k (result exnref)"
        "     (try_table (catch_all_ref $k) (call $throw (local.get 0))) unreachable)"
        "   (local.set $e)"
        "   (block $h (result i32 i64 f32 f64 v128 externref funcref exnref i64)"
        "     (try_table (catch $t $h) (throw_ref (local.get $e))) unreachable)"
        "   (call $sum)))",
        {"direct", 500, 11521}, {"by reference", 700, 11721});
}

static void the_older_form(void **state)
{
    (void)state;
    guest_begin();
    GUEST_EXPECT_CALLS(
        TAGS
        " (func (export \"catch\") (param i64) (result i64)"
        "   try (result i64)"
        "     local.get 0 call $thrower i64.const 100"
        "   catch $a i64.const 10 i64.add"
        "   catch $b i64.trunc_f64_s i64.add"
        "   catch_all i64.const 30"
        "   end)"
        " (func (export \"no clause\") (param i64) (result i64)"
        "   try (result i64)"
        "     try local.get 0 call $thrower end i64.const 1"
        "   catch_all i64.const 2 end)"
        " (func (export \"rethrow\") (param i64) (result i64)"
        "   try (result i64)"
        "     try"
        "       local.get 0 call $thrower"
        "     catch $a"
        "       drop"
        /* Another exception in between does not disturb it. */
        "       try i64.const 2 call $thrower catch_all end"
        "       rethrow 0"
        "     catch_all"
        "       try i64.const 1 call $thrower catch_all end"
        "       rethrow 0"
        "     end"
        "     i64.const 5"
        "   catch $a i64.const 10 i64.add"
        "   catch $b i64.trunc_f64_s i64.add i64.const 20 i64.add"
        "   catch $none i64.const 40 end)"
        /* Out of two catches at once: of the outer exception, from within the inner handler. */
        " (func (export \"rethrow outer\") (param i64) (result i64)"
        "   try (result i64)"
        "     try"
        "       local.get 0 call $thrower"
        "     catch_all"
        "       try i64.const 3 call $thrower"
        "       catch $none rethrow 1"
        "       end"
        "     end"
        "     i64.const 9"
        "   catch $a i64.const 10 i64.add"
        "   catch $b i64.trunc_f64_s i64.add"
        "   catch $none i64.const 77 end)"
        /* To the outer try, past the one in between. */
        " (func (export \"delegate\") (param i64) (result i64)"
        "   try $outer (result i64)"
        "     try (result i64)"
        "       try local.get 0 call $thrower delegate $outer"
        "       i64.const 1"
        "     catch_all i64.const 2 end"
        "   catch_all i64.const 3 end)"
        /* Out of the function; and to a block, which is to whatever is around it. */
        " (func $out (param i64) (result i64)"
        "   try (result i64)"
        "     try local.get 0 call $thrower delegate 1"
        "     i64.const 1"
        "   catch_all i64.const 2 end)"
        " (func (export \"delegate out\") (param i64) (result i64)"
        "   try (result i64) local.get 0 call $out catch_all i64.const 3 end)"
        " (func (export \"delegate block\") (param i64) (result i64)"
        "   try (result i64)"
        "     block $b (result i64)"
        "       try (result i64)"
        "         try local.get 0 call $thrower delegate $b"
        "         i64.const 1"
        "       catch_all i64.const 2 end"
        "     end"
        "   catch_all i64.const 3 end)"
        /* A catch's own label as a target means what is around the try. */
        " (func (export \"delegate in catch\") (param i64) (result i64)"
        "   try (result i64)"
        "     try $t (result i64)"
        "       throw $none"
        "     catch_all"
        "       try local.get 0 call $thrower delegate $t"
        "       i64.const 1"
        "     end"
        "   catch_all i64.const 3 end)"
        " (func (export \"both forms\") (param i64) (result i64)"
        "   (block $h (result i64)"
        "     (try_table (result i64) (catch $a $h)"
        "       try (result i64)"
        "         local.get 0 call $thrower i64.const 8"
        "       catch_all rethrow 0 end)))"
        /* Code that cannot be reached, and what cannot throw. */
        " (func (export \"dead\") (param i64) (result i64)"
        "   try (result i64)"
        "     i64.const 4"
        "   catch $a i64.const 1 i64.add"
        "   catch_all i64.const 5 end"
        "   return"
        "   try (result i64)"
        "     try local.get 0 call $thrower delegate 0"
        "     i64.const 1"
        "   catch $a try (result i64) i64.const 1 catch_all rethrow 0 end drop"
        "   catch_all rethrow 0 end)"
        " (func (export \"dead body\") (param i64) (result i64)"
        "   try (result i64)"
        "     i64.const 6 return"
        "     try $t local.get 0 call $thrower catch $a drop catch_all rethrow $t end"
        "     i64.const 2"
        "   catch $a i64.const 1 i64.add"
        "   catch_all i64.const 5 end))",
        {"catch", 0, 100}, {"catch", 1, 11}, {"catch", 2, 6}, {"catch", 3, 30}, {"no clause", 0, 1},
        {"no clause", 1, 2}, {"rethrow", 0, 5}, {"rethrow", 1, 11}, {"rethrow", 2, 26},
        {"rethrow", 3, 40}, {"rethrow outer", 0, 9}, {"rethrow outer", 1, 11},
        {"rethrow outer", 2, 6}, {"rethrow outer", 3, 77}, {"delegate", 0, 1}, {"delegate", 1, 3},
        {"delegate out", 0, 1}, {"delegate out", 1, 3}, {"delegate block", 0, 1},
        {"delegate block", 2, 3}, {"delegate in catch", 0, 1}, {"delegate in catch", 1, 3},
        {"both forms", 0, 8}, {"both forms", 1, 1}, {"dead", 0, 4}, {"dead body", 0, 6});
}

static void through_many_frames(void **state)
{
    (void)state;
    guest_begin();
    GUEST_EXPECT_CALLS(
        TAGS " (func $down (param i64) (result i64 i64 i64)" /* results in scratch space */
             "   (if (i64.eqz (local.get 0)) (then (throw $b (i64.const 3) (f64.const 9))))"
             "   (call $down (i64.sub (local.get 0) (i64.const 1)))"
             "   (i64.add (i64.const 1)))"
             " (func (export \"deep\") (param i64) (result i64)"
             "   (block $h (result i64 f64)"
             "     (try_table (catch $b $h) (call $down (local.get 0)) (drop) (drop) (drop)) "
             "unreachable)"
             "   (i64.trunc_f64_s) (i64.add))"
             /* Each frame catches it and throws it again. */
             " (func $clean (param i64)"
             "   (if (i64.eqz (local.get 0)) (then (throw $a (i64.const 0))))"
             "   (block $h (result i64 exnref)"
             "     (try_table (catch_ref $a $h)"
             "       (call $clean (i64.sub (local.get 0) (i64.const 1)))) unreachable)"
             "   (drop) (i64.add (i64.const 1)) (throw $a))"
             " (func (export \"clean\") (param i64) (result i64)"
             "   (block $h (result i64)"
             "     (try_table (catch $a $h) (call $clean (local.get 0))) unreachable)))",
        {"deep", 1, 12}, {"deep", 1500, 12}, {"clean", 1000, 1000});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clauses_are_tried_in_order),
        cmocka_unit_test(what_is_not_caught_goes_on_to_the_next_try),
        cmocka_unit_test(references_to_exceptions_can_be_thrown_again),
        cmocka_unit_test(values_of_every_type_arrive),
        cmocka_unit_test(the_older_form),
        cmocka_unit_test(through_many_frames),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
