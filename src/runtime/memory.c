/* Linear memories: growing, and those that lie outside of slots.
 *
 * All memories of an instance together may have as many bytes as it is allowed (`allowance`). A
 * memory's base never changes, and its size changes after the pages have: whoever reads a size may
 * use that many bytes. */
#include "runtime/memory.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "runtime/allocate.h"
#include "runtime/error.h"
#include "runtime/instance.h"
#include "runtime/region.h"
#include "runtime/sizes.h"

/* When the kernel runs out of mappings in the middle, what comes before is accessible already: it
 * must not stay so, for it lies beyond the memory's size. */
static bool make_accessible(struct memory *m, uint64_t size)
{
    uint64_t end = round_up(size, LUCET__PAGE);

    if (end <= m->accessible)
        return true;
    uint8_t *from = m->desc->base + m->accessible;
    uint64_t more = end - m->accessible;
    if (mprotect(from, more, PROT_READ | PROT_WRITE) != 0) {
        if (mprotect(from, more, PROT_NONE) != 0 && m->slot)
            m->slot->heap_accessible = end; /* at least it is not left to the next tenant */
        return false;
    }
    m->accessible = end;
    if (m->slot)
        m->slot->heap_accessible = end;
    return true;
}

static int64_t grow(struct memory *m, uint64_t pages)
{
    const uint64_t old = m->desc->size >> m->page_log2;
    const uint64_t limit = m->grow_limit >> m->page_log2;

    if (pages > m->desc->max_pages || old > m->desc->max_pages - pages)
        return -1;
    if (pages == 0)
        return (int64_t)old;
    if (pages > limit || old > limit - pages ||
        !lucet__allowance_take(m->allowance, pages << m->page_log2))
        return -1;
    const uint64_t size = (old + pages) << m->page_log2;
    if (!make_accessible(m, size)) {
        lucet__allowance_give(m->allowance, pages << m->page_log2);
        return -1;
    }
    lucet__memory_set_size(m->desc, size);
    return (int64_t)old;
}

int64_t lucet__memory_grow(struct memory *m, uint64_t pages)
{
    int64_t before;

    if (!m->shared)
        return grow(m, pages);
    pthread_mutex_lock(&m->shared->mutex);
    before = grow(m, pages);
    pthread_mutex_unlock(&m->shared->mutex);
    return before;
}

bool lucet__memory_allowed(const struct lucet_region *r, struct lucet_instance *i, uint64_t current,
                           uint64_t desired)
{
    return !r->options.memory_limiter ||
           r->options.memory_limiter(r->options.memory_limiter_arg, i, current, desired);
}

int64_t lucet__memory_grow_for(struct lucet_instance *i, struct memory *m, uint64_t pages)
{
    const uint64_t current = lucet__memory_size(m->desc);

    if (pages > UINT64_MAX >> m->page_log2 || pages << m->page_log2 > UINT64_MAX - current)
        return -1;
    if (pages > 0 &&
        !lucet__memory_allowed(i->region, i, current, current + (pages << m->page_log2)))
        return -1;
    return lucet__memory_grow(m, pages);
}

enum lucet_error lucet__memory_map(struct memory *m, uint64_t space)
{
    /* A page for the mark (gs.h), and guards: also behind what has no guard of the code's there. */
    const uint64_t front = LUCET__PAGE + LUCET__FRONT_GUARD;
    const uint64_t size = front + round_up(space, LUCET__PAGE) + LUCET__GUARD;
    void *p = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (p == MAP_FAILED)
        return lucet__fail_errno(lucet_error_no_memory, "cannot reserve a memory");
    if (mprotect(p, LUCET__PAGE, PROT_READ | PROT_WRITE) != 0) {
        munmap(p, size);
        return lucet__fail_errno(lucet_error_no_memory, "cannot use a memory");
    }
    m->mapping = p;
    m->mapping_size = size;
    m->space = space;
    m->desc->base = m->mapping + front;
    m->desc->size = 0;
    return lucet_error_ok;
}

enum lucet_error lucet__memory_share(struct memory *m)
{
    m->shared = lucet__calloc(1, sizeof(*m->shared));
    if (!m->shared)
        return lucet__no_memory();
    pthread_mutex_init(&m->shared->mutex, NULL);
    return lucet_error_ok;
}

static bool forget(const struct memory *m)
{
    return m->accessible == 0 || madvise(m->desc->base, m->accessible, MADV_DONTNEED) == 0 ||
           mmap(m->desc->base, m->accessible, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) != MAP_FAILED;
}

/* Compiled code relies on a size that is never below the declared minimum (docs/abi.md M6), so one
 * that fails leaves a memory that can be used: others may still call into its instance. */
static enum lucet_error reset(struct memory *m, uint64_t size)
{
    const uint64_t end = round_up(size, LUCET__PAGE);

    if (!forget(m))
        return lucet__fail_errno(lucet_error_no_memory, "cannot reset a memory");
    if (!make_accessible(m, size) ||
        (end < m->accessible && mprotect(m->desc->base + end, m->accessible - end, PROT_NONE) != 0))
        return lucet__fail_errno(lucet_error_no_memory, "cannot make a memory of %llu bytes",
                                 (unsigned long long)size);
    m->accessible = end;
    lucet__memory_set_size(m->desc, size);
    return lucet_error_ok;
}

enum lucet_error lucet__memory_reset(struct memory *m, uint64_t pages)
{
    enum lucet_error e;

    if (!m->shared)
        return reset(m, pages << m->page_log2);
    pthread_mutex_lock(&m->shared->mutex);
    e = m->shared->users == 0
            ? reset(m, pages << m->page_log2)
            : lucet__fail(lucet_error_instance_not_returned,
                          "%u other instances use its shared memory", m->shared->users);
    pthread_mutex_unlock(&m->shared->mutex);
    return e;
}

void lucet__memory_use(struct memory *m, bool begins)
{
    if (!m->shared)
        return;
    pthread_mutex_lock(&m->shared->mutex);
    m->shared->users += begins ? 1u : -1u;
    pthread_mutex_unlock(&m->shared->mutex);
}

void lucet__memory_unmap(struct memory *m)
{
    if (m->mapping)
        munmap(m->mapping, m->mapping_size);
    m->mapping = NULL;
    if (m->shared)
        pthread_mutex_destroy(&m->shared->mutex);
    lucet__free(m->shared);
    m->shared = NULL;
}
