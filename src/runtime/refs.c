#include "runtime/refs.h"

/* What a shard contains that is closed, whatever is still added to it; and, while shards are being closed,
 * what keeps the number of all together from being taken for that of the last reference. */
#define CLOSED (INT64_MIN / 2)
#define BIAS (INT64_MAX / 2)

unsigned lucet__thread_number(void)
{
    static atomic_uint threads;
    static _Thread_local unsigned number __attribute__((tls_model("initial-exec")));

    if (number == 0)
        number = atomic_fetch_add_explicit(&threads, 1, memory_order_relaxed) + 1;
    return number;
}

static bool is_closed(int64_t count)
{
    return count < CLOSED / 2;
}

void lucet__refs_init(struct refs *r)
{
    atomic_init(&r->together, BIAS);
    for (unsigned k = 0; k < LUCET__SHARDS; k++)
        atomic_init(&r->shards[k].count, 0);
}

void lucet__refs_take(struct refs *r)
{
    _Atomic int64_t *count = &r->shards[lucet__shard()].count;

    if (is_closed(atomic_fetch_add_explicit(count, 1, memory_order_relaxed)))
        atomic_fetch_add_explicit(&r->together, 1, memory_order_relaxed);
}

/* Whoever finds a shard open has been counted by the owner, who closes it afterwards and sees that. */
bool lucet__refs_drop(struct refs *r)
{
    _Atomic int64_t *count = &r->shards[lucet__shard()].count;

    return is_closed(atomic_fetch_sub_explicit(count, 1, memory_order_acq_rel)) &&
           atomic_fetch_sub_explicit(&r->together, 1, memory_order_acq_rel) == 1;
}

bool lucet__refs_close(struct refs *r)
{
    for (unsigned k = 0; k < LUCET__SHARDS; k++) {
        int64_t count = atomic_exchange_explicit(&r->shards[k].count, CLOSED, memory_order_acq_rel);
        atomic_fetch_add_explicit(&r->together, count, memory_order_acq_rel);
    }
    return atomic_fetch_sub_explicit(&r->together, BIAS, memory_order_acq_rel) == BIAS;
}
