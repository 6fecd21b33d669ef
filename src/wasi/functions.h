/* Prototypes of all functions in table.def. A function that gives something to the guest checks
 * every pointer before it does anything: EFAULT means that nothing happened. */
#ifndef LUCET_WASI_FUNCTIONS_H
#define LUCET_WASI_FUNCTIONS_H

#include <stdint.h>

struct lucet_vmctx;

#define WASI(name, signature, names, ...)                                                          \
    uint32_t lucet_wasi_##name(struct lucet_vmctx *vmctx, ##__VA_ARGS__);
#define WASI_CHANGED(name, signature, names, ...)                                                  \
    WASI(name, signature, names, __VA_ARGS__)                                                      \
    WASI(unstable_##name, signature, names, __VA_ARGS__)
#include "wasi/table.def"

/* wasi-threads: a thread number, or a negative errno. It locks for itself. */
int32_t lucet_wasi_thread_spawn(struct lucet_vmctx *vmctx, uint32_t start_arg);

#endif
