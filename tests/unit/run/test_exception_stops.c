/* Kills while exceptions are collected: with a million of them alive that takes a large part of a
 * second, and the guest must end long before. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "run/guest.h"
#include "runtime/exception.h"
#include "runtime/instance.h"

/* The chain hangs on a global of the host's, so that it is there after a reset. */
static const char wat[] =
    "(module (import \"h\" \"chain\" (global $chain (mut exnref)))"
    " (tag $nest (param exnref)) (tag $plain) (tag $wide (param exnref exnref exnref exnref))"
    " (func $wrap (param exnref) (result exnref)"
    "   (block $h (result exnref)"
    "     (try_table (catch_all_ref $h) (throw $nest (local.get 0))) unreachable))"
    " (func $make (result exnref)"
    "   (block $h (result exnref) (try_table (catch_all_ref $h) (throw $plain)) unreachable))"
    " (func (export \"fill\") (param $n i32)"
    "   (loop $l (global.set $chain (call $wrap (global.get $chain)))"
    "     (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))"
    " (func (export \"spend\") (loop $l (drop (call $make)) (br $l))))";

enum { LIVE = 600000, ROUNDS = 15 };

static uint64_t now(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static struct {
    struct lucet_result result;
    /* By the thread's own clock, as other times here: what else runs on the machine does not
     * count. */
    uint64_t ended;
} spent;

static void *spend(void *arg)
{
    lucet_instance_run(arg, "spend", 0, NULL, &spent.result);
    spent.ended = now(CLOCK_THREAD_CPUTIME_ID);
    return NULL;
}

/* From the kill to its end, in nanoseconds. */
static uint64_t kill_after(struct lucet_instance *inst, unsigned microseconds)
{
    struct lucet_kill_switch *k;
    pthread_t thread;
    clockid_t clock;

    assert_int_equal(lucet_instance_kill_switch(inst, &k), lucet_error_ok);
    assert_int_equal(pthread_create(&thread, NULL, spend, inst), 0);
    assert_int_equal(pthread_getcpuclockid(thread, &clock), 0);
    while (now(clock) < microseconds * UINT64_C(1000))
        usleep(1000);
    const uint64_t began = now(clock);
    lucet_kill_switch_terminate(k);
    pthread_join(thread, NULL);
    assert_int_equal(spent.result.tag, lucet_result_tag_terminated);
    assert_int_equal(lucet_instance_reset(inst), lucet_error_ok);
    lucet_kill_switch_release(k);
    return spent.ended - began;
}

/* By this thread's clock, nanoseconds: what a whole collection takes, and how long a run lasts from
 * its beginning to the end of its second one. */
static uint64_t time_of_collection(struct lucet_instance *inst)
{
    uint64_t least = UINT64_MAX;

    for (int k = 0; k < 3; k++) {
        const uint64_t began = now(CLOCK_THREAD_CPUTIME_ID);
        assert_false(lucet__exceptions_room(inst, NULL, UINT64_MAX));
        while (inst->exceptions->phase != PHASE_NONE)
            lucet__exceptions_tidy(inst, NULL, UINT64_MAX);
        const uint64_t took = now(CLOCK_THREAD_CPUTIME_ID) - began;
        least = took < least ? took : least;
    }
    return least;
}

static uint64_t time_of_two_collections(struct lucet_instance *inst)
{
    const uint32_t before = inst->exceptions->collections;
    const uint64_t began = now(CLOCK_THREAD_CPUTIME_ID);
    struct lucet_result r;

    assert_int_equal(lucet_instance_set_slice(inst, 1000000), lucet_error_ok);
    assert_int_equal(lucet_instance_run(inst, "spend", 0, NULL, &r), lucet_error_ok);
    while (inst->exceptions->collections < before + 2)
        assert_int_equal(lucet_instance_resume(inst, NULL, &r), lucet_error_ok);
    const uint64_t took = now(CLOCK_THREAD_CPUTIME_ID) - began;
    assert_int_equal(lucet_instance_reset(inst), lucet_error_ok);
    assert_int_equal(lucet_instance_set_slice(inst, 0), lucet_error_ok);
    return took;
}

static void a_kill_does_not_wait_for_a_collection(void **state)
{
    struct lucet_alloc_limits limits = lucet_alloc_limits_default();
    struct lucet_region *region;
    struct lucet_linker *linker;
    uint64_t took[ROUNDS];

    (void)state;
    guest_begin();
    limits.exceptions_size = LIVE * 68; /* the chain takes 64 bytes each */
    limits.exceptions_size -= limits.exceptions_size % 4096;
    assert_int_equal(lucet_mmap_region_create(1, &limits, &region), lucet_error_ok);
    struct lucet_dl_module *m = guest_module(wat, &guest_default);
    assert_int_equal(lucet_linker_new(&linker), lucet_error_ok);
    assert_int_equal(
        lucet_linker_global(linker, "h", "chain", LUCET_VAL(exnref, as_ref, NULL), true),
        lucet_error_ok);
    struct lucet_instance *inst = guest_instance(region, m, linker, NULL);
    const uint64_t began = now(CLOCK_THREAD_CPUTIME_ID);
    guest_call(inst, "fill", ARGS(I32(LIVE)));
    printf("%d exceptions made in %.0f ms\n", LIVE,
           (double)(now(CLOCK_THREAD_CPUTIME_ID) - began) / 1e6);
    const uint64_t whole = time_of_collection(inst), two = time_of_two_collections(inst);
    srand(1);
    for (int k = 0; k < ROUNDS; k++)
        took[k] = kill_after(inst, 1000 + (unsigned)((uint64_t)rand() % two / 1000));
    qsort(took, ROUNDS, sizeof(*took), compare);
    printf("from a kill to the end: median %.2f ms, at most %.2f ms; a collection takes %.2f ms\n",
           (double)took[ROUNDS / 2] / 1e6, (double)took[ROUNDS - 1] / 1e6, (double)whole / 1e6);
    assert_true(took[ROUNDS / 2] < 1000000 + whole / 100);
    lucet_instance_release(inst);
    lucet_linker_release(linker);
    lucet_dl_module_release(m);
    lucet_region_release(region);
}

/* A guest that counts how many exceptions it has made knows their numbers but for where the counter
 * began, and can keep those alive whose upper bits are equal. They must not come into one chain,
 * which every look-up would walk. */
static void numbers_that_a_guest_chose_have_places_of_their_own(void **state)
{
    enum { BITS = 12 };
    static unsigned in[1 << BITS];
    uint64_t last = 0;

    (void)state;
    for (int round = 0; round < 20; round++) {
        const struct exceptions s = {.key = lucet_siphash_key()};
        unsigned most = 0;
        memset(in, 0, sizeof(in));
        for (uint64_t n = 0; n < 1 << BITS; n++) {
            const uint64_t h =
                lucet__exception_hash(&s, (n * 0x9e3779b97f4a7c15u & 0xfffffffffffu) | 7ul << 48);
            const unsigned k = ++in[h >> (64 - BITS)];
            most = k > most ? k : most;
        }
        assert_true(most < 16);
        assert_true(lucet__exception_hash(&s, 1) != last);
        last = lucet__exception_hash(&s, 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_kill_does_not_wait_for_a_collection),
        cmocka_unit_test(numbers_that_a_guest_chose_have_places_of_their_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
