/* A module with everything in it, cut and changed at every byte. */
#include "build.h"

#include <stdlib.h>
#include <string.h>

static void the_whole_is_valid(void **state)
{
    (void)state;
    size_t cuts[EVERYTHING_CUTS];
    struct bytes m = module_with_everything(cuts);
    assert_built_valid(&m);
}

static void every_cut_is_a_clean_error(void **state)
{
    (void)state;
    size_t cuts[EVERYTHING_CUTS];
    struct bytes m = module_with_everything(cuts);
    for (size_t size = 0; size < m.size; size++) {
        struct wasm_error err;
        enum wasm_status status = decode_with(m.data, size, WASM_FEATURES_ALL, NULL, &err);
        bool between_sections = false;
        for (const size_t *cut = cuts; *cut; cut++)
            between_sections |= *cut == size;
        if (!between_sections)
            assert_int_equal(status, WASM_MALFORMED);
    }
    bytes_free(&m);
}

static void every_changed_byte_is_accepted_or_a_clean_error(void **state)
{
    (void)state;
    size_t cuts[EVERYTHING_CUTS];
    struct bytes m = module_with_everything(cuts);
    static const uint8_t changes[] = {0x01, 0x10, 0x80, 0xff};
    for (size_t i = 0; i < m.size; i++) {
        uint8_t original = m.data[i];
        for (size_t k = 0; k < sizeof changes; k++) {
            struct wasm_error err;
            m.data[i] = original ^ changes[k];
            decode_with(m.data, m.size, WASM_FEATURES_ALL, NULL, &err);
        }
        m.data[i] = original;
    }
    bytes_free(&m);
}

static void every_removed_byte_is_accepted_or_a_clean_error(void **state)
{
    (void)state;
    size_t cuts[EVERYTHING_CUTS];
    struct bytes m = module_with_everything(cuts);
    uint8_t *copy = malloc(m.size);
    for (size_t i = 0; i < m.size; i++) {
        struct wasm_error err;
        memcpy(copy, m.data, i);
        memcpy(copy + i, m.data + i + 1, m.size - i - 1);
        decode_with(copy, m.size - 1, WASM_FEATURES_ALL, NULL, &err);
    }
    free(copy);
    bytes_free(&m);
}

/* With each budget a different allocation is the one that fails. */
static void every_failed_allocation_is_a_clean_error(void **state)
{
    (void)state;
    size_t cuts[EVERYTHING_CUTS];
    struct bytes m = module_with_everything(cuts);
    struct wasm_limits_config limits = wasm_limits_default;
    enum wasm_status status = WASM_NO_MEMORY;
    for (limits.memory = 0; status != WASM_OK; limits.memory += 512) {
        struct wasm_error err;
        status = decode_with(m.data, m.size, WASM_FEATURES_ALL, &limits, &err);
        assert_true(status == WASM_OK || status == WASM_NO_MEMORY);
        assert_true(limits.memory < 1 << 20);
    }
    bytes_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_whole_is_valid),
        cmocka_unit_test(every_cut_is_a_clean_error),
        cmocka_unit_test(every_changed_byte_is_accepted_or_a_clean_error),
        cmocka_unit_test(every_removed_byte_is_accepted_or_a_clean_error),
        cmocka_unit_test(every_failed_allocation_is_a_clean_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
