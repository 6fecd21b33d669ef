/* Collections of exceptions that are put aside with the run they are in, while others run, and sets
 * that become one. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "run/guest.h"
#include "runtime/exception.h"
#include "runtime/instance.h"

/* Makes chains that hang on its table, and waste. */
static const char chain_wat[] =
    "(module (tag $nest (param exnref)) (tag $plain) (table 2 exnref)"
    " (func $wrap (param exnref) (result exnref)"
    "   (block $h (result exnref)"
    "     (try_table (catch_all_ref $h) (throw $nest (local.get 0))) unreachable))"
    " (func $make (result exnref)"
    "   (block $h (result exnref) (try_table (catch_all_ref $h) (throw $plain)) unreachable))"
    " (func $inner (param exnref) (result exnref)"
    "   (block $h (result exnref) (try_table (catch $nest $h) (throw_ref (local.get 0)))"
    "     unreachable))"
    " (func (export \"fill\") (param $n i32) (local $e exnref)"
    "   (loop $l (local.set $e (call $wrap (local.get $e)))"
    "     (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))"
    "   (table.set (i32.const 0) (local.get $e)))"
    " (func (export \"head\") (result exnref) (table.get (i32.const 0)))"
    " (func (export \"taken\") (result exnref) (table.get (i32.const 1)))"
    " (func (export \"take\") (param exnref) (table.set (i32.const 1) (local.get 0)))"
    " (func (export \"length\") (param $k i32) (result i32) (local $n i32) (local $e exnref)"
    "   (local.set $e (table.get (local.get $k)))"
    "   (block $out (loop $l (br_if $out (ref.is_null (local.get $e)))"
    "     (local.set $e (call $inner (local.get $e)))"
    "     (local.set $n (i32.add (local.get $n) (i32.const 1))) (br $l)))"
    "   (local.get $n))"
    " (func (export \"leave\") (throw $nest (call $make)))"
    " (func (export \"waste\") (param $n i32)"
    "   (loop $l (drop (call $make))"
    "     (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))))";

#if defined(LUCET_SANITIZE) || defined(LUCET_TSAN)
enum { LIVE = 20000 };
#else
enum { LIVE = 100000 };
#endif

static uint64_t now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static struct lucet_region *region_for(size_t instances, uint64_t exceptions_size)
{
    struct lucet_alloc_limits limits = lucet_alloc_limits_default();
    struct lucet_region *region;

    limits.exceptions_size = exceptions_size - exceptions_size % 4096;
    assert_int_equal(lucet_mmap_region_create(instances, &limits, &region), lucet_error_ok);
    return region;
}

static bool is_collecting(const struct lucet_instance *i)
{
    return i->exceptions->phase != PHASE_NONE;
}

/* A whole one, in one go. */
static uint64_t time_of_collection(struct lucet_instance *i)
{
    uint64_t least = UINT64_MAX;

    for (int k = 0; k < 3; k++) {
        const uint64_t began = now();
        assert_false(lucet__exceptions_room(i, NULL, UINT64_MAX));
        while (is_collecting(i))
            lucet__exceptions_tidy(i, NULL, UINT64_MAX);
        const uint64_t took = now() - began;
        least = took < least ? took : least;
    }
    return least;
}

enum { SLICE = 1000000 };

/* How long the longest slice of a run with at least three collections was, in nanoseconds. As many
 * end within a collection as if each took ten times as long as it is to. */
static uint64_t longest_slice(struct lucet_instance *inst, uint64_t whole)
{
    const uint64_t parts = 1 + whole / (10 * SLICE), enough = parts < 7 ? parts : 7;
    const uint32_t before = inst->exceptions->collections;
    struct lucet_result r;
    uint64_t longest = 0;
    unsigned within = 0, slices = 0;

    enum lucet_error e = lucet_instance_run(inst, "waste", ARGS(I32(LIVE)), &r);
    for (; e == lucet_error_ok && r.tag == lucet_result_tag_yielded; slices++) {
        const uint64_t began = now();
        within += is_collecting(inst);
        e = lucet_instance_resume(inst, NULL, &r);
        const uint64_t took = now() - began;
        longest = took > longest ? took : longest;
    }
    assert_int_equal(e, lucet_error_ok);
    const uint32_t collections = inst->exceptions->collections - before;
    printf("%u slices of 1 ms, %u ended within one of %u collections, which take %.2f ms; the "
           "longest took %.2f ms\n",
           slices, within, collections, (double)whole / 1e6, (double)longest / 1e6);
    assert_true(collections >= 2 && within >= 2 * enough);
    return longest;
}

/* One that takes as long as a large part of a collection may be the machine's affair, which stood
 * still; but not again and again. */
static void a_slice_does_not_wait_for_a_collection(void **state)
{
    enum { MANY = 4 * LIVE, ROUNDS = 10 };
    uint64_t longest = UINT64_MAX;

    (void)state;
    guest_begin();
    struct lucet_region *region = region_for(1, MANY * 68);
    struct lucet_dl_module *m = guest_module(chain_wat, &guest_default);
    struct lucet_instance *inst = guest_instance(region, m, NULL, NULL);
    guest_call(inst, "fill", ARGS(I32(MANY)));
    const uint64_t whole = time_of_collection(inst), enough = 10 * SLICE + whole / 8;
    assert_int_equal(lucet_instance_set_slice(inst, SLICE), lucet_error_ok);
    for (int k = 0; k < ROUNDS && longest >= enough; k++)
        longest = longest_slice(inst, whole);
    assert_true(longest < enough);
    assert_int_equal(lucet_instance_set_slice(inst, 0), lucet_error_ok);
    assert_int_equal(guest_call(inst, "length", ARGS(I32(0))), MANY);
    lucet_instance_release(inst);
    lucet_dl_module_release(m);
    lucet_region_release(region);
}

/* Whatever is in the tables is what it was made as: a number, and the one that was there before.
 * Numbers stand in memory, too. References go to and fro between the mover's own table and every
 * second place of the owner's. */
static const char owner_wat[] =
    "(module (tag $t (export \"t\") (param i32 exnref)) (table (export \"table\") 64 exnref)"
    " (memory (export \"numbers\") 1))";
static const char mover_wat[] =
    "(module (import \"o\" \"t\" (tag $t (param i32 exnref)))"
    " (import \"o\" \"table\" (table $shared 64 exnref)) (import \"o\" \"numbers\" (memory $m 1))"
    " (table $own 64 exnref) (memory $own 1)"
    " (func $make (param i32 exnref) (result exnref)"
    "   (block $h (result exnref)"
    "     (try_table (catch_all_ref $h) (throw $t (local.get 0) (local.get 1))) unreachable))"
    " (func $look (param exnref) (result i32 exnref)"
    "   (block $h (result i32 exnref)"
    "     (try_table (catch $t $h) (throw_ref (local.get 0))) unreachable))"
    " (func $check (param $e exnref) (param $n i32) (local $inner exnref) (local $k i32)"
    "   (if (ref.is_null (local.get $e)) (then (if (local.get $n) (then unreachable)) (return)))"
    "   (call $look (local.get $e)) (local.set $inner) (local.set $k)"
    "   (if (i32.ne (local.get $k) (local.get $n)) (then unreachable))"
    "   (if (ref.is_null (local.get $inner)) (then (return)))"
    "   (call $look (local.get $inner)) (drop) (drop))"
    " (func (export \"waste\") (param i32 i32 i32)"
    "   (loop $l (drop (call $make (i32.const 1) (ref.null exn))) (br $l)))"
    " (func (export \"move\") (param $rounds i32) (param $seed i32) (param $half i32)"
    "   (result i32)"
    "   (local $e exnref) (local $at i32) (local $to i32) (local $n i32)"
    "   (loop $l"
    "     (local.set $seed (i32.add (i32.mul (local.get $seed) (i32.const 1664525))"
    "                               (i32.const 1013904223)))"
    "     (local.set $at (i32.or (local.get $half)"
    "       (i32.and (i32.shr_u (local.get $seed) (i32.const 8)) (i32.const 62))))"
    "     (local.set $to (i32.or (local.get $half)"
    "       (i32.and (i32.shr_u (local.get $seed) (i32.const 14)) (i32.const 62))))"
    /* One of the shared table's goes to the own one, */
    "     (local.set $e (table.get $shared (local.get $at)))"
    "     (local.set $n (i32.load $m (i32.shl (local.get $at) (i32.const 2))))"
    "     (call $check (local.get $e) (local.get $n))"
    "     (table.set $shared (local.get $at) (ref.null exn))"
    "     (i32.store $m (i32.shl (local.get $at) (i32.const 2)) (i32.const 0))"
    /* what was there comes to the shared one, within a new one */
    "     (call $check (table.get $own (local.get $to))"
    "       (i32.load $own (i32.shl (local.get $to) (i32.const 2))))"
    "     (table.set $shared (local.get $to)"
    "       (call $make (local.get $seed) (table.get $own (local.get $to))))"
    "     (i32.store $m (i32.shl (local.get $to) (i32.const 2)) (local.get $seed))"
    "     (table.set $own (local.get $to) (local.get $e))"
    "     (i32.store $own (i32.shl (local.get $to) (i32.const 2)) (local.get $n))"
    /* and now and then a long chain is cut. */
    "     (if (i32.eqz (i32.and (local.get $seed) (i32.const 0xf00000)))"
    "       (then (table.set $shared (local.get $to) (call $make (i32.const 7) (ref.null exn)))"
    "         (i32.store $m (i32.shl (local.get $to) (i32.const 2)) (i32.const 7))))"
    "     (br_if $l (local.tee $rounds (i32.sub (local.get $rounds) (i32.const 1)))))"
    "   (i32.const 1)))";

struct turn {
    struct lucet_instance *inst;
    const char *what;
    int half;
    struct lucet_result result;
    enum lucet_error error;
};

enum { MOVES = 30000 };

static void *begin_turn(void *arg)
{
    struct turn *t = arg;

    t->error = lucet_instance_run(
        t->inst, t->what, ARGS(I32(MOVES), I32(7919 * t->half + 5), I32(t->half)), &t->result);
    return NULL;
}

static void *next_turn(void *arg)
{
    struct turn *t = arg;

    t->error = lucet_instance_resume(t->inst, NULL, &t->result);
    return NULL;
}

static void on_another_thread(void *(*f)(void *), struct turn *t)
{
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, f, t), 0);
    pthread_join(thread, NULL);
}

/* Two in turns, with a killed third now and then: each of them goes on with what another has begun
 * to search. */
static void others_move_references_meanwhile(void **state)
{
    struct lucet_linker *linker;
    struct turn turns[3];
    unsigned slices = 0, within = 0;

    (void)state;
    guest_begin();
    struct lucet_region *region = region_for(4, 256 << 10);
    struct lucet_dl_module *owner = guest_module(owner_wat, &guest_default),
                           *mover = guest_module(mover_wat, &guest_default);
    assert_int_equal(lucet_linker_new(&linker), lucet_error_ok);
    struct lucet_instance *o = guest_instance(region, owner, NULL, NULL);
    assert_int_equal(lucet_linker_instance(linker, "o", o), lucet_error_ok);
    for (int k = 0; k < 3; k++) {
        turns[k] = (struct turn){.inst = guest_instance(region, mover, linker, NULL),
                                 .what = k < 2 ? "move" : "waste",
                                 .half = k % 2};
        assert_int_equal(lucet_instance_set_slice(turns[k].inst, 20000), lucet_error_ok);
        begin_turn(&turns[k]);
    }
    for (bool open = true; open;) {
        open = false;
        for (int k = 0; k < 3; k++) {
            struct turn *t = &turns[k];
            if (t->error != lucet_error_ok)
                fail_msg("%d: %s", k, lucet_error_name(t->error));
            if (t->result.tag != lucet_result_tag_yielded)
                continue;
            open |= k < 2;
            slices++;
            within += is_collecting(o);
            if (k < 2 && slices % 16 == 0)
                on_another_thread(next_turn, t);
            else
                next_turn(t);
            if (k == 2 && slices % 20 == 0) { /* gone, perhaps in the middle */
                assert_int_equal(lucet_instance_reset(t->inst), lucet_error_ok);
                begin_turn(t);
            }
        }
    }
    printf("%u slices, %u ended within one of %u collections\n", slices, within,
           o->exceptions->collections);
    assert_true(within > 50 && o->exceptions->collections > 20);
    for (int k = 0; k < 3; k++)
        lucet_instance_release(turns[k].inst);
    lucet_instance_release(o);
    lucet_linker_release(linker);
    lucet_dl_module_release(mover);
    lucet_dl_module_release(owner);
    assert_int_equal(lucet_region_used_slots(region), 0);
    lucet_region_release(region);
}

/* Runs that end by an exception with references do a part of the work each, however full the set
 * is. */
static void exceptions_that_leave_runs_are_collected(void **state)
{
    struct lucet_result r;
    uint64_t longest = 0;

    (void)state;
    guest_begin();
    struct lucet_region *region = region_for(1, 256 << 10);
    struct lucet_dl_module *m = guest_module(chain_wat, &guest_default);
    struct lucet_instance *inst = guest_instance(region, m, NULL, NULL);
    guest_call(inst, "fill", ARGS(I32(1000)));
    for (int k = 0; k < 30000; k++) {
        const uint64_t began = now();
        assert_int_equal(lucet_instance_run(inst, "leave", 0, NULL, &r), lucet_error_runtime_threw);
        longest = now() - began > longest ? now() - began : longest;
        assert_true(inst->exceptions->bytes < (256 << 10) + 10000);
    }
    printf("the longest run took %.2f ms\n", (double)longest / 1e6);
    assert_int_equal(guest_call(inst, "length", ARGS(I32(0))), 1000);
    lucet_instance_release(inst);
    lucet_dl_module_release(m);
    lucet_region_release(region);
}

static struct lucet_val reference(struct lucet_instance *i, const char *which)
{
    struct lucet_val v;
    struct lucet_result r;

    assert_int_equal(lucet_instance_call(i, which, strlen(which), 0, NULL, 1, &v, &r),
                     lucet_error_ok);
    return v;
}

static void put_aside_within_a_collection(struct lucet_instance *i, int32_t waste)
{
    struct lucet_result r;

    assert_int_equal(lucet_instance_set_slice(i, 100000), lucet_error_ok);
    enum lucet_error e = lucet_instance_run(i, "waste", ARGS(I32(waste)), &r);
    while (e == lucet_error_ok && r.tag == lucet_result_tag_yielded && !is_collecting(i))
        e = lucet_instance_resume(i, NULL, &r);
    assert_true(e == lucet_error_ok && is_collecting(i));
}

static void end_slices(struct lucet_instance *i)
{
    struct lucet_result r = {.tag = lucet_result_tag_yielded};

    while (r.tag == lucet_result_tag_yielded)
        assert_int_equal(lucet_instance_resume(i, NULL, &r), lucet_error_ok);
    assert_int_equal(lucet_instance_set_slice(i, 0), lucet_error_ok);
}

/* What only the host holds goes into a table that has been looked at, before it has been found. */
static void the_host_hands_over_meanwhile(void **state)
{
    struct lucet_result r;

    (void)state;
    guest_begin();
    struct lucet_region *region = region_for(2, LIVE * 80);
    struct lucet_dl_module *m = guest_module(chain_wat, &guest_default);
    struct lucet_instance *a = guest_instance(region, m, NULL, NULL),
                          *b = guest_instance(region, m, NULL, NULL);
    guest_call(a, "fill", ARGS(I32(2)));
    struct lucet_val head = reference(a, "head");
    assert_int_equal(lucet_instance_run(b, "take", 1, &head, &r), lucet_error_ok); /* one set */
    for (int round = 0; round < 5; round++) {
        guest_call(a, "fill", ARGS(I32(LIVE)));
        head = reference(a, "head");
        struct lucet_exception *e = (struct lucet_exception *)(uintptr_t)head.inner_val.as_ref;
        lucet_exception_retain(e);
        guest_call(a, "fill", ARGS(I32(1)));
        assert_int_equal(lucet_instance_set_slice(a, 20000), lucet_error_ok);
        enum lucet_error error = lucet_instance_run(a, "waste", ARGS(I32(3 * LIVE)), &r);
        while (error == lucet_error_ok && r.tag == lucet_result_tag_yielded && !is_collecting(a))
            error = lucet_instance_resume(a, NULL, &r);
        assert_true(error == lucet_error_ok && is_collecting(a));
        assert_int_equal(lucet_instance_run(b, "take", 1, &head, &r), lucet_error_ok);
        lucet_exception_release(e);
        end_slices(a);
        head = reference(b, "taken");
        assert_int_equal(lucet_instance_run(a, "take", 1, &head, &r), lucet_error_ok);
        assert_int_equal(guest_call(a, "length", ARGS(I32(1))), LIVE);
    }
    lucet_instance_release(a);
    lucet_instance_release(b);
    lucet_dl_module_release(m);
    lucet_region_release(region);
}

/* While the stores' mutex is held, and no matter how many there are, or that one of them is just
 * searched; and nothing is lost. */
static bool unite_large_sets(void)
{
    enum { SETS = 4 };
    static const int pairs[][2] = {{1, 0}, {3, 2}, {2, 1}};
    struct lucet_instance *inst[SETS];
    struct lucet_result r;
    uint64_t longest = 0;
    unsigned slow = 0;

    guest_begin();
    struct lucet_region *region = region_for(SETS, LIVE * 80);
    struct lucet_dl_module *m = guest_module(chain_wat, &guest_default);
    for (int k = 0; k < SETS; k++) {
        inst[k] = guest_instance(region, m, NULL, NULL);
        guest_call(inst[k], "fill", ARGS(I32(LIVE)));
    }
    const uint64_t whole = time_of_collection(inst[0]);
    for (int k = 0; k < 3; k++) {
        struct lucet_instance *from = inst[pairs[k][0]], *to = inst[pairs[k][1]];
        const struct lucet_val head = reference(from, "head"), own = reference(to, "head");
        put_aside_within_a_collection(from, 3 * LIVE);
        const uint64_t began = now();
        assert_int_equal(lucet_instance_run(to, "take", 1, &head, &r), lucet_error_ok);
        const uint64_t took = now() - began;
        longest = took > longest ? took : longest;
        slow += took > 2000000 + whole / 8;
        assert_ptr_equal(from->exceptions, to->exceptions);
        /* Exceptions of either stay what they are. */
        const struct lucet_val *const both[] = {&own, &head};
        for (int n = 0; n < 2; n++) {
            assert_int_equal(lucet_instance_run(to, "take", 1, both[n], &r), lucet_error_ok);
            assert_ptr_equal(reference(to, "taken").inner_val.as_ref, both[n]->inner_val.as_ref);
        }
        assert_true(!is_collecting(to) && from->exceptions->united);
        end_slices(from);
        guest_call(from, "fill", ARGS(I32(1))); /* that chain is the other's alone */
    }
    printf("at most %.3f ms; a collection takes %.2f ms\n", (double)longest / 1e6,
           (double)whole / 1e6);
    static const int back[] = {1, 2, 0};
    for (int n = 0; n < 3; n++) {
        const int k = back[n];
        const uint32_t before = inst[0]->exceptions->collections;
        guest_call(inst[k], "waste", ARGS(I32(3 * LIVE)));
        assert_true(inst[0]->exceptions->collections > before);
        assert_null(inst[0]->exceptions->united);
        struct lucet_instance *from = inst[pairs[k][0]], *to = inst[pairs[k][1]];
        const struct lucet_val chain = reference(to, "taken");
        assert_int_equal(lucet_instance_run(from, "take", 1, &chain, &r), lucet_error_ok);
        assert_int_equal(guest_call(from, "length", ARGS(I32(1))), LIVE);
    }
    for (int k = 0; k < SETS; k++)
        lucet_instance_release(inst[k]);
    lucet_dl_module_release(m);
    assert_int_equal(lucet_region_used_slots(region), 0);
    lucet_region_release(region);
    return slow == 0;
}

/* Unless the machine stands still, which it does not again and again. */
static void large_sets_become_one_at_once(void **state)
{
    bool at_once = false;

    (void)state;
    for (int k = 0; k < 6 && !at_once; k++)
        at_once = unite_large_sets();
    assert_true(at_once);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slice_does_not_wait_for_a_collection),
        cmocka_unit_test(others_move_references_meanwhile),
        cmocka_unit_test(exceptions_that_leave_runs_are_collected),
        cmocka_unit_test(the_host_hands_over_meanwhile),
        cmocka_unit_test(large_sets_become_one_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
