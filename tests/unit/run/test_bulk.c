/* Bulk operations on memories and tables: outside nothing is done at all, however large the
 * numbers. */
#include "guest.h"

#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static const char bulk[] =
    "(module (memory 2 8192) (table $t 10 funcref) (table $u 10 externref)"
    " (data $d \"0123456789\") (elem $e func $f $f $f $f)"
    " (func $f)"
    " (func (export \"memory.copy\") (param i32 i32 i32)"
    "   (memory.copy (local.get 0) (local.get 1) (local.get 2)))"
    " (func (export \"memory.fill\") (param i32 i32 i32)"
    "   (memory.fill (local.get 0) (local.get 1) (local.get 2)))"
    " (func (export \"memory.init\") (param i32 i32 i32)"
    "   (memory.init $d (local.get 0) (local.get 1) (local.get 2)))"
    " (func (export \"data.drop\") (data.drop $d))"
    " (func (export \"table.copy\") (param i32 i32 i32)"
    "   (table.copy $t $t (local.get 0) (local.get 1) (local.get 2)))"
    " (func (export \"table.fill\") (param i32 i32 i32)"
    "   (table.fill $t (local.get 0) (ref.func $f) (local.get 2)))"
    " (func (export \"table.init\") (param i32 i32 i32)"
    "   (table.init $t $e (local.get 0) (local.get 1) (local.get 2)))"
    " (func (export \"elem.drop\") (elem.drop $e))"
    " (func (export \"table.grow\") (param i32) (result i32) (table.grow $t (ref.null func) "
    "(local.get 0)))"
    " (func (export \"external grow\") (param i32) (result i32)"
    "   (table.grow $u (ref.null extern) (local.get 0)))"
    " (func (export \"table.size\") (result i32) (table.size $t))"
    " (func (export \"is null\") (param i32) (result i32) (ref.is_null (table.get $t (local.get "
    "0))))"
    " (func (export \"memory.grow\") (param i32) (result i32) (memory.grow (local.get 0)))"
    " (func (export \"fill for ever\") (param i32)"
    "   (loop $l (memory.fill (i32.const 0) (i32.const 1) (local.get 0)) (br $l)))"
    " (func (export \"fill once\") (param i32)"
    "   (memory.fill (i32.const 0) (i32.const 1) (local.get 0)))"
    " (func (export \"copy for ever\") (param i32)"
    "   (loop $l (memory.copy (i32.const 0) (i32.const 1) (local.get 0)) (br $l))))";

enum { SIZE = 2 * 65536 };

/* a, b and n of an operation on two ranges, or of one on a range and a value. */
struct range {
    uint32_t a, b, n;
};

static uint8_t pattern(size_t i)
{
    return (uint8_t)(i * 13 + (i >> 8) + 1);
}

static void expect_memory_untouched(struct lucet_instance *inst)
{
    const uint8_t *heap = lucet_instance_heap(inst);

    for (size_t i = 0; i < SIZE; i++) {
        if (heap[i] != pattern(i))
            fail_msg("byte %zu was written", i);
    }
}

static void expect_traps(struct lucet_instance *inst, const char *op, enum lucet_trapcode code,
                         const struct range *r, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const enum lucet_trapcode got =
            guest_trap(inst, op, ARGS(I32(r[i].a), I32(r[i].b), I32(r[i].n)));
        if (got != code)
            fail_msg("%s %#x %#x %#x: %s", op, r[i].a, r[i].b, r[i].n, lucet_trapcode_name(got));
    }
}

#define TRAPS(op, code, ...)                                                                       \
    expect_traps(inst, op, lucet_trapcode_##code, (const struct range[]){__VA_ARGS__},             \
                 sizeof((const struct range[]){__VA_ARGS__}) / sizeof(struct range))

static void memory_operations_do_all_or_nothing(struct lucet_instance *inst)
{
    uint8_t *heap = lucet_instance_heap(inst);

    for (size_t i = 0; i < SIZE; i++)
        heap[i] = pattern(i);
    TRAPS("memory.fill", heap_out_of_bounds, {0, 1, SIZE + 1}, {1, 1, SIZE}, {SIZE, 1, 1},
          {SIZE + 1, 1, 0}, {0xffffffff, 1, 0}, {0xffffffff, 1, 1}, {0xffffffff, 1, 2},
          {0, 1, 0xffffffff}, {1, 1, 0xffffffff}, {0x80000000, 1, 0x80000000},
          {SIZE - 1, 1, 0xffffffff}, {SIZE - 10, 1, 0x80000000}, {0xffffff00, 1, 0x200});
    TRAPS("memory.copy", heap_out_of_bounds, {0, 1, SIZE}, {1, 0, SIZE}, {0, SIZE + 1, 0},
          {SIZE + 1, 0, 0}, {0, 0xffffffff, 1}, {0xffffffff, 0, 1}, {0xffffffff, 0, 0xffffffff},
          {0, 0xffffff00, 0x200}, {0xffffff00, 0, 0x200}, {100, 0, 0x80000000},
          {0x80000000, 0x80000000, 0x80000000}, {0, SIZE - 5, 6}, {SIZE - 5, 0, 6});
    TRAPS("memory.init", heap_out_of_bounds, {0, 0, 11}, {0, 10, 1}, {0, 11, 0}, {SIZE, 0, 1},
          {SIZE + 1, 0, 0}, {SIZE - 5, 0, 6}, {0, 0xffffffff, 1}, {0, 0xffffffff, 0xffffffff},
          {0, 1, 0xffffffff}, {0xffffffff, 0, 1}, {0xfffffff8, 0, 10});
    expect_memory_untouched(inst);

    /* At the edge, and empty, they work. */
    guest_call(inst, "memory.fill", ARGS(I32(SIZE), I32(1), I32(0)));
    guest_call(inst, "memory.copy", ARGS(I32(SIZE), I32(SIZE), I32(0)));
    guest_call(inst, "memory.init", ARGS(I32(SIZE), I32(10), I32(0)));
    expect_memory_untouched(inst);
    guest_call(inst, "memory.fill", ARGS(I32(SIZE - 10), I32(0x1ff), I32(10)));
    assert_int_equal(heap[SIZE - 1], 0xff);
    assert_int_equal(heap[SIZE - 11], pattern(SIZE - 11));
    guest_call(inst, "memory.init", ARGS(I32(SIZE - 5), I32(5), I32(5)));
    assert_memory_equal(heap + SIZE - 5, "56789", 5);
    guest_call(inst, "data.drop", 0, NULL);
    guest_call(inst, "memory.init", ARGS(I32(0), I32(0), I32(0)));
    TRAPS("memory.init", heap_out_of_bounds, {0, 0, 1}, {0, 1, 0});
}

static void overlapping_copies_are_right(struct lucet_instance *inst)
{
    uint8_t *heap = lucet_instance_heap(inst);
    static const int distances[] = {1, 7, 64, 4097, 70000};

    for (size_t k = 0; k < sizeof distances / sizeof distances[0]; k++) {
        const int d = distances[k], n = SIZE - d;
        for (size_t i = 0; i < SIZE; i++)
            heap[i] = pattern(i);
        guest_call(inst, "memory.copy", ARGS(I32(d), I32(0), I32(n)));
        for (int i = 0; i < SIZE; i++)
            assert_int_equal(heap[i], pattern((size_t)(i < d ? i : i - d)));
        for (size_t i = 0; i < SIZE; i++)
            heap[i] = pattern(i);
        guest_call(inst, "memory.copy", ARGS(I32(0), I32(d), I32(n)));
        for (int i = 0; i < SIZE; i++)
            assert_int_equal(heap[i], pattern((size_t)(i < n ? i + d : i)));
    }
}

static void expect_nulls(struct lucet_instance *inst, const char *nulls)
{
    for (int i = 0; nulls[i]; i++) {
        if ((uint32_t)guest_call(inst, "is null", ARGS(I32(i))) != (uint32_t)(nulls[i] == '0'))
            fail_msg("entry %d is not as in %s", i, nulls);
    }
}

static void table_operations_do_all_or_nothing(struct lucet_instance *inst)
{
    TRAPS("table.fill", table_out_of_bounds, {0, 0, 11}, {10, 0, 1}, {11, 0, 0}, {0xffffffff, 0, 1},
          {0xffffffff, 0, 0xffffffff}, {1, 0, 0xffffffff}, {5, 0, 0x20000000});
    TRAPS("table.copy", table_out_of_bounds, {0, 0, 11}, {0, 1, 10}, {1, 0, 10}, {11, 0, 0},
          {0, 11, 0}, {0xffffffff, 0, 1}, {0, 0xffffffff, 1}, {0, 0xfffffffe, 0xfffffffe});
    TRAPS("table.init", table_out_of_bounds, {0, 0, 5}, {0, 4, 1}, {0, 5, 0}, {7, 0, 4}, {11, 0, 0},
          {0xffffffff, 0, 1}, {0, 0xffffffff, 1}, {0, 1, 0xffffffff});
    expect_nulls(inst, "0000000000");
    guest_call(inst, "table.init", ARGS(I32(6), I32(0), I32(4)));
    expect_nulls(inst, "0000001111");
    guest_call(inst, "table.copy", ARGS(I32(4), I32(5), I32(4)));
    expect_nulls(inst, "0000011111");
    guest_call(inst, "table.fill", ARGS(I32(0), I32(0), I32(2)));
    expect_nulls(inst, "1100011111");
    guest_call(inst, "elem.drop", 0, NULL);
    TRAPS("table.init", table_out_of_bounds, {0, 0, 1});
    guest_call(inst, "table.init", ARGS(I32(0), I32(0), I32(0)));

    assert_int_equal((int32_t)guest_call(inst, "table.grow", ARGS(I32(-1))), -1);
    assert_int_equal((int32_t)guest_call(inst, "table.grow", ARGS(I32(0x7fffffff))), -1);
    assert_int_equal((int32_t)guest_call(inst, "external grow", ARGS(I32(0x40000000))), -1);
    assert_int_equal((int32_t)guest_call(inst, "table.grow", ARGS(I32(90))), 10);
    assert_int_equal((int32_t)guest_call(inst, "table.size", 0, NULL), 100);
    expect_nulls(inst, "1100011111000");
    TRAPS("table.fill", table_out_of_bounds, {0, 0, 101}, {100, 0, 1});
    guest_call(inst, "table.fill", ARGS(I32(99), I32(0), I32(1)));
}

static void bulk_operations_are_contained(void **state)
{
    (void)state;
    guest_begin();
    struct lucet_region *region = guest_region(1);
    for (unsigned m = 0; m < GUEST_MODES; m++) {
        struct lucet_dl_module *module = guest_module(bulk, &guest_modes[m]);
        struct lucet_instance *inst = guest_instance(region, module, NULL, NULL);
        lucet_instance_set_continue_after_fault(inst, true);
        memory_operations_do_all_or_nothing(inst);
        overlapping_copies_are_right(inst);
        table_operations_do_all_or_nothing(inst);
        /* Dropped segments are back, grown tables small again. */
        assert_int_equal(lucet_instance_reset(inst), lucet_error_ok);
        lucet_instance_set_continue_after_fault(inst, true);
        memory_operations_do_all_or_nothing(inst);
        table_operations_do_all_or_nothing(inst);
        lucet_instance_release(inst);
        lucet_dl_module_release(module);
    }
    lucet_region_release(region);
}

struct killer {
    struct lucet_kill_switch *kill_switch;
    unsigned delay_us;
};

static void *kill_later(void *arg)
{
    const struct killer *k = arg;

    usleep(k->delay_us);
    lucet_kill_switch_terminate(k->kill_switch);
    return NULL;
}

/* Almost all time is spent inside of the operation. */
static void bulk_operations_are_killed_while_they_run(void **state)
{
    static const char *const ops[] = {"fill for ever", "copy for ever"};
    (void)state;
    guest_begin();
    struct lucet_alloc_limits limits = lucet_alloc_limits_default();
    limits.heap_memory_size = 256 << 20;
    struct lucet_region *region;
    assert_int_equal(lucet_mmap_region_create(1, &limits, &region), lucet_error_ok);
    struct lucet_dl_module *module = guest_module(bulk, &guest_default);
    for (unsigned i = 0; i < 4; i++) {
        struct lucet_instance *inst = guest_instance(region, module, NULL, NULL);
        struct lucet_result r;
        struct killer k = {.delay_us = 20000 + 7000 * i};
        pthread_t thread;
        assert_int_equal((uint32_t)guest_call(inst, "memory.grow", ARGS(I32(2048))), 2);
        assert_int_equal(lucet_instance_kill_switch(inst, &k.kill_switch), lucet_error_ok);
        assert_int_equal(pthread_create(&thread, NULL, kill_later, &k), 0);
        assert_int_equal(lucet_instance_run(inst, ops[i % 2], ARGS(I32(128 << 20)), &r),
                         lucet_error_runtime_terminated);
        pthread_join(thread, NULL);
        assert_int_equal(r.tag, lucet_result_tag_terminated);
        assert_int_equal(r.val.terminated.reason, lucet_terminated_reason_remote);
        lucet_kill_switch_release(k.kill_switch);
        lucet_instance_release(inst);
    }
    lucet_dl_module_release(module);
    lucet_region_release(region);
}

/* In the middle: what was to be written last is not. */
static void a_single_operation_is_killed_in_the_middle(void **state)
{
    const size_t size = UINT64_C(512) << 20; /* takes 50 ms and more */
    (void)state;
    guest_begin();
    struct lucet_alloc_limits limits = lucet_alloc_limits_default();
    limits.heap_memory_size = size;
    struct lucet_region *region;
    assert_int_equal(lucet_mmap_region_create(1, &limits, &region), lucet_error_ok);
    struct lucet_dl_module *module = guest_module(bulk, &guest_default);
    struct lucet_instance *inst = guest_instance(region, module, NULL, NULL);
    struct lucet_result r;
    assert_int_equal((uint32_t)guest_call(inst, "memory.grow", ARGS(I32(size / 65536 - 2))), 2);
    assert_int_equal(lucet_instance_set_timeout(inst, 10), lucet_error_ok);
    assert_int_equal(lucet_instance_run(inst, "fill once", ARGS(I32(size)), &r),
                     lucet_error_runtime_terminated);
    assert_int_equal(lucet_instance_heap(inst)[size - 1], 0);
    lucet_instance_release(inst);
    lucet_dl_module_release(module);
    lucet_region_release(region);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bulk_operations_are_contained),
        cmocka_unit_test(bulk_operations_are_killed_while_they_run),
        cmocka_unit_test(a_single_operation_is_killed_in_the_middle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
