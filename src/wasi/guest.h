/* Access to the guest's memory. Addresses and lengths are the guest's and may be anything: sums
 * are made in 64 bits by lucet_vmctx_guest_range(). Nothing need be aligned. */
#ifndef LUCET_WASI_GUEST_H
#define LUCET_WASI_GUEST_H

#include "lucet/lucet.h"

#include <string.h>

/* Host address of `len` bytes at `address`, or NULL. It stays valid for the host call: memory does
 * not move, and only the guest itself can shrink or grow it. */
static inline void *wasi_guest(struct lucet_vmctx *vmctx, uint32_t address, uint64_t len)
{
    return lucet_vmctx_guest_range(vmctx, address, len);
}

static inline void wasi_put32(void *to, uint32_t value)
{
    memcpy(to, &value, sizeof(value));
}

static inline void wasi_put64(void *to, uint64_t value)
{
    memcpy(to, &value, sizeof(value));
}

#endif
