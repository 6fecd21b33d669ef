/* Rights: what was not given cannot be done, and never grows. */
#include "fake.h"

#include <fcntl.h>
#include <stdio.h>

static void a_read_only_directory_does_not_change(void **state)
{
    uint32_t fd;
    const uint32_t d = PREOPEN;
    (void)state;
    assert_int_equal(open_at(d, "file", 0, RW, &fd), WASI_ENOTCAPABLE);
    assert_int_equal(open_at(d, "file", WASI_OFLAG_TRUNC, R(FD_READ), &fd), WASI_ENOTCAPABLE);
    assert_int_equal(open_at(d, "new", WASI_OFLAG_CREAT, R(FD_READ), &fd), WASI_ENOTCAPABLE);
    assert_int_equal(open_at(d, "file", 0, R(FD_ALLOCATE), &fd), WASI_ENOTCAPABLE);
    assert_int_equal(open_at(d, "file", 0, R(FD_FILESTAT_SET_SIZE), &fd), WASI_ENOTCAPABLE);
    assert_int_equal(lucet_wasi_path_create_directory(guest, d, PATH, path("new")),
                     WASI_ENOTCAPABLE);
    assert_int_equal(lucet_wasi_path_remove_directory(guest, d, PATH, path("sub")),
                     WASI_ENOTCAPABLE);
    assert_int_equal(lucet_wasi_path_unlink_file(guest, d, PATH, path("file")), WASI_ENOTCAPABLE);
    assert_int_equal(lucet_wasi_path_rename(guest, d, PATH, path("file"), d, PATH2, path2("new")),
                     WASI_ENOTCAPABLE);
    assert_int_equal(lucet_wasi_path_link(guest, d, 0, PATH, path("file"), d, PATH2, path2("new")),
                     WASI_ENOTCAPABLE);
    assert_int_equal(lucet_wasi_path_symlink(guest, PATH2, path2("file"), d, PATH, path("new")),
                     WASI_ENOTCAPABLE);
    assert_int_equal(
        lucet_wasi_path_filestat_set_times(guest, d, 1, PATH, path("file"), 0, 0, WASI_FST_MTIM),
        WASI_ENOTCAPABLE);
    assert_int_equal(lucet_wasi_fd_filestat_set_times(guest, d, 0, 0, WASI_FST_MTIM),
                     WASI_ENOTCAPABLE);
    assert_false(host_exists("root/new"));

    char text[16];
    assert_int_equal(open_at(d, "file", 0, R(FD_READ), &fd), WASI_OK);
    assert_int_equal(read_text(fd, text, 10), WASI_OK);
    assert_string_equal(text, "hello");
    assert_int_equal(write_text(fd, "x"), WASI_ENOTCAPABLE);
    assert_int_equal(lucet_wasi_fd_filestat_set_size(guest, fd, 0), WASI_ENOTCAPABLE);
    assert_int_equal(lucet_wasi_fd_allocate(guest, fd, 0, 10), WASI_ENOTCAPABLE);
    assert_int_equal(lucet_wasi_fd_filestat_set_times(guest, fd, 0, 0, WASI_FST_MTIM),
                     WASI_ENOTCAPABLE);
}

/* Nor through a directory opened in it, whatever rights are asked for. */
static void read_only_is_inherited(void **state)
{
    uint32_t sub, fd;
    (void)state;
    assert_int_equal(lucet_wasi_path_open(guest, PREOPEN, 1, PATH, path("sub"),
                                          WASI_OFLAG_DIRECTORY, ~0ull, ~0ull, 0, OUT),
                     WASI_ENOTCAPABLE);
    const uint64_t base = guest->ctx->process->fds.fd[PREOPEN].base;
    const uint64_t inheriting = guest->ctx->process->fds.fd[PREOPEN].inheriting;
    assert_int_equal(lucet_wasi_path_open(guest, PREOPEN, 1, PATH, path("sub"),
                                          WASI_OFLAG_DIRECTORY, base, inheriting, 0, OUT),
                     WASI_OK);
    sub = out32();
    assert_int_equal(
        lucet_wasi_fd_fdstat_set_rights(guest, sub, base | R(PATH_CREATE_FILE), inheriting),
        WASI_ENOTCAPABLE);
    assert_int_equal(open_at(sub, "inner", 0, RW, &fd), WASI_ENOTCAPABLE);
    assert_int_equal(open_at(sub, "inner", 0, R(FD_READ), &fd), WASI_OK);
}

/* A file must not become writable by getting a second name, or a new place, in a directory where
 * writing is allowed. */
static void links_and_renames_between_directories(void **state)
{
    uint32_t sub;
    (void)state;
    /* PREOPEN: read only. sub: everything. */
    char host_sub[128];
    snprintf(host_sub, sizeof(host_sub), "%s/root/sub", top);
    assert_int_equal(lucet_wasi_ctx_preopen(guest->ctx, host_sub, "/sub", false), lucet_error_ok);
    sub = PREOPEN + 1;
    assert_int_equal(
        lucet_wasi_path_link(guest, PREOPEN, 0, PATH, path("file"), sub, PATH2, path2("new")),
        WASI_ENOTCAPABLE);
    assert_int_equal(
        lucet_wasi_path_rename(guest, PREOPEN, PATH, path("file"), sub, PATH2, path2("new")),
        WASI_ENOTCAPABLE);
    assert_int_equal(
        lucet_wasi_path_link(guest, sub, 0, PATH, path("inner"), PREOPEN, PATH2, path2("new")),
        WASI_ENOTCAPABLE);
    assert_int_equal(
        lucet_wasi_path_rename(guest, sub, PATH, path("inner"), PREOPEN, PATH2, path2("new")),
        WASI_ENOTCAPABLE);

    /* A directory that may give files away, but not let them be written. */
    struct wasi_fd *f = &guest->ctx->process->fds.fd[PREOPEN];
    f->base |= R(PATH_LINK_SOURCE) | R(PATH_RENAME_SOURCE);
    assert_int_equal(
        lucet_wasi_path_link(guest, PREOPEN, 0, PATH, path("file"), sub, PATH2, path2("new")),
        WASI_ENOTCAPABLE);
    assert_int_equal(
        lucet_wasi_path_rename(guest, PREOPEN, PATH, path("file"), sub, PATH2, path2("new")),
        WASI_ENOTCAPABLE);
    assert_false(host_exists("root/sub/new"));
    assert_true(host_exists("root/file"));
}

static void each_right_counts(void **state)
{
    static const struct {
        uint64_t right;
        int call;
    } row[] = {
        {WASI_RIGHT_FD_READ, 0},
        {WASI_RIGHT_FD_WRITE, 1},
        {WASI_RIGHT_FD_SEEK, 2},
        {WASI_RIGHT_FD_TELL, 3},
        {WASI_RIGHT_FD_SYNC, 4},
        {WASI_RIGHT_FD_DATASYNC, 5},
        {WASI_RIGHT_FD_ADVISE, 6},
        {WASI_RIGHT_FD_ALLOCATE, 7},
        {WASI_RIGHT_FD_FILESTAT_GET, 8},
        {WASI_RIGHT_FD_FILESTAT_SET_SIZE, 9},
        {WASI_RIGHT_FD_FILESTAT_SET_TIMES, 10},
        {WASI_RIGHT_FD_FDSTAT_SET_FLAGS, 11},
        {WASI_RIGHT_FD_SEEK, 12},
        {WASI_RIGHT_FD_SEEK, 13},
    };
    (void)state;
    put_iov(0, DATA, 1);
    for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
        for (int with = 0; with < 2; with++) {
            uint32_t fd, error = WASI_OK;
            assert_int_equal(open_at(PREOPEN, "file", 0, WASI_RIGHTS_FILE, &fd), WASI_OK);
            guest->ctx->process->fds.fd[fd].base &= with ? ~0ull : ~row[i].right;
            switch (row[i].call) {
            case 0: error = lucet_wasi_fd_read(guest, fd, IOVS, 1, OUT); break;
            case 1: error = lucet_wasi_fd_write(guest, fd, IOVS, 1, OUT); break;
            case 2: error = lucet_wasi_fd_seek(guest, fd, 1, WASI_WHENCE_SET, OUT); break;
            case 3: error = lucet_wasi_fd_tell(guest, fd, OUT); break;
            case 4: error = lucet_wasi_fd_sync(guest, fd); break;
            case 5: error = lucet_wasi_fd_datasync(guest, fd); break;
            case 6: error = lucet_wasi_fd_advise(guest, fd, 0, 1, 0); break;
            case 7: error = lucet_wasi_fd_allocate(guest, fd, 0, 1); break;
            case 8: error = lucet_wasi_fd_filestat_get(guest, fd, OUT); break;
            case 9: error = lucet_wasi_fd_filestat_set_size(guest, fd, 5); break;
            case 10: error = lucet_wasi_fd_filestat_set_times(guest, fd, 0, 0, 0); break;
            case 11: error = lucet_wasi_fd_fdstat_set_flags(guest, fd, 0); break;
            case 12: error = lucet_wasi_fd_pread(guest, fd, IOVS, 1, 0, OUT); break;
            case 13: error = lucet_wasi_fd_pwrite(guest, fd, IOVS, 1, 0, OUT); break;
            }
            assert_int_equal(error, with ? WASI_OK : WASI_ENOTCAPABLE);
            assert_int_equal(lucet_wasi_fd_close(guest, fd), WASI_OK);
        }
    }
}

static void rights_only_shrink(void **state)
{
    uint32_t fd;
    (void)state;
    assert_int_equal(open_at(PREOPEN, "file", 0, RW, &fd), WASI_OK);
    assert_int_equal(lucet_wasi_fd_fdstat_set_rights(guest, fd, R(FD_READ), 0), WASI_OK);
    assert_int_equal(lucet_wasi_fd_fdstat_set_rights(guest, fd, RW, 0), WASI_ENOTCAPABLE);
    assert_int_equal(lucet_wasi_fd_fdstat_set_rights(guest, fd, R(FD_READ), R(FD_READ)),
                     WASI_ENOTCAPABLE);
    assert_int_equal(write_text(fd, "x"), WASI_ENOTCAPABLE);
    assert_int_equal(lucet_wasi_fd_fdstat_get(guest, fd, OUT), WASI_OK);
    uint64_t base;
    memcpy(&base, guest->memory + OUT + 8, 8);
    assert_int_equal(base, R(FD_READ));
}

/* Languages' runtimes ask for bits that do not exist, or not here. */
static void unknown_rights_are_ignored(void **state)
{
    uint32_t fd;
    (void)state;
    assert_int_equal(open_at(PREOPEN, "file", 0, ~0ull, &fd), WASI_OK);
    assert_int_equal(guest->ctx->process->fds.fd[fd].base, WASI_RIGHTS_FILE);
}

static void truncation_needs_the_right(void **state)
{
    uint32_t fd;
    char text[16];
    (void)state;
    guest->ctx->process->fds.fd[PREOPEN].base &= ~R(PATH_FILESTAT_SET_SIZE);
    assert_int_equal(open_at(PREOPEN, "file", WASI_OFLAG_TRUNC, RW, &fd), WASI_ENOTCAPABLE);
    assert_int_equal(open_at(PREOPEN, "file", WASI_OFLAG_TRUNC, R(FD_READ), &fd), WASI_ENOTCAPABLE);
    guest->ctx->process->fds.fd[PREOPEN].base |= R(PATH_FILESTAT_SET_SIZE);
    guest->ctx->process->fds.fd[PREOPEN].inheriting &= ~R(FD_WRITE);
    assert_int_equal(open_at(PREOPEN, "file", WASI_OFLAG_TRUNC, R(FD_READ), &fd), WASI_ENOTCAPABLE);
    host_read("root/file", text, sizeof(text));
    assert_string_equal(text, "hello");
}

static void without_preopens_there_is_nothing(void **state)
{
    uint32_t fd;
    (void)state;
    for (uint32_t d = 0; d < 20; d++) {
        assert_int_equal(open_at(d, ".", 0, R(FD_READ), &fd), WASI_EBADF);
        assert_int_equal(open_at(d, "/", 0, R(FD_READ), &fd), WASI_EPERM);
        assert_int_equal(lucet_wasi_fd_prestat_get(guest, d, OUT), WASI_EBADF);
        assert_int_equal(lucet_wasi_path_filestat_get(guest, d, 1, PATH, path("etc"), OUT),
                         WASI_EBADF);
        assert_int_equal(lucet_wasi_fd_readdir(guest, d, DATA, 100, 0, OUT), WASI_EBADF);
        assert_int_equal(write_text(d, "x"), WASI_EBADF);
    }
    assert_int_equal(open_at(UINT32_MAX, ".", 0, R(FD_READ), &fd), WASI_EBADF);
    assert_int_equal(open_at((uint32_t)AT_FDCWD, ".", 0, R(FD_READ), &fd), WASI_EBADF);
}

#define RO(name) cmocka_unit_test_setup_teardown(name, setup_read_only, teardown)
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RO(a_read_only_directory_does_not_change),
        RO(read_only_is_inherited),
        RO(links_and_renames_between_directories),
        TEST(each_right_counts),
        TEST(rights_only_shrink),
        TEST(unknown_rights_are_ignored),
        TEST(truncation_needs_the_right),
        cmocka_unit_test_setup_teardown(without_preopens_there_is_nothing, setup_bare, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
