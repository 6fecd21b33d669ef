/* --emit header: typed C stubs for what a module exports. */
#include "lucetc/header.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lucetc/diagnostic.h"
#include "lucetc/header_imports.h"
#include "lucetc/header_text.h"
#include "lucetc/version.h"

/* ---- A stub ---- */

static void write_prototype(FILE *f, const char *prefix, const struct header_stub *s)
{
    fprintf(f,
            "static inline enum lucet_error %s_%s(const struct %s_funcs *funcs,\n"
            "    struct lucet_instance *inst",
            prefix, s->id, prefix);
    for (uint32_t i = 0; i < s->type->nparams; i++)
        fprintf(f, ", %sp%u", header_kind(s->type->params[i])->c_type, i);
    for (uint32_t i = 0; i < s->type->nresults; i++)
        fprintf(f, ", %s*r%u", header_kind(s->type->results[i])->c_type, i);
    fprintf(f, ", struct lucet_result *result)\n{\n");
}

static void write_stores(FILE *f, const struct wasm_functype *t)
{
    for (uint32_t i = 0; i < t->nparams; i++) {
        const char *member = header_kind(t->params[i])->member;
        fprintf(f, "    values[%u]%s%s = p%u;\n", i, member ? "." : "", member ? member : "", i);
    }
}

static void write_loads(FILE *f, const struct wasm_functype *t)
{
    if (t->nresults)
        fprintf(f, "    if (error == lucet_error_ok &&\n"
                   "        (!result || result->tag == lucet_result_tag_returned)) {\n");
    for (uint32_t i = 0; i < t->nresults; i++) {
        const char *member = header_kind(t->results[i])->member;
        fprintf(f, "        *r%u = values[%u]%s%s;\n", i, i, member ? "." : "",
                member ? member : "");
    }
    if (t->nresults)
        fprintf(f, "    }\n");
    fprintf(f, "    return error;\n}\n\n");
}

static void write_stub(FILE *f, const char *prefix, const struct header_stub *s)
{
    const uint32_t n = s->type->nparams > s->type->nresults ? s->type->nparams : s->type->nresults;

    write_prototype(f, prefix, s);
    if (n)
        fprintf(f, "    union lucet_raw values[%u];\n", n);
    fprintf(f, "    enum lucet_error error;\n\n");
    write_stores(f, s->type);
    fprintf(f, "    error = lucet_func_call(&funcs->f_%s, inst, %s, result);\n", s->id,
            n ? "values" : "NULL");
    write_loads(f, s->type);
}

/* ---- The whole ---- */

static void write_look_up(FILE *f, const char *prefix, const struct header_stub *stubs, uint32_t n)
{
    fprintf(f,
            "/* Handles of the functions, good for all instances of the module. */\n"
            "struct %s_funcs {\n",
            prefix);
    for (uint32_t i = 0; i < n; i++)
        fprintf(f, "    struct lucet_func f_%s;\n", stubs[i].id);
    fprintf(
        f,
        "%s};\n\n"
        "/* Looks them up, once per loaded module. Errors: those of lucet_dl_module_func(). */\n"
        "static inline enum lucet_error %s_funcs_init(struct %s_funcs *funcs,\n"
        "    const struct lucet_dl_module *module)\n{\n"
        "    enum lucet_error error = lucet_error_ok;\n\n"
        "    (void)funcs;\n    (void)module;\n",
        n ? "" : "    char none;\n", prefix, prefix);
    for (uint32_t i = 0; i < n; i++) {
        fprintf(f, "    if (error == lucet_error_ok)\n"
                   "        error = lucet_dl_module_func(module, ");
        header_literal(f, stubs[i].name);
        fputs(", ", f);
        header_signature(f, stubs[i].type);
        fprintf(f, ", &funcs->f_%s);\n", stubs[i].id);
    }
    fprintf(f, "    return error;\n}\n\n");
}

static void write_all(FILE *f, const char *prefix, const struct header_stub *stubs, uint32_t n,
                      uint32_t left_out, const struct header_imports *imports)
{
    fprintf(f,
            "/* Typed calls of a WebAssembly module's exports. Written by lucetc %s; do not edit.\n"
            " *\n"
            " * Each stub ends like lucet_func_call(); results are written when the function "
            "returned. */\n"
            "#ifndef LUCET_STUBS_%s_H\n#define LUCET_STUBS_%s_H\n\n"
            "#include <lucet/lucet.h>\n%s\n"
            "#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n",
            LUCETC_VERSION, prefix, prefix,
            header_imports_have_vectors(imports) ? "#include <emmintrin.h>\n" : "");
    if (left_out)
        fprintf(
            f,
            "/* Left out: %u exported functions with names that C strings, or types that C cannot "
            "express. */\n\n",
            left_out);
    write_look_up(f, prefix, stubs, n);
    for (uint32_t i = 0; i < n; i++)
        write_stub(f, prefix, &stubs[i]);
    header_imports_write(f, prefix, imports);
    fprintf(f, "#ifdef __cplusplus\n}\n#endif\n#endif\n");
}

enum lucet_error header_write(struct compilation *c, const char *path)
{
    const struct wasm_module *m = c->module;
    const char *name = c->options->header_prefix ? c->options->header_prefix : "guest";
    struct header_stub *stubs = calloc(m->nexports + 1u, sizeof *stubs);
    struct header_imports imports;
    uint32_t n = 0, left_out = 0;
    char prefix[HEADER_ID_MAX + 2] = "_";

    if (!stubs)
        return lucet_error_no_memory;
    /* No identifier begins with a digit. */
    const bool digit = name[0] == '\0' || (name[0] >= '0' && name[0] <= '9');
    header_id(prefix + digit, (const uint8_t *)name, strlen(name));
    for (uint32_t i = 0; i < m->nexports; i++) {
        const struct wasm_export *e = &m->exports[i];
        if (e->kind != WASM_EXTERN_FUNC)
            continue;
        struct header_stub *s = &stubs[n];
        s->name = &e->name;
        s->type = func_type(c, e->index);
        header_id(s->id, e->name.data, e->name.size);
        if (memchr(e->name.data, '\0', e->name.size) || !header_has_c_types(s->type))
            left_out++;
        else
            n++;
    }
    if (!header_ids_unique(stubs, n) || !header_imports_find(&imports, c)) {
        free(stubs);
        return lucet_error_no_memory;
    }
    FILE *f = fopen(path, "w");
    if (f)
        write_all(f, prefix, stubs, n, left_out, &imports);
    header_imports_free(&imports);
    const bool failed = !f || ferror(f);
    if ((f && fclose(f) != 0) || failed) {
        diagnose(c->diagnostic, "io", "cannot write %.256s: %s", path, strerror(errno));
        free(stubs);
        return lucet_error_io;
    }
    free(stubs);
    return lucet_error_ok;
}
