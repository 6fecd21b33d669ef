/* How often instances of a module stopped. */
#ifndef LUCET_RUNTIME_STATISTICS_H
#define LUCET_RUNTIME_STATISTICS_H

#include "lucet/lucet.h"

void lucet__count_fault(struct lucet_dl_module *m, enum lucet_trapcode code, bool fatal);
void lucet__count_termination(struct lucet_dl_module *m, enum lucet_terminated_reason reason);

#endif
