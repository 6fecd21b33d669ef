/* The quick way of calls by handle: what happens at every single instruction of it, and what each of its checks is
 * for. */
#include "guest.h"

#include <asm/prctl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "runtime/activation.h"

static const char wat[] = "(module (import \"h\" \"f\" (func $f (param i32) (result i32)))"
                          " (tag $t (param i32)) (memory 1)"
                          " (func (export \"add\") (param i32 i32) (result i32)"
                          "   (i32.add (local.get 0) (local.get 1)))"
                          " (func (export \"throw\") (param i32 i32) (result i32)"
                          "   (throw $t (i32.add (local.get 0) (local.get 1))))"
                          " (func (export \"trap\") (param i32 i32) (result i32) unreachable)"
                          " (func (export \"host\") (param i32 i32) (result i32)"
                          "   (i32.add (call $f (local.get 0)) (local.get 1)))"
                          " (func (export \"spin\") (loop (br 0))))";

#define PAGE 4096u

enum {
    SAME = 3,
    SET_TIMEOUT = -1,
    CALL_OTHER = -2,
    WAIT = -3,
    YIELD = -4,
    TERMINATE = -5,
    THROW = -6,
};

struct world {
    struct lucet_region *region;
    struct lucet_linker *linker;
    struct lucet_dl_module *module;
    struct lucet_instance *inst;
    struct lucet_func add, host;
};
static struct world *now;            /* for the host function */
static struct lucet_instance *other; /* CALL_OTHER: this one's $add */
static struct lucet_kill_switch *kill_switch;
static atomic_int waiting; /* WAIT: 1 while it waits, until it is 2 */

static void throw_one(struct lucet_vmctx *ctx)
{
    struct lucet_tag *tag;
    struct lucet_exception *e;

    assert_int_equal(lucet_tag_new("I:", &tag), lucet_error_ok);
    assert_int_equal(lucet_exception_new(tag, ARGS(I64(1)), &e), lucet_error_ok);
    assert_int_equal(lucet_vmctx_throw(ctx, e), lucet_error_ok);
    lucet_exception_release(e);
    lucet_tag_release(tag);
}

static int32_t host_function(struct lucet_vmctx *ctx, int32_t n)
{
    union lucet_raw v[2] = {{.i32 = 40}, {.i32 = 2}};

    if (lucet_vmctx_instance(ctx) != now->inst && lucet_vmctx_instance(ctx) != other)
        abort();
    if (n == SET_TIMEOUT)
        assert_int_equal(lucet_instance_set_timeout(now->inst, 5), lucet_error_ok);
    if (n == CALL_OTHER)
        return lucet_func_call(&now->add, other, v, NULL) == lucet_error_ok ? v[0].i32 : -1;
    if (n == YIELD)
        return *(int32_t *)lucet_vmctx_yield(ctx, NULL);
    if (n == TERMINATE)
        lucet_vmctx_terminate(ctx, NULL);
    if (n == THROW)
        throw_one(ctx);
    if (n == WAIT) {
        atomic_store(&waiting, 1);
        while (atomic_load(&waiting) != 2)
            usleep(100);
    }
    return n;
}

static struct lucet_func handle(const struct world *w, const char *name)
{
    struct lucet_func f;

    assert_int_equal(lucet_dl_module_func(w->module, name, NULL, &f), lucet_error_ok);
    return f;
}

static void begin(struct world *w, const char *text)
{
    guest_begin();
    w->region = guest_region(8);
    assert_int_equal(lucet_linker_new(&w->linker), lucet_error_ok);
    assert_int_equal(lucet_linker_func(w->linker, "h", "f", "i:i", (void (*)(void))host_function),
                     0);
    w->module = guest_module(text, &guest_default);
    w->inst = guest_instance(w->region, w->module, w->linker, NULL);
    w->add = handle(w, "add");
    w->host = handle(w, "host");
    now = w;
    other = NULL;
}

static void end(const struct world *w)
{
    lucet_instance_release(w->inst);
    lucet_dl_module_release(w->module);
    lucet_linker_release(w->linker);
    lucet_region_release(w->region);
}

static int32_t call(const struct lucet_func *f, struct lucet_instance *i, int32_t a, int32_t b)
{
    union lucet_raw v[2] = {{.i32 = a}, {.i32 = b}};

    assert_int_equal(lucet_func_call(f, i, v, NULL), lucet_error_ok);
    return v[0].i32;
}

/* ---- At every instruction ---- */

#ifndef LUCET_TSAN

/* The same without exceptions. */
static const char plain_wat[] = "(module (import \"h\" \"f\" (func $f (param i32) (result i32)))"
                                " (memory 1)"
                                " (func (export \"add\") (param i32 i32) (result i32)"
                                "   (i32.add (local.get 0) (local.get 1)))"
                                " (func (export \"host\") (param i32 i32) (result i32)"
                                "   (i32.add (call $f (local.get 0)) (local.get 1))))";

#define TRAP_FLAG 0x100

/* What is done before the step with this number, and what it answered. */
static struct {
    int (*what)(void);
    long at, steps;
    int answer;
    bool done;
} step;

static void on_step(int sig, siginfo_t *info, void *context)
{
    ucontext_t *u = context;

    (void)sig, (void)info;
    if (step.steps++ != step.at)
        return;
    step.done = true;
    step.answer = step.what();
    u->uc_mcontext.gregs[REG_EFL] &= ~(greg_t)TRAP_FLAG;
}

static int terminate(void)
{
    return (int)lucet_kill_switch_terminate(kill_switch);
}

static int preempt(void)
{
    return (int)lucet_kill_switch_preempt(kill_switch);
}

static int sent;

static void on_sent(int sig)
{
    sent += sig == SIGSEGV;
}

/* Blocked until the step is over. */
static int send_fault(void)
{
    return (int)syscall(SYS_tgkill, getpid(), (pid_t)syscall(SYS_gettid), SIGSEGV);
}

static int send_stop_signal(void)
{
    return (int)syscall(SYS_tgkill, getpid(), (pid_t)syscall(SYS_gettid), SIGURG);
}

/* The call, one instruction after the other until `what` has been done. */
static enum lucet_error step_through(const struct lucet_func *f, struct lucet_instance *i,
                                     union lucet_raw *v, struct lucet_result *result,
                                     int (*what)(void), long at)
{
    step.what = what;
    step.at = at;
    step.steps = 0;
    step.done = false;
    __asm__ volatile("pushfq\n orl %0, (%%rsp)\n popfq" ::"i"(TRAP_FLAG) : "memory", "cc");
    enum lucet_error e = lucet_func_call(f, i, v, result);
    __asm__ volatile("pushfq\n andl %0, (%%rsp)\n popfq" ::"i"(~TRAP_FLAG) : "memory", "cc");
    return e;
}

static struct sigaction steps_begin(struct sigaction *trap_before)
{
    const struct sigaction ignored = {.sa_handler = SIG_IGN};
    struct sigaction on_trap = {.sa_sigaction = on_step, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    struct sigaction on_fault = {.sa_handler = on_sent, .sa_flags = SA_ONSTACK}, before;

    /* Below the runtime's handlers, which pass on what is not theirs. */
    assert_int_equal(lucet_remove_signal_handlers(), lucet_error_ok);
    assert_int_equal(sigaction(SIGSEGV, &on_fault, &before), 0);
    assert_int_equal(sigaction(SIGURG, &ignored, NULL), 0);
    assert_int_equal(lucet_install_signal_handlers(), lucet_error_ok);
    sigaddset(&on_trap.sa_mask, SIGURG);
    sigaddset(&on_trap.sa_mask, SIGSEGV);
    assert_int_equal(sigaction(SIGTRAP, &on_trap, trap_before), 0);
    return before;
}

static void steps_end(struct sigaction before, const struct sigaction *trap_before)
{
    assert_int_equal(sigaction(SIGTRAP, trap_before, NULL), 0);
    assert_int_equal(lucet_remove_signal_handlers(), lucet_error_ok);
    assert_int_equal(sigaction(SIGSEGV, &before, NULL), 0);
    assert_int_equal(lucet_install_signal_handlers(), lucet_error_ok);
}

static const struct {
    const char *text, *name;
    enum lucet_error end;
} stepped[] = {
    {plain_wat, "add", lucet_error_ok},
    {plain_wat, "host", lucet_error_ok},
    {wat, "add", lucet_error_ok},
    {wat, "host", lucet_error_ok},
    {wat, "throw", lucet_error_runtime_threw},
};

/* An end that is not plain is long, and C. */
static long next_step(void)
{
    return step.at + (step.at < 400 ? 1 : 41);
}

static bool is_untouched(const struct lucet_result *r)
{
    const uint8_t *bytes = (const uint8_t *)r;

    for (size_t k = 0; k < sizeof(*r); k++)
        if (bytes[k] != 0xa5)
            return false;
    return true;
}

/* Either the run is over, or the next one is; and then all is as ever. */
static void one_kill(const struct world *w, const struct lucet_func *f, enum lucet_error expected,
                     bool with_result)
{
    union lucet_raw v[2] = {{.i32 = SAME}, {.i32 = 4}};
    struct lucet_result r;

    memset(&r, 0xa5, sizeof(r));
    enum lucet_error e =
        step_through(f, w->inst, v, with_result ? &r : NULL, terminate, next_step());
    if (!step.done) {
        assert_int_equal(e, expected);
        return;
    }
    if (step.answer == lucet_kill_cancelled && e == expected) {
        assert_true(!with_result || e != lucet_error_ok || r.tag == lucet_result_tag_returned);
        e = lucet_func_call(&w->add, w->inst, v, with_result ? &r : NULL);
    }
    assert_int_not_equal(step.answer, lucet_kill_not_terminable);
    assert_int_equal(e, lucet_error_runtime_terminated);
    assert_true(!with_result || (r.tag == lucet_result_tag_terminated &&
                                 r.val.terminated.reason == lucet_terminated_reason_remote));
    assert_int_equal(lucet_instance_reset(w->inst), lucet_error_ok);
    /* Nobody writes to what another call had given for its result. */
    memset(&r, 0xa5, sizeof(r));
    assert_int_equal(call(&w->add, w->inst, 40, 2), 42);
    assert_int_equal(call(&w->host, w->inst, SAME, 2), SAME + 2);
    assert_true(is_untouched(&r));
}

static void a_kill_between_any_two_instructions(void **state)
{
    struct sigaction trap_before, before = (guest_begin(), steps_begin(&trap_before));

    (void)state;
    for (size_t k = 0; k < sizeof(stepped) / sizeof(*stepped); k++)
        for (int with_result = 0; with_result < 2; with_result++) {
            struct world w;
            begin(&w, stepped[k].text);
            const struct lucet_func f = handle(&w, stepped[k].name);
            assert_int_equal(lucet_instance_kill_switch(w.inst, &kill_switch), lucet_error_ok);
            call(&w.add, w.inst, 1, 1); /* gs and all */
            step.at = -1;
            do {
                one_kill(&w, &f, stepped[k].end, with_result);
            } while (step.done);
            assert_true(step.at > 100);
            lucet_kill_switch_release(kill_switch);
            end(&w);
        }
    steps_end(before, &trap_before);
}

/* What was on its way to another instance when the run was stopped is not what that one throws next. */
static void a_kill_on_the_way_of_an_exception(void **state)
{
    static const char user_wat[] =
        "(module (import \"o\" \"throw\" (func $throw (param i32 i32) (result i32))) (memory 1)"
        " (func (export \"f\") (param i32 i32) (result i32)"
        "   (call $throw (local.get 0) (local.get 1))))";
    struct sigaction trap_before, before = (guest_begin(), steps_begin(&trap_before));
    struct lucet_instance *user;
    struct lucet_func f;
    struct world w;

    (void)state;
    begin(&w, wat);
    struct lucet_dl_module *m = guest_module(user_wat, &guest_default);
    assert_int_equal(lucet_linker_instance(w.linker, "o", w.inst), lucet_error_ok);
    user = guest_instance(w.region, m, w.linker, NULL);
    assert_int_equal(lucet_dl_module_func(m, "f", NULL, &f), lucet_error_ok);
    assert_int_equal(lucet_instance_kill_switch(user, &kill_switch), lucet_error_ok);
    step.at = -1;
    do {
        union lucet_raw v[2] = {{.i32 = 1}, {.i32 = 4}};
        enum lucet_error e = step_through(&f, user, v, NULL, terminate, next_step());
        assert_true(e == lucet_error_runtime_threw || e == lucet_error_runtime_terminated);
        assert_int_equal(call(&w.add, w.inst, 40, 2), 42);
        if (step.done && e == lucet_error_runtime_threw)
            assert_int_equal(lucet_func_call(&f, user, v, NULL), lucet_error_runtime_terminated);
        assert_int_equal(lucet_instance_reset(user), lucet_error_ok);
    } while (step.done);
    lucet_kill_switch_release(kill_switch);
    lucet_instance_release(user);
    lucet_dl_module_release(m);
    end(&w);
    steps_end(before, &trap_before);
}

static void a_signal_that_is_nobodys(int (*what)(void), int expected)
{
    struct sigaction trap_before, before = (guest_begin(), steps_begin(&trap_before));

    for (size_t k = 0; k < sizeof(stepped) / sizeof(*stepped); k++) {
        struct world w;
        begin(&w, stepped[k].text);
        const struct lucet_func f = handle(&w, stepped[k].name);
        assert_int_equal(lucet_instance_kill_switch(w.inst, &kill_switch), lucet_error_ok);
        call(&w.add, w.inst, 1, 1);
        step.at = -1;
        do {
            union lucet_raw v[2] = {{.i32 = SAME}, {.i32 = 4}};
            struct lucet_result r;
            sent = 0;
            assert_int_equal(step_through(&f, w.inst, v, &r, what, next_step()), stepped[k].end);
            assert_true(stepped[k].end != lucet_error_ok || v[0].i32 == SAME + 4);
            assert_int_equal(call(&w.add, w.inst, 40, 2), 42);
            assert_true(!step.done || step.answer == expected);
            assert_int_equal(sent, step.done && what == send_fault);
        } while (step.done);
        lucet_kill_switch_release(kill_switch);
        end(&w);
    }
    steps_end(before, &trap_before);
}

static void a_stop_signal_without_a_reason(void **state)
{
    (void)state;
    a_signal_that_is_nobodys(send_stop_signal, 0);
}

static void an_end_of_a_slice_that_there_is_not(void **state)
{
    (void)state;
    a_signal_that_is_nobodys(preempt, lucet_kill_not_terminable);
}

/* It goes to the handler that was there before, whatever the instruction. */
static void a_fault_that_somebody_sends(void **state)
{
    (void)state;
    a_signal_that_is_nobodys(send_fault, 0);
}

#endif

/* ---- Checks ---- */

static void a_limit_set_during_a_run_holds_for_the_next(void **state)
{
    struct lucet_result r;
    struct world w;

    (void)state;
    begin(&w, wat);
    const struct lucet_func spin = handle(&w, "spin");
    call(&w.add, w.inst, 1, 2);
    call(&w.host, w.inst, SET_TIMEOUT, 0);
    assert_int_equal(lucet_func_call(&spin, w.inst, NULL, &r), lucet_error_runtime_terminated);
    assert_int_equal(r.val.terminated.reason, lucet_terminated_reason_timeout);
    end(&w);
}

static void another_instance_runs_within(void **state)
{
    struct world w;

    (void)state;
    begin(&w, wat);
    other = guest_instance(w.region, w.module, w.linker, NULL);
    for (int round = 0; round < 3; round++) {
        assert_int_equal(call(&w.add, other, 1, 2), 3);
        assert_int_equal(call(&w.host, w.inst, CALL_OTHER, 100), 142);
        assert_int_equal(call(&w.host, other, SAME, 100), SAME + 100);
    }
    lucet_instance_release(other);
    end(&w);
}

static void what_is_missing_is_refused(void **state)
{
    union lucet_raw v[2] = {{.i32 = 1}, {.i32 = 2}};
    struct lucet_func none;
    struct world w;

    (void)state;
    begin(&w, wat);
    memset(&none, 0, sizeof(none));
    call(&w.add, w.inst, 1, 2);
    assert_int_equal(lucet_func_call(NULL, w.inst, v, NULL), lucet_error_invalid_argument);
    assert_int_equal(lucet_func_call(&w.add, NULL, v, NULL), lucet_error_invalid_argument);
    assert_int_equal(lucet_func_call(&none, w.inst, v, NULL), lucet_error_invalid_argument);
    assert_int_equal(lucet_func_call(&w.add, w.inst, NULL, NULL), lucet_error_invalid_argument);
    end(&w);
}

/* Its thread is in a host function: another one has no business there, whatever it has in gs. */
static void *run_it_too(void *p)
{
    const struct world *w = p;
    union lucet_raw v[2] = {{.i32 = 1}, {.i32 = 2}};

    call(&w->add, w->inst, 1, 2);
    atomic_store(&waiting, 3);
    while (atomic_load(&waiting) != 1)
        usleep(100);
    const enum lucet_error e = lucet_func_call(&w->add, w->inst, v, NULL);
    atomic_store(&waiting, 2);
    return (void *)(uintptr_t)e;
}

static void one_that_runs_elsewhere_is_refused(void **state)
{
    pthread_t thread;
    struct world w;
    void *e;

    (void)state;
    begin(&w, wat);
    atomic_store(&waiting, 0);
    assert_int_equal(pthread_create(&thread, NULL, run_it_too, &w), 0);
    while (atomic_load(&waiting) != 3)
        usleep(100);
    assert_int_equal(call(&w.host, w.inst, WAIT, 10), WAIT + 10);
    pthread_join(thread, &e);
    assert_int_equal((uintptr_t)e, lucet_error_instance_not_returned);
    assert_int_equal(call(&w.add, w.inst, 1, 2), 3);
    end(&w);
}

/* Whoever stops it asks the thread that runs it now. */
static void *spin_here(void *p)
{
    const struct world *w = p;
    const struct lucet_func spin = handle(w, "spin");

    call(&w->add, w->inst, 1, 2);
    atomic_store(&waiting, 1);
    while (atomic_load(&waiting) != 2)
        usleep(100);
    return (void *)(uintptr_t)lucet_func_call(&spin, w->inst, NULL, NULL);
}

static void it_is_stopped_on_the_thread_it_moved_to(void **state)
{
    pthread_t thread;
    struct world w;
    void *e;

    (void)state;
    begin(&w, wat);
    atomic_store(&waiting, 0);
    assert_int_equal(lucet_instance_kill_switch(w.inst, &kill_switch), lucet_error_ok);
    assert_int_equal(pthread_create(&thread, NULL, spin_here, &w), 0);
    while (atomic_load(&waiting) != 1)
        usleep(100);
    call(&w.host, w.inst, SAME, 2);
    atomic_store(&waiting, 2);
    usleep(20000);
    assert_int_not_equal(lucet_kill_switch_terminate(kill_switch), lucet_kill_not_terminable);
    pthread_join(thread, &e);
    assert_int_equal((uintptr_t)e, lucet_error_runtime_terminated);
    lucet_kill_switch_release(kill_switch);
    end(&w);
}

/* What is in gs does not tell that a thread is prepared for guests. */
static void *run_with_gs(void *p)
{
    const struct world *w = p;
    stack_t signal_stack;

    syscall(SYS_arch_prctl, ARCH_SET_GS, lucet_instance_heap(w->inst));
    call(&w->add, w->inst, 1, 2);
    sigaltstack(NULL, &signal_stack);
    return signal_stack.ss_flags & SS_DISABLE ? NULL : p;
}

static void a_thread_is_prepared_whatever_its_gs(void **state)
{
    pthread_t thread;
    struct world w;
    void *prepared;

    (void)state;
    begin(&w, wat);
    call(&w.add, w.inst, 1, 2);
    assert_int_equal(pthread_create(&thread, NULL, run_with_gs, &w), 0);
    pthread_join(thread, &prepared);
    assert_ptr_equal(prepared, &w);
    end(&w);
}

static void yields_and_goes_on(const struct lucet_func *f, struct lucet_instance *i)
{
    union lucet_raw v[2] = {{.i32 = YIELD}, {.i32 = 1}};
    struct lucet_result r;
    struct lucet_val result;
    int32_t answer = 60;

    assert_int_equal(lucet_func_call(f, i, v, &r), lucet_error_ok);
    assert_int_equal(r.tag, lucet_result_tag_yielded);
    assert_int_equal(lucet_instance_resume_call(i, &answer, 1, &result, &r), lucet_error_ok);
    assert_int_equal(result.inner_val.as_i32, 61);
}

/* A run that ended in another instance leaves that one's context with the thread, and its own stack's limit. */
static void ended_in_another(bool below)
{
    static const char user_wat[] = "(module (import \"h\" \"f\" (func $f (param i32) (result i32)))"
                                   " (import \"o\" \"trap\" (func $t (param i32 i32) (result i32)))"
                                   " (memory 1) (func (export \"add\") (param i32 i32) (result i32)"
                                   "   (call $t (local.get 0) (local.get 1)))"
                                   " (func (export \"host\") (param i32 i32) (result i32)"
                                   "   (i32.add (call $f (local.get 0)) (local.get 1))))";
    union lucet_raw v[2] = {{.i32 = 1}, {.i32 = 2}};
    struct world w;

    begin(&w, wat);
    struct lucet_instance *first = w.inst;
    other = guest_instance(w.region, w.module, w.linker, NULL);
    assert_int_equal(lucet_linker_instance(w.linker, "o", other), lucet_error_ok);
    if (below)
        lucet_instance_release(first);
    struct lucet_dl_module *m = guest_module(user_wat, &guest_default);
    struct lucet_instance *user = guest_instance(w.region, m, w.linker, NULL);
    struct lucet_func run, host;
    assert_int_equal(lucet_dl_module_func(m, "add", NULL, &run), lucet_error_ok);
    assert_int_equal(lucet_dl_module_func(m, "host", NULL, &host), lucet_error_ok);
    w.inst = user;
    for (int round = 0; round < 3; round++) {
        yields_and_goes_on(&host, user);
        yields_and_goes_on(&w.host, other);
        assert_int_equal(lucet_func_call(&run, user, v, NULL), lucet_error_runtime_fault);
        assert_int_equal(lucet_instance_reset(user), lucet_error_ok);
        yields_and_goes_on(&w.host, other);
        assert_int_equal(lucet_func_call(&run, user, v, NULL), lucet_error_runtime_fault);
        assert_int_equal(lucet_instance_reset(user), lucet_error_ok);
        yields_and_goes_on(&host, user);
    }
    lucet_instance_release(user);
    lucet_dl_module_release(m);
    lucet_instance_release(other);
    w.inst = below ? NULL : first;
    end(&w);
}

static void the_thread_forgets_where_another_run_ended(void **state)
{
    (void)state;
    ended_in_another(false);
    ended_in_another(true);
}

/* A run that ended while somebody further out would have caught leaves no catcher to the next. */
static void nobody_catches_for_a_run_that_is_over(void **state)
{
    static const char outer_wat[] =
        "(module (import \"h\" \"f\" (func $f (param i32) (result i32))) (memory 1)"
        " (type $t (func (param i32) (result i32))) (table (export \"t\") 1 funcref)"
        " (func (export \"add\") (param i32) (result i32)"
        "   (call_indirect (type $t) (local.get 0) (i32.const 0)))"
        " (func (export \"host\") (param i32) (result i32) (call $f (local.get 0))))";
    static const char inner_wat[] =
        "(module (import \"o\" \"host\" (func $host (param i32) (result i32)))"
        " (import \"o\" \"t\" (table 1 funcref)) (elem (i32.const 0) $g)"
        " (func $g (param i32) (result i32) (block $h"
        "   (try_table (result i32) (catch_all $h) (call $host (local.get 0))) return)"
        "   (i32.const 77)))";
    struct world w;

    (void)state;
    begin(&w, outer_wat);
    assert_int_equal(lucet_linker_instance(w.linker, "o", w.inst), lucet_error_ok);
    struct lucet_dl_module *m = guest_module(inner_wat, &guest_default);
    struct lucet_instance *inner = guest_instance(w.region, m, w.linker, NULL);
    for (int round = 0; round < 3; round++) {
        union lucet_raw v = {.i32 = THROW};
        assert_int_equal(lucet_func_call(&w.add, w.inst, &v, NULL), lucet_error_ok);
        assert_int_equal(v.i32, 77);
        v.i32 = TERMINATE;
        assert_int_equal(lucet_func_call(&w.add, w.inst, &v, NULL), lucet_error_runtime_terminated);
        assert_int_equal(lucet_instance_reset(w.inst), lucet_error_ok);
        v.i32 = THROW;
        assert_int_equal(lucet_func_call(&w.host, w.inst, &v, NULL), lucet_error_runtime_threw);
        v.i32 = SAME;
        assert_int_equal(lucet_func_call(&w.host, w.inst, &v, NULL), lucet_error_ok);
        lucet_instance_release(inner);
        inner = guest_instance(w.region, m, w.linker, NULL); /* the reset has emptied the table */
    }
    lucet_instance_release(inner);
    lucet_dl_module_release(m);
    end(&w);
}

/* ---- Registers ---- */

/* Entered like an entry: puts zmm16 and zmm31, k1 and k7, xmm3, and all that is in integer registers that carry
 * nothing, where the values are. */
extern const char quick_look[];
extern uint8_t quick_look_avx512;
__asm__(".pushsection .text\n"
        "quick_look: or %rbx,%rax\n or %rcx,%rax\n or %rdx,%rax\n or %rsi,%rax\n or %rbp,%rax\n"
        "or %r8,%rax\n or %r9,%rax\n or %r12,%rax\n or %r14,%rax\n or %r15,%rax\n"
        "mov (%rdi),%rdi\n mov %rax,(%rdi)\n movups %xmm3,16(%rdi)\n"
        "cmpb $0,quick_look_avx512(%rip)\n je 1f\n"
        "vmovups %zmm3,128(%rdi)\n vmovups %zmm16,192(%rdi)\n vmovups %zmm31,256(%rdi)\n"
        "kmovw %k1,%eax\n mov %eax,32(%rdi)\n kmovw %k7,%eax\n mov %eax,40(%rdi)\n"
        "1: ret\n"
        ".popsection\n"
        ".pushsection .data\n quick_look_avx512: .byte 0\n .popsection\n");

/* 0, or what was found in the registers. */
static int registers_that_are_not_clear(const struct lucet_func *f, struct lucet_instance *i)
{
    static union lucet_raw seen[32];
    int found = 0;

    memset(seen, 0, sizeof(seen));
    if (quick_look_avx512)
        __asm__ volatile("mov $0x77,%%eax\n kmovw %%eax,%%k1\n kmovw %%eax,%%k7\n"
                         "vpternlogd $255,%%zmm3,%%zmm3,%%zmm3\n vmovaps %%zmm3,%%zmm16\n"
                         "vmovaps %%zmm3,%%zmm31\n" ::
                             : "eax", "xmm3");
    else
        __asm__ volatile("pcmpeqd %%xmm3,%%xmm3" ::: "xmm3");
    assert_int_equal(lucet_func_call(f, i, seen, NULL), lucet_error_ok);
    for (size_t k = 0; k < sizeof(seen); k++)
        found |= ((const uint8_t *)seen)[k];
    return found;
}

/* Code that does not name them may leave AVX-512 registers as they are, but not when it may call other code. */
static void registers_are_cleared(void **state)
{
    static const struct guest_mode old = {.opt_level = lucetc_opt_speed, .cpu = "x86-64-v2"};
    struct world w;

    (void)state;
    begin(&w, wat);
    quick_look_avx512 = lucet__vector_level == 2;
    struct lucet_dl_module *m = guest_module("(module (func (export \"f\")))", &old);
    struct lucet_instance *i = guest_instance(w.region, m, NULL, NULL);
    struct lucet_func theirs = w.add, f;
    theirs.entry = quick_look;
    assert_int_equal(lucet_dl_module_func(m, "f", NULL, &f), lucet_error_ok);
    f.entry = quick_look;
    for (int round = 0; round < 2; round++)
        assert_int_equal(registers_that_are_not_clear(&theirs, w.inst), 0);
    assert_int_equal(lucet_linker_instance(w.linker, "o", i), lucet_error_ok);
    for (int round = 0; round < 2; round++)
        assert_int_equal(registers_that_are_not_clear(&f, i), 0);
    lucet_instance_release(i);
    lucet_dl_module_release(m);
    end(&w);
}

/* ---- What was put aside ---- */

/* More arguments than the instance has room for, which a call by handle leaves where they are. Whoever collects
 * exceptions finds none there, and does not look behind. */
static void arguments_of_a_run_put_aside(void **state)
{
    struct text t = {0};
    struct lucet_tag *tag;
    struct lucet_exception *e;
    struct world w;
    int32_t answer = 9;

    (void)state;
    text_add(&t,
             "(module (import \"h\" \"f\" (func $f (param i32) (result i32))) (tag $t (param i64))"
             " (global (export \"g\") (mut exnref) (ref.null exn))"
             " (func (export \"add\") (param i32 i32) (result i32) (local.get 0))"
             " (func (export \"host\") (param i32");
    for (int k = 1; k < 900; k++)
        text_add(&t, " i32");
    text_add(&t, ") (result i32) (call $f (local.get 0))))");
    begin(&w, t.s);
    text_free(&t);
    union lucet_raw *v = calloc(900, sizeof(*v));
    struct lucet_result r;
    v->i32 = YIELD;
    call(&w.add, w.inst, 1, 2);
    assert_int_equal(lucet_func_call(&w.host, w.inst, v, &r), lucet_error_ok);
    assert_int_equal(r.tag, lucet_result_tag_yielded);
    free(v);
    assert_int_equal(lucet_tag_new("I:", &tag), lucet_error_ok);
    for (int k = 0; k < 40000; k++) { /* more than may be there at once */
        assert_int_equal(lucet_exception_new(tag, ARGS(I64(k)), &e), lucet_error_ok);
        const struct lucet_val value = {.ty = lucet_val_type_exnref, .inner_val.as_ref = e};
        assert_int_equal(lucet_instance_set_global(w.inst, "g", 1, value), lucet_error_ok);
        lucet_exception_release(e);
    }
    lucet_tag_release(tag);
    assert_int_equal(lucet_instance_resume(w.inst, &answer, &r), lucet_error_ok);
    end(&w);
}

/* Behind every block is nothing. */
static size_t whole(size_t size)
{
    return PAGE + (size + PAGE - 1) / PAGE * PAGE + PAGE;
}

static void *guarded_malloc(void *context, size_t size)
{
    const size_t aligned = (size + 15) & ~(size_t)15;
    uint8_t *p =
        mmap(NULL, whole(aligned), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    (void)context;
    if (p == MAP_FAILED || mprotect(p + whole(aligned) - PAGE, PAGE, PROT_NONE) != 0)
        return NULL;
    *(size_t *)(void *)p = aligned;
    return p + whole(aligned) - PAGE - aligned;
}

static uint8_t *head(void *p)
{
    return (uint8_t *)(((uintptr_t)p & ~(uintptr_t)(PAGE - 1)) - PAGE);
}

static void guarded_free(void *context, void *p)
{
    (void)context;
    munmap(head(p), whole(*(size_t *)(void *)head(p)));
}

static void *guarded_realloc(void *context, void *p, size_t size)
{
    const size_t before = *(size_t *)(void *)head(p);
    void *q = guarded_malloc(context, size);

    if (q) {
        memcpy(q, p, before < size ? before : size);
        guarded_free(context, p);
    }
    return q;
}

int main(void)
{
    const struct lucet_allocator guarded = {guarded_malloc, guarded_realloc, guarded_free, NULL};
    const struct CMUnitTest tests[] = {
#ifndef LUCET_TSAN /* which calls handlers later */
        cmocka_unit_test(a_kill_between_any_two_instructions),
        cmocka_unit_test(a_kill_on_the_way_of_an_exception),
        cmocka_unit_test(a_stop_signal_without_a_reason),
        cmocka_unit_test(an_end_of_a_slice_that_there_is_not),
        cmocka_unit_test(a_fault_that_somebody_sends),
#endif
        cmocka_unit_test(a_limit_set_during_a_run_holds_for_the_next),
        cmocka_unit_test(another_instance_runs_within),
        cmocka_unit_test(what_is_missing_is_refused),
        cmocka_unit_test(one_that_runs_elsewhere_is_refused),
        cmocka_unit_test(it_is_stopped_on_the_thread_it_moved_to),
        cmocka_unit_test(a_thread_is_prepared_whatever_its_gs),
        cmocka_unit_test(the_thread_forgets_where_another_run_ended),
        cmocka_unit_test(nobody_catches_for_a_run_that_is_over),
        cmocka_unit_test(registers_are_cleared),
        cmocka_unit_test(arguments_of_a_run_put_aside),
    };

    if (lucet_set_allocator(&guarded) != lucet_error_ok)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
