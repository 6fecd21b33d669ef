/* Instances that wait in a free slot to be used again: their structures, context and records are as
 * the next instance of the same module needs them, so that making one allocates nothing. Nothing
 * refers to them: neither other instances nor kill switches, and not the module, which may be
 * released meanwhile. */
#include "runtime/park.h"

#include <string.h>

#include "runtime/allocate.h"
#include "runtime/call.h"
#include "runtime/exception.h"
#include "runtime/instance.h"
#include "runtime/memory.h"
#include "runtime/module.h"
#include "runtime/region.h"
#include "runtime/slot.h"
#include "runtime/stop.h"
#include "runtime/suspend.h"
#include "runtime/table.h"

/* All of an instance but its slot. */
static void free_parts(struct lucet_instance *i)
{
    for (uint32_t k = 0; i->memories && k < i->nmemories; k++)
        lucet__memory_unmap(&i->memories[k]);
    for (uint32_t k = 0; i->tables && k < i->ntables; k++)
        lucet__table_free(&i->tables[k]);
    if (i->stop)
        lucet__stop_release(i->stop);
    lucet__free(i->memories);
    lucet__free(i->tables);
    lucet__free(i->records);
    lucet__free(i->export_records);
    lucet__free(i->host_records);
    lucet__free(i->dropped);
    lucet__free(i->frames);
    lucet__aligned_free(i->registers);
    lucet__free(i->pristine);
    lucet__suspended_drop(i);
}

void lucet__parked_free(struct lucet_instance *i)
{
    free_parts(i);
    lucet__free(i);
}

void lucet__parked_drop(struct slot *s)
{
    if (!s->parked)
        return;
    lucet__parked_free(s->parked);
    s->parked = NULL;
    memset(s->context, 0, s->context_used);
}

static bool has_mappings(const struct lucet_instance *i)
{
    for (uint32_t k = 0; k < i->nmemories; k++)
        if (!i->memories[k].slot)
            return true;
    return false;
}

/* Makes it one that waits; false: it has what others know of, or mappings of its own, and is
 * freed. */
static bool park(struct lucet_instance *i)
{
    if (!i->complete || i->tags || i->exceptions || i->uncaught || i->store || i->export_records ||
        has_mappings(i) || lucet__stop_shared(i->stop))
        return false;
    lucet__suspended_drop(i);
    i->trace.count = 0;
    i->module = NULL;
    i->embed_ctx = NULL;
    i->ready = LUCET__NOT_READY;
    return true;
}

void lucet__instance_destroy(struct lucet_instance *i)
{
    struct lucet_dl_module *module = i->module;
    struct lucet_region *region = i->region;
    struct slot *slot = i->slot;
    const bool quiet = !i->touched && !i->store; /* others' guests may have written to its memory */

    if (!slot || !park(i)) {
        lucet__exceptions_leave(i);
        lucet__tags_release(i);
        lucet__parked_free(i);
        i = NULL;
    }
    if (slot)
        lucet__slot_give_back(slot, module, quiet, i); /* from here on it belongs to the next */
    lucet__module_drop(module);
    lucet__region_drop(region);
}

struct lucet_instance *lucet__unpark(struct slot *s)
{
    struct lucet_instance *i = s->parked;

    s->parked = NULL;
    if (!i)
        return NULL;
    i->store_next = NULL;
    i->memory0 = NULL;
    i->timeout_ns = i->slice_ns = i->instructions_bound = i->deadline = 0;
    i->signal_handler = NULL;
    i->fatal_handler = NULL;
    i->state = INSTANCE_READY;
    i->continue_after_fault = false;
    i->used_again = true;
    lucet__stop_renew(i->stop);
    return i;
}
