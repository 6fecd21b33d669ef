/* Where the text of loaded modules lies. Readers may be signal handlers, so there is no lock: an
 * entry carries a sequence number that is odd while it is being changed. A reader that looks for
 * code which is executing need not wait for such an entry: the module it is about is not running.
 * Entries are never freed, only used again. */
#include "runtime/code_ranges.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "runtime/module.h"

#define CHUNK 256u
#define CHUNKS 4096u

struct entry {
    atomic_uint sequence;
    _Atomic(uintptr_t) start, end; /* equal: unused */
    _Atomic(struct lucet_dl_module *) module;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static _Atomic(struct entry *) chunks[CHUNKS];
static atomic_size_t used; /* entries that ever were */

static struct entry *entry_at(size_t i)
{
    return &atomic_load_explicit(&chunks[i / CHUNK], memory_order_acquire)[i % CHUNK];
}

static void set(struct entry *e, uintptr_t start, uintptr_t end, struct lucet_dl_module *m)
{
    atomic_fetch_add(&e->sequence, 1);
    atomic_store(&e->start, start);
    atomic_store(&e->end, end);
    atomic_store(&e->module, m);
    atomic_fetch_add(&e->sequence, 1);
}

/* With the mutex held. The index of an unused entry, or SIZE_MAX. */
static size_t find_unused(void)
{
    size_t n = atomic_load(&used);

    for (size_t i = 0; i < n; i++)
        if (atomic_load(&entry_at(i)->end) == 0)
            return i;
    if (n == (size_t)CHUNK * CHUNKS)
        return SIZE_MAX;
    if (n % CHUNK == 0) {
        struct entry *chunk = calloc(CHUNK, sizeof(*chunk));
        if (!chunk)
            return SIZE_MAX;
        atomic_store(&chunks[n / CHUNK], chunk);
    }
    atomic_store(&used, n + 1);
    return n;
}

bool lucet__code_range_add(struct lucet_dl_module *m)
{
    pthread_mutex_lock(&mutex);
    size_t i = find_unused();
    if (i != SIZE_MAX) {
        m->code_range = i;
        set(entry_at(i), m->text_start, m->text_end, m);
    }
    pthread_mutex_unlock(&mutex);
    return i != SIZE_MAX;
}

void lucet__code_range_remove(struct lucet_dl_module *m)
{
    pthread_mutex_lock(&mutex);
    set(entry_at(m->code_range), 0, 0, NULL);
    pthread_mutex_unlock(&mutex);
}

struct lucet_dl_module *lucet__code_range_find(uintptr_t pc)
{
    size_t n = atomic_load_explicit(&used, memory_order_acquire);

    for (size_t i = 0; i < n; i++) {
        struct entry *e = entry_at(i);
        unsigned before = atomic_load(&e->sequence);
        uintptr_t start = atomic_load(&e->start), end = atomic_load(&e->end);
        struct lucet_dl_module *m = atomic_load(&e->module);
        if (pc >= start && pc < end && before % 2 == 0 && atomic_load(&e->sequence) == before)
            return m;
    }
    return NULL;
}
