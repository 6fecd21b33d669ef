/* demand.c: heaps whose pages the runtime provides when they are touched. */
#ifndef LUCET_RUNTIME_DEMAND_H
#define LUCET_RUNTIME_DEMAND_H

#include <signal.h>

#include "runtime/memory.h"
#include "runtime/region.h"

/* Makes the region one with pages on demand, and ends that; the latter while it is still mapped.
 * unsupported, no_memory. */
enum lucet_error lucet__demand_begin(struct lucet_region *r);
void lucet__demand_end(struct lucet_region *r);
/* Whether there is such a region. */
bool lucet__demand_exists(void);
/* Pages of the slot's heap are provided from now on, also when a new mapping has taken its
 * place. */
bool lucet__demand_heap(struct slot *s);
/* A fork has lost the means: nothing of its heaps can be used any more. */
static inline bool lucet__demand_lost(const struct lucet_region *r)
{
    return r->on_demand && r->uffd < 0;
}

enum demand {
    DEMAND_FOREIGN,  /* the fault is none of a page on demand */
    DEMAND_PROVIDED, /* the instruction may be executed again */
    DEMAND_REFUSED,  /* the instance has as much as it may, or the machine has no more */
};
/* In the handler of SIGBUS, whatever the code is that faulted. */
enum demand lucet__demand_fault(const siginfo_t *info, bool in_guest);

/* More than its instance may have was provided. */
static inline bool lucet__demand_slot_exceeded(const struct slot *s)
{
    const uint64_t limit = s->region->options.heap_resident_limit;

    return limit && atomic_load_explicit(&s->resident, memory_order_relaxed) > limit;
}
static inline bool lucet__demand_exceeded(const struct memory *m)
{
    return m->slot && lucet__demand_slot_exceeded(m->slot);
}

/* Touches [from, from + size), accessible memory of `m`, so that the kernel finds it all there.
 * False: it would be more than the instance may have. */
bool lucet__demand_touch_heap(struct slot *s, const uint8_t *from, uint64_t size);
static inline bool lucet__demand_touch(const struct memory *m, const uint8_t *from, uint64_t size)
{
    return !m->slot || !m->slot->on_demand || lucet__demand_touch_heap(m->slot, from, size);
}

#endif
