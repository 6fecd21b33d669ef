/* Tables: arrays of references. Compiled code loads address and size anew at every access. */
#include "runtime/table.h"

#include <string.h>

#include "runtime/allocate.h"
#include "runtime/error.h"

static bool resize(struct table *t, uint64_t n)
{
    if (t->desc->elems && n == t->desc->size)
        return true;
    uint64_t *elems = lucet__realloc(t->desc->elems, (n ? n : 1) * sizeof(*elems));

    if (!elems)
        return false;
    if (n > t->desc->size)
        memset(elems + t->desc->size, 0, (n - t->desc->size) * sizeof(*elems));
    if (t->entries_left)
        *t->entries_left -= n - t->desc->size; /* wraps when it shrinks, as it should */
    t->desc->elems = elems;
    t->desc->size = n;
    return true;
}

int64_t lucet__table_grow(struct table *t, uint64_t n)
{
    uint64_t old = t->desc->size;
    uint64_t limit = t->desc->max < t->grow_limit ? t->desc->max : t->grow_limit;

    if (n > limit || old > limit - n || (t->entries_left && n > *t->entries_left))
        return -1;
    if (n > 0 && !resize(t, old + n))
        return -1;
    return (int64_t)old;
}

enum lucet_error lucet__table_resize(struct table *t, uint64_t n)
{
    if (t->entries_left && n > t->desc->size && n - t->desc->size > *t->entries_left)
        return lucet__fail(lucet_error_limits_exceeded,
                           "its tables need more entries than the region's limit allows");
    return resize(t, n) ? lucet_error_ok : lucet__no_memory();
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
