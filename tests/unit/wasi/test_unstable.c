/* wasi_unstable: the calls that differ from preview 1. */
#include "fake.h"

static uint64_t word(uint32_t at, size_t size)
{
    uint64_t value = 0;
    memcpy(&value, guest->memory + at, size);
    return value;
}

static void status(void **state)
{
    uint32_t fd;
    (void)state;
    memset(guest->memory + OUT, 0x55, 64);
    assert_int_equal(
        lucet_wasi_unstable_path_filestat_get(guest, PREOPEN, 1, PATH, path("file"), OUT), WASI_OK);
    assert_int_equal(word(OUT + 16, 1), WASI_FILETYPE_REGULAR_FILE);
    assert_int_equal(word(OUT + 20, 4), 1); /* links */
    assert_int_equal(word(OUT + 24, 8), 5); /* bytes */
    assert_true(word(OUT + 40, 8) > 1600000000000000000u);
    assert_int_equal(word(OUT + 56, 8), 0x5555555555555555u); /* no more than 56 bytes */
    assert_int_equal(open_at(PREOPEN, "file", 0, RW, &fd), WASI_OK);
    assert_int_equal(lucet_wasi_unstable_fd_filestat_get(guest, fd, OUT), WASI_OK);
    assert_int_equal(word(OUT + 24, 8), 5);
    const uint32_t end = MEMORY_SIZE;
    assert_int_equal(lucet_wasi_unstable_fd_filestat_get(guest, fd, end - 56), WASI_OK);
    assert_int_equal(lucet_wasi_unstable_fd_filestat_get(guest, fd, end - 55), WASI_EFAULT);
    assert_int_equal(
        lucet_wasi_unstable_path_filestat_get(guest, PREOPEN, 1, PATH, path("file"), end - 55),
        WASI_EFAULT);
}

static void seeking(void **state)
{
    uint32_t fd;
    (void)state;
    assert_int_equal(open_at(PREOPEN, "file", 0, RW, &fd), WASI_OK);
    assert_int_equal(lucet_wasi_unstable_fd_seek(guest, fd, 2, 2, OUT),
                     WASI_OK); /* from the start */
    assert_int_equal(lucet_wasi_unstable_fd_seek(guest, fd, 1, 0, OUT), WASI_OK); /* from here */
    assert_int_equal(out64(), 3);
    assert_int_equal(lucet_wasi_unstable_fd_seek(guest, fd, 1, 1, OUT), WASI_OK); /* from the end */
    assert_int_equal(out64(), 6);
    assert_int_equal(lucet_wasi_unstable_fd_seek(guest, fd, 1, 3, OUT), WASI_EINVAL);
}

static void polling(void **state)
{
    const uint64_t due = 1; /* long past */
    const uint16_t absolute = WASI_SUBCLOCK_ABSTIME;
    (void)state;
    for (uint32_t i = 0; i < 2; i++) {
        uint8_t *s = guest->memory + DATA + i * 56;
        s[0] = (uint8_t)(7 + i);
        s[24] = WASI_CLOCK_MONOTONIC;
        memcpy(s + 32, &due, sizeof(due));
        memcpy(s + 48, &absolute, sizeof(absolute));
    }
    assert_int_equal(lucet_wasi_unstable_poll_oneoff(guest, DATA, DATA + 1000, 2, OUT), WASI_OK);
    assert_int_equal(out32(), 2);
    assert_int_equal(word(DATA + 1000, 8), 7);
    assert_int_equal(word(DATA + 1032, 8), 8);
    assert_int_equal(lucet_wasi_unstable_poll_oneoff(guest, MEMORY_SIZE - 111, DATA + 1000, 2, OUT),
                     WASI_EFAULT);
    assert_int_equal(lucet_wasi_unstable_poll_oneoff(guest, DATA, DATA, 4097, OUT), WASI_EINVAL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(status), TEST(seeking), TEST(polling)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
