/* log.c: what happened, for the embedder's log. Not in signal handlers, and not with a lock
 * held. */
#ifndef LUCET_RUNTIME_LOG_H
#define LUCET_RUNTIME_LOG_H

#include "lucet/lucet.h"

__attribute__((format(printf, 2, 3))) void lucet__log(enum lucet_log_level level,
                                                      const char *format, ...);

#endif
