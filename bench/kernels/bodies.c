/* Bodies that attract each other: double precision, division and square roots, no vectors. */
#include <math.h>

#include "kernel.h"

#define BODIES 6

struct body {
    double p[3], v[3], mass;
};

static void step(struct body *b, double dt)
{
    for (int i = 0; i < BODIES; i++)
        for (int j = i + 1; j < BODIES; j++) {
            double d[3], squared = 0.01;
            for (int k = 0; k < 3; k++) {
                d[k] = b[i].p[k] - b[j].p[k];
                squared += d[k] * d[k];
            }
            const double f = dt / (squared * sqrt(squared));
            for (int k = 0; k < 3; k++) {
                b[i].v[k] -= d[k] * b[j].mass * f;
                b[j].v[k] += d[k] * b[i].mass * f;
            }
        }
    for (int i = 0; i < BODIES; i++)
        for (int k = 0; k < 3; k++)
            b[i].p[k] += dt * b[i].v[k];
}

static uint64_t kernel(void)
{
    struct body b[BODIES];
    for (int i = 0; i < BODIES; i++) {
        b[i] = (struct body){.mass = 1.0 + i};
        for (int k = 0; k < 3; k++)
            b[i].p[k] = (double)((i * 31 + k * 17) % 23) - 11.0;
    }
    for (int i = 0; i < 200000; i++)
        step(b, 0.001);
    double sum = 0;
    for (int i = 0; i < BODIES; i++)
        sum += b[i].p[0] + b[i].p[1] + b[i].p[2];
    return (uint64_t)(int64_t)(sum * 1e3);
}
