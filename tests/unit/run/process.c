#include "process.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static unsigned entries(const char *path)
{
    DIR *d = opendir(path);
    unsigned n = 0;

    assert_non_null(d);
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

unsigned process_descriptors(void)
{
    return entries("/proc/self/fd");
}

unsigned process_threads(void)
{
    return entries("/proc/self/task");
}

unsigned process_resident_pages(void)
{
    unsigned pages;
    FILE *f = fopen("/proc/self/statm", "r");

    assert_non_null(f);
    assert_int_equal(fscanf(f, "%*u %u", &pages), 1);
    fclose(f);
    return pages;
}

static unsigned lines_with(FILE *f, const char *text)
{
    char line[8192];
    unsigned n = 0;

    while (f && fgets(line, sizeof(line), f))
        n += strstr(line, text) != NULL;
    if (f)
        fclose(f);
    return n;
}

unsigned process_mappings(const char *text)
{
    FILE *f = fopen("/proc/self/maps", "r");

    assert_non_null(f);
    return lines_with(f, text);
}

unsigned process_timers(void)
{
    return lines_with(fopen("/proc/self/timers", "r"), "ID:");
}

int process_child(int (*f)(void *), void *arg)
{
    const pid_t pid = fork();
    int status;

    assert_true(pid >= 0);
    if (pid == 0)
        _exit(f(arg));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int call_bare(void *arg)
{
    int (*const *f)(void) = arg;

    for (int sig = 1; sig < 32; sig++)
        if (sig != SIGKILL && sig != SIGSTOP)
            signal(sig, SIG_DFL);
    return (*f)();
}

int process_bare_child(int (*f)(void))
{
    return process_child(call_bare, &f);
}

void process_failed(const char *file, int line, const char *condition)
{
    fprintf(stderr, "%s:%d: %s\n", file, line, condition);
    _exit(1);
}
