/* What each language feature allows is refused, by its name, when it is off. */
#include "build.h"

#define OFF(feature, offset, message, ...)                                                         \
    do {                                                                                           \
        assert_valid(B(__VA_ARGS__));                                                              \
        assert_error_with(B(__VA_ARGS__), WASM_FEATURES_ALL & ~(uint32_t)(feature), NULL,          \
                          WASM_UNSUPPORTED, offset, message);                                      \
    } while (0)

/* A function () -> () of `size` bytes of code, which begins at offset 23. */
#define CODE(size) HEADER, 1, 4, 1, 0x60, 0, 0, 3, 2, 1, 0, 10, (size) + 3, 1, (size) + 1, 0

static void sign_extension(void **state)
{
    (void)state;
    OFF(WASM_FEATURE_SIGN_EXTENSION, 25, "i32.extend8_s: the feature sign-extension is not enabled",
        CODE(5), 0x41, 0, 0xc0, 0x1a, 0x0b);
}

static void saturating_float_to_int(void **state)
{
    (void)state;
    OFF(WASM_FEATURE_SATURATING_FLOAT_TO_INT, 28,
        "i32.trunc_sat_f32_s: the feature saturating-float-to-int is not enabled", CODE(9), 0x43, 0,
        0, 0, 0, 0xfc, 0, 0x1a, 0x0b);
}

static void multi_value(void **state)
{
    (void)state;
    OFF(WASM_FEATURE_MULTI_VALUE, 13, "more than one result: the feature multi-value", HEADER, 1, 6,
        1, 0x60, 0, 2, 0x7f, 0x7f);
    OFF(WASM_FEATURE_MULTI_VALUE, 23, "block with a function type: the feature multi-value",
        CODE(4), 0x02, 0, 0x0b, 0x0b);
}

static void reference_types(void **state)
{
    (void)state;
    OFF(WASM_FEATURE_REFERENCE_TYPES, 11, "externref: the feature reference-types", HEADER, 4, 4, 1,
        0x6f, 0, 0);
    OFF(WASM_FEATURE_REFERENCE_TYPES, 13, "funcref: the feature reference-types", HEADER, 1, 5, 1,
        0x60, 1, 0x70, 0);
    OFF(WASM_FEATURE_REFERENCE_TYPES, 14, "multiple tables: the feature reference-types", HEADER, 4,
        7, 2, 0x70, 0, 0, 0x70, 0, 0);
    OFF(WASM_FEATURE_REFERENCE_TYPES, 23, "ref.null: the feature reference-types", CODE(4), 0xd0,
        0x70, 0x1a, 0x0b);
    OFF(WASM_FEATURE_REFERENCE_TYPES, 24, "select: the feature reference-types", CODE(6), 0x00,
        0x1c, 1, 0x7f, 0x1a, 0x0b);
    /* A table of functions is older than references. */
    struct wasm_error err;
    assert_int_equal(decode_with(B(HEADER, 4, 4, 1, 0x70, 0, 0), 0, NULL, &err), WASM_OK);
}

static void bulk_memory(void **state)
{
    (void)state;
    OFF(WASM_FEATURE_BULK_MEMORY, 11, "this kind of data segment: the feature bulk-memory", HEADER,
        11, 3, 1, 1, 0);
    OFF(WASM_FEATURE_BULK_MEMORY, 11, "this kind of element segment: the feature bulk-memory",
        HEADER, 9, 4, 1, 1, 0, 0);
    OFF(WASM_FEATURE_BULK_MEMORY, 10, "data count section: the feature bulk-memory", HEADER, 12, 1,
        0);
}

static void simd(void **state)
{
    (void)state;
    OFF(WASM_FEATURE_SIMD, 13, "v128: the feature simd", HEADER, 1, 5, 1, 0x60, 1, 0x7b, 0);
    OFF(WASM_FEATURE_SIMD, 24, "v128.not: the feature simd", CODE(5), 0x00, 0xfd, 0x4d, 0x1a, 0x0b);
    OFF(WASM_FEATURE_SIMD, 24, "v128: the feature simd", CODE(7), 0x00, 0x02, 0x7b, 0x00, 0x0b,
        0x1a, 0x0b);
    OFF(WASM_FEATURE_SIMD, 24, "v128: the feature simd", HEADER, 1, 4, 1, 0x60, 0, 0, 3, 2, 1, 0,
        10, 6, 1, 4, 1, 1, 0x7b, 0x0b);
}

static void mutable_globals(void **state)
{
    (void)state;
    OFF(WASM_FEATURE_MUTABLE_GLOBALS, 13, "import of a mutable global: the feature mutable-globals",
        HEADER, 2, 6, 1, 0, 0, 3, 0x7f, 1);
    OFF(WASM_FEATURE_MUTABLE_GLOBALS, 21, "export of a mutable global: the feature mutable-globals",
        HEADER, 6, 6, 1, 0x7f, 1, 0x41, 0, 0x0b, 7, 4, 1, 0, 3, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sign_extension),  cmocka_unit_test(saturating_float_to_int),
        cmocka_unit_test(multi_value),     cmocka_unit_test(reference_types),
        cmocka_unit_test(bulk_memory),     cmocka_unit_test(simd),
        cmocka_unit_test(mutable_globals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
