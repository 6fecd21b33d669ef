/* What compiled code calls. */
#ifndef LUCET_RUNTIME_BUILTINS_H
#define LUCET_RUNTIME_BUILTINS_H

#include <stdbool.h>

#include "module/abi.h"

/* builtins.c, builtins_table.c */
uint64_t lucet__builtin_table_grow(struct lucet_vmctx *ctx, uint32_t table, uint64_t value,
                                   uint64_t n);
void lucet__builtin_table_copy(struct lucet_vmctx *ctx, uint32_t to, uint32_t from, uint64_t dst,
                               uint64_t src, uint64_t n);
void lucet__builtin_table_fill(struct lucet_vmctx *ctx, uint32_t table, uint64_t dst,
                               uint64_t value, uint64_t n);
void lucet__builtin_table_init(struct lucet_vmctx *ctx, uint32_t table, uint32_t segment,
                               uint64_t dst, uint32_t src, uint32_t n);
uint64_t lucet__builtin_exn_table_get(struct lucet_vmctx *ctx, uint32_t table, uint64_t index);
void lucet__builtin_elem_drop(struct lucet_vmctx *ctx, uint32_t segment);
void lucet__builtin_bound_expired(struct lucet_vmctx *ctx); /* count.c */
extern const void *const lucet__builtins[LUCET_BUILTIN_SLOTS];

/* Whether the current run was asked to stop. */
bool lucet__stop_pending(void);
/* Between chunks of long work: ends the run when a stop was requested, and puts it aside when its
 * slice is over; it may go on on another thread, after others have run. */
void lucet__poll(struct lucet_vmctx *ctx);
/* The same for work during which nobody else may run: it only ends. */
void lucet__poll_stop(struct lucet_vmctx *ctx);

#endif
