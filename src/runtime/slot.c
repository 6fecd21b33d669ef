/* Slots: memory that tenants have one after the other. What a tenant left is removed when the slot
 * comes back: few pages are put back into their initial state one by one, which costs a tenth of
 * the page faults after giving them to the kernel; many are given. */
#include "runtime/slot.h"

#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#include "runtime/demand.h"
#include "runtime/dirty.h"
#include "runtime/error.h"
#include "runtime/free_list.h"
#include "runtime/guest_stack.h"
#include "runtime/image.h"
#include "runtime/instance.h"
#include "runtime/log.h"
#include "runtime/module.h"
#include "runtime/park.h"
#include "runtime/region.h"
#include "runtime/sizes.h"
#include "runtime/x86_64/machine.h"

/* Pages, and runs of pages, that are put back singly. More: all are given to the kernel. */
#define FEW_PAGES 96u
#define FEW_RANGES 64u
#define QUIET_DEPTH 1024u
_Static_assert(QUIET_DEPTH >= LUCET__HEADROOM + LUCET_QUIET_STACK,
               "and the mark lies in the former");
/* Between where a function was when a signal came, and the registers saved: a red zone, alignment,
 * a mark. */
#define SIGNAL_GAP 256u
#define SHALLOW (4 * LUCET__PAGE) /* of a stack, which most tenants do not leave */

static bool protect(void *p, uint64_t size, int protection)
{
    return size == 0 || mprotect(p, size, protection) == 0;
}

static bool map_anonymous(void *p, uint64_t size, int protection)
{
    return size == 0 ||
           mmap(p, size, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1,
                0) != MAP_FAILED;
}

/* ---- What is accessible ---- */

static uint8_t *stack_end(const struct slot *s)
{
    return s->heap - LUCET__FRONT_GUARD;
}

/* One mapping from the context to the heap, and guards in it where nothing is. Locked memory takes
 * none. */
static bool open_front_in_one(struct slot *s, uint64_t context_size)
{
    uint8_t *const end = stack_end(s);

    if (!protect(s->context, (uint64_t)(s->heap - s->context), PROT_READ | PROT_WRITE))
        return false;
    s->one_mapping = lucet__guard(s->context + context_size,
                                  (uint64_t)(s->stack - s->context) - context_size, true) &&
                     lucet__guard(end, (uint64_t)(s->heap - end), true);
    if (!s->one_mapping)
        atomic_store(&s->region->guards, false);
    return s->one_mapping;
}

/* Whatever became accessible, or a guard, when the other way failed. */
static bool close_front(struct slot *s)
{
    const uint64_t front = (uint64_t)(s->heap - s->context);

    s->context_accessible = 0;
    return lucet__guard(s->context, front, false) && protect(s->context, front, PROT_NONE);
}

static bool open_front_divided(struct slot *s, uint64_t context_size)
{
    return close_front(s) && protect(s->context, context_size, PROT_READ | PROT_WRITE) &&
           protect(s->stack, s->region->limits.stack_size, PROT_READ | PROT_WRITE);
}

static bool open_front(struct slot *s, uint64_t context_size)
{
    if (s->region->on_demand && !s->on_demand && !lucet__demand_heap(s))
        return false;
    if (!(atomic_load(&s->region->guards) && open_front_in_one(s, context_size)) &&
        !open_front_divided(s, context_size))
        return false;
    s->stack_accessible = true;
    s->context_accessible = context_size;
    return true;
}

static bool extend_context(struct slot *s, uint64_t context_size)
{
    uint8_t *from = s->context + s->context_accessible;
    const uint64_t size = context_size - s->context_accessible;

    if (!(s->one_mapping ? lucet__guard(from, size, false)
                         : protect(from, size, PROT_READ | PROT_WRITE)))
        return false;
    s->context_accessible = context_size;
    return true;
}

enum lucet_error lucet__slot_take(struct lucet_region *r, const struct lucet_dl_module *module,
                                  uint64_t context_size, struct slot **out)
{
    struct slot *s = lucet__free_lists_take(r->free, module->id);
    bool good = true;

    if (!s)
        return lucet__fail(lucet_error_region_full, "all %zu slots of the region are in use",
                           r->capacity);
    if (s->parked && s->module_id != module->id)
        lucet__parked_drop(s);
    if (lucet__demand_lost(r)) {
        lucet__free_lists_give_back(r->free, s);
        return lucet__fail(lucet_error_unsupported,
                           "the fork had no userfaultfd for this process: make a new region");
    }
    context_size = round_up(context_size, LUCET__PAGE);
    if (!s->stack_accessible)
        good = open_front(s, context_size);
    else if (s->context_accessible < context_size)
        good = extend_context(s, context_size);
    if (!good) {
        enum lucet_error e =
            lucet__fail_errno(lucet_error_no_memory,
                              "cannot use a slot (a process may have vm.max_map_count mappings)");
        lucet__free_lists_give_back(r->free, s);
        return e;
    }
    s->module_id = module->id;
    s->context_used = context_size;
    *out = s;
    return lucet_error_ok;
}

/* ---- Putting pages back ---- */

/* Of no bytes, memset() may write none of a page that is not there, which costs more than to clear
 * one. */
static void zero(uint8_t *p, uint64_t size)
{
    if (size > 0)
        memset(p, 0, size);
}

/* The initial contents of [from, to) of a heap. */
static void restore(const struct slot *s, const struct image *image, uint64_t from, uint64_t to)
{
    const uint64_t begin = image ? image->offset : 0, end = begin + (image ? image->size : 0);
    const uint64_t low = from > begin ? from : begin, high = to < end ? to : end;

    if (low >= high) {
        zero(s->heap + from, to - from);
        return;
    }
    zero(s->heap + from, low - from);
    memcpy(s->heap + low, image->bytes + (low - begin), high - low);
    zero(s->heap + high, to - high);
}

/* What a tenant has touched is to be forgotten, or it would count for the next. */
static bool is_counted(const struct slot *s)
{
    return s->on_demand && s->region->options.heap_resident_limit;
}

/* Where to begin to look for what the tenant wrote to on its stack. What guest code touches next on
 * its way down is a page and 128 bytes away at most (docs/abi.md T4), and a host function stays
 * within the reservation below the guest frame that called it. So a stack that was used below these
 * SHALLOW bytes and the gap was also used between the two. A small reservation leaves a gap still
 * for the former, and for handlers of signals. */
static uint8_t *shallow_stack(const struct slot *s)
{
    const struct lucet_alloc_limits *l = &s->region->limits;
    const uint64_t gap = l->hostcall_reservation > SHALLOW ? l->hostcall_reservation : SHALLOW;

    return s->deep || SHALLOW + gap > l->stack_size ? s->stack : stack_end(s) - SHALLOW - gap;
}

static long dirty_stack_and_heap(struct slot *s, struct lucet__page_range *dirty, size_t max)
{
    const uint8_t *from = shallow_stack(s);
    const uint8_t *const to = s->heap + s->heap_accessible;
    long n = lucet__dirty(from, to, dirty, max);

    if (from == s->stack || n <= 0 || dirty[0].start >= (uintptr_t)stack_end(s) - SHALLOW)
        return n;
    s->deep = true;
    return lucet__dirty(s->stack, to, dirty, max);
}

/* What the tenant wrote to in stack and heap, or in the heap alone. False: too much, or unknown. */
static bool put_back(struct slot *s, bool stack, const struct image *image)
{
    struct lucet__page_range dirty[FEW_RANGES];
    uint64_t bytes = 0;
    long n;

    if (is_counted(s))
        return false;
    n = stack ? dirty_stack_and_heap(s, dirty, FEW_RANGES)
              : lucet__dirty(s->heap, s->heap + s->heap_accessible, dirty, FEW_RANGES);
    for (long k = 0; k < n; k++)
        bytes += dirty[k].end - dirty[k].start;
    if (n < 0 || bytes > FEW_PAGES * LUCET__PAGE)
        return false;
    for (long k = 0; k < n; k++) {
        uint8_t *p = (uint8_t *)(uintptr_t)dirty[k].start;
        uint64_t size = dirty[k].end - dirty[k].start;
        if (p < s->heap)
            zero(p, size);
        else
            restore(s, image, (uint64_t)(p - s->heap), (uint64_t)(p - s->heap) + size);
    }
    return true;
}

/* Both aligned to 64 bytes. */
static bool is_zero(const uint8_t *from, const uint8_t *to)
{
    typedef uint64_t vector __attribute__((vector_size(16), may_alias));
    vector one = {0}, two = {0};

    for (; from < to; from += 64) {
        const vector *v = (const vector *)(const void *)from;
        one |= v[0] | v[1];
        two |= v[2] | v[3];
    }
    one |= two;
    return (one[0] | one[1]) == 0;
}

/* The kernel saves registers for a handler, tiles included on threads that have used them, in so
 * many bytes below where a quiet function was. At their lower end is never zero. */
static bool is_without_large_frame(const struct slot *s)
{
    const uint64_t largest = (lucet__xsave_largest + 63) & ~UINT64_C(63);
    const uint64_t low = QUIET_DEPTH + SIGNAL_GAP + largest, high = LUCET__HEADROOM + largest;

    return low <= LUCET__PAGE || low > s->region->limits.stack_size ||
           is_zero(stack_end(s) - low, stack_end(s) - high);
}

/* Of the page that the stack begins with, what quiet functions may have written to. The mark at its
 * end (gs.h) is of the slot, and stays. False: there is more, which somebody's handler of a signal
 * has left, without a stack of its own. */
static bool put_back_quiet(struct slot *s)
{
    uint8_t *const end = stack_end(s), *const used = end - QUIET_DEPTH;

    if (is_counted(s) || !is_zero(end - LUCET__PAGE, used) || !is_without_large_frame(s))
        return false;
    memset(used, 0, QUIET_DEPTH - sizeof(uint64_t));
    return true;
}

/* Gives pages back to the kernel; what is read there next is zero, or the image where that is
 * mapped. */
static bool forget(struct slot *s, uint8_t *from)
{
    uint64_t size = (uint64_t)(s->heap + s->heap_accessible - from);

    if (size > 0 && madvise(from, size, MADV_DONTNEED) != 0)
        return false;
    atomic_store_explicit(&s->resident, 0, memory_order_relaxed);
    if (s->image_size == 0)
        s->content = 0;
    if (from == s->stack)
        s->deep = false;
    return true;
}

/* ---- The heap ---- */

/* With pages on demand it is accessible only when it is registered: of a process that locks what it
 * will map, the kernel fills what is accessible with zeros at once. */
static bool map_zeros(struct slot *s, uint64_t offset, uint64_t size)
{
    const int access = PROT_READ | PROT_WRITE;
    bool good = true;

    if (!map_anonymous(s->heap + offset, size, s->on_demand ? PROT_NONE : access))
        return false;
    if (s->on_demand)
        good = lucet__demand_heap(s) && protect(s->heap + offset, size, access);
    if (!good)
        s->heap_accessible = offset;
    s->content = s->image_size = 0;
    atomic_store_explicit(&s->resident, 0, memory_order_relaxed);
    return good;
}

/* What it held before: zero, or the image it began with. */
static bool clean_heap(struct slot *s, struct lucet_dl_module *module)
{
    const struct image *image = s->content == module->id ? lucet__image(module) : NULL;

    if (!put_back(s, false, image) && !forget(s, s->heap) && !map_zeros(s, 0, s->heap_accessible))
        return false; /* it was locked */
    s->heap_used = false;
    return true;
}

/* Another module's image gives way to zeros. */
static bool empty_heap(struct slot *s)
{
    if (s->content == 0)
        return true;
    if (s->image_size == 0)
        return forget(s, s->heap) || map_zeros(s, 0, s->heap_accessible); /* it was locked */
    if (!s->on_demand)
        return map_zeros(s, s->image_offset, s->image_size);
    const uint64_t size = s->image_size;
    s->image_size = 0;
    if (forget(s, s->heap))
        return true;
    s->image_size = size;
    return map_zeros(s, 0, s->heap_accessible);
}

static bool fill_heap(struct slot *s, uint64_t module_id, const struct image *image)
{
    if (image->size == 0)
        return true;
    if (s->on_demand) {
        /* What is there, be it zero, would hide it: also what is not counted any more, since it lay
         * beyond the memory of the tenant before. */
        if (!forget(s, s->heap) && !map_zeros(s, 0, s->heap_accessible))
            return false;
        s->image_offset = image->offset;
        s->image_size = image->size;
    } else if (image->fd < 0) {
        memcpy(s->heap + image->offset, image->bytes, image->size);
    } else {
        if (mmap(s->heap + image->offset, image->size, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_FIXED, image->fd, 0) == MAP_FAILED)
            return false;
        s->image_offset = image->offset;
        s->image_size = image->size;
    }
    s->content = module_id;
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

enum lucet_error lucet__slot_heap_reset(struct slot *s, uint64_t size,
                                        struct lucet_dl_module *module)
{
    const struct image *image = lucet__image(module);
    const uint64_t wanted = image->complete && image->size ? module->id : 0;

    if (lucet__demand_lost(s->region))
        return lucet__fail(lucet_error_unsupported, "the fork has lost its heap");
    if (s->region->on_demand && !s->on_demand && !lucet__demand_heap(s)) /* it failed before */
        return lucet__fail_errno(lucet_error_no_memory, "cannot register a heap");
    if (s->heap_used && !clean_heap(s, module))
        return lucet__fail_errno(lucet_error_no_memory, "cannot reset a heap");
    if (s->content != wanted && !empty_heap(s))
        return lucet__fail_errno(lucet_error_no_memory, "cannot unmap an image");
    s->image_bytes = image->bytes;
    if (!set_accessible(s, size))
        return lucet__fail_errno(lucet_error_no_memory, "cannot make a heap of %llu bytes",
                                 (unsigned long long)size);
    s->heap_used = true; /* from now on */
    if (s->content != wanted && !fill_heap(s, wanted, image))
        return lucet__fail_errno(lucet_error_no_memory, "cannot map an image");
    return lucet_error_ok;
}

bool lucet__slot_heap_zero(struct slot *s)
{
    return empty_heap(s);
}

/* ---- The whole ---- */

/* A front in one mapping keeps guards behind the context that the next tenant's may need. */
static bool divide_front(const struct slot *s)
{
    uint8_t *const from = s->context + s->context_accessible;
    const uint64_t size = (uint64_t)(s->stack - from);

    return !s->one_mapping || (lucet__guard(from, size, false) && protect(from, size, PROT_NONE));
}

/* False: it could not be cleaned, and is never used again. */
static bool clean(struct slot *s, struct lucet_dl_module *module, bool quiet)
{
    /* A tenant without a heap here, or whose making failed, leaves another module's content behind,
     * which cannot be put back page by page. */
    const bool foreign = s->content != 0 && s->content != module->id;
    const struct image *image = s->content ? lucet__image(module) : NULL;

    lucet__stack_unused(s);
    if (lucet__demand_lost(s->region))
        return false;
    s->warm = !foreign && lucet__free_lists_may_keep(s->region->free) &&
              ((quiet && put_back_quiet(s)) || put_back(s, true, image));
    s->heap_used = false;
    s->image_bytes = NULL;
    /* One call over stack and heap: what lies between is inaccessible. It fails for locked memory;
     * new mappings do not. */
    if (s->warm || forget(s, s->stack))
        return true;
    if (!map_anonymous(s->stack, (uint64_t)(s->heap + s->heap_accessible - s->stack), PROT_NONE) ||
        !divide_front(s))
        return false;
    s->heap_accessible = s->content = s->image_size = 0;
    s->stack_accessible = s->one_mapping = s->on_demand = s->deep = false;
    atomic_store(&s->resident, 0);
    return true;
}

void lucet__slot_give_back(struct slot *s, struct lucet_dl_module *module, bool quiet,
                           struct lucet_instance *parked)
{
    const struct lucet_layout *l = &module->artifact.header->layout;

    if (!clean(s, module, quiet)) {
        lucet__log(lucet_log_error,
                   "a slot of a region could not be cleaned and is not used again");
        if (parked)
            lucet__parked_free(parked);
        return;
    }
    if (parked && !s->warm) {
        lucet__parked_free(parked);
        parked = NULL;
    }
    /* A context is small and was written: clearing it costs less than the page faults after
     * giving it back. */
    if (parked)
        memset(s->context + l->guest_part, 0, lucet_layout_guest_end(l) - l->guest_part);
    else
        memset(s->context, 0, s->context_used);
    s->parked = parked;
    lucet__free_lists_give_back(s->region->free, s);
}
