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

void wasm_require(struct wasm_decoder *d, uint64_t offset, uint32_t feature, const char *what)
{
    uint32_t missing = feature & ~d->features;
    if (!missing)
        return;
    d->failure.err->feature = missing & -missing;
    wasm_fail(&d->failure, offset, WASM_UNSUPPORTED, "%s: the feature %s is not enabled", what,
              wasm_feature_name((uint32_t)__builtin_ctz(missing)));
}

static uint32_t type_features(wasm_valtype type)
{
    switch (type) {
    case 0: /* a block without results */
    case WASM_I32:
    case WASM_I64:
    case WASM_F32:
    case WASM_F64: return WASM_FEATURE_CORE;
    case WASM_V128: return WASM_FEATURE_SIMD;
    case WASM_FUNCREF:
    case WASM_EXTERNREF: return WASM_FEATURE_REFERENCE_TYPES;
    case WASM_EXNREF:
    case WASM_NULLEXNREF: return WASM_FEATURE_EXCEPTIONS;
    default: return WASM_FEATURE_FUNCTION_REFERENCES;
    }
}

void wasm_require_type(struct wasm_decoder *d, uint64_t offset, wasm_valtype type)
{
    uint32_t features = type_features(type);
    if (features & ~d->features)
        wasm_require(d, offset, features, wasm_valtype_name(type).text);
    if (wasm_ref_is_concrete(type))
        wasm_check_index(d, offset, "type", wasm_ref_index(type), d->visible_types);
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
