/* Linear memories. */
#ifndef LUCET_RUNTIME_MEMORY_H
#define LUCET_RUNTIME_MEMORY_H

#include <pthread.h>
#include <stdatomic.h>

#include "lucet/lucet.h"
#include "module/abi.h"
#include "runtime/allowance.h"

struct slot;   /* slot.h */
struct waiter; /* wait.c */

/* What instances on several threads need of a memory they share. */
struct shared_memory {
    pthread_mutex_t mutex; /* guards growing and what follows */
    uint32_t users;        /* instances that import it */
    struct waiter *first, *last;
};

/* What a memory's owner knows beyond its descriptor, which stands where compiled code reads it. */
struct memory {
    struct lucet_memory *desc;
    uint64_t space;        /* reservation and guard from the base */
    uint64_t grow_limit;   /* bytes */
    uint64_t declared_max; /* pages; LUCET__NO_MAX */
    uint64_t accessible;   /* bytes, whole system pages */
    uint32_t page_log2;
    bool index64;
    struct shared_memory *shared; /* NULL: it is not */
    struct allowance *allowance;  /* of the instance; NULL = only grow_limit */
    struct slot *slot;            /* it lies in a slot's heap, else in a mapping of its own: */
    uint8_t *mapping;
    uint64_t mapping_size;
};

static inline uint64_t lucet__memory_size(const struct lucet_memory *m)
{
    return __atomic_load_n(&m->size, __ATOMIC_ACQUIRE);
}
static inline void lucet__memory_set_size(struct lucet_memory *m, uint64_t size)
{
    __atomic_store_n(&m->size, size, __ATOMIC_RELEASE);
}

/* memory.c. Pages before, or -1. */
int64_t lucet__memory_grow(struct memory *m, uint64_t pages);
/* The same when the region's limiter agrees. */
int64_t lucet__memory_grow_for(struct lucet_instance *i, struct memory *m, uint64_t pages);
bool lucet__memory_allowed(const struct lucet_region *r, struct lucet_instance *i, uint64_t current,
                           uint64_t desired);
/* A mapping of its own of `space` bytes with guards. no_memory. */
enum lucet_error lucet__memory_map(struct memory *m, uint64_t space);
/* Makes it a shared one, in a mapping of its own. no_memory. */
enum lucet_error lucet__memory_share(struct memory *m);
/* Own mapping: back to `pages` zero pages. instance_not_returned: it is shared, and others use
 * it. */
enum lucet_error lucet__memory_reset(struct memory *m, uint64_t pages);
/* An instance begins or ceases to import it. */
void lucet__memory_use(struct memory *m, bool begins);
void lucet__memory_unmap(struct memory *m);

#endif
