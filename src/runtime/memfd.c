/* Bytes that nobody can change any more: memory files, sealed. */
#include "runtime/memfd.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/error.h"
#include "runtime/names.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

#define SIZE_LIMIT (UINT64_C(4) << 30)

int lucet__memfd(const char *name)
{
    /* It is never executed as a program; mapping it executable stays possible. Kernels before 6.3
     * do not know the flag. */
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);

    if (fd < 0 && errno == EINVAL)
        fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    return fd;
}

bool lucet__memfd_write(int fd, const void *bytes, size_t size, uint64_t offset)
{
    const char *p = bytes;

    while (size > 0) {
        ssize_t n = pwrite(fd, p, size, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        p += n;
        offset += (uint64_t)n;
        size -= (size_t)n;
    }
    return true;
}

bool lucet__memfd_seal(int fd)
{
    return fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0;
}

static bool copy_file(int to, int from, size_t size)
{
    while (size > 0) {
        ssize_t n = sendfile(to, from, NULL, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n == 0)
            errno = EIO; /* it has become shorter */
        if (n <= 0)
            return false;
        size -= (size_t)n;
    }
    return true;
}

/* Opens without waiting for the other end of a pipe or for a device. */
static int open_regular(const char *path, size_t *size)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd < 0)
        return -1;
    if (fstat(fd, &st) == 0) {
        if (!S_ISREG(st.st_mode))
            errno = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
        else if (st.st_size == 0 || (uint64_t)st.st_size > SIZE_LIMIT)
            errno = st.st_size ? EFBIG : ENODATA;
        else {
            *size = (size_t)st.st_size;
            return fd;
        }
    }
    close(fd);
    return -1;
}

enum lucet_error lucet__memfd_from_file(const char *path, int *out, size_t *size)
{
    char name[LUCET__NAME_MAX];
    enum lucet_error e = lucet_error_ok;
    int to = -1, from = open_regular(path, size);

    lucet__printable(name, sizeof(name), path, strlen(path));
    if (from < 0 && errno == ENODATA)
        return lucet__fail(lucet_error_dl, "%s is an empty file", name);
    if (from < 0)
        return lucet__fail_errno(lucet_error_dl, "cannot open %s", name);
    to = lucet__memfd("lucet-module");
    if (to < 0)
        e = lucet__fail_errno(lucet_error_no_memory, "cannot create a memory file");
    else if (!copy_file(to, from, *size))
        e = lucet__fail_errno(lucet_error_dl, "cannot read %s", name);
    else if (!lucet__memfd_seal(to))
        e = lucet__fail_errno(lucet_error_internal, "cannot seal a memory file");
    close(from);
    if (e != lucet_error_ok && to >= 0)
        close(to);
    *out = to;
    return e;
}

enum lucet_error lucet__memfd_from_bytes(const void *bytes, size_t size, int *out)
{
    int fd;

    if (size == 0)
        return lucet__fail(lucet_error_dl, "an empty file");
    if (size > SIZE_LIMIT)
        return lucet__fail(lucet_error_dl, "an artifact of more than 4 GiB");
    fd = lucet__memfd("lucet-module");
    if (fd < 0)
        return lucet__fail_errno(lucet_error_no_memory, "cannot create a memory file");
    if (!lucet__memfd_write(fd, bytes, size, 0) || !lucet__memfd_seal(fd)) {
        close(fd);
        return lucet__fail_errno(lucet_error_no_memory, "cannot write a memory file");
    }
    *out = fd;
    return lucet_error_ok;
}
