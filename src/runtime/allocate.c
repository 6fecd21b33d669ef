/* Where the runtime's own memory comes from. The memory of guests, their stacks and images, comes
 * from mmap() in any case. */
#include "runtime/allocate.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lucet/lucet.h"
#include "runtime/error.h"

static struct lucet_allocator
    custom; /* written before `used` is set; without functions: the C library's */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static atomic_bool used;

/* From now on no other allocator can be chosen. */
static void begin_use(void)
{
    if (atomic_load_explicit(&used, memory_order_acquire))
        return;
    pthread_mutex_lock(&mutex);
    atomic_store(&used, true);
    pthread_mutex_unlock(&mutex);
}

enum lucet_error lucet_set_allocator(const struct lucet_allocator *a)
{
    static const struct lucet_allocator standard;
    enum lucet_error e = lucet_error_ok;

    lucet__clear_error();
    if (a && (!a->malloc || !a->realloc || !a->free))
        return lucet__fail(lucet_error_invalid_argument, "an allocator without all its functions");
    pthread_mutex_lock(&mutex);
    if (atomic_load(&used))
        e = lucet__fail(lucet_error_invalid_argument, "the runtime has allocated memory already");
    else
        custom = a ? *a : standard;
    pthread_mutex_unlock(&mutex);
    return e;
}

void *lucet__malloc(size_t size)
{
    begin_use();
    return custom.malloc ? custom.malloc(custom.context, size ? size : 1) : malloc(size);
}

void *lucet__calloc(size_t n, size_t size)
{
    size_t bytes;

    begin_use();
    if (!custom.malloc)
        return calloc(n, size);
    if (__builtin_mul_overflow(n, size, &bytes))
        return NULL;
    void *p = lucet__malloc(bytes);
    return p ? memset(p, 0, bytes) : NULL;
}

void *lucet__realloc(void *p, size_t size)
{
    begin_use();
    if (!custom.malloc)
        return realloc(p, size);
    return p ? custom.realloc(custom.context, p, size ? size : 1) : lucet__malloc(size);
}

void lucet__free(void *p)
{
    if (!custom.malloc)
        free(p);
    else if (p)
        custom.free(custom.context, p);
}

/* ---- For libraries built on this one ---- */

void *lucet_malloc(size_t size)
{
    return lucet__malloc(size ? size : 1);
}

void *lucet_calloc(size_t count, size_t size)
{
    return count && size ? lucet__calloc(count, size) : lucet__calloc(1, 1);
}

void *lucet_realloc(void *p, size_t size)
{
    return lucet__realloc(p, size ? size : 1);
}

void lucet_free(void *p)
{
    lucet__free(p);
}

/* ---- More kinds of blocks ---- */

char *lucet__strdup(const char *s)
{
    const size_t size = strlen(s) + 1;
    char *copy = lucet__malloc(size);

    return copy ? memcpy(copy, s, size) : NULL;
}

#define BEFORE sizeof(uintptr_t) /* for the block's own address */

void *lucet__aligned_malloc(size_t alignment, size_t size)
{
    if (size > SIZE_MAX - alignment - BEFORE)
        return NULL;
    uint8_t *block = lucet__malloc(size + alignment + BEFORE);
    if (!block)
        return NULL;
    const uintptr_t first = (uintptr_t)block + BEFORE;
    uint8_t *p = block + BEFORE + (alignment - first % alignment) % alignment;
    const uintptr_t address = (uintptr_t)block;
    memcpy(p - BEFORE, &address, sizeof(address));
    return p;
}

void lucet__aligned_free(void *p)
{
    uintptr_t address;

    if (!p)
        return;
    memcpy(&address, (uint8_t *)p - BEFORE, sizeof(address));
    lucet__free((void *)address);
}
