/* Product of two matrices of single-precision numbers: vectorises. */
#include "kernel.h"

#define N 320

static float a[N][N], b[N][N], c[N][N];

static uint64_t kernel(void)
{
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            a[i][j] = (float)((i * 7 + j * 3) % 17);
            b[i][j] = (float)((i * 5 + j * 11) % 13);
            c[i][j] = 0;
        }
    for (int i = 0; i < N; i++)
        for (int k = 0; k < N; k++) {
            const float x = a[i][k];
            for (int j = 0; j < N; j++)
                c[i][j] += x * b[k][j];
        }
    double sum = 0;
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++)
            sum += (double)c[i][j] * ((i ^ j) & 3);
    return (uint64_t)sum;
}
