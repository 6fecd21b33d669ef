/* What holds for the whole process: the allocator and the log; and what growing beyond the limits
 * may do. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "run/guest.h"
#include "run/patience.h"
#include "runtime/counting.h"

/* ---- Lives ---- */

static void host(struct lucet_vmctx *ctx)
{
    (void)ctx;
}

static const char everything[] =
    "(module (import \"h\" \"f\" (func $h)) (memory (export \"m\") 1 4) (table (export \"t\") 2 "
    "100 funcref)"
    " (elem (i32.const 0) func $h $g) (tag $x (export \"x\") (param i64))"
    " (global (export \"g\") (mut funcref) (ref.func $g)) (data (i32.const 5) \"hello\")"
    " (func $g (export \"run\") (call $h) (drop (memory.grow (i32.const 1)))"
    "   (drop (table.grow (ref.null func) (i32.const 20))))"
    " (func (export \"throw\") (throw $x (i64.const 3)))"
    " (func (export \"keep\") (result exnref) (block (result i64 exnref)"
    "   (try_table (catch_ref $x 0) (throw $x (i64.const 9))) (unreachable)) (return))"
    " (func (export \"trap\") unreachable)"
    " (func (export \"many\") (param i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 "
    "i64 i64 i64)))";

static uint8_t *artifact;
static size_t artifact_size;

static enum lucet_error use(struct lucet_instance *inst)
{
    struct lucet_val args[18];
    struct lucet_kill_switch *k = NULL;
    struct lucet_result r;
    enum lucet_error e = lucet_instance_run(inst, "run", 0, NULL, &r);

    for (int i = 0; i < 18; i++)
        args[i] = LUCET_VAL_I64(i);
    if (e == lucet_error_ok)
        e = lucet_instance_run(inst, "many", 18, args, &r);
    if (e == lucet_error_ok &&
        (e = lucet_instance_set_timeout(inst, PATIENCE * 1000)) == lucet_error_ok)
        e = lucet_instance_set_slice(inst, PATIENCE * UINT64_C(1000000000));
    if (e == lucet_error_ok)
        e = lucet_instance_kill_switch(inst, &k);
    if (e == lucet_error_ok)
        e = lucet_instance_run(inst, "throw", 0, NULL, &r);
    e = e == lucet_error_runtime_threw ? lucet_error_ok : e;
    if (e == lucet_error_ok)
        e = lucet_instance_run(inst, "trap", 0, NULL, &r);
    lucet_kill_switch_release(k);
    return e == lucet_error_runtime_fault ? lucet_instance_reset(inst) : e;
}

static enum lucet_error live(void)
{
    struct lucet_dl_module *m = NULL;
    struct lucet_region *region = NULL;
    struct lucet_linker *linker = NULL;
    struct lucet_instance *one = NULL, *two = NULL;
    struct lucet_extern_desc desc;
    enum lucet_error e = lucet_dl_module_load_bytes(artifact, artifact_size, &m);

    if (e == lucet_error_ok)
        e = lucet_mmap_region_create(2, NULL, &region);
    if (e == lucet_error_ok)
        e = lucet_linker_new(&linker);
    if (e == lucet_error_ok)
        e = lucet_linker_func(linker, "h", "f", ":", (void (*)(void))host);
    if (e == lucet_error_ok)
        e = lucet_linker_global(linker, "h", "g", LUCET_VAL_I32(5), true);
    if (e == lucet_error_ok)
        e = lucet_linker_memory(linker, "h", "m", 1, 2);
    if (e == lucet_error_ok)
        e = lucet_linker_table(linker, "h", "t", lucet_val_type_funcref, 1, 2);
    if (e == lucet_error_ok)
        e = lucet_dl_module_export(m, 0, &desc);
    const struct lucet_instance_options o = {.linker = linker};
    if (e == lucet_error_ok)
        e = lucet_region_new_instance_with(region, m, &o, &one);
    if (e == lucet_error_ok)
        e = use(one);
    if (e == lucet_error_ok)
        e = lucet_linker_instance(linker, "one", one);
    if (e == lucet_error_ok)
        e = lucet_region_new_instance_with(region, m, &o, &two);
    lucet_instance_release(one);
    lucet_linker_release(linker);
    lucet_instance_release(two);
    lucet_region_release(region);
    lucet_dl_module_release(m);
    return e;
}

static void all_that_is_allocated_is_given_back(void **state)
{
    (void)state;
    guest_begin();
    counting_counts.calls = 0;
    for (int round = 0; round < 3; round++) {
        const enum lucet_error e = live();
        if (e != lucet_error_ok)
            fail_msg("%s: %s", lucet_error_name(e), lucet_error_detail());
        assert_int_equal(counting_counts.blocks, 0);
        assert_int_equal(counting_counts.bytes, 0);
    }
    assert_true(counting_counts.calls > 50);
}

static void an_allocator_that_fails_gives_clean_errors(void **state)
{
    long n = 0;

    (void)state;
    guest_begin();
    for (enum lucet_error e = lucet_error_no_memory; e != lucet_error_ok; n++) {
        counting_counts.fails_after = n;
        e = live();
        counting_counts.fails_after = -1;
        if (e != lucet_error_ok && e != lucet_error_no_memory)
            fail_msg("allocation %ld: %s: %s", n, lucet_error_name(e), lucet_error_detail());
        if (counting_counts.blocks != 0)
            fail_msg("allocation %ld: %ld blocks are left", n, counting_counts.blocks);
        assert_true(n < 10000);
    }
    assert_true(n > 20);
}

static void the_allocator_stays_once_it_is_used(void **state)
{
    const struct lucet_allocator half = {.malloc = counting_allocator.malloc};

    (void)state;
    guest_begin();
    assert_int_equal(live(), lucet_error_ok);
    assert_int_equal(lucet_set_allocator(NULL), lucet_error_invalid_argument);
    assert_int_equal(lucet_set_allocator(&counting_allocator), lucet_error_invalid_argument);
    assert_int_equal(lucet_set_allocator(&half), lucet_error_invalid_argument);
}

/* ---- The log ---- */

static struct text lines;

static void note(void *data, enum lucet_log_level level, const char *message)
{
    assert_ptr_equal(data, &lines);
    assert_null(strchr(message, '\n'));
    text_add(&lines, "%s: %s\n", lucet_log_level_name(level), message);
}

static void foreign(int sig)
{
    (void)sig;
}

static void the_log_tells_what_happens(void **state)
{
    (void)state;
    guest_begin();
    lucet_set_log(lucet_log_debug, note, &lines);
    assert_int_equal(live(), lucet_error_ok);
    assert_non_null(strstr(lines.s, "debug: module "));
    assert_non_null(strstr(lines.s, " is loaded from memory, "));
    assert_non_null(strstr(lines.s, "a run faulted: unreachable"));
    text_free(&lines);
    text_add(&lines, "x");
    signal(SIGFPE, foreign);
    assert_int_equal(lucet_install_signal_handlers(), lucet_error_ok);
    assert_non_null(strstr(lines.s, "warning: someone had replaced"));
    text_free(&lines);
    text_add(&lines, "x");
    lucet_set_log(lucet_log_warning, note, &lines);
    assert_int_equal(live(), lucet_error_ok);
    lucet_set_log(lucet_log_debug, NULL, NULL);
    assert_int_equal(live(), lucet_error_ok);
    assert_string_equal(lines.s, "x");
    text_free(&lines);
    assert_string_equal(lucet_log_level_name((enum lucet_log_level)17), "unknown");
}

/* From the one called `first` to the one called `last`, each has a name; those around them have
 * none. */
#define CHECK_NAMES(function, first, first_name, last, last_name)                                  \
    do {                                                                                           \
        assert_string_equal(function(first), first_name);                                          \
        assert_string_equal(function(last), last_name);                                            \
        for (unsigned i = (first); i <= (unsigned)(last); i++)                                     \
            assert_string_not_equal(function(i), "unknown");                                       \
        assert_string_equal(function((last) + 1), "unknown");                                      \
        assert_string_equal(function((unsigned)(first) - 1), "unknown");                           \
    } while (0)

static void enumerations_have_names(void **state)
{
    (void)state;
    CHECK_NAMES(lucet_terminated_reason_name, lucet_terminated_reason_signal, "signal",
                lucet_terminated_reason_cannot_yield, "cannot_yield");
    CHECK_NAMES(lucet_yield_reason_name, lucet_yield_reason_value, "value",
                lucet_yield_reason_bound, "bound");
    CHECK_NAMES(lucet_result_tag_name, lucet_result_tag_returned, "returned",
                lucet_result_tag_threw, "threw");
    CHECK_NAMES(lucet_instance_status_name, lucet_instance_status_ready, "ready",
                lucet_instance_status_terminated, "terminated");
    CHECK_NAMES(lucet_kill_result_name, lucet_kill_signalled, "signalled",
                lucet_kill_not_terminable, "not_terminable");
    CHECK_NAMES(lucet_extern_kind_name, lucet_extern_func, "func", lucet_extern_tag, "tag");
    CHECK_NAMES(lucet_val_type_name, lucet_val_type_c_ptr, "c_ptr", lucet_val_type_exnref,
                "exnref");
    assert_string_equal(lucet_val_type_name(lucet_val_type_i32), "i32");
    assert_string_equal(lucet_yield_reason_name(lucet_yield_reason_slice), "slice");
}

/* ---- Growing beyond the limits ---- */

static bool refuse(void *arg, struct lucet_instance *inst, uint64_t current, uint64_t desired)
{
    (void)arg;
    (void)inst;
    (void)current;
    return desired <= 4 * 65536;
}

static void check_grow(struct lucet_instance *inst, bool ends)
{
    struct lucet_result r;

    assert_int_equal((int32_t)guest_call(inst, "grow", ARGS(I32(1))), 1);
    assert_int_equal((int32_t)guest_call(inst, "grow", ARGS(I32(200))), -1); /* its own maximum */
    assert_int_equal((int32_t)guest_call(inst, "grow", ARGS(I32(-1))), -1);
    const enum lucet_error e = lucet_instance_run(inst, "grow", ARGS(I32(90)), &r);
    if (!ends) {
        assert_int_equal(e, lucet_error_ok);
        assert_int_equal((int32_t)lucet_retval_gp(&r.val.returned), -1);
        return;
    }
    assert_int_equal(e, lucet_error_runtime_terminated);
    assert_int_equal(r.tag, lucet_result_tag_terminated);
    assert_int_equal(r.val.terminated.reason, lucet_terminated_reason_heap_out_of_memory);
    assert_non_null(strstr(lucet_error_detail(), "more memory"));
    assert_int_equal(lucet_instance_reset(inst), lucet_error_ok);
    uint32_t before;
    assert_int_equal(lucet_instance_grow_heap(inst, 90, &before), lucet_error_limits_exceeded);
    assert_int_equal((int32_t)guest_call(inst, "grow", ARGS(I32(1))), 1);
}

static void growing_beyond_the_limits_may_end_the_run(void **state)
{
    (void)state;
    guest_begin();
    struct lucet_dl_module *m =
        guest_module("(module (memory (export \"m\") 1 100) (func (export \"grow\") (param i32)"
                     " (result i32) (memory.grow (local.get 0))))",
                     &guest_default);
    for (int kind = 0; kind < 4; kind++) {
        const bool of_region = kind & 1, limiter = kind & 2;
        const struct lucet_region_options ro = {.terminate_on_heap_oom = of_region,
                                                .memory_limiter = limiter ? refuse : NULL};
        struct lucet_alloc_limits limits = lucet_alloc_limits_default();
        limits.heap_memory_size = limiter ? 200 * 65536 : 16 * 65536;
        struct lucet_region *region;
        assert_int_equal(lucet_mmap_region_create_with(1, &limits, &ro, &region), lucet_error_ok);
        for (int own = 0; own < 2; own++) {
            const struct lucet_instance_options o = {.terminate_on_heap_oom = own};
            struct lucet_instance *inst;
            assert_int_equal(lucet_region_new_instance_with(region, m, &o, &inst), lucet_error_ok);
            check_grow(inst, own || of_region);
            lucet_instance_release(inst);
        }
        lucet_region_release(region);
    }
    lucet_dl_module_release(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_that_is_allocated_is_given_back),
        cmocka_unit_test(an_allocator_that_fails_gives_clean_errors),
        cmocka_unit_test(the_allocator_stays_once_it_is_used),
        cmocka_unit_test(the_log_tells_what_happens),
        cmocka_unit_test(enumerations_have_names),
        cmocka_unit_test(growing_beyond_the_limits_may_end_the_run),
    };

    if (lucet_set_allocator(NULL) != lucet_error_ok ||
        lucet_set_allocator(&counting_allocator) != lucet_error_ok)
        return 1;
    artifact = guest_artifact(everything, &guest_default, &artifact_size);
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    free(artifact);
    return failed;
}
