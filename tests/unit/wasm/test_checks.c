/* Checks of instructions one by one, in modules that have one of each thing: what is valid, and
 * what one check alone refuses. */
#include <string.h>

#include "build.h"

/* Types 0 () -> (), 1 (i32) -> (i64), 2 () -> (i64 funcref), 3 (i32) -> (i32), 4 () -> (externref),
 * 5 () -> (i32), 6 () -> (i64); a table, a memory, a tag of type 0, a passive element segment, a
 * passive data segment; one function of type 0 with these locals. */
static struct bytes module(const uint8_t *locals, size_t locals_size, const uint8_t *code,
                           size_t size)
{
    struct bytes m = start_module(), s = {0}, body = {0};

    put(&s, B(7, 0x60, 0, 0, 0x60, 1, 0x7f, 1, 0x7e, 0x60, 0, 2, 0x7e, 0x70, 0x60, 1, 0x7f, 1, 0x7f,
              0x60, 0, 1, 0x6f, 0x60, 0, 1, 0x7f, 0x60, 0, 1, 0x7e));
    put_section(&m, 1, &s);
    put(&s, B(1, 0));
    put_section(&m, 3, &s);
    put(&s, B(1, 0x70, 0, 1));
    put_section(&m, 4, &s);
    put(&s, B(1, 0, 1));
    put_section(&m, 5, &s);
    put(&s, B(1, 0, 0));
    put_section(&m, 13, &s);
    put(&s, B(1, 1, 0, 1, 0));
    put_section(&m, 9, &s);
    put(&s, B(1));
    put_section(&m, 12, &s);
    put_byte(&s, 1);
    put(&body, locals, locals_size);
    put(&body, code, size);
    put_sized(&s, &body);
    put_section(&m, 10, &s);
    put(&s, B(1, 1, 1, 'd'));
    put_section(&m, 11, &s);
    bytes_free(&s);
    bytes_free(&body);
    return m;
}

static void expect(const char *message, const uint8_t *locals, size_t locals_size,
                   const uint8_t *code, size_t size)
{
    struct bytes m = module(locals, locals_size, code, size);
    struct wasm_error err = {.message = ""};
    const enum wasm_status status = decode_with(m.data, m.size, WASM_FEATURES_ALL, NULL, &err);

    if (!message && status != WASM_OK)
        fail_msg("refused: %s", err.message);
    if (message && (status == WASM_OK || !strstr(err.message, message)))
        fail_msg("\"%s\" instead of \"%s\"", status == WASM_OK ? "valid" : err.message, message);
    bytes_free(&m);
}
#define VALID(...) expect(NULL, B(0), B(__VA_ARGS__))
#define REFUSED(message, ...) expect(message, B(0), B(__VA_ARGS__))

/* Of two indices each is looked at. */
static void every_index_is_checked(void **state)
{
    (void)state;
#define THREE 0x41, 0, 0x41, 0, 0x41, 0
    VALID(THREE, 0xfc, 0x0e, 0, 0, 0x0b); /* table.copy */
    REFUSED("unknown table 1", THREE, 0xfc, 0x0e, 1, 0, 0x0b);
    REFUSED("unknown table 1", THREE, 0xfc, 0x0e, 0, 1, 0x0b);
    VALID(THREE, 0xfc, 0x0c, 0, 0, 0x0b); /* table.init */
    REFUSED("unknown elem segment 1", THREE, 0xfc, 0x0c, 1, 0, 0x0b);
    REFUSED("unknown table 1", THREE, 0xfc, 0x0c, 0, 1, 0x0b);
    VALID(THREE, 0xfc, 0x0a, 0, 0, 0x0b); /* memory.copy */
    REFUSED("unknown memory 1", THREE, 0xfc, 0x0a, 1, 0, 0x0b);
    REFUSED("unknown memory 1", THREE, 0xfc, 0x0a, 0, 1, 0x0b);
    VALID(THREE, 0xfc, 0x08, 0, 0, 0x0b); /* memory.init */
    REFUSED("unknown data segment 1", THREE, 0xfc, 0x08, 1, 0, 0x0b);
    REFUSED("unknown memory 1", THREE, 0xfc, 0x08, 0, 1, 0x0b);
    VALID(0x41, 0, 0x11, 0, 0, 0x0b); /* call_indirect */
    REFUSED("unknown type 7", 0x41, 0, 0x11, 7, 0, 0x0b);
    REFUSED("unknown table 1", 0x41, 0, 0x11, 0, 1, 0x0b);
    VALID(0x08, 0, 0x0b); /* throw */
    REFUSED("unknown tag 1", 0x08, 1, 0x0b);
    REFUSED("unknown elem segment 1", 0xfc, 0x0d, 1, 0x0b); /* elem.drop */
    REFUSED("unknown data segment 1", 0xfc, 0x09, 1, 0x0b); /* data.drop */
    REFUSED("unknown table 1", 0xfc, 0x10, 1, 0x1a, 0x0b);  /* table.size */
    REFUSED("unknown memory 1", 0x3f, 1, 0x1a, 0x0b);       /* memory.size */
}

/* Neither more nor less. */
static void atomics_are_naturally_aligned(void **state)
{
    static const struct {
        uint8_t op, natural;
    } loads[] = {{0x10, 2}, {0x11, 3}, {0x12, 0}, {0x13, 1}, {0x14, 0}, {0x15, 1}, {0x16, 2}};

    (void)state;
    for (size_t k = 0; k < sizeof(loads) / sizeof(*loads); k++)
        for (uint8_t align = 0; align < 5; align++)
            expect(align == loads[k].natural ? NULL : "atomic alignment must be natural", B(0),
                   B(0x41, 0, 0xfe, loads[k].op, align, 0, 0x1a, 0x0b));
    VALID(0x41, 0, 0x28, 0, 0, 0x1a, 0x0b); /* i32.load */
    VALID(0x41, 0, 0x28, 2, 0, 0x1a, 0x0b);
    REFUSED("alignment must not be larger than natural", 0x41, 0, 0x28, 3, 0, 0x1a, 0x0b);
}

/* Each label, not the default one only; of each br_table, whatever the one before had; and a loop's
 * label is another than a block's of the same type. */
static void every_target_of_br_table_is_checked(void **state)
{
    (void)state;
#define FIRST 0x02, 5, 0x41, 1, 0x41, 0, 0x0e, 1, 0, 0, 0x0b, 0x1a
    VALID(FIRST, FIRST, 0x0b);
    /* Blocks of types 6 and 5: an i64 goes to the outer one only. */
#define I64_TO(...)                                                                                \
    0x02, 6, 0x02, 5, 0x42, 1, 0x41, 0, 0x0e, __VA_ARGS__, 0x0b, 0x1a, 0x42, 0, 0x0b, 0x1a
    VALID(I64_TO(1, 1, 1), 0x0b);
    REFUSED("type mismatch", I64_TO(1, 1, 0), 0x0b);
    REFUSED("type mismatch", I64_TO(1, 0, 1), 0x0b);
    REFUSED("type mismatch", I64_TO(2, 1, 0, 1), 0x0b);
    REFUSED("type mismatch", I64_TO(2, 0, 1, 1), 0x0b);
    REFUSED("type mismatch", FIRST, I64_TO(1, 0, 1), 0x0b);
    REFUSED("type mismatch", FIRST, FIRST, I64_TO(2, 0, 1, 1), 0x0b);
    VALID(FIRST, FIRST, I64_TO(2, 1, 1, 1), 0x0b);
    /* Of type 1, (i32) -> (i64): the label of a loop takes what comes in, that of a block what
     * comes out. */
    VALID(0x41, 0, 0x03, 1, 0x41, 0, 0x0e, 2, 0, 0, 0, 0x0b, 0x1a, 0x0b);
    REFUSED("type mismatch", 0x41, 0, 0x02, 1, 0x03, 1, 0x41, 0, 0x0e, 2, 0, 1, 0, 0x0b, 0x0b, 0x1a,
            0x0b);
    REFUSED("type mismatch", 0x41, 0, 0x03, 1, 0x02, 1, 0x41, 0, 0x0e, 2, 1, 0, 1, 0x0b, 0x0b, 0x1a,
            0x0b);
}

/* What is below the reference is the label's, too. */
static void branches_on_null_give_all_that_labels_take(void **state)
{
    (void)state;
    VALID(0x02, 0x7e, 0x42, 0, 0xd0, 0x70, 0xd5, 0, 0x1a, 0x0b, 0x1a, 0x0b);
    REFUSED("type mismatch in br_on_null", 0x02, 0x7e, 0xd0, 0x70, 0xd5, 0, 0x1a, 0x0b, 0x1a, 0x0b);
    REFUSED("type mismatch in br_on_null", 0x02, 0x7e, 0x41, 0, 0xd0, 0x70, 0xd5, 0, 0x1a, 0x0b,
            0x1a, 0x0b);
    /* br_on_non_null, to a block of type 2 or 4. */
    VALID(0x02, 2, 0x42, 0, 0xd0, 0x70, 0xd6, 0, 0xd0, 0x70, 0x0b, 0x1a, 0x1a, 0x0b);
    REFUSED("type mismatch in br_on_non_null", 0x02, 2, 0xd0, 0x70, 0xd6, 0, 0xd0, 0x70, 0x0b, 0x1a,
            0x1a, 0x0b);
    REFUSED("type mismatch in br_on_non_null", 0x02, 2, 0x41, 0, 0xd0, 0x70, 0xd6, 0, 0xd0, 0x70,
            0x0b, 0x1a, 0x1a, 0x0b);
    VALID(0x02, 4, 0xd0, 0x6f, 0xd6, 0, 0xd0, 0x6f, 0x0b, 0x1a, 0x0b);
    REFUSED("type mismatch in br_on_non_null", 0x02, 4, 0xd0, 0x70, 0xd6, 0, 0xd0, 0x6f, 0x0b, 0x1a,
            0x0b);
    REFUSED("does not end with a reference", 0x02, 0x7e, 0xd0, 0x70, 0xd6, 0, 0x42, 0, 0x0b, 0x1a,
            0x0b);
    REFUSED("does not end with a reference", 0x02, 0x40, 0xd0, 0x70, 0xd6, 0, 0x0b, 0x0b);
}

/* The parameters come out when it is not taken. */
static void an_if_without_else_changes_no_types(void **state)
{
    (void)state;
    VALID(0x41, 0, 0x41, 0, 0x04, 3, 0x0b, 0x1a, 0x0b);
    REFUSED("type mismatch", 0x41, 0, 0x41, 0, 0x04, 1, 0x1a, 0x42, 0, 0x0b, 0x1a, 0x0b);
    VALID(0x41, 0, 0x41, 0, 0x04, 1, 0x1a, 0x42, 0, 0x05, 0x1a, 0x42, 1, 0x0b, 0x1a, 0x0b);
}

/* Also behind a block within; and not behind the end of the block that it is in. */
static void unreachable_code_takes_anything(void **state)
{
    (void)state;
    VALID(0x00, 0x02, 0x40, 0x0b, 0x6a, 0x1a, 0x0b);
    VALID(0x00, 0x02, 0x40, 0x00, 0x0b, 0x02, 0x40, 0x0b, 0x6a, 0x1a, 0x0b);
    REFUSED("type mismatch in i32.add", 0x02, 0x40, 0x00, 0x0b, 0x6a, 0x1a, 0x0b);
    REFUSED("type mismatch in i32.add", 0x41, 0, 0x04, 0x40, 0x00, 0x05, 0x6a, 0x1a, 0x0b, 0x0b);
    /* What is there is of the last of the types that are wanted: here of a label of type 2. */
    VALID(0x02, 2, 0x00, 0xd0, 0x70, 0x0c, 0, 0x0b, 0x1a, 0x1a, 0x0b);
    REFUSED("type mismatch in br", 0x02, 2, 0x00, 0x42, 0, 0x0c, 0, 0x0b, 0x1a, 0x1a, 0x0b);
    /* But references are not selected without a type. */
    REFUSED("select of references", 0x00, 0xd0, 0x70, 0x41, 0, 0x1b, 0x1a, 0x0b);
    VALID(0x00, 0x41, 1, 0x41, 0, 0x1b, 0x1a, 0x0b);
    REFUSED("type mismatch in i64.eqz", 0x00, 0x41, 1, 0x41, 0, 0x1b, 0x50, 0x1a, 0x0b);
}

/* The older form: any number of catch, then perhaps catch_all; rethrow and throw end what they are
 * in. */
static void older_handlers_follow_each_other(void **state)
{
    (void)state;
    VALID(0x06, 0x40, 0x07, 0, 0x07, 0, 0x07, 0, 0x19, 0x0b, 0x0b);
    REFUSED("catch without try", 0x06, 0x40, 0x19, 0x07, 0, 0x0b, 0x0b);
    REFUSED("catch_all without try", 0x06, 0x40, 0x19, 0x19, 0x0b, 0x0b);
    REFUSED("catch without try", 0x02, 0x40, 0x07, 0, 0x0b, 0x0b);
    VALID(0x06, 0x7f, 0x41, 0, 0x07, 0, 0x09, 0, 0x19, 0x09, 0, 0x0b, 0x1a, 0x0b);
    VALID(0x02, 0x7f, 0x08, 0, 0x0b, 0x1a, 0x0b);
    REFUSED("invalid rethrow label 0", 0x06, 0x40, 0x09, 0, 0x0b, 0x0b);
    REFUSED("invalid rethrow label 1", 0x02, 0x40, 0x06, 0x40, 0x19, 0x09, 1, 0x0b, 0x0b, 0x0b);
}

static void handlers_have_a_limit(void **state)
{
    struct wasm_limits_config limits = wasm_limits_default;
    struct wasm_error err;

    (void)state;
    limits.br_table_targets = 2;
    for (uint8_t n = 1; n < 5; n++) {
        static const uint8_t clauses[] = {2, 0, 2, 0, 2, 0, 2, 0};
        struct bytes code = {0};
        put(&code, B(0x1f, 0x40, n));
        put(&code, clauses, 2u * n);
        put(&code, B(0x0b, 0x0b));
        struct bytes m = module(B(0), code.data, code.size);
        const enum wasm_status status =
            decode_with(m.data, m.size, WASM_FEATURES_ALL, &limits, &err);
        assert_int_equal(status == WASM_OK, n <= 2);
        if (n > 2)
            assert_non_null(strstr(err.message, "catch clauses"));
        bytes_free(&m);
        bytes_free(&code);
    }
}

/* However many there are before. */
static void locals_are_of_the_type_of_their_run(void **state)
{
    /* 5000 i32, 1 i64, none of f64, 9000 f32, 2 f64 */
#define LOCALS B(5, 0x88, 0x27, 0x7f, 1, 0x7e, 0, 0x7c, 0xa8, 0xc6, 0, 0x7d, 2, 0x7c)
    static const struct {
        uint32_t index;
        uint8_t test; /* an operator that takes the type */
    } locals[] = {{0, 0x45},     {1, 0x45},     {255, 0x45},  {4998, 0x45},
                  {4999, 0x45},  {5000, 0x50},  {5001, 0x8b}, {9000, 0x8b},
                  {14000, 0x8b}, {14001, 0x99}, {14002, 0x99}};

    (void)state;
    for (size_t k = 0; k < sizeof(locals) / sizeof(*locals); k++)
        for (int t = 0; t < 4; t++) {
            static const uint8_t tests[] = {0x45, 0x50, 0x8b, 0x99};
            struct bytes code = {0};
            put_byte(&code, 0x20);
            put_u32(&code, locals[k].index);
            put(&code, B(tests[t], 0x1a, 0x0b));
            expect(tests[t] == locals[k].test ? NULL : "type mismatch", LOCALS, code.data,
                   code.size);
            bytes_free(&code);
        }
    expect("unknown local 14003", LOCALS, B(0x20, 0xb3, 0xed, 0, 0x1a, 0x0b));
#define MOST 0xff, 0xff, 0xff, 0xff, 0x0f
    expect("too many locals", B(2, MOST, 0x7f, 1, 0x7f), B(0x0b));
    expect("too many locals", B(3, MOST, 0x7f, MOST, 0x7f, 2, 0x7f), B(0x0b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_index_is_checked),
        cmocka_unit_test(atomics_are_naturally_aligned),
        cmocka_unit_test(every_target_of_br_table_is_checked),
        cmocka_unit_test(branches_on_null_give_all_that_labels_take),
        cmocka_unit_test(an_if_without_else_changes_no_types),
        cmocka_unit_test(unreachable_code_takes_anything),
        cmocka_unit_test(older_handlers_follow_each_other),
        cmocka_unit_test(handlers_have_a_limit),
        cmocka_unit_test(locals_are_of_the_type_of_their_run),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
