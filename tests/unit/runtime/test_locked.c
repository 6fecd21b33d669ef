/* Slots whose memory the host has locked, which can be neither given back to the kernel nor given
 * guards: they are used again all the same, by any module. */
#include <errno.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "run/guest.h"
#include "runtime/instance.h"
#include "runtime/region.h"
#include "runtime/slot.h"

/* Its data is copied. With so many pages, and different types, which make a context large. */
static struct lucet_dl_module *module_with(char byte, unsigned pages, unsigned types)
{
    struct text t = {0};

    text_add(&t, "(module (memory (export \"m\") %u) (data (i32.const 9) \"%c\")", pages, byte);
    for (unsigned k = 0; k < types; k++) {
        text_add(&t, "(type (func (param");
        for (unsigned bit = 0; bit < 11; bit++)
            text_add(&t, k >> bit & 1 ? " i64" : " i32");
        text_add(&t, ")))");
    }
    text_add(&t, " (func (export \"write\") (param i32 i32)"
                 "   (i32.store (local.get 0) (local.get 1))))");
    struct lucet_dl_module *m = guest_module(t.s, &guest_default);
    text_free(&t);
    return m;
}

/* Not by the C library's function, which does nothing under sanitizers. What is inaccessible is
 * locked, too. */
static void lock(const struct slot *s)
{
    struct rlimit limit;

    if (geteuid() != 0 && getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur < 4 << 20) {
        printf("skipped: RLIMIT_MEMLOCK is too low\n");
        skip();
    }
    assert_true(syscall(SYS_mlock, s->context, s->heap + s->heap_accessible - s->context) == 0 ||
                errno == ENOMEM || errno == EAGAIN);
}

static void expect_clear_stack(const struct lucet_instance *inst)
{
    const uint8_t *stack = inst->slot->stack;

    for (uint64_t k = 0; k < inst->region->limits.stack_size; k++)
        assert_int_equal(stack[k], 0);
}

static void expect_fresh_heap(const struct lucet_instance *inst, char byte)
{
    const uint8_t *heap = inst->slot->heap;

    for (uint64_t k = 0; k < inst->slot->heap_accessible; k++)
        assert_int_equal(heap[k], k == 9 ? byte : 0);
}

static bool is_readable(const uint8_t *p)
{
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    const bool yes = write(ends[1], p, 1) == 1;
    close(ends[0]);
    close(ends[1]);
    return yes;
}

static void expect_guards(const struct slot *s)
{
    const uint8_t *const stack_end = s->stack + s->region->limits.stack_size;

    assert_true(is_readable(s->context + s->context_accessible - 1));
    assert_false(is_readable(s->context + s->context_accessible));
    assert_false(is_readable(s->stack - 1));
    assert_true(is_readable(s->stack));
    assert_true(is_readable(stack_end - 1));
    assert_false(is_readable(stack_end));
    assert_false(is_readable(s->heap - 1));
    assert_false(is_readable(s->heap + s->heap_accessible));
}

static void live(struct lucet_region *region, struct lucet_dl_module *m, char byte, bool locks)
{
    struct lucet_instance *inst = guest_instance(region, m, NULL, NULL);

    expect_guards(inst->slot);
    expect_clear_stack(inst);
    expect_fresh_heap(inst, byte);
    if (locks)
        lock(inst->slot);
    for (uint32_t at = 0; at < inst->slot->heap_accessible; at += 8192)
        guest_call(inst, "write", ARGS(I32(at), I32(-1)));
    assert_int_equal(lucet_instance_reset(inst), lucet_error_ok);
    expect_fresh_heap(inst, byte);
    guest_call(inst, "write", ARGS(I32(8), I32(-1)));
    lucet_instance_release(inst);
}

static void modules_follow_each_other(unsigned pages, unsigned types)
{
    guest_begin();
    struct lucet_dl_module *a = module_with('a', pages, 0), *b = module_with('b', pages, types);
    struct lucet_region *region = guest_region(1);
    live(region, a, 'a', true);
    for (int k = 0; k < 3; k++) {
        live(region, a, 'a', false);
        live(region, b, 'b', false);
        live(region, b, 'b', k == 0);
    }
    lucet_region_release(region);
    lucet_dl_module_release(a);
    lucet_dl_module_release(b);
}

/* So few pages that they are put back. */
static void small_heaps_get_other_contents(void **state)
{
    (void)state;
    modules_follow_each_other(1, 0);
}

static void large_heaps_get_other_contents(void **state)
{
    (void)state;
    modules_follow_each_other(8, 0);
}

/* Where the small one had a guard. */
static void large_contexts_follow_small_ones(void **state)
{
    (void)state;
    modules_follow_each_other(8, 2000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_heaps_get_other_contents),
        cmocka_unit_test(large_heaps_get_other_contents),
        cmocka_unit_test(large_contexts_follow_small_ones),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
