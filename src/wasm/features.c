/* Features by name. */
#include <stdio.h>
#include <string.h>

#include "wasm/wasm.h"

static const char *const names[] = {
#define X(id, name, edition) name,
    WASM_FEATURES(X)
#undef X
};

static const struct {
    const char *name;
    uint32_t features;
} editions[] = {
    {"1.0", WASM_FEATURES_1_0},
    {"2.0", WASM_FEATURES_2_0},
    {"3.0", WASM_FEATURES_3_0},
    {"all", WASM_FEATURES_ALL},
};

const char *wasm_feature_name(uint32_t bit)
{
    return bit < WASM_FEATURE_COUNT ? names[bit] : NULL;
}

static bool is_word(const char *word, size_t size, const char *name)
{
    return strlen(name) == size && memcmp(word, name, size) == 0;
}

static bool apply(const char *word, size_t size, uint32_t *features)
{
    for (size_t i = 0; i < sizeof editions / sizeof *editions; i++)
        if (is_word(word, size, editions[i].name)) {
            *features = editions[i].features;
            return true;
        }
    if (size == 0 || (word[0] != '+' && word[0] != '-'))
        return false;
    for (uint32_t bit = 0; bit < WASM_FEATURE_COUNT; bit++)
        if (is_word(word + 1, size - 1, names[bit])) {
            *features = word[0] == '+' ? *features | 1u << bit : *features & ~(1u << bit);
            return true;
        }
    return false;
}

bool wasm_features_parse(const char *list, uint32_t *features, struct wasm_bytes *wrong)
{
    for (const char *word = list;; word++) {
        const size_t size = strcspn(word, ",");
        if (!apply(word, size, features)) {
            *wrong = (struct wasm_bytes){(const uint8_t *)word, (uint32_t)size};
            return false;
        }
        word += size;
        if (*word == '\0')
            return true;
    }
}
