/* Time slices. */
#ifndef LUCET_RUNTIME_SLICE_H
#define LUCET_RUNTIME_SLICE_H

#include "runtime/activation.h"

enum lucet_error lucet__slices_prepare(struct thread *t);
void lucet__slice_begin(struct thread *t, struct activation *act);
void lucet__slice_end(struct thread *t, const struct activation *act);
/* In the stop handler: puts the thread's guest aside if its slice is over. */
void lucet__slices_check(struct thread *t, void *context);
/* The last thing in the handler, which the kernel called: when it would return to
 * lucet__preempted, leaves as that would, and spares the way through the kernel that loads
 * registers to have them saved. Returns when that cannot be. */
void lucet__slice_leave(const struct thread *t, const void *context);
void lucet__slices_release(struct thread *t);

#endif
