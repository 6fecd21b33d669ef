/* What the threads of a guest have of what its embedder gave to the first one, and what ends
 * them. */
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "lucet/wasi.h"
#include "run/guest.h"
#include "run/patience.h"

enum { NOTSUP = 58 };

/* What a thread does is its argument: 0 nothing, 1 runs for ever, 2 grows its own memory by three
 * pages, 3 has a host function yield. Each says when it has begun, and when it is done. */
static const char wat[] =
    "(module (import \"env\" \"memory\" (memory $shared 1 1 shared))"
    " (import \"wasi\" \"thread-spawn\" (func $spawn (param i32) (result i32)))"
    " (import \"h\" \"look\" (func $look)) (import \"h\" \"yield\" (func $yield))"
    " (memory $own 1 10)"
    " (func $say (param i32) (drop (i32.atomic.rmw.add (local.get 0) (i32.const 1)))"
    "   (drop (memory.atomic.notify (local.get 0) (i32.const -1))))"
    " (func (export \"wasi_thread_start\") (param i32 i32)"
    "   (call $look) (call $say (i32.const 0))"
    "   (if (i32.eq (local.get 1) (i32.const 1)) (then (loop (br 0))))"
    "   (if (i32.eq (local.get 1) (i32.const 2)) (then"
    "     (i32.store $shared (i32.const 16) (memory.grow $own (i32.const 3)))))"
    "   (if (i32.eq (local.get 1) (i32.const 3)) (then (call $yield)))"
    "   (call $say (i32.const 4)))"
    /* Returns what thread-spawn answered, when the thread has begun. */
    " (func (export \"spawn\") (param i32) (result i32) (local i32 i32)"
    "   (local.set 2 (i32.atomic.load (i32.const 0)))"
    "   (local.set 1 (call $spawn (local.get 0)))"
    "   (if (i32.gt_s (local.get 1) (i32.const 0)) (then"
    "     (drop (memory.atomic.wait32 (i32.const 0) (local.get 2) (i64.const -1)))))"
    "   (local.get 1))"
    " (func (export \"grow\") (param i32) (result i32) (memory.grow $own (local.get 0)))"
    " (func (export \"grown\") (result i32) (drop (memory.atomic.wait32 (i32.const 4) (i32.const 0)"
    "   (i64.const -1))) (i32.load $shared (i32.const 16)))"
    " (func (export \"wait\")"
    "   (loop (drop (memory.atomic.wait32 (i32.const 8) (i32.const 0) (i64.const -1))) (br 0)))"
    " (func (export \"nothing\")))";

static const char key;
static int value;
static _Atomic(void *) seen;

static void look(struct lucet_vmctx *ctx)
{
    atomic_store(&seen, lucet_vmctx_context(ctx, &key));
}

static void yield(struct lucet_vmctx *ctx)
{
    lucet_vmctx_yield(ctx, NULL);
}

static struct lucet_region *region;
static struct lucet_dl_module *module;
static struct lucet_linker *linker;
static struct lucet_wasi_ctx *ctx;
static struct lucet_instance *inst;

static void begin(uint64_t heap_limit, const struct guest_mode *mode)
{
    guest_begin();
    region = guest_region(5);
    module = guest_module(wat, mode);
    assert_int_equal(lucet_linker_new(&linker), lucet_error_ok);
    assert_int_equal(lucet_wasi_link(linker), lucet_error_ok);
    assert_int_equal(lucet_linker_func(linker, "h", "look", ":", (void (*)(void))look),
                     lucet_error_ok);
    assert_int_equal(lucet_linker_func(linker, "h", "yield", ":", (void (*)(void))yield),
                     lucet_error_ok);
    assert_int_equal(lucet_wasi_link_shared_memories(linker, module, 65536), lucet_error_ok);
    assert_int_equal(lucet_wasi_ctx_new(&ctx), lucet_error_ok);
    assert_int_equal(lucet_wasi_ctx_threads(ctx, region, module, linker, 4), lucet_error_ok);
    const struct lucet_context context = {&key, &value};
    const struct lucet_instance_options o = {.linker = linker,
                                             .embed_ctx = ctx,
                                             .contexts = &context,
                                             .ncontexts = 1,
                                             .heap_memory_limit = heap_limit};
    assert_int_equal(lucet_region_new_instance_with(region, module, &o, &inst), lucet_error_ok);
}

static void end(void)
{
    lucet_wasi_ctx_join(ctx);
    lucet_wasi_ctx_release(ctx);
    lucet_instance_release(inst);
    lucet_linker_release(linker);
    lucet_dl_module_release(module);
    assert_int_equal(lucet_region_used_slots(region), 0);
    lucet_region_release(region);
}

static int32_t spawn(int32_t what)
{
    return (int32_t)guest_call(inst, "spawn", ARGS(I32(what)));
}

/* The slots of its threads are free by themselves soon; those that have ended keep theirs until the
 * guest starts another, or they are joined. */
static const struct lucet_result *fault_after_join(void)
{
    lucet_wasi_ctx_join(ctx);
    return lucet_wasi_ctx_thread_fault(ctx);
}

/* Until the guest's run is ended by somebody else. */
static void expect_end(enum lucet_terminated_reason reason)
{
    struct lucet_result r;

    assert_int_equal(lucet_instance_run(inst, "wait", 0, NULL, &r), lucet_error_runtime_terminated);
    assert_int_equal(r.val.terminated.reason, reason);
}

static void a_thread_has_the_contexts(void **state)
{
    (void)state;
    begin(0, &guest_default);
    atomic_store(&seen, NULL);
    assert_true(spawn(0) > 0);
    assert_ptr_equal(atomic_load(&seen), &value);
    assert_null(fault_after_join());
    end();
}

static void threads_and_first_share_the_limit_of_memory(void **state)
{
    (void)state;
    begin(6 * 65536, &guest_default); /* beside the shared memory */
    assert_true(spawn(1) > 0);
    assert_int_equal((int32_t)guest_call(inst, "grow", ARGS(I32(2))), 1);
    assert_true(spawn(2) > 0); /* 4 and 1 and 1: nothing is left */
    assert_int_equal((int32_t)guest_call(inst, "grown", 0, NULL), -1);
    assert_int_equal((int32_t)guest_call(inst, "grow", ARGS(I32(2))), -1);
    end();
    begin(2 * 65536, &guest_default);
    assert_true(spawn(1) > 0);
    assert_true(spawn(1) < 0);
    end();
}

static void a_time_limit_holds_for_threads_that_outlive_the_run(void **state)
{
    struct lucet_result r;

    (void)state;
    for (uint64_t ms = 1000;; ms = longer(ms)) {
        begin(0, &guest_default);
        assert_int_equal(lucet_instance_set_timeout(inst, ms), lucet_error_ok);
        const enum lucet_error e = lucet_instance_run(inst, "spawn", ARGS(I32(1)), &r);
        if (e == lucet_error_ok && (int32_t)lucet_retval_gp(&r.val.returned) > 0)
            break;
        end(); /* the time was over before there was a thread */
    }
    assert_int_equal(lucet_instance_set_timeout(inst, 0), lucet_error_ok);
    expect_end(lucet_terminated_reason_remote); /* as whatever ends one ends all */
    const struct lucet_result *fault = fault_after_join();
    assert_non_null(fault);
    assert_int_equal(fault->tag, lucet_result_tag_terminated);
    assert_int_equal(fault->val.terminated.reason, lucet_terminated_reason_timeout);
    end();
}

static uint64_t killed_threads(void)
{
    struct lucet_module_statistics s;

    lucet_dl_module_statistics(module, &s);
    return s.terminations[lucet_terminated_reason_remote];
}

static void a_kill_switch_of_the_first_ends_threads(void **state)
{
    (void)state;
    struct lucet_kill_switch *k;
    struct lucet_result r;
    uint32_t code;
    begin(0, &guest_default);
    assert_int_equal(lucet_instance_kill_switch(inst, &k), lucet_error_ok);
    assert_true(spawn(1) > 0);
    assert_true(spawn(1) > 0);
    assert_int_equal(lucet_kill_switch_terminate(k), lucet_kill_cancelled);
    /* They end without being joined: afterwards their slots are all that is left of them. */
    AWAIT(killed_threads() == 2);
    assert_int_equal(lucet_instance_run(inst, "nothing", 0, NULL, &r),
                     lucet_error_runtime_terminated);
    assert_null(fault_after_join());
    assert_false(lucet_wasi_ctx_exit_code(ctx, &code));
    lucet_kill_switch_release(k);
    end();
}

static void a_thread_that_yields_ends_all(void **state)
{
    (void)state;
    begin(0, &guest_default);
    struct lucet_result r;
    /* It may be over before the first one looks. */
    const enum lucet_error e = lucet_instance_run(inst, "spawn", ARGS(I32(3)), &r);
    assert_true(e == lucet_error_ok || e == lucet_error_runtime_terminated);
    if (e == lucet_error_ok)
        expect_end(lucet_terminated_reason_remote);
    const struct lucet_result *fault = fault_after_join();
    assert_non_null(fault);
    assert_int_equal(fault->tag, lucet_result_tag_yielded);
    end();
}

static void instructions_of_threads_are_counted(void **state)
{
    struct guest_mode mode = guest_default;
    uint64_t mine, before = 0;

    (void)state;
    mode.count = true;
    begin(0, &mode);
    assert_int_equal(lucet_wasi_ctx_thread_instructions(ctx), 0);
    assert_true(spawn(0) > 0);
    guest_call(inst, "grown", 0, NULL); /* it is done */
    lucet_wasi_ctx_join(ctx);
    before = lucet_wasi_ctx_thread_instructions(ctx);
    assert_true(before > 10);
    assert_int_equal(lucet_instance_get_instruction_count(inst, &mine), lucet_error_ok);
    assert_true(mine > 5);
    end();
    begin(0, &mode);
    assert_int_equal(lucet_instance_set_instruction_bound(inst, 1000000), lucet_error_ok);
    assert_int_equal(spawn(0), -NOTSUP);
    end();
    assert_int_equal(lucet_wasi_ctx_thread_instructions(NULL), 0);
}

static void shared_memories_have_one_limit(void **state)
{
    static const char two[] =
        "(module (memory (import \"a\" \"one\") 1 1000 shared)"
        " (memory (import \"a\" \"two\") 2 1000 shared)"
        " (memory (import \"a\" \"three\") 1 1000 shared)"
        " (func (export \"one\") (param i32) (result i32) (memory.grow 0 (local.get 0)))"
        " (func (export \"two\") (param i32) (result i32) (memory.grow 1 (local.get 0)))"
        " (func (export \"three\") (param i32) (result i32) (memory.grow 2 (local.get 0))))";

    (void)state;
    guest_begin();
    region = guest_region(1);
    module = guest_module(two, &guest_default);
    assert_int_equal(lucet_linker_new(&linker), lucet_error_ok);
    assert_int_equal(lucet_wasi_link_shared_memories(linker, module, 3 * 65536),
                     lucet_error_limits_exceeded);
    assert_string_equal(lucet_error_detail(),
                        "the shared memories begin with 262144 bytes, of 196608 allowed");
    assert_int_equal(lucet_wasi_link_shared_memories(linker, NULL, 1),
                     lucet_error_invalid_argument);
    assert_int_equal(lucet_wasi_link_shared_memories(NULL, module, 1),
                     lucet_error_invalid_argument);
    assert_string_equal(lucet_error_detail(), "lucet_wasi_link_shared_memories: NULL");
    assert_int_equal(lucet_wasi_link_shared_memories(linker, module, 10 * 65536), lucet_error_ok);
    inst = guest_instance(region, module, linker, NULL);
    int pages = 4;
    while ((int32_t)guest_call(inst, "one", ARGS(I32(1))) >= 0)
        pages++;
    while ((int32_t)guest_call(inst, "two", ARGS(I32(1))) >= 0)
        pages++;
    while ((int32_t)guest_call(inst, "three", ARGS(I32(1))) >= 0)
        pages++;
    assert_int_equal(pages, 10);
    lucet_instance_release(inst);
    lucet_linker_release(linker);
    lucet_dl_module_release(module);
    lucet_region_release(region);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thread_has_the_contexts),
        cmocka_unit_test(threads_and_first_share_the_limit_of_memory),
        cmocka_unit_test(a_time_limit_holds_for_threads_that_outlive_the_run),
        cmocka_unit_test(a_kill_switch_of_the_first_ends_threads),
        cmocka_unit_test(a_thread_that_yields_ends_all),
        cmocka_unit_test(instructions_of_threads_are_counted),
        cmocka_unit_test(shared_memories_have_one_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
