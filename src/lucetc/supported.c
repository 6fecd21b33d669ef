#include "lucetc/supported.h"

#include "lucetc/diagnostic.h"
#include "lucetc/func.h"

static enum lucet_error refuse(const struct compilation *c, const char *what)
{
    diagnose(c->diagnostic, "unsupported", "%s: not supported yet by this compiler", what);
    return lucet_error_compile;
}

static bool is_plain(wasm_valtype t)
{
    return !wasm_is_ref(t) || t == WASM_FUNCREF || t == WASM_EXTERNREF ||
           wasm_ref_top(t) == WASM_EXNREF;
}

static bool types_are_plain(const struct wasm_module *m)
{
    for (uint32_t i = 0; i < m->ntypes; i++) {
        const struct wasm_functype *t = &m->types[i];
        for (uint32_t k = 0; k < t->nparams; k++)
            if (!is_plain(t->params[k]))
                return false;
        for (uint32_t k = 0; k < t->nresults; k++)
            if (!is_plain(t->results[k]))
                return false;
    }
    for (uint32_t i = 0; i < m->nglobals; i++)
        if (!is_plain(m->globals[i].type.type))
            return false;
    for (uint32_t i = 0; i < m->ntables; i++)
        if (!is_plain(m->tables[i].type.elem))
            return false;
    return true;
}

static bool is_plain_expr(const struct wasm_module *m, struct wasm_expr e)
{
    struct wasm_reader r;
    struct wasm_instr in;
    uint32_t count = 0;
    wasm_reader_init_expr(&r, m, e);
    while (wasm_reader_next(&r, &in)) {
        count++;
        if (in.op == WASM_OP_global_get && in.imm.index >= m->nimported_globals)
            return false;
    }
    return count <= 2;
}

static bool exprs_are_plain(const struct wasm_module *m)
{
    for (uint32_t i = 0; i < m->nglobals; i++)
        if (!is_plain_expr(m, m->globals[i].init))
            return false;
    for (uint32_t i = 0; i < m->ndatas; i++)
        if (!is_plain_expr(m, m->datas[i].memory_offset))
            return false;
    for (uint32_t i = 0; i < m->nelems; i++) {
        if (!is_plain_expr(m, m->elems[i].table_offset))
            return false;
        for (uint32_t k = 0; m->elems[i].exprs && k < m->elems[i].count; k++)
            if (!is_plain_expr(m, m->elems[i].exprs[k]))
                return false;
    }
    return true;
}

static enum lucet_error check_tables(const struct compilation *c)
{
    const struct wasm_module *m = c->module;
    for (uint32_t i = 0; i < m->ntables; i++) {
        if (m->tables[i].init.size > 0)
            return refuse(c, "table with an initialiser");
    }
    return lucet_error_ok;
}

enum lucet_error supported_check(const struct compilation *c)
{
    if (!types_are_plain(c->module))
        return refuse(c, "typed reference");
    if (!exprs_are_plain(c->module))
        return refuse(c, "extended constant expression");
    return check_tables(c);
}

enum lucet_error supported_instr(const struct compilation *c, uint32_t func,
                                 const struct wasm_instr *in)
{
    if (rules[in->op].emit)
        return lucet_error_ok;
    diagnose_at(c->diagnostic, "unsupported", c->module, func, in->offset,
                "%s: not supported yet by this compiler", wasm_op_info[in->op].name);
    return lucet_error_compile;
}
