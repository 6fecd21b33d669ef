/* Regions: address space for many slots, reserved at once. */
#include "runtime/region.h"

#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#include "runtime/allocate.h"
#include "runtime/demand.h"
#include "runtime/dirty.h"
#include "runtime/error.h"
#include "runtime/free_list.h"
#include "runtime/log.h"
#include "runtime/park.h"
#include "runtime/ranges.h"
#include "runtime/signals.h"
#include "runtime/sizes.h"
#include "runtime/slot.h"

/* Heaps begin at multiples of this, so that large pages are possible. */
#define HEAP_ALIGNMENT (UINT64_C(2) << 20)
#define MIN_GUEST_STACK (UINT64_C(8) << 10) /* besides the hostcall reservation */

struct lucet_alloc_limits lucet_alloc_limits_default(void)
{
    return (struct lucet_alloc_limits){
        .heap_memory_size = UINT64_C(1) << 20,
        .heap_address_space_size = UINT64_C(8) << 30,
        .stack_size = UINT64_C(128) << 10,
        .hostcall_reservation = UINT64_C(32) << 10,
        .globals_size = LUCET__PAGE,
        .signal_stack_size = UINT64_C(16) << 10,
        .context_size = UINT64_C(64) << 10,
        .table_entries = 10000000,
        .exceptions_size = UINT64_C(1) << 20,
    };
}

static enum lucet_error check_limits(const struct lucet_alloc_limits *l)
{
    const struct {
        const char *name;
        uint64_t size;
    } sizes[] = {
        {"heap_memory_size", l->heap_memory_size},
        {"heap_address_space_size", l->heap_address_space_size},
        {"stack_size", l->stack_size},
        {"hostcall_reservation", l->hostcall_reservation},
        {"globals_size", l->globals_size},
        {"signal_stack_size", l->signal_stack_size},
        {"context_size", l->context_size},
        {"exceptions_size", l->exceptions_size},
    };

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        if (sizes[i].size == 0 || sizes[i].size % LUCET__PAGE || sizes[i].size >> 46)
            return lucet__fail(lucet_error_invalid_argument,
                               "limits: %s is zero, huge or no multiple of the page size",
                               sizes[i].name);
    if (l->heap_memory_size > l->heap_address_space_size)
        return lucet__fail(lucet_error_invalid_argument,
                           "limits: heap_memory_size is above heap_address_space_size");
    if (l->stack_size < l->hostcall_reservation + MIN_GUEST_STACK)
        return lucet__fail(lucet_error_invalid_argument,
                           "limits: stack_size leaves the guest less than %llu bytes beside "
                           "hostcall_reservation",
                           (unsigned long long)MIN_GUEST_STACK);
    return lucet_error_ok;
}

/* Bytes of a slot before its heap. */
static uint64_t slot_front(const struct lucet_alloc_limits *l)
{
    return l->context_size + l->globals_size + LUCET__GUARD + l->stack_size + LUCET__FRONT_GUARD;
}

static void place_slots(struct lucet_region *r)
{
    uintptr_t first =
        round_up((uintptr_t)r->base + LUCET__GUARD + slot_front(&r->limits), HEAP_ALIGNMENT);

    for (size_t i = 0; i < r->capacity; i++) {
        struct slot *s = &r->slots[i];
        s->region = r;
        s->heap = (uint8_t *)first + i * r->stride;
        s->stack = s->heap - LUCET__FRONT_GUARD - r->limits.stack_size;
        s->context = s->heap - slot_front(&r->limits);
    }
}

/* Those of several threads lie side by side. */
static struct slot *allocate_slots(size_t n)
{
    struct slot *slots = lucet__aligned_malloc(_Alignof(struct slot), n * sizeof(*slots));

    if (slots)
        memset(slots, 0, n * sizeof(*slots));
    return slots;
}

static enum lucet_error reserve(struct lucet_region *r, bool random)
{
    const uint64_t stride = round_up(slot_front(&r->limits), HEAP_ALIGNMENT) +
                            round_up(r->limits.heap_address_space_size, HEAP_ALIGNMENT);

    if (r->capacity > (UINT64_C(1) << 47) / stride || r->capacity > UINT32_MAX)
        return lucet__fail(lucet_error_no_memory,
                           "%zu slots of %llu MiB are more than the address space", r->capacity,
                           (unsigned long long)(stride >> 20));
    r->stride = stride;
    r->size = r->capacity * stride + 2 * HEAP_ALIGNMENT + LUCET__GUARD;
    void *base = mmap(NULL, r->size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED)
        return lucet__fail_errno(lucet_error_no_memory, "cannot reserve %llu MiB of address space",
                                 (unsigned long long)(r->size >> 20));
    if (!lucet__range_add(&lucet__region_ranges, (uintptr_t)base, (uintptr_t)base + r->size, r,
                          &r->range)) {
        munmap(base, r->size);
        return lucet__no_memory();
    }
    r->base = base;
    r->slots = allocate_slots(r->capacity);
    if (!r->slots)
        return lucet__no_memory();
    r->free = lucet__free_lists_new(r->slots, r->capacity, random);
    if (!r->free)
        return lucet__no_memory();
    place_slots(r);
    return lucet_error_ok;
}

static void region_free(struct lucet_region *r)
{
    for (size_t i = 0; r->slots && i < r->capacity; i++)
        lucet__parked_drop(&r->slots[i]);
    if (r->on_demand)
        lucet__demand_end(r);
    if (r->base) {
        lucet__range_remove(&lucet__region_ranges, r->range);
        munmap(r->base, r->size);
    }
    lucet__aligned_free(r->slots);
    lucet__free_lists_delete(r->free);
    lucet__free(r);
}

static enum lucet_error create(size_t capacity, const struct lucet_alloc_limits *limits,
                               const struct lucet_region_options *options, bool on_demand,
                               struct lucet_region **out)
{
    const struct lucet_alloc_limits standard = lucet_alloc_limits_default();
    struct lucet_alloc_limits l = limits ? *limits : standard;
    const bool random = options && options->strategy == lucet_slots_random;

    lucet__clear_error();
    if (!out)
        return lucet__fail(lucet_error_invalid_argument, "lucet_%s_region_create: NULL",
                           on_demand ? "uffd" : "mmap");
    *out = NULL;
    if (capacity == 0)
        return lucet__fail(lucet_error_invalid_argument, "a region without slots");
    if (options && options->heap_resident_limit && !on_demand)
        return lucet__fail(lucet_error_invalid_argument,
                           "heap_resident_limit is for userfaultfd regions");
    l.context_size = l.context_size ? l.context_size : standard.context_size;
    l.table_entries = l.table_entries ? l.table_entries : standard.table_entries;
    l.exceptions_size = l.exceptions_size ? l.exceptions_size : standard.exceptions_size;
    enum lucet_error e = check_limits(&l);
    if (e == lucet_error_ok)
        e = lucet__handlers_ensure();
    if (e != lucet_error_ok)
        return e;
    struct lucet_region *r = lucet__calloc(1, sizeof(*r));
    if (!r)
        return lucet__no_memory();
    lucet__refs_init(&r->refs);
    atomic_init(&r->owners, 1);
    atomic_init(&r->guards, lucet__guards_possible());
    r->limits = l;
    if (options)
        r->options = *options;
    r->capacity = capacity;
    e = reserve(r, random);
    if (e == lucet_error_ok && on_demand)
        e = lucet__demand_begin(r);
    if (e != lucet_error_ok) {
        region_free(r);
        return e;
    }
    lucet__log(lucet_log_debug, "a region of %zu slots, %s pages on demand", capacity,
               on_demand ? "with" : "without");
    *out = r;
    return lucet_error_ok;
}

enum lucet_error lucet_mmap_region_create_with(size_t capacity,
                                               const struct lucet_alloc_limits *limits,
                                               const struct lucet_region_options *options,
                                               struct lucet_region **out)
{
    return create(capacity, limits, options, false, out);
}

enum lucet_error lucet_mmap_region_create(size_t capacity, const struct lucet_alloc_limits *limits,
                                          struct lucet_region **out)
{
    return create(capacity, limits, NULL, false, out);
}

enum lucet_error lucet_uffd_region_create_with(size_t capacity,
                                               const struct lucet_alloc_limits *limits,
                                               const struct lucet_region_options *options,
                                               struct lucet_region **out)
{
    return create(capacity, limits, options, true, out);
}

enum lucet_error lucet_uffd_region_create(size_t capacity, const struct lucet_alloc_limits *limits,
                                          struct lucet_region **out)
{
    return create(capacity, limits, NULL, true, out);
}

void lucet__region_drop(struct lucet_region *r)
{
    if (lucet__refs_drop(&r->refs))
        region_free(r);
}

void lucet_region_retain(struct lucet_region *r)
{
    if (r)
        atomic_fetch_add_explicit(&r->owners, 1, memory_order_relaxed);
}

void lucet_region_release(struct lucet_region *r)
{
    if (r && atomic_fetch_sub_explicit(&r->owners, 1, memory_order_acq_rel) == 1 &&
        lucet__refs_close(&r->refs))
        region_free(r);
}

size_t lucet_region_capacity(const struct lucet_region *r)
{
    return r ? r->capacity : 0;
}

size_t lucet_region_free_slots(const struct lucet_region *r)
{
    return r ? lucet__free_lists_count(r->free) : 0;
}

size_t lucet_region_used_slots(const struct lucet_region *r)
{
    return r ? r->capacity - lucet_region_free_slots(r) : 0;
}
