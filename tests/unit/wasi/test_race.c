/* The file system changes while paths are resolved: another thread, as another guest or program
 * would, swaps directories for links and moves them about. Whatever the guest opens, it is never
 * outside. */
#include "fake.h"
#include "run/patience.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static atomic_bool done;
static char a[128], b[128], deep[128], away[128];

/* root/swap is by turns a directory with a file in it, and a link to what lies above root;
 * root/deep is moved out and in again. */
static void *shuffle(void *unused)
{
    (void)unused;
    while (!atomic_load(&done)) {
        renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE);
        rename(deep, away);
        rename(away, deep);
    }
    return NULL;
}

static void set_up_shuffle(void)
{
    char name[128];
    snprintf(a, sizeof(a), "%s/root/swap", top);
    snprintf(b, sizeof(b), "%s/root/swap2", top);
    snprintf(deep, sizeof(deep), "%s/root/deep", top);
    snprintf(away, sizeof(away), "%s/away", top);
    assert_int_equal(mkdir(a, 0777), 0);
    assert_int_equal(mkdir(deep, 0777), 0);
    snprintf(name, sizeof(name), "%s/root/deep/er", top);
    assert_int_equal(mkdir(name, 0777), 0);
    host_write("root/swap/secret", "harmless");
    host_write("root/secret", "harmless");
    host_link("..", "root/swap2");
    assert_int_equal(mkdir(name, 0777), -1);
}

static uint32_t try_read(const char *name)
{
    uint32_t fd;
    char text[16];
    uint32_t error = open_at(PREOPEN, name, 0, RW, &fd);
    if (!error) {
        assert_int_equal(read_text(fd, text, 10), WASI_OK);
        assert_string_equal(text, "harmless");
        lucet_wasi_fd_close(guest, fd);
    }
    return error;
}

static void never_outside(void **state)
{
    pthread_t other;
    int inside = 0, refused = 0;
    (void)state;
    set_up_shuffle();
    assert_int_equal(pthread_create(&other, NULL, shuffle, NULL), 0);
    /* Two seconds, and more until the race has been run. */
    const double began = patience_now();
    while (patience_now() < began + 2 ||
           ((inside < 10 || refused < 10) && patience_now() < began + PATIENCE)) {
        uint32_t error = try_read("swap/secret");
        inside += error == WASI_OK;
        refused += error == WASI_EPERM;
        try_read("deep/er/../../secret");
        try_read("deep/er/../../../secret");
        lucet_wasi_path_unlink_file(guest, PREOPEN, PATH, path("swap/secret2"));
        lucet_wasi_path_create_directory(guest, PREOPEN, PATH, path("swap/made"));
        lucet_wasi_path_rename(guest, PREOPEN, PATH, path("swap/made"), PREOPEN, PATH2,
                               path2("swap/made2"));
        lucet_wasi_path_link(guest, PREOPEN, 0, PATH, path("file"), PREOPEN, PATH2,
                             path2("swap/made3"));
        lucet_wasi_path_symlink(guest, PATH2, path2("x"), PREOPEN, PATH, path("swap/made4"));
        uint32_t fd;
        if (!open_at(PREOPEN, "swap/made5", WASI_OFLAG_CREAT, RW, &fd)) {
            lucet_wasi_fd_close(guest, fd);
        }
    }
    atomic_store(&done, true);
    pthread_join(other, NULL);
    assert_true(inside >= 10 && refused >= 10);
    assert_true(host_exists("secret"));
    assert_false(host_exists("made"));
    assert_false(host_exists("made2"));
    assert_false(host_exists("made3"));
    assert_false(host_exists("made4"));
    assert_false(host_exists("made5"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(never_outside, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
