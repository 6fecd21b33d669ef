/* Who waits in a shared memory: comes and goes in any order, for the address that was named, until
 * there is a reason, and leaves nothing behind. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

#include "guest.h"
#include "runtime/activation.h"
#include "runtime/wait.h"

enum { WAITERS = 6 };

static const char wat[] =
    "(module (import \"host\" \"m\" (memory 1 1 shared)) (import \"host\" \"look\" (func $look))"
    " (func (export \"store\") (param i32 i32) (i32.atomic.store (local.get 0) (local.get 1)))"
    " (func (export \"wait\") (param i32 i32 i64) (result i32) (local i32)"
    "   (local.set 3 (memory.atomic.wait32 (local.get 0) (local.get 1) (local.get 2)))"
    "   (call $look) (local.get 3))"
    " (func (export \"wait64\") (param i32 i64 i64) (result i32)"
    "   (memory.atomic.wait64 (local.get 0) (local.get 1) (local.get 2)))"
    " (func (export \"notify\") (param i32 i32) (result i32)"
    "   (memory.atomic.notify (local.get 0) (local.get 1))))";

static struct lucet_region *region;
static struct lucet_dl_module *module;
static struct lucet_linker *linker;
static struct lucet_instance *own; /* of the test's thread */

/* After a wait, nobody who stops the run writes where the waiter was. */
static void host_look(struct lucet_vmctx *ctx)
{
    (void)ctx;
    assert_null(lucet__thread.waiting);
}

struct waiter {
    struct lucet_instance *inst;
    pthread_t thread;
    int32_t address, result;
    int64_t timeout;
    atomic_bool done;
};

static void *waits(void *arg)
{
    struct waiter *w = arg;
    struct lucet_result r;

    w->result = -1;
    if (lucet_instance_run(w->inst, "wait", ARGS(I32(w->address), I32(0), I64(w->timeout)), &r) ==
        lucet_error_ok)
        w->result = (int32_t)lucet_retval_gp(&r.val.returned);
    atomic_store(&w->done, true);
    return NULL;
}

static void pause_ms(long ms)
{
    const struct timespec t = {.tv_nsec = ms * 1000000};

    nanosleep(&t, NULL);
}

static int32_t notify(int32_t address, int32_t count)
{
    return (int32_t)guest_call(own, "notify", ARGS(I32(address), I32(count)));
}

/* One that waits at the address; it sleeps, or is about to. */
static void begin(struct waiter *w, int32_t address, int64_t timeout)
{
    *w = (struct waiter){.inst = guest_instance(region, module, linker, NULL),
                         .address = address,
                         .timeout = timeout};
    assert_int_equal(pthread_create(&w->thread, NULL, waits, w), 0);
}

static int32_t end(struct waiter *w)
{
    assert_int_equal(pthread_join(w->thread, NULL), 0);
    lucet_instance_release(w->inst);
    return w->result;
}

/* Until one waits there, and no longer. */
static void wake(struct waiter *w)
{
    while (notify(w->address, 1) == 0)
        pause_ms(1);
    assert_int_equal(end(w), 0);
}

static void set_up(void)
{
    const struct lucet_memory_type type = {.min = 1, .max = 1, .shared = true};

    guest_begin();
    region = guest_region(WAITERS + 4);
    module = guest_module(wat, &guest_default);
    assert_int_equal(lucet_linker_new(&linker), lucet_error_ok);
    assert_int_equal(lucet_linker_memory_of(linker, "host", "m", &type), lucet_error_ok);
    assert_int_equal(lucet_linker_func(linker, "host", "look", ":", (void (*)(void))host_look),
                     lucet_error_ok);
    own = guest_instance(region, module, linker, NULL);
}

static void tear_down(void)
{
    lucet_instance_release(own);
    lucet_linker_release(linker);
    lucet_dl_module_release(module);
    assert_int_equal(lucet_region_used_slots(region), 0);
    lucet_region_release(region);
}

static void the_value_at_the_address_is_compared(void **state)
{
    static const struct {
        int32_t address, value;
    } words[] = {{0, 1}, {4, 2}, {8, 3}, {65532, 4}};

    (void)state;
    set_up();
    for (size_t k = 0; k < 4; k++)
        guest_call(own, "store", ARGS(I32(words[k].address), I32(words[k].value)));
    for (size_t k = 0; k < 4; k++)
        for (int32_t value = 0; value < 6; value++)
            assert_int_equal(
                guest_call(own, "wait", ARGS(I32(words[k].address), I32(value), I64(0))),
                value == words[k].value ? 2 : 1);
    assert_int_equal(guest_call(own, "wait64", ARGS(I32(0), I64(0x200000001), I64(0))), 2);
    assert_int_equal(guest_call(own, "wait64", ARGS(I32(0), I64(1), I64(0))), 1);
    assert_int_equal(guest_call(own, "wait64", ARGS(I32(8), I64(3), I64(0))), 2);
    assert_int_equal(guest_call(own, "wait64", ARGS(I32(8), I64(0x200000001), I64(0))), 1);
    for (size_t k = 0; k < 4; k++)
        guest_call(own, "store", ARGS(I32(words[k].address), I32(0)));
    tear_down();
}

/* Whoever goes, first, last or in between, the others stay, and who comes later is found, too. */
static void waiters_go_in_any_order(void **state)
{
    (void)state;
    set_up();
    for (unsigned first = 0; first < 4; first++)
        for (unsigned step = 1; step < 4; step += 2) {
            struct waiter w[4], later[4];
            for (int32_t k = 0; k < 4; k++)
                begin(&w[k], 8 * k, -1);
            pause_ms(5);
            for (unsigned k = 0; k < 4; k++) {
                wake(&w[(first + k * step) % 4]);
                begin(&later[k], 64 + 8 * (int32_t)k, -1);
                pause_ms(2);
            }
            for (unsigned k = 0; k < 4; k++)
                wake(&later[(first + k * step) % 4]);
            for (int32_t address = 0; address < 128; address += 8)
                assert_int_equal(notify(address, -1), 0);
        }
    tear_down();
}

/* By time, as by notices. */
static void waiters_whose_time_is_over_are_forgotten(void **state)
{
    (void)state;
    set_up();
    for (unsigned k = 0; k < 8; k++) {
        struct waiter w[3];
        for (unsigned i = 0; i < 3; i++)
            begin(&w[i], 8, k & 1u << i ? 1000000 : -1);
        int32_t left = 0;
        for (unsigned i = 0; i < 3; i++)
            if (k & 1u << i)
                assert_int_equal(end(&w[i]), 2);
            else
                left++;
        for (int32_t woken = 0; woken < left; woken += notify(8, 1))
            pause_ms(1);
        for (unsigned i = 0; i < 3; i++)
            if (!(k & 1u << i))
                assert_int_equal(end(&w[i]), 0);
        assert_int_equal(notify(8, -1), 0);
    }
    tear_down();
}

/* All at once, however their threads go on then. */
static void waiters_that_are_woken_together_are_forgotten(void **state)
{
    (void)state;
    set_up();
    for (unsigned round = 0; round < 30; round++) {
        struct waiter w[WAITERS];
        for (unsigned k = 0; k < WAITERS; k++)
            begin(&w[k], 16, -1);
        pause_ms(2);
        for (int32_t woken = 0; woken < WAITERS; woken += notify(16, -1))
            pause_ms(1);
        for (unsigned k = 0; k < WAITERS; k++)
            assert_int_equal(end(&w[k]), 0);
        assert_int_equal(notify(16, -1), 0);
    }
    tear_down();
}

static atomic_uint signals;

static void on_signal(int number)
{
    (void)number;
    if (signals % 2) /* as for a run further out, that is not to end yet */
        lucet__wait_stop(&lucet__thread);
    signals++;
}

static long cpu_us(pthread_t thread)
{
    struct timespec t;
    clockid_t clock;

    assert_int_equal(pthread_getcpuclockid(thread, &clock), 0);
    assert_int_equal(clock_gettime(clock, &t), 0);
    return t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* Signals that are no requests to stop interrupt the system call only, and it sleeps again. */
static void signals_of_others_end_no_wait(void **state)
{
    const struct sigaction action = {.sa_handler = on_signal};
    struct sigaction before;
    struct waiter w;

    (void)state;
    set_up();
    assert_int_equal(sigaction(SIGUSR2, &action, &before), 0);
    begin(&w, 24, -1);
    for (unsigned k = 0; k < 20; k++) {
        const unsigned seen = signals;
        pause_ms(1);
        assert_int_equal(pthread_kill(w.thread, SIGUSR2), 0);
        while (signals == seen)
            pause_ms(1);
        assert_false(atomic_load(&w.done));
    }
    pause_ms(2);
    const long before_pause = cpu_us(w.thread);
    pause_ms(100);
    assert_in_range(cpu_us(w.thread) - before_pause, 0, 20000);
    wake(&w);
    assert_int_equal(sigaction(SIGUSR2, &before, NULL), 0);
    tear_down();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_value_at_the_address_is_compared),
        cmocka_unit_test(waiters_go_in_any_order),
        cmocka_unit_test(waiters_whose_time_is_over_are_forgotten),
        cmocka_unit_test(waiters_that_are_woken_together_are_forgotten),
        cmocka_unit_test(signals_of_others_end_no_wait),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
