/* Sizes that several parts agree on. */
#ifndef LUCET_RUNTIME_SIZES_H
#define LUCET_RUNTIME_SIZES_H

#include <stdint.h>

#define LUCET__PAGE 4096u
#define LUCET__GUARD (UINT64_C(64) << 10)      /* below guest stacks, behind heaps */
#define LUCET__FRONT_GUARD (UINT64_C(4) << 10) /* before heaps: as much as code assumes */
#define LUCET__NO_MAX UINT64_MAX

static inline uint64_t round_up(uint64_t n, uint64_t unit)
{
    return (n + unit - 1) / unit * unit;
}

#endif
