/* tag = 00 type:u32      (00: an exception) */
#include "wasm/decoder.h"

void wasm_decode_tag(struct wasm_decoder *d, struct wasm_cursor *c)
{
    uint32_t at = wasm_position(c);
    wasm_require(d, at, WASM_FEATURE_EXCEPTIONS, "tag");
    if (wasm_read_byte(c) != 0)
        wasm_malformed(c, c->pos - 1, "malformed tag attribute");
    uint32_t type = wasm_decode_type_index(d, c);
    if (d->module->types[type].nresults > 0)
        wasm_fail(&d->failure, at, WASM_INVALID, "non-empty tag result type");
    wasm_check_limit(d, at, "tags", (uint64_t)d->module->ntags + 1, d->limits->tags);
    WASM_APPEND(d, tags)->type = type;
}

void wasm_decode_tags(struct wasm_decoder *d, struct wasm_cursor *c)
{
    uint32_t count = wasm_decode_count(d, c, "tags", d->limits->tags);
    wasm_require(d, wasm_position(c), WASM_FEATURE_EXCEPTIONS, "tag section");
    for (uint32_t i = 0; i < count; i++)
        wasm_decode_tag(d, c);
}
