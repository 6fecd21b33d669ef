#include "runtime/refs.h"

/* While shards are being closed, this keeps the number of all together from being taken for that of
 * the last reference. */
#define BIAS (INT64_MAX / 2)

_Thread_local unsigned lucet__thread_number_known
    __attribute__((tls_model("initial-exec"), visibility("hidden")));

unsigned lucet__thread_number_new(void)
{
    static atomic_uint threads;

    lucet__thread_number_known = atomic_fetch_add_explicit(&threads, 1, memory_order_relaxed) + 1;
    return lucet__thread_number_known;
}

void lucet__refs_init(struct refs *r)
{
    atomic_init(&r->together, BIAS);
    for (unsigned k = 0; k < LUCET__SHARDS; k++)
        atomic_init(&r->shards[k].count, 0);
}

bool lucet__refs_close(struct refs *r)
{
    for (unsigned k = 0; k < LUCET__SHARDS; k++) {
        int64_t count =
            atomic_exchange_explicit(&r->shards[k].count, LUCET__REFS_CLOSED, memory_order_acq_rel);
        atomic_fetch_add_explicit(&r->together, count, memory_order_acq_rel);
    }
    return atomic_fetch_sub_explicit(&r->together, BIAS, memory_order_acq_rel) == BIAS;
}
