/* Declarations of functions, tables, memories and globals.
 *
 *     function = type:u32                       (its body is in the code section)
 *     table    = elem:reftype limits
 *     memory   = limits
 *     global   = type:valtype mutable:byte init:expr
 *     limits   = 00 min:u32 | 01 min:u32 max:u32
 */
#include "wasm/decoder.h"

static struct wasm_limits decode_limits(struct wasm_cursor *c)
{
    const uint8_t *start = c->pos;
    uint8_t flags = wasm_read_byte(c);
    if (flags > 1)
        wasm_malformed(c, start, "malformed limits flags 0x%02x", flags);
    struct wasm_limits limits = {.has_max = flags & 1};
    limits.min = wasm_read_u32(c);
    if (limits.has_max) {
        limits.max = wasm_read_u32(c);
        if (limits.min > limits.max)
            wasm_invalid(c, start, "size minimum must not be greater than maximum: %llu > %llu",
                         (unsigned long long)limits.min, (unsigned long long)limits.max);
    }
    return limits;
}

void wasm_decode_table_type(struct wasm_decoder *d, struct wasm_cursor *c)
{
    uint32_t at = wasm_position(c);
    struct wasm_table_type type = {.elem = wasm_read_reftype(c)};
    if (type.elem != WASM_FUNCREF)
        wasm_require_type(d, at, type.elem);
    type.limits = decode_limits(c);
    wasm_check_limit(d, at, "initial table entries", type.limits.min, d->limits->table_initial);
    if (d->module->ntables > 0)
        wasm_require(d, at, WASM_FEATURE_REFERENCE_TYPES, "multiple tables");
    wasm_check_limit(d, at, "tables", (uint64_t)d->module->ntables + 1, d->limits->tables);
    WASM_APPEND(d, tables)->type = type;
}

void wasm_decode_memory_type(struct wasm_decoder *d, struct wasm_cursor *c)
{
    const uint8_t *start = c->pos;
    struct wasm_memory_type type = {decode_limits(c)};
    if (type.limits.min > 65536 || (type.limits.has_max && type.limits.max > 65536))
        wasm_invalid(c, start, "memory size must be at most 65536 pages (4GiB)");
    uint32_t at = (uint32_t)(start - c->bytes);
    wasm_check_limit(d, at, "initial memory pages", type.limits.min, d->limits->memory_pages);
    if (d->module->nmemories > 0)
        wasm_invalid(c, start, "multiple memories");
    wasm_check_limit(d, at, "memories", (uint64_t)d->module->nmemories + 1, d->limits->memories);
    WASM_APPEND(d, memories)->type = type;
}

void wasm_decode_global_type(struct wasm_decoder *d, struct wasm_cursor *c)
{
    struct wasm_global_type type = {.type = wasm_decode_valtype(d, c)};
    uint8_t mutable = wasm_read_byte(c);
    if (mutable > 1)
        wasm_malformed(c, c->pos - 1, "malformed mutability 0x%02x", mutable);
    type.mutable = mutable;
    WASM_APPEND(d, globals)->type = type;
}

void wasm_decode_functions(struct wasm_decoder *d, struct wasm_cursor *c)
{
    uint32_t count = wasm_decode_count(d, c, "functions", d->limits->functions);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t type = wasm_decode_type_index(d, c);
        WASM_APPEND(d, funcs)->type = type;
    }
}

void wasm_decode_tables(struct wasm_decoder *d, struct wasm_cursor *c)
{
    uint32_t count = wasm_decode_count(d, c, "tables", d->limits->tables);
    for (uint32_t i = 0; i < count; i++)
        wasm_decode_table_type(d, c);
}

void wasm_decode_memories(struct wasm_decoder *d, struct wasm_cursor *c)
{
    uint32_t count = wasm_decode_count(d, c, "memories", d->limits->memories);
    for (uint32_t i = 0; i < count; i++)
        wasm_decode_memory_type(d, c);
}

void wasm_decode_globals(struct wasm_decoder *d, struct wasm_cursor *c)
{
    struct wasm_module *m = d->module;
    uint32_t count = wasm_decode_count(d, c, "globals", d->limits->globals);
    for (uint32_t i = 0; i < count; i++) {
        wasm_decode_global_type(d, c);
        struct wasm_global *global = &m->globals[m->nglobals - 1];
        global->init = wasm_decode_const_expr(d, c, global->type.type);
    }
}
