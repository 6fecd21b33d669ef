/* A bad pointer anywhere gives EFAULT, and nothing is done. Each call below is a good one but for
 * the pointer, which goes through addresses that begin in memory and end outside, lie outside, or
 * wrap around. */
#include "fake.h"

#include <unistd.h>

static uint32_t fd; /* a file of five bytes, at position 0 */

static const uint32_t bad[] = {MEMORY_SIZE - 1, MEMORY_SIZE, MEMORY_SIZE + 1, 0x7fffffff,
                               0x80000000,      0xfffffff0,  0xffffffff};

#define EACH_BAD(at, call)                                                                         \
    for (size_t i_ = 0; i_ < sizeof(bad) / sizeof(bad[0]); i_++) {                                 \
        const uint32_t at = bad[i_];                                                               \
        assert_int_equal((call), WASI_EFAULT);                                                     \
    }

static int setup_file(void **state)
{
    return setup(state) || open_at(PREOPEN, "file", 0, WASI_RIGHTS_FILE, &fd) ||
           lucet_wasi_ctx_arg(guest->ctx, "a") || lucet_wasi_ctx_env(guest->ctx, "k=v");
}

static void nothing_happened(void)
{
    char text[16];
    host_read("root/file", text, sizeof(text));
    assert_string_equal(text, "hello");
    assert_int_equal(lseek(guest->ctx->process->fds.fd[fd].host, 0, SEEK_CUR), 0);
    assert_false(host_exists("root/new"));
    assert_true(host_exists("root/sub/inner"));
}

static void arguments_and_clocks(void **state)
{
    static uint8_t before[MEMORY_SIZE];
    (void)state;
    memcpy(before, guest->memory, MEMORY_SIZE);
    EACH_BAD(p, lucet_wasi_args_get(guest, p, DATA));
    EACH_BAD(p, lucet_wasi_args_get(guest, DATA, p));
    EACH_BAD(p, lucet_wasi_args_sizes_get(guest, p, DATA));
    EACH_BAD(p, lucet_wasi_args_sizes_get(guest, DATA, p));
    EACH_BAD(p, lucet_wasi_environ_get(guest, p, DATA));
    EACH_BAD(p, lucet_wasi_environ_get(guest, DATA, p));
    EACH_BAD(p, lucet_wasi_environ_sizes_get(guest, p, DATA));
    EACH_BAD(p, lucet_wasi_environ_sizes_get(guest, DATA, p));
    EACH_BAD(p, lucet_wasi_clock_res_get(guest, 0, p));
    EACH_BAD(p, lucet_wasi_clock_time_get(guest, 0, 0, p));
    EACH_BAD(p, lucet_wasi_random_get(guest, p, 2));
    assert_int_equal(lucet_wasi_random_get(guest, 0, UINT32_MAX), WASI_EFAULT);
    assert_memory_equal(guest->memory, before, MEMORY_SIZE);
}

static void descriptors(void **state)
{
    (void)state;
    put_iov(0, DATA, 3);
    EACH_BAD(p, lucet_wasi_fd_fdstat_get(guest, fd, p));
    EACH_BAD(p, lucet_wasi_fd_filestat_get(guest, fd, p));
    EACH_BAD(p, lucet_wasi_fd_prestat_get(guest, PREOPEN, p));
    EACH_BAD(p, lucet_wasi_fd_prestat_dir_name(guest, PREOPEN, p, 5));
    EACH_BAD(p, lucet_wasi_fd_seek(guest, fd, 3, WASI_WHENCE_SET, p));
    EACH_BAD(p, lucet_wasi_fd_tell(guest, fd, p));
    EACH_BAD(p, lucet_wasi_fd_readdir(guest, PREOPEN, p, 100, 0, OUT));
    EACH_BAD(p, lucet_wasi_fd_readdir(guest, PREOPEN, DATA, 100, 0, p));
    EACH_BAD(p, lucet_wasi_fd_read(guest, fd, p, 1, OUT));
    EACH_BAD(p, lucet_wasi_fd_read(guest, fd, IOVS, 1, p));
    EACH_BAD(p, lucet_wasi_fd_pread(guest, fd, p, 1, 0, OUT));
    EACH_BAD(p, lucet_wasi_fd_pread(guest, fd, IOVS, 1, 0, p));
    EACH_BAD(p, lucet_wasi_fd_write(guest, fd, p, 1, OUT));
    EACH_BAD(p, lucet_wasi_fd_write(guest, fd, IOVS, 1, p));
    EACH_BAD(p, lucet_wasi_fd_pwrite(guest, fd, p, 1, 0, OUT));
    EACH_BAD(p, lucet_wasi_fd_pwrite(guest, fd, IOVS, 1, 0, p));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        put_iov(1, bad[i], 2); /* the first buffer is good */
        assert_int_equal(lucet_wasi_fd_read(guest, fd, IOVS, 2, OUT), WASI_EFAULT);
        assert_int_equal(lucet_wasi_fd_write(guest, fd, IOVS, 2, OUT), WASI_EFAULT);
        assert_int_equal(lucet_wasi_fd_pread(guest, fd, IOVS, 2, 0, OUT), WASI_EFAULT);
        assert_int_equal(lucet_wasi_fd_pwrite(guest, fd, IOVS, 2, 0, OUT), WASI_EFAULT);
    }
    EACH_BAD(p, lucet_wasi_poll_oneoff(guest, p, DATA, 1, OUT));
    EACH_BAD(p, lucet_wasi_poll_oneoff(guest, DATA, p, 1, OUT));
    EACH_BAD(p, lucet_wasi_poll_oneoff(guest, DATA, DATA, 1, p));
    nothing_happened();
}

static void paths(void **state)
{
    (void)state;
    const uint32_t d = PREOPEN, n = path("new"), f = path2("file");
    const uint32_t creat = WASI_OFLAG_CREAT;
    EACH_BAD(p, lucet_wasi_path_open(guest, d, 0, p, 2, creat, R(FD_WRITE), 0, 0, OUT));
    EACH_BAD(p, lucet_wasi_path_open(guest, d, 0, PATH, n, creat, R(FD_WRITE), 0, 0, p));
    EACH_BAD(p,
             lucet_wasi_path_open(guest, d, 0, PATH2, f, WASI_OFLAG_TRUNC, R(FD_WRITE), 0, 0, p));
    EACH_BAD(p, lucet_wasi_path_create_directory(guest, d, p, 2));
    EACH_BAD(p, lucet_wasi_path_remove_directory(guest, d, p, 2));
    EACH_BAD(p, lucet_wasi_path_unlink_file(guest, d, p, 2));
    EACH_BAD(p, lucet_wasi_path_filestat_get(guest, d, 0, p, 2, OUT));
    EACH_BAD(p, lucet_wasi_path_filestat_get(guest, d, 0, PATH2, f, p));
    EACH_BAD(p, lucet_wasi_path_filestat_set_times(guest, d, 0, p, 2, 0, 0, 0));
    EACH_BAD(p, lucet_wasi_path_link(guest, d, 0, p, 2, d, PATH, n));
    EACH_BAD(p, lucet_wasi_path_link(guest, d, 0, PATH2, f, d, p, 2));
    EACH_BAD(p, lucet_wasi_path_rename(guest, d, p, 2, d, PATH, n));
    EACH_BAD(p, lucet_wasi_path_rename(guest, d, PATH2, f, d, p, 2));
    EACH_BAD(p, lucet_wasi_path_symlink(guest, p, 2, d, PATH, n));
    EACH_BAD(p, lucet_wasi_path_symlink(guest, PATH2, f, d, p, 2));
    const uint32_t l = path("link");
    EACH_BAD(p, lucet_wasi_path_readlink(guest, d, p, 2, DATA, 10, OUT));
    EACH_BAD(p, lucet_wasi_path_readlink(guest, d, PATH, l, p, 10, OUT));
    EACH_BAD(p, lucet_wasi_path_readlink(guest, d, PATH, l, DATA, 10, p));
    assert_int_equal(lucet_wasi_path_readlink(guest, d, PATH, l, DATA, UINT32_MAX, OUT),
                     WASI_EFAULT);
    assert_int_equal(lucet_wasi_path_unlink_file(guest, d, PATH, UINT32_MAX), WASI_EFAULT);
    nothing_happened();
}

/* The last bytes of memory are as good as any. */
static void the_very_end_is_inside(void **state)
{
    (void)state;
    assert_int_equal(lucet_wasi_fd_tell(guest, fd, MEMORY_SIZE - 8), WASI_OK);
    assert_int_equal(lucet_wasi_fd_tell(guest, fd, MEMORY_SIZE - 7), WASI_EFAULT);
    assert_int_equal(lucet_wasi_random_get(guest, MEMORY_SIZE - 8, 8), WASI_OK);
    assert_int_equal(lucet_wasi_random_get(guest, MEMORY_SIZE - 8, 9), WASI_EFAULT);
    assert_int_equal(lucet_wasi_random_get(guest, MEMORY_SIZE, 0), WASI_OK);
    memcpy(guest->memory + MEMORY_SIZE - 4, "file", 4);
    assert_int_equal(lucet_wasi_path_unlink_file(guest, PREOPEN, MEMORY_SIZE - 4, 4), WASI_OK);
}

static void an_instance_without_context_ends(void **state)
{
    (void)state;
    struct lucet_wasi_ctx *ctx = guest->ctx;
    guest->ctx = NULL;
    if (setjmp(guest->on_terminate) == 0) {
        lucet_wasi_fd_write(guest, 1, IOVS, 1, OUT);
        fail();
    }
    assert_true(guest->terminated);
    guest->ctx = ctx;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_file, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(arguments_and_clocks),
        TEST(descriptors),
        TEST(paths),
        TEST(the_very_end_is_inside),
        TEST(an_instance_without_context_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
