/* The gs register around runs of guests. Writing it costs more than all the rest of a call, so it
 * is written only when it changes: after a run it keeps the guest's value, which the next run of
 * the same instance finds. A host that uses gs itself is noticed by a value that is neither the one
 * left here nor the 0 that a process begins with, and finds its own again.
 *
 * Reading it costs half as much as a whole call by handle. Those, and the way back from host
 * functions, look instead at what lies at a fixed distance from where gs points, behind a guard and
 * out of guests' reach: the last word of the guest stack below a heap, or of a page below a memory
 * that has a mapping of its own. It holds the address of the memory for a mark. Calls believe it
 * where the thread's `bound` says that gs was left so. */
#ifndef LUCET_RUNTIME_GS_H
#define LUCET_RUNTIME_GS_H

#include "runtime/activation.h"
#include "runtime/sizes.h"
#include "runtime/x86_64/machine.h"

#define LUCET__GS_KEEP UINT64_MAX /* no address: nothing is to be put back */

_Static_assert(LUCET_GS_MARK == -(int64_t)(LUCET__FRONT_GUARD + sizeof(uint64_t)),
               "the guest stack ends where the guard before the heap begins");

static inline void lucet__gs_mark(uint64_t base)
{
    /* Of a shared memory on several threads at once. */
    __atomic_store_n((uint64_t *)(uintptr_t)(base + (uint64_t)(int64_t)LUCET_GS_MARK), base,
                     __ATOMIC_RELAXED);
}

/* Before a run; what it answers goes to lucet__gs_leave(). The run of an outer guest has to find
 * its own. */
static inline uint64_t lucet__gs_enter(struct thread *t, uint64_t base, bool nested)
{
    uint64_t now = machine_get_gs();

    if (now != base)
        machine_set_gs(base);
    if (nested || (now != t->gs && now != base))
        return now;
    t->gs = base;
    return LUCET__GS_KEEP;
}

/* Before a run, on a thread that runs nothing else, of which nothing is put back afterwards. False:
 * the host uses gs itself. */
static inline bool lucet__gs_take(struct thread *t, uint64_t base)
{
    uint64_t now = machine_get_gs();

    if (now != base && now != t->gs)
        return false;
    if (now != base)
        machine_set_gs(base);
    t->gs = base;
    return true;
}

/* The thread runs no more guests; as it began, gs is 0. */
static inline void lucet__gs_forget(struct thread *t)
{
    if (machine_get_gs() == t->gs)
        machine_set_gs(0);
    t->gs = 0;
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
