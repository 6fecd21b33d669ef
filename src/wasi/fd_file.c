/* Operations on open files other than reading and writing: position, space, advice, sync. */
#include "wasi/abi.h"
#include "wasi/ctx.h"
#include "wasi/errno.h"
#include "wasi/functions.h"
#include "wasi/guest.h"
#include "wasi/rights.h"
#include "wasi/wait.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static uint32_t get(struct lucet_vmctx *vmctx, uint32_t fd, uint64_t rights, struct wasi_fd **out)
{
    return wasi_fd_get(&wasi_ctx(vmctx)->process->fds, fd, rights, out);
}

static uint32_t seek(struct lucet_vmctx *vmctx, uint32_t fd, uint64_t rights, int64_t offset,
                     int whence, uint32_t out)
{
    struct wasi_fd *f;
    void *result = wasi_guest(vmctx, out, 8);
    if (result == NULL) {
        return WASI_EFAULT;
    }
    uint32_t error = get(vmctx, fd, rights, &f);
    if (error) {
        return error;
    }
    off_t position = lseek(f->host, offset, whence);
    if (position < 0) {
        return wasi_errno_from_host(errno);
    }
    wasi_put64(result, (uint64_t)position);
    return WASI_OK;
}

uint32_t lucet_wasi_fd_seek(struct lucet_vmctx *vmctx, uint32_t fd, uint64_t offset,
                            uint32_t whence, uint32_t out)
{
    static const int host_whence[] = {SEEK_SET, SEEK_CUR, SEEK_END};
    if (whence > WASI_WHENCE_END) {
        return WASI_EINVAL;
    }
    bool tells = whence == WASI_WHENCE_CUR && offset == 0;
    return seek(vmctx, fd, tells ? R(FD_TELL) : R(FD_SEEK) | R(FD_TELL), (int64_t)offset,
                host_whence[whence], out);
}

uint32_t lucet_wasi_fd_tell(struct lucet_vmctx *vmctx, uint32_t fd, uint32_t out)
{
    return seek(vmctx, fd, R(FD_TELL), 0, SEEK_CUR, out);
}

uint32_t lucet_wasi_fd_advise(struct lucet_vmctx *vmctx, uint32_t fd, uint64_t offset, uint64_t len,
                              uint32_t advice)
{
    static const int host_advice[] = {POSIX_FADV_NORMAL,   POSIX_FADV_SEQUENTIAL,
                                      POSIX_FADV_RANDOM,   POSIX_FADV_WILLNEED,
                                      POSIX_FADV_DONTNEED, POSIX_FADV_NOREUSE};
    struct wasi_fd *f;
    uint32_t error = get(vmctx, fd, R(FD_ADVISE), &f);
    if (error) {
        return error;
    }
    if (advice >= sizeof(host_advice) / sizeof(host_advice[0]) || offset > INT64_MAX ||
        len > INT64_MAX) {
        return WASI_EINVAL;
    }
    return wasi_errno_from_host(
        posix_fadvise(f->host, (off_t)offset, (off_t)len, host_advice[advice]));
}

/* Runs a call that makes a file longer: quiet about SIGXFSZ, repeated when a signal that is not
 * for us interrupts it. */
static uint32_t resize(struct lucet_vmctx *vmctx, const struct wasi_fd *f,
                       int (*call)(int fd, int64_t a, int64_t b), int64_t a, int64_t b)
{
    struct wasi_quiet quiet;
    int result;
    wasi_quiet_begin(&quiet, SIGXFSZ);
    do {
        result = call(f->host, a, b);
    } while (result < 0 && errno == EINTR && !lucet_vmctx_stop_requested(vmctx));
    wasi_quiet_end(&quiet, result < 0 && errno == EFBIG);
    return wasi_result(result);
}

static int call_allocate(int fd, int64_t offset, int64_t len)
{
    return fallocate(fd, 0, offset, len);
}

static int call_truncate(int fd, int64_t size, int64_t unused)
{
    (void)unused;
    return ftruncate(fd, size);
}

uint32_t lucet_wasi_fd_allocate(struct lucet_vmctx *vmctx, uint32_t fd, uint64_t offset,
                                uint64_t len)
{
    struct wasi_fd *f;
    uint32_t error = get(vmctx, fd, R(FD_ALLOCATE), &f);
    if (error) {
        return error;
    }
    if (len == 0 || offset > INT64_MAX || len > INT64_MAX) {
        return WASI_EINVAL;
    }
    if (offset + len > INT64_MAX) {
        return WASI_EFBIG;
    }
    return resize(vmctx, f, call_allocate, (int64_t)offset, (int64_t)len);
}

uint32_t lucet_wasi_fd_filestat_set_size(struct lucet_vmctx *vmctx, uint32_t fd, uint64_t size)
{
    struct wasi_fd *f;
    uint32_t error = get(vmctx, fd, R(FD_FILESTAT_SET_SIZE), &f);
    if (error) {
        return error;
    }
    return size > INT64_MAX ? (uint32_t)WASI_EFBIG
                            : resize(vmctx, f, call_truncate, (int64_t)size, 0);
}

uint32_t lucet_wasi_fd_sync(struct lucet_vmctx *vmctx, uint32_t fd)
{
    struct wasi_fd *f;
    uint32_t error = get(vmctx, fd, R(FD_SYNC), &f);
    return error ? error : wasi_result(fsync(f->host));
}

uint32_t lucet_wasi_fd_datasync(struct lucet_vmctx *vmctx, uint32_t fd)
{
    struct wasi_fd *f;
    uint32_t error = get(vmctx, fd, R(FD_DATASYNC), &f);
    return error ? error : wasi_result(fdatasync(f->host));
}
