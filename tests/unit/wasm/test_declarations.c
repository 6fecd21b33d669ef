/* Types, imports, tables, memories, globals, exports. */
#include "build.h"

#include <string.h>

#define MALFORMED(offset, message, ...)                                                            \
    assert_error(B(__VA_ARGS__), WASM_MALFORMED, offset, message)
#define INVALID(offset, message, ...) assert_error(B(__VA_ARGS__), WASM_INVALID, offset, message)
#define UNSUPPORTED(offset, message, ...)                                                          \
    assert_error(B(__VA_ARGS__), WASM_UNSUPPORTED, offset, message)
#define OFF(features, offset, message, ...)                                                        \
    assert_error_with(B(__VA_ARGS__), features, NULL, WASM_UNSUPPORTED, offset, message)
#define VALID(...) assert_valid(B(__VA_ARGS__))

static void types(void **state)
{
    (void)state;
    VALID(HEADER, 1, 6, 1, 0x60, 0, 2, 0x7f, 0x70);
    MALFORMED(11, "malformed type form 0x5d", HEADER, 1, 4, 1, 0x5d, 0, 0);
    UNSUPPORTED(11, "a struct type: garbage collection", HEADER, 1, 3, 1, 0x5f, 0);
    UNSUPPORTED(11, "an array type: garbage collection", HEADER, 1, 4, 1, 0x5e, 0x7f, 0);
    MALFORMED(13, "malformed value type 0x40", HEADER, 1, 5, 1, 0x60, 1, 0x40, 0);
    MALFORMED(14, "malformed value type 0x7a", HEADER, 1, 5, 1, 0x60, 0, 1, 0x7a);
    MALFORMED(12, "unexpected end of section or function: 2 parameters declared, 1 bytes left",
              HEADER, 1, 4, 1, 0x60, 2, 0x7f);
}

/* Two arrays grow in turn, past the size at which each gets memory of its own. */
static void many_types_with_parameters(void **state)
{
    (void)state;
    enum { COUNT = 20000, PARAMS = 20 };
    struct bytes b = start_module(), s = {0};
    put_u32(&s, COUNT);
    for (int i = 0; i < COUNT; i++) {
        put(&s, B(0x60, PARAMS));
        put_times(&s, i % 2 ? 0x7f : 0x7c, PARAMS);
        put_byte(&s, 0);
    }
    put_section(&b, 1, &s);
    struct wasm_module m;
    struct wasm_error err;
    assert_int_equal(wasm_module_decode(b.data, b.size, WASM_FEATURES_ALL, NULL, &m, &err),
                     WASM_OK);
    assert_int_equal(m.ntypes, COUNT);
    for (int i = 0; i < COUNT; i++)
        for (int k = 0; k < PARAMS; k++)
            assert_int_equal(m.types[i].params[k], i % 2 ? WASM_I32 : WASM_F64);
    wasm_module_free(&m);
    bytes_free(&b);
}

static void imports(void **state)
{
    (void)state;
    VALID(HEADER, 2, 6, 1, 0, 0, 3, 0x7f, 1);
    MALFORMED(13, "malformed import kind 0x05", HEADER, 2, 5, 1, 0, 0, 5, 0);
    MALFORMED(12, "malformed UTF-8 encoding", HEADER, 2, 7, 1, 1, 0xff, 0, 3, 0x7f, 0);
    MALFORMED(11, "length out of bounds: 9 bytes declared, 4 left", HEADER, 2, 6, 1, 9, 0, 3, 0x7f,
              0);
    INVALID(14, "unknown type 0", HEADER, 2, 5, 1, 0, 0, 0, 0);
    MALFORMED(15, "malformed mutability 0x02", HEADER, 2, 6, 1, 0, 0, 3, 0x7f, 2);
}

static void functions(void **state)
{
    (void)state;
    INVALID(11, "unknown type 0", HEADER, 3, 2, 1, 0);
}

static void tables(void **state)
{
    (void)state;
    VALID(HEADER, 4, 4, 1, 0x70, 0, 0);
    VALID(HEADER, 4, 9, 1, 0x6f, 1, 0, 0xff, 0xff, 0xff, 0xff, 0x0f);
    MALFORMED(11, "malformed reference type 0x7f", HEADER, 4, 4, 1, 0x7f, 0, 0);
    MALFORMED(12, "malformed limits flags 0x02", HEADER, 4, 4, 1, 0x70, 2, 0);
    INVALID(12, "size minimum must not be greater than maximum: 2 > 1", HEADER, 4, 5, 1, 0x70, 1, 2,
            1);
}

static void memories(void **state)
{
    (void)state;
    VALID(HEADER, 5, 5, 1, 0, 0x80, 0x80, 0x04);
    INVALID(11, "memory size must be at most 65536 pages of 2**16 bytes", HEADER, 5, 5, 1, 0, 0x81,
            0x80, 0x04);
    INVALID(11, "memory size must be at most 65536 pages of 2**16 bytes", HEADER, 5, 6, 1, 1, 0,
            0x81, 0x80, 0x04);
    INVALID(11, "size minimum must not be greater than maximum", HEADER, 5, 4, 1, 1, 2, 1);
    OFF(WASM_FEATURES_2_0, 13, "multiple memories", HEADER, 5, 5, 2, 0, 0, 0, 0);
    OFF(WASM_FEATURES_2_0, 19, "multiple memories", HEADER, 2, 6, 1, 0, 0, 2, 0, 0, 5, 3, 1, 0, 0);
    VALID(HEADER, 5, 5, 2, 0, 0, 0, 0);
    MALFORMED(11, "malformed limits flags 0x10", HEADER, 5, 3, 1, 16, 0);
}

static void globals(void **state)
{
    (void)state;
    VALID(HEADER, 6, 6, 1, 0x7f, 0, 0x41, 0, 0x0b);
    MALFORMED(12, "malformed mutability 0x02", HEADER, 6, 6, 1, 0x7f, 2, 0x41, 0, 0x0b);
    MALFORMED(11, "malformed value type 0x00", HEADER, 6, 6, 1, 0, 0, 0x41, 0, 0x0b);
}

static void constant_expressions(void **state)
{
    (void)state;
    INVALID(15, "type mismatch in end: expected i64, found i32", HEADER, 6, 6, 1, 0x7e, 0, 0x41, 0,
            0x0b);
    INVALID(13, "type mismatch in end: expected i64, but the stack is empty", HEADER, 6, 4, 1, 0x7e,
            0, 0x0b);
    INVALID(17, "type mismatch: 1 more values on the stack", HEADER, 6, 8, 1, 0x7f, 0, 0x41, 0,
            0x41, 0, 0x0b);
    INVALID(13, "constant expression required, not nop", HEADER, 6, 7, 1, 0x7f, 0, 0x01, 0x41, 0,
            0x0b);
    INVALID(15, "constant expression required, not i32.eqz", HEADER, 6, 7, 1, 0x7f, 0, 0x41, 0,
            0x45, 0x0b);
    MALFORMED(15, "unexpected end of section or function", HEADER, 6, 5, 1, 0x7f, 0, 0x41, 0);
    MALFORMED(13, "illegal opcode ff", HEADER, 6, 5, 1, 0x7f, 0, 0xff, 0x0b);
    INVALID(13, "unknown function 0", HEADER, 6, 6, 1, 0x70, 0, 0xd2, 0, 0x0b);
    VALID(HEADER, 6, 6, 1, 0x6f, 0, 0xd0, 0x6f, 0x0b);
    VALID(HEADER, 6, 13, 1, 0x7c, 0, 0x44, 0, 0, 0, 0, 0, 0, 0, 0, 0x0b);
    VALID(HEADER, 6, 22, 1, 0x7b, 0, 0xfd, 0x0c, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
          0x0b);
}

static void constant_expressions_read_only_earlier_immutable_globals(void **state)
{
    (void)state;
    VALID(HEADER, 2, 6, 1, 0, 0, 3, 0x7f, 0, 6, 6, 1, 0x7f, 0, 0x23, 0, 0x0b);
    INVALID(21, "constant expression required: global 0 is mutable", HEADER, 2, 6, 1, 0, 0, 3, 0x7f,
            1, 6, 6, 1, 0x7f, 0, 0x23, 0, 0x0b);
    static const uint8_t second_reads_first[] = {HEADER, 6,    11,   2, 0x7f, 0, 0x41,
                                                 0,      0x0b, 0x7f, 0, 0x23, 0, 0x0b};
    assert_valid(second_reads_first, sizeof second_reads_first);
    assert_error_with(second_reads_first, sizeof second_reads_first, WASM_FEATURES_2_0, NULL,
                      WASM_INVALID, 18, "unknown global 0");
    INVALID(13, "unknown global 0", HEADER, 6, 6, 1, 0x7f, 0, 0x23, 0, 0x0b);
}

static void exports(void **state)
{
    (void)state;
    INVALID(13, "unknown function 0", HEADER, 7, 4, 1, 0, 0, 0);
    INVALID(13, "unknown table 0", HEADER, 7, 4, 1, 0, 1, 0);
    INVALID(13, "unknown memory 0", HEADER, 7, 4, 1, 0, 2, 0);
    INVALID(13, "unknown global 0", HEADER, 7, 4, 1, 0, 3, 0);
    INVALID(13, "unknown tag 0", HEADER, 7, 4, 1, 0, 4, 0);
    MALFORMED(12, "malformed export kind 0x05", HEADER, 7, 4, 1, 0, 5, 0);
}

static void duplicate_export(void **state)
{
    (void)state;
    VALID(HEADER, 5, 3, 1, 0, 0, 7, 9, 2, 1, 'a', 2, 0, 1, 'b', 2, 0);
    INVALID(21, "duplicate export name \"a\"", HEADER, 5, 3, 1, 0, 0, 7, 9, 2, 1, 'a', 2, 0, 1, 'a',
            2, 0);
    INVALID(20, "duplicate export name \"\"", HEADER, 5, 3, 1, 0, 0, 7, 7, 2, 0, 2, 0, 0, 2, 0);
}

static void names_with_any_character(void **state)
{
    (void)state;
    VALID(HEADER, 5, 3, 1, 0, 0, 7, 11, 2, 2, 'a', 0, 2, 0, 2, 'a', '\n', 2, 0);
    /* In a message they are harmless. */
    INVALID(26, "duplicate export name \"\\00\\0a%n\\1b\\5c\"", HEADER, 5, 3, 1, 0, 0, 7, 19, 2, 6,
            0, '\n', '%', 'n', 0x1b, '\\', 2, 0, 6, 0, '\n', '%', 'n', 0x1b, '\\', 2, 0);
}

static void one_duplicate_among_100000_exports(void **state)
{
    (void)state;
    enum { COUNT = 100000 };
    struct bytes m = start_module(), s = {0};
    put(&m, B(5, 3, 1, 0, 0));
    put_u32(&s, COUNT);
    for (uint32_t i = 0; i < COUNT; i++) {
        uint32_t n = i == COUNT - 1 ? 7 : i;
        put(&s, B(4, 'A' + (n & 31), 'A' + (n >> 5 & 31), 'A' + (n >> 10 & 31), 'A' + (n >> 15)));
        put(&s, B(2, 0));
    }
    put_section(&m, 7, &s);
    assert_built_error(&m, WASM_INVALID, m.size - 6, "duplicate export name \"HAAA\"");
}

static void utf8(void **state)
{
    (void)state;
    static const struct {
        bool valid;
        const char *name;
    } cases[] = {
        {true, "plain text longer than eight bytes"},
        {true, "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"},
        {true, "\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf"},
        {false, "\x80"},
        {false, "\xc0\x80"},         /* overlong */
        {false, "\xc1\xbf"},         /* overlong */
        {false, "\xe0\x9f\xbf"},     /* overlong */
        {false, "\xf0\x8f\xbf\xbf"}, /* overlong */
        {false, "\xed\xa0\x80"},     /* surrogate */
        {false, "\xed\xbf\xbf"},     /* surrogate */
        {false, "\xf4\x90\x80\x80"}, /* beyond U+10FFFF */
        {false, "\xf5\x80\x80\x80"},
        {false, "\xff"},
        {false, "12345678\xc3"}, /* cut */
        {false, "12345678\xe2\x82"},
        {false, "\xf0\x9f\x98"},
        {false, "\xc3("},
        {false, "\xe2\x82("},
        {false, "\xf0\x9f\x98("},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bytes m = start_module(), s = {0};
        put_name(&s, cases[i].name);
        put_section(&m, 0, &s);
        if (cases[i].valid)
            assert_built_valid(&m);
        else
            assert_built_error(&m, WASM_MALFORMED, 11, "malformed UTF-8 encoding");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types),
        cmocka_unit_test(many_types_with_parameters),
        cmocka_unit_test(imports),
        cmocka_unit_test(functions),
        cmocka_unit_test(tables),
        cmocka_unit_test(memories),
        cmocka_unit_test(globals),
        cmocka_unit_test(constant_expressions),
        cmocka_unit_test(constant_expressions_read_only_earlier_immutable_globals),
        cmocka_unit_test(exports),
        cmocka_unit_test(duplicate_export),
        cmocka_unit_test(names_with_any_character),
        cmocka_unit_test(one_duplicate_among_100000_exports),
        cmocka_unit_test(utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
