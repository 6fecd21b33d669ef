/* Clocks as guests see them. */
#ifndef LUCET_WASI_CLOCK_H
#define LUCET_WASI_CLOCK_H

#include "wasi/ctx.h"

/* Nanoseconds of a WASI clock: 0 or INVAL. */
uint32_t wasi_clock_now(struct lucet_wasi_ctx *ctx, uint32_t id, uint64_t *ns);

#endif
