/* Lists of buffers that guests pass; see iovec.h. */
#include "wasi/iovec.h"

#include "wasi/abi.h"
#include "wasi/errno.h"
#include "wasi/guest.h"

uint32_t wasi_buffers_get(struct lucet_vmctx *vmctx, uint32_t iovs, uint32_t count,
                          struct wasi_buffers *out)
{
    struct iovec *iov = wasi_ctx(vmctx)->iov;
    *out = (struct wasi_buffers){.iov = iov};
    const unsigned char *list =
        wasi_guest(vmctx, iovs, (uint64_t)count * sizeof(struct wasi_iovec));
    if (list == NULL) {
        return WASI_EFAULT;
    }
    if (count > WASI_IOV_MAX) {
        return WASI_EINVAL;
    }
    for (uint32_t i = 0; i < count; i++) {
        struct wasi_iovec v;
        memcpy(&v, list + i * sizeof(v), sizeof(v));
        out->total += v.len;
        if (out->total > UINT32_MAX) { /* before it is looked at, which touches it */
            return WASI_EINVAL;
        }
        void *base = wasi_guest(vmctx, v.buf, v.len);
        if (base == NULL) {
            return WASI_EFAULT;
        }
        iov[i] = (struct iovec){.iov_base = base, .iov_len = v.len};
    }
    out->count = (int)count;
    return WASI_OK;
}

void wasi_buffers_advance(struct wasi_buffers *b, uint64_t n)
{
    b->total -= n;
    while (b->count > 0 && n >= b->iov->iov_len) {
        n -= b->iov->iov_len;
        b->iov++;
        b->count--;
    }
    if (n > 0) {
        b->iov->iov_base = (char *)b->iov->iov_base + n;
        b->iov->iov_len -= n;
    }
}

struct wasi_cut wasi_buffers_cut(struct wasi_buffers *b, uint64_t limit)
{
    struct wasi_cut cut = {.count = 0};
    while (cut.count < b->count && limit > 0) {
        struct iovec *v = &b->iov[cut.count++];
        cut.original = v->iov_len;
        if (v->iov_len > limit) {
            v->iov_len = limit;
        }
        limit -= v->iov_len;
    }
    return cut;
}

void wasi_buffers_restore(struct wasi_buffers *b, const struct wasi_cut *c)
{
    if (c->count > 0) {
        b->iov[c->count - 1].iov_len = c->original;
    }
}

size_t wasi_buffers_peek(const struct wasi_buffers *b, unsigned char *to, size_t size)
{
    size_t done = 0;
    for (int i = 0; i < b->count && done < size; i++) {
        size_t n = b->iov[i].iov_len < size - done ? b->iov[i].iov_len : size - done;
        memcpy(to + done, b->iov[i].iov_base, n);
        done += n;
    }
    return done;
}
