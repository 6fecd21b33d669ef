/* The initial state of an instance: what it owns, by the module's declarations. */
#include <stdatomic.h>
#include <string.h>

#include "runtime/count.h"
#include "runtime/error.h"
#include "runtime/image.h"
#include "runtime/instance.h"
#include "runtime/memory.h"
#include "runtime/module.h"
#include "runtime/pristine.h"
#include "runtime/region.h"
#include "runtime/segments.h"
#include "runtime/signature.h"
#include "runtime/sizes.h"
#include "runtime/slot.h"
#include "runtime/table.h"

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static enum lucet_error too_much_memory(uint32_t index, uint64_t size, uint64_t limit)
{
    return lucet__fail(lucet_error_limits_exceeded,
                       "memory %u begins with %llu bytes, the limit is %llu bytes", index,
                       (unsigned long long)size, (unsigned long long)limit);
}

/* Address space enough to be memory 0 of whoever imports it: for the first ones only, lest modules
 * with many memories use up the process's. */
#define SPACIOUS_MEMORIES 8u

static bool is_exported(const struct lucet_artifact *a, uint32_t memory)
{
    for (uint32_t k = 0; k < a->nexports; k++)
        if (a->exports[k].kind == LUCET_EXTERN_MEMORY && a->exports[k].index == memory)
            return true;
    return false;
}

static uint64_t space_of(const struct lucet_instance *i, uint32_t own, const struct memory *m)
{
    const struct lucet_artifact *a = &i->module->artifact;
    const uint32_t index = a->header->nimported_memories + own;
    const struct lucet_module_memory *d = &a->memories[index];
    const bool may_be_first = lucet_memory_is_guarded(0, d->flags, d->page_log2) &&
                              (index == 0 || (own < SPACIOUS_MEMORIES && is_exported(a, index)));

    return may_be_first ? i->region->limits.heap_address_space_size : m->grow_limit;
}

static bool lies_in_slot(const struct lucet_artifact *a, uint32_t memory)
{
    return memory == 0 && !(a->memories[memory].flags & LUCET_SHARED);
}

/* What is touched is counted in slots only. A region's limit of that must have no way around: other
 * memories may have as much, in size and together. */
static uint64_t mapped_limit(const struct lucet_instance *i)
{
    const struct lucet_artifact *a = &i->module->artifact;
    const uint64_t limit = i->region->options.heap_resident_limit;
    uint64_t mapped = 0;

    if (limit == 0)
        return UINT64_MAX;
    for (uint32_t k = a->header->nimported_memories; k < a->nmemories; k++)
        mapped += !lies_in_slot(a, k);
    return mapped ? limit / mapped : limit;
}

/* Memory 0 lies in the slot, where compiled code expects reservation and guard. Shared memories,
 * which outlive runs of one instance, and all others have mappings of their own. */
static enum lucet_error place_memory(struct lucet_instance *i, uint32_t own)
{
    const struct lucet_artifact *a = &i->module->artifact;
    const uint32_t index = a->header->nimported_memories + own;
    struct memory *m = &i->memories[own];
    enum lucet_error e;

    if (index == 0)
        i->memory0 = m;
    if (lies_in_slot(a, index)) {
        m->slot = i->slot;
        m->space = i->region->limits.heap_address_space_size;
        m->desc->base = i->slot->heap;
        return lucet_error_ok;
    }
    e = lucet__memory_map(m, space_of(i, own, m));
    return e == lucet_error_ok && a->memories[index].flags & LUCET_SHARED ? lucet__memory_share(m)
                                                                          : e;
}

static enum lucet_error describe_memory(struct lucet_instance *i, uint32_t own, uint64_t *left)
{
    const struct lucet_artifact *a = &i->module->artifact;
    const struct lucet_module_header *h = a->header;
    uint32_t index = h->nimported_memories + own;
    const struct lucet_module_memory *d = &a->memories[index];
    uint64_t limit = i->heap_limit;
    struct memory *m = &i->memories[own];

    m->desc = &LUCET__AT(i->ctx, struct lucet_memory, h->layout.memories)[own];
    m->declared_max = d->flags & LUCET_HAS_MAX ? d->max : LUCET__NO_MAX;
    m->page_log2 = d->page_log2;
    m->index64 = d->flags & LUCET_INDEX64;
    m->allowance = &i->heap;
    if (lucet_memory_is_guarded(index, d->flags, d->page_log2))
        limit = least(limit, h->heap.reserved_size);
    if (!lies_in_slot(a, index))
        limit = least(limit, mapped_limit(i));
    m->grow_limit = limit >> d->page_log2 << d->page_log2;
    m->desc->max_pages = least(m->declared_max, lucet_memory_most_pages(d->flags, d->page_log2));
    m->desc->owner = m;
    const uint64_t size = lucet_memory_bytes(d->min, d->page_log2);
    if (size > *left || size > m->grow_limit)
        return too_much_memory(index, size, least(*left, limit));
    *left -= size;
    return place_memory(i, own);
}

static void describe_table(struct lucet_instance *i, uint32_t own)
{
    const struct lucet_artifact *a = &i->module->artifact;
    const struct lucet_module_table *d = &a->tables[a->header->nimported_tables + own];
    struct table *t = &i->tables[own];

    t->desc = &LUCET__AT(i->ctx, struct lucet_table, a->header->layout.tables)[own];
    t->declared_max = d->flags & LUCET_HAS_MAX ? d->max : LUCET__NO_MAX;
    t->grow_limit = least(i->region->limits.table_entries, UINT32_MAX);
    t->elem = lucet__exact_type(i->module, d->elem);
    t->index64 = d->flags & LUCET_INDEX64;
    t->allowance = &i->entries;
    t->desc->max = least(t->declared_max, UINT32_MAX); /* more than any limit of a region's */
    t->desc->owner = t;
}

enum lucet_error lucet__instance_describe(struct lucet_instance *i, struct lucet_instance *of)
{
    const struct lucet_artifact *a = &i->module->artifact;
    const struct lucet_module_header *h = a->header;
    enum lucet_error e = lucet_error_ok;
    uint64_t left = i->heap_limit;

    for (uint32_t k = 0; k < a->nmemories - h->nimported_memories && e == lucet_error_ok; k++)
        e = describe_memory(i, k, &left);
    if (e == lucet_error_ok && left < i->heap_limit &&
        !lucet__memory_allowed(i->region, of, 0, i->heap_limit - left))
        e = lucet__fail(lucet_error_limits_exceeded,
                        "the region's limiter does not allow memories of %llu bytes",
                        (unsigned long long)(i->heap_limit - left));
    for (uint32_t k = 0; k < a->ntables - h->nimported_tables && e == lucet_error_ok; k++)
        describe_table(i, k);
    return e;
}

static enum lucet_error init_slot_memory(struct lucet_instance *i, struct memory *m, uint64_t size)
{
    enum lucet_error e = lucet__slot_heap_reset(m->slot, round_up(size, LUCET__PAGE), i->module);

    m->accessible = m->slot->heap_accessible;
    if (e == lucet_error_ok)
        m->desc->size = size; /* else it stays at or above the minimum */
    return e;
}

/* Before memories begin anew with `size` bytes in all. What is more now is given when they have. */
static enum lucet_error take_memory(struct lucet_instance *i, uint64_t size)
{
    const uint64_t taken = atomic_load_explicit(&i->heap.taken, memory_order_relaxed);

    if (taken >= size || lucet__allowance_take(&i->heap, size - taken))
        return lucet_error_ok;
    return lucet__fail(
        lucet_error_limits_exceeded,
        "its memories begin with %llu bytes, which the program's other threads leave "
        "no room for",
        (unsigned long long)size);
}

static void give_memory(struct lucet_instance *i, uint64_t size)
{
    const uint64_t taken = atomic_load_explicit(&i->heap.taken, memory_order_relaxed);

    if (taken > size)
        lucet__allowance_give(&i->heap, taken - size);
}

static uint64_t initial_memory(const struct lucet_artifact *a)
{
    uint64_t size = 0;

    for (uint32_t k = a->header->nimported_memories; k < a->nmemories; k++)
        size += a->memories[k].min << a->memories[k].page_log2;
    return size; /* each and the sum were checked when they were described */
}

/* *in_image: all active segments are where they belong. */
static enum lucet_error init_memories(struct lucet_instance *i, bool *in_image)
{
    const struct lucet_artifact *a = &i->module->artifact;
    const uint32_t imported = a->header->nimported_memories;
    const uint64_t size = initial_memory(a);
    const bool alone = !i->first && !i->has_threads;
    enum lucet_error e = alone ? lucet_error_ok : take_memory(i, size);

    *in_image = lucet__image(i->module)->complete;
    for (uint32_t k = 0; k < a->nmemories - imported && e == lucet_error_ok; k++) {
        struct memory *m = &i->memories[k];
        uint64_t pages = a->memories[imported + k].min;
        e = m->slot ? init_slot_memory(i, m, pages << m->page_log2) : lucet__memory_reset(m, pages);
    }
    if (e == lucet_error_ok && alone)
        lucet__allowance_set(&i->heap, i->heap_limit, size);
    else if (e == lucet_error_ok)
        give_memory(i, size);
    return e;
}

static void fill_table(const struct lucet_instance *i, struct table *t, struct lucet_init init)
{
    uint64_t value[2];

    lucet__init_value(i, init, value);
    for (uint64_t k = 0; k < t->desc->size; k++)
        t->desc->elems[k] = value[0];
}

static enum lucet_error init_tables(struct lucet_instance *i)
{
    const struct lucet_artifact *a = &i->module->artifact;
    const uint32_t imported = a->header->nimported_tables;

    for (uint32_t k = 0; k < a->ntables - imported; k++) {
        const struct lucet_module_table *d = &a->tables[imported + k];
        enum lucet_error e = lucet__table_reset(&i->tables[k], d->min);
        if (e != lucet_error_ok)
            return e;
        if (d->init.count)
            fill_table(i, &i->tables[k], d->init);
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
    bool applied = false;
    enum lucet_error e = init_memories(i, &in_image);

    lucet__count_reset(i);
    i->touched |= !in_image; /* data segments are written */
    if (e == lucet_error_ok && in_image)
        e = lucet__pristine_apply(i, &applied);
    if (e == lucet_error_ok && !applied)
        e = init_tables(i);
    if (e != lucet_error_ok || applied)
        return e;
    memset(i->dropped, 0, ((size_t)a->nelems + a->ndatas) / 8 + 1);
    init_globals(i);
    e = lucet__segments_apply(i, in_image);
    if (e == lucet_error_ok)
        lucet__pristine_remember(i);
    return e;
}
