/* The gs register around runs of guests. Writing it costs more than all the rest of a call, so it is
 * written only when it changes: after a run it keeps the guest's value, which the next run of the same
 * instance finds. A host that uses gs itself is noticed by a value that is neither the one left here nor
 * the 0 that a process begins with, and finds its own again. */
#ifndef LUCET_RUNTIME_GS_H
#define LUCET_RUNTIME_GS_H

#include "runtime/activation.h"
#include "runtime/x86_64/machine.h"

#define LUCET__GS_KEEP UINT64_MAX /* no address: nothing is to be put back */

/* Before a run; what it answers goes to lucet__gs_leave(). The run of an outer guest has to find its own. */
static inline uint64_t lucet__gs_enter(struct thread *t, uint64_t base, bool nested)
{
    uint64_t now = machine_get_gs();

    if (now == base)
        return nested ? now : LUCET__GS_KEEP;
    machine_set_gs(base);
    if (nested || now != t->gs)
        return now;
    t->gs = base;
    return LUCET__GS_KEEP;
}

/* After a run. One that did not return may have ended in another instance. */
static inline void lucet__gs_leave(struct thread *t, uint64_t put_back, bool returned)
{
    if (put_back != LUCET__GS_KEEP) {
        if (!returned || machine_get_gs() != put_back)
            machine_set_gs(put_back);
    } else if (!returned) {
        t->gs = machine_get_gs();
    }
}

#endif
