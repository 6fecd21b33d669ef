/* Regions with pages on demand: what is touched is there, nothing else, and never another
 * tenant's. */
#include <errno.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include "run/process.h"
#include "runtime/demand_guest.h"

static void only_what_is_touched_is_there(void **state)
{
    (void)state;
    struct demand d = demand_begin(1, 0);
    assert_int_equal(demand_resident(d.inst), 0);
    assert_int_equal(demand_load(d.inst, 1025), demand_expected(1025));
    const uint64_t first = demand_resident(d.inst);
    assert_in_range(first, 4096, BLOCK);
    guest_call(d.inst, "store", ARGS(I32(1026), I32(5)));
    assert_int_equal(demand_resident(d.inst), first); /* the same page */
    guest_call(d.inst, "store", ARGS(I32(400000), I32(5)));
    assert_in_range(demand_resident(d.inst), first + 4096, first + BLOCK);
    unsigned char there[128];
    assert_int_equal(mincore(lucet_instance_heap(d.inst), 128 << 12, there), 0);
    unsigned pages = 0;
    for (unsigned k = 0; k < 128; k++)
        pages += there[k] & 1;
    assert_true(pages * 4096u <= demand_resident(d.inst));
    /* The host reads everything, from whatever thread, and finds what belongs there. */
    assert_int_equal(demand_differences(d.inst), 2);
    assert_int_equal(demand_resident(d.inst), IMAGE);
    assert_int_equal(lucet_instance_reset(d.inst), lucet_error_ok);
    demand_expect_image(d.inst);
    demand_end(&d);
}

/* Beyond the memory is a fault as anywhere, also where it once was larger. */
static void out_of_bounds_stays_a_fault(void **state)
{
    (void)state;
    struct demand d = demand_begin(1, 0);
    assert_int_equal((uint32_t)guest_call(d.inst, "grow", ARGS(I32(3))), 8);
    guest_call(d.inst, "store", ARGS(I32(11 * BLOCK - 1), I32(1)));
    for (int round = 0; round < 2; round++) {
        const uint32_t pages = round ? 8 : 11;
        assert_int_equal(guest_trap(d.inst, "load", ARGS(I32(pages * BLOCK))),
                         lucet_trapcode_heap_out_of_bounds);
        assert_int_equal(lucet_instance_reset(d.inst), lucet_error_ok);
        assert_int_equal(guest_trap(d.inst, "load", ARGS(I32(-1))),
                         lucet_trapcode_heap_out_of_bounds);
        assert_int_equal(lucet_instance_reset(d.inst), lucet_error_ok);
    }
    assert_int_equal(demand_load(d.inst, IMAGE - 1), 0);
    demand_end(&d);
}

static void the_limit_of_what_is_touched_ends_the_run(void **state)
{
    struct lucet_result r;

    (void)state;
    struct demand d = demand_begin(1, 4 * BLOCK);
    for (int round = 0; round < 3; round++) {
        assert_int_equal(demand_resident(d.inst), 0);
        guest_call(d.inst, "fill", ARGS(I32(0), I32(3 * BLOCK)));
        assert_int_equal(lucet_instance_run(d.inst, "fill", ARGS(I32(0), I32(7 * BLOCK)), &r),
                         lucet_error_runtime_terminated);
        assert_int_equal(r.tag, lucet_result_tag_terminated);
        assert_int_equal(r.val.terminated.reason, lucet_terminated_reason_heap_out_of_memory);
        assert_in_range(demand_resident(d.inst), 4 * BLOCK, 5 * BLOCK);
        /* Nor through what the host does for it. */
        assert_false(lucet_instance_check_heap(d.inst, lucet_instance_heap(d.inst), IMAGE));
        assert_int_equal(lucet_instance_reset(d.inst), lucet_error_ok);
        assert_int_equal(demand_resident(d.inst), 0);
        guest_call(d.inst, "fill", ARGS(I32(0), I32(3 * BLOCK)));
        lucet_instance_release(d.inst);
        d.inst = guest_instance(d.region, d.module, NULL, NULL);
    }
    demand_end(&d);
}

/* What is put there as an instance begins counts as well: segments that are no image. */
static void the_limit_holds_for_data_segments(void **state)
{
    struct lucet_instance *inst;
    struct text data = {0};

    (void)state;
    guest_begin();
    for (unsigned k = 0; k < 100; k++)
        text_add(&data, " (data (i32.const %u) \"x\")", k * BLOCK);
    struct lucet_dl_module *m = demand_module_with("(memory 100 200)", data.s);
    text_free(&data);
    struct lucet_region *region = demand_region(1, 4 * BLOCK);
    assert_int_equal(lucet_region_new_instance(region, m, &inst), lucet_error_limits_exceeded);
    assert_non_null(strstr(lucet_error_detail(), "heap_resident_limit"));
    lucet_region_release(region);
    region = demand_region(1, 100 * BLOCK);
    assert_int_equal(lucet_region_new_instance(region, m, &inst), lucet_error_ok);
    assert_int_equal(demand_resident(inst), 100 * BLOCK);
    lucet_instance_release(inst);
    lucet_region_release(region);
    lucet_dl_module_release(m);
}

/* Which are not looked at page by page: they are no way around it. */
static void other_memories_grow_to_the_limit_together(void **state)
{
    static const char wat[] =
        "(module (memory 1 100) (memory $b 1 100) (memory $c 1 100 shared)"
        " (func (export \"a\") (param i32) (result i32) (memory.grow 0 (local.get 0)))"
        " (func (export \"b\") (param i32) (result i32) (memory.grow $b (local.get 0)))"
        " (func (export \"c\") (param i32) (result i32) (memory.grow $c (local.get 0))))";
    struct lucet_instance *inst;

    (void)state;
    guest_begin();
    struct lucet_dl_module *m = guest_module(wat, &guest_default);
    struct lucet_region *region = demand_region(1, 8 * BLOCK);
    assert_int_equal(lucet_region_new_instance(region, m, &inst), lucet_error_ok);
    assert_int_equal((int32_t)guest_call(inst, "b", ARGS(I32(4))), -1);
    assert_int_equal(guest_call(inst, "b", ARGS(I32(3))), 1);
    assert_int_equal((int32_t)guest_call(inst, "c", ARGS(I32(4))), -1);
    assert_int_equal(guest_call(inst, "c", ARGS(I32(3))), 1);
    assert_int_equal(guest_call(inst, "a", ARGS(I32(90))), 1); /* what it touches is limited */
    lucet_instance_release(inst);
    lucet_region_release(region);
    region = demand_region(1, BLOCK);
    assert_int_equal(lucet_region_new_instance(region, m, &inst), lucet_error_limits_exceeded);
    lucet_region_release(region);
    region = demand_region(1, 0);
    assert_int_equal(lucet_region_new_instance(region, m, &inst), lucet_error_ok);
    assert_int_equal(guest_call(inst, "b", ARGS(I32(90))), 1);
    lucet_instance_release(inst);
    lucet_region_release(region);
    lucet_dl_module_release(m);
}

/* The kernel does not wait for pages; whoever asked for a range gets it whole. */
static void system_calls_find_ranges_that_were_checked(void **state)
{
    (void)state;
    struct demand d = demand_begin(1, 0);
    uint8_t *heap = lucet_instance_heap(d.inst);
    const int fd = memfd_create("test", MFD_CLOEXEC);
    assert_int_equal(pwrite(fd, heap, IMAGE, 0), -1); /* that is the rule */
    assert_int_equal(errno, EFAULT);
    assert_true(lucet_instance_check_heap(d.inst, heap, IMAGE));
    assert_int_equal(pwrite(fd, heap, IMAGE, 0), IMAGE);
    assert_int_equal(lucet_instance_reset(d.inst), lucet_error_ok);
    assert_true(lucet_instance_check_heap(d.inst, heap + 5, 300000));
    assert_int_equal(pread(fd, heap + 5, 300000, 5), 300000);
    demand_expect_image(d.inst);
    close(fd);
    demand_end(&d);
}

static void nothing_is_left_behind(void **state)
{
    (void)state;
    struct demand d = demand_begin(1, 0);
    lucet_instance_release(d.inst);
    lucet_region_release(d.region);
    const unsigned before = process_descriptors();
    for (int round = 0; round < 20; round++) {
        struct lucet_region *region = demand_region(3, 0);
        struct lucet_instance *inst = guest_instance(region, d.module, NULL, NULL);
        assert_int_equal(demand_load(inst, 1000), 'a');
        lucet_region_release(region);
        lucet_instance_release(inst);
    }
    assert_int_equal(process_descriptors(), before);
    assert_int_equal(lucet_remove_signal_handlers(), lucet_error_ok);
    lucet_dl_module_release(d.module);
}

static void *serve(void *arg)
{
    const struct demand *d = arg;

    for (unsigned round = 0; round < 300; round++) {
        struct lucet_instance *inst = guest_instance(d->region, d->module, NULL, NULL);
        for (unsigned k = 0; k < 20; k++) {
            const uint32_t at = (round * 7919 + k * 26001) % IMAGE;
            if (demand_load(inst, at) != demand_expected(at))
                return NULL;
            guest_call(inst, "store", ARGS(I32(at), I32(255)));
        }
        lucet_instance_release(inst);
    }
    return arg;
}

static void many_threads_fault_at_once(void **state)
{
    pthread_t threads[4];
    void *result;

    (void)state;
    struct demand d = demand_begin(5, 0);
    for (int k = 0; k < 4; k++)
        assert_int_equal(pthread_create(&threads[k], NULL, serve, &d), 0);
    for (int k = 0; k < 4; k++) {
        assert_int_equal(pthread_join(threads[k], &result), 0);
        assert_ptr_equal(result, &d);
    }
    demand_end(&d);
}

static uint8_t seen;

static enum lucet_signal_behavior look(struct lucet_instance *inst, const enum lucet_trapcode *trap,
                                       int signum, const lucet_siginfo *info, const void *context)
{
    (void)trap;
    (void)signum;
    (void)info;
    (void)context;
    seen = lucet_instance_heap(inst)[100000]; /* a page that was never touched */
    return lucet_signal_behavior_default;
}

static void a_fault_handler_may_read_the_memory(void **state)
{
    (void)state;
    struct demand d = demand_begin(1, 0);
    assert_int_equal(lucet_instance_set_signal_handler(d.inst, look), lucet_error_ok);
    assert_int_equal(guest_trap(d.inst, "load", ARGS(I32(IMAGE))),
                     lucet_trapcode_heap_out_of_bounds);
    assert_int_equal(seen, demand_expected(100000));
    demand_end(&d);
}

/* A page that a tenant left as zeros, beyond the memory of the next one, is there when a third
 * comes that has an image at that place. */
static void no_page_of_a_larger_tenant_hides_an_image(void **state)
{
    (void)state;
    guest_begin();
    struct lucet_region *region = demand_region(1, 0);
    struct lucet_dl_module *large = demand_module_with("(memory 1 200)", ""),
                           *middle = demand_module_with("(memory 8 200)", ""),
                           *last = demand_module_with("(memory 16 200)",
                                                      "(data (i32.const 983041) \"x\")");
    struct lucet_instance *inst = guest_instance(region, large, NULL, NULL);
    guest_call(inst, "grow", ARGS(I32(20)));
    guest_call(inst, "store", ARGS(I32(15 * BLOCK + 1), I32(1)));
    lucet_instance_release(inst);
    inst = guest_instance(region, middle, NULL, NULL);
    guest_call(inst, "fill", ARGS(I32(0), I32(8 * BLOCK))); /* more than is put back page by page */
    lucet_instance_release(inst);
    inst = guest_instance(region, last, NULL, NULL);
    assert_int_equal(demand_load(inst, 15 * BLOCK + 1), 'x');
    lucet_instance_release(inst);
    lucet_region_release(region);
    lucet_dl_module_release(large);
    lucet_dl_module_release(middle);
    lucet_dl_module_release(last);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_is_touched_is_there),
        cmocka_unit_test(out_of_bounds_stays_a_fault),
        cmocka_unit_test(the_limit_of_what_is_touched_ends_the_run),
        cmocka_unit_test(the_limit_holds_for_data_segments),
        cmocka_unit_test(other_memories_grow_to_the_limit_together),
        cmocka_unit_test(system_calls_find_ranges_that_were_checked),
        cmocka_unit_test(nothing_is_left_behind),
        cmocka_unit_test(many_threads_fault_at_once),
        cmocka_unit_test(a_fault_handler_may_read_the_memory),
        cmocka_unit_test(no_page_of_a_larger_tenant_hides_an_image),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
