#include "accesses.h"

#include <inttypes.h>

const struct access loads[LOADS] =
    {
        {"i32.load8_s", "i32", 1, true},   {"i32.load8_u", "i32", 1, false},
        {"i32.load16_s", "i32", 2, true},  {"i32.load16_u", "i32", 2, false},
        {"i32.load", "i32", 4, false},     {"i64.load8_s", "i64", 1, true},
        {"i64.load8_u", "i64", 1, false},  {"i64.load16_s", "i64", 2, true},
        {"i64.load16_u", "i64", 2, false}, {"i64.load32_s", "i64", 4, true},
        {"i64.load32_u", "i64", 4, false}, {"i64.load", "i64", 8, false},
        {"f32.load", "f32", 4, false},     {"f64.load", "f64", 8, false},
},
                    stores[STORES] = {
                        {"i32.store8", "i32", 1, false},  {"i32.store16", "i32", 2, false},
                        {"i32.store", "i32", 4, false},   {"i64.store8", "i64", 1, false},
                        {"i64.store16", "i64", 2, false}, {"i64.store32", "i64", 4, false},
                        {"i64.store", "i64", 8, false},   {"f32.store", "f32", 4, false},
                        {"f64.store", "f64", 8, false},
};

/* What makes an i64 of a value of the type, and the other way round. */
static const char *to_i64(const char *type)
{
    return !strcmp(type, "i32")   ? "i64.extend_i32_u"
           : !strcmp(type, "f32") ? "i64.extend_i32_u (i32.reinterpret_f32"
           : !strcmp(type, "f64") ? "i64.reinterpret_f64"
                                  : "";
}

static const char *from_i64(const char *type)
{
    return !strcmp(type, "i32")   ? "i32.wrap_i64"
           : !strcmp(type, "f32") ? "f32.reinterpret_i32 (i32.wrap_i64"
           : !strcmp(type, "f64") ? "f64.reinterpret_i64"
                                  : "";
}

static const char *closing(const char *conversion)
{
    return strchr(conversion, '(') ? "))" : conversion[0] ? ")" : "";
}

void accesses_add(struct text *t, const char *memory, const char *address, uint64_t offset,
                  const char *index, const char *suffix)
{
    if (!index)
        index = "(local.get 0)";
    for (unsigned i = 0; i < LOADS; i++) {
        const char *open = to_i64(loads[i].type);
        text_add(t,
                 "(func (export \"load %u %" PRIu64 "%s\") (param %s) (result i64)"
                 " %s%s (%s %s offset=%" PRIu64 " %s)%s)\n",
                 i, offset, suffix, address, open[0] ? "(" : "", open, loads[i].op, memory, offset,
                 index, closing(open));
    }
    for (unsigned i = 0; i < STORES; i++) {
        const char *open = from_i64(stores[i].type);
        text_add(t,
                 "(func (export \"store %u %" PRIu64 "%s\") (param %s i64)"
                 " (%s %s offset=%" PRIu64 " %s %s%s %s%s))\n",
                 i, offset, suffix, address, stores[i].op, memory, offset, index,
                 open[0] ? "(" : "", open, "(local.get 1)", closing(open));
    }
}

uint8_t pattern(uint64_t at)
{
    return (uint8_t)(0x80 | (at * 37 >> 3));
}

uint64_t expected_load(const struct access *a, uint64_t at)
{
    uint64_t v = 0;

    for (unsigned i = 0; i < a->width; i++)
        v |= (uint64_t)pattern(at + i) << (8 * i);
    if (a->is_signed)
        v |= UINT64_MAX << (8 * a->width - 1); /* the pattern's highest bit is set */
    return strcmp(a->type, "i32") == 0 || strcmp(a->type, "f32") == 0 ? (uint32_t)v : v;
}
