/* One child process per file. A child is forked from a parent that has LLVM loaded and has run
 * nothing, so it starts in no time and harms nobody by crashing. */
#include "tools/lucet-spectest/spectest.h"

#include "tools/common/progress.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct child {
    struct file_result *result;
    pid_t pid;
    int fd;       /* its records */
    char dir[64]; /* its temporary files */
    char line[2 * MESSAGE_SIZE];
    size_t used;
    bool late; /* killed for taking too long */
};

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    remove(path);
    return 0;
}

/* Never returns. */
static _Noreturn void child_main(const struct options *o, const struct file_result *r,
                                 const char *dir, int fd)
{
    const struct rlimit none = {0, 0};

    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setrlimit(RLIMIT_CORE, &none);
    FILE *out = fdopen(fd, "w");
    if (!out)
        _exit(1);
    script_run(o, r, dir, out);
    fclose(out);
    _exit(0);
}

static bool child_start(struct child *c, const struct options *o, struct file_result *r)
{
    int fds[2];

    *c = (struct child){.result = r};
    strcpy(c->dir, "/tmp/lucet-spectest-XXXXXX");
    r->started = tool_seconds();
    if (!mkdtemp(c->dir) || pipe2(fds, O_CLOEXEC) != 0)
        return false;
    fflush(stdout);
    c->pid = fork();
    if (c->pid == 0)
        child_main(o, r, c->dir, fds[1]);
    close(fds[1]);
    c->fd = fds[0];
    if (c->pid < 0) {
        close(c->fd);
        return false;
    }
    setpgid(c->pid, c->pid);
    return true;
}

/* Gives the records in the buffer to the result, up to the last whole line. */
static void child_take_lines(struct child *c, bool verbose)
{
    char *start = c->line, *end;

    while ((end = memchr(start, '\n', c->used - (size_t)(start - c->line)))) {
        *end = '\0';
        record_read(c->result, start, verbose);
        start = end + 1;
    }
    c->used -= (size_t)(start - c->line);
    memmove(c->line, start, c->used);
    if (c->used == sizeof c->line) /* no record is that long */
        c->used = 0;
}

/* False at the end of its records. */
static bool child_read(struct child *c, bool verbose)
{
    const ssize_t n = read(c->fd, c->line + c->used, sizeof c->line - c->used);

    if (n < 0 && errno == EINTR)
        return true;
    if (n <= 0)
        return false;
    c->used += (size_t)n;
    child_take_lines(c, verbose);
    return true;
}

static void child_finish(struct child *c, const struct options *o)
{
    struct file_result *r = c->result;
    int status = 0;
    char message[256] = "";

    kill(-c->pid, SIGKILL); /* also what it left running, such as a linker */
    while (waitpid(c->pid, &status, 0) < 0 && errno == EINTR) {
    }
    close(c->fd);
    nftw(c->dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    r->seconds = tool_seconds() - r->started;

    const unsigned seen = r->passed + r->failed + r->skipped;
    const unsigned missing = r->total > seen ? r->total - seen : 0;
    if (c->late)
        snprintf(message, sizeof message, "no end after %u s", o->timeout);
    else if (WIFSIGNALED(status) && !r->done)
        snprintf(message, sizeof message, "crashed: %s", strsignal(WTERMSIG(status)));
    else if (!r->done)
        snprintf(message, sizeof message, "ended early, exit code %d", WEXITSTATUS(status));
    if (message[0]) {
        if (missing > 1)
            snprintf(message + strlen(message), sizeof message - strlen(message),
                     " (%u commands were not run and count as failed)", missing - 1);
        result_fail(r, r->line, message);
        r->failed += missing > 1 ? missing - 1 : 0;
    }
    report_file(r, o);
}

struct pool {
    const struct options *o;
    struct file_result *results;
    struct child *children;
    size_t n, next, running, done;
    unsigned failed;
};

static void pool_fill(struct pool *p)
{
    while (p->running < p->o->jobs && p->next < p->n) {
        struct file_result *r = &p->results[p->next++];
        if (!r->done && !child_start(&p->children[p->running], p->o, r)) {
            result_fail(r, 0, "no process could be started for it");
            report_file(r, p->o);
        } else if (!r->done) {
            p->running++;
            continue;
        }
        p->done++;
    }
}

static void pool_retire(struct pool *p, size_t i)
{
    child_finish(&p->children[i], p->o);
    p->failed += p->children[i].result->failed;
    p->children[i] = p->children[--p->running];
    p->done++;
}

/* Waits for records of any child, or half a second. */
static void pool_wait(struct pool *p)
{
    struct pollfd fds[64];

    for (size_t i = 0; i < p->running; i++)
        fds[i] = (struct pollfd){.fd = p->children[i].fd, .events = POLLIN};
    poll(fds, p->running, 500);
    for (size_t i = p->running; i-- > 0;) {
        struct child *c = &p->children[i];
        if (!c->late && tool_seconds() - c->result->started > p->o->timeout) {
            c->late = true;
            kill(-c->pid, SIGKILL);
        }
        if (fds[i].revents && !child_read(c, p->o->verbose))
            pool_retire(p, i);
    }
}

void pool_run(const struct options *o, struct file_result *results, size_t n)
{
    struct child *children = calloc(o->jobs, sizeof *children);
    struct pool p = {.o = o, .results = results, .children = children, .n = n};

    if (!children)
        return;
    for (pool_fill(&p); p.running > 0; pool_fill(&p)) {
        report_progress(p.n, p.done, p.running, p.failed);
        pool_wait(&p);
    }
    free(children);
}
