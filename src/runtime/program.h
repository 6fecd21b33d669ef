/* Programs of several threads, each of which is an instance: what they have in common. */
#ifndef LUCET_RUNTIME_PROGRAM_H
#define LUCET_RUNTIME_PROGRAM_H

#include "lucet/lucet.h"

/* Makes a new instance, whose imports and memories are still to come, another thread of the program
 * that `of`, which the calling thread has, belongs to. limits_exceeded, runtime_terminated,
 * unsupported, no_memory. */
enum lucet_error lucet__program_join(struct lucet_instance *i, struct lucet_instance *of);
/* What it has taken of the program's allowances goes back. While all that it holds is there. */
void lucet__program_leave(struct lucet_instance *i);

#endif
