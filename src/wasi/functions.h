/* Prototypes of all functions in table.def. A function that gives something to the guest checks
 * every pointer before it does anything: EFAULT means that nothing happened. */
#ifndef LUCET_WASI_FUNCTIONS_H
#define LUCET_WASI_FUNCTIONS_H

#include <stdint.h>

struct lucet_vmctx;

#define WASI(name, signature, ...)                                                                 \
    uint32_t lucet_wasi_##name(struct lucet_vmctx *vmctx, ##__VA_ARGS__);
#define WASI_CHANGED(name, signature, ...)                                                         \
    WASI(name, signature, __VA_ARGS__)                                                             \
    WASI(unstable_##name, signature, __VA_ARGS__)
#include "wasi/table.def"

#endif
