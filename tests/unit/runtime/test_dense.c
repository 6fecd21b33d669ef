/* Many instances in one process: how many mappings they take, and what happens when there are no
 * more. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run/guest.h"
#include "run/process.h"

#define MANY 12000u     /* or as many as the kernel lets have mappings */
#define TOO_MANY 40000u /* in any case */
#define OTHERS 5000u    /* mappings that the process may have besides */

static struct lucet_instance *instances[TOO_MANY];

/* One page of memory at most, and code that assumes no more. */
static struct lucet_dl_module *small_guest(void)
{
    const struct guest_mode mode = {
        .opt_level = lucetc_opt_speed, .reserved_size = 65536, .guard_size = 65536};

    return guest_module("(module (memory (export \"m\") 1 1) (global $g (mut i32) (i32.const 1))"
                        " (data (i32.const 8) \"abc\")"
                        " (func (export \"add\") (param i32) (result i32)"
                        "   (global.set $g (i32.add (global.get $g) (local.get 0)))"
                        "   (i32.store (i32.const 100) (global.get $g)) (global.get $g))"
                        " (func (export \"at\") (param i32) (result i32)"
                        "   (i32.load8_u (local.get 0))))",
                        &mode);
}

static struct lucet_region *dense_region(size_t capacity)
{
    struct lucet_alloc_limits limits = lucet_alloc_limits_default();
    struct lucet_region *region = NULL;

    limits.heap_memory_size = 65536;
    limits.heap_address_space_size = 2 * 65536;
    limits.stack_size = 64 << 10;
    const enum lucet_error e = lucet_mmap_region_create(capacity, &limits, &region);
    if (e != lucet_error_ok)
        fail_msg("%s: %s", lucet_error_name(e), lucet_error_detail());
    return region;
}

static size_t allowed_mappings(void)
{
    FILE *f = fopen("/proc/sys/vm/max_map_count", "r");
    size_t n;

    if (!f || fscanf(f, "%zu", &n) != 1)
        n = 65530;
    if (f)
        fclose(f);
    return n;
}

static unsigned as_many_as_fit(void)
{
    const size_t allowed = allowed_mappings(), each = guest_mappings_each();

    return allowed < OTHERS + each * MANY ? (unsigned)((allowed - OTHERS) / each) : MANY;
}

static void many_instances_live_at_once(void **state)
{
    (void)state;
    guest_begin();
    const unsigned many = as_many_as_fit();
    struct lucet_dl_module *m = small_guest();
    struct lucet_region *region = dense_region(many);
    const size_t before = process_mappings("");
    for (unsigned k = 0; k < many; k++)
        instances[k] = guest_instance(region, m, NULL, NULL);
    assert_int_equal(lucet_region_free_slots(region), 0);
    const size_t taken = process_mappings("") - before;
    printf("%u instances: %zu mappings, %.2f each\n", many, taken, (double)taken / many);
    assert_true(taken <= (size_t)guest_mappings_each() * many + 20);
    for (unsigned k = 0; k < many; k++)
        assert_int_equal(guest_call(instances[k], "add", ARGS(I32(k))), k + 1);
    for (unsigned k = 0; k < many; k += 997) {
        assert_int_equal(guest_call(instances[k], "add", ARGS(I32(1))), k + 2);
        assert_int_equal(guest_call(instances[k], "at", ARGS(I32(9))), 'b');
        assert_int_equal(guest_trap(instances[k], "at", ARGS(I32(65536))),
                         lucet_trapcode_heap_out_of_bounds);
    }
    for (unsigned k = 0; k < many; k++)
        lucet_instance_release(instances[k]);
    lucet_region_release(region);
    assert_true(process_mappings("") <= before + 20); /* of the thread and of allocators */
    lucet_dl_module_release(m);
}

#ifndef LUCET_TSAN /* which needs mappings itself, and dies without */
/* The kernel's limit of mappings ends it with an error, and what is there goes on. */
static void too_many_mappings_are_a_clean_error(void **state)
{
    const size_t allowed = allowed_mappings();
    unsigned n = 0;
    enum lucet_error e = lucet_error_ok;

    (void)state;
    guest_begin();
    const unsigned each = guest_mappings_each();
    if (allowed + OTHERS > each * (size_t)TOO_MANY) {
        printf("skipped: vm.max_map_count is %zu, more than this test fills\n", allowed);
        skip();
    }
    struct lucet_dl_module *m = small_guest();
    struct lucet_region *region = dense_region(TOO_MANY);
    const size_t before = process_mappings("");
    while (n < TOO_MANY &&
           (e = lucet_region_new_instance(region, m, &instances[n])) == lucet_error_ok)
        n++;
    assert_int_equal(e, lucet_error_no_memory);
    assert_true(lucet_error_detail()[0] != '\0');
    printf("%u instances, then: %s\n", n, lucet_error_detail());
    assert_true(n > (allowed - OTHERS) / each);
    assert_int_equal(lucet_region_used_slots(region), n);
    assert_int_equal(guest_call(instances[n - 1], "add", ARGS(I32(5))), 6);
    for (unsigned k = 0; k < 3; k++) /* as often as one asks */
        assert_int_equal(lucet_region_new_instance(region, m, &instances[n]),
                         lucet_error_no_memory);
    /* One that goes makes room for another. */
    lucet_instance_release(instances[0]);
    assert_int_equal(lucet_region_new_instance(region, m, &instances[0]), lucet_error_ok);
    assert_int_equal(guest_call(instances[0], "add", ARGS(I32(5))), 6);
    for (unsigned k = 0; k < n; k++)
        lucet_instance_release(instances[k]);
    assert_int_equal(lucet_region_used_slots(region), 0);
    lucet_region_release(region);
    assert_true(process_mappings("") <= before + 20); /* of the thread and of allocators */
    lucet_dl_module_release(m);
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_instances_live_at_once),
#ifndef LUCET_TSAN
        cmocka_unit_test(too_many_mappings_are_a_clean_error),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
