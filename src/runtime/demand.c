/* Pages on demand. The kernel tells of each access to a page that is missing in a heap
 * (userfaultfd), and the runtime puts the page there: of the image, or zero.
 *
 * It tells the thread that faults, by SIGBUS (UFFD_FEATURE_SIGBUS), and that thread provides the
 * page in the handler and goes on. The other way, a thread that reads the faults of all others from
 * the descriptor, costs two switches of threads for each, makes of that thread a bottleneck and an
 * extra thing to die, and needs privileges. This one needs none, because the kernel's own accesses
 * are not waited for: system calls that are given a missing page fail with EFAULT. So
 * lucet_vmctx_guest_range() and its like touch what they hand out. */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/demand.h"
#include "runtime/error.h"
#include "runtime/ranges.h"
#include "runtime/sizes.h"

#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif
#ifndef USERFAULTFD_IOC_NEW
#define USERFAULTFD_IOC_NEW _IO(0xAA, 0x00)
#endif

/* What one fault provides at most: zeros cost no memory before they are written, image pages do. */
#define ZEROS (UINT64_C(64) << 10)
#define COPIES (UINT64_C(16) << 10)

/* ---- Descriptors ---- */

static int open_descriptor(void)
{
    const int flags = O_CLOEXEC | O_NONBLOCK;
    int fd = (int)syscall(SYS_userfaultfd, flags | UFFD_USER_MODE_ONLY);

    if (fd < 0 && errno == EINVAL) /* before 5.11 */
        fd = (int)syscall(SYS_userfaultfd, flags);
    if (fd >= 0 || errno != EPERM)
        return fd;
    /* A filter of system calls that has nothing against the device. */
    const int device = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
    if (device >= 0) {
        fd = ioctl(device, USERFAULTFD_IOC_NEW, flags | UFFD_USER_MODE_ONLY);
        close(device);
    }
    if (fd < 0)
        errno = EPERM;
    return fd;
}

static int open_with_signals(void)
{
    struct uffdio_api api = {.api = UFFD_API, .features = UFFD_FEATURE_SIGBUS};
    const int fd = open_descriptor();

    if (fd < 0 || ioctl(fd, UFFDIO_API, &api) == 0)
        return fd;
    close(fd);
    errno = ENOSYS;
    return -1;
}

static enum lucet_error cannot_open(void)
{
    switch (errno) {
    case ENOSYS:
        return lucet__fail(lucet_error_unsupported,
                           "this kernel has no userfaultfd with signals (CONFIG_USERFAULTFD, Linux "
                           "4.14): use lucet_mmap_region_create()");
    case EPERM:
        return lucet__fail(
            lucet_error_unsupported,
            "userfaultfd is forbidden here: a seccomp filter must allow the system call, "
            "or the process may read and write /dev/userfaultfd; before Linux 5.11, "
            "the sysctl vm.unprivileged_userfaultfd must be 1. Or use "
            "lucet_mmap_region_create()");
    default: return lucet__fail_errno(lucet_error_no_memory, "cannot open a userfaultfd");
    }
}

static bool register_heap(const struct lucet_region *r, const struct slot *s)
{
    struct uffdio_register reg = {
        /* To the next slot, so that what is inaccessible is one mapping. */
        .range = {.start = (uintptr_t)s->heap, .len = r->stride - (uint64_t)(s->heap - s->context)},
        .mode = UFFDIO_REGISTER_MODE_MISSING,
    };

    return ioctl(r->uffd, UFFDIO_REGISTER, &reg) == 0;
}

bool lucet__demand_heap(struct slot *s)
{
    s->on_demand = true; /* first: a fork may come in between */
    if (!register_heap(s->region, s))
        s->on_demand = false;
    return s->on_demand;
}

/* ---- Forks ----
 *
 * A child's mappings are its own, and its parent's descriptor does nothing for them: pages that
 * were missing would come to be zero instead of what the image says. So a child gets a descriptor
 * of its own at once. */

static void before_fork(void)
{
    pthread_mutex_lock(&lucet__demand_ranges.mutex);
}

static void after_fork(void)
{
    pthread_mutex_unlock(&lucet__demand_ranges.mutex);
}

static bool register_all(const struct lucet_region *r)
{
    for (size_t k = 0; k < r->capacity; k++)
        if (r->slots[k].on_demand && !register_heap(r, &r->slots[k]))
            return false;
    return true;
}

/* Better no memory than another one, and none for good: what is inaccessible now is nowhere
 * noted. */
static void renew(struct lucet_region *r)
{
    if (r->uffd < 0)
        return;
    close(r->uffd);
    r->uffd = open_with_signals();
    if (r->uffd >= 0 && register_all(r))
        return;
    if (r->uffd >= 0)
        close(r->uffd);
    r->uffd = -1;
    for (size_t k = 0; k < r->capacity; k++)
        if (r->slots[k].on_demand)
            mprotect(r->slots[k].heap, r->limits.heap_address_space_size, PROT_NONE);
}

static void in_child(void)
{
    struct lucet_region *r;
    size_t index = 0;

    while ((r = lucet__range_next(&lucet__demand_ranges, &index)))
        renew(r);
    after_fork();
}

static int forks_known = -1;

static void know_forks(void)
{
    forks_known = pthread_atfork(before_fork, after_fork, in_child);
}

/* ---- Regions ---- */

enum lucet_error lucet__demand_begin(struct lucet_region *r)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, know_forks);
    if (forks_known != 0)
        return lucet__no_memory();
    r->uffd = open_with_signals();
    if (r->uffd < 0)
        return cannot_open();
    r->on_demand = true;
    if (lucet__range_add(&lucet__demand_ranges, (uintptr_t)r->base, (uintptr_t)r->base + r->size, r,
                         &r->on_demand_range))
        return lucet_error_ok;
    close(r->uffd);
    r->on_demand = false;
    return lucet__no_memory();
}

void lucet__demand_end(struct lucet_region *r)
{
    lucet__range_remove(&lucet__demand_ranges, r->on_demand_range);
    if (r->uffd >= 0)
        close(r->uffd);
}

bool lucet__demand_exists(void)
{
    size_t index = 0;

    pthread_mutex_lock(&lucet__demand_ranges.mutex);
    const bool any = lucet__range_next(&lucet__demand_ranges, &index) != NULL;
    pthread_mutex_unlock(&lucet__demand_ranges.mutex);
    return any;
}

/* ---- Faults ---- */

/* 0 or errno, and how many bytes were put: others may have been quicker, for some of the pages or
 * all. */
static int outcome(int failed, int64_t put, uint64_t *size)
{
    if (failed && put <= 0)
        return errno;
    *size = (uint64_t)put;
    return 0;
}

static int put_zeros(int fd, uint64_t address, uint64_t *size)
{
    struct uffdio_zeropage z = {.range = {.start = address, .len = *size}};
    const int failed = ioctl(fd, UFFDIO_ZEROPAGE, &z);

    return outcome(failed, z.zeropage, size);
}

static int put_copies(int fd, uint64_t address, const uint8_t *from, uint64_t *size)
{
    struct uffdio_copy c = {.dst = address, .src = (uintptr_t)from, .len = *size};
    const int failed = ioctl(fd, UFFDIO_COPY, &c);

    return outcome(failed, c.copy, size);
}

/* From the page at `offset` to the end of its block, as far as it is of one kind, but at most
 * `most` bytes. */
static int put_pages(struct slot *s, uint64_t offset, uint64_t most, uint64_t *size)
{
    const uint64_t begin = s->image_offset, end = begin + s->image_size;
    const bool image = offset >= begin && offset < end;
    const uint64_t block = image ? COPIES : ZEROS;
    uint64_t until = offset / block * block + block;

    if (image && until > end)
        until = end;
    if (!image && offset < begin && until > begin)
        until = begin;
    if (until > s->heap_accessible)
        until = s->heap_accessible;
    *size = until - offset < most ? until - offset : most;
    if (image)
        return put_copies(s->region->uffd, (uintptr_t)s->heap + offset,
                          s->image_bytes + (offset - begin), size);
    return put_zeros(s->region->uffd, (uintptr_t)s->heap + offset, size);
}

static struct slot *slot_at(uintptr_t address, uint64_t *offset)
{
    struct lucet_region *r = lucet__range_find(&lucet__demand_ranges, address);

    if (!r || address < (uintptr_t)r->slots[0].heap)
        return NULL;
    const uint64_t distance = address - (uintptr_t)r->slots[0].heap;
    if (distance / r->stride >= r->capacity)
        return NULL;
    *offset = distance % r->stride;
    return &r->slots[distance / r->stride];
}

enum demand lucet__demand_fault(const siginfo_t *info, bool in_guest)
{
    uint64_t offset, size;
    struct slot *s = slot_at((uintptr_t)info->si_addr, &offset);

    if (info->si_code != BUS_ADRERR || !s || !s->on_demand || offset >= s->heap_accessible)
        return DEMAND_FOREIGN;
    if (s->image_size && !s->image_bytes) /* nobody's */
        return DEMAND_FOREIGN;
    offset = offset / LUCET__PAGE * LUCET__PAGE;
    const uint64_t limit = s->region->options.heap_resident_limit;
    if (in_guest && limit && atomic_load_explicit(&s->resident, memory_order_relaxed) >= limit)
        return DEMAND_REFUSED;
    int error = put_pages(s, offset, UINT64_MAX, &size);
    if (error == ENOENT) /* the block goes on in another mapping: a host has locked a part of the
                            heap, say */
        error = put_pages(s, offset, LUCET__PAGE, &size);
    switch (error) {
    case 0:
        atomic_fetch_add_explicit(&s->resident, size, memory_order_relaxed);
        return DEMAND_PROVIDED;
    case EEXIST:
    case EAGAIN: return DEMAND_PROVIDED;
    case ENOMEM: return DEMAND_REFUSED;
    default: return DEMAND_FOREIGN;
    }
}

bool lucet__demand_touch_heap(struct slot *s, const uint8_t *from, uint64_t size)
{
    const uint8_t *const end = from + size;

    while (from < end) {
        (void)*(const volatile uint8_t *)from;
        if (lucet__demand_slot_exceeded(s))
            return false;
        from += LUCET__PAGE - (uintptr_t)from % LUCET__PAGE;
    }
    return true;
}
