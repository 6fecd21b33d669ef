/* What became of the runs of a module's instances. */
#include "runtime/statistics.h"

#include <stdatomic.h>
#include <string.h>

#include "runtime/log.h"
#include "runtime/module.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Every trap that is known has a count of its own. */
#define X(code, id, text)                                                                          \
    _Static_assert((code) == LUCET_TRAP_unknown ||                                                 \
                       (code) < COUNT(((struct lucet_module_statistics *)NULL)->faults),           \
                   #id);
LUCET_TRAP_CODES(X)
#undef X

void lucet__count_fault(struct lucet_dl_module *m, enum lucet_trapcode code, bool fatal)
{
    size_t k = (size_t)code < COUNT(m->statistics.faults) ? (size_t)code : 0;

    atomic_fetch_add_explicit(&m->statistics.faults[k], 1, memory_order_relaxed);
    lucet__log(fatal ? lucet_log_error : lucet_log_debug, "module %llu: a run faulted%s: %s",
               (unsigned long long)m->id, fatal ? ", fatally" : "", lucet_trapcode_message(code));
    if (fatal)
        atomic_fetch_add_explicit(&m->statistics.fatal, 1, memory_order_relaxed);
}

void lucet__count_termination(struct lucet_dl_module *m, enum lucet_terminated_reason reason)
{
    lucet__log(lucet_log_debug, "module %llu: a run was terminated, reason %s",
               (unsigned long long)m->id, lucet_terminated_reason_name(reason));
    if ((size_t)reason < COUNT(m->statistics.terminations))
        atomic_fetch_add_explicit(&m->statistics.terminations[reason], 1, memory_order_relaxed);
}

void lucet_dl_module_statistics(const struct lucet_dl_module *m,
                                struct lucet_module_statistics *out)
{
    if (!m || !out)
        return;
    memset(out, 0, sizeof(*out));
    for (size_t k = 0; k < COUNT(out->faults); k++)
        out->faulted += out->faults[k] =
            atomic_load_explicit(&m->statistics.faults[k], memory_order_relaxed);
    for (size_t k = 0; k < COUNT(out->terminations); k++)
        out->terminated += out->terminations[k] =
            atomic_load_explicit(&m->statistics.terminations[k], memory_order_relaxed);
    out->fatal = atomic_load_explicit(&m->statistics.fatal, memory_order_relaxed);
}
