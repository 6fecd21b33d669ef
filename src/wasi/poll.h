/* poll_oneoff of both versions of WASI: they differ in what a subscription looks like. */
#ifndef LUCET_WASI_POLL_H
#define LUCET_WASI_POLL_H

#include "lucet/lucet.h"
#include "wasi/abi.h"

struct wasi_subscription_format {
    uint32_t size;
    void (*read)(const unsigned char *from, struct wasi_subscription *to);
};

uint32_t wasi_poll_oneoff(struct lucet_vmctx *vmctx, const struct wasi_subscription_format *format,
                          uint32_t in, uint32_t events, uint32_t count, uint32_t out);

#endif
