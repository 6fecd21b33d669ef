#include "tools/lucet-wasi/lucetc.h"

#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static char *beside_us(void)
{
    char self[PATH_MAX];
    char *path;
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n <= 0) {
        return NULL;
    }
    self[n] = '\0';
    *strrchr(self, '/') = '\0';
    if (asprintf(&path, "%s/lucetc", self) < 0) {
        return NULL;
    }
    if (access(path, X_OK) != 0) {
        free(path);
        return NULL;
    }
    return path;
}

static char *in_path(void)
{
    const char *list = getenv("PATH");
    for (const char *p = list ? list : ""; *p;) {
        const size_t n = strcspn(p, ":");
        char *path;
        /* Empty entries mean the current directory, from which nothing is run. */
        if (p[0] == '/' && asprintf(&path, "%.*s/lucetc", (int)n, p) >= 0) {
            if (access(path, X_OK) == 0) {
                return path;
            }
            free(path);
        }
        p += n + (p[n] == ':');
    }
    return NULL;
}

char *lucetc_find(void)
{
    char *path = beside_us();
    if (path == NULL) {
        path = in_path();
    }
    if (path == NULL) {
        cli_complain("this program must be compiled, but lucetc is neither beside lucet-wasi nor "
                     "in PATH; install it, or compile elsewhere and run the .so");
    }
    return path;
}

static bool succeeded(struct tool_signals *signals, pid_t pid)
{
    const int status = tool_signals_wait(signals, pid, false);
    if (WIFSIGNALED(status) && signals->ended_by == 0) {
        cli_complain("lucetc was ended by signal %d (%s)", WTERMSIG(status),
                     strsignal(WTERMSIG(status)));
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* 0, or what is wrong. */
static int start(const char *lucetc, const char *const *argv, int wasm, const sigset_t *mask,
                 pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int error = posix_spawn_file_actions_init(&actions);
    if (error != 0) {
        return error;
    }
    error = posix_spawnattr_init(&attributes);
    if (error == 0) {
        posix_spawn_file_actions_adddup2(&actions, wasm, STDIN_FILENO);
        posix_spawnattr_setsigmask(&attributes, mask);
        posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
        error = posix_spawn(pid, lucetc, &actions, &attributes, (char *const *)argv, environ);
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&actions);
    return error;
}

bool lucetc_run(const struct cli *cli, struct tool_signals *signals, const char *lucetc, int wasm,
                const char *output)
{
    const char *argv[16];
    size_t n = 0;
    argv[n++] = "lucetc";
    argv[n++] = "--wasi";
    if (cli->opt_level) {
        argv[n++] = "--opt-level";
        argv[n++] = cli->opt_level;
    }
    if (cli->features) {
        argv[n++] = "--features";
        argv[n++] = cli->features;
    }
    if (cli->precise_traps) {
        argv[n++] = "--precise-traps";
    }
    if (cli->max_instructions) {
        argv[n++] = "--count-instructions";
    }
    if (cli->debug_info) {
        argv[n++] = "-g";
    }
    argv[n++] = "--input-name";
    argv[n++] = cli->module;
    argv[n++] = "-o";
    argv[n++] = output;
    argv[n++] = "-";
    argv[n] = NULL;

    pid_t pid;
    const int error = start(lucetc, argv, wasm, &signals->before, &pid);
    if (error != 0) {
        cli_complain("%s cannot be run: %s", lucetc, strerror(error));
        return false;
    }
    return succeeded(signals, pid);
}
