/* A handler without SA_ONSTACK that does not fit on the guest's stack, at each instruction of the
 * runtime's on that stack, before the guest's first instruction and after its last: a stack
 * overflow as any other. */
#define _GNU_SOURCE
#include <alloca.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "runtime/activation.h"
#include "runtime/instance.h"
#include "runtime/ranges.h"
#include "runtime/slot.h"
#include "set.h"
#include "steps.h"

#ifndef LUCET_TSAN
static const char wat[] =
    "(module (import \"h\" \"inner\" (func $inner)) (memory 1)"
    " (func (export \"nested\") (call $inner))"
    " (func (export \"store\") (i32.store (i32.const 8) (i32.const 1)))"
    " (func (export \"wide\") (result f64) (f64.const 1)) (func (export \"closed\")))";

static struct {
    struct lucet_instance *inst;
    int at;          /* the step at which the signal comes; -1: never */
    int steps;       /* so far */
    uint8_t *closed; /* what of the stack is inaccessible */
    size_t closed_size;
    unsigned handled, depth;
    uintptr_t sp;
    size_t pad; /* what the host function has on the stack */
    enum lucet_error inner;
    struct lucet_result inner_result;
} now;

static void open_stack(void)
{
    if (now.closed)
        assert_int_equal(mprotect(now.closed, now.closed_size, PROT_READ | PROT_WRITE), 0);
    now.closed = NULL;
}

/* All below the stack pointer, with the page that it points to unless the host is there, too. */
static void close_stack(uintptr_t sp)
{
    now.closed = now.inst->slot->stack;
    now.closed_size =
        ((sp - 8) & ~(uintptr_t)4095) + (now.depth ? 0 : 4096) - (uintptr_t)now.closed;
    assert_int_equal(mprotect(now.closed, now.closed_size, PROT_NONE), 0);
}

static bool is_on_stack(uintptr_t sp)
{
    const struct activation *act = lucet__thread.current;

    return act && sp > (uintptr_t)act->stack_low && sp <= (uintptr_t)act->stack_high;
}

/* Only where the guest counts as running, in its inner run if there is one; on the alternate
 * stack. */
static void on_step(int sig, siginfo_t *info, void *context)
{
    ucontext_t *u = context;
    const uintptr_t pc = (uintptr_t)u->uc_mcontext.gregs[REG_RIP],
                    sp = (uintptr_t)u->uc_mcontext.gregs[REG_RSP];

    (void)sig, (void)info;
    if (!is_on_stack(sp) || lucet__thread.abi.guest_frame || lucet__code_range_find(pc) ||
        pc == (uintptr_t)lucet__enter_left /* back where the host was */ ||
        (now.depth && !lucet__thread.current->outer))
        return;
    now.sp = sp;
    if (now.steps++ != now.at)
        return;
    u->uc_mcontext.gregs[REG_EFL] &= ~(greg_t)TRAP_FLAG;
    close_stack(sp);
    syscall(SYS_tgkill, getpid(), (pid_t)syscall(SYS_gettid),
            SIGUSR1); /* comes when this returns */
}

static void on_signal(int sig)
{
    (void)sig;
    now.handled++;
}

static enum lucet_signal_behavior on_fault(struct lucet_instance *inst,
                                           const enum lucet_trapcode *trap, int sig,
                                           const siginfo_t *info, const void *context)
{
    (void)inst, (void)trap, (void)sig, (void)info, (void)context;
    open_stack();
    return lucet_signal_behavior_default;
}

static void set_trap_flag(bool on)
{
    if (on)
        __asm__ volatile("pushfq\n orl $0x100, (%%rsp)\n popfq" ::: "memory", "cc");
    else
        __asm__ volatile("pushfq\n andl $~0x100, (%%rsp)\n popfq" ::: "memory", "cc");
}

static void inner(struct lucet_vmctx *vmctx)
{
    volatile uint8_t *pad = alloca(now.pad + 1);

    pad[0] = 1;
    set_trap_flag(true);
    now.inner =
        lucet_instance_run(lucet_vmctx_instance(vmctx), "store", 0, NULL, &now.inner_result);
    set_trap_flag(false);
}

/* The ways into a guest. */

static enum lucet_error by_name(const struct set *s, struct lucet_result *r)
{
    set_trap_flag(true);
    const enum lucet_error e = lucet_instance_run(s->a, "store", 0, NULL, r);
    set_trap_flag(false);
    return e;
}

static enum lucet_error by_handle(const struct set *s, const char *name, struct lucet_result *r)
{
    union lucet_raw v[1];
    struct lucet_func f;

    assert_int_equal(lucet_dl_module_func(s->module, name, NULL, &f), lucet_error_ok);
    assert_int_equal(lucet_func_call(&f, s->a, v, r), lucet_error_ok); /* it is ready then */
    set_trap_flag(true);
    const enum lucet_error e = lucet_func_call(&f, s->a, v, r);
    set_trap_flag(false);
    return e;
}

static enum lucet_error quickly(const struct set *s, struct lucet_result *r)
{
    return by_handle(s, "wide", r);
}

static enum lucet_error closed(const struct set *s, struct lucet_result *r)
{
    return by_handle(s, "closed", r);
}

static enum lucet_error within(const struct set *s, struct lucet_result *r)
{
    const enum lucet_error e = lucet_instance_run(s->a, "nested", 0, NULL, r);

    assert_int_equal(e, lucet_error_ok);
    *r = now.inner_result;
    return now.inner;
}

static int try_at(const struct set *s,
                  enum lucet_error (*way)(const struct set *, struct lucet_result *), int at)
{
    struct lucet_result r;

    now.at = at;
    now.steps = 0;
    now.handled = 0;
    const enum lucet_error e = way(s, &r);
    open_stack();
    if (at < 0) {
        assert_int_equal(e, lucet_error_ok);
        return now.steps;
    }
    assert_int_equal(e, lucet_error_runtime_fault);
    assert_int_equal(r.tag, lucet_result_tag_faulted);
    assert_int_equal(r.val.faulted.trapcode, lucet_trapcode_stack_overflow);
    assert_int_equal(now.handled, 0);
    assert_int_equal(lucet_instance_reset(s->a), lucet_error_ok);
    guest_call(s->a, "store", 0, NULL);
    return now.steps;
}

/* So that less than the kernel saves for a handler is left of the page. */
static void go_near_the_end_of_a_page(const struct set *s)
{
    for (now.pad = 0; now.pad < 4096; now.pad += 64) {
        try_at(s, within, -1);
        if (now.sp % 4096 >= 136 && now.sp % 4096 < 700)
            return;
    }
    fail_msg("never");
}

static void a_handler_without_room_is_a_stack_overflow(void **state)
{
    static enum lucet_error (*const ways[])(const struct set *, struct lucet_result *) = {
        by_name, quickly, closed, within};
    const struct set_host hosts[] = {{"inner", ":", (void *)(uintptr_t)inner}, {0}};
    struct sigaction step = {.sa_sigaction = on_step, .sa_flags = SA_SIGINFO | SA_ONSTACK}, before,
                     before_usr1;
    const struct sigaction usr1 = {.sa_handler = on_signal};

    (void)state;
    guest_begin();
    struct set s = set_begin(wat, &guest_default, hosts);
    now.inst = s.a;
    assert_int_equal(lucet_instance_set_signal_handler(s.a, on_fault), lucet_error_ok);
    sigaddset(&step.sa_mask, SIGUSR1);
    assert_int_equal(sigaction(SIGTRAP, &step, &before), 0);
    assert_int_equal(sigaction(SIGUSR1, &usr1, &before_usr1), 0);
    for (size_t k = 0; k < sizeof(ways) / sizeof(*ways); k++) {
        now.depth = ways[k] == within;
        if (now.depth)
            go_near_the_end_of_a_page(&s);
        const int steps = try_at(&s, ways[k], -1);
        assert_in_range(steps, 5, 60);
        for (int at = 0; at < steps; at++)
            assert_int_equal(try_at(&s, ways[k], at), at + 1);
    }
    sigaction(SIGTRAP, &before, NULL);
    sigaction(SIGUSR1, &before_usr1, NULL);
    set_end(&s);
}
#endif

int main(void)
{
#ifdef LUCET_TSAN
    return steps_skipped();
#else
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_handler_without_room_is_a_stack_overflow),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
#endif
}
