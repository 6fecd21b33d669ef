/* No path leads out of a preopened directory, whatever it looks like and whichever call takes
 * it. */
#include "fake.h"

#include <stdio.h>
#include <unistd.h>

/* Every call that takes a path, with that path. `path` is the only thing that may make it fail. */
enum call {
    OPEN,
    CREATE,
    STAT,
    LSTAT,
    TIMES,
    MKDIR,
    RMDIR,
    UNLINK,
    READLINK,
    RENAME_FROM,
    RENAME_TO,
    LINK_FROM,
    LINK_TO,
    LINK_FOLLOW,
    SYMLINK,
    CALLS
};

static uint32_t do_call(enum call c, uint32_t at, uint32_t len)
{
    const uint32_t d = PREOPEN, other = PATH2, n = path2("unused-name");
    switch (c) {
    case OPEN: return lucet_wasi_path_open(guest, d, 1, at, len, 0, R(FD_READ), 0, 0, OUT);
    case CREATE:
        return lucet_wasi_path_open(guest, d, 1, at, len, WASI_OFLAG_CREAT, R(FD_WRITE), 0, 0, OUT);
    case STAT: return lucet_wasi_path_filestat_get(guest, d, 1, at, len, OUT);
    case LSTAT: return lucet_wasi_path_filestat_get(guest, d, 0, at, len, OUT);
    case TIMES:
        return lucet_wasi_path_filestat_set_times(guest, d, 1, at, len, 0, 0, WASI_FST_MTIM);
    case MKDIR: return lucet_wasi_path_create_directory(guest, d, at, len);
    case RMDIR: return lucet_wasi_path_remove_directory(guest, d, at, len);
    case UNLINK: return lucet_wasi_path_unlink_file(guest, d, at, len);
    case READLINK: return lucet_wasi_path_readlink(guest, d, at, len, DATA, 64, OUT);
    case RENAME_FROM: return lucet_wasi_path_rename(guest, d, at, len, d, other, n);
    case RENAME_TO: path2("file"); return lucet_wasi_path_rename(guest, d, other, 4, d, at, len);
    case LINK_FROM: return lucet_wasi_path_link(guest, d, 0, at, len, d, other, n);
    case LINK_FOLLOW: return lucet_wasi_path_link(guest, d, 1, at, len, d, other, n);
    case LINK_TO: path2("file"); return lucet_wasi_path_link(guest, d, 0, other, 4, d, at, len);
    case SYMLINK: return lucet_wasi_path_symlink(guest, other, n, d, at, len);
    default: return WASI_OK;
    }
}

static void each_call_refuses(const char *text)
{
    for (enum call c = 0; c < CALLS; c++) {
        uint32_t error = do_call(c, PATH, path(text));
        if (error == WASI_OK) {
            print_error("call %d took \"%s\"\n", c, text);
        }
        assert_int_not_equal(error, WASI_OK);
    }
    assert_true(host_exists("secret"));
    assert_false(host_exists("created"));
    assert_true(host_exists("root/file"));
}

static void dot_dot(void **state)
{
    (void)state;
    each_call_refuses("../secret");
    each_call_refuses("../created");
    each_call_refuses("sub/../../secret");
    each_call_refuses("sub/../../created");
    each_call_refuses("..");
    each_call_refuses("../");
    each_call_refuses("sub/../..");
    each_call_refuses("../root/../secret");
}

static void absolute(void **state)
{
    char buffer[128];
    (void)state;
    each_call_refuses("/etc/passwd");
    each_call_refuses("/");
    each_call_refuses("//");
    snprintf(buffer, sizeof(buffer), "%s/secret", top);
    each_call_refuses(buffer);
    snprintf(buffer, sizeof(buffer), "%s/created", top);
    each_call_refuses(buffer);
}

static void through_links_to_directories(void **state)
{
    (void)state;
    each_call_refuses("up/secret");
    each_call_refuses("up/created");
    each_call_refuses("up/root/file");
    each_call_refuses("sub/../up/secret");
    each_call_refuses("up/");
}

static void outward_links_are_not_followed(void **state)
{
    uint32_t fd;
    (void)state;
    assert_int_equal(open_at(PREOPEN, "out", 0, RW, &fd), WASI_EPERM);
    assert_int_equal(open_at(PREOPEN, "abs", 0, R(FD_READ), &fd), WASI_EPERM);
    assert_int_equal(open_at(PREOPEN, "out", WASI_OFLAG_CREAT, RW, &fd), WASI_EPERM);
    assert_int_equal(open_at(PREOPEN, "out", WASI_OFLAG_TRUNC, RW, &fd), WASI_EPERM);
    assert_int_equal(do_call(STAT, PATH, path("out")), WASI_EPERM);
    assert_int_equal(do_call(TIMES, PATH, path("out")), WASI_EPERM);
    assert_int_equal(do_call(LINK_FOLLOW, PATH, path("out")), WASI_EPERM);
    assert_int_equal(do_call(STAT, PATH, path("out/")), WASI_EPERM);
    assert_int_not_equal(do_call(READLINK, PATH, path("up/")), WASI_OK);

    char text[32];
    host_read("secret", text, sizeof(text));
    assert_string_equal(text, "secret");
}

static void links_themselves_can_be_handled(void **state)
{
    (void)state;
    assert_int_equal(do_call(LSTAT, PATH, path("out")), WASI_OK);
    assert_int_equal(guest->memory[OUT + 16], WASI_FILETYPE_SYMBOLIC_LINK);
    assert_int_equal(do_call(READLINK, PATH, path("out")), WASI_OK);
    assert_int_equal(out32(), 9);
    assert_memory_equal(guest->memory + DATA, "../secret", 9);
    assert_int_equal(do_call(LINK_FROM, PATH, path("out")),
                     WASI_OK); /* a second name of the link */
    assert_int_equal(do_call(RENAME_FROM, PATH, path("abs")), WASI_OK);
    assert_int_equal(do_call(UNLINK, PATH, path("out")), WASI_OK);
    assert_true(host_exists("secret"));
}

static void nothing_is_created_through_dangling_links(void **state)
{
    uint32_t fd;
    (void)state;
    assert_int_equal(open_at(PREOPEN, "dangling", WASI_OFLAG_CREAT, RW, &fd), WASI_ELOOP);
    assert_int_equal(open_at(PREOPEN, "dangling_out", WASI_OFLAG_CREAT, RW, &fd), WASI_EPERM);
    assert_int_equal(open_at(PREOPEN, "dangling", WASI_OFLAG_CREAT | WASI_OFLAG_EXCL, RW, &fd),
                     WASI_EEXIST);
    assert_int_equal(open_at(PREOPEN, "dangling_out", WASI_OFLAG_CREAT | WASI_OFLAG_EXCL, RW, &fd),
                     WASI_EEXIST);
    assert_int_equal(do_call(MKDIR, PATH, path("dangling")), WASI_EEXIST);
    assert_int_equal(do_call(MKDIR, PATH, path("dangling/")), WASI_EEXIST);
    assert_int_not_equal(do_call(RENAME_TO, PATH, path("dangling/")), WASI_OK);
    assert_false(host_exists("root/nowhere"));
    assert_false(host_exists("created"));
}

static void bad_names(void **state)
{
    (void)state;
    each_call_refuses("");
    memcpy(guest->memory + PATH, "file\0x", 6);
    for (enum call c = 0; c < CALLS; c++) {
        assert_int_equal(do_call(c, PATH, 6), WASI_EINVAL);
        assert_int_equal(do_call(c, PATH, 5), WASI_EINVAL);
    }
    memset(guest->memory + PATH, 'a', 5000);
    for (enum call c = 0; c < CALLS; c++) {
        assert_int_equal(do_call(c, PATH, 5000), WASI_ENAMETOOLONG);
        assert_int_equal(do_call(c, PATH, 4096), WASI_ENAMETOOLONG);
        assert_int_equal(do_call(c, PATH, 4095), WASI_ENAMETOOLONG);
    }
    assert_true(host_exists("root/file"));
}

/* Ends of paths that mean the directory itself. */
static void dots(void **state)
{
    (void)state;
    assert_int_equal(do_call(MKDIR, PATH, path(".")), WASI_EEXIST);
    assert_int_equal(do_call(MKDIR, PATH, path("sub/..")), WASI_EEXIST);
    assert_int_equal(do_call(MKDIR, PATH, path("..")), WASI_EPERM);
    assert_int_equal(do_call(RMDIR, PATH, path(".")), WASI_EINVAL);
    assert_int_equal(do_call(RMDIR, PATH, path("sub/.")), WASI_EINVAL);
    assert_int_equal(do_call(UNLINK, PATH, path("sub/.")), WASI_EINVAL);
    assert_int_equal(do_call(RENAME_FROM, PATH, path("sub/.")), WASI_EINVAL);
    assert_int_equal(do_call(STAT, PATH, path(".")), WASI_OK);
    assert_int_equal(do_call(STAT, PATH, path("sub/..")), WASI_OK);
    assert_true(host_exists("root/sub/inner"));
}

static void trailing_slashes(void **state)
{
    (void)state;
    assert_int_equal(do_call(OPEN, PATH, path("file/")), WASI_ENOTDIR);
    assert_int_equal(do_call(CREATE, PATH, path("new/")), WASI_EISDIR);
    assert_int_equal(do_call(STAT, PATH, path("file//")), WASI_ENOTDIR);
    assert_int_equal(do_call(UNLINK, PATH, path("file/")), WASI_ENOTDIR);
    assert_int_equal(do_call(UNLINK, PATH, path("sub/")), WASI_EISDIR);
    assert_int_equal(do_call(UNLINK, PATH, path("dirlink/")), WASI_ENOTDIR);
    assert_int_equal(do_call(RMDIR, PATH, path("dirlink/")), WASI_ENOTDIR);
    assert_int_equal(do_call(RENAME_FROM, PATH, path("file/")), WASI_ENOTDIR);
    assert_int_equal(do_call(RENAME_TO, PATH, path("new/")), WASI_ENOTDIR);
    assert_int_equal(do_call(LINK_FROM, PATH, path("file/")), WASI_ENOTDIR);
    assert_int_equal(do_call(LINK_FROM, PATH, path("dirlink/")), WASI_ENOTDIR);
    assert_int_equal(do_call(LINK_TO, PATH, path("new/")), WASI_ENOENT);
    assert_int_equal(do_call(SYMLINK, PATH, path("new/")), WASI_ENOENT);
    assert_int_equal(do_call(SYMLINK, PATH, path("sub/")), WASI_EEXIST);
    assert_int_equal(do_call(READLINK, PATH, path("dirlink/")), WASI_EINVAL);
    assert_int_equal(do_call(READLINK, PATH, path("link/")), WASI_ENOTDIR);
    assert_false(host_exists("root/new"));

    assert_int_equal(do_call(MKDIR, PATH, path("new//")), WASI_OK);
    assert_int_equal(do_call(RENAME_FROM, PATH, path("new/")), WASI_OK);
    assert_int_equal(do_call(RMDIR, PATH, path("unused-name///")), WASI_OK);
}

static void symlinks_that_climb_are_refused(void **state)
{
    (void)state;
    uint32_t at = path("sub/new");
    assert_int_equal(lucet_wasi_path_symlink(guest, PATH2, path2("/etc/passwd"), PREOPEN, PATH, at),
                     WASI_EPERM);
    assert_int_equal(
        lucet_wasi_path_symlink(guest, PATH2, path2("../../secret"), PREOPEN, PATH, at),
        WASI_EPERM);
    assert_int_equal(
        lucet_wasi_path_symlink(guest, PATH2, path2("a/../../../x"), PREOPEN, PATH, at),
        WASI_EPERM);
    assert_false(host_exists("root/sub/new"));
    assert_int_equal(lucet_wasi_path_symlink(guest, PATH2, path2("../file"), PREOPEN, PATH, at),
                     WASI_OK);
    uint32_t fd;
    char text[16];
    assert_int_equal(open_at(PREOPEN, "sub/new", 0, RW, &fd), WASI_OK);
    assert_int_equal(read_text(fd, text, 10), WASI_OK);
    assert_string_equal(text, "hello");
}

/* A descriptor of a directory is a root of its own. */
static void subdirectories_contain_too(void **state)
{
    uint32_t sub, fd;
    (void)state;
    assert_int_equal(lucet_wasi_path_open(guest, PREOPEN, 1, PATH, path("sub"),
                                          WASI_OFLAG_DIRECTORY, WASI_RIGHTS_DIRECTORY,
                                          WASI_RIGHTS_FILE, 0, OUT),
                     WASI_OK);
    sub = out32();
    assert_int_equal(open_at(sub, "inner", 0, RW, &fd), WASI_OK);
    assert_int_equal(open_at(sub, "../file", 0, RW, &fd), WASI_EPERM);
}

static void links_within_are_followed(void **state)
{
    uint32_t fd;
    char text[16];
    (void)state;
    assert_int_equal(open_at(PREOPEN, "link", 0, RW, &fd), WASI_OK);
    assert_int_equal(read_text(fd, text, 10), WASI_OK);
    assert_string_equal(text, "hello");
    assert_int_equal(open_at(PREOPEN, "dirlink/inner", 0, RW, &fd), WASI_OK);
    assert_int_equal(open_at(PREOPEN, "link", WASI_OFLAG_CREAT, RW, &fd), WASI_OK);
    /* ... but not when the guest asks for the link itself. */
    assert_int_equal(lucet_wasi_path_open(guest, PREOPEN, 0, PATH, path("link"), 0, RW, 0, 0, OUT),
                     WASI_ELOOP);
    /* linking what a link leads to gives the file, not the link */
    assert_int_equal(do_call(LINK_FOLLOW, PATH, path("link")), WASI_OK);
    assert_int_equal(do_call(LSTAT, PATH, path("unused-name")), WASI_OK);
    assert_int_equal(guest->memory[OUT + 16], WASI_FILETYPE_REGULAR_FILE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(dot_dot),
        TEST(absolute),
        TEST(through_links_to_directories),
        TEST(outward_links_are_not_followed),
        TEST(links_themselves_can_be_handled),
        TEST(nothing_is_created_through_dangling_links),
        TEST(bad_names),
        TEST(dots),
        TEST(trailing_slashes),
        TEST(symlinks_that_climb_are_refused),
        TEST(subdirectories_contain_too),
        TEST(links_within_are_followed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
