/* The set-up of tests of what calls by handle find as the last one on the thread left it (`bound`
 * of struct thread). */
#ifndef LUCET_TEST_BOUND_H
#define LUCET_TEST_BOUND_H

#include "run/guest.h"
#include "runtime/activation.h"
#include "runtime/instance.h"
#include "runtime/stop.h"

/* A module with functions that return 7, that return 8 after a host function, that load what is at
 * their argument, and that trap ("closed", "open", "load" and "open load", "trap" and "open trap"),
 * and two instances of it. */
struct bound {
    struct lucet_region *region;
    struct lucet_linker *linker;
    struct lucet_dl_module *module;
    struct lucet_instance *one, *other;
    struct lucet_func closed, open, trap;
    struct lucet_instance *within; /* the host function calls it */
    bool yields;                   /* the host function does */
    struct {
        const struct lucet_vmctx *ctx;
        const struct lucet_activation *abi;
        const uint8_t *limit;
    } seen; /* by the host function */
};
extern struct bound bound;

void bound_begin(void **state);
void bound_end(void);
struct lucet_region *bound_region(uint64_t hostcall_reservation);
int32_t bound_call(const struct lucet_func *f, struct lucet_instance *i);
/* By calls of the closed function: it writes nothing of what the open one needs. */
void bound_to(struct lucet_instance *i);
/* It finds the thread and its context, and where its host functions' stack ends. */
void bound_is_at_home(struct lucet_instance *i);

#endif
