/* fd_read, fd_write, fd_pread, fd_pwrite. */
#include "wasi/abi.h"
#include "wasi/errno.h"
#include "wasi/functions.h"
#include "wasi/guest.h"
#include "wasi/io.h"
#include "wasi/rights.h"

static uint32_t transfer(struct wasi_transfer *t, uint32_t fd, uint64_t rights, uint32_t iovs,
                         uint32_t count, uint32_t out)
{
    struct lucet_wasi_ctx *ctx = wasi_ctx(t->vmctx);
    struct wasi_buffers buffers;
    void *result = wasi_guest(t->vmctx, out, 4);
    if (result == NULL) {
        return WASI_EFAULT;
    }
    uint32_t error = wasi_buffers_get(t->vmctx, iovs, count, &buffers);
    if (!error) {
        error = wasi_fd_get(&ctx->process->fds, fd, rights, &t->fd);
    }
    if (!error) {
        t->number = fd;
        t->rights = rights;
        t->id = t->fd->id;
    }
    if (!error && t->offset >= 0 && t->fd->stream) {
        error = WASI_ESPIPE;
    }
    if (!error) {
        error = wasi_transfer(t, &buffers);
    }
    if (!error) {
        wasi_put32(result, (uint32_t)t->done);
    }
    return error;
}

uint32_t lucet_wasi_fd_read(struct lucet_vmctx *vmctx, uint32_t fd, uint32_t iovs, uint32_t count,
                            uint32_t out)
{
    struct wasi_transfer t = {.vmctx = vmctx, .offset = -1};
    return transfer(&t, fd, R(FD_READ), iovs, count, out);
}

uint32_t lucet_wasi_fd_write(struct lucet_vmctx *vmctx, uint32_t fd, uint32_t iovs, uint32_t count,
                             uint32_t out)
{
    struct wasi_transfer t = {.vmctx = vmctx, .offset = -1, .write = true};
    return transfer(&t, fd, R(FD_WRITE), iovs, count, out);
}

uint32_t lucet_wasi_fd_pread(struct lucet_vmctx *vmctx, uint32_t fd, uint32_t iovs, uint32_t count,
                             uint64_t offset, uint32_t out)
{
    struct wasi_transfer t = {.vmctx = vmctx, .offset = (int64_t)offset};
    return offset > INT64_MAX ? (uint32_t)WASI_EINVAL
                              : transfer(&t, fd, R(FD_READ) | R(FD_SEEK), iovs, count, out);
}

uint32_t lucet_wasi_fd_pwrite(struct lucet_vmctx *vmctx, uint32_t fd, uint32_t iovs, uint32_t count,
                              uint64_t offset, uint32_t out)
{
    struct wasi_transfer t = {.vmctx = vmctx, .offset = (int64_t)offset, .write = true};
    return offset > INT64_MAX ? (uint32_t)WASI_EINVAL
                              : transfer(&t, fd, R(FD_WRITE) | R(FD_SEEK), iovs, count, out);
}
