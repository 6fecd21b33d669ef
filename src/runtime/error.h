/* Errors: a code, and the thread's detail. */
#ifndef LUCET_RUNTIME_ERROR_H
#define LUCET_RUNTIME_ERROR_H

#include "lucet/types.h"

/* Sets the thread's detail and returns `e`. */
__attribute__((format(printf, 2, 3))) enum lucet_error lucet__fail(enum lucet_error e,
                                                                   const char *format, ...);
/* The same with errno's text appended. */
__attribute__((format(printf, 2, 3))) enum lucet_error lucet__fail_errno(enum lucet_error e,
                                                                         const char *format, ...);
void lucet__clear_error(void);
enum lucet_error lucet__no_memory(void);
/* Says in the result, if there is one, that there is none because of `e`, and returns that. */
enum lucet_error lucet__errored(enum lucet_error e, struct lucet_result *result);

#endif
