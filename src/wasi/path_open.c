/* path_open: the one place where new descriptors come from. */
#include "wasi/abi.h"
#include "wasi/errno.h"
#include "wasi/functions.h"
#include "wasi/guest.h"
#include "wasi/path.h"
#include "wasi/rights.h"

#include <fcntl.h>
#include <unistd.h>

struct request {
    uint32_t lookup, oflags, fdflags;
    uint64_t base, inheriting;
};

/* Whether the directory allows it. */
static uint32_t check(const struct wasi_fd *dir, const struct request *r)
{
    if (r->lookup > WASI_LOOKUP_SYMLINK_FOLLOW || r->oflags > WASI_OFLAGS_ALL ||
        r->fdflags > WASI_FDFLAGS_ALL) {
        return WASI_EINVAL;
    }
    uint64_t base = 0;
    uint64_t inheriting = r->base | r->inheriting;
    if (r->oflags & WASI_OFLAG_CREAT) {
        base |= R(PATH_CREATE_FILE);
    }
    /* Truncating writes, whatever rights are asked for the new descriptor. */
    if (r->oflags & WASI_OFLAG_TRUNC) {
        base |= R(PATH_FILESTAT_SET_SIZE);
        inheriting |= R(FD_WRITE);
    }
    if ((dir->base & base) != base || (dir->inheriting & inheriting) != inheriting) {
        return WASI_ENOTCAPABLE;
    }
    return WASI_OK;
}

static int host_flags(const struct request *r)
{
    /* A FIFO or device must not hold the host up in open(). */
    int flags = O_NONBLOCK;
    bool writes = r->base & (R(FD_WRITE) | R(FD_ALLOCATE) | R(FD_FILESTAT_SET_SIZE));
    bool reads = r->base & R(FD_READ);
    if (r->oflags & WASI_OFLAG_DIRECTORY) {
        flags |= O_DIRECTORY | O_RDONLY;
    } else if (writes) {
        flags |= reads ? O_RDWR : O_WRONLY;
    }
    if (r->oflags & WASI_OFLAG_TRUNC) {
        flags |= O_TRUNC;
    }
    if (!(r->lookup & WASI_LOOKUP_SYMLINK_FOLLOW)) {
        flags |= O_NOFOLLOW;
    }
    return flags;
}

/* Files are made by their own name only. A link whose target is missing gives LOOP: creating
 * through links is how files appear in unexpected places. */
static uint32_t open_host(int dir, const char *path, const struct request *r, int *host)
{
    int flags = host_flags(r);
    if (!(r->oflags & WASI_OFLAG_CREAT)) {
        return wasi_path_open(dir, path, flags, 0, host);
    }
    if (r->oflags & WASI_OFLAG_EXCL) {
        return wasi_path_open(dir, path, flags | O_CREAT | O_EXCL, 0666, host);
    }
    uint32_t error = wasi_path_open(dir, path, flags, 0, host);
    if (error == WASI_ENOENT) {
        error = wasi_path_open(dir, path, flags | O_CREAT | O_NOFOLLOW, 0666, host);
    }
    return error;
}

/* The rights that make sense for what was opened. */
static void give_rights(struct wasi_fd *entry, const struct request *r)
{
    uint64_t possible = WASI_RIGHTS_STREAM;
    if (entry->filetype == WASI_FILETYPE_DIRECTORY) {
        possible = WASI_RIGHTS_DIRECTORY;
        entry->inheriting = r->inheriting;
    } else if (!entry->stream) {
        possible = WASI_RIGHTS_FILE;
    } else if (!entry->filtered && lseek(entry->host, 0, SEEK_CUR) >= 0) {
        possible |= R(FD_SEEK) | R(FD_TELL);
    }
    entry->base = r->base & possible;
    entry->flags = (uint16_t)r->fdflags;
}

static uint32_t open_entry(struct lucet_wasi_ctx *ctx, int dir, const struct request *r,
                           uint32_t *fd)
{
    int host;
    struct wasi_fd entry;
    uint32_t error = wasi_fd_room(&ctx->process->fds);
    if (error) {
        return error;
    }
    error = open_host(dir, ctx->path[0], r, &host);
    if (error) {
        return error;
    }
    if ((uint32_t)host >= ctx->process->fds.host_limit) {
        close(host);
        return WASI_EMFILE;
    }
    error = wasi_fd_describe(host, true, &entry);
    if (error) {
        close(host);
        return error;
    }
    give_rights(&entry, r);
    return wasi_fd_add(&ctx->process->fds, &entry, 0, fd);
}

uint32_t lucet_wasi_path_open(struct lucet_vmctx *vmctx, uint32_t fd, uint32_t lookup,
                              uint32_t path, uint32_t len, uint32_t oflags, uint64_t base,
                              uint64_t inheriting, uint32_t fdflags, uint32_t out)
{
    struct lucet_wasi_ctx *ctx = wasi_ctx(vmctx);
    const struct request request = {
        .lookup = lookup,
        .oflags = oflags,
        .fdflags = fdflags,
        .base = base & WASI_RIGHTS_KNOWN,
        .inheriting = inheriting & WASI_RIGHTS_KNOWN,
    };
    struct wasi_fd *dir;
    void *result = wasi_guest(vmctx, out, 4);
    if (result == NULL) {
        return WASI_EFAULT;
    }
    uint32_t error = wasi_path_get(vmctx, path, len, ctx->path[0]);
    if (!error) {
        error = wasi_fd_get(&ctx->process->fds, fd, R(PATH_OPEN), &dir);
    }
    if (!error) {
        error = check(dir, &request);
    }
    uint32_t opened;
    if (!error) {
        error = open_entry(ctx, dir->host, &request, &opened);
    }
    if (!error) {
        wasi_put32(result, opened);
    }
    return error;
}
