/* The initial state of an instance: what it owns, by the module's declarations. */
#include <string.h>

#include "runtime/runtime.h"

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static enum lucet_error too_much_memory(uint32_t index, uint64_t size, uint64_t limit)
{
    return lucet__fail(lucet_error_limits_exceeded,
                       "memory %u begins with %llu bytes, the limit is %llu", index,
                       (unsigned long long)size, (unsigned long long)limit);
}

/* Memory 0 lies in the slot, where compiled code expects reservation and guard; others have
 * mappings of their own and are checked by the code. */
static enum lucet_error describe_memory(struct lucet_instance *i, uint32_t own)
{
    const struct lucet_artifact *a = &i->module->artifact;
    const struct lucet_module_header *h = a->header;
    uint32_t index = h->nimported_memories + own;
    const struct lucet_module_memory *d = &a->memories[index];
    uint64_t limit = least(i->heap_limit, h->heap.reserved_size);
    struct memory *m = &i->memories[own];

    m->desc = &LUCET__AT(i->ctx, struct lucet_memory, h->layout.memories)[own];
    m->declared_max = d->flags & LUCET_HAS_MAX ? d->max : LUCET__NO_MAX;
    m->grow_limit = limit / LUCET_WASM_PAGE * LUCET_WASM_PAGE;
    m->desc->max_pages = least(m->declared_max, 65536);
    m->desc->owner = m;
    if (d->min * LUCET_WASM_PAGE > m->grow_limit)
        return too_much_memory(index, d->min * LUCET_WASM_PAGE, m->grow_limit);
    if (index != 0)
        return lucet__memory_map(m, m->grow_limit);
    m->slot = i->slot;
    m->space = i->region->limits.heap_address_space_size;
    m->desc->base = i->slot->heap;
    i->memory0 = m;
    return lucet_error_ok;
}

static void describe_table(struct lucet_instance *i, uint32_t own)
{
    const struct lucet_artifact *a = &i->module->artifact;
    const struct lucet_module_table *d = &a->tables[a->header->nimported_tables + own];
    struct table *t = &i->tables[own];

    t->desc = &LUCET__AT(i->ctx, struct lucet_table, a->header->layout.tables)[own];
    t->declared_max = d->flags & LUCET_HAS_MAX ? d->max : LUCET__NO_MAX;
    t->grow_limit = least(i->region->limits.table_entries, UINT32_MAX);
    t->elem = d->elem;
    t->entries_left = &i->table_entries_left;
    t->desc->max = least(t->declared_max, UINT32_MAX);
    t->desc->owner = t;
}

enum lucet_error lucet__instance_describe(struct lucet_instance *i)
{
    const struct lucet_artifact *a = &i->module->artifact;
    const struct lucet_module_header *h = a->header;
    enum lucet_error e = lucet_error_ok;

    for (uint32_t k = 0; k < a->nmemories - h->nimported_memories && e == lucet_error_ok; k++)
        e = describe_memory(i, k);
    for (uint32_t k = 0; k < a->ntables - h->nimported_tables && e == lucet_error_ok; k++)
        describe_table(i, k);
    return e;
}

/* True when the active segments of memory 0 are in the image that is mapped. */
static enum lucet_error init_memories(struct lucet_instance *i, bool *in_image)
{
    const struct lucet_artifact *a = &i->module->artifact;
    const uint32_t imported = a->header->nimported_memories;

    *in_image = false;
    for (uint32_t k = 0; k < a->nmemories - imported; k++) {
        struct memory *m = &i->memories[k];
        uint64_t pages = a->memories[imported + k].min;
        enum lucet_error e;
        if (m->slot) {
            const struct image *image = lucet__image(i->module);
            e = lucet__slot_heap_reset(m->slot, pages * LUCET_WASM_PAGE, i->module->id, image);
            m->desc->size = pages * LUCET_WASM_PAGE;
            *in_image = image->fd >= 0;
        } else {
            e = lucet__memory_reset(m, pages);
        }
        if (e != lucet_error_ok)
            return e;
    }
    return lucet_error_ok;
}

static enum lucet_error init_tables(struct lucet_instance *i)
{
    const struct lucet_artifact *a = &i->module->artifact;
    const uint32_t imported = a->header->nimported_tables;

    for (uint32_t k = 0; k < a->ntables - imported; k++) {
        enum lucet_error e = lucet__table_reset(&i->tables[k], a->tables[imported + k].min);
        if (e != lucet_error_ok)
            return e;
    }
    return lucet_error_ok;
}

static void init_globals(struct lucet_instance *i)
{
    const struct lucet_artifact *a = &i->module->artifact;

    for (uint32_t k = a->header->nimported_globals; k < a->nglobals; k++) {
        uint64_t value[2];
        lucet__init_value(i, a->globals[k].init, value);
        memcpy(lucet__global_cell(i, k), value, a->globals[k].type == LUCET_V128 ? 16 : 8);
    }
}

enum lucet_error lucet__instance_initialise(struct lucet_instance *i)
{
    const struct lucet_artifact *a = &i->module->artifact;
    bool in_image;
    enum lucet_error e = init_memories(i, &in_image);

    if (e == lucet_error_ok)
        e = init_tables(i);
    if (e != lucet_error_ok)
        return e;
    memset(i->dropped, 0, ((size_t)a->nelems + a->ndatas) / 8 + 1);
    init_globals(i);
    return lucet__segments_apply(i, in_image);
}
