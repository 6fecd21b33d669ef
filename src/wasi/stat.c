/* File status and times. */
#include "wasi/stat.h"

#include "wasi/errno.h"
#include "wasi/functions.h"
#include "wasi/guest.h"
#include "wasi/path.h"
#include "wasi/rights.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* Times before 1970 do not exist in WASI. */
static uint64_t nanoseconds(struct timespec t)
{
    uint64_t ns;
    if (t.tv_sec < 0 || __builtin_mul_overflow((uint64_t)t.tv_sec, 1000000000u, &ns) ||
        __builtin_add_overflow(ns, (uint64_t)t.tv_nsec, &ns)) {
        return t.tv_sec < 0 ? 0 : UINT64_MAX;
    }
    return ns;
}

static uint32_t report(int host, struct wasi_filestat *out)
{
    struct stat st;
    if (fstat(host, &st) != 0) {
        return wasi_errno_from_host(errno);
    }
    *out = (struct wasi_filestat){
        .dev = st.st_dev,
        .ino = st.st_ino,
        .filetype = wasi_filetype_from_mode(st.st_mode, host),
        .nlink = st.st_nlink,
        .size = (uint64_t)st.st_size,
        .atim = nanoseconds(st.st_atim),
        .mtim = nanoseconds(st.st_mtim),
        .ctim = nanoseconds(st.st_ctim),
    };
    return WASI_OK;
}

uint32_t wasi_fd_stat(struct lucet_vmctx *vmctx, uint32_t fd, struct wasi_filestat *out)
{
    struct wasi_fd *f;
    uint32_t error = wasi_fd_get(&wasi_ctx(vmctx)->process->fds, fd, R(FD_FILESTAT_GET), &f);
    return error ? error : report(f->host, out);
}

uint32_t lucet_wasi_fd_filestat_get(struct lucet_vmctx *vmctx, uint32_t fd, uint32_t out)
{
    struct wasi_filestat stat;
    void *result = wasi_guest(vmctx, out, sizeof(stat));
    uint32_t error = result ? wasi_fd_stat(vmctx, fd, &stat) : (uint32_t)WASI_EFAULT;
    if (!error) {
        memcpy(result, &stat, sizeof(stat));
    }
    return error;
}

/* Pins the file that a path means, without opening it for anything. */
static uint32_t pin(struct lucet_vmctx *vmctx, uint32_t fd, uint64_t rights, uint32_t lookup,
                    uint32_t path, uint32_t len, int *host)
{
    struct lucet_wasi_ctx *ctx = wasi_ctx(vmctx);
    struct wasi_fd *dir;
    if (lookup > WASI_LOOKUP_SYMLINK_FOLLOW) {
        return WASI_EINVAL;
    }
    uint32_t error = wasi_path_get(vmctx, path, len, ctx->path[0]);
    if (!error) {
        error = wasi_fd_get(&ctx->process->fds, fd, rights, &dir);
    }
    if (error) {
        return error;
    }
    int flags = O_PATH | (lookup & WASI_LOOKUP_SYMLINK_FOLLOW ? 0 : O_NOFOLLOW);
    return wasi_path_open(dir->host, ctx->path[0], flags, 0, host);
}

uint32_t wasi_path_stat(struct lucet_vmctx *vmctx, uint32_t fd, uint32_t lookup, uint32_t path,
                        uint32_t len, struct wasi_filestat *out)
{
    int host;
    uint32_t error = pin(vmctx, fd, R(PATH_FILESTAT_GET), lookup, path, len, &host);
    if (!error) {
        error = report(host, out);
        close(host);
    }
    return error;
}

uint32_t lucet_wasi_path_filestat_get(struct lucet_vmctx *vmctx, uint32_t fd, uint32_t lookup,
                                      uint32_t path, uint32_t len, uint32_t out)
{
    struct wasi_filestat stat;
    void *result = wasi_guest(vmctx, out, sizeof(stat));
    uint32_t error =
        result ? wasi_path_stat(vmctx, fd, lookup, path, len, &stat) : (uint32_t)WASI_EFAULT;
    if (!error) {
        memcpy(result, &stat, sizeof(stat));
    }
    return error;
}

static uint32_t time_from(uint32_t fst, uint32_t set, uint32_t now, uint64_t ns,
                          struct timespec *out)
{
    out->tv_sec = 0;
    out->tv_nsec = UTIME_OMIT;
    if ((fst & set) && (fst & now)) {
        return WASI_EINVAL;
    }
    if (fst & now) {
        out->tv_nsec = UTIME_NOW;
    } else if (fst & set) {
        out->tv_sec = (time_t)(ns / 1000000000u);
        out->tv_nsec = (long)(ns % 1000000000u);
    }
    return WASI_OK;
}

static uint32_t times_from(uint32_t fst, uint64_t atim, uint64_t mtim, struct timespec times[2])
{
    if (fst > WASI_FST_ALL) {
        return WASI_EINVAL;
    }
    uint32_t error = time_from(fst, WASI_FST_ATIM, WASI_FST_ATIM_NOW, atim, &times[0]);
    return error ? error : time_from(fst, WASI_FST_MTIM, WASI_FST_MTIM_NOW, mtim, &times[1]);
}

uint32_t lucet_wasi_fd_filestat_set_times(struct lucet_vmctx *vmctx, uint32_t fd, uint64_t atim,
                                          uint64_t mtim, uint32_t fst)
{
    struct wasi_fd *f;
    struct timespec times[2];
    uint32_t error = wasi_fd_get(&wasi_ctx(vmctx)->process->fds, fd, R(FD_FILESTAT_SET_TIMES), &f);
    if (!error) {
        error = times_from(fst, atim, mtim, times);
    }
    return error ? error : wasi_result(futimens(f->host, times));
}

uint32_t lucet_wasi_path_filestat_set_times(struct lucet_vmctx *vmctx, uint32_t fd, uint32_t lookup,
                                            uint32_t path, uint32_t len, uint64_t atim,
                                            uint64_t mtim, uint32_t fst)
{
    int host;
    struct timespec times[2];
    uint32_t error = times_from(fst, atim, mtim, times);
    if (!error) {
        error = pin(vmctx, fd, R(PATH_FILESTAT_SET_TIMES), lookup, path, len, &host);
    }
    if (!error) {
        error = wasi_result(utimensat(host, "", times, AT_EMPTY_PATH));
        close(host);
    }
    return error;
}
