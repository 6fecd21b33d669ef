/* A slice ends at every single instruction of a guest that holds and passes on exceptions; these
 * are collected then, and whatever the guest holds, wherever that is at the moment, is there when
 * it goes on. The processor's trap flag counts the instructions. */
#include "guest.h"
#include "steps.h"

#include <signal.h>
#include <stdio.h>
#include <ucontext.h>

#include "lucet/exception.h"
#include "runtime/exception.h"
#include "runtime/instance.h"
#include "runtime/ranges.h"

#ifdef LUCET_TSAN
int main(void)
{
    return steps_skipped();
}
#else

#define MAKE_AND_VALUE                                                                             \
    " (func $make (param i64) (result exnref)"                                                     \
    "   (block $h (result exnref)"                                                                 \
    "     (try_table (catch_all_ref $h) (throw $n (local.get 0))) unreachable))"                   \
    " (func $value (param exnref) (result i64)"                                                    \
    "   (block $h (result i64) (try_table (catch $n $h) (throw_ref (local.get 0)))"                \
    "     unreachable))"

/* Returns references through scratch space, and throws some. */
static const char far_wat[] =
    "(module (import \"h\" \"secret\" (tag $secret (param exnref)))"
    " (tag $n (export \"n\") (param i64)) (tag $two (export \"two\") (param exnref i64 "
    "exnref))"
    " (table (export \"t\") 2 exnref)" MAKE_AND_VALUE
    " (func (export \"open\") (param exnref) (result i64)"
    "   (block $h (result exnref) (try_table (catch $secret $h) (throw_ref (local.get 0)))"
    "     unreachable)"
    "   (call $value))"
    " (func $three (export \"three\") (param i64) (result exnref i64 exnref)"
    "   (call $make (local.get 0)) (local.get 0) (call $make (i64.const 5)))"
    " (func (export \"noise\") (drop (call $make (i64.const 0))) (drop (call $make (i64.const 0)))"
    "   (call $three (i64.const 1)) (drop) (drop) (drop))"
    " (func (export \"throw\") (param exnref i64)"
    "   (throw $two (local.get 0) (local.get 1) (call $make (i64.const 7)))))";

static const char near_wat[] =
    "(module (import \"far\" \"n\" (tag $n (param i64)))"
    " (import \"far\" \"two\" (tag $two (param exnref i64 exnref)))"
    " (import \"far\" \"t\" (table $t 2 exnref))"
    " (import \"far\" \"three\" (func $three (param i64) (result exnref i64 exnref)))"
    " (import \"far\" \"throw\" (func $throw (param exnref i64)))"
    " (import \"far\" \"open\" (func $open (param exnref) (result i64)))"
    " (import \"h\" \"throw\" (func $host_throw)) (import \"h\" \"begin\" (func $begin))"
    " (import \"h\" \"end\" (func $end))"
    " (global $g (mut exnref) (ref.null exn)) (table $own 2 exnref)" MAKE_AND_VALUE
    " (func $pass (param exnref i64 exnref) (result exnref i64 exnref)"
    "   (local.get 2) (local.get 1) (local.get 0))"
    " (global $sum (mut i64) (i64.const 1))"
    /* Of a tag that this module does not know. */
    " (func $passed (call $host_throw) (global.set $sum (i64.const 1)))"
    " (func $caught (result exnref)"
    "   (block $h (result exnref) (try_table (catch_all_ref $h) (call $passed)) "
    "unreachable))"
    " (func $pick (param $c i32) (param exnref exnref) (result exnref)"
    "   (select (result exnref) (local.get 1) (local.get 2) (local.get $c)))"
    " (func $deep (param $n i32) (param $e exnref) (result i64)"
    "   (if (result i64) (local.get $n)"
    "     (then (i64.add (call $deep (i32.sub (local.get $n) (i32.const 1))"
    "                                (call $make (i64.extend_i32_u (local.get $n))))"
    "                    (call $value (local.get $e))))"
    "     (else (call $value (local.get $e)))))"
    " (func (export \"noise\") (drop (call $make (i64.const 0))) (drop (call $make "
    "(i64.const 0)))"
    "   (call $three (i64.const 1)) (drop) (drop) (drop))"
    " (func (export \"go\") (result i64)"
    "   (local $a exnref) (local $b exnref) (local $c exnref) (local $s i64)"
    "   (call $begin)"
    "   (call $three (i64.const 3)) (local.set $b) (local.set $s) (local.set $a)"
    "   (call $pass (local.get $a) (local.get $s) (local.get $b))"
    "   (local.set $b) (local.set $s) (local.set $a)"
    /* One of an exception that is on its way, and what comes with it. */
    "   (block $h (result exnref i64 exnref)"
    "     (try_table (catch $two $h) (call $throw (local.get $a) (local.get $s))) "
    "unreachable)"
    "   (local.set $a) (local.set $s) (local.set $c)"
    "   (table.set $own (i32.const 1) (local.get $c))"
    "   (global.set $g (local.get $b)) (local.set $b (table.get $own (i32.const 1)))"
    "   (table.set $own (i32.const 1) (ref.null exn))"
    "   (table.set $t (i32.const 0) (global.get $g)) (global.set $g (ref.null exn))"
    "   (table.copy $own $t (i32.const 0) (i32.const 0) (i32.const 1))"
    "   (table.set $t (i32.const 0) (ref.null exn))"
    "   (local.set $s (i64.add (local.get $s) (call $value"
    "     (call $pick (i32.const 1) (local.get $b) (table.get $own (i32.const 0))))))"
    "   (local.set $s (i64.add (local.get $s) (call $value (table.get $own (i32.const "
    "0)))))"
    "   (local.set $s (i64.add (local.get $s) (call $deep (i32.const 3) (local.get "
    "$a))))"
    "   (local.set $s (i64.add (local.get $s) (call $open (call $caught))))"
    "   (call $end)"
    "   (i64.add (i64.mul (local.get $s) (i64.const 100)) (call $value (local.get "
    "$b))))"
    " (func (export \"few\") (param exnref exnref) (result i64)"
    "   (i64.add (i64.mul (call $value (local.get 0)) (i64.const 10)) (call $value "
    "(local.get 1))))"
    " (func (export \"many\") (param exnref i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 "
    "i64 i64 i64 i64"
    "                          i64 i64 i64 exnref) (result i64)"
    "   (i64.add (i64.mul (call $value (local.get 0)) (i64.const 10)) (call $value "
    "(local.get "
    "18))))"
    " (func (export \"new\") (param i64) (result exnref) (call $make (local.get 0))))";

/* Whose store is its own. */
static const char caller_wat[] = "(module (import \"near\" \"go\" (func $go (result i64)))"
                                 " (func (export \"go\") (result i64) (call $go)))";

static struct {
    bool on, again; /* from the instruction on at which a slice has ended */
    unsigned seen;
} step;

static void on_step(int sig, siginfo_t *info, void *context)
{
    ucontext_t *u = context;
    const bool in_guest = lucet__code_range_find((uintptr_t)u->uc_mcontext.gregs[REG_RIP]);

    (void)sig, (void)info;
    if (step.on)
        u->uc_mcontext.gregs[REG_EFL] |= TRAP_FLAG;
    else
        u->uc_mcontext.gregs[REG_EFL] &= ~(greg_t)TRAP_FLAG;
    if (!step.on || !in_guest)
        return;
    if (step.again) {
        step.again = false;
        return;
    }
    step.seen++;
    lucet_end_slice(context);
    /* Or where the code is of a kind that is not interrupted, soon. */
    step.on = lucet__code_range_find((uintptr_t)u->uc_mcontext.gregs[REG_RIP]);
    if (!step.on)
        u->uc_mcontext.gregs[REG_EFL] &= ~(greg_t)TRAP_FLAG;
}

static void start_steps(void)
{
    step.on = true;
    raise(SIGTRAP);
}

static void begin(struct lucet_vmctx *ctx)
{
    (void)ctx;
    start_steps();
}

static void end(struct lucet_vmctx *ctx)
{
    (void)ctx;
    step.on = false;
}

static struct lucet_region *region;
static struct lucet_linker *linker;
static struct lucet_instance *near, *far, *caller;
static struct lucet_tag *secret;

static struct lucet_val new_one(int64_t value)
{
    struct lucet_result r;
    struct lucet_val v;

    assert_int_equal(lucet_instance_call(near, "new", 3, ARGS(I64(value)), 1, &v, &r),
                     lucet_error_ok);
    return v;
}

/* With one that nobody else has. */
static void host_throw(struct lucet_vmctx *ctx)
{
    struct lucet_exception *e;

    step.on = false;
    const struct lucet_val v = new_one(20000);
    assert_int_equal(lucet_exception_new(secret, 1, &v, &e), lucet_error_ok);
    assert_int_equal(lucet_vmctx_throw(ctx, e), lucet_error_ok);
    lucet_exception_release(e);
    new_one(0);
    start_steps();
}

static void set_up(const struct guest_mode *mode)
{
    const struct {
        const char *name, *wat;
        struct lucet_instance **to;
    } all[] = {{"far", far_wat, &far}, {"near", near_wat, &near}, {"caller", caller_wat, &caller}};

    region = guest_region(3);
    assert_int_equal(lucet_linker_new(&linker), lucet_error_ok);
    assert_int_equal(lucet_tag_new("x:", &secret), lucet_error_ok);
    lucet_linker_tag(linker, "h", "secret", secret);
    lucet_linker_func(linker, "h", "throw", ":", (void (*)(void))host_throw);
    lucet_linker_func(linker, "h", "begin", ":", (void (*)(void))begin);
    lucet_linker_func(linker, "h", "end", ":", (void (*)(void))end);
    for (int k = 0; k < 3; k++) {
        struct lucet_dl_module *m = guest_module(all[k].wat, mode);
        *all[k].to = guest_instance(region, m, linker, NULL);
        lucet_dl_module_release(m);
        assert_int_equal(lucet_linker_instance(linker, all[k].name, *all[k].to), lucet_error_ok);
    }
    assert_int_equal(lucet_instance_set_slice(near, LUCET_SLICE_MANUAL), lucet_error_ok);
    assert_int_equal(lucet_instance_set_slice(caller, LUCET_SLICE_MANUAL), lucet_error_ok);
}

static void tear_down(void)
{
    lucet_instance_release(near);
    lucet_instance_release(far);
    lucet_instance_release(caller);
    lucet_linker_release(linker);
    lucet_tag_release(secret);
    lucet_region_release(region);
}

/* What is not found between two parts is gone, and what the contexts hold then is others'. */
static void expect(struct lucet_instance *i, struct lucet_result *r, enum lucet_error e,
                   uint64_t expected)
{
    unsigned parts = 0;

    for (;; parts++) {
        step.on = false;
        if (e != lucet_error_ok)
            fail_msg("part %u: %s", parts, lucet_error_detail());
        if (r->tag != lucet_result_tag_yielded)
            break;
        if (i == near)
            guest_call(far, "noise", 0, NULL);
        else
            guest_call(near, "noise", 0, NULL);
        for (int k = 0; k < 2; k++)
            assert_false(lucet__exceptions_room(far, NULL, UINT64_MAX));
        step.again = true;
        if (i->suspended.sp)
            start_steps();
        else { /* not through what begins before it goes on */
            step.on = true;
            i->registers->general[REG_EFL] |= TRAP_FLAG;
        }
        e = lucet_instance_resume(i, NULL, r);
    }
    assert_int_equal(lucet_retval_gp(&r->val.returned), expected);
    printf("%u instructions of guests, %u parts\n", step.seen, parts);
    assert_true(parts > step.seen / 3);
}

static void go(struct lucet_instance *i)
{
    struct lucet_result r;

    step.seen = 0;
    const enum lucet_error e = lucet_instance_run(i, "go", 0, NULL, &r);
    expect(i, &r, e, 2002405);
}

/* Nobody else has them. */
static void give(const char *name, size_t n)
{
    struct lucet_val args[19];
    struct lucet_result r;

    for (size_t k = 0; k < n; k++)
        args[k] = k == 0 || k == n - 1 ? new_one(k == 0 ? 4 : 6) : I64(k);
    guest_call(far, "noise", 0, NULL);
    step.seen = 0;
    start_steps();
    const enum lucet_error e = lucet_instance_run(near, name, n, args, &r);
    expect(near, &r, e, 46);
}

static void what_a_guest_holds_at_any_instruction_stays(void **state)
{
    struct sigaction ours = {.sa_sigaction = on_step, .sa_flags = SA_SIGINFO | SA_ONSTACK}, before;

    (void)state;
    guest_begin();
    sigaddset(&ours.sa_mask, SIGURG);
    assert_int_equal(sigaction(SIGTRAP, &ours, &before), 0);
    for (int mode = 0; mode < 2; mode++) {
        set_up(&guest_modes[mode]);
        go(near);
        go(caller);
        give("few", 2);
        give("many", 19);
        tear_down();
    }
    sigaction(SIGTRAP, &before, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_guest_holds_at_any_instruction_stays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
#endif
