/* Time slices: guests that are interrupted anywhere compute what they compute alone, everything
 * else is left in peace, and nothing comes late. */
#include "guest.h"
#include "patience.h"
#include "set.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>

static const char wat[] =
    "(module (import \"h\" \"f\" (func $f (param i32) (result i32)))"
    " (memory 64) (table 4 funcref) (elem (i32.const 0) $mix $mix2)"
    " (type $m (func (param i64 i64) (result i64)))"
    " (func $mix (param i64 i64) (result i64)"
    "   (i64.mul (i64.xor (local.get 0) (i64.rotl (local.get 1) (i64.const 7)))"
    "            (i64.const 0x9e3779b97f4a7c15)))"
    " (func $mix2 (param i64 i64) (result i64)"
    "   (i64.add (i64.xor (local.get 0) (i64.shr_u (local.get 0) (i64.const 29)))"
    "            (i64.mul (local.get 1) (i64.const 0x2545f4914f6cdd1d))))"
    /* Many integers and floats alive at once, calls, indirect calls, division. */
    " (func (export \"scalar\") (param $n i32) (result i64)"
    "   (local $a i64) (local $b i64) (local $c i64) (local $d i64) (local $e i64) (local $f i64)"
    "   (local $x f64) (local $y f64) (local $z f64) (local $i i32)"
    "   (local.set $a (i64.const 1)) (local.set $b (i64.const 2)) (local.set $x (f64.const 1.5))"
    "   (loop $l"
    "     (local.set $a (i64.add (i64.mul (local.get $a) (i64.const 6364136223846793005))"
    "                            (local.get $b)))"
    "     (local.set $b (i64.xor (i64.rotl (local.get $b) (i64.const 13)) (local.get $a)))"
    "     (local.set $c (i64.add (local.get $c) (i64.shr_u (local.get $b) (i64.const 3))))"
    "     (local.set $d (i64.sub (i64.xor (local.get $d) (local.get $c)) (local.get $e)))"
    "     (local.set $e (i64.add (i64.rem_u (local.get $d) (i64.const 1000003)) (local.get $f)))"
    "     (local.set $f (call_indirect (type $m) (local.get $f) (local.get $e)"
    "       (i32.and (local.get $i) (i32.const 1))))"
    "     (local.set $x (f64.add (f64.mul (local.get $x) (f64.const 0.999))"
    "                            (f64.convert_i64_u (i64.and (local.get $a) (i64.const 1023)))))"
    "     (local.set $y (f64.sub (f64.sqrt (local.get $x)) (local.get $z)))"
    "     (local.set $z (f64.div (local.get $y) (f64.add (local.get $x) (f64.const 1))))"
    "     (i64.store (i32.and (i32.wrap_i64 (local.get $a)) (i32.const 0xffff8)) (local.get $f))"
    "     (local.set $i (i32.add (local.get $i) (i32.const 1)))"
    "     (br_if $l (i32.lt_u (local.get $i) (local.get $n))))"
    "   (i64.xor (i64.xor (local.get $a) (local.get $c))"
    "     (i64.xor (i64.xor (local.get $e) (local.get $f))"
    "       (i64.xor (i64.reinterpret_f64 (local.get $y)) (i64.reinterpret_f64 (local.get $z))))))"
    /* Vectors, and a loop that LLVM makes wide ones of. */
    " (func (export \"vector\") (param $n i32) (result i64)"
    "   (local $v v128) (local $w v128) (local $u v128) (local $i i32) (local $j i32) (local $s "
    "i32)"
    "   (local.set $v (v128.const i32x4 1 2 3 4)) (local.set $w (v128.const i32x4 5 6 7 8))"
    "   (loop $l"
    "     (local.set $v (i32x4.add (i32x4.mul (local.get $v) (local.get $w))"
    "                              (v128.const i32x4 12345 678 91011 1213)))"
    "     (local.set $w (v128.xor (i32x4.shl (local.get $w) (i32.const 1)) (local.get $v)))"
    "     (local.set $u (f32x4.add (local.get $u) (f32x4.convert_i32x4_s (local.get $w))))"
    "     (local.set $j (i32.const 0))"
    "     (loop $k"
    "       (i32.store (local.get $j) (i32.add (i32.mul (i32.load (local.get $j)) (i32.const 5))"
    "                                          (local.get $i)))"
    "       (br_if $k (i32.lt_u (local.tee $j (i32.add (local.get $j) (i32.const 4)))"
    "                           (i32.const 4096))))"
    "     (local.set $s (i32.add (local.get $s) (i32.load (i32.and (local.get $i) (i32.const "
    "4092)))))"
    "     (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get "
    "$n))))"
    "   (i64.add (i64.extend_i32_s (local.get $s))"
    "     (i64.xor (i64x2.extract_lane 0 (v128.xor (local.get $v) (local.get $u)))"
    "              (i64x2.extract_lane 1 (local.get $w)))))"
    " (func $fib (export \"fib\") (param i32) (result i64)"
    "   (if (result i64) (i32.lt_u (local.get 0) (i32.const 2))"
    "     (then (i64.extend_i32_u (local.get 0)))"
    "     (else (i64.add (call $fib (i32.sub (local.get 0) (i32.const 1)))"
    "                    (call $fib (i32.sub (local.get 0) (i32.const 2)))))))"
    " (func (export \"host\") (param $n i32) (result i64) (local $s i64)"
    "   (loop $l (local.set $s (i64.add (local.get $s) (i64.extend_i32_s (call $f (local.get "
    "$n)))))"
    "     (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))"
    "   (local.get $s))"
    " (func (export \"bulk\") (param $n i32) (result i64)"
    "   (loop $l (memory.fill (i32.const 0) (local.get $n) (i32.const 2000000))"
    "     (memory.copy (i32.const 2000000) (i32.const 3) (i32.const 1900000))"
    "     (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))"
    "   (i64.load (i32.const 3000000)))"
    " (func (export \"loop\") (loop (br 0)))"
    " (func (export \"plus\") (param i32) (result i32) (i32.add (local.get 0) (i32.const 1))))";

static atomic_uint host_calls;
static int32_t (*host_body)(struct lucet_vmctx *ctx, int32_t n);

static int32_t host(struct lucet_vmctx *ctx, int32_t n)
{
    atomic_fetch_add(&host_calls, 1);
    return host_body ? host_body(ctx, n) : n * 3;
}

static struct set set_up(void)
{
    static const struct set_host hosts[] = {{"f", "i:i", host}, {0}};

    host_body = NULL;
    return set_begin(wat, &guest_default, hosts);
}

static const struct work {
    const char *name;
    int n;
} works[] = {{"scalar", 1000000}, {"vector", 60000}, {"fib", 27}, {"host", 2000000}, {"bulk", 60}};
#define WORKS (sizeof works / sizeof *works)

static bool is_slice(enum lucet_error e, const struct lucet_result *r)
{
    if (e != lucet_error_ok)
        fail_msg("%s: %s", lucet_error_name(e), lucet_error_detail());
    if (r->tag == lucet_result_tag_returned)
        return false;
    assert_int_equal(r->tag, lucet_result_tag_yielded);
    assert_int_equal(r->val.yielded.reason, lucet_yield_reason_slice);
    assert_null(r->val.yielded.val);
    return true;
}

static struct lucet_result last;

/* Every register there is holds something else when the guest goes on. */
static void spoil(void)
{
    __asm__ volatile("pcmpeqd %%xmm0,%%xmm0\n pcmpeqd %%xmm1,%%xmm1\n pcmpeqd %%xmm5,%%xmm5\n"
                     "pcmpeqd %%xmm9,%%xmm9\n pcmpeqd %%xmm15,%%xmm15\n std\n cld" ::
                         : "xmm0", "xmm1", "xmm5", "xmm9", "xmm15");
}

/* As long a piece of the work as is needed for so many parts: a quick machine has ended before. */
static struct work twice(struct work w)
{
    assert_true(w.n < 1 << 28);
    w.n += strcmp(w.name, "fib") ? w.n : 2;
    return w;
}

static unsigned in_slices(struct lucet_instance *inst, const struct work *w)
{
    unsigned slices = 0;
    enum lucet_error e = lucet_instance_run(inst, w->name, ARGS(I32(w->n)), &last);

    while (is_slice(e, &last)) {
        slices++;
        spoil();
        e = lucet_instance_resume(inst, (void *)0x1234, &last);
    }
    return slices;
}

/* How many slices it took to compute the same as without. */
static unsigned the_same_in_slices(struct lucet_instance *inst, const struct work *w,
                                   uint64_t nanoseconds)
{
    lucet_instance_set_slice(inst, 0);
    const uint64_t expected = guest_call(inst, w->name, ARGS(I32(w->n)));
    assert_int_equal(lucet_instance_reset(inst), lucet_error_ok);
    lucet_instance_set_slice(inst, nanoseconds);
    const unsigned slices = in_slices(inst, w);
    if (lucet_retval_gp(&last.val.returned) != expected)
        fail_msg("%s in %u slices: another result", w->name, slices);
    assert_int_equal(lucet_instance_reset(inst), lucet_error_ok);
    return slices;
}

static void guests_compute_the_same_in_slices(void **state)
{
    static const struct {
        uint64_t nanoseconds;
        unsigned slices;
    } rounds[] = {{30000, 10}, {100000, 10}, {1000000, 1}};

    (void)state;
    guest_begin();
    struct set s = set_up();
    for (size_t i = 0; i < WORKS; i++)
        for (size_t k = 0; k < sizeof rounds / sizeof *rounds; k++) {
            struct work w = works[i];
            while (the_same_in_slices(s.a, &w, rounds[k].nanoseconds) < rounds[k].slices)
                w = twice(w);
        }
    set_end(&s);
}

/* Two guests in turn, each part on another thread. */
struct turn {
    struct lucet_instance *inst;
    const struct work *work;
    enum lucet_error error;
    struct lucet_result result;
    bool begun;
};

static void *part(void *arg)
{
    struct turn *t = arg;
    t->error = t->begun
                   ? lucet_instance_resume(t->inst, NULL, &t->result)
                   : lucet_instance_run(t->inst, t->work->name, ARGS(I32(t->work->n)), &t->result);
    t->begun = true;
    return NULL;
}

/* In how many parts both were done. */
static unsigned take_turns(const struct set *s, const struct work *w)
{
    struct lucet_instance *const both[2] = {s->a, s->b};
    const uint64_t expected = guest_call(s->a, w->name, ARGS(I32(w->n)));
    struct turn turns[2];
    unsigned open = 2, parts = 0;

    for (int k = 0; k < 2; k++) {
        assert_int_equal(lucet_instance_reset(both[k]), lucet_error_ok);
        lucet_instance_set_slice(both[k], 50000);
        turns[k] = (struct turn){.inst = both[k], .work = w};
    }
    for (int k = 0; open; k = !k) {
        pthread_t thread;
        if (turns[k].begun && turns[k].result.tag == lucet_result_tag_returned)
            continue;
        assert_int_equal(pthread_create(&thread, NULL, part, &turns[k]), 0);
        pthread_join(thread, NULL);
        parts++;
        if (!is_slice(turns[k].error, &turns[k].result)) {
            assert_true(lucet_retval_gp(&turns[k].result.val.returned) == expected);
            open--;
        }
    }
    for (int k = 0; k < 2; k++) {
        lucet_instance_set_slice(both[k], 0);
        assert_int_equal(lucet_instance_reset(both[k]), lucet_error_ok);
    }
    return parts;
}

static void every_part_may_run_on_another_thread(void **state)
{
    (void)state;
    guest_begin();
    struct set s = set_up();
    for (size_t i = 0; i < WORKS; i++) {
        struct work small = {works[i].name, i == 2 ? 22 : works[i].n / 10};
        while (take_turns(&s, &small) < 4)
            small = twice(small);
    }
    set_end(&s);
}

/* ---- Who ends them ---- */

static void slices_have_their_length(void **state)
{
    struct lucet_result r;

    (void)state;
    guest_begin();
    struct set s = set_up();
    assert_int_equal(lucet_instance_set_slice(s.a, 5000), lucet_error_invalid_argument);
    assert_non_null(strstr(lucet_error_detail(), "20000 at least"));
    assert_int_equal(lucet_instance_set_slice(NULL, 50000), lucet_error_invalid_argument);
    assert_int_equal(lucet_instance_set_slice(s.a, 10000000), lucet_error_ok);
    enum lucet_error e = lucet_instance_run(s.a, "loop", 0, NULL, &r);
    for (int i = 0; i < 20; i++) {
        assert_true(is_slice(e, &r));
        double begin = set_seconds();
        e = lucet_instance_resume(s.a, NULL, &r);
        double took = set_seconds() - begin;
        assert_true(took > 0.0098);
        if (i % 5 == 4) /* a pause: the next slice is not shorter for it */
            nanosleep(&(struct timespec){.tv_nsec = 17000000}, NULL);
    }
    assert_true(is_slice(e, &r));
    /* Reset and release in the middle. */
    assert_int_equal(lucet_instance_reset(s.a), lucet_error_ok);
    assert_int_equal((uint32_t)guest_call(s.a, "plus", ARGS(I32(1))), 2);
    assert_true(is_slice(lucet_instance_run(s.a, "loop", 0, NULL, &r), &r));
    lucet_instance_release(s.a);
    s.a = guest_instance(s.region, s.module, s.linker, NULL);
    assert_int_equal((uint32_t)guest_call(s.a, "plus", ARGS(I32(1))), 2);
    set_end(&s);
}

static struct set *nested;
static unsigned inner_slices;

/* A host function is not interrupted: neither its own waiting nor the run of its own instance in
 * it; a run of another one has slices of its own. */
static int32_t slow(struct lucet_vmctx *ctx, int32_t n)
{
    struct lucet_instance *self = lucet_vmctx_instance(ctx);
    struct lucet_result r;

    double begin = set_seconds();
    while (set_seconds() - begin < 0.004)
        ;
    lucet_instance_set_slice(nested->b, 200000);
    enum lucet_error e = lucet_instance_run(nested->b, "fib", ARGS(I32(24)), &r);
    while (is_slice(e, &r)) {
        inner_slices++;
        e = lucet_instance_resume(nested->b, NULL, &r);
    }
    assert_int_equal(lucet_instance_run(self, "fib", ARGS(I32(20)), &r), lucet_error_ok);
    assert_int_equal(r.tag, lucet_result_tag_returned);
    return n;
}

static void host_functions_are_not_interrupted(void **state)
{
    struct lucet_result r;

    (void)state;
    guest_begin();
    struct set s = set_up();
    nested = &s;
    host_body = slow;
    inner_slices = 0;
    host_calls = 0;
    lucet_instance_set_slice(s.a, 1000000);
    for (unsigned i = 0; i < 10 || (inner_slices == 0 && i < 1000); i++) {
        enum lucet_error e = lucet_instance_run(s.a, "host", ARGS(I32(1)), &r);
        while (host_calls == i) { /* the slice was over before it was called */
            assert_true(is_slice(e, &r));
            e = lucet_instance_resume(s.a, NULL, &r);
        }
        assert_int_equal(host_calls, i + 1); /* it has come to its end */
        assert_true(is_slice(e, &r));        /* and then the slice was over */
        e = lucet_instance_resume(s.a, NULL, &r);
        while (is_slice(e, &r))
            e = lucet_instance_resume(s.a, NULL, &r);
        assert_int_equal(lucet_retval_gp(&r.val.returned), 1);
    }
    assert_true(inner_slices > 0);
    set_end(&s);
}

/* The outer guest's slice is over first, which is no reason to forget the inner one's. */
static int32_t longer_inside(struct lucet_vmctx *ctx, int32_t n)
{
    struct lucet_result r;

    (void)ctx;
    lucet_instance_set_slice(nested->b, 4000000);
    enum lucet_error e = lucet_instance_run(nested->b, "loop", 0, NULL, &r);
    for (int i = 0; i < 3; i++) {
        assert_true(is_slice(e, &r));
        e = lucet_instance_resume(nested->b, NULL, &r);
    }
    assert_true(is_slice(e, &r));
    assert_int_equal(lucet_instance_reset(nested->b), lucet_error_ok);
    return n;
}

static void inner_slices_end_after_outer_ones(void **state)
{
    struct lucet_result r;

    (void)state;
    guest_begin();
    struct set s = set_up();
    nested = &s;
    host_body = longer_inside;
    lucet_instance_set_slice(s.a, 1000000);
    enum lucet_error e = lucet_instance_run(s.a, "host", ARGS(I32(1)), &r);
    while (is_slice(e, &r))
        e = lucet_instance_resume(s.a, NULL, &r);
    assert_int_equal(lucet_retval_gp(&r.val.returned), 1);
    set_end(&s);
}

static atomic_bool over;

static void *preempt_often(void *k)
{
    while (!atomic_load(&over)) {
        lucet_kill_switch_preempt(k);
        nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
    }
    return NULL;
}

static void another_thread_may_end_them(void **state)
{
    struct lucet_kill_switch *k;
    pthread_t thread;

    (void)state;
    guest_begin();
    struct set s = set_up();
    assert_int_equal(lucet_instance_kill_switch(s.a, &k), lucet_error_ok);
    assert_int_equal(lucet_kill_switch_preempt(k), lucet_kill_not_terminable);
    assert_int_equal(lucet_kill_switch_preempt(NULL), lucet_kill_not_terminable);
    atomic_store(&over, false);
    assert_int_equal(pthread_create(&thread, NULL, preempt_often, k), 0);
    for (size_t i = 0; i < WORKS; i++) {
        struct work w = works[i];
        while (the_same_in_slices(s.a, &w, LUCET_SLICE_MANUAL) < 3)
            w = twice(w);
    }
    atomic_store(&over, true);
    pthread_join(thread, NULL);
    lucet_kill_switch_release(k);
    set_end(&s);
}

static void alarm_handler(int sig, siginfo_t *info, void *context)
{
    (void)sig, (void)info;
    lucet_end_slice(context);
}

__attribute__((unused)) static void a_timer_and_signal_of_the_embedder_may_end_them(void **state)
{
    const struct sigaction ours = {.sa_sigaction = alarm_handler,
                                   .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};
    const struct itimerval every = {{0, 300}, {0, 300}}, never = {{0, 0}, {0, 0}};
    struct sigaction before;

    (void)state;
    guest_begin();
    struct set s = set_up();
    assert_int_equal(sigaction(SIGALRM, &ours, &before), 0);
    for (size_t i = 0; i < WORKS; i++) {
        struct work w = works[i];
        setitimer(ITIMER_REAL, &every, NULL);
        while (the_same_in_slices(s.a, &w, LUCET_SLICE_MANUAL) == 0)
            w = twice(w);
        setitimer(ITIMER_REAL, &never, NULL);
    }
    sigaction(SIGALRM, &before, NULL);
    set_end(&s);
}

/* No signal comes when no guest runs. */
static void the_timer_stops(void **state)
{
    struct lucet_result r;

    (void)state;
    guest_begin();
    struct set s = set_up();
    for (int i = 0; i < 4; i++) {
        lucet_instance_set_slice(s.a, 1000000);
        if (i % 2)
            assert_true(is_slice(lucet_instance_run(s.a, "loop", 0, NULL, &r), &r));
        else
            while (is_slice(lucet_instance_run(s.a, "fib", ARGS(I32(2)), &r), &r))
                lucet_instance_reset(s.a);
        unsigned interrupted = 0;
        double begin = set_seconds();
        while (set_seconds() - begin < 0.05)
            interrupted += nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL) != 0;
        assert_int_equal(interrupted, 0);
        assert_int_equal(lucet_instance_reset(s.a), lucet_error_ok);
    }
    set_end(&s);
}

/* A kill during a slice, at its end, and between two. */
static void *kill_soon(void *k)
{
    for (volatile unsigned i = 0; i < 30000; i++)
        ;
    lucet_kill_switch_terminate(k);
    return NULL;
}

static void kill_switches_win_against_slices(void **state)
{
    (void)state;
    guest_begin();
    struct set s = set_up();
    unsigned slices = 0;
    for (int i = 0; i < 300; i++) {
        struct lucet_instance *inst = guest_instance(s.region, s.module, s.linker, NULL);
        struct lucet_kill_switch *k;
        struct lucet_result r;
        pthread_t thread;
        lucet_instance_set_slice(inst, 25000);
        assert_int_equal(lucet_instance_kill_switch(inst, &k), lucet_error_ok);
        enum lucet_error e = lucet_instance_run(inst, "loop", 0, NULL, &r);
        assert_int_equal(pthread_create(&thread, NULL, kill_soon, k), 0);
        while (e == lucet_error_ok) {
            assert_true(is_slice(e, &r));
            slices++;
            e = lucet_instance_resume(inst, NULL, &r);
        }
        assert_int_equal(e, lucet_error_runtime_terminated);
        assert_int_equal(r.val.terminated.reason, lucet_terminated_reason_remote);
        pthread_join(thread, NULL);
        lucet_kill_switch_release(k);
        lucet_instance_release(inst);
    }
    assert_true(slices >= 300);
    set_end(&s);
}

/* A search for unused exceptions takes several slices here, and is put aside with the guest: what
 * it finds afterwards is what there is. (test_exception_tables.c looks at how long it keeps others
 * waiting.) */
static const char wat_exceptions[] =
    "(module (tag $t) (table $kept 1000000 exnref)"
    " (func (export \"catch\") (param $n i32) (result i32) (local $i i32)"
    "   (loop $l"
    "     (table.set $kept (i32.const 0)"
    "       (block $h (result exnref) (try_table (catch_all_ref $h) (throw $t)) (unreachable)))"
    "     (local.set $i (i32.add (local.get $i) (i32.const 1)))"
    "     (br_if $l (i32.lt_u (local.get $i) (local.get $n))))"
    "   (local.get $i)))";

static void searches_for_exceptions_go_on_after_slices(void **state)
{
    struct lucet_alloc_limits limits = lucet_alloc_limits_default();
    struct lucet_region *region;
    struct lucet_result r;
    unsigned slices = 0;

    (void)state;
    guest_begin();
    limits.exceptions_size = 4096;
    assert_int_equal(lucet_mmap_region_create_with(1, &limits, NULL, &region), lucet_error_ok);
    struct lucet_dl_module *m = guest_module(wat_exceptions, &guest_default);
    struct lucet_instance *inst = guest_instance(region, m, NULL, NULL);
    assert_int_equal(lucet_instance_set_slice(inst, 50000), lucet_error_ok);
    for (int round = 0; round < 50 && slices <= 5; round++) { /* some 20 searches each */
        enum lucet_error e = lucet_instance_run(inst, "catch", ARGS(I32(600)), &r);
        for (; is_slice(e, &r); e = lucet_instance_resume(inst, NULL, &r))
            slices++;
        assert_int_equal(lucet_retval_gp(&r.val.returned), 600);
    }
    assert_true(slices > 5);
    lucet_instance_release(inst);
    lucet_dl_module_release(m);
    lucet_region_release(region);
}

/* Results in scratch space and exceptions between two frames are the run's, whoever runs the same
 * instance's functions between two slices. */
static const char wat_in_transit[] =
    "(module (tag $t)"
    " (func $three (export \"three\") (param i64) (result i64 i64 i64) (local.get 0)"
    "   (i64.add (local.get 0) (i64.const 1)) (i64.add (local.get 0) (i64.const 2)))"
    " (func (export \"results\") (param $n i32) (result i32)"
    "   (local $i i64) (local $a i64) (local $b i64) (local $c i64) (local $wrong i32)"
    "   (loop $l"
    "     (call $three (local.get $i))"
    "     (local.set $c) (local.set $b) (local.set $a)"
    "     (local.set $wrong (i32.add (local.get $wrong)"
    "       (i64.ne (local.get $c) (i64.add (local.get $i) (i64.const 2)))))"
    "     (local.set $wrong (i32.add (local.get $wrong) (i64.ne (local.get $a) (local.get $i))))"
    "     (local.set $wrong (i32.add (local.get $wrong)"
    "       (i64.ne (local.get $b) (i64.add (local.get $i) (i64.const 1)))))"
    "     (local.set $i (i64.add (local.get $i) (i64.const 1)))"
    "     (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))"
    "   (local.get $wrong))"
    " (func $dig (param i32) (result i64)"
    "   (if (i32.eqz (local.get 0)) (then (throw $t)))"
    "   (i64.add (call $dig (i32.sub (local.get 0) (i32.const 1))) (i64.const 1)))"
    " (func (export \"exceptions\") (param $n i32) (result i32) (local $lost i32)"
    "   (loop $l"
    "     (block $h (try_table (catch $t $h) (drop (call $dig (i32.const 500))))"
    "       (local.set $lost (i32.add (local.get $lost) (i32.const 1))))"
    "     (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))"
    "   (local.get $lost)))";
static const char wat_meanwhile[] =
    "(module (import \"a\" \"three\" (func $three (param i64) (result i64 i64 i64)))"
    " (func (export \"call\") (call $three (i64.const -1000)) (drop) (drop) (drop)))";

static void what_is_in_transit_is_kept(void **state)
{
    static const struct work runs[] = {{"results", 2000000}, {"exceptions", 20000}};

    (void)state;
    guest_begin();
    struct lucet_region *region = guest_region(2);
    struct lucet_dl_module *m[] = {guest_module(wat_in_transit, &guest_default),
                                   guest_module(wat_meanwhile, &guest_default)};
    struct lucet_linker *linker;
    assert_int_equal(lucet_linker_new(&linker), lucet_error_ok);
    struct lucet_instance *a = guest_instance(region, m[0], NULL, NULL);
    assert_int_equal(lucet_linker_instance(linker, "a", a), lucet_error_ok);
    struct lucet_instance *b = guest_instance(region, m[1], linker, NULL);
    assert_int_equal(lucet_instance_set_slice(a, 20000), lucet_error_ok);
    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++) {
        struct lucet_result r;
        unsigned slices = 0;
        for (int round = 0; round < 50 && slices <= 20; round++) {
            enum lucet_error e = lucet_instance_run(a, runs[i].name, ARGS(I32(runs[i].n)), &r);
            for (; is_slice(e, &r); e = lucet_instance_resume(a, NULL, &r)) {
                guest_call(b, "call", 0, NULL);
                slices++;
            }
            assert_int_equal(lucet_retval_gp(&r.val.returned), 0);
        }
        assert_true(slices > 20);
    }
    lucet_instance_release(b);
    lucet_instance_release(a);
    lucet_linker_release(linker);
    lucet_dl_module_release(m[0]);
    lucet_dl_module_release(m[1]);
    lucet_region_release(region);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(guests_compute_the_same_in_slices),
        cmocka_unit_test(every_part_may_run_on_another_thread),
        cmocka_unit_test(slices_have_their_length),
        cmocka_unit_test(host_functions_are_not_interrupted),
        cmocka_unit_test(inner_slices_end_after_outer_ones),
        cmocka_unit_test(another_thread_may_end_them),
#ifndef LUCET_TSAN /* which keeps handlers of others waiting while guests run */
        cmocka_unit_test(a_timer_and_signal_of_the_embedder_may_end_them),
#endif
        cmocka_unit_test(the_timer_stops),
        cmocka_unit_test(kill_switches_win_against_slices),
        cmocka_unit_test(searches_for_exceptions_go_on_after_slices),
        cmocka_unit_test(what_is_in_transit_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
