/* Instances that wait in free slots. */
#ifndef LUCET_RUNTIME_PARK_H
#define LUCET_RUNTIME_PARK_H

#include "runtime/slot.h"

void lucet__parked_free(struct lucet_instance *i);
/* Frees what waits in a slot, and clears its context. */
void lucet__parked_drop(struct slot *s);
/* What waits in the slot, ready to be used again but for its module, options and contents; or
 * NULL. */
struct lucet_instance *lucet__unpark(struct slot *s);

#endif
