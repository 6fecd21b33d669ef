/* Imports, exports and the native symbols the embedder must have. */
#include <stdlib.h>
#include <string.h>

#include "tools/lucet-objdump/objdump.h"

static int by_text(const void *a, const void *b)
{
    return strcmp(json_string_value(*(json_t *const *)a), json_string_value(*(json_t *const *)b));
}

/* The symbols that bindings gave to imported functions, each once. */
json_t *section_required(struct view *v)
{
    const struct lucet_artifact *a = v->a;
    json_t **names = calloc((size_t)a->nimports + 1, sizeof(json_t *));
    json_t *list = must(json_array());
    size_t n = 0;

    if (!names)
        out_of_memory();
    for (uint32_t i = 0; i < a->nimports; i++)
        if (a->imports[i].kind == LUCET_EXTERN_FUNC && a->imports[i].symbol.size)
            names[n++] = json_name(a, a->imports[i].symbol, false);
    if (n)
        qsort(names, n, sizeof(json_t *), by_text);
    for (size_t i = 0; i < n; i++) {
        const bool again = i && json_equal(names[i], names[i - 1]);
        if (!again)
            must_do(json_array_append_new(list, must(json_pack("{sO}", "symbol", names[i]))));
    }
    for (size_t i = 0; i < n; i++)
        json_decref(names[i]);
    free(names);
    return list;
}

json_t *section_imports(struct view *v)
{
    const struct lucet_artifact *a = v->a;
    json_t *list = must(json_array());

    for (uint32_t i = 0; i < a->nimports; i++) {
        const struct lucet_module_import *m = &a->imports[i];
        must_do(json_array_append_new(
            list,
            must(json_pack("{sosososssiso}", "module", json_name(a, m->module, false), "name",
                           json_name(a, m->name, false), "symbol", json_name(a, m->symbol, true),
                           "kind", extern_name(m->kind), "index", (int)m->index, "type",
                           json_extern(a, m->kind, m->index)))));
    }
    return list;
}

json_t *section_exports(struct view *v)
{
    const struct lucet_artifact *a = v->a;
    json_t *list = must(json_array());

    for (uint32_t i = 0; i < a->nexports; i++) {
        const struct lucet_module_export *e = &a->exports[i];
        must_do(json_array_append_new(
            list, must(json_pack("{sosssiso}", "name", json_name(a, e->name, false), "kind",
                                 extern_name(e->kind), "index", (int)e->index, "type",
                                 json_extern(a, e->kind, e->index)))));
    }
    return list;
}
