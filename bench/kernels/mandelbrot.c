/* Escape times of the Mandelbrot set: a chain of double-precision operations and a branch. */
#include "kernel.h"

#define SIDE 400
#define LIMIT 200

static int escape(double cr, double ci)
{
    double r = 0, i = 0;
    int n = 0;
    while (n < LIMIT && r * r + i * i < 4.0) {
        const double t = r * r - i * i + cr;
        i = 2 * r * i + ci;
        r = t;
        n++;
    }
    return n;
}

static uint64_t kernel(void)
{
    uint64_t sum = 0;
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++)
            sum = sum * 3 + (uint64_t)escape(x * (3.0 / SIDE) - 2.2, y * (3.0 / SIDE) - 1.5);
    return sum;
}
