#include "lucetc/link.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lucetc/child.h"
#include "lucetc/diagnostic.h"

/* What makes the result an artifact and not just any shared object: everything resolved, nothing
 * writable, code on pages of its own. */
static const char *const shared_options[] = {
    "-shared",         "-Bsymbolic",       "--no-undefined", "-znorelro",
    "-zrodynamic",     "-zseparate-code",  "-znoexecstack",  "-zmax-page-size=4096",
    "--build-id=sha1", "--hash-style=gnu", "--eh-frame-hdr", "--no-dynamic-linker",
    "-ztext",
};
static const char *const object_options[] = {"-r"};

static const char *linker(const struct compilation *c)
{
    if (c->options->linker)
        return c->options->linker;
#ifdef LUCET_LLD_PATH
    if (access(LUCET_LLD_PATH, X_OK) == 0)
        return LUCET_LLD_PATH;
#endif
    return "ld.lld";
}

/* The arguments; one block of memory for the array and the objects' names. */
static char **arguments(const struct compilation *c, const char *dir, uint32_t count,
                        const char *output)
{
    const bool shared = c->options->emit == lucetc_emit_so;
    const char *const *options = shared ? shared_options : object_options;
    const size_t noptions = shared ? sizeof shared_options / sizeof *shared_options : 1;
    const size_t n = 1 + noptions + 2 + count + 1, name_size = strlen(dir) + 16;
    char **argv = calloc(1, n * sizeof *argv + count * name_size);
    if (!argv)
        return NULL;
    char *names = (char *)(argv + n);
    size_t used = 0;
    argv[used++] = (char *)linker(c);
    for (size_t i = 0; i < noptions; i++)
        argv[used++] = (char *)options[i];
    argv[used++] = (char *)"-o";
    argv[used++] = (char *)output;
    for (uint32_t i = 0; i < count; i++) {
        snprintf(names, name_size, "%s/%u.o", dir, i);
        argv[used++] = names;
        names += name_size;
    }
    return argv;
}

/* "; a process may have N bytes of data" */
static void describe_limits(char *out, size_t size)
{
    static const struct {
        int resource;
        const char *of;
    } limits[] = {{RLIMIT_DATA, "data"}, {RLIMIT_AS, "address space"}};
    size_t used = 0;

    out[0] = '\0';
    for (size_t i = 0; i < sizeof limits / sizeof *limits && used < size; i++) {
        struct rlimit limit;
        if (getrlimit(limits[i].resource, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
            used +=
                (size_t)snprintf(out + used, size - used, "; a process may have %llu bytes of %s",
                                 (unsigned long long)limit.rlim_cur, limits[i].of);
    }
}

/* "exit code 1" or "signal 9, Killed" */
static void describe_end(int status, char *out, size_t size)
{
    if (WIFSIGNALED(status))
        snprintf(out, size, "signal %d, %s", WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        snprintf(out, size, "exit code %d", WEXITSTATUS(status));
}

/* What whoever compiles can do about it, in the order of how sure it is. */
static const char *what_happened(const struct child *child)
{
    const int signo = WIFSIGNALED(child->status) ? WTERMSIG(child->status) : 0;

    if (child_lacked_memory(child))
        return "ran out of memory";
    switch (signo) {
    case 0: return "failed";
    case SIGKILL: return "was killed, as the kernel does when memory is short";
    case SIGXCPU: return "took more processor time than it may";
    case SIGXFSZ: return "wrote more than a file may have";
    case SIGTERM:
    case SIGINT:
    case SIGHUP: return "was stopped";
    default: return "crashed";
    }
}

static enum lucet_error report(const struct compilation *c, const struct child *child)
{
    const bool memory = child_lacked_memory(child);
    const char *kind = memory ? "limit" : "internal";
    char end[64], limits[120] = "";

    if (memory || WIFSIGNALED(child->status))
        describe_limits(limits, sizeof limits);
    if (child->failed) {
        diagnose(c->diagnostic, kind, "the linker (%.200s) could not be %s: %s%s%s", linker(c),
                 child->failed, strerror(child->error), limits,
                 child->error == ENOENT ? "; lld must be installed" : "");
    } else {
        describe_end(child->status, end, sizeof end);
        diagnose(c->diagnostic, kind, "the linker %s (%s%s)%s%s", what_happened(child), end, limits,
                 child->said[0] ? ": " : "", child->said);
    }
    return memory ? lucet_error_no_memory : lucet_error_internal;
}

enum lucet_error link_objects(const struct compilation *c, const char *dir, uint32_t count,
                              const char *output)
{
    char **argv = arguments(c, dir, count, output);
    struct child child;

    if (!argv)
        return lucet_error_no_memory;
    child_run(argv, &child);
    free(argv);
    return !child.failed && child.status == 0 ? lucet_error_ok : report(c, &child);
}
