/* What the decoders of the sections have in common. */
#include "wasm/decoder.h"

#include <string.h>

uint32_t wasm_decode_count(struct wasm_decoder *d, struct wasm_cursor *c, const char *what,
                           uint32_t limit)
{
    const uint8_t *start = c->pos;
    uint32_t count = wasm_read_u32(c);
    if (count > wasm_remaining(c))
        wasm_malformed(c, start,
                       "unexpected end of section or function: %u %s declared, "
                       "%zu bytes left",
                       count, what, wasm_remaining(c));
    wasm_check_limit(d, (uint64_t)(start - c->bytes), what, count, limit);
    return count;
}

void wasm_check_limit(struct wasm_decoder *d, uint64_t offset, const char *what, uint64_t number,
                      uint64_t limit)
{
    if (number > limit)
        wasm_fail(&d->failure, offset, WASM_LIMIT, "too many %s: %llu, the limit is %llu", what,
                  (unsigned long long)number, (unsigned long long)limit);
}

static const char *feature_name(uint32_t feature)
{
    switch (feature) {
    case WASM_FEATURE_SIGN_EXTENSION: return "sign-extension";
    case WASM_FEATURE_SATURATING_FLOAT_TO_INT: return "saturating-float-to-int";
    case WASM_FEATURE_MULTI_VALUE: return "multi-value";
    case WASM_FEATURE_REFERENCE_TYPES: return "reference-types";
    case WASM_FEATURE_BULK_MEMORY: return "bulk-memory";
    case WASM_FEATURE_SIMD: return "simd";
    case WASM_FEATURE_MUTABLE_GLOBALS: return "mutable-globals";
    default: return "unknown";
    }
}

void wasm_require(struct wasm_decoder *d, uint64_t offset, uint32_t feature, const char *what)
{
    if (feature & ~d->features)
        wasm_fail(&d->failure, offset, WASM_UNSUPPORTED, "%s: the feature %s is not enabled", what,
                  feature_name(feature));
}

void wasm_require_type(struct wasm_decoder *d, uint64_t offset, wasm_valtype type)
{
    if (type == WASM_V128)
        wasm_require(d, offset, WASM_FEATURE_SIMD, "v128");
    else if (wasm_is_ref(type))
        wasm_require(d, offset, WASM_FEATURE_REFERENCE_TYPES, wasm_valtype_name(type));
}

void wasm_check_index(struct wasm_decoder *d, uint64_t offset, const char *what, uint32_t index,
                      uint32_t count)
{
    if (index >= count)
        wasm_fail(&d->failure, offset, WASM_INVALID, "unknown %s %u", what, index);
}

wasm_valtype wasm_decode_valtype(struct wasm_decoder *d, struct wasm_cursor *c)
{
    uint32_t at = wasm_position(c);
    wasm_valtype type = wasm_read_valtype(c);
    wasm_require_type(d, at, type);
    return type;
}

struct wasm_bytes wasm_decode_name(struct wasm_decoder *d, struct wasm_cursor *c)
{
    uint32_t at = wasm_position(c);
    struct wasm_bytes name = wasm_read_name(c);
    wasm_check_limit(d, at, "bytes in a name", name.size, d->limits->name_length);
    return name;
}

void *wasm_resize(struct wasm_decoder *d, struct wasm_arena *arena, void *array, uint64_t old_count,
                  uint64_t count, size_t item_size)
{
    array = wasm_arena_resize(arena, array, old_count * item_size, count * item_size);
    if (!array)
        wasm_fail(&d->failure, 0, WASM_NO_MEMORY, "out of memory");
    return array;
}

void *wasm_array_room(struct wasm_decoder *d, struct wasm_arena *arena, void *array, uint32_t count,
                      uint32_t *capacity, uint32_t most, size_t item_size)
{
    if (count == *capacity) {
        uint64_t wanted = *capacity ? (uint64_t)*capacity * 2 : 16;
        if (wanted > most)
            wanted = most;
        array = wasm_resize(d, arena, array, *capacity, wanted, item_size);
        *capacity = (uint32_t)wanted;
    }
    memset((char *)array + count * item_size, 0, item_size);
    return array;
}
