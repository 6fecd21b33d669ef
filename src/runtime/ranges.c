/* Address ranges that signal handlers look things up by: where the text of loaded modules lies,
 * where regions, and which of these have pages provided on demand. Readers may be signal handlers,
 * so there is no lock: an entry carries a sequence number that is odd while it is being changed. A
 * reader that looks for an address which is in use need not wait for such an entry: what it is
 * about is not in use. Entries are never freed, only used again. */

#include "runtime/ranges.h"

#include <sys/mman.h>

#define CHUNK 256u

struct entry {
    atomic_uint sequence;
    _Atomic(uintptr_t) start, end; /* equal: unused */
    _Atomic(void *) owner;
};

struct ranges lucet__code_ranges = {.mutex = PTHREAD_MUTEX_INITIALIZER};
struct ranges lucet__region_ranges = {.mutex = PTHREAD_MUTEX_INITIALIZER};
struct ranges lucet__demand_ranges = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static struct entry *entry_at(const struct ranges *r, size_t i)
{
    return &atomic_load_explicit(&r->chunks[i / CHUNK], memory_order_acquire)[i % CHUNK];
}

static void set(struct entry *e, uintptr_t start, uintptr_t end, void *owner)
{
    atomic_fetch_add(&e->sequence, 1);
    atomic_store(&e->start, start);
    atomic_store(&e->end, end);
    atomic_store(&e->owner, owner);
    atomic_fetch_add(&e->sequence, 1);
}

/* With the mutex held. The index of an unused entry, or SIZE_MAX. */
static size_t find_unused(struct ranges *r)
{
    size_t n = atomic_load(&r->used);

    for (size_t i = 0; i < n; i++)
        if (atomic_load(&entry_at(r, i)->end) == 0)
            return i;
    if (n == (size_t)CHUNK * LUCET__RANGE_CHUNKS)
        return SIZE_MAX;
    if (n % CHUNK == 0) {
        /* Not from the allocator, because it stays. */
        struct entry *chunk = mmap(NULL, CHUNK * sizeof(*chunk), PROT_READ | PROT_WRITE,
                                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (chunk == MAP_FAILED)
            return SIZE_MAX;
        atomic_store(&r->chunks[n / CHUNK], chunk);
    }
    atomic_store(&r->used, n + 1);
    return n;
}

bool lucet__range_add(struct ranges *r, uintptr_t start, uintptr_t end, void *owner, size_t *index)
{
    pthread_mutex_lock(&r->mutex);
    size_t i = find_unused(r);
    if (i != SIZE_MAX) {
        *index = i;
        set(entry_at(r, i), start, end, owner);
    }
    pthread_mutex_unlock(&r->mutex);
    return i != SIZE_MAX;
}

void lucet__range_remove(struct ranges *r, size_t index)
{
    pthread_mutex_lock(&r->mutex);
    set(entry_at(r, index), 0, 0, NULL);
    pthread_mutex_unlock(&r->mutex);
}

void *lucet__range_find(const struct ranges *r, uintptr_t address)
{
    size_t n = atomic_load_explicit(&r->used, memory_order_acquire);

    for (size_t i = 0; i < n; i++) {
        struct entry *e = entry_at(r, i);
        unsigned before = atomic_load(&e->sequence);
        uintptr_t start = atomic_load(&e->start), end = atomic_load(&e->end);
        void *owner = atomic_load(&e->owner);
        if (address >= start && address < end && before % 2 == 0 &&
            atomic_load(&e->sequence) == before)
            return owner;
    }
    return NULL;
}

void *lucet__range_next(const struct ranges *r, size_t *index)
{
    const size_t n = atomic_load(&r->used);

    while (*index < n) {
        void *owner = atomic_load(&entry_at(r, (*index)++)->owner);
        if (owner)
            return owner;
    }
    return NULL;
}
