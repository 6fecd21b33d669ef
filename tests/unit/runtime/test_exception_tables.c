/* Tables of exceptions are searched in parts: whatever guests do with their entries between two of
 * them, nothing that is in use is lost, and nobody waits for a large one. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "lucet/exception.h"
#include "run/guest.h"
#include "run/patience.h"
#include "runtime/exception.h"
#include "runtime/instance.h"
#include "runtime/slot.h"
#include "runtime/table.h"
#include "runtime/x86_64/machine.h"

/* Two tables that are searched one after the other, and the host's, which comes last. What stands
 * at "far" is searched later than what stands at 0 of the first. */
static const char wat[] =
    "(module (import \"h\" \"yield\" (func $yield)) (import \"h\" \"t\" (table $host 40000 exnref))"
    " (tag $n (param i64)) (tag $in (param exnref))"
    " (table $one (export \"one\") 40000 200000 exnref) (table $two 40000 exnref)"
    " (func $make (param i64) (result exnref)"
    "   (block $h (result exnref)"
    "     (try_table (catch_all_ref $h) (throw $n (local.get 0))) unreachable))"
    " (func $wrap (param exnref) (result exnref)"
    "   (block $h (result exnref)"
    "     (try_table (catch_all_ref $h) (throw $in (local.get 0))) unreachable))"
    " (func $inner (param exnref) (result exnref)"
    "   (block $h (result exnref) (try_table (catch $in $h) (throw_ref (local.get 0)))"
    "     unreachable))"
    " (func $value (param exnref) (result i64)"
    "   (block $h (result i64) (try_table (catch $n $h) (throw_ref (local.get 0))) unreachable))"
    " (func (export \"noise\") (drop (call $make (i64.const 0))) (drop (call $make (i64.const 0))))"
    " (func (export \"waste\") (param $n i32)"
    "   (loop $l (drop (call $make (i64.const 0)))"
    "     (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))"
    " (func (export \"put\") (param i64)"
    "   (table.set $one (i32.const 39000) (call $make (local.get 0)))"
    "   (table.set $two (i32.const 39000) (call $make (local.get 0)))"
    "   (table.set $host (i32.const 39000) (call $make (local.get 0)))"
    "   (table.set $one (i32.const 39001) (call $wrap (call $make (local.get 0)))))"
    " (func $clear (export \"clear\")"
    "   (table.fill $one (i32.const 39000) (ref.null exn) (i32.const 2))"
    "   (table.fill $two (i32.const 39000) (ref.null exn) (i32.const 2))"
    "   (table.fill $host (i32.const 39000) (ref.null exn) (i32.const 2)))"
    /* Each leaves one at 0 of the first table only. */
    " (func (export \"get one\")"
    "   (table.set $one (i32.const 0) (table.get $one (i32.const 39000))) (call $clear))"
    " (func (export \"get two\")"
    "   (table.set $one (i32.const 0) (table.get $two (i32.const 39000))) (call $clear))"
    " (func (export \"get host's\")"
    "   (table.set $one (i32.const 0) (table.get $host (i32.const 39000))) (call $clear))"
    " (func (export \"get inner\")"
    "   (table.set $one (i32.const 0) (call $inner (table.get $one (i32.const 39001))))"
    "   (call $clear))"
    " (func (export \"copy one\")"
    "   (table.copy $one $one (i32.const 0) (i32.const 39000) (i32.const 1)) (call $clear))"
    " (func (export \"copy two\")"
    "   (table.copy $one $two (i32.const 0) (i32.const 39000) (i32.const 1)) (call $clear))"
    " (func (export \"copy host's\")"
    "   (table.copy $one $host (i32.const 0) (i32.const 39000) (i32.const 1)) (call $clear))"
    " (func (export \"copy all\")" /* in chunks, the first of which is not the one */
    "   (table.copy $one $two (i32.const 900) (i32.const 0) (i32.const 39001)) (call $clear)"
    "   (table.set $one (i32.const 0) (table.get $one (i32.const 39900))))"
    " (func (export \"grow\")"
    "   (drop (table.grow $one (table.get $one (i32.const 39000)) (i32.const 100000)))"
    "   (call $clear)"
    "   (table.copy $one $one (i32.const 0) (i32.const 139999) (i32.const 1)))"
    " (func (export \"hold\")"
    "   (local $e exnref) (local.set $e (table.get $two (i32.const 39000))) (call $clear)"
    "   (call $yield) (table.set $one (i32.const 0) (local.get $e)))"
    " (func (export \"result\") (result i64) (call $value (table.get $one (i32.const 0)))))";

/* Another instance takes it out. */
static const char other_wat[] = "(module (import \"m\" \"one\" (table $t 1 exnref))"
                                " (func (export \"move\")"
                                "   (table.set $t (i32.const 0) (table.get $t (i32.const 39000)))"
                                "   (table.set $t (i32.const 39000) (ref.null exn))))";

static struct lucet_region *region;
static struct lucet_linker *linker;
static struct lucet_dl_module *module;
static struct lucet_instance *inst;

static void yield(struct lucet_vmctx *ctx)
{
    lucet_vmctx_yield(ctx, NULL);
}

static void begin(const char *text)
{
    struct lucet_alloc_limits limits = lucet_alloc_limits_default();

    guest_begin();
    limits.heap_memory_size = 1 << 20;
    assert_int_equal(lucet_mmap_region_create(2, &limits, &region), lucet_error_ok);
    assert_int_equal(lucet_linker_new(&linker), lucet_error_ok);
    assert_int_equal(lucet_linker_func(linker, "h", "yield", ":", (void (*)(void))yield),
                     lucet_error_ok);
    assert_int_equal(lucet_linker_table(linker, "h", "t", lucet_val_type_exnref, 40000, 40000),
                     lucet_error_ok);
    module = guest_module(text, &guest_default);
    inst = guest_instance(region, module, linker, NULL);
}

static void end(void)
{
    lucet_instance_release(inst);
    lucet_linker_release(linker);
    lucet_dl_module_release(module);
    assert_int_equal(lucet_region_used_slots(region), 0);
    lucet_region_release(region);
}

/* Of a new collection, with the beginning of the first table behind it and all that is far before
 * it. */
static void go_into_the_first_table(void)
{
    assert_false(lucet__exceptions_room(inst, NULL, UINT64_MAX));
    for (int k = 0; inst->exceptions->phase != PHASE_TABLES; k++) {
        assert_true(k < 10);
        lucet__exceptions_tidy(inst, NULL, UINT64_MAX);
    }
    assert_ptr_equal(inst->exceptions->next.instance, inst);
    assert_int_equal(inst->exceptions->next.table, 0);
    assert_in_range(inst->exceptions->next.entry, 1, 38000);
}

static void finish(void)
{
    for (int k = 0; inst->exceptions->phase != PHASE_NONE; k++) {
        assert_true(k < 1000);
        lucet__exceptions_tidy(inst, NULL, UINT64_MAX);
    }
}

static void what_comes_out_of_tables_meanwhile_stays(void **state)
{
    static const char *const ways[] = {"get one",  "get two",  "get host's",  "get inner",
                                       "copy one", "copy two", "copy host's", "copy all",
                                       "grow",     "hold",     "other"};
    struct lucet_result r;

    (void)state;
    begin(wat);
    assert_int_equal(lucet_linker_instance(linker, "m", inst), lucet_error_ok);
    struct lucet_dl_module *m = guest_module(other_wat, &guest_default);
    struct lucet_instance *other = guest_instance(region, m, linker, NULL);
    for (size_t k = 0; k < sizeof(ways) / sizeof(*ways); k++) {
        const bool is_other = strcmp(ways[k], "other") == 0;
        assert_int_equal(lucet_instance_reset(inst), lucet_error_ok);
        guest_call(inst, "put", ARGS(I64(k)));
        guest_call(inst, "noise", 0, NULL);
        go_into_the_first_table();
        const uint32_t number = inst->exceptions->collections;
        const enum lucet_error e = is_other ? lucet_instance_run(other, "move", 0, NULL, &r)
                                            : lucet_instance_run(inst, ways[k], 0, NULL, &r);
        if (e != lucet_error_ok)
            fail_msg("%s: %s", ways[k], lucet_error_detail());
        finish();
        assert_int_equal(inst->exceptions->collections, number);
        if (r.tag == lucet_result_tag_yielded)
            assert_int_equal(lucet_instance_resume(inst, NULL, &r), lucet_error_ok);
        assert_int_equal(guest_call(inst, "result", 0, NULL), k);
        if (is_other)
            guest_call(inst, "clear", 0, NULL);
        /* With the next one all that is left is that one. */
        guest_call(inst, "noise", 0, NULL);
        assert_false(lucet__exceptions_room(inst, NULL, UINT64_MAX));
        assert_in_range(inst->exceptions->count, 1, 3);
        assert_int_equal(guest_call(inst, "result", 0, NULL), k);
    }
    lucet_instance_release(other);
    lucet_dl_module_release(m);
    end();
}

/* Tables are made anew, and become smaller, in the middle of it. */
static void a_reset_meanwhile_does_no_harm(void **state)
{
    (void)state;
    begin(wat);
    for (int k = 0; k < 4; k++) {
        guest_call(inst, "put", ARGS(I64(k)));
        guest_call(inst, "grow", 0, NULL);
        guest_call(inst, "put", ARGS(I64(k)));
        go_into_the_first_table();
        while (inst->exceptions->next.entry < 30000u * (unsigned)k)
            lucet__exceptions_tidy(inst, NULL, UINT64_MAX);
        assert_int_equal(lucet_instance_reset(inst), lucet_error_ok);
        guest_call(inst, "put", ARGS(I64(k)));
        guest_call(inst, "get one", 0, NULL);
        finish();
        assert_int_equal(guest_call(inst, "result", 0, NULL), k);
    }
    end();
}

/* Neither from the middle of a table on, nor with what had been found. */
static void a_collection_given_up_begins_anew(void **state)
{
    (void)state;
    begin(wat);
    guest_call(inst, "put", ARGS(I64(7)));
    guest_call(inst, "get one", 0, NULL);
    guest_call(inst, "noise", 0, NULL);
    go_into_the_first_table();
    struct exceptions *s = inst->exceptions;
    s->next.table = 1; /* it comes to the second */
    assert_non_null(lucet__exception_find(s, inst->tables[0].desc->elems[0]));
    assert_non_null(s->found);
    s->phase = PHASE_NONE; /* as a kill while stacks are searched leaves it */
    assert_false(lucet__exceptions_room(inst, NULL, UINT64_MAX));
    assert_int_equal(guest_call(inst, "result", 0, NULL), 7);
    end();
}

/* The thread's own clock, nanoseconds. */
static uint64_t now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* What a whole search takes here, in one go. */
static uint64_t time_of_search(void)
{
    uint64_t least = UINT64_MAX;

    for (int k = 0; k < 3; k++) {
        const uint64_t began = now();
        assert_false(lucet__exceptions_room(inst, NULL, UINT64_MAX));
        while (inst->exceptions->phase != PHASE_NONE)
            lucet__exceptions_tidy(inst, NULL, UINT64_MAX);
        const uint64_t took = now() - began;
        least = took < least ? took : least;
    }
    return least;
}

/* About as many entries as tables may have by default, none of them null: to look at all of them
 * takes long. */
static const char large_wat[] =
    "(module (tag $n) (table $t 1 exnref)"
    " (func $make (result exnref)"
    "   (block $h (result exnref) (try_table (catch_all_ref $h) (throw $n)) unreachable))"
    " (func (export \"waste\") (loop $l (drop (call $make)) (br $l)))"
    " (func (export \"fill\") (param $n i32) (local $k i32)"
    "   (drop (table.grow $t (ref.null exn) (i32.mul (local.get $n) (i32.const 10000))))"
    "   (loop $l (table.set $t (local.get $k) (call $make))"
    "     (br_if $l (i32.lt_u (local.tee $k (i32.add (local.get $k) (i32.const 1)))"
    "                         (i32.const 10000))))"
    "   (loop $c (br_if 1 (i32.eqz (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))"
    "     (table.copy $t $t (local.get $k) (i32.const 0) (i32.const 10000))"
    "     (local.set $k (i32.add (local.get $k) (i32.const 10000))) (br $c))))";

#if defined(LUCET_SANITIZE) || defined(LUCET_TSAN)
enum { TENTHOUSANDS = 100 };
#else
enum { TENTHOUSANDS = 900 };
#endif
enum { SHORT = 1000000 }; /* nanoseconds */

/* How long the longest slice of a few searches was, in nanoseconds; `within` counts those that
 * ended within a search. */
static uint64_t longest_slice(unsigned *within, uint32_t searches)
{
    const uint32_t before = inst->exceptions->collections;
    struct lucet_result r;
    uint64_t longest = 0;

    while (inst->exceptions->collections < before + searches) {
        const uint64_t began = now();
        *within += inst->exceptions->phase == PHASE_TABLES;
        assert_int_equal(lucet_instance_resume(inst, NULL, &r), lucet_error_ok);
        const uint64_t took = now() - began;
        longest = took > longest ? took : longest;
    }
    return longest;
}

/* As many end within a search as if each took ten times as long as it is to. One that takes as long
 * as a large part of a search may be the machine's affair, which stood still; but not again and
 * again. */
static void slices_do_not_wait_for_large_tables(void **state)
{
    enum { SEARCHES = 3, MOST = 10, ROUNDS = 10 };
    struct lucet_result r;
    uint64_t longest = UINT64_MAX;

    (void)state;
    begin(large_wat);
    guest_call(inst, "fill", ARGS(I32(TENTHOUSANDS)));
    const uint64_t whole = time_of_search(), parts = 1 + whole / (10 * SHORT),
                   enough = 10 * SHORT + whole / 8;
    assert_int_equal(lucet_instance_set_slice(inst, SHORT), lucet_error_ok);
    assert_int_equal(lucet_instance_run(inst, "waste", 0, NULL, &r), lucet_error_ok);
    for (int k = 0; k < ROUNDS && longest >= enough; k++) {
        unsigned within = 0;
        longest = longest_slice(&within, SEARCHES);
        printf("%u slices ended within %d searches of tables, each of which takes %.2f ms; the "
               "longest took %.2f ms\n",
               within, SEARCHES, (double)whole / 1e6, (double)longest / 1e6);
        assert_true(within >= SEARCHES * (parts < MOST ? parts : MOST));
    }
    assert_true(longest < enough);
    end();
}

/* From the beginning of a run that wastes exceptions to the end of its second search, by the wall
 * clock, milliseconds. */
static unsigned time_of_two_searches(void)
{
    struct lucet_result r;

    guest_call(inst, "fill", ARGS(I32(TENTHOUSANDS)));
    assert_int_equal(lucet_instance_set_slice(inst, SHORT), lucet_error_ok);
    const double began = patience_now();
    const uint32_t before = inst->exceptions->collections;
    assert_int_equal(lucet_instance_run(inst, "waste", 0, NULL, &r), lucet_error_ok);
    while (inst->exceptions->collections < before + 2)
        assert_int_equal(lucet_instance_resume(inst, NULL, &r), lucet_error_ok);
    const double took = patience_now() - began;
    assert_int_equal(lucet_instance_reset(inst), lucet_error_ok);
    assert_int_equal(lucet_instance_set_slice(inst, 0), lucet_error_ok);
    return (unsigned)(took * 1000);
}

/* Wherever in a search the time is over. */
static void time_limits_do_not_wait_for_large_tables(void **state)
{
    enum { ROUNDS = 16, MOST = 200, ENOUGH = 4 };
    struct lucet_result r;
    unsigned within = 0, in_time = 0, rounds = 0;

    (void)state;
    begin(large_wat);
    srand(1);
    const unsigned span = time_of_two_searches();
    for (; rounds < ROUNDS || (rounds < MOST && (within < ENOUGH || in_time * 4 < rounds * 3));
         rounds++) {
        const unsigned limit = 1 + (unsigned)rand() % (span + 1);
        guest_call(inst, "fill", ARGS(I32(TENTHOUSANDS)));
        assert_int_equal(lucet_instance_set_timeout(inst, limit), lucet_error_ok);
        const int64_t began = (int64_t)now();
        assert_int_equal(lucet_instance_run(inst, "waste", 0, NULL, &r),
                         lucet_error_runtime_terminated);
        const int64_t late = (int64_t)now() - began - (int64_t)limit * 1000000;
        in_time += late < 10 * SHORT;
        within += inst->exceptions->phase == PHASE_TABLES;
        assert_int_equal(lucet_instance_set_timeout(inst, 0), lucet_error_ok);
        assert_int_equal(lucet_instance_reset(inst), lucet_error_ok);
    }
    printf("%u of %u time limits ended runs within a search of tables, %u within 10 ms\n", within,
           rounds, in_time);
    assert_true(within >= ENOUGH && in_time * 4 >= rounds * 3);
    end();
}

/* Stacks are searched at once: what that takes for each word is all that a slice waits for. */
static const char deep_wat[] =
    "(module (tag $n) (global $on (mut i32) (i32.const 1))"
    " (func $make (result exnref)"
    "   (block $h (result exnref) (try_table (catch_all_ref $h) (throw $n)) unreachable))"
    " (func $hold (local $e exnref)"
    "   (local.set $e (call $make))"
    "   (loop $l (drop (call $make)) (br_if $l (global.get $on)))"
    "   (throw_ref (local.get $e)))"
    " (func $deep (export \"deep\") (param $n i32) (param $x i64) (result i64)"
    "   (if (result i64) (local.get $n)"
    "     (then (i64.add (local.get $x) (i64.mul (local.get $x)"
    "       (call $deep (i32.sub (local.get $n) (i32.const 1))"
    "                   (i64.mul (local.get $x) (i64.const 0x5851f42d4c957f2d))))))"
    "     (else (call $hold) (i64.const 0)))))";

static void begin_deep(uint64_t stack_size)
{
    struct lucet_alloc_limits limits = lucet_alloc_limits_default();

    guest_begin();
    limits.heap_memory_size = 1 << 20;
    limits.stack_size = stack_size;
    assert_int_equal(lucet_mmap_region_create(1, &limits, &region), lucet_error_ok);
    module = guest_module(deep_wat, &guest_default);
    inst = guest_instance(region, module, NULL, NULL);
}

/* In slices, the first of which has ended. */
static void run_deep(int32_t frames)
{
    struct lucet_result r;

    assert_int_equal(lucet_instance_set_slice(inst, SHORT), lucet_error_ok);
    assert_int_equal(lucet_instance_run(inst, "deep", ARGS(I32(frames), I64(3)), &r),
                     lucet_error_ok);
}

static void end_deep(void)
{
    lucet_instance_release(inst);
    lucet_dl_module_release(module);
    lucet_region_release(region);
}

/* What it takes here to read so many words and compute a little with each. */
static uint64_t time_of_words(uint64_t words)
{
    static volatile uint64_t text[1 << 12];
    uint64_t x = 1;

    const uint64_t began = now();
    for (uint64_t k = 0; k < words; k++)
        x = (x ^ text[(k + x % 2) % (1 << 12)]) * UINT64_C(0x5851f42d4c957f2d);
    text[0] = x;
    return now() - began;
}

static void a_slice_waits_for_a_stack_only(void **state)
{
    enum { STACK = 8 << 20 };
    struct lucet_result r;
    uint64_t longest = 0, least = UINT64_MAX;

    (void)state;
    begin_deep(STACK);
    run_deep(450000);
    while (!inst->exceptions)
        assert_int_equal(lucet_instance_resume(inst, NULL, &r), lucet_error_ok);
    const uintptr_t sp =
        inst->suspended.sp ? (uintptr_t)inst->suspended.sp : machine_saved_sp(inst->registers);
    const uint64_t words = ((uintptr_t)inst->slot->stack + STACK - sp) / 8,
                   reading = time_of_words(words);
    for (uint32_t seen = 0; seen < 10;) {
        const uint32_t before = inst->exceptions->collections;
        const uint64_t began = now();
        assert_int_equal(lucet_instance_resume(inst, NULL, &r), lucet_error_ok);
        const uint64_t took = now() - began;
        if (inst->exceptions->collections == before)
            continue;
        seen++;
        longest = took > longest ? took : longest;
        least = took < least ? took : least;
    }
    printf(
        "%llu words: parts of 1 ms in which they are searched take %.2f to %.2f ms; reading them "
        "%.2f ms\n",
        (unsigned long long)words, (double)least / 1e6, (double)longest / 1e6,
        (double)reading / 1e6);
    assert_in_range(words, 800000, STACK / 8);
    assert_true(least < 2 * SHORT + 10 * reading);
    end_deep();
}

struct killer {
    struct lucet_kill_switch *k;
    useconds_t after;
};

static void *kill_soon(void *arg)
{
    const struct killer *killer = arg;

    usleep(killer->after);
    lucet_kill_switch_terminate(killer->k);
    return NULL;
}

/* Resumes until one more search has ended; how long that took by the wall clock, microseconds. */
static useconds_t next_collection(void)
{
    const uint32_t before = inst->exceptions ? inst->exceptions->collections : 0;
    struct lucet_result r;
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    const int64_t began = (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
    while (!inst->exceptions || inst->exceptions->collections == before)
        assert_int_equal(lucet_instance_resume(inst, NULL, &r), lucet_error_ok);
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (useconds_t)((int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000 - began);
}

/* Nor is what had been found when a search ended taken for what the next one has found.
 * However long searches take and however far apart they are, kills all over the time from one
 * to the next meet one. */
static void kills_do_not_wait_for_a_stack(void **state)
{
    enum { MOST = 200, ENOUGH = 4 };
    struct killer killer;
    struct lucet_result r;
    pthread_t thread;
    unsigned within = 0, rounds = 0;

    (void)state;
    begin_deep(UINT64_C(64) << 20);
    srand(1);
    for (; within < ENOUGH && rounds < MOST; rounds++) {
        run_deep(3000000);
        next_collection();
        killer.after = (useconds_t)rand() % (next_collection() + 1);
        assert_int_equal(lucet_instance_set_slice(inst, 0), lucet_error_ok);
        assert_int_equal(lucet_instance_kill_switch(inst, &killer.k), lucet_error_ok);
        assert_int_equal(pthread_create(&thread, NULL, kill_soon, &killer), 0);
        assert_int_equal(lucet_instance_resume(inst, NULL, &r), lucet_error_runtime_terminated);
        pthread_join(thread, NULL);
        lucet_kill_switch_release(killer.k);
        const struct exceptions *s = inst->exceptions;
        within += s->phase == PHASE_NONE && s->bytes + 48 > s->limit;
        assert_int_equal(lucet_instance_reset(inst), lucet_error_ok);
    }
    printf("%u of %u kills ended searches of stacks\n", within, rounds);
    assert_true(within >= ENOUGH);
    end_deep();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_comes_out_of_tables_meanwhile_stays),
        cmocka_unit_test(a_reset_meanwhile_does_no_harm),
        cmocka_unit_test(a_collection_given_up_begins_anew),
        cmocka_unit_test(slices_do_not_wait_for_large_tables),
        cmocka_unit_test(a_slice_waits_for_a_stack_only),
        cmocka_unit_test(kills_do_not_wait_for_a_stack),
        cmocka_unit_test(time_limits_do_not_wait_for_large_tables),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
