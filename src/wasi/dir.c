/* fd_readdir. The cookie of an entry is the kernel's own position behind it, so that listing goes
 * on rightly while files come and go, and nothing is remembered between calls. */
#include "wasi/abi.h"
#include "wasi/ctx.h"
#include "wasi/errno.h"
#include "wasi/functions.h"
#include "wasi/guest.h"
#include "wasi/rights.h"

#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SMALLEST_BATCH = 1024 }; /* the kernel must be able to return one entry */

struct listing {
    unsigned char *out;
    uint32_t size, used;
    const struct wasi_fd *dir;
};

static uint8_t filetype_from_dirent(unsigned char type, int host)
{
    return type == DT_UNKNOWN ? (uint8_t)WASI_FILETYPE_UNKNOWN
                              : wasi_filetype_from_mode(DTTOIF(type), host);
}

static void append(struct listing *l, const void *bytes, size_t size)
{
    size_t room = l->size - l->used;
    size_t n = size < room ? size : room;
    memcpy(l->out + l->used, bytes, n);
    l->used += (uint32_t)n;
}

/* ".." of a preopened directory lies outside: it shows as the directory itself. */
static uint64_t visible_inode(const struct listing *l, const char *name, uint64_t inode)
{
    struct stat st;
    if (l->dir->preopen && strcmp(name, "..") == 0) {
        return fstat(l->dir->host, &st) == 0 ? st.st_ino : 0;
    }
    return inode;
}

/* Entries of one batch; the last may be cut by the end of the buffer, and the guest then asks
 * again from its cookie. False when the buffer is full. */
static bool append_batch(struct listing *l, const unsigned char *batch, size_t size)
{
    for (size_t at = 0; at < size;) {
        const struct dirent64 *e = (const void *)(batch + at);
        const size_t name_len = strlen(e->d_name);
        const struct wasi_dirent entry = {
            .next = (uint64_t)e->d_off,
            .ino = visible_inode(l, e->d_name, e->d_ino),
            .namlen = (uint32_t)name_len,
            .type = filetype_from_dirent(e->d_type, -1),
        };
        append(l, &entry, sizeof(entry));
        append(l, e->d_name, name_len);
        if (l->used == l->size) {
            return false;
        }
        at += e->d_reclen;
    }
    return true;
}

static uint32_t list(struct lucet_vmctx *vmctx, struct listing *l, uint64_t cookie)
{
    struct lucet_wasi_ctx *ctx = wasi_ctx(vmctx);
    if (lseek(l->dir->host, (off_t)cookie, SEEK_SET) < 0) {
        return wasi_errno_from_host(errno);
    }
    /* A guest with a small buffer should not make us read the whole directory each time. */
    size_t batch = l->size < SMALLEST_BATCH ? SMALLEST_BATCH : l->size;
    if (batch > sizeof(ctx->buffer)) {
        batch = sizeof(ctx->buffer);
    }
    for (;;) {
        if (lucet_vmctx_stop_requested(vmctx)) {
            return WASI_EINTR;
        }
        long n = syscall(SYS_getdents64, l->dir->host, ctx->buffer, batch);
        if (n < 0) {
            return wasi_errno_from_host(errno);
        }
        if (n == 0 || !append_batch(l, ctx->buffer, (size_t)n)) {
            return WASI_OK;
        }
    }
}

uint32_t lucet_wasi_fd_readdir(struct lucet_vmctx *vmctx, uint32_t fd, uint32_t buf, uint32_t len,
                               uint64_t cookie, uint32_t out)
{
    struct lucet_wasi_ctx *ctx = wasi_ctx(vmctx);
    struct wasi_fd *dir;
    struct listing listing = {.out = wasi_guest(vmctx, buf, len), .size = len};
    void *result = wasi_guest(vmctx, out, 4);
    if (listing.out == NULL || result == NULL) {
        return WASI_EFAULT;
    }
    uint32_t error = wasi_fd_get(&ctx->process->fds, fd, R(FD_READDIR), &dir);
    if (error) {
        return error;
    }
    listing.dir = dir;
    if (len > 0) {
        error = cookie > INT64_MAX ? (uint32_t)WASI_EINVAL : list(vmctx, &listing, cookie);
    }
    if (!error) {
        wasi_put32(result, listing.used);
    }
    return error;
}
