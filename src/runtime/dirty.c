/* Which pages of a range hold something of their own: written since they were last given back. The
 * kernel says it (PAGEMAP_SCAN, since 6.7) for a third of what giving one page back and touching it
 * again costs; where it does not, everything is given back. */
#include "runtime/dirty.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runtime/refs.h"
#include "runtime/sizes.h"

/* Of linux/fs.h, where that is recent enough. */
struct scan {
    uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
    uint64_t inverted, all_of, any_of, returned;
};
#define SCAN _IOWR('f', 16, struct scan)
#define IS_FILE (UINT64_C(1) << 2)
#define IS_PRESENT (UINT64_C(1) << 3)
#define IS_SWAPPED (UINT64_C(1) << 4)
#define IS_ZERO_PAGE (UINT64_C(1) << 5)
#define IS_GUARD (UINT64_C(1) << 8) /* since 6.15 */

/* Of asm/mman.h: pages that fault, within a mapping that does not. */
#define GUARD_INSTALL 102
#define GUARD_REMOVE 103
_Static_assert(sizeof(struct lucet__page_range) == 24, "the kernel's struct page_region");

/* The descriptor stands for the memory of the process that opened it. It is known from a page that
 * a child finds cleared, however it came into being: a child that asked about its parent's pages
 * would leave a tenant's data in its own. The kernel counts who is using a descriptor, so threads
 * have several. */
struct shared_page {
    atomic_int fd_plus_1[LUCET__SHARDS]; /* 0: not opened here; -1: cannot be */
};
static struct shared_page *page;
static atomic_bool knows_guards; /* the kernel does; once it has shown that, it stays so */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static void make_page(void)
{
    void *p = mmap(NULL, LUCET__PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED)
        return;
    if (madvise(p, LUCET__PAGE, MADV_WIPEONFORK) == 0)
        page = p;
    else
        munmap(p, LUCET__PAGE);
}

static long scan(int fd, bool guards, const void *from, const void *to,
                 struct lucet__page_range *out, size_t max)
{
    const uint64_t not_ours = IS_FILE | IS_ZERO_PAGE | (guards ? IS_GUARD : 0);
    struct scan s = {
        .size = sizeof(s),
        .start = (uintptr_t)from,
        .end = (uintptr_t)to,
        .vec = (uintptr_t)out,
        .vec_len = max,
        .inverted = not_ours,
        .all_of = not_ours, /* none of them */
        .any_of = IS_PRESENT | IS_SWAPPED,
        .returned = IS_PRESENT,
    };
    long n = ioctl(fd, SCAN, &s);

    return n >= 0 && s.walk_end != s.end ? (long)max + 1 : n;
}

/* It must find the page it is asked about, and only it. */
static bool works(int fd, bool guards)
{
    struct lucet__page_range found[2];

    return scan(fd, guards, page, (const uint8_t *)page + LUCET__PAGE, found, 2) == 1 &&
           found[0].start == (uintptr_t)page;
}

/* If it fails by chance, guards that are known stay so: they would be taken for pages to put
 * back. */
static bool try_out(int fd)
{
    if (works(fd, true))
        atomic_store(&knows_guards, true);
    else if (atomic_load(&knows_guards) || !works(fd, false))
        return false;
    return true;
}

/* Its number and 1, or -1. */
static int open_scanner(atomic_int *fd_plus_1)
{
    int fd;

    pthread_mutex_lock(&mutex);
    fd = atomic_load(fd_plus_1);
    if (fd == 0) {
        fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC) + 1;
        atomic_store(fd_plus_1, -1); /* also makes the page one that was written */
        if (fd > 0 && !try_out(fd - 1)) {
            close(fd - 1);
            fd = 0;
        }
        fd = fd > 0 ? fd : -1;
        atomic_store(fd_plus_1, fd);
    }
    pthread_mutex_unlock(&mutex);
    return fd;
}

/* With no descriptor to spare, another thread's does as well. */
static int borrowed_scanner(void)
{
    int fd = -1;

    for (unsigned k = 0; k < LUCET__SHARDS && fd <= 0; k++)
        fd = atomic_load_explicit(&page->fd_plus_1[k], memory_order_acquire);
    return fd;
}

static int scanner(void)
{
    atomic_int *fd_plus_1 = &page->fd_plus_1[lucet__shard()];
    int fd = atomic_load_explicit(fd_plus_1, memory_order_acquire);

    fd = fd == 0 ? open_scanner(fd_plus_1) : fd;
    return fd > 0 ? fd : borrowed_scanner();
}

bool lucet__dirty_prepare(void)
{
    pthread_once(&once, make_page);
    return page && scanner() > 0;
}

long lucet__dirty(const uint8_t *from, const uint8_t *to, struct lucet__page_range *out, size_t max)
{
    int fd = page ? scanner() : -1;
    const bool guards = atomic_load_explicit(&knows_guards, memory_order_relaxed);
    long n = fd > 0 ? scan(fd - 1, guards, from, to, out, max) : -1;
    return n > (long)max ? -1 : n;
}

bool lucet__guard(void *p, uint64_t size, bool install)
{
    if (size == 0 || (!install && !atomic_load_explicit(&knows_guards, memory_order_relaxed)))
        return true; /* there are none */
    return madvise(p, size, install ? GUARD_INSTALL : GUARD_REMOVE) == 0;
}

bool lucet__guards_possible(void)
{
    bool possible = false;

    if (!lucet__dirty_prepare() || !atomic_load(&knows_guards))
        return false;
    uint8_t *p =
        mmap(NULL, 2 * LUCET__PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return false;
    *(volatile uint8_t *)p = 1;
    if (lucet__guard(p + LUCET__PAGE, LUCET__PAGE, true)) {
        struct lucet__page_range found[2];
        possible = lucet__dirty(p, p + 2 * LUCET__PAGE, found, 2) == 1 &&
                   found[0].end == (uintptr_t)p + LUCET__PAGE;
    }
    munmap(p, 2 * LUCET__PAGE);
    return possible;
}
