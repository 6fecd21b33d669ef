#include "tools/common/child.h"

#include <errno.h>
#include <stddef.h>
#include <sys/wait.h>

static const int ending[] = {SIGHUP, SIGINT, SIGQUIT, SIGPIPE, SIGTERM};

void tool_signals_hold(struct tool_signals *s)
{
    struct sigaction action;

    s->ended_by = 0;
    sigemptyset(&s->waited);
    sigaddset(&s->waited, SIGCHLD);
    for (size_t i = 0; i < sizeof ending / sizeof *ending; i++) {
        /* nohup and shells have some ignored, and a signal that is blocked comes all the same. */
        if (sigaction(ending[i], NULL, &action) == 0 && action.sa_handler != SIG_IGN)
            sigaddset(&s->waited, ending[i]);
    }
    signal(SIGCHLD, SIG_DFL);
    sigprocmask(SIG_BLOCK, &s->waited, &s->before);
}

int tool_signals_wait(struct tool_signals *s, pid_t child, bool kill_child)
{
    int status;

    for (;;) {
        const pid_t done = waitpid(child, &status, WNOHANG);
        if (done == child)
            return status;
        if (done < 0 && errno != EINTR)
            return -1;
        const int signo = sigwaitinfo(&s->waited, NULL);
        if (signo > 0 && signo != SIGCHLD) {
            kill(child, kill_child ? SIGKILL : signo);
            s->ended_by = signo;
        }
    }
}

void tool_signals_let(const struct tool_signals *s)
{
    sigprocmask(SIG_SETMASK, &s->before, NULL);
    if (s->ended_by != 0)
        raise(s->ended_by);
}
