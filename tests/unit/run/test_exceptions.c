/* Exceptions within one instance, in both forms of the language, at every level of optimisation. */
#include "guest.h"

#include <stdio.h>
#include <stdlib.h>

static struct lucet_region *region;

struct called {
    const char *name;
    uint64_t arg, expected;
};

/* Instantiates the text in every mode and calls i64 -> i64 functions. */
static void expect_calls(const char *wat, const struct called *calls, size_t n)
{
    for (unsigned mode = 0; mode < GUEST_MODES; mode++) {
        struct lucet_dl_module *m = guest_module(wat, &guest_modes[mode]);
        struct lucet_instance *inst = guest_instance(region, m, NULL, NULL);
        for (size_t i = 0; i < n; i++) {
            const uint64_t got = guest_call(inst, calls[i].name, ARGS(I64(calls[i].arg)));
            if (got != calls[i].expected)
                fail_msg("mode %u: %s(%lld) = %lld, expected %lld", mode, calls[i].name,
                         (long long)calls[i].arg, (long long)got, (long long)calls[i].expected);
        }
        lucet_instance_release(inst);
        lucet_dl_module_release(m);
    }
}

#define EXPECT_CALLS(wat, ...)                                                                     \
    do {                                                                                           \
        static const struct called calls_[] = {__VA_ARGS__};                                       \
        expect_calls(wat, calls_, sizeof(calls_) / sizeof(*calls_));                               \
    } while (0)

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
    EXPECT_CALLS(
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
    EXPECT_CALLS(
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
    EXPECT_CALLS(
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
    EXPECT_CALLS(
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
    EXPECT_CALLS(
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
    EXPECT_CALLS(TAGS
                 " (func $down (param i64) (result i64 i64 i64)" /* results in scratch space */
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

/* A million exceptions in a set of 1 MiB; more at once than fit do not; what is kept stays. */
static void exceptions_that_nobody_holds_are_forgotten(void **state)
{
    (void)state;
    guest_begin();
    EXPECT_CALLS(
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

    /* Another instance can be given it, but has another tag $a: what it does not catch comes back. */
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
        cmocka_unit_test(clauses_are_tried_in_order),
        cmocka_unit_test(what_is_not_caught_goes_on_to_the_next_try),
        cmocka_unit_test(references_to_exceptions_can_be_thrown_again),
        cmocka_unit_test(values_of_every_type_arrive),
        cmocka_unit_test(the_older_form),
        cmocka_unit_test(through_many_frames),
        cmocka_unit_test(exceptions_that_nobody_holds_are_forgotten),
        cmocka_unit_test(holding_too_many_exceptions_is_a_trap),
        cmocka_unit_test(what_nothing_catches_comes_to_the_host),
        cmocka_unit_test(a_start_function_may_throw),
        cmocka_unit_test(exceptions_as_arguments_and_results),
        cmocka_unit_test(tags_and_exceptions_are_checked),
        cmocka_unit_test(a_guest_that_throws_for_ever_can_be_stopped),
    };
    return cmocka_run_group_tests(tests, make_region, drop_region);
}
