/* Regions with pages on demand where the kernel refuses something, or keeps the memory in another
 * way than usual. */
#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/demand_guest.h"
#include "runtime/failing.h"

static void what_is_missing_is_said(void **state)
{
    const struct lucet_region_options o = {.heap_resident_limit = BLOCK};
    struct lucet_region *region;
    uint64_t bytes;

    (void)state;
    guest_begin();
    lucet_region_release(demand_region(1, 0)); /* skips where there is none */
    failing_begin(FAIL_PERMISSION, 0, true);
    assert_int_equal(lucet_uffd_region_create(1, NULL, &region), lucet_error_unsupported);
    failing_end();
    assert_null(region);
    assert_non_null(strstr(lucet_error_detail(), "lucet_mmap_region_create"));
    failing_begin(FAIL_DESCRIPTOR, 0, true);
    assert_int_equal(lucet_uffd_region_create(1, NULL, &region), lucet_error_no_memory);
    failing_end();
    assert_int_equal(lucet_mmap_region_create_with(1, NULL, &o, &region),
                     lucet_error_invalid_argument);
    region = demand_region(1, 0);
    assert_int_equal(lucet_remove_signal_handlers(), lucet_error_invalid_argument);
    lucet_region_release(region);
    assert_int_equal(lucet_instance_heap_resident(NULL, &bytes), lucet_error_invalid_argument);
}

/* It finds no pages to lock, but the mapping remembers that it should. Not by the C library's
 * function, which does nothing under sanitizers. */
static void lock(uint8_t *p, size_t size)
{
    struct rlimit limit;

    if (geteuid() != 0 && getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur < 2 << 20) {
        printf("skipped: RLIMIT_MEMLOCK is too low\n");
        skip();
    }
    assert_true(syscall(SYS_mlock, p, size) == 0 || errno == ENOMEM || errno == EAGAIN);
}

/* In a process that locks its memory, the kernel fills new mappings with zeros, if it can. */
static void locked_memory_gets_the_image_as_well(void **state)
{
    (void)state;
    struct demand d = demand_begin(1, 0);
    lock(lucet_instance_heap(d.inst), BLOCK);
    if (mlockall(MCL_FUTURE) != 0) {
        printf("skipped: mlockall: %s\n", strerror(errno));
        skip();
    }
    guest_call(d.inst, "fill", ARGS(I32(0), I32(IMAGE)));
    const enum lucet_error e = lucet_instance_reset(d.inst);
    const size_t differences = demand_differences(d.inst);
    munlockall();
    assert_int_equal(e, lucet_error_ok);
    assert_int_equal(differences, 0);
    demand_end(&d);
}

/* The kernel fills no more than one mapping at a time, and hosts divide them: by locking a part,
 * for example. */
static void a_block_may_lie_in_two_mappings(void **state)
{
    (void)state;
    struct demand d = demand_begin(1, 0);
    uint8_t *heap = lucet_instance_heap(d.inst);
    lock(heap + 8192, 4096);
    lock(heap + 6 * BLOCK + 4096, 4096);
    for (uint32_t at = 1000; at < 16384; at += 4096)
        assert_int_equal(demand_load(d.inst, at), demand_expected(at));
    for (uint32_t at = 6 * BLOCK; at < 7 * BLOCK; at += 4096)
        assert_int_equal(heap[at], 0);
    lucet_instance_release(d.inst);
    d.inst = guest_instance(d.region, d.module, NULL, NULL);
    assert_int_equal(demand_load(d.inst, 9000), demand_expected(9000));
    demand_end(&d);
}

/* A heap that could not be registered is tried again, and is not used as it is. */
static void failed_registrations_are_made_up_for(void **state)
{
    struct lucet_instance *inst;

    (void)state;
    guest_begin();
    struct lucet_region *region = demand_region(1, 0);
    struct lucet_dl_module *m = demand_module();
    failing_begin(FAIL_REGISTRATION, 0, true);
    assert_int_equal(lucet_region_new_instance(region, m, &inst), lucet_error_no_memory);
    failing_end();
    inst = guest_instance(region, m, NULL, NULL);
    assert_int_equal(demand_load(inst, 9000), demand_expected(9000));
    lock(lucet_instance_heap(inst), IMAGE);
    guest_call(inst, "fill", ARGS(I32(0), I32(IMAGE)));
    failing_begin(FAIL_REGISTRATION, 0, true); /* what is locked is mapped anew */
    assert_int_equal(lucet_instance_reset(inst), lucet_error_no_memory);
    failing_end();
    assert_int_equal(lucet_instance_reset(inst), lucet_error_ok);
    demand_expect_image(inst);
    lucet_instance_release(inst);
    lucet_region_release(region);
    lucet_dl_module_release(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_missing_is_said),
        cmocka_unit_test(locked_memory_gets_the_image_as_well),
        cmocka_unit_test(a_block_may_lie_in_two_mappings),
        cmocka_unit_test(failed_registrations_are_made_up_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
