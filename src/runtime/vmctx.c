/* What host functions may do with the instance that called them. */
#include <stdatomic.h>
#include <stdlib.h>

#include "runtime/activation.h"
#include "runtime/demand.h"
#include "runtime/fault.h"
#include "runtime/instance.h"
#include "runtime/memory.h"
#include "runtime/module.h"
#include "runtime/stop.h"
#include "runtime/table.h"

struct lucet_instance *lucet_vmctx_instance(const struct lucet_vmctx *vmctx)
{
    return vmctx ? lucet__instance(vmctx) : NULL;
}

uint8_t *lucet_vmctx_get_heap(const struct lucet_vmctx *vmctx)
{
    return lucet_instance_heap(lucet_vmctx_instance(vmctx));
}

uint64_t lucet_vmctx_heap_len(const struct lucet_vmctx *vmctx)
{
    return lucet_instance_heap_len(lucet_vmctx_instance(vmctx));
}

bool lucet_vmctx_check_heap(const struct lucet_vmctx *vmctx, const void *ptr, size_t len)
{
    return lucet_instance_check_heap(lucet_vmctx_instance(vmctx), ptr, len);
}

void *lucet_vmctx_guest_range(const struct lucet_vmctx *vmctx, uint64_t offset, uint64_t len)
{
    return lucet_instance_guest_range(lucet_vmctx_instance(vmctx), offset, len);
}

void *lucet_vmctx_get_delegate(const struct lucet_vmctx *vmctx)
{
    return lucet_instance_embed_ctx(lucet_vmctx_instance(vmctx));
}

void *lucet_vmctx_context(const struct lucet_vmctx *vmctx, const void *key)
{
    return lucet_instance_context(lucet_vmctx_instance(vmctx), key);
}

uint32_t lucet_vmctx_current_memory(const struct lucet_vmctx *vmctx)
{
    const struct lucet_instance *i = lucet_vmctx_instance(vmctx);

    return (uint32_t)(i && i->memory0
                          ? lucet__memory_size(i->memory0->desc) >> i->memory0->page_log2
                          : 0);
}

int32_t lucet_vmctx_grow_memory(const struct lucet_vmctx *vmctx, uint32_t additional_pages)
{
    struct lucet_instance *i = lucet_vmctx_instance(vmctx);

    if (!i || !i->memory0)
        return -1;
    return (int32_t)lucet__memory_grow_for(i, i->memory0, additional_pages);
}

const void *lucet_vmctx_get_func_from_idx(const struct lucet_vmctx *vmctx, uint32_t table,
                                          uint32_t index)
{
    const struct lucet_instance *i = lucet_vmctx_instance(vmctx);

    /* References of private modules name no instance: they would run in whoever got them. */
    if (!i || lucet__module_private(i->module) || table >= i->module->artifact.ntables)
        return NULL;
    const struct lucet_table *t = lucet__table_desc(i, table);
    const struct table *own = t->owner;
    return own->elem == LUCET_FUNCREF && index < t->size ? (const void *)(uintptr_t)t->elems[index]
                                                         : NULL;
}

int64_t *lucet_vmctx_get_globals(const struct lucet_vmctx *vmctx)
{
    const struct lucet_instance *i = lucet_vmctx_instance(vmctx);

    return i ? LUCET__AT(i->ctx, int64_t, i->module->artifact.header->layout.globals) : NULL;
}

void lucet_vmctx_terminate(const struct lucet_vmctx *vmctx, void *info)
{
    if (!vmctx)
        abort();
    lucet__terminate(lucet__in_host(vmctx), lucet_terminated_reason_provided, info);
}

void lucet_vmctx_trap(const struct lucet_vmctx *vmctx, enum lucet_trapcode code)
{
    if (!vmctx)
        abort();
    lucet__trap((struct lucet_vmctx *)(uintptr_t)vmctx, code);
}

bool lucet_vmctx_stop_requested(const struct lucet_vmctx *vmctx)
{
    struct thread *t = &lucet__thread;
    enum lucet_terminated_reason reason;

    /* Of the instance that was entered: one that it called through an import stops with it. */
    if (!vmctx || !t->current || !lucet__stop_requested(t->current->instance->stop, &reason))
        return false;
    /* The killer is still looking at us: what it will say it met must be what it met. */
    if (atomic_load(&t->current->instance->stop->state) == STOP_DECIDING)
        return false;
    if (t->abi.ctx == vmctx)
        __atomic_fetch_or(&t->abi.pending, LUCET__PENDING_STOP,
                          __ATOMIC_RELAXED); /* the signal may still be on its way */
    return true;
}
