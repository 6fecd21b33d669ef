/* Many threads that create, run, break and release instances of one region, and how little of it
 * all is left afterwards. */
#include "guest.h"
#include "process.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char wat[] =
    "(module (memory 1 4) (table 4 funcref) (global $g (mut i32) (i32.const 3))"
    " (func $f (export \"sum\") (result i32) (local i32 i32)"
    "   (loop $l (local.set 1 (i32.or (local.get 1) (i32.load (local.get 0))))"
    "     (br_if $l (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 4))) (i32.const "
    "65536))))"
    "   (i32.add (i32.add (local.get 1) (global.get $g))"
    "     (i32.add (i32.mul (memory.size) (i32.const 100)) (ref.is_null (table.get (i32.const "
    "2))))))"
    " (func (export \"mark\") (param i32)"
    "   (memory.fill (i32.const 0) (local.get 0) (i32.const 65536)) (global.set $g (local.get 0))"
    "   (drop (memory.grow (i32.const 2))) (table.set (i32.const 2) (ref.func $f)))"
    " (func (export \"trap\") unreachable)"
    " (func $r (export \"recurse\") (call $r))"
    " (func (export \"load\") (drop (i32.load (i32.const -4))))"
    " (func (export \"loop\") (loop $l (br $l))) (elem declare func $f))";

enum { THREADS = 6, ROUNDS = 400 };
static struct lucet_region *region;
static struct lucet_dl_module *module;
static atomic_uint mistakes, made, full;

static bool one_life(unsigned n)
{
    static const char *const ends[] = {"trap", "recurse", "load", "loop", NULL};
    struct lucet_instance *inst = NULL;
    struct lucet_result r;
    const struct lucet_val mark = I32((n & 0x7f) | 1);
    const enum lucet_error e = lucet_region_new_instance(region, module, &inst);

    if (e == lucet_error_region_full) {
        atomic_fetch_add(&full, 1);
        return true;
    }
    if (e != lucet_error_ok)
        return false;
    atomic_fetch_add(&made, 1);
    bool good = lucet_instance_run(inst, "sum", 0, NULL, &r) == lucet_error_ok &&
                lucet_retval_gp(&r.val.returned) == 3 + 100 + 1;
    good = good && lucet_instance_run(inst, "mark", 1, &mark, &r) == lucet_error_ok;
    const char *end = ends[n % 5];
    if (end && strcmp(end, "loop") == 0)
        lucet_instance_set_timeout(inst, 2);
    if (end)
        good = good && lucet_instance_run(inst, end, 0, NULL, &r) ==
                           (strcmp(end, "loop") ? lucet_error_runtime_fault
                                                : lucet_error_runtime_terminated);
    lucet_instance_set_timeout(inst, 0);
    if (n % 7 == 0)
        good = good && lucet_instance_reset(inst) == lucet_error_ok &&
               lucet_instance_run(inst, "sum", 0, NULL, &r) == lucet_error_ok &&
               lucet_retval_gp(&r.val.returned) == 3 + 100 + 1;
    lucet_instance_release(inst);
    return good;
}

static void *live(void *arg)
{
    const unsigned *number = arg;

    for (unsigned i = 0; i < ROUNDS; i++) {
        if (!one_life(*number * 31 + i))
            atomic_fetch_add(&mistakes, 1);
    }
    return NULL;
}

static void run_threads(unsigned slots)
{
    pthread_t threads[THREADS];
    unsigned numbers[THREADS];

    region = guest_region(slots);
    atomic_store(&mistakes, 0);
    for (unsigned i = 0; i < THREADS; i++) {
        numbers[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, live, &numbers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&mistakes), 0);
    assert_int_equal(lucet_region_used_slots(region), 0);
    lucet_region_release(region);
}

static void slots_are_shared_by_threads_without_traces(void **state)
{
    (void)state;
    guest_begin();
    module = guest_module(wat, &guest_default);
    run_threads(3); /* fewer than threads */
    run_threads(THREADS);
    assert_true(atomic_load(&made) > ROUNDS);
    lucet_dl_module_release(module);
}

/* Mappings, descriptors and memory of the process stay the same over many lives. */
static void nothing_is_left_of_many_instances(void **state)
{
    unsigned maps = 0, files = 0, pages = 0;
    (void)state;
    guest_begin();
    for (unsigned round = 0; round < 6; round++) {
        module = guest_module(wat, &guest_default);
        region = guest_region(4);
        for (unsigned i = 0; i < 1500; i++)
            assert_true(one_life(i));
        lucet_region_release(region);
        lucet_dl_module_release(module);
        if (round < 2) { /* by then all is allocated that stays */
            maps = process_mappings("");
            files = process_descriptors();
            pages = process_resident_pages();
        }
    }
    assert_in_range(process_mappings(""), 0, maps + 8);
    assert_int_equal(process_descriptors(), files);
#ifdef LUCET_SANITIZE /* keeps freed memory for a while */
    pages += 1 << 20;
#endif
    assert_in_range(process_resident_pages(), 0, pages + 2048);
}

/* A signal stack too small for what the kernel puts there (2.5 KiB and more with AVX-512) would end
 * the process at the first trap. */
static void *run_on_small_signal_stack(void *arg)
{
    static char small[2048];
    const stack_t stack = {.ss_sp = small, .ss_size = sizeof small};
    struct lucet_instance *inst = NULL;
    struct lucet_result r;
    bool *good = arg;

    *good = false;
    if (sigaltstack(&stack, NULL) != 0) {
        *good = true; /* the kernel knows better; nothing to test */
        return NULL;
    }
    if (lucet_region_new_instance(region, module, &inst) != lucet_error_ok)
        return NULL;
    *good = lucet_instance_run(inst, "recurse", 0, NULL, &r) == lucet_error_runtime_fault;
    lucet_instance_release(inst);
    return NULL;
}

static void small_signal_stacks_are_noticed(void **state)
{
    pthread_t thread;
    bool good;
    (void)state;
    guest_begin();
    module = guest_module(wat, &guest_default);
    region = guest_region(1);
    assert_int_equal(pthread_create(&thread, NULL, run_on_small_signal_stack, &good), 0);
    pthread_join(thread, NULL);
    assert_true(good);
    lucet_region_release(region);
    lucet_dl_module_release(module);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slots_are_shared_by_threads_without_traces),
        cmocka_unit_test(nothing_is_left_of_many_instances),
        cmocka_unit_test(small_signal_stacks_are_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
