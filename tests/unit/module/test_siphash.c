/* The hash is the one that was published, and each key gives another. */
#include <cmocka.h>

#include "module/siphash.h"

static void known_values(void **state)
{
    static const struct lucet_siphash_key key = {{0x0706050403020100, 0x0f0e0d0c0b0a0908}};
    uint8_t bytes[15];
    (void)state;
    for (uint8_t i = 0; i < sizeof bytes; i++)
        bytes[i] = i;
    assert_int_equal(lucet_siphash(key, bytes, 0), 0x726fdb47dd0e0e31);
    assert_int_equal(lucet_siphash(key, bytes, 8), 0x93f5f5799a932462);
    assert_int_equal(lucet_siphash(key, bytes, 15), 0xa129ca6149be45e5);
}

static void keys_are_random(void **state)
{
    const struct lucet_siphash_key a = lucet_siphash_key(), b = lucet_siphash_key();
    (void)state;
    assert_true(a.words[0] != b.words[0] && a.words[1] != b.words[1]);
    assert_true(lucet_siphash(a, "name", 4) != lucet_siphash(b, "name", 4));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_values),
        cmocka_unit_test(keys_are_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
