/* lucet-difftest: worker.c runs modules, host.c is what they may import. */
#ifndef LUCET_DIFF_WORKER_H
#define LUCET_DIFF_WORKER_H

#include "lucet/lucet.h"
#include "lucet/lucetc.h"

#include <jansson.h>

/* Host functions add each of their calls to a trace, and make their results of it. */
void host_reset(void);
uint32_t host_trace(void);
enum lucet_error host_link(struct lucet_linker *l);

#endif
