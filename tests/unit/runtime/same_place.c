#include "runtime/same_place.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "lucet/lucet.h"

struct block {
    size_t size;
    struct block *next;
};
static struct block *blocks;
bool same_place_full;
static pthread_mutex_t blocks_mutex = PTHREAD_MUTEX_INITIALIZER;

static void *block_new(void *context, size_t size)
{
    struct block **link = &blocks, *b;

    (void)context;
    if (same_place_full)
        return NULL;
    pthread_mutex_lock(&blocks_mutex);
    while (*link && (*link)->size != size)
        link = &(*link)->next;
    b = *link;
    if (b)
        *link = b->next;
    pthread_mutex_unlock(&blocks_mutex);
    if (!b && (b = malloc(sizeof(*b) + size)))
        b->size = size;
    return b ? b + 1 : NULL;
}

static void block_free(void *context, void *p)
{
    struct block *b = (struct block *)p - 1;

    (void)context;
    pthread_mutex_lock(&blocks_mutex);
    b->next = blocks;
    blocks = b;
    pthread_mutex_unlock(&blocks_mutex);
}

static void *block_resize(void *context, void *p, size_t size)
{
    const struct block *b = (struct block *)p - 1;
    void *new = block_new(context, size);

    if (!new)
        return NULL;
    memcpy(new, p, b->size < size ? b->size : size);
    block_free(context, p);
    return new;
}

bool same_place_allocate(void)
{
    const struct lucet_allocator allocator = {block_new, block_resize, block_free, NULL};

    return lucet_set_allocator(&allocator) == lucet_error_ok;
}
