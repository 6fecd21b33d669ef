/* What functions can do at most, as far as that is known before they run (docs/abi.md F1): calls of
 * such functions, and instances that nothing else was called in, cost less. */
#ifndef LUCETC_EFFECTS_H
#define LUCETC_EFFECTS_H

#include "lucetc/compilation.h"

/* Frames of quiet functions, and of entries for their types, have at most so many bytes, return
 * address not counted; so many calls lie within each other. */
enum { EFFECTS_FRAME = 128, EFFECTS_LEVELS = LUCET_CLOSED_LEVELS };

/* Fills c->plan.effects, a part of plan_make(). no_memory. */
enum lucet_error effects_make(struct compilation *c);
void effects_free(struct effects *e);

/* Whether functions of the type may be closed. */
bool effects_possible(const struct compilation *c, const struct wasm_functype *t);
/* Set of enum lucet_func_effects. */
uint32_t effects_of(const struct effects *e, uint32_t func);

/* LLVM has made a frame that is larger, of the function or helper of that name. Any thread. */
void effects_frame_is_large(struct effects *e, const char *name);
/* Functions with such frames are not quiet, nor are those that call them. When all frames are
 * known. */
void effects_settle(struct effects *e);

#endif
