/* type     = 60 params:vec(valtype) results:vec(valtype) */
#include "wasm/decoder.h"

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
    uint8_t form = wasm_read_byte(c);
    if (form != 0x60)
        wasm_malformed(c, c->pos - 1, "malformed type form 0x%02x", form);
    type->nparams = wasm_decode_count(d, c, "parameters", d->limits->params);
    type->params = decode_valtypes(d, c, type->nparams);
    uint32_t results_at = wasm_position(c);
    type->nresults = wasm_decode_count(d, c, "results", d->limits->results);
    type->results = decode_valtypes(d, c, type->nresults);
    if (type->nresults > 1)
        wasm_require(d, results_at, WASM_FEATURE_MULTI_VALUE, "more than one result");
}

void wasm_decode_types(struct wasm_decoder *d, struct wasm_cursor *c)
{
    uint32_t count = wasm_decode_count(d, c, "types", d->limits->types);
    for (uint32_t i = 0; i < count; i++)
        decode_functype(d, c, WASM_APPEND(d, types));
}

uint32_t wasm_decode_type_index(struct wasm_decoder *d, struct wasm_cursor *c)
{
    uint32_t at = wasm_position(c);
    uint32_t index = wasm_read_u32(c);
    wasm_check_index(d, at, "type", index, d->module->ntypes);
    return index;
}
