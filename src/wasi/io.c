/* Reading and writing. Files are worked on in pieces with a look at the stop request in between.
 * Streams (pipes, terminals, sockets, devices) are never waited for inside read or write, only in
 * ppoll(), so that a guest that waits for input can be stopped at any moment. */
#include "wasi/io.h"

#include "wasi/abi.h"
#include "wasi/errno.h"
#include "wasi/wait.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

enum { FILE_PIECE = 8 << 20 };
#define STALE UINT32_MAX /* no errno */

/* One system call, quiet about SIGPIPE and SIGXFSZ. */
static ssize_t call(struct wasi_transfer *t, struct iovec *iov, int count, int flags)
{
    const int fd = t->fd->host;
    if (!t->write) {
        return preadv2(fd, iov, count, t->offset, flags);
    }
    if (!t->fd->stream && !wasi_ctx(t->vmctx)->process->file_size_limited) {
        return pwritev2(fd, iov, count, t->offset, flags);
    }
    struct wasi_quiet quiet;
    wasi_quiet_begin(&quiet, t->fd->stream ? SIGPIPE : SIGXFSZ);
    ssize_t n = pwritev2(fd, iov, count, t->offset, flags);
    wasi_quiet_end(&quiet, n < 0 && (errno == EPIPE || errno == EFBIG));
    return n;
}

/* The guest's fdflags as flags of one write. */
static int write_flags(const struct wasi_transfer *t)
{
    int flags = 0;
    if (t->write && !t->fd->stream) {
        if ((t->fd->flags & WASI_FDFLAG_APPEND) && t->offset < 0) {
            flags |= RWF_APPEND;
        }
        if (t->fd->flags & WASI_FDFLAG_DSYNC) {
            flags |= RWF_DSYNC;
        }
        if (t->fd->flags & (WASI_FDFLAG_SYNC | WASI_FDFLAG_RSYNC)) {
            flags |= RWF_SYNC;
        }
    }
    return flags;
}

static uint32_t transfer_file(struct wasi_transfer *t, struct wasi_buffers *b)
{
    const int flags = write_flags(t);
    do {
        if (lucet_vmctx_stop_requested(t->vmctx)) {
            return WASI_EINTR;
        }
        const uint64_t piece = b->total < FILE_PIECE ? b->total : FILE_PIECE;
        struct wasi_cut cut = wasi_buffers_cut(b, piece);
        ssize_t n = call(t, b->iov, cut.count, flags);
        wasi_buffers_restore(b, &cut);
        if (n < 0) {
            if (errno == EINTR) {
                continue;
            }
            return wasi_errno_from_host(errno);
        }
        wasi_buffers_advance(b, (uint64_t)n);
        t->done += (uint64_t)n;
        if (t->offset >= 0) {
            t->offset += n;
        }
        if ((uint64_t)n < piece) {
            break;
        }
    } while (b->total > 0);
    return WASI_OK;
}

/* One operation on a stream that does not wait, or that has been waited for. */
static ssize_t try_stream(struct wasi_transfer *t, struct iovec *iov, int count)
{
    if (!t->fd->no_nowait) {
        ssize_t n = call(t, iov, count, RWF_NOWAIT);
        if (n >= 0 || errno != EOPNOTSUPP) {
            return n;
        }
        t->fd->no_nowait = true;
    }
    /* The next best: see that it is ready, and do no more than is certain not to wait. Pipes take
     * PIPE_BUF bytes when they are ready at all. */
    struct pollfd p = {.fd = t->fd->host, .events = t->write ? POLLOUT : POLLIN};
    if (poll(&p, 1, 0) == 0) {
        errno = EAGAIN;
        return -1;
    }
    if (!t->write) {
        return call(t, iov, count, 0);
    }
    struct wasi_buffers b = {.iov = iov, .count = count};
    struct wasi_cut cut = wasi_buffers_cut(&b, PIPE_BUF);
    ssize_t n = call(t, iov, cut.count, 0);
    wasi_buffers_restore(&b, &cut);
    return n;
}

/* Waits for the stream. Meanwhile another thread of the guest may close the descriptor, and its
 * number, or the host's, come to mean something else. */
static uint32_t wait_for_stream(struct wasi_transfer *t)
{
    struct wasi_process *p = wasi_ctx(t->vmctx)->process;
    uint32_t error = wasi_wait(t->vmctx, t->fd->host, t->write ? POLLOUT : POLLIN);
    if (!error) {
        error = wasi_fd_get(&p->fds, t->number, t->rights, &t->fd);
    }
    return error || t->fd->id == t->id ? error : (uint32_t)WASI_EBADF;
}

/* With `terminal`, what is written has been filtered in that state. STALE: it is another by now. */
static uint32_t transfer_stream(struct wasi_transfer *t, struct iovec *iov, int count,
                                const struct wasi_terminal *terminal, size_t *moved)
{
    const struct wasi_terminal *now = &wasi_ctx(t->vmctx)->process->terminal;
    for (;;) {
        if (lucet_vmctx_stop_requested(t->vmctx)) {
            return WASI_EINTR;
        }
        ssize_t n = try_stream(t, iov, count);
        if (n >= 0) {
            *moved = (size_t)n;
            return WASI_OK;
        }
        if (errno == EINTR) {
            continue;
        }
        if (errno != EAGAIN || (t->fd->flags & WASI_FDFLAG_NONBLOCK)) {
            return wasi_errno_from_host(errno);
        }
        uint32_t error = wait_for_stream(t);
        if (error) {
            return error;
        }
        if (terminal && memcmp(terminal, now, sizeof(*now)) != 0) {
            return STALE;
        }
    }
}

/* Through the filter: into our buffer, made inert, and out. The filter's state advances by what was
 * really written: of a copy, since other threads may change what the guest's buffers hold. */
static uint32_t write_filtered(struct wasi_transfer *t, struct wasi_buffers *b, size_t *moved)
{
    struct lucet_wasi_ctx *ctx = wasi_ctx(t->vmctx);
    unsigned char *copy = ctx->buffer, *inert = ctx->buffer + WASI_BUFFER_SIZE / 2;
    const size_t size = wasi_buffers_peek(b, copy, WASI_BUFFER_SIZE / 2);
    uint32_t error;
    do {
        const struct wasi_terminal before = ctx->process->terminal;
        struct wasi_terminal state = before;
        struct iovec out = {.iov_base = inert, .iov_len = size};
        memcpy(inert, copy, size);
        wasi_terminal_filter(&state, inert, size);
        error = transfer_stream(t, &out, 1, &before, moved);
    } while (error == STALE);
    if (!error) {
        wasi_terminal_filter(&ctx->process->terminal, copy, *moved);
    }
    return error;
}

static uint32_t transfer_streams(struct wasi_transfer *t, struct wasi_buffers *b)
{
    for (;;) {
        size_t moved = 0;
        uint32_t error = t->write && t->fd->filtered
                             ? write_filtered(t, b, &moved)
                             : transfer_stream(t, b->iov, b->count, NULL, &moved);
        if (error) {
            return error;
        }
        wasi_buffers_advance(b, moved);
        t->done += moved;
        /* A read gives what there is. A write goes on to the end, as it does natively on a
         * descriptor that blocks. */
        if (!t->write || moved == 0 || b->total == 0 ||
            t->fd->filetype == WASI_FILETYPE_SOCKET_DGRAM) {
            return WASI_OK;
        }
    }
}

uint32_t wasi_transfer(struct wasi_transfer *t, struct wasi_buffers *b)
{
    t->done = 0;
    if (b->total == 0) {
        return WASI_OK;
    }
    uint32_t error = t->fd->stream ? transfer_streams(t, b) : transfer_file(t, b);
    return t->done > 0 ? (uint32_t)WASI_OK : error;
}
