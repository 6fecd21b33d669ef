/* The filter for terminals. */
#include "fake.h"

static void check(const char *in, const char *expected)
{
    char buffer[64];
    struct wasi_terminal t = {0};
    strcpy(buffer, in);
    wasi_terminal_filter(&t, (unsigned char *)buffer, strlen(buffer));
    assert_string_equal(buffer, expected);

    /* Cut anywhere, the result is the same. */
    for (size_t cut = 0; cut <= strlen(in); cut++) {
        t = (struct wasi_terminal){0};
        strcpy(buffer, in);
        wasi_terminal_filter(&t, (unsigned char *)buffer, cut);
        wasi_terminal_filter(&t, (unsigned char *)buffer + cut, strlen(in) - cut);
        assert_string_equal(buffer, expected);
    }
}

static void text_passes(void **state)
{
    (void)state;
    check("plain\ttext\r\n", "plain\ttext\r\n");
    check("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80",
          "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80");
    check("\xc2\xa0", "\xc2\xa0");
}

static void escape_sequences_are_inert(void **state)
{
    (void)state;
    check("\x1b]0;title\x07", "?]0;title?");
    check("\x1b[31mred", "?[31mred");
    check("a\bb\x7f\x0e", "a?b??");
}

static void c1_controls_are_inert(void **state)
{
    (void)state;
    check("\x9b"
          "31m",
          "?31m");
    check("\xc2\x9b"
          "31m",
          "\xc2?31m");
    check("\xe0\x82\x9b", "\xe0??"); /* too long a form */
    check("\xc3\x1b[", "\xc3?[");    /* a broken sequence hides nothing */
    check("\xff\xfe\xc0\x9b", "????");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_passes),
        cmocka_unit_test(escape_sequences_are_inert),
        cmocka_unit_test(c1_controls_are_inert),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
