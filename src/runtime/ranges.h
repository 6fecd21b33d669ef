/* ranges.c: what is at an address, for signal handlers and others. */
#ifndef LUCET_RUNTIME_RANGES_H
#define LUCET_RUNTIME_RANGES_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LUCET__RANGE_CHUNKS 4096u

struct entry;
struct ranges {
    pthread_mutex_t mutex;
    _Atomic(struct entry *) chunks[LUCET__RANGE_CHUNKS];
    atomic_size_t used; /* entries that ever were */
};
extern struct ranges lucet__code_ranges;   /* text of modules: struct lucet_dl_module */
extern struct ranges lucet__region_ranges; /* regions: struct lucet_region */
extern struct ranges lucet__demand_ranges; /* regions with pages on demand: struct lucet_region */

/* Adds [start, end); false: out of memory. */
bool lucet__range_add(struct ranges *r, uintptr_t start, uintptr_t end, void *owner, size_t *index);
void lucet__range_remove(struct ranges *r, size_t index);
/* Whose range the address is in, or NULL. Safe in signal handlers. */
void *lucet__range_find(const struct ranges *r, uintptr_t address);
/* The owners one after the other, from *index = 0; NULL: that was all. With the mutex held. */
void *lucet__range_next(const struct ranges *r, size_t *index);

static inline struct lucet_dl_module *lucet__code_range_find(uintptr_t pc)
{
    return (struct lucet_dl_module *)lucet__range_find(&lucet__code_ranges, pc);
}

#endif
