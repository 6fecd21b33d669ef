/* Custom sections, and the one named "name" that gives functions their names for people:
 *
 *     custom   = name:name byte*
 *     names    = { id:byte size:u32 payload }*
 *     payload  = name (id 0, the module) | vec(func:u32 name) (id 1)   others are skipped
 *
 * Nothing depends on names, so whatever is wrong with them is ignored: the names before the first
 * mistake count. */
#include "wasm/decoder.h"

#include <string.h>

void wasm_decode_custom(struct wasm_decoder *d, struct wasm_cursor *c)
{
    uint32_t at = wasm_position(c);
    struct wasm_bytes name = wasm_read_name(c);
    wasm_check_limit(d, at, "custom sections", (uint64_t)d->module->ncustoms + 1,
                     d->limits->custom_sections);
    struct wasm_custom *custom = WASM_APPEND(d, customs);
    custom->name = name;
    custom->payload = (struct wasm_bytes){c->pos, (uint32_t)wasm_remaining(c)};
    c->pos = c->end;
}

struct names {
    struct wasm_module *module;
    struct wasm_bytes payload;
    uint32_t name_length;
    struct wasm_failure failure;
};

/* NULL, 0 when the name is one that could not be shown to people. */
static struct wasm_bytes read_name(struct names *n, struct wasm_cursor *c)
{
    const uint8_t *size_at = c->pos;
    uint32_t size = wasm_read_u32(c);
    struct wasm_cursor span = wasm_read_span(c, size, size_at);
    if (size == 0 || size > n->name_length || !wasm_utf8_valid(span.pos, size))
        return (struct wasm_bytes){NULL, 0};
    return (struct wasm_bytes){span.pos, size};
}

static void read_function_names(struct names *n, struct wasm_cursor *c)
{
    uint32_t count = wasm_read_u32(c);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t index = wasm_read_u32(c);
        struct wasm_bytes name = read_name(n, c);
        if (index < n->module->nfuncs)
            n->module->funcs[index].name = name;
    }
}

static void read_names(void *arg)
{
    struct names *n = arg;
    struct wasm_cursor c = {n->payload.data, n->payload.data + n->payload.size, n->module->bytes,
                            &n->failure, 0};
    while (c.pos < c.end) {
        uint8_t id = wasm_read_byte(&c);
        const uint8_t *size_at = c.pos;
        uint32_t size = wasm_read_u32(&c);
        struct wasm_cursor payload = wasm_read_span(&c, size, size_at);
        if (id == 0)
            n->module->name = read_name(n, &payload);
        else if (id == 1)
            read_function_names(n, &payload);
    }
}

void wasm_decode_names(struct wasm_module *m, uint32_t name_length)
{
    for (uint32_t i = 0; i < m->ncustoms; i++) {
        const struct wasm_custom *custom = &m->customs[i];
        if (custom->name.size != 4 || memcmp(custom->name.data, "name", 4) != 0)
            continue;
        struct names n = {.module = m, .payload = custom->payload, .name_length = name_length};
        wasm_attempt(&n.failure, read_names, &n);
    }
}
