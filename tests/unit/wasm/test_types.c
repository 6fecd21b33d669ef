/* Types: recursion groups, which types are equal, what is a subtype, and that no choice of types
 * makes the decoder slow. */
#include "build.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define VALID(...) assert_valid(B(__VA_ARGS__))
#define INVALID(offset, message, ...) assert_error(B(__VA_ARGS__), WASM_INVALID, offset, message)
#define MALFORMED(offset, message, ...)                                                            \
    assert_error(B(__VA_ARGS__), WASM_MALFORMED, offset, message)

static struct wasm_module decode(struct bytes *b)
{
    struct wasm_module m;
    struct wasm_error err;
    if (wasm_module_decode(b->data, b->size, WASM_FEATURES_ALL, NULL, &m, &err) != WASM_OK)
        fail_msg("0x%llx: %s", (unsigned long long)err.offset, err.message);
    return m;
}

static void groups(void **state)
{
    (void)state;
    /* A type may refer to itself, and in a group to later ones. */
    VALID(HEADER, 1, 6, 1, 0x60, 1, 0x63, 0, 0);
    VALID(HEADER, 1, 13, 1, 0x4e, 2, 0x60, 1, 0x63, 1, 0, 0x60, 1, 0x64, 0, 0);
    VALID(HEADER, 1, 3, 1, 0x4e, 0);
    VALID(HEADER, 1, 6, 1, 0x50, 0, 0x60, 0, 0);
    VALID(HEADER, 1, 6, 1, 0x4f, 0, 0x60, 0, 0);
    INVALID(13, "unknown type 1", HEADER, 1, 6, 1, 0x60, 1, 0x63, 1, 0);
    INVALID(15, "unknown type 2", HEADER, 1, 11, 1, 0x4e, 2, 0x60, 1, 0x63, 2, 0, 0x60, 0, 0);
    MALFORMED(11, "malformed type form 0x4d", HEADER, 1, 3, 1, 0x4d, 0);
    MALFORMED(12, "unexpected end of section or function: 9 types declared", HEADER, 1, 3, 1, 0x4e,
              9);
    assert_error(B(HEADER, 1, 10, 2, 0x60, 0, 0, 0x50, 1, 0, 0x60, 0, 0), WASM_UNSUPPORTED, 14,
                 "a supertype: garbage collection");
}

static void heap_types(void **state)
{
    (void)state;
    static const uint8_t plain[] = {0x74, 0x73, 0x72, 0x70, 0x6f, 0x69};
    for (size_t i = 0; i < sizeof plain; i++) {
        VALID(HEADER, 1, 5, 1, 0x60, 1, plain[i], 0);
        VALID(HEADER, 1, 6, 1, 0x60, 1, 0x63, plain[i], 0);
        VALID(HEADER, 1, 6, 1, 0x60, 1, 0x64, plain[i], 0);
    }
    for (uint8_t gc = 0x6a; gc <= 0x6e; gc++)
        assert_error(B(HEADER, 1, 5, 1, 0x60, 1, gc, 0), WASM_UNSUPPORTED, 13,
                     "a heap type: garbage");
    MALFORMED(14, "malformed heap type 0x7f", HEADER, 1, 6, 1, 0x60, 1, 0x63, 0x7f, 0);
    MALFORMED(14, "malformed heap type", HEADER, 1, 7, 1, 0x60, 1, 0x63, 0xf0, 0x7f, 0);
    INVALID(14, "unknown type 16777216", HEADER, 1, 9, 1, 0x60, 1, 0x63, 0x80, 0x80, 0x80, 0x08, 0);
    /* (ref null func) is funcref. */
    struct bytes b = start_module();
    put(&b, B(1, 7, 1, 0x60, 2, 0x63, 0x70, 0x70, 0));
    struct wasm_module m = decode(&b);
    assert_int_equal(m.types[0].params[0], WASM_FUNCREF);
    assert_int_equal(m.types[0].params[1], WASM_FUNCREF);
    wasm_module_free(&m);
    bytes_free(&b);
}

/* A type index in a heap type: a signed number. */
static void put_index(struct bytes *s, uint32_t index)
{
    while (index > 0x3f) {
        put_byte(s, (uint8_t)(index | 0x80));
        index >>= 7;
    }
    put_byte(s, (uint8_t)index);
}

/* Groups of up to three types with up to two parameters, chosen so that many are equal. */
static uint32_t put_random_group(struct bytes *s, uint32_t first, unsigned *seed)
{
    const uint32_t size = 1 + (uint32_t)rand_r(seed) % 3;
    put(s, B(0x4e));
    put_u32(s, size);
    for (uint32_t i = 0; i < size; i++) {
        const unsigned n = (unsigned)rand_r(seed) % 3;
        if (rand_r(seed) % 8 == 0)
            put(s, B(0x50, 0));
        put(s, B(0x60, (uint8_t)n));
        for (unsigned k = 0; k < n; k++) {
            if (rand_r(seed) % 2) {
                put_byte(s, rand_r(seed) % 2 ? 0x7f : 0x70);
                continue;
            }
            put_byte(s, rand_r(seed) % 4 ? 0x63 : 0x64);
            put_index(s, rand_r(seed) % 2
                             ? first + (uint32_t)rand_r(seed) % size
                             : (uint32_t)rand_r(seed) % (first < 4 ? first + size : 4));
        }
        put_byte(s, 0);
    }
    return size;
}

static bool same_valtype(wasm_valtype a, uint32_t group_a, wasm_valtype b, uint32_t group_b,
                         const uint32_t *first_equal)
{
    if (!wasm_ref_is_concrete(a) || !wasm_ref_is_concrete(b))
        return a == b;
    if ((a & 0xff) != (b & 0xff))
        return false;
    const uint32_t x = wasm_ref_index(a), y = wasm_ref_index(b);
    const bool in_a = x >= group_a, in_b = y >= group_b;
    return in_a == in_b && (in_a ? x - group_a == y - group_b : first_equal[x] == first_equal[y]);
}

static bool same_group(const struct wasm_module *m, uint32_t a, uint32_t b,
                       const uint32_t *first_equal)
{
    if (m->types[a].group_size != m->types[b].group_size)
        return false;
    for (uint32_t i = 0; i < m->types[a].group_size; i++) {
        const struct wasm_functype *x = &m->types[a + i], *y = &m->types[b + i];
        if (x->nparams != y->nparams || x->is_open != y->is_open)
            return false;
        for (uint32_t k = 0; k < x->nparams; k++)
            if (!same_valtype(x->params[k], a, y->params[k], b, first_equal))
                return false;
    }
    return true;
}

static void equal_types_are_found(void **state)
{
    (void)state;
    enum { GROUPS = 600 };
    unsigned seed = 1;
    for (int round = 0; round < 5; round++) {
        struct bytes b = start_module(), s = {0};
        uint32_t n = 0;
        put_u32(&s, GROUPS);
        for (int i = 0; i < GROUPS; i++)
            n += put_random_group(&s, n, &seed);
        put_section(&b, 1, &s);
        struct wasm_module m = decode(&b);
        assert_int_equal(m.ntypes, n);
        uint32_t *first_equal = calloc(n, sizeof *first_equal), distinct = 0;
        for (uint32_t g = 0; g < n; g += m.types[g].group_size) {
            uint32_t h = 0;
            while (h < g && !same_group(&m, h, g, first_equal))
                h += m.types[h].group_size;
            distinct += h == g;
            for (uint32_t i = 0; i < m.types[g].group_size; i++) {
                first_equal[g + i] = h + i;
                assert_int_equal(m.types[g + i].canonical, h + i);
            }
        }
        assert_true(distinct > 20 && distinct < GROUPS - 20);
        free(first_equal);
        wasm_module_free(&m);
        bytes_free(&b);
    }
}

/* Types that share long beginnings, of all lengths, and many short ones. */
static void similar_types_take_no_longer(void **state)
{
    (void)state;
    enum { LONG = 3000, SHORT = 100000 };
    struct bytes b = start_module(), s = {0};
    put_u32(&s, LONG + SHORT);
    for (uint32_t i = 0; i < LONG; i++) {
        put_byte(&s, 0x60);
        put_u32(&s, 1000);
        put_times(&s, 0x7c, 999 - i % 999);
        put_times(&s, 0x7d, 1 + i % 999);
        put_byte(&s, 0);
    }
    for (uint32_t i = 0; i < SHORT; i++)
        put(&s, B(0x60, 1, 0x7c, 0));
    put_section(&b, 1, &s);
    const clock_t start = clock();
    struct wasm_module m = decode(&b);
    const double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
    assert_int_equal(m.types[LONG + SHORT - 1].canonical, LONG);
    assert_true(seconds < 10);
    wasm_module_free(&m);
    bytes_free(&b);
}

/* A module with types 0 = () -> () and 1 = (i32) -> (), tag 0 of type 1, and function 0, exported,
 * of type 0 with this body: locals and code. NULL for `message`: it is valid. `offset` counts from
 * the body. */
static void check_body(const uint8_t *body, size_t size, enum wasm_status status, uint64_t offset,
                       const char *message)
{
    struct bytes b = start_module(), s = {0}, sized = {0};
    put(&b, B(1, 8, 2, 0x60, 0, 0, 0x60, 1, 0x7f, 0, 3, 2, 1, 0, 13, 3, 1, 0, 1));
    put(&b, B(7, 5, 1, 1, 'f', 0, 0));
    put_byte(&s, 1);
    put(&sized, body, size);
    put_sized(&s, &sized);
    put_section(&b, 10, &s);
    if (message)
        assert_built_error(&b, status, b.size - size + offset, message);
    else
        assert_built_valid(&b);
}
#define BODY(...) check_body(B(__VA_ARGS__), WASM_OK, 0, NULL)
#define BAD_BODY(offset, message, ...) check_body(B(__VA_ARGS__), WASM_INVALID, offset, message)
#define MALFORMED_BODY(offset, message, ...)                                                       \
    check_body(B(__VA_ARGS__), WASM_MALFORMED, offset, message)
#define LOCAL_REF 1, 1, 0x64, 0 /* (local (ref 0)) */

static void locals_without_default_must_be_set(void **state)
{
    (void)state;
    BODY(LOCAL_REF, 0xd2, 0, 0x21, 0, 0x0b);
    BAD_BODY(4, "uninitialized local 0", LOCAL_REF, 0x20, 0, 0x1a, 0x0b);
    BODY(LOCAL_REF, 0xd2, 0, 0x21, 0, 0x20, 0, 0x1a, 0x0b);
    BODY(LOCAL_REF, 0xd2, 0, 0x22, 0, 0x1a, 0x20, 0, 0x1a, 0x0b);
    /* Set in a block, it is not set behind it. */
    BAD_BODY(11, "uninitialized local 0", LOCAL_REF, 0x02, 0x40, 0xd2, 0, 0x21, 0, 0x0b, 0x20, 0,
             0x1a, 0x0b);
    /* Nor in the other half of an if, or in a handler. */
    BAD_BODY(13, "uninitialized local 0", LOCAL_REF, 0x41, 0, 0x04, 0x40, 0xd2, 0, 0x21, 0, 0x05,
             0x20, 0, 0x1a, 0x0b, 0x0b);
    BAD_BODY(11, "uninitialized local 0", LOCAL_REF, 0x06, 0x40, 0xd2, 0, 0x21, 0, 0x19, 0x20, 0,
             0x1a, 0x0b, 0x0b);
    /* Set before a block, it is set in it and behind it. */
    BODY(LOCAL_REF, 0xd2, 0, 0x21, 0, 0x02, 0x40, 0x20, 0, 0x1a, 0x0b, 0x20, 0, 0x1a, 0x0b);
    /* What has a default needs nothing. */
    BODY(1, 1, 0x63, 0, 0x20, 0, 0x1a, 0x0b);
}

static void references_are_matched(void **state)
{
    (void)state;
    /* ref.func 0 is (ref 0): call_ref 0 takes it, call_ref 1 does not. */
    BODY(0, 0xd2, 0, 0x14, 0, 0x0b);
    BAD_BODY(5, "type mismatch in call_ref: expected (ref null 1), found (ref 0)", 0, 0x41, 0, 0xd2,
             0, 0x14, 1, 0x0b);
    BODY(0, 0xd0, 0x73, 0x14, 0, 0x0b);
    BAD_BODY(3, "type mismatch in call_ref: expected (ref null 0), found funcref", 0, 0xd0, 0x70,
             0x14, 0, 0x0b);
    BAD_BODY(1, "unknown type 2", 0, 0xd0, 2, 0x1a, 0x0b);
    BAD_BODY(1, "unknown type 2", 0, 0x14, 2, 0x0b);
    /* What br_on_null lets through is not null; what br_on_non_null carries neither. */
    BODY(0, 0x02, 0x64, 0, 0xd0, 0, 0xd5, 1, 0x0b, 0x1a, 0x0b);
    BAD_BODY(3, "type mismatch in br_on_non_null: the label does not end", 0, 0xd0, 0, 0xd6, 0,
             0x0b);
    BODY(0, 0x02, 0x64, 0, 0xd0, 0, 0xd6, 0, 0x00, 0x0b, 0x1a, 0x0b);
    /* Of what unreachable code makes up, anything. */
    BODY(0, 0x00, 0xd4, 0x14, 0, 0x0b);
    BODY(0, 0x00, 0xd4, 0xd1, 0x1a, 0x0b);
    BAD_BODY(3, "type mismatch in i32.eqz: expected i32, found any reference", 0, 0x00, 0xd4, 0x45,
             0x1a, 0x0b);
    BAD_BODY(3, "type mismatch in ref.as_non_null: expected a reference, found i32", 0, 0x41, 0,
             0xd4, 0x1a, 0x0b);
}

static void tail_calls_have_the_results_of_their_function(void **state)
{
    (void)state;
    BODY(0, 0x12, 0, 0x0b);
    BODY(0, 0xd2, 0, 0x15, 0, 0x0b);
    BAD_BODY(1, "unknown table 0", 0, 0x13, 0, 0, 0x0b);
    assert_error(B(HEADER, 1, 8, 2, 0x60, 0, 0, 0x60, 0, 1, 0x7f, 3, 3, 2, 0, 1, 10, 11, 2, 4, 0,
                   0x12, 1, 0x0b, 4, 0, 0x41, 0, 0x0b),
                 WASM_INVALID, 28, "type mismatch in return_call: 1 results for a function with 0");
}

static void exceptions(void **state)
{
    (void)state;
    BODY(0, 0x41, 0, 0x08, 0, 0x0b);
    BAD_BODY(1, "type mismatch in throw", 0, 0x08, 0, 0x0b);
    BAD_BODY(1, "unknown tag 1", 0, 0x08, 1, 0x0b);
    BODY(0, 0xd0, 0x69, 0x0a, 0x0b);
    BAD_BODY(3, "type mismatch in throw_ref: expected exnref, found externref", 0, 0xd0, 0x6f, 0x0a,
             0x0b);
    /* catch, catch_ref, catch_all, catch_all_ref and the values that labels get */
    BODY(0, 0x02, 0x7f, 0x1f, 0x40, 1, 0, 0, 0, 0x0b, 0x41, 0, 0x0b, 0x1a, 0x0b);
    BODY(0, 0x02, 0x64, 0x69, 0x1f, 0x40, 1, 3, 0, 0x0b, 0x00, 0x0b, 0x1a, 0x0b);
    BODY(0, 0x1f, 0x40, 1, 2, 0, 0x0b, 0x0b);
    BAD_BODY(1, "type mismatch in try_table: 1 values caught for a label with 0", 0, 0x1f, 0x40, 1,
             0, 0, 0, 0x0b, 0x0b);
    BAD_BODY(1, "type mismatch in try_table: 2 values caught for a label with 0", 0, 0x1f, 0x40, 1,
             1, 0, 0, 0x0b, 0x0b);
    BAD_BODY(3, "type mismatch in try_table: expected i32, found (ref exn)", 0, 0x02, 0x7f, 0x1f,
             0x40, 1, 3, 0, 0x0b, 0x41, 0, 0x0b, 0x1a, 0x0b);
    BAD_BODY(1, "unknown tag 1", 0, 0x1f, 0x40, 1, 0, 1, 0, 0x0b, 0x0b);
    BAD_BODY(1, "unknown label 1", 0, 0x1f, 0x40, 1, 2, 1, 0x0b, 0x0b);
    MALFORMED_BODY(4, "malformed catch clause 0x04", 0, 0x1f, 0x40, 1, 4, 0, 0x0b, 0x0b);
    MALFORMED_BODY(7, "unexpected end", 0, 0x1f, 0x40, 0x7f, 2, 0, 0x0b);
}

static void legacy_exceptions(void **state)
{
    (void)state;
    BODY(0, 0x06, 0x40, 0x07, 0, 0x1a, 0x19, 0x0b, 0x0b);
    BODY(0, 0x06, 0x40, 0x0b, 0x0b);
    BODY(0, 0x06, 0x40, 0x19, 0x09, 0, 0x0b, 0x0b);
    BODY(0, 0x06, 0x40, 0x06, 0x40, 0x18, 0, 0x19, 0x0b, 0x0b);
    BODY(0, 0x06, 0x40, 0x18, 0, 0x0b);
    BAD_BODY(3, "unknown label 1", 0, 0x06, 0x40, 0x18, 1, 0x0b);
    BAD_BODY(3, "invalid rethrow label 0", 0, 0x06, 0x40, 0x09, 0, 0x0b, 0x0b);
    BAD_BODY(3, "unknown tag 1", 0, 0x06, 0x40, 0x07, 1, 0x0b, 0x0b);
    BAD_BODY(5, "type mismatch: 1 more values", 0, 0x06, 0x40, 0x07, 0, 0x0b, 0x0b);
    MALFORMED_BODY(1, "END opcode expected: catch without try", 0, 0x07, 0, 0x0b);
    MALFORMED_BODY(3, "END opcode expected: catch_all without try", 0, 0x02, 0x40, 0x19, 0x0b,
                   0x0b);
    MALFORMED_BODY(4, "END opcode expected: catch without try", 0, 0x06, 0x40, 0x19, 0x07, 0, 0x0b,
                   0x0b);
    MALFORMED_BODY(3, "END opcode expected: delegate without try", 0, 0x02, 0x40, 0x18, 0, 0x0b);
    MALFORMED_BODY(4, "END opcode expected: delegate without try", 0, 0x06, 0x40, 0x19, 0x18, 0,
                   0x0b);
}

static void memories_and_tables(void **state)
{
    (void)state;
    VALID(HEADER, 5, 3, 1, 4, 0);                                  /* i64 */
    VALID(HEADER, 5, 4, 1, 3, 0, 1);                               /* shared */
    VALID(HEADER, 5, 4, 1, 8, 0, 0);                               /* pages of a byte */
    VALID(HEADER, 5, 8, 1, 4, 0x80, 0x80, 0x80, 0x80, 0x80, 0x40); /* 2**41 */
    INVALID(11, "shared memory must have maximum", HEADER, 5, 3, 1, 2, 0);
    INVALID(13, "invalid custom page size 2**1", HEADER, 5, 4, 1, 8, 0, 1);
    MALFORMED(13, "malformed custom page size 2**64", HEADER, 5, 4, 1, 8, 0, 64);
    INVALID(11, "memory size must be at most 281474976710656 pages", HEADER, 5, 9, 1, 4, 0x81, 0x80,
            0x80, 0x80, 0x80, 0x80, 0x40);
    MALFORMED(12, "malformed limits flags 0x02", HEADER, 4, 4, 1, 0x70, 2, 0);
    INVALID(11, "table size must be at most 2**32-1", HEADER, 4, 8, 1, 0x70, 0, 0x80, 0x80, 0x80,
            0x80, 0x10);
    /* Tables of what is never null need something to hold. */
    INVALID(11, "type mismatch: a table of (ref func) needs an initialiser", HEADER, 4, 5, 1, 0x64,
            0x70, 0, 0);
    VALID(HEADER, 4, 9, 1, 0x40, 0, 0x70, 0, 1, 0xd0, 0x70, 0x0b);
    MALFORMED(12, "malformed table", HEADER, 4, 9, 1, 0x40, 1, 0x70, 0, 1, 0xd0, 0x70, 0x0b);
    INVALID(18, "type mismatch in end: expected funcref, found externref", HEADER, 4, 9, 1, 0x40, 0,
            0x70, 0, 1, 0xd0, 0x6f, 0x0b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups),
        cmocka_unit_test(heap_types),
        cmocka_unit_test(equal_types_are_found),
        cmocka_unit_test(similar_types_take_no_longer),
        cmocka_unit_test(locals_without_default_must_be_set),
        cmocka_unit_test(references_are_matched),
        cmocka_unit_test(tail_calls_have_the_results_of_their_function),
        cmocka_unit_test(exceptions),
        cmocka_unit_test(legacy_exceptions),
        cmocka_unit_test(memories_and_tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
