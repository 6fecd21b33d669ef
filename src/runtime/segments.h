/* Element and data segments. */
#ifndef LUCET_RUNTIME_SEGMENTS_H
#define LUCET_RUNTIME_SEGMENTS_H

#include "runtime/instance.h"

enum lucet_error lucet__segments_apply(struct lucet_instance *i, bool data_in_image);
bool lucet__elem_copy(struct lucet_instance *i, uint32_t segment, struct lucet_table *t,
                      uint64_t dst, uint64_t src, uint64_t n);
static inline bool lucet__dropped(const struct lucet_instance *i, uint32_t bit)
{
    return i->dropped[bit / 8] >> bit % 8 & 1;
}
static inline void lucet__drop(struct lucet_instance *i, uint32_t bit)
{
    i->dropped[bit / 8] |= (uint8_t)(1u << bit % 8);
}

/* Remembers the trap of an instantiation: lucet_instantiation_trap(). */
enum lucet_error lucet__instantiation_trap(enum lucet_trapcode code, const char *what,
                                           uint32_t index);
/* The same when the start function stopped. */
void lucet__set_instantiation_trap(enum lucet_trapcode code);

#endif
