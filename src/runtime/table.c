/* Tables: arrays of references. Compiled code loads address and size anew at every access. */
#include "runtime/table.h"

#include <string.h>

#include "runtime/allocate.h"
#include "runtime/error.h"

/* Of entries that have been taken. */
static bool resize(struct table *t, uint64_t n)
{
    uint64_t *elems = lucet__realloc(t->desc->elems, (n ? n : 1) * sizeof(*elems));

    if (!elems)
        return false;
    if (n > t->desc->size)
        memset(elems + t->desc->size, 0, (n - t->desc->size) * sizeof(*elems));
    t->desc->elems = elems;
    t->desc->size = n;
    return true;
}

enum change { CHANGED, NOT_ALLOWED, NO_MEMORY };

static enum change change(struct table *t, uint64_t n)
{
    const uint64_t old = t->desc->size;

    if (t->desc->elems && n == old)
        return CHANGED;
    if (n > old && !lucet__allowance_take(t->allowance, n - old))
        return NOT_ALLOWED;
    const bool good = resize(t, n);
    if (good ? n < old : n > old)
        lucet__allowance_give(t->allowance, good ? old - n : n - old);
    return good ? CHANGED : NO_MEMORY;
}

int64_t lucet__table_grow(struct table *t, uint64_t n)
{
    uint64_t old = t->desc->size;
    uint64_t limit = t->desc->max < t->grow_limit ? t->desc->max : t->grow_limit;

    if (n > limit || old > limit - n)
        return -1;
    if (n > 0 && change(t, old + n) != CHANGED)
        return -1;
    return (int64_t)old;
}

enum lucet_error lucet__table_resize(struct table *t, uint64_t n)
{
    switch (change(t, n)) {
    case CHANGED: return lucet_error_ok;
    case NO_MEMORY: return lucet__no_memory();
    default:
        return lucet__fail(lucet_error_limits_exceeded,
                           "its tables need more entries than the region's limit allows");
    }
}

enum lucet_error lucet__table_reset(struct table *t, uint64_t n)
{
    enum lucet_error e = lucet__table_resize(t, n);

    if (n && e == lucet_error_ok)
        memset(t->desc->elems, 0, n * sizeof(*t->desc->elems));
    return e;
}

void lucet__table_free(struct table *t)
{
    if (t->desc)
        lucet__free(t->desc->elems);
}
