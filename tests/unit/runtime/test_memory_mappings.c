/* Memories in mappings of their own: what is beyond their size cannot be reached, nothing is left
 * in them by a reset, and they grow by no more than they may, whatever system calls fail. */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "run/guest.h"
#include "run/process.h"
#include "runtime/failing.h"
#include "runtime/memory.h"
#include "runtime/sizes.h"
#include "runtime/slot.h"

enum { PAGE = 4096, WASM_PAGE = 65536 };

static struct memory new_memory(struct lucet_memory *desc, uint64_t space, uint64_t limit)
{
    struct memory m = {.desc = desc, .grow_limit = limit, .page_log2 = 16};

    *desc = (struct lucet_memory){.max_pages = UINT32_MAX, .owner = NULL};
    assert_int_equal(lucet__memory_map(&m, space), lucet_error_ok);
    assert_int_equal(desc->size, 0);
    return m;
}

/* As the kernel sees it. */
static bool is_reachable(const uint8_t *p)
{
    int fds[2];

    assert_int_equal(pipe(fds), 0);
    const bool yes = write(fds[1], p, 1) == 1;
    assert_true(yes || errno == EFAULT);
    close(fds[0]);
    close(fds[1]);
    return yes;
}

static bool is_mapped(const uint8_t *p)
{
    unsigned char there;

    return mincore((void *)((uintptr_t)p / PAGE * PAGE), 1, &there) == 0;
}

/* Guards before and behind, and everything from the size on. */
static void expect_only(const struct memory *m, uint64_t size)
{
    const uint8_t *base = m->desc->base;

    assert_int_equal(m->desc->size, size);
    assert_true(is_mapped(base - 1) && !is_reachable(base - 1));
    assert_true(is_mapped(base - LUCET__FRONT_GUARD) && !is_reachable(base - LUCET__FRONT_GUARD));
    if (size)
        assert_true(is_reachable(base) && is_reachable(base + size - 1));
    for (uint64_t at = size; at < m->space; at += PAGE)
        assert_true(is_mapped(base + at) && !is_reachable(base + at));
    for (uint64_t at = 0; at < LUCET__GUARD; at += PAGE)
        assert_true(is_mapped(base + m->space + at) && !is_reachable(base + m->space + at));
}

static void nothing_but_the_memory_is_reachable(void **state)
{
    struct lucet_memory desc;
    struct memory m = new_memory(&desc, 8 * WASM_PAGE, 8 * WASM_PAGE);

    (void)state;
    expect_only(&m, 0);
    for (uint64_t pages = 0; pages < 8; pages++) {
        assert_int_equal(lucet__memory_grow(&m, 1), pages);
        expect_only(&m, (pages + 1) * WASM_PAGE);
    }
    for (uint64_t pages = 4; pages > 0; pages /= 2) {
        assert_int_equal(lucet__memory_reset(&m, pages), lucet_error_ok);
        expect_only(&m, pages * WASM_PAGE);
        assert_int_equal(lucet__memory_grow(&m, 3), pages);
        expect_only(&m, (pages + 3) * WASM_PAGE);
    }
    const uint8_t *mapping = m.mapping;
    const uint64_t size = m.mapping_size;
    lucet__memory_unmap(&m);
    assert_false(is_mapped(mapping) || is_mapped(mapping + size - 1));
}

/* Whatever it had grown to. */
static void a_reset_leaves_zeros(void **state)
{
    struct lucet_memory desc;
    struct memory m = new_memory(&desc, 16 * WASM_PAGE, 16 * WASM_PAGE);

    (void)state;
    for (unsigned k = 0; k < 6; k++) {
        lucet__memory_reset(&m, k % 3);
        assert_int_equal(lucet__memory_grow(&m, 2), k % 3);
        assert_int_equal(lucet__memory_grow(&m, 3), k % 3 + 2);
        assert_true(guest_all_zero(desc.base, desc.size));
        memset(desc.base, 0xee, desc.size);
    }
    lucet__memory_unmap(&m);
}

/* Neither beyond its maximum, nor beyond what it may have, nor by as much as wraps. */
static void it_grows_by_no_more_than_it_may(void **state)
{
    static const uint64_t too_much[] = {5,
                                        6,
                                        7,
                                        8,
                                        9,
                                        100,
                                        UINT32_MAX,
                                        UINT64_MAX / WASM_PAGE,
                                        UINT64_MAX / WASM_PAGE + 1,
                                        UINT64_MAX - 3,
                                        UINT64_MAX - 2,
                                        UINT64_MAX};
    struct lucet_memory desc;

    (void)state;
    for (int by_maximum = 0; by_maximum < 2; by_maximum++) {
        struct memory m = new_memory(&desc, 64 * WASM_PAGE, (by_maximum ? 64 : 7) * WASM_PAGE);
        desc.max_pages = by_maximum ? 7 : UINT64_MAX;
        assert_int_equal(lucet__memory_grow(&m, 3), 0);
        for (size_t k = 0; k < sizeof(too_much) / sizeof(*too_much); k++)
            assert_int_equal(lucet__memory_grow(&m, too_much[k]), -1);
        assert_int_equal(lucet__memory_grow(&m, 0), 3);
        expect_only(&m, 3 * WASM_PAGE);
        assert_int_equal(lucet__memory_grow(&m, 4), 3);
        assert_int_equal(lucet__memory_grow(&m, 1), -1);
        assert_int_equal(lucet__memory_grow(&m, 0), 7);
        lucet__memory_unmap(&m);
    }
}

/* What all memories of an instance may have together. */
static void memories_draw_on_one_allowance(void **state)
{
    struct lucet_memory descs[2];
    struct memory one = new_memory(&descs[0], 64 * WASM_PAGE, 64 * WASM_PAGE),
                  two = new_memory(&descs[1], 64 * WASM_PAGE, 64 * WASM_PAGE);
    struct allowance a;

    (void)state;
    lucet__allowance_set(&a, 10 * WASM_PAGE, 0);
    one.allowance = two.allowance = &a;
    assert_int_equal(lucet__memory_grow(&one, 6), 0);
    assert_int_equal(lucet__memory_grow(&two, 5), -1);
    assert_int_equal(lucet__memory_grow(&two, 4), 0);
    assert_int_equal(lucet__memory_grow(&one, 1), -1);
    assert_int_equal(a.left, 0);
    lucet__memory_unmap(&one);
    lucet__memory_unmap(&two);
}

#ifndef FAILING_SOME_ONLY
/* It is given back, and the memory stays as it was. */
static void growing_that_fails_takes_nothing(void **state)
{
    struct lucet_memory desc;
    struct allowance a;

    (void)state;
    for (int half_way = 0; half_way < 2; half_way++) {
        struct memory m = new_memory(&desc, 16 * WASM_PAGE, 16 * WASM_PAGE);
        lucet__allowance_set(&a, 10 * WASM_PAGE, 0);
        m.allowance = &a;
        assert_int_equal(lucet__memory_grow(&m, 1), 0);
        failing_begin(half_way ? FAIL_HALF_WAY : FAIL_MAPPING, 0, false);
        assert_int_equal(lucet__memory_grow(&m, 4), -1);
        failing_end();
        assert_true(failing_happened());
        expect_only(&m, WASM_PAGE);
        assert_int_equal(a.left, 9 * WASM_PAGE);
        assert_int_equal(lucet__memory_grow(&m, 9), 1);
        expect_only(&m, 10 * WASM_PAGE);
        lucet__memory_unmap(&m);
    }
}

/* When what was made accessible cannot be closed again, a slot's next tenant gets it cleared. */
static void pages_that_stay_accessible_are_known_to_their_slot(void **state)
{
    struct lucet_memory desc;
    struct memory m = new_memory(&desc, 16 * WASM_PAGE, 16 * WASM_PAGE);
    struct slot slot = {.heap_accessible = 0};

    (void)state;
    failing_begin(FAIL_MAPPING, 0, true);
    assert_int_equal(lucet__memory_grow(&m, 4), -1);
    failing_end();
    m.slot = &slot;
    assert_int_equal(lucet__memory_grow(&m, 1), 0);
    assert_int_equal(slot.heap_accessible, WASM_PAGE);
    failing_begin(FAIL_MAPPING, 0, false);
    assert_int_equal(lucet__memory_grow(&m, 4), -1);
    assert_int_equal(slot.heap_accessible, WASM_PAGE);
    failing_begin(FAIL_MAPPING, 0, true);
    assert_int_equal(lucet__memory_grow(&m, 4), -1);
    failing_end();
    assert_int_equal(slot.heap_accessible, 5 * WASM_PAGE);
    assert_int_equal(desc.size, WASM_PAGE);
    lucet__memory_unmap(&m);
}

/* When the kernel does not forget pages, others are mapped there; when that fails, too, nothing has
 * changed. */
static void a_reset_forgets_by_one_way_or_the_other(void **state)
{
    struct lucet_memory desc;
    struct memory m = new_memory(&desc, 8 * WASM_PAGE, 8 * WASM_PAGE);

    (void)state;
    assert_int_equal(lucet__memory_grow(&m, 3), 0);
    memset(desc.base, 0xee, desc.size);
    failing_begin(FAIL_MAPPING, 0, true);
    assert_int_equal(lucet__memory_reset(&m, 1), lucet_error_no_memory);
    failing_end();
    assert_string_not_equal(lucet_error_detail(), "");
    expect_only(&m, 3 * WASM_PAGE);
    failing_begin(FAIL_MAPPING, 0, false); /* madvise */
    assert_int_equal(lucet__memory_reset(&m, 2), lucet_error_ok);
    failing_end();
    assert_true(failing_happened());
    expect_only(&m, 2 * WASM_PAGE);
    assert_true(guest_all_zero(desc.base, desc.size));
    memset(desc.base, 0xee, desc.size);
    assert_int_equal(lucet__memory_grow(&m, 2), 2);
    assert_true(guest_all_zero(desc.base + 2 * WASM_PAGE, 2 * WASM_PAGE));
    /* To grow, or to shrink, fails. */
    for (uint64_t pages = 1; pages < 8; pages += 5) {
        failing_begin(FAIL_MAPPING, 1, false);
        assert_int_equal(lucet__memory_reset(&m, pages), lucet_error_no_memory);
        failing_end();
        assert_int_equal(desc.size, 4 * WASM_PAGE);
        assert_true(is_reachable(desc.base + desc.size - 1));
    }
    assert_int_equal(lucet__memory_reset(&m, 1), lucet_error_ok);
    expect_only(&m, WASM_PAGE);
    lucet__memory_unmap(&m);
}

static void a_memory_that_cannot_be_made_is_none(void **state)
{
    struct lucet_memory desc = {0};

    (void)state;
    for (long n = 0; n < 2; n++) {
        struct memory m = {.desc = &desc, .page_log2 = 16};
        const unsigned before = process_mappings("");
        failing_begin(FAIL_MAPPING, n, false);
        assert_int_equal(lucet__memory_map(&m, WASM_PAGE), lucet_error_no_memory);
        failing_end();
        assert_string_not_equal(lucet_error_detail(), "");
        assert_null(m.mapping);
        assert_int_equal(process_mappings(""), before);
        lucet__memory_unmap(&m);
    }
}
#endif

/* A shared one is not taken from those who use it. */
static void a_shared_memory_is_reset_when_nobody_uses_it(void **state)
{
    struct lucet_memory desc;
    struct memory m = new_memory(&desc, 8 * WASM_PAGE, 8 * WASM_PAGE);

    (void)state;
    assert_int_equal(lucet__memory_share(&m), lucet_error_ok);
    assert_int_equal(lucet__memory_reset(&m, 1), lucet_error_ok);
    assert_int_equal(lucet__memory_grow(&m, 2), 1);
    memset(desc.base, 0xee, desc.size);
    lucet__memory_use(&m, true);
    assert_int_equal(lucet__memory_reset(&m, 1), lucet_error_instance_not_returned);
    assert_int_equal(desc.size, 3 * WASM_PAGE);
    assert_int_equal(desc.base[0], 0xee);
    lucet__memory_use(&m, false);
#ifndef FAILING_SOME_ONLY
    failing_begin(FAIL_MAPPING, 0, true);
    assert_int_equal(lucet__memory_reset(&m, 1), lucet_error_no_memory);
    failing_end();
#endif
    assert_int_equal(lucet__memory_reset(&m, 1), lucet_error_ok);
    expect_only(&m, WASM_PAGE);
    assert_true(guest_all_zero(desc.base, desc.size));
    lucet__memory_unmap(&m);
}

/* The embedder's limiter sees what would come about, never a size that has wrapped. */
static struct {
    unsigned calls;
    uint64_t current, desired;
} asked;

static bool limiter(void *arg, struct lucet_instance *inst, uint64_t current, uint64_t desired)
{
    (void)arg, (void)inst;
    asked.calls++;
    asked.current = current;
    asked.desired = desired;
    return true;
}

static void the_limiter_is_asked_about_true_sizes(void **state)
{
    static const char wat[] = "(module (memory i64 1)"
                              " (func (export \"grow\") (param i64) (result i64)"
                              "   (memory.grow (local.get 0))))";
    const struct lucet_region_options o = {.memory_limiter = limiter};
    struct lucet_region *region;

    (void)state;
    guest_begin();
    assert_int_equal(lucet_mmap_region_create_with(1, NULL, &o, &region), lucet_error_ok);
    struct lucet_dl_module *module = guest_module(wat, &guest_default);
    struct lucet_instance *i = guest_instance(region, module, NULL, NULL);
    static const uint64_t wraps[] = {UINT64_C(1) << 48, (UINT64_C(1) << 48) + 1,
                                     (UINT64_C(1) << 48) - 1, UINT64_MAX, UINT64_C(1) << 63};
    asked.calls = 0;
    for (size_t k = 0; k < sizeof(wraps) / sizeof(*wraps); k++)
        assert_int_equal((int64_t)guest_call(i, "grow", ARGS(I64(wraps[k]))), -1);
    assert_int_equal(guest_call(i, "grow", ARGS(I64(0))), 1);
    assert_int_equal(asked.calls, 0);
    assert_int_equal((int64_t)guest_call(i, "grow", ARGS(I64((UINT64_C(1) << 48) - 2))), -1);
    assert_int_equal(asked.calls, 1);
    assert_int_equal(asked.current, WASM_PAGE);
    assert_true(asked.desired == -(uint64_t)WASM_PAGE);
    assert_int_equal(guest_call(i, "grow", ARGS(I64(2))), 1);
    assert_int_equal(asked.desired, 3 * WASM_PAGE);
    lucet_instance_release(i);
    lucet_dl_module_release(module);
    lucet_region_release(region);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_but_the_memory_is_reachable),
        cmocka_unit_test(a_reset_leaves_zeros),
        cmocka_unit_test(it_grows_by_no_more_than_it_may),
        cmocka_unit_test(memories_draw_on_one_allowance),
#ifndef FAILING_SOME_ONLY
        cmocka_unit_test(growing_that_fails_takes_nothing),
        cmocka_unit_test(pages_that_stay_accessible_are_known_to_their_slot),
        cmocka_unit_test(a_reset_forgets_by_one_way_or_the_other),
        cmocka_unit_test(a_memory_that_cannot_be_made_is_none),
#endif
        cmocka_unit_test(a_shared_memory_is_reset_when_nobody_uses_it),
        cmocka_unit_test(the_limiter_is_asked_about_true_sizes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
