/* Memories stay apart when instances run within each other's host functions, with FSGSBASE and
 * without it (then system calls set the segment, and trampolines call the runtime). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "run/guest.h"
#include "runtime/instance.h"
#include "runtime/module.h"
#include "runtime/region.h"
#include "runtime/x86_64/machine.h"

static const char wat[] =
    "(module (import \"h\" \"f\" (func $f (param i32) (result i32))) (memory 1)"
    " (func (export \"set\") (param i32) (i32.store (i32.const 0) (local.get 0)))"
    " (func (export \"get\") (result i32) (i32.load (i32.const 0)))"
    " (func (export \"nest\") (param i32) (result i32)"
    "   (i32.store (i32.const 4) (call $f (local.get 0)))"
    "   (i32.add (i32.load (i32.const 0)) (i32.load (i32.const 4))))"
    " (func (export \"nest and trap\") (param i32)"
    "   (drop (call $f (local.get 0))) (drop (i32.load (i32.const -4)))))";

static struct lucet_instance *instances[3];

/* Runs the next instance, of which the innermost traps when asked to. */
static int32_t run_next(struct lucet_vmctx *ctx, int32_t depth)
{
    struct lucet_result r;

    (void)ctx;
    if (depth == 0)
        return 1000;
    if (depth < 0) {
        assert_int_equal(
            lucet_instance_run(instances[2], "nest and trap", 1, (struct lucet_val[]){I32(0)}, &r),
            lucet_error_runtime_fault);
        assert_int_equal(lucet_instance_reset(instances[2]), lucet_error_ok);
        return 0;
    }
    struct lucet_instance *inst = instances[depth % 3];
    return (int32_t)guest_call(inst, "nest", ARGS(I32(depth - 1)));
}

static void memories_stay_apart(const struct guest_mode *mode)
{
    struct lucet_dl_module *m = guest_module(wat, mode);
    struct lucet_region *region = guest_region(3);
    struct lucet_linker *linker;
    const uint64_t before = machine_get_gs();
    const uint64_t gs = (uintptr_t)wat; /* a host that uses it */

    assert_int_equal(lucet_linker_new(&linker), lucet_error_ok);
    assert_int_equal(lucet_linker_func(linker, "h", "f", "i:i", (void (*)(void))run_next), 0);
    for (int i = 0; i < 3; i++) {
        instances[i] = guest_instance(region, m, linker, NULL);
        guest_call(instances[i], "set", ARGS(I32(10 + i)));
    }
    machine_set_gs(gs);
    /* 1000 + what the instances 1, 2, 0, 1, 2, 0 hold, each entered within the one before. */
    assert_int_equal((int32_t)guest_call(instances[0], "nest", ARGS(I32(6))),
                     1000 + 10 + 2 * (10 + 11 + 12));
    /* After a fault further in, the outer ones are where they were. */
    assert_int_equal((int32_t)guest_call(instances[1], "nest", ARGS(I32(-1))), 11);
    assert_true(machine_get_gs() == gs);
    for (int i = 0; i < 2; i++)
        assert_int_equal((int32_t)guest_call(instances[i], "get", 0, NULL), 10 + i);
    assert_true(machine_get_gs() == gs);
    /* A host that does not: whatever is left there, the next guest has its own. */
    machine_set_gs(before);
    for (int round = 0; round < 3; round++) {
        struct lucet_result r;
        for (int i = 0; i < 2; i++)
            assert_int_equal((int32_t)guest_call(instances[i], "get", 0, NULL), 10 + i);
        assert_int_equal(
            lucet_instance_run(instances[2], "nest and trap", 1, (struct lucet_val[]){I32(0)}, &r),
            lucet_error_runtime_fault);
        assert_int_equal(lucet_instance_reset(instances[2]), lucet_error_ok);
    }
    for (int i = 0; i < 2; i++)
        assert_int_equal((int32_t)guest_call(instances[i], "get", 0, NULL), 10 + i);
    for (int i = 0; i < 3; i++)
        lucet_instance_release(instances[i]);
    lucet_linker_release(linker);
    lucet_dl_module_release(m);
    lucet_region_release(region);
}

static void with_fsgsbase(void **state)
{
    (void)state;
    guest_begin();
    memories_stay_apart(&guest_default);
}

static void without_fsgsbase(void **state)
{
    const struct guest_mode mode = {.opt_level = lucetc_opt_speed, .cpu = "x86-64-v2"};
    const bool have = lucet__have_fsgsbase;

    (void)state;
    guest_begin();
    memories_stay_apart(&mode);
    lucet__have_fsgsbase = false;
    memories_stay_apart(&mode);
    lucet__have_fsgsbase = have;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(with_fsgsbase),
        cmocka_unit_test(without_fsgsbase),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
