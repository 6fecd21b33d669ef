/* Shared memories: instances on several threads at once, waiting and notifying, and what ends a
 * wait. */
#include "guest.h"
#include "patience.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { THREADS = 4, ROUNDS = 20000 };

/* 0: counter; 8: lock (0 free, 1 taken, 2 others wait); 16: plain counter under the lock; 64:
 * start */
static const char wat[] =
    "(module (import \"host\" \"m\" (memory 1 64 shared)) (export \"m\" (memory 0))"
    " (func (export \"add\") (param i32) (loop $l"
    "   (drop (i64.atomic.rmw.add (i32.const 0) (i64.const 1)))"
    "   (drop (i32.atomic.rmw8.add_u (i32.const 32) (i32.const 1)))"
    "   (drop (i32.atomic.rmw16.xor_u (i32.const 34) (i32.const 0x101)))"
    "   (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))"
    " (func $lock (local i32)"
    "   (if (local.tee 0 (i32.atomic.rmw.cmpxchg (i32.const 8) (i32.const 0) (i32.const 1)))"
    "     (then (loop $l"
    "       (if (i32.or (i32.eq (local.get 0) (i32.const 2)) (i32.ne (i32.const 0)"
    "            (i32.atomic.rmw.cmpxchg (i32.const 8) (i32.const 1) (i32.const 2))))"
    "         (then (drop (memory.atomic.wait32 (i32.const 8) (i32.const 2) (i64.const -1)))))"
    "       (br_if $l (local.tee 0 (i32.atomic.rmw.cmpxchg (i32.const 8) (i32.const 0)"
    "         (i32.const 2))))))))"
    " (func $unlock"
    "   (if (i32.ne (i32.atomic.rmw.sub (i32.const 8) (i32.const 1)) (i32.const 1))"
    "     (then (i32.atomic.store (i32.const 8) (i32.const 0))"
    "       (drop (memory.atomic.notify (i32.const 8) (i32.const 1))))))"
    " (func (export \"locked\") (param i32) (loop $l"
    "   (call $lock)"
    "   (i64.store (i32.const 16) (i64.add (i64.load (i32.const 16)) (i64.const 1)))"
    "   (call $unlock)"
    "   (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))"
    " (func (export \"grow\") (result i64) (local $n i64) (local $at i32)"
    "   (loop $l"
    "     (if (i32.ne (local.tee $at (memory.grow (i32.const 1))) (i32.const -1)) (then"
    "       (i32.store (i32.mul (local.get $at) (i32.const 65536)) (local.get $at))"
    "       (local.set $n (i64.add (local.get $n) (i64.extend_i32_u (local.get $at))))"
    "       (br $l))))"
    "   (local.get $n))"
    " (func (export \"wait\") (param i32 i32 i64) (result i32)"
    "   (memory.atomic.wait32 (local.get 0) (local.get 1) (local.get 2)))"
    " (func (export \"wait64\") (param i32 i64 i64) (result i32)"
    "   (memory.atomic.wait64 (local.get 0) (local.get 1) (local.get 2)))"
    " (func (export \"notify\") (param i32 i32) (result i32)"
    "   (memory.atomic.notify (local.get 0) (local.get 1)))"
    /* Every value that is seen whole was written whole. */
    " (func (export \"write\") (param i32) (loop $l"
    "   (i64.store (i32.const 40) (i64.const 0)) (i64.store (i32.const 40) (i64.const -1))"
    "   (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))"
    " (func (export \"torn\") (param i32) (result i32) (local $v i64) (loop $l"
    "   (local.set $v (i64.load (i32.const 40)))"
    "   (if (i64.gt_u (i64.add (local.get $v) (i64.const 1)) (i64.const 1))"
    "     (then (return (i32.const 1))))"
    "   (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))) (i32.const 0)))";

struct set {
    struct lucet_region *region;
    struct lucet_dl_module *module;
    struct lucet_linker *linker;
};

static struct set set_up(const struct guest_mode *mode)
{
    const struct lucet_memory_type type = {.min = 1, .max = 64, .shared = true};
    struct set s = {.region = guest_region(THREADS + 1), .module = guest_module(wat, mode)};

    assert_int_equal(lucet_linker_new(&s.linker), lucet_error_ok);
    assert_int_equal(lucet_linker_memory_of(s.linker, "host", "m", &type), lucet_error_ok);
    return s;
}

static void tear_down(struct set *s)
{
    lucet_linker_release(s->linker);
    lucet_dl_module_release(s->module);
    lucet_region_release(s->region);
}

static struct lucet_instance *member(const struct set *s)
{
    return guest_instance(s->region, s->module, s->linker, NULL);
}

/* A call on a thread of its own; asserting is left to the main thread. */
struct job {
    struct lucet_instance *inst;
    const char *name;
    size_t argc;
    struct lucet_val argv[3];
    struct lucet_result result;
    enum lucet_error error;
    pthread_t thread;
    atomic_bool done;
};

static void *run_job(void *arg)
{
    struct job *j = arg;

    j->error = lucet_instance_run(j->inst, j->name, j->argc, j->argv, &j->result);
    atomic_store(&j->done, true);
    return NULL;
}

static void start(struct job *j)
{
    assert_int_equal(pthread_create(&j->thread, NULL, run_job, j), 0);
}

static uint64_t finish(struct job *j)
{
    assert_int_equal(pthread_join(j->thread, NULL), 0);
    if (j->error != lucet_error_ok)
        fail_msg("%s: %s", j->name, lucet_error_name(j->error));
    return lucet_retval_gp(&j->result.val.returned);
}

/* The sum of results. */
static uint64_t on_all_threads(const struct set *s, const char *name, size_t argc, uint32_t n)
{
    struct job jobs[THREADS] = {0};
    uint64_t sum = 0;

    for (unsigned i = 0; i < THREADS; i++) {
        jobs[i].inst = member(s);
        jobs[i].name = name;
        jobs[i].argc = argc;
        jobs[i].argv[0] = I32(n);
        start(&jobs[i]);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        sum += finish(&jobs[i]);
        lucet_instance_release(jobs[i].inst);
    }
    return sum;
}

static void threads_share_a_memory(void **state)
{
    (void)state;
    guest_begin();
    for (unsigned m = 0; m < GUEST_MODES; m++) {
        struct set s = set_up(&guest_modes[m]);
        struct lucet_instance *view = member(&s);
        uint64_t words[5];
        on_all_threads(&s, "add", 1, ROUNDS);
        on_all_threads(&s, "locked", 1, ROUNDS / 4);
        memcpy(words, lucet_instance_heap(view), sizeof words);
        assert_int_equal(words[0], THREADS * ROUNDS);
        assert_int_equal((uint32_t)words[1], 0);
        assert_int_equal(words[2], THREADS * (ROUNDS / 4));
        assert_int_equal(words[4], (uint8_t)(THREADS * ROUNDS)); /* the xors cancel out */
        lucet_instance_release(view);
        tear_down(&s);
    }
}

static void plain_accesses_are_not_torn(void **state)
{
    (void)state;
    guest_begin();
    for (unsigned m = 0; m < GUEST_MODES; m++) {
        struct set s = set_up(&guest_modes[m]);
        struct job writer = {.inst = member(&s), .name = "write", .argc = 1, .argv = {I32(200000)}};
        struct job reader = {.inst = member(&s), .name = "torn", .argc = 1, .argv = {I32(200000)}};
        start(&writer);
        start(&reader);
        assert_int_equal((uint32_t)finish(&reader), 0);
        finish(&writer);
        lucet_instance_release(writer.inst);
        lucet_instance_release(reader.inst);
        tear_down(&s);
    }
}

/* Every page is given to one thread, which can use it at once. */
static void threads_grow_a_memory(void **state)
{
    (void)state;
    guest_begin();
    for (int round = 0; round < 20; round++) {
        struct set s = set_up(&guest_default);
        struct lucet_instance *view = member(&s);
        assert_int_equal(on_all_threads(&s, "grow", 0, 0), 63 * 64 / 2);
        assert_int_equal(lucet_instance_heap_len(view), 64 * 65536);
        for (uint32_t i = 1; i < 64; i++)
            assert_memory_equal(lucet_instance_heap(view) + 65536 * (size_t)i, &i, 4);
        lucet_instance_release(view);
        tear_down(&s);
    }
}

static uint64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void waits_and_notices(void **state)
{
    (void)state;
    guest_begin();
    struct set s = set_up(&guest_default);
    struct lucet_instance *inst = member(&s);
    const uint64_t before = now_ms();
    lucet_instance_set_continue_after_fault(inst, true);
    assert_int_equal(guest_call(inst, "wait", ARGS(I32(0), I32(1), I64(-1))), 1);
    assert_int_equal(guest_call(inst, "wait", ARGS(I32(0), I32(0), I64(0))), 2);
    assert_int_equal(guest_call(inst, "wait", ARGS(I32(0), I32(0), I64(30000000))), 2);
    assert_int_equal(guest_call(inst, "wait64", ARGS(I32(0), I64(0), I64(30000000))), 2);
    assert_true(now_ms() - before >= 60);
    lucet_instance_heap(inst)[4] = 1;
    assert_int_equal(guest_call(inst, "wait", ARGS(I32(0), I32(0), I64(0))), 2);
    assert_int_equal(guest_call(inst, "wait64", ARGS(I32(0), I64(0), I64(-1))), 1);
    assert_int_equal(guest_call(inst, "notify", ARGS(I32(0), I32(-1))), 0);
    assert_int_equal(guest_trap(inst, "wait", ARGS(I32(2), I32(0), I64(0))),
                     lucet_trapcode_heap_misaligned);
    assert_int_equal(guest_trap(inst, "wait64", ARGS(I32(4), I64(0), I64(0))),
                     lucet_trapcode_heap_misaligned);
    assert_int_equal(guest_trap(inst, "notify", ARGS(I32(1), I32(0))),
                     lucet_trapcode_heap_misaligned);
    assert_int_equal(guest_trap(inst, "wait", ARGS(I32(65536), I32(0), I64(0))),
                     lucet_trapcode_heap_out_of_bounds);
    assert_int_equal(guest_trap(inst, "wait64", ARGS(I32(-8), I64(0), I64(0))),
                     lucet_trapcode_heap_out_of_bounds);
    assert_int_equal(guest_trap(inst, "notify", ARGS(I32(65536), I32(0))),
                     lucet_trapcode_heap_out_of_bounds);
    lucet_instance_release(inst);
    tear_down(&s);
}

/* Until so many wait there. Those that a probe wakes come back at once. */
static void expect_woken(struct lucet_instance *inst, uint32_t address, uint32_t count)
{
    uint32_t woken = 0;

    for (uint64_t end = now_ms() + PATIENCE * 1000; woken < count && now_ms() < end; usleep(1000))
        woken += (uint32_t)guest_call(inst, "notify", ARGS(I32(address), I32(count - woken)));
    assert_int_equal(woken, count);
}

static void notices_go_to_their_address(void **state)
{
    struct job jobs[THREADS] = {0};
    (void)state;
    guest_begin();
    struct set s = set_up(&guest_default);
    struct lucet_instance *inst = member(&s);
    for (unsigned i = 0; i < THREADS; i++) {
        jobs[i] = (struct job){.inst = member(&s), .name = "wait", .argc = 3};
        jobs[i].argv[0] = I32(i % 2 ? 128 : 256);
        jobs[i].argv[1] = I32(0);
        jobs[i].argv[2] = I64(-1);
        start(&jobs[i]);
    }
    usleep(20000);
    assert_int_equal(guest_call(inst, "notify", ARGS(I32(132), I32(-1))), 0);
    expect_woken(inst, 128, 1);
    AWAIT(atomic_load(&jobs[1].done) + atomic_load(&jobs[3].done) > 0);
    usleep(20000); /* the others are not */
    assert_int_equal(atomic_load(&jobs[1].done) + atomic_load(&jobs[3].done), 1);
    assert_false(atomic_load(&jobs[0].done) || atomic_load(&jobs[2].done));
    expect_woken(inst, 256, 2);
    expect_woken(inst, 128, 1);
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(finish(&jobs[i]), 0);
        lucet_instance_release(jobs[i].inst);
    }
    lucet_instance_release(inst);
    tear_down(&s);
}

static void expect_terminated(struct job *j, enum lucet_terminated_reason reason)
{
    assert_int_equal(pthread_join(j->thread, NULL), 0);
    assert_int_equal(j->error, lucet_error_runtime_terminated);
    assert_int_equal(j->result.val.terminated.reason, reason);
}

/* At any moment, also just before it falls asleep; and nobody finds it in the queue afterwards. */
static void a_wait_can_be_killed(void **state)
{
    (void)state;
    guest_begin();
    struct set s = set_up(&guest_default);
    struct lucet_instance *inst = member(&s);
    for (unsigned round = 0; round < 400; round++) {
        struct job j = {.inst = member(&s), .name = "wait", .argc = 3};
        struct lucet_kill_switch *k;
        const uint64_t before = now_ms();
        j.argv[0] = I32(0);
        j.argv[1] = I32(0);
        j.argv[2] = I64(-1);
        assert_int_equal(lucet_instance_kill_switch(j.inst, &k), lucet_error_ok);
        start(&j);
        for (volatile unsigned i = 0; i < (round % 100) * 1000; i++)
            ;
        lucet_kill_switch_terminate(k);
        lucet_kill_switch_release(k);
        expect_terminated(&j, lucet_terminated_reason_remote);
        assert_true(now_ms() - before < PATIENCE * 1000);
        assert_int_equal(guest_call(inst, "notify", ARGS(I32(0), I32(-1))), 0);
        lucet_instance_release(j.inst);
    }
    lucet_instance_release(inst);
    tear_down(&s);
}

static void a_wait_ends_with_the_time_limit(void **state)
{
    (void)state;
    guest_begin();
    struct set s = set_up(&guest_default);
    struct job j = {.inst = member(&s), .name = "wait", .argc = 3};
    const uint64_t before = now_ms();
    j.argv[0] = I32(0);
    j.argv[1] = I32(0);
    j.argv[2] = I64(INT64_MAX);
    lucet_instance_set_timeout(j.inst, 50);
    start(&j);
    expect_terminated(&j, lucet_terminated_reason_timeout);
    assert_true(now_ms() - before >= 50 && now_ms() - before < PATIENCE * 1000);
    lucet_instance_release(j.inst);
    tear_down(&s);
}

static void unshared_memories_do_not_wait(void **state)
{
    static const char unshared[] =
        "(module (memory 1) (func (export \"wait\") (result i32)"
        " (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1)))"
        " (func (export \"notify\") (result i32)"
        "  (memory.atomic.notify (i32.const 0) (i32.const 1)))"
        " (func (export \"misaligned\") (param i32) (result i64)"
        "  (i64.atomic.rmw.add offset=1 (local.get 0) (i64.const 1))))";
    (void)state;
    guest_begin();
    struct lucet_region *region = guest_region(1);
    struct lucet_dl_module *module = guest_module(unshared, &guest_default);
    struct lucet_instance *inst = guest_instance(region, module, NULL, NULL);
    lucet_instance_set_continue_after_fault(inst, true);
    assert_int_equal(guest_trap(inst, "wait", 0, NULL), lucet_trapcode_unshared_wait);
    assert_int_equal(guest_call(inst, "notify", 0, NULL), 0);
    assert_int_equal(guest_trap(inst, "misaligned", ARGS(I32(0))), lucet_trapcode_heap_misaligned);
    assert_int_equal(guest_call(inst, "misaligned", ARGS(I32(7))), 0);
    assert_int_equal(guest_trap(inst, "misaligned", ARGS(I32(65528))),
                     lucet_trapcode_heap_misaligned);
    assert_int_equal(guest_trap(inst, "misaligned", ARGS(I32(65535))),
                     lucet_trapcode_heap_out_of_bounds);
    lucet_instance_release(inst);
    lucet_dl_module_release(module);
    lucet_region_release(region);
}

/* What compilers make flag-setting instructions and bit tests of. LLVM loses the segment on the
 * way, so that address 64 would be that of the process. */
static const char *const atomic_ops[] = {"add", "sub", "and", "or", "xor"};
static const char *const atomic_widths[][3] = {
    {"i32", "atomic.rmw.", ""},     {"i64", "atomic.rmw.", ""},    {"i32", "atomic.rmw8.", "_u"},
    {"i32", "atomic.rmw16.", "_u"}, {"i64", "atomic.rmw8.", "_u"}, {"i64", "atomic.rmw32.", "_u"},
};
static const int atomic_bytes[] = {4, 8, 1, 2, 1, 4};

static void add_atomic_uses(struct text *t)
{
    for (unsigned w = 0; w < 6; w++) {
        for (unsigned o = 0; o < 5; o++) {
            const char *type = atomic_widths[w][0];
            char op[32];
            snprintf(op, sizeof op, "%s%s%s", atomic_widths[w][1], atomic_ops[o],
                     atomic_widths[w][2]);
            text_add(t,
                     "(func (export \"%u %u 0\") (result i32) (%s.eqz (%s.%s (i32.const 64) "
                     "(%s.const 1))))\n",
                     w, o, type, type, op, type);
            text_add(t,
                     "(func (export \"%u %u 1\") (result i32) (%s.eq (%s.%s (i32.const 64) "
                     "(%s.const 1)) (%s.const 1)))\n",
                     w, o, type, type, op, type, type);
            text_add(t,
                     "(func (export \"%u %u 2\") (result i32) (%s.ne (%s.const 0) (%s.and (%s.%s "
                     "(i32.const 64) (%s.const 4)) (%s.const 4))))\n",
                     w, o, type, type, type, type, op, type, type);
            text_add(t,
                     "(func (export \"%u %u 3\") (result i32) (local i32) (if (%s.eqz (%s.%s "
                     "(i32.const 64) (%s.const 1))) (then (local.set 0 (i32.const 7)))) "
                     "(local.get 0))\n",
                     w, o, type, type, op, type);
        }
    }
}

static uint64_t after_op(unsigned op, uint64_t old, uint64_t n)
{
    switch (op) {
    case 0: return old + n;
    case 1: return old - n;
    case 2: return old & n;
    case 3: return old | n;
    default: return old ^ n;
    }
}

static void atomics_stay_in_their_memory(void **state)
{
    static const uint64_t olds[] = {0, 1, 4, 5, 0x80, 0xfb};
    struct text t = {0};
    (void)state;
    guest_begin();
    text_add(&t, "(module (memory 1 1 shared)\n");
    add_atomic_uses(&t);
    text_add(&t, ")");
    struct lucet_region *region = guest_region(1);
    for (unsigned m = 0; m < GUEST_MODES; m++) {
        struct lucet_dl_module *module = guest_module(t.s, &guest_modes[m]);
        struct lucet_instance *inst = guest_instance(region, module, NULL, NULL);
        uint8_t *at = lucet_instance_heap(inst) + 64;
        for (unsigned i = 0; i < 6 * 5 * 4 * 6; i++) {
            const unsigned w = i % 6, o = i / 6 % 5, form = i / 30 % 4;
            const uint64_t old = olds[i / 120], n = form == 2 ? 4 : 1;
            const uint64_t results[] = {old == 0, old == 1, (old & 4) != 0, old == 0 ? 7 : 0};
            uint64_t expected = after_op(o, old, n), got = 0;
            char name[16];
            memset(at, 0, 16);
            memcpy(at, &old, sizeof old);
            snprintf(name, sizeof name, "%u %u %u", w, o, form);
            assert_int_equal((uint32_t)guest_call(inst, name, 0, NULL), results[form]);
            memcpy(&got, at, (size_t)atomic_bytes[w]);
            if (atomic_bytes[w] < 8)
                expected &= (UINT64_C(1) << 8 * atomic_bytes[w]) - 1;
            assert_int_equal(got, expected);
            assert_int_equal(at[atomic_bytes[w]], 0);
        }
        lucet_instance_release(inst);
        lucet_dl_module_release(module);
    }
    lucet_region_release(region);
    text_free(&t);
}

/* A memory that a module made lives, and is nobody else's, as long as one instance uses it. */
static void a_shared_memory_outlives_its_maker(void **state)
{
    static const char maker_wat[] =
        "(module (memory (export \"m\") 1 64 shared) (data (i32.const 0) \"maker\")"
        " (func (export \"dirty\") (memory.fill (i32.const 0) (i32.const 85) (i32.const 65536))))";
    (void)state;
    guest_begin();
    struct set s = set_up(&guest_default);
    struct lucet_dl_module *module = guest_module(maker_wat, &guest_default);
    struct lucet_instance *maker = guest_instance(s.region, module, NULL, NULL);
    assert_int_equal(lucet_linker_instance(s.linker, "host", maker), lucet_error_ok);
    struct lucet_instance *first = member(&s);
    assert_int_equal(lucet_instance_reset(maker), lucet_error_instance_not_returned);
    lucet_instance_release(first);
    assert_int_equal(lucet_instance_reset(maker), lucet_error_ok); /* nobody uses it now */
    struct job j = {.inst = member(&s), .name = "add", .argc = 1, .argv = {I32(5 * ROUNDS)}};
    const uint8_t *base = lucet_instance_heap(j.inst);
    assert_ptr_equal(base, lucet_instance_heap(maker));
    assert_int_equal(lucet_instance_reset(maker), lucet_error_instance_not_returned);
    memset(lucet_instance_heap(maker), 0, 8);
    start(&j);
    lucet_instance_release(maker);
    lucet_linker_release(s.linker);
    for (int i = 0; i < 20; i++) { /* others come and go meanwhile */
        struct lucet_instance *other = guest_instance(s.region, module, NULL, NULL);
        assert_true(lucet_instance_heap(other) != base);
        assert_memory_equal(lucet_instance_heap(other), "maker", 6);
        guest_call(other, "dirty", 0, NULL);
        assert_int_equal(lucet_instance_reset(other), lucet_error_ok);
        assert_memory_equal(lucet_instance_heap(other), "maker", 6);
        assert_int_equal(lucet_instance_heap(other)[65535], 0);
        lucet_instance_release(other);
    }
    finish(&j);
    uint64_t sum;
    memcpy(&sum, lucet_instance_heap(j.inst), sizeof sum);
    assert_int_equal(sum, 5 * ROUNDS);
    lucet_instance_release(j.inst);
    assert_int_equal(lucet_region_used_slots(s.region), 0);
    lucet_dl_module_release(module);
    s.linker = NULL;
    tear_down(&s);
}

static void types_must_agree(void **state)
{
    static const struct lucet_memory_type types[] = {
        {.min = 1, .max = 64},
        {.min = 1, .max = 65, .shared = true},
        {.min = 0, .max = 64, .shared = true},
        {.min = 1, .max = 64, .shared = true, .index64 = true},
        {.min = 65536, .max = 65536 * 64, .shared = true, .page_size = 1},
    };
    static const struct lucet_memory_type impossible[] = {
        {.min = 1, .max = UINT64_MAX, .shared = true},
        {.min = 2, .max = 1},
        {.min = 1, .max = 65537},
        {.min = 1, .max = 2, .page_size = 4096},
        {.min = UINT64_C(1) << 40, .max = UINT64_MAX, .index64 = true},
    };
    (void)state;
    guest_begin();
    struct set s = set_up(&guest_default);
    const struct lucet_instance_options o = {.linker = s.linker};
    struct lucet_instance *inst;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        assert_int_equal(lucet_linker_memory_of(s.linker, "host", "m", &types[i]), lucet_error_ok);
        assert_int_equal(lucet_region_new_instance_with(s.region, s.module, &o, &inst),
                         lucet_error_type_mismatch);
    }
    for (size_t i = 0; i < sizeof impossible / sizeof impossible[0]; i++)
        assert_int_equal(lucet_linker_memory_of(s.linker, "host", "m", &impossible[i]),
                         lucet_error_invalid_argument);
    tear_down(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_share_a_memory),
        cmocka_unit_test(plain_accesses_are_not_torn),
        cmocka_unit_test(threads_grow_a_memory),
        cmocka_unit_test(waits_and_notices),
        cmocka_unit_test(notices_go_to_their_address),
        cmocka_unit_test(a_wait_can_be_killed),
        cmocka_unit_test(a_wait_ends_with_the_time_limit),
        cmocka_unit_test(unshared_memories_do_not_wait),
        cmocka_unit_test(atomics_stay_in_their_memory),
        cmocka_unit_test(a_shared_memory_outlives_its_maker),
        cmocka_unit_test(types_must_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
