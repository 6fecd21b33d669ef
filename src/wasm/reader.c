/* Walking bodies and expressions of a module that was found valid. */
#include "wasm/cursor.h"

static struct wasm_cursor cursor_at(const struct wasm_module *m, uint32_t pos, uint32_t end)
{
    return (struct wasm_cursor){m->bytes + pos, m->bytes + end, m->bytes, NULL, UINT32_MAX};
}

void wasm_reader_init_body(struct wasm_reader *r, const struct wasm_module *m, uint32_t func_index)
{
    const struct wasm_func *func = &m->funcs[func_index];
    struct wasm_cursor c = cursor_at(m, func->body_offset, func->body_offset + func->body_size);
    r->module = m;
    r->runs_left = wasm_read_u32(&c);
    r->pos = wasm_position(&c);
    r->end = func->body_offset + func->body_size;
}

bool wasm_reader_locals(struct wasm_reader *r, struct wasm_locals_run *run)
{
    if (r->runs_left == 0)
        return false;
    struct wasm_cursor c = cursor_at(r->module, r->pos, r->end);
    run->count = wasm_read_u32(&c);
    run->type = wasm_read_valtype(&c);
    r->pos = wasm_position(&c);
    r->runs_left--;
    return true;
}

void wasm_reader_init_expr(struct wasm_reader *r, const struct wasm_module *m, struct wasm_expr e)
{
    *r = (struct wasm_reader){m, e.offset, e.offset + e.size, 0};
}

bool wasm_reader_next(struct wasm_reader *r, struct wasm_instr *instr)
{
    if (r->pos == r->end)
        return false;
    struct wasm_cursor c = cursor_at(r->module, r->pos, r->end);
    wasm_read_instr(&c, instr);
    r->pos = wasm_position(&c);
    return true;
}

uint32_t wasm_br_table_next(const struct wasm_module *m, uint32_t *pos)
{
    struct wasm_cursor c = cursor_at(m, *pos, (uint32_t)m->size);
    uint32_t label = wasm_read_u32(&c);
    *pos = wasm_position(&c);
    return label;
}

struct wasm_catch wasm_catch_next(const struct wasm_module *m, uint32_t *pos)
{
    struct wasm_cursor c = cursor_at(m, *pos, (uint32_t)m->size);
    struct wasm_catch clause = wasm_read_catch(&c);
    *pos = wasm_position(&c);
    return clause;
}
