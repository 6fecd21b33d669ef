/* Header, order and sizes of sections, and counts that must agree between them. */
#include "build.h"

#define MALFORMED(offset, message, ...)                                                            \
    assert_error(B(__VA_ARGS__), WASM_MALFORMED, offset, message)
#define INVALID(offset, message, ...) assert_error(B(__VA_ARGS__), WASM_INVALID, offset, message)
#define VALID(...) assert_valid(B(__VA_ARGS__))

static void empty_input_has_no_magic_number(void **state)
{
    (void)state;
    assert_error((const uint8_t *)"", 0, WASM_MALFORMED, 0, "unexpected end");
    struct wasm_module m;
    struct wasm_error err;
    assert_int_equal(wasm_module_decode(NULL, 0, WASM_FEATURES_ALL, NULL, &m, &err),
                     WASM_MALFORMED);
}

static void header(void **state)
{
    (void)state;
    VALID(HEADER);
    MALFORMED(0, "magic header not detected", 0x7f, 'E', 'L', 'F');
    MALFORMED(0, "magic header not detected", 0x00, 'a', 's', 'M', 1, 0, 0, 0);
    MALFORMED(4, "unexpected end", 0x00, 'a', 's', 'm');
    MALFORMED(7, "unexpected end", 0x00, 'a', 's', 'm', 1, 0, 0);
    MALFORMED(4, "unknown binary version", 0x00, 'a', 's', 'm', 2, 0, 0, 0);
    MALFORMED(4, "unknown binary version: this is a component", 0x00, 'a', 's', 'm', 0x0d, 0, 1, 0);
}

static void unknown_section(void **state)
{
    (void)state;
    MALFORMED(8, "malformed section id 14", HEADER, 14, 0);
    MALFORMED(8, "malformed section id 14", HEADER, 14, 1, 0);
    MALFORMED(8, "malformed section id 255", HEADER, 255, 0);
}

static void section_longer_than_the_module(void **state)
{
    (void)state;
    MALFORMED(9, "length out of bounds: 5 bytes declared, 1 left", HEADER, 1, 5, 0);
    MALFORMED(9, "length out of bounds: 4294967295 bytes declared, 0 left", HEADER, 1, 0xff, 0xff,
              0xff, 0xff, 0x0f);
    MALFORMED(9, "unexpected end", HEADER, 1);
}

static void section_longer_than_its_items(void **state)
{
    (void)state;
    MALFORMED(11, "section size mismatch: the type section ends 1 bytes before", HEADER, 1, 2, 0,
              0);
}

static void items_longer_than_their_section(void **state)
{
    (void)state;
    MALFORMED(12, "unexpected end of section or function", HEADER, 1, 2, 1, 0x60, 0, 0);
}

static void sections_come_once(void **state)
{
    (void)state;
    MALFORMED(11, "unexpected content after last section: type section repeated", HEADER, 1, 1, 0,
              1, 1, 0);
}

static void sections_come_in_order(void **state)
{
    (void)state;
    MALFORMED(11, "unexpected content after last section: type section", HEADER, 2, 1, 0, 1, 1, 0);
    /* Data count is number 12, but precedes code. */
    VALID(HEADER, 12, 1, 0, 10, 1, 0, 11, 1, 0);
    MALFORMED(11, "unexpected content after last section: data count", HEADER, 10, 1, 0, 12, 1, 0);
    MALFORMED(11, "unexpected content after last section: element", HEADER, 12, 1, 0, 9, 1, 0);
}

static void custom_sections_come_anywhere(void **state)
{
    (void)state;
    VALID(HEADER, 0, 2, 1, 'x', 1, 1, 0, 0, 4, 1, 'x', 1, 2, 2, 1, 0, 0, 2, 1, 'x');
    MALFORMED(10, "unexpected end", HEADER, 0, 0);
    MALFORMED(10, "length out of bounds: 2 bytes declared, 1 left", HEADER, 0, 2, 2, 'x');
    MALFORMED(11, "malformed UTF-8 encoding", HEADER, 0, 2, 1, 0x80);
}

static void functions_need_bodies(void **state)
{
    (void)state;
    static const char message[] = "function and code section have inconsistent lengths";
    MALFORMED(18, message, HEADER, 1, 4, 1, 0x60, 0, 0, 3, 2, 1, 0);
    MALFORMED(20, message, HEADER, 1, 4, 1, 0x60, 0, 0, 3, 2, 1, 0, 10, 1, 0);
    MALFORMED(10, message, HEADER, 10, 4, 1, 2, 0, 0x0b);
}

static void data_count_must_be_true(void **state)
{
    (void)state;
    static const char message[] = "data count and data section have inconsistent lengths";
    MALFORMED(11, message, HEADER, 12, 1, 1);
    MALFORMED(13, message, HEADER, 12, 1, 1, 11, 1, 0);
    MALFORMED(13, message, HEADER, 12, 1, 0, 11, 3, 1, 1, 0);
}

static void hostile_counts(void **state)
{
    (void)state;
    for (uint8_t id = 1; id <= 11; id++) {
        if (id == 8) /* an index, not a count */
            continue;
        const uint8_t module[] = {HEADER, id, 5, 0xff, 0xff, 0xff, 0xff, 0x0f};
        assert_error(module, sizeof module, WASM_MALFORMED, 10,
                     "unexpected end of section or function: 4294967295 ");
    }
}

static void start_function(void **state)
{
    (void)state;
    INVALID(10, "unknown function 0", HEADER, 8, 1, 0);
    INVALID(24, "start function", HEADER, 1, 5, 1, 0x60, 1, 0x7f, 0, 2, 5, 1, 0, 0, 0, 0, 8, 1, 0);
    VALID(HEADER, 1, 4, 1, 0x60, 0, 0, 2, 5, 1, 0, 0, 0, 0, 8, 1, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_input_has_no_magic_number),
        cmocka_unit_test(header),
        cmocka_unit_test(unknown_section),
        cmocka_unit_test(section_longer_than_the_module),
        cmocka_unit_test(section_longer_than_its_items),
        cmocka_unit_test(items_longer_than_their_section),
        cmocka_unit_test(sections_come_once),
        cmocka_unit_test(sections_come_in_order),
        cmocka_unit_test(custom_sections_come_anywhere),
        cmocka_unit_test(functions_need_bodies),
        cmocka_unit_test(data_count_must_be_true),
        cmocka_unit_test(hostile_counts),
        cmocka_unit_test(start_function),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
