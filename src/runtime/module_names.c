/* What stands at a program counter, by name. Made when first needed: most modules never fault. */
#include "runtime/module_names.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "module/lines.h"
#include "module/search.h"
#include "runtime/allocate.h"
#include "runtime/module.h"
#include "runtime/names.h"

static int by_start(const void *a, const void *b)
{
    const struct function_entry *x = a, *y = b;

    return (x->start > y->start) - (x->start < y->start);
}

/* With the module's mutex held. */
static bool make_functions(struct lucet_dl_module *m)
{
    const struct lucet_artifact *a = &m->artifact;
    size_t n = 0, room = (size_t)a->nfuncs + a->nhelpers;

    if (m->functions)
        return true;
    m->functions = lucet__malloc((room + 1) * sizeof(*m->functions));
    m->function_names = lucet__calloc(room + 1, sizeof(*m->function_names));
    if (!m->functions || !m->function_names) {
        lucet__free(m->functions);
        lucet__free(m->function_names);
        m->functions = NULL;
        m->function_names = NULL;
        return false;
    }
    for (uint32_t i = 0; i < a->nfuncs; i++) /* an import's code is a gate, among the helpers */
        if (i >= a->header->nimported_funcs)
            m->functions[n++] =
                (struct function_entry){(uint32_t)lucet_artifact_code(a, a->funcs[i].code), i};
    for (uint32_t i = 0; i < a->nhelpers; i++)
        m->functions[n++] = (struct function_entry){
            (uint32_t)lucet_artifact_code(a, a->helpers[i].code), a->nfuncs + i};
    qsort(m->functions, n, sizeof(*m->functions), by_start);
    m->nfunctions = (uint32_t)n;
    return true;
}

static const struct function_entry *find(const struct lucet_dl_module *m, uint32_t offset)
{
    const size_t low =
        lucet_count_started(m->functions, m->nfunctions, sizeof(*m->functions), offset);

    return low ? &m->functions[low - 1] : NULL;
}

/* A function without a name is called what it is exported as. */
static struct lucet_str guest_name(const struct lucet_artifact *a, uint32_t func)
{
    struct lucet_str name = a->funcs[func].name;

    for (uint32_t i = 0; i < a->nexports && name.size == 0; i++)
        if (a->exports[i].kind == LUCET_EXTERN_FUNC && a->exports[i].index == func)
            name = a->exports[i].name;
    return name;
}

static const char *name_of(struct lucet_dl_module *m, const struct function_entry *f)
{
    const struct lucet_artifact *a = &m->artifact;
    char **cached = &m->function_names[f - m->functions];
    char buf[LUCET__NAME_MAX];

    if (!*cached) {
        struct lucet_str s =
            f->index < a->nfuncs ? guest_name(a, f->index) : a->helpers[f->index - a->nfuncs].name;
        *cached =
            lucet__strdup(lucet__printable(buf, sizeof(buf), lucet_artifact_str(a, s), s.size));
    }
    return *cached ? *cached : "";
}

static const char *module_name(struct lucet_dl_module *m)
{
    struct lucet_str s = m->artifact.header->module_name;
    char buf[LUCET__NAME_MAX];

    if (!m->name)
        m->name = lucet__strdup(
            lucet__printable(buf, sizeof(buf), lucet_artifact_str(&m->artifact, s), s.size));
    return m->name ? m->name : "";
}

static const char *source_file(struct lucet_dl_module *m, uint32_t file)
{
    char buf[LUCET__NAME_MAX];
    uint32_t size;
    const char *name = lucet_artifact_source_file(&m->artifact, file, &size);

    for (struct source_file *s = m->source_files; s; s = s->next)
        if (s->file == file)
            return s->name;
    struct source_file *s = name ? lucet__malloc(sizeof(*s)) : NULL;
    if (!s || !(s->name = lucet__strdup(lucet__printable(buf, sizeof(buf), name, size)))) {
        lucet__free(s);
        return "";
    }
    s->file = file;
    s->next = m->source_files;
    m->source_files = s;
    return s->name;
}

static void describe_line(struct lucet_dl_module *m, uint32_t offset, struct lucet_frame *out)
{
    struct lucet_line line;

    if (!lucet_artifact_line(&m->artifact, offset, &line))
        return;
    if (line.wasm_offset != 0)
        out->wasm_offset = line.wasm_offset;
    if (line.file != 0 && line.line != 0) {
        out->source_file = source_file(m, line.file);
        out->source_line = line.line;
    }
}

void lucet__describe_pc(struct lucet_dl_module *m, uintptr_t pc, struct lucet_frame *out)
{
    const struct function_entry *f;
    uint32_t offset = (uint32_t)(pc - (uintptr_t)m->base);

    *out = LUCET__UNKNOWN_FRAME;
    out->pc = pc;
    pthread_mutex_lock(&m->mutex);
    out->module_name = module_name(m);
    if (make_functions(m) && (f = find(m, offset)) != NULL) {
        out->function_name = name_of(m, f);
        out->function_index = f->index < m->artifact.nfuncs ? f->index : UINT32_MAX;
        out->offset = offset - f->start;
        if (f->index < m->artifact.nfuncs)
            describe_line(m, offset, out);
    }
    pthread_mutex_unlock(&m->mutex);
}

void lucet__names_release(struct lucet_dl_module *m)
{
    if (m->function_names)
        for (size_t i = 0; i < m->nfunctions; i++)
            lucet__free(m->function_names[i]);
    if (m->extern_names)
        for (size_t i = 0; i < lucet__extern_name_count(m); i++)
            lucet__free(m->extern_names[i]);
    for (struct source_file *s = m->source_files, *next; s; s = next) {
        next = s->next;
        lucet__free(s->name);
        lucet__free(s);
    }
    lucet__free(m->function_names);
    lucet__free(m->functions);
    lucet__free(m->extern_names);
    lucet__free(m->name);
}
