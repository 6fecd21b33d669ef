/* Each limit accepts what is at it and refuses what is above, naming itself and the numbers. */
#include "build.h"

#include <string.h>

/* `field` of the limits set to `value` accepts the module; set to one less, it fails there. */
#define CHECK(field, value, offset, message, ...)                                                  \
    do {                                                                                           \
        struct wasm_limits_config limits = wasm_limits_default;                                    \
        struct wasm_error err;                                                                     \
        limits.field = (value);                                                                    \
        assert_int_equal(decode_with(B(__VA_ARGS__), WASM_FEATURES_ALL, &limits, &err), WASM_OK);  \
        limits.field = (value) - 1;                                                                \
        assert_error_with(B(__VA_ARGS__), WASM_FEATURES_ALL, &limits, WASM_LIMIT, offset,          \
                          message);                                                                \
    } while (0)

#define TYPE HEADER, 1, 4, 1, 0x60, 0, 0
#define FUNC TYPE, 3, 2, 1, 0

static void counts_of_sections(void **state)
{
    (void)state;
    CHECK(module_size, 8, 0, "too many bytes in the module: 8, the limit is 7", HEADER);
    CHECK(types, 1, 10, "too many types: 1, the limit is 0", TYPE);
    CHECK(functions, 1, 16, "too many functions: 1, the limit is 0", FUNC, 10, 4, 1, 2, 0, 0x0b);
    CHECK(imports, 1, 16, "too many imports: 1, the limit is 0", TYPE, 2, 5, 1, 0, 0, 0, 0);
    CHECK(tables, 2, 10, "too many tables: 2, the limit is 1", HEADER, 4, 7, 2, 0x70, 0, 0, 0x70, 0,
          0);
    CHECK(memories, 1, 10, "too many memories: 1, the limit is 0", HEADER, 5, 3, 1, 0, 0);
    CHECK(globals, 1, 10, "too many globals: 1, the limit is 0", HEADER, 6, 6, 1, 0x7f, 0, 0x41, 0,
          0x0b);
    CHECK(exports, 1, 23, "too many exports: 1, the limit is 0", TYPE, 2, 5, 1, 0, 0, 0, 0, 7, 4, 1,
          0, 0, 0);
    CHECK(element_segments, 1, 10, "too many element segments: 1, the limit is 0", HEADER, 9, 4, 1,
          1, 0, 0);
    CHECK(data_segments, 1, 10, "too many data segments: 1, the limit is 0", HEADER, 11, 3, 1, 1,
          0);
    CHECK(data_segments, 1, 10, "too many data segments: 1, the limit is 0", HEADER, 12, 1, 1, 11,
          3, 1, 1, 0);
    CHECK(custom_sections, 2, 14, "too many custom sections: 2, the limit is 1", HEADER, 0, 2, 1,
          'a', 0, 2, 1, 'b');
}

static void tables_are_counted_with_imported_ones(void **state)
{
    (void)state;
    CHECK(tables, 2, 20, "too many tables: 2, the limit is 1", HEADER, 2, 7, 1, 0, 0, 1, 0x70, 0, 0,
          4, 4, 1, 0x70, 0, 0);
}

static void sizes(void **state)
{
    (void)state;
    CHECK(table_initial, 7, 11, "too many initial table entries: 7, the limit is 6", HEADER, 4, 4,
          1, 0x70, 0, 7);
    CHECK(memory_pages, 7, 11, "too many initial memory pages: 7, the limit is 6", HEADER, 5, 3, 1,
          0, 7);
    CHECK(name_length, 3, 11, "too many bytes in a name: 3, the limit is 2", HEADER, 2, 9, 1, 3,
          'a', 'b', 'c', 0, 3, 0x7f, 0);
    CHECK(params, 2, 12, "too many parameters: 2, the limit is 1", HEADER, 1, 6, 1, 0x60, 2, 0x7f,
          0x7f, 0);
    CHECK(results, 2, 13, "too many results: 2, the limit is 1", HEADER, 1, 6, 1, 0x60, 0, 2, 0x7f,
          0x7f);
}

static void bodies(void **state)
{
    (void)state;
    CHECK(body_size, 3, 21, "too many bytes in a function body: 3, the limit is 2", FUNC, 10, 5, 1,
          3, 0, 1, 0x0b);
}

static void operands(void **state)
{
    (void)state;
    struct bytes code = {0};
    for (int i = 0; i < 1025; i++)
        put(&code, B(0x41, 0));
    put_times(&code, 0x1a, 1025);
    put_byte(&code, 0x0b);
    struct bytes m = module_with_code(TYPE_VOID, code.data, code.size);
    struct wasm_limits_config limits = wasm_limits_default;
    struct wasm_error err;
    limits.operands = 1025;
    assert_int_equal(decode_with(m.data, m.size, WASM_FEATURES_ALL, &limits, &err), WASM_OK);
    limits.operands = 1024;
    assert_error_with(m.data, m.size, WASM_FEATURES_ALL, &limits, WASM_LIMIT,
                      code_offset(&m) + 2048,
                      "too many operands on the stack: 1025, the limit is 1024");
    bytes_free(&m);
    bytes_free(&code);
}

static void locals_with_parameters(void **state)
{
    (void)state;
    CHECK(locals, 3, 23, "too many locals: 3, the limit is 2", HEADER, 1, 5, 1, 0x60, 1, 0x7f, 0, 3,
          2, 1, 0, 10, 6, 1, 4, 1, 2, 0x7f, 0x0b);
}

static void br_table_targets(void **state)
{
    (void)state;
    CHECK(br_table_targets, 2, 25, "too many targets of br_table: 2, the limit is 1", FUNC, 10, 11,
          1, 9, 0, 0x41, 0, 0x0e, 2, 0, 0, 0, 0x0b);
}

/* 20 references to functions of a known type where as many to any function are wanted. */
static void comparisons(void **state)
{
    (void)state;
    struct bytes types = {0}, code = {0};
    put(&types, B(0x4e, 4, 0x60, 0, 0, 0x60, 20)); /* a group of four */
    put_times(&types, 0x70, 20);                   /* funcref */
    put(&types, B(0, 0x60, 0, 20));
    for (int i = 0; i < 20; i++)
        put(&types, B(0x64, 0)); /* (ref 0) */
    put(&types, B(0x60, 0, 20));
    put_times(&types, 0x70, 20);
    put(&code, B(0x02, 3, 0x02, 2, 0x00, 0x0b, 0x0b)); /* block: 20 funcref, block: 20 (ref 0) */
    put_times(&code, 0x1a, 20);
    put_byte(&code, 0x0b);
    struct bytes m = module_with_code(types.data, types.size, code.data, code.size);
    struct wasm_limits_config limits = wasm_limits_default;
    struct wasm_error err;
    limits.comparisons = 20;
    assert_int_equal(decode_with(m.data, m.size, WASM_FEATURES_ALL, &limits, &err), WASM_OK);
    limits.comparisons = 19;
    assert_error_with(m.data, m.size, WASM_FEATURES_ALL, &limits, WASM_LIMIT, code_offset(&m) + 6,
                      "too many comparisons of types: 20, the limit is 19");
    bytes_free(&m);
    bytes_free(&code);
    bytes_free(&types);
}

static void the_defaults_are_the_browsers(void **state)
{
    (void)state;
    const struct wasm_limits_config *l = &wasm_limits_default;
    assert_true(l->module_size == 1 << 30);
    assert_true(l->body_size == 7654321);
    assert_int_equal(l->functions, 1000000);
    assert_int_equal(l->data_segments, 100000);
    assert_int_equal(l->params, 1000);
    assert_int_equal(l->locals, 50000);
    assert_int_equal(l->name_length, 100000);
    assert_int_equal(l->br_table_targets, 65520);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_of_sections),
        cmocka_unit_test(tables_are_counted_with_imported_ones),
        cmocka_unit_test(sizes),
        cmocka_unit_test(bodies),
        cmocka_unit_test(operands),
        cmocka_unit_test(locals_with_parameters),
        cmocka_unit_test(br_table_targets),
        cmocka_unit_test(comparisons),
        cmocka_unit_test(the_defaults_are_the_browsers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
