/* The N-th system call or allocation fails, for every N: each time a clean error, and nothing is
 * left behind. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lucet/exception.h"
#include "run/guest.h"
#include "run/patience.h"
#include "run/process.h"
#include "runtime/failing.h"
#include "runtime/scanners.h"

#ifndef FAILING_SOME_ONLY

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void __libc_free(void *);

static atomic_long blocks; /* allocated and not freed */

static void *counted(void *p)
{
    blocks += p != NULL;
    return p;
}

void *malloc(size_t size)
{
    return failing(FAIL_ALLOCATION) ? NULL : counted(__libc_malloc(size));
}

void *calloc(size_t n, size_t size)
{
    return failing(FAIL_ALLOCATION) ? NULL : counted(__libc_calloc(n, size));
}

void *realloc(void *p, size_t size)
{
    if (!p)
        return malloc(size);
    return failing(FAIL_ALLOCATION) ? NULL : __libc_realloc(p, size);
}

void free(void *p)
{
    blocks -= p != NULL;
    __libc_free(p);
}

static uint8_t *artifact, *throwing;
static size_t artifact_size, throwing_size;

static void host(struct lucet_vmctx *ctx)
{
    (void)ctx;
}

static void host_yield(struct lucet_vmctx *ctx)
{
    lucet_vmctx_yield(ctx, NULL);
}

static struct lucet_exception *to_throw;
static enum lucet_error throw_error;
static void host_throw(struct lucet_vmctx *ctx)
{
    throw_error = lucet_vmctx_throw(ctx, to_throw);
}

/* What a run of `name` should end with; otherwise what it ended with, or no_memory where it only
 * can be that. */
static enum lucet_error expect(struct lucet_instance *inst, const char *name,
                               enum lucet_error expected, enum lucet_result_tag tag)
{
    struct lucet_result r;
    const enum lucet_error e = lucet_instance_run(inst, name, 0, NULL, &r);

    if (e == expected && r.tag == tag)
        return lucet_error_ok;
    if (e != lucet_error_ok)
        return e;
    return throw_error ? throw_error : lucet_error_internal;
}

static enum lucet_error live_with_exceptions(struct lucet_instance *i, struct lucet_tag *tag)
{
    struct lucet_kill_switch *k = NULL;
    struct lucet_result r;
    enum lucet_error e;

    throw_error = lucet_error_ok;
    if ((e = lucet_exception_new(tag, 1, &I64(7), &to_throw)) != lucet_error_ok ||
        (e = expect(i, "keep", lucet_error_ok, lucet_result_tag_returned)) != lucet_error_ok ||
        (e = expect(i, "out", lucet_error_runtime_threw, lucet_result_tag_threw)) !=
            lucet_error_ok ||
        (e = expect(i, "host", lucet_error_runtime_threw, lucet_result_tag_threw)) !=
            lucet_error_ok ||
        (e = expect(i, "yield", lucet_error_ok, lucet_result_tag_yielded)) != lucet_error_ok ||
        (e = lucet_instance_resume(i, NULL, &r)) != lucet_error_ok ||
        (e = lucet_instance_kill_switch(i, &k)) != lucet_error_ok)
        return e;
    if (lucet_kill_switch_terminate(k) != lucet_kill_cancelled)
        e = lucet_error_internal;
    if (e == lucet_error_ok)
        e = expect(i, "keep", lucet_error_runtime_terminated, lucet_result_tag_terminated);
    lucet_kill_switch_release(k);
    return e == lucet_error_ok ? lucet_instance_reset(i) : e;
}

/* Another module that is linked with an instance. */
static enum lucet_error live_with_others(struct lucet_region *region, struct lucet_linker *linker,
                                         struct lucet_instance *one)
{
    const struct lucet_instance_options o = {.linker = linker, .run_start = true};
    struct lucet_dl_module *m = NULL;
    struct lucet_instance *i = NULL;
    struct lucet_tag *tag = NULL;
    enum lucet_error e;

    if ((e = lucet_tag_new("I:", &tag)) == lucet_error_ok &&
        (e = lucet_linker_tag(linker, "h", "tag", tag)) == lucet_error_ok &&
        (e = lucet_linker_instance(linker, "one", one)) == lucet_error_ok &&
        (e = lucet_dl_module_load_bytes(throwing, throwing_size, &m)) == lucet_error_ok &&
        (e = lucet_region_new_instance_with(region, m, &o, &i)) == lucet_error_ok)
        e = live_with_exceptions(i, tag);
    lucet_exception_release(to_throw);
    to_throw = NULL;
    lucet_tag_release(tag);
    lucet_instance_release(i);
    lucet_dl_module_release(m);
    return e;
}

/* A life with all there is. Returns the first error. */
static enum lucet_error live(struct lucet_region **region_left)
{
    struct lucet_dl_module *m = NULL;
    struct lucet_region *region = NULL;
    struct lucet_linker *linker = NULL;
    struct lucet_instance *one = NULL, *two = NULL;
    struct lucet_instance_options o = {0};
    struct lucet_result r;
    enum lucet_error e;

    if ((e = lucet_dl_module_load_bytes(artifact, artifact_size, &m)) != lucet_error_ok ||
        (e = lucet_mmap_region_create(3, NULL, &region)) != lucet_error_ok ||
        (e = lucet_linker_new(&linker)) != lucet_error_ok ||
        (e = lucet_linker_func(linker, "h", "f", ":", (void (*)(void))host)) != lucet_error_ok ||
        (e = lucet_linker_func(linker, "h", "yield", ":", (void (*)(void))host_yield)) !=
            lucet_error_ok ||
        (e = lucet_linker_func(linker, "h", "throw", ":", (void (*)(void))host_throw)) !=
            lucet_error_ok ||
        (e = lucet_linker_memory(linker, "h", "m", 1, 2)) != lucet_error_ok ||
        (e = lucet_linker_table(linker, "h", "t", lucet_val_type_funcref, 2, 2)) != lucet_error_ok)
        goto out;
    o.linker = linker;
    if ((e = lucet_region_new_instance_with(region, m, &o, &one)) != lucet_error_ok ||
        (e = lucet_region_new_instance_with(region, m, &o, &two)) != lucet_error_ok ||
        (e = lucet_instance_run(one, "run", 0, NULL, &r)) != lucet_error_ok ||
        (e = lucet_instance_reset(one)) != lucet_error_ok ||
        (e = live_with_others(region, linker, one)) != lucet_error_ok ||
        (e = lucet_instance_set_timeout(one, PATIENCE * 1000)) != lucet_error_ok ||
        (e = lucet_instance_set_slice(one, PATIENCE * UINT64_C(1000000000))) != lucet_error_ok ||
        (e = lucet_instance_run(one, "run", 0, NULL, &r)) != lucet_error_ok)
        goto out;
    if (lucet_instance_run(one, "trap", 0, NULL, &r) != lucet_error_runtime_fault)
        e = lucet_error_internal;
    else if (r.tag != lucet_result_tag_faulted ||
             r.val.faulted.trapcode != lucet_trapcode_unreachable)
        e = lucet_error_internal;
out:
    lucet_instance_release(one);
    lucet_instance_release(two);
    lucet_linker_release(linker);
    lucet_dl_module_release(m);
    *region_left = region;
    return e;
}

struct life {
    struct lucet_region *region;
    enum lucet_error e;
    unsigned kinds;
    long n;
};

static void *live_there(void *arg)
{
    struct life *life = arg;

    failing_begin(life->kinds, life->n, false);
    life->e = live(&life->region);
    failing_end();
    return NULL;
}

/* On a thread of its own, which is new to Lucet, when that may fail. */
static void live_somewhere(struct life *life)
{
    pthread_t thread;

    if (life->kinds & FAIL_THREADS) {
        assert_int_equal(pthread_create(&thread, NULL, live_there, life), 0);
        pthread_join(thread, NULL);
    } else {
        live_there(life);
    }
}

static void fail_each(unsigned which, bool may_succeed)
{
    unsigned maps = 0, fds = 0, failed = 0;
    long blocks_before = 0;

    for (long n = 0;; n++) {
        struct life life = {.kinds = which, .n = n};
        live_somewhere(&life);
        const enum lucet_error e = life.e;
        const bool over = !failing_happened();
        if (life.region) {
            /* A slot may be given up when it cannot be cleaned; with everything else gone the
             * region can still be released. */
            assert_true(lucet_region_used_slots(life.region) <= 3);
            lucet_region_release(life.region);
        }
        if (e != lucet_error_ok) {
            failed++;
            if (e == lucet_error_internal || lucet_error_message(e)[0] == 'u')
                fail_msg("call %ld: %s (%s)", n, lucet_error_name(e), lucet_error_detail());
        } else if (!over) {
            assert_true(may_succeed);
        }
        if (n == 0) {
            maps = process_mappings("lucet-");
            fds = process_descriptors();
            blocks_before = blocks;
        }
        if (blocks != blocks_before)
            fail_msg("call %ld leaves %ld blocks", n, blocks - blocks_before);
        if (over)
            break;
    }
    printf("%u calls failed\n", failed);
    assert_true(failed > 0 || may_succeed);
    assert_int_equal(process_mappings("lucet-"), maps);
    assert_int_equal(process_descriptors(), fds);
}

static void every_failure_is_clean(void **state)
{
    static const char wat[] =
        "(module (import \"h\" \"f\" (func $h)) (import \"h\" \"t\" (table $t 2 funcref))"
        " (memory (export \"m\") 3) (table $own 10 externref)"
        " (func $f (call $h)) (elem (i32.const 0) $f) (global funcref (ref.func $f))"
        " (func (export \"run\") (drop (memory.grow (i32.const 1)))"
        "   (drop (table.grow $own (ref.null extern) (i32.const 10)))"
        "   (call_indirect $t (i32.const 0)))"
        " (func (export \"trap\") unreachable)"
        " (data (i32.const 0) \"";
    static const char throwing_wat[] =
        "(module (import \"h\" \"throw\" (func $throw)) (import \"h\" \"yield\" (func $yield))"
        " (import \"one\" \"run\" (func $run)) (import \"one\" \"m\" (memory 1))"
        " (import \"h\" \"tag\" (tag $t (param i64))) (tag $own (param i64 exnref))"
        " (global $e (mut exnref) (ref.null exn)) (table $x 1 10 exnref)"
        " (func (export \"keep\") (call $run)"
        "   (block $h (result exnref) (try_table (catch_all_ref $h)"
        "     (throw $own (i64.const 1) (global.get $e))) unreachable)"
        "   (global.set $e) (drop (table.grow $x (global.get $e) (i32.const 3))))"
        " (func (export \"out\") (throw $own (i64.const 2) (global.get $e)))"
        " (func (export \"host\") (call $throw))"
        " (func (export \"yield\") (call $yield)))";
    struct text t = {0};

    (void)state;
    guest_begin();
    scanners_open();
    throwing = guest_artifact(throwing_wat, &guest_default, &throwing_size);
    text_add(&t, "%s", wat);
    for (int i = 0; i < 90000; i++)
        text_add(&t, "x");
    text_add(&t, "\"))");
    artifact = guest_artifact(t.s, &guest_default, &artifact_size);
    text_free(&t);
    struct lucet_region *region;
    assert_int_equal(live(&region), lucet_error_ok); /* makes what a thread needs once */
    lucet_region_release(region);
    fail_each(FAIL_MAPPING, true);
    fail_each(FAIL_ALLOCATION, true);
    fail_each(FAIL_FILES | FAIL_REGISTRATION, true);
    fail_each(FAIL_THREADS, true);
    free(artifact);
    free(throwing);
}

/* The kernel says so, without a fault. */
static bool readable(const void *p)
{
    int pipe_fds[2];

    assert_int_equal(pipe(pipe_fds), 0);
    bool yes = write(pipe_fds[1], p, 1) == 1;
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    return yes;
}

static void growth_that_fails_halfway_leaves_nothing_accessible(void **state)
{
    (void)state;
    guest_begin();
    struct lucet_region *region = guest_region(1);
    struct lucet_dl_module *m =
        guest_module("(module (memory (export \"m\") 1 10))", &guest_default);
    /* So that what the failed attempt took is needed again. */
    const struct lucet_instance_options o = {.heap_memory_limit = 5 * 65536};
    struct lucet_instance *inst;
    assert_int_equal(lucet_region_new_instance_with(region, m, &o, &inst), lucet_error_ok);
    const uint8_t *end = (const uint8_t *)lucet_instance_heap(inst) + lucet_instance_heap_len(inst);

    failing_begin(FAIL_HALF_WAY, 0, true);
    assert_int_not_equal(lucet_instance_grow_heap(inst, 4, NULL), lucet_error_ok);
    failing_end();
    assert_int_equal(lucet_instance_heap_len(inst), 65536);
    assert_false(readable(end));
    assert_int_equal(lucet_instance_grow_heap(inst, 4, NULL), lucet_error_ok);
    assert_true(lucet_instance_check_heap(inst, end, 1));
    assert_true(readable(end));
    lucet_instance_release(inst);
    lucet_dl_module_release(m);
    lucet_region_release(region);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_failure_is_clean),
        cmocka_unit_test(growth_that_fails_halfway_leaves_nothing_accessible),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
    return 0;
}

#endif
