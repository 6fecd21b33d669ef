#include "tools/lucet-spectest/spectest.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* The types of values in scripts. Lanes of vectors use the first rows and i8, i16. */
static const struct kind {
    const char *name;
    unsigned bytes;
    enum lucet_val_type type;
} kinds[] = {
    {"i32", 4, lucet_val_type_i32},
    {"i64", 8, lucet_val_type_i64},
    {"f32", 4, lucet_val_type_f32},
    {"f64", 8, lucet_val_type_f64},
    {"v128", 16, lucet_val_type_v128},
    {"funcref", 8, lucet_val_type_funcref},
    {"externref", 8, lucet_val_type_externref},
    {"i8", 1, lucet_val_type_i8},
    {"i16", 2, lucet_val_type_i16},
};

static const struct kind *kind_of(const char *name)
{
    for (size_t i = 0; name && i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strcmp(kinds[i].name, name) == 0)
            return &kinds[i];
    }
    return NULL;
}

static const char *member(const json_t *json, const char *key)
{
    return json_string_value(json_object_get(json, key));
}

/* Integers come signed or unsigned; floats as the number of their bits. */
static uint64_t bits_of(const char *text)
{
    return text[0] == '-' ? (uint64_t)strtoll(text, NULL, 10) : strtoull(text, NULL, 10);
}

/* The host's references: script number n is n + 1, because 0 is the null reference. */
static uint64_t reference_of(const char *text)
{
    return strcmp(text, "null") == 0 ? 0 : bits_of(text) + 1;
}

static bool read_vector(const json_t *json, struct lucet_val *out)
{
    const struct kind *lane = kind_of(member(json, "lane_type"));
    const json_t *lanes = json_object_get(json, "value");

    if (!lane || lane->bytes > 8 || json_array_size(lanes) * lane->bytes != 16)
        return false;
    for (size_t i = 0; i < json_array_size(lanes); i++) {
        const char *text = json_string_value(json_array_get(lanes, i));
        const uint64_t bits = bits_of(text ? text : "0");
        memcpy(out->inner_val.as_v128 + i * lane->bytes, &bits, lane->bytes);
    }
    return true;
}

bool value_read(const json_t *json, struct lucet_val *out)
{
    const struct kind *kind = kind_of(member(json, "type"));
    const char *text = member(json, "value");

    if (!kind || kind->bytes < 4)
        return false;
    memset(out, 0, sizeof *out);
    out->ty = kind->type;
    if (kind->type == lucet_val_type_v128)
        return read_vector(json, out);
    if (!text)
        return false;
    if (kind->type == lucet_val_type_funcref && strcmp(text, "null") != 0)
        return false;
    out->inner_val.as_u64 = kind->type == lucet_val_type_externref ? reference_of(text)
                            : kind->type == lucet_val_type_funcref ? 0
                                                                   : bits_of(text);
    return true;
}

/* Whether `bytes` bytes are the number, or one of the NaNs, that `text` describes. A canonical NaN
 * has only the highest bit of its fraction, an arithmetic one at least that; both have any sign. */
static bool bits_match(const struct kind *kind, const char *text, const uint8_t *actual)
{
    const bool is_f32 = strcmp(kind->name, "f32") == 0;
    const uint64_t canonical = is_f32 ? 0x7fc00000 : UINT64_C(0x7ff8) << 48;
    const uint64_t sign = is_f32 ? 0x80000000 : UINT64_C(1) << 63;
    uint64_t bits = 0, expected;

    memcpy(&bits, actual, kind->bytes);
    if (strcmp(text, "nan:canonical") == 0)
        return (bits & ~sign) == canonical;
    if (strcmp(text, "nan:arithmetic") == 0)
        return (bits & canonical) == canonical;
    expected = bits_of(text);
    return memcmp(&expected, actual, kind->bytes) == 0;
}

static bool vector_matches(const json_t *expected, const uint8_t *actual)
{
    const struct kind *lane = kind_of(member(expected, "lane_type"));
    const json_t *lanes = json_object_get(expected, "value");

    if (!lane || lane->bytes > 8 || json_array_size(lanes) * lane->bytes != 16)
        return false;
    for (size_t i = 0; i < json_array_size(lanes); i++) {
        const char *text = json_string_value(json_array_get(lanes, i));
        if (!text || !bits_match(lane, text, actual + i * lane->bytes))
            return false;
    }
    return true;
}

static bool reference_matches(const struct kind *kind, const char *text,
                              const struct lucet_val *actual)
{
    if (!text) /* any but null */
        return actual->inner_val.as_u64 != 0;
    if (kind->type == lucet_val_type_funcref)
        return strcmp(text, "null") == 0 && actual->inner_val.as_ref == NULL;
    return actual->inner_val.as_u64 == reference_of(text);
}

static bool is_reference(enum lucet_val_type type)
{
    return type == lucet_val_type_funcref || type == lucet_val_type_externref;
}

/* Types whose only value is null. Of which hierarchy, validation has seen to. */
static bool is_null_type(const char *type)
{
    static const char *const names[] = {"refnull", "nullref", "nullfuncref", "nullexternref",
                                        "nullexnref"};
    for (size_t i = 0; type && i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(type, names[i]) == 0)
            return true;
    }
    return false;
}

bool value_matches(const json_t *expected, const struct lucet_val *actual)
{
    const char *type = member(expected, "type"), *text = member(expected, "value");
    const struct kind *kind = kind_of(type);
    const json_t *choice;
    size_t i;

    if (type && strcmp(type, "either") == 0) {
        json_array_foreach(json_object_get(expected, "values"), i, choice) {
            if (value_matches(choice, actual))
                return true;
        }
        return false;
    }
    if (is_null_type(type))
        return is_reference(actual->ty) && actual->inner_val.as_u64 == 0;
    if (!kind || actual->ty != kind->type)
        return false;
    if (kind->type == lucet_val_type_v128)
        return vector_matches(expected, actual->inner_val.as_v128);
    if (is_reference(kind->type))
        return reference_matches(kind, text, actual);
    return text && bits_match(kind, text, actual->inner_val.as_v128);
}

bool value_supported(const json_t *expected)
{
    const char *type = member(expected, "type");
    const struct kind *kind = kind_of(type);

    return type &&
           (strcmp(type, "either") == 0 || is_null_type(type) || (kind && kind->bytes >= 4));
}

void value_format(const struct lucet_val *v, char *out, size_t room)
{
    uint64_t halves[2];

    memcpy(halves, v->inner_val.as_v128, sizeof halves);
    switch (v->ty) {
    case lucet_val_type_i32: snprintf(out, room, "i32 %" PRId32, v->inner_val.as_i32); break;
    case lucet_val_type_i64: snprintf(out, room, "i64 %" PRId64, v->inner_val.as_i64); break;
    case lucet_val_type_f32: snprintf(out, room, "f32 0x%08" PRIx32, (uint32_t)halves[0]); break;
    case lucet_val_type_f64: snprintf(out, room, "f64 0x%016" PRIx64, halves[0]); break;
    case lucet_val_type_v128:
        snprintf(out, room, "v128 0x%016" PRIx64 "%016" PRIx64, halves[1], halves[0]);
        break;
    case lucet_val_type_funcref: snprintf(out, room, "funcref 0x%" PRIx64, halves[0]); break;
    case lucet_val_type_externref:
        if (halves[0] == 0)
            snprintf(out, room, "externref null");
        else
            snprintf(out, room, "externref %" PRIu64, halves[0] - 1);
        break;
    default: snprintf(out, room, "a value of type %d", (int)v->ty); break;
    }
}

void value_format_expected(const json_t *expected, char *out, size_t room)
{
    const char *type = member(expected, "type"), *text = member(expected, "value");
    char *all = json_dumps(json_object_get(expected, "value"), JSON_COMPACT | JSON_ENCODE_ANY);

    if (type && text && (strcmp(type, "f32") == 0 || strcmp(type, "f64") == 0) && text[0] != 'n')
        snprintf(out, room, "%s 0x%0*" PRIx64, type, type[1] == '3' ? 8 : 16, bits_of(text));
    else
        snprintf(out, room, "%s %s", type ? type : "?", text ? text : all ? all : "");
    free(all);
}
