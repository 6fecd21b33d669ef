/* Every way a run ends or is put aside: the host finds its registers, flags, floating-point
 * environment, segment base, signal mask and alternate stack as they were, and the guest computes
 * with the environment that WebAssembly wants, whatever the host and its functions have set.
 * test_registers.c looks at single registers. */
#include "guest.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lucet/exception.h"
#include "runtime/activation.h"
#include "runtime/instance.h"
#include "runtime/x86_64/machine.h"

static const char wat[] =
    "(module (import \"h\" \"f\" (func $f (param i32))) (memory 1) (tag $t)"
    " (data (i32.const 8) \"\\00\\00\\00\\00\\00\\00\\08\\40\")" /* 3.0 */
    " (func $third (result i64)"
    "   (i64.reinterpret_f64 (f64.div (f64.const 1) (f64.load (i32.const 8)))))"
    /* 0 when 1/3 is what it should be, before and after the call */
    " (func (export \"call\") (param i32) (result i64) (local i64)"
    "   (local.set 1 (i64.xor (call $third) (i64.const 0x3fd5555555555555)))"
    "   (call $f (local.get 0))"
    "   (i64.or (local.get 1) (i64.xor (call $third) (i64.const 0x3fd5555555555555))))"
    " (func (export \"unreachable\") unreachable)"
    " (func (export \"load\") (drop (i32.load (i32.const -8))))"
    " (func $deep (export \"overflow\") (call $deep) (call $deep))"
    " (func (export \"throw\") (throw $t))"
    " (func (export \"loop\") (loop (br 0))))";

#define HOST_MXCSR 0x5f80u /* upwards */
#define HOST_X87 0x0c7fu
#define FUNCTION_MXCSR 0x3f80u /* downwards */
#define FUNCTION_X87 0x077fu
#define HOST_GS 0x123456000u

struct environment {
    uint32_t mxcsr;
    uint16_t x87;
    uint64_t flags, gs;
};

static struct environment get_environment(void)
{
    struct environment e;

    __asm__ volatile("stmxcsr %0\n fnstcw %1\n pushfq\n pop %2"
                     : "=m"(e.mxcsr), "=m"(e.x87), "=r"(e.flags));
    e.gs = machine_get_gs();
    return e;
}

static void set_environment(uint32_t mxcsr, uint16_t x87)
{
    __asm__ volatile("ldmxcsr %0\n fldcw %1" ::"m"(mxcsr), "m"(x87));
}

/* What they hold, since a processor may call them in use when they are as in the beginning. */
static bool uppers_in_use(void)
{
    uint64_t upper[2][2] = {{0}};

    if (lucet__vector_level)
        __asm__ volatile("vextractf128 $1,%%ymm2,%0\n vextractf128 $1,%%ymm9,%1"
                         : "=m"(upper[0]), "=m"(upper[1])
                         :
                         : "memory");
    return upper[0][0] | upper[0][1] | upper[1][0] | upper[1][1];
}

static void use_uppers(void)
{
    if (lucet__vector_level)
        __asm__ volatile("vcmptrueps %%ymm9,%%ymm9,%%ymm9\n vcmptrueps %%ymm2,%%ymm2,%%ymm2" ::
                             : "xmm2", "xmm9");
}

/* Calls with known values in all registers that a callee has to keep, and says what they are
 * then. */
void call_with_registers(void (*f)(void), uint64_t after[6]);
__asm__(".pushsection .text\n"
        "call_with_registers: push %rbx\n push %rbp\n push %r12\n push %r13\n push %r14\n"
        "push %r15\n push %rsi\n"
        "mov $0x1101,%rbx\n mov $0x1102,%rbp\n mov $0x1103,%r12\n mov $0x1104,%r13\n"
        "mov $0x1105,%r14\n mov $0x1106,%r15\n"
        "call *%rdi\n"
        "pop %rsi\n mov %rbx,0(%rsi)\n mov %rbp,8(%rsi)\n mov %r12,16(%rsi)\n"
        "mov %r13,24(%rsi)\n mov %r14,32(%rsi)\n mov %r15,40(%rsi)\n"
        "pop %r15\n pop %r14\n pop %r13\n pop %r12\n pop %rbp\n pop %rbx\n ret\n"
        ".popsection\n");

static const char *stage; /* for messages */
static bool has_uppers_clear, gs_is_used;

static void check_around(void (*f)(void))
{
    uint64_t after[6];
    sigset_t mask, mask_after;
    stack_t stack, stack_after;

    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    sigaltstack(NULL, &stack);
    const struct environment before = get_environment();
    call_with_registers(f, after);
    const bool uppers = has_uppers_clear && uppers_in_use();
    const struct environment e = get_environment();
    pthread_sigmask(SIG_SETMASK, NULL, &mask_after);
    sigaltstack(NULL, &stack_after);
    for (unsigned k = 0; k < 6; k++)
        if (after[k] != 0x1101 + k)
            fail_msg("%s: callee-saved register %u is %llx", stage, k,
                     (unsigned long long)after[k]);
    if ((e.mxcsr ^ before.mxcsr) & ~0x3fu || e.x87 != before.x87)
        fail_msg("%s: mxcsr %x instead of %x, x87 %x instead of %x", stage, e.mxcsr, before.mxcsr,
                 e.x87, before.x87);
    if (e.flags & 0x40500) /* alignment check, direction, trap */
        fail_msg("%s: flags are %llx", stage, (unsigned long long)e.flags);
    if (gs_is_used && e.gs != before.gs) /* else what it is does not matter */
        fail_msg("%s: gs is %llx", stage, (unsigned long long)e.gs);
    if (uppers)
        fail_msg("%s: upper halves of vectors are left", stage);
    assert_memory_equal(&mask, &mask_after, 8); /* the kernel's 64 */
    assert_ptr_equal(stack.ss_sp, stack_after.ss_sp);
    assert_int_equal(stack.ss_size, stack_after.ss_size);
    assert_int_equal(stack.ss_flags, stack_after.ss_flags);
}

/* ---- The guest's side ---- */

static struct lucet_instance *inst, *inner, *counted;
static struct lucet_kill_switch *kill_switch, *inner_switch;
static struct lucet_exception *exception;
static struct lucet_result result;
static enum lucet_error error;

enum what { NOTHING, TERMINATE, TRAP, THROW, YIELD, YIELD_PLAINLY, KILL, NEST };
static void (*nested)(void);

static void host(struct lucet_vmctx *ctx, int32_t what)
{
    const struct environment before = get_environment();
    const uint32_t mxcsr = what == YIELD_PLAINLY ? 0x1f80 : FUNCTION_MXCSR;
    const uint16_t x87 = what == YIELD_PLAINLY ? 0x037f : FUNCTION_X87;

    if (what == NOTHING)
        return;
    set_environment(mxcsr, x87);
    use_uppers();
    switch (what) {
    case TERMINATE: lucet_vmctx_terminate(ctx, NULL);
    case TRAP: lucet_vmctx_trap(ctx, lucet_trapcode_unreachable);
    case THROW: assert_int_equal(lucet_vmctx_throw(ctx, exception), lucet_error_ok); break;
    case YIELD:
    case YIELD_PLAINLY: lucet_vmctx_yield(ctx, NULL); break;
    case KILL: lucet_kill_switch_terminate(kill_switch); break;
    default: {
        const bool used = gs_is_used;
        gs_is_used = true;
        if (has_uppers_clear) /* a run that is cancelled before it begins clears nothing */
            __asm__ volatile("vzeroupper");
        check_around(nested);
        gs_is_used = used;
        break;
    }
    }
    const struct environment now = get_environment();
    assert_int_equal(now.mxcsr & ~0x3fu, mxcsr);
    assert_int_equal(now.x87, x87);
    set_environment(before.mxcsr, before.x87); /* as every function has to */
    if (lucet__vector_level)
        __asm__ volatile("vzeroupper");
}

/* ---- The exits ---- */

static void run_of(struct lucet_instance *i, const char *name)
{
    error = lucet_instance_run(i, name, 0, NULL, &result);
}

static void call(enum what what)
{
    error = lucet_instance_run(inst, "call", ARGS(I32(what)), &result);
}

static void returns(void)
{
    call(NOTHING);
}
static void returns_by_handle(void)
{
    union lucet_raw raw = {.i32 = NOTHING};
    struct lucet_func f;

    lucet_dl_module_func(inst->module, "call", "i:I", &f);
    error = lucet_func_call(&f, inst, &raw, &result);
    memcpy(result.val.returned.gp, &raw, 8);
}
static void yields_by_handle(void)
{
    union lucet_raw raw = {.i32 = YIELD};
    struct lucet_func f;

    lucet_dl_module_func(inst->module, "call", "i:I", &f);
    error = lucet_func_call(&f, inst, &raw, &result);
}
static void faults_by_handle(void)
{
    struct lucet_func f;
    union lucet_raw raw = {0};

    lucet_dl_module_func(inst->module, "load", ":", &f);
    error = lucet_func_call(&f, inst, &raw, &result);
}
static void hits_unreachable(void)
{
    run_of(inst, "unreachable");
}
static void faults(void)
{
    run_of(inst, "load");
}
static void overflows(void)
{
    run_of(inst, "overflow");
}
static void guest_throws(void)
{
    run_of(inst, "throw");
}
static void host_terminates(void)
{
    call(TERMINATE);
}
static void host_traps(void)
{
    call(TRAP);
}
static void host_throws(void)
{
    call(THROW);
}
static void yields(void)
{
    call(YIELD);
}
static void yields_plainly(void)
{
    call(YIELD_PLAINLY);
}
static void killed_in_host_call(void)
{
    call(KILL);
}
static void resumes(void)
{
    error = lucet_instance_resume(inst, NULL, &result);
}
static void resets(void)
{
    error = lucet_instance_reset(inst);
}
static void loops(void)
{
    run_of(inst, "loop");
}
static void bound_expires(void)
{
    run_of(counted, "loop");
}
static void bound_expires_again(void)
{
    error = lucet_instance_resume(counted, NULL, &result);
}
static void cancelled(void)
{
    lucet_kill_switch_terminate(kill_switch);
    call(NOTHING);
}
static void *kill_soon(void *k)
{
    usleep(2000);
    lucet_kill_switch_terminate(k);
    return NULL;
}
static void killed_in_guest(void)
{
    pthread_t thread;

    pthread_create(&thread, NULL, kill_soon, kill_switch);
    loops();
    pthread_join(thread, NULL);
}
static void inner_returns(void)
{
    error = lucet_instance_run(inner, "call", ARGS(I32(NOTHING)), &result);
    assert_int_equal(error, lucet_error_ok);
    assert_int_equal(lucet_retval_gp(&result.val.returned), 0);
}
static void inner_faults(void)
{
    run_of(inner, "load");
    assert_int_equal(error, lucet_error_runtime_fault);
}
static void inner_terminates(void)
{
    error = lucet_instance_run(inner, "call", ARGS(I32(TERMINATE)), &result);
    assert_int_equal(error, lucet_error_runtime_terminated);
}
static void inner_throws(void)
{
    run_of(inner, "throw");
    assert_int_equal(error, lucet_error_runtime_threw);
}
static void inner_yields(void)
{
    error = lucet_instance_run(inner, "call", ARGS(I32(YIELD)), &result);
    assert_int_equal(result.tag, lucet_result_tag_yielded);
}
static void inner_resumes(void)
{
    error = lucet_instance_resume(inner, NULL, &result);
    assert_int_equal(error, lucet_error_ok);
    assert_int_equal(lucet_retval_gp(&result.val.returned), 0);
}
static void inner_killed(void)
{
    pthread_t thread;

    pthread_create(&thread, NULL, kill_soon, inner_switch);
    run_of(inner, "loop");
    pthread_join(thread, NULL);
    assert_int_equal(error, lucet_error_runtime_terminated);
}
static void nests(void)
{
    call(NEST);
}

/* ---- */

static const struct exit {
    const char *name;
    void (*f)(void);
    enum lucet_error error;
    enum lucet_result_tag tag;
    uint64_t slice, timeout;
    void (*nested)(void);
    bool goes_on; /* the instance stays as it is for the next */
} exits[] = {
#define OK .error = lucet_error_ok, .tag = lucet_result_tag_returned
#define PUT_ASIDE .error = lucet_error_ok, .tag = lucet_result_tag_yielded
#define FAULTED .error = lucet_error_runtime_fault, .tag = lucet_result_tag_faulted
#define ENDED .error = lucet_error_runtime_terminated, .tag = lucet_result_tag_terminated
#define THREW .error = lucet_error_runtime_threw, .tag = lucet_result_tag_threw
    {"return", returns, OK},
    {"return, by handle", returns_by_handle, OK},
    {"trap", hits_unreachable, FAULTED},
    {"memory fault", faults, FAULTED},
    {"memory fault, by handle", faults_by_handle, FAULTED},
    {"stack overflow", overflows, FAULTED},
    {"terminated by a host function", host_terminates, ENDED},
    {"trapped by a host function", host_traps, FAULTED},
    {"exception of the guest", guest_throws, THREW},
    {"exception of a host function", host_throws, THREW},
    {"yield", yields, PUT_ASIDE, .goes_on = true},
    {"resumed", resumes, OK},
    {"yield, by handle", yields_by_handle, PUT_ASIDE, .goes_on = true},
    {"resumed after that", resumes, OK},
    {"yield without a trace", yields_plainly, PUT_ASIDE, .goes_on = true},
    {"resumed after that", resumes, OK},
    {"yield to be dropped", yields, PUT_ASIDE, .goes_on = true},
    {"reset while put aside", resets, OK},
    {"killed in a host call", killed_in_host_call, ENDED},
    {"killed in the guest", killed_in_guest, ENDED},
    {"killed before", cancelled, ENDED},
    {"time limit", loops, ENDED, .timeout = 2},
    {"preempted", loops, PUT_ASIDE, .slice = 100000, .goes_on = true},
    {"preempted again", resumes, PUT_ASIDE, .slice = 100000},
    {"bound", bound_expires, PUT_ASIDE},
    {"bound again", bound_expires_again, PUT_ASIDE},
    {"inner run returns", nests, OK, .nested = inner_returns},
    {"inner run faults", nests, OK, .nested = inner_faults},
    {"inner run is terminated", nests, OK, .nested = inner_terminates},
    {"inner run throws", nests, OK, .nested = inner_throws},
    {"inner run yields", nests, OK, .nested = inner_yields},
    {"inner run goes on", nests, OK, .nested = inner_resumes},
    {"inner run is killed", nests, OK, .nested = inner_killed},
};

static void set_up(struct lucet_region *region, struct lucet_linker *linker)
{
    static const char loop[] = "(module (func (export \"loop\") (loop (br 0))))";
    struct lucet_dl_module *module = guest_module(wat, &guest_default);
    struct lucet_dl_module *counting =
        guest_module(loop, &(struct guest_mode){.opt_level = lucetc_opt_speed, .count = true});

    inst = guest_instance(region, module, linker, NULL);
    inner = guest_instance(region, module, linker, NULL);
    counted = guest_instance(region, counting, linker, NULL);
    assert_int_equal(lucet_instance_set_instruction_bound(counted, 100000), lucet_error_ok);
    assert_int_equal(lucet_instance_kill_switch(inst, &kill_switch), lucet_error_ok);
    assert_int_equal(lucet_instance_kill_switch(inner, &inner_switch), lucet_error_ok);
    lucet_dl_module_release(module);
    lucet_dl_module_release(counting);
}

static void check_exit(const struct exit *x, bool odd)
{
    stage = x->name;
    nested = x->nested;
    if (lucet_instance_status(inst) == lucet_instance_status_ready) {
        lucet_instance_set_slice(inst, x->slice);
        lucet_instance_set_timeout(inst, x->timeout);
    }
    result.tag = lucet_result_tag_returned;
    memset(&result.val, 0, sizeof(result.val));
    set_environment(odd ? HOST_MXCSR : 0x1f80, odd ? HOST_X87 : 0x037f);
    gs_is_used = odd;
    if (odd)
        machine_set_gs(HOST_GS);
    if (has_uppers_clear)
        __asm__ volatile("vzeroupper");
    check_around(x->f);
    if (odd)
        machine_set_gs(0);
    set_environment(0x1f80, 0x037f);
    if (!x->nested && (error != x->error || result.tag != x->tag))
        fail_msg("%s: %s, tag %d", x->name, lucet_error_name(error), (int)result.tag);
    if (x->tag == lucet_result_tag_returned && x->error == lucet_error_ok)
        assert_int_equal(lucet_retval_gp(&result.val.returned), 0);
    if (x->goes_on)
        return;
    if (x->f == bound_expires_again)
        assert_int_equal(lucet_instance_reset(counted), lucet_error_ok);
    assert_int_equal(lucet_instance_reset(inst), lucet_error_ok);
    if (x->nested && x->nested != inner_yields)
        assert_int_equal(lucet_instance_reset(inner), lucet_error_ok);
}

static void the_host_finds_all_as_it_was(void **state)
{
    struct lucet_linker *linker;
    struct lucet_tag *tag;

    (void)state;
    guest_begin();
    struct lucet_region *region = guest_region(4);
    assert_int_equal(lucet_linker_new(&linker), lucet_error_ok);
    lucet_linker_func(linker, "h", "f", "i:", (void (*)(void))host);
    assert_int_equal(lucet_tag_new(":", &tag), lucet_error_ok);
    assert_int_equal(lucet_exception_new(tag, 0, NULL, &exception), lucet_error_ok);
    set_up(region, linker);
    assert_int_equal(lucet_thread_attach(0), lucet_error_ok); /* what stays for the thread's life */
#ifndef LUCET_TSAN                                            /* whose library uses them */
    if (lucet__vector_level) {
        __asm__ volatile("vzeroupper");
        has_uppers_clear = !uppers_in_use();
    }
#endif
    for (int round = 0; round < 4; round++) /* calls by handle go another way when nothing is odd */
        for (size_t k = 0; k < sizeof(exits) / sizeof(exits[0]); k++)
            check_exit(&exits[k], round % 2);
    lucet_kill_switch_release(kill_switch);
    lucet_kill_switch_release(inner_switch);
    lucet_instance_release(inst);
    lucet_instance_release(inner);
    lucet_instance_release(counted);
    lucet_exception_release(exception);
    lucet_tag_release(tag);
    lucet_linker_release(linker);
    lucet_region_release(region);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_host_finds_all_as_it_was)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
