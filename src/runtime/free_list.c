/* Which slots are free. Threads have lists of their own (a few threads share one when there are
 * many), so that handing a slot out and taking it back meets nobody; one whose list is empty looks
 * at the others'. A slot comes back with what its last tenant's module needs prepared in it, so
 * lists are stacks, and a slot that last held the wanted module is looked for among the uppermost.
 *
 * With the random strategy all are in one array, from which each free slot is taken with equal
 * probability: where an instance lies tells nothing about where the next will. */
#include "runtime/free_list.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/random.h>
#include <unistd.h>

#include "runtime/allocate.h"
#include "runtime/refs.h"
#include "runtime/slot.h"

#define NONE UINT32_MAX
#define DEPTH 16u /* how far down to look */
#define HOARD 32u /* free slots of a list before others' are reused rather than new ones begun */
#define WARM 32u  /* free slots of a list that may keep pages */
#define MAX_LISTS 64u

struct free_list {
    pthread_mutex_t mutex;
    atomic_uint count; /* written under the mutex */
    uint32_t first;
    atomic_uint warm; /* likewise */
    uint8_t filler[64];
};

struct free_lists {
    struct slot *slots;
    uint32_t capacity, nlists;
    atomic_uint unused; /* slots from here on were never used */

    uint32_t *random; /* the free ones; NULL: the other strategy. Guarded by lists[0] */
    uint32_t entropy[64], entropy_left;
    struct free_list lists[];
};

struct free_lists *lucet__free_lists_new(struct slot *slots, size_t capacity, bool random)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    uint32_t n = 1;

    while (!random && n < MAX_LISTS && (long)n < 2 * cores)
        n *= 2;
    struct free_lists *f = lucet__calloc(1, sizeof(*f) + n * sizeof(f->lists[0]));
    if (!f)
        return NULL;
    f->slots = slots;
    f->capacity = (uint32_t)capacity;
    f->nlists = n;
    for (uint32_t k = 0; k < n; k++) {
        pthread_mutex_init(&f->lists[k].mutex, NULL);
        f->lists[k].first = NONE;
    }
    if (random) {
        f->random = lucet__malloc(capacity * sizeof(*f->random));
        if (!f->random) {
            lucet__free_lists_delete(f);
            return NULL;
        }
        for (uint32_t k = 0; k < capacity; k++)
            f->random[k] = k;
        atomic_store(&f->unused, f->capacity);
        atomic_store(&f->lists[0].count, f->capacity);
    }
    return f;
}

void lucet__free_lists_delete(struct free_lists *f)
{
    if (!f)
        return;
    for (uint32_t k = 0; k < f->nlists; k++)
        pthread_mutex_destroy(&f->lists[k].mutex);
    lucet__free(f->random);
    lucet__free(f);
}

static uint32_t own_list(const struct free_lists *f)
{
    return lucet__thread_number() & (f->nlists - 1);
}

static void set_count(struct free_list *l, uint32_t n)
{
    atomic_store_explicit(&l->count, n, memory_order_relaxed);
}

static uint32_t count_of(struct free_list *l)
{
    return atomic_load_explicit(&l->count, memory_order_relaxed);
}

static void add_warm(struct free_list *l, int n)
{
    atomic_store_explicit(&l->warm,
                          atomic_load_explicit(&l->warm, memory_order_relaxed) + (unsigned)n,
                          memory_order_relaxed);
}

/* ---- The random strategy ---- */

/* Every value below n is as likely as any other. */
static uint32_t random_below(struct free_lists *f, uint32_t n)
{
    const uint32_t limit = UINT32_MAX - UINT32_MAX % n;
    uint32_t value;

    do {
        if (f->entropy_left == 0) {
            if (getrandom(f->entropy, sizeof(f->entropy), 0) != (ssize_t)sizeof(f->entropy))
                return n - 1; /* a kernel without it */
            f->entropy_left = sizeof(f->entropy) / sizeof(f->entropy[0]);
        }
        value = f->entropy[--f->entropy_left];
    } while (value >= limit);
    return value % n;
}

static struct slot *take_random(struct free_lists *f)
{
    struct free_list *l = &f->lists[0];
    struct slot *s = NULL;

    pthread_mutex_lock(&l->mutex);
    uint32_t n = count_of(l);
    if (n > 0) {
        uint32_t k = random_below(f, n);
        s = &f->slots[f->random[k]];
        f->random[k] = f->random[n - 1];
        add_warm(l, -(int)s->warm);
        set_count(l, n - 1);
    }
    pthread_mutex_unlock(&l->mutex);
    return s;
}

/* ---- Stacks ---- */

static void unlink_slot(struct free_lists *f, struct free_list *l, uint32_t before, uint32_t index)
{
    struct slot *s = &f->slots[index];

    if (before == NONE)
        l->first = s->next_free;
    else
        f->slots[before].next_free = s->next_free;
    add_warm(l, -(int)s->warm);
    set_count(l, count_of(l) - 1);
}

/* With the list's mutex held. One that held the module, else (`any`) another: of those seen the one
 * that has been free longest, since the others' modules are in use more. */
static struct slot *take_from(struct free_lists *f, struct free_list *l, uint64_t module_id,
                              bool any)
{
    uint32_t before = NONE, index = l->first, oldest = NONE, before_oldest = NONE;

    for (unsigned k = 0; k < DEPTH && index != NONE; k++) {
        if (f->slots[index].module_id == module_id) {
            unlink_slot(f, l, before, index);
            return &f->slots[index];
        }
        before_oldest = before;
        oldest = index;
        before = index;
        index = f->slots[index].next_free;
    }
    if (!any || oldest == NONE)
        return NULL;
    unlink_slot(f, l, before_oldest, oldest);
    return &f->slots[oldest];
}

static struct slot *begin_unused(struct free_lists *f)
{
    uint32_t n = atomic_load_explicit(&f->unused, memory_order_relaxed);

    while (n < f->capacity)
        if (atomic_compare_exchange_weak(&f->unused, &n, n + 1))
            return &f->slots[n];
    return NULL;
}

static struct slot *steal(struct free_lists *f, uint32_t own, uint64_t module_id)
{
    struct slot *s = NULL;

    for (uint32_t k = 0; k < f->nlists && !s; k++) {
        struct free_list *l = &f->lists[(own + k) & (f->nlists - 1)];
        if (count_of(l) == 0)
            continue;
        pthread_mutex_lock(&l->mutex);
        s = take_from(f, l, module_id, true);
        pthread_mutex_unlock(&l->mutex);
    }
    return s;
}

/* A slot may have gone past us, from a list we had not yet looked at to one we had. */
static struct slot *steal_for_sure(struct free_lists *f, uint64_t module_id)
{
    struct slot *s = NULL;

    for (uint32_t k = 0; k < f->nlists; k++)
        pthread_mutex_lock(&f->lists[k].mutex);
    for (uint32_t k = 0; k < f->nlists && !s; k++)
        s = take_from(f, &f->lists[k], module_id, true);
    for (uint32_t k = 0; k < f->nlists; k++)
        pthread_mutex_unlock(&f->lists[k].mutex);
    return s;
}

struct slot *lucet__free_lists_take(struct free_lists *f, uint64_t module_id)
{
    if (f->random)
        return take_random(f);
    const uint32_t own = own_list(f);
    struct free_list *l = &f->lists[own];
    const bool any = count_of(l) >= HOARD ||
                     atomic_load_explicit(&f->unused, memory_order_relaxed) >= f->capacity;
    pthread_mutex_lock(&l->mutex);
    struct slot *s = take_from(f, l, module_id, any);
    pthread_mutex_unlock(&l->mutex);
    if (!s)
        s = begin_unused(f);
    if (!s)
        s = steal(f, own, module_id);
    return s ? s : steal_for_sure(f, module_id);
}

bool lucet__free_lists_may_keep(struct free_lists *f)
{
    struct free_list *l = &f->lists[f->random ? 0 : own_list(f)];

    /* Another thread may be quicker: a few more then. */
    return atomic_load_explicit(&l->warm, memory_order_relaxed) < WARM;
}

void lucet__free_lists_give_back(struct free_lists *f, struct slot *s)
{
    struct free_list *l = &f->lists[f->random ? 0 : own_list(f)];
    uint32_t index = (uint32_t)(s - f->slots);

    pthread_mutex_lock(&l->mutex);
    if (f->random) {
        f->random[count_of(l)] = index;
    } else {
        s->next_free = l->first;
        l->first = index;
    }
    add_warm(l, s->warm);
    set_count(l, count_of(l) + 1);
    pthread_mutex_unlock(&l->mutex);
}

size_t lucet__free_lists_count(struct free_lists *f)
{
    size_t n = f->capacity - atomic_load(&f->unused);

    for (uint32_t k = 0; k < f->nlists; k++)
        n += atomic_load(&f->lists[k].count);
    return n;
}
