/* What every kernel shares: `kernel()` does a fixed amount of work and returns a number that
 * depends on all of it. The best of several rounds is printed, so that neither the start of the
 * program nor the compilation of a tier counts: NAME CHECKSUM NANOSECONDS. */
#ifndef BENCH_KERNEL_H
#define BENCH_KERNEL_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROUNDS 5

static uint64_t kernel(void);

static inline uint64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* xorshift: the same numbers everywhere */
static inline uint32_t random_next(uint32_t *state)
{
    uint32_t x = *state;
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    return *state = x;
}

int main(void)
{
    uint64_t best = UINT64_MAX, sum = 0;
    for (int i = 0; i < ROUNDS; i++) {
        const uint64_t start = now();
        sum = kernel();
        const uint64_t took = now() - start;
        best = took < best ? took : best;
    }
    printf("%llx %llu\n", (unsigned long long)sum, (unsigned long long)best);
    return 0;
}

#endif
