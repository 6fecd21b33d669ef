/* export = name:name kind:byte index:u32
 * start  = func:u32 */
#include "wasm/decoder.h"

#include <stdlib.h>
#include <string.h>

/* By name; equal names in the order of the module. */
static int compare_names(const void *a, const void *b)
{
    const struct wasm_bytes *x = a, *y = b;
    if (x->size != y->size)
        return x->size < y->size ? -1 : 1;
    int order = memcmp(x->data, y->data, x->size);
    if (order != 0)
        return order;
    return x->data < y->data ? -1 : x->data > y->data;
}

static bool same_name(const struct wasm_bytes *a, const struct wasm_bytes *b)
{
    return a->size == b->size && memcmp(a->data, b->data, a->size) == 0;
}

/* Sorts, because the module's author could make any fixed hash function collide. */
static void check_duplicates(struct wasm_decoder *d, struct wasm_cursor *c)
{
    const struct wasm_module *m = d->module;
    if (m->nexports < 2)
        return;
    struct wasm_bytes *names = wasm_resize(d, &d->scratch, NULL, 0, m->nexports, sizeof *names);
    for (uint32_t i = 0; i < m->nexports; i++)
        names[i] = m->exports[i].name;
    qsort(names, m->nexports, sizeof *names, compare_names);

    const struct wasm_bytes *first = NULL;
    for (uint32_t i = 1; i < m->nexports; i++)
        if (same_name(&names[i - 1], &names[i]) && (!first || names[i].data < first->data))
            first = &names[i];
    if (first) {
        char text[100];
        wasm_invalid(c, first->data, "duplicate export name \"%s\"",
                     wasm_escape(text, sizeof text, *first));
    }
}

static void decode_export(struct wasm_decoder *d, struct wasm_cursor *c)
{
    struct wasm_module *m = d->module;
    struct wasm_export *export = WASM_APPEND(d, exports);
    export->name = wasm_decode_name(d, c);
    uint8_t kind = wasm_read_byte(c);
    if (kind > WASM_EXTERN_TAG)
        wasm_malformed(c, c->pos - 1, "malformed export kind 0x%02x", kind);
    export->kind = kind;
    uint32_t at = wasm_position(c);
    export->index = wasm_read_u32(c);

    switch (export->kind) {
    case WASM_EXTERN_FUNC:
        wasm_check_index(d, at, "function", export->index, m->nfuncs);
        m->funcs[export->index].declared_ref = true;
        break;
    case WASM_EXTERN_TABLE: wasm_check_index(d, at, "table", export->index, m->ntables); break;
    case WASM_EXTERN_MEMORY: wasm_check_index(d, at, "memory", export->index, m->nmemories); break;
    case WASM_EXTERN_GLOBAL:
        wasm_check_index(d, at, "global", export->index, m->nglobals);
        if (m->globals[export->index].type.mutable)
            wasm_require(d, at, WASM_FEATURE_MUTABLE_GLOBALS, "export of a mutable global");
        break;
    case WASM_EXTERN_TAG: wasm_check_index(d, at, "tag", export->index, m->ntags); break;
    }
}

void wasm_decode_exports(struct wasm_decoder *d, struct wasm_cursor *c)
{
    uint32_t count = wasm_decode_count(d, c, "exports", d->limits->exports);
    for (uint32_t i = 0; i < count; i++)
        decode_export(d, c);
    check_duplicates(d, c);
}

void wasm_decode_start(struct wasm_decoder *d, struct wasm_cursor *c)
{
    struct wasm_module *m = d->module;
    uint32_t at = wasm_position(c);
    uint32_t index = wasm_read_u32(c);
    wasm_check_index(d, at, "function", index, m->nfuncs);
    const struct wasm_functype *type = &m->types[m->funcs[index].type];
    if (type->nparams > 0 || type->nresults > 0)
        wasm_fail(&d->failure, at, WASM_INVALID,
                  "start function: it must have neither parameters nor results");
    m->start = index;
}
