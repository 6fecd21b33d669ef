/* What a module imports, exports and needs, for embedders. */
#include <pthread.h>
#include <string.h>

#include "runtime/allocate.h"
#include "runtime/error.h"
#include "runtime/module.h"

/* extern_names: [exports] names, [exports] signatures, then of imports modules, names, signatures,
 * native symbols;
 * each made when first asked for. */

static const char *keep(struct lucet_dl_module *m, size_t slot, const char *text, size_t size)
{
    char *copy = m->extern_names[slot];

    if (!copy && (copy = lucet__malloc(size + 1)) != NULL) {
        memcpy(copy, text, size);
        copy[size] = '\0';
        m->extern_names[slot] = copy;
    }
    return copy;
}

static bool has_signature(uint32_t kind)
{
    return kind == LUCET_EXTERN_FUNC || kind == LUCET_EXTERN_TAG;
}

static const char *keep_signature(struct lucet_dl_module *m, size_t slot, uint32_t kind,
                                  uint32_t index)
{
    const struct lucet_artifact *a = &m->artifact;
    uint32_t type = kind == LUCET_EXTERN_TAG ? a->tags[index].type : a->funcs[index].type;
    char text[2048];
    size_t n = lucet_artifact_signature(a, &a->types[type], text, sizeof(text));

    return keep(m, slot, text, n);
}

static bool make_room(struct lucet_dl_module *m)
{
    if (!m->extern_names)
        m->extern_names = lucet__calloc(lucet__extern_name_count(m) + 1, sizeof(char *));
    return m->extern_names != NULL;
}

/* Modules are shared and const to their users; what is made on demand is guarded by the mutex. */
static struct lucet_dl_module *mutable(const struct lucet_dl_module *m)
{
    return (struct lucet_dl_module *)(uintptr_t)m;
}

size_t lucet_dl_module_export_count(const struct lucet_dl_module *m)
{
    return m ? m->artifact.nexports : 0;
}

size_t lucet_dl_module_import_count(const struct lucet_dl_module *m)
{
    return m ? m->artifact.nimports : 0;
}

enum lucet_error lucet_dl_module_export(const struct lucet_dl_module *module, size_t i,
                                        struct lucet_extern_desc *out)
{
    lucet__clear_error();
    if (!module || !out || i >= module->artifact.nexports)
        return lucet__fail(lucet_error_invalid_argument, "lucet_dl_module_export: NULL or index");
    struct lucet_dl_module *m = mutable(module);
    const struct lucet_artifact *a = &m->artifact;
    const struct lucet_module_export *e = &a->exports[i];
    pthread_mutex_lock(&m->mutex);
    bool good = make_room(m);
    memset(out, 0, sizeof(*out));
    out->kind = (enum lucet_extern_kind)e->kind;
    if (good) {
        out->name = keep(m, i, lucet_artifact_str(a, e->name), e->name.size);
        out->name_len = e->name.size;
        if (has_signature(e->kind))
            out->signature = keep_signature(m, a->nexports + i, e->kind, e->index);
        good = out->name && (!has_signature(e->kind) || out->signature);
    }
    pthread_mutex_unlock(&m->mutex);
    return good ? lucet_error_ok : lucet__no_memory();
}

enum lucet_error lucet_dl_module_import(const struct lucet_dl_module *module, size_t i,
                                        struct lucet_extern_desc *out)
{
    lucet__clear_error();
    if (!module || !out || i >= module->artifact.nimports)
        return lucet__fail(lucet_error_invalid_argument, "lucet_dl_module_import: NULL or index");
    struct lucet_dl_module *m = mutable(module);
    const struct lucet_artifact *a = &m->artifact;
    const struct lucet_module_import *p = &a->imports[i];
    pthread_mutex_lock(&m->mutex);
    bool good = make_room(m);
    memset(out, 0, sizeof(*out));
    out->kind = (enum lucet_extern_kind)p->kind;
    if (good) {
        size_t first = 2 * (size_t)a->nexports + 4 * i;
        out->module = keep(m, first, lucet_artifact_str(a, p->module), p->module.size);
        out->name = keep(m, first + 1, lucet_artifact_str(a, p->name), p->name.size);
        out->module_len = p->module.size;
        out->name_len = p->name.size;
        if (has_signature(p->kind))
            out->signature = keep_signature(m, first + 2, p->kind, p->index);
        if (p->symbol.size)
            out->symbol = keep(m, first + 3, lucet_artifact_str(a, p->symbol), p->symbol.size);
        good = out->module && out->name && (!p->symbol.size || out->symbol) &&
               (!has_signature(p->kind) || out->signature);
    }
    pthread_mutex_unlock(&m->mutex);
    return good ? lucet_error_ok : lucet__no_memory();
}

enum lucet_error lucet_dl_module_import_memory(const struct lucet_dl_module *m, size_t i,
                                               struct lucet_memory_type *out)
{
    lucet__clear_error();
    if (!m || !out || i >= m->artifact.nimports ||
        m->artifact.imports[i].kind != LUCET_EXTERN_MEMORY)
        return lucet__fail(lucet_error_invalid_argument, "import %zu is no memory", i);
    const struct lucet_module_memory *d = &m->artifact.memories[m->artifact.imports[i].index];
    *out = (struct lucet_memory_type){
        .min = d->min,
        .max = d->flags & LUCET_HAS_MAX ? d->max : UINT64_MAX,
        .page_size = UINT64_C(1) << d->page_log2,
        .index64 = d->flags & LUCET_INDEX64,
        .shared = d->flags & LUCET_SHARED,
    };
    return lucet_error_ok;
}

void lucet_dl_module_requirements(const struct lucet_dl_module *m,
                                  struct lucet_module_requirements *out)
{
    if (!m || !out)
        return;
    const struct lucet_artifact *a = &m->artifact;
    memset(out, 0, sizeof(*out));
    out->context_size = a->header->layout.size;
    if (a->nmemories == 0)
        return;
    const struct lucet_module_memory *d = &a->memories[0];
    out->heap_memory_size = lucet_memory_bytes(d->min, d->page_log2);
    out->heap_maximum =
        d->flags & LUCET_HAS_MAX ? lucet_memory_bytes(d->max, d->page_log2) : UINT64_MAX;
    if (lucet_memory_is_guarded(0, d->flags, d->page_log2))
        out->heap_address_space_size = a->header->heap.reserved_size + a->header->heap.guard_size;
}
