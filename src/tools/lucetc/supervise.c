#include "tools/lucetc/supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/common/child.h"
#include "tools/lucetc/memory_limit.h"
#include "tools/lucetc/output.h"

static void limit_child(const struct cli *cli, pid_t parent)
{
    const struct rlimit cpu = {cli->time_limit, cli->time_limit + 1}, core = {0, 0};

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(EXIT_REFUSED);
    if (cli->time_limit > 0)
        setrlimit(RLIMIT_CPU, &cpu);
    setrlimit(RLIMIT_CORE, &core);
    memory_limit_apply(cli);
}

/* What LLVM and what it is made of say goes to a file, so that it can be left out when lucetc says
 * it better. Our own messages keep the standard error. */
static void divert_llvm(struct cli *cli, int said)
{
    FILE *ours = said >= 0 ? fdopen(fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3), "w") : NULL;
    if (!ours)
        return;
    setvbuf(ours, NULL, _IOLBF, 0);
    dup2(said, STDERR_FILENO);
    cli->messages = ours;
}

static void repeat_llvm(int said)
{
    char text[4096];
    ssize_t n;
    off_t at = 0;
    while ((n = pread(said, text, sizeof text, at)) > 0 && at < (64 << 10)) {
        fwrite(text, 1, (size_t)n, stderr);
        at += n;
    }
}

static void report_limit(const struct cli *cli, const char *input_name, uint64_t limit,
                         const char *rest)
{
    char text[200];
    snprintf(text, sizeof text, "compiling took more than %llu %s", (unsigned long long)limit,
             rest);
    report_message(cli, input_name, "limit", text);
}

/* LLVM ends the process when it cannot write, with a line of its own. */
static bool report_no_room(const struct cli *cli, int said)
{
    static const char begins[] = "LLVM ERROR: IO failure on output stream: ";
    char text[200];
    const ssize_t n = pread(said, text, sizeof text - 1, 0);

    text[n > 0 ? n : 0] = '\0';
    if (strncmp(text, begins, sizeof begins - 1) != 0)
        return false;
    text[strcspn(text, "\n")] = '\0';
    report_message(cli, cli_output_name(cli), "io", text + sizeof begins - 1);
    return true;
}

static void report_death(const struct cli *cli, const char *input_name, int status, int said)
{
    char text[160];
    const int signo = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_MEMORY) {
        report_limit(cli, input_name, cli->memory_limit,
                     "bytes of memory; raise --memory-limit, or try --opt-level 0");
        return;
    }
    if (signo == SIGXFSZ) {
        report_message(cli, cli_output_name(cli), "io", strerror(EFBIG));
        return;
    }
    if (signo == 0 && report_no_room(cli, said))
        return;
    repeat_llvm(said);
    if (signo == 0)
        return; /* it has said what was wrong */
    if (signo == SIGXCPU || (signo == SIGKILL && cli->time_limit > 0)) {
        report_limit(
            cli, input_name, cli->time_limit,
            "seconds of CPU time, or was killed; raise --time-limit, or try --opt-level 0");
        return;
    }
    snprintf(text, sizeof text, "the compiler crashed (%s)", strsignal(signo));
    report_message(cli, input_name, "internal", text);
}

/* Forks and waits. True when the child succeeded. */
static bool run_child(const struct cli *cli, const char *input_name, const char *output,
                      supervised *work, void *arg, struct tool_signals *signals)
{
    const pid_t parent = getpid();
    const int said = memfd_create("lucetc-llvm", MFD_CLOEXEC);
    int status = -1;

    fflush(NULL);
    const pid_t child = fork();
    if (child == 0) {
        struct cli own = *cli;
        sigprocmask(SIG_SETMASK, &signals->before, NULL);
        limit_child(cli, parent);
        divert_llvm(&own, said);
        exit(work(&own, output, arg) ? EXIT_SUCCESS : EXIT_REFUSED);
    }
    if (child > 0)
        status = tool_signals_wait(signals, child, true);
    if (status == -1)
        report_message(cli, input_name, "internal", strerror(errno));
    else if (signals->ended_by == 0)
        report_death(cli, input_name, status, said);
    if (said >= 0)
        close(said);
    return WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS;
}

bool supervise(const struct cli *cli, const char *input_name, supervised *work, void *arg)
{
    struct tool_signals signals;
    struct output output;

    tool_signals_hold(&signals); /* so that no signal leaves files behind */
    bool ok = output_prepare(&output, cli);
    if (ok) {
        ok = run_child(cli, input_name, output.file, work, arg, &signals);
        ok = ok && output_deliver(&output, cli);
        output_discard(&output);
    }
    tool_signals_let(&signals);
    return ok;
}
