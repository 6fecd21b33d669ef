/* Small parts: names for terminals, interned signatures. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/names.h"
#include "runtime/signature.h"

static uint64_t id_of(const char *letters)
{
    uint64_t id = 0;

    return lucet__signature_parse(letters, &id) == lucet_error_ok ? id : 0;
}

static void names_are_made_harmless(void **state)
{
    static const struct {
        const char *name, *expected;
    } cases[] = {
        {"plain_name.1", "plain_name.1"},
        {"gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f"},
        {"a\033[31mb", "a\\x1b[31mb"},
        {"a\nb\tc", "a\\x0ab\\x09c"},
        {"%n%s", "%n%s"},
        {"back\\slash", "back\\x5cslash"},
        {"\x7f", "\\x7f"},
        {"\xc2\x9b"
         "31m",
         "\\xc2\\x9b31m"}, /* C1 control */
        {"\xe2\x80\xae"
         "abc",
         "\\xe2\\x80\\xaeabc"},              /* right-to-left override */
        {"\xff\xc0\x80", "\\xff\\xc0\\x80"}, /* no UTF-8 */
        {"\xed\xa0\x80", "\\xed\\xa0\\x80"}, /* surrogate */
        {"\xe2\x82", "\\xe2\\x82"},          /* cut off */
        {"", ""},
    };
    char buf[LUCET__NAME_MAX], small[12];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        assert_string_equal(
            lucet__printable(buf, sizeof(buf), cases[i].name, strlen(cases[i].name)),
            cases[i].expected);
    assert_string_equal(lucet__printable(buf, sizeof(buf), "a\0b", 3), "a\\x00b");
    assert_string_equal(lucet__printable(small, sizeof(small), "0123456789abcdef", 16),
                        "01234567...");
    char long_name[5000];
    memset(long_name, 1, sizeof(long_name));
    assert_true(strlen(lucet__printable(buf, sizeof(buf), long_name, sizeof(long_name))) <
                sizeof(buf));
}

static void equal_signatures_have_equal_ids(void **state)
{
    uint64_t a = id_of("iI:f"), b = id_of("iI:f");

    (void)state;
    assert_true(a != 0 && a == b);
    uint64_t c = id_of("iIf:");
    assert_true(c != 0 && c != a);
    lucet__signature_release(a);
    assert_true(id_of("iI:f") == a); /* still held once */
    lucet__signature_release(a);
    lucet__signature_release(a);
    uint64_t d = id_of("iI:f");
    assert_true(d != a && d != c); /* numbers are not used again */
    lucet__signature_release(c);
    lucet__signature_release(d);
    assert_int_equal(id_of("i"), 0);
    assert_int_equal(id_of(""), 0);
    assert_int_equal(id_of("i:i:"), 0);
    assert_int_equal(id_of("z:"), 0);
}

static void many_signatures_are_found_again(void **state)
{
    enum { N = 5000 };
    static uint64_t ids[N];

    (void)state;
    for (int round = 0; round < 2; round++)
        for (unsigned i = 0; i < N; i++) {
            char letters[40];
            unsigned n = 0;
            for (unsigned k = i + 1; k; k /= 5)
                letters[n++] = "iIfFe"[k % 5];
            letters[n++] = ':';
            letters[n] = '\0';
            uint64_t id = id_of(letters);
            assert_true(id != 0);
            if (round)
                assert_true(id == ids[i]);
            ids[i] = id;
        }
    for (unsigned i = 0; i < N; i++) {
        lucet__signature_release(ids[i]);
        lucet__signature_release(ids[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_made_harmless),
        cmocka_unit_test(equal_signatures_have_equal_ids),
        cmocka_unit_test(many_signatures_are_found_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
