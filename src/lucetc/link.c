#include "lucetc/link.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lucetc/diagnostic.h"

extern char **environ;

/* What makes the result an artifact and not just any shared object: everything resolved, nothing
 * writable, code on pages of its own. */
static const char *const shared_options[] = {
    "-shared",         "-Bsymbolic",       "--no-undefined", "-znorelro",
    "-zrodynamic",     "-zseparate-code",  "-znoexecstack",  "-zmax-page-size=4096",
    "--build-id=sha1", "--hash-style=gnu", "--eh-frame-hdr", "--no-dynamic-linker",
    "-ztext",
};
static const char *const object_options[] = {"-r"};

/* Reads what the linker says, for the diagnostic: the first `size` bytes. */
static void read_all(int fd, char *buffer, size_t size)
{
    size_t used = 0;
    char rest[512];
    for (;;) {
        const bool full = used + 1 >= size;
        const ssize_t n =
            full ? read(fd, rest, sizeof rest) : read(fd, buffer + used, size - 1 - used);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        if (!full)
            used += (size_t)n;
    }
    buffer[used] = '\0';
    for (char *p = buffer; *p; p++)
        if ((unsigned char)*p < 0x20)
            *p = ' ';
}

/* Runs argv with its stderr into `said`. Returns its exit status, or -1. */
static int run(char *const argv[], char *said, size_t said_size)
{
    int pipe_fds[2];
    posix_spawn_file_actions_t actions;
    pid_t child;
    if (pipe2(pipe_fds, O_CLOEXEC) != 0)
        return -1;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, pipe_fds[1], STDERR_FILENO);
    posix_spawn_file_actions_adddup2(&actions, pipe_fds[1], STDOUT_FILENO);
    const int error = posix_spawnp(&child, argv[0], &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(pipe_fds[1]);
    if (error == 0)
        read_all(pipe_fds[0], said, said_size);
    close(pipe_fds[0]);
    if (error != 0) {
        snprintf(said, said_size, "%s: %s", argv[0], strerror(error));
        return -1;
    }
    int status;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

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

enum lucet_error link_objects(const struct compilation *c, const char *dir, uint32_t count,
                              const char *output)
{
    char said[400] = "";
    char **argv = arguments(c, dir, count, output);
    if (!argv)
        return lucet_error_no_memory;
    const int status = run(argv, said, sizeof said);
    free(argv);
    if (status == 0)
        return lucet_error_ok;
    diagnose(c->diagnostic, "internal", "the linker failed (status %d): %s", status, said);
    return lucet_error_internal;
}
