/* Every kind of trap: its own code, the host goes on, and nothing is left for the next tenant. */
#include "guest.h"

#include <math.h>
#include <stdio.h>

#define F64(x) LUCET_VAL_F64(x)

/* Traps, then shows that the instance is held until it is reset, and works after that. */
static void expect(struct lucet_instance *inst, enum lucet_trapcode code, const char *name,
                   size_t argc, const struct lucet_val *argv)
{
    struct lucet_result r;

    const enum lucet_trapcode got = guest_trap(inst, name, argc, argv);
    if (got != code)
        fail_msg("%s: %s, expected %s", name, lucet_trapcode_name(got), lucet_trapcode_name(code));
    assert_int_equal(lucet_instance_run(inst, "get g", 0, NULL, &r),
                     lucet_error_instance_not_returned);
    assert_int_equal(lucet_instance_reset(inst), lucet_error_ok);
    assert_int_equal(guest_call(inst, "get g", 0, NULL), 17);
}

static void expect_arithmetic(struct lucet_instance *inst)
{
    static const char *const ops[] = {"div_s", "div_u", "rem_s", "rem_u"};
    char name[32];

    for (size_t i = 0; i < 4; i++) {
        snprintf(name, sizeof name, "i32.%s", ops[i]);
        expect(inst, lucet_trapcode_integer_div_by_zero, name, ARGS(I32(7), I32(0)));
        expect(inst, lucet_trapcode_integer_div_by_zero, name, ARGS(I32(INT32_MIN), I32(0)));
        snprintf(name, sizeof name, "i64.%s", ops[i]);
        expect(inst, lucet_trapcode_integer_div_by_zero, name, ARGS(I64(7), I64(0)));
        expect(inst, lucet_trapcode_integer_div_by_zero, name, ARGS(I64(INT64_MIN), I64(0)));
    }
    expect(inst, lucet_trapcode_integer_overflow, "i32.div_s", ARGS(I32(INT32_MIN), I32(-1)));
    expect(inst, lucet_trapcode_integer_overflow, "i64.div_s", ARGS(I64(INT64_MIN), I64(-1)));
    assert_int_equal((uint32_t)guest_call(inst, "i32.rem_s", ARGS(I32(INT32_MIN), I32(-1))), 0);
    assert_int_equal(guest_call(inst, "i64.rem_s", ARGS(I64(INT64_MIN), I64(-1))), 0);
    assert_int_equal((uint32_t)guest_call(inst, "i32.div_u", ARGS(I32(INT32_MIN), I32(-1))), 0);

    expect(inst, lucet_trapcode_bad_conversion_to_integer, "trunc", ARGS(F64(NAN)));
    expect(inst, lucet_trapcode_integer_overflow, "trunc", ARGS(F64(2147483648.0)));
    expect(inst, lucet_trapcode_integer_overflow, "trunc", ARGS(F64(-2147483649.0)));
    expect(inst, lucet_trapcode_integer_overflow, "trunc", ARGS(F64(INFINITY)));
    assert_int_equal((int32_t)guest_call(inst, "trunc", ARGS(F64(-2147483648.9))), INT32_MIN);
}

static void expect_unused_values(struct lucet_instance *inst)
{
    expect(inst, lucet_trapcode_integer_div_by_zero, "unused division", ARGS(I32(1), I32(0)));
    expect(inst, lucet_trapcode_heap_out_of_bounds, "unused load", ARGS(I32(65536)));
    expect(inst, lucet_trapcode_bad_conversion_to_integer, "unused conversion", ARGS(F64(NAN)));
}

static void expect_table(struct lucet_instance *inst)
{
    assert_int_equal((uint32_t)guest_call(inst, "call", ARGS(I32(1))), 5);
    expect(inst, lucet_trapcode_indirect_call_to_null, "call", ARGS(I32(2)));
    expect(inst, lucet_trapcode_table_out_of_bounds, "call", ARGS(I32(8)));
    expect(inst, lucet_trapcode_table_out_of_bounds, "call", ARGS(I32(-1)));
    expect(inst, lucet_trapcode_table_out_of_bounds, "call", ARGS(I32(INT32_MIN)));
    expect(inst, lucet_trapcode_bad_signature, "call wrongly", ARGS(I32(1)));
    expect(inst, lucet_trapcode_indirect_call_to_null, "call wrongly", ARGS(I32(0)));
    expect(inst, lucet_trapcode_table_out_of_bounds, "table.get", ARGS(I32(8)));
    expect(inst, lucet_trapcode_table_out_of_bounds, "table.set", ARGS(I32(-1)));
}

static void expect_others(struct lucet_instance *inst)
{
    expect(inst, lucet_trapcode_unreachable, "unreachable", 0, NULL);
    expect(inst, lucet_trapcode_heap_out_of_bounds, "load", ARGS(I32(65533)));
    expect(inst, lucet_trapcode_heap_out_of_bounds, "store", ARGS(I32(-1), I32(0)));
    expect(inst, lucet_trapcode_stack_overflow, "recurse", ARGS(I32(0)));
    expect(inst, lucet_trapcode_stack_overflow, "void recursion", 0, NULL);
    expect(inst, lucet_trapcode_stack_overflow, "indirect recursion", 0, NULL);
}

static void every_trap_has_its_code_in_every_mode(void **state)
{
    (void)state;
    guest_begin();
    struct lucet_region *region = guest_region(1);
    for (size_t i = 0; i < GUEST_MODES; i++) {
        struct lucet_dl_module *module = guest_module_of_file("traps.wat", &guest_modes[i]);
        struct lucet_instance *inst = guest_instance(region, module, NULL, NULL);
        expect_arithmetic(inst);
        expect_unused_values(inst);
        expect_table(inst);
        expect_others(inst);
        lucet_instance_release(inst);
        lucet_dl_module_release(module);
    }
    lucet_region_release(region);
}

/* Looks at all that a former tenant could have left. */
static void expect_pristine(struct lucet_instance *inst)
{
    const uint8_t *heap = lucet_instance_heap(inst);

    assert_int_equal(lucet_instance_heap_len(inst), 65536);
    assert_memory_equal(heap + 16, "initial", 7);
    for (size_t i = 0; i < 65536; i++) {
        if (i < 16 || i >= 23)
            assert_int_equal(heap[i], 0);
    }
    assert_int_equal((uint32_t)guest_call(inst, "pages", 0, NULL), 1);
    /* What the former tenant's memory had grown to is out of reach again. */
    lucet_instance_set_continue_after_fault(inst, true);
    assert_int_equal(guest_trap(inst, "load", ARGS(I32(65536))), lucet_trapcode_heap_out_of_bounds);
    assert_int_equal(guest_trap(inst, "load", ARGS(I32(3 * 65536 - 4))),
                     lucet_trapcode_heap_out_of_bounds);
    lucet_instance_set_continue_after_fault(inst, false);
    assert_int_equal(lucet_instance_reset(inst), lucet_error_ok);
    assert_int_equal((uint32_t)guest_call(inst, "get g", 0, NULL), 17);
    assert_int_equal(guest_call(inst, "get h", 0, NULL), 0x3fe0000000000000);
    for (int i = 0; i < 8; i++)
        assert_int_equal((uint32_t)guest_call(inst, "is null", ARGS(I32(i))), i != 1);
    /* And where the memory grows to. */
    assert_int_equal((uint32_t)guest_call(inst, "grow", ARGS(I32(2))), 1);
    for (size_t i = 65536; i < 3 * 65536; i++)
        assert_int_equal(heap[i], 0);
}

static const char *const last_words[] = {NULL,   "unreachable",   "recurse",
                                         "load", "loop for ever", "call"};

static void scribble_and_end(struct lucet_instance *inst, const char *ending)
{
    struct lucet_result r;
    const struct lucet_val arg = I32(0x7fffffff);

    assert_int_equal((uint32_t)guest_call(inst, "scribble", 0, NULL), 1);
    if (!ending)
        return;
    assert_int_equal(lucet_instance_set_timeout(inst, 30), lucet_error_ok);
    const bool takes_arg = strcmp(ending, "loop for ever") && strcmp(ending, "unreachable");
    assert_int_not_equal(lucet_instance_run(inst, ending, takes_arg, &arg, &r), lucet_error_ok);
    assert_int_equal(lucet_instance_set_timeout(inst, 0), lucet_error_ok);
}

static void the_next_tenant_of_a_slot_finds_nothing(void **state)
{
    (void)state;
    guest_begin();
    struct lucet_region *region = guest_region(1);
    struct lucet_dl_module *module = guest_module_of_file("traps.wat", &guest_default);
    struct lucet_dl_module *again = guest_module_of_file("traps.wat", &guest_default);
    struct lucet_dl_module *other =
        guest_module("(module (memory 3) (global (mut i64) (i64.const -1))"
                     " (table 100 externref))",
                     &guest_default);
    for (size_t i = 0; i < sizeof last_words / sizeof last_words[0]; i++) {
        struct lucet_instance *inst = guest_instance(region, module, NULL, NULL);
        scribble_and_end(inst, last_words[i]);
        lucet_instance_release(inst);
        if (i % 3 == 1) { /* another module in between */
            inst = guest_instance(region, other, NULL, NULL);
            memset(lucet_instance_heap(inst), 0xee, 3 * 65536);
            lucet_instance_release(inst);
        }
        inst = guest_instance(region, i % 3 == 2 ? again : module, NULL, NULL);
        expect_pristine(inst);
        lucet_instance_release(inst);
    }
    lucet_dl_module_release(module);
    lucet_dl_module_release(again);
    lucet_dl_module_release(other);
    lucet_region_release(region);
}

static void a_reset_brings_back_the_initial_state(void **state)
{
    (void)state;
    guest_begin();
    struct lucet_region *region = guest_region(1);
    struct lucet_dl_module *module = guest_module_of_file("traps.wat", &guest_default);
    struct lucet_instance *inst = guest_instance(region, module, NULL, NULL);
    for (size_t i = 0; i < sizeof last_words / sizeof last_words[0]; i++) {
        scribble_and_end(inst, last_words[i]);
        assert_int_equal(lucet_instance_reset(inst), lucet_error_ok);
        expect_pristine(inst);
        assert_int_equal(lucet_instance_reset(inst), lucet_error_ok);
    }
    lucet_instance_release(inst);
    lucet_dl_module_release(module);
    lucet_region_release(region);
}

static void an_endless_guest_ends_with_its_time(void **state)
{
    static const char *const names[] = {"loop for ever", "count for ever"};
    (void)state;
    guest_begin();
    struct lucet_region *region = guest_region(1);
    struct lucet_dl_module *module = guest_module_of_file("traps.wat", &guest_default);
    struct lucet_instance *inst = guest_instance(region, module, NULL, NULL);
    for (size_t i = 0; i < 2; i++) {
        struct lucet_result r;
        assert_int_equal(lucet_instance_set_timeout(inst, 20), lucet_error_ok);
        assert_int_equal(lucet_instance_run(inst, names[i], 0, NULL, &r),
                         lucet_error_runtime_terminated);
        assert_int_equal(r.tag, lucet_result_tag_terminated);
        assert_int_equal(r.val.terminated.reason, lucet_terminated_reason_timeout);
        assert_int_equal(lucet_instance_reset(inst), lucet_error_ok);
        assert_int_equal(lucet_instance_set_timeout(inst, 0), lucet_error_ok);
        assert_int_equal((uint32_t)guest_call(inst, "get g", 0, NULL), 17);
    }
    lucet_instance_release(inst);
    lucet_dl_module_release(module);
    lucet_region_release(region);
}

static void a_neighbour_is_not_touched_by_a_fault(void **state)
{
    (void)state;
    guest_begin();
    struct lucet_region *region = guest_region(3);
    struct lucet_dl_module *module = guest_module_of_file("traps.wat", &guest_default);
    struct lucet_instance *before = guest_instance(region, module, NULL, NULL);
    struct lucet_instance *faulty = guest_instance(region, module, NULL, NULL);
    struct lucet_instance *after = guest_instance(region, module, NULL, NULL);

    guest_call(before, "store", ARGS(I32(100), I32(1111)));
    guest_call(after, "store", ARGS(I32(100), I32(2222)));
    guest_call(faulty, "scribble", 0, NULL);
    /* The first bytes behind, then further, then what would be in front if an index had a sign. */
    static const uint32_t outside[] = {0x30000,    0x3fffd,    0x100000,   0x7fffffff, 0x80000000,
                                       0xc0000000, 0xfffeff9c, 0xffff0064, 0xfffffffc, 0xffffffff};
    for (size_t i = 0; i < sizeof outside / sizeof outside[0]; i++) {
        assert_int_equal(guest_trap(faulty, "store", ARGS(I32(outside[i]), I32(-1))),
                         lucet_trapcode_heap_out_of_bounds);
        assert_int_equal(lucet_instance_reset(faulty), lucet_error_ok);
        guest_call(faulty, "scribble", 0, NULL);
    }
    assert_int_equal(guest_trap(faulty, "recurse", ARGS(I32(0))), lucet_trapcode_stack_overflow);
    assert_int_equal((uint32_t)guest_call(before, "load", ARGS(I32(100))), 1111);
    assert_int_equal((uint32_t)guest_call(after, "load", ARGS(I32(100))), 2222);
    assert_int_equal((uint32_t)guest_call(before, "get g", 0, NULL), 17);
    assert_int_equal((uint32_t)guest_call(after, "is null", ARGS(I32(5))), 1);
    lucet_instance_release(before);
    lucet_instance_release(faulty);
    lucet_instance_release(after);
    lucet_dl_module_release(module);
    lucet_region_release(region);
}

/* With --precise-traps everything before the trap has happened, nothing after it has, and the first
 * of two traps is the one. LLVM would be free to drop or move any of these stores. */
static const char ordered[] =
    "(module (memory 1) (global $g (mut i32) (i32.const 0)) (global $h (mut i32) (i32.const 0))"
    " (func (export \"g\") (result i32) (global.get $g)) (func (export \"h\") (result i32) "
    "(global.get $h))"
    " (func (export \"store\") (param i32 i32)"
    "   (i32.store (i32.const 0) (i32.const 1)) (global.set $g (i32.const 1))"
    "   (i32.store (i32.const 4) (i32.div_s (i32.const 1) (local.get 0)))"
    "   (i32.store (i32.const 0) (i32.const 2)) (global.set $g (i32.const 2))"
    "   (i32.store (local.get 1) (i32.const 5))"
    "   (i32.store (i32.const 0) (i32.const 3)) (global.set $g (i32.const 3)))"
    " (func (export \"dead\") (param i32)"
    "   (i32.store (i32.const 8) (i32.const 1)) (i32.store (i32.const 8) (i32.const 2))"
    "   (global.set $h (i32.const 7)) unreachable)"
    " (func (export \"two\") (param i32)"
    "   (drop (i32.load (local.get 0))) (drop (i32.div_u (i32.const 1) (i32.const 0)))))";

static uint32_t heap_word(struct lucet_instance *inst, uint32_t at)
{
    uint32_t value;
    memcpy(&value, lucet_instance_heap(inst) + at, sizeof value);
    return value;
}

static void precise_traps_leave_the_exact_state(void **state)
{
    (void)state;
    guest_begin();
    struct lucet_region *region = guest_region(1);
    for (size_t i = 3; i < GUEST_MODES; i++) {
        struct lucet_dl_module *module = guest_module(ordered, &guest_modes[i]);
        struct lucet_instance *inst = guest_instance(region, module, NULL, NULL);
        lucet_instance_set_continue_after_fault(inst, true);
        assert_int_equal(guest_trap(inst, "store", ARGS(I32(0), I32(-1))),
                         lucet_trapcode_integer_div_by_zero);
        assert_int_equal(heap_word(inst, 0), 1);
        assert_int_equal((uint32_t)guest_call(inst, "g", 0, NULL), 1);
        assert_int_equal(guest_trap(inst, "store", ARGS(I32(1), I32(-1))),
                         lucet_trapcode_heap_out_of_bounds);
        assert_int_equal(heap_word(inst, 0), 2);
        assert_int_equal(heap_word(inst, 4), 1);
        assert_int_equal((uint32_t)guest_call(inst, "g", 0, NULL), 2);
        assert_int_equal(guest_trap(inst, "dead", ARGS(I32(0))), lucet_trapcode_unreachable);
        assert_int_equal(heap_word(inst, 8), 2);
        assert_int_equal((uint32_t)guest_call(inst, "h", 0, NULL), 7);
        assert_int_equal(guest_trap(inst, "two", ARGS(I32(-1))), lucet_trapcode_heap_out_of_bounds);
        assert_int_equal(guest_trap(inst, "two", ARGS(I32(0))), lucet_trapcode_integer_div_by_zero);
        lucet_instance_release(inst);
        lucet_dl_module_release(module);
    }
    lucet_region_release(region);
}

/* What the details of a fault are. */
static void a_fault_says_where_it_was(void **state)
{
    struct lucet_result r;
    (void)state;
    guest_begin();
    struct lucet_region *region = guest_region(1);
    struct lucet_dl_module *module = guest_module(
        "(module $m (memory 1) (func $inner (drop (i32.load (i32.const 70000))) unreachable)"
        " (func $outer (export \"outer\") (call $inner)))",
        &(struct guest_mode){.opt_level = lucetc_opt_none, .precise = true});
    struct lucet_instance *inst = guest_instance(region, module, NULL, NULL);
    assert_int_equal(lucet_instance_run(inst, "outer", 0, NULL, &r), lucet_error_runtime_fault);
    assert_int_equal(r.val.faulted.trapcode, lucet_trapcode_heap_out_of_bounds);
    assert_int_equal(r.val.faulted.fault_addr, (uintptr_t)lucet_instance_heap(inst) + 70000);
    assert_false(r.val.faulted.fatal);
    assert_string_equal(r.val.faulted.function_name, "inner");
    assert_int_equal(r.val.faulted.function_index, 0);
    lucet_instance_release(inst);
    lucet_dl_module_release(module);
    lucet_region_release(region);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_trap_has_its_code_in_every_mode),
        cmocka_unit_test(the_next_tenant_of_a_slot_finds_nothing),
        cmocka_unit_test(a_reset_brings_back_the_initial_state),
        cmocka_unit_test(an_endless_guest_ends_with_its_time),
        cmocka_unit_test(a_neighbour_is_not_touched_by_a_fault),
        cmocka_unit_test(precise_traps_leave_the_exact_state),
        cmocka_unit_test(a_fault_says_where_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
