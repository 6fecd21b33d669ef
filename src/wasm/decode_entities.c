/* Declarations of functions, tables, memories and globals.
 *
 *     function = type:u32                       (its body is in the code section)
 *     table    = elem:reftype limits | 40 00 elem:reftype limits init:expr
 *     memory   = limits
 *     global   = type:valtype mutable:byte init:expr
 *     limits   = flags:byte min:u64 [max:u64] [page_log2:u32]
 *
 * Bits of the flags: 0 has max, 1 shared, 2 indices are i64, 3 has a page size. Before memory64,
 * min and max were u32. */
#include "wasm/decoder.h"

enum { HAS_MAX = 1, SHARED = 2, IS_64 = 4, HAS_PAGE_SIZE = 8 };

static uint8_t decode_limits(struct wasm_decoder *d, struct wasm_cursor *c, uint8_t allowed,
                             struct wasm_limits *out)
{
    const uint8_t *start = c->pos;
    uint32_t at = wasm_position(c);
    uint8_t flags = wasm_read_byte(c);
    if (flags & ~allowed)
        wasm_malformed(c, start, "malformed limits flags 0x%02x", flags);
    if (flags & SHARED)
        wasm_require(d, at, WASM_FEATURE_THREADS, "shared memory");
    if (flags & IS_64)
        wasm_require(d, at, WASM_FEATURE_MEMORY64, "64-bit limits");
    if (flags & HAS_PAGE_SIZE)
        wasm_require(d, at, WASM_FEATURE_CUSTOM_PAGE_SIZES, "page size");
    unsigned bits = d->features & WASM_FEATURE_MEMORY64 ? 64 : 32;
    struct wasm_limits limits = {.has_max = flags & HAS_MAX, .is64 = flags & IS_64};
    limits.min = wasm_read_uleb(c, bits);
    if (limits.has_max) {
        limits.max = wasm_read_uleb(c, bits);
        if (limits.min > limits.max)
            wasm_invalid(c, start, "size minimum must not be greater than maximum: %llu > %llu",
                         (unsigned long long)limits.min, (unsigned long long)limits.max);
    }
    *out = limits;
    return flags;
}

void wasm_decode_table_type(struct wasm_decoder *d, struct wasm_cursor *c)
{
    uint32_t at = wasm_position(c);
    struct wasm_table_type type = {.elem = wasm_read_reftype(c)};
    if (type.elem != WASM_FUNCREF)
        wasm_require_type(d, at, type.elem);
    decode_limits(d, c, HAS_MAX | IS_64, &type.limits);
    if (!type.limits.is64 &&
        (type.limits.min > UINT32_MAX || (type.limits.has_max && type.limits.max > UINT32_MAX)))
        wasm_fail(&d->failure, at, WASM_INVALID, "table size must be at most 2**32-1");
    wasm_check_limit(d, at, "initial table entries", type.limits.min, d->limits->table_initial);
    if (d->module->ntables > 0)
        wasm_require(d, at, WASM_FEATURE_REFERENCE_TYPES, "multiple tables");
    wasm_check_limit(d, at, "tables", (uint64_t)d->module->ntables + 1, d->limits->tables);
    WASM_APPEND(d, tables)->type = type;
}

static uint8_t decode_page_size(struct wasm_decoder *d, struct wasm_cursor *c)
{
    uint32_t at = wasm_position(c);
    uint32_t log2 = wasm_read_u32(c);
    if (log2 >= 64)
        wasm_fail(&d->failure, at, WASM_MALFORMED, "malformed custom page size 2**%u", log2);
    if (log2 != 0 && log2 != 16)
        wasm_fail(&d->failure, at, WASM_INVALID, "invalid custom page size 2**%u", log2);
    return (uint8_t)log2;
}

static void check_memory_size(const struct wasm_cursor *c, const uint8_t *start,
                              const struct wasm_memory_type *type)
{
    const struct wasm_limits *l = &type->limits;
    const uint64_t size = l->has_max ? l->max : l->min; /* min <= max */
    const unsigned bits = l->is64 ? 64 : 32;
    /* With pages of one byte, the number of pages must itself be an address. */
    const uint64_t most =
        type->page_log2 ? 1ull << (bits - type->page_log2) : UINT64_MAX >> (64 - bits);
    if (size > most)
        wasm_invalid(c, start, "memory size must be at most %llu pages of 2**%u bytes",
                     (unsigned long long)most, type->page_log2);
}

void wasm_decode_memory_type(struct wasm_decoder *d, struct wasm_cursor *c)
{
    const uint8_t *start = c->pos;
    uint32_t at = wasm_position(c);
    struct wasm_memory_type type = {.page_log2 = 16};
    uint8_t flags = decode_limits(d, c, HAS_MAX | SHARED | IS_64 | HAS_PAGE_SIZE, &type.limits);
    type.shared = flags & SHARED;
    if (flags & HAS_PAGE_SIZE)
        type.page_log2 = decode_page_size(d, c);
    check_memory_size(c, start, &type);
    if (type.shared && !type.limits.has_max)
        wasm_invalid(c, start, "shared memory must have maximum");
    wasm_check_limit(d, at, "initial memory pages", type.limits.min >> (16 - type.page_log2),
                     d->limits->memory_pages);
    if (d->module->nmemories > 0)
        wasm_require(d, at, WASM_FEATURE_MULTI_MEMORY, "multiple memories");
    wasm_check_limit(d, at, "memories", (uint64_t)d->module->nmemories + 1, d->limits->memories);
    WASM_APPEND(d, memories)->type = type;
}

struct wasm_global_type wasm_decode_global_type(struct wasm_decoder *d, struct wasm_cursor *c)
{
    struct wasm_global_type type = {.type = wasm_decode_valtype(d, c)};
    uint8_t mutable = wasm_read_byte(c);
    if (mutable > 1)
        wasm_malformed(c, c->pos - 1, "malformed mutability 0x%02x", mutable);
    type.mutable = mutable;
    return type;
}

void wasm_decode_functions(struct wasm_decoder *d, struct wasm_cursor *c)
{
    uint32_t count = wasm_decode_count(d, c, "functions", d->limits->functions);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t type = wasm_decode_type_index(d, c);
        WASM_APPEND(d, funcs)->type = type;
    }
}

static void decode_table(struct wasm_decoder *d, struct wasm_cursor *c)
{
    enum { WITH_INIT = 0x40 };
    const uint8_t *start = c->pos;
    uint32_t at = wasm_position(c);
    bool has_init = c->pos < c->end && *c->pos == WITH_INIT;
    if (has_init) {
        wasm_require(d, at, WASM_FEATURE_FUNCTION_REFERENCES, "table with an initialiser");
        c->pos++;
        if (wasm_read_byte(c) != 0)
            wasm_malformed(c, c->pos - 1, "malformed table");
    }
    wasm_decode_table_type(d, c);
    struct wasm_table *table = &d->module->tables[d->module->ntables - 1];
    if (has_init)
        table->init = wasm_decode_const_expr(d, c, table->type.elem);
    else if (!wasm_ref_is_nullable(table->type.elem))
        wasm_invalid(c, start, "type mismatch: a table of %s needs an initialiser",
                     wasm_valtype_name(table->type.elem).text);
}

void wasm_decode_tables(struct wasm_decoder *d, struct wasm_cursor *c)
{
    uint32_t count = wasm_decode_count(d, c, "tables", d->limits->tables);
    for (uint32_t i = 0; i < count; i++)
        decode_table(d, c);
}

void wasm_decode_memories(struct wasm_decoder *d, struct wasm_cursor *c)
{
    uint32_t count = wasm_decode_count(d, c, "memories", d->limits->memories);
    for (uint32_t i = 0; i < count; i++)
        wasm_decode_memory_type(d, c);
}

void wasm_decode_globals(struct wasm_decoder *d, struct wasm_cursor *c)
{
    uint32_t count = wasm_decode_count(d, c, "globals", d->limits->globals);
    for (uint32_t i = 0; i < count; i++) {
        /* Appended when it is complete: its own expression cannot name it. */
        struct wasm_global global = {.type = wasm_decode_global_type(d, c)};
        global.init = wasm_decode_const_expr(d, c, global.type.type);
        *WASM_APPEND(d, globals) = global;
    }
}
