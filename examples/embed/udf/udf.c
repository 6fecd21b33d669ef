/*
 * User-defined functions of a database: calls by the million, from several threads, through the
 * typed stubs that lucetc writes. Each worker has an instance of its own.
 *
 * In this folder:
 *
 *     clang-22 --target=wasm32 -O2 -nostdlib -Wl,--no-entry -o price.wasm price.c
 *     lucetc price.wasm -o price.so
 *     lucetc --emit header --header-prefix price price.wasm -o price.h
 *     cc -O2 -I. -o udf udf.c $(pkg-config --cflags --libs lucet) -pthread
 *     ./udf price.so 1000000
 */

#include "price.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { WORKERS = 4 };

struct worker {
    pthread_t thread;
    const struct price_funcs *price; /* handles: looked up once, good for all instances */
    struct lucet_instance *instance;
    uint64_t first, rows;
    uint64_t sum; /* of what with_tax() returned */
    double average;
};

static void check(enum lucet_error error, const char *what)
{
    if (error == lucet_error_ok)
        return;
    fprintf(stderr, "%s: %s: %s\n", what, lucet_error_message(error), lucet_error_detail());
    exit(1);
}

/* select sum(with_tax(cents, 19)), average(cents) from table: row number i costs i cents. Where
 * nothing but an error is of interest, there is no need of a result. */
static void *scan(void *arg)
{
    struct worker *w = arg;

    for (uint64_t cents = w->first; cents < w->first + w->rows; cents++) {
        uint64_t taxed;
        enum lucet_error error = price_with_tax(w->price, w->instance, cents, 19, &taxed, NULL);
        if (error == lucet_error_ok)
            error = price_average_step(w->price, w->instance, cents, NULL);
        check(error, "row");
        w->sum += taxed;
    }
    check(price_average(w->price, w->instance, &w->average, NULL), "average");
    return NULL;
}

/* An error of one row: the query ends, and the instance is reset for the next one. */
static void divide_by_nobody(struct worker *w)
{
    struct lucet_result result;
    uint32_t share = 0; /* WebAssembly's integers have no sign: results are unsigned in C */

    const enum lucet_error error = price_share(w->price, w->instance, 100, 0, &share, &result);
    if (error == lucet_error_runtime_fault)
        printf("share(100, 0): %s\n", lucet_trapcode_message(result.val.faulted.trapcode));
    check(lucet_instance_reset(w->instance), "reset");
    check(price_share(w->price, w->instance, (uint32_t)-100, 4, &share, NULL), "share");
    printf("share(-100, 4): %" PRId32 "\n", (int32_t)share);
}

int main(int argc, char **argv)
{
    struct worker workers[WORKERS] = {0};
    struct lucet_dl_module *module;
    struct lucet_region *region;
    struct price_funcs price;
    uint64_t sum = 0;

    if (argc != 3) {
        fprintf(stderr, "usage: udf price.so ROWS\n");
        return 2;
    }
    const uint64_t rows = strtoull(argv[2], NULL, 10) / WORKERS;

    check(lucet_dl_module_load(argv[1], &module), argv[1]);
    /* Compares the types with those that the header was written for. */
    check(price_funcs_init(&price, module), "functions");
    check(lucet_mmap_region_create(WORKERS, NULL, &region), "region");
    for (unsigned k = 0; k < WORKERS; k++) {
        struct worker *w = &workers[k];
        w->price = &price;
        w->first = k * rows;
        w->rows = rows;
        check(lucet_region_new_instance(region, module, &w->instance), "instance");
        if (pthread_create(&w->thread, NULL, scan, w) != 0)
            abort();
    }
    for (unsigned k = 0; k < WORKERS; k++) {
        pthread_join(workers[k].thread, NULL);
        sum += workers[k].sum;
        printf("worker %u: average %.1f\n", k, workers[k].average);
    }
    printf("sum with tax: %" PRIu64 "\n", sum);
    divide_by_nobody(&workers[0]);

    for (unsigned k = 0; k < WORKERS; k++)
        lucet_instance_release(workers[k].instance);
    lucet_region_release(region);
    lucet_dl_module_release(module);
    return 0;
}
