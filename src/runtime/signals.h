/* Signal handlers of the process. */
#ifndef LUCET_RUNTIME_SIGNALS_H
#define LUCET_RUNTIME_SIGNALS_H

#include <signal.h>
#include <stdatomic.h>

#include "lucet/lucet.h"

extern atomic_bool lucet__handlers_installed;
/* They are, and runs need no fences (stop.h): what every call by handle looks at. */
extern atomic_bool lucet__quick_calls;
void lucet__quick_calls_update(void);
enum lucet_error lucet__handlers_ensure(void);
void lucet__chain(int sig, siginfo_t *info, void *context);
int lucet__stop_signal(void);

#endif
