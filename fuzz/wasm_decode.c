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
        if (instr.op != WASM_OP_br_table)
            continue;
        uint32_t pos = instr.imm.br_table.targets;
        for (uint32_t i = 0; i < instr.imm.br_table.count; i++)
            wasm_br_table_next(m, &pos);
    }
    if (instr.op != WASM_OP_end)
        abort();
}

static void walk(const struct wasm_module *m)
{
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
