/* Stacks that guests run on. */
#ifndef LUCET_RUNTIME_GUEST_STACK_H
#define LUCET_RUNTIME_GUEST_STACK_H

#include "runtime/region.h"

/* Left free above guest stacks: a host function whose prototype has more parameters than it was
 * registered with reads there instead of in the guard. */
#define LUCET__HEADROOM 256

/* Before an instance's outermost run, and before its stack is cleaned: AddressSanitizer may
 * remember frames of host functions on this stack that a stop, or the end of a run that had
 * yielded, has cut off. */
#ifdef LUCET_SANITIZE
void __asan_unpoison_memory_region(void const volatile *p, size_t size);
#endif
static inline void lucet__stack_range_unused(const uint8_t *from, size_t size)
{
#ifdef LUCET_SANITIZE
    __asan_unpoison_memory_region(from, size);
#else
    (void)from;
    (void)size;
#endif
}
static inline void lucet__stack_unused(const struct slot *s)
{
    lucet__stack_range_unused(s->stack, s->region->limits.stack_size);
}

#endif
