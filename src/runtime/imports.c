/* Satisfies an instance's imports from a linker. */
#include "runtime/imports.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "runtime/error.h"
#include "runtime/exception.h"
#include "runtime/instance.h"
#include "runtime/linker.h"
#include "runtime/memory.h"
#include "runtime/module.h"
#include "runtime/names.h"
#include "runtime/record.h"
#include "runtime/signature.h"
#include "runtime/sizes.h"
#include "runtime/store.h"
#include "runtime/table.h"

struct import {
    struct lucet_instance *instance;
    const struct lucet_module_import *record;
    struct definition definition;
};

__attribute__((format(printf, 3, 4))) static enum lucet_error
fail(const struct import *p, enum lucet_error e, const char *format, ...)
{
    const struct lucet_artifact *a = &p->instance->module->artifact;
    char module[LUCET__NAME_MAX / 2], name[LUCET__NAME_MAX / 2], text[200];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    lucet__printable(module, sizeof(module), lucet_artifact_str(a, p->record->module),
                     p->record->module.size);
    lucet__printable(name, sizeof(name), lucet_artifact_str(a, p->record->name),
                     p->record->name.size);
    return lucet__fail(e, "import \"%s\" \"%s\": %s", module, name, text);
}

static enum lucet_error mismatch(const struct import *p, const char *what)
{
    return fail(p, lucet_error_type_mismatch, "incompatible import type: %s", what);
}

/* The part of an instance that an export of it names. */
static uint32_t exported_index(const struct definition *d)
{
    return d->instance->module->artifact.exports[d->export_index].index;
}

/* Values that refer to something of an instance or its store. Exceptions that carry such values
 * need no look: they go from the callee to the caller, who keeps it alive; and see throw.c. */
static bool is_owned(uint32_t type)
{
    return type == LUCET_FUNCREF || type == LUCET_EXNREF;
}

/* Whether references of the importer could get to whoever provides this. */
static bool lets_references_out(const struct lucet_instance *i, const struct lucet_module_import *m)
{
    const struct lucet_artifact *a = &i->module->artifact;

    switch (m->kind) {
    case LUCET_EXTERN_TABLE: return is_owned(lucet_valtype_plain(a->tables[m->index].elem));
    case LUCET_EXTERN_GLOBAL:
        return a->globals[m->index].mutable &&
               is_owned(lucet_valtype_plain(a->globals[m->index].type));
    case LUCET_EXTERN_FUNC: {
        const struct lucet_module_type *t = lucet__func_type(i->module, m->index);
        const uint8_t *types = lucet_artifact_params(a, t);
        for (unsigned k = 0; k < (unsigned)t->nparams + t->nresults; k++)
            if (is_owned(types[k]))
                return true;
        return false;
    }
    default: return false;
    }
}

/* What is imported from lives as long as the importer. */
static enum lucet_error hold(const struct import *p)
{
    struct store *own;

    if (!p->definition.store || p->definition.instance == p->instance)
        return lucet_error_ok;
    own = lucet__store_of_instance(p->instance);
    if (!own)
        return lucet__no_memory();
    const enum store_link kind = lets_references_out(p->instance, p->record) ? STORE_MUTUAL
                                 : p->record->kind == LUCET_EXTERN_FUNC      ? STORE_CALLS
                                                                             : STORE_REFERS;
    enum lucet_error e = lucet__store_link(own, p->definition.store, kind);
    if (e == lucet_error_ok && p->record->kind == LUCET_EXTERN_MEMORY) {
        lucet__memory_use(lucet__memory_desc(p->instance, p->record->index)->owner, true);
        p->instance->memories_used = p->record->index + 1;
    }
    return e;
}

static enum lucet_error other_signature(const struct import *p, const char *who)
{
    const struct lucet_dl_module *m = p->instance->module;
    char wanted[64];

    lucet_artifact_signature(&m->artifact, lucet__func_type(m, p->record->index), wanted,
                             sizeof(wanted));
    return fail(p, lucet_error_type_mismatch,
                "incompatible import type: the module wants \"%s\", %s is of another type", wanted,
                who);
}

static enum lucet_error import_func(const struct import *p)
{
    struct lucet_instance *i = p->instance;
    const struct lucet_module_header *h = i->module->artifact.header;
    uint32_t func = p->record->index;
    uint64_t type = i->module->type_ids[i->module->artifact.funcs[func].type];
    const struct lucet_funcref *record = NULL;
    enum lucet_error e;

    if (p->definition.host) {
        if (p->definition.signature != type)
            return other_signature(p, "the host function");
        e = lucet__host_record(i, func, p->definition.host, &record);
    } else {
        e = lucet__export_record(p->definition.instance, p->definition.export_index, &record);
        if (e == lucet_error_ok && record->type != type)
            return other_signature(p, "the function");
    }
    if (e == lucet_error_ok)
        LUCET__AT(i->ctx, const struct lucet_funcref *, h->layout.imported_funcs)[func] = record;
    return e;
}

/* A minimum and maximum that `have` satisfies. */
static bool limits_fit(uint64_t size, uint64_t declared_max, uint64_t min, uint64_t max,
                       uint32_t flags)
{
    return size >= min && (!(flags & LUCET_HAS_MAX) || declared_max <= max);
}

static enum lucet_error import_table(const struct import *p)
{
    struct lucet_instance *i = p->instance;
    const struct lucet_module_table *wanted = &i->module->artifact.tables[p->record->index];
    struct lucet_table *desc =
        p->definition.object
            ? &p->definition.object->u.table.desc
            : lucet__table_desc(p->definition.instance, exported_index(&p->definition));
    const struct table *t = desc->owner;

    if (t->elem != lucet__exact_type(i->module, wanted->elem) ||
        t->index64 != !!(wanted->flags & LUCET_INDEX64))
        return mismatch(p, "the table has another element type or other indices");
    if (!limits_fit(desc->size, t->declared_max, wanted->min, wanted->max, wanted->flags))
        return mismatch(p, "the table has other limits");
    LUCET__AT(i->ctx, struct lucet_table *, i->module->artifact.header->layout.imported_tables)
    [p->record->index] = desc;
    return lucet_error_ok;
}

static enum lucet_error import_memory(const struct import *p)
{
    struct lucet_instance *i = p->instance;
    const struct lucet_artifact *a = &i->module->artifact;
    const struct lucet_module_memory *wanted = &a->memories[p->record->index];
    struct lucet_memory *desc =
        p->definition.object
            ? &p->definition.object->u.memory.desc
            : lucet__memory_desc(p->definition.instance, exported_index(&p->definition));
    struct memory *m = desc->owner;

    if (m->page_log2 != wanted->page_log2 || m->index64 != !!(wanted->flags & LUCET_INDEX64))
        return mismatch(p, "the memory has other pages or indices");
    if (!m->shared != !(wanted->flags & LUCET_SHARED))
        return mismatch(p, "one is shared, the other is not");
    if (!limits_fit(lucet__memory_size(desc) >> m->page_log2, m->declared_max, wanted->min,
                    wanted->max, wanted->flags))
        return mismatch(p, "the memory has other limits");
    if (p->record->index == 0)
        i->memory0 = m;
    if (lucet_memory_is_guarded(p->record->index, wanted->flags, wanted->page_log2)) {
        if (a->header->heap.reserved_size + a->header->heap.guard_size > m->space ||
            a->header->heap.front_guard > LUCET__FRONT_GUARD)
            return fail(p, lucet_error_limits_exceeded,
                        "the memory has less address space than "
                        "the code assumes");
    }
    LUCET__AT(i->ctx, struct lucet_memory *, a->header->layout.imported_memories)
    [p->record->index] = desc;
    return lucet_error_ok;
}

static enum lucet_error import_global(const struct import *p)
{
    struct lucet_instance *i = p->instance;
    const struct lucet_artifact *a = &i->module->artifact;
    const struct lucet_module_global *wanted = &a->globals[p->record->index];
    uint64_t type;
    uint32_t is_mutable;
    void *cell;

    if (p->definition.object) {
        struct object *o = p->definition.object;
        type = o->u.global.type;
        is_mutable = o->u.global.is_mutable;
        cell = o->u.global.value;
    } else {
        uint32_t index = exported_index(&p->definition);
        const struct lucet_module_global *g =
            &p->definition.instance->module->artifact.globals[index];
        type = lucet__exact_type(p->definition.instance->module, g->type);
        is_mutable = g->mutable;
        cell = lucet__global_cell(p->definition.instance, index);
    }
    const uint64_t expected = lucet__exact_type(i->module, wanted->type);
    if (is_mutable != wanted->mutable ||
        !(is_mutable ? type == expected : lucet__subtype(type, expected)))
        return mismatch(p, "the global has another type or mutability");
    if (wanted->mutable)
        LUCET__AT(i->ctx, void *, a->header->layout.imported_globals)[p->record->index] = cell;
    else
        memcpy(LUCET__AT(i->ctx, uint8_t, wanted->cell), cell, type == LUCET_V128 ? 16 : 8);
    return lucet_error_ok;
}

static enum lucet_error import_tag(const struct import *p)
{
    struct lucet_instance *i = p->instance;
    const struct lucet_artifact *a = &i->module->artifact;
    struct lucet_tag *t = p->definition.object
                              ? p->definition.object->u.tag
                              : p->definition.instance->tags[exported_index(&p->definition)];

    if (t->signature != i->module->type_ids[a->tags[p->record->index].type])
        return mismatch(p, "the tag has another type");
    lucet__tag_import(i, p->record->index, t);
    return lucet_error_ok;
}

static bool look_up(struct lucet_linker *l, struct import *p)
{
    const struct lucet_artifact *a = &p->instance->module->artifact;
    const struct lucet_module_import *m = p->record;

    if (!l)
        return false;
    if (m->symbol.size)
        return lucet__linker_symbol(l, lucet_artifact_str(a, m->symbol), m->symbol.size,
                                    &p->definition);
    return lucet__linker_find(l, lucet_artifact_str(a, m->module), m->module.size,
                              lucet_artifact_str(a, m->name), m->name.size, &p->definition);
}

static enum lucet_error resolve(struct lucet_linker *l, struct import *p)
{
    enum lucet_error e;

    if (!look_up(l, p)) {
        const struct lucet_artifact *a = &p->instance->module->artifact;
        char symbol[128];
        lucet__printable(symbol, sizeof(symbol), lucet_artifact_str(a, p->record->symbol),
                         p->record->symbol.size);
        return p->record->symbol.size
                   ? fail(p, lucet_error_module, "unknown import: no host function %s", symbol)
                   : fail(p, lucet_error_module,
                          "unknown import: the linker has nothing of that "
                          "name");
    }
    if ((uint32_t)p->definition.kind != p->record->kind)
        return mismatch(p, "it is of another kind");
    switch (p->record->kind) {
    case LUCET_EXTERN_FUNC: e = import_func(p); break;
    case LUCET_EXTERN_TABLE: e = import_table(p); break;
    case LUCET_EXTERN_MEMORY: e = import_memory(p); break;
    case LUCET_EXTERN_TAG: e = import_tag(p); break;
    default: e = import_global(p); break;
    }
    return e;
}

enum lucet_error lucet__imports_resolve(struct lucet_instance *i, struct lucet_linker *l)
{
    const struct lucet_artifact *a = &i->module->artifact;
    enum lucet_error e = lucet_error_ok;

    if (l)
        lucet__linker_lock(l);
    for (uint32_t k = 0; k < a->nimports && e == lucet_error_ok; k++) {
        struct import p = {.instance = i, .record = &a->imports[k]};
        e = resolve(l, &p);
    }
    /* Only now: nothing remembers an instance whose imports were not satisfied. */
    for (uint32_t k = 0; k < a->nimports && e == lucet_error_ok; k++) {
        struct import p = {.instance = i, .record = &a->imports[k]};
        e = look_up(l, &p) ? hold(&p) : lucet_error_internal;
    }
    if (l)
        lucet__linker_unlock(l);
    return e;
}
