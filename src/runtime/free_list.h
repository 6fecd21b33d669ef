/* Which slots are free. */
#ifndef LUCET_RUNTIME_FREE_LIST_H
#define LUCET_RUNTIME_FREE_LIST_H

#include "runtime/slot.h"

struct free_lists *lucet__free_lists_new(struct slot *slots, size_t capacity, bool random);
void lucet__free_lists_delete(struct free_lists *f);
/* Prefers one that last held the module. NULL: all were in use at one moment. */
struct slot *lucet__free_lists_take(struct free_lists *f, uint64_t module_id);
void lucet__free_lists_give_back(struct free_lists *f, struct slot *s);
/* Whether the calling thread may give back another slot that is warm. */
bool lucet__free_lists_may_keep(struct free_lists *f);
/* Of free slots. Exact while nobody takes or gives back. */
size_t lucet__free_lists_count(struct free_lists *f);

#endif
