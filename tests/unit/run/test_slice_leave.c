/* The handler that puts a guest aside does not return: what the host finds then is what it would
 * have found, and where that cannot be, the handler returns. */
#include "guest.h"
#include "set.h"

#include <errno.h>
#include <fenv.h>
#include <float.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "runtime/instance.h"
#include "runtime/region.h"
#include "runtime/slot.h"
#include "runtime/suspend.h"
#include "runtime/x86_64/machine.h"

#ifndef SS_AUTODISARM
#define SS_AUTODISARM (1u << 31)
#endif

static const char wat[] =
    "(module (func (export \"spin\") (param $n i32) (result i64) (local $x i64)"
    "   (loop $l"
    "     (local.set $x (i64.add (i64.mul (local.get $x) (i64.const 6364136223846793005))"
    "                            (i64.extend_i32_u (local.get $n))))"
    "     (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))"
    "   (local.get $x)))";

#define STEPS 3000000

static uint64_t expected(void)
{
    uint64_t x = 0;

    for (uint32_t n = STEPS; n; n--)
        x = x * UINT64_C(6364136223846793005) + n;
    return x;
}

static struct set set_up(void)
{
    static const struct set_host none[] = {{0}};

    guest_begin();
    return set_begin(wat, &guest_default, none);
}

/* In slices, `after` each; how many there were. */
static unsigned spin(struct lucet_instance *inst, void (*after)(void))
{
    struct lucet_result r;
    unsigned slices = 0;

    assert_int_equal(lucet_instance_set_slice(inst, 50000), lucet_error_ok);
    enum lucet_error e = lucet_instance_run(inst, "spin", ARGS(I32(STEPS)), &r);
    for (; e == lucet_error_ok && r.tag == lucet_result_tag_yielded; slices++) {
        if (after)
            after();
        e = lucet_instance_resume(inst, NULL, &r);
    }
    assert_int_equal(e, lucet_error_ok);
    assert_true(lucet_retval_gp(&r.val.returned) == expected());
    assert_true(slices > 3);
    return slices;
}

/* On a thread that has not run guests before. */
static void on_a_new_thread(void *(*f)(void *), struct set *s)
{
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, f, s), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

/* ---- The signal mask ---- */

static sigset_t mask_before;
static volatile sig_atomic_t came;

static void on_signal(int sig)
{
    (void)sig;
    came = came + 1;
}

static void check_mask(void)
{
    sigset_t now;

    pthread_sigmask(SIG_SETMASK, NULL, &now);
    assert_memory_equal(&now, &mask_before, 8); /* the kernel's 64 */
    assert_int_equal(came, 0);
}

static void what_the_host_has_blocked_stays_blocked(void **state)
{
    const struct sigaction ours = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK};
    sigset_t some, before;

    (void)state;
    struct set s = set_up();
    sigaction(SIGUSR1, &ours, NULL);
    assert_int_equal(lucet_thread_attach(0), lucet_error_ok);
    sigemptyset(&some);
    for (int round = 0; round < 3; round++) {
        const int signals[] = {SIGUSR1, SIGTERM, SIGRTMAX};
        sigaddset(&some, signals[round]);
        pthread_sigmask(SIG_BLOCK, &some, &before);
        pthread_sigmask(SIG_SETMASK, NULL, &mask_before);
        came = 0;
        syscall(SYS_tgkill, getpid(), (pid_t)syscall(SYS_gettid), SIGUSR1);
        spin(s.a, check_mask);
        check_mask();
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        assert_int_equal(came, 1);
    }
    signal(SIGUSR1, SIG_DFL);
    set_end(&s);
}

/* Where it cannot be set, the kernel has to do it. */
static int spin_without_masks(struct lucet_instance *inst)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_rt_sigprocmask, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {.len = sizeof filter / sizeof *filter, .filter = filter};
    struct lucet_result r;
    unsigned slices = 0;

    if (lucet_instance_set_slice(inst, 50000) != lucet_error_ok ||
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        return 2;
    enum lucet_error e = lucet_instance_run(inst, "spin", ARGS(I32(STEPS)), &r);
    for (; e == lucet_error_ok && r.tag == lucet_result_tag_yielded; slices++)
        e = lucet_instance_resume(inst, NULL, &r);
    return e == lucet_error_ok && lucet_retval_gp(&r.val.returned) == expected() && slices > 3 ? 0
                                                                                               : 1;
}

__attribute__((unused)) static void a_mask_that_cannot_be_set_is_left_to_the_kernel(void **state)
{
    int status = -1;

    (void)state;
    struct set s = set_up();
    spin(s.a, NULL); /* the thread has all it needs */
    const pid_t child = fork();
    if (child == 0)
        _exit(spin_without_masks(s.a));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    set_end(&s);
}

/* ---- Who else wants to have the thread ---- */

static struct sigaction lucets;
static volatile unsigned passed, returned;

static void pass_on(int sig, siginfo_t *info, void *context)
{
    passed = passed + 1;
    lucets.sa_sigaction(sig, info, context);
    returned = returned + 1;
}

__attribute__((unused)) static void handlers_that_call_ours_go_on(void **state)
{
    (void)state;
    struct set s = set_up();
    struct sigaction theirs = {.sa_sigaction = pass_on, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    assert_int_equal(sigaction(SIGURG, NULL, &lucets), 0);
    theirs.sa_mask = lucets.sa_mask;
    assert_int_equal(sigaction(SIGURG, &theirs, NULL), 0);
    passed = returned = 0;
    const unsigned slices = spin(s.a, NULL);
    assert_true(passed >= slices);
    assert_int_equal(returned, passed);
    assert_int_equal(sigaction(SIGURG, &lucets, NULL), 0);
    set_end(&s);
}

static volatile unsigned chained;

static void on_foreign(int sig, siginfo_t *info, void *context)
{
    (void)sig, (void)info, (void)context;
    chained = chained + 1;
    errno = EBADF;
}

static void *disturb(void *over)
{
    while (!atomic_load((atomic_bool *)over)) {
        kill(getpid(), SIGURG);
        nanosleep(&(struct timespec){.tv_nsec = 20000}, NULL);
    }
    return NULL;
}

/* The same signal from somebody else may find a slice that is over. */
__attribute__((unused)) static void signals_of_others_are_passed_on(void **state)
{
    const struct sigaction theirs = {.sa_sigaction = on_foreign,
                                     .sa_flags = SA_SIGINFO | SA_ONSTACK};
    struct sigaction before;
    atomic_bool over = false;
    pthread_t thread;
    sigset_t urgent;

    (void)state;
    guest_begin();
    assert_int_equal(lucet_remove_signal_handlers(), lucet_error_ok);
    assert_int_equal(sigaction(SIGURG, &theirs, &before), 0);
    struct set s = set_up();
    assert_int_equal(lucet_install_signal_handlers(), lucet_error_ok);
    spin(s.a, NULL);
    sigemptyset(&urgent);
    sigaddset(&urgent, SIGURG);
    errno = 0;
    chained = 0;
    syscall(SYS_tgkill, getpid(), (pid_t)syscall(SYS_gettid), SIGURG);
    assert_int_equal(chained, 1);
    assert_int_equal(errno, 0);
    pthread_sigmask(SIG_BLOCK, &urgent, NULL); /* the other thread's */
    assert_int_equal(pthread_create(&thread, NULL, disturb, &over), 0);
    pthread_sigmask(SIG_UNBLOCK, &urgent, NULL);
    for (int round = 0; round < 20; round++)
        spin(s.a, NULL);
    atomic_store(&over, true);
    pthread_join(thread, NULL);
    assert_true(chained > 10);
    set_end(&s);
    assert_int_equal(lucet_remove_signal_handlers(), lucet_error_ok);
    assert_int_equal(sigaction(SIGURG, &before, NULL), 0);
    assert_int_equal(lucet_install_signal_handlers(), lucet_error_ok);
}

/* ---- The floating-point environment ---- */

static unsigned x87_exceptions(void)
{
    uint16_t status;

    __asm__ volatile("fnstsw %0" : "=m"(status));
    return status & 0x3f;
}

static uint16_t x87_control(void)
{
    uint16_t control;

    __asm__ volatile("fnstcw %0" : "=m"(control));
    return control;
}

static unsigned raised;

/* What has been raised so far is there still, and one more. */
static void raise_another(void)
{
    volatile long double x = 1, y = x87_exceptions() & FE_DIVBYZERO ? LDBL_MAX : 0;

    assert_int_equal(x87_exceptions(), raised);
    x = y == 0 ? x / y : y * y;
    raised = x87_exceptions();
}

static void the_host_keeps_its_floating_point_environment(void **state)
{
    const uint16_t default_control = x87_control();

    (void)state;
    struct set s = set_up();
    for (int odd = 0; odd < 2; odd++) {
        const uint16_t control = odd ? 0x0a7f : default_control; /* upwards, to 53 bits */
        __asm__ volatile("fnclex\n fldcw %0" ::"m"(control));
        raised = 0;
        raise_another();
        assert_int_equal(raised, FE_DIVBYZERO);
        spin(s.a, raise_another);
        assert_int_equal(x87_exceptions(), FE_DIVBYZERO | FE_OVERFLOW | FE_INEXACT);
        assert_int_equal(x87_control(), control);
        __asm__ volatile("fnclex\n fldcw %0" ::"m"(default_control));
    }
    set_end(&s);
}

/* ---- Signals that take long ---- */

static uint32_t slow; /* nanoseconds that setting a timer takes */
static unsigned settings;

int timer_settime(timer_t timer, int flags, const struct itimerspec *when,
                  struct itimerspec *before)
{
    const int result = (int)syscall(SYS_timer_settime, timer, flags, when, before);
    struct timespec now, begun;

    if (!slow)
        return result;
    if (++settings > 100000)
        abort(); /* the guest never comes to its next instruction */
    syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &begun);
    do
        syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
    while ((now.tv_sec - begun.tv_sec) * 1000000000 + now.tv_nsec - begun.tv_nsec < slow);
    return result;
}

/* As it is when a debugger looks at all of them: the next one has come before the handler
 * returns. */
static void guests_come_on_though_signals_take_longer_than_slices(void **state)
{
    (void)state;
    struct set s = set_up();
    settings = 0;
    slow = 100000;
    spin(s.a, NULL);
    slow = 0;
    set_end(&s);
}

/* ---- The signal stack ---- */

#define STACK_SIZE 65536u

static stack_t own_stack;

static void check_stack(void)
{
    stack_t now;

    assert_int_equal(sigaltstack(NULL, &now), 0);
    assert_ptr_equal(now.ss_sp, own_stack.ss_sp);
    assert_int_equal(now.ss_size, own_stack.ss_size);
    assert_int_equal(now.ss_flags, own_stack.ss_flags);
}

/* Its lowest page is inaccessible. */
static uint8_t *map_stack(void)
{
    uint8_t *p =
        mmap(NULL, STACK_SIZE + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    assert_ptr_not_equal(p, MAP_FAILED);
    assert_int_equal(mprotect(p, 4096, PROT_NONE), 0);
    return p + 4096;
}

static void *on_a_stack_that_disarms_itself(void *set)
{
    struct set *s = set;

    own_stack =
        (stack_t){.ss_sp = map_stack(), .ss_size = STACK_SIZE, .ss_flags = (int)SS_AUTODISARM};
    assert_int_equal(sigaltstack(&own_stack, NULL), 0);
    spin(s->a, check_stack);
    check_stack();
    sigaltstack(&(stack_t){.ss_flags = SS_DISABLE}, NULL);
    munmap((uint8_t *)own_stack.ss_sp - 4096, STACK_SIZE + 4096);
    return NULL;
}

static void a_stack_that_disarms_itself_is_armed_again(void **state)
{
    (void)state;
    struct set s = set_up();
    on_a_new_thread(on_a_stack_that_disarms_itself, &s);
    set_end(&s);
}

static atomic_uint used, sent;
static _Thread_local bool send_more;

static void measure(int sig)
{
    const uintptr_t top = (uintptr_t)own_stack.ss_sp + own_stack.ss_size;

    (void)sig;
    atomic_store(&used, (unsigned)(top - (uintptr_t)__builtin_frame_address(0)));
}

/* In the runtime's handler: a signal that comes as soon as it may. */
int clock_gettime(clockid_t id, struct timespec *now)
{
    const uintptr_t here = (uintptr_t)__builtin_frame_address(0);

    if (send_more && here - (uintptr_t)own_stack.ss_sp < own_stack.ss_size) {
        atomic_fetch_add(&sent, 1);
        syscall(SYS_tgkill, getpid(), (pid_t)syscall(SYS_gettid), SIGURG);
    }
    return (int)syscall(SYS_clock_gettime, id, now);
}

static void *on_a_small_stack(void *set)
{
    const struct sigaction ours = {.sa_handler = measure, .sa_flags = SA_ONSTACK};
    struct set *s = set;

    own_stack = (stack_t){.ss_sp = map_stack(), .ss_size = STACK_SIZE};
    assert_int_equal(sigaltstack(&own_stack, NULL), 0);
    assert_int_equal(sigaction(SIGUSR2, &ours, NULL), 0);
    assert_int_equal(lucet_thread_attach(0), lucet_error_ok);
    raise(SIGUSR2);
    /* For many handlers, for two, and for one and what it calls. */
    const unsigned rooms[] = {STACK_SIZE - used, 2 * used, used - used / 4};
    for (size_t k = 0; k < sizeof rooms / sizeof *rooms; k++) {
        own_stack.ss_size = (used + rooms[k]) & ~(size_t)15;
        assert_int_equal(sigaltstack(&own_stack, NULL), 0);
        atomic_store(&sent, 0);
        send_more = true;
        spin(s->a, NULL);
        send_more = false;
        assert_true(atomic_load(&sent) > 3);
    }
    sigaltstack(&(stack_t){.ss_flags = SS_DISABLE}, NULL);
    return NULL;
}

__attribute__((unused)) static void two_handlers_find_room_on_it(void **state)
{
    (void)state;
    struct set s = set_up();
    on_a_new_thread(on_a_small_stack, &s);
    signal(SIGUSR2, SIG_DFL);
    set_end(&s);
}

/* ---- Where the guest goes on ---- */

static void what_is_nobodys_is_written_when_it_goes_on(void **state)
{
    struct lucet_result r;

    (void)state;
    struct set s = set_up();
    assert_int_equal(lucet_instance_set_slice(s.a, 20000), lucet_error_ok);
    assert_int_equal(lucet_instance_run(s.a, "spin", ARGS(I32(STEPS)), &r), lucet_error_ok);
    assert_int_equal(r.tag, lucet_result_tag_yielded);
    uint64_t *sp = &s.a->registers->general[REG_RSP], kept = *sp;
    const uint64_t low = (uintptr_t)s.a->slot->stack, high = low + s.a->region->limits.stack_size;
    const struct {
        uint64_t sp;
        bool possible;
    } cases[] = {
        {kept, true},
        {low + 4096 + 136, true},
        {low + 4096 + 135, false}, /* on a page that may not be there yet */
        {low + 4096, false},
        {low + 136, true},
        {low + 128, false},
        {low - 8, false}, /* a frame that is being made, over the end */
        {low - 4096 + 136, false},
        {high - 8, true},
        {high + 256, false},
        {128, false},
        {UINT64_MAX - 7, false},
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        *sp = cases[k].sp;
        void *place = lucet__suspended_sp(s.a);
        assert_ptr_equal(place, cases[k].possible ? (void *)(cases[k].sp - 136) : NULL);
    }
    *sp = kept;
    assert_int_equal(lucet_instance_reset(s.a), lucet_error_ok);
    set_end(&s);
}

/* ---- Rights to memory ---- */

static uint32_t rights;

static void check_rights(void)
{
    assert_int_equal(machine_rights(), rights);
}

static void *with_other_rights(void *set)
{
    struct set *s = set;
    const int key = pkey_alloc(0, PKEY_DISABLE_WRITE);

    if (key < 0) {
        printf("no keys of memory: not tried\n");
        return NULL;
    }
    for (unsigned k = 0; k < 3; k++) {
        assert_int_equal(pkey_set(key, k), 0);
        rights = machine_rights();
        spin(s->a, check_rights);
        check_rights();
    }
    pkey_free(key);
    return NULL;
}

static void the_host_keeps_its_rights_to_memory(void **state)
{
    (void)state;
    struct set s = set_up();
    on_a_new_thread(with_other_rights, &s);
    set_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_host_has_blocked_stays_blocked),
#ifndef LUCET_TSAN /* which keeps handlers of others waiting while guests run */
        cmocka_unit_test(handlers_that_call_ours_go_on),
        cmocka_unit_test(signals_of_others_are_passed_on),
#endif
        cmocka_unit_test(a_stack_that_disarms_itself_is_armed_again),
        cmocka_unit_test(what_is_nobodys_is_written_when_it_goes_on),
        cmocka_unit_test(the_host_keeps_its_rights_to_memory),
        cmocka_unit_test(guests_come_on_though_signals_take_longer_than_slices),
        cmocka_unit_test(the_host_keeps_its_floating_point_environment),
#if !defined(LUCET_TSAN) && !defined(LUCET_SANITIZE) /* whose handlers need more, and masks */
        cmocka_unit_test(two_handlers_find_room_on_it),
        cmocka_unit_test(a_mask_that_cannot_be_set_is_left_to_the_kernel),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
