/* Helpers of the measurements. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "bench.h"

uint64_t bench_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void bench_die(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fputs("bench: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(1);
}

uint8_t *bench_file(const char *folder, const char *name, size_t *size)
{
    char path[4096];
    uint8_t *bytes = NULL;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *f = fopen(path, "rb");
    if (!f || fseek(f, 0, SEEK_END) != 0)
        bench_die("cannot read %s", path);
    long end = ftell(f);
    rewind(f);
    if (end < 0 || !(bytes = malloc((size_t)end + 1)) ||
        fread(bytes, 1, (size_t)end, f) != (size_t)end)
        bench_die("cannot read %s", path);
    fclose(f);
    *size = (size_t)end;
    return bytes;
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

struct sample sample_of(double *values, size_t n)
{
    qsort(values, n, sizeof(*values), compare);
    return (struct sample){values[n / 2], values[(n * 99 + 99) / 100 - 1], true};
}
