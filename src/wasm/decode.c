/* A module is a header and sections:
 *
 *     00 'a' 's' 'm'  01 00 00 00  { id:byte size:u32 payload }*
 *
 * Known sections come at most once, in the order of their ranks below; custom ones anywhere. All a
 * section refers to lies in sections before it, so that one pass decodes and validates. */
#include "wasm/decoder.h"

#include <stdio.h>
#include <string.h>

static const struct section {
    const char *name;
    uint8_t rank; /* position in the prescribed order */
    void (*decode)(struct wasm_decoder *d, struct wasm_cursor *c);
} sections[] = {
    [0] = {"custom", 0, wasm_decode_custom},     [1] = {"type", 1, wasm_decode_types},
    [2] = {"import", 2, wasm_decode_imports},    [3] = {"function", 3, wasm_decode_functions},
    [4] = {"table", 4, wasm_decode_tables},      [5] = {"memory", 5, wasm_decode_memories},
    [13] = {"tag", 6, wasm_decode_tags},         [6] = {"global", 7, wasm_decode_globals},
    [7] = {"export", 8, wasm_decode_exports},    [8] = {"start", 9, wasm_decode_start},
    [9] = {"element", 10, wasm_decode_elements}, [12] = {"data count", 11, wasm_decode_data_count},
    [10] = {"code", 12, wasm_decode_code},       [11] = {"data", 13, wasm_decode_data},
};

static void decode_header(struct wasm_cursor *c)
{
    static const uint8_t magic[4] = {0x00, 'a', 's', 'm'};
    static const uint8_t version[4] = {0x01, 0x00, 0x00, 0x00};
    static const uint8_t component[4] = {0x0d, 0x00, 0x01, 0x00};

    size_t size = wasm_remaining(c);
    if (memcmp(c->pos, magic, size < 4 ? size : 4) != 0)
        wasm_malformed(c, c->pos, "magic header not detected: this is no WebAssembly module");
    if (size < 8)
        wasm_malformed(c, c->end, "unexpected end");
    c->pos += 4;
    if (memcmp(c->pos, component, 4) == 0)
        wasm_malformed(c, c->pos, "unknown binary version: this is a component, not a module");
    if (memcmp(c->pos, version, 4) != 0)
        wasm_malformed(c, c->pos, "unknown binary version");
    c->pos += 4;
}

static void decode_section(struct wasm_decoder *d, struct wasm_cursor *c)
{
    const uint8_t *start = c->pos;
    uint8_t id = wasm_read_byte(c);
    if (id >= sizeof sections / sizeof *sections)
        wasm_malformed(c, start, "malformed section id %u", id);
    const struct section *section = &sections[id];
    const uint8_t *size_at = c->pos;
    uint32_t size = wasm_read_u32(c);
    struct wasm_cursor payload = wasm_read_span(c, size, size_at);

    if (section->rank != 0) {
        if (section->rank <= d->last_section_rank)
            wasm_malformed(c, start,
                           "unexpected content after last section: "
                           "%s section repeated or out of order",
                           section->name);
        d->last_section_rank = section->rank;
    }
    section->decode(d, &payload);
    if (payload.pos != payload.end)
        wasm_malformed(c, payload.pos,
                       "section size mismatch: "
                       "the %s section ends %zu bytes before its size",
                       section->name, wasm_remaining(&payload));
}

static void check_counts(struct wasm_decoder *d, const struct wasm_cursor *c)
{
    const struct wasm_module *m = d->module;
    if (d->nbodies != m->nfuncs - m->nimported_funcs)
        wasm_malformed(c, c->end, "function and code section have inconsistent lengths");
    if (d->has_data_count && d->data_count != m->ndatas)
        wasm_malformed(c, c->end, "data count and data section have inconsistent lengths");
}

static void decode_module(void *arg)
{
    struct wasm_decoder *d = arg;
    struct wasm_module *m = d->module;
    struct wasm_cursor c = {m->bytes, m->bytes + m->size, m->bytes, &d->failure, d->features};

    uint64_t limit = d->limits->module_size;
    wasm_check_limit(d, 0, "bytes in the module", m->size, limit < UINT32_MAX ? limit : UINT32_MAX);
    decode_header(&c);
    while (c.pos < c.end)
        decode_section(d, &c);
    check_counts(d, &c);
    wasm_decode_names(m, d->limits->name_length);
}

enum wasm_status wasm_module_decode(const uint8_t *bytes, size_t size, uint32_t features,
                                    const struct wasm_limits_config *limits,
                                    struct wasm_module *out, struct wasm_error *err)
{
    if (!limits)
        limits = &wasm_limits_default;
    struct wasm_decoder d = {
        .module = out,
        .limits = limits,
        .features = features,
        .failure = {.err = err, .func_index = WASM_NONE},
        .arena = {.budget = limits->memory},
        .scratch = {.budget = limits->memory},
        .validator = {.decoder = &d},
    };
    *err = (struct wasm_error){.status = WASM_OK, .func_index = WASM_NONE};
    *out = (struct wasm_module){
        /* An empty input has no address; the header check does arithmetic on it. */
        .bytes = size ? bytes : (const uint8_t *)"",
        .size = size,
        .start = WASM_NONE,
    };

    bool ok = wasm_attempt(&d.failure, decode_module, &d);
    wasm_arena_free(d.scratch.chunks);
    if (ok) {
        out->arena = d.arena.chunks;
        return WASM_OK;
    }
    wasm_arena_free(d.arena.chunks);
    *out = (struct wasm_module){.start = WASM_NONE};
    return err->status;
}

void wasm_module_free(struct wasm_module *m)
{
    wasm_arena_free(m->arena);
    *m = (struct wasm_module){.start = WASM_NONE};
}
