/* Calls through handles do what calls by name do, and refuse what they refuse. */
#include "guest.h"

#include <asm/prctl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char wat[] =
    "(module (import \"h\" \"f\" (func $f (param i32) (result i32)))"
    " (memory 1) (table 2 funcref) (elem (i32.const 0) $id)"
    " (func $id (param funcref) (result funcref) (local.get 0))"
    " (func (export \"add\") (param i32 i32) (result i32)"
    "   (i32.add (local.get 0) (local.get 1)))"
    " (func (export \"mixed\") (param i32 i64 f32 f64 v128) (result v128 f64 f32 i64 i32)"
    "   (local.get 4) (local.get 3) (local.get 2) (local.get 1) (local.get 0))"
    " (func (export \"many\") (param i64 i64 i64 i64 i64 i64 i64 i64 i64 i64) (result i64)"
    "   (i64.sub (local.get 0) (local.get 9)))"
    " (func (export \"ref\") (param funcref) (result i32) (ref.is_null (local.get 0)))"
    " (func (export \"held\") (param (ref extern)) (result i32) (i32.const 5))"
    " (func (export \"trap\") unreachable)"
    " (func (export \"load\") (param i32) (result i32) (i32.load (local.get 0)))"
    " (func (export \"store\") (param i32 i32) (i32.store (local.get 0) (local.get 1)))"
    " (func (export \"away\") (param i32) (result i32)"
    "   (drop (call $f (local.get 0))) (i32.load (i32.const 8)))"
    " (func (export \"half\") (param f32) (result f32)"
    "   (f32.mul (local.get 0) (f32.const 0.5)))"
    " (func (export \"host\") (param i32) (result i32) (call $f (local.get 0)))"
    " (func (export \"spin\") (loop (br 0))))";

static struct lucet_func add, trap, host, spin;
static struct lucet_instance *inst;

static uint64_t gs_of_host_function;

/* Runs the same instance again, through the same handles. */
static int32_t again(struct lucet_vmctx *ctx, int32_t n)
{
    union lucet_raw v[2] = {{.i32 = n}, {.i32 = 100}};

    if (n == -2)
        return *(int32_t *)lucet_vmctx_yield(ctx, &inst);
    if (n == -4) {
        assert_int_equal(syscall(SYS_arch_prctl, ARCH_SET_GS, gs_of_host_function), 0);
        return 0;
    }
    if (n == -3) {
        const uint32_t towards_zero = 0x7f80;
        __asm__ volatile("ldmxcsr %0" ::"m"(towards_zero));
        lucet_vmctx_terminate(ctx, NULL);
    }
    if (n == -1)
        return lucet_func_call(&trap, inst, NULL, NULL) == lucet_error_runtime_fault ? 7 : 8;
    assert_int_equal(lucet_func_call(&add, inst, v, NULL), lucet_error_ok);
    return v[0].i32;
}

struct world {
    struct lucet_region *region;
    struct lucet_linker *linker;
    struct lucet_dl_module *module;
};

static struct lucet_func handle(const struct world *w, const char *name, const char *signature)
{
    struct lucet_func f;

    assert_int_equal(lucet_dl_module_func(w->module, name, signature, &f), lucet_error_ok);
    return f;
}

static struct world begin(void)
{
    struct world w;

    guest_begin();
    w.region = guest_region(2);
    assert_int_equal(lucet_linker_new(&w.linker), lucet_error_ok);
    assert_int_equal(lucet_linker_func(w.linker, "h", "f", "i:i", (void (*)(void))again), 0);
    w.module = guest_module(wat, &guest_default);
    inst = guest_instance(w.region, w.module, w.linker, NULL);
    add = handle(&w, "add", "ii:i");
    trap = handle(&w, "trap", ":");
    host = handle(&w, "host", "i:i");
    spin = handle(&w, "spin", NULL);
    return w;
}

static void end(const struct world *w)
{
    lucet_instance_release(inst);
    lucet_dl_module_release(w->module);
    lucet_linker_release(w->linker);
    lucet_region_release(w->region);
}

static void values_of_all_types_pass(void **state)
{
    const struct world w = begin();
    const struct lucet_func mixed = handle(&w, "mixed", "iIfFv:vFfIi");
    const struct lucet_func many = handle(&w, "many", "IIIIIIIIII:I");

    (void)state;
    for (int round = 0; round < 3; round++) {
        union lucet_raw v[5] = {{.i32 = -5}, {.i64 = INT64_MIN}, {.f32 = 1.5f}, {.f64 = -2.5}};
        memcpy(v[4].v128, "0123456789abcdef", 16);
        struct lucet_result r;
        assert_int_equal(lucet_func_call(&mixed, inst, v, &r), lucet_error_ok);
        assert_int_equal(r.tag, lucet_result_tag_returned);
        assert_memory_equal(v[0].v128, "0123456789abcdef", 16);
        assert_true(v[1].f64 == -2.5 && v[2].f32 == 1.5f);
        assert_true(v[3].i64 == INT64_MIN && v[4].i32 == -5);
        union lucet_raw ten[10] = {{.i64 = 50}, [9] = {.i64 = 8}};
        assert_int_equal(lucet_func_call(&many, inst, ten, NULL), lucet_error_ok);
        assert_int_equal(ten[0].i64, 42);
        union lucet_raw two[2] = {{.i32 = 40}, {.i32 = 2}};
        assert_int_equal(lucet_func_call(&add, inst, two, NULL), lucet_error_ok);
        assert_int_equal(two[0].i32, 42);
    }
    const struct lucet_func ref = handle(&w, "ref", "r:i");
    union lucet_raw null = {.ref = NULL};
    assert_int_equal(lucet_func_call(&ref, inst, &null, NULL), lucet_error_ok);
    assert_int_equal(null.i32, 1);
    end(&w);
}

static void wrong_handles_are_refused(void **state)
{
    const struct world w = begin();
    struct lucet_dl_module *other =
        guest_module("(module (func (export \"add\")))", &guest_default);
    struct lucet_instance *foreign = guest_instance(w.region, other, NULL, NULL);
    struct lucet_func f;
    struct lucet_result r;
    union lucet_raw v[2] = {{.i32 = 1}, {.i32 = 2}};

    (void)state;
    assert_int_equal(lucet_dl_module_func(w.module, "add", "ii:I", &f), lucet_error_type_mismatch);
    assert_non_null(strstr(lucet_error_detail(), "ii:i"));
    assert_int_equal(lucet_func_call(&f, inst, v, NULL), lucet_error_invalid_argument);
    assert_int_equal(lucet_dl_module_func(w.module, "ad", NULL, &f), lucet_error_symbol_not_found);
    assert_int_equal(lucet_dl_module_func(w.module, NULL, NULL, &f), lucet_error_invalid_argument);
    assert_int_equal(lucet_func_call(&add, foreign, v, &r), lucet_error_invalid_argument);
    assert_int_equal(r.tag, lucet_result_tag_errored);
    assert_int_equal(lucet_func_call(&add, inst, NULL, &r), lucet_error_invalid_argument);
    assert_int_equal(lucet_func_call(&add, NULL, v, &r), lucet_error_invalid_argument);
    lucet_instance_release(foreign);
    lucet_dl_module_release(other);
    end(&w);
}

/* Letters say "e" of every reference to something of the host's: null is not for all types of
 * them. */
static void references_are_checked_and_held(void **state)
{
    struct lucet_result result;

    (void)state;
    struct world w = begin();
    struct lucet_func held = handle(&w, "held", "e:i");
    union lucet_raw values[1];
    values[0].u64 = 0;
    assert_int_equal(lucet_func_call(&held, inst, values, &result), lucet_error_type_mismatch);
    values[0].u64 = 1;
    assert_int_equal(lucet_func_call(&held, inst, values, &result), lucet_error_ok);
    assert_int_equal(values[0].u32, 5);
    end(&w);
}

static void faults_end_the_run_and_ask_for_a_reset(void **state)
{
    const struct world w = begin();
    struct lucet_result r;

    (void)state;
    for (int round = 0; round < 3; round++) {
        union lucet_raw v[2] = {{.i32 = 1}, {.i32 = 2}};
        assert_int_equal(lucet_func_call(&add, inst, v, NULL), lucet_error_ok);
        assert_int_equal(lucet_func_call(&trap, inst, NULL, &r), lucet_error_runtime_fault);
        assert_int_equal(r.tag, lucet_result_tag_faulted);
        assert_int_equal(r.val.faulted.trapcode, lucet_trapcode_unreachable);
        assert_string_equal(r.val.faulted.function_name, "trap");
        assert_int_equal(lucet_func_call(&add, inst, v, &r), lucet_error_instance_not_returned);
        assert_int_equal(lucet_instance_reset(inst), lucet_error_ok);
    }
    end(&w);
}

static void an_instance_runs_again_within_itself(void **state)
{
    const struct world w = begin();
    union lucet_raw v[2] = {{.i32 = 11}};

    (void)state;
    for (int round = 0; round < 3; round++) {
        v[0].i32 = 11;
        assert_int_equal(lucet_func_call(&host, inst, v, NULL), lucet_error_ok);
        assert_int_equal(v[0].i32, 111);
    }
    v[0].i32 = -1;
    assert_int_equal(lucet_func_call(&host, inst, v, NULL), lucet_error_ok);
    assert_int_equal(v[0].i32, 7);
    /* The inner fault counts. */
    assert_int_equal(lucet_func_call(&add, inst, v, NULL), lucet_error_instance_not_returned);
    assert_int_equal(lucet_instance_reset(inst), lucet_error_ok);
    assert_int_equal(lucet_func_call(&add, inst, v, NULL), lucet_error_ok);
    end(&w);
}

/* The caller's values may be gone when it goes on. */
static void a_run_yields_and_goes_on_without_its_caller(void **state)
{
    const struct world w = begin();
    struct lucet_result r;
    struct lucet_val result;
    int32_t answer = 77;

    (void)state;
    for (int round = 0; round < 3; round++) {
        union lucet_raw *v = malloc(sizeof(*v));
        v->i32 = -2;
        assert_int_equal(lucet_func_call(&host, inst, v, &r), lucet_error_ok);
        assert_int_equal(r.tag, lucet_result_tag_yielded);
        assert_ptr_equal(r.val.yielded.val, &inst);
        free(v);
        union lucet_raw two[2] = {{.i32 = 40}, {.i32 = 2}};
        assert_int_equal(lucet_func_call(&add, inst, two, &r), lucet_error_instance_not_returned);
        assert_int_equal(lucet_instance_resume_call(inst, &answer, 1, &result, &r), lucet_error_ok);
        assert_int_equal(r.tag, lucet_result_tag_returned);
        assert_int_equal(result.inner_val.as_i32, 77);
        assert_int_equal(lucet_func_call(&add, inst, two, &r), lucet_error_ok);
        assert_int_equal(two[0].i32, 42);
    }
    end(&w);
}

/* On a busy machine the run may not have begun by then: it ends at once. */
static void *fire(void *k)
{
    usleep(2000);
    return (void *)(uintptr_t)(lucet_kill_switch_terminate(k) != lucet_kill_not_terminable);
}

static void kill_switches_and_time_limits_hold(void **state)
{
    const struct world w = begin();
    struct lucet_kill_switch *k;
    struct lucet_result r;

    (void)state;
    assert_int_equal(lucet_instance_kill_switch(inst, &k), lucet_error_ok);
    for (int round = 0; round < 20; round++) {
        union lucet_raw v[2] = {{.i32 = 1}, {.i32 = 2}};
        pthread_t thread;
        void *stopped;
        assert_int_equal(lucet_func_call(&add, inst, v, NULL), lucet_error_ok);
        assert_int_equal(pthread_create(&thread, NULL, fire, k), 0);
        assert_int_equal(lucet_func_call(&spin, inst, NULL, &r), lucet_error_runtime_terminated);
        pthread_join(thread, &stopped);
        assert_non_null(stopped);
        assert_int_equal(r.val.terminated.reason, lucet_terminated_reason_remote);
        assert_int_equal(lucet_instance_reset(inst), lucet_error_ok);
        assert_int_equal(lucet_kill_switch_terminate(k), lucet_kill_cancelled);
        assert_int_equal(lucet_func_call(&add, inst, v, &r), lucet_error_runtime_terminated);
        assert_int_equal(lucet_func_call(&add, inst, v, &r), lucet_error_instance_not_returned);
        assert_int_equal(lucet_instance_reset(inst), lucet_error_ok);
        assert_int_equal(lucet_instance_set_timeout(inst, 3), lucet_error_ok);
        assert_int_equal(lucet_func_call(&spin, inst, NULL, &r), lucet_error_runtime_terminated);
        assert_int_equal(r.val.terminated.reason, lucet_terminated_reason_timeout);
        assert_int_equal(lucet_instance_set_timeout(inst, 0), lucet_error_ok);
        assert_int_equal(lucet_instance_reset(inst), lucet_error_ok);
    }
    lucet_kill_switch_release(k);
    end(&w);
}

static uint64_t get_gs(void)
{
    uint64_t base;

    assert_int_equal(syscall(SYS_arch_prctl, ARCH_GET_GS, &base), 0);
    return base;
}

static int32_t peek(const struct lucet_func *load, struct lucet_instance *i, int32_t address)
{
    union lucet_raw v = {.i32 = address};

    assert_int_equal(lucet_func_call(load, i, &v, NULL), lucet_error_ok);
    return v.i32;
}

/* Its memory is found whatever the host does to gs between calls, and wherever that points: to
 * where nothing may be read, or to something that could be a memory. The host finds its own value
 * again. */
static void a_host_may_use_gs_itself(void **state)
{
    static uint8_t elsewhere[1 << 18];
    const struct world w = begin();
    const struct lucet_func load = handle(&w, "load", "i:i"), store = handle(&w, "store", "ii:");
    const struct lucet_func away = handle(&w, "away", "i:i");
    struct lucet_instance *other = guest_instance(w.region, w.module, w.linker, NULL);
    const uint64_t values[] = {0, 1, (uintptr_t)elsewhere + (1 << 17), UINT64_C(0x7fff00000000),
                               (uintptr_t)lucet_instance_heap(other)};

    (void)state;
    memset(elsewhere, 0x77, sizeof(elsewhere));
    for (int32_t round = 1; round <= 3; round++) {
        union lucet_raw v[2] = {{.i32 = 8}, {.i32 = round}};
        assert_int_equal(lucet_func_call(&store, inst, v, NULL), lucet_error_ok);
        v[0].i32 = 8, v[1].i32 = -round;
        assert_int_equal(lucet_func_call(&store, other, v, NULL), lucet_error_ok);
        for (size_t k = 0; k < sizeof(values) / sizeof(*values); k++) {
            assert_int_equal(peek(&load, inst, 8), round);
            assert_int_equal(syscall(SYS_arch_prctl, ARCH_SET_GS, values[k]), 0);
            assert_int_equal(peek(&load, inst, 8), round);
            assert_int_equal(get_gs(), values[k]);
            assert_int_equal(peek(&load, other, 8), -round);
            assert_int_equal(peek(&load, other, 8), -round);
            gs_of_host_function = values[k];
            assert_int_equal(peek(&away, inst, -4), round);
            assert_int_equal(peek(&away, other, -4), -round);
            /* As if nothing had happened. */
            assert_int_equal(lucet_thread_detach(), lucet_error_ok);
            assert_int_equal(syscall(SYS_arch_prctl, ARCH_SET_GS, 0), 0);
        }
    }
    /* A thread that runs no more guests is as it was before. */
    assert_int_equal(peek(&load, inst, 8), 3);
    assert_true(get_gs() == (uintptr_t)lucet_instance_heap(inst));
    assert_int_equal(lucet_thread_detach(), lucet_error_ok);
    assert_true(get_gs() == 0);
    assert_int_equal(peek(&load, inst, 8), 3);
    lucet_instance_release(other);
    end(&w);
}

static uint32_t get_mxcsr(void)
{
    uint32_t value;

    __asm__ volatile("stmxcsr %0" : "=m"(value));
    return value;
}

/* Guests compute as WebAssembly says, whatever the host has asked its processor for, and it is
 * asked for the same afterwards, also when the guest has come to a bad end. */
static void each_side_has_its_own_floating_point_control(void **state)
{
    const struct world w = begin();
    const struct lucet_func half = handle(&w, "half", "f:f");
    const uint32_t before = get_mxcsr(), modes[] = {0x1f80, 0x9fc0, 0x7f80, 0x1f80, 0x1fbf};

    (void)state;
    for (size_t k = 0; k < sizeof(modes) / sizeof(*modes); k++) {
        union lucet_raw v = {.u32 = 0x00800000}; /* the least normal number */
        struct lucet_result r;
        __asm__ volatile("ldmxcsr %0" ::"m"(modes[k]));
        enum lucet_error e = lucet_func_call(&half, inst, &v, NULL);
        const uint32_t after = get_mxcsr(), halved = v.u32;
        enum lucet_error fault = lucet_func_call(&trap, inst, NULL, &r);
        const uint32_t after_fault = get_mxcsr();
        lucet_instance_reset(inst);
        v.i32 = -3;
        enum lucet_error end = lucet_func_call(&host, inst, &v, &r);
        const uint32_t after_end = get_mxcsr();
        __asm__ volatile("ldmxcsr %0" ::"m"(before));
        assert_int_equal(e, lucet_error_ok);
        assert_int_equal(halved, 0x00400000);
        assert_int_equal(after & ~0x3fu, modes[k] & ~0x3fu);
        assert_int_equal(fault, lucet_error_runtime_fault);
        assert_int_equal(after_fault & ~0x3fu, modes[k] & ~0x3fu);
        assert_int_equal(end, lucet_error_runtime_terminated);
        assert_int_equal(after_end & ~0x3fu, modes[k] & ~0x3fu);
        assert_int_equal(lucet_instance_reset(inst), lucet_error_ok);
    }
    end(&w);
}

static void the_start_function_comes_first(void **state)
{
    (void)state;
    guest_begin();
    struct lucet_region *region = guest_region(1);
    struct lucet_dl_module *m = guest_module("(module (global $g (mut i32) (i32.const 0))"
                                             " (func $s (global.set $g (i32.const 5))) (start $s)"
                                             " (func (export \"get\") (result i32) global.get $g))",
                                             &guest_default);
    struct lucet_instance *i;
    assert_int_equal(lucet_region_new_instance(region, m, &i), lucet_error_ok);
    struct lucet_func get;
    union lucet_raw v;

    assert_int_equal(lucet_dl_module_func(m, "get", ":i", &get), lucet_error_ok);
    for (int round = 0; round < 2; round++) {
        assert_int_equal(lucet_func_call(&get, i, &v, NULL), lucet_error_instance_needs_start);
        assert_int_equal(lucet_instance_run_start(i), lucet_error_ok);
        assert_int_equal(lucet_func_call(&get, i, &v, NULL), lucet_error_ok);
        assert_int_equal(v.i32, 5);
        assert_int_equal(lucet_instance_reset(i), lucet_error_ok);
    }
    /* No guest runs where nobody would contain its faults. Pages on demand need the handlers, too:
     * they stay. */
    assert_int_equal(lucet_instance_run_start(i), lucet_error_ok);
    assert_int_equal(lucet_remove_signal_handlers(),
                     guest_on_demand() ? lucet_error_invalid_argument : lucet_error_ok);
    assert_int_equal(lucet_func_call(&get, i, &v, NULL),
                     guest_on_demand() ? lucet_error_ok : lucet_error_unsupported);
    assert_int_equal(lucet_install_signal_handlers(), lucet_error_ok);
    assert_int_equal(lucet_func_call(&get, i, &v, NULL), lucet_error_ok);
    lucet_instance_release(i);
    lucet_dl_module_release(m);
    lucet_region_release(region);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_of_all_types_pass),
        cmocka_unit_test(wrong_handles_are_refused),
        cmocka_unit_test(references_are_checked_and_held),
        cmocka_unit_test(faults_end_the_run_and_ask_for_a_reset),
        cmocka_unit_test(an_instance_runs_again_within_itself),
        cmocka_unit_test(a_run_yields_and_goes_on_without_its_caller),
        cmocka_unit_test(kill_switches_and_time_limits_hold),
        cmocka_unit_test(a_host_may_use_gs_itself),
        cmocka_unit_test(each_side_has_its_own_floating_point_control),
        cmocka_unit_test(the_start_function_comes_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
