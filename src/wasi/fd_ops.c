/* Descriptors themselves: close, renumber, status, rights, preopens. */
#include "wasi/abi.h"
#include "wasi/ctx.h"
#include "wasi/errno.h"
#include "wasi/functions.h"
#include "wasi/guest.h"
#include "wasi/rights.h"

uint32_t lucet_wasi_fd_close(struct lucet_vmctx *vmctx, uint32_t fd)
{
    return wasi_fd_close(&wasi_ctx(vmctx)->process->fds, fd);
}

uint32_t lucet_wasi_fd_renumber(struct lucet_vmctx *vmctx, uint32_t from, uint32_t to)
{
    return wasi_fd_renumber(&wasi_ctx(vmctx)->process->fds, from, to);
}

uint32_t lucet_wasi_fd_fdstat_get(struct lucet_vmctx *vmctx, uint32_t fd, uint32_t out)
{
    struct wasi_fd *f;
    void *result = wasi_guest(vmctx, out, sizeof(struct wasi_fdstat));
    if (result == NULL) {
        return WASI_EFAULT;
    }
    uint32_t error = wasi_fd_get(&wasi_ctx(vmctx)->process->fds, fd, 0, &f);
    if (error) {
        return error;
    }
    const struct wasi_fdstat stat = {
        .filetype = f->filetype,
        .flags = f->flags,
        .rights_base = f->base,
        .rights_inheriting = f->inheriting,
    };
    memcpy(result, &stat, sizeof(stat));
    return WASI_OK;
}

uint32_t lucet_wasi_fd_fdstat_set_flags(struct lucet_vmctx *vmctx, uint32_t fd, uint32_t flags)
{
    struct wasi_fd *f;
    uint32_t error = wasi_fd_get(&wasi_ctx(vmctx)->process->fds, fd, R(FD_FDSTAT_SET_FLAGS), &f);
    if (error) {
        return error;
    }
    if (flags > WASI_FDFLAGS_ALL) {
        return WASI_EINVAL;
    }
    f->flags = (uint16_t)flags;
    return WASI_OK;
}

uint32_t lucet_wasi_fd_fdstat_set_rights(struct lucet_vmctx *vmctx, uint32_t fd, uint64_t base,
                                         uint64_t inheriting)
{
    struct wasi_fd *f;
    uint32_t error = wasi_fd_get(&wasi_ctx(vmctx)->process->fds, fd, 0, &f);
    if (error) {
        return error;
    }
    if ((base & ~f->base) != 0 || (inheriting & ~f->inheriting) != 0) {
        return WASI_ENOTCAPABLE;
    }
    f->base = base;
    f->inheriting = inheriting;
    return WASI_OK;
}

static uint32_t preopen_get(struct lucet_vmctx *vmctx, uint32_t fd, struct wasi_fd **out)
{
    uint32_t error = wasi_fd_get(&wasi_ctx(vmctx)->process->fds, fd, 0, out);
    if (!error && !(*out)->preopen) {
        error = WASI_EBADF;
    }
    return error;
}

uint32_t lucet_wasi_fd_prestat_get(struct lucet_vmctx *vmctx, uint32_t fd, uint32_t out)
{
    struct wasi_fd *f;
    void *result = wasi_guest(vmctx, out, sizeof(struct wasi_prestat));
    if (result == NULL) {
        return WASI_EFAULT;
    }
    uint32_t error = preopen_get(vmctx, fd, &f);
    if (!error) {
        const struct wasi_prestat prestat = {.name_len = (uint32_t)strlen(f->guest_path)};
        memcpy(result, &prestat, sizeof(prestat));
    }
    return error;
}

uint32_t lucet_wasi_fd_prestat_dir_name(struct lucet_vmctx *vmctx, uint32_t fd, uint32_t buf,
                                        uint32_t len)
{
    struct wasi_fd *f;
    void *result = wasi_guest(vmctx, buf, len);
    if (result == NULL) {
        return WASI_EFAULT;
    }
    uint32_t error = preopen_get(vmctx, fd, &f);
    if (error) {
        return error;
    }
    size_t size = strlen(f->guest_path);
    if (len < size) {
        return WASI_ENAMETOOLONG;
    }
    memcpy(result, f->guest_path, size);
    return WASI_OK;
}
