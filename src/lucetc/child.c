#include "lucetc/child.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* The first and the last bytes that were written: errors come first in some programs, last in
 * others. */
struct said {
    char head[200], tail[140];
    size_t nhead, ntail;
    bool cut; /* something between them is missing */
};

static void keep(struct said *s, const char *bytes, size_t n)
{
    const size_t room = sizeof s->head - s->nhead, first = n < room ? n : room;

    memcpy(s->head + s->nhead, bytes, first);
    s->nhead += first;
    bytes += first;
    n -= first;
    if (n > sizeof s->tail) {
        bytes += n - sizeof s->tail;
        n = sizeof s->tail;
        s->ntail = 0;
        s->cut = true;
    }
    const size_t both = s->ntail + n;
    const size_t drop = both > sizeof s->tail ? both - sizeof s->tail : 0;
    memmove(s->tail, s->tail + drop, s->ntail - drop);
    memcpy(s->tail + s->ntail - drop, bytes, n);
    s->ntail += n - drop;
    s->cut |= drop > 0;
}

static void read_all(int fd, struct said *s)
{
    char bytes[512];

    for (;;) {
        const ssize_t n = read(fd, bytes, sizeof bytes);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return;
        keep(s, bytes, (size_t)n);
    }
}

/* Programs of LLVM write pages when they crash, of which only the beginning is about the reason. */
static void cut_crash_report(char *text)
{
    static const char *const begins[] = {"PLEASE submit a bug report", "Stack dump"};

    for (size_t i = 0; i < sizeof begins / sizeof *begins; i++) {
        char *at = strstr(text, begins[i]);
        if (at)
            *at = '\0';
    }
}

static void make_line(const struct said *s, char *out, size_t size)
{
    size_t end;

    snprintf(out, size, "%.*s%s%.*s", (int)s->nhead, s->head, s->cut ? " ... " : "", (int)s->ntail,
             s->tail);
    cut_crash_report(out);
    for (char *p = out; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = ' ';
    for (end = strlen(out); end > 0 && out[end - 1] == ' '; end--)
        out[end - 1] = '\0';
}

static void failed(struct child *child, const char *what, int error)
{
    child->failed = what;
    child->error = error;
}

void child_run(char *const argv[], struct child *child)
{
    posix_spawn_file_actions_t actions;
    struct said said = {.cut = false};
    int pipe_fds[2];
    pid_t pid;

    *child = (struct child){.failed = NULL};
    if (pipe2(pipe_fds, O_CLOEXEC) != 0) {
        failed(child, "connected", errno);
        return;
    }
    int error = posix_spawn_file_actions_init(&actions);
    if (error == 0) {
        error = posix_spawn_file_actions_adddup2(&actions, pipe_fds[1], STDERR_FILENO);
        if (error == 0)
            error = posix_spawn_file_actions_adddup2(&actions, pipe_fds[1], STDOUT_FILENO);
        if (error == 0)
            error = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
        posix_spawn_file_actions_destroy(&actions);
    }
    close(pipe_fds[1]);
    if (error == 0)
        read_all(pipe_fds[0], &said);
    else
        failed(child, "started", error);
    close(pipe_fds[0]);
    make_line(&said, child->said, sizeof child->said);
    while (error == 0 && waitpid(pid, &child->status, 0) < 0)
        if (errno != EINTR)
            failed(child, "waited for", error = errno);
}

bool child_lacked_memory(const struct child *child)
{
    static const char *const words[] = {
        "out of memory",
        "annot allocate memory",            /* ENOMEM */
        "bad_alloc",                        /* C++ */
        "failed to map segment",            /* of the dynamic linker */
        "cannot map zero-fill pages",       /* the same */
        "Resource temporarily unavailable", /* no room for a thread's stack */
    };

    if (child->failed)
        return child->error == ENOMEM || child->error == EAGAIN;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (child->status != 0 && strstr(child->said, words[i]))
            return true;
    return false;
}
