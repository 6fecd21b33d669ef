/* Primes by crossing out: strided byte stores and a count that vectorises. */
#include "kernel.h"

#define N 4000000

static unsigned char crossed[N];

static uint64_t kernel(void)
{
    memset(crossed, 0, sizeof crossed);
    for (uint32_t i = 2; i * i < N; i++)
        if (!crossed[i])
            for (uint32_t j = i * i; j < N; j += i)
                crossed[j] = 1;
    uint64_t count = 0;
    for (uint32_t i = 2; i < N; i++)
        count += !crossed[i];
    return count;
}
