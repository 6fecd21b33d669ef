/* fd_readdir: complete listings whatever the buffer, cookies, entries. */
#include "fake.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { FILES = 300 };

struct seen {
    int total, numbered, dots, dotdots;
    bool file[FILES];
    uint64_t dotdot_ino, dot_ino;
    uint8_t link_type, sub_type, file_type;
};

static void look(struct seen *s, const struct wasi_dirent *e, const char *name)
{
    int i, end = 0;
    s->total++;
    if (strcmp(name, ".") == 0) {
        s->dots++;
        s->dot_ino = e->ino;
    } else if (strcmp(name, "..") == 0) {
        s->dotdots++;
        s->dotdot_ino = e->ino;
    } else if (sscanf(name, "number-%d-with-a-long-name%n", &i, &end) == 1 && name[end] == '\0') {
        assert_in_range(i, 0, FILES - 1);
        assert_false(s->file[i]); /* none twice */
        s->file[i] = true;
        s->numbered++;
    } else if (strcmp(name, "link") == 0) {
        s->link_type = e->type;
    } else if (strcmp(name, "sub") == 0) {
        s->sub_type = e->type;
    } else if (strcmp(name, "file") == 0) {
        s->file_type = e->type;
    }
}

/* Lists a directory as language libraries do: a cut entry is asked for again. */
static void list(uint32_t fd, uint32_t size, struct seen *s)
{
    uint64_t cookie = 0;
    *s = (struct seen){0};
    for (;;) {
        assert_int_equal(lucet_wasi_fd_readdir(guest, fd, DATA, size, cookie, OUT), WASI_OK);
        const uint32_t used = out32();
        uint32_t at = 0;
        const uint64_t first = cookie;
        assert_in_range(used, 0, size);
        while (used - at >= sizeof(struct wasi_dirent)) {
            struct wasi_dirent e;
            char name[256];
            memcpy(&e, guest->memory + DATA + at, sizeof(e));
            if (used - at - sizeof(e) < e.namlen) {
                break;
            }
            memcpy(name, guest->memory + DATA + at + sizeof(e), e.namlen);
            name[e.namlen] = '\0';
            assert_int_equal(e.pad[0] | e.pad[1] | e.pad[2], 0);
            look(s, &e, name);
            cookie = e.next;
            at += (uint32_t)sizeof(e) + e.namlen;
        }
        if (used < size) {
            return;
        }
        assert_true(cookie != first); /* it moved on */
    }
}

static int setup_many(void **state)
{
    char name[64];
    setup(state);
    for (int i = 0; i < FILES; i++) {
        snprintf(name, sizeof(name), "root/number-%d-with-a-long-name", i);
        host_write(name, "");
    }
    return 0;
}

static void complete_with_any_buffer(void **state)
{
    static const uint32_t sizes[] = {64, 65, 100, 127, 500, 4096, 100000};
    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct seen s;
        list(PREOPEN, sizes[i], &s);
        assert_int_equal(s.numbered, FILES);
        assert_int_equal(s.dots, 1);
        assert_int_equal(s.dotdots, 1);
        assert_int_equal(s.link_type, WASI_FILETYPE_SYMBOLIC_LINK);
        assert_int_equal(s.sub_type, WASI_FILETYPE_DIRECTORY);
        assert_int_equal(s.file_type, WASI_FILETYPE_REGULAR_FILE);
    }
}

/* What lies above a preopened directory is outside. */
static void the_parent_does_not_show(void **state)
{
    struct seen s;
    (void)state;
    list(PREOPEN, 4096, &s);
    assert_int_equal(s.dotdot_ino, s.dot_ino);
}

static void tiny_buffers(void **state)
{
    (void)state;
    guest->memory[DATA + 10] = 'x';
    for (uint32_t size = 0; size < 30; size++) {
        assert_int_equal(lucet_wasi_fd_readdir(guest, PREOPEN, DATA, size, 0, OUT), WASI_OK);
        assert_int_equal(out32(), size); /* full: there may be more */
        if (size == 10) {
            assert_int_equal(guest->memory[DATA + 10], 'x');
        }
    }
}

static void cookies(void **state)
{
    struct wasi_dirent first, again;
    (void)state;
    assert_int_equal(lucet_wasi_fd_readdir(guest, PREOPEN, DATA, 4096, 0, OUT), WASI_OK);
    memcpy(&first, guest->memory + DATA, sizeof(first));
    assert_int_equal(lucet_wasi_fd_readdir(guest, PREOPEN, DATA, 4096, first.next, OUT), WASI_OK);
    memcpy(&again, guest->memory + DATA, sizeof(again));
    assert_true(again.next != first.next);
    assert_int_equal(lucet_wasi_fd_readdir(guest, PREOPEN, DATA, 4096, 0, OUT), WASI_OK);
    memcpy(&again, guest->memory + DATA, sizeof(again));
    assert_memory_equal(&again, &first, sizeof(first));
    /* made up ones do no harm */
    assert_int_equal(lucet_wasi_fd_readdir(guest, PREOPEN, DATA, 4096, UINT64_MAX, OUT),
                     WASI_EINVAL);
    lucet_wasi_fd_readdir(guest, PREOPEN, DATA, 4096, INT64_MAX, OUT);
    lucet_wasi_fd_readdir(guest, PREOPEN, DATA, 4096, 12345, OUT);
}

static void only_directories(void **state)
{
    uint32_t fd;
    (void)state;
    assert_int_equal(open_at(PREOPEN, "file", 0, WASI_RIGHTS_FILE | R(FD_READDIR), &fd), WASI_OK);
    assert_int_equal(lucet_wasi_fd_readdir(guest, fd, DATA, 100, 0, OUT), WASI_ENOTCAPABLE);
    assert_int_equal(open_at(PREOPEN, "file", WASI_OFLAG_DIRECTORY, R(FD_READDIR), &fd),
                     WASI_ENOTDIR);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_many, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(complete_with_any_buffer),
        TEST(the_parent_does_not_show),
        TEST(tiny_buffers),
        TEST(cookies),
        TEST(only_directories),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
