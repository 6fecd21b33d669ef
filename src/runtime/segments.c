/* Element and data segments. Active ones are applied in order, elements before data; the first
 * that does not fit traps, and what was written before it stays. */
#include "runtime/segments.h"

#include <string.h>

#include "runtime/demand.h"
#include "runtime/error.h"
#include "runtime/instance.h"
#include "runtime/memory.h"
#include "runtime/module.h"
#include "runtime/slot.h"

static _Thread_local enum lucet_trapcode last_trap;

enum lucet_trapcode lucet_instantiation_trap(void)
{
    return last_trap;
}

void lucet__set_instantiation_trap(enum lucet_trapcode code)
{
    last_trap = code;
}

enum lucet_error lucet__instantiation_trap(enum lucet_trapcode code, const char *what,
                                           uint32_t index)
{
    last_trap = code;
    return lucet__fail(lucet_error_runtime_fault, "%s %u: %s", what, index,
                       lucet_trapcode_message(code));
}

static uint64_t element(const struct lucet_instance *i, const struct lucet_module_elem *e,
                        uint64_t k)
{
    const struct lucet_artifact *a = &i->module->artifact;
    uint64_t value[2];

    if (!e->is_exprs)
        return (uintptr_t)lucet__func_record(i, a->elem_funcs[e->first + k]);
    lucet__init_value(i, a->elem_inits[e->first + k], value);
    return value[0];
}

/* Entries [src, src+n) of the segment to [dst, dst+n) of the table; false: out of bounds. */
bool lucet__elem_copy(struct lucet_instance *i, uint32_t segment, struct lucet_table *t,
                      uint64_t dst, uint64_t src, uint64_t n)
{
    const struct lucet_module_elem *e = &i->module->artifact.elems[segment];
    uint64_t count = lucet__dropped(i, segment) ? 0 : e->count;

    if (src > count || n > count - src || dst > t->size || n > t->size - dst)
        return false;
    for (uint64_t k = 0; k < n; k++)
        t->elems[dst + k] = element(i, e, src + k);
    return true;
}

/* `flags`: of the table or memory. */
static uint64_t offset_of(const struct lucet_instance *i, struct lucet_init init, uint32_t flags)
{
    uint64_t value[2];

    lucet__init_value(i, init, value);
    return flags & LUCET_INDEX64 ? value[0] : (uint32_t)value[0];
}

static enum lucet_error apply_elems(struct lucet_instance *i)
{
    const struct lucet_artifact *a = &i->module->artifact;

    for (uint32_t k = 0; k < a->nelems; k++) {
        const struct lucet_module_elem *e = &a->elems[k];
        if (e->mode == LUCET_ACTIVE &&
            !lucet__elem_copy(i, k, lucet__table_desc(i, e->table),
                              offset_of(i, e->offset, a->tables[e->table].flags), 0, e->count))
            return lucet__instantiation_trap(lucet_trapcode_table_out_of_bounds, "element segment",
                                             k);
        if (e->mode != LUCET_PASSIVE)
            lucet__drop(i, k);
    }
    return lucet_error_ok;
}

static enum lucet_error apply_datas(struct lucet_instance *i, bool in_image)
{
    const struct lucet_artifact *a = &i->module->artifact;

    for (uint32_t k = 0; k < a->ndatas; k++) {
        const struct lucet_module_data *d = &a->datas[k];
        if (d->mode != LUCET_ACTIVE)
            continue;
        lucet__drop(i, a->nelems + k);
        if (in_image)
            continue;
        const struct lucet_memory *m = lucet__memory_desc(i, d->memory);
        uint64_t offset = offset_of(i, d->offset, a->memories[d->memory].flags);
        uint64_t size = lucet__memory_size(m);
        if (offset > size || d->size > size - offset)
            return lucet__instantiation_trap(lucet_trapcode_heap_out_of_bounds, "data segment", k);
        if (d->size)
            memcpy(m->base + offset, a->data_bytes + d->bytes, d->size);
        if (lucet__demand_exceeded(m->owner))
            return lucet__fail(lucet_error_limits_exceeded,
                               "the data segments touch more than heap_resident_limit allows");
    }
    return lucet_error_ok;
}

enum lucet_error lucet__segments_apply(struct lucet_instance *i, bool data_in_image)
{
    enum lucet_error e = apply_elems(i);

    if (e == lucet_error_ok)
        return apply_datas(i, data_in_image);
    /* References to its functions may have got out already: they must not see data that comes
     * later. */
    if (data_in_image && i->memory0 && i->memory0->slot == i->slot &&
        !lucet__slot_heap_zero(i->slot))
        return lucet__fail_errno(lucet_error_no_memory, "cannot empty a heap");
    return e;
}
