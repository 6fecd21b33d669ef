/* Kills at every single instruction of what ends a slice, of the handler until it is left and
 * beyond, and of what begins the next. */
#include "guest.h"
#include "set.h"
#include "steps.h"

#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "runtime/activation.h"
#include "runtime/instance.h"
#include "runtime/module.h"
#include "runtime/region.h"
#include "runtime/slot.h"
#include "runtime/suspend.h"

#ifdef LUCET_TSAN
int main(void)
{
    return steps_skipped();
}
#else

static const char wat[] =
    "(module (func $spin (export \"spin\") (param $n i32) (result i32) (local $x i32)"
    "   (loop $l (local.set $x (i32.add (i32.mul (local.get $x) (i32.const 5)) (local.get $n)))"
    "     (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))"
    "   (local.get $x))"
    " (func $deep (export \"deep\") (param $depth i32) (param $n i32) (result i32)"
    "   (if (result i32) (local.get $depth)"
    "     (then (i32.add (i32.const 1) (call $deep (i32.sub (local.get $depth) (i32.const 1))"
    "                                              (local.get $n))))"
    "     (else (call $spin (local.get $n))))))";

static struct set s;
static struct lucet_kill_switch *kill_switch;

/* What comes before the step with this number. */
static struct {
    enum { NOTHING, TERMINATE, SEND_STOP_SIGNAL } what;
    long at, steps;
    unsigned in_guest; /* so many of them */
    bool done, in_handler;
} step;

static void on_step(int sig, siginfo_t *info, void *context)
{
    ucontext_t *u = context;
    const uintptr_t pc = (uintptr_t)u->uc_mcontext.gregs[REG_RIP];

    (void)sig, (void)info;
    step.in_guest += pc - (uintptr_t)s.module->base < 1u << 20 && !lucet__thread.abi.guest_frame;
    if (step.steps++ != step.at && step.in_guest < 30)
        return;
    if (step.steps == step.at + 1) {
        step.done = true;
        if (step.what == TERMINATE)
            lucet_kill_switch_terminate(kill_switch);
        else
            syscall(SYS_tgkill, getpid(), (pid_t)syscall(SYS_gettid), SIGURG);
    }
    u->uc_mcontext.gregs[REG_EFL] &= ~(greg_t)TRAP_FLAG;
}

static inline __attribute__((always_inline)) void set_trap_flag(bool on)
{
    if (on)
        __asm__ volatile("pushfq\n orl %0, (%%rsp)\n popfq" ::"i"(TRAP_FLAG) : "memory", "cc");
    else
        __asm__ volatile("pushfq\n andl %0, (%%rsp)\n popfq" ::"i"(~TRAP_FLAG) : "memory", "cc");
}

/* The runtime's handler looks at the clock: from there it is stepped through. */
int clock_gettime(clockid_t id, struct timespec *now)
{
    stack_t stack;

    if (step.in_handler && sigaltstack(NULL, &stack) == 0 && stack.ss_flags & SS_ONSTACK) {
        step.in_handler = false;
        const int result = (int)syscall(SYS_clock_gettime, id, now);
        set_trap_flag(true);
        return result;
    }
    return (int)syscall(SYS_clock_gettime, id, now);
}

static long next_step(void)
{
#ifdef LUCET_SANITIZE /* makes every call long */
    return step.at + 37;
#else
    return step.at + (step.what == TERMINATE ? 1 : 5);
#endif
}

static void begin(void)
{
    static const struct set_host none[] = {{0}};
    struct sigaction ours = {.sa_sigaction = on_step, .sa_flags = SA_SIGINFO | SA_ONSTACK};

    guest_begin();
    s = set_begin(wat, &guest_default, none);
    sigaddset(&ours.sa_mask, SIGURG); /* until the handler returns */
    assert_int_equal(sigaction(SIGTRAP, &ours, NULL), 0);
    assert_int_equal(lucet_instance_kill_switch(s.a, &kill_switch), lucet_error_ok);
    step.at = -1;
}

static void end(void)
{
    signal(SIGTRAP, SIG_DFL);
    lucet_kill_switch_release(kill_switch);
    set_end(&s);
}

static void prepare(int what)
{
    step.what = what;
    step.at = next_step();
    step.steps = 0;
    step.in_guest = 0;
    step.done = false;
}

static enum lucet_error put_aside(struct lucet_result *r)
{
    assert_int_equal(lucet_instance_set_slice(s.a, 20000), lucet_error_ok);
    enum lucet_error e = lucet_instance_run(s.a, "spin", ARGS(I32(200000)), r);
    set_trap_flag(false);
    return e;
}

static enum lucet_error go_on(enum lucet_error e, struct lucet_result *r)
{
    while (e == lucet_error_ok && r->tag == lucet_result_tag_yielded)
        e = lucet_instance_resume(s.a, NULL, r);
    return e;
}

static uint32_t expected(void)
{
    uint32_t x = 0;

    for (uint32_t n = 200000; n; n--)
        x = x * 5 + n;
    return x;
}

static void check_end(enum lucet_error e, const struct lucet_result *r, bool killed)
{
    if (killed && (e != lucet_error_runtime_terminated ||
                   r->val.terminated.reason != lucet_terminated_reason_remote))
        fail_msg("killed before step %ld, but %s", step.at, lucet_error_name(e));
    if (!killed)
        assert_int_equal(e, lucet_error_ok);
    if (!killed && (uint32_t)lucet_retval_gp(&r->val.returned) != expected())
        fail_msg("signalled before step %ld: another result", step.at);
    assert_int_equal(lucet_instance_reset(s.a), lucet_error_ok);
}

/* Whatever came, the thread hears the next signal. */
static void check_thread(void)
{
    struct lucet_result r;
    sigset_t now;

    pthread_sigmask(SIG_SETMASK, NULL, &now);
    assert_false(sigismember(&now, SIGURG) || sigismember(&now, SIGSEGV));
    assert_int_equal(put_aside(&r), lucet_error_ok);
    assert_int_equal(r.tag, lucet_result_tag_yielded);
    assert_int_equal(lucet_instance_reset(s.a), lucet_error_ok);
}

static void at_the_end_of_a_slice(int what)
{
    struct lucet_result r;
    long all = 0;

    begin();
    do {
        prepare(what);
        step.in_handler = true;
        enum lucet_error e = put_aside(&r);
        step.in_handler = false;
        check_end(go_on(e, &r), &r, step.done && what == TERMINATE);
        check_thread();
        all++;
    } while (step.done);
    printf("%ld instructions\n", all);
    assert_true(step.at > 100);
    end();
}

static void kills_at_the_end_of_a_slice(void **state)
{
    (void)state;
    at_the_end_of_a_slice(TERMINATE);
}

static void signals_at_the_end_of_a_slice(void **state)
{
    (void)state;
    at_the_end_of_a_slice(SEND_STOP_SIGNAL);
}

/* `place`: by the quick way or by iretq. The trap flag goes with the guest. */
static void as_it_goes_on(int what, bool place)
{
    struct lucet_result r;
    unsigned tries = 0;

    begin();
    do {
        prepare(what);
        assert_int_equal(put_aside(&r), lucet_error_ok);
        assert_int_equal(r.tag, lucet_result_tag_yielded);
        assert_non_null(lucet__suspended_sp(s.a));
        s.a->registers->general[REG_EFL] |= TRAP_FLAG;
        assert_int_equal(lucet_instance_set_slice(s.a, LUCET_SLICE_MANUAL), lucet_error_ok);
        struct slot *slot = s.a->slot;
        uint8_t *const stack = slot->stack;
        if (!place) /* as if the guest were at the end of its stack */
            slot->stack += slot->region->limits.stack_size;
        set_trap_flag(true);
        enum lucet_error e = lucet_instance_resume(s.a, NULL, &r);
        set_trap_flag(false);
        slot->stack = stack;
        check_end(e, &r, step.done && what == TERMINATE);
        check_thread();
        tries++;
    } while (step.done);
    assert_true(step.in_guest >= 30);
    printf("%u times\n", tries);
    end();
}

static void kills_as_it_goes_on(void **state)
{
    (void)state;
    as_it_goes_on(TERMINATE, true);
    as_it_goes_on(TERMINATE, false);
}

static void signals_as_it_goes_on(void **state)
{
    (void)state;
    as_it_goes_on(SEND_STOP_SIGNAL, true);
    as_it_goes_on(SEND_STOP_SIGNAL, false);
}

/* The kernel begins a handler's frame 128 bytes below where it finds the stack pointer: where that
 * is on its way to the guest's, nothing that is still needed may lie there. */
static void handlers_on_the_guests_stack_as_it_goes_on(void **state)
{
    struct sigaction ours = {.sa_sigaction = on_step, .sa_flags = SA_SIGINFO};
    struct lucet_result r;
    unsigned at_once = 0; /* of the stack's positions: the frame begins without a gap */

    (void)state;
    begin();
    assert_int_equal(sigaction(SIGTRAP, &ours, NULL), 0);
    step.what = NOTHING;
    for (uint32_t depth = 0; depth < 16; depth++) {
        assert_int_equal(lucet_instance_set_slice(s.a, 20000), lucet_error_ok);
        assert_int_equal(lucet_instance_run(s.a, "deep", ARGS(I32(depth), I32(200000)), &r),
                         lucet_error_ok);
        assert_int_equal(r.tag, lucet_result_tag_yielded);
        const uint64_t sp = s.a->registers->general[REG_RSP];
        at_once += (uintptr_t)lucet__suspended_sp(s.a) == sp - 136 && sp % 64 == 8;
        step.at = 1 << 30;
        step.steps = step.in_guest = 0;
        s.a->registers->general[REG_EFL] |= TRAP_FLAG;
        assert_int_equal(lucet_instance_set_slice(s.a, LUCET_SLICE_MANUAL), lucet_error_ok);
        set_trap_flag(true);
        enum lucet_error e = lucet_instance_resume(s.a, NULL, &r);
        set_trap_flag(false);
        assert_int_equal(e, lucet_error_ok);
        assert_int_equal((uint32_t)lucet_retval_gp(&r.val.returned), expected() + depth);
        assert_true(step.in_guest >= 30);
    }
    assert_true(at_once > 0);
    end();
}

/* Put aside where less than the kernel saves for a handler is left of the page; the page below. */
static uint8_t *near_the_end_of_a_page(struct lucet_result *r)
{
    for (uint32_t depth = 0; depth < 1000; depth += 4) {
        assert_int_equal(lucet_instance_set_slice(s.a, 20000), lucet_error_ok);
        assert_int_equal(lucet_instance_run(s.a, "deep", ARGS(I32(depth), I32(200000)), r),
                         lucet_error_ok);
        assert_int_equal(r->tag, lucet_result_tag_yielded);
        const uint64_t sp = s.a->registers->general[REG_RSP];
        if (sp % 4096 >= 136 && sp % 4096 < 700)
            return (uint8_t *)(uintptr_t)(sp & ~UINT64_C(4095)) - 4096;
        assert_int_equal(lucet_instance_reset(s.a), lucet_error_ok);
    }
    fail_msg("never");
    return NULL;
}

/* It ends as where a guest's own code runs. */
static void handlers_without_room_as_it_goes_on(void **state)
{
    struct sigaction ours = {.sa_sigaction = on_step, .sa_flags = SA_SIGINFO};
    struct lucet_result r;

    (void)state;
    begin();
    assert_int_equal(sigaction(SIGTRAP, &ours, NULL), 0);
    step.what = NOTHING;
    step.at = 1 << 30;
    uint8_t *const below = near_the_end_of_a_page(&r);
    const uint64_t pc = s.a->registers->general[REG_RIP];
    step.steps = step.in_guest = 0;
    s.a->registers->general[REG_EFL] |= TRAP_FLAG;
    assert_int_equal(lucet_instance_set_slice(s.a, LUCET_SLICE_MANUAL), lucet_error_ok);
    assert_int_equal(mprotect(below, 4096, PROT_NONE), 0);
    set_trap_flag(true);
    enum lucet_error e = lucet_instance_resume(s.a, NULL, &r);
    set_trap_flag(false);
    assert_int_equal(mprotect(below, 4096, PROT_READ | PROT_WRITE), 0);
    assert_int_equal(e, lucet_error_runtime_fault);
    assert_int_equal(step.in_guest, 0);
    assert_int_equal(r.val.faulted.trapcode, lucet_trapcode_stack_overflow);
    assert_int_equal(r.val.faulted.rip_addr, pc);
    assert_int_equal(lucet_instance_reset(s.a), lucet_error_ok);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(handlers_without_room_as_it_goes_on),
        cmocka_unit_test(handlers_on_the_guests_stack_as_it_goes_on),
        cmocka_unit_test(kills_at_the_end_of_a_slice),
        cmocka_unit_test(signals_at_the_end_of_a_slice),
        cmocka_unit_test(kills_as_it_goes_on),
        cmocka_unit_test(signals_as_it_goes_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
