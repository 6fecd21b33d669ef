/* The name section: whatever is wrong with it, the module is valid and keeps the names before. */
#include "build.h"

#include <string.h>

/* A module of two imported functions and one name section with these bytes; names as found. */
static void check(const uint8_t *names, size_t size, const char *module, const char *first,
                  const char *second)
{
    struct bytes b = start_module(), s = {0};
    put(&b, B(1, 4, 1, 0x60, 0, 0, 2, 9, 2, 0, 0, 0, 0, 0, 0, 0, 0));
    put_name(&s, "name");
    put(&s, names, size);
    put_section(&b, 0, &s);

    struct wasm_module m;
    struct wasm_error err;
    assert_int_equal(wasm_module_decode(b.data, b.size, WASM_FEATURES_ALL, NULL, &m, &err),
                     WASM_OK);
    const struct wasm_bytes found[] = {m.name, m.funcs[0].name, m.funcs[1].name};
    const char *const expected[] = {module, first, second};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(found[i].size, strlen(expected[i]));
        if (found[i].size > 0)
            assert_memory_equal(found[i].data, expected[i], found[i].size);
    }
    wasm_module_free(&m);
    bytes_free(&b);
}
#define NAMES(module, first, second, ...) check(B(__VA_ARGS__), module, first, second)

static void names_of_module_and_functions(void **state)
{
    (void)state;
    NAMES("mo", "a", "bc", 0, 3, 2, 'm', 'o', 1, 8, 2, 0, 1, 'a', 1, 2, 'b', 'c');
}

static void other_subsections_are_skipped(void **state)
{
    (void)state;
    NAMES("", "a", "", 2, 2, 0xff, 0xff, 99, 0, 1, 4, 1, 0, 1, 'a');
}

static void unknown_functions_are_skipped(void **state)
{
    (void)state;
    NAMES("", "", "b", 1, 12, 2, 0xff, 0xff, 0xff, 0xff, 0x0f, 1, 'a', 1, 1, 'b', 0);
}

static void the_last_name_of_a_function_counts(void **state)
{
    (void)state;
    NAMES("", "b", "", 1, 7, 2, 0, 1, 'a', 0, 1, 'b');
}

static void names_that_are_not_utf8_are_skipped(void **state)
{
    (void)state;
    NAMES("", "", "b", 1, 7, 2, 0, 1, 0xff, 1, 1, 'b');
}

static void names_before_a_mistake_count(void **state)
{
    (void)state;
    NAMES("mo", "a", "", 0, 3, 2, 'm', 'o', 1, 7, 2, 0, 1, 'a', 1, 9, 'b');
    NAMES("mo", "", "", 0, 3, 2, 'm', 'o', 1, 0xff, 0xff, 0xff, 0xff, 0x0f);
    NAMES("mo", "", "", 0, 3, 2, 'm', 'o', 1, 5, 0xff, 0xff, 0xff, 0xff, 0x0f);
    NAMES("", "", "", 0xff);
}

static void every_cut_is_ignored(void **state)
{
    (void)state;
    static const uint8_t names[] = {0, 3, 2, 'm', 'o', 1, 7, 2, 0, 1, 'a', 1, 1, 'b'};
    for (size_t size = 0; size < sizeof names; size++)
        check(names, size, size >= 5 ? "mo" : "", "", "");
}

static void several_sections_are_read_in_turn(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {HEADER, 0, 10, 4, 'n', 'a', 'm', 'e', 0, 3, 2, 'm',
                                    'o',    0, 9,  4, 'n', 'a', 'm', 'e', 0, 2, 1, 'x'};
    struct wasm_module m;
    struct wasm_error err;
    assert_int_equal(wasm_module_decode(bytes, sizeof bytes, WASM_FEATURES_ALL, NULL, &m, &err),
                     WASM_OK);
    assert_int_equal(m.ncustoms, 2);
    assert_int_equal(m.name.size, 1);
    wasm_module_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_of_module_and_functions),
        cmocka_unit_test(other_subsections_are_skipped),
        cmocka_unit_test(unknown_functions_are_skipped),
        cmocka_unit_test(the_last_name_of_a_function_counts),
        cmocka_unit_test(names_that_are_not_utf8_are_skipped),
        cmocka_unit_test(names_before_a_mistake_count),
        cmocka_unit_test(every_cut_is_ignored),
        cmocka_unit_test(several_sections_are_read_in_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
