#include "fake.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct lucet_vmctx *guest;
char top[64];

void *lucet_vmctx_guest_range(const struct lucet_vmctx *vmctx, uint64_t offset, uint64_t len)
{
    return offset <= MEMORY_SIZE && len <= MEMORY_SIZE - offset
               ? (void *)(uintptr_t)(vmctx->memory + offset)
               : NULL;
}

/* No instance is behind it: nobody starts threads here. */
struct lucet_instance *lucet_vmctx_instance(const struct lucet_vmctx *vmctx)
{
    (void)vmctx;
    return NULL;
}

void *lucet_vmctx_get_delegate(const struct lucet_vmctx *vmctx)
{
    return vmctx->ctx;
}

bool lucet_vmctx_stop_requested(const struct lucet_vmctx *vmctx)
{
    struct lucet_vmctx *ours = (struct lucet_vmctx *)(uintptr_t)vmctx;

    if (ours->stop_after > 0) {
        ours->stop_after--;
    }
    return ours->stop_after == 0;
}

void lucet_vmctx_terminate(const struct lucet_vmctx *vmctx, void *info)
{
    struct lucet_vmctx *ours = (struct lucet_vmctx *)(uintptr_t)vmctx;

    (void)info;
    ours->terminated = true;
    longjmp(ours->on_terminate, 1);
}

static const char *under_top(const char *name)
{
    static char buffer[2][256];
    static int which;
    which ^= 1;
    snprintf(buffer[which], sizeof(buffer[which]), "%s/%s", top, name);
    return buffer[which];
}

struct stopper {
    pthread_t thread;
    atomic_bool over;
};

static void *stop_again(void *arg)
{
    struct stopper *s = arg;

    usleep(50000);
    for (; !atomic_load(&s->over); usleep(5000))
        pthread_kill(s->thread, SIGUSR1);
    return NULL;
}

static void request_stop(int signo)
{
    (void)signo;
    guest->stop_after = 0;
}

uint32_t stopped_while(uint32_t (*call)(void))
{
    const struct sigaction action = {.sa_handler = request_stop};
    struct stopper s = {.thread = pthread_self()};
    struct sigaction before;
    pthread_t other;

    sigaction(SIGUSR1, &action, &before);
    assert_int_equal(pthread_create(&other, NULL, stop_again, &s), 0);
    const uint32_t result = call();
    atomic_store(&s.over, true);
    pthread_join(other, NULL);
    sigaction(SIGUSR1, &before, NULL);
    guest->stop_after = -1;
    return result;
}

bool host_exists(const char *name)
{
    struct stat st;
    return lstat(under_top(name), &st) == 0;
}

void host_read(const char *name, char *to, size_t size)
{
    FILE *f = fopen(under_top(name), "r");
    assert_non_null(f);
    to[fread(to, 1, size - 1, f)] = '\0';
    fclose(f);
}

void host_write(const char *name, const char *text)
{
    FILE *f = fopen(under_top(name), "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

void host_link(const char *target, const char *name)
{
    assert_int_equal(symlink(target, under_top(name)), 0);
}

int setup_bare(void **state)
{
    (void)state;
    strcpy(top, "/tmp/lucet-wasi-XXXXXX");
    assert_non_null(mkdtemp(top));
    assert_int_equal(mkdir(under_top("root"), 0777), 0);
    assert_int_equal(mkdir(under_top("root/sub"), 0777), 0);
    host_write("secret", "secret");
    host_write("root/file", "hello");
    host_write("root/sub/inner", "inner");
    host_link("file", "root/link");
    host_link("sub", "root/dirlink");
    host_link("../secret", "root/out");
    host_link("/etc/passwd", "root/abs");
    host_link("..", "root/up");
    host_link("nowhere", "root/dangling");
    host_link("../created", "root/dangling_out");
    guest = calloc(1, sizeof(*guest));
    assert_non_null(guest);
    guest->stop_after = -1;
    return lucet_wasi_ctx_new(&guest->ctx);
}

static int setup_with(void **state, bool read_only)
{
    int result = setup_bare(state);
    return result ? result
                  : (int)lucet_wasi_ctx_preopen(guest->ctx, under_top("root"), "/root", read_only);
}

int setup(void **state)
{
    return setup_with(state, false);
}

int setup_read_only(void **state)
{
    return setup_with(state, true);
}

int teardown(void **state)
{
    char command[128];
    (void)state;
    lucet_wasi_ctx_release(guest->ctx);
    free(guest);
    snprintf(command, sizeof(command), "rm -rf '%s'", top);
    return system(command);
}

static uint32_t put_text(uint32_t at, const char *text)
{
    memcpy(guest->memory + at, text, strlen(text));
    return (uint32_t)strlen(text);
}

uint32_t path(const char *text)
{
    return put_text(PATH, text);
}

uint32_t path2(const char *text)
{
    return put_text(PATH2, text);
}

uint32_t out32(void)
{
    uint32_t value;
    memcpy(&value, guest->memory + OUT, sizeof(value));
    return value;
}

uint64_t out64(void)
{
    uint64_t value;
    memcpy(&value, guest->memory + OUT, sizeof(value));
    return value;
}

void put_iov(uint32_t index, uint32_t buf, uint32_t len)
{
    const struct wasi_iovec v = {.buf = buf, .len = len};
    memcpy(guest->memory + IOVS + index * sizeof(v), &v, sizeof(v));
}

uint32_t open_at(uint32_t dir, const char *name, uint32_t oflags, uint64_t rights, uint32_t *fd)
{
    uint32_t error = lucet_wasi_path_open(guest, dir, WASI_LOOKUP_SYMLINK_FOLLOW, PATH, path(name),
                                          oflags, rights, 0, 0, OUT);
    *fd = out32();
    return error;
}

uint32_t write_text(uint32_t fd, const char *text)
{
    put_iov(0, DATA, put_text(DATA, text));
    return lucet_wasi_fd_write(guest, fd, IOVS, 1, OUT);
}

uint32_t read_text(uint32_t fd, char *to, uint32_t size)
{
    put_iov(0, DATA, size);
    uint32_t error = lucet_wasi_fd_read(guest, fd, IOVS, 1, OUT);
    if (!error) {
        memcpy(to, guest->memory + DATA, out32());
        to[out32()] = '\0';
    }
    return error;
}
