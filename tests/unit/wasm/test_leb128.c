#include "build.h"

#include <string.h>

#include "wasm/cursor.h"

struct reading {
    struct wasm_cursor c;
    bool is_signed;
    unsigned bits;
    uint64_t value;
};

static void read_one(void *arg)
{
    struct reading *r = arg;
    r->value =
        r->is_signed ? (uint64_t)wasm_read_sleb(&r->c, r->bits) : wasm_read_uleb(&r->c, r->bits);
}

/* Offset 0 and NULL stand for success. */
static void check(bool is_signed, unsigned bits, const uint8_t *bytes, size_t size, uint64_t value,
                  const char *message)
{
    struct wasm_error err = {.status = WASM_OK};
    struct wasm_failure failure = {.err = &err};
    struct reading r = {{bytes, bytes + size, bytes, &failure, 0}, is_signed, bits, 0};
    bool ok = wasm_attempt(&failure, read_one, &r);
    if (message) {
        assert_false(ok);
        assert_int_equal(err.status, WASM_MALFORMED);
        assert_int_equal(strncmp(err.message, message, strlen(message)), 0);
    } else {
        assert_true(ok);
        assert_true(r.value == value);
        assert_ptr_equal(r.c.pos, bytes + size);
    }
}
#define UNSIGNED(bits, value, ...) check(false, bits, B(__VA_ARGS__), value, NULL)
#define SIGNED(bits, value, ...) check(true, bits, B(__VA_ARGS__), (uint64_t)(value), NULL)
#define UNSIGNED_FAILS(bits, message, ...) check(false, bits, B(__VA_ARGS__), 0, message)
#define SIGNED_FAILS(bits, message, ...) check(true, bits, B(__VA_ARGS__), 0, message)

static const char too_long[] = "integer representation too long";
static const char too_large[] = "integer too large";

static void unsigned_values(void **state)
{
    (void)state;
    UNSIGNED(32, 0, 0x00);
    UNSIGNED(32, 127, 0x7f);
    UNSIGNED(32, 128, 0x80, 0x01);
    UNSIGNED(32, UINT32_MAX, 0xff, 0xff, 0xff, 0xff, 0x0f);
    UNSIGNED(64, UINT64_MAX, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01);
}

static void signed_values(void **state)
{
    (void)state;
    SIGNED(32, 0, 0x00);
    SIGNED(32, 63, 0x3f);
    SIGNED(32, -64, 0x40);
    SIGNED(32, -1, 0x7f);
    SIGNED(32, 64, 0xc0, 0x00);
    SIGNED(32, INT32_MAX, 0xff, 0xff, 0xff, 0xff, 0x07);
    SIGNED(32, INT32_MIN, 0x80, 0x80, 0x80, 0x80, 0x78);
    SIGNED(33, UINT32_MAX, 0xff, 0xff, 0xff, 0xff, 0x0f);
    SIGNED(64, INT64_MIN, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x7f);
    SIGNED(64, INT64_MAX, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00);
}

static void padding_is_legal_up_to_the_last_byte(void **state)
{
    (void)state;
    UNSIGNED(32, 3, 0x83, 0x80, 0x80, 0x80, 0x00);
    SIGNED(32, 3, 0x83, 0x80, 0x80, 0x80, 0x00);
    SIGNED(32, -1, 0xff, 0xff, 0xff, 0xff, 0x7f);
    SIGNED(64, -1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f);
    UNSIGNED_FAILS(32, too_long, 0x83, 0x80, 0x80, 0x80, 0x80, 0x00);
    SIGNED_FAILS(32, too_long, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f);
    UNSIGNED_FAILS(64, too_long, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00);
}

static void unused_bits_must_be_zero_or_the_sign(void **state)
{
    (void)state;
    UNSIGNED_FAILS(32, too_large, 0x80, 0x80, 0x80, 0x80, 0x10);
    UNSIGNED_FAILS(32, too_large, 0x80, 0x80, 0x80, 0x80, 0x70);
    UNSIGNED_FAILS(64, too_large, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02);
    SIGNED_FAILS(32, too_large, 0xff, 0xff, 0xff, 0xff, 0x0f);
    SIGNED_FAILS(32, too_large, 0x80, 0x80, 0x80, 0x80, 0x70);
    SIGNED_FAILS(32, too_large, 0xff, 0xff, 0xff, 0xff, 0x4f);
    SIGNED_FAILS(33, too_large, 0xff, 0xff, 0xff, 0xff, 0x1f);
    SIGNED_FAILS(64, too_large, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x7e);
    SIGNED_FAILS(64, too_large, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01);
}

static void cut_integers_end_unexpectedly(void **state)
{
    (void)state;
    UNSIGNED_FAILS(32, "unexpected end", 0x80);
    UNSIGNED_FAILS(32, "unexpected end", 0xff, 0xff, 0xff, 0xff);
    SIGNED_FAILS(64, "unexpected end", 0x80, 0x80);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unsigned_values),
        cmocka_unit_test(signed_values),
        cmocka_unit_test(padding_is_legal_up_to_the_last_byte),
        cmocka_unit_test(unused_bits_must_be_zero_or_the_sign),
        cmocka_unit_test(cut_integers_end_unexpectedly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
