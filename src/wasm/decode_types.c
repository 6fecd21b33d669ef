/* group    = 4e vec(subtype) | subtype
 * subtype  = 50 vec(type:u32) composite | 4f vec(type:u32) composite | composite
 * composite = 60 params:vec(valtype) results:vec(valtype)
 *
 * 50 is a type that may have subtypes, 4f one that may not; supertypes, and composites that are not
 * functions, belong to garbage collection. The types of a group may refer to each other. */
#include "wasm/decoder.h"

enum { FORM_FUNC = 0x60, FORM_STRUCT = 0x5f, FORM_ARRAY = 0x5e };
enum { FORM_SUB = 0x50, FORM_SUB_FINAL = 0x4f, FORM_REC = 0x4e };

static const wasm_valtype *decode_valtypes(struct wasm_decoder *d, struct wasm_cursor *c,
                                           uint32_t count)
{
    if (count == 0)
        return NULL;
    wasm_valtype *types = wasm_resize(d, &d->arena, NULL, 0, count, sizeof *types);
    for (uint32_t i = 0; i < count; i++)
        types[i] = wasm_decode_valtype(d, c);
    return types;
}

static void decode_functype(struct wasm_decoder *d, struct wasm_cursor *c,
                            struct wasm_functype *type)
{
    type->nparams = wasm_decode_count(d, c, "parameters", d->limits->params);
    type->params = decode_valtypes(d, c, type->nparams);
    uint32_t results_at = wasm_position(c);
    type->nresults = wasm_decode_count(d, c, "results", d->limits->results);
    type->results = decode_valtypes(d, c, type->nresults);
    if (type->nresults > 1)
        wasm_require(d, results_at, WASM_FEATURE_MULTI_VALUE, "more than one result");
}

static uint8_t peek(const struct wasm_cursor *c)
{
    return c->pos < c->end ? *c->pos : 0;
}

static void decode_subtype(struct wasm_decoder *d, struct wasm_cursor *c,
                           struct wasm_functype *type)
{
    uint8_t form = wasm_read_byte(c);
    if (form == FORM_SUB || form == FORM_SUB_FINAL) {
        const uint8_t *at = c->pos - 1;
        wasm_require(d, (uint64_t)(at - c->bytes), WASM_FEATURE_FUNCTION_REFERENCES, "sub type");
        type->is_open = form == FORM_SUB;
        if (wasm_read_u32(c) != 0)
            wasm_needs_gc(c, at, "a supertype");
        form = wasm_read_byte(c);
    }
    if (form == FORM_STRUCT || form == FORM_ARRAY)
        wasm_needs_gc(c, c->pos - 1, form == FORM_STRUCT ? "a struct type" : "an array type");
    if (form != FORM_FUNC)
        wasm_malformed(c, c->pos - 1, "malformed type form 0x%02x", form);
    decode_functype(d, c, type);
}

static void decode_group(struct wasm_decoder *d, struct wasm_cursor *c)
{
    struct wasm_module *m = d->module;
    const uint32_t first = m->ntypes, at = wasm_position(c);
    uint32_t size = 1;
    if (peek(c) == FORM_REC) {
        wasm_require(d, at, WASM_FEATURE_FUNCTION_REFERENCES, "recursion group");
        c->pos++;
        size = wasm_decode_count(d, c, "types", d->limits->types);
    }
    const uint64_t total = (uint64_t)first + size;
    wasm_check_limit(d, at, "types", total, d->limits->types);
    wasm_check_limit(d, at, "types", total, WASM_REF_INDEX_LIMIT);
    d->visible_types = first + size;
    for (uint32_t i = 0; i < size; i++) {
        struct wasm_functype *type = WASM_APPEND(d, types);
        type->group = first;
        type->group_size = size;
        decode_subtype(d, c, type);
    }
    if (size > 0)
        wasm_canonicalize_group(d, first, size);
}

void wasm_decode_types(struct wasm_decoder *d, struct wasm_cursor *c)
{
    uint32_t count = wasm_decode_count(d, c, "types", d->limits->types);
    for (uint32_t i = 0; i < count; i++)
        decode_group(d, c);
}

uint32_t wasm_decode_type_index(struct wasm_decoder *d, struct wasm_cursor *c)
{
    uint32_t at = wasm_position(c);
    uint32_t index = wasm_read_u32(c);
    wasm_check_index(d, at, "type", index, d->module->ntypes);
    return index;
}
