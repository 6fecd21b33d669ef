/* The host's own state and bugs: floating-point environment, signals, terminating and trapping host
 * functions, failed instantiations. */
#include "guest.h"

#include <asm/prctl.h>
#include <emmintrin.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static uint32_t mxcsr(void)
{
    uint32_t value;
    __asm__ volatile("stmxcsr %0" : "=m"(value));
    return value;
}

static void set_mxcsr(uint32_t value)
{
    __asm__ volatile("ldmxcsr %0" ::"m"(value));
}

static uint16_t x87_control(void)
{
    uint16_t value;
    __asm__ volatile("fnstcw %0" : "=m"(value));
    return value;
}

static void set_x87_control(uint16_t value)
{
    __asm__ volatile("fldcw %0" ::"m"(value));
}

enum { DEFAULT_MXCSR = 0x1f80, ODD_MXCSR = 0xff80, ODD_X87 = 0x0c7f, STICKY = 0x3f };

static const char floating[] =
    "(module (import \"host\" \"f\" (func $f (param i32) (result i32)))"
    /* Not constants, or LLVM would calculate at compile time. */
    " (global $one (mut f64) (f64.const -1)) (global $half (mut f64) (f64.const 0.5))"
    " (func $third (export \"third\") (result i64)"
    "   (i64.reinterpret_f64 (f64.div (global.get $one) (f64.const 3))))"
    " (func (export \"third after host\") (result i64)"
    "   (drop (call $f (i32.const 0))) (call $third))"
    " (func (export \"subnormal\") (result i64)"
    "   (i64.reinterpret_f64 (f64.mul (f64.const 0x1p-1022) (global.get $half))))"
    " (func (export \"trap\") (drop (call $third)) unreachable)"
    " (func (export \"call\") (result i32) (call $f (i32.const 1)))"
    " (func (export \"loop\") (loop $l (br $l))))";

static int32_t nothing(struct lucet_vmctx *ctx, int32_t n)
{
    (void)ctx;
    return n;
}

static int32_t terminate(struct lucet_vmctx *ctx, int32_t n)
{
    (void)n;
    lucet_vmctx_terminate(ctx, (void *)0x1234);
}

static int32_t trap(struct lucet_vmctx *ctx, int32_t n)
{
    (void)n;
    lucet_vmctx_trap(ctx, lucet_trapcode_heap_misaligned);
}

static struct lucet_linker *linker_with(void *f)
{
    struct lucet_linker *linker;

    assert_int_equal(lucet_linker_new(&linker), lucet_error_ok);
    assert_int_equal(lucet_linker_func(linker, "host", "f", "i:i", (void (*)(void))f),
                     lucet_error_ok);
    return linker;
}

static void expect_host_modes(void)
{
    assert_int_equal(mxcsr() & ~STICKY, ODD_MXCSR);
    assert_int_equal(x87_control(), ODD_X87);
}

/* The host rounds towards zero and flushes subnormals; its guests shall not, and after them it
 * shall. */
static void the_floating_point_environment_is_each_ones_own(void **state)
{
    (void)state;
    guest_begin();
    struct lucet_region *region = guest_region(1);
    struct lucet_dl_module *module = guest_module(floating, &guest_modes[0]);
    struct lucet_linker *l = linker_with(nothing), *t = linker_with(terminate);
    struct lucet_instance *inst = guest_instance(region, module, l, NULL);
    const double third = -1.0 / 3.0;
    uint64_t expected;
    struct lucet_result r;
    const uint32_t old_mxcsr = mxcsr();
    const uint16_t old_x87 = x87_control();

    memcpy(&expected, &third, sizeof expected);
    set_mxcsr(ODD_MXCSR);
    set_x87_control(ODD_X87);
    assert_int_equal(guest_call(inst, "third", 0, NULL), expected);
    expect_host_modes();
    assert_int_equal(guest_call(inst, "subnormal", 0, NULL), 0x0008000000000000);
    expect_host_modes();
    assert_int_equal(guest_call(inst, "third after host", 0, NULL), expected);
    expect_host_modes();
    assert_int_equal(guest_trap(inst, "trap", 0, NULL), lucet_trapcode_unreachable);
    expect_host_modes();
    lucet_instance_reset(inst);
    assert_int_equal(lucet_instance_set_timeout(inst, 10), lucet_error_ok);
    assert_int_equal(lucet_instance_run(inst, "loop", 0, NULL, &r), lucet_error_runtime_terminated);
    expect_host_modes();
    lucet_instance_release(inst);
    inst = guest_instance(region, module, t, NULL);
    assert_int_equal(lucet_instance_run(inst, "call", 0, NULL, &r), lucet_error_runtime_terminated);
    expect_host_modes();
    set_mxcsr(old_mxcsr);
    set_x87_control(old_x87);
    lucet_instance_release(inst);
    lucet_linker_release(l);
    lucet_linker_release(t);
    lucet_dl_module_release(module);
    lucet_region_release(region);
}

static void a_host_function_may_end_the_run(void **state)
{
    (void)state;
    guest_begin();
    struct lucet_region *region = guest_region(1);
    struct lucet_dl_module *module = guest_module(floating, &guest_default);
    struct lucet_linker *t = linker_with(terminate), *f = linker_with(trap);
    for (unsigned i = 0; i < 1000; i++) {
        struct lucet_instance *inst = guest_instance(region, module, i % 2 ? t : f, NULL);
        struct lucet_result r;
        const enum lucet_error e = lucet_instance_run(inst, "call", 0, NULL, &r);
        if (i % 2) {
            assert_int_equal(e, lucet_error_runtime_terminated);
            assert_int_equal(r.val.terminated.reason, lucet_terminated_reason_provided);
            assert_non_null(strstr(lucet_error_detail(), "by a host function"));
            assert_ptr_equal(r.val.terminated.provided, (void *)0x1234);
        } else {
            assert_int_equal(e, lucet_error_runtime_fault);
            assert_int_equal(r.val.faulted.trapcode, lucet_trapcode_heap_misaligned);
        }
        assert_int_equal(lucet_instance_run(inst, "third", 0, NULL, &r),
                         lucet_error_instance_not_returned);
        lucet_instance_release(inst);
    }
    lucet_linker_release(t);
    lucet_linker_release(f);
    lucet_dl_module_release(module);
    lucet_region_release(region);
}

/* ---- A host that uses the segment register for itself ---- */

/* Every letter of a signature as the C type that docs/embedding.md names, in registers and on the
 * stack. */
static const char every_type[] =
    "(module (import \"host\" \"f\" (func $f"
    "   (param i32 i64 f32 f64 v128 externref funcref i64 i64 i32)"
    "   (param v128 v128 v128 v128 v128 v128 v128 i64 v128)"
    "   (result v128 i32 i64 f32 f64 v128 externref funcref)))"
    " (func $g (export \"g\")) (elem declare func $g)"
    " (func (export \"call\") (param v128 externref)"
    "   (result v128 i32 i64 f32 f64 v128 externref funcref)"
    "   (call $f (i32.const 1) (i64.const 2) (f32.const 3) (f64.const 4) (local.get 0)"
    "     (local.get 1) (ref.func $g) (i64.const 5) (i64.const 6) (i32.const 7)"
    "     (v128.const i64x2 11 0) (v128.const i64x2 12 0) (v128.const i64x2 13 0)"
    "     (v128.const i64x2 14 0) (v128.const i64x2 15 0) (v128.const i64x2 16 0)"
    "     (v128.const i64x2 17 0) (i64.const 8) (v128.const i64x2 18 0x100))))";

static __m128i all_types(struct lucet_vmctx *ctx, uint32_t i, uint64_t w, float f, double d,
                         __m128i v, uint64_t extern_ref, uint64_t func_ref, uint64_t w5,
                         uint64_t w6, uint32_t i7, __m128i v1, __m128i v2, __m128i v3, __m128i v4,
                         __m128i v5, __m128i v6, __m128i v7, uint64_t w8, __m128i v8,
                         uint32_t *i_out, uint64_t *w_out, float *f_out, double *d_out,
                         __m128i *v_out, uint64_t *extern_out, uint64_t *func_out)
{
    const __m128i low = _mm_add_epi64(_mm_add_epi64(_mm_add_epi64(v1, v2), _mm_add_epi64(v3, v4)),
                                      _mm_add_epi64(_mm_add_epi64(v5, v6), v7));

    (void)ctx;
    *i_out = i * 10 + i7;
    *w_out = ((w * 10 + w5) * 10 + w6) * 10 + w8;
    *f_out = f + 0.5f;
    *d_out = d + 0.25;
    *v_out = _mm_add_epi64(v, v8);
    *extern_out = extern_ref + 1;
    *func_out = func_ref;
    return low;
}

static void every_type_reaches_host_functions(void **state)
{
    (void)state;
    guest_begin();
    struct lucet_region *region = guest_region(1);
    struct lucet_dl_module *module = guest_module(every_type, &guest_default);
    struct lucet_linker *linker;
    assert_int_equal(lucet_linker_new(&linker), lucet_error_ok);
    assert_int_equal(lucet_linker_func(linker, "host", "f", "iIfFverIIivvvvvvvIv:viIfFver",
                                       (void (*)(void))all_types),
                     lucet_error_ok);
    struct lucet_instance *inst = guest_instance(region, module, linker, NULL);
    assert_string_equal(lucet_error_detail(), "");
    struct lucet_func func;
    union lucet_raw v[8] = {{.words = {100, 7}}, {.u64 = 0xdeadbeefcafe}};
    assert_int_equal(lucet_dl_module_func(module, "call", "ve:viIfFver", &func), lucet_error_ok);
    assert_int_equal(lucet_func_call(&func, inst, v, NULL), lucet_error_ok);
    assert_true(v[0].words[0] == 98 && v[0].words[1] == 0);
    assert_int_equal(v[1].u32, 17);
    assert_int_equal(v[2].u64, 2568);
    assert_true(v[3].f32 == 3.5f && v[4].f64 == 4.25);
    assert_true(v[5].words[0] == 118 && v[5].words[1] == 0x107);
    assert_true(v[6].u64 == 0xdeadbeefcaff);
    assert_non_null(v[7].ref);
    lucet_linker_release(linker);
    lucet_instance_release(inst);
    lucet_dl_module_release(module);
    lucet_region_release(region);
}

static uint64_t elsewhere[64];

static int32_t change_segment(struct lucet_vmctx *ctx, int32_t n)
{
    (void)ctx;
    syscall(SYS_arch_prctl, ARCH_SET_GS, (unsigned long)elsewhere);
    return n;
}

/* Were gs left as the host function left it, the guest would write into the host. */
static void guests_keep_their_memory_when_a_host_function_changes_gs(void **state)
{
    static const char *const cpus[] = {NULL, "x86-64-v3"};
    (void)state;
    guest_begin();
    struct lucet_region *region = guest_region(1);
    struct lucet_linker *l = linker_with(change_segment);
    for (unsigned i = 0; i < 2; i++) {
        struct lucet_dl_module *module = guest_module(
            "(module (import \"host\" \"f\" (func $f (param i32) (result i32))) (memory 1)"
            " (func (export \"call\") (result i32)"
            "   (i32.store (i32.const 16) (call $f (i32.const 5))) (i32.load (i32.const 16))))",
            &(struct guest_mode){.opt_level = lucetc_opt_speed, .cpu = cpus[i]});
        struct lucet_instance *inst = guest_instance(region, module, l, NULL);
        assert_int_equal((uint32_t)guest_call(inst, "call", 0, NULL), 5);
        assert_int_equal(lucet_instance_heap(inst)[16], 5);
        assert_int_equal(elsewhere[2], 0);
        lucet_instance_release(inst);
        lucet_dl_module_release(module);
    }
    lucet_linker_release(l);
    lucet_region_release(region);
}

/* ---- Faults that are the host's ---- */

/* Bugs on purpose: the sanitizer would stop at them before the machine does. */
#define BUGGY __attribute__((no_sanitize("undefined")))

BUGGY static int32_t host_bug(struct lucet_vmctx *ctx, int32_t n)
{
    int *volatile nowhere = NULL;
    (void)ctx;
    return *nowhere + n;
}

/* A stray pointer into the instance's own guard is still the host's bug. */
static int32_t host_bug_in_guard(struct lucet_vmctx *ctx, int32_t n)
{
    volatile uint8_t *heap = lucet_vmctx_get_heap(ctx);
    return heap[65536 + 100] + n;
}

static int32_t host_ud2(struct lucet_vmctx *ctx, int32_t n)
{
    (void)ctx;
    (void)n;
    __asm__ volatile(
        ".byte 0x67, 0x0f, 0xb9, 0x40, 0x0a"); /* what "unreachable" looks like in a guest */
    return 0;
}

BUGGY static int32_t host_division(struct lucet_vmctx *ctx, int32_t n)
{
    volatile int zero = 0;
    (void)ctx;
    return n / zero;
}

static void earlier_handler(int signo, siginfo_t *info, void *context)
{
    (void)info;
    (void)context;
    _exit(100 + signo);
}

/* Runs a guest that calls `f` in a child; returns its wait status. */
static int status_of_host_bug(void *f, int signo, bool with_handler)
{
    const pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        const struct sigaction action = {.sa_sigaction = earlier_handler,
                                         .sa_flags = SA_SIGINFO | SA_ONSTACK};
        if (with_handler)
            sigaction(signo, &action, NULL);
        else
            signal(signo, SIG_DFL);
        struct lucet_region *region = guest_region(1);
        struct lucet_dl_module *module = guest_module(
            "(module (import \"host\" \"f\" (func $f (param i32) (result i32))) (memory 1)"
            " (func (export \"call\") (result i32) (call $f (i32.const 1))))",
            &guest_default);
        struct lucet_instance *inst = guest_instance(region, module, linker_with(f), NULL);
        lucet_instance_run(inst, "call", 0, NULL, NULL);
        _exit(0); /* the fault was swallowed */
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void faults_of_host_functions_go_to_the_hosts_handler(void **state)
{
    static const struct {
        void *f;
        int signo;
    } bugs[] = {{host_bug, SIGSEGV},
                {host_bug_in_guard, SIGSEGV},
                {host_ud2, SIGILL},
                {host_division, SIGFPE}};
    (void)state;
    guest_begin();
    for (size_t i = 0; i < sizeof bugs / sizeof bugs[0]; i++) {
        int status = status_of_host_bug(bugs[i].f, bugs[i].signo, true);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 100 + bugs[i].signo);
        status = status_of_host_bug(bugs[i].f, bugs[i].signo, false);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), bugs[i].signo);
    }
}

/* ---- Instantiations that fail half-way ---- */

static void failed_instantiations_leave_the_slot_usable(void **state)
{
    static const char *const bad[] = {
        "(module (memory 1) (data (i32.const 0) \"abc\") (data (i32.const 65535) \"xy\"))",
        "(module (memory 1) (data (i32.const -1) \"x\"))",
        "(module (table 2 funcref) (func $f) (elem (i32.const 1) $f $f))",
        "(module (memory 1) (data (i32.const 0) \"abc\") (func $f unreachable) (start $f))",
        "(module (memory 1) (func $f (call $f)) (start $f))",
        "(module (import \"nobody\" \"f\" (func)))",
        "(module (import \"nobody\" \"m\" (memory 1)))",
        "(module (import \"nobody\" \"t\" (table 1 funcref)))",
        "(module (import \"nobody\" \"g\" (global i32)))",
        "(module (memory 30000))",
        "(module (memory 1) (table 5000000 funcref))",
    };
    (void)state;
    guest_begin();
    struct lucet_alloc_limits limits = lucet_alloc_limits_default();
    limits.table_entries = 1000000;
    limits.heap_memory_size = 1 << 20;
    struct lucet_region *region;
    assert_int_equal(lucet_mmap_region_create(1, &limits, &region), lucet_error_ok);
    struct lucet_dl_module *good = guest_module(
        "(module (memory 1) (table 4 funcref) (func (export \"sum\") (result i32)"
        " (i32.add (i32.load (i32.const 0)) (ref.is_null (table.get (i32.const 1))))))",
        &guest_default);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const struct lucet_instance_options o = {.run_start = true};
        struct lucet_dl_module *module = guest_module(bad[i], &guest_default);
        struct lucet_instance *inst = NULL;
        for (unsigned k = 0; k < 3; k++) {
            assert_int_not_equal(lucet_region_new_instance_with(region, module, &o, &inst),
                                 lucet_error_ok);
            assert_null(inst);
            assert_int_equal(lucet_region_used_slots(region), 0);
        }
        lucet_dl_module_release(module);
        inst = guest_instance(region, good, NULL, NULL);
        assert_int_equal((uint32_t)guest_call(inst, "sum", 0, NULL), 1);
        lucet_instance_release(inst);
    }
    lucet_dl_module_release(good);
    lucet_region_release(region);
}

static void a_region_that_is_not_what_the_code_assumes_is_refused(void **state)
{
    (void)state;
    guest_begin();
    struct lucet_dl_module *module = guest_module("(module (memory 1))", &guest_default);
    static const uint64_t sizes[] = {1 << 20, UINT64_C(4) << 30, (UINT64_C(8) << 30) - 4096};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct lucet_alloc_limits limits = lucet_alloc_limits_default();
        struct lucet_region *region;
        struct lucet_instance *inst = NULL;
        limits.heap_address_space_size = sizes[i];
        if (lucet_mmap_region_create(1, &limits, &region) != lucet_error_ok)
            continue; /* refused even earlier */
        assert_int_equal(lucet_region_new_instance(region, module, &inst),
                         lucet_error_limits_exceeded);
        lucet_region_release(region);
    }
    lucet_dl_module_release(module);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_floating_point_environment_is_each_ones_own),
        cmocka_unit_test(a_host_function_may_end_the_run),
        cmocka_unit_test(every_type_reaches_host_functions),
        cmocka_unit_test(guests_keep_their_memory_when_a_host_function_changes_gs),
        cmocka_unit_test(faults_of_host_functions_go_to_the_hosts_handler),
        cmocka_unit_test(failed_instantiations_leave_the_slot_usable),
        cmocka_unit_test(a_region_that_is_not_what_the_code_assumes_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
