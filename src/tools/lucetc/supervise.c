#include "tools/lucetc/supervise.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/lucetc/output.h"

/* Signals that end lucetc: the files must go first. */
static sigset_t ending_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    return set;
}

static void limit_child(const struct cli *cli, pid_t parent)
{
    const struct rlimit cpu = {cli->time_limit, cli->time_limit + 1}, core = {0, 0};

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(EXIT_REFUSED);
    if (cli->time_limit > 0)
        setrlimit(RLIMIT_CPU, &cpu);
    setrlimit(RLIMIT_CORE, &core);
}

/* Waits for the child; kills it when a signal says that lucetc shall end, and returns that signal. */
static int wait_for(pid_t child, const sigset_t *signals, int *status)
{
    int ended_by = 0;
    for (;;) {
        const pid_t done = waitpid(child, status, WNOHANG);
        if (done == child || (done < 0 && errno != EINTR))
            return ended_by;
        const int signo = sigwaitinfo(signals, NULL);
        if (signo > 0 && signo != SIGCHLD) {
            kill(child, SIGKILL);
            ended_by = signo;
        }
    }
}

static void report_death(const struct cli *cli, const char *input_name, int status)
{
    char text[160];
    if (WIFEXITED(status))
        return; /* it has said what was wrong */
    const int signo = WTERMSIG(status);
    if (signo == SIGXCPU || (signo == SIGKILL && cli->time_limit > 0)) {
        snprintf(text, sizeof text,
                 "compiling took more than %llu seconds of CPU time, or was killed; raise "
                 "--time-limit, or try --opt-level 0",
                 (unsigned long long)cli->time_limit);
        report_message(cli, input_name, "limit", text);
        return;
    }
    snprintf(text, sizeof text, "the compiler crashed (%s)", strsignal(signo));
    report_message(cli, input_name, "internal", text);
}

/* Forks and waits. True when the child succeeded. */
static bool run_child(const struct cli *cli, const char *input_name, const char *output,
                      supervised *work, void *arg, int *ended_by)
{
    sigset_t signals = ending_signals(), old;
    const pid_t parent = getpid();
    int status = 0;

    sigaddset(&signals, SIGCHLD);
    sigprocmask(SIG_BLOCK, &signals, &old);
    fflush(NULL);
    const pid_t child = fork();
    if (child == 0) {
        sigprocmask(SIG_SETMASK, &old, NULL);
        limit_child(cli, parent);
        exit(work(cli, output, arg) ? EXIT_SUCCESS : EXIT_REFUSED);
    }
    if (child > 0)
        *ended_by = wait_for(child, &signals, &status);
    sigprocmask(SIG_SETMASK, &old, NULL);
    if (child < 0) {
        report_message(cli, input_name, "internal", strerror(errno));
        return false;
    }
    if (*ended_by == 0)
        report_death(cli, input_name, status);
    return WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS;
}

bool supervise(const struct cli *cli, const char *input_name, supervised *work, void *arg)
{
    struct output output;
    int ended_by = 0;

    if (!output_prepare(&output, cli))
        return false;
    bool ok = run_child(cli, input_name, output.file, work, arg, &ended_by);
    ok = ok && output_deliver(&output, cli);
    output_discard(&output);
    if (ended_by != 0)
        raise(ended_by);
    return ok;
}
