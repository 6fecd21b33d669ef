/* Kill switches against everything that may happen at the same time. Whatever the order, one side
 * wins, the host goes on, and nothing arrives later. */
#include "guest.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static const char wat[] =
    "(module (import \"host\" \"f\" (func $f (param i32) (result i32))) (memory 1)"
    " (func (export \"loop\") (loop $l (br $l)))"
    " (func (export \"host loop\") (loop $l (drop (call $f (i32.const 0))) (br $l)))"
    " (func (export \"short\") (param i32) (result i32) (local $i i32)"
    "   (loop $l (local.set $i (i32.add (local.get $i) (i32.const 1)))"
    "     (i32.store (i32.const 0) (local.get $i))"
    "     (br_if $l (i32.lt_u (local.get $i) (local.get 0)))) (local.get $i))"
    " (func (export \"trap\") (param i32) (local $i i32)"
    "   (loop $l (local.set $i (i32.add (local.get $i) (i32.const 1)))"
    "     (i32.store (i32.const 0) (local.get $i))"
    "     (br_if $l (i32.lt_u (local.get $i) (local.get 0)))) unreachable)"
    " (func $down (export \"recurse\") (param i32) (result i32)"
    "   (i32.add (call $down (i32.add (local.get 0) (i32.const 1))) (i32.const 1)))"
    " (func (export \"grow\") (loop $l (drop (memory.grow (i32.const 0))) (br $l))))";

static int32_t host(struct lucet_vmctx *ctx, int32_t n)
{
    (void)ctx;
    return n;
}

struct killer {
    struct lucet_kill_switch *kill_switch;
    atomic_uint round;    /* counted up by the main thread when the killer may go */
    atomic_uint answered; /* rounds the killer has finished */
    atomic_bool over;
    unsigned delay;      /* spins before it fires */
    unsigned results[4]; /* how often each enum lucet_kill_result */
    enum lucet_kill_result last;
};

/* Awake for as long as a round takes, then asleep: where there is one core, others need it. */
static void relax(unsigned *spins)
{
    if (++*spins < 3000)
        __asm__ volatile("pause");
    else
        usleep(10);
}

static void *kill_every_round(void *arg)
{
    struct killer *k = arg;

    for (unsigned round = 1;; round++) {
        for (unsigned spins = 0; atomic_load(&k->round) < round; relax(&spins))
            if (atomic_load(&k->over))
                return NULL;
        for (volatile unsigned i = 0; i < k->delay; i++)
            ;
        k->last = lucet_kill_switch_terminate(k->kill_switch);
        k->results[k->last]++;
        lucet_kill_switch_release(k->kill_switch);
        atomic_store(&k->answered, round);
    }
}

static void end_killer(struct killer *k, pthread_t thread)
{
    atomic_store(&k->over, true);
    pthread_join(thread, NULL);
}

struct set {
    struct lucet_region *region;
    struct lucet_dl_module *module;
    struct lucet_linker *linker;
};

static struct set set_up(void)
{
    struct set s = {.region = guest_region(2), .module = guest_module(wat, &guest_default)};

    assert_int_equal(lucet_linker_new(&s.linker), lucet_error_ok);
    assert_int_equal(lucet_linker_func(s.linker, "host", "f", "i:i", (void (*)(void))host), 0);
    return s;
}

static void tear_down(struct set *s)
{
    lucet_dl_module_release(s->module);
    lucet_linker_release(s->linker);
    lucet_region_release(s->region);
}

/* One run that is killed at some moment. Returns what became of it. */
static enum lucet_error killed_run(struct set *s, struct killer *k, const char *name,
                                   const struct lucet_val *arg, struct lucet_result *r)
{
    struct lucet_instance *inst = guest_instance(s->region, s->module, s->linker, NULL);

    assert_int_equal(lucet_instance_kill_switch(inst, &k->kill_switch), lucet_error_ok);
    const unsigned round = atomic_fetch_add(&k->round, 1) + 1;
    const enum lucet_error e = lucet_instance_run(inst, name, arg != NULL, arg, r);
    lucet_instance_release(inst); /* at once: the killer may still be on its way */
    /* A stray signal would end this one. */
    inst = guest_instance(s->region, s->module, s->linker, NULL);
    assert_int_equal((uint32_t)guest_call(inst, "short", ARGS(I32(1000))), 1000);
    for (unsigned spins = 0; atomic_load(&k->answered) < round;)
        relax(&spins);
    assert_int_equal((uint32_t)guest_call(inst, "short", ARGS(I32(1000))), 1000);
    lucet_instance_release(inst);
    return e;
}

/* Runs without an end: only the switch ends them, each time. */
static void endless_guests_are_killed_every_time(void **state)
{
    static const char *const names[] = {"loop", "host loop", "grow"};
    (void)state;
    guest_begin();
    struct set s = set_up();
    struct killer k = {.delay = 0};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, kill_every_round, &k), 0);
    for (unsigned i = 0; i < 600; i++) {
        struct lucet_result r;
        k.delay = (i * 7919) % 20000;
        const enum lucet_error e = killed_run(&s, &k, names[i % 3], NULL, &r);
        assert_int_equal(e, lucet_error_runtime_terminated);
        assert_int_equal(r.tag, lucet_result_tag_terminated);
        assert_int_equal(r.val.terminated.reason, lucet_terminated_reason_remote);
        assert_int_not_equal(k.last, lucet_kill_not_terminable);
    }
    end_killer(&k, thread);
    tear_down(&s);
}

/* Runs that end by themselves at about the same time: either side may win, and both agree who
 * did. */
static void kill_and_end_have_one_winner(void **state)
{
    static const char *const names[] = {"short", "trap", "recurse"};
    (void)state;
    guest_begin();
    struct set s = set_up();
    struct killer k = {.delay = 0};
    unsigned killed = 0, finished = 0;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, kill_every_round, &k), 0);
    /* Runs become longer, or killers slower, as long as one side has won all rounds. */
    for (unsigned i = 0; i < 1200 || ((!killed || !finished) && i < 30000); i++) {
        const unsigned longer = killed || i < 300 ? 1 : i / 100, later = finished ? 1 : 1 + i / 100;
        const struct lucet_val arg =
            I32(i % 3 == 2 ? 0 : (int32_t)(1 + (i * 104729) % 30000 * longer));
        struct lucet_result r;
        k.delay = (i * 7919) % 10000 * later;
        const enum lucet_error e = killed_run(&s, &k, names[i % 3], &arg, &r);
        if (e == lucet_error_runtime_terminated) {
            killed++;
            assert_int_equal(r.val.terminated.reason, lucet_terminated_reason_remote);
            assert_int_not_equal(k.last, lucet_kill_not_terminable);
        } else {
            finished++;
            assert_int_equal(e, i % 3 ? lucet_error_runtime_fault : lucet_error_ok);
            if (i % 3)
                assert_int_equal(r.val.faulted.trapcode, i % 3 == 1
                                                             ? lucet_trapcode_unreachable
                                                             : lucet_trapcode_stack_overflow);
            /* "signalled" and "pending" are promises. */
            assert_true(k.last == lucet_kill_not_terminable || k.last == lucet_kill_cancelled);
        }
    }
    end_killer(&k, thread);
    printf("killed %u, finished %u\n", killed, finished);
    assert_true(killed > 0 && finished > 0);
    tear_down(&s);
}

static void a_switch_fired_before_the_run_ends_it_at_once(void **state)
{
    (void)state;
    guest_begin();
    struct set s = set_up();
    struct lucet_instance *inst = guest_instance(s.region, s.module, s.linker, NULL);
    struct lucet_kill_switch *k;
    struct lucet_result r;
    assert_int_equal(lucet_instance_kill_switch(inst, &k), lucet_error_ok);
    assert_int_equal(lucet_kill_switch_terminate(k), lucet_kill_cancelled);
    assert_int_equal(lucet_kill_switch_terminate(k), lucet_kill_not_terminable);
    assert_int_equal(lucet_instance_run(inst, "loop", 0, NULL, &r), lucet_error_runtime_terminated);
    assert_int_equal(lucet_instance_reset(inst), lucet_error_ok);
    assert_int_equal((uint32_t)guest_call(inst, "short", ARGS(I32(5))), 5);
    lucet_instance_release(inst);
    assert_int_equal(lucet_kill_switch_terminate(k), lucet_kill_not_terminable);
    lucet_kill_switch_release(k);
    tear_down(&s);
}

enum { FIRING = 4 };
static atomic_uint winners;
static atomic_bool fire;

static void *fire_together(void *arg)
{
    for (unsigned spins = 0; !atomic_load(&fire);)
        relax(&spins);
    if (lucet_kill_switch_terminate(arg) != lucet_kill_not_terminable)
        atomic_fetch_add(&winners, 1);
    return NULL;
}

/* The run has begun: whoever is late is so for this run, not early for the next. */
static int32_t set_fire(struct lucet_vmctx *ctx, int32_t n)
{
    (void)ctx;
    atomic_store(&fire, true);
    return n;
}

static void of_several_switches_one_takes_effect(void **state)
{
    (void)state;
    guest_begin();
    struct set s = set_up();
    lucet_linker_release(s.linker);
    assert_int_equal(lucet_linker_new(&s.linker), lucet_error_ok);
    assert_int_equal(lucet_linker_func(s.linker, "host", "f", "i:i", (void (*)(void))set_fire), 0);
    for (unsigned round = 0; round < 200; round++) {
        struct lucet_instance *inst = guest_instance(s.region, s.module, s.linker, NULL);
        struct lucet_kill_switch *k[FIRING];
        pthread_t threads[FIRING];
        struct lucet_result r;
        atomic_store(&winners, 0);
        atomic_store(&fire, false);
        for (unsigned i = 0; i < FIRING; i++) {
            assert_int_equal(lucet_instance_kill_switch(inst, &k[i]), lucet_error_ok);
            assert_int_equal(pthread_create(&threads[i], NULL, fire_together, k[i]), 0);
        }
        assert_int_equal(lucet_instance_run(inst, "host loop", 0, NULL, &r),
                         lucet_error_runtime_terminated);
        for (unsigned i = 0; i < FIRING; i++) {
            pthread_join(threads[i], NULL);
            lucet_kill_switch_release(k[i]);
        }
        assert_int_equal(atomic_load(&winners), 1);
        lucet_instance_release(inst);
    }
    tear_down(&s);
}

static atomic_uint entered;

static int32_t slow_host(struct lucet_vmctx *ctx, int32_t n)
{
    /* Not interrupted in the middle, but told to come to an end. */
    atomic_fetch_add(&entered, 1);
    while (!lucet_vmctx_stop_requested(ctx))
        nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
    atomic_fetch_add(&winners, 1);
    return n;
}

static void host_functions_are_asked_and_never_interrupted(void **state)
{
    (void)state;
    guest_begin();
    struct set s = set_up();
    struct killer k = {.delay = 200000};
    struct lucet_linker *slow;
    pthread_t thread;
    assert_int_equal(lucet_linker_new(&slow), lucet_error_ok);
    assert_int_equal(lucet_linker_func(slow, "host", "f", "i:i", (void (*)(void))slow_host), 0);
    lucet_linker_release(s.linker);
    s.linker = slow;
    atomic_store(&winners, 0);
    atomic_store(&entered, 0);
    assert_int_equal(pthread_create(&thread, NULL, kill_every_round, &k), 0);
    for (unsigned i = 0; i < 50 || (k.results[lucet_kill_pending] == 0 && i < 5000); i++) {
        struct lucet_result r;
        assert_int_equal(killed_run(&s, &k, "host loop", NULL, &r), lucet_error_runtime_terminated);
    }
    end_killer(&k, thread);
    assert_true(k.results[lucet_kill_pending] > 0);
    /* None was cut off in the middle. A guest that was seen outside may have called one before the
     * signal came. */
    assert_int_equal(atomic_load(&winners), atomic_load(&entered));
    assert_true(atomic_load(&winners) >= k.results[lucet_kill_pending]);
    tear_down(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(endless_guests_are_killed_every_time),
        cmocka_unit_test(kill_and_end_have_one_winner),
        cmocka_unit_test(a_switch_fired_before_the_run_ends_it_at_once),
        cmocka_unit_test(of_several_switches_one_takes_effect),
        cmocka_unit_test(host_functions_are_asked_and_never_interrupted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
