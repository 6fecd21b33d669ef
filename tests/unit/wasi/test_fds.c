/* Descriptors: numbers, exhaustion, renumbering, preopens, no leaks. */
#include "fake.h"
#include "run/process.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

static void numbers_are_the_lowest_free(void **state)
{
    uint32_t a, b, c;
    (void)state;
    /* 0 to 2 are free here, nothing was given for them. */
    assert_int_equal(open_at(PREOPEN, "file", 0, RW, &a), WASI_OK);
    assert_int_equal(open_at(PREOPEN, "file", 0, RW, &b), WASI_OK);
    assert_int_equal(a, 0);
    assert_int_equal(b, 1);
    assert_int_equal(lucet_wasi_fd_close(guest, a), WASI_OK);
    assert_int_equal(lucet_wasi_fd_close(guest, a), WASI_EBADF);
    assert_int_equal(open_at(PREOPEN, "file", 0, RW, &c), WASI_OK);
    assert_int_equal(c, 0);
}

static void there_is_an_end_to_descriptors(void **state)
{
    uint32_t fd, opened = 0, error;
    const int before = process_descriptors();
    (void)state;
    while (!(error = open_at(PREOPEN, "file", 0, RW, &fd))) {
        opened++;
        assert_in_range(opened, 1, 1024);
    }
    assert_int_equal(error, WASI_EMFILE);
    assert_int_equal(opened, guest->ctx->process->fds.limit - 1);
    assert_int_equal(process_descriptors(), before + (int)opened);

    /* Without a free number nothing is created or truncated. */
    assert_int_equal(open_at(PREOPEN, "new", WASI_OFLAG_CREAT, RW, &fd), WASI_EMFILE);
    assert_false(host_exists("root/new"));
    char text[16];
    assert_int_equal(open_at(PREOPEN, "file", WASI_OFLAG_TRUNC, RW, &fd), WASI_EMFILE);
    host_read("root/file", text, sizeof(text));
    assert_string_equal(text, "hello");

    /* Others can still open files: the process's limit was not reached. */
    int host = open("/dev/null", O_RDONLY);
    assert_true(host >= 0);
    close(host);
    assert_int_equal(lucet_wasi_fd_close(guest, 0), WASI_OK);
    assert_int_equal(open_at(PREOPEN, "file", 0, RW, &fd), WASI_OK);
    assert_int_equal(fd, 0);
}

/* However many descriptors guests may have, the last quarter of the process's stays free. */
static void the_host_keeps_descriptors(void **state)
{
    struct rlimit old, low = {.rlim_cur = 64, .rlim_max = 0};
    uint32_t fd;
    int opened = 0;
    (void)state;
    getrlimit(RLIMIT_NOFILE, &old);
    low.rlim_max = old.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    struct lucet_wasi_ctx *ctx, *normal = guest->ctx;
    assert_int_equal(lucet_wasi_ctx_new(&ctx), lucet_error_ok);
    assert_int_equal(ctx->process->fds.limit, 32);
    assert_int_equal(lucet_wasi_ctx_max_descriptors(ctx, 1000), lucet_error_ok);
    assert_int_equal(lucet_wasi_ctx_preopen(ctx, top, "/", false), lucet_error_ok);
    guest->ctx = ctx;
    while (!open_at(PREOPEN, "root/file", 0, RW, &fd)) {
        opened++;
        assert_in_range(opened, 1, 64);
    }
    for (int i = 0; i < 14; i++) {
        assert_true(open("/dev/null", O_RDONLY) >= 0);
    }
    guest->ctx = normal;
    lucet_wasi_ctx_release(ctx);
    setrlimit(RLIMIT_NOFILE, &old);
    closefrom(20);
}

static void renumbering(void **state)
{
    uint32_t a, b;
    char text[16];
    const int before = process_descriptors();
    (void)state;
    assert_int_equal(open_at(PREOPEN, "file", 0, RW, &a), WASI_OK);
    assert_int_equal(open_at(PREOPEN, "sub/inner", 0, RW, &b), WASI_OK);
    assert_int_equal(lucet_wasi_fd_renumber(guest, b, PREOPEN), WASI_EBADF);
    assert_int_equal(lucet_wasi_fd_renumber(guest, PREOPEN, b), WASI_EBADF);
    assert_int_equal(lucet_wasi_fd_renumber(guest, b, 1000000), WASI_EBADF);
    assert_int_equal(lucet_wasi_fd_renumber(guest, b, UINT32_MAX), WASI_EBADF);
    assert_int_equal(lucet_wasi_fd_renumber(guest, b, 7), WASI_EBADF);
    assert_int_equal(lucet_wasi_fd_renumber(guest, 9, b), WASI_EBADF);
    assert_int_equal(lucet_wasi_fd_renumber(guest, b, b), WASI_OK);
    assert_int_equal(process_descriptors(), before + 2);
    assert_int_equal(lucet_wasi_fd_renumber(guest, b, a), WASI_OK);
    assert_int_equal(process_descriptors(), before + 1); /* what was at a is closed */
    assert_int_equal(read_text(a, text, 10), WASI_OK);
    assert_string_equal(text, "inner");
    assert_int_equal(read_text(b, text, 10), WASI_EBADF);
    assert_int_equal(lucet_wasi_fd_close(guest, a), WASI_OK);
    assert_int_equal(process_descriptors(), before);
}

static void preopens_stay(void **state)
{
    (void)state;
    assert_int_equal(lucet_wasi_fd_close(guest, PREOPEN), WASI_ENOTSUP);
    assert_int_equal(lucet_wasi_fd_prestat_get(guest, PREOPEN, OUT), WASI_OK);
    assert_int_equal(out64(), (uint64_t)5 << 32);
    memset(guest->memory + DATA, 'x', 16);
    assert_int_equal(lucet_wasi_fd_prestat_dir_name(guest, PREOPEN, DATA, 4), WASI_ENAMETOOLONG);
    assert_int_equal(lucet_wasi_fd_prestat_dir_name(guest, PREOPEN, DATA, 5), WASI_OK);
    assert_memory_equal(guest->memory + DATA, "/rootx", 6);
    assert_int_equal(lucet_wasi_fd_prestat_get(guest, PREOPEN + 1, OUT), WASI_EBADF);
}

static void nothing_leaks(void **state)
{
    uint32_t fd;
    const int before = process_descriptors();
    (void)state;
    for (int i = 0; i < 100; i++) {
        open_at(PREOPEN, "sub/../sub/inner", 0, RW, &fd);
        lucet_wasi_fd_close(guest, fd);
        open_at(PREOPEN, "up/x", 0, RW, &fd);
        lucet_wasi_path_unlink_file(guest, PREOPEN, PATH, path("sub/nothing"));
        lucet_wasi_path_create_directory(guest, PREOPEN, PATH, path("sub/."));
        lucet_wasi_path_rename(guest, PREOPEN, PATH, path("sub/nothing"), PREOPEN, PATH2,
                               path2("sub/other"));
        lucet_wasi_path_rename(guest, PREOPEN, PATH, path("sub/inner"), PREOPEN, PATH2,
                               path2("up/x"));
        lucet_wasi_path_link(guest, PREOPEN, 1, PATH, path("nothing"), PREOPEN, PATH2,
                             path2("sub/x"));
        lucet_wasi_path_link(guest, PREOPEN, 0, PATH, path("up/x"), PREOPEN, PATH2, path2("sub/x"));
        lucet_wasi_path_symlink(guest, PATH2, path2("x"), PREOPEN, PATH, path("sub/inner"));
        lucet_wasi_path_readlink(guest, PREOPEN, PATH, path("dirlink/inner"), DATA, 10, OUT);
        lucet_wasi_path_readlink(guest, PREOPEN, PATH, path("dirlink/"), DATA, 10, OUT);
        lucet_wasi_path_filestat_get(guest, PREOPEN, 1, PATH, path("link"), OUT);
        lucet_wasi_path_filestat_set_times(guest, PREOPEN, 1, PATH, path("link"), 0, 0, 0);
    }
    assert_int_equal(process_descriptors(), before);
}

static void release_closes_all(void **state)
{
    uint32_t fd;
    const int before = process_descriptors();
    struct lucet_wasi_ctx *ctx, *normal = guest->ctx;
    (void)state;
    assert_int_equal(lucet_wasi_ctx_new(&ctx), lucet_error_ok);
    assert_int_equal(lucet_wasi_ctx_inherit_stdio(ctx), lucet_error_ok);
    assert_int_equal(lucet_wasi_ctx_preopen(ctx, top, "/", false), lucet_error_ok);
    int host = open("/dev/null", O_WRONLY);
    assert_int_equal(lucet_wasi_ctx_stdio(ctx, 1, host, true), lucet_error_ok);
    guest->ctx = ctx;
    assert_int_equal(open_at(PREOPEN, "root/file", 0, RW, &fd), WASI_OK);
    guest->ctx = normal;
    lucet_wasi_ctx_release(ctx);
    assert_int_equal(process_descriptors(), before);
    assert_true(fcntl(0, F_GETFD) >= 0); /* the process's own are not closed */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(numbers_are_the_lowest_free),
        TEST(there_is_an_end_to_descriptors),
        TEST(the_host_keeps_descriptors),
        TEST(renumbering),
        TEST(preopens_stay),
        TEST(nothing_leaks),
        TEST(release_closes_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
