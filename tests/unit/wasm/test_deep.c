/* Inputs made to exhaust time, memory or the stack. Each must be done within seconds; the counts
 * are such that without the protection at hand it would be minutes. */
#include "build.h"

#include <time.h>

enum { SECONDS = 30 };
static clock_t started;

static int start_clock(void **state)
{
    (void)state;
    started = clock();
    return 0;
}

static int check_clock(void **state)
{
    (void)state;
    return (clock() - started) / CLOCKS_PER_SEC >= SECONDS;
}

static void blocks_500000_deep(void **state)
{
    (void)state;
    enum { DEPTH = 500000 };
    struct bytes code = {0};
    for (int i = 0; i < DEPTH; i++)
        put(&code, B(0x02, 0x40));
    put_times(&code, 0x0b, DEPTH + 1);
    assert_code_valid(code.data, code.size);
    /* One end is missing. */
    assert_code_error(code.data, code.size - 1, WASM_MALFORMED, code.size - 1,
                      "unexpected end of section or function");
    bytes_free(&code);
}

static void ifs_and_loops_500000_deep(void **state)
{
    (void)state;
    enum { DEPTH = 500000 };
    struct bytes code = {0};
    for (int i = 0; i < DEPTH; i++)
        put(&code, B(0x03, 0x40, 0x41, 0x00, 0x04, 0x40));
    for (int i = 0; i < DEPTH; i++)
        put(&code, B(0x05, 0x0b, 0x0b));
    put_byte(&code, 0x0b);
    assert_code_valid(code.data, code.size);
    bytes_free(&code);
}

static void operands_200000_high(void **state)
{
    (void)state;
    enum { HEIGHT = 200000 };
    struct bytes code = {0};
    for (int i = 0; i < HEIGHT; i++)
        put(&code, B(0x41, 0x00));
    put_times(&code, 0x1a, HEIGHT);
    put_byte(&code, 0x0b);
    assert_code_valid(code.data, code.size);
    bytes_free(&code);
}

static void operators_after_unreachable(void **state)
{
    (void)state;
    struct bytes code = {0};
    put_byte(&code, 0x00);
    put_times(&code, 0x6a, 1000000); /* i32.add: takes from nothing, leaves one */
    put_times(&code, 0x1a, 1000000);
    put_byte(&code, 0x0b);
    assert_code_valid(code.data, code.size);
    bytes_free(&code);
}

/* A type of `params` and `results` i32. */
static void put_type(struct bytes *type, uint32_t params, uint32_t results)
{
    put_byte(type, 0x60);
    put_u32(type, params);
    put_times(type, 0x7f, params);
    put_u32(type, results);
    put_times(type, 0x7f, results);
}

static void calls_that_fill_the_stack_meet_a_limit(void **state)
{
    (void)state;
    struct bytes type = {0}, code = {0};
    put_type(&type, 0, 1000);
    for (int i = 0; i < 2000000; i++)
        put(&code, B(0x10, 0x00));
    struct bytes m = module_with_code(type.data, type.size, code.data, code.size);
    assert_built_error(&m, WASM_LIMIT, code_offset(&m) + 2000,
                       "too many operands on the stack: 1001000, the limit is 1000000");
    bytes_free(&type);
    bytes_free(&code);
}

static void blocks_of_1000_parameters(void **state)
{
    (void)state;
    struct bytes type = {0}, code = {0};
    put_type(&type, 1000, 1000);
    for (int i = 0; i < 1000; i++)
        put(&code, B(0x20, 0x00));
    for (int i = 0; i < 100000; i++)
        put(&code, B(0x03, 0x00, 0x0b));
    put_byte(&code, 0x0b);
    struct bytes m = module_with_code(type.data, type.size, code.data, code.size);
    assert_built_valid(&m);
    bytes_free(&type);
    bytes_free(&code);
}

/* 440 tables of 65,520 targets with 1,000 values each would be 29 billion comparisons. An operand
 * of unknown type, which unreachable code makes, keeps them from being one memcmp() a target. */
static void br_tables_of_many_targets_and_values(void **state)
{
    (void)state;
    struct bytes m = start_module(), s = {0}, body = {0};
    put_byte(&s, 1);
    put_type(&s, 0, 1000);
    put_section(&m, 1, &s);
    put(&m, B(3, 5, 4, 0, 0, 0, 0));
    put_byte(&s, 4);
    for (int func = 0; func < 4; func++) {
        put(&body, B(0, 0x02, 0x00));
        for (int table = 0; table < 110; table++) {
            put(&body, B(0x00, 0x1b)); /* unreachable, select */
            for (int i = 0; i < 1000; i++)
                put(&body, B(0x41, 0x00));
            put_byte(&body, 0x0e);
            put_u32(&body, 65520);
            for (int i = 0; i < 65520 / 8; i++)
                put(&body, B(0, 1, 0, 1, 0, 1, 0, 1));
            put_byte(&body, 0);
        }
        put(&body, B(0x0b, 0x0b));
        put_sized(&s, &body);
    }
    put_section(&m, 10, &s);
    assert_built_valid(&m);
}

static void functions_of_many_locals_in_few_bytes(void **state)
{
    (void)state;
    enum { COUNT = 1000000 };
    struct bytes m = start_module(), s = {0};
    put(&m, B(1, 4, 1, 0x60, 0, 0));
    put_u32(&s, COUNT);
    put_times(&s, 0, COUNT);
    put_section(&m, 3, &s);
    put_u32(&s, COUNT);
    for (int i = 0; i < COUNT; i++) {
        /* 50,000 i64, of which the last is used. */
        put(&s, B(11, 1, 0xd0, 0x86, 0x03, 0x7e, 0x20, 0xcf, 0x86, 0x03, 0x1a, 0x0b));
    }
    put_section(&m, 10, &s);
    assert_built_valid(&m);
}

static void locals_in_many_runs(void **state)
{
    (void)state;
    enum { COUNT = 50000 };
    struct bytes m = start_module(), s = {0}, body = {0};
    put(&m, B(1, 4, 1, 0x60, 0, 0, 3, 2, 1, 0));
    put_u32(&body, COUNT);
    for (int i = 0; i < COUNT; i++)
        put(&body, B(1, i % 2 ? 0x7d : 0x7f));
    for (uint32_t i = 0; i < COUNT; i++) {
        put_byte(&body, 0x20);
        put_u32(&body, i);
        put_byte(&body, i % 2 ? 0x8b : 0x45); /* f32.abs, i32.eqz */
        put_byte(&body, 0x1a);
    }
    put_byte(&body, 0x0b);
    put_byte(&s, 1);
    put_sized(&s, &body);
    put_section(&m, 10, &s);
    assert_built_valid(&m);
}

static void locals_that_sum_past_32_bits(void **state)
{
    (void)state;
    static const uint8_t module[] = {HEADER, 1,    4,  1,    0x60, 0,    0,    3,    2,    1,
                                     0,      10,   17, 1,    15,   3,    0xff, 0xff, 0xff, 0xff,
                                     0x0f,   0x7f, 1,  0x7e, 1,    0x7f, 0x41, 0,    0x1a, 0x0b};
    assert_error(module, sizeof module, WASM_MALFORMED, 29, "too many locals");
}

static void a_million_empty_runs_of_locals(void **state)
{
    (void)state;
    struct bytes m = start_module(), s = {0}, body = {0};
    put(&m, B(1, 4, 1, 0x60, 0, 0, 3, 2, 1, 0));
    put_u32(&body, 1000000);
    for (int i = 0; i < 1000000; i++)
        put(&body, B(0, 0x7f));
    put_byte(&body, 0x0b);
    put_byte(&s, 1);
    put_sized(&s, &body);
    put_section(&m, 10, &s);
    assert_built_valid(&m);
}

#define TIMED(test) cmocka_unit_test_setup_teardown(test, start_clock, check_clock)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TIMED(blocks_500000_deep),
        TIMED(ifs_and_loops_500000_deep),
        TIMED(operands_200000_high),
        TIMED(operators_after_unreachable),
        TIMED(calls_that_fill_the_stack_meet_a_limit),
        TIMED(blocks_of_1000_parameters),
        TIMED(br_tables_of_many_targets_and_values),
        TIMED(functions_of_many_locals_in_few_bytes),
        TIMED(locals_in_many_runs),
        TIMED(locals_that_sum_past_32_bits),
        TIMED(a_million_empty_runs_of_locals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
