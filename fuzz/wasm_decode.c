/* Any bytes decode to a module or a clean error; a module that is valid can be walked. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "wasm/wasm.h"

static void walk_expr(const struct wasm_module *m, struct wasm_expr e)
{
    struct wasm_reader r;
    struct wasm_instr instr;
    wasm_reader_init_expr(&r, m, e);
    while (wasm_reader_next(&r, &instr))
        ;
}

static void walk_labels(const struct wasm_module *m, const struct wasm_instr *instr)
{
    uint32_t pos;
    if (instr->op == WASM_OP_br_table) {
        pos = instr->imm.br_table.targets;
        for (uint32_t i = 0; i < instr->imm.br_table.count; i++)
            wasm_br_table_next(m, &pos);
    }
    if (instr->op == WASM_OP_try_table) {
        pos = instr->imm.block.catches;
        for (uint32_t i = 0; i < instr->imm.block.catch_count; i++) {
            const struct wasm_catch clause = wasm_catch_next(m, &pos);
            if (clause.tag != WASM_NONE && clause.tag >= m->ntags)
                abort();
        }
    }
}

/* Groups lie one behind the other, and what is equal to something is equal to the first such. */
static void walk_types(const struct wasm_module *m)
{
    for (uint32_t i = 0; i < m->ntypes; i++) {
        const struct wasm_functype *t = &m->types[i];
        if (t->group > i || i - t->group >= t->group_size || t->canonical > i)
            abort();
        if (m->types[t->canonical].canonical != t->canonical)
            abort();
        for (uint32_t k = 0; k < t->nparams; k++)
            if (wasm_ref_is_concrete(t->params[k]) && wasm_ref_index(t->params[k]) >= m->ntypes)
                abort();
    }
}

static void walk_body(const struct wasm_module *m, uint32_t func)
{
    struct wasm_reader r;
    struct wasm_locals_run run;
    struct wasm_instr instr;
    uint64_t locals = 0;
    wasm_reader_init_body(&r, m, func);
    while (wasm_reader_locals(&r, &run))
        locals += run.count;
    if (locals != m->funcs[func].locals_count)
        abort();
    instr.op = WASM_OP_nop;
    while (wasm_reader_next(&r, &instr)) {
        walk_labels(m, &instr);
    }
    if (instr.op != WASM_OP_end)
        abort();
}

static void walk(const struct wasm_module *m)
{
    walk_types(m);
    for (uint32_t i = 0; i < m->ntables; i++)
        walk_expr(m, m->tables[i].init);
    for (uint32_t i = 0; i < m->ntags; i++)
        if (m->tags[i].type >= m->ntypes)
            abort();
    for (uint32_t i = m->nimported_funcs; i < m->nfuncs; i++)
        walk_body(m, i);
    for (uint32_t i = m->nimported_globals; i < m->nglobals; i++)
        walk_expr(m, m->globals[i].init);
    for (uint32_t i = 0; i < m->nelems; i++) {
        walk_expr(m, m->elems[i].table_offset);
        for (uint32_t k = 0; m->elems[i].exprs && k < m->elems[i].count; k++)
            walk_expr(m, m->elems[i].exprs[k]);
        for (uint32_t k = 0; m->elems[i].funcs && k < m->elems[i].count; k++)
            if (m->elems[i].funcs[k] >= m->nfuncs)
                abort();
    }
    for (uint32_t i = 0; i < m->ndatas; i++)
        walk_expr(m, m->datas[i].memory_offset);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wasm_module m;
    struct wasm_error err;
    enum wasm_status status = wasm_module_decode(data, size, WASM_FEATURES_ALL, NULL, &m, &err);
    if (status == WASM_OK) {
        walk(&m);
        wasm_module_free(&m);
    } else if (status != err.status || err.offset > size || err.message[0] == '\0') {
        abort();
    }
    return 0;
}
