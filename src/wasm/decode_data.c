/* data       = 00 offset:expr vec(byte) | 01 vec(byte) | 02 memory:u32 offset:expr vec(byte)
 * data count = u32, so that bodies which name segments can be validated before they come */
#include "wasm/decoder.h"

static void decode_segment(struct wasm_decoder *d, struct wasm_cursor *c)
{
    struct wasm_data *data = WASM_APPEND(d, datas);
    uint32_t start = wasm_position(c);
    uint32_t kind = wasm_read_u32(c);
    if (kind > 2)
        wasm_fail(&d->failure, start, WASM_MALFORMED, "malformed data segment kind %u", kind);
    if (kind != 0)
        wasm_require(d, start, WASM_FEATURE_BULK_MEMORY, "this kind of data segment");

    if (kind == 1) {
        data->mode = WASM_PASSIVE;
    } else {
        data->mode = WASM_ACTIVE;
        uint32_t memory_at = wasm_position(c);
        data->memory = kind == 2 ? wasm_read_u32(c) : 0;
        wasm_check_index(d, memory_at, "memory", data->memory, d->module->nmemories);
        data->memory_offset = wasm_decode_const_expr(
            d, c, wasm_address_type(d->module->memories[data->memory].type.limits));
    }
    const uint8_t *size_at = c->pos;
    uint32_t size = wasm_read_u32(c);
    struct wasm_cursor bytes = wasm_read_span(c, size, size_at);
    data->bytes = (struct wasm_bytes){bytes.pos, size};
}

void wasm_decode_data(struct wasm_decoder *d, struct wasm_cursor *c)
{
    uint32_t at = wasm_position(c);
    uint32_t count = wasm_decode_count(d, c, "data segments", d->limits->data_segments);
    if (d->has_data_count && count != d->data_count)
        wasm_fail(&d->failure, at, WASM_MALFORMED,
                  "data count and data section have inconsistent lengths");
    for (uint32_t i = 0; i < count; i++)
        decode_segment(d, c);
}

void wasm_decode_data_count(struct wasm_decoder *d, struct wasm_cursor *c)
{
    uint32_t at = wasm_position(c);
    wasm_require(d, at, WASM_FEATURE_BULK_MEMORY, "data count section");
    d->data_count = wasm_read_u32(c);
    d->has_data_count = true;
    wasm_check_limit(d, at, "data segments", d->data_count, d->limits->data_segments);
}
