/* The runtime's signal handlers: put in place, found replaced, taken away, refused by the kernel;
 * and who else gets a signal. Each case in a process of its own. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "run/guest.h"
#include "run/process.h"
#include "runtime/dirty.h"
#include "runtime/failing.h"
#include "runtime/fault.h"
#include "runtime/signals.h"
#include "runtime/stop.h"

static const int ours[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGURG};
#define OURS (sizeof(ours) / sizeof(*ours))

static void install(void)
{
    CHECK(lucet_install_signal_handlers() == lucet_error_ok);
    CHECK(lucet_error_detail()[0] == '\0');
}

static struct sigaction now(int sig)
{
    struct sigaction a;

    CHECK(sigaction(sig, NULL, &a) == 0);
    return a;
}

static void put(int sig, void (*handler)(int, siginfo_t *, void *), int flags)
{
    const struct sigaction a = {.sa_sigaction = handler, .sa_flags = flags};

    CHECK(sigaction(sig, &a, NULL) == 0);
}

static bool is_ours(int sig)
{
    const struct sigaction a = now(sig);

    return a.sa_sigaction == (sig == SIGURG ? lucet__stop_handler : lucet__fault_handler) &&
           a.sa_flags & SA_SIGINFO && a.sa_flags & SA_ONSTACK;
}

static unsigned calls;
static bool blocked;

static void count(int sig, siginfo_t *info, void *context)
{
    sigset_t mask;

    (void)info;
    (void)context;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    blocked = sigismember(&mask, sig);
    calls++;
}

/* ---- Put in place and taken away ---- */

static int one_handler_waits_for_the_other(void)
{
    install();
    for (size_t i = 0; i < OURS; i++) {
        const struct sigaction a = now(ours[i]);
        CHECK(is_ours(ours[i]));
        for (size_t k = 0; k < OURS; k++)
            CHECK(sigismember(&a.sa_mask, ours[k]));
    }
    return 0;
}

static int a_handler_without_its_flags_is_put_right(void)
{
    install();
    for (size_t i = 0; i < OURS; i++)
        put(ours[i], now(ours[i]).sa_sigaction, SA_SIGINFO); /* would run on the guest's stack */
    install();
    for (size_t i = 0; i < OURS; i++)
        CHECK(is_ours(ours[i]));
    /* It has not become its own predecessor. */
    raise(SIGURG);
    CHECK(lucet_remove_signal_handlers() == lucet_error_ok);
    CHECK(now(SIGURG).sa_handler == SIG_DFL);
    return 0;
}

static int any_other_handler_is_replaced(void)
{
    install();
    for (size_t i = 0; i < OURS; i++)
        put(ours[i], count, SA_SIGINFO | SA_ONSTACK); /* with our flags */
    install();
    for (size_t i = 0; i < OURS; i++)
        CHECK(is_ours(ours[i]));
    kill(getpid(), SIGFPE);
    CHECK(calls == 1);
    return 0;
}

static int what_was_there_comes_back(void)
{
    for (size_t i = 0; i < OURS; i++)
        put(ours[i], count, SA_SIGINFO | SA_RESTART);
    install();
    CHECK(lucet__quick_calls);
    CHECK(lucet_remove_signal_handlers() == lucet_error_ok);
    CHECK(lucet_error_detail()[0] == '\0');
    CHECK(!lucet__quick_calls);
    for (size_t i = 0; i < OURS; i++)
        CHECK(now(ours[i]).sa_sigaction == count && now(ours[i]).sa_flags & SA_RESTART);
    CHECK(lucet_remove_signal_handlers() == lucet_error_ok); /* nothing more to do */
    CHECK(now(SIGSEGV).sa_sigaction == count);
    return 0;
}

static int handlers_of_others_are_not_taken_away(void)
{
    install();
    put(SIGBUS, count, SA_SIGINFO);
    CHECK(lucet_remove_signal_handlers() == lucet_error_ok);
    CHECK(now(SIGBUS).sa_sigaction == count);
    CHECK(now(SIGSEGV).sa_handler == SIG_DFL);
    return 0;
}

/* Ours, after we have taken it away. */
static int someone_may_put_our_handler_back(void)
{
    install();
    const struct sigaction a = now(SIGURG);
    CHECK(lucet_remove_signal_handlers() == lucet_error_ok);
    CHECK(sigaction(SIGURG, &a, NULL) == 0);
    kill(getpid(), SIGURG);
    install();
    kill(getpid(), SIGURG);
    CHECK(is_ours(SIGURG));
    CHECK(lucet_remove_signal_handlers() == lucet_error_ok);
    kill(getpid(), SIGURG);
    return 0;
}

#ifndef FAILING_SOME_ONLY
/* All are put in place, or none is. */
static int a_kernel_that_refuses_is_a_clean_error(void)
{
    for (unsigned n = 0; n < OURS; n++) {
        failing_begin(FAIL_HANDLERS, n, false);
        CHECK(lucet_install_signal_handlers() == lucet_error_internal);
        CHECK(strstr(lucet_error_detail(), "cannot install signal handlers"));
        CHECK(failing_happened());
        failing_end();
        for (size_t i = 0; i < OURS; i++)
            CHECK(now(ours[i]).sa_handler == SIG_DFL);
        CHECK(!lucet__quick_calls);
        struct lucet_region *region;
        failing_begin(FAIL_HANDLERS, n, false);
        CHECK(lucet_mmap_region_create(1, NULL, &region) == lucet_error_internal);
        failing_end();
    }
    install();
    for (size_t i = 0; i < OURS; i++)
        CHECK(is_ours(ours[i]));
    return 0;
}
#endif

static void handlers_are_put_in_place_and_taken_away(void **state)
{
    (void)state;
    assert_int_equal(process_bare_child(one_handler_waits_for_the_other), 0);
    assert_int_equal(process_bare_child(a_handler_without_its_flags_is_put_right), 0);
    assert_int_equal(process_bare_child(any_other_handler_is_replaced), 0);
    assert_int_equal(process_bare_child(what_was_there_comes_back), 0);
    assert_int_equal(process_bare_child(handlers_of_others_are_not_taken_away), 0);
    assert_int_equal(process_bare_child(someone_may_put_our_handler_back), 0);
#ifndef FAILING_SOME_ONLY
    assert_int_equal(process_bare_child(a_kernel_that_refuses_is_a_clean_error), 0);
#endif
}

/* ---- Passing on ---- */

/* Those who pass on to whatever was there before them. */
#define MANY 12
static struct sigaction before[MANY];
static unsigned reached; /* bits */

static void pass_on(unsigned n, int sig, siginfo_t *info, void *context)
{
    CHECK(!(reached & 1u << n));
    reached |= 1u << n;
    if (before[n].sa_flags & SA_SIGINFO)
        before[n].sa_sigaction(sig, info, context);
}
#define EACH(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)
#define X(n)                                                                                       \
    static void pass_on_##n(int sig, siginfo_t *info, void *context)                               \
    {                                                                                              \
        pass_on(n, sig, info, context);                                                            \
    }
EACH(X)
#undef X
#define X(n) pass_on_##n,
static void (*const passing[MANY])(int, siginfo_t *, void *) = {EACH(X)};
#undef X

/* Though it replaces ours time and again, and passes on to it. */
static int the_same_handler_is_called_once(void)
{
    const struct sigaction a = {.sa_sigaction = pass_on_0, .sa_flags = SA_SIGINFO};

    install();
    before[0] = now(SIGURG);
    for (int round = 0; round < 3; round++) {
        CHECK(sigaction(SIGURG, &a, NULL) == 0);
        install();
    }
    kill(getpid(), SIGURG);
    CHECK(reached == 1);
    return 0;
}

/* Someone who replaces our handler, time and again, each time with another function: the oldest and
 * the latest stay known. */
static int only_so_many_earlier_handlers_are_remembered(void)
{
    for (unsigned n = 0; n < MANY; n++) {
        const struct sigaction a = {.sa_sigaction = passing[n], .sa_flags = SA_SIGINFO};
        CHECK(sigaction(SIGFPE, &a, &before[n]) == 0);
        install();
        if (n == 7) { /* as many as there is room for */
            kill(getpid(), SIGFPE);
            CHECK(reached == 0xff);
            reached = 0;
        }
    }
    kill(getpid(), SIGFPE);
    CHECK(reached == (1u | 0x7fu << (MANY - 7)));
    return 0;
}

static int the_latest_flags_of_a_handler_hold(void)
{
    put(SIGFPE, count, SA_SIGINFO | SA_NODEFER);
    install();
    kill(getpid(), SIGFPE);
    CHECK(calls == 1 && !blocked);
    put(SIGFPE, count, SA_SIGINFO);
    install();
    kill(getpid(), SIGFPE);
    CHECK(calls == 2 && blocked);
    return 0;
}

static void in_a_circle(int sig, siginfo_t *info, void *context)
{
    calls++;
    now(sig).sa_sigaction(sig, info, context);
}

/* The first of all passes on to whoever is in place now, which is our handler: the default action
 * is next. */
static int a_circle_ends_with_the_default_action(void)
{
    put(SIGURG, in_a_circle, SA_SIGINFO);
    install();
    put(SIGURG, in_a_circle, SA_SIGINFO); /* is remembered once */
    install();
    kill(getpid(), SIGURG);
    CHECK(calls == 1);
    return 0;
}

static void on_top(int sig, siginfo_t *info, void *context)
{
    sigset_t mask;

    before[0].sa_sigaction(sig, info, context);
    CHECK(calls == 1);
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    blocked = sigismember(&mask, SIGUSR2);
}

/* Who came after us and passes on has its own mask again afterwards. */
static int masks_are_put_back_after_each_handler(void)
{
    struct sigaction a = {.sa_sigaction = on_top, .sa_flags = SA_SIGINFO};

    put(SIGFPE, count, SA_SIGINFO);
    install();
    sigaddset(&a.sa_mask, SIGUSR2);
    CHECK(sigaction(SIGFPE, &a, &before[0]) == 0);
    kill(getpid(), SIGFPE);
    CHECK(blocked);
    return 0;
}

/* Whatever its flags say: for the kernel, SIG_DFL and SIG_IGN are no functions. */
static int no_handler_is_none_with_any_flags(void)
{
    struct sigaction a = {.sa_flags = SA_SIGINFO};

    a.sa_handler = SIG_IGN;
    CHECK(sigaction(SIGFPE, &a, NULL) == 0);
    a.sa_handler = SIG_DFL;
    CHECK(sigaction(SIGURG, &a, NULL) == 0);
    install();
    kill(getpid(), SIGFPE);
    kill(getpid(), SIGURG);
    a.sa_handler = SIG_DFL;
    CHECK(sigaction(SIGFPE, &a, NULL) == 0);
    install();
    kill(getpid(), SIGFPE);
    return 0;
}

static void what_came_before_is_called_as_it_expects(void **state)
{
    (void)state;
    assert_int_equal(process_bare_child(the_same_handler_is_called_once), 0);
    assert_int_equal(process_bare_child(only_so_many_earlier_handlers_are_remembered), 0);
    assert_int_equal(process_bare_child(the_latest_flags_of_a_handler_hold), 0);
    assert_int_equal(process_bare_child(a_circle_ends_with_the_default_action), 0);
    assert_int_equal(process_bare_child(masks_are_put_back_after_each_handler), 0);
    assert_int_equal(process_bare_child(no_handler_is_none_with_any_flags), 128 + SIGFPE);
}

/* ---- The stop signal ---- */

static int stop_signals_are_checked(void)
{
    /* Not to be caught; the threads' own; faults; what stops the process by default, after which
     * nothing would stop a guest. */
    const int wrong[] = {-1,      0,      SIGKILL, SIGSTOP, 32,      33,      65,     1000,
                         SIGSEGV, SIGBUS, SIGILL,  SIGFPE,  SIGTSTP, SIGTTIN, SIGTTOU};

    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        CHECK(lucet_set_stop_signal(wrong[i]) == lucet_error_invalid_argument);
        CHECK(!strstr(lucet_error_detail(), "already"));
    }
    for (int sig = SIGRTMIN; sig <= SIGRTMAX; sig++)
        CHECK(lucet_set_stop_signal(sig) == lucet_error_ok);
    CHECK(lucet_set_stop_signal(SIGHUP) == lucet_error_ok);
    CHECK(lucet_error_detail()[0] == '\0');
    install();
    CHECK(now(SIGHUP).sa_sigaction == lucet__stop_handler);
    CHECK(now(SIGURG).sa_handler == SIG_DFL);
    CHECK(lucet_set_stop_signal(SIGUSR1) == lucet_error_invalid_argument);
    CHECK(strstr(lucet_error_detail(), "already"));
    CHECK(lucet_remove_signal_handlers() == lucet_error_ok);
    CHECK(lucet_set_stop_signal(SIGUSR1) == lucet_error_ok);
    return 0;
}

/* These do nothing by default, and their handler stays. */
static int nothing_happens_to_signals_that_do_nothing(void)
{
    const int harmless[] = {SIGURG, SIGCHLD, SIGWINCH, SIGCONT};

    for (size_t i = 0; i < sizeof(harmless) / sizeof(*harmless); i++) {
        CHECK(lucet_set_stop_signal(harmless[i]) == lucet_error_ok);
        install();
        kill(getpid(), harmless[i]);
        CHECK(now(harmless[i]).sa_sigaction == lucet__stop_handler);
        CHECK(lucet_remove_signal_handlers() == lucet_error_ok);
    }
    return 0;
}

/* An ignored stop signal is ignored however it came: from a process, or as from the kernel. */
static int an_ignored_stop_signal_stays_ignored(void)
{
    siginfo_t info = {.si_signo = SIGUSR1, .si_code = POLL_IN};

    signal(SIGUSR1, SIG_IGN);
    CHECK(lucet_set_stop_signal(SIGUSR1) == lucet_error_ok);
    install();
    kill(getpid(), SIGUSR1);
    CHECK(syscall(SYS_rt_sigqueueinfo, getpid(), SIGUSR1, &info) == 0);
    CHECK(now(SIGUSR1).sa_sigaction == lucet__stop_handler);
    return 0;
}

static void a_signal_that_stops_guests_can_be_chosen(void **state)
{
    (void)state;
    assert_int_equal(process_bare_child(stop_signals_are_checked), 0);
    assert_int_equal(process_bare_child(nothing_happens_to_signals_that_do_nothing), 0);
    assert_int_equal(process_bare_child(an_ignored_stop_signal_stays_ignored), 0);
}

/* ---- Kernels that lack something ---- */

static struct text lines;

static void note(void *data, enum lucet_log_level level, const char *message)
{
    (void)data;
    text_add(&lines, "%d %s\n", level, message);
}

static int what_is_missing_is_logged(void)
{
    text_add(&lines, "-");
    lucet_set_log(lucet_log_info, note, NULL);
    install();
    CHECK(!strstr(lines.s, "PAGEMAP_SCAN") == lucet__dirty_prepare());
    CHECK(!strstr(lines.s, "MADV_GUARD_INSTALL") ==
          (lucet__guards_possible() || !lucet__dirty_prepare()));
    CHECK(!strstr(lines.s, "membarrier") == !lucet__stop_fences);
    install();
    CHECK(!strstr(lines.s, "replaced"));
    signal(SIGFPE, SIG_DFL);
    install();
    CHECK(strstr(lines.s, "replaced"));
    return 0;
}

static int what_is_missing_is_logged_there(void)
{
    text_add(&lines, "-");
    lucet_set_log(lucet_log_info, note, NULL);
    failing_begin(FAIL_SCAN | FAIL_BARRIER, 0, true);
    install();
    CHECK(strstr(lines.s, "no PAGEMAP_SCAN"));
    CHECK(!strstr(lines.s, "MADV_GUARD_INSTALL"));
    CHECK(strstr(lines.s, "no membarrier"));
    return 0;
}

static void what_the_kernel_lacks_is_logged_once(void **state)
{
    (void)state;
    assert_int_equal(process_bare_child(what_is_missing_is_logged), 0);
    assert_int_equal(process_bare_child(what_is_missing_is_logged_there), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#ifndef LUCET_TSAN /* which puts handlers of its own in place */
        cmocka_unit_test(handlers_are_put_in_place_and_taken_away),
        cmocka_unit_test(what_came_before_is_called_as_it_expects),
        cmocka_unit_test(a_signal_that_stops_guests_can_be_chosen),
#endif
        cmocka_unit_test(what_the_kernel_lacks_is_logged_once),
    };

    (void)handlers_are_put_in_place_and_taken_away;
    (void)what_came_before_is_called_as_it_expects;
    (void)a_signal_that_stops_guests_can_be_chosen;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
