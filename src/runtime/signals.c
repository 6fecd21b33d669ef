/* Signal handlers: put in place, taken away, and passed on to those that were there before. */
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "module/cpu.h"
#include "runtime/x86_64/machine.h"
#include "runtime/runtime.h"

bool lucet__have_fsgsbase;
uint8_t lucet__vector_level;
atomic_bool lucet__handlers_installed;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static atomic_int stop_signal = SIGURG;

static const int faults[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE};
#define NFAULTS (sizeof(faults) / sizeof(faults[0]))

/* Earlier handlers by signal. Written before ours is in place and never freed, so that ours can
 * read them at any time. */
static struct sigaction earlier[65];
static bool have_earlier[65];

int lucet__stop_signal(void)
{
    return atomic_load(&stop_signal);
}

static void look_at_machine(void)
{
    uint64_t features = lucet_cpu_features();

    lucet__have_fsgsbase = lucet_cpu_has_fsgsbase();
    lucet__vector_level = features >> LUCET_CPU_avx512vl & 1 ? 2 : features >> LUCET_CPU_avx & 1;
}

static bool install(int sig, void (*handler)(int, siginfo_t *, void *))
{
    struct sigaction ours = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK};

    /* While one of ours runs, the others wait. */
    for (size_t i = 0; i < NFAULTS; i++)
        sigaddset(&ours.sa_mask, faults[i]);
    sigaddset(&ours.sa_mask, lucet__stop_signal());
    if (sigaction(sig, NULL, &earlier[sig]) != 0)
        return false;
    have_earlier[sig] = true;
    return sigaction(sig, &ours, NULL) == 0;
}

/* Only if ours is still the one in place; else someone has chained to it. */
static void uninstall(int sig, void (*handler)(int, siginfo_t *, void *))
{
    struct sigaction now;

    if (sigaction(sig, NULL, &now) == 0 && now.sa_flags & SA_SIGINFO &&
        now.sa_sigaction == handler)
        sigaction(sig, &earlier[sig], NULL);
}

static void uninstall_all(void)
{
    for (size_t i = 0; i < NFAULTS; i++)
        if (have_earlier[faults[i]])
            uninstall(faults[i], lucet__fault_handler);
    if (have_earlier[lucet__stop_signal()])
        uninstall(lucet__stop_signal(), lucet__stop_handler);
    memset(have_earlier, 0, sizeof(have_earlier));
}

enum lucet_error lucet__handlers_ensure(void)
{
    bool good = true;
    enum lucet_error e = lucet_error_ok;

    if (atomic_load(&lucet__handlers_installed))
        return lucet_error_ok;
    pthread_mutex_lock(&mutex);
    if (!atomic_load(&lucet__handlers_installed)) {
        look_at_machine();
        for (size_t i = 0; i < NFAULTS && good; i++)
            good = install(faults[i], lucet__fault_handler);
        good = good && install(lucet__stop_signal(), lucet__stop_handler);
        if (good)
            atomic_store(&lucet__handlers_installed, true);
        else {
            e = lucet__fail_errno(lucet_error_internal, "cannot install signal handlers");
            uninstall_all();
        }
    }
    pthread_mutex_unlock(&mutex);
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
    pthread_mutex_lock(&mutex);
    if (atomic_load(&lucet__handlers_installed)) {
        atomic_store(&lucet__handlers_installed, false);
        uninstall_all();
    }
    pthread_mutex_unlock(&mutex);
    return lucet_error_ok;
}

enum lucet_error lucet_set_stop_signal(int signo)
{
    enum lucet_error e = lucet_error_ok;

    lucet__clear_error();
    if (signo <= 0 || signo > 64 || signo == SIGKILL || signo == SIGSTOP)
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

void lucet__chain(int sig, siginfo_t *info, void *context)
{
    struct sigaction old = earlier[sig];
    bool sent = info->si_code <= 0; /* by a process, not by an instruction */

    if (!(old.sa_flags & SA_SIGINFO) && old.sa_handler == SIG_IGN && (sent || sig == lucet__stop_signal()))
        return;
    if (!(old.sa_flags & SA_SIGINFO) && (old.sa_handler == SIG_DFL || old.sa_handler == SIG_IGN)) {
        default_action(sig, info);
        return;
    }
    if (old.sa_flags & SA_RESETHAND)
        earlier[sig] = (struct sigaction){.sa_handler = SIG_DFL};
    call_earlier(&old, sig, info, context);
}
