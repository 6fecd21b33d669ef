/* What embedders ask of an instance between runs. */
#include "runtime/instance.h"

#include <string.h>

#include "runtime/call.h"
#include "runtime/demand.h"
#include "runtime/error.h"
#include "runtime/memory.h"
#include "runtime/module.h"
#include "runtime/names.h"
#include "runtime/stop.h"
#include "runtime/suspend.h"
#include "runtime/value.h"

struct lucet_memory *lucet__memory_desc(const struct lucet_instance *i, uint32_t index)
{
    const struct lucet_module_header *h = i->module->artifact.header;

    if (index < h->nimported_memories)
        return LUCET__AT(i->ctx, struct lucet_memory *, h->layout.imported_memories)[index];
    return &LUCET__AT(i->ctx, struct lucet_memory,
                      h->layout.memories)[index - h->nimported_memories];
}

struct lucet_table *lucet__table_desc(const struct lucet_instance *i, uint32_t index)
{
    const struct lucet_module_header *h = i->module->artifact.header;

    if (index < h->nimported_tables)
        return LUCET__AT(i->ctx, struct lucet_table *, h->layout.imported_tables)[index];
    return &LUCET__AT(i->ctx, struct lucet_table, h->layout.tables)[index - h->nimported_tables];
}

void *lucet__global_cell(const struct lucet_instance *i, uint32_t index)
{
    const struct lucet_artifact *a = &i->module->artifact;

    if (index < a->header->nimported_globals && a->globals[index].mutable)
        return LUCET__AT(i->ctx, void *, a->header->layout.imported_globals)[index];
    return LUCET__AT(i->ctx, uint8_t, a->globals[index].cell);
}

enum lucet_error lucet_instance_reset(struct lucet_instance *i)
{
    const struct lucet_layout *l;
    enum lucet_error e;

    lucet__clear_error();
    if (!i)
        return lucet__fail(lucet_error_invalid_argument, "lucet_instance_reset: NULL");
    if (i->stop->depth)
        return lucet__fail(lucet_error_instance_not_returned, "the instance is running");
    l = &i->module->artifact.header->layout;
    lucet__suspended_drop(i);
    i->state = INSTANCE_FAULTED; /* until it is done */
    memset(LUCET__AT(i->ctx, uint8_t, l->scratch), 0, l->scratch_size);
    memset(LUCET__AT(i->ctx, uint8_t, l->exception), 0, l->exception_size);
    lucet_exception_release(i->uncaught);
    i->uncaught = NULL;
    /* Cells of imported immutable globals keep their values; own ones get theirs again. */
    e = lucet__instance_initialise(i);
    if (e != lucet_error_ok)
        return e;
    i->start_done = i->module->artifact.header->start == LUCET_NONE;
    i->state = INSTANCE_READY;
    lucet__stop_enable(i->stop);
    lucet__callable_update(i);
    return lucet_error_ok;
}

void lucet_instance_set_continue_after_fault(struct lucet_instance *i, bool allowed)
{
    lucet__clear_error();
    if (!i)
        return;
    i->continue_after_fault = allowed;
    if (i->stop->depth > 0)
        return; /* an outer run goes on; its end sees what is allowed */
    if (i->state == INSTANCE_FAULTED && allowed)
        lucet__stop_enable(i->stop);
    if (i->state == INSTANCE_FAULTED && !allowed)
        lucet__stop_disable(i->stop);
}

/* ---- Memory 0 ---- */

uint8_t *lucet_instance_heap(struct lucet_instance *i)
{
    if (!i || !i->memory0)
        return NULL;
    i->touched = true;
    return i->memory0->desc->base;
}

uint64_t lucet_instance_heap_len(const struct lucet_instance *i)
{
    return i && i->memory0 ? lucet__memory_size(i->memory0->desc) : 0;
}

enum lucet_error lucet_instance_heap_resident(const struct lucet_instance *i, uint64_t *bytes)
{
    lucet__clear_error();
    if (!i || !bytes)
        return lucet__fail(lucet_error_invalid_argument, "lucet_instance_heap_resident: NULL");
    if (!i->memory0)
        return lucet__fail(lucet_error_no_linear_memory, "the module has no memory");
    if (!i->memory0->slot || !i->memory0->slot->on_demand)
        return lucet__fail(lucet_error_unsupported,
                           "its memory does not lie in a slot of a userfaultfd region");
    *bytes = atomic_load_explicit(&i->memory0->slot->resident, memory_order_relaxed);
    return lucet_error_ok;
}

bool lucet_instance_check_heap(const struct lucet_instance *i, const void *ptr, size_t len)
{
    if (!i || !i->memory0)
        return false;
    uint64_t offset = (uintptr_t)ptr - (uintptr_t)i->memory0->desc->base;
    uint64_t size = lucet__memory_size(i->memory0->desc);
    return (uintptr_t)ptr >= (uintptr_t)i->memory0->desc->base && offset <= size &&
           len <= size - offset && lucet__demand_touch(i->memory0, ptr, len);
}

void *lucet_instance_guest_range(struct lucet_instance *i, uint64_t offset, uint64_t len)
{
    const uint64_t size = lucet_instance_heap_len(i);

    if (offset > size || len > size - offset)
        return NULL;
    uint8_t *heap = lucet_instance_heap(i);
    return heap && lucet__demand_touch(i->memory0, heap + offset, len) ? heap + offset : NULL;
}

enum lucet_error lucet_instance_grow_heap(struct lucet_instance *i, uint32_t additional_pages,
                                          uint32_t *previous_pages)
{
    int64_t before;

    lucet__clear_error();
    if (!i)
        return lucet__fail(lucet_error_invalid_argument, "lucet_instance_grow_heap: NULL");
    if (!i->memory0)
        return lucet__fail(lucet_error_no_linear_memory, "the module has no memory");
    i->touched = true;
    before = lucet__memory_grow_for(i, i->memory0, additional_pages);
    if (before < 0)
        return lucet__fail(lucet_error_limits_exceeded,
                           "%u more pages are above the module's maximum, the limit of %llu "
                           "bytes, or what the region's limiter allows",
                           additional_pages, (unsigned long long)i->memory0->grow_limit);
    if (previous_pages)
        *previous_pages = (uint32_t)before;
    return lucet_error_ok;
}

enum lucet_error lucet_instance_memory(struct lucet_instance *i, const char *name, size_t name_len,
                                       uint8_t **base, uint64_t *size)
{
    char text[LUCET__NAME_MAX];

    lucet__clear_error();
    if (!i || !name || !base || !size)
        return lucet__fail(lucet_error_invalid_argument, "lucet_instance_memory: NULL");
    const struct lucet_module_export *e =
        lucet_artifact_export(&i->module->artifact, name, name_len);
    if (!e || e->kind != LUCET_EXTERN_MEMORY)
        return lucet__fail(lucet_error_symbol_not_found, "no exported memory \"%s\"",
                           lucet__printable(text, sizeof(text), name, name_len));
    const struct lucet_memory *m = lucet__memory_desc(i, e->index);
    i->touched = true;
    *base = m->base;
    *size = lucet__memory_size(m);
    return lucet_error_ok;
}

void *lucet_instance_embed_ctx(struct lucet_instance *i)
{
    return i ? i->embed_ctx : NULL;
}

/* ---- Contexts ---- */

static struct lucet_context *find_context(const struct lucet_instance *i, const void *key)
{
    for (uint32_t k = 0; k < i->ncontexts; k++)
        if (i->contexts[k].key == key)
            return (struct lucet_context *)(uintptr_t)&i->contexts[k];
    return NULL;
}

enum lucet_error lucet_instance_set_context(struct lucet_instance *i, const void *key, void *value)
{
    lucet__clear_error();
    if (!i || !key)
        return lucet__fail(lucet_error_invalid_argument, "lucet_instance_set_context: NULL");
    struct lucet_context *c = find_context(i, key);
    if (!value) {
        if (c)
            *c = i->contexts[--i->ncontexts];
        return lucet_error_ok;
    }
    if (!c && i->ncontexts == LUCET_CONTEXTS_MAX)
        return lucet__fail(lucet_error_limits_exceeded, "an instance has %d contexts at most",
                           LUCET_CONTEXTS_MAX);
    if (!c)
        c = &i->contexts[i->ncontexts++];
    *c = (struct lucet_context){key, value};
    return lucet_error_ok;
}

void *lucet_instance_context(const struct lucet_instance *i, const void *key)
{
    const struct lucet_context *c = i && key ? find_context(i, key) : NULL;

    return c ? c->value : NULL;
}

/* ---- Globals ---- */

static enum lucet_error find_global(struct lucet_instance *i, const char *name, size_t name_len,
                                    uint32_t *index)
{
    const struct lucet_module_export *e =
        lucet_artifact_export(&i->module->artifact, name, name_len);
    char text[LUCET__NAME_MAX];

    if (e && e->kind == LUCET_EXTERN_GLOBAL) {
        *index = e->index;
        return lucet_error_ok;
    }
    return lucet__fail(lucet_error_symbol_not_found, "no exported global \"%s\"",
                       lucet__printable(text, sizeof(text), name, name_len));
}

enum lucet_error lucet_instance_get_global(struct lucet_instance *i, const char *name,
                                           size_t name_len, struct lucet_val *out)
{
    uint32_t index = 0;

    lucet__clear_error();
    if (!i || !name || !out)
        return lucet__fail(lucet_error_invalid_argument, "lucet_instance_get_global: NULL");
    enum lucet_error e = find_global(i, name, name_len, &index);
    if (e == lucet_error_ok) {
        *out = lucet__value_load(lucet_valtype_plain(i->module->artifact.globals[index].type),
                                 lucet__global_cell(i, index));
        lucet__value_export(i, out);
    }
    return e;
}

enum lucet_error lucet_instance_set_global(struct lucet_instance *i, const char *name,
                                           size_t name_len, struct lucet_val value)
{
    uint32_t index = 0;
    uint64_t bytes[2] = {0, 0};

    lucet__clear_error();
    if (!i || !name)
        return lucet__fail(lucet_error_invalid_argument, "lucet_instance_set_global: NULL");
    enum lucet_error e = find_global(i, name, name_len, &index);
    if (e != lucet_error_ok)
        return e;
    const struct lucet_module_global *g = &i->module->artifact.globals[index];
    if (!g->mutable)
        return lucet__fail(lucet_error_invalid_argument, "the global is immutable");
    const uint8_t type = lucet_valtype_plain(g->type);
    if (!lucet__value_store(&value, type, bytes) || !lucet__value_is(i->module, g->type, bytes))
        return lucet__fail(lucet_error_type_mismatch, "the global is of type %s",
                           lucet_valtype_name(g->type));
    e = lucet__value_hold(i, &value);
    if (e == lucet_error_ok)
        e = lucet__arguments_admit(i, &type, 1, &value, &bytes);
    if (e == lucet_error_ok)
        memcpy(lucet__global_cell(i, index), bytes, g->type == LUCET_V128 ? 16 : 8);
    return e;
}
