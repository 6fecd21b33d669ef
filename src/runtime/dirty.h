/* Which pages somebody has written to. */
#ifndef LUCET_RUNTIME_DIRTY_H
#define LUCET_RUNTIME_DIRTY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lucet__page_range {
    uint64_t start, end; /* addresses */
    uint64_t categories;
};
/* Ranges of pages in [from, to) that are not as the kernel would make them. -1: unknown, or more
 * than `max`. */
long lucet__dirty(const uint8_t *from, const uint8_t *to, struct lucet__page_range *out,
                  size_t max);
/* Once in a while: whether the kernel can say so. */
bool lucet__dirty_prepare(void);
/* Makes pages of a mapping fault, or not, without dividing it; and whether the kernel can. */
bool lucet__guard(void *p, uint64_t size, bool install);
bool lucet__guards_possible(void);

#endif
