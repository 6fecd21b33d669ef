/* Element segments. Bit 0 of the flags: not active; bit 1: table index given, or declarative; bit
 * 2: expressions instead of function indices.
 *
 *     0 offset:expr                         vec(funcidx)
 *     1                        elemkind     vec(funcidx)    passive
 *     2 table:u32 offset:expr  elemkind     vec(funcidx)
 *     3                        elemkind     vec(funcidx)    declarative
 *     4 offset:expr                         vec(expr)
 *     5                        reftype      vec(expr)       passive
 *     6 table:u32 offset:expr  reftype      vec(expr)
 *     7                        reftype      vec(expr)       declarative
 */
#include "wasm/decoder.h"

enum { NOT_ACTIVE = 1, EXPLICIT = 2, EXPRESSIONS = 4 };

static wasm_valtype decode_elem_type(struct wasm_decoder *d, struct wasm_cursor *c, uint32_t flags)
{
    /* Function indices make references that are not null; so say the specification's types. */
    const wasm_valtype func = WASM_FUNCREF | (flags & EXPRESSIONS ? 0 : WASM_NON_NULL);
    if (!(flags & (NOT_ACTIVE | EXPLICIT)))
        return func;
    if (flags & EXPRESSIONS) {
        uint32_t at = wasm_position(c);
        wasm_valtype type = wasm_read_reftype(c);
        if (type != WASM_FUNCREF)
            wasm_require_type(d, at, type);
        return type;
    }
    uint8_t kind = wasm_read_byte(c);
    if (kind != 0)
        wasm_malformed(c, c->pos - 1, "malformed element kind 0x%02x", kind);
    return func;
}

static void decode_funcs(struct wasm_decoder *d, struct wasm_cursor *c, struct wasm_elem *elem,
                         uint32_t count)
{
    struct wasm_module *m = d->module;
    uint32_t *funcs = NULL;
    uint32_t capacity = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = wasm_position(c);
        uint32_t index = wasm_read_u32(c);
        wasm_check_index(d, at, "function", index, m->nfuncs);
        m->funcs[index].declared_ref = true;
        funcs = wasm_array_room(d, &d->arena, funcs, i, &capacity, count, sizeof *funcs);
        funcs[i] = index;
    }
    elem->funcs = funcs;
}

static void decode_exprs(struct wasm_decoder *d, struct wasm_cursor *c, struct wasm_elem *elem,
                         uint32_t count)
{
    struct wasm_expr *exprs = NULL;
    uint32_t capacity = 0;
    for (uint32_t i = 0; i < count; i++) {
        exprs = wasm_array_room(d, &d->arena, exprs, i, &capacity, count, sizeof *exprs);
        exprs[i] = wasm_decode_const_expr(d, c, elem->type);
    }
    elem->exprs = exprs;
}

static void check_table(struct wasm_decoder *d, uint32_t at, const struct wasm_elem *elem)
{
    wasm_valtype type = d->module->tables[elem->table].type.elem;
    if (!wasm_is_subtype(d->module, elem->type, type))
        wasm_fail(&d->failure, at, WASM_INVALID, "type mismatch: %s segment for a table of %s",
                  wasm_valtype_name(elem->type).text, wasm_valtype_name(type).text);
}

static void decode_element(struct wasm_decoder *d, struct wasm_cursor *c)
{
    struct wasm_elem *elem = WASM_APPEND(d, elems);
    uint32_t start = wasm_position(c);
    uint32_t flags = wasm_read_u32(c);
    if (flags > 7)
        wasm_fail(&d->failure, start, WASM_MALFORMED, "malformed elements segment kind %u", flags);
    if (flags != 0)
        wasm_require(d, start, WASM_FEATURE_BULK_MEMORY, "this kind of element segment");

    if (flags & NOT_ACTIVE) {
        elem->mode = flags & EXPLICIT ? WASM_DECLARATIVE : WASM_PASSIVE;
    } else {
        elem->mode = WASM_ACTIVE;
        uint32_t table_at = wasm_position(c);
        elem->table = flags & EXPLICIT ? wasm_read_u32(c) : 0;
        wasm_check_index(d, table_at, "table", elem->table, d->module->ntables);
        elem->table_offset = wasm_decode_const_expr(
            d, c, wasm_address_type(d->module->tables[elem->table].type.limits));
    }
    elem->type = decode_elem_type(d, c, flags);
    if (elem->mode == WASM_ACTIVE)
        check_table(d, start, elem);
    elem->count = wasm_decode_count(d, c, "items in an element segment", WASM_NONE);
    if (flags & EXPRESSIONS)
        decode_exprs(d, c, elem, elem->count);
    else
        decode_funcs(d, c, elem, elem->count);
}

void wasm_decode_elements(struct wasm_decoder *d, struct wasm_cursor *c)
{
    uint32_t count = wasm_decode_count(d, c, "element segments", d->limits->element_segments);
    for (uint32_t i = 0; i < count; i++)
        decode_element(d, c);
}
