/* Signals that are not a guest's go to the handler that was there before, in the way it expects;
 * each case in a process of its own. */
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "run/guest.h"
#include "run/patience.h"
#include "run/process.h"

static volatile sig_atomic_t calls, blocked, had_address;
static sigjmp_buf out;
static volatile char *forbidden;

static void install(void)
{
    if (lucet_install_signal_handlers() != lucet_error_ok)
        _exit(99);
}

static int fault_with_default_action(void)
{
    install();
    return *forbidden;
}

static int sent_with_default_action(void)
{
    install();
    kill(getpid(), SIGSEGV);
    return 1;
}

static int fault_when_ignored(void)
{
    signal(SIGSEGV, SIG_IGN); /* the kernel does not ignore faults */
    install();
    return *forbidden;
}

static int sent_when_ignored(void)
{
    signal(SIGBUS, SIG_IGN);
    signal(SIGURG, SIG_IGN);
    install();
    kill(getpid(), SIGBUS);
    kill(getpid(), SIGURG);
    return 7;
}

static int stop_signal_by_default(void)
{
    install();
    kill(getpid(), SIGURG);
    return 7;
}

static void simple(int sig)
{
    sigset_t now;

    calls++;
    pthread_sigmask(SIG_SETMASK, NULL, &now);
    blocked = sigismember(&now, sig) && sigismember(&now, SIGUSR1) && !sigismember(&now, SIGUSR2);
    mprotect((void *)(uintptr_t)forbidden, 4096, PROT_READ);
}

static int handler_with_its_mask(void)
{
    struct sigaction a = {.sa_handler = simple};
    sigset_t now;

    sigaddset(&a.sa_mask, SIGUSR1);
    sigaction(SIGSEGV, &a, NULL);
    install();
    if (*forbidden != 0) /* succeeds after the handler */
        return 1;
    pthread_sigmask(SIG_SETMASK, NULL, &now);
    return calls == 1 && blocked && !sigismember(&now, SIGUSR1) && !sigismember(&now, SIGSEGV) ? 7
                                                                                               : 1;
}

static void with_info(int sig, siginfo_t *info, void *context)
{
    (void)sig;
    calls++;
    had_address = info->si_addr == (void *)(uintptr_t)forbidden && context != NULL;
    siglongjmp(out, 1);
}

static int handler_that_jumps_out(void)
{
    struct sigaction a = {.sa_sigaction = with_info, .sa_flags = SA_SIGINFO};

    sigaction(SIGSEGV, &a, NULL);
    install();
    for (volatile int i = 0; i < 3; i++)
        if (sigsetjmp(out, 1) == 0)
            return *forbidden;
    return calls == 3 && had_address ? 7 : 1;
}

static int handler_for_once(void)
{
    struct sigaction a = {.sa_sigaction = with_info, .sa_flags = SA_SIGINFO | SA_RESETHAND};

    sigaction(SIGSEGV, &a, NULL);
    install();
    if (sigsetjmp(out, 1) == 0)
        return *forbidden;
    return *forbidden; /* now the default action */
}

/* One that came after ours and passes on to it. */
static struct sigaction ours;
static void passes_on(int sig, siginfo_t *info, void *context)
{
    calls += 10;
    ours.sa_sigaction(sig, info, context);
}

static int handler_on_top_that_passes_on(void)
{
    struct sigaction below = {.sa_sigaction = with_info, .sa_flags = SA_SIGINFO};
    struct sigaction above = {.sa_sigaction = passes_on, .sa_flags = SA_SIGINFO};

    sigaction(SIGSEGV, &below, NULL);
    install();
    sigaction(SIGSEGV, &above, &ours);
    install(); /* puts ours on top again: ours, above, ours, below */
    if (sigsetjmp(out, 1) == 0)
        return *forbidden;
    return calls == 11 && had_address ? 7 : 1;
}

static int handlers_are_put_back(void)
{
    struct sigaction before = {.sa_handler = simple, .sa_flags = SA_RESTART}, now;

    sigaction(SIGFPE, &before, NULL);
    install();
    sigaction(SIGFPE, NULL, &now);
    if (now.sa_handler == simple)
        return 1;
    if (lucet_remove_signal_handlers() != lucet_error_ok)
        return 2;
    sigaction(SIGFPE, NULL, &now);
    return now.sa_handler == simple && now.sa_flags & SA_RESTART ? 7 : 3;
}

__attribute__((unused)) static void signals_of_the_host_are_passed_on(void **state)
{
    (void)state;
    assert_int_equal(process_bare_child(fault_with_default_action), 128 + SIGSEGV);
    assert_int_equal(process_bare_child(sent_with_default_action), 128 + SIGSEGV);
    assert_int_equal(process_bare_child(fault_when_ignored), 128 + SIGSEGV);
    assert_int_equal(process_bare_child(sent_when_ignored), 7);
    assert_int_equal(process_bare_child(stop_signal_by_default), 7);
    assert_int_equal(process_bare_child(handler_with_its_mask), 7);
    assert_int_equal(process_bare_child(handler_that_jumps_out), 7);
    assert_int_equal(process_bare_child(handler_for_once), 128 + SIGSEGV);
    assert_int_equal(process_bare_child(handler_on_top_that_passes_on), 7);
    assert_int_equal(process_bare_child(handlers_are_put_back), 7);
}

/* ---- While a guest runs ---- */

static const char wat[] = "(module (import \"h\" \"f\" (func $f))"
                          " (memory 1)"
                          " (func (export \"call\") (call $f))"
                          " (func (export \"load\") (param i32) (result i32)"
                          "   (i32.load (local.get 0)))"
                          " (func (export \"loop\") (loop (br 0))))";
static struct lucet_dl_module *module;

static struct lucet_instance *make(void (*f)(void))
{
    struct lucet_linker *linker;
    struct lucet_region *region;
    struct lucet_instance *inst;
    struct lucet_instance_options o = {0};

    if (lucet_linker_new(&linker) || lucet_linker_func(linker, "h", "f", ":", f) ||
        lucet_mmap_region_create(1, NULL, &region))
        _exit(98);
    o.linker = linker;
    if (lucet_region_new_instance_with(region, module, &o, &inst))
        _exit(97);
    return inst;
}

static void faulting_host(struct lucet_vmctx *ctx)
{
    (void)ctx;
    calls += *forbidden;
}

static int fault_in_a_host_function(void)
{
    lucet_instance_run(make((void (*)(void))faulting_host), "call", 0, NULL, NULL);
    return 1;
}

static void host_that_faults_in_the_heap(struct lucet_vmctx *ctx)
{
    *(volatile char *)(lucet_vmctx_get_heap(ctx) + lucet_vmctx_heap_len(ctx)) = 1;
}

static int host_fault_in_the_guests_guard(void)
{
    lucet_instance_run(make((void (*)(void))host_that_faults_in_the_heap), "call", 0, NULL, NULL);
    return 1;
}

static void nothing(struct lucet_vmctx *ctx)
{
    (void)ctx;
}

/* SIGSEGV sent by someone while guest code runs is no fault of the guest. */
static int sent_while_a_guest_runs(void)
{
    struct lucet_instance *inst = make((void (*)(void))nothing);

    if (fork() == 0) {
        usleep(50000);
        kill(getppid(), SIGSEGV);
        _exit(0);
    }
    lucet_instance_set_timeout(inst, PATIENCE * 1000);
    lucet_instance_run(inst, "loop", 0, NULL, NULL);
    return 1;
}

static int guests_run_in_a_forked_child(void)
{
    struct lucet_instance *inst = make((void (*)(void))nothing);
    struct lucet_result r;

    if (lucet_instance_run(inst, "call", 0, NULL, &r))
        return 1;
    pid_t pid = fork();
    if (pid == 0) {
        lucet_instance_set_timeout(inst, 20);
        _exit(lucet_instance_run(inst, "loop", 0, NULL, &r) == lucet_error_runtime_terminated &&
                      r.val.terminated.reason == lucet_terminated_reason_timeout
                  ? 7
                  : 2);
    }
    int status;
    waitpid(pid, &status, 0);
    return WEXITSTATUS(status);
}

static int guests_do_not_run_without_handlers(void)
{
    struct lucet_instance *inst = make((void (*)(void))nothing);
    const enum lucet_error removed = lucet_remove_signal_handlers(),
                           e = lucet_instance_run(inst, "call", 0, NULL, NULL);

    if (guest_on_demand()) /* which needs them itself */
        return removed == lucet_error_invalid_argument && e == lucet_error_ok ? 7 : 1;
    return removed == lucet_error_ok && e == lucet_error_unsupported ? 7 : 1;
}

static void removing_host(struct lucet_vmctx *ctx)
{
    (void)ctx;
    calls = lucet_remove_signal_handlers() == lucet_error_instance_not_returned;
}

static int handlers_stay_while_a_guest_runs(void)
{
    lucet_instance_run(make((void (*)(void))removing_host), "call", 0, NULL, NULL);
    return calls ? 7 : 1;
}

static void the_hosts_faults_stay_the_hosts(void **state)
{
    (void)state;
    guest_begin();
    module = guest_module(wat, &guest_default);
    assert_int_equal(process_bare_child(fault_in_a_host_function), 128 + SIGSEGV);
    assert_int_equal(process_bare_child(host_fault_in_the_guests_guard), 128 + SIGSEGV);
    assert_int_equal(process_bare_child(sent_while_a_guest_runs), 128 + SIGSEGV);
    assert_int_equal(process_bare_child(guests_run_in_a_forked_child), 7);
    assert_int_equal(process_bare_child(guests_do_not_run_without_handlers), 7);
    assert_int_equal(process_bare_child(handlers_stay_while_a_guest_runs), 7);
    lucet_dl_module_release(module);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#ifndef LUCET_TSAN /* which puts handlers of its own in place */
        cmocka_unit_test(signals_of_the_host_are_passed_on),
#endif
        cmocka_unit_test(the_hosts_faults_stay_the_hosts),
    };

    forbidden = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
