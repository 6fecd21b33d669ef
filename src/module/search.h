/* Binary search among records that begin with a uint32_t, by which they are sorted: where something
 * starts. */
#ifndef LUCET_MODULE_SEARCH_H
#define LUCET_MODULE_SEARCH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* How many of the n records of `size` bytes start at `at` or before: the last of them holds what is
 * at `at`. */
static inline size_t lucet_count_started(const void *records, size_t n, size_t size, uint64_t at)
{
    size_t low = 0, high = n;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        uint32_t start;
        memcpy(&start, (const char *)records + middle * size, sizeof(start));
        if (start <= at)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

#endif
