/* Regions: address space for a number of instances. */
#ifndef LUCET_RUNTIME_REGION_H
#define LUCET_RUNTIME_REGION_H

#include <stdatomic.h>

#include "lucet/lucet.h"
#include "runtime/refs.h"
#include "runtime/slot.h"

struct free_lists; /* free_list.h */

struct lucet_region {
    struct refs refs;   /* of instances */
    atomic_uint owners; /* references of the host */
    struct lucet_alloc_limits limits;
    struct lucet_region_options options;
    size_t capacity;
    uint8_t *base;
    uint64_t size, stride;
    struct slot *slots;
    struct free_lists *free;
    atomic_bool guards; /* those within slots are lucet__guard()'s, else mappings without access */
    bool on_demand;     /* pages of heaps are provided by demand.c */
    int uffd;           /* for that; -1: a fork has lost it */
    size_t range;       /* its place among the ranges of regions, ... */
    size_t on_demand_range; /* ... and of those with pages on demand */
};

/* Of an instance. */
void lucet__region_drop(struct lucet_region *r);

#endif
