/* Regions with pages on demand in the child of a fork: it has pages of its own, or none. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "run/process.h"
#include "runtime/demand_guest.h"
#include "runtime/failing.h"

#define STORED 150000u

static struct demand before_a_fork(void)
{
    struct demand d = demand_begin(2, 0);

    guest_call(d.inst, "store", ARGS(I32(STORED), I32(7)));
    return d;
}

static int check_in_child(void *arg)
{
    struct demand *d = arg;

    if (demand_differences(d->inst) != 1)
        return 1;
    if (demand_load(d->inst, STORED) != 7)
        return 2;
    if (lucet_instance_reset(d->inst) || demand_differences(d->inst) != 0)
        return 3;
    lucet_instance_release(d->inst);
    d->inst = guest_instance(d->region, d->module, NULL, NULL);
    if (demand_load(d->inst, 190000) != demand_expected(190000))
        return 4;
    demand_end(d);
    return 0;
}

/* What nobody had touched when the process forked is the image in both, not zero. */
static void a_child_has_pages_of_its_own(void **state)
{
    (void)state;
    struct demand d = before_a_fork();
    assert_int_equal(process_child(check_in_child, &d), 0);
    assert_int_equal(demand_load(d.inst, STORED), 7);
    assert_int_equal(demand_load(d.inst, 100000), demand_expected(100000));
    demand_end(&d);
}

static int has_no_memory(void *arg)
{
    const struct demand *d = arg;
    struct lucet_instance *other;
    struct lucet_result r;

    if (lucet_instance_run(d->inst, "load", ARGS(I32(STORED)), &r) != lucet_error_runtime_fault)
        return 1;
    if (lucet_instance_reset(d->inst) != lucet_error_unsupported)
        return 2;
    if (lucet_region_new_instance(d->region, d->module, &other) != lucet_error_unsupported)
        return 3;
    return 0;
}

/* Nor do its children get what it has lost, though they could have a descriptor. */
static int loses_its_memory(void *arg)
{
    struct demand *d = arg;

    failing_end();
    const int grandchild = process_child(has_no_memory, d);
    if (grandchild)
        return 10 + grandchild;
    const int own = has_no_memory(d);
    demand_end(d);
    return own;
}

/* Without a descriptor in the child there is no memory, rather than another one; nor where it is of
 * no use. */
static void a_child_that_gets_no_descriptor_has_no_memory(void **state)
{
    static const struct {
        enum failing_kind kind;
        long after;
    } ways[] = {{FAIL_DESCRIPTOR, 0}, {FAIL_REGISTRATION, 0}, {FAIL_REGISTRATION, 1}};

    (void)state;
    struct demand d = before_a_fork();
    struct lucet_instance *second = guest_instance(d.region, d.module, NULL, NULL);
    lucet_instance_release(second); /* its slot is registered */
    for (size_t way = 0; way < sizeof(ways) / sizeof(*ways); way++) {
        failing_begin(ways[way].kind, ways[way].after, true);
        const int ended = process_child(loses_its_memory, &d);
        failing_end();
        assert_int_equal(ended, 0);
    }
    demand_end(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_child_has_pages_of_its_own),
        cmocka_unit_test(a_child_that_gets_no_descriptor_has_no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
