/* Linear memories: growing, and those that lie outside of slots. */
#include <sys/mman.h>

#include "runtime/runtime.h"

/* When the kernel runs out of mappings in the middle, what comes before is accessible already: it must not
 * stay so, for it lies beyond the memory's size. */
static bool make_accessible(struct memory *m, uint64_t size)
{
    uint8_t *from = m->desc->base + m->desc->size;
    uint64_t more = size - m->desc->size;

    if (mprotect(from, more, PROT_READ | PROT_WRITE) != 0) {
        if (mprotect(from, more, PROT_NONE) != 0 && m->slot)
            m->slot->heap_accessible = size; /* at least it is not left to the next tenant */
        return false;
    }
    if (m->slot)
        m->slot->heap_accessible = size;
    return true;
}

int64_t lucet__memory_grow(struct memory *m, uint64_t pages)
{
    uint64_t old = m->desc->size / LUCET_WASM_PAGE;

    if (pages > m->desc->max_pages || old > m->desc->max_pages - pages)
        return -1;
    uint64_t size = (old + pages) * LUCET_WASM_PAGE;
    if (pages > 0 && (size > m->grow_limit || !make_accessible(m, size)))
        return -1;
    m->desc->size = size;
    return (int64_t)old;
}

enum lucet_error lucet__memory_map(struct memory *m, uint64_t space)
{
    uint64_t size = LUCET__GUARD + round_up(space, LUCET__PAGE);
    void *p = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (p == MAP_FAILED)
        return lucet__fail_errno(lucet_error_no_memory, "cannot reserve a memory");
    m->mapping = p;
    m->mapping_size = size;
    m->space = space;
    m->desc->base = m->mapping + LUCET__GUARD;
    m->desc->size = 0;
    return lucet_error_ok;
}

enum lucet_error lucet__memory_reset(struct memory *m, uint64_t pages)
{
    uint64_t size = pages * LUCET_WASM_PAGE;

    if (m->desc->size > 0 &&
        mmap(m->desc->base, m->desc->size, PROT_NONE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == MAP_FAILED)
        return lucet__fail_errno(lucet_error_no_memory, "cannot reset a memory");
    m->desc->size = 0;
    if (size > 0 && !make_accessible(m, size))
        return lucet__fail_errno(lucet_error_no_memory, "cannot make a memory of %llu pages",
                                 (unsigned long long)pages);
    m->desc->size = size;
    return lucet_error_ok;
}

void lucet__memory_unmap(struct memory *m)
{
    if (m->mapping)
        munmap(m->mapping, m->mapping_size);
    m->mapping = NULL;
}
