/* What embedders may do about faults, and what they are told: handlers, statistics; and the smaller
 * parts of the interface that host functions use. */
#include "guest.h"
#include "patience.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "runtime/instance.h"
#include "runtime/module.h"
#include "runtime/sizes.h"
#include "runtime/slot.h"

static const char wat[] =
    "(module (import \"h\" \"f\" (func $f (param i32) (result i32))) (memory 2)"
    " (table (export \"t\") 3 funcref) (elem (i32.const 1) $five) (global i32 (i32.const 77))"
    " (global $g (mut i64) (i64.const 0x123456789abcdef0))"
    " (func $five (export \"five\") (result i32) (i32.const 5))"
    " (func (export \"load\") (param i32) (result i32) (i32.load (local.get 0)))"
    " (func (export \"global\") (result i64) (global.get $g))"
    " (func (export \"unreachable\") unreachable)"
    " (func (export \"div\") (param i32) (result i32) (i32.div_u (i32.const 1) (local.get 0)))"
    " (func $deep (export \"deep\") (result i32) (i32.add (call $deep) (i32.const 1)))"
    " (func (export \"host\") (param i32) (result i32) (call $f (local.get 0))))";

static struct lucet_region *region;
static struct lucet_dl_module *module;
static struct lucet_linker *linker;
static struct lucet_instance *inst;
static int32_t (*host_body)(struct lucet_vmctx *ctx, int32_t n);

static int32_t host(struct lucet_vmctx *ctx, int32_t n)
{
    return host_body(ctx, n);
}

static int set_up(void **state)
{
    (void)state;
    guest_begin();
    region = guest_region(1);
    module = guest_module(wat, &guest_default);
    lucet_linker_new(&linker);
    lucet_linker_func(linker, "h", "f", "i:i", (void (*)(void))host);
    inst = guest_instance(region, module, linker, &region);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    guest_begin();
    lucet_instance_release(inst);
    lucet_linker_release(linker);
    lucet_dl_module_release(module);
    lucet_region_release(region);
    return 0;
}

static volatile unsigned asked;
static volatile int last_signal;
static volatile enum lucet_trapcode last_trap;
static enum lucet_signal_behavior answer;

static enum lucet_signal_behavior handler(struct lucet_instance *i, const enum lucet_trapcode *trap,
                                          int signum, const siginfo_t *info, const void *context)
{
    const ucontext_t *u = context;

    if (i == inst && lucet_instance_embed_ctx(i) == &region && u->uc_mcontext.gregs[REG_RIP] &&
        info->si_signo == signum)
        asked++;
    last_signal = signum;
    last_trap = *trap;
    if (answer == lucet_signal_behavior_continue && signum == SIGSEGV) /* removes the cause */
        mprotect(lucet_instance_heap(i), 4096, PROT_READ | PROT_WRITE);
    return answer;
}

static struct lucet_result r;
static enum lucet_error run(const char *name, size_t argc, int32_t n)
{
    struct lucet_val v = LUCET_VAL_I32(n);
    return lucet_instance_run(inst, name, argc, &v, &r);
}

static void the_handler_decides(void **state)
{
    static const struct {
        const char *name;
        size_t argc;
        int signum;
        enum lucet_trapcode trap;
    } faults[] = {{"load", 1, SIGSEGV, lucet_trapcode_heap_out_of_bounds},
                  {"unreachable", 0, SIGILL, lucet_trapcode_unreachable},
                  {"deep", 0, SIGSEGV, lucet_trapcode_stack_overflow}};

    (void)state;
    guest_begin();
    assert_int_equal(lucet_instance_set_signal_handler(NULL, handler),
                     lucet_error_invalid_argument);
    assert_int_equal(lucet_instance_set_signal_handler(inst, handler), lucet_error_ok);
    for (size_t i = 0; i < 3; i++) {
        asked = 0;
        answer = lucet_signal_behavior_default;
        assert_int_equal(run(faults[i].name, faults[i].argc, 1 << 30), lucet_error_runtime_fault);
        assert_int_equal(r.val.faulted.trapcode, faults[i].trap);
        assert_int_equal(last_trap, faults[i].trap);
        assert_int_equal(last_signal, faults[i].signum);
        assert_int_equal(asked, 1);
        assert_int_equal(lucet_instance_reset(inst), lucet_error_ok);
        answer = lucet_signal_behavior_terminate;
        assert_int_equal(run(faults[i].name, faults[i].argc, 1 << 30),
                         lucet_error_runtime_terminated);
        assert_int_equal(r.val.terminated.reason, lucet_terminated_reason_signal);
        assert_non_null(strstr(lucet_error_detail(), "by its signal handler"));
        assert_int_equal(asked, 2);
        assert_int_equal(run("five", 0, 0), lucet_error_instance_not_returned);
        assert_int_equal(lucet_instance_reset(inst), lucet_error_ok);
        if (i == 0)
            continue; /* it would come for ever */
        answer = lucet_signal_behavior_continue;
        assert_int_equal(run(faults[i].name, faults[i].argc, 1 << 30), lucet_error_runtime_fault);
        assert_int_equal(lucet_instance_reset(inst), lucet_error_ok);
    }
    /* It goes on where it was. */
    memcpy(lucet_instance_heap(inst), "\x2a\0\0\0", 4);
    mprotect(lucet_instance_heap(inst), 4096, PROT_NONE);
    asked = 0;
    answer = lucet_signal_behavior_continue;
    assert_int_equal(run("load", 1, 0), lucet_error_ok);
    assert_int_equal(asked, 1);
    assert_int_equal(lucet_retval_gp(&r.val.returned), 42);
    assert_int_equal(lucet_instance_set_signal_handler(inst, NULL), lucet_error_ok);
    assert_int_equal(run("unreachable", 0, 0), lucet_error_runtime_fault);
    assert_int_equal(asked, 1);
    assert_true(r.val.fault.rip_addr_details.in_module_code);
    assert_string_equal(r.val.fault.rip_addr_details.sym_name, "unreachable");
}

static unsigned fatal;
static void on_fatal(struct lucet_instance *i)
{
    fatal += i == inst;
}

static int32_t terminate(struct lucet_vmctx *ctx, int32_t n)
{
    lucet_vmctx_terminate(ctx, NULL);
    return n;
}

static int32_t trap(struct lucet_vmctx *ctx, int32_t n)
{
    lucet_vmctx_trap(ctx, (enum lucet_trapcode)n);
}

static void statistics_are_kept_per_module(void **state)
{
    struct lucet_module_statistics s;
    struct lucet_kill_switch *k;

    (void)state;
    guest_begin();
    assert_int_equal(lucet_instance_set_fatal_handler(inst, on_fatal), lucet_error_ok);
    lucet_dl_module_statistics(module, &s);
    assert_int_equal(s.faulted, 0);
    assert_int_equal(s.terminated, 0);
    for (int i = 0; i < 3; i++) {
        run("load", 1, 1 << 30);
        lucet_instance_reset(inst);
    }
    run("five", 0, 0);
    run("unreachable", 0, 0);
    lucet_instance_reset(inst);
    host_body = terminate;
    run("host", 1, 0);
    lucet_instance_reset(inst);
    host_body = trap;
    run("host", 1, lucet_trapcode_unknown);
    lucet_instance_reset(inst);
    for (int32_t code = lucet_trapcode_unshared_wait; code <= lucet_trapcode_exceptions_exhausted;
         code++) {
        run("host", 1, code);
        lucet_instance_reset(inst);
    }
    lucet_instance_kill_switch(inst, &k);
    lucet_kill_switch_terminate(k);
    run("five", 0, 0);
    lucet_kill_switch_release(k);
    lucet_dl_module_statistics(module, &s);
    assert_int_equal(s.faulted, 10);
    assert_int_equal(s.faults[lucet_trapcode_unshared_wait], 1);
    assert_int_equal(s.faults[lucet_trapcode_null_reference], 1);
    assert_int_equal(s.faults[lucet_trapcode_null_exception], 1);
    assert_int_equal(s.faults[lucet_trapcode_exceptions_exhausted], 1);
    assert_int_equal(s.faults[lucet_trapcode_heap_out_of_bounds], 3);
    assert_int_equal(s.faults[lucet_trapcode_unreachable], 1);
    assert_int_equal(s.faults[0], 1);
    assert_int_equal(s.terminated, 2);
    assert_int_equal(s.terminations[lucet_terminated_reason_provided], 1);
    assert_int_equal(s.terminations[lucet_terminated_reason_remote], 1);
    assert_int_equal(s.fatal, 0);
    assert_int_equal(fatal, 0);
    lucet_dl_module_statistics(NULL, &s);
}

static int32_t look(struct lucet_vmctx *ctx, int32_t n)
{
    const int64_t *globals = lucet_vmctx_get_globals(ctx);

    assert_int_equal((int32_t)globals[0], 77);
    assert_int_equal(globals[1], 0x123456789abcdef0);
    assert_null(lucet_vmctx_get_func_from_idx(ctx, 0, 0));
    assert_non_null(lucet_vmctx_get_func_from_idx(ctx, 0, 1));
    assert_null(lucet_vmctx_get_func_from_idx(ctx, 0, 3));
    assert_null(lucet_vmctx_get_func_from_idx(ctx, 1, 1));
    assert_int_equal(lucet_thread_detach(), lucet_error_instance_not_returned);
    return n;
}

/* An illegal instruction where the compiler had put a trap, as a processor would see one that it
 * lacks: the embedder's handler is not asked, the fatal one is told, and the host lives to
 * decide. */
static void instructions_of_no_machine_are_fatal(void **state)
{
    static const uint8_t trap[] = {0x67, 0x0f, 0xb9, 0x40}, illegal[] = {0x67, 0x0f, 0x0b, 0x90};
    struct lucet_module_statistics s;
    struct lucet_dl_module *bad;
    size_t size, found = 0;
    uint8_t *bytes =
        guest_artifact("(module (func (export \"f\") unreachable))", &guest_default, &size);

    (void)state;
    guest_begin();
    for (size_t i = 0; i + sizeof trap <= size; i++)
        if (memcmp(bytes + i, trap, sizeof trap) == 0) {
            memcpy(bytes + i, illegal, sizeof illegal);
            found++;
        }
    assert_true(found > 0);
    assert_int_equal(lucet_dl_module_load_bytes(bytes, size, &bad), lucet_error_ok);
    free(bytes);
    lucet_instance_release(inst);
    inst = guest_instance(region, bad, NULL, &region);
    assert_int_equal(lucet_instance_set_signal_handler(inst, handler), lucet_error_ok);
    assert_int_equal(lucet_instance_set_fatal_handler(inst, on_fatal), lucet_error_ok);
    asked = fatal = 0;
    assert_int_equal(run("f", 0, 0), lucet_error_runtime_fault);
    assert_int_equal(r.val.faulted.trapcode, lucet_trapcode_unknown);
    assert_true(r.val.faulted.fatal);
    assert_int_equal(fatal, 1);
    assert_int_equal(asked, 0);
    lucet_dl_module_statistics(bad, &s);
    assert_int_equal(s.fatal, 1);
    lucet_dl_module_release(bad);
}

static void host_functions_see_tables_and_globals(void **state)
{
    (void)state;
    guest_begin();
    host_body = look;
    assert_int_equal(run("host", 1, 3), lucet_error_ok);
    assert_int_equal(lucet_retval_gp(&r.val.returned), 3);
}

/* Such a reference would run its function with the context of whoever it is handed to. */
static int32_t look_at_private(struct lucet_vmctx *ctx, int32_t n)
{
    assert_null(lucet_vmctx_get_func_from_idx(ctx, 0, 0));
    return n + 1;
}

static void functions_of_private_modules_stay_there(void **state)
{
    struct lucet_result result;

    (void)state;
    guest_begin();
    host_body = look_at_private;
    struct lucet_region *own = guest_region(1);
    struct lucet_dl_module *m = guest_module(
        "(module (import \"h\" \"f\" (func $f (param i32) (result i32))) (table 1 funcref)"
        " (elem (i32.const 0) $g) (func $g (result i32) (call $f (i32.const 4))))",
        &guest_default);
    struct lucet_instance *i = guest_instance(own, m, linker, NULL);
    assert_int_equal(lucet_instance_run_func_idx(i, 0, 0, 0, NULL, &result), lucet_error_ok);
    assert_int_equal(lucet_retval_gp(&result.val.returned), 5);
    lucet_instance_release(i);
    lucet_dl_module_release(m);
    lucet_region_release(own);
}

static void *attach(void *arg)
{
    stack_t before, during, after;

    sigaltstack(NULL, &before);
    bool good = lucet_thread_attach(1 << 20) == lucet_error_ok;
    sigaltstack(NULL, &during);
#ifndef LUCET_SANITIZE /* which gives every thread one */
    good = good && !(during.ss_flags & SS_DISABLE) && during.ss_size >= 1 << 20;
#endif
    good = good && run("five", 0, 0) == lucet_error_ok;
    good = good && lucet_thread_detach() == lucet_error_ok && lucet_thread_detach() == 0;
    sigaltstack(NULL, &after);
#ifndef LUCET_SANITIZE
    good = good && after.ss_flags == before.ss_flags;
#endif
    good = good && run("unreachable", 0, 0) == lucet_error_runtime_fault; /* attaches again */
    *(bool *)arg = good;
    return NULL;
}

static void threads_attach_and_detach(void **state)
{
    pthread_t thread;
    bool good = false;

    (void)state;
    guest_begin();
    assert_int_equal(pthread_create(&thread, NULL, attach, &good), 0);
    pthread_join(thread, NULL);
    assert_true(good);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

static atomic_int seen_fpe, seen_ill;
static void count_signals(int sig)
{
    seen_fpe += sig == SIGFPE;
    seen_ill += sig == SIGILL;
}

struct sender {
    pthread_t to;
    const volatile uint8_t *runs; /* the guest says so */
    struct lucet_kill_switch *k;
};

static void wait_for(const atomic_int *seen)
{
    for (double until = patience_now() + PATIENCE; !*seen && patience_now() < until;)
        usleep(1000);
}

static void *send_and_kill(void *arg)
{
    const struct sender *s = arg;
    sigset_t fpe;

    sigemptyset(&fpe);
    sigaddset(&fpe, SIGFPE);
    pthread_sigmask(SIG_BLOCK, &fpe, NULL);
    while (!*s->runs)
        usleep(1000);
    kill(getpid(), SIGFPE); /* to the other thread, as another process would */
    wait_for(&seen_fpe);
    pthread_kill(s->to, SIGILL);
    wait_for(&seen_ill);
    lucet_kill_switch_terminate(s->k);
    return NULL;
}

/* A guest that runs when the host is sent a signal is not to blame. */
static void signals_that_are_sent_are_no_faults(void **state)
{
    const struct sigaction theirs = {.sa_handler = count_signals};
    struct sigaction fpe, ill;
    pthread_t thread;

    (void)state;
    guest_begin();
    assert_int_equal(lucet_remove_signal_handlers(), lucet_error_ok);
    sigaction(SIGFPE, &theirs, &fpe);
    sigaction(SIGILL, &theirs, &ill);
    assert_int_equal(lucet_install_signal_handlers(), lucet_error_ok);
    struct lucet_region *own = guest_region(1);
    struct lucet_dl_module *m =
        guest_module("(module (memory 1) (func (export \"loop\")"
                     " (i32.store (i32.const 0) (i32.const 1)) (loop (br 0))))",
                     &guest_default);
    struct lucet_instance *looping = guest_instance(own, m, NULL, NULL);
    struct sender s = {.to = pthread_self(), .runs = lucet_instance_heap(looping)};
    assert_int_equal(lucet_instance_kill_switch(looping, &s.k), lucet_error_ok);
    assert_int_equal(pthread_create(&thread, NULL, send_and_kill, &s), 0);
    assert_int_equal(lucet_instance_run(looping, "loop", 0, NULL, &r),
                     lucet_error_runtime_terminated);
    pthread_join(thread, NULL);
    assert_int_equal(seen_fpe, 1);
    assert_int_equal(seen_ill, 1);
    lucet_kill_switch_release(s.k);
    lucet_instance_release(looping);
    lucet_dl_module_release(m);
    lucet_region_release(own);
    lucet_remove_signal_handlers();
    sigaction(SIGFPE, &fpe, NULL);
    sigaction(SIGILL, &ill, NULL);
    lucet_install_signal_handlers();
}

static uint8_t *closed_page;
static unsigned opened;
static void open_page(int sig, siginfo_t *info, void *context)
{
    (void)sig, (void)context;
    opened += (uint8_t *)info->si_addr - closed_page < (ptrdiff_t)LUCET__PAGE;
    mprotect(closed_page, LUCET__PAGE, PROT_READ | PROT_WRITE);
}

/* Though at an instruction of the guest: it is not where a guest may fault. */
static void faults_elsewhere_are_the_hosts(void **state)
{
    const struct sigaction theirs = {.sa_sigaction = open_page,
                                     .sa_flags = SA_SIGINFO | SA_ONSTACK};
    struct sigaction before;

    guest_begin();
    assert_int_equal(lucet_remove_signal_handlers(), lucet_error_ok);
    sigaction(SIGSEGV, &theirs, &before);
    assert_int_equal(lucet_install_signal_handlers(), lucet_error_ok);
    set_up(state);
    closed_page = (uint8_t *)inst->ctx + inst->module->artifact.header->layout.guest_part;
    for (unsigned k = 1; k < 3; k++) {
        assert_int_equal(mprotect(closed_page, LUCET__PAGE, PROT_NONE), 0);
        assert_int_equal(run("global", 0, 0), lucet_error_ok);
        assert_true(lucet_retval_gp(&r.val.returned) == UINT64_C(0x123456789abcdef0));
        assert_int_equal(opened, k);
    }
    tear_down(state);
    assert_int_equal(lucet_remove_signal_handlers(), lucet_error_ok);
    sigaction(SIGSEGV, &before, NULL);
    assert_int_equal(lucet_install_signal_handlers(), lucet_error_ok);
}

static void an_overflow_is_where_the_stack_ends(void **state)
{
    (void)state;
    guest_begin();
    assert_int_equal(run("deep", 0, 0), lucet_error_runtime_fault);
    assert_in_range(r.val.faulted.fault_addr, (uintptr_t)inst->slot->stack - LUCET__GUARD,
                    (uintptr_t)inst->slot->stack - 1);
}

static int32_t body_terminate(struct lucet_vmctx *ctx, int32_t n)
{
    (void)n;
    lucet_vmctx_terminate(ctx, &region);
}

/* Not of the one before, whose pointer the embedder may have freed. */
static void an_end_by_a_handler_has_its_own_reason(void **state)
{
    (void)state;
    guest_begin();
    const struct lucet_func ends = guest_func(module, "host", "i:i");
    const struct lucet_func load = guest_func(module, "load", "i:i");
    assert_int_equal(lucet_instance_set_signal_handler(inst, handler), lucet_error_ok);
    host_body = body_terminate;
    answer = lucet_signal_behavior_terminate;
    for (int round = 0; round < 3; round++) {
        union lucet_raw v = {.i32 = -8};
        run("five", 0, 0); /* the thread is ready */
        assert_int_equal(lucet_func_call(&ends, inst, &v, &r), lucet_error_runtime_terminated);
        assert_int_equal(r.val.terminated.reason, lucet_terminated_reason_provided);
        assert_ptr_equal(r.val.terminated.provided, &region);
        assert_int_equal(lucet_instance_reset(inst), lucet_error_ok);
        assert_int_equal(lucet_func_call(&load, inst, &v, &r), lucet_error_runtime_terminated);
        assert_int_equal(r.val.terminated.reason, lucet_terminated_reason_signal);
        assert_null(r.val.terminated.provided);
        assert_int_equal(lucet_instance_reset(inst), lucet_error_ok);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_handler_decides),
        TEST(statistics_are_kept_per_module),
        TEST(instructions_of_no_machine_are_fatal),
        TEST(host_functions_see_tables_and_globals),
        TEST(functions_of_private_modules_stay_there),
        TEST(threads_attach_and_detach),
        cmocka_unit_test(faults_elsewhere_are_the_hosts),
        TEST(an_overflow_is_where_the_stack_ends),
        TEST(an_end_by_a_handler_has_its_own_reason),
        cmocka_unit_test(signals_that_are_sent_are_no_faults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
