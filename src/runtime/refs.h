/* References to what every instance refers to: its module, its region. Threads that make instances
 * all the time would pass one count from core to core, so there are several, and a thread changes
 * its own, until the owner gives its reference up.
 *
 * A count by itself says nothing (a reference may be taken in one and dropped in another), so
 * nobody looks for zero before lucet__refs_close(), which is called once. From then on there is one
 * count. */
#ifndef LUCET_RUNTIME_REFS_H
#define LUCET_RUNTIME_REFS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define LUCET__SHARDS 8u

struct refs {
    _Atomic int64_t together; /* once closed */
    struct {
        _Atomic int64_t count;
        uint8_t filler[128 - sizeof(int64_t)]; /* cache lines come in pairs */
    } shards[LUCET__SHARDS];
};

/* From 1, in the order in which threads first asked. */
extern _Thread_local unsigned lucet__thread_number_known
    __attribute__((tls_model("initial-exec"), visibility("hidden"))); /* 0: not yet */
unsigned lucet__thread_number_new(void);
static inline unsigned lucet__thread_number(void)
{
    const unsigned known = lucet__thread_number_known;

    return known ? known : lucet__thread_number_new();
}
static inline unsigned lucet__shard(void)
{
    return lucet__thread_number() % LUCET__SHARDS;
}

/* The owner's reference is not counted. */
void lucet__refs_init(struct refs *r);
/* Gives the owner's up; true: there is no other. */
bool lucet__refs_close(struct refs *r);

/* What a shard contains that is closed, whatever is still added to it. */
#define LUCET__REFS_CLOSED (INT64_MIN / 2)
static inline bool lucet__refs_closed(int64_t count)
{
    return count < LUCET__REFS_CLOSED / 2;
}

/* By who owns it, or has a reference. */
static inline void lucet__refs_take(struct refs *r)
{
    _Atomic int64_t *count = &r->shards[lucet__shard()].count;

    if (lucet__refs_closed(atomic_fetch_add_explicit(count, 1, memory_order_relaxed)))
        atomic_fetch_add_explicit(&r->together, 1, memory_order_relaxed);
}

/* True: it was the last, and the owner's is given up, too. Otherwise *r may be gone. Whoever finds
 * a shard open has been counted by the owner, who closes it afterwards and sees that. */
static inline bool lucet__refs_drop(struct refs *r)
{
    _Atomic int64_t *count = &r->shards[lucet__shard()].count;

    return lucet__refs_closed(atomic_fetch_sub_explicit(count, 1, memory_order_acq_rel)) &&
           atomic_fetch_sub_explicit(&r->together, 1, memory_order_acq_rel) == 1;
}

#endif
