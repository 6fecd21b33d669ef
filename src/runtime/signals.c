/* Signal handlers: put in place, taken away, and passed on to those that were there before. */
#include "runtime/signals.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/activation.h"
#include "runtime/demand.h"
#include "runtime/dirty.h"
#include "runtime/error.h"
#include "runtime/fault.h"
#include "runtime/log.h"
#include "runtime/stop.h"
#include "runtime/tsan.h"
#include "runtime/x86_64/machine.h"

atomic_bool lucet__handlers_installed, lucet__quick_calls;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static atomic_int stop_signal = SIGURG;

static const int faults[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE};
#define NFAULTS (sizeof(faults) / sizeof(faults[0]))

/* The handlers that were there before ours, by signal, latest last: whoever puts one in our place
 * is found at the next installation, and may itself pass signals on to us. Entries are written
 * before they count, and stay. */
#define EARLIER 8u
struct chain {
    struct sigaction handlers[EARLIER];
    atomic_uint count;
};
static struct chain chains[65];

void lucet__quick_calls_update(void)
{
    atomic_store(&lucet__quick_calls,
                 atomic_load(&lucet__handlers_installed) && !atomic_load(&lucet__stop_fences));
}

int lucet__stop_signal(void)
{
    return atomic_load(&stop_signal);
}

static bool same(const struct sigaction *a, const struct sigaction *b)
{
    return a->sa_sigaction == b->sa_sigaction && a->sa_flags == b->sa_flags;
}

static void remember(struct chain *c, const struct sigaction *earlier)
{
    unsigned n = atomic_load(&c->count);

    if (n > 0 && same(&c->handlers[n - 1], earlier))
        return;
    if (n == EARLIER) /* the oldest but the first give way */
        memmove(&c->handlers[1], &c->handlers[2], (EARLIER - 2) * sizeof(c->handlers[0]));
    n = n == EARLIER ? EARLIER - 1 : n;
    c->handlers[n] = *earlier;
    atomic_store(&c->count, n + 1);
}

/* Someone may have put back our function without our flags, as signal() does. */
static bool install(int sig, void (*handler)(int, siginfo_t *, void *), bool *replaced)
{
    struct sigaction ours = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK}, now;

    /* While one of ours runs, the others wait. */
    for (size_t i = 0; i < NFAULTS; i++)
        sigaddset(&ours.sa_mask, faults[i]);
    sigaddset(&ours.sa_mask, lucet__stop_signal());
    if (sigaction(sig, NULL, &now) != 0)
        return false;
    if (now.sa_sigaction == handler && (now.sa_flags & ours.sa_flags) == ours.sa_flags)
        return true;
    *replaced = true;
    if (now.sa_sigaction != handler)
        remember(&chains[sig], &now);
    return sigaction(sig, &ours, NULL) == 0;
}

/* Only if ours is still the one in place; else someone has chained to it. */
static void uninstall(int sig, void (*handler)(int, siginfo_t *, void *))
{
    struct chain *c = &chains[sig];
    unsigned n = atomic_load(&c->count);
    struct sigaction now;

    if (n > 0 && sigaction(sig, NULL, &now) == 0 && now.sa_sigaction == handler) {
        sigaction(sig, &c->handlers[n - 1], NULL);
        atomic_store(&c->count, 0);
    }
}

static void uninstall_all(void)
{
    for (size_t i = 0; i < NFAULTS; i++)
        uninstall(faults[i], lucet__fault_handler);
    uninstall(lucet__stop_signal(), lucet__stop_handler);
}

/* What is done differently, or more slowly, on this machine. */
static void log_what_is_missing(void)
{
    if (!lucet__have_fsgsbase)
        lucet__log(lucet_log_info,
                   "no FSGSBASE: gs is set by system calls, which makes calls slower");
    if (atomic_load(&lucet__stop_fences))
        lucet__log(lucet_log_info, "no membarrier(2): every run passes a fence");
    if (!lucet__dirty_prepare())
        lucet__log(lucet_log_info, "no PAGEMAP_SCAN (Linux 6.7): slots are cleaned as a whole");
    else if (!lucet__guards_possible())
        lucet__log(lucet_log_info, "no MADV_GUARD_INSTALL (Linux 6.15): six mappings an instance");
}

enum lucet_error lucet__handlers_ensure(void)
{
    bool good = true, replaced = false, first;
    enum lucet_error e = lucet_error_ok;

    pthread_mutex_lock(&mutex);
    first = !atomic_load(&lucet__handlers_installed);
    if (first) {
        machine_look();
        lucet__stop_prepare();
    }
    for (size_t i = 0; i < NFAULTS && good; i++)
        good = install(faults[i], lucet__fault_handler, &replaced);
    good = good && install(lucet__stop_signal(), lucet__stop_handler, &replaced);
    atomic_store(&lucet__handlers_installed, good);
    lucet__quick_calls_update();
    if (!good) {
        e = lucet__fail_errno(lucet_error_internal, "cannot install signal handlers");
        uninstall_all();
    }
    pthread_mutex_unlock(&mutex);
    if (good && first)
        log_what_is_missing();
    else if (replaced)
        lucet__log(lucet_log_warning,
                   "someone had replaced Lucet's signal handlers: back in place");
    return e;
}

enum lucet_error lucet_install_signal_handlers(void)
{
    lucet__clear_error();
    return lucet__handlers_ensure();
}

enum lucet_error lucet_remove_signal_handlers(void)
{
    lucet__clear_error();
    if (lucet__threads_running())
        return lucet__fail(lucet_error_instance_not_returned, "a guest is running");
    if (lucet__demand_exists())
        return lucet__fail(lucet_error_invalid_argument,
                           "a userfaultfd region exists, which needs the handlers");
    pthread_mutex_lock(&mutex);
    if (atomic_load(&lucet__handlers_installed)) {
        atomic_store(&lucet__handlers_installed, false);
        lucet__quick_calls_update();
        uninstall_all();
    }
    pthread_mutex_unlock(&mutex);
    return lucet_error_ok;
}

/* Not: what cannot be caught, what the C library keeps for its threads, and what stops the process
 * by default, which is only done by taking our handler away. */
static bool can_stop_guests(int signo)
{
    switch (signo) {
    case SIGKILL:
    case SIGSTOP:
    case SIGTSTP:
    case SIGTTIN:
    case SIGTTOU: return false;
    default: return (signo > 0 && signo < 32) || (signo >= SIGRTMIN && signo <= SIGRTMAX);
    }
}

enum lucet_error lucet_set_stop_signal(int signo)
{
    enum lucet_error e = lucet_error_ok;

    lucet__clear_error();
    if (!can_stop_guests(signo))
        return lucet__fail(lucet_error_invalid_argument, "signal %d cannot stop guests", signo);
    for (size_t i = 0; i < NFAULTS; i++)
        if (signo == faults[i])
            return lucet__fail(lucet_error_invalid_argument, "signal %d means a fault", signo);
    pthread_mutex_lock(&mutex);
    if (atomic_load(&lucet__handlers_installed))
        e = lucet__fail(lucet_error_invalid_argument, "the handlers are installed already");
    else
        atomic_store(&stop_signal, signo);
    pthread_mutex_unlock(&mutex);
    return e;
}

/* ---- Passing on ---- */

/* The default action. A fault comes again when the instruction is executed again; what was sent
 * by someone is sent again, and arrives when this handler returns. */
static void default_action(int sig, const siginfo_t *info)
{
    struct sigaction standard = {.sa_handler = SIG_DFL};

    if (sig == SIGURG || sig == SIGCHLD || sig == SIGWINCH || sig == SIGCONT)
        return; /* nothing happens by default */
    sigaction(sig, &standard, NULL);
    if (info->si_code <= 0)
        syscall(SYS_tgkill, getpid(), (pid_t)syscall(SYS_gettid), sig);
}

static void call_earlier(const struct sigaction *old, int sig, siginfo_t *info, void *context)
{
    const ucontext_t *u = context;
    sigset_t mask = u->uc_sigmask, before;

    /* The mask it would have had: the interrupted code's, its own, and the signal. */
    sigorset(&mask, &mask, &old->sa_mask);
    if (!(old->sa_flags & SA_NODEFER))
        sigaddset(&mask, sig);
    pthread_sigmask(SIG_SETMASK, &mask, &before);
    if (old->sa_flags & SA_SIGINFO)
        old->sa_sigaction(sig, info, context);
    else
        old->sa_handler(sig);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* With SA_SIGINFO as well: the kernel looks at the handler first. */
static bool is_standard(const struct sigaction *a)
{
    return a->sa_handler == SIG_DFL || a->sa_handler == SIG_IGN;
}

/* Which of the earlier handlers is next. One that came after us may pass the signal on to us, with
 * the same arguments from a deeper frame; then the one before it is meant. Handlers may leave by
 * siglongjmp, so nothing is counted. */
static unsigned next_in_chain(const struct chain *c, const siginfo_t *info, const void *context)
{
    static _Thread_local struct {
        const struct chain *chain; /* other signals come on the same stack, at the same place */
        const siginfo_t *info;
        const void *context;
        uintptr_t frame;
        unsigned left;
    } last __attribute__((tls_model("initial-exec")));
    uintptr_t frame = (uintptr_t)__builtin_frame_address(0);
    bool again =
        last.chain == c && last.info == info && last.context == context && frame < last.frame;

    last.left = again ? (last.left ? last.left - 1 : 0) : atomic_load(&c->count);
    last.chain = c;
    last.info = info;
    last.context = context;
    last.frame = frame;
    return last.left;
}

void lucet__chain(int sig, siginfo_t *info, void *context)
{
    struct chain *c = &chains[sig];
    unsigned n = next_in_chain(c, info, context);
    struct sigaction old = n ? c->handlers[n - 1] : (struct sigaction){.sa_handler = SIG_DFL};
    bool sent = info->si_code <= 0; /* by a process, not by an instruction */

    if (is_standard(&old)) {
        if (old.sa_handler == SIG_DFL || !(sent || sig == lucet__stop_signal()))
            default_action(sig, info);
        return;
    }
    if (old.sa_flags & SA_RESETHAND)
        c->handlers[n - 1] = (struct sigaction){.sa_handler = SIG_DFL};
    call_earlier(&old, sig, info, context);
}
