/* Threads ask the kernel each in its own way which pages were written. When one is unlucky, guards
 * of slots that are in use are not taken for pages that somebody wrote to. */
#include <pthread.h>

#include "run/guest.h"
#include "run/process.h"
#include "runtime/dirty.h"
#include "runtime/failing.h"
#include "runtime/instance.h"
#include "runtime/refs.h"
#include "runtime/region.h"
#include "runtime/sizes.h"
#include "runtime/slot.h"

static const char text[] = "(module (memory (export \"m\") 1)"
                           " (func (export \"write\") (param i32 i32)"
                           "   (i32.store (local.get 0) (local.get 1))))";

struct user {
    struct lucet_region *region;
    struct lucet_dl_module *module;
    struct lucet_instance *instance;
};

static int use_and_look(void *arg)
{
    struct user *u = arg;

    for (unsigned round = 0; round < 3; round++) {
        guest_call(u->instance, "write", ARGS(I32(100), I32(0x5ec2e7)));
        lucet_instance_release(u->instance);
        u->instance = guest_instance(u->region, u->module, NULL, NULL);
        assert_true(guest_all_zero(u->instance->slot->stack, u->region->limits.stack_size));
        assert_true(guest_all_zero(lucet_instance_heap(u->instance), 65536));
    }
    return 0;
}

/* Its first question fails, as for want of memory. */
static void *prepare_unluckily(void *unused)
{
    failing_begin(FAIL_SCAN, 0, false);
    lucet__dirty_prepare();
    failing_end();
    return unused;
}

static int use_in_unlucky_child(void *arg)
{
    prepare_unluckily(NULL);
    return use_and_look(arg);
}

static void guards_are_known_once_and_for_all(void **state)
{
    (void)state;
    guest_begin();
    struct user u = {guest_region(1), guest_module(text, &guest_default), NULL};
    u.instance = guest_instance(u.region, u.module, NULL, NULL);
    assert_int_equal(process_child(use_in_unlucky_child, &u), 0);
    for (unsigned k = 0; k < LUCET__SHARDS; k++) {
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, prepare_unluckily, NULL), 0);
        pthread_join(thread, NULL);
    }
    use_and_look(&u);
    lucet_instance_release(u.instance);
    lucet_dl_module_release(u.module);
    lucet_region_release(u.region);
}

/* Whether this thread learns that a page was written. */
static void *ask(void *page)
{
    struct lucet__page_range found[2];
    const uint8_t *p = page;

    return lucet__dirty(p, p + LUCET__PAGE, found, 2) == 1 ? page : NULL;
}

/* Such as those that were unlucky above. */
static void threads_without_a_descriptor_use_others(void **state)
{
    static uint8_t page[LUCET__PAGE] __attribute__((aligned(4096)));

    (void)state;
    if (!lucet__dirty_prepare())
        skip(); /* the kernel cannot say */
    page[0] = 1;
    for (unsigned k = 0; k < LUCET__SHARDS; k++) {
        pthread_t thread;
        void *answer;
        assert_int_equal(pthread_create(&thread, NULL, prepare_unluckily, NULL), 0);
        pthread_join(thread, NULL);
        assert_int_equal(pthread_create(&thread, NULL, ask, page), 0);
        pthread_join(thread, &answer);
        assert_ptr_equal(answer, page);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(guards_are_known_once_and_for_all),
        cmocka_unit_test(threads_without_a_descriptor_use_others),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
