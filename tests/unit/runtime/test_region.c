/* Regions: limits, counting, and slots that keep nothing of their last tenant. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "run/guest.h"

#define PAGE 4096u

static void sizes_that_make_no_sense_are_refused(void **state)
{
    static const struct {
        size_t offset;
        uint64_t value;
    } bad[] = {
#define BAD(field, value) {offsetof(struct lucet_alloc_limits, field), value}
        BAD(heap_memory_size, 0),
        BAD(heap_memory_size, 100),
        BAD(heap_memory_size, UINT64_MAX - 4095),
        BAD(heap_memory_size, UINT64_C(16) << 30), /* more than the address space */
        BAD(heap_address_space_size, 0),
        BAD(heap_address_space_size, UINT64_C(1) << 63),
        BAD(stack_size, 0),
        BAD(stack_size, 1),
        BAD(stack_size, PAGE), /* less than the reservation */
        BAD(stack_size, 32 << 10),
        BAD(hostcall_reservation, 0),
        BAD(hostcall_reservation, 128 << 10),
        BAD(globals_size, 0),
        BAD(globals_size, 5000),
        BAD(signal_stack_size, 0),
    };
    struct lucet_region *region;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct lucet_alloc_limits l = lucet_alloc_limits_default();
        memcpy((char *)&l + bad[i].offset, &bad[i].value, 8);
        assert_int_equal(lucet_mmap_region_create(1, &l, &region), lucet_error_invalid_argument);
        assert_null(region);
        assert_true(lucet_error_detail()[0] != '\0');
    }
    assert_int_equal(lucet_mmap_region_create(0, NULL, &region), lucet_error_invalid_argument);
    assert_int_equal(lucet_mmap_region_create(1, NULL, NULL), lucet_error_invalid_argument);
    assert_int_equal(lucet_mmap_region_create(SIZE_MAX, NULL, &region), lucet_error_no_memory);
    assert_int_equal(lucet_mmap_region_create(1 << 20, NULL, &region), lucet_error_no_memory);
#ifdef LUCET_TSAN /* which has 1.5 TiB for all mappings */
    const size_t many = 50;
#else
    const size_t many = 1000;
#endif
    assert_int_equal(lucet_mmap_region_create(many, NULL, &region), lucet_error_ok);
    assert_string_equal(lucet_error_detail(), "");
    assert_int_equal(lucet_region_capacity(region), many);
    lucet_region_release(region);
    lucet_region_release(NULL);
    assert_int_equal(lucet_region_capacity(NULL), 0);
}

static void slots_are_counted_and_the_region_lives_as_long_as_its_instances(void **state)
{
    struct lucet_instance *inst[3], *fourth;
    struct lucet_region *region;

    (void)state;
    guest_begin();
    struct lucet_dl_module *module =
        guest_module("(module (func (export \"f\") (result i32) (i32.const 5)))", &guest_default);
    assert_int_equal(lucet_mmap_region_create(3, NULL, &region), lucet_error_ok);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(lucet_region_used_slots(region), i);
        assert_int_equal(lucet_region_free_slots(region), 3 - i);
        assert_int_equal(lucet_region_new_instance(region, module, &inst[i]), lucet_error_ok);
    }
    assert_int_equal(lucet_region_new_instance(region, module, &fourth), lucet_error_region_full);
    assert_null(fourth);
    lucet_instance_release(inst[1]);
    assert_int_equal(lucet_region_new_instance(region, module, &inst[1]), lucet_error_ok);
    lucet_dl_module_release(module);
    lucet_region_release(region);
    for (int i = 0; i < 3; i++) {
        assert_int_equal((uint32_t)guest_call(inst[i], "f", 0, NULL), 5);
        lucet_instance_release(inst[i]);
    }
}

/* Fills heap, globals, tables and a deep stack with a pattern; the next one looks for it. */
static const char tenant[] =
    "(module (memory (export \"m\") 2 8) (table (export \"t\") 4 100 externref)"
    " (global $a (mut i64) (i64.const 0)) (global $b (mut f64) (f64.const 0))"
    " (func (export \"fill\")"
    "   (global.set $a (i64.const 0x5ec2e75ec2e75ec2))"
    "   (global.set $b (f64.const 1e300))"
    "   (drop (memory.grow (i32.const 6)))"
    "   (memory.fill (i32.const 0) (i32.const 0xc2) (i32.const 524288)))"
    " (func $deep (export \"deep\") (param i64 i32) (result i64)"
    "   (if (result i64) (local.get 1)"
    "     (then (i64.xor (call $deep (local.get 0) (i32.sub (local.get 1) (i32.const 1)))"
    "                    (local.get 0)))"
    "     (else (local.get 0))))"
    " (func (export \"globals\") (result i64) (i64.or (global.get $a)"
    "   (i64.reinterpret_f64 (global.get $b))))"
    " (func (export \"size\") (result i32) (memory.size))"
    " (func (export \"grow\") (param i32) (result i32) (memory.grow (local.get 0))))";

static void the_next_tenant_finds_nothing(void **state)
{
    struct lucet_region *region = NULL;
    struct lucet_instance *inst;
    const uint8_t *heap;

    (void)state;
    guest_begin();
    struct lucet_dl_module *module = guest_module(tenant, &guest_default);
    assert_int_equal(lucet_mmap_region_create(1, NULL, &region), lucet_error_ok);
    for (int round = 0; round < 5; round++) {
        inst = guest_instance(region, module, NULL, NULL);
        heap = lucet_instance_heap(inst);
        assert_int_equal(lucet_instance_heap_len(inst), 2 * 65536);
        assert_true(guest_all_zero(heap, 2 * 65536));
        assert_int_equal(guest_call(inst, "globals", 0, NULL), 0);
        /* What it grows by is clean as well, also where the last tenant had shrunk. */
        assert_int_equal((uint32_t)guest_call(inst, "grow", ARGS(I32(6))), 2);
        assert_true(guest_all_zero(heap, 8 * 65536));
        /* The guest's stack lies below its heap, with a page of guard between. */
        assert_true(guest_all_zero(heap - (132 << 10), 120 << 10));
        guest_call(inst, "fill", 0, NULL);
        guest_call(inst, "deep", ARGS(I64(0x5ec2e75ec2e75ec2), I32(500)));
        assert_false(guest_all_zero(heap - (132 << 10), 120 << 10));
        lucet_instance_release(inst);
    }
    lucet_dl_module_release(module);
    lucet_region_release(region);
}

static void a_reset_is_as_good_as_a_new_instance(void **state)
{
    (void)state;
    guest_begin();
    struct lucet_dl_module *module = guest_module(tenant, &guest_default);
    struct lucet_region *region = guest_region(1);
    struct lucet_instance *inst = guest_instance(region, module, NULL, NULL);
    for (int round = 0; round < 3; round++) {
        guest_call(inst, "fill", 0, NULL);
        assert_int_equal(lucet_instance_heap_len(inst), 8 * 65536);
        assert_int_equal(lucet_instance_reset(inst), lucet_error_ok);
        assert_int_equal(lucet_instance_heap_len(inst), 2 * 65536);
        assert_true(guest_all_zero(lucet_instance_heap(inst), 2 * 65536));
        assert_int_equal(guest_call(inst, "globals", 0, NULL), 0);
    }
    lucet_instance_release(inst);
    lucet_dl_module_release(module);
    lucet_region_release(region);
}

/* A module whose initial memory is large enough to be mapped copy-on-write. */
static struct lucet_dl_module *with_image(char fill, unsigned pages)
{
    struct text t = {0};

    text_add(&t, "(module (memory (export \"m\") %u) (data (i32.const 1000) \"", pages);
    for (int i = 0; i < 200000; i++)
        text_add(&t, "%c", fill);
    text_add(&t, "\") (data (i32.const 201500) \"end\"))");
    struct lucet_dl_module *m = guest_module(t.s, &guest_default);
    text_free(&t);
    return m;
}

static void check_image(struct lucet_instance *inst, char fill)
{
    const uint8_t *heap = lucet_instance_heap(inst);

    assert_true(guest_all_zero(heap, 1000));
    for (int i = 0; i < 200000; i++)
        if (heap[1000 + i] != (uint8_t)fill)
            fail_msg("byte %d is %u", 1000 + i, heap[1000 + i]);
    assert_true(guest_all_zero(heap + 201000, 500));
    assert_memory_equal(heap + 201500, "end", 3);
    assert_true(guest_all_zero(heap + 201503, lucet_instance_heap_len(inst) - 201503));
}

static void large_initial_memories_are_fresh_whoever_had_the_slot(void **state)
{
    (void)state;
    guest_begin();
    struct lucet_dl_module *modules[] = {
        with_image('a', 4), with_image('b', 6),
        guest_module("(module (memory (export \"m\") 5))", &guest_default)};
    struct lucet_region *region = guest_region(1);
    static const uint8_t order[] = {0, 0, 1, 0, 2, 1, 1, 2, 2, 0};
    for (size_t i = 0; i < sizeof(order); i++) {
        struct lucet_instance *inst = guest_instance(region, modules[order[i]], NULL, NULL);
        for (int round = 0; round < 3; round++) {
            if (order[i] < 2)
                check_image(inst, (char)('a' + order[i]));
            else
                assert_true(
                    guest_all_zero(lucet_instance_heap(inst), lucet_instance_heap_len(inst)));
            memset(lucet_instance_heap(inst), 0xee, lucet_instance_heap_len(inst));
            if (round == 1)
                assert_int_equal(lucet_instance_grow_heap(inst, 3, NULL), lucet_error_ok);
            if (round < 2)
                assert_int_equal(lucet_instance_reset(inst), lucet_error_ok);
        }
        lucet_instance_release(inst);
    }
    for (int i = 0; i < 3; i++)
        lucet_dl_module_release(modules[i]);
    lucet_region_release(region);
}

static void limits_of_the_region_and_the_instance_are_kept(void **state)
{
    struct lucet_alloc_limits l = lucet_alloc_limits_default();
    struct lucet_instance_options o = {0};
    struct lucet_region *region;
    struct lucet_instance *inst;
    uint32_t before;

    (void)state;
    guest_begin();
    struct lucet_dl_module *module = guest_module(tenant, &guest_default);
    l.heap_memory_size = 3 * 65536;
    assert_int_equal(lucet_mmap_region_create(2, &l, &region), lucet_error_ok);
    inst = guest_instance(region, module, NULL, NULL);
    assert_int_equal((uint32_t)guest_call(inst, "grow", ARGS(I32(2))), UINT32_MAX);
    assert_int_equal((uint32_t)guest_call(inst, "grow", ARGS(I32(1))), 2);
    assert_int_equal(lucet_instance_grow_heap(inst, 1, &before), lucet_error_limits_exceeded);
    assert_int_equal(lucet_instance_grow_heap(inst, 0, &before), lucet_error_ok);
    assert_int_equal(before, 3);
    assert_true(lucet_instance_check_heap(inst, lucet_instance_heap(inst), 3 * 65536));
    assert_false(lucet_instance_check_heap(inst, lucet_instance_heap(inst), 3 * 65536 + 1));
    assert_false(lucet_instance_check_heap(inst, lucet_instance_heap(inst) - 1, 1));
    assert_false(lucet_instance_check_heap(inst, lucet_instance_heap(inst) + 1, SIZE_MAX));
    uint8_t *heap = lucet_instance_heap(inst);
    assert_ptr_equal(lucet_instance_guest_range(inst, 0, 3 * 65536), heap);
    assert_ptr_equal(lucet_instance_guest_range(inst, 65536, 2 * 65536), heap + 65536);
    assert_ptr_equal(lucet_instance_guest_range(inst, 3 * 65536, 0), heap + 3 * 65536);
    assert_null(lucet_instance_guest_range(inst, 0, 3 * 65536 + 1));
    assert_null(lucet_instance_guest_range(inst, 3 * 65536, 1));
    assert_null(lucet_instance_guest_range(inst, 3 * 65536 + 1, 0));
    assert_null(lucet_instance_guest_range(inst, 1, UINT64_MAX));
    assert_null(lucet_instance_guest_range(inst, UINT64_MAX, 2));
    assert_null(lucet_instance_guest_range(inst, UINT64_MAX - 65535, 65536));
    assert_null(lucet_instance_guest_range(NULL, 0, 0));
    lucet_instance_release(inst);
    o.heap_memory_limit = 65536;
    assert_int_equal(lucet_region_new_instance_with(region, module, &o, &inst),
                     lucet_error_limits_exceeded);
    assert_non_null(strstr(lucet_error_detail(), "131072"));
    o.heap_memory_limit = 2 * 65536 + 4096; /* no room for a third page */
    assert_int_equal(lucet_region_new_instance_with(region, module, &o, &inst), lucet_error_ok);
    assert_int_equal((uint32_t)guest_call(inst, "grow", ARGS(I32(1))), UINT32_MAX);
    lucet_instance_release(inst);
    assert_int_equal(lucet_region_used_slots(region), 0);
    lucet_region_release(region);
    lucet_dl_module_release(module);
}

static void a_layout_the_region_does_not_have_is_refused(void **state)
{
    struct lucet_alloc_limits l = lucet_alloc_limits_default();
    struct lucet_region *region;
    struct lucet_instance *inst;

    (void)state;
    guest_begin();
    struct lucet_dl_module *module = guest_module(tenant, &guest_default);
    l.heap_address_space_size = (UINT64_C(8) << 30) - 4096;
    assert_int_equal(lucet_mmap_region_create(1, &l, &region), lucet_error_ok);
    assert_int_equal(lucet_region_new_instance(region, module, &inst), lucet_error_limits_exceeded);
    assert_non_null(strstr(lucet_error_detail(), "heap_address_space_size"));
    lucet_region_release(region);
    lucet_dl_module_release(module);

    struct text t = {0};
    text_add(&t, "(module");
    for (int i = 0; i < 600; i++)
        text_add(&t, "(global (mut i64) (i64.const %d))", i);
    text_add(&t, ")");
    module = guest_module(t.s, &guest_default);
    text_free(&t);
    region = guest_region(1);
    assert_int_equal(lucet_region_new_instance(region, module, &inst), lucet_error_limits_exceeded);
    assert_non_null(strstr(lucet_error_detail(), "globals_size"));
    assert_int_equal(lucet_region_used_slots(region), 0);
    lucet_region_release(region);
    lucet_dl_module_release(module);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_that_make_no_sense_are_refused),
        cmocka_unit_test(slots_are_counted_and_the_region_lives_as_long_as_its_instances),
        cmocka_unit_test(the_next_tenant_finds_nothing),
        cmocka_unit_test(a_reset_is_as_good_as_a_new_instance),
        cmocka_unit_test(large_initial_memories_are_fresh_whoever_had_the_slot),
        cmocka_unit_test(limits_of_the_region_and_the_instance_are_kept),
        cmocka_unit_test(a_layout_the_region_does_not_have_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
