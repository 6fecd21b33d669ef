/* Kill switches rely on a barrier that the kernel has all threads pass. Where it offers none,
 * refuses it later, or wants to be asked anew, guests are stopped all the same. Each case in a
 * process of its own. */
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "run/guest.h"
#include "run/process.h"
#include "runtime/failing.h"
#include "runtime/signals.h"
#include "runtime/stop.h"

static struct lucet_dl_module *module;
static struct lucet_instance *inst;
static struct lucet_kill_switch *kill_switch;

static void *terminate(void *heap)
{
    const volatile uint8_t *running = heap;

    while (!*running)
        usleep(1000);
    CHECK(lucet_kill_switch_terminate(kill_switch) == lucet_kill_signalled);
    return NULL;
}

static void begin(void)
{
    struct lucet_region *region;

    CHECK(lucet_remove_signal_handlers() == lucet_error_ok); /* so that they are made ready anew */
    CHECK(lucet_mmap_region_create(1, NULL, &region) == lucet_error_ok);
    CHECK(lucet_region_new_instance(region, module, &inst) == lucet_error_ok);
}

/* While it runs, before it runs, and when it does not any more; calls of both kinds work in
 * between. */
static int guests_are_stopped(void)
{
    struct lucet_result r;
    struct lucet_func add;
    union lucet_raw raw[2];
    pthread_t thread;

    for (int round = 0; round < 3; round++) {
        CHECK(lucet_instance_kill_switch(inst, &kill_switch) == lucet_error_ok);
        CHECK(pthread_create(&thread, NULL, terminate, lucet_instance_heap(inst)) == 0);
        CHECK(lucet_instance_run(inst, "loop", 0, NULL, &r) == lucet_error_runtime_terminated);
        CHECK(r.val.terminated.reason == lucet_terminated_reason_remote);
        CHECK(pthread_join(thread, NULL) == 0);
        CHECK(lucet_kill_switch_terminate(kill_switch) == lucet_kill_not_terminable);
        CHECK(lucet_instance_reset(inst) == lucet_error_ok);
        CHECK(lucet_dl_module_func(module, "add", "ii:i", &add) == lucet_error_ok);
        raw[0].i32 = 3;
        raw[1].i32 = 4;
        CHECK(lucet_func_call(&add, inst, raw, &r) == lucet_error_ok && raw[0].i32 == 7);
        CHECK(lucet_kill_switch_terminate(kill_switch) == lucet_kill_cancelled);
        CHECK(lucet_func_call(&add, inst, raw, &r) == lucet_error_runtime_terminated);
        CHECK(lucet_instance_reset(inst) == lucet_error_ok);
        lucet_kill_switch_release(kill_switch);
    }
    return 0;
}

static int with_a_barrier(void)
{
    begin();
    CHECK(lucet__quick_calls == !lucet__stop_fences);
    return guests_are_stopped();
}

/* Runs have a fence of their own then, which calls by handle in assembly have not. */
static int without_a_barrier(void)
{
    failing_begin(FAIL_BARRIER, 0, true);
    begin();
    CHECK(lucet__stop_fences && !lucet__quick_calls);
    return guests_are_stopped();
}

static int with_a_barrier_that_is_refused_later(void)
{
    begin();
    CHECK(!lucet__stop_fences && lucet__quick_calls);
    failing_begin(FAIL_BARRIER, 0, true);
    guests_are_stopped();
    CHECK(lucet__stop_fences && !lucet__quick_calls);
    return 0;
}

static int with_a_barrier_that_is_asked_for_anew(void)
{
    begin();
    CHECK(!lucet__stop_fences);
    failing_begin(FAIL_BARRIER, 0, false); /* just once */
    guests_are_stopped();
    CHECK(failing_happened());
    CHECK(!lucet__stop_fences && lucet__quick_calls);
    return 0;
}

static void guests_can_be_stopped_on_any_kernel(void **state)
{
    (void)state;
    guest_begin();
    module = guest_module("(module (memory 1) (func (export \"loop\")"
                          " (loop (i32.store8 (i32.const 0) (i32.const 1)) (br 0)))"
                          " (func (export \"add\") (param i32 i32) (result i32)"
                          "   (i32.add (local.get 0) (local.get 1))))",
                          &guest_default);
    assert_int_equal(process_bare_child(with_a_barrier), 0);
    assert_int_equal(process_bare_child(without_a_barrier), 0);
    if (!lucet__stop_fences) { /* here it has one */
        assert_int_equal(process_bare_child(with_a_barrier_that_is_refused_later), 0);
        assert_int_equal(process_bare_child(with_a_barrier_that_is_asked_for_anew), 0);
    }
    lucet_dl_module_release(module);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(guests_can_be_stopped_on_any_kernel),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
