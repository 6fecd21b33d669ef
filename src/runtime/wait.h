/* Threads of guests that wait for each other. */
#ifndef LUCET_RUNTIME_WAIT_H
#define LUCET_RUNTIME_WAIT_H

#include "runtime/activation.h"

/* wait.c: memory.atomic.wait (`width` 4 or 8) and notify, `address` checked here. */
uint32_t lucet__memory_wait(struct lucet_vmctx *ctx, struct lucet_memory *m, uint64_t address,
                            unsigned width, uint64_t expected, int64_t timeout);
/* In the stop handler: ends the wait of the calling thread. */
void lucet__wait_stop(struct thread *t);
uint32_t lucet__memory_notify(struct lucet_vmctx *ctx, struct lucet_memory *m, uint64_t address,
                              uint32_t count);

#endif
