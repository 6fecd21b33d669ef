/* An allocator that counts what is allocated, notices what is not its own, and may fail. */
#ifndef LUCET_TEST_COUNTING_H
#define LUCET_TEST_COUNTING_H

#include "lucet/lucet.h"

extern const struct lucet_allocator counting_allocator;

extern struct counting {
    long blocks, bytes; /* allocated and not freed */
    long calls;         /* that changed these */
    long fails_after;   /* so many allocations, one fails; < 0: none */
} counting_counts;

#endif
