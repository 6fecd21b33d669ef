/* --emit header: typed C stubs for what a module exports. Names of exports are any bytes; they become C
 * identifiers and string literals here, and nothing else of the module gets into the text. */
#include "lucetc/header.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lucetc/diagnostic.h"
#include "lucetc/version.h"

#define ID_MAX 200u

struct stub {
    const struct wasm_bytes *name;
    const struct wasm_functype *type;
    char id[ID_MAX + 16];
    bool numbered;
};

struct kind {
    wasm_valtype type;
    char letter;
    const char *c_type, *member;
};
static const struct kind kinds[] = {
    {WASM_I32, 'i', "uint32_t ", "u32"},        {WASM_I64, 'I', "uint64_t ", "u64"},
    {WASM_F32, 'f', "float ", "f32"},           {WASM_F64, 'F', "double ", "f64"},
    {WASM_V128, 'v', "union lucet_raw ", NULL}, {WASM_FUNCREF, 'r', "void *", "ref"},
    {WASM_EXTERNREF, 'e', "void *", "ref"},
};

static const struct kind *kind_of(wasm_valtype type)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (kinds[i].type == type)
            return &kinds[i];
    return NULL;
}

static bool has_c_types(const struct wasm_functype *t)
{
    for (uint32_t i = 0; i < t->nparams; i++)
        if (!kind_of(t->params[i]))
            return false;
    for (uint32_t i = 0; i < t->nresults; i++)
        if (!kind_of(t->results[i]))
            return false;
    return true;
}

/* ---- Names ---- */

static bool is_word(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* Letters, digits and _ stay, each other byte becomes one _. */
static void make_id(char *id, const uint8_t *bytes, size_t size)
{
    size_t n = size < ID_MAX ? size : ID_MAX;

    for (size_t i = 0; i < n; i++)
        id[i] = is_word(bytes[i]) ? (char)bytes[i] : '_';
    id[n] = '\0';
}

static int compare_ids(const void *a, const void *b)
{
    const struct stub *const *x = a, *const *y = b;
    const int order = strcmp((*x)->id, (*y)->id);

    return order ? order : (*x < *y ? -1 : *x > *y);
}

/* Names that are no identifier of their own get the number of their stub behind two underscores, and so
 * does whatever has two underscores: then all differ. */
static bool make_ids_unique(struct stub *stubs, uint32_t n)
{
    struct stub **sorted = malloc((n ? n : 1) * sizeof(struct stub *));

    if (!sorted)
        return false;
    for (uint32_t i = 0; i < n; i++)
        sorted[i] = &stubs[i];
    qsort(sorted, n, sizeof(struct stub *), compare_ids);
    for (uint32_t i = 0; i < n; i++) {
        const char *id = sorted[i]->id;
        const bool taken = strcmp(id, "funcs") == 0 || strcmp(id, "funcs_init") == 0;
        const bool same = i > 0 && strcmp(id, sorted[i - 1]->id) == 0;
        if (i > 0)
            sorted[i - 1]->numbered |= same;
        sorted[i]->numbered = same || taken || id[0] == '\0' || strstr(id, "__");
    }
    for (uint32_t i = 0; i < n; i++)
        if (stubs[i].numbered)
            snprintf(stubs[i].id + strlen(stubs[i].id), 16, "__%u", i);
    free(sorted);
    return true;
}

static void write_literal(FILE *f, const struct wasm_bytes *name)
{
    fputc('"', f);
    for (size_t i = 0; i < name->size; i++) {
        const uint8_t c = name->data[i];
        if (is_word(c) || (c && strchr(" !#$%&'()*+,-./:;<=>@[]^`{|}~", c)))
            fputc(c, f);
        else
            fprintf(f, "\\%03o", c);
    }
    fputc('"', f);
}

static void write_signature(FILE *f, const struct wasm_functype *t)
{
    fputc('"', f);
    for (uint32_t i = 0; i < t->nparams; i++)
        fputc(kind_of(t->params[i])->letter, f);
    fputc(':', f);
    for (uint32_t i = 0; i < t->nresults; i++)
        fputc(kind_of(t->results[i])->letter, f);
    fputc('"', f);
}

/* ---- A stub ---- */

static void write_prototype(FILE *f, const char *prefix, const struct stub *s)
{
    fprintf(f,
            "static inline enum lucet_error %s_%s(const struct %s_funcs *funcs,\n"
            "    struct lucet_instance *inst",
            prefix, s->id, prefix);
    for (uint32_t i = 0; i < s->type->nparams; i++)
        fprintf(f, ", %sp%u", kind_of(s->type->params[i])->c_type, i);
    for (uint32_t i = 0; i < s->type->nresults; i++)
        fprintf(f, ", %s*r%u", kind_of(s->type->results[i])->c_type, i);
    fprintf(f, ", struct lucet_result *result)\n{\n");
}

static void write_stores(FILE *f, const struct wasm_functype *t)
{
    for (uint32_t i = 0; i < t->nparams; i++) {
        const char *member = kind_of(t->params[i])->member;
        fprintf(f, "    values[%u]%s%s = p%u;\n", i, member ? "." : "", member ? member : "", i);
    }
}

static void write_loads(FILE *f, const struct wasm_functype *t)
{
    if (t->nresults)
        fprintf(f, "    if (error == lucet_error_ok &&\n"
                   "        (!result || result->tag == lucet_result_tag_returned)) {\n");
    for (uint32_t i = 0; i < t->nresults; i++) {
        const char *member = kind_of(t->results[i])->member;
        fprintf(f, "        *r%u = values[%u]%s%s;\n", i, i, member ? "." : "",
                member ? member : "");
    }
    if (t->nresults)
        fprintf(f, "    }\n");
    fprintf(f, "    return error;\n}\n\n");
}

static void write_stub(FILE *f, const char *prefix, const struct stub *s)
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

static void write_look_up(FILE *f, const char *prefix, const struct stub *stubs, uint32_t n)
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
        write_literal(f, stubs[i].name);
        fputs(", ", f);
        write_signature(f, stubs[i].type);
        fprintf(f, ", &funcs->f_%s);\n", stubs[i].id);
    }
    fprintf(f, "    return error;\n}\n\n");
}

static void write_all(FILE *f, const char *prefix, const struct stub *stubs, uint32_t n,
                      uint32_t left_out)
{
    fprintf(f,
            "/* Typed calls of a WebAssembly module's exports. Written by lucetc %s; do not edit.\n"
            " *\n"
            " * Each stub ends like lucet_func_call(); results are written when the function "
            "returned. */\n"
            "#ifndef LUCET_STUBS_%s_H\n#define LUCET_STUBS_%s_H\n\n"
            "#include <lucet/lucet.h>\n\n"
            "#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n",
            LUCETC_VERSION, prefix, prefix);
    if (left_out)
        fprintf(
            f,
            "/* Left out: %u exported functions with names that C strings, or types that C cannot "
            "express. */\n\n",
            left_out);
    write_look_up(f, prefix, stubs, n);
    for (uint32_t i = 0; i < n; i++)
        write_stub(f, prefix, &stubs[i]);
    fprintf(f, "#ifdef __cplusplus\n}\n#endif\n#endif\n");
}

enum lucet_error header_write(struct compilation *c, const char *path)
{
    const struct wasm_module *m = c->module;
    const char *name = c->options->header_prefix ? c->options->header_prefix : "guest";
    struct stub *stubs = calloc(m->nexports + 1u, sizeof *stubs);
    uint32_t n = 0, left_out = 0;
    char prefix[ID_MAX + 2] = "_";

    if (!stubs)
        return lucet_error_no_memory;
    /* No identifier begins with a digit. */
    const bool digit = name[0] == '\0' || (name[0] >= '0' && name[0] <= '9');
    make_id(prefix + digit, (const uint8_t *)name, strlen(name));
    for (uint32_t i = 0; i < m->nexports; i++) {
        const struct wasm_export *e = &m->exports[i];
        if (e->kind != WASM_EXTERN_FUNC)
            continue;
        struct stub *s = &stubs[n];
        s->name = &e->name;
        s->type = func_type(c, e->index);
        make_id(s->id, e->name.data, e->name.size);
        if (memchr(e->name.data, '\0', e->name.size) || !has_c_types(s->type))
            left_out++;
        else
            n++;
    }
    FILE *f = make_ids_unique(stubs, n) ? fopen(path, "w") : NULL;
    if (f)
        write_all(f, prefix, stubs, n, left_out);
    const bool failed = !f || ferror(f);
    if ((f && fclose(f) != 0) || failed) {
        diagnose(c->diagnostic, "io", "cannot write %.256s: %s", path, strerror(errno));
        free(stubs);
        return lucet_error_io;
    }
    free(stubs);
    return lucet_error_ok;
}
