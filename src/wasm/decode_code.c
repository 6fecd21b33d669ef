/* body   = size:u32 locals:vec(run) instruction* end
 * run    = count:u32 type:valtype */
#include "wasm/decoder.h"

void wasm_decode_code(struct wasm_decoder *d, struct wasm_cursor *c)
{
    struct wasm_module *m = d->module;
    uint32_t at = wasm_position(c);
    uint32_t count = wasm_decode_count(d, c, "functions", d->limits->functions);
    if (count != m->nfuncs - m->nimported_funcs)
        wasm_fail(&d->failure, at, WASM_MALFORMED,
                  "function and code section have inconsistent lengths");

    for (uint32_t i = 0; i < count; i++) {
        uint32_t func_index = m->nimported_funcs + i;
        d->failure.func_index = func_index;
        const uint8_t *size_at = c->pos;
        uint32_t size = wasm_read_u32(c);
        struct wasm_cursor body = wasm_read_span(c, size, size_at);
        wasm_check_limit(d, (uint64_t)(size_at - c->bytes), "bytes in a function body", size,
                         d->limits->body_size);
        m->funcs[func_index].body_offset = wasm_position(&body);
        m->funcs[func_index].body_size = size;
        wasm_validate_body(d, func_index, &body);
        d->nbodies++;
    }
    d->failure.func_index = WASM_NONE;
}
