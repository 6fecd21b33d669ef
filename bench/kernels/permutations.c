/* Permutations and the number of reversals that sort each: integers in small arrays. */
#include "kernel.h"

#define N 9

static int reversals(const int *p)
{
    int q[N], count = 0;
    memcpy(q, p, sizeof q);
    while (q[0] != 0) {
        for (int i = 0, j = q[0]; i < j; i++, j--) {
            const int t = q[i];
            q[i] = q[j];
            q[j] = t;
        }
        count++;
    }
    return count;
}

static int advance(int *p)
{
    int i = N - 2, j = N - 1;
    while (i >= 0 && p[i] > p[i + 1])
        i--;
    if (i < 0)
        return 0;
    while (p[j] < p[i])
        j--;
    int t = p[i];
    p[i] = p[j];
    p[j] = t;
    for (i++, j = N - 1; i < j; i++, j--) {
        t = p[i];
        p[i] = p[j];
        p[j] = t;
    }
    return 1;
}

static uint64_t kernel(void)
{
    int p[N];
    uint64_t sum = 0;
    for (int i = 0; i < N; i++)
        p[i] = i;
    do
        sum = sum * 5 + (uint64_t)reversals(p);
    while (advance(p));
    return sum;
}
