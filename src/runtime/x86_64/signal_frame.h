/* What a signal's frame has besides the general registers. */
#ifndef LUCET_RUNTIME_SIGNAL_FRAME_H
#define LUCET_RUNTIME_SIGNAL_FRAME_H

#include <stdbool.h>
#include <ucontext.h>

#include "runtime/activation.h"

/* The interrupted code's vector registers and floating-point environment, in the form that
 * lucet__continue() takes. False: the frame is not as expected, or to return from the handler
 * would load what is not saved here. Safe in signal handlers. */
bool lucet__signal_frame_vectors(const ucontext_t *u, struct registers *out);
/* x87 as the frame has it, which was taken as above: guests leave it alone, so it is the host's,
 * whose exceptions may be raised, but handlers begin with none. Nothing that uses x87 may
 * follow. */
void lucet__signal_frame_x87(const struct registers *taken);

#endif
