#include "lucetc/features.h"

#include <stdio.h>

#include "lucetc/diagnostic.h"

bool features_of(const char *list, uint32_t *features, struct lucetc_diagnostic *d)
{
    struct wasm_bytes wrong;
    char word[100];

    *features = WASM_FEATURES_ALL;
    if (!list || wasm_features_parse(list, features, &wrong))
        return true;
    escape_name(word, sizeof word, wrong);
    if (wrong.size == 3 && word[1] == 'g' && word[2] == 'c')
        diagnose(d, "unsupported", "features: garbage collection (gc) is not supported");
    else
        diagnose(
            d, "unsupported",
            "features: \"%s\" is neither an edition (1.0, 2.0, 3.0, all) nor a feature with + or -",
            word);
    return false;
}

const char *lucetc_feature_name(unsigned index)
{
    return wasm_feature_name(index);
}

enum lucet_error lucetc_features_check(const char *list, char *message, size_t message_size)
{
    struct lucetc_diagnostic d;
    uint32_t features;

    if (!list)
        return lucet_error_invalid_argument;
    if (features_of(list, &features, &d))
        return lucet_error_ok;
    if (message && message_size > 0)
        snprintf(message, message_size, "%s", d.message);
    return lucet_error_invalid_argument;
}
