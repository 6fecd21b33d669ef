/* Reading and writing: buffers, waiting, signals, flags. */
#include "fake.h"
#include "run/patience.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static uint32_t rw_file(const char *name)
{
    uint32_t fd;
    assert_int_equal(open_at(PREOPEN, name, WASI_OFLAG_CREAT, WASI_RIGHTS_FILE, &fd), WASI_OK);
    return fd;
}

/* Puts one end of a pipe at the guest's `fd` (0: it reads, 1: it writes); the other is returned. */
static int pipe_at(int fd)
{
    int p[2];
    assert_int_equal(pipe(p), 0);
    assert_int_equal(lucet_wasi_ctx_stdio(guest->ctx, fd, fd == 0 ? p[0] : p[1], true),
                     lucet_error_ok);
    return fd == 0 ? p[1] : p[0];
}

static void scatter_and_gather(void **state)
{
    uint32_t fd = rw_file("new");
    char text[32];
    (void)state;
    memcpy(guest->memory + DATA, "abcdef", 6);
    put_iov(0, DATA + 3, 3);
    put_iov(1, 0, 0);
    put_iov(2, DATA, 3);
    assert_int_equal(lucet_wasi_fd_write(guest, fd, IOVS, 3, OUT), WASI_OK);
    assert_int_equal(out32(), 6);
    host_read("root/new", text, sizeof(text));
    assert_string_equal(text, "defabc");

    assert_int_equal(lucet_wasi_fd_seek(guest, fd, (uint64_t)-5, WASI_WHENCE_END, OUT), WASI_OK);
    assert_int_equal(out64(), 1);
    put_iov(0, DATA, 2);
    put_iov(1, DATA + 100, 10);
    assert_int_equal(lucet_wasi_fd_read(guest, fd, IOVS, 2, OUT), WASI_OK);
    assert_int_equal(out32(), 5);
    assert_memory_equal(guest->memory + DATA, "ef", 2);
    assert_memory_equal(guest->memory + DATA + 100, "abc", 3);
    assert_int_equal(lucet_wasi_fd_pread(guest, fd, IOVS, 2, 2, OUT), WASI_OK);
    assert_int_equal(out32(), 4);
    assert_int_equal(lucet_wasi_fd_pwrite(guest, fd, IOVS, 1, 100, OUT), WASI_OK);
    assert_int_equal(lucet_wasi_fd_tell(guest, fd, OUT), WASI_OK);
    assert_int_equal(out64(), 6);
    assert_int_equal(lucet_wasi_fd_pread(guest, fd, IOVS, 1, 1ull << 63, OUT), WASI_EINVAL);
    assert_int_equal(lucet_wasi_fd_read(guest, fd, IOVS, 0, OUT), WASI_OK);
    assert_int_equal(out32(), 0);
}

static void unaligned_everything(void **state)
{
    uint32_t fd = rw_file("new");
    const struct wasi_iovec v = {.buf = DATA + 1, .len = 3};
    (void)state;
    memcpy(guest->memory + IOVS + 1, &v, sizeof(v));
    memcpy(guest->memory + DATA + 1, "abc", 3);
    assert_int_equal(lucet_wasi_fd_write(guest, fd, IOVS + 1, 1, OUT + 3), WASI_OK);
    assert_memory_equal(guest->memory + OUT + 3, "\3\0\0\0", 4);
}

static void lists_of_buffers_are_bounded(void **state)
{
    uint32_t fd = rw_file("new");
    (void)state;
    for (uint32_t i = 0; i < 1025; i++) {
        put_iov(i, DATA, MEMORY_SIZE - DATA);
    }
    assert_int_equal(lucet_wasi_fd_write(guest, fd, IOVS, 1025, OUT), WASI_EINVAL);
    assert_int_equal(lucet_wasi_fd_write(guest, fd, IOVS, 0x20000001, OUT), WASI_EFAULT);
    assert_int_equal(lucet_wasi_fd_write(guest, fd, IOVS, UINT32_MAX, OUT), WASI_EFAULT);
    put_iov(1, UINT32_MAX - 1, 16);
    assert_int_equal(lucet_wasi_fd_write(guest, fd, IOVS, 2, OUT), WASI_EFAULT);
    put_iov(1, DATA, UINT32_MAX - MEMORY_SIZE);
    assert_int_equal(lucet_wasi_fd_write(guest, fd, IOVS, 2, OUT), WASI_EFAULT);
    assert_int_equal(lucet_wasi_fd_read(guest, fd, IOVS, 2, OUT), WASI_EFAULT);
    /* More than the result can count is not looked at, which would touch it all: a thousand times 4
     * GiB. */
    put_iov(1, DATA, UINT32_MAX);
    assert_int_equal(lucet_wasi_fd_write(guest, fd, IOVS, 2, OUT), WASI_EINVAL);
    assert_int_equal(lucet_wasi_fd_read(guest, fd, IOVS, 2, OUT), WASI_EINVAL);
    assert_int_equal(guest->ctx->process->fds.fd[fd].host >= 0, 1);
    char text[4];
    host_read("root/new", text, sizeof(text));
    assert_string_equal(text, ""); /* not even the good buffers were written */
}

/* A read into the list of buffers itself must not change where the rest goes. */
static void buffers_may_overlap_their_list(void **state)
{
    uint32_t fd = rw_file("new");
    (void)state;
    assert_int_equal(write_text(fd,
                                "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
                                "tail"),
                     WASI_OK);
    assert_int_equal(lucet_wasi_fd_seek(guest, fd, 0, WASI_WHENCE_SET, OUT), WASI_OK);
    put_iov(0, IOVS, 16);
    put_iov(1, DATA, 4);
    assert_int_equal(lucet_wasi_fd_read(guest, fd, IOVS, 2, OUT), WASI_OK);
    assert_int_equal(out32(), 20);
    assert_memory_equal(guest->memory + DATA, "tail", 4);
}

static void appending(void **state)
{
    uint32_t fd;
    char text[32];
    (void)state;
    assert_int_equal(lucet_wasi_path_open(guest, PREOPEN, 1, PATH, path("file"), 0,
                                          WASI_RIGHTS_FILE, 0, WASI_FDFLAG_APPEND, OUT),
                     WASI_OK);
    fd = out32();
    assert_int_equal(write_text(fd, " world"), WASI_OK);
    assert_int_equal(lucet_wasi_fd_tell(guest, fd, OUT), WASI_OK);
    assert_int_equal(out64(), 11);
    assert_int_equal(lucet_wasi_fd_fdstat_set_flags(guest, fd, 0), WASI_OK);
    assert_int_equal(lucet_wasi_fd_seek(guest, fd, 0, WASI_WHENCE_SET, OUT), WASI_OK);
    assert_int_equal(write_text(fd, "H"), WASI_OK);
    assert_int_equal(lucet_wasi_fd_fdstat_set_flags(guest, fd, 32), WASI_EINVAL);
    host_read("root/file", text, sizeof(text));
    assert_string_equal(text, "Hello world");
}

static void a_pipe_gives_what_there_is(void **state)
{
    char text[16];
    int other = pipe_at(0);
    (void)state;
    assert_int_equal(write(other, "abc", 3), 3);
    assert_int_equal(read_text(0, text, 10), WASI_OK);
    assert_string_equal(text, "abc");
    assert_int_equal(lucet_wasi_fd_fdstat_set_flags(guest, 0, WASI_FDFLAG_NONBLOCK), WASI_OK);
    assert_int_equal(read_text(0, text, 10), WASI_EAGAIN);
    close(other);
    assert_int_equal(read_text(0, text, 10), WASI_OK);
    assert_string_equal(text, "");
    assert_int_equal(write_text(0, "x"), WASI_ENOTCAPABLE);
}

/* The host's description may be shared with the whole terminal session. */
static void flags_of_the_host_are_not_changed(void **state)
{
    (void)state;
    close(pipe_at(0));
    const int host = guest->ctx->process->fds.fd[0].host, before = fcntl(host, F_GETFL);
    assert_int_equal(
        lucet_wasi_fd_fdstat_set_flags(guest, 0, WASI_FDFLAG_NONBLOCK | WASI_FDFLAG_APPEND),
        WASI_OK);
    assert_int_equal(fcntl(host, F_GETFL), before);
}

static uint32_t read_stdin(void)
{
    char text[4];
    return read_text(0, text, 3);
}

static uint32_t fill_stdout(void)
{
    put_iov(0, 0, MEMORY_SIZE);
    uint32_t error;
    do {
        error = lucet_wasi_fd_write(guest, 1, IOVS, 1, OUT);
    } while (!error);
    return error;
}

static void waiting_can_be_stopped(void **state)
{
    (void)state;
    int other = pipe_at(0), drain = pipe_at(1);
    assert_int_equal(stopped_while(read_stdin), WASI_EINTR);
    assert_int_equal(stopped_while(fill_stdout), WASI_EINTR);
    /* ... also without help from the kernel's non-waiting reads */
    guest->ctx->process->fds.fd[0].no_nowait = guest->ctx->process->fds.fd[1].no_nowait = true;
    assert_int_equal(stopped_while(read_stdin), WASI_EINTR);
    assert_int_equal(stopped_while(fill_stdout), WASI_EINTR);
    close(other);
    close(drain);
}

/* The request may come before the call, too. */
static void stopped_before_it_begins(void **state)
{
    (void)state;
    close(pipe_at(0));
    uint32_t fd = rw_file("new");
    for (int looks = 1; looks < 3; looks++) {
        guest->stop_after = 0;
        assert_int_equal(read_stdin(), WASI_EINTR);
        assert_int_equal(write_text(fd, "abc"), WASI_EINTR);
        assert_int_equal(lucet_wasi_random_get(guest, DATA, 16), WASI_EINTR);
    }
    guest->stop_after = 2;
    assert_int_equal(lucet_wasi_random_get(guest, DATA, 128 << 10), WASI_EINTR);
}

static volatile sig_atomic_t sigpipes;

static void on_sigpipe(int signo)
{
    (void)signo;
    sigpipes++;
}

static void a_broken_pipe_is_the_guests_problem(void **state)
{
    struct sigaction action = {.sa_handler = on_sigpipe}, old;
    (void)state;
    close(pipe_at(1));
    sigaction(SIGPIPE, &action, &old);
    assert_int_equal(write_text(1, "x"), WASI_EPIPE);
    assert_int_equal(sigpipes, 0);

    /* One that the host is already due stays due. */
    sigset_t set, pending;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    assert_int_equal(write_text(1, "x"), WASI_EPIPE);
    sigpending(&pending);
    assert_false(sigismember(&pending, SIGPIPE));
    raise(SIGPIPE);
    assert_int_equal(write_text(1, "x"), WASI_EPIPE);
    sigpending(&pending);
    assert_true(sigismember(&pending, SIGPIPE));
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    assert_int_equal(sigpipes, 1);
    sigaction(SIGPIPE, &old, NULL);
}

static void the_limit_on_file_sizes_does_not_kill(void **state)
{
    struct rlimit old, low;
    (void)state;
    getrlimit(RLIMIT_FSIZE, &old);
    low = (struct rlimit){.rlim_cur = 8, .rlim_max = old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
    guest->ctx->process->file_size_limited = true; /* as when the context had been made now */
    uint32_t fd = rw_file("new");
    uint32_t wrote = write_text(fd, "0123456789");
    uint32_t again = write_text(fd, "0123456789");
    uint32_t sized = lucet_wasi_fd_filestat_set_size(guest, fd, 100);
    uint32_t allocated = lucet_wasi_fd_allocate(guest, fd, 0, 100);
    setrlimit(RLIMIT_FSIZE, &old);
    assert_int_equal(wrote, WASI_OK);
    assert_int_equal(again, WASI_EFBIG);
    assert_int_equal(sized, WASI_EFBIG);
    assert_int_equal(allocated, WASI_EFBIG);
}

static void terminals_get_inert_text(void **state)
{
    char text[64];
    (void)state;
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    assert_true(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
    int slave = open(ptsname(master), O_RDWR | O_NOCTTY);
    assert_true(slave >= 0);
    assert_int_equal(lucet_wasi_ctx_stdio(guest->ctx, 1, slave, true), lucet_error_ok);
    assert_int_equal(write_text(1, "\x1b]0;x\x07\xc3"), WASI_OK);
    assert_int_equal(out32(), 7);
    assert_int_equal(write_text(1, "\xbc\xc2"), WASI_OK);
    assert_int_equal(write_text(1, "\x9b"
                                   "1m\n"),
                     WASI_OK);
    static const char expected[] = "?]0;x?\xc3\xbc\xc2?1m\r\n";
    size_t got = 0;
    while (got < sizeof(expected) - 1) { /* the kernel hands it over in pieces */
        ssize_t n = read(master, text + got, sizeof(text) - 1 - got);
        assert_true(n > 0);
        got += (size_t)n;
    }
    text[got] = '\0';
    assert_string_equal(text, expected);

    /* U+009B in two halves, each the middle of a sequence on its own descriptor. */
    int second = dup(slave);
    assert_int_equal(lucet_wasi_ctx_stdio(guest->ctx, 2, second, true), lucet_error_ok);
    assert_int_equal(write_text(1, "\xe2"), WASI_OK);
    assert_int_equal(write_text(2, "\xc2"), WASI_OK);
    assert_int_equal(write_text(1, "\x9b\n"), WASI_OK);
    static const char halves[] = "\xe2\xc2?\r\n";
    for (got = 0; got < sizeof(halves) - 1;) {
        ssize_t n = read(master, text + got, sizeof(text) - 1 - got);
        assert_true(n > 0);
        got += (size_t)n;
    }
    text[got] = '\0';
    assert_string_equal(text, halves);

    /* It shows as a terminal: a character device without a position. */
    assert_int_equal(lucet_wasi_fd_fdstat_get(guest, 1, OUT), WASI_OK);
    assert_int_equal(guest->memory[OUT], WASI_FILETYPE_CHARACTER_DEVICE);
    assert_int_equal(lucet_wasi_fd_seek(guest, 1, 0, WASI_WHENCE_CUR, OUT), WASI_ENOTCAPABLE);
    close(master);
}

/* A pipe with a name must not stop the host in open(). The guest waits for a writer in read
 * instead, where it can be stopped. */
static void fifos_do_not_hold_up(void **state)
{
    uint32_t fd;
    char name[128], text[4];
    (void)state;
    snprintf(name, sizeof(name), "%s/root/fifo", top);
    assert_int_equal(mkfifo(name, 0666), 0);
    alarm(PATIENCE);
    assert_int_equal(open_at(PREOPEN, "fifo", 0, R(FD_WRITE), &fd), WASI_ENXIO);
    assert_int_equal(open_at(PREOPEN, "fifo", 0, R(FD_READ), &fd), WASI_OK);
    assert_int_equal(fd, 0);
    assert_int_equal(stopped_while(read_stdin), WASI_EINTR);
    int writer = open(name, O_WRONLY | O_NONBLOCK);
    assert_int_equal(write(writer, "abc", 3), 3);
    close(writer);
    assert_int_equal(read_text(fd, text, 3), WASI_OK);
    assert_string_equal(text, "abc");
    assert_int_equal(read_text(fd, text, 3), WASI_OK);
    assert_string_equal(text, "");
    alarm(0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(scatter_and_gather),
        TEST(unaligned_everything),
        TEST(lists_of_buffers_are_bounded),
        TEST(buffers_may_overlap_their_list),
        TEST(appending),
        TEST(a_pipe_gives_what_there_is),
        TEST(flags_of_the_host_are_not_changed),
        TEST(waiting_can_be_stopped),
        TEST(stopped_before_it_begins),
        TEST(a_broken_pipe_is_the_guests_problem),
        TEST(the_limit_on_file_sizes_does_not_kill),
        TEST(terminals_get_inert_text),
        TEST(fifos_do_not_hold_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
