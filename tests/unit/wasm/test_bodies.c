/* Function bodies: what is malformed, what is invalid, and where. */
#include "build.h"

#define MALFORMED(offset, message, ...)                                                            \
    assert_code_error(B(__VA_ARGS__), WASM_MALFORMED, offset, message)
#define INVALID(offset, message, ...)                                                              \
    assert_code_error(B(__VA_ARGS__), WASM_INVALID, offset, message)
#define UNSUPPORTED(offset, message, ...)                                                          \
    assert_code_error(B(__VA_ARGS__), WASM_UNSUPPORTED, offset, message)
/* Before 3.0. */
#define MALFORMED_2_0(offset, message, ...) assert_malformed_2_0(B(__VA_ARGS__), offset, message)
#define VALID(...) assert_code_valid(B(__VA_ARGS__))
/* The same with a function () -> i32. */
#define VALID_I32(...) assert_i32_valid(B(__VA_ARGS__))
#define INVALID_I32(offset, message, ...) assert_i32_error(B(__VA_ARGS__), offset, message)

static void assert_i32_valid(const uint8_t *code, size_t size)
{
    struct bytes m = module_with_code(B(0x60, 0, 1, 0x7f), code, size);
    assert_built_valid(&m);
}

static void assert_i32_error(const uint8_t *code, size_t size, uint64_t offset, const char *message)
{
    struct bytes m = module_with_code(B(0x60, 0, 1, 0x7f), code, size);
    assert_built_error(&m, WASM_INVALID, code_offset(&m) + offset, message);
}

static void assert_malformed_2_0(const uint8_t *code, size_t size, uint64_t offset,
                                 const char *message)
{
    struct bytes m = module_with_code(TYPE_VOID, code, size);
    assert_error_with(m.data, m.size, WASM_FEATURES_2_0, NULL, WASM_MALFORMED,
                      code_offset(&m) + offset, message);
    bytes_free(&m);
}

static void errors_name_their_function(void **state)
{
    (void)state;
    struct bytes m = module_with_code(TYPE_VOID, B(0x1a, 0x0b));
    struct wasm_error err;
    decode_with(m.data, m.size, WASM_FEATURES_ALL, NULL, &err);
    assert_int_equal(err.func_index, 0);
    m.data[0] = 1;
    decode_with(m.data, m.size, WASM_FEATURES_ALL, NULL, &err);
    assert_true(err.func_index == WASM_NONE);
    bytes_free(&m);
}

static void bodies_end_with_end(void **state)
{
    (void)state;
    VALID(0x0b);
    MALFORMED(1, "unexpected end of section or function", 0x01);
    MALFORMED(3, "unexpected end of section or function", 0x02, 0x40, 0x0b);
    MALFORMED(1, "section size mismatch: the body ends 1 bytes before its size", 0x0b, 0x0b);
}

static void opcodes_that_do_not_exist(void **state)
{
    (void)state;
    MALFORMED(0, "illegal opcode ff", 0xff, 0x0b);
    MALFORMED(1, "illegal opcode 16", 0x01, 0x16, 0x0b);
    UNSUPPORTED(0, "an instruction: garbage collection", 0xd3, 0x0b);
    UNSUPPORTED(0, "an instruction: garbage collection", 0xfb, 0x00, 0x0b);
    MALFORMED(0, "illegal opcode fe 4f", 0xfe, 0x4f, 0, 0, 0x0b);
    MALFORMED(0, "illegal opcode fc 17", 0xfc, 0x17, 0x0b);
    MALFORMED(0, "illegal opcode fd 9a", 0xfd, 0x9a, 0x01, 0x0b);
    MALFORMED(0, "illegal opcode fd ffffffff", 0xfd, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x0b);
    /* The number after a prefix is a LEB128 number like any other. */
    MALFORMED(4, "unexpected end of section or function", 0x43, 0, 0, 0);
    MALFORMED(6, "unexpected end of section or function", 0xfd, 0x0c, 0, 0, 0, 0);
    VALID(0xfd, 0x8c, 0x80, 0x00, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x1a, 0x0b);
}

static void operand_types(void **state)
{
    (void)state;
    INVALID(4, "type mismatch in i32.add: expected i32, found i64", 0x41, 0, 0x42, 0, 0x6a, 0x0b);
    INVALID(2, "type mismatch in i32.add: expected i32, but the stack is empty", 0x41, 0, 0x6a,
            0x0b);
    INVALID(0, "type mismatch in drop: expected any type, but the stack is empty", 0x1a, 0x0b);
    INVALID(2, "type mismatch: 1 more values on the stack", 0x41, 0, 0x0b);
    INVALID_I32(0, "type mismatch in end: expected i32, but the stack is empty", 0x0b);
    VALID_I32(0x41, 0, 0x0b);
}

static void a_block_sees_no_operands_from_outside(void **state)
{
    (void)state;
    INVALID(4, "type mismatch in drop", 0x41, 0, 0x02, 0x40, 0x1a, 0x0b, 0x0b);
    VALID(0x41, 0, 0x02, 0x40, 0x0b, 0x1a, 0x0b);
}

static void block_types(void **state)
{
    (void)state;
    VALID(0x02, 0x00, 0x0b, 0x0b);
    VALID(0x02, 0x80, 0x80, 0x80, 0x80, 0x00, 0x0b, 0x0b);
    INVALID(0, "unknown type 1", 0x02, 0x01, 0x0b, 0x0b);
    INVALID(0, "unknown type 4294967295", 0x02, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x0b, 0x0b);
    MALFORMED(1, "malformed value type 0x41", 0x02, 0x41, 0x0b, 0x0b);
    MALFORMED(1, "malformed block type", 0x02, 0xc0, 0x7f, 0x0b, 0x0b);
    MALFORMED(1, "integer representation too long", 0x02, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00, 0x0b);
}

static void if_and_else(void **state)
{
    (void)state;
    VALID(0x41, 0, 0x04, 0x40, 0x05, 0x0b, 0x0b);
    VALID(0x41, 0, 0x04, 0x7f, 0x41, 0, 0x05, 0x41, 1, 0x0b, 0x1a, 0x0b);
    MALFORMED(0, "END opcode expected: else without if", 0x05, 0x0b);
    MALFORMED(5, "END opcode expected: else without if", 0x41, 0, 0x04, 0x40, 0x05, 0x05, 0x0b,
              0x0b);
    INVALID(6, "type mismatch: if without else", 0x41, 0, 0x04, 0x7f, 0x41, 0, 0x0b, 0x1a, 0x0b);
    INVALID(6, "type mismatch in else: expected i32, found i64", 0x41, 0, 0x04, 0x7f, 0x42, 0, 0x05,
            0x41, 0, 0x0b, 0x1a, 0x0b);
}

static void labels(void **state)
{
    (void)state;
    VALID(0x0c, 0x00, 0x0b);
    INVALID(0, "unknown label 1", 0x0c, 0x01, 0x0b);
    INVALID(2, "unknown label 4294967295", 0x41, 0, 0x0d, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x0b);
    INVALID(2, "unknown label 1", 0x41, 0, 0x0e, 1, 1, 0, 0x0b);
    INVALID(2, "unknown label 1", 0x41, 0, 0x0e, 1, 0, 1, 0x0b);
    INVALID_I32(0, "type mismatch in br: expected i32", 0x0c, 0x00, 0x0b);
    /* A branch to a loop carries its parameters, to a block its results. */
    VALID_I32(0x03, 0x7f, 0x0c, 0x00, 0x0b, 0x0b);
    INVALID_I32(2, "type mismatch in br: expected i32", 0x02, 0x7f, 0x0c, 0x00, 0x0b, 0x0b);
}

static void br_table(void **state)
{
    (void)state;
    INVALID_I32(6, "type mismatch in br_table: labels with 0 and 1 values", 0x02, 0x40, 0x41, 0,
                0x41, 0, 0x0e, 1, 0, 1, 0x0b, 0x0b);
    MALFORMED(10, "unexpected end of section or function", 0x41, 0, 0x0e, 0xff, 0xff, 0xff, 0xff,
              0x0f, 0x00, 0x0b);
    /* In unreachable code the labels need not agree in anything but number. */
    VALID_I32(0x02, 0x7d, 0x00, 0x0e, 1, 0, 1, 0x0b, 0x1a, 0x41, 0, 0x0b);
    INVALID_I32(9, "type mismatch in br_table: expected i32, found f32", 0x02, 0x7d, 0x43, 0, 0, 0,
                0, 0x41, 0, 0x0e, 1, 0, 1, 0x0b, 0x1a, 0x41, 0, 0x0b);
}

static void unreachable_code(void **state)
{
    (void)state;
    VALID_I32(0x00, 0x0b);
    VALID_I32(0x00, 0x6a, 0x0b);
    VALID_I32(0x00, 0x1b, 0x0b);
    VALID_I32(0x00, 0xd1, 0x0b);
    VALID(0x00, 0x45, 0x1a, 0x1a, 0x1a, 0x0b);
    INVALID(3, "type mismatch in i64.add: expected i64, found i32", 0x00, 0x41, 0, 0x7c, 0x1a,
            0x0b);
    INVALID(3, "type mismatch: 1 more values", 0x00, 0x41, 0, 0x0b);
    /* Each block is reachable again until it says otherwise. */
    INVALID(3, "type mismatch in drop", 0x00, 0x02, 0x40, 0x1a, 0x0b, 0x0b);
}

/* What select makes of two operands that are not there is itself of any type. */
static void operands_of_unknown_type(void **state)
{
    (void)state;
    VALID(0x00, 0x1b, 0x45, 0x1a, 0x0b);
    VALID(0x00, 0x1b, 0x8b, 0x1a, 0x0b);
    VALID_I32(0x00, 0x1b, 0x0b);
    INVALID(4, "type mismatch in i32.eqz: expected i32, found f32", 0x00, 0x1b, 0x8b, 0x01, 0x45,
            0x1a, 0x0b);
}

static void select_with_and_without_type(void **state)
{
    (void)state;
    VALID(0x41, 0, 0x41, 0, 0x41, 0, 0x1b, 0x1a, 0x0b);
    VALID(0xd0, 0x70, 0xd0, 0x70, 0x41, 0, 0x1c, 1, 0x70, 0x1a, 0x0b);
    INVALID(6, "type mismatch: select of references needs a type", 0xd0, 0x70, 0xd0, 0x70, 0x41, 0,
            0x1b, 0x1a, 0x0b);
    INVALID(6, "type mismatch in select: i32 and i64", 0x41, 0, 0x42, 0, 0x41, 0, 0x1b, 0x1a, 0x0b);
    INVALID(2, "invalid result arity", 0x00, 0x1c, 0x00, 0x1a, 0x0b);
    INVALID(2, "invalid result arity", 0x00, 0x1c, 0x02, 0x7f, 0x7f, 0x1a, 0x0b);
    MALFORMED(3, "malformed value type 0x00", 0x00, 0x1c, 0x01, 0x00, 0x1a, 0x0b);
}

static void indices(void **state)
{
    (void)state;
    INVALID(0, "unknown local 0", 0x20, 0, 0x1a, 0x0b);
    INVALID(0, "unknown global 0", 0x23, 0, 0x1a, 0x0b);
    INVALID(0, "unknown function 1", 0x10, 1, 0x0b);
    INVALID(0, "unknown type 1", 0x11, 1, 0, 0x0b);
    INVALID(0, "unknown table 0", 0x11, 0, 0, 0x0b);
    INVALID(0, "unknown table 0", 0xfc, 0x10, 0, 0x1a, 0x0b);
    INVALID(0, "unknown elem segment 0", 0xfc, 0x0d, 0, 0x0b);
    INVALID(0, "undeclared function reference 0", 0xd2, 0, 0x1a, 0x0b);
    INVALID(0, "unknown function 7", 0xd2, 7, 0x1a, 0x0b);
}

static void memory_instructions(void **state)
{
    (void)state;
    VALID(0x41, 0, 0x28, 2, 0, 0x1a, 0x0b);
    INVALID(2, "alignment must not be larger than natural", 0x41, 0, 0x28, 3, 0, 0x1a, 0x0b);
    INVALID(2, "alignment must not be larger than natural", 0x41, 0, 0x28, 31, 0, 0x1a, 0x0b);
    INVALID(2, "alignment must not be larger than natural", 0x41, 0, 0x28, 63, 0, 0x1a, 0x0b);
    MALFORMED(3, "malformed memop flags 0x80", 0x41, 0, 0x28, 0x80, 1, 0, 0x1a, 0x0b);
    MALFORMED_2_0(3, "malformed memop flags 0x20", 0x41, 0, 0x28, 32, 0, 0x1a, 0x0b);
    VALID(0x41, 0, 0x28, 2, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x1a, 0x0b);
    INVALID(2, "offset out of range: 4294967296", 0x41, 0, 0x28, 2, 0x80, 0x80, 0x80, 0x80, 0x10,
            0x1a, 0x0b);
    MALFORMED_2_0(4, "integer too large", 0x41, 0, 0x28, 2, 0xff, 0xff, 0xff, 0xff, 0x1f, 0x1a,
                  0x0b);
    MALFORMED_2_0(1, "zero byte expected", 0x3f, 1, 0x1a, 0x0b);
    MALFORMED_2_0(1, "zero byte expected", 0x3f, 0x80, 0x00, 0x1a, 0x0b);
    MALFORMED_2_0(9, "zero byte expected", 0x41, 0, 0x41, 0, 0x41, 0, 0xfc, 0x0a, 0, 1, 0x0b);
    INVALID(6, "unknown memory 1", 0x41, 0, 0x41, 0, 0x41, 0, 0xfc, 0x0a, 0, 1, 0x0b);
    INVALID(6, "unknown memory 1", 0x41, 0, 0x41, 0, 0x41, 0, 0xfc, 0x0a, 1, 0, 0x0b);
    INVALID(0, "unknown memory 1", 0x3f, 1, 0x1a, 0x0b);
    INVALID(2, "unknown memory 1", 0x41, 0, 0x28, 0x42, 1, 0, 0x1a, 0x0b);
    VALID(0x41, 0, 0x28, 0x42, 0x80, 0x00, 0, 0x1a, 0x0b);
}

static void memory_instructions_need_a_memory(void **state)
{
    (void)state;
    static const uint8_t module[] = {HEADER, 1, 4, 1, 0x60, 0,    0, 3, 2,    1,    0,
                                     10,     9, 1, 7, 0,    0x41, 0, 0, 0x1a, 0x1a, 0x0b};
    static const uint8_t codes[][3] = {{0x28, 0, 0}, {0x3f, 0, 0x1a}, {0x40, 0, 0x1a}};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        struct bytes m = {0};
        put(&m, module, sizeof module);
        for (int k = 0; k < 3; k++)
            m.data[m.size - 4 + k] = codes[i][k];
        assert_built_error(&m, WASM_INVALID, m.size - 4, "unknown memory 0");
    }
}

static void instructions_on_data_segments_need_their_count(void **state)
{
    (void)state;
    MALFORMED(0, "data count section required", 0xfc, 0x09, 0, 0x0b);
    MALFORMED(6, "data count section required", 0x41, 0, 0x41, 0, 0x41, 0, 0xfc, 0x08, 0, 0, 0x0b);
    assert_error(B(HEADER, 1, 4, 1, 0x60, 0, 0, 3, 2, 1, 0, 12, 1, 0, 10, 7, 1, 5, 0, 0xfc, 9, 0,
                   0x0b, 11, 1, 0),
                 WASM_INVALID, 26, "unknown data segment 0");
}

static void lanes(void **state)
{
    (void)state;
    INVALID(1, "invalid lane index 16", 0x00, 0xfd, 0x15, 16, 0x1a, 0x0b);
    VALID(0x00, 0xfd, 0x15, 15, 0x1a, 0x0b);
    INVALID(1, "invalid lane index 8", 0x00, 0xfd, 0x18, 8, 0x1a, 0x0b);
    INVALID(1, "invalid lane index 4", 0x00, 0xfd, 0x1f, 4, 0x1a, 0x0b);
    INVALID(1, "invalid lane index 2", 0x00, 0xfd, 0x22, 2, 0x1a, 0x0b);
    VALID(0x00, 0xfd, 0x22, 1, 0x1a, 0x0b);
    /* load8_lane has 16 lanes, store64_lane two. */
    VALID(0x00, 0xfd, 0x54, 0, 0, 15, 0x1a, 0x0b);
    INVALID(1, "invalid lane index 16", 0x00, 0xfd, 0x54, 0, 0, 16, 0x1a, 0x0b);
    VALID(0x00, 0xfd, 0x5b, 3, 0, 1, 0x0b);
    INVALID(1, "invalid lane index 2", 0x00, 0xfd, 0x5b, 3, 0, 2, 0x0b);
    VALID(0x00, 0xfd, 0x0d, 31, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 31, 0x1a, 0x0b);
    INVALID(1, "invalid lane index 32", 0x00, 0xfd, 0x0d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
            0, 32, 0x1a, 0x0b);
}

static void reference_types(void **state)
{
    (void)state;
    VALID(0xd0, 0x6f, 0xd1, 0x1a, 0x0b);
    INVALID(2, "type mismatch in ref.is_null: expected a reference, found i32", 0x41, 0, 0xd1, 0x1a,
            0x0b);
    MALFORMED(1, "malformed heap type 0x7f", 0xd0, 0x7f, 0x1a, 0x0b);
}

static void globals_are_set_only_when_mutable(void **state)
{
    (void)state;
    assert_error(B(HEADER, 1, 4, 1, 0x60, 0, 0, 3, 2, 1, 0, 6, 6, 1, 0x7f, 0, 0x41, 0, 0x0b, 10, 8,
                   1, 6, 0, 0x41, 0, 0x24, 0, 0x0b),
                 WASM_INVALID, 33, "global is immutable: 0");
}

/* Table 0 of funcref, table 1 of externref; the code begins at offset 32. */
static void tables_have_the_type_an_instruction_needs(void **state)
{
    (void)state;
#define TABLES(size)                                                                               \
    HEADER, 1, 4, 1, 0x60, 0, 0, 3, 2, 1, 0, 4, 7, 2, 0x70, 0, 0, 0x6f, 0, 0, 10, (size) + 3, 1,   \
        (size) + 1, 0
    assert_error(B(TABLES(5), 0x00, 0x11, 0, 1, 0x0b), WASM_INVALID, 33,
                 "type mismatch: call_indirect needs a table of functions");
    assert_error(B(TABLES(6), 0x00, 0xfc, 0x0e, 0, 1, 0x0b), WASM_INVALID, 33,
                 "type mismatch in table.copy: from externref to funcref");
    assert_error(B(TABLES(6), 0x00, 0xd0, 0x70, 0x26, 1, 0x0b), WASM_INVALID, 35,
                 "type mismatch in table.set: expected externref, found funcref");
#undef TABLES
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_name_their_function),
        cmocka_unit_test(bodies_end_with_end),
        cmocka_unit_test(opcodes_that_do_not_exist),
        cmocka_unit_test(operand_types),
        cmocka_unit_test(a_block_sees_no_operands_from_outside),
        cmocka_unit_test(block_types),
        cmocka_unit_test(if_and_else),
        cmocka_unit_test(labels),
        cmocka_unit_test(br_table),
        cmocka_unit_test(unreachable_code),
        cmocka_unit_test(operands_of_unknown_type),
        cmocka_unit_test(select_with_and_without_type),
        cmocka_unit_test(indices),
        cmocka_unit_test(memory_instructions),
        cmocka_unit_test(memory_instructions_need_a_memory),
        cmocka_unit_test(instructions_on_data_segments_need_their_count),
        cmocka_unit_test(lanes),
        cmocka_unit_test(reference_types),
        cmocka_unit_test(tables_have_the_type_an_instruction_needs),
        cmocka_unit_test(globals_are_set_only_when_mutable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
