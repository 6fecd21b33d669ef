/* Functions as values (docs/abi.md C5): which functions need a record, and their records. */
#include "runtime/record.h"

#include <pthread.h>

#include "runtime/allocate.h"
#include "runtime/error.h"
#include "runtime/instance.h"
#include "runtime/module.h"

static void want(struct lucet_dl_module *m, uint32_t func)
{
    if (func >= m->artifact.header->nimported_funcs && m->record_of[func] == LUCET_NONE)
        m->record_of[func] = m->nrecords++;
}

/* Private modules: one record per function and module; it runs in whoever calls it. */
static enum lucet_error make_private_records(struct lucet_dl_module *m)
{
    const struct lucet_artifact *a = &m->artifact;

    m->records = lucet__calloc((size_t)m->nrecords + 1, sizeof(*m->records));
    if (!m->records)
        return lucet__no_memory();
    for (uint32_t i = 0; i < a->nfuncs; i++) {
        if (m->record_of[i] == LUCET_NONE)
            continue;
        const void *body = lucet__code(m, a->funcs[i].code);
        m->records[m->record_of[i]] = (struct record){
            .ref = {.code = body, .type = m->type_ids[a->funcs[i].type], .body = body},
            .module = m,
            .func = i,
        };
    }
    return lucet_error_ok;
}

enum lucet_error lucet__records_plan(struct lucet_dl_module *m)
{
    const struct lucet_artifact *a = &m->artifact;

    m->record_of = lucet__malloc(((size_t)a->nfuncs + 1) * sizeof(*m->record_of));
    if (!m->record_of)
        return lucet__no_memory();
    for (uint32_t i = 0; i < a->nfuncs; i++)
        m->record_of[i] = LUCET_NONE;
    for (uint32_t i = 0; i < a->nelem_funcs; i++)
        want(m, a->elem_funcs[i]);
    for (uint32_t i = 0; i < a->nref_funcs; i++)
        want(m, a->ref_funcs[i]);
    for (uint32_t i = 0; i < a->ninit_ops; i++)
        if (a->init_ops[i].kind == LUCET_INIT_REF_FUNC && a->init_ops[i].value[0] < a->nfuncs)
            want(m, (uint32_t)a->init_ops[i].value[0]);
    if (lucet__module_private(m))
        return make_private_records(m);
    for (uint32_t i = 0; i < a->nexports; i++)
        if (a->exports[i].kind == LUCET_EXTERN_FUNC)
            want(m, a->exports[i].index);
    return lucet_error_ok;
}

static enum lucet_error fill(struct record *r, struct lucet_instance *i, uint32_t func)
{
    const struct lucet_dl_module *m = i->module;
    const struct lucet_module_func *f = &m->artifact.funcs[func];
    const struct lucet_module_type *t = &m->artifact.types[f->type];

    if (t->thunk == 0)
        return lucet__fail(lucet_error_module,
                           "type %u has no thunk, but function %u may be "
                           "called by other instances",
                           f->type, func);
    *r = (struct record){
        .ref = {.code = lucet__code(m, t->thunk),
                .type = m->type_ids[f->type],
                .body = lucet__code(m, f->code),
                .ctx = i->ctx},
        .owner = i,
        .module = m,
        .func = func,
    };
    return lucet_error_ok;
}

enum lucet_error lucet__records_make(struct lucet_instance *i)
{
    const struct lucet_dl_module *m = i->module;
    enum lucet_error e = lucet_error_ok;

    if (lucet__module_private(m) || m->nrecords == 0)
        return lucet_error_ok;
    i->records = lucet__calloc(m->nrecords, sizeof(*i->records));
    if (!i->records)
        return lucet__no_memory();
    for (uint32_t f = 0; f < m->artifact.nfuncs && e == lucet_error_ok; f++)
        if (m->record_of[f] != LUCET_NONE)
            e = fill(&i->records[m->record_of[f]], i, f);
    return e;
}

const struct lucet_funcref *lucet__func_record(const struct lucet_instance *i, uint32_t func)
{
    const struct lucet_dl_module *m = i->module;
    const struct lucet_module_header *h = m->artifact.header;

    if (func < h->nimported_funcs)
        return LUCET__AT(i->ctx, const struct lucet_funcref *, h->layout.imported_funcs)[func];
    if (m->record_of[func] == LUCET_NONE)
        return NULL;
    const struct record *records = m->records ? m->records : i->records;
    return &records[m->record_of[func]].ref;
}

enum lucet_error lucet__export_record(struct lucet_instance *i, uint32_t e,
                                      const struct lucet_funcref **out)
{
    const struct lucet_artifact *a = &i->module->artifact;
    uint32_t func = a->exports[e].index;

    if (func < a->header->nimported_funcs || !lucet__module_private(i->module)) {
        *out = lucet__func_record(i, func);
        return lucet_error_ok;
    }
    /* Importers of one instance may be created on several threads at once. */
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&lock);
    if (!i->export_records)
        i->export_records = lucet__calloc(a->nexports, sizeof(*i->export_records));
    struct record *r = i->export_records ? &i->export_records[e] : NULL;
    const enum lucet_error error = !r          ? lucet__no_memory()
                                   : r->module ? lucet_error_ok
                                               : fill(r, i, func);
    pthread_mutex_unlock(&lock);
    if (r)
        *out = &r->ref;
    return error;
}

enum lucet_error lucet__host_record(struct lucet_instance *i, uint32_t func, void (*f)(void),
                                    const struct lucet_funcref **out)
{
    const struct lucet_dl_module *m = i->module;
    uint32_t type = m->artifact.funcs[func].type;

    if (m->artifact.types[type].host == 0)
        return lucet__fail(lucet_error_module,
                           "type %u has no host trampoline, but imported "
                           "function %u has it",
                           type, func);
    if (!i->host_records)
        i->host_records =
            lucet__calloc(m->artifact.header->nimported_funcs, sizeof(*i->host_records));
    if (!i->host_records)
        return lucet__no_memory();
    struct record *r = &i->host_records[func];
    *r = (struct record){
        .ref = {.code = lucet__code(m, m->artifact.types[type].host),
                .type = m->type_ids[type],
                .body = (const void *)(uintptr_t)f},
        .owner = i,
        .module = m,
        .func = func,
    };
    *out = &r->ref;
    return lucet_error_ok;
}
