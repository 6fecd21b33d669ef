/* Calls of closed and quiet functions with signals in between, of all kinds: faults, kills,
 * handlers that write to memories and stacks, profilers that unwind. */
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>
#include <unwind.h>

#include "guest.h"
#include "runtime/activation.h"
#include "runtime/instance.h"
#include "runtime/ranges.h"
#include "runtime/slot.h"
#include "runtime/stop.h"
#include "tenants.h"

/* It knows where the memory is from what faulted, and asks the runtime for nothing. */
static enum lucet_signal_behavior write_there(struct lucet_instance *i,
                                              const enum lucet_trapcode *trap, int sig,
                                              const siginfo_t *info, const void *context)
{
    uint8_t *page = (uint8_t *)((uintptr_t)info->si_addr & ~(uintptr_t)4095);

    (void)i, (void)trap, (void)sig, (void)context;
    assert_int_equal(mprotect(page, 4096, PROT_READ | PROT_WRITE), 0);
    memset(page + 100, 99, 8);
    return lucet_signal_behavior_continue;
}

static void what_a_handler_of_faults_writes_is_put_back(void **state)
{
    struct tenants t;

    (void)state;
    tenants_begin(&t);
    struct lucet_instance *i = guest_instance(t.region, t.module, NULL, NULL);
    assert_int_equal(lucet_instance_set_signal_handler(i, write_there), lucet_error_ok);
    assert_int_equal(mprotect(i->slot->heap + 4096, 4096, PROT_NONE), 0);
    assert_int_equal(tenants_call(&t.quiet, i), lucet_error_ok);
    assert_int_equal(i->slot->heap[4096 + 100], 99);
    lucet_instance_release(i);
    i = guest_instance(t.region, t.module, NULL, NULL);
    assert_true(tenants_heap_is_clean(i));
    lucet_instance_release(i);
    tenants_end(&t);
}

/* ---- Several instances, several threads, an odd environment ---- */

static void faults_are_of_the_instance_that_runs(void **state)
{
    struct tenants t;

    (void)state;
    tenants_begin(&t);
    struct lucet_region *other = guest_region(1);
    struct lucet_instance *i[2] = {guest_instance(t.region, t.module, NULL, NULL),
                                   guest_instance(other, t.module, NULL, NULL)};
    for (int round = 0; round < 3; round++)
        for (int k = 0; k < 2; k++) {
            for (int n = 0; n < 2; n++)
                assert_int_equal(tenants_call(&t.quiet, i[k]), lucet_error_ok);
            assert_int_equal(tenants_call(&t.quiet, i[!k]), lucet_error_ok);
            assert_int_equal(tenants_call(&t.trap, i[k]), lucet_error_runtime_fault);
            assert_int_equal(lucet_instance_reset(i[k]), lucet_error_ok);
        }
    lucet_instance_release(i[0]);
    lucet_instance_release(i[1]);
    lucet_region_release(other);
    tenants_end(&t);
}

struct control {
    uint32_t mxcsr;
    uint16_t x87;
};

static struct control control_now(void)
{
    struct control c;

    __asm__ volatile("stmxcsr %0\n fnstcw %1" : "=m"(c.mxcsr), "=m"(c.x87));
    return c;
}

static void set_control(struct control c)
{
    __asm__ volatile("ldmxcsr %0\n fldcw %1" ::"m"(c.mxcsr), "m"(c.x87));
}

/* Rounding up, denormals are zero, some flags raised; 53 bits, rounding down. */
static void control_of_floating_point_stays_the_hosts(void **state)
{
    const struct control plain = control_now(), odd = {0x5ff5, 0x067f};
    struct tenants t;

    (void)state;
    tenants_begin(&t);
    struct lucet_instance *i = guest_instance(t.region, t.module, NULL, NULL);
    for (int round = 0; round < 3; round++)
        for (int k = 0; k < 2; k++) {
            set_control(odd);
            const enum lucet_error e = tenants_call(k ? &t.trap : &t.quiet, i);
            const struct control after = control_now();
            set_control(plain);
            assert_int_equal(e, k ? lucet_error_runtime_fault : lucet_error_ok);
            assert_int_equal(after.mxcsr, odd.mxcsr);
            assert_int_equal(after.x87, odd.x87);
            if (k)
                assert_int_equal(lucet_instance_reset(i), lucet_error_ok);
        }
    lucet_instance_release(i);
    tenants_end(&t);
}

#ifndef LUCET_TSAN
/* ---- Kills in the middle ---- */

static struct lucet_kill_switch *kill_switch;
static enum lucet_kill_result answer;
static bool killed;

static void kill_in_guest_code(int sig, siginfo_t *info, void *context)
{
    ucontext_t *u = context;

    (void)sig, (void)info;
    if (killed || !lucet__code_range_find((uintptr_t)u->uc_mcontext.gregs[REG_RIP]))
        return;
    killed = true;
    answer = lucet_kill_switch_terminate(kill_switch);
}

static void *call_elsewhere(void *p)
{
    void *const *both = p;
    const struct tenants *t = both[0];

    for (int k = 0; k < 2; k++)
        assert_int_equal(tenants_call(&t->quiet, both[1]), lucet_error_ok);
    return NULL;
}

/* The killer finds it running, on the thread where it runs now. */
static void a_closed_function_is_killed_where_it_runs(void **state)
{
    struct sigaction ours = {.sa_sigaction = kill_in_guest_code,
                             .sa_flags = SA_SIGINFO | SA_ONSTACK},
                     before;
    struct lucet_instance *i;
    struct tenants t;
    pthread_t thread;

    (void)state;
    tenants_begin(&t);
    i = guest_instance(t.region, t.module, NULL, NULL);
    assert_int_equal(tenants_call(&t.quiet, i), lucet_error_ok);
    assert_int_equal(pthread_create(&thread, NULL, call_elsewhere, (void *[]){&t, i}), 0);
    pthread_join(thread, NULL);
    assert_int_equal(tenants_call(&t.quiet, i), lucet_error_ok);
    assert_ptr_equal(atomic_load(&i->stop->abi), &lucet__thread.abi);
    assert_int_equal(lucet_instance_kill_switch(i, &kill_switch), lucet_error_ok);
    assert_int_equal(sigaction(SIGTRAP, &ours, &before), 0);
    __asm__ volatile("pushfq\n orl $0x100, (%%rsp)\n popfq" ::: "memory", "cc");
    const enum lucet_error e = tenants_call(&t.quiet, i);
    __asm__ volatile("pushfq\n andl $~0x100, (%%rsp)\n popfq" ::: "memory", "cc");
    sigaction(SIGTRAP, &before, NULL);
    assert_true(killed);
    assert_int_equal(answer, lucet_kill_signalled);
    assert_int_equal(e, lucet_error_runtime_terminated);
    lucet_kill_switch_release(kill_switch);
    lucet_instance_release(i);
    tenants_end(&t);
}
/* ---- Signals on the guest's stack ---- */

static unsigned steps, in_guest;

static void on_step(int sig, siginfo_t *info, void *context)
{
    volatile uint8_t used[2000];

    (void)sig, (void)info, (void)context;
    memset((void *)(uintptr_t)used, 0x5e, sizeof(used));
    steps++;
    in_guest += lucet__thread.current != NULL;
}

/* Not a copy of it. */
static enum lucet_error (*volatile really_call)(const struct lucet_func *,
                                                struct lucet_instance *) = tenants_call;

static __attribute__((noinline)) enum lucet_error
call_in_steps(const struct lucet_func *f, struct lucet_instance *i,
              void (*step)(int, siginfo_t *, void *), int flags)
{
    struct sigaction ours = {.sa_sigaction = step, .sa_flags = SA_SIGINFO | flags}, before;

    assert_int_equal(sigaction(SIGTRAP, &ours, &before), 0);
    __asm__ volatile("pushfq\n orl $0x100, (%%rsp)\n popfq" ::: "memory", "cc");
    const enum lucet_error e = really_call(f, i);
    __asm__ volatile("pushfq\n andl $~0x100, (%%rsp)\n popfq" ::: "memory", "cc");
    sigaction(SIGTRAP, &before, NULL);
    return e;
}

static void call_with_handlers_on_the_stack(void)
{
    struct tenants t;

    steps = in_guest = 0;
    tenants_begin(&t);
    struct lucet_instance *i = guest_instance(t.region, t.module, NULL, NULL);
    assert_int_equal(tenants_call(&t.quiet, i), lucet_error_ok);
    assert_int_equal(call_in_steps(&t.quiet, i, on_step, 0), lucet_error_ok);
    assert_true(in_guest > 20 && steps > in_guest);
    assert_false(i->touched);
    assert_false(tenants_stack_is_clean(i));
    lucet_instance_release(i);
    i = guest_instance(t.region, t.module, NULL, NULL);
    assert_true(tenants_stack_is_clean(i));
    lucet_instance_release(i);
    tenants_end(&t);
}

/* A handler without a stack of its own leaves its frame, and the guest's registers, below a quiet
 * function's. */
static void what_a_handler_leaves_on_the_stack_is_found(void **state)
{
    (void)state;
    call_with_handlers_on_the_stack();
}

/* The kernel's part of the frame is larger than a page then, and zero where the tiles are. */
static __attribute__((target("amx-tile"))) bool use_tiles(void)
{
    static const struct {
        uint8_t palette, start, reserved[14];
        uint16_t columns[16];
        uint8_t rows[16];
    } config = {.palette = 1, .columns = {64}, .rows = {16}};

    if (syscall(SYS_arch_prctl, 0x1023 /* ARCH_REQ_XCOMP_PERM */, 18) != 0)
        return false;
    __asm__ volatile("ldtilecfg %0\n tilezero %%tmm0\n tilerelease" ::"m"(config));
    return true;
}

static void what_a_handler_leaves_is_found_on_threads_that_used_tiles(void **state)
{
    (void)state;
    if (!use_tiles()) {
        print_message("no tiles (AMX) here\n");
        skip();
    }
    call_with_handlers_on_the_stack();
}

/* ---- Unwinding at each instruction ---- */

static unsigned unwound, ended;
static const char *wrong;

struct frames {
    void *functions[8];
    size_t count;
};

static _Unwind_Reason_Code add_frame(struct _Unwind_Context *context, void *arg)
{
    struct frames *f = arg;
    int before;
    const uintptr_t ip = _Unwind_GetIPInfo(context, &before);

    if (f->count == 8)
        return _URC_NORMAL_STOP;
    f->functions[f->count++] = ip ? _Unwind_FindEnclosingFunction((void *)(ip + (before != 0))) : 0;
    return _URC_NO_REASON;
}

static void *function_at(uintptr_t pc)
{
    return _Unwind_FindEnclosingFunction((void *)(pc + 1));
}

static void unwind_from_here(int sig, siginfo_t *info, void *context)
{
    const ucontext_t *u = context;
    void *const quick = function_at((uintptr_t)lucet__closed_begin);
    struct frames f = {0};
    size_t k = 0;

    (void)sig, (void)info;
    if (function_at((uintptr_t)u->uc_mcontext.gregs[REG_RIP]) != quick)
        return;
    _Unwind_Backtrace(add_frame, &f);
    while (k < f.count && f.functions[k] != quick)
        k++;
    if (k + 1 >= f.count || !f.functions[k + 1])
        ended++;
    else if (f.functions[k + 1] == function_at((uintptr_t)really_call) ||
             f.functions[k + 1] == function_at((uintptr_t)lucet_func_call)) /* in C, sanitized */
        unwound++;
    else if (!wrong)
        wrong = (const char *)u->uc_mcontext.gregs[REG_RIP];
}

/* As profilers do it; where the stack is another's, it ends. */
static void unwinding_finds_the_caller_wherever_it_begins(void **state)
{
    struct tenants t;

    (void)state;
    tenants_begin(&t);
    struct lucet_instance *i = guest_instance(t.region, t.module, NULL, NULL);
    const struct lucet_func *const functions[] = {&t.quiet, &t.closed, &t.loud, &t.trap};
    for (size_t k = 0; k < 4; k++) {
        assert_int_equal(tenants_call(functions[k], i),
                         k < 3 ? lucet_error_ok : lucet_error_runtime_fault);
        assert_int_equal(lucet_instance_reset(i), lucet_error_ok);
        unwound = ended = 0;
        call_in_steps(functions[k], i, unwind_from_here, SA_ONSTACK);
        assert_true(unwound > 40 && ended > 10);
        if (wrong)
            fail_msg("function %zu: lost %td bytes behind lucet__quick_left", k,
                     wrong - lucet__quick_left);
    }
    lucet_instance_release(i);
    tenants_end(&t);
}
#endif
int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_handler_of_faults_writes_is_put_back),
        cmocka_unit_test(faults_are_of_the_instance_that_runs),
#ifndef LUCET_TSAN /* which calls handlers later than at the instruction */
        cmocka_unit_test(a_closed_function_is_killed_where_it_runs),
        cmocka_unit_test(what_a_handler_leaves_on_the_stack_is_found),
        cmocka_unit_test(what_a_handler_leaves_is_found_on_threads_that_used_tiles),
        cmocka_unit_test(unwinding_finds_the_caller_wherever_it_begins),
#endif
        cmocka_unit_test(control_of_floating_point_stays_the_hosts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
