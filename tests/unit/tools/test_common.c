/* What the programs share: sizes, numbers, escaping, reading files. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tools/common/escape.h"
#include "tools/common/file.h"
#include "tools/common/size.h"

static void sizes_are_read_in_all_units(void **state)
{
    static const struct {
        const char *text;
        uint64_t size;
    } good[] = {
        {"0", 0},
        {"4096", 4096},
        {"16B", 16},
        {"64KiB", 65536},
        {"64K", 65536},
        {"64k", 65536},
        {"1MiB", 1048576},
        {"1m", 1048576},
        {"8GiB", UINT64_C(8) << 30},
        {"2TiB", UINT64_C(2) << 40},
        {"0x1000", 4096},
        {"0xffffffffffffffff", UINT64_MAX},
        {"18446744073709551615", UINT64_MAX},
    };
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        uint64_t size = 1;
        assert_true(tool_parse_size(good[i].text, &size));
        assert_int_equal(size, good[i].size);
    }
}

static void what_is_no_size_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        " 1",
        "1 ",
        "-1",
        "+1",
        "K",
        "KiB",
        "1KB",
        "1KiBx",
        "0x",
        "1.5G",
        "1e3",
        "１",
        "64 KiB",
        "18446744073709551616",
        "17179869184GiB",
        "16777216TiB",
        "99999999999999999999999999",
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uint64_t size = 42;
        assert_false(tool_parse_size(bad[i], &size));
        assert_int_equal(size, 42);
    }
}

static void numbers_have_an_upper_bound(void **state)
{
    uint64_t n = 42;
    (void)state;
    assert_true(tool_parse_number("0", 8, &n));
    assert_int_equal(n, 0);
    assert_true(tool_parse_number("8", 8, &n));
    assert_int_equal(n, 8);
    assert_false(tool_parse_number("9", 8, &n));
    assert_false(tool_parse_number("", 8, &n));
    assert_false(tool_parse_number("0x1", 8, &n));
    assert_false(tool_parse_number("1K", 8192, &n));
    assert_int_equal(n, 8);
}

static void times_have_units(void **state)
{
    static const struct {
        const char *text;
        uint64_t ms;
    } good[] = {{"1500", 1500},  {"1500ms", 1500}, {"10s", 10000}, {"2m", 120000},
                {"1h", 3600000}, {"0", 0},         {"0s", 0}};
    static const char *const bad[] = {"",
                                      "s",
                                      "1.5s",
                                      "10 s",
                                      "10S",
                                      "-1s",
                                      "0x1",
                                      "1d",
                                      "01s",
                                      "1ss",
                                      "99999999999999999999",
                                      "18446744073709551615h"};
    uint64_t ms = 42;

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(tool_parse_duration(good[i].text, &ms));
        assert_int_equal(ms, good[i].ms);
    }
    ms = 42;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(tool_parse_duration(bad[i], &ms));
        assert_int_equal(ms, 42);
    }
}

static void sizes_are_written_in_the_largest_exact_unit(void **state)
{
    char b[32];
    (void)state;
    assert_string_equal(tool_format_size(0, b), "0B");
    assert_string_equal(tool_format_size(65536, b), "64KiB");
    assert_string_equal(tool_format_size(65537, b), "65537B");
    assert_string_equal(tool_format_size(UINT64_C(4) << 30, b), "4GiB");
}

static void escaped_text_is_harmless(void **state)
{
    char b[64];
    (void)state;
    assert_string_equal(tool_escape("plain", 5, b, sizeof b), "plain");
    assert_string_equal(tool_escape("\033[2J\n\r\t\\\0\x7f\xff", 11, b, sizeof b),
                        "\\x1b[2J\\n\\r\\t\\\\\\x00\\x7f\\xff");
    assert_string_equal(tool_escape("%n%s", 4, b, sizeof b), "%n%s");
}

static void escaped_text_is_cut_between_characters(void **state)
{
    char b[8];
    (void)state;
    assert_string_equal(tool_escape("1234567", 7, b, sizeof b), "1234567");
    assert_string_equal(tool_escape("12345678", 8, b, sizeof b), "1234...");
    assert_string_equal(tool_escape("\1\2\3", 3, b, sizeof b), "\\x01...");
    assert_string_equal(tool_escape("123\1\2", 5, b, sizeof b), "123...");
}

static void files_are_read_up_to_a_limit(void **state)
{
    char path[] = "/tmp/lucet-test-XXXXXX";
    static char content[200000];
    uint8_t *bytes = NULL;
    size_t size = 0;
    (void)state;

    memset(content, 'x', sizeof content);
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, content, sizeof content), sizeof content);
    close(fd);

    assert_int_equal(tool_read_file(path, sizeof content, &bytes, &size), 0);
    assert_int_equal(size, sizeof content);
    assert_memory_equal(bytes, content, size);
    assert_int_equal(bytes[size], 0);
    free(bytes);
    assert_int_equal(tool_read_file(path, sizeof content - 1, &bytes, &size), EFBIG);
    assert_int_equal(tool_read_file(path, 10, &bytes, &size), EFBIG);
    unlink(path);
    assert_int_equal(tool_read_file(path, 10, &bytes, &size), ENOENT);
    assert_int_equal(tool_read_file("/", 10, &bytes, &size), EISDIR);
    /* Its size is 0 as far as stat() knows, and it never ends. */
    assert_int_equal(tool_read_file("/dev/zero", 100000, &bytes, &size), EFBIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_are_read_in_all_units),
        cmocka_unit_test(what_is_no_size_is_refused),
        cmocka_unit_test(numbers_have_an_upper_bound),
        cmocka_unit_test(times_have_units),
        cmocka_unit_test(sizes_are_written_in_the_largest_exact_unit),
        cmocka_unit_test(escaped_text_is_harmless),
        cmocka_unit_test(escaped_text_is_cut_between_characters),
        cmocka_unit_test(files_are_read_up_to_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
