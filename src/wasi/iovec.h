/* Lists of buffers that guests pass. */
#ifndef LUCET_WASI_IOVEC_H
#define LUCET_WASI_IOVEC_H

#include "wasi/ctx.h"

struct wasi_buffers {
    struct iovec *iov; /* host addresses, checked */
    int count;
    uint64_t total; /* at most UINT32_MAX */
};

/* Copies the list into the context's working space and checks every buffer in it before any is
 * used: what is read into a buffer may well overwrite the list. EFAULT; INVAL for more than
 * WASI_IOV_MAX buffers, or more bytes than a result can count. */
uint32_t wasi_buffers_get(struct lucet_vmctx *vmctx, uint32_t iovs, uint32_t count,
                          struct wasi_buffers *out);

/* Drops the first `n` bytes, n <= total. */
void wasi_buffers_advance(struct wasi_buffers *b, uint64_t n);

/* The first buffers, at most `limit` bytes of them: a view of `b` whose last buffer may be cut.
 * wasi_buffers_restore() gives back what was cut, before `b` is used again. */
struct wasi_cut {
    int count;
    size_t original; /* length of buffer count-1 before the cut */
};
struct wasi_cut wasi_buffers_cut(struct wasi_buffers *b, uint64_t limit);
void wasi_buffers_restore(struct wasi_buffers *b, const struct wasi_cut *c);

/* Copies at most `size` first bytes out. */
size_t wasi_buffers_peek(const struct wasi_buffers *b, unsigned char *to, size_t size);

#endif
