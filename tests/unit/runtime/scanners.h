/* For tests that count descriptors. */
#ifndef LUCET_TEST_SCANNERS_H
#define LUCET_TEST_SCANNERS_H

#include <pthread.h>

#include "runtime/dirty.h"
#include "runtime/refs.h"

static inline void *scanners_open_one(void *unused)
{
    lucet__dirty_prepare();
    return unused;
}

/* The runtime opens one for each of its first threads: all from here on. */
static inline void scanners_open(void)
{
    pthread_t thread;

    for (unsigned k = 0; k < LUCET__SHARDS; k++)
        if (pthread_create(&thread, NULL, scanners_open_one, NULL) == 0)
            pthread_join(thread, NULL);
}

#endif
