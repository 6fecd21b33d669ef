/* Reading and writing of guest buffers. */
#ifndef LUCET_WASI_IO_H
#define LUCET_WASI_IO_H

#include "wasi/iovec.h"

struct wasi_transfer {
    struct lucet_vmctx *vmctx;
    struct wasi_fd *fd;
    uint32_t number; /* the guest's of fd, */
    uint64_t rights; /* what it needs, */
    uint64_t id;     /* and which opening it is */
    bool write;
    int64_t offset; /* -1: at the descriptor's position */
    uint64_t done;  /* bytes */
};

/* Moves bytes between the descriptor and the buffers, which are used up. An error after the first
 * bytes is dropped, as in POSIX: it will come again. INTR when the guest is to stop. */
uint32_t wasi_transfer(struct wasi_transfer *t, struct wasi_buffers *b);

#endif
