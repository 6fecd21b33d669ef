/* A child process that is waited for, while signals that would end this one wait until the child
 * and its files are gone. */
#ifndef LUCET_TOOLS_CHILD_H
#define LUCET_TOOLS_CHILD_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

struct tool_signals {
    sigset_t waited; /* those that end a program, unless it ignores them, and SIGCHLD */
    sigset_t before; /* the mask that was there, for the child */
    int ended_by;    /* one that came, or 0 */
};

/* From here on they wait. Children can be waited for whatever was inherited for SIGCHLD. */
void tool_signals_hold(struct tool_signals *s);
/* Waits for the child. A signal that comes meanwhile is sent on to it, or SIGKILL with
 * `kill_child`, and noted. Returns the wait status, or -1 with errno. */
int tool_signals_wait(struct tool_signals *s, pid_t child, bool kill_child);
/* As before, and if one came, it comes now: this may not return. */
void tool_signals_let(const struct tool_signals *s);

#endif
