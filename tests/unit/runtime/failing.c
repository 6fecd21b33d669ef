#include "runtime/failing.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

atomic_uint failing_scans;

static atomic_uint kinds;
static atomic_long left; /* that go well */
static atomic_bool all;

void failing_begin(unsigned which, long n, bool and_all)
{
    left = n;
    all = and_all;
    kinds = which;
}

void failing_end(void)
{
    kinds = 0;
}

bool failing_happened(void)
{
    return left < 0;
}

bool failing(enum failing_kind kind)
{
    if (!(kinds & kind))
        return false;
    const long n = atomic_fetch_sub(&left, 1);
    return n == 0 || (n < 0 && all);
}

static bool fails(enum failing_kind kind, int error)
{
    const bool yes = failing(kind);

    if (yes)
        errno = error;
    return yes;
}

/* Reads six arguments, though there may be fewer. Not watched by ThreadSanitizer, which it may have
 * interrupted. */
__attribute__((no_sanitize("address", "thread"))) long syscall(long number, ...)
{
    va_list a;
    long r;

    va_start(a, number);
    const long x = va_arg(a, long), y = va_arg(a, long), z = va_arg(a, long), u = va_arg(a, long),
               v = va_arg(a, long), w = va_arg(a, long);
    va_end(a);
    if (number == SYS_userfaultfd &&
        (fails(FAIL_PERMISSION, EPERM) || fails(FAIL_DESCRIPTOR, EMFILE)))
        return -1;
    if (number == SYS_membarrier && fails(FAIL_BARRIER, ENOSYS))
        return -1;
    register long r10 __asm__("r10") = u;
    register long r8 __asm__("r8") = v;
    register long r9 __asm__("r9") = w;
    __asm__ volatile("syscall"
                     : "=a"(r)
                     : "a"(number), "D"(x), "S"(y), "d"(z), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    if (r < 0 && r > -4096) {
        errno = (int)-r;
        return -1;
    }
    return r;
}

int ioctl(int fd, unsigned long request, ...)
{
    va_list a;

    va_start(a, request);
    void *p = va_arg(a, void *);
    va_end(a);
    const bool scan = (request >> 8 & 0xff) == 'f';
    if (request == UFFDIO_REGISTER && fails(FAIL_REGISTRATION, ENOMEM))
        return -1;
    if (scan && fails(FAIL_SCAN, ENOTTY))
        return -1;
    failing_scans += scan;
    return (int)syscall(SYS_ioctl, (long)fd, (long)request, p);
}

int open(const char *path, int flags, ...)
{
    va_list a;

    va_start(a, flags);
    const bool creates = flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE;
    const mode_t mode = creates ? va_arg(a, mode_t) : 0;
    va_end(a);
    if (strcmp(path, "/dev/userfaultfd") == 0 && fails(FAIL_PERMISSION, EACCES))
        return -1;
    if (fails(FAIL_FILES, EMFILE))
        return -1;
    return openat(AT_FDCWD, path, flags, mode);
}

#ifndef FAILING_SOME_ONLY

void *mmap(void *p, size_t size, int protection, int flags, int fd, off_t offset)
{
    if (fails(FAIL_MAPPING, ENOMEM))
        return MAP_FAILED;
    return (void *)syscall(SYS_mmap, p, size, (long)protection, (long)flags, (long)fd, offset);
}

int mprotect(void *p, size_t size, int protection)
{
    if (protection & PROT_WRITE && fails(FAIL_HALF_WAY, ENOMEM)) {
        syscall(SYS_mprotect, p, size / 2, (long)protection);
        errno = ENOMEM;
        return -1;
    }
    if (fails(FAIL_MAPPING, ENOMEM))
        return -1;
    return (int)syscall(SYS_mprotect, p, size, (long)protection);
}

int madvise(void *p, size_t size, int advice)
{
    if (fails(FAIL_MAPPING, EINVAL))
        return -1;
    return (int)syscall(SYS_madvise, p, size, (long)advice);
}

int memfd_create(const char *name, unsigned flags)
{
    if (fails(FAIL_FILES, EMFILE))
        return -1;
    return (int)syscall(SYS_memfd_create, name, (unsigned long)flags);
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t offset)
{
    if (fails(FAIL_FILES, ENOSPC))
        return -1;
    return syscall(SYS_pwrite64, (long)fd, bytes, size, offset);
}

int ftruncate(int fd, off_t size)
{
    if (fails(FAIL_FILES, ENOSPC))
        return -1;
    return (int)syscall(SYS_ftruncate, (long)fd, size);
}

int sigaltstack(const stack_t *stack, stack_t *old)
{
    if (stack && fails(FAIL_THREADS, ENOMEM))
        return -1;
    return (int)syscall(SYS_sigaltstack, stack, old);
}

int sigaction(int sig, const struct sigaction *action, struct sigaction *old)
{
    static int (*real)(int, const struct sigaction *, struct sigaction *);

    if (action && fails(FAIL_HANDLERS, EINVAL))
        return -1;
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "sigaction");
    return real(sig, action, old);
}

int timer_create(clockid_t clock, struct sigevent *event, timer_t *timer)
{
    static int (*real)(clockid_t, struct sigevent *, timer_t *);

    if (fails(FAIL_THREADS, EAGAIN))
        return -1;
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "timer_create");
    return real(clock, event, timer);
}

#endif
