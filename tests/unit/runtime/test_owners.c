/* Modules and regions live until their owner and all instances have given them up, whoever is the
 * last, and are given back once. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "run/guest.h"
#include "run/process.h"
#include "runtime/counting.h"

enum { THREADS = 4, INSTANCES = 3, ROUNDS = 200 };

static uint8_t *artifact;
static size_t artifact_size;

struct round {
    struct lucet_region *region;
    struct lucet_dl_module *module;
    struct lucet_instance *_Atomic instances[THREADS][INSTANCES];
    atomic_uint made;
    unsigned number;
};
struct user {
    struct round *round;
    unsigned number;
};

/* Makes its own, calls and releases those of its neighbour, which it may have to wait for. */
static void *use(void *arg)
{
    const struct user *u = arg;
    struct round *r = u->round;

    for (unsigned k = 0; k < INSTANCES; k++) {
        struct lucet_instance *i = NULL;
        if (lucet_region_new_instance(r->region, r->module, &i) != lucet_error_ok)
            abort();
        r->instances[u->number][k] = i;
    }
    atomic_fetch_add(&r->made, 1);
    for (unsigned k = 0; k < INSTANCES; k++) {
        struct lucet_instance *i;
        struct lucet_result result;
        while (!(i = r->instances[(u->number + 1) % THREADS][k]))
            sched_yield();
        if (lucet_instance_run(i, "f", 0, NULL, &result) != lucet_error_ok)
            abort();
        lucet_instance_release(i);
    }
    return NULL;
}

static void play(unsigned number)
{
    struct round r = {.number = number};
    struct user users[THREADS];
    pthread_t threads[THREADS];

    assert_int_equal(lucet_dl_module_load_bytes(artifact, artifact_size, &r.module),
                     lucet_error_ok);
    assert_int_equal(lucet_mmap_region_create(THREADS * INSTANCES, NULL, &r.region),
                     lucet_error_ok);
    for (unsigned k = 0; k < THREADS; k++) {
        users[k] = (struct user){&r, k};
        assert_int_equal(pthread_create(&threads[k], NULL, use, &users[k]), 0);
    }
    while (r.made < THREADS)
        sched_yield();
    for (unsigned k = 0; k < number % 16; k++)
        sched_yield();
    if (number & 16)
        lucet_region_release(r.region);
    lucet_dl_module_release(r.module);
    if (!(number & 16))
        lucet_region_release(r.region);
    for (unsigned k = 0; k < THREADS; k++)
        pthread_join(threads[k], NULL);
}

static void whoever_is_last_gives_them_back(void **state)
{
    unsigned mappings = 0, descriptors = 0;

    (void)state;
    guest_begin();
    for (unsigned number = 0; number < ROUNDS; number++) {
        play(number);
        assert_int_equal(counting_counts.blocks, 0);
        if (number == 16) { /* until then threads begin that have descriptors of their own */
            mappings = process_mappings("lucet-module");
            descriptors = process_descriptors();
        }
    }
    assert_int_equal(process_mappings("lucet-module"), mappings);
    assert_int_equal(process_descriptors(), descriptors);
}

static uint32_t three(struct lucet_vmctx *vmctx)
{
    (void)vmctx;
    return 3;
}

/* A part of the host that has retained an object uses it when the others have released it. */
static void what_is_retained_lives_on(void **state)
{
    struct lucet_dl_module *module;
    struct lucet_region *region;
    struct lucet_linker *linker;
    struct lucet_instance *instance;

    (void)state;
    guest_begin();
    assert_int_equal(lucet_dl_module_load_bytes(artifact, artifact_size, &module), lucet_error_ok);
    assert_int_equal(lucet_mmap_region_create(1, NULL, &region), lucet_error_ok);
    assert_int_equal(lucet_linker_new(&linker), lucet_error_ok);
    assert_int_equal(lucet_linker_func(linker, "h", "three", ":i", (void (*)(void))three),
                     lucet_error_ok);
    for (unsigned k = 0; k < 2; k++) {
        lucet_dl_module_retain(module);
        lucet_region_retain(region);
        lucet_linker_retain(linker);
    }
    for (unsigned k = 0; k < 2; k++) {
        const struct lucet_instance_options options = {.linker = linker};
        lucet_dl_module_release(module);
        lucet_region_release(region);
        lucet_linker_release(linker);
        assert_int_equal(lucet_region_new_instance_with(region, module, &options, &instance),
                         lucet_error_ok);
        assert_int_equal(guest_call(instance, "f", 0, NULL), 3);
        lucet_instance_release(instance);
    }
    lucet_linker_release(linker);
    lucet_region_release(region);
    lucet_dl_module_release(module);
    lucet_dl_module_retain(NULL);
    lucet_region_retain(NULL);
    lucet_linker_retain(NULL);
    assert_int_equal(counting_counts.blocks, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whoever_is_last_gives_them_back),
        cmocka_unit_test(what_is_retained_lives_on),
    };

    if (lucet_set_allocator(&counting_allocator) != lucet_error_ok)
        return 1;
    artifact = guest_artifact("(module (memory 1) (func (export \"f\") (result i32)"
                              " (i32.store (i32.const 9) (i32.const 1)) (i32.const 3)))",
                              &guest_default, &artifact_size);
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    free(artifact);
    return failed;
}
