/* Loads and stores of every width at and beyond every boundary: inside they work, outside they
 * trap, and a store that traps has written nothing. */
#include "accesses.h"

#include <stdio.h>

enum { PAGE = 65536, PAGES = 2, SIZE = PAGE * PAGES };

static const uint32_t offsets[] = {0,          1,          7,          65535,      65536,
                                   SIZE - 1,   SIZE,       0x7fffffff, 0x80000000, 0xfffeffff,
                                   0xffff0000, 0xfffffff8, 0xffffffff};
enum { OFFSETS = sizeof offsets / sizeof offsets[0] };

/* Addresses around each boundary there is. */
static const uint32_t addresses[] = {
    0,          1,          PAGE - 1,   PAGE,       SIZE - 65536, SIZE - 65535,
    SIZE - 8,   SIZE - 7,   SIZE - 4,   SIZE - 3,   SIZE - 2,     SIZE - 1,
    SIZE,       SIZE + 1,   0x7ffffffc, 0x7fffffff, 0x80000000,   0x80010000,
    0xfffdffff, 0xffff0000, 0xfffffff8, 0xfffffffc, 0xffffffff,
};
enum { ADDRESSES = sizeof addresses / sizeof addresses[0] };

/* With `constant`, the address is a constant of the functions instead of their parameter. */
static void add_functions(struct text *t, uint32_t offset, const uint32_t *constant)
{
    char index[64], suffix[64] = "";

    if (constant) {
        snprintf(index, sizeof index, "(i32.const %u)", *constant);
        snprintf(suffix, sizeof suffix, " %u", *constant);
    }
    accesses_add(t, "", "i32", offset, constant ? index : NULL, suffix);
}

static void fill(struct lucet_instance *inst)
{
    uint8_t *heap = lucet_instance_heap(inst);

    assert_int_equal(lucet_instance_heap_len(inst), SIZE);
    for (size_t i = 0; i < SIZE; i++)
        heap[i] = pattern(i);
}

static void check_load(struct lucet_instance *inst, unsigned i, uint32_t address, uint32_t offset,
                       const char *name)
{
    const uint64_t at = (uint64_t)address + offset;
    struct lucet_result r;
    const enum lucet_error e = lucet_instance_run(inst, name, ARGS(I32(address)), &r);

    if (at + loads[i].width <= SIZE) {
        if (e != lucet_error_ok || lucet_retval_gp(&r.val.returned) != expected_load(&loads[i], at))
            fail_msg("%s of %u + %u: %s, 0x%llx", loads[i].op, address, offset, lucet_error_name(e),
                     (unsigned long long)lucet_retval_gp(&r.val.returned));
    } else if (e != lucet_error_runtime_fault ||
               r.val.faulted.trapcode != lucet_trapcode_heap_out_of_bounds) {
        fail_msg("%s of %u + %u is outside, and does not trap: %s", loads[i].op, address, offset,
                 lucet_error_name(e));
    }
}

/* The bytes around the access, and those at the end of memory, are what they should be. */
static void check_bytes(const uint8_t *heap, uint64_t at, unsigned width, uint64_t value)
{
    for (uint64_t i = at > 16 ? at - 16 : 0; i < at + width + 16 && i < SIZE; i++) {
        const bool written = i >= at && i < at + width;
        assert_int_equal(heap[i], written ? (uint8_t)(value >> (8 * (i - at))) : pattern(i));
    }
    for (uint64_t i = SIZE - 16; i < SIZE; i++) {
        if (i < at || i >= at + width)
            assert_int_equal(heap[i], pattern(i));
    }
}

static void check_store(struct lucet_instance *inst, unsigned i, uint32_t address, uint32_t offset,
                        const char *name)
{
    const uint64_t at = (uint64_t)address + offset, value = 0x1122334455667788;
    uint8_t *heap = lucet_instance_heap(inst);
    struct lucet_result r;
    const enum lucet_error e = lucet_instance_run(inst, name, ARGS(I32(address), I64(value)), &r);

    if (at + stores[i].width <= SIZE) {
        assert_int_equal(e, lucet_error_ok);
        check_bytes(heap, at, stores[i].width, value);
        for (unsigned k = 0; k < stores[i].width; k++)
            heap[at + k] = pattern(at + k);
        return;
    }
    if (e != lucet_error_runtime_fault ||
        r.val.faulted.trapcode != lucet_trapcode_heap_out_of_bounds)
        fail_msg("%s of %u + %u is outside, and does not trap: %s", stores[i].op, address, offset,
                 lucet_error_name(e));
    check_bytes(heap, SIZE, 0, 0);
}

static void check_at(struct lucet_instance *inst, uint32_t address, uint32_t offset,
                     const char *suffix)
{
    char name[64];

    for (unsigned i = 0; i < LOADS; i++) {
        snprintf(name, sizeof name, "load %u %u%s", i, offset, suffix);
        check_load(inst, i, address, offset, name);
    }
    for (unsigned i = 0; i < STORES; i++) {
        snprintf(name, sizeof name, "store %u %u%s", i, offset, suffix);
        check_store(inst, i, address, offset, name);
    }
}

static struct lucet_instance *start(struct lucet_region *region, struct lucet_dl_module *module)
{
    struct lucet_instance *inst = guest_instance(region, module, NULL, NULL);

    lucet_instance_set_continue_after_fault(inst, true);
    fill(inst);
    return inst;
}

static void every_access_is_contained(void **state)
{
    struct text t = {0};
    (void)state;
    guest_begin();
    text_add(&t, "(module (memory %u)\n", PAGES);
    for (unsigned o = 0; o < OFFSETS; o++)
        add_functions(&t, offsets[o], NULL);
    text_add(&t, ")\n");

    struct lucet_region *region = guest_region(1);
    for (unsigned m = 0; m < GUEST_MODES; m++) {
        struct lucet_dl_module *module = guest_module(t.s, &guest_modes[m]);
        struct lucet_instance *inst = start(region, module);
        for (unsigned o = 0; o < OFFSETS; o++) {
            for (unsigned a = 0; a < ADDRESSES; a++)
                check_at(inst, addresses[a], offsets[o], "");
        }
        lucet_instance_release(inst);
        lucet_dl_module_release(module);
    }
    lucet_region_release(region);
    text_free(&t);
}

/* Constants let LLVM fold address and offset into one number. */
static void constant_addresses_are_contained(void **state)
{
    static const uint32_t some_offsets[] = {0, 65536, SIZE - 1, 0x7fffffff, 0xfffffff8, 0xffffffff};
    static const uint32_t some_addresses[] = {0,          SIZE - 8,   SIZE - 3,  SIZE,
                                              0x80000000, 0xffff0000, 0xffffffff};
    struct text t = {0};
    (void)state;
    guest_begin();
    text_add(&t, "(module (memory %u)\n", PAGES);
    for (unsigned o = 0; o < 6; o++) {
        for (unsigned a = 0; a < 7; a++)
            add_functions(&t, some_offsets[o], &some_addresses[a]);
    }
    text_add(&t, ")\n");

    struct lucet_region *region = guest_region(1);
    for (unsigned m = 0; m < GUEST_MODES; m++) {
        struct lucet_dl_module *module = guest_module(t.s, &guest_modes[m]);
        struct lucet_instance *inst = start(region, module);
        for (unsigned o = 0; o < 6; o++) {
            for (unsigned a = 0; a < 7; a++) {
                char suffix[32];
                snprintf(suffix, sizeof suffix, " %u", some_addresses[a]);
                check_at(inst, some_addresses[a], some_offsets[o], suffix);
            }
        }
        lucet_instance_release(inst);
        lucet_dl_module_release(module);
    }
    lucet_region_release(region);
    text_free(&t);
}

/* What a smaller guard does not contain must be checked: behind it lies the next slot. */
static void small_guards_are_made_up_for_by_checks(void **state)
{
    enum { GUARD = 128 * 1024 };
    static const uint32_t far[] = {GUARD - 8,      GUARD - 1,  GUARD,      GUARD + 1,
                                   GUARD + 300000, 0x10000000, 0x7fffffff, 0xffffffff};
    struct lucet_alloc_limits limits = lucet_alloc_limits_default();
    struct text t = {0};
    struct lucet_region *region;
    (void)state;
    guest_begin();
    limits.heap_memory_size = 1 << 20;
    limits.heap_address_space_size = (UINT64_C(4) << 30) + GUARD;
    assert_int_equal(lucet_mmap_region_create(2, &limits, &region), lucet_error_ok);
    text_add(&t, "(module (memory %u)\n", PAGES);
    for (unsigned o = 0; o < sizeof far / sizeof far[0]; o++)
        add_functions(&t, far[o], NULL);
    text_add(&t, ")\n");
    for (unsigned m = 0; m < GUEST_MODES; m++) {
        struct guest_mode mode = guest_modes[m];
        mode.guard_size = GUARD;
        struct lucet_dl_module *module = guest_module(t.s, &mode);
        struct lucet_instance *both[] = {start(region, module), start(region, module)};
        for (unsigned i = 0; i < 2; i++) {
            for (unsigned o = 0; o < sizeof far / sizeof far[0]; o++) {
                for (unsigned a = 0; a < ADDRESSES; a++)
                    check_at(both[i], addresses[a], far[o], "");
            }
        }
        for (unsigned i = 0; i < 2; i++) {
            const uint8_t *heap = lucet_instance_heap(both[i]);
            for (size_t k = 0; k < SIZE; k++)
                assert_int_equal(heap[k], pattern(k));
            lucet_instance_release(both[i]);
        }
        lucet_dl_module_release(module);
    }
    lucet_region_release(region);
    text_free(&t);
}

/* Index arithmetic is modulo 2^32, whatever addressing modes the processor has. */
static const char arithmetic[] =
    "(module (memory 2)"
    " (func (export \"shl\") (param i32) (result i32) (i32.load8_u (i32.shl (local.get 0) "
    "(i32.const 3))))"
    " (func (export \"add\") (param i32) (result i32)"
    "   (i32.load8_u offset=16 (i32.add (local.get 0) (i32.const 0x7ffffff0))))"
    " (func (export \"sub\") (param i32) (result i32)"
    "   (i32.load8_u offset=8 (i32.sub (local.get 0) (i32.const 8))))"
    " (func (export \"scaled\") (param i32 i32) (result i32)"
    "   (i32.load8_u offset=4 (i32.add (i32.shl (local.get 0) (i32.const 2)) (local.get 1))))"
    " (func (export \"wrap\") (param i64) (result i32) (i32.load8_u (i32.wrap_i64 (local.get 0))))"
    " (func (export \"extend\") (param i32) (result i32)"
    "   (i32.load8_u (i32.wrap_i64 (i64.extend_i32_s (local.get 0)))))"
    " (func (export \"extend8\") (param i32) (result i32) (i32.load8_u (i32.extend8_s (local.get "
    "0)))))";

static void expect_at(struct lucet_instance *inst, uint64_t at, const char *name, size_t argc,
                      const struct lucet_val *argv)
{
    if (at < SIZE)
        assert_int_equal((uint8_t)guest_call(inst, name, argc, argv), pattern(at));
    else
        assert_int_equal(guest_trap(inst, name, argc, argv), lucet_trapcode_heap_out_of_bounds);
}

static void index_arithmetic_wraps(void **state)
{
    static const uint32_t xs[] = {0,          1,          8,          0x1fffffff, 0x20000001,
                                  0x3fffffff, 0x40000000, 0x7fffffff, 0x80000000, 0x80000010,
                                  0x80000020, 0xc0000001, 0xe0000002, 0xfffffff7, 0xffffffff};
    (void)state;
    guest_begin();
    struct lucet_region *region = guest_region(1);
    for (unsigned m = 0; m < GUEST_MODES; m++) {
        struct lucet_dl_module *module = guest_module(arithmetic, &guest_modes[m]);
        struct lucet_instance *inst = start(region, module);
        for (unsigned i = 0; i < sizeof xs / sizeof xs[0]; i++) {
            const uint32_t x = xs[i];
            expect_at(inst, (uint32_t)(x << 3), "shl", ARGS(I32(x)));
            expect_at(inst, (uint64_t)(uint32_t)(x + 0x7ffffff0) + 16, "add", ARGS(I32(x)));
            expect_at(inst, (uint64_t)(uint32_t)(x - 8) + 8, "sub", ARGS(I32(x)));
            expect_at(inst, (uint64_t)(uint32_t)(x * 4 + 100) + 4, "scaled",
                      ARGS(I32(x), I32(100)));
            expect_at(inst, (uint64_t)(uint32_t)(x * 4 - 100) + 4, "scaled",
                      ARGS(I32(x), I32(-100)));
            expect_at(inst, x, "wrap", ARGS(I64((uint64_t)x | 0xabcdef00ull << 32)));
            expect_at(inst, x, "extend", ARGS(I32(x)));
            expect_at(inst, (uint32_t)(int8_t)x, "extend8", ARGS(I32(x)));
        }
        lucet_instance_release(inst);
        lucet_dl_module_release(module);
    }
    lucet_region_release(region);
}

/* More indices alive across a call than there are registers: they are spilled and come back. Those
 * with the sign bit set must come back as large, not as negative numbers. */
static void spilled_indices_are_not_extended_by_sign(void **state)
{
    enum { N = 24 };
    struct text t = {0};
    (void)state;
    guest_begin();
    text_add(&t, "(module (memory 2) (global $g (mut i32) (i32.const 0))\n"
                 "(func $clobber (global.set $g (i32.add (global.get $g) (i32.const 1))))\n"
                 "(func (export \"f\") (param $x i32) (result i32) (local $s i32)");
    for (int i = 0; i < N; i++)
        text_add(&t, " (local $v%d i32)", i);
    for (int i = 0; i < N; i++)
        text_add(&t, "\n(local.set $v%d (i32.mul (local.get $x) (i32.const %d)))", i, 2 * i + 1);
    for (int round = 0; round < 2; round++) {
        text_add(&t, "\n(call $clobber)");
        for (int i = 0; i < N; i++)
            text_add(&t,
                     "\n(local.set $s (i32.add (local.get $s) (i32.load8_u (i32.and "
                     "(local.get $v%d) (i32.const 0x8001ffff)))))",
                     i);
    }
    text_add(&t, "\n(local.get $s)))\n");

    struct lucet_region *region = guest_region(1);
    for (unsigned m = 0; m < GUEST_MODES; m++) {
        struct lucet_dl_module *module = guest_module(t.s, &guest_modes[m]);
        struct lucet_instance *inst = start(region, module);
        uint32_t sum = 0;
        for (uint32_t i = 0; i < N; i++)
            sum += 2 * pattern(i * 2 + 1);
        assert_int_equal((uint32_t)guest_call(inst, "f", ARGS(I32(1))), sum);
        /* Had it a sign, 0x80000001 would be in front of the memory; it is behind it. */
        assert_int_equal(guest_trap(inst, "f", ARGS(I32(0x80000001))),
                         lucet_trapcode_heap_out_of_bounds);
        lucet_instance_release(inst);
        lucet_dl_module_release(module);
    }
    lucet_region_release(region);
    text_free(&t);
}

static void memory_is_reached_as_soon_as_it_has_grown(void **state)
{
    static const char wat[] =
        "(module (memory 0 20)"
        " (func $grow (param i32) (result i32) (memory.grow (local.get 0)))"
        " (func (export \"f\") (result i32) (local i32)"
        "   (drop (call $grow (i32.const 1)))"
        "   (i32.store (i32.const 65532) (i32.const 77))"
        "   (drop (call $grow (i32.const 9)))"
        "   (i32.store (i32.const 655356) (i32.load (i32.const 65532)))"
        "   (i32.add (i32.load (i32.const 655356)) (memory.size)))"
        " (func (export \"beyond\") (param i32) (result i32) (i32.load (local.get 0)))"
        " (func (export \"grow\") (param i32) (result i32) (memory.grow (local.get 0))))";
    (void)state;
    guest_begin();
    struct lucet_region *region = guest_region(1);
    for (unsigned m = 0; m < GUEST_MODES; m++) {
        struct lucet_dl_module *module = guest_module(wat, &guest_modes[m]);
        struct lucet_instance *inst = guest_instance(region, module, NULL, NULL);
        lucet_instance_set_continue_after_fault(inst, true);
        assert_int_equal(guest_trap(inst, "beyond", ARGS(I32(0))),
                         lucet_trapcode_heap_out_of_bounds);
        assert_int_equal((uint32_t)guest_call(inst, "f", 0, NULL), 87);
        assert_int_equal(guest_trap(inst, "beyond", ARGS(I32(655357))),
                         lucet_trapcode_heap_out_of_bounds);
        assert_int_equal((int32_t)guest_call(inst, "grow", ARGS(I32(11))), -1);
        assert_int_equal((int32_t)guest_call(inst, "grow", ARGS(I32(0xffffffff))), -1);
        assert_int_equal((int32_t)guest_call(inst, "grow", ARGS(I32(65536))), -1);
        assert_int_equal((int32_t)guest_call(inst, "grow", ARGS(I32(10))), 10);
        assert_int_equal((int32_t)guest_call(inst, "grow", ARGS(I32(0))), 20);
        assert_int_equal((uint32_t)guest_call(inst, "beyond", ARGS(I32(20 * PAGE - 4))), 0);
        assert_int_equal(guest_trap(inst, "beyond", ARGS(I32(20 * PAGE - 3))),
                         lucet_trapcode_heap_out_of_bounds);
        lucet_instance_release(inst);
        lucet_dl_module_release(module);
    }
    lucet_region_release(region);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_access_is_contained),
        cmocka_unit_test(constant_addresses_are_contained),
        cmocka_unit_test(small_guards_are_made_up_for_by_checks),
        cmocka_unit_test(index_arithmetic_wraps),
        cmocka_unit_test(spilled_indices_are_not_extended_by_sign),
        cmocka_unit_test(memory_is_reached_as_soon_as_it_has_grown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
