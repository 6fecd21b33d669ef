/* Quicksort through qsort(): comparisons through a function pointer, so call gates. */
#include "kernel.h"

#define N 400000

static uint32_t numbers[N];

static int compare(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void quick(uint32_t *v, long n, int (*less)(const void *, const void *))
{
    while (n > 12) {
        const uint32_t pivot = v[n / 2];
        long i = 0, j = n - 1;
        for (;;) {
            while (less(&v[i], &pivot) < 0)
                i++;
            while (less(&pivot, &v[j]) < 0)
                j--;
            if (i >= j)
                break;
            const uint32_t t = v[i];
            v[i++] = v[j];
            v[j--] = t;
        }
        quick(v, i, less);
        v += i;
        n -= i;
    }
    for (long i = 1; i < n; i++)
        for (long j = i; j > 0 && less(&v[j], &v[j - 1]) < 0; j--) {
            const uint32_t t = v[j];
            v[j] = v[j - 1];
            v[j - 1] = t;
        }
}

static uint64_t kernel(void)
{
    /* Behind a volatile, or the compiler of the guest inlines it. */
    static int (*volatile less)(const void *, const void *) = compare;
    uint32_t state = 12345;
    uint64_t sum = 0;
    for (int i = 0; i < N; i++)
        numbers[i] = random_next(&state);
    quick(numbers, N, less);
    for (int i = 0; i < N; i++)
        sum = sum * 31 + numbers[i];
    return sum;
}
