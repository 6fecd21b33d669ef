#include "counting.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MAGIC UINT64_C(0x10ce7a110c)

struct block {
    uint64_t magic, size;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
struct counting counting_counts = {.fails_after = -1};

static void change(long blocks, long bytes)
{
    pthread_mutex_lock(&mutex);
    counting_counts.blocks += blocks;
    counting_counts.bytes += bytes;
    counting_counts.calls++;
    pthread_mutex_unlock(&mutex);
}

static bool fails(void)
{
    pthread_mutex_lock(&mutex);
    const bool now = counting_counts.fails_after == 0;
    counting_counts.fails_after -= counting_counts.fails_after >= 0;
    pthread_mutex_unlock(&mutex);
    return now;
}

static void *count_malloc(void *context, size_t size)
{
    assert_ptr_equal(context, &counting_counts);
    assert_true(size > 0);
    struct block *b = fails() ? NULL : malloc(sizeof(*b) + size);
    if (!b)
        return NULL;
    *b = (struct block){MAGIC, size};
    memset(b + 1, 0xa5, size);
    change(1, (long)size);
    return b + 1;
}

/* Aborts when it is not from here. */
static struct block *block_of(void *p)
{
    struct block *b = (struct block *)p - 1;

    if (b->magic != MAGIC)
        abort();
    return b;
}

static void count_free(void *context, void *p)
{
    struct block *b = block_of(p);

    assert_ptr_equal(context, &counting_counts);
    change(-1, -(long)b->size);
    b->magic = 0;
    free(b);
}

static void *count_realloc(void *context, void *p, size_t size)
{
    void *to = count_malloc(context, size);

    if (to) {
        memcpy(to, p, size < block_of(p)->size ? size : block_of(p)->size);
        count_free(context, p);
    }
    return to;
}

const struct lucet_allocator counting_allocator = {count_malloc, count_realloc, count_free,
                                                   &counting_counts};
