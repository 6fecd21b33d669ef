#include "system_calls.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest.h"
#include "patience.h"
#include "runtime/dirty.h"
#include "tools/common/file.h"

/* ---- The filter ---- */

/* clang-format off */
#define CALLS(X) \
    X(arch_prctl) X(brk) X(clock_gettime) X(clock_nanosleep) X(clone) X(close) X(fcntl) \
    X(ftruncate) X(futex) X(getpid) X(getrandom) X(gettid) X(getuid) X(ioctl) X(madvise) \
    X(membarrier) X(memfd_create) X(mmap) X(mprotect) X(mremap) X(munmap) X(newfstatat) \
    X(openat) X(pwrite64) X(read) X(rt_sigaction) X(rt_sigprocmask) X(rt_sigreturn) \
    X(rt_tgsigqueueinfo) X(sched_yield) X(sendfile) X(set_robust_list) X(sigaltstack) \
    X(timer_create) X(timer_delete) X(timer_settime) X(userfaultfd) X(wait4)
/* clang-format on */
#define CALL(name) {#name, SYS_##name},
static const struct {
    const char *name;
    int number;
} calls[] = {CALLS(CALL)};
#define NCALLS (sizeof calls / sizeof *calls)

struct allowed {
    bool call[NCALLS];
};

static atomic_int *forbidden; /* shared with children: the call that was made, or -1 */

static void on_forbidden(int sig, siginfo_t *info, void *context)
{
    (void)sig, (void)context;
    atomic_store(forbidden, info->si_syscall);
    _exit(101);
}

/* For all threads. The end of the process is allowed. */
static void forbid_all_but(const struct allowed *a)
{
    struct sock_filter f[NCALLS + 5] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    size_t n = 3;

    for (size_t k = 0; k < NCALLS; k++) /* over the rest, to the last one */
        if (a->call[k])
            f[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
                                                  (uint32_t)calls[k].number, 0, 0);
    for (size_t k = 3; k < n; k++)
        f[k].jt = (uint8_t)(n - k);
    f[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP);
    f[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    const struct sock_fprog program = {.len = (unsigned short)n, .filter = f};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) != 0)
        _exit(102);
}

static _Noreturn void in_child(const struct situation *s, const struct allowed *a)
{
    const struct sigaction sa = {.sa_sigaction = on_forbidden, .sa_flags = SA_SIGINFO | SA_ONSTACK};

    alarm(PATIENCE);
    /* Enough, so that malloc() asks the kernel for nothing more. */
    mallopt(M_ARENA_MAX, 1);
    mallopt(M_MMAP_THRESHOLD, 32 << 20);
    mallopt(M_TRIM_THRESHOLD, 1 << 30);
    free(malloc(16 << 20));
    sigaction(SIGSYS, &sa, NULL);
    s->before(s->guest);
    forbid_all_but(a);
    s->act(s->guest);
    _exit(0);
}

static int status_of(const struct situation *s, const struct allowed *a)
{
    int status = -1;

    atomic_store(forbidden, -1);
    const pid_t child = fork();
    if (child == 0)
        in_child(s, a);
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

/* ---- The table ---- */

/* Of the line's cells; each ends with " |". */
static char *cell(char **line)
{
    char *begin = *line, *end = strstr(begin, " |");

    assert_non_null(end);
    *end = 0;
    *line = end + 2;
    return begin;
}

/* `name`, `name` ... */
static void add_calls(struct allowed *a, char *text)
{
    for (char *name = strtok(text, "`, "); name; name = strtok(NULL, "`, ")) {
        size_t k = 0;
        while (k < NCALLS && strcmp(calls[k].name, name) != 0)
            k++;
        if (k == NCALLS)
            fail_msg("docs/embedding.md: %s?", name);
        a->call[k] = true;
    }
}

struct row {
    struct allowed always, sometimes;
};

static struct row find_row(const char *document, const char *name)
{
    struct row r = {0};
    char start[100];

    snprintf(start, sizeof start, "\n| %s |", name);
    const char *at = strstr(document, start);
    if (!at)
        fail_msg("docs/embedding.md: no row \"%s\"", name);
    char *line = strndup(at + strlen(start), strcspn(at + 1, "\n") - strlen(start) + 1),
         *rest = line;
    add_calls(&r.always, cell(&rest));
    add_calls(&r.sometimes, cell(&rest));
    free(line);
    return r;
}

static struct allowed both(struct allowed a, const struct allowed *b)
{
    for (size_t k = 0; k < NCALLS; k++)
        a.call[k] |= b->call[k];
    return a;
}

static void expect_row(const struct situation *s, const struct row *r, const struct row *anywhere,
                       bool usual)
{
    const struct allowed most = both(both(r->always, &r->sometimes), &anywhere->sometimes);
    int status = status_of(s, &most);

    if (status != 0)
        fail_msg("%s: status %#x, system call %d", s->row, (unsigned)status,
                 atomic_load(forbidden));
    for (size_t k = 0; usual && k < NCALLS; k++) {
        struct allowed less = most;
        less.call[k] = false;
        if (!r->always.call[k])
            continue;
        status = status_of(s, &less);
        if (status != 101 << 8 || atomic_load(forbidden) != calls[k].number)
            fail_msg("%s: without %s: status %#x, system call %d", s->row, calls[k].name,
                     (unsigned)status, atomic_load(forbidden));
    }
}

/* Without PAGEMAP_SCAN and guards other ways are gone. */
static bool kernel_is_recent(void)
{
    int status = -1;
    const pid_t child = fork();

    if (child == 0)
        _exit(!lucet__guards_possible());
    assert_int_equal(waitpid(child, &status, 0), child);
    return status == 0;
}

static char *read_document(void)
{
    const char *src = getenv("LUCET_SRC");
    char path[4096];
    uint8_t *bytes;
    size_t size;

    snprintf(path, sizeof path, "%s/docs/embedding.md", src ? src : ".");
    assert_int_equal(tool_read_file(path, 1 << 20, &bytes, &size), 0);
    char *text = strndup((char *)bytes, size);
    free(bytes);
    return text;
}

void system_calls_expect(const struct situation *situations, size_t n)
{
    char *text = read_document();
    const struct row anywhere = find_row(text, "anywhere");
    const bool recent = kernel_is_recent();

    forbidden =
        mmap(NULL, sizeof *forbidden, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(forbidden, MAP_FAILED);
    for (size_t k = 0; k < n; k++) {
        const struct row r = find_row(text, situations[k].row);
        expect_row(&situations[k], &r, &anywhere, recent);
    }
    munmap(forbidden, sizeof *forbidden);
    free(text);
}
