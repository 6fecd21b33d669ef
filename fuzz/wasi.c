/* Any sequence of WASI calls with any arguments leaves the host as it was: nothing outside the
 * given directory changes or is read, no memory but the guest's is touched (AddressSanitizer sees
 * that), no descriptor leaks.
 *
 * The input is a list of calls: a byte chooses the function, a byte says whether and how many bytes
 * of guest memory are set before it, then come those, and its arguments, each a byte that chooses
 * among interesting values or announces four or eight literal ones. */
#include "lucet/wasi.h"
#include "wasi/ctx.h"
#include "wasi/functions.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { MEMORY = 1 << 16, PATHS = 0x1000, CALLS = 64 };

struct lucet_vmctx {
    struct lucet_wasi_ctx *ctx;
    uint8_t *memory;
};

static volatile sig_atomic_t stop;
static char top[64], root[80], read_only[80];
static timer_t timer;

void *lucet_vmctx_guest_range(const struct lucet_vmctx *v, uint64_t offset, uint64_t len)
{
    return offset <= MEMORY && len <= MEMORY - offset ? v->memory + offset : NULL;
}

/* No instance is behind it: nobody starts threads here. */
struct lucet_instance *lucet_vmctx_instance(const struct lucet_vmctx *v)
{
    (void)v;
    return NULL;
}

void *lucet_vmctx_get_delegate(const struct lucet_vmctx *v)
{
    return v->ctx;
}

bool lucet_vmctx_stop_requested(const struct lucet_vmctx *v)
{
    (void)v;
    return stop;
}

void lucet_vmctx_terminate(const struct lucet_vmctx *v, void *info)
{
    (void)v;
    (void)info;
    abort(); /* proc_exit is not called */
}

static void on_timer(int signo)
{
    (void)signo;
    stop = 1;
}

typedef uint32_t (*any_function)(struct lucet_vmctx *, uint64_t, uint64_t, uint64_t, uint64_t,
                                 uint64_t, uint64_t, uint64_t, uint64_t, uint64_t);

static const struct {
    const char *name;
    any_function call; /* i32 and i64 arguments occupy the same places on x86-64 and aarch64 */
    size_t arguments;
} table[] = {
#define WASI(name, signature, ...)                                                                 \
    {#name, (any_function)(void (*)(void))lucet_wasi_##name, sizeof(signature) - 1},
#include "wasi/table.def"
};

static const char paths[] = "file\0sub\0sub/inner\0..\0../secret\0up/secret\0out\0abs\0dangling\0"
                            "dangling_out\0/etc/passwd\0.\0new\0sub/new\0sub/../new\0link\0file/\0"
                            "sub/\0dirlink\0dirlink/\0dirlink/inner\0../created\0up/created\0";

struct input {
    const uint8_t *at;
    size_t left;
    uint64_t path_len; /* of the path that the last argument named; 0 = it was none */
};

static uint64_t take(struct input *in, size_t n)
{
    uint64_t value = 0;
    for (size_t i = 0; i < n && in->left > 0; i++, in->left--) {
        value |= (uint64_t)*in->at++ << (8 * i);
    }
    return value;
}

static uint64_t argument(struct input *in)
{
    static const uint64_t interesting[] = {
        UINT32_MAX, UINT64_MAX, 1ull << 63, 1ull << 31, MEMORY - 1, MEMORY - 8,      MEMORY,
        4096,       1024,       1025,       65536,      0x08000001, 1ull << 32 | 16, INT64_MAX,
    };
    const unsigned char how = (unsigned char)take(in, 1);
    const uint64_t path_len = in->path_len;
    in->path_len = 0;
    if (path_len && how < 224) {
        return path_len;
    }
    if (how < 64) { /* the directory that may be written; other descriptors, flags, small counts */
        return how < 32 ? 3 : how - 32u;
    }
    if (how < 112) {
        const char *path = paths;
        for (uint64_t skip = take(in, 1) % 32; skip > 0 && path[0]; skip--) {
            path += strlen(path) + 1;
        }
        in->path_len = strlen(path);
        return (uint64_t)(PATHS + (path - paths));
    }
    if (how < 144) {
        return 0x100 + how * 16u;
    }
    if (how < 176) {
        return interesting[how % (sizeof(interesting) / sizeof(interesting[0]))];
    }
    return take(in, how < 216 ? 4 : 8);
}

static void write_file(const char *dir, const char *name, const char *text)
{
    char path[160];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    if (!f || fputs(text, f) < 0 || fclose(f) != 0) {
        abort();
    }
}

static void make_root(const char *dir)
{
    static const char *const links[][2] = {
        {"link", "file"},
        {"dirlink", "sub"},
        {"out", "../secret"},
        {"abs", "/etc/passwd"},
        {"up", ".."},
        {"dangling", "nowhere"},
        {"dangling_out", "../created"},
    };
    char path[160];
    mkdir(dir, 0777);
    snprintf(path, sizeof(path), "%s/sub", dir);
    mkdir(path, 0777);
    write_file(dir, "file", "hello");
    write_file(path, "inner", "inner");
    for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", dir, links[i][0]);
        if (symlink(links[i][1], path) != 0) {
            abort();
        }
    }
}

static void remove_tree(const char *dir)
{
    char command[160];
    snprintf(command, sizeof(command), "rm -rf '%s'", dir);
    if (system(command) != 0) {
        abort();
    }
}

static void clean_up(void)
{
    remove_tree(top);
}

static int count_entries(const char *dir)
{
    int n = 0;
    DIR *d = opendir(dir);
    while (d && readdir(d)) {
        n++;
    }
    closedir(d);
    return n;
}

/* What lies outside is as it was. */
static void check_host(int fds)
{
    char path[160], text[16] = "";
    snprintf(path, sizeof(path), "%s/secret", top);
    FILE *f = fopen(path, "r");
    if (!f || !fgets(text, sizeof(text), f) || strcmp(text, "secret") != 0) {
        abort();
    }
    fclose(f);
    if (count_entries(top) != 5 || count_entries("/proc/self/fd") != fds) {
        abort();
    }
    snprintf(path, sizeof(path), "%s/file", read_only);
    f = fopen(path, "r");
    if (!f || !fgets(text, sizeof(text), f) || strcmp(text, "hello") != 0) {
        abort();
    }
    fclose(f);
    if (count_entries(read_only) != 11) {
        abort();
    }
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    const struct rlimit small = {.rlim_cur = 1 << 20, .rlim_max = 1 << 20};
    struct sigaction action = {.sa_handler = on_timer};
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR2};
    (void)argc;
    (void)argv;
    strcpy(top, "/tmp/lucet-fuzz-XXXXXX");
    if (!mkdtemp(top)) {
        abort();
    }
    atexit(clean_up);
    snprintf(root, sizeof(root), "%s/root", top);
    snprintf(read_only, sizeof(read_only), "%s/ro", top);
    write_file(top, "secret", "secret");
    make_root(root);
    make_root(read_only);
    sigaction(SIGUSR2, &action, NULL);
    signal(SIGPIPE, SIG_DFL);
    if (setrlimit(RLIMIT_FSIZE, &small) != 0 ||
        timer_create(CLOCK_MONOTONIC, &event, &timer) != 0) {
        abort();
    }
    return 0;
}

__attribute__((no_sanitize("function"))) static void one_call(struct lucet_vmctx *v,
                                                              struct input *in)
{
    uint64_t a[9] = {0};
    const size_t f = take(in, 1) % (sizeof(table) / sizeof(table[0]));
    const size_t set = take(in, 1);
    if (set >= 192) {
        const uint32_t at = (uint32_t)take(in, 1) * 16;
        for (size_t n = set - 192; n > 0; n--) {
            v->memory[at + n] = (uint8_t)take(in, 1);
        }
    }
    for (size_t i = 0; i < 9 && i < table[f].arguments; i++) {
        a[i] = argument(in);
    }
    if (strcmp(table[f].name, "proc_exit") != 0) {
        table[f].call(v, a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8]);
    }
}

static void set_timer(long ns)
{
    const struct itimerspec when = {{.tv_nsec = ns}, {.tv_nsec = ns}};
    timer_settime(timer, 0, &when, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static unsigned runs;
    struct lucet_vmctx v = {.memory = malloc(MEMORY)};
    struct input in = {.at = data, .left = size};
    int ends[2];

    if (++runs % 64 == 0) { /* the guest has made a mess of it */
        remove_tree(root);
        make_root(root);
    }
    const int fds = count_entries("/proc/self/fd");
    memset(v.memory, 0, MEMORY);
    memcpy(v.memory + PATHS, paths, sizeof(paths));
    if (lucet_wasi_ctx_new(&v.ctx) != lucet_error_ok || pipe(ends) != 0) {
        abort();
    }
    lucet_wasi_ctx_stdio(v.ctx, 0, ends[0], true);
    lucet_wasi_ctx_stdio(v.ctx, 1, ends[1], true); /* what it writes it can read */
    lucet_wasi_ctx_preopen(v.ctx, root, "/", false);
    lucet_wasi_ctx_preopen(v.ctx, read_only, "/ro", true);
    stop = 0;
    set_timer(5000000);
    for (int i = 0; i < CALLS && in.left > 0; i++) {
        one_call(&v, &in);
        stop = 0;
    }
    set_timer(0);
    lucet_wasi_ctx_release(v.ctx);
    free(v.memory);
    check_host(fds);
    return 0;
}
