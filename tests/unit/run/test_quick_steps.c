/* Kills, signals and faults at every single instruction of a call by handle. */
#include "quick.h"
#include "steps.h"

#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#ifdef LUCET_TSAN
int main(void)
{
    return steps_skipped();
}
#else

static struct lucet_kill_switch *kill_switch;

/* The same without exceptions. */
static const char plain_wat[] = "(module (import \"h\" \"f\" (func $f (param i32) (result i32)))"
                                " (memory 1)"
                                " (func (export \"add\") (param i32 i32) (result i32)"
                                "   (i32.add (local.get 0) (local.get 1)))"
                                " (func (export \"host\") (param i32 i32) (result i32)"
                                "   (i32.add (call $f (local.get 0)) (local.get 1))))";

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
    {quick_wat, "add", lucet_error_ok},
    {quick_wat, "host", lucet_error_ok},
    {quick_wat, "throw", lucet_error_runtime_threw},
};

/* An end that is not plain is long, and C. */
static long next_step(void)
{
#ifdef LUCET_SANITIZE /* makes every call long */
    return step.at + 2999;
#else
    return step.at + (step.at < 400 ? 1 : 41);
#endif
}

static bool is_untouched(const struct lucet_result *r)
{
    const uint8_t *bytes = (const uint8_t *)r;

    for (size_t k = 0; k < sizeof(*r); k++)
        if (bytes[k] != 0xa5)
            return false;
    return true;
}

enum way { PLAIN, WITH_RESULT, UNBOUND, WAYS }; /* UNBOUND: another instance was called before */

/* Either the run is over, or the next one is; and then all is as ever. */
static void one_kill(const struct quick *w, const struct lucet_func *f, enum lucet_error expected,
                     enum way way)
{
    const bool with_result = way == WITH_RESULT;
    union lucet_raw v[2] = {{.i32 = SAME}, {.i32 = 4}};
    struct lucet_result r;

    memset(&r, 0xa5, sizeof(r));
    if (way == UNBOUND)
        quick_call(&w->add, quick_other, 1, 1);
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
    assert_int_equal(quick_call(&w->add, w->inst, 40, 2), 42);
    assert_int_equal(quick_call(&w->host, w->inst, SAME, 2), SAME + 2);
    assert_true(is_untouched(&r));
}

static void a_kill_between_any_two_instructions(void **state)
{
    struct sigaction trap_before, before = (guest_begin(), steps_begin(&trap_before));

    (void)state;
    for (size_t k = 0; k < sizeof(stepped) / sizeof(*stepped); k++)
        for (enum way way = 0; way < WAYS; way++) {
            struct quick w;
            quick_begin(&w, stepped[k].text);
            quick_other = guest_instance(w.region, w.module, w.linker, NULL);
            const struct lucet_func f = quick_handle(&w, stepped[k].name);
            assert_int_equal(lucet_instance_kill_switch(w.inst, &kill_switch), lucet_error_ok);
            quick_call(&w.add, w.inst, 1, 1); /* gs and all */
            step.at = -1;
            do {
                one_kill(&w, &f, stepped[k].end, way);
            } while (step.done);
            assert_true(step.at > 80);
            lucet_kill_switch_release(kill_switch);
            lucet_instance_release(quick_other);
            quick_end(&w);
        }
    steps_end(before, &trap_before);
}

/* Either the run is over, or it has yielded and its rest is. */
static void a_kill_of_a_run_that_yields(void **state)
{
    struct sigaction trap_before, before = (guest_begin(), steps_begin(&trap_before));
    int32_t answer = 60;
    struct quick w;

    (void)state;
    quick_begin(&w, plain_wat);
    assert_int_equal(lucet_instance_kill_switch(w.inst, &kill_switch), lucet_error_ok);
    step.at = -1;
    do {
        union lucet_raw v[2] = {{.i32 = YIELD}, {.i32 = 1}};
        struct lucet_result r;
        assert_int_equal(quick_call(&w.add, w.inst, 40, 2), 42);
        enum lucet_error e = step_through(&w.host, w.inst, v, &r, terminate, next_step());
        if (e == lucet_error_ok) {
            assert_int_equal(r.tag, lucet_result_tag_yielded);
            assert_true(!step.done || step.answer == lucet_kill_cancelled);
            e = lucet_instance_resume(w.inst, &answer, &r);
        }
        assert_int_equal(e, step.done ? lucet_error_runtime_terminated : lucet_error_ok);
        assert_int_equal(lucet_instance_reset(w.inst), lucet_error_ok);
    } while (step.done);
    lucet_kill_switch_release(kill_switch);
    quick_end(&w);
    steps_end(before, &trap_before);
}

/* What was on its way to another instance when the run was stopped is not what that one throws
 * next. */
static void a_kill_on_the_way_of_an_exception(void **state)
{
    static const char user_wat[] =
        "(module (import \"o\" \"throw\" (func $throw (param i32 i32) (result i32))) (memory 1)"
        " (func (export \"f\") (param i32 i32) (result i32)"
        "   (call $throw (local.get 0) (local.get 1))))";
    struct sigaction trap_before, before = (guest_begin(), steps_begin(&trap_before));
    struct lucet_instance *user;
    struct lucet_func f;
    struct quick w;

    (void)state;
    quick_begin(&w, quick_wat);
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
        assert_int_equal(quick_call(&w.add, w.inst, 40, 2), 42);
        if (step.done && e == lucet_error_runtime_threw)
            assert_int_equal(lucet_func_call(&f, user, v, NULL), lucet_error_runtime_terminated);
        assert_int_equal(lucet_instance_reset(user), lucet_error_ok);
    } while (step.done);
    lucet_kill_switch_release(kill_switch);
    lucet_instance_release(user);
    lucet_dl_module_release(m);
    quick_end(&w);
    steps_end(before, &trap_before);
}

static void a_signal_that_is_nobodys(int (*what)(void), int expected)
{
    struct sigaction trap_before, before = (guest_begin(), steps_begin(&trap_before));

    for (size_t k = 0; k < sizeof(stepped) / sizeof(*stepped); k++) {
        struct quick w;
        quick_begin(&w, stepped[k].text);
        const struct lucet_func f = quick_handle(&w, stepped[k].name);
        assert_int_equal(lucet_instance_kill_switch(w.inst, &kill_switch), lucet_error_ok);
        quick_call(&w.add, w.inst, 1, 1);
        step.at = -1;
        do {
            union lucet_raw v[2] = {{.i32 = SAME}, {.i32 = 4}};
            struct lucet_result r;
            sent = 0;
            assert_int_equal(step_through(&f, w.inst, v, &r, what, next_step()), stepped[k].end);
            assert_true(stepped[k].end != lucet_error_ok || v[0].i32 == SAME + 4);
            assert_int_equal(quick_call(&w.add, w.inst, 40, 2), 42);
            assert_true(!step.done || step.answer == expected);
            assert_int_equal(sent, step.done && what == send_fault);
        } while (step.done);
        lucet_kill_switch_release(kill_switch);
        quick_end(&w);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_kill_between_any_two_instructions),
        cmocka_unit_test(a_kill_of_a_run_that_yields),
        cmocka_unit_test(a_kill_on_the_way_of_an_exception),
        cmocka_unit_test(a_stop_signal_without_a_reason),
        cmocka_unit_test(an_end_of_a_slice_that_there_is_not),
        cmocka_unit_test(a_fault_that_somebody_sends),
    };

    quick_guard_allocations();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
