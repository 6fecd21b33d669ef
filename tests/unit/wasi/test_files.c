/* Status, times, sizes, positions, names: the ordinary work of files. */
#include "fake.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static struct wasi_filestat stat_of(const char *name, uint32_t lookup)
{
    struct wasi_filestat st;
    assert_int_equal(lucet_wasi_path_filestat_get(guest, PREOPEN, lookup, PATH, path(name), OUT),
                     WASI_OK);
    memcpy(&st, guest->memory + OUT, sizeof(st));
    return st;
}

static void status(void **state)
{
    struct stat host;
    char name[128];
    (void)state;
    snprintf(name, sizeof(name), "%s/root/file", top);
    assert_int_equal(stat(name, &host), 0);
    struct wasi_filestat st = stat_of("file", 0);
    assert_int_equal(st.dev, host.st_dev);
    assert_int_equal(st.ino, host.st_ino);
    assert_int_equal(st.filetype, WASI_FILETYPE_REGULAR_FILE);
    assert_int_equal(st.nlink, 1);
    assert_int_equal(st.size, 5);
    assert_int_equal(st.mtim,
                     (uint64_t)host.st_mtim.tv_sec * 1000000000u + (uint64_t)host.st_mtim.tv_nsec);
    assert_int_equal(stat_of("link", 0).filetype, WASI_FILETYPE_SYMBOLIC_LINK);
    assert_int_equal(stat_of("link", 1).ino, host.st_ino);
    assert_int_equal(stat_of("sub", 0).filetype, WASI_FILETYPE_DIRECTORY);
    assert_int_equal(lucet_wasi_path_filestat_get(guest, PREOPEN, 2, PATH, path("file"), OUT),
                     WASI_EINVAL);
    assert_int_equal(lucet_wasi_path_filestat_get(guest, PREOPEN, 1, PATH, path("none"), OUT),
                     WASI_ENOENT);
}

static void times(void **state)
{
    uint32_t fd;
    (void)state;
    const uint32_t both = WASI_FST_ATIM | WASI_FST_MTIM;
    assert_int_equal(lucet_wasi_path_filestat_set_times(guest, PREOPEN, 1, PATH, path("link"),
                                                        1000000001, 2000000002, both),
                     WASI_OK);
    assert_int_equal(stat_of("file", 0).atim, 1000000001);
    assert_int_equal(stat_of("file", 0).mtim, 2000000002);
    assert_true(stat_of("link", 0).mtim != 2000000002);
    assert_int_equal(lucet_wasi_path_filestat_set_times(guest, PREOPEN, 0, PATH, path("link"), 5, 7,
                                                        WASI_FST_MTIM),
                     WASI_OK);
    assert_int_equal(stat_of("link", 0).mtim, 7);
    assert_int_equal(stat_of("file", 0).mtim, 2000000002);

    assert_int_equal(open_at(PREOPEN, "file", 0, WASI_RIGHTS_FILE, &fd), WASI_OK);
    assert_int_equal(lucet_wasi_fd_filestat_set_times(guest, fd, 3, 4, WASI_FST_ATIM), WASI_OK);
    assert_int_equal(stat_of("file", 0).atim, 3);
    assert_int_equal(stat_of("file", 0).mtim, 2000000002);
    assert_int_equal(lucet_wasi_fd_filestat_set_times(guest, fd, 3, 4, WASI_FST_MTIM_NOW), WASI_OK);
    assert_true(stat_of("file", 0).mtim > 1000000000000000000u);
    assert_int_equal(
        lucet_wasi_fd_filestat_set_times(guest, fd, 3, 4, WASI_FST_MTIM | WASI_FST_MTIM_NOW),
        WASI_EINVAL);
    assert_int_equal(lucet_wasi_fd_filestat_set_times(guest, fd, 3, 4, 16), WASI_EINVAL);
}

static void sizes_and_space(void **state)
{
    uint32_t fd;
    (void)state;
    assert_int_equal(open_at(PREOPEN, "file", 0, WASI_RIGHTS_FILE, &fd), WASI_OK);
    assert_int_equal(lucet_wasi_fd_filestat_set_size(guest, fd, 100), WASI_OK);
    assert_int_equal(stat_of("file", 0).size, 100);
    assert_int_equal(lucet_wasi_fd_filestat_set_size(guest, fd, 1ull << 63), WASI_EFBIG);
    assert_int_equal(lucet_wasi_fd_allocate(guest, fd, 50, 1000), WASI_OK);
    assert_int_equal(stat_of("file", 0).size, 1050);
    assert_int_equal(lucet_wasi_fd_allocate(guest, fd, 0, 0), WASI_EINVAL);
    assert_int_equal(lucet_wasi_fd_allocate(guest, fd, UINT64_MAX, 2), WASI_EINVAL);
    assert_int_equal(lucet_wasi_fd_allocate(guest, fd, INT64_MAX, INT64_MAX), WASI_EFBIG);
    assert_int_equal(lucet_wasi_fd_advise(guest, fd, 0, 0, 5), WASI_OK);
    assert_int_equal(lucet_wasi_fd_advise(guest, fd, 0, 0, 6), WASI_EINVAL);
    assert_int_equal(lucet_wasi_fd_advise(guest, fd, 1ull << 63, 0, 0), WASI_EINVAL);
    assert_int_equal(lucet_wasi_fd_sync(guest, fd), WASI_OK);
    assert_int_equal(lucet_wasi_fd_datasync(guest, fd), WASI_OK);
}

static void positions(void **state)
{
    uint32_t fd;
    (void)state;
    assert_int_equal(open_at(PREOPEN, "file", 0, WASI_RIGHTS_FILE, &fd), WASI_OK);
    assert_int_equal(lucet_wasi_fd_seek(guest, fd, 2, WASI_WHENCE_SET, OUT), WASI_OK);
    assert_int_equal(lucet_wasi_fd_seek(guest, fd, 1, WASI_WHENCE_CUR, OUT), WASI_OK);
    assert_int_equal(out64(), 3);
    assert_int_equal(lucet_wasi_fd_seek(guest, fd, (uint64_t)-1, WASI_WHENCE_END, OUT), WASI_OK);
    assert_int_equal(out64(), 4);
    assert_int_equal(lucet_wasi_fd_seek(guest, fd, (uint64_t)-1, WASI_WHENCE_SET, OUT),
                     WASI_EINVAL);
    assert_int_equal(lucet_wasi_fd_seek(guest, fd, 0, 3, OUT), WASI_EINVAL);
    assert_int_equal(lucet_wasi_fd_seek(guest, PREOPEN, 0, 0, OUT), WASI_ENOTCAPABLE);
}

static void opening(void **state)
{
    uint32_t fd;
    char text[16];
    (void)state;
    const uint32_t creat = WASI_OFLAG_CREAT;
    assert_int_equal(open_at(PREOPEN, "new", 0, RW, &fd), WASI_ENOENT);
    assert_int_equal(open_at(PREOPEN, "new", creat | WASI_OFLAG_EXCL, RW, &fd), WASI_OK);
    assert_int_equal(write_text(fd, "abc"), WASI_OK);
    assert_int_equal(open_at(PREOPEN, "new", creat | WASI_OFLAG_EXCL, RW, &fd), WASI_EEXIST);
    assert_int_equal(open_at(PREOPEN, "new", creat, RW, &fd), WASI_OK);
    assert_int_equal(read_text(fd, text, 10), WASI_OK);
    assert_string_equal(text, "abc");
    assert_int_equal(open_at(PREOPEN, "new", creat | WASI_OFLAG_TRUNC, RW, &fd), WASI_OK);
    assert_int_equal(stat_of("new", 0).size, 0);
    assert_int_equal(open_at(PREOPEN, "sub", 0, RW, &fd), WASI_EISDIR);
    assert_int_equal(open_at(PREOPEN, "sub", 0, R(FD_READ) | R(FD_READDIR), &fd), WASI_OK);
    assert_int_equal(read_text(fd, text, 10), WASI_ENOTCAPABLE);
    assert_int_equal(open_at(PREOPEN, "new", 16, RW, &fd), WASI_EINVAL);
    assert_int_equal(lucet_wasi_path_open(guest, PREOPEN, 2, PATH, path("new"), 0, RW, 0, 0, OUT),
                     WASI_EINVAL);
    assert_int_equal(lucet_wasi_path_open(guest, PREOPEN, 0, PATH, path("new"), 0, RW, 0, 32, OUT),
                     WASI_EINVAL);
    assert_int_equal(open_at(0, "x", 0, RW, &fd), WASI_ENOTCAPABLE); /* 0 is a file */
    assert_int_equal(open_at(99, "x", 0, RW, &fd), WASI_EBADF);
}

static void names(void **state)
{
    char text[16];
    (void)state;
    assert_int_equal(lucet_wasi_path_create_directory(guest, PREOPEN, PATH, path("dir")), WASI_OK);
    assert_int_equal(lucet_wasi_path_create_directory(guest, PREOPEN, PATH, path("dir")),
                     WASI_EEXIST);
    assert_int_equal(lucet_wasi_path_create_directory(guest, PREOPEN, PATH, path("none/dir")),
                     WASI_ENOENT);
    assert_int_equal(
        lucet_wasi_path_rename(guest, PREOPEN, PATH, path("file"), PREOPEN, PATH2, path2("dir/f")),
        WASI_OK);
    assert_int_equal(
        lucet_wasi_path_link(guest, PREOPEN, 0, PATH, path("dir/f"), PREOPEN, PATH2, path2("g")),
        WASI_OK);
    assert_int_equal(stat_of("g", 0).nlink, 2);
    assert_int_equal(
        lucet_wasi_path_symlink(guest, PATH2, path2("f"), PREOPEN, PATH, path("dir/s")), WASI_OK);
    assert_int_equal(lucet_wasi_path_readlink(guest, PREOPEN, PATH, path("dir/s"), DATA, 10, OUT),
                     WASI_OK);
    assert_int_equal(out32(), 1);
    assert_int_equal(lucet_wasi_path_readlink(guest, PREOPEN, PATH, path("g"), DATA, 10, OUT),
                     WASI_EINVAL);
    assert_int_equal(lucet_wasi_path_readlink(guest, PREOPEN, PATH, path("out"), DATA, 2, OUT),
                     WASI_OK);
    assert_int_equal(out32(), 2); /* cut, as readlink does */
    assert_int_equal(lucet_wasi_path_remove_directory(guest, PREOPEN, PATH, path("dir")),
                     WASI_ENOTEMPTY);
    assert_int_equal(lucet_wasi_path_remove_directory(guest, PREOPEN, PATH, path("g")),
                     WASI_ENOTDIR);
    assert_int_equal(lucet_wasi_path_unlink_file(guest, PREOPEN, PATH, path("dir")), WASI_EISDIR);
    assert_int_equal(lucet_wasi_path_unlink_file(guest, PREOPEN, PATH, path("dir/f")), WASI_OK);
    assert_int_equal(lucet_wasi_path_unlink_file(guest, PREOPEN, PATH, path("dir/s")), WASI_OK);
    assert_int_equal(lucet_wasi_path_remove_directory(guest, PREOPEN, PATH, path("dir/")), WASI_OK);
    host_read("root/g", text, sizeof(text));
    assert_string_equal(text, "hello");
}

static void names_across_preopens(void **state)
{
    char other[128];
    (void)state;
    snprintf(other, sizeof(other), "%s/root/sub", top);
    assert_int_equal(lucet_wasi_ctx_preopen(guest->ctx, other, "/other", false), lucet_error_ok);
    assert_int_equal(
        lucet_wasi_path_rename(guest, PREOPEN, PATH, path("file"), PREOPEN + 1, PATH2, path2("f")),
        WASI_OK);
    assert_int_equal(
        lucet_wasi_path_link(guest, PREOPEN + 1, 0, PATH, path("f"), PREOPEN, PATH2, path2("g")),
        WASI_OK);
    assert_true(host_exists("root/sub/f"));
    assert_true(host_exists("root/g"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(status),  TEST(times), TEST(sizes_and_space),       TEST(positions),
        TEST(opening), TEST(names), TEST(names_across_preopens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
