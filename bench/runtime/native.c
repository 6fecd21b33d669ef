/* What the machine itself gives, for comparison with what is measured on all cores at once: work of
 * about the length of an instance's life. Processors that are threads of one core, or are lent to
 * others, do less of it together than alone, without anybody's fault. */
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bench.h"

static _Thread_local uint8_t pages[2][4096] __attribute__((aligned(4096)));

static void compute(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        memset(pages[0], (int)i, sizeof(pages[0]));
        memcpy(pages[1], pages[0], sizeof(pages[1]));
        __asm__ volatile("" ::"r"(pages[1]) : "memory");
    }
}

/* Half of it in the kernel. */
void native_share_nothing(void)
{
    compute(8);
    for (unsigned i = 0; i < 4; i++)
        syscall(SYS_getppid);
}

/* Of linux/fs.h, where that is recent enough. */
struct scan {
    uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
    uint64_t inverted, all_of, any_of, returned;
};
#define SCAN _IOWR('f', 16, struct scan)
#define IS_PRESENT (UINT64_C(1) << 3)

/* One scan for dirty pages of its own, which takes the kernel's lock of the address space, and
 * nothing else that is shared. */
static bool scan_own_pages(void)
{
    static _Thread_local int fd_plus_1;
    struct {
        uint64_t start, end, categories;
    } found[2];
    struct scan s = {.size = sizeof(s),
                     .start = (uintptr_t)pages,
                     .end = (uintptr_t)pages + sizeof(pages),
                     .vec = (uintptr_t)found,
                     .vec_len = 2,
                     .any_of = IS_PRESENT,
                     .returned = IS_PRESENT};

    if (fd_plus_1 == 0)
        fd_plus_1 = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC) + 1;
    return fd_plus_1 > 0 && ioctl(fd_plus_1 - 1, SCAN, &s) >= 0;
}

bool native_can_scan(void)
{
    return scan_own_pages();
}

void native_share_a_lock(void)
{
    compute(4);
    scan_own_pages();
}
