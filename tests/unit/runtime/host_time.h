/* The set-up of tests of time limits that the host keeps. */
#ifndef LUCET_TEST_HOST_TIME_H
#define LUCET_TEST_HOST_TIME_H

#include "run/set.h"

/* Of a module with "loop", "host", "host loop", "host for ever", "short", "fault" and "throw",
 * where `f` is what its host function does. The host keeps the time until the end, when no deadline
 * may be left. */
struct set host_time_begin(void (*f)(struct lucet_vmctx *ctx));
void host_time_end(struct set *s);
/* If the run is terminated, by its time limit. */
enum lucet_error host_time_run(struct lucet_instance *i, const char *name);

#endif
