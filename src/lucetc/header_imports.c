#include "lucetc/header_imports.h"

#include <stdlib.h>
#include <string.h>

#include "lucetc/bindings.h"

/* ---- Which ---- */

static int compare_bytes(const struct wasm_bytes *a, const struct wasm_bytes *b)
{
    const int order = memcmp(a->data, b->data, a->size < b->size ? a->size : b->size);

    return order ? order : (a->size > b->size) - (a->size < b->size);
}

/* 0: the same function, by its symbol or by module and name, whatever its type: the linker knows
 * one of each. */
static int compare(const void *a, const void *b)
{
    const struct header_stub *x = a, *y = b;

    if (x->symbol && y->symbol)
        return strcmp(x->symbol, y->symbol);
    if (x->symbol || y->symbol)
        return x->symbol ? -1 : 1;
    const int order = compare_bytes(x->module, y->module);
    return order ? order : compare_bytes(x->name, y->name);
}

static bool has_nul(const struct wasm_bytes *name)
{
    return memchr(name->data, '\0', name->size) != NULL;
}

/* False: it is WASI's, or C cannot express it, which is counted. */
static bool describe(struct header_imports *out, const struct compilation *c,
                     const struct wasm_import *import, struct header_stub *s)
{
    *s = (struct header_stub){
        .name = &import->name,
        .module = &import->module,
        .symbol = bindings_find(c, import),
        .type = func_type(c, import->index),
    };
    if (s->symbol && strncmp(s->symbol, "lucet_wasi_", strlen("lucet_wasi_")) == 0)
        return false;
    if (!header_has_c_types(s->type) || (!s->symbol && (has_nul(s->module) || has_nul(s->name)))) {
        out->left_out++;
        return false;
    }
    if (s->symbol) {
        header_id(s->id, (const uint8_t *)s->symbol, strlen(s->symbol));
        return true;
    }
    header_id(s->id, s->module->data, s->module->size);
    const size_t used = strlen(s->id);
    if (used < HEADER_ID_MAX) {
        s->id[used] = '_';
        const size_t room = HEADER_ID_MAX - used - 1;
        header_id(s->id + used + 1, s->name->data, s->name->size < room ? s->name->size : room);
    }
    return true;
}

bool header_imports_find(struct header_imports *out, const struct compilation *c)
{
    const struct wasm_module *m = c->module;
    uint32_t found = 0;

    *out = (struct header_imports){.stubs = calloc(m->nimports + 1u, sizeof *out->stubs)};
    if (!out->stubs)
        return false;
    for (uint32_t i = 0; i < m->nimports; i++)
        if (m->imports[i].kind == WASM_EXTERN_FUNC &&
            describe(out, c, &m->imports[i], &out->stubs[found]))
            found++;
    /* One that is imported several times is registered once. */
    qsort(out->stubs, found, sizeof *out->stubs, compare);
    for (uint32_t i = 0; i < found; i++)
        if (i == 0 || compare(&out->stubs[out->n - 1], &out->stubs[i]) != 0)
            out->stubs[out->n++] = out->stubs[i];
    if (header_ids_unique(out->stubs, out->n))
        return true;
    header_imports_free(out);
    return false;
}

void header_imports_free(struct header_imports *imports)
{
    free(imports->stubs);
}

bool header_imports_have_vectors(const struct header_imports *imports)
{
    for (uint32_t i = 0; i < imports->n; i++) {
        const struct wasm_functype *t = imports->stubs[i].type;
        for (uint32_t k = 0; k < t->nparams; k++)
            if (t->params[k] == WASM_V128)
                return true;
        for (uint32_t k = 0; k < t->nresults; k++)
            if (t->results[k] == WASM_V128)
                return true;
    }
    return false;
}

/* ---- Text ---- */

static void write_pointer(FILE *f, const struct header_stub *s)
{
    const struct wasm_functype *t = s->type;

    fprintf(f, "    %s (*f_%s)(struct lucet_vmctx *",
            t->nresults ? header_kind(t->results[0])->host_type : "void", s->id);
    for (uint32_t i = 0; i < t->nparams; i++)
        fprintf(f, ", %s", header_kind(t->params[i])->host_type);
    for (uint32_t i = 1; i < t->nresults; i++)
        fprintf(f, ", %s *", header_kind(t->results[i])->host_type);
    fprintf(f, ");\n");
}

static void write_registration(FILE *f, const struct header_stub *s)
{
    const struct wasm_bytes symbol = {(const uint8_t *)s->symbol,
                                      s->symbol ? (uint32_t)strlen(s->symbol) : 0};

    fprintf(f, "    if (error == lucet_error_ok && imports->f_%s) {\n", s->id);
    if (s->symbol) {
        fprintf(f, "        const struct lucet_hostcall call = {");
        header_literal(f, &symbol);
        fprintf(f, ", ");
        header_signature(f, s->type);
        fprintf(f,
                ",\n            (void (*)(void))imports->f_%s};\n"
                "        error = lucet_linker_hostcalls(linker, &call, 1);\n    }\n",
                s->id);
        return;
    }
    fprintf(f, "        error = lucet_linker_func(linker, ");
    header_literal(f, s->module);
    fprintf(f, ", ");
    header_literal(f, s->name);
    fprintf(f, ", ");
    header_signature(f, s->type);
    fprintf(f, ",\n            (void (*)(void))imports->f_%s);\n    }\n", s->id);
}

void header_imports_write(FILE *f, const char *prefix, const struct header_imports *imports)
{
    if (imports->left_out)
        fprintf(f,
                "/* Left out: %u imported functions with names that C strings, or types that C "
                "cannot express. */\n\n",
                imports->left_out);
    if (imports->n == 0)
        return;
    fprintf(f,
            "/* The host functions that the module imports, but for WASI's. */\n"
            "struct %s_imports {\n",
            prefix);
    for (uint32_t i = 0; i < imports->n; i++)
        write_pointer(f, &imports->stubs[i]);
    fprintf(
        f,
        "};\n\n"
        "/* Registers them, but for those that are NULL. Errors: those of lucet_linker_func(). */\n"
        "static inline enum lucet_error %s_imports_link(const struct %s_imports *imports,\n"
        "    struct lucet_linker *linker)\n{\n"
        "    enum lucet_error error = lucet_error_ok;\n\n",
        prefix, prefix);
    for (uint32_t i = 0; i < imports->n; i++)
        write_registration(f, &imports->stubs[i]);
    fprintf(f, "    return error;\n}\n\n");
}
