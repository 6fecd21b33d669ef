/* References to what every instance refers to: its module, its region. Threads that make instances all the time would
 * pass one count from core to core, so there are several, and a thread changes its own, until the owner gives
 * its reference up.
 *
 * A count by itself says nothing (a reference may be taken in one and dropped in another), so nobody looks for zero
 * before refs_close(), which is called once. From then on there is one count. */
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
unsigned lucet__thread_number(void);
static inline unsigned lucet__shard(void)
{
    return lucet__thread_number() % LUCET__SHARDS;
}
/* The owner's reference is not counted. */
void lucet__refs_init(struct refs *r);
/* By who owns it, or has a reference. */
void lucet__refs_take(struct refs *r);
/* True: it was the last, and the owner's is given up, too. Otherwise *r may be gone. */
bool lucet__refs_drop(struct refs *r);
/* Gives the owner's up; true: there is no other. */
bool lucet__refs_close(struct refs *r);

#endif
