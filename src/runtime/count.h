/* Counted instructions. */
#ifndef LUCET_RUNTIME_COUNT_H
#define LUCET_RUNTIME_COUNT_H

#include "lucet/lucet.h"

/* count.c. The count is 0; a part of a run begins and has its bound before it. */
void lucet__count_reset(struct lucet_instance *i);
void lucet__count_begin(struct lucet_instance *i);

#endif
