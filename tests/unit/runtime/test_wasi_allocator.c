/* liblucet-wasi takes its memory from the embedder's allocator, gives it back, and every allocation
 * that fails is a clean error to whoever asked: embedder or guest. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lucet/wasi.h"
#include "run/guest.h"
#include "run/process.h"
#include "runtime/counting.h"
#include "runtime/scanners.h"

/* Opens many files, polls, and starts a thread. What fails for want of memory is let pass; anything
 * else traps. */
static const char wat[] =
    "(module (import \"env\" \"memory\" (memory 1 1 shared))"
    " (import \"wasi\" \"thread-spawn\" (func $spawn (param i32) (result i32)))"
    " (import \"wasi_snapshot_preview1\" \"path_open\""
    "   (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))"
    " (import \"wasi_snapshot_preview1\" \"poll_oneoff\""
    "   (func $poll (param i32 i32 i32 i32) (result i32)))"
    " (data $name \"file\")"
    " (func $fine (param i32) (result i32)" /* whether it is; ENOMEM, EAGAIN */
    "   (if (i32.eqz (local.get 0)) (then (return (i32.const 1))))"
    "   (if (i32.eq (local.get 0) (i32.const 48)) (then (return (i32.const 0))))"
    "   (if (i32.eq (local.get 0) (i32.const 6)) (then (return (i32.const 0))))"
    "   unreachable)"
    " (func (export \"wasi_thread_start\") (param i32 i32)"
    "   (i32.atomic.store (i32.const 0) (i32.const 1))"
    "   (drop (memory.atomic.notify (i32.const 0) (i32.const 1))))"
    " (func (export \"_start\") (local $i i32) (local $tid i32)"
    "   (memory.init $name (i32.const 64) (i32.const 0) (i32.const 4))"
    "   (loop $l"
    "     (drop (call $fine (call $open (i32.const 3) (i32.const 0) (i32.const 64) (i32.const 4)"
    "       (i32.const 0) (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 80))))"
    "     (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1)))"
    "       (i32.const 20))))"
    "   (drop (call $fine (call $poll (i32.const 128) (i32.const 256) (i32.const 1)"
    "     (i32.const 84))))"
    "   (local.set $tid (call $spawn (i32.const 0)))"
    "   (if (i32.le_s (local.get $tid) (i32.const 0)) (then"
    "     (drop (call $fine (i32.sub (i32.const 0) (local.get $tid)))) (return)))"
    "   (drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1)))))";

static uint8_t *artifact;
static size_t artifact_size;
static char top[] = "/tmp/lucet-test-XXXXXX";
static long wasi_blocks; /* that a context alone had */

static enum lucet_error grant(struct lucet_wasi_ctx *ctx)
{
    enum lucet_error e = lucet_error_ok;

    for (int i = 0; i < 20 && e == lucet_error_ok; i++)
        e = lucet_wasi_ctx_arg(ctx, "argument");
    if (e == lucet_error_ok)
        e = lucet_wasi_ctx_env(ctx, "NAME=value");
    if (e == lucet_error_ok)
        e = lucet_wasi_ctx_inherit_stdio(ctx);
    return e == lucet_error_ok ? lucet_wasi_ctx_preopen(ctx, top, "/", true) : e;
}

/* What ended the run: also of another thread, which found no memory for its own beginning. */
static enum lucet_error run(struct lucet_instance *inst, struct lucet_wasi_ctx *ctx)
{
    struct lucet_result r;
    enum lucet_error e = lucet_instance_run(inst, "_start", 0, NULL, &r);

    lucet_wasi_ctx_join(ctx);
    const struct lucet_result *fault = lucet_wasi_ctx_thread_fault(ctx);
    if (fault)
        return fault->tag == lucet_result_tag_errored ? fault->val.errored : lucet_error_internal;
    return e;
}

static enum lucet_error live(void)
{
    struct lucet_dl_module *m = NULL;
    struct lucet_region *region = NULL;
    struct lucet_linker *linker = NULL;
    struct lucet_wasi_ctx *ctx = NULL;
    struct lucet_instance *inst = NULL;
    enum lucet_error e = lucet_wasi_ctx_new(&ctx);

    if (e == lucet_error_ok)
        e = grant(ctx);
    if (e == lucet_error_ok)
        wasi_blocks = counting_counts.blocks;
    if (e == lucet_error_ok)
        e = lucet_dl_module_load_bytes(artifact, artifact_size, &m);
    if (e == lucet_error_ok)
        e = lucet_mmap_region_create(2, NULL, &region);
    if (e == lucet_error_ok)
        e = lucet_linker_new(&linker);
    if (e == lucet_error_ok)
        e = lucet_wasi_link(linker);
    if (e == lucet_error_ok)
        e = lucet_wasi_link_shared_memories(linker, m, 65536);
    if (e == lucet_error_ok)
        e = lucet_wasi_ctx_threads(ctx, region, m, linker, 1);
    const struct lucet_instance_options o = {.linker = linker, .embed_ctx = ctx};
    if (e == lucet_error_ok)
        e = lucet_region_new_instance_with(region, m, &o, &inst);
    if (e == lucet_error_ok)
        e = run(inst, ctx);
    if (e != lucet_error_ok && lucet_error_detail()[0] == '\0')
        fail_msg("%s, and nothing said", lucet_error_name(e));
    lucet_instance_release(inst);
    lucet_wasi_ctx_release(ctx);
    lucet_linker_release(linker);
    lucet_region_release(region);
    lucet_dl_module_release(m);
    return e;
}

static void all_comes_from_the_allocator_and_goes_back(void **state)
{
    (void)state;
    guest_begin();
    scanners_open();
    const unsigned before = process_descriptors();
    for (int round = 0; round < 3; round++) {
        const enum lucet_error e = live();
        if (e != lucet_error_ok)
            fail_msg("%s: %s", lucet_error_name(e), lucet_error_detail());
        assert_true(wasi_blocks > 20); /* a copy of each argument at least */
        assert_int_equal(counting_counts.blocks, 0);
    }
    assert_int_equal(process_descriptors(), before);
}

static void every_failure_is_clean(void **state)
{
    long n = 0;
    bool over = false;

    (void)state;
    guest_begin();
    scanners_open();
    const unsigned before = process_descriptors();
    for (; !over; n++) {
        counting_counts.fails_after = n;
        const enum lucet_error e = live();
        over = counting_counts.fails_after >= 0;
        counting_counts.fails_after = -1;
        if (e != lucet_error_ok && e != lucet_error_no_memory)
            fail_msg("allocation %ld: %s: %s", n, lucet_error_name(e), lucet_error_detail());
        if (counting_counts.blocks != 0)
            fail_msg("allocation %ld: %ld blocks are left", n, counting_counts.blocks);
        assert_int_equal(process_descriptors(), before);
        assert_true(n < 10000);
    }
    assert_true(n > 60);
}

static void blocks_for_libraries(void **state)
{
    (void)state;
    char *p = lucet_malloc(0), *q = lucet_calloc(0, 8);

    assert_non_null(p);
    assert_non_null(q);
    p = lucet_realloc(p, 100);
    assert_non_null(p);
    assert_null(lucet_calloc(SIZE_MAX / 2, 4));
    assert_int_equal(counting_counts.blocks, 2);
    lucet_free(p);
    lucet_free(q);
    lucet_free(NULL);
    assert_int_equal(counting_counts.blocks, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_comes_from_the_allocator_and_goes_back),
        cmocka_unit_test(every_failure_is_clean),
        cmocka_unit_test(blocks_for_libraries),
    };
    char file[sizeof(top) + 8];

    if (lucet_set_allocator(&counting_allocator) != lucet_error_ok || !mkdtemp(top))
        return 1;
    snprintf(file, sizeof(file), "%s/file", top);
    close(open(file, O_CREAT | O_WRONLY, 0600));
    artifact = guest_artifact(wat, &guest_default, &artifact_size);
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    free(artifact);
    unlink(file);
    rmdir(top);
    return failed;
}
