/* Types, functions, helpers, tables, memories, globals and tags. */
#include "tools/lucet-objdump/objdump.h"

static json_t *type_list(const uint8_t *types, unsigned n)
{
    json_t *list = must(json_array());

    for (unsigned i = 0; i < n; i++)
        must_do(json_array_append_new(list, must(json_string(lucet_valtype_name(types[i])))));
    return list;
}

json_t *section_types(struct view *v)
{
    const struct lucet_artifact *a = v->a;
    json_t *list = must(json_array());

    for (uint32_t i = 0; i < a->ntypes; i++) {
        const struct lucet_module_type *t = &a->types[i];
        must_do(json_array_append_new(
            list,
            must(json_pack("{siso so so}", "index", (int)i, "type", json_functype(a, i), "params",
                           type_list(lucet_artifact_params(a, t), t->nparams), "results",
                           type_list(lucet_artifact_results(a, t), t->nresults)))));
    }
    return list;
}

/* Code address and size, from the map of the text. */
static void set_code(struct view *v, json_t *o, lucet_code code)
{
    const uint64_t at = lucet_artifact_code(v->a, code);
    const uint32_t n = audit_function_from(&v->map.input, at);

    if (code == 0 || n == UINT32_MAX)
        return;
    const struct audit_function *fn = &v->map.input.functions[n];
    must_do(json_object_set_new(o, "address", json_integer((json_int_t)at)));
    must_do(json_object_set_new(o, "size", json_integer(fn->end - fn->start)));
}

static const char *effects_name(uint32_t effects)
{
    return effects & LUCET_FUNC_QUIET ? "quiet" : effects & LUCET_FUNC_CLOSED ? "closed" : "any";
}

json_t *section_functions(struct view *v)
{
    const struct lucet_artifact *a = v->a;
    json_t *list = must(json_array());

    for (uint32_t i = 0; i < a->nfuncs; i++) {
        const struct lucet_module_func *f = &a->funcs[i];
        const bool imported = i < a->header->nimported_funcs;
        json_t *o = must(json_pack("{sisosb}", "index", (int)i, "name",
                                   json_name(a, v->names[i], true), "imported", (int)imported));
        must_do(json_object_set_new(o, "type", json_functype(a, f->type)));
        must_do(json_object_set_new(o, "type_index", json_integer(f->type)));
        if (!imported)
            must_do(json_object_set_new(o, "wasm_offset", json_integer(f->wasm_offset)));
        set_code(v, o, f->code);
        must_do(json_object_set_new(o, "effects", json_string(effects_name(f->effects))));
        must_do(json_array_append_new(list, o));
    }
    return list;
}

json_t *section_helpers(struct view *v)
{
    const struct lucet_artifact *a = v->a;
    json_t *list = must(json_array());

    for (uint32_t i = 0; i < a->nhelpers; i++) {
        json_t *o = must(json_pack("{so}", "name", json_name(a, a->helpers[i].name, false)));
        set_code(v, o, a->helpers[i].code);
        must_do(json_array_append_new(list, o));
    }
    return list;
}

/* Numbers of more than 63 bits, which JSON's readers do not agree on, are cut. */
static json_t *json_u64(uint64_t n)
{
    return json_integer((json_int_t)(n > INT64_MAX ? INT64_MAX : n));
}

static void set_limits(json_t *o, uint64_t min, uint64_t max, uint32_t flags)
{
    must_do(json_object_set_new(o, "min", json_u64(min)));
    must_do(json_object_set_new(o, "max", flags & LUCET_HAS_MAX ? json_u64(max) : json_null()));
    must_do(json_object_set_new(o, "indices", json_string(flags & LUCET_INDEX64 ? "i64" : "i32")));
}

json_t *section_tables(struct view *v)
{
    const struct lucet_artifact *a = v->a;
    json_t *list = must(json_array());

    for (uint32_t i = 0; i < a->ntables; i++) {
        json_t *o = must(json_pack("{sisssb}", "index", (int)i, "elements",
                                   lucet_valtype_name(a->tables[i].elem), "imported",
                                   (int)(i < a->header->nimported_tables)));
        set_limits(o, a->tables[i].min, a->tables[i].max, a->tables[i].flags);
        must_do(json_array_append_new(list, o));
    }
    return list;
}

json_t *section_memories(struct view *v)
{
    const struct lucet_artifact *a = v->a;
    json_t *list = must(json_array());

    for (uint32_t i = 0; i < a->nmemories; i++) {
        json_t *o = must(json_pack("{sisb}", "index", (int)i, "imported",
                                   (int)(i < a->header->nimported_memories)));
        const struct lucet_module_memory *d = &a->memories[i];
        set_limits(o, d->min, d->max, d->flags);
        must_do(json_object_set_new(o, "initial_size",
                                    json_u64(lucet_memory_bytes(d->min, d->page_log2))));
        must_do(json_object_set_new(o, "page_size", json_integer(1 << d->page_log2)));
        must_do(json_object_set_new(o, "shared", json_boolean(d->flags & LUCET_SHARED)));
        must_do(json_object_set_new(
            o, "guarded", json_boolean(lucet_memory_is_guarded(i, d->flags, d->page_log2))));
        must_do(json_array_append_new(list, o));
    }
    return list;
}

json_t *section_globals(struct view *v)
{
    const struct lucet_artifact *a = v->a;
    json_t *list = must(json_array());

    for (uint32_t i = 0; i < a->nglobals; i++) {
        const struct lucet_module_global *g = &a->globals[i];
        json_t *o = must(json_pack("{sisssbsb}", "index", (int)i, "type",
                                   lucet_valtype_name(g->type), "mutable", (int)(g->mutable != 0),
                                   "imported", (int)(i < a->header->nimported_globals)));
        must_do(json_object_set_new(o, "cell",
                                    g->cell == LUCET_NONE ? json_null() : json_integer(g->cell)));
        must_do(json_object_set_new(o, "init", json_init(a, g->init)));
        must_do(json_array_append_new(list, o));
    }
    return list;
}

json_t *section_tags(struct view *v)
{
    const struct lucet_artifact *a = v->a;
    json_t *list = must(json_array());

    for (uint32_t i = 0; i < a->ntags; i++)
        must_do(json_array_append_new(
            list,
            must(json_pack("{sisosb}", "index", (int)i, "type", json_extern(a, LUCET_EXTERN_TAG, i),
                           "imported", (int)(i < a->header->nimported_tags)))));
    return list;
}
