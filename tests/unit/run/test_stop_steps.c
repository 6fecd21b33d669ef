/* A kill, a time limit or the end of a slice comes at every single instruction of a run, on
 * whichever way it was begun or goes on: after the first two no instruction of the guest is
 * executed any more, and after the third the guest computes the same. The processor's trap flag
 * makes the steps. (test_quick_steps.c has what comes before a call by handle has begun.) */
#include "quick.h"
#include "steps.h"

#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "module/format.h"
#include "runtime/activation.h"
#include "runtime/instance.h"
#include "runtime/ranges.h"
#include "runtime/stop.h"

#ifdef LUCET_TSAN
int main(void)
{
    return steps_skipped();
}
#else

#ifdef LUCET_SANITIZE /* makes every way long */
#define STRIDE 997
#else
#define STRIDE 1
#endif

enum { NUMBER = 3, FLAG = 16 /* where "wait" looks */ };

/* With something in it that looks for exceptions, or without. */
#define WAT(tag)                                                                                   \
    "(module (import \"h\" \"f\" (func $f (param i32) (result i32))) (memory 1) " tag              \
    " (global $g (mut i32) (i32.const 0))"                                                         \
    " (func (export \"add\") (param i32 i32) (result i32)"                                         \
    "   (i32.add (local.get 0) (local.get 1)))"                                                    \
    " (func (export \"store\") (param i32 i32) (result i32)"                                       \
    "   (i32.store (i32.const 4) (local.get 1)) (i32.load offset=4 (i32.const 0)))"                \
    " (func (export \"wait\") (param i32 i32) (result i32)"                                        \
    "   (loop $l (br_if $l (i32.eqz (i32.atomic.load (i32.const 16)))))"                           \
    "   (call $sum (local.get 0) (local.get 1)))"                                                  \
    " (func $sum (export \"sum\") (param $n i32) (param $x i32) (result i32)"                      \
    "   (if (i32.eqz (local.get $n)) (then (drop (call $f (i32.const 3)))))"                       \
    "   (loop $l"                                                                                  \
    "     (i32.store (i32.const 8) (i32.add (i32.load (i32.const 8)) (local.get $n)))"             \
    "     (global.set $g (i32.add (i32.mul (global.get $g) (i32.const 3)) (local.get $x)))"        \
    "     (local.set $x (i32.xor (local.get $x) (i32.load (i32.const 8))))"                        \
    "     (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))"                       \
    "   (i32.add (local.get $x) (global.get $g)))"                                                 \
    " (func (export \"host\") (param i32 i32) (result i32)"                                        \
    "   (i32.add (call $f (local.get 0)) (local.get 1))))"

enum event { NOTHING, KILL, DEADLINE, SLICE };

static struct quick w;
static struct lucet_kill_switch *kill_switch;
static struct lucet_result result;

static struct {
    enum event event;
    long at, steps; /* of the run: before which it comes */
    bool host;      /* the way has much of the host's code in it */
    unsigned outside;
    bool done;
    int answer;
    unsigned afterwards; /* instructions of the guest from then on */
} step;

/* Of host code not all do, for want of time; of what is done for guests, between their
 * instructions, more. */
static bool counts(bool in_guest)
{
    const bool begun = lucet__thread.current || (step.event == KILL && w.inst->stop->running);
    const bool for_guest = !lucet__thread.abi.guest_frame;
    const unsigned sparse =
        step.host ? (for_guest && step.event == KILL ? 5 : 41) : (for_guest ? 1 : 5);

    return begun && (in_guest || step.outside++ % sparse == 0);
}

static void send_stop_signal(void)
{
    syscall(SYS_tgkill, getpid(), (pid_t)syscall(SYS_gettid), SIGURG);
}

static void come(void)
{
    step.done = true;
    switch (step.event) {
    case KILL: step.answer = (int)lucet_kill_switch_terminate(kill_switch); break;
    case SLICE: step.answer = (int)lucet_kill_switch_preempt(kill_switch); break;
    case DEADLINE:
        lucet__thread.current->deadline = 1;
        send_stop_signal();
        break;
    default: break;
    }
}

static void on_step(int sig, siginfo_t *info, void *context)
{
    ucontext_t *u = context;
    const bool in_guest = lucet__code_range_find((uintptr_t)u->uc_mcontext.gregs[REG_RIP]);

    (void)sig, (void)info;
    step.afterwards += step.done && in_guest;
    if (step.done && !lucet__thread.current)
        u->uc_mcontext.gregs[REG_EFL] &= ~(greg_t)TRAP_FLAG; /* the run is over */
    if (!step.done && counts(in_guest) && step.steps++ == step.at)
        come();
}

static inline __attribute__((always_inline)) void set_trap_flag(bool on)
{
    if (on)
        __asm__ volatile("pushfq\n orl %0, (%%rsp)\n popfq" ::"i"(TRAP_FLAG) : "memory", "cc");
    else
        __asm__ volatile("pushfq\n andl %0, (%%rsp)\n popfq" ::"i"(~TRAP_FLAG) : "memory", "cc");
}

static void prepare(enum event event, long at, bool host)
{
    memset(&step, 0, sizeof(step));
    step.event = event;
    step.at = at;
    step.host = host;
}

/* ---- How a run is begun, or goes on ---- */

static enum lucet_error call(const char *name, int32_t a)
{
    const struct lucet_func f = quick_handle(&w, name);
    union lucet_raw v[2] = {{.i32 = a}, {.i32 = 4}};

    set_trap_flag(step.event != NOTHING);
    enum lucet_error e = lucet_func_call(&f, w.inst, v, &result);
    set_trap_flag(false);
    if (e == lucet_error_ok && result.tag == lucet_result_tag_returned)
        memcpy(result.val.returned.gp, v, sizeof(v[0]));
    return e;
}

static enum lucet_error by_handle(void)
{
    return call("sum", NUMBER);
}

/* Which cannot do much, and are begun in fewer steps. */
static enum lucet_error of_a_closed_function(void)
{
    assert_int_equal(quick_handle(&w, "store").effects, LUCET_FUNC_CLOSED);
    return call("store", NUMBER);
}

static enum lucet_error of_a_quiet_function(void)
{
    return call("add", NUMBER);
}

/* As everything is but plain calls by handle. */
static enum lucet_error generally(void)
{
    assert_int_equal(lucet_instance_set_slice(w.inst, LUCET_SLICE_MANUAL), lucet_error_ok);
    return by_handle();
}

static enum lucet_error go_on(void)
{
    static int32_t answer = 60;

    set_trap_flag(step.event != NOTHING);
    enum lucet_error e = lucet_instance_resume(w.inst, &answer, &result);
    set_trap_flag(false);
    return e;
}

static enum lucet_error after_a_slice(void)
{
    const enum event event = step.event;

    assert_int_equal(lucet_instance_set_slice(w.inst, 20000), lucet_error_ok);
    step.event = NOTHING;
    assert_int_equal(call("wait", NUMBER), lucet_error_ok);
    assert_int_equal(result.tag, lucet_result_tag_yielded);
    assert_int_equal(lucet_instance_set_slice(w.inst, LUCET_SLICE_MANUAL), lucet_error_ok);
    lucet_instance_heap(w.inst)[FLAG] = 1;
    if (event != NOTHING) /* the guest goes on with its own flags */
        w.inst->registers->general[REG_EFL] |= TRAP_FLAG;
    step.event = event;
    return go_on();
}

static enum lucet_error after_a_yield(void)
{
    const enum event event = step.event;

    step.event = NOTHING;
    assert_int_equal(call("host", YIELD), lucet_error_ok);
    assert_int_equal(result.tag, lucet_result_tag_yielded);
    step.event = event;
    return go_on();
}

static enum lucet_error with_a_throw(void)
{
    return call("host", THROW);
}

static const struct way {
    const char *name;
    enum lucet_error (*go)(void);
    bool host;  /* functions are called, or gone on in */
    bool plain; /* which runs in slices are not */
    const char *wat;
} ways[] = {
    {"by handle", by_handle, false, true, WAT("")},
    {"of a closed function", of_a_closed_function, false, true, WAT("")},
    {"of a quiet function", of_a_quiet_function, false, true, WAT("")},
    {"generally", generally, false, false, WAT("")},
    {"after a slice", after_a_slice, false, false, WAT("")},
    {"after a yield", after_a_yield, true, false, WAT("")},
    {"with a throw", with_a_throw, true, false, WAT("")},
    {"with a throw over", with_a_throw, true, false, WAT("(tag $t (param i32))")},
};
#define WAYS (sizeof(ways) / sizeof(*ways))

/* ---- What comes of it ---- */

static struct {
    enum lucet_error error;
    uint64_t value;
} expected;

static bool is_as_expected(enum lucet_error e)
{
    return e == expected.error &&
           (e != lucet_error_ok || lucet_retval_gp(&result.val.returned) == expected.value);
}

static void start_afresh(void)
{
    w.inst->act.deadline = 0; /* kept from call to call by handle */
    assert_int_equal(lucet_instance_set_slice(w.inst, 0), lucet_error_ok);
    assert_int_equal(lucet_instance_reset(w.inst), lucet_error_ok);
}

static bool is_terminated(enum lucet_error e, enum lucet_terminated_reason reason)
{
    return e == lucet_error_runtime_terminated && result.tag == lucet_result_tag_terminated &&
           result.val.terminated.reason == reason;
}

static void check_stopped(const struct way *way, enum lucet_error e)
{
    const bool remote = step.event == KILL;

    if (remote && step.answer == lucet_kill_cancelled && is_as_expected(e))
        assert_true(is_terminated(call("add", 1), lucet_terminated_reason_remote));
    else if (!is_terminated(e, remote ? lucet_terminated_reason_remote
                                      : lucet_terminated_reason_timeout))
        fail_msg("%s, step %ld: %s", way->name, step.at, lucet_error_name(e));
    else if (step.afterwards > 0 && !(way->host && step.afterwards < 100))
        fail_msg("%s, step %ld: the guest went on for %u instructions", way->name, step.at,
                 step.afterwards);
}

static unsigned check_slice(const struct way *way, enum lucet_error e)
{
    unsigned yields = 0;

    step.event = NOTHING;
    for (; e == lucet_error_ok && result.tag == lucet_result_tag_yielded; yields++)
        e = go_on();
    if (!is_as_expected(e))
        fail_msg("%s, step %ld: %s, or another value, in %u parts", way->name, step.at,
                 lucet_error_name(e), yields + 1);
    assert_true(yields <= 1);
    return yields;
}

/* One step after the other. How many there were before the guest's last instruction. */
static void one_way(const struct way *way, enum event event)
{
    unsigned yields = 0;
    long at = 0;

    prepare(NOTHING, 0, way->host);
    expected.error = way->go();
    expected.value = lucet_retval_gp(&result.val.returned);
    do {
        start_afresh();
        if (event == SLICE)
            assert_int_equal(lucet_instance_set_slice(w.inst, LUCET_SLICE_MANUAL), lucet_error_ok);
        prepare(event, at, way->host);
        const enum lucet_error e = way->go();
        const bool done = step.done;
        if (!done)
            assert_true(is_as_expected(e));
        else if (event == SLICE)
            yields += check_slice(way, e);
        else
            check_stopped(way, e);
        start_afresh();
        assert_int_equal(quick_call(&w.add, w.inst, 40, 2), 42);
        step.done = done;
        at += STRIDE;
    } while (step.done);
    printf("%-22s %ld steps", way->name, at);
    printf(event == SLICE ? ", %u parts\n" : "\n", yields);
    assert_true(at > 15);
    assert_true(event != SLICE || STRIDE > 1 || yields > 5);
}

static void at_every_step(enum event event)
{
    struct sigaction trap = {.sa_sigaction = on_step, .sa_flags = SA_SIGINFO | SA_ONSTACK}, before;

    guest_begin();
    sigaddset(&trap.sa_mask, SIGURG);
    assert_int_equal(sigaction(SIGTRAP, &trap, &before), 0);
    for (size_t k = 0; k < WAYS; k++) {
        if (event == SLICE && ways[k].plain)
            continue;
        quick_begin(&w, ways[k].wat);
        assert_int_equal(lucet_instance_kill_switch(w.inst, &kill_switch), lucet_error_ok);
        quick_call(&w.add, w.inst, 1, 1); /* gs and all */
        one_way(&ways[k], event);
        lucet_kill_switch_release(kill_switch);
        quick_end(&w);
    }
    assert_int_equal(sigaction(SIGTRAP, &before, NULL), 0);
}

static void a_kill_at_every_step(void **state)
{
    (void)state;
    at_every_step(KILL);
}

static void a_time_limit_at_every_step(void **state)
{
    (void)state;
    at_every_step(DEADLINE);
}

static void the_end_of_a_slice_at_every_step(void **state)
{
    (void)state;
    at_every_step(SLICE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_kill_at_every_step),
        cmocka_unit_test(a_time_limit_at_every_step),
        cmocka_unit_test(the_end_of_a_slice_at_every_step),
    };

    quick_guard_allocations();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
