/* Guest stacks: their end is a trap wherever it is met, in guest code, in the guest's host
 * functions, and in signal handlers of the host. */
#include "guest.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/x86_64/machine.h"

/* A function with so many live values that its frame takes `kib` KiB and more. Each depends on the
 * one before, so that there is nothing to do with them but keep them. */
static void add_large_frame(struct text *t, unsigned kib)
{
    const unsigned n = kib * 128;

    text_add(t, "(func $large (export \"large\") (param $x i64) (result i64) (local $v0 i64)");
    for (unsigned i = 1; i <= n; i++)
        text_add(t, " (local $v%u i64)", i);
    text_add(t, " (local.set $v0 (local.get $x))");
    for (unsigned i = 1; i <= n; i++)
        text_add(t,
                 "\n(local.set $v%u (i64.add (i64.rotl (local.get $v%u) (i64.const 5))"
                 " (i64.load (i32.const %u))))",
                 i, i - 1, i % 1000 * 8);
    text_add(t, "\n(drop (call $large (i64.add (local.get $x) (i64.const 1))))\n(local.get $x)");
    for (unsigned i = 0; i < n; i++)
        text_add(t, "\n(i64.rotl (i64.const 7)) (i64.add (local.get $v%u))", i);
    text_add(t, ")\n");
}

/* The guard of a stack is jumped over by frames that are larger than it, unless every page is
 * probed. The memory of the instance in front lies near. */
static void run_large_frames(struct lucet_region *region, unsigned kib,
                             const struct guest_mode *mode)
{
    struct text t = {0};
    struct lucet_instance *inst[3];

    text_add(&t, "(module (memory 1)\n");
    add_large_frame(&t, kib);
    text_add(&t, ")\n");
    struct lucet_dl_module *module = guest_module(t.s, mode);
    for (unsigned i = 0; i < 3; i++)
        inst[i] = guest_instance(region, module, NULL, NULL);
    assert_int_equal(guest_trap(inst[1], "large", ARGS(I64(1))), lucet_trapcode_stack_overflow);
    for (unsigned i = 0; i < 3; i++) {
        const uint8_t *heap = lucet_instance_heap(inst[i]);
        for (unsigned k = 0; k < 65536; k++)
            assert_int_equal(heap[k], 0);
        lucet_instance_release(inst[i]);
    }
    lucet_dl_module_release(module);
    text_free(&t);
}

static void large_frames_meet_the_end_of_the_stack(void **state)
{
    (void)state;
    guest_begin();
    struct lucet_region *region = guest_region(3);
    run_large_frames(region, 3, &guest_modes[0]);
    run_large_frames(region, 20, &guest_modes[0]);
    run_large_frames(region, 100, &guest_modes[0]);
    run_large_frames(region, 200, &guest_modes[0]); /* more than there is */
    run_large_frames(region, 3, &guest_modes[1]);
    run_large_frames(region, 40, &guest_modes[1]);
    lucet_region_release(region);
}

/* Uses most of what the hostcall reservation (32 KiB by default) promises to a host function. */
static int32_t hungry(struct lucet_vmctx *ctx, int32_t depth)
{
    volatile char room[24 * 1024];

    for (size_t i = 0; i < sizeof room; i += 512)
        room[i] = (char)depth;
    (void)ctx;
    return room[0] == (char)depth ? depth : -1;
}

static unsigned calls;

static int32_t counting(struct lucet_vmctx *ctx, int32_t depth)
{
    (void)ctx;
    calls++;
    return depth;
}

static const char deep[] =
    "(module (import \"host\" \"f\" (func $f (param i32) (result i32))) (memory 1)"
    " (func $down (export \"down\") (param i32) (result i32)"
    "   (if (i32.ne (call $f (local.get 0)) (local.get 0)) (then unreachable))"
    "   (i32.store (i32.const 0) (local.get 0))"
    "   (i32.add (call $down (i32.add (local.get 0) (i32.const 1))) (i32.const 1)))"
    " (func $plain (export \"plain\") (param i32) (result i32)"
    "   (i32.store (i32.const 0) (local.get 0))"
    "   (i32.add (call $plain (i32.add (local.get 0) (i32.const 1))) (i32.const 1)))"
    " (func (export \"grow down\") (param i32) (result i32)"
    "   (drop (memory.grow (i32.const 0)))"
    "   (memory.fill (i32.const 64) (i32.const 1) (i32.const 64))"
    "   (i32.add (call $down (local.get 0)) (i32.const 1))))";

static struct lucet_linker *linker_with(void (*f)(void))
{
    struct lucet_linker *linker;

    assert_int_equal(lucet_linker_new(&linker), lucet_error_ok);
    assert_int_equal(lucet_linker_func(linker, "host", "f", "i:i", f), lucet_error_ok);
    return linker;
}

static void a_host_function_has_its_reservation_at_any_depth(void **state)
{
    (void)state;
    guest_begin();
    struct lucet_region *region = guest_region(1);
    struct lucet_linker *l = linker_with((void (*)(void))hungry);
    for (unsigned m = 0; m < GUEST_MODES; m++) {
        struct lucet_dl_module *module = guest_module(deep, &guest_modes[m]);
        struct lucet_instance *inst = guest_instance(region, module, l, NULL);
        for (unsigned i = 0; i < 3; i++) {
            assert_int_equal(guest_trap(inst, "down", ARGS(I32(i))), lucet_trapcode_stack_overflow);
            assert_int_equal(lucet_instance_reset(inst), lucet_error_ok);
        }
        lucet_instance_release(inst);
        lucet_dl_module_release(module);
    }
    lucet_linker_release(l);
    lucet_region_release(region);
}

/* Guest code may use the reservation too; a host call in it is what traps. */
static void the_reservation_is_kept_from_host_calls_only(void **state)
{
    (void)state;
    guest_begin();
    struct lucet_region *region = guest_region(1);
    struct lucet_linker *l = linker_with((void (*)(void))counting);
    struct lucet_dl_module *module =
        guest_module(deep, &(struct guest_mode){.opt_level = lucetc_opt_speed, .precise = true});
    struct lucet_instance *inst = guest_instance(region, module, l, NULL);
    uint32_t with_host, without;

    calls = 0;
    assert_int_equal(guest_trap(inst, "down", ARGS(I32(0))), lucet_trapcode_stack_overflow);
    memcpy(&with_host, lucet_instance_heap(inst), 4);
    assert_int_equal(calls, with_host + 1);
    assert_int_equal(lucet_instance_reset(inst), lucet_error_ok);
    assert_int_equal(guest_trap(inst, "plain", ARGS(I32(0))), lucet_trapcode_stack_overflow);
    memcpy(&without, lucet_instance_heap(inst), 4);
    assert_true(without > with_host);
    lucet_instance_release(inst);
    lucet_dl_module_release(module);
    lucet_linker_release(l);
    lucet_region_release(region);
}

struct nest {
    struct lucet_instance *inst;
    unsigned depth, limit;
    enum lucet_error innermost;
};

/* Runs the instance that called it once more. */
static int32_t nested(struct lucet_vmctx *ctx, int32_t n)
{
    struct nest *nest = lucet_vmctx_get_delegate(ctx);
    const struct lucet_val arg = I32(n + 1);
    struct lucet_result r;

    if (++nest->depth >= nest->limit)
        return n + 1;
    nest->innermost = lucet_instance_run(lucet_vmctx_instance(ctx), "once", 1, &arg, &r);
    return nest->innermost == lucet_error_ok ? (int32_t)lucet_retval_gp(&r.val.returned) : -1;
}

/* Whether re-entry works or is refused, it must be one of the two, cleanly, at every depth. */
static void an_instance_may_be_entered_again_by_its_host_functions(void **state)
{
    static const char wat[] =
        "(module (import \"host\" \"f\" (func $f (param i32) (result i32))) (memory 1)"
        " (func (export \"once\") (param i32) (result i32)"
        "   (i32.store (i32.mul (local.get 0) (i32.const 4)) (local.get 0))"
        "   (i32.add (call $f (local.get 0)) (i32.load (i32.mul (local.get 0) (i32.const 4))))))";
    (void)state;
    guest_begin();
    struct lucet_region *region = guest_region(1);
    struct lucet_linker *l = linker_with((void (*)(void))nested);
    struct lucet_dl_module *module = guest_module(wat, &guest_default);
    struct nest nest = {.limit = 10};
    struct lucet_instance *inst = guest_instance(region, module, l, &nest);
    const struct lucet_val arg = I32(0);
    struct lucet_result r;

    assert_int_equal(lucet_instance_run(inst, "once", 1, &arg, &r), lucet_error_ok);
    assert_int_equal(nest.innermost, lucet_error_ok);
    assert_int_equal(nest.depth, 10);
    assert_int_equal((int32_t)lucet_retval_gp(&r.val.returned), 10 + 45);
    /* Without a limit something gives way: the stack, not the host. */
    nest.limit = 100000;
    nest.depth = 0;
    const enum lucet_error e = lucet_instance_run(inst, "once", 1, &arg, &r);
    assert_true(e == lucet_error_ok || e == lucet_error_runtime_fault);
    assert_true(nest.depth < 100000);
    lucet_instance_release(inst);
    lucet_dl_module_release(module);
    lucet_linker_release(l);
    lucet_region_release(region);
}

/* Two instances call each other until the stack ends, wherever in gates, thunks or bodies that is.
 * The frames differ in size, so that the end comes at every place. Without FSGSBASE (x86-64-v3)
 * thunks need the runtime's help to switch the memory. */
static void overflow_between_instances(struct lucet_region *region, const char *cpu)
{
    static const char second[] =
        "(module (import \"first\" \"table\" (table 2 funcref)) (memory 1)"
        " (func $pong (param i32 i64) (result i32)"
        "   (i32.store (i32.const 4) (local.get 0))"
        "   (i32.add (i32.const 1) (call_indirect (param i32 i64) (result i32)"
        "     (i32.add (local.get 0) (i32.const 1)) (local.get 1) (i32.const 0))))"
        " (elem (i32.const 1) $pong))";
    for (unsigned pad = 0; pad < 24; pad++) {
        const struct guest_mode mode = {.opt_level = lucetc_opt_speed, .cpu = cpu};
        struct lucet_linker *l;
        struct text t = {0};
        text_add(
            &t, "(module (table (export \"table\") 2 funcref) (memory 1) (elem (i32.const 0) $ping)"
                " (func $ping (export \"ping\") (param i32 i64) (result i32)");
        for (unsigned i = 0; i < pad; i++)
            text_add(&t, " (local $v%u i64)", i);
        for (unsigned i = 0; i < pad; i++)
            text_add(&t, " (local.set $v%u (i64.mul (local.get 1) (i64.const %u)))", i, 2 * i + 3);
        text_add(&t, " (i32.add (i32.const 1) (call_indirect (param i32 i64) (result i32)"
                     " (i32.add (local.get 0) (i32.const 1)) (local.get 1) (i32.const 1)))");
        for (unsigned i = 0; i < pad; i++)
            text_add(&t, " (i32.xor (i32.wrap_i64 (local.get $v%u)))", i);
        text_add(&t, "))");
        assert_int_equal(lucet_linker_new(&l), lucet_error_ok);
        struct lucet_dl_module *a = guest_module(t.s, &mode), *b = guest_module(second, &mode);
        struct lucet_instance *first = guest_instance(region, a, l, NULL);
        assert_int_equal(lucet_linker_instance(l, "first", first), lucet_error_ok);
        struct lucet_instance *other = guest_instance(region, b, l, NULL);
        for (unsigned i = 0; i < 3; i++) {
            assert_int_equal(guest_trap(first, "ping", ARGS(I32(0), I64(5))),
                             lucet_trapcode_stack_overflow);
            assert_int_equal(lucet_instance_reset(first), lucet_error_ok);
            struct lucet_instance *again = guest_instance(region, b, l, NULL);
            lucet_instance_release(again);
        }
        lucet_instance_release(other);
        lucet_instance_release(first);
        lucet_linker_release(l);
        lucet_dl_module_release(a);
        lucet_dl_module_release(b);
        text_free(&t);
    }
}

static void calls_between_instances_meet_the_end_of_the_stack(void **state)
{
    (void)state;
    guest_begin();
    struct lucet_region *region = guest_region(16);
    overflow_between_instances(region, NULL);
    overflow_between_instances(region, "x86-64-v3");
    /* As on processors that do not have it. */
    const bool have = lucet__have_fsgsbase;
    lucet__have_fsgsbase = false;
    overflow_between_instances(region, "x86-64-v3");
    lucet__have_fsgsbase = have;
    lucet_region_release(region);
}

static volatile sig_atomic_t ticks;

static void tick(int signo)
{
    (void)signo;
    ticks++;
}

/* The host has a timer whose handler does not run on the alternate stack, so the kernel puts its
 * frame on the guest's; where there is no room for it, that is the guest's fault and nobody
 * else's. */
static void a_signal_that_finds_the_guest_stack_full_is_the_guests_overflow(void **state)
{
    const struct itimerval often = {{0, 100}, {0, 100}}, never = {{0, 0}, {0, 0}};
    struct sigaction action = {.sa_handler = tick, .sa_flags = SA_RESTART}, old;
    (void)state;
    guest_begin();
    struct lucet_region *region = guest_region(1);
    struct lucet_linker *l = linker_with((void (*)(void))counting);
    struct lucet_dl_module *module = guest_module(deep, &guest_default);
    struct lucet_instance *inst = guest_instance(region, module, l, NULL);

    assert_int_equal(sigaction(SIGALRM, &action, &old), 0);
    setitimer(ITIMER_REAL, &often, NULL);
    for (unsigned i = 0; i < 2000 && ticks < 3000; i++) {
        assert_int_equal(guest_trap(inst, "plain", ARGS(I32(0))), lucet_trapcode_stack_overflow);
        assert_int_equal(lucet_instance_reset(inst), lucet_error_ok);
    }
    setitimer(ITIMER_REAL, &never, NULL);
    sigaction(SIGALRM, &old, NULL);
    assert_true(ticks > 0);
    lucet_instance_release(inst);
    lucet_dl_module_release(module);
    lucet_linker_release(l);
    lucet_region_release(region);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(large_frames_meet_the_end_of_the_stack),
        cmocka_unit_test(a_host_function_has_its_reservation_at_any_depth),
        cmocka_unit_test(the_reservation_is_kept_from_host_calls_only),
        cmocka_unit_test(calls_between_instances_meet_the_end_of_the_stack),
        cmocka_unit_test(an_instance_may_be_entered_again_by_its_host_functions),
        cmocka_unit_test(a_signal_that_finds_the_guest_stack_full_is_the_guests_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
