/* Calls by handle, for tests of the quick way: an instance whose host function does what its
 * argument says. */
#ifndef LUCET_TEST_QUICK_H
#define LUCET_TEST_QUICK_H

#include <stdatomic.h>

#include "guest.h"

enum {
    SAME = 3,
    SET_TIMEOUT = -1,
    CALL_OTHER = -2,
    WAIT = -3,
    YIELD = -4,
    TERMINATE = -5,
    THROW = -6,
    FAULT = -7, /* in a run of the same instance within */
};

struct quick {
    struct lucet_region *region;
    struct lucet_linker *linker;
    struct lucet_dl_module *module;
    struct lucet_instance *inst;
    struct lucet_func add, host;
};

extern struct quick *quick_now;            /* for the host function */
extern struct lucet_instance *quick_other; /* CALL_OTHER: this one's $add */
extern atomic_int quick_waiting;           /* WAIT: 1 while it waits, until it is 2 */

/* "add", "throw", "trap" and "host" take two numbers; "spin" none. */
extern const char quick_wat[];

/* The runtime's memory from here on, each block with nothing behind it. Before anything else. */
void quick_guard_allocations(void);
void quick_begin(struct quick *q, const char *wat);
/* Nothing of the runtime's memory is left. */
void quick_end(const struct quick *q);
struct lucet_func quick_handle(const struct quick *q, const char *name);
/* Expects it to return. */
int32_t quick_call(const struct lucet_func *f, struct lucet_instance *i, int32_t a, int32_t b);

#endif
