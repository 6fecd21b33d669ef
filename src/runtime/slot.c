/* Slots: memory that tenants have one after the other. A slot on the free list has nothing of its
 * last tenant in it but the protections of its pages and perhaps the mapping of a module's image
 * (of which the pages are the module's own again). */
#include <string.h>
#include <sys/mman.h>

#include "runtime/runtime.h"

#define AFFINITY_DEPTH 16u /* how far down the free list to look for a slot of the same module */

#define CLEARED_CONTEXT (UINT64_C(64) << 10)

static bool protect(void *p, uint64_t size, int protection)
{
    return size == 0 || mprotect(p, size, protection) == 0;
}

static bool map_anonymous(void *p, uint64_t size, int protection)
{
    return mmap(p, size, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1,
                0) != MAP_FAILED;
}

/* ---- The free list ---- */

static struct slot *pop(struct lucet_region *r, uint64_t module_id)
{
    size_t chosen;

    pthread_mutex_lock(&r->mutex);
    if (r->nfree == 0) {
        pthread_mutex_unlock(&r->mutex);
        return NULL;
    }
    chosen = r->nfree - 1;
    for (size_t i = 0; i < AFFINITY_DEPTH && i < r->nfree; i++)
        if (r->slots[r->free[r->nfree - 1 - i]].image_module == module_id) {
            chosen = r->nfree - 1 - i;
            break;
        }
    uint32_t index = r->free[chosen];
    r->free[chosen] = r->free[--r->nfree];
    pthread_mutex_unlock(&r->mutex);
    return &r->slots[index];
}

static void push(struct slot *s)
{
    struct lucet_region *r = s->region;

    pthread_mutex_lock(&r->mutex);
    r->free[r->nfree++] = (uint32_t)(s - r->slots);
    pthread_mutex_unlock(&r->mutex);
}

/* ---- */

enum lucet_error lucet__slot_take(struct lucet_region *r, const struct lucet_dl_module *module,
                                  uint64_t context_size, struct slot **out)
{
    struct slot *s = pop(r, module->id);
    bool good = true;

    if (!s)
        return lucet__fail(lucet_error_region_full, "all %zu slots of the region are in use",
                           r->capacity);
    context_size = round_up(context_size, LUCET__PAGE);
    if (s->context_accessible < context_size) {
        good = protect(s->context, context_size, PROT_READ | PROT_WRITE);
        if (good)
            s->context_accessible = context_size;
    }
    if (good && !s->stack_accessible)
        good = s->stack_accessible =
            protect(s->stack, r->limits.stack_size, PROT_READ | PROT_WRITE);
    if (!good) {
        enum lucet_error e = lucet__fail_errno(lucet_error_no_memory, "cannot use a slot");
        push(s);
        return e;
    }
    s->context_used = context_size;
    *out = s;
    return lucet_error_ok;
}

/* Gives pages back to the kernel; what is read there next is zero, or the image. */
static bool forget(uint8_t *from, const uint8_t *to)
{
    return from == to || madvise(from, (size_t)(to - from), MADV_DONTNEED) == 0;
}

void lucet__slot_give_back(struct slot *s)
{
    uint8_t *from = s->context;

    /* A context is small and was written: clearing it costs less than the page faults after
     * giving it back. */
    if (s->context_used <= CLEARED_CONTEXT) {
        memset(s->context, 0, s->context_used);
        from = s->stack;
    }
    /* One call over context, stack and heap: what lies between is inaccessible. It fails for
     * locked memory; new mappings do not. */
    if (!forget(from, s->heap + s->heap_accessible)) {
        const uint8_t *end = s->heap + s->heap_accessible;
        if (!map_anonymous(s->context, (uint64_t)(end - s->context), PROT_NONE))
            return; /* never used again */
        s->context_accessible = s->heap_accessible = 0;
        s->stack_accessible = false;
        s->image_module = 0;
    }
    s->heap_dirty = false;
    push(s);
}

static bool map_image(struct slot *s, uint64_t module_id, const struct image *image)
{
    if (mmap(s->heap + image->offset, image->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED,
             image->fd, 0) == MAP_FAILED)
        return false;
    s->image_module = module_id;
    s->image_offset = image->offset;
    s->image_size = image->size;
    return true;
}

static bool unmap_image(struct slot *s)
{
    if (!map_anonymous(s->heap + s->image_offset, s->image_size, PROT_READ | PROT_WRITE))
        return false;
    s->image_module = 0;
    return true;
}

static bool set_accessible(struct slot *s, uint64_t size)
{
    bool good = size > s->heap_accessible
                    ? protect(s->heap + s->heap_accessible, size - s->heap_accessible,
                              PROT_READ | PROT_WRITE)
                    : protect(s->heap + size, s->heap_accessible - size, PROT_NONE);

    if (good)
        s->heap_accessible = size;
    return good;
}

enum lucet_error lucet__slot_heap_reset(struct slot *s, uint64_t size, uint64_t module_id,
                                        const struct image *image)
{
    bool wanted = image && image->fd >= 0;

    if (s->heap_dirty && !forget(s->heap, s->heap + s->heap_accessible)) {
        if (!map_anonymous(s->heap, s->heap_accessible, PROT_READ | PROT_WRITE))
            return lucet__fail_errno(lucet_error_no_memory, "cannot reset a heap");
        s->image_module = 0;
    }
    s->heap_dirty = true; /* from now on */
    if (s->image_module && (s->image_module != module_id || !wanted) && !unmap_image(s))
        return lucet__fail_errno(lucet_error_no_memory, "cannot unmap an image");
    if (!set_accessible(s, size))
        return lucet__fail_errno(lucet_error_no_memory, "cannot make a heap of %llu bytes",
                                 (unsigned long long)size);
    if (wanted && s->image_module != module_id && !map_image(s, module_id, image))
        return lucet__fail_errno(lucet_error_no_memory, "cannot map an image");
    return lucet_error_ok;
}
