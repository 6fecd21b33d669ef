/* Decides, before anything is translated, which helper functions a module needs, where things lie
 * in its context, and how its functions are divided into partitions. */
#ifndef LUCETC_PLAN_H
#define LUCETC_PLAN_H

#include "lucetc/compilation.h"

/* Fills c->plan and c->layout. Errors: no_memory; compile (the context would be too large, an
 * instruction is not supported). */
enum lucet_error plan_make(struct compilation *c);
void plan_free(struct plan *p);

/* Position of `func` in plan.ref_funcs, which it must be in. */
uint32_t plan_ref_func_slot(const struct plan *p, uint32_t func);

/* layout.c: the context's layout; a part of plan_make(). */
enum lucet_error layout_make(struct compilation *c);

/* partition.c: divides functions by the size of their bodies, never by the number of threads, so
 * that the output does not depend on it. */
enum lucet_error partitions_make(struct compilation *c);

#endif
