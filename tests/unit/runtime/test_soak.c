/* Many instances that return, trap, overflow, yield by host functions, slices and bounds, throw,
 * are refused memory, terminated by host functions and time limits, and killed: memory,
 * descriptors, mappings and threads stay as they were. LUCET_SOAK = number of instances (default
 * 6000). */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lucet/exception.h"
#include "run/guest.h"
#include "run/patience.h"
#include "run/process.h"
#include "runtime/scanners.h"

static const char wat[] = "(module (import \"h\" \"yield\" (func $yield))"
                          " (import \"h\" \"end\" (func $end)) (memory 2 16) (table 10 "
                          "funcref) (type $v (func))"
                          " (func $f) (elem (i32.const 0) $f)"
                          " (func $deep (export \"overflow\") (call $deep) (call $deep))"
                          " (func (export \"unreachable\") unreachable)"
                          " (func (export \"oob\") (drop (i32.load (i32.const 100000000))))"
                          " (func (export \"null\") (call_indirect (type $v) (i32.const 5)))"
                          " (func (export \"loop\") (loop (br 0)))"
                          " (func (export \"yield\") (call $yield) (call $yield))"
                          " (func (export \"end\") (call $end))"
                          " (func (export \"refused\") (if (i32.ne (memory.grow (i32.const 9))"
                          "   (i32.const -1)) (then (unreachable))))"
                          " (func (export \"work\") (drop (memory.grow (i32.const 3)))"
                          "   (memory.fill (i32.const 0) (i32.const 7) (i32.const 200000))"
                          "   (call_indirect (type $v) (i32.const 0))))";

/* Instances of modules with tags do not wait in slots to be used again. */
static const char throwing_wat[] =
    "(module (import \"h\" \"throw\" (func $throw)) (memory 1) (tag $t (param i64 exnref))"
    " (global $e (mut exnref) (ref.null exn))"
    " (func (export \"throw\") (throw $t (i64.const 5) (global.get $e)))"
    " (func (export \"host\") (call $throw))"
    " (func (export \"catch\") (local $i i32)"
    "   (loop $l (block $h (result exnref)"
    "     (try_table (catch_all_ref $h) (throw $t (i64.const 5) (global.get $e))) unreachable)"
    "     (global.set $e)"
    "     (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1)))"
    "                         (i32.const 50))))))";

struct usage {
    long pages, maps, fds, threads;
};

static struct usage measure(void)
{
    return (struct usage){.pages = process_resident_pages(),
                          .maps = process_mappings(""),
                          .fds = process_descriptors(),
                          .threads = process_threads()};
}

static struct lucet_dl_module *module, *throwing_module, *counted_module, *large_module;
static struct lucet_region *region;
static atomic_uint unexpected;

static void yield(struct lucet_vmctx *ctx)
{
    lucet_vmctx_yield(ctx, NULL);
}

static void end(struct lucet_vmctx *ctx)
{
    lucet_vmctx_terminate(ctx, NULL);
}

static struct lucet_tag *tag;
static void throw(struct lucet_vmctx *ctx)
{
    struct lucet_exception *e = NULL;

    unexpected += lucet_exception_new(tag, 0, NULL, &e) != lucet_error_ok ||
                  lucet_vmctx_throw(ctx, e) != lucet_error_ok;
    lucet_exception_release(e);
}

/* Grants what "work" asks for, not what "refused" does. */
static bool limit(void *unused, struct lucet_instance *inst, uint64_t current, uint64_t desired)
{
    (void)unused, (void)inst;
    return desired - current <= 3 << 16;
}

static struct lucet_region *limited_region(size_t capacity)
{
    const struct lucet_region_options o = {.memory_limiter = limit};
    struct lucet_region *r = NULL;

    assert_int_equal(lucet_mmap_region_create_with(capacity, NULL, &o, &r), lucet_error_ok);
    return r;
}

static struct lucet_linker *linker;

static void *fire(void *k)
{
    lucet_kill_switch_terminate(k);
    return NULL;
}

static void killed(struct lucet_instance *inst)
{
    struct lucet_kill_switch *k;
    struct lucet_result r;
    pthread_t thread;

    unexpected += lucet_instance_kill_switch(inst, &k) != lucet_error_ok;
    unexpected += pthread_create(&thread, NULL, fire, k) != 0;
    unexpected += lucet_instance_run(inst, "loop", 0, NULL, &r) != lucet_error_runtime_terminated;
    pthread_join(thread, NULL);
    lucet_kill_switch_release(k);
}

/* Dropped in the middle, or resumed; by a host function or by a slice. */
static void put_aside(struct lucet_instance *inst, unsigned i)
{
    struct lucet_result r;

    unexpected += lucet_instance_run(inst, "yield", 0, NULL, &r) != lucet_error_ok ||
                  r.tag != lucet_result_tag_yielded;
    if (i % 3) {
        unexpected += lucet_instance_resume(inst, NULL, &r) != lucet_error_ok ||
                      r.tag != lucet_result_tag_yielded;
        unexpected += lucet_instance_resume(inst, NULL, &r) != lucet_error_ok ||
                      r.tag != lucet_result_tag_returned;
    } else {
        unexpected += lucet_instance_reset(inst) != lucet_error_ok;
    }
    if (i % 20)
        return;
    unexpected += lucet_instance_set_slice(inst, 50000) != lucet_error_ok;
    unexpected += lucet_instance_run(inst, "loop", 0, NULL, &r) != lucet_error_ok ||
                  r.tag != lucet_result_tag_yielded;
    unexpected += lucet_instance_resume(inst, NULL, &r) != lucet_error_ok ||
                  r.tag != lucet_result_tag_yielded;
    unexpected += lucet_instance_set_slice(inst, 0) != lucet_error_ok;
    if (i % 40) /* else it is released as it is, or killed */
        unexpected += lucet_instance_reset(inst) != lucet_error_ok;
}

static struct lucet_instance *make(struct lucet_dl_module *m)
{
    const struct lucet_instance_options o = {.linker = linker};
    struct lucet_instance *inst = NULL;

    unexpected += lucet_region_new_instance_with(region, m, &o, &inst) != lucet_error_ok;
    return inst;
}

static void throwing(unsigned i)
{
    struct lucet_instance *inst = make(throwing_module);
    struct lucet_result r;

    if (!inst)
        return;
    unexpected += lucet_instance_run(inst, "catch", 0, NULL, &r) != lucet_error_ok;
    unexpected += lucet_instance_run(inst, i % 16 ? "throw" : "host", 0, NULL, &r) !=
                  lucet_error_runtime_threw;
    lucet_instance_release(inst);
}

/* Released as it is, or run against a time limit. */
static void bounded(unsigned i)
{
    struct lucet_instance *inst = make(counted_module);
    struct lucet_result r;

    if (!inst)
        return;
    unexpected += lucet_instance_set_instruction_bound(inst, 1000) != lucet_error_ok;
    unexpected += lucet_instance_run(inst, "loop", 0, NULL, &r) != lucet_error_ok ||
                  r.tag != lucet_result_tag_yielded;
    unexpected += lucet_instance_resume(inst, NULL, &r) != lucet_error_ok ||
                  r.tag != lucet_result_tag_yielded;
    if (i % 128 == 0) {
        unexpected += lucet_instance_reset(inst) != lucet_error_ok;
        unexpected += lucet_instance_set_instruction_bound(inst, 0) != lucet_error_ok;
        unexpected += lucet_instance_set_timeout(inst, 1) != lucet_error_ok;
        unexpected +=
            lucet_instance_run(inst, "loop", 0, NULL, &r) != lucet_error_runtime_terminated;
    }
    lucet_instance_release(inst);
}

static void one(unsigned i)
{
    static const struct {
        const char *name;
        enum lucet_error error;
    } kinds[] = {{"work", lucet_error_ok},
                 {"overflow", lucet_error_runtime_fault},
                 {"unreachable", lucet_error_runtime_fault},
                 {"oob", lucet_error_runtime_fault},
                 {"null", lucet_error_runtime_fault},
                 {"refused", lucet_error_ok},
                 {"end", lucet_error_runtime_terminated}};
    struct lucet_instance *inst = make(module);
    struct lucet_result r;

    if (!inst)
        return;
    for (unsigned k = 0; k < 2; k++) {
        unsigned kind = (i + 3 * k) % 7;
        unexpected += lucet_instance_run(inst, kinds[kind].name, 0, NULL, &r) != kinds[kind].error;
        unexpected += lucet_instance_reset(inst) != lucet_error_ok;
    }
    put_aside(inst, i);
    if (i % 50 == 0 && i % 40)
        killed(inst);
    lucet_instance_release(inst);
    if (i % 8 == 0) {
        throwing(i);
        bounded(i);
    }
    if (i % 8 == 1)
        unexpected +=
            lucet_region_new_instance(region, large_module, &inst) != lucet_error_limits_exceeded;
}

static void many(unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        one(i);
}

struct beside {
    pthread_t thread;
    pid_t tid;
    unsigned count;
};

static void *many_beside(void *arg)
{
    struct beside *b = arg;

    b->tid = (pid_t)syscall(SYS_gettid);
    many(b->count);
    return NULL;
}

static bool is_there(pid_t tid)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/self/task/%d", (int)tid);
    return access(path, F_OK) == 0;
}

/* Four times as many, on as many threads. They are gone afterwards: a thread that has been joined
 * may still be among those that the kernel counts. */
static void many_on_four_threads(unsigned count)
{
    struct beside others[3];

    for (int i = 0; i < 3; i++) {
        others[i].count = count;
        assert_int_equal(pthread_create(&others[i].thread, NULL, many_beside, &others[i]), 0);
    }
    many(count);
    for (int i = 0; i < 3; i++) {
        pthread_join(others[i].thread, NULL);
        AWAIT(!is_there(others[i].tid));
    }
}

static void nothing_accumulates(void **state)
{
    const char *wanted = getenv("LUCET_SOAK");
    unsigned n = wanted ? (unsigned)strtoul(wanted, NULL, 10) : 6000;

    (void)state;
    guest_begin();
    module = guest_module(wat, &guest_default);
    throwing_module = guest_module(throwing_wat, &guest_default);
    counted_module =
        guest_module("(module (func (export \"loop\") (loop (br 0))))",
                     &(struct guest_mode){.opt_level = lucetc_opt_speed, .count = true});
    large_module = guest_module("(module (memory 4))", &guest_default);
    region = limited_region(8);
    assert_int_equal(lucet_tag_new(":", &tag), lucet_error_ok);
    assert_int_equal(lucet_linker_new(&linker), lucet_error_ok);
    lucet_linker_func(linker, "h", "yield", ":", (void (*)(void))yield);
    lucet_linker_func(linker, "h", "end", ":", (void (*)(void))end);
    lucet_linker_func(linker, "h", "throw", ":", (void (*)(void))throw);
    many_on_four_threads(500); /* so that every thread's arena exists before */
    scanners_open();
    struct usage before = measure();
    many_on_four_threads(n / 4);
    struct usage after = measure();
    printf("before and after: %ld and %ld pages, %ld and %ld mappings, %ld and %ld descriptors, "
           "%ld and %ld threads\n",
           before.pages, after.pages, before.maps, after.maps, before.fds, after.fds,
           before.threads, after.threads);
    assert_int_equal(unexpected, 0);
    assert_int_equal(lucet_region_used_slots(region), 0);
#if !defined(LUCET_SANITIZE) && !defined(LUCET_TSAN) /* which keeps freed memory for a while */
    assert_true(after.pages < before.pages + 500);   /* 2 MB */
#endif
    assert_true(after.maps <= before.maps + 20);
    assert_int_equal(after.fds, before.fds);
    assert_int_equal(after.threads, before.threads);
    lucet_linker_release(linker);
    lucet_tag_release(tag);
    lucet_dl_module_release(large_module);
    lucet_dl_module_release(throwing_module);
    lucet_dl_module_release(counted_module);
    lucet_dl_module_release(module);
    lucet_region_release(region);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_accumulates)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
