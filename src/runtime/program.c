/* Programs of several threads. WebAssembly's threads are instances that share a memory; to whoever
 * embeds them they are one guest. So what limits the first instance limits all of them: allowances
 * are the first one's, the time limit is that of the run that started the thread, and a kill switch
 * of the first stops all.
 *
 * Threads hold the first instance as those that import from it do (store.h): so its allowances are
 * there. */
#include "runtime/program.h"

#include <string.h>

#include "runtime/activation.h"
#include "runtime/error.h"
#include "runtime/instance.h"
#include "runtime/module.h"
#include "runtime/region.h"
#include "runtime/stop.h"
#include "runtime/store.h"
#include "runtime/timeout.h"

static enum lucet_error hold(struct lucet_instance *i, struct lucet_instance *first)
{
    struct store *held = lucet__store_of_instance(first);
    struct store *own = lucet__store_of_instance(i);

    return held && own ? lucet__store_link(own, held, STORE_REFERS) : lucet__no_memory();
}

/* The end of the run on this thread that would have to be first; 0: there is no limit. */
static uint64_t deadline(void)
{
    uint64_t earliest = 0;

    for (const struct activation *act = lucet__thread.current; act; act = act->outer)
        if (act->deadline && (!earliest || act->deadline < earliest))
            earliest = act->deadline;
    return earliest;
}

static void inherit_time(struct lucet_instance *i, const struct lucet_instance *of)
{
    const uint64_t now = lucet__now();
    uint64_t until = deadline();

    if (of->deadline && (!until || of->deadline < until))
        until = of->deadline;
    i->timeout_ns = of->timeout_ns;
    i->deadline = until;
    /* So that it is known to have a limit. */
    if (until && !i->timeout_ns)
        i->timeout_ns = until > now ? until - now : 1;
}

static void inherit(struct lucet_instance *i, const struct lucet_instance *of)
{
    memcpy(i->contexts, of->contexts, of->ncontexts * sizeof(*of->contexts));
    i->ncontexts = of->ncontexts;
    if (!i->embed_ctx)
        i->embed_ctx = of->embed_ctx;
    i->terminate_on_heap_oom |= of->terminate_on_heap_oom;
    i->signal_handler = of->signal_handler;
    i->fatal_handler = of->fatal_handler;
    if (of->heap_limit < i->heap_limit)
        i->heap_limit = of->heap_limit;
    inherit_time(i, of);
}

/* What would be a way around a limit that has no meaning for several threads. */
static enum lucet_error check(const struct lucet_instance *i, const struct lucet_instance *of)
{
    const struct lucet_artifact *a = &i->module->artifact;

    if (of->instructions_bound)
        return lucet__fail(lucet_error_unsupported,
                           "a program whose instructions are bounded has one thread");
    if (i->region->options.heap_resident_limit && a->nmemories > a->header->nimported_memories)
        return lucet__fail(lucet_error_unsupported,
                           "a program whose resident memory is limited has threads only where all "
                           "memories are imported");
    return lucet_error_ok;
}

enum lucet_error lucet__program_join(struct lucet_instance *i, struct lucet_instance *of)
{
    struct lucet_instance *first = of->first ? of->first : of;
    enum lucet_error e = check(i, of);

    if (e == lucet_error_ok)
        e = hold(i, first);
    if (e != lucet_error_ok)
        return e;
    inherit(i, of);
    if (first == of) /* the only thread that has it */
        first->has_threads = true;
    if (!lucet__allowance_join(&i->entries, &first->entries))
        return lucet__fail(lucet_error_limits_exceeded,
                           "the tables of all threads need more entries than the region's limit "
                           "allows");
    i->heap.of = &first->heap;
    i->first = first;
    if (!lucet__stop_add_thread(first->stop, i->stop)) {
        lucet__program_leave(i);
        return lucet__fail(lucet_error_runtime_terminated, "the program has been stopped");
    }
    return lucet_error_ok;
}

void lucet__program_leave(struct lucet_instance *i)
{
    if (!i->first)
        return;
    lucet__stop_remove_thread(i->first->stop, i->stop);
    lucet__allowance_give(&i->heap, atomic_load(&i->heap.taken));
    lucet__allowance_give(&i->entries, atomic_load(&i->entries.taken));
    i->heap.of = &i->heap;
    i->entries.of = &i->entries;
    i->first = NULL;
}
