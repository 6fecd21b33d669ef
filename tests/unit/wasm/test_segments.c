/* Element and data segments. The modules have table 0 of funcref, table 1 of externref, a memory
 * and an imported function; the segments begin at AT. */
#include "build.h"

#define BEFORE                                                                                     \
    HEADER, 1, 4, 1, 0x60, 0, 0, 2, 5, 1, 0, 0, 0, 0, 4, 7, 2, 0x70, 0, 0, 0x6f, 0, 0, 5, 3, 1, 0, 0
enum { AT = sizeof((const uint8_t[]){BEFORE}) + 3 };

#define MALFORMED(offset, message, ...)                                                            \
    assert_error(B(BEFORE, __VA_ARGS__), WASM_MALFORMED, AT + (offset), message)
#define INVALID(offset, message, ...)                                                              \
    assert_error(B(BEFORE, __VA_ARGS__), WASM_INVALID, AT + (offset), message)
#define VALID(...) assert_valid(B(BEFORE, __VA_ARGS__))

static void element_segments(void **state)
{
    (void)state;
    VALID(9, 7, 1, 0, 0x41, 0, 0x0b, 1, 0);
    VALID(9, 5, 1, 1, 0, 1, 0);
    VALID(9, 9, 1, 2, 0, 0x41, 0, 0x0b, 0, 1, 0);
    VALID(9, 5, 1, 3, 0, 1, 0);
    VALID(9, 9, 1, 4, 0x41, 0, 0x0b, 1, 0xd2, 0, 0x0b);
    VALID(9, 7, 1, 5, 0x6f, 1, 0xd0, 0x6f, 0x0b);
    VALID(9, 11, 1, 6, 1, 0x41, 0, 0x0b, 0x6f, 1, 0xd0, 0x6f, 0x0b);
    VALID(9, 7, 1, 7, 0x70, 1, 0xd2, 0, 0x0b);
    MALFORMED(0, "malformed elements segment kind 8", 9, 5, 1, 8, 0, 1, 0);
    MALFORMED(1, "malformed element kind 0x01", 9, 5, 1, 1, 1, 1, 0);
    MALFORMED(1, "malformed reference type 0x7f", 9, 4, 1, 5, 0x7f, 0);
    INVALID(3, "unknown function 1", 9, 5, 1, 1, 0, 1, 1);
    INVALID(1, "unknown table 2", 9, 9, 1, 2, 2, 0x41, 0, 0x0b, 0, 1, 0);
    INVALID(3, "type mismatch in end: expected i32, found i64", 9, 7, 1, 0, 0x42, 0, 0x0b, 1, 0);
}

static void elements_have_the_type_of_their_table(void **state)
{
    (void)state;
    INVALID(0, "type mismatch: (ref func) segment for a table of externref", 9, 9, 1, 2, 1, 0x41, 0,
            0x0b, 0, 1, 0);
    INVALID(0, "type mismatch: externref segment for a table of funcref", 9, 8, 1, 6, 0, 0x41, 0,
            0x0b, 0x6f, 0);
    INVALID(5, "type mismatch in end: expected funcref, found externref", 9, 7, 1, 5, 0x70, 1, 0xd0,
            0x6f, 0x0b);
}

static void element_counts_beyond_the_section(void **state)
{
    (void)state;
    MALFORMED(2, "unexpected end of section or function: 4294967295 items in an element segment", 9,
              8, 1, 1, 0, 0xff, 0xff, 0xff, 0xff, 0x0f);
    MALFORMED(2, "unexpected end of section or function: 4294967295 items in an element segment", 9,
              8, 1, 5, 0x70, 0xff, 0xff, 0xff, 0xff, 0x0f);
}

static void active_elements_need_a_table(void **state)
{
    (void)state;
    assert_error(B(HEADER, 9, 6, 1, 0, 0x41, 0, 0x0b, 0), WASM_INVALID, 12, "unknown table 0");
}

static void data_segments(void **state)
{
    (void)state;
    VALID(11, 8, 1, 0, 0x41, 0, 0x0b, 2, 'h', 'i');
    VALID(11, 4, 1, 1, 1, 'p');
    VALID(11, 7, 1, 2, 0, 0x41, 0, 0x0b, 0);
    MALFORMED(0, "malformed data segment kind 3", 11, 4, 1, 3, 1, 'p');
    MALFORMED(1, "length out of bounds: 9 bytes declared, 1 left", 11, 4, 1, 1, 9, 'p');
    MALFORMED(1, "length out of bounds: 4294967295 bytes declared, 0 left", 11, 7, 1, 1, 0xff, 0xff,
              0xff, 0xff, 0x0f);
    INVALID(1, "unknown memory 1", 11, 7, 1, 2, 1, 0x41, 0, 0x0b, 0);
    INVALID(6, "type mismatch in end: expected i32, found f32", 11, 9, 1, 0, 0x43, 0, 0, 0, 0, 0x0b,
            0);
}

static void active_data_need_a_memory(void **state)
{
    (void)state;
    assert_error(B(HEADER, 11, 6, 1, 0, 0x41, 0, 0x0b, 0), WASM_INVALID, 12, "unknown memory 0");
}

/* Nothing of the memory's size is made at compile time. */
static void segments_may_lie_4_gib_apart(void **state)
{
    (void)state;
    VALID(11, 13, 2, 0, 0x41, 0, 0x0b, 1, 'a', 0, 0x41, 0x7f, 0x0b, 1, 'b');
}

static void segments_are_stored_as_they_are(void **state)
{
    (void)state;
    const uint8_t bytes[] = {BEFORE, 9,    21,   3,    0,    0x41, 0,    0x0b, 1,    0,  5, 0x6f,
                             1,      0xd0, 0x6f, 0x0b, 2,    0,    0x41, 0,    0x0b, 0,  1, 0,
                             11,     8,    1,    0,    0x41, 3,    0x0b, 2,    'h',  'i'};
    struct wasm_module m;
    struct wasm_error err;
    assert_int_equal(wasm_module_decode(bytes, sizeof bytes, WASM_FEATURES_ALL, NULL, &m, &err),
                     WASM_OK);
    assert_int_equal(m.nelems, 3);
    assert_int_equal(m.elems[0].mode, WASM_ACTIVE);
    assert_int_equal(m.elems[0].count, 1);
    assert_int_equal(m.elems[0].funcs[0], 0);
    assert_null(m.elems[0].exprs);
    assert_int_equal(m.elems[1].mode, WASM_PASSIVE);
    assert_int_equal(m.elems[1].type, WASM_EXTERNREF);
    assert_null(m.elems[1].funcs);
    assert_int_equal(m.elems[1].exprs[0].size, 3);
    assert_true(m.funcs[0].declared_ref);
    assert_int_equal(m.ndatas, 1);
    assert_memory_equal(m.datas[0].bytes.data, "hi", 2);
    assert_int_equal(m.datas[0].memory_offset.size, 3);
    wasm_module_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(element_segments),
        cmocka_unit_test(elements_have_the_type_of_their_table),
        cmocka_unit_test(element_counts_beyond_the_section),
        cmocka_unit_test(active_elements_need_a_table),
        cmocka_unit_test(data_segments),
        cmocka_unit_test(active_data_need_a_memory),
        cmocka_unit_test(segments_may_lie_4_gib_apart),
        cmocka_unit_test(segments_are_stored_as_they_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
