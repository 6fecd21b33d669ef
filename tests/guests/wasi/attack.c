/* attack: tries to get out, by the calls of WASI themselves. Descriptor 3 is a directory that may
 * be written, 4 one that may only be read. Prints a line for each attempt; exits with the number of
 * those that did not end as they must. The script that runs it looks at the host's side
 * afterwards. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wasi/api.h>

/* The imports themselves: wasi-libc's wrappers know the length of strings. */
#define IMPORT(name) __attribute__((import_module("wasi_snapshot_preview1"), import_name(#name)))
typedef uint32_t u32;
typedef uint64_t u64;
IMPORT(path_open) int path_open(int, int, u32, u32, int, u64, u64, int, u32);
IMPORT(path_filestat_get) int path_filestat_get(int, int, u32, u32, u32);
IMPORT(path_create_directory) int path_create_directory(int, u32, u32);
IMPORT(path_remove_directory) int path_remove_directory(int, u32, u32);
IMPORT(path_unlink_file) int path_unlink_file(int, u32, u32);
IMPORT(path_rename) int path_rename(int, u32, u32, int, u32, u32);
IMPORT(path_link) int path_link(int, int, u32, u32, int, u32, u32);
IMPORT(path_symlink) int path_symlink(u32, u32, int, u32, u32);
IMPORT(path_readlink) int path_readlink(int, u32, u32, u32, u32, u32);
IMPORT(fd_read) int fd_read(int, u32, u32, u32);
IMPORT(fd_write) int fd_write(int, u32, u32, u32);
IMPORT(fd_pwrite) int fd_pwrite(int, u32, u32, u64, u32);
IMPORT(fd_readdir) int fd_readdir(int, u32, u32, u64, u32);
IMPORT(fd_close) int fd_close(int);
IMPORT(fd_renumber) int fd_renumber(int, int);
IMPORT(fd_tell) int fd_tell(int, u32);
IMPORT(fd_prestat_get) int fd_prestat_get(int, u32);
IMPORT(fd_fdstat_set_rights) int fd_fdstat_set_rights(int, u64, u64);
IMPORT(fd_filestat_set_size) int fd_filestat_set_size(int, u64);
IMPORT(poll_oneoff) int poll_oneoff(u32, u32, u32, u32);
IMPORT(random_get) int random_get(u32, u32);
IMPORT(args_get) int args_get(u32, u32);
IMPORT(clock_time_get) int clock_time_get(int, u64, u32);
IMPORT(environ_sizes_get) int environ_sizes_get(u32, u32);

enum { DIR = 3, READ_ONLY = 4 };
enum { CREAT = 1, DIRECTORY = 2, EXCL = 4, TRUNC = 8 };
static const u64 READ = __WASI_RIGHTS_FD_READ, WRITE = __WASI_RIGHTS_FD_WRITE;

static int wrong;
static u32 out[64];

static u32 at(const void *p)
{
    return (u32)p;
}

static void expect_one_of(const char *what, const char *arg, int have, int a, int b)
{
    int good = have == a || have == b;
    printf("%s: %s %s: %d\n", good ? "ok" : "WRONG", what, arg, have);
    wrong += !good;
}

static void expect(const char *what, int have, int want)
{
    expect_one_of(what, "", have, want, want);
}

static void refused(const char *what, const char *arg, int have)
{
    printf("%s: %s %s: %d\n", have ? "ok" : "WRONG", what, arg, have);
    wrong += !have;
}

static int open_path(int dir, const char *path, int oflags, u64 rights)
{
    return path_open(dir, 1, at(path), strlen(path), oflags, rights, 0, 0, at(out));
}

static void paths(void)
{
    static const char *const bad[] = {
        "..",
        "../secret",
        "../",
        "sub/../../secret",
        "/etc/passwd",
        "/",
        "//",
        "",
        "up/secret",
        "up/../secret",
        "outward",
        "outward/",
        "absolute",
        "./../secret",
        "sub/../up/secret",
        "proc/self/root/etc/passwd",
        "../dir/../secret",
    };
    const char *free_name = "free-name";
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const char *p = bad[i];
        u32 n = strlen(p);
        refused("open", p, open_path(DIR, p, 0, READ));
        refused("open to write", p, open_path(DIR, p, 0, WRITE));
        refused("create", p, open_path(DIR, p, CREAT, WRITE));
        refused("truncate", p, open_path(DIR, p, TRUNC, WRITE));
        refused("open directory", p, open_path(DIR, p, DIRECTORY, READ));
        refused("stat", p, path_filestat_get(DIR, 1, at(p), n, at(out)));
        refused("mkdir", p, path_create_directory(DIR, at(p), n));
        refused("rmdir", p, path_remove_directory(DIR, at(p), n));
        if (strcmp(p, "outward") && strcmp(p, "absolute")) { /* those are links of its own */
            refused("unlink", p, path_unlink_file(DIR, at(p), n));
            refused("readlink", p, path_readlink(DIR, at(p), n, at(out), 64, at(out)));
            refused("rename from", p,
                    path_rename(DIR, at(p), n, DIR, at(free_name), strlen(free_name)));
            refused("rename to", p, path_rename(DIR, at("mine"), 4, DIR, at(p), n));
            refused("link from", p,
                    path_link(DIR, 0, at(p), n, DIR, at(free_name), strlen(free_name)));
        }
        refused("link what it leads to", p,
                path_link(DIR, 1, at(p), n, DIR, at(free_name), strlen(free_name)));
        refused("link to", p, path_link(DIR, 0, at("mine"), 4, DIR, at(p), n));
        refused("symlink", p, path_symlink(at("mine"), 4, DIR, at(p), n));
    }
    refused("create through", "dangling", open_path(DIR, "dangling", CREAT, WRITE));
    refused("create through", "dangling-out", open_path(DIR, "dangling-out", CREAT, WRITE));
    refused("link to the outside", "", path_symlink(at("/etc/passwd"), 11, DIR, at("l"), 1));
    refused("link to the outside", "", path_symlink(at("../secret"), 9, DIR, at("l"), 1));
    static char longest[5000];
    memset(longest, 'a', sizeof(longest));
    refused("5000 bytes", "", path_open(DIR, 1, at(longest), 5000, CREAT, WRITE, 0, 0, at(out)));
    refused("NUL", "", path_open(DIR, 1, at("mine\0/../secret"), 15, 0, READ, 0, 0, at(out)));
    refused("open mine/", "", open_path(DIR, "mine/", 0, READ));
    expect("open mine", open_path(DIR, "mine", 0, READ), 0);
    fd_close(out[0]);
}

static void rights(void)
{
    refused("read only: write", "", open_path(READ_ONLY, "kept", 0, READ | WRITE));
    refused("read only: truncate", "", open_path(READ_ONLY, "kept", TRUNC, READ));
    refused("read only: create", "", open_path(READ_ONLY, "new", CREAT, READ));
    refused("read only: unlink", "", path_unlink_file(READ_ONLY, at("kept"), 4));
    refused("read only: mkdir", "", path_create_directory(READ_ONLY, at("new"), 3));
    refused("read only: link out", "", path_link(READ_ONLY, 0, at("kept"), 4, DIR, at("x"), 1));
    refused("read only: rename out", "", path_rename(READ_ONLY, at("kept"), 4, DIR, at("x"), 1));
    refused("read only: rename in", "", path_rename(DIR, at("mine"), 4, READ_ONLY, at("x"), 1));
    refused("read only: more rights", "", fd_fdstat_set_rights(READ_ONLY, ~0ull, ~0ull));
    expect("read only: read", open_path(READ_ONLY, "kept", 0, READ), 0);
    u32 fd = out[0], iov[2] = {at("spoilt"), 6};
    refused("read only: write", "", fd_write(fd, at(iov), 1, at(out)));
    refused("read only: pwrite", "", fd_pwrite(fd, at(iov), 1, 0, at(out)));
    refused("read only: set size", "", fd_filestat_set_size(fd, 0));
    refused("read only: more rights", "", fd_fdstat_set_rights(fd, READ | WRITE, 0));
    fd_close(fd);
}

static void pointers(void)
{
    const u32 size = __builtin_wasm_memory_size(0) * 65536u;
    const u32 bad[] = {size, size - 1, 0xffffffff, 0xfffffff8, 0x80000000, size + 65536};
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const u32 p = bad[i];
        u32 iov[4] = {at("x"), 1, p, 100};
        expect("write from", fd_write(1, p, 1, at(out)), __WASI_ERRNO_FAULT);
        expect("write, second buffer", fd_write(1, at(iov), 2, at(out)), __WASI_ERRNO_FAULT);
        expect("write, result", fd_write(1, at(iov), 1, p), __WASI_ERRNO_FAULT);
        expect("read, second buffer", fd_read(0, at(iov), 2, at(out)), __WASI_ERRNO_FAULT);
        expect("path", path_create_directory(DIR, p, 100), __WASI_ERRNO_FAULT);
        expect("readdir", fd_readdir(DIR, p, 1000, 0, at(out)), __WASI_ERRNO_FAULT);
        expect("random", random_get(p, 100), __WASI_ERRNO_FAULT);
        expect("poll", poll_oneoff(p, at(out), 1, at(out)), __WASI_ERRNO_FAULT);
        expect("args", args_get(p, at(out)), __WASI_ERRNO_FAULT);
        expect("clock", clock_time_get(0, 0, p), __WASI_ERRNO_FAULT);
        expect("environ sizes", environ_sizes_get(at(out), p), __WASI_ERRNO_FAULT);
        expect("prestat", fd_prestat_get(DIR, p), __WASI_ERRNO_FAULT);
    }
    expect("random of 4 GiB", random_get(0, 0xffffffff), __WASI_ERRNO_FAULT);
    expect("poll of 4 billion", poll_oneoff(0, 0, 0xffffffff, at(out)), __WASI_ERRNO_FAULT);
    expect("poll that wraps", poll_oneoff(0, 0, 0x10000000, at(out)), __WASI_ERRNO_FAULT);
    expect("poll of nothing", poll_oneoff(0, 0, 0, at(out)), __WASI_ERRNO_INVAL);
    expect("buffers that wrap", fd_write(1, at(out), 0x20000001, at(out)), __WASI_ERRNO_FAULT);
    static u32 many[2 * 70000]; /* 70,000 buffers of everything: 4 GiB and more */
    for (unsigned i = 0; i < 70000; i++) {
        many[2 * i + 1] = 65536;
    }
    refused("too many buffers", "", fd_write(1, at(many), 70000, at(out)));
}

static void descriptors(void)
{
    expect("close a preopen", fd_close(DIR), __WASI_ERRNO_NOTSUP);
    expect("open mine", open_path(DIR, "mine", 0, READ), 0);
    int fd = out[0];
    expect("renumber onto a preopen", fd_renumber(fd, DIR), __WASI_ERRNO_BADF);
    expect("renumber a preopen", fd_renumber(DIR, fd), __WASI_ERRNO_BADF);
    expect("renumber far", fd_renumber(fd, 0x7fffffff), __WASI_ERRNO_BADF);
    expect("renumber farther", fd_renumber(fd, -1), __WASI_ERRNO_BADF);
    fd_close(fd);
    static const int bad[] = {-1, 5, 100, 0x7fffffff, (int)0x80000000, -100};
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        expect("use of a number not given", fd_tell(bad[i], at(out)), __WASI_ERRNO_BADF);
        expect("open at a number not given", open_path(bad[i], "x", 0, READ), __WASI_ERRNO_BADF);
        expect("close of a number not given", fd_close(bad[i]), __WASI_ERRNO_BADF);
    }
    int error, opened = 0, last = 0;
    while ((error = open_path(DIR, "mine", 0, READ)) == 0 && opened < 100000) {
        last = out[0];
        opened++;
    }
    expect("too many descriptors", error, __WASI_ERRNO_MFILE);
    refused("create without a number left", "", open_path(DIR, "left-over", CREAT, WRITE));
    for (int i = 5; i <= last; i++) {
        fd_close(i);
    }
    expect("all is well again", open_path(DIR, "mine", 0, READ), 0);
    expect("at the lowest number", out[0], 5);
    fd_close(5);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "nothing") == 0) { /* no directory was given */
        for (int d = 0; d < 32; d++) {
            refused("open without preopens", "", open_path(d, "etc/passwd", 0, READ));
            refused("open without preopens", "", open_path(d, "/etc/passwd", 0, READ));
            refused("open without preopens", "", open_path(d, ".", 0, READ));
            refused("prestat without preopens", "", fd_prestat_get(d, at(out)));
        }
        return wrong;
    }
    paths();
    rights();
    pointers();
    descriptors();
    return wrong;
}
