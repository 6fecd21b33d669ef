/* A slice ends at every single instruction of a run once: of functions, call gates, thunks between
 * instances, and trampolines to the host. Each time the guest computes the same. The processor's
 * trap flag counts the instructions. */
#include "guest.h"
#include "steps.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <ucontext.h>

static const char far_wat[] =
    "(module (memory 1) (data (i32.const 16) \"\\05\") (global $n (mut i64) (i64.const 0))"
    " (func (export \"reset\") (global.set $n (i64.const 0)))"
    " (func (export \"far\") (param i64 f64) (result i64 f64)"
    "   (global.set $n (i64.add (global.get $n) (i64.load8_u (i32.const 16))))"
    "   (i64.add (local.get 0) (global.get $n)) (f64.mul (local.get 1) (f64.const 2))))";

static const char near_wat[] =
    "(module (import \"far\" \"far\" (func $far (param i64 f64) (result i64 f64)))"
    " (import \"h\" \"begin\" (func $begin)) (import \"h\" \"end\" (func $end))"
    " (import \"h\" \"f\" (func $f (param i64 f64) (result i64)))"
    " (memory 1) (data (i32.const 16) \"\\07\") (table 1 funcref) (elem (i32.const 0) $twice)"
    " (type $t (func (param i64) (result i64)))"
    " (func $twice (type $t) (i64.add (i64.mul (local.get 0) (i64.const 2))"
    "   (i64.load8_u (i32.const 16))))"
    " (func (export \"go\") (result i64) (local $x i64) (local $y f64) (local $i i32)"
    "   (local.set $x (i64.const 3)) (local.set $y (f64.const 1.5))"
    "   (call $begin)"
    "   (loop $l"
    "     (local.set $x (call_indirect (type $t) (local.get $x) (i32.const 0)))"
    "     (call $far (local.get $x) (local.get $y)) (local.set $y) (local.set $x)"
    "     (local.set $x (call $f (local.get $x) (local.get $y)))"
    "     (i64.store (i32.const 32) (i64.xor (local.get $x) (i64.load (i32.const 32))))"
    "     (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1)))"
    "                         (i32.const 2))))"
    "   (call $end)"
    "   (i64.add (i64.load (i32.const 32)) (i64.trunc_sat_f64_s (local.get $y)))))";

static struct lucet_instance *other;
static long steps, end_at;
static bool stepping;
static struct lucet_kill_switch *by_signal; /* NULL: the handler ends it */

static void step(int sig, siginfo_t *info, void *context)
{
    ucontext_t *u = context;

    (void)sig, (void)info;
    if (!stepping) {
        u->uc_mcontext.gregs[REG_EFL] &= ~(greg_t)TRAP_FLAG;
        return;
    }
    u->uc_mcontext.gregs[REG_EFL] |= TRAP_FLAG;
    if (++steps != end_at)
        return;
    stepping = false;
    u->uc_mcontext.gregs[REG_EFL] &= ~(greg_t)TRAP_FLAG;
    if (by_signal) /* blocked until the handler returns */
        lucet_kill_switch_preempt(by_signal);
    else
        lucet_end_slice(context);
}

static void begin(struct lucet_vmctx *ctx)
{
    (void)ctx;
    stepping = true;
    raise(SIGTRAP);
}

static void end(struct lucet_vmctx *ctx)
{
    (void)ctx;
    stepping = false;
}

static int64_t f(struct lucet_vmctx *ctx, int64_t x, double y)
{
    (void)ctx;
    return x * 3 + (int64_t)y;
}

/* The result; *parts = how often it yielded. */
static uint64_t go(struct lucet_instance *near, struct lucet_instance *far, unsigned *parts)
{
    struct lucet_result r;

    assert_int_equal(lucet_instance_reset(near), lucet_error_ok);
    guest_call(far, "reset", 0, NULL);
    *parts = 0;
    steps = 0;
    assert_int_equal(lucet_instance_run(near, "go", 0, NULL, &r), lucet_error_ok);
    for (; r.tag == lucet_result_tag_yielded; ++*parts) {
        /* Others run here meanwhile, and leave their values behind. */
        guest_call(other, "reset", 0, NULL);
        assert_int_equal(lucet_instance_resume(near, NULL, &r), lucet_error_ok);
    }
    stepping = false;
    assert_int_equal(r.tag, lucet_result_tag_returned);
    return lucet_retval_gp(&r.val.returned);
}

static void slices_end_anywhere(void **state)
{
    struct lucet_linker *linker;
    struct sigaction ours = {.sa_sigaction = step, .sa_flags = SA_SIGINFO | SA_ONSTACK}, before;

    (void)state;
    guest_begin();
    sigaddset(&ours.sa_mask, SIGURG);
    assert_int_equal(sigaction(SIGTRAP, &ours, &before), 0);
    for (int way = 0; way < 4; way++) {
        const int mode = way / 2;
        struct lucet_region *region = guest_region(3);
        struct lucet_dl_module *far_module = guest_module(far_wat, &guest_modes[mode]);
        struct lucet_dl_module *near_module = guest_module(near_wat, &guest_modes[mode]);
        assert_int_equal(lucet_linker_new(&linker), lucet_error_ok);
        lucet_linker_func(linker, "h", "begin", ":", (void (*)(void))begin);
        lucet_linker_func(linker, "h", "end", ":", (void (*)(void))end);
        lucet_linker_func(linker, "h", "f", "IF:I", (void (*)(void))f);
        struct lucet_instance *far = guest_instance(region, far_module, NULL, NULL);
        other = guest_instance(region, far_module, NULL, NULL);
        lucet_linker_instance(linker, "far", far);
        struct lucet_instance *near = guest_instance(region, near_module, linker, NULL);
        unsigned parts, yielded = 0;
        end_at = 0;
        const uint64_t expected = go(near, far, &parts);
        const long all = steps;
        assert_int_equal(parts, 0);
        assert_true(all > 100);
        assert_int_equal(lucet_instance_set_slice(near, LUCET_SLICE_MANUAL), lucet_error_ok);
        by_signal = NULL;
        if (way % 2)
            assert_int_equal(lucet_instance_kill_switch(near, &by_signal), lucet_error_ok);
        for (end_at = 1; end_at <= all; end_at++) {
            const uint64_t result = go(near, far, &parts);
            if (result != expected)
                fail_msg("ended at instruction %ld of %ld: %llx instead of %llx", end_at, all,
                         (unsigned long long)result, (unsigned long long)expected);
            yielded += parts;
        }
        assert_true(yielded > all / 2);
        printf("%ld instructions, %u of them ended a slice\n", all, yielded);
        lucet_kill_switch_release(by_signal);
        by_signal = NULL;
        lucet_instance_release(near);
        lucet_instance_release(far);
        lucet_instance_release(other);
        lucet_linker_release(linker);
        lucet_dl_module_release(near_module);
        lucet_dl_module_release(far_module);
        lucet_region_release(region);
    }
    sigaction(SIGTRAP, &before, NULL);
}

int main(void)
{
#ifdef LUCET_TSAN /* which would be stepped through, too */
    return 0;
#endif
    const struct CMUnitTest tests[] = {cmocka_unit_test(slices_end_anywhere)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
