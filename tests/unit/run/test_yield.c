/* Runs that are put aside by host functions and go on later, here or on another thread. */
#include "guest.h"
#include "patience.h"
#include "set.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static const char wat[] =
    "(module (import \"h\" \"yield\" (func $yield (param i32) (result i32)))"
    " (import \"h\" \"other\" (func $other (param i32) (result i32)))"
    " (import \"h\" \"many\" (func $many (param i32) (result i32 f64 i64 v128)))"
    " (memory 1) (global $g (mut i32) (i32.const 5))"
    " (func $deep (param i32 i32) (result i32)"
    "   (if (result i32) (local.get 0)"
    "     (then (i32.add (call $deep (i32.sub (local.get 0) (i32.const 1)) (local.get 1))"
    "                    (i32.const 1)))"
    "     (else (call $yield (local.get 1)))))"
    " (func (export \"deep\") (param i32 i32) (result i32) (call $deep (local.get 0) (local.get "
    "1)))"
    " (func (export \"sum\") (param i32) (result i32) (local $s i32)"
    "   (loop $l (i32.store (i32.const 8) (local.get 0))"
    "     (local.set $s (i32.add (local.get $s) (call $yield (local.get 0))))"
    "     (local.set $s (i32.add (local.get $s) (i32.load (i32.const 8))))"
    "     (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))"
    "   (local.get $s))"
    " (func (export \"floats\") (param f64 f32) (result f64)"
    "   (drop (call $yield (i32.const 1)))"
    "   (f64.add (local.get 0) (f64.promote_f32 (local.get 1))))"
    " (func (export \"third\") (param f64) (result f64)"
    "   (f64.div (f64.add (f64.convert_i32_s (call $yield (i32.const 0))) (local.get 0))"
    "            (f64.const 3)))"
    " (func (export \"params\") (param i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 "
    "i64"
    "   i64 i64 i64 i64) (result i64 i32 f64)"
    "   (i64.add (local.get 0) (local.get 19)) (call $yield (i32.const 3)) (f64.const 1.5))"
    " (func (export \"many\") (result i64) (local $v v128)"
    "   (call $many (i32.const 9)) (local.set $v)"
    "   (i64.add (i64x2.extract_lane 1 (local.get $v)))"
    "   (i64.add (i64.trunc_f64_s (call $float))) (i64.add (i64.extend_i32_s (call $pop))))"
    " (func $float (param f64 i64) (result i64 f64) (local.get 1) (local.get 0))"
    " (func $pop (param i32 i64) (result i64 i32) (local.get 1) (local.get 0))"
    " (func (export \"other\") (param i32) (result i32) (call $other (local.get 0)))"
    " (func (export \"trap after\") (drop (call $yield (i32.const 0))) unreachable)"
    " (func (export \"plus\") (param i32) (result i32) (i32.add (local.get 0) (i32.const 1))))";

/* ---- Host functions ---- */

static int32_t yield(const struct lucet_vmctx *ctx, int32_t n)
{
    return (int32_t)(intptr_t)lucet_vmctx_yield(ctx, (void *)(intptr_t)n);
}

static int32_t many(struct lucet_vmctx *ctx, int32_t n, double *second, int64_t *third,
                    uint8_t fourth[16])
{
    int64_t *lanes = (int64_t *)(void *)fourth;
    int32_t got = yield(ctx, n);

    *second = 200;
    *third = 3000;
    lanes[0] = 0;
    lanes[1] = 40000;
    return got;
}

static int32_t (*other_body)(struct lucet_vmctx *ctx, int32_t n);
static int32_t other(struct lucet_vmctx *ctx, int32_t n)
{
    return other_body(ctx, n);
}

static struct set set_up(const char *text)
{
    static const struct set_host hosts[] = {
        {"yield", "i:i", yield}, {"other", "i:i", other}, {"many", "i:iFIv", many}, {0}};

    return set_begin(text, &guest_default, hosts);
}

static void expect_yield(enum lucet_error e, const struct lucet_result *r, intptr_t value)
{
    if (e != lucet_error_ok)
        fail_msg("%s: %s", lucet_error_name(e), lucet_error_detail());
    assert_int_equal(r->tag, lucet_result_tag_yielded);
    assert_int_equal(r->val.yielded.reason, lucet_yield_reason_value);
    assert_int_equal((intptr_t)r->val.yielded.val, value);
}

#define RUN(inst, name, ...) lucet_instance_run(inst, name, ARGS(__VA_ARGS__), &r)

/* ---- One thread ---- */

static void values_go_both_ways(void **state)
{
    struct lucet_result r;

    (void)state;
    guest_begin();
    struct set s = set_up(wat);
    for (int depth = 0; depth < 300; depth += 50) {
        expect_yield(RUN(s.a, "deep", I32(depth), I32(77)), &r, 77);
        assert_int_equal(lucet_instance_status(s.a), lucet_instance_status_yielded);
        /* Another one has its own stack, memory and gs. */
        assert_int_equal((uint32_t)guest_call(s.b, "plus", ARGS(I32(1))), 2);
        assert_int_equal(lucet_instance_resume(s.a, (void *)1000, &r), lucet_error_ok);
        assert_int_equal(r.tag, lucet_result_tag_returned);
        assert_int_equal(lucet_retval_gp(&r.val.returned), 1000 + depth);
        assert_int_equal(lucet_instance_status(s.a), lucet_instance_status_ready);
    }
    expect_yield(RUN(s.a, "sum", I32(5)), &r, 5);
    for (int n = 4; n > 0; n--)
        expect_yield(lucet_instance_resume(s.a, (void *)100, &r), &r, n);
    assert_int_equal(lucet_instance_resume(s.a, (void *)100, &r), lucet_error_ok);
    assert_int_equal(lucet_retval_gp(&r.val.returned), 515);
    set_end(&s);
}

/* Arguments and results outlive the frames of the call that began. */
static void all_results_come_with_the_resumption(void **state)
{
    struct lucet_val args[20], results[3];
    struct lucet_result r;

    (void)state;
    guest_begin();
    struct set s = set_up(wat);
    for (int i = 0; i < 20; i++)
        args[i] = I64(i * 10);
    expect_yield(lucet_instance_run(s.a, "params", 20, args, &r), &r, 3);
    memset(args, 0xee, sizeof(args));
    assert_int_equal(lucet_instance_resume_call(s.a, NULL, 2, results, &r),
                     lucet_error_type_mismatch);
    assert_int_equal(lucet_instance_status(s.a), lucet_instance_status_yielded);
    assert_int_equal(lucet_instance_resume_call(s.a, (void *)8, 3, results, &r), lucet_error_ok);
    assert_int_equal(results[0].inner_val.as_i64, 190);
    assert_int_equal(results[1].inner_val.as_i32, 8);
    assert_true(results[2].inner_val.as_f64 == 1.5);
    expect_yield(lucet_instance_run(s.a, "floats", 2,
                                    (struct lucet_val[]){LUCET_VAL_F64(2.25), LUCET_VAL_F32(0.5f)},
                                    &r),
                 &r, 1);
    assert_int_equal(lucet_instance_resume(s.a, NULL, &r), lucet_error_ok);
    assert_true(lucet_retval_f64(&r.val.returned) == 2.75);
    expect_yield(lucet_instance_run(s.a, "many", 0, NULL, &r), &r, 9);
    assert_int_equal(lucet_instance_resume(s.a, (void *)7, &r), lucet_error_ok);
    assert_int_equal(lucet_retval_gp(&r.val.returned), 43207);
    set_end(&s);
}

static void what_does_not_fit_is_refused(void **state)
{
    struct lucet_result r;

    (void)state;
    guest_begin();
    struct set s = set_up(wat);
    assert_int_equal(lucet_instance_resume(s.a, NULL, &r), lucet_error_instance_not_yielded);
    assert_int_equal(r.tag, lucet_result_tag_errored);
    assert_int_equal(lucet_instance_resume(NULL, NULL, &r), lucet_error_invalid_argument);
    expect_yield(RUN(s.a, "sum", I32(2)), &r, 2);
    assert_int_equal(RUN(s.a, "plus", I32(1)), lucet_error_instance_not_returned);
    assert_non_null(strstr(lucet_error_detail(), "yielded"));
    assert_int_equal(lucet_instance_run_func_idx(s.a, 0, 0, 0, NULL, &r),
                     lucet_error_func_not_found);
    /* Reset forgets it. */
    assert_int_equal(lucet_instance_reset(s.a), lucet_error_ok);
    assert_int_equal(lucet_instance_resume(s.a, NULL, &r), lucet_error_instance_not_yielded);
    assert_int_equal((uint32_t)guest_call(s.a, "plus", ARGS(I32(4))), 5);
    /* A trap after a resumption is an ordinary one. */
    expect_yield(lucet_instance_run(s.a, "trap after", 0, NULL, &r), &r, 0);
    assert_int_equal(lucet_instance_resume(s.a, NULL, &r), lucet_error_runtime_fault);
    assert_int_equal(r.val.faulted.trapcode, lucet_trapcode_unreachable);
    assert_string_equal(r.val.faulted.function_name, "trap after");
    assert_int_equal(lucet_instance_resume(s.a, NULL, &r), lucet_error_instance_not_yielded);
    assert_int_equal(lucet_instance_reset(s.a), lucet_error_ok);
    /* Release while yielded: the slot is as good as new. */
    expect_yield(RUN(s.b, "deep", I32(9), I32(1)), &r, 1);
    lucet_instance_release(s.b);
    s.b = guest_instance(s.region, s.module, s.linker, NULL);
    assert_int_equal((uint32_t)guest_call(s.b, "plus", ARGS(I32(4))), 5);
    set_end(&s);
}

/* Two short parts with a long pause between them; false: they were not short. */
static bool keeps_its_time(struct lucet_instance *inst, uint64_t ms)
{
    struct lucet_result r;

    lucet_instance_set_timeout(inst, ms);
    enum lucet_error e = RUN(inst, "sum", I32(1));
    if (e == lucet_error_ok) {
        expect_yield(e, &r, 1);
        usleep((useconds_t)ms * 1600);
        e = lucet_instance_resume(inst, (void *)1, &r);
    }
    if (e == lucet_error_ok) {
        assert_int_equal(r.tag, lucet_result_tag_returned);
        return true;
    }
    assert_int_equal(e, lucet_error_runtime_terminated);
    assert_int_equal(lucet_instance_reset(inst), lucet_error_ok);
    return false;
}

/* Many short parts have as much time as one long one. False: they took much longer, as they may
 * where the machine stands still between two, or were but a few. */
static bool ends_in_time(struct lucet_instance *inst, uint64_t ms)
{
    const double limit = (double)ms / 1000, began = set_seconds();
    struct lucet_result r;
    unsigned parts = 0;

    lucet_instance_set_timeout(inst, ms);
    enum lucet_error e = RUN(inst, "sum", I32(2000000000));
    for (; e == lucet_error_ok && set_seconds() - began < 40 * limit; parts++) {
        assert_int_equal(r.tag, lucet_result_tag_yielded);
        e = lucet_instance_resume(inst, NULL, &r);
    }
    const double took = set_seconds() - began;
    if (e != lucet_error_ok)
        assert_int_equal(r.val.terminated.reason, lucet_terminated_reason_timeout);
    assert_int_equal(lucet_instance_reset(inst), lucet_error_ok);
    return e == lucet_error_runtime_terminated && parts > 1000 && took < 20 * limit;
}

static void kill_switches_and_time_limits_hold_across(void **state)
{
    struct lucet_kill_switch *k;
    struct lucet_result r;

    (void)state;
    guest_begin();
    struct set s = set_up(wat);
    assert_int_equal(lucet_instance_kill_switch(s.a, &k), lucet_error_ok);
    expect_yield(RUN(s.a, "sum", I32(2)), &r, 2);
    assert_int_equal(lucet_kill_switch_terminate(k), lucet_kill_cancelled);
    assert_int_equal(lucet_kill_switch_terminate(k), lucet_kill_not_terminable);
    assert_int_equal(lucet_instance_resume(s.a, NULL, &r), lucet_error_runtime_terminated);
    assert_int_equal(r.tag, lucet_result_tag_terminated);
    assert_int_equal(r.val.terminated.reason, lucet_terminated_reason_remote);
    assert_int_equal(lucet_instance_status(s.a), lucet_instance_status_terminated);
    assert_int_equal(lucet_instance_resume(s.a, NULL, &r), lucet_error_instance_not_yielded);
    assert_int_equal(lucet_instance_reset(s.a), lucet_error_ok);
    lucet_kill_switch_release(k);
    /* The time between does not count, the time of all parts together does. */
    for (uint64_t ms = 50; !keeps_its_time(s.a, ms); ms = longer(ms))
        ;
    bool good = false;
    for (int n = 0; n < 10 && !good; n++)
        good = ends_in_time(s.a, 100);
    assert_true(good);
    set_end(&s);
}

/* ---- Nesting ---- */

static struct set *nested;

/* Runs b, which yields; then a itself yields; then b goes on. */
static int32_t run_b(struct lucet_vmctx *ctx, int32_t n)
{
    struct lucet_result r;

    expect_yield(RUN(nested->b, "sum", I32(2)), &r, 2);
    assert_int_equal(lucet_instance_resume(lucet_vmctx_instance(ctx), NULL, &r),
                     lucet_error_instance_not_yielded);
    int32_t got = yield(ctx, n);
    expect_yield(lucet_instance_resume(nested->b, (void *)10, &r), &r, 1);
    assert_int_equal(lucet_instance_resume(nested->b, (void *)20, &r), lucet_error_ok);
    return got + (int32_t)lucet_retval_gp(&r.val.returned);
}

static void a_host_function_runs_another_one_and_both_yield(void **state)
{
    struct lucet_result r;

    (void)state;
    guest_begin();
    struct set s = set_up(wat);
    nested = &s;
    other_body = run_b;
    for (int i = 0; i < 3; i++) {
        expect_yield(RUN(s.a, "other", I32(6)), &r, 6);
        assert_int_equal(lucet_instance_status(s.b), lucet_instance_status_yielded);
        assert_int_equal(lucet_instance_resume(s.a, (void *)1000, &r), lucet_error_ok);
        assert_int_equal(lucet_retval_gp(&r.val.returned), 1033);
    }
    /* Dropped in the middle: the other one is not harmed. */
    expect_yield(RUN(s.a, "other", I32(6)), &r, 6);
    assert_int_equal(lucet_instance_reset(s.a), lucet_error_ok);
    expect_yield(lucet_instance_resume(s.b, (void *)10, &r), &r, 1);
    assert_int_equal(lucet_instance_resume(s.b, (void *)20, &r), lucet_error_ok);
    assert_int_equal(lucet_retval_gp(&r.val.returned), 33);
    set_end(&s);
}

static bool inner;
static const struct lucet_vmctx *outer_ctx;

/* Runs the same instance again, which tries to yield. */
static int32_t run_itself(struct lucet_vmctx *ctx, int32_t n)
{
    struct lucet_instance *self = lucet_vmctx_instance(ctx);
    struct lucet_result r;
    void *resumed;

    if (inner) {
        inner = false;
        assert_int_equal(lucet_vmctx_try_yield(ctx, NULL, &resumed),
                         lucet_error_instance_not_returned);
        return n + 1;
    }
    inner = true;
    assert_int_equal(RUN(self, "other", I32(5)), lucet_error_ok);
    assert_int_equal(lucet_retval_gp(&r.val.returned), 6);
    assert_int_equal(RUN(self, "sum", I32(5)), lucet_error_runtime_terminated);
    assert_int_equal(r.tag, lucet_result_tag_terminated);
    assert_int_equal(r.val.terminated.reason, lucet_terminated_reason_cannot_yield);
    return n;
}

/* Of a, while b runs in its host function: refused, and nothing happened. */
static int32_t yield_outer(struct lucet_vmctx *ctx, int32_t n)
{
    struct lucet_result r;

    if (lucet_vmctx_instance(ctx) == nested->a) {
        outer_ctx = ctx;
        assert_int_equal((uint32_t)guest_call(nested->b, "other", ARGS(I32(3))), 4);
        assert_int_equal(lucet_vmctx_try_yield(ctx, (void *)9, NULL), lucet_error_ok);
        return n;
    }
    assert_int_equal(lucet_vmctx_try_yield(outer_ctx, NULL, NULL), lucet_error_invalid_argument);
    assert_int_equal(lucet_instance_resume(nested->a, NULL, &r), lucet_error_instance_not_yielded);
    return n + 1;
}

static void an_outer_run_on_the_same_stack_forbids_it(void **state)
{
    struct lucet_result r;

    (void)state;
    guest_begin();
    struct set s = set_up(wat);
    nested = &s;
    other_body = run_itself;
    assert_int_equal(RUN(s.a, "other", I32(1)), lucet_error_ok);
    assert_int_equal(lucet_instance_status(s.a), lucet_instance_status_terminated);
    assert_int_equal(lucet_instance_reset(s.a), lucet_error_ok);
    other_body = yield_outer;
    expect_yield(RUN(s.a, "other", I32(1)), &r, 9);
    assert_int_equal(lucet_instance_resume(s.a, NULL, &r), lucet_error_ok);
    set_end(&s);
}

static void a_start_function_that_yields(void **state)
{
    static const char start[] =
        "(module (import \"h\" \"yield\" (func $yield (param i32) (result i32)))"
        " (global $g (mut i32) (i32.const 1))"
        " (func $s (global.set $g (call $yield (i32.const 42)))) (start $s)"
        " (func (export \"plus\") (param i32) (result i32)"
        "   (i32.add (local.get 0) (global.get $g))))";
    struct lucet_instance *inst;
    struct lucet_result r;

    (void)state;
    guest_begin();
    struct lucet_region *region = guest_region(1);
    struct lucet_dl_module *module = guest_module(start, &guest_default);
    struct lucet_linker *linker;
    lucet_linker_new(&linker);
    lucet_linker_func(linker, "h", "yield", "i:i", (void (*)(void))yield);
    struct lucet_instance_options o = {.linker = linker, .run_start = true};
    assert_int_equal(lucet_region_new_instance_with(region, module, &o, &inst),
                     lucet_error_start_yielded);
    assert_int_equal(lucet_region_used_slots(region), 0);
    o.run_start = false;
    assert_int_equal(lucet_region_new_instance_with(region, module, &o, &inst), 0);
    assert_int_equal(lucet_instance_status(inst), lucet_instance_status_needs_start);
    assert_int_equal(RUN(inst, "plus", I32(1)), lucet_error_instance_needs_start);
    assert_int_equal(lucet_instance_run_start(inst), lucet_error_start_yielded);
    assert_int_equal(lucet_instance_resume(inst, (void *)30, &r), lucet_error_ok);
    assert_int_equal(lucet_instance_run_start(inst), lucet_error_start_already_run);
    assert_int_equal((uint32_t)guest_call(inst, "plus", ARGS(I32(1))), 31);
    assert_int_equal(lucet_instance_reset(inst), lucet_error_ok);
    expect_yield(lucet_instance_call_start(inst, &r), &r, 42);
    lucet_instance_release(inst);
    lucet_linker_release(linker);
    lucet_dl_module_release(module);
    lucet_region_release(region);
}

/* ---- The floating-point environment ---- */

static uint32_t get_mxcsr(void)
{
    uint32_t value;
    __asm__ volatile("stmxcsr %0" : "=m"(value));
    return value;
}

static void set_environment(uint32_t mxcsr, uint16_t x87)
{
    __asm__ volatile("ldmxcsr %0\n fldcw %1" ::"m"(mxcsr), "m"(x87));
}

static uint16_t get_x87(void)
{
    uint16_t value;
    __asm__ volatile("fnstcw %0" : "=m"(value));
    return value;
}

/* Rounds upwards while it waits, in both units. */
static int32_t yield_rounding_up(struct lucet_vmctx *ctx, int32_t n)
{
    set_environment(0x5f80, 0x0b7f);
    int32_t got = yield(ctx, n);
    bool same = get_mxcsr() == 0x5f80 && get_x87() == 0x0b7f;
    set_environment(0x1f80, 0x037f);
    return same ? got : -1;
}

static int32_t terminate_rounding_up(struct lucet_vmctx *ctx, int32_t n)
{
    set_environment(0x5f80, 0x0b7f);
    lucet_vmctx_terminate(ctx, NULL);
    return n;
}

static void both_sides_keep_their_floating_point_environment(void **state)
{
    struct lucet_result r;

    (void)state;
    guest_begin();
    struct set s = set_up(wat);
    other_body = yield_rounding_up;
    const uint32_t mxcsr[] = {0x1f80, 0x7f80, 0x3f80};
    const uint16_t x87[] = {0x037f, 0x0f7f, 0x077f};
    for (int i = 0; i < 9; i++) {
        set_environment(mxcsr[i % 3], x87[i % 3]);
        enum lucet_error e = RUN(s.a, "other", I32(1));
        bool same = get_mxcsr() == mxcsr[i % 3] && get_x87() == x87[i % 3];
        set_environment(mxcsr[i / 3], x87[i / 3]);
        enum lucet_error e2 = lucet_instance_resume(s.a, (void *)44, &r);
        same = same && get_mxcsr() == mxcsr[i / 3] && get_x87() == x87[i / 3];
        set_environment(0x1f80, 0x037f);
        assert_int_equal(e, lucet_error_ok);
        assert_int_equal(e2, lucet_error_ok);
        assert_int_equal(lucet_retval_gp(&r.val.returned), 44);
        assert_true(same);
    }
    /* The guest rounds to nearest whatever the thread does that resumes it. */
    expect_yield(lucet_instance_run(s.a, "third", 1, (struct lucet_val[]){LUCET_VAL_F64(1)}, &r),
                 &r, 0);
    set_environment(0x7f80, 0x0f7f);
    lucet_instance_resume(s.a, NULL, &r);
    set_environment(0x1f80, 0x037f);
    assert_true(lucet_retval_f64(&r.val.returned) == 1.0 / 3);
    other_body = terminate_rounding_up;
    RUN(s.a, "other", I32(1));
    uint16_t after = get_x87();
    uint32_t after_mxcsr = get_mxcsr();
    set_environment(0x1f80, 0x037f);
    assert_int_equal(after, 0x037f);
    assert_int_equal(after_mxcsr, 0x1f80);
    set_end(&s);
}

/* ---- Threads ---- */

struct step {
    struct lucet_instance *inst;
    void *value;
    struct lucet_result result;
    enum lucet_error error;
};

static void *resume_there(void *arg)
{
    struct step *step = arg;
    step->error = lucet_instance_resume(step->inst, step->value, &step->result);
    return NULL;
}

static void on_new_thread(struct step *step)
{
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, resume_there, step), 0);
    pthread_join(thread, NULL);
}

static void any_thread_resumes(void **state)
{
    struct lucet_result r;

    (void)state;
    guest_begin();
    struct set s = set_up(wat);
    for (int round = 0; round < 3; round++) {
        expect_yield(RUN(s.a, "sum", I32(20)), &r, 20);
        struct step step = {.inst = s.a, .value = (void *)3};
        for (int n = 19; n > 0; n--) {
            on_new_thread(&step);
            expect_yield(step.error, &step.result, n);
            assert_int_equal((uint32_t)guest_call(s.b, "plus", ARGS(I32(n))), n + 1);
        }
        if (round == 1)
            resume_there(&step);
        else
            on_new_thread(&step);
        assert_int_equal(step.error, lucet_error_ok);
        assert_int_equal(lucet_retval_gp(&step.result.val.returned), 60 + 210);
    }
    set_end(&s);
}

/* Instances that call each other: the one that yields waits in thunks of others, whose contexts
 * know another thread. */
static void linked_instances_follow_to_another_thread(void **state)
{
    static const char inner_wat[] =
        "(module (import \"h\" \"yield\" (func $yield (param i32) (result i32))) (memory 1)"
        " (func (export \"f\") (param i32) (result i32 i32 i32)"
        "   (i32.store (i32.const 0) (i32.const 7))"
        "   (call $yield (local.get 0)) (i32.load (i32.const 0)) (call $yield (i32.const 5))))";
    static const char outer_wat[] =
        "(module (import \"inner\" \"f\" (func $f (param i32) (result i32 i32 i32)))"
        " (import \"h\" \"yield\" (func $yield (param i32) (result i32))) (memory 1)"
        " (func (export \"g\") (param i32) (result i32) (local i32)"
        "   (i32.store (i32.const 0) (i32.const 900))"
        "   (call $f (local.get 0)) (i32.add) (i32.add)"
        "   (local.set 1) (drop (call $yield (i32.const 6)))"
        "   (i32.add (local.get 1) (i32.load (i32.const 0)))))";
    struct lucet_result r;

    (void)state;
    guest_begin();
    struct set s = set_up(wat);
    struct lucet_dl_module *inner_module = guest_module(inner_wat, &guest_default);
    struct lucet_dl_module *outer_module = guest_module(outer_wat, &guest_default);
    struct lucet_region *region = guest_region(2);
    struct lucet_instance *in = guest_instance(region, inner_module, s.linker, NULL);
    assert_int_equal(lucet_linker_instance(s.linker, "inner", in), lucet_error_ok);
    struct lucet_instance *out = guest_instance(region, outer_module, s.linker, NULL);
    for (int round = 0; round < 20; round++) {
        expect_yield(RUN(out, "g", I32(round)), &r, round);
        struct step step = {.inst = out, .value = (void *)20};
        on_new_thread(&step);
        expect_yield(step.error, &step.result, 5);
        if (round % 2) /* the inner one by itself, in between */
            expect_yield(RUN(in, "f", I32(1)), &r, 1);
        on_new_thread(&step);
        expect_yield(step.error, &step.result, 6);
        resume_there(&step);
        assert_int_equal(step.error, lucet_error_ok);
        assert_int_equal(lucet_retval_gp(&step.result.val.returned), 947);
        if (round % 2)
            assert_int_equal(lucet_instance_reset(in), lucet_error_ok);
    }
    lucet_instance_release(out);
    lucet_instance_release(in);
    lucet_dl_module_release(inner_module);
    lucet_dl_module_release(outer_module);
    set_end(&s);
    lucet_region_release(region);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_go_both_ways),
        cmocka_unit_test(all_results_come_with_the_resumption),
        cmocka_unit_test(what_does_not_fit_is_refused),
        cmocka_unit_test(kill_switches_and_time_limits_hold_across),
        cmocka_unit_test(a_host_function_runs_another_one_and_both_yield),
        cmocka_unit_test(an_outer_run_on_the_same_stack_forbids_it),
        cmocka_unit_test(a_start_function_that_yields),
        cmocka_unit_test(both_sides_keep_their_floating_point_environment),
        cmocka_unit_test(any_thread_resumes),
        cmocka_unit_test(linked_instances_follow_to_another_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
