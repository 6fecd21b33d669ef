#include "lucetc/plan.h"

#include <stdlib.h>
#include <string.h>

#include "lucetc/effects.h"
#include "lucetc/params.h"
#include "lucetc/supported.h"

/* What is collected while bodies are walked. */
struct collector {
    struct compilation *c;
    uint64_t *gates; /* type << 32 | table, with duplicates */
    size_t ngates, gates_capacity;
    bool *is_ref_func; /* per function */
};

static bool is_funcref(wasm_valtype t)
{
    return wasm_is_ref(t) && wasm_ref_top(t) == WASM_FUNCREF;
}

static bool has_funcref(const struct wasm_functype *t)
{
    for (uint32_t i = 0; i < t->nparams; i++)
        if (is_funcref(t->params[i]))
            return true;
    for (uint32_t i = 0; i < t->nresults; i++)
        if (is_funcref(t->results[i]))
            return true;
    return false;
}

static bool extern_passes_funcs(const struct wasm_module *m, enum wasm_extern kind, uint32_t index)
{
    switch (kind) {
    case WASM_EXTERN_FUNC: return has_funcref(&m->types[m->funcs[index].type]);
    case WASM_EXTERN_TABLE: return is_funcref(m->tables[index].type.elem);
    case WASM_EXTERN_GLOBAL: return is_funcref(m->globals[index].type.type);
    default: return false;
    }
}

/* docs/abi.md C5: whether no function reference can leave an instance. */
static bool funcs_are_private(const struct wasm_module *m)
{
    for (uint32_t i = 0; i < m->nimports; i++)
        if (extern_passes_funcs(m, m->imports[i].kind, m->imports[i].index))
            return false;
    for (uint32_t i = 0; i < m->nexports; i++)
        if (extern_passes_funcs(m, m->exports[i].kind, m->exports[i].index))
            return false;
    /* An exception that nothing catches leaves the instance, whoever knows its tag. */
    for (uint32_t i = 0; i < m->ntags; i++)
        if (has_funcref(&m->types[m->tags[i].type]))
            return false;
    return true;
}

static bool add_gate(struct collector *k, uint32_t type, uint32_t table)
{
    const uint64_t gate = (uint64_t)type << 32 | table;
    if (k->ngates > 0 && k->gates[k->ngates - 1] == gate)
        return true;
    if (k->ngates == k->gates_capacity) {
        const size_t capacity = k->gates_capacity ? 2 * k->gates_capacity : 64;
        uint64_t *grown = realloc(k->gates, capacity * sizeof *grown);
        if (!grown)
            return false;
        k->gates = grown;
        k->gates_capacity = capacity;
    }
    k->gates[k->ngates++] = gate;
    return true;
}

static void note_global(struct plan *p, const struct wasm_module *m, uint32_t index,
                        enum global_use use)
{
    if (index < m->nimported_globals && m->globals[index].type.mutable)
        p->globals[index] |= use;
}

static void note_catches(struct collector *k, const struct wasm_instr *in)
{
    uint32_t pos = in->imm.block.catches;
    for (uint32_t i = 0; i < in->imm.block.catch_count; i++) {
        const struct wasm_catch clause = wasm_catch_next(k->c->module, &pos);
        if (clause.kind == WASM_CATCH_REF || clause.kind == WASM_CATCH_ALL_REF)
            k->c->plan.builtins |= 1u << LUCET_BUILTIN_exn_catch;
    }
}

static enum lucet_error note_instr(struct collector *k, const struct wasm_instr *in)
{
    struct plan *p = &k->c->plan;
    const struct wasm_module *m = k->c->module;
#define BUILTIN(id) (p->builtins |= 1u << LUCET_BUILTIN_##id)
    switch (in->op) {
    case WASM_OP_return_call: p->tail_calls = true; break;
    case WASM_OP_return_call_indirect: p->tail_calls = true; /* fall through */
    case WASM_OP_call_indirect:
        return add_gate(k, in->imm.index, in->imm.index2) ? lucet_error_ok : lucet_error_no_memory;
    case WASM_OP_return_call_ref: p->tail_calls = true; /* fall through */
    case WASM_OP_call_ref: p->types[in->imm.index] |= TYPE_REF_GATE; break;
    case WASM_OP_ref_func: k->is_ref_func[in->imm.index] = true; break;
    case WASM_OP_global_get: note_global(p, m, in->imm.index, GLOBAL_GET); break;
    case WASM_OP_global_set: note_global(p, m, in->imm.index, GLOBAL_SET); break;
    case WASM_OP_table_get:
        if (wasm_ref_top(m->tables[in->imm.index].type.elem) == WASM_EXNREF)
            BUILTIN(exn_table_get);
        else
            p->tables[in->imm.index] |= TABLE_GET;
        break;
    case WASM_OP_table_set: p->tables[in->imm.index] |= TABLE_SET; break;
    case WASM_OP_table_size: p->tables[in->imm.index] |= TABLE_SIZE; break;
    case WASM_OP_memory_grow: BUILTIN(memory_grow); break;
    case WASM_OP_memory_copy: BUILTIN(memory_copy); break;
    case WASM_OP_memory_fill: BUILTIN(memory_fill); break;
    case WASM_OP_memory_init: BUILTIN(memory_init); break;
    case WASM_OP_data_drop: BUILTIN(data_drop); break;
    case WASM_OP_table_grow: BUILTIN(table_grow); break;
    case WASM_OP_table_copy: BUILTIN(table_copy); break;
    case WASM_OP_table_fill: BUILTIN(table_fill); break;
    case WASM_OP_table_init: BUILTIN(table_init); break;
    case WASM_OP_elem_drop: BUILTIN(elem_drop); break;
    case WASM_OP_try: p->exceptions = true; break;
    case WASM_OP_throw_ref:
        p->exceptions = true;
        BUILTIN(exn_throw);
        break;
    case WASM_OP_rethrow:
        BUILTIN(exn_throw);
        BUILTIN(exn_catch);
        break;
    case WASM_OP_try_table:
        p->exceptions = true;
        note_catches(k, in);
        break;
    case WASM_OP_memory_atomic_wait32: BUILTIN(memory_wait32); break;
    case WASM_OP_memory_atomic_wait64: BUILTIN(memory_wait64); break;
    case WASM_OP_memory_atomic_notify: BUILTIN(memory_notify); break;
    default: break;
    }
#undef BUILTIN
    return lucet_error_ok;
}

static enum lucet_error walk_bodies(struct collector *k)
{
    const struct wasm_module *m = k->c->module;
    for (uint32_t i = m->nimported_funcs; i < m->nfuncs; i++) {
        struct wasm_reader r;
        struct wasm_locals_run run;
        struct wasm_instr in;
        wasm_reader_init_body(&r, m, i);
        while (wasm_reader_locals(&r, &run))
            ;
        while (wasm_reader_next(&r, &in)) {
            enum lucet_error e = supported_instr(k->c, i, &in);
            if (!e)
                e = note_instr(k, &in);
            if (e)
                return e;
        }
    }
    return lucet_error_ok;
}

static int compare_u64(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static bool keep_gates(struct collector *k)
{
    struct plan *p = &k->c->plan;
    if (k->ngates == 0)
        return true;
    qsort(k->gates, k->ngates, sizeof *k->gates, compare_u64);
    p->gates = calloc(k->ngates, sizeof *p->gates);
    if (!p->gates)
        return false;
    for (size_t i = 0; i < k->ngates; i++) {
        if (i > 0 && k->gates[i] == k->gates[i - 1])
            continue;
        p->gates[p->ngates++] =
            (struct gate){.type = (uint32_t)(k->gates[i] >> 32), .table = (uint32_t)k->gates[i]};
    }
    return true;
}

static bool keep_ref_funcs(struct collector *k)
{
    struct plan *p = &k->c->plan;
    const uint32_t n = k->c->module->nfuncs;
    for (uint32_t i = 0; i < n; i++)
        p->nref_funcs += k->is_ref_func[i];
    p->ref_funcs = calloc((size_t)p->nref_funcs + 1, sizeof *p->ref_funcs);
    if (!p->ref_funcs)
        return false;
    uint32_t used = 0;
    for (uint32_t i = 0; i < n; i++)
        if (k->is_ref_func[i])
            p->ref_funcs[used++] = i;
    return true;
}

uint32_t plan_ref_func_slot(const struct plan *p, uint32_t func)
{
    uint32_t low = 0, high = p->nref_funcs;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (p->ref_funcs[middle] < func)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void note_func_types(const struct compilation *c, uint32_t func, uint8_t use)
{
    c->plan.types[c->module->funcs[func].type] |= use;
}

static void note_expr_funcs(const struct compilation *c, struct wasm_expr e, uint8_t use)
{
    struct wasm_reader r;
    struct wasm_instr in;
    wasm_reader_init_expr(&r, c->module, e);
    while (wasm_reader_next(&r, &in))
        if (in.op == WASM_OP_ref_func)
            note_func_types(c, in.imm.index, use);
}

/* Entries for what the host may call; thunks for what another instance may call; trampolines for
 * what the host may be asked to do. */
/* Catchers for what may run frames of an instance that does not look for exceptions. */
static void note_catchers(const struct compilation *c)
{
    const struct plan *p = &c->plan;
    for (uint32_t i = 0; i < c->module->nimported_funcs; i++)
        note_func_types(c, i, TYPE_CATCHER);
    for (uint32_t i = 0; i < p->ngates && !p->private_funcs; i++)
        p->types[p->gates[i].type] |= TYPE_CATCHER;
    for (uint32_t i = 0; i < c->module->ntypes && !p->private_funcs; i++)
        if (p->types[i] & TYPE_REF_GATE)
            p->types[i] |= TYPE_CATCHER;
}

static void note_types(const struct compilation *c)
{
    const struct wasm_module *m = c->module;
    const uint8_t reference = TYPE_ENTRY | (c->plan.private_funcs ? 0 : TYPE_THUNK);
    for (uint32_t i = 0; i < m->nimported_funcs; i++)
        note_func_types(c, i, TYPE_HOST);
    for (uint32_t i = 0; i < m->nexports; i++)
        if (m->exports[i].kind == WASM_EXTERN_FUNC)
            note_func_types(c, m->exports[i].index, TYPE_ENTRY | TYPE_THUNK);
    if (m->start != WASM_NONE)
        note_func_types(c, m->start, TYPE_ENTRY);
    for (uint32_t i = 0; i < c->plan.nref_funcs; i++)
        note_func_types(c, c->plan.ref_funcs[i], reference);
    for (uint32_t i = m->nimported_tables; i < m->ntables; i++)
        note_expr_funcs(c, m->tables[i].init, reference);
    for (uint32_t i = m->nimported_globals; i < m->nglobals; i++)
        note_expr_funcs(c, m->globals[i].init, reference);
    for (uint32_t i = 0; i < m->nelems; i++)
        for (uint32_t j = 0; j < m->elems[i].count; j++) {
            if (m->elems[i].funcs)
                note_func_types(c, m->elems[i].funcs[j], reference);
            else
                note_expr_funcs(c, m->elems[i].exprs[j], reference);
        }
}

static enum lucet_error collect(struct collector *k)
{
    struct plan *p = &k->c->plan;
    const struct wasm_module *m = k->c->module;
    p->exceptions = m->ntags > 0;
    p->types = calloc((size_t)m->ntypes + 1, sizeof *p->types);
    p->tables = calloc((size_t)m->ntables + 1, sizeof *p->tables);
    p->globals = calloc((size_t)m->nglobals + 1, sizeof *p->globals);
    p->cells = calloc((size_t)m->nglobals + 1, sizeof *p->cells);
    k->is_ref_func = calloc((size_t)m->nfuncs + 1, sizeof *k->is_ref_func);
    if (!p->types || !p->tables || !p->globals || !p->cells || !k->is_ref_func)
        return lucet_error_no_memory;
    const enum lucet_error e = walk_bodies(k);
    if (e)
        return e;
    if (!keep_gates(k) || !keep_ref_funcs(k))
        return lucet_error_no_memory;
    for (uint32_t i = 0; i < m->ntypes && p->tail_calls; i++)
        params_note(p, &m->types[i]);
    /* Gates of wide types know their own functions by the record's context. */
    p->private_funcs = funcs_are_private(m) && p->scratch_params == 0;
    note_types(k->c);
    if (p->exceptions) {
        p->builtins |= 1u << LUCET_BUILTIN_exn_leave | 1u << LUCET_BUILTIN_exn_arrive;
        note_catchers(k->c);
    }
    return lucet_error_ok;
}

enum lucet_error plan_make(struct compilation *c)
{
    struct collector k = {.c = c};
    enum lucet_error e = collect(&k);
    if (c->options->count_instructions)
        c->plan.builtins |= 1u << LUCET_BUILTIN_bound_expired;
    free(k.gates);
    free(k.is_ref_func);
    if (!e)
        e = effects_make(c);
    if (!e)
        e = layout_make(c);
    return e ? e : partitions_make(c);
}

void plan_free(struct plan *p)
{
    free(p->types);
    free(p->tables);
    free(p->globals);
    free(p->gates);
    free(p->ref_funcs);
    free(p->cells);
    effects_free(p->effects);
    free(p->partitions);
    *p = (struct plan){0};
}
