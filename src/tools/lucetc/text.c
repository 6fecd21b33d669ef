/* The text format is read by a converter, a program of its own, with limits like the compiler's.
 * Files in memory carry its input, output and messages, so that neither side ever waits for the
 * other. */
#include "tools/lucetc/text.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/common/file.h"

#define NOT_INSTALLED 127 /* as in shells */
#define CPU_SECONDS 60u
#define DATA_SIZE (UINT64_C(8) << 30)

/* In this order. Both keep the names of functions. */
static const char *const converters[][8] = {
    {"wasm-tools", "parse", "/dev/stdin", "-o", "/dev/stdout", NULL},
    {"wat2wasm", "--enable-all", "--debug-names", "/dev/stdin", "-o", "/dev/stdout", NULL},
};

struct streams {
    int in, out, messages;
};

static void streams_close(const struct streams *s)
{
    const int fds[] = {s->in, s->out, s->messages};
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

static bool write_all(int fd, const uint8_t *bytes, size_t size)
{
    while (size > 0) {
        const ssize_t n = write(fd, bytes, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        bytes += n;
        size -= (size_t)n;
    }
    return true;
}

static bool streams_open(struct streams *s, const uint8_t *text, size_t size)
{
    s->in = memfd_create("text", MFD_CLOEXEC);
    s->out = memfd_create("module", MFD_CLOEXEC);
    s->messages = memfd_create("messages", MFD_CLOEXEC);
    return s->in >= 0 && s->out >= 0 && s->messages >= 0 && write_all(s->in, text, size) &&
           lseek(s->in, 0, SEEK_SET) == 0;
}

static _Noreturn void become(const char *const *argv, const struct streams *s, size_t limit,
                             pid_t parent)
{
    const struct rlimit cpu = {CPU_SECONDS, CPU_SECONDS + 1}, core = {0, 0};
    const struct rlimit file = {limit, limit}, data = {DATA_SIZE, DATA_SIZE};

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent || setrlimit(RLIMIT_CPU, &cpu) != 0 ||
        setrlimit(RLIMIT_CORE, &core) != 0 || setrlimit(RLIMIT_FSIZE, &file) != 0 ||
        setrlimit(RLIMIT_DATA, &data) != 0 || dup2(s->in, STDIN_FILENO) < 0 ||
        dup2(s->out, STDOUT_FILENO) < 0 || dup2(s->messages, STDERR_FILENO) < 0)
        _exit(EXIT_FAILURE);
    execvp(argv[0], (char *const *)argv);
    _exit(NOT_INSTALLED);
}

/* The wait status, or -1 with errno. */
static int run(const char *const *argv, const struct streams *s, size_t limit)
{
    const pid_t parent = getpid();
    int status;

    fflush(NULL);
    const pid_t child = fork();
    if (child == 0)
        become(argv, s, limit, parent);
    if (child < 0)
        return -1;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return -1;
    return status;
}

static bool not_installed(int status)
{
    return status >= 0 && WIFEXITED(status) && WEXITSTATUS(status) == NOT_INSTALLED;
}

/* Converters show the source with a caret below, for which one line has no room: what is wrong and
 * where is kept. */
static void keep_first_line(char *text)
{
    char *end = text + strcspn(text, "\n");
    const char *place = end + strspn(end, "\n ");

    if (strncmp(place, "--> ", 4) == 0) {
        const size_t size = strcspn(place, "\n");
        *end++ = ' ';
        memmove(end, place, size);
        end += size;
    }
    *end = '\0';
}

static void report_refusal(const struct cli *cli, const char *name, const char *converter,
                           int status, int messages)
{
    char text[400], all[512];
    const ssize_t n = pread(messages, text, sizeof text - 1, 0);

    text[n > 0 ? n : 0] = '\0';
    keep_first_line(text);
    if (WIFSIGNALED(status))
        snprintf(all, sizeof all, "%s, which reads WebAssembly text, was ended by a signal: %s",
                 converter, strsignal(WTERMSIG(status)));
    else
        snprintf(all, sizeof all, "%s: %s", converter, text);
    report_message(cli, name, "malformed", all);
}

/* Takes the converter's output in place of the text. */
static bool take_output(const struct cli *cli, const char *name, int out, size_t limit,
                        uint8_t **bytes, size_t *size)
{
    char path[40];
    uint8_t *binary;
    size_t binary_size;

    snprintf(path, sizeof path, "/proc/self/fd/%d", out);
    const int error = tool_read_file(path, limit, &binary, &binary_size);
    if (error != 0) {
        report_message(cli, name, "io", strerror(error));
        return false;
    }
    free(*bytes);
    *bytes = binary;
    *size = binary_size;
    return true;
}

bool text_convert(const struct cli *cli, const char *name, size_t limit, uint8_t **bytes,
                  size_t *size)
{
    struct streams s = {-1, -1, -1};
    const char *converter = NULL;
    int status = -1;

    if (streams_open(&s, *bytes, *size)) {
        for (size_t i = 0; i < sizeof converters / sizeof *converters; i++) {
            converter = converters[i][0];
            status = run(converters[i], &s, limit);
            if (!not_installed(status))
                break;
        }
    }
    bool ok = false;
    if (status == -1)
        report_message(cli, name, "internal", strerror(errno));
    else if (not_installed(status))
        report_message(cli, name, "malformed",
                       "this is WebAssembly text; install wasm-tools or wabt (wat2wasm) and lucetc "
                       "reads it too");
    else if (status != 0)
        report_refusal(cli, name, converter, status, s.messages);
    else
        ok = take_output(cli, name, s.out, limit, bytes, size);
    streams_close(&s);
    return ok;
}
