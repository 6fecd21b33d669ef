/* Table operations that compiled code calls; see builtins.c. */
#include <string.h>

#include "runtime/builtins.h"
#include "runtime/exception.h"
#include "runtime/fault.h"
#include "runtime/instance.h"
#include "runtime/module.h"
#include "runtime/segments.h"
#include "runtime/table.h"

#define CHUNK 8192u /* entries between looks at stop requests */

static void check(struct lucet_vmctx *ctx, const struct lucet_table *t, uint64_t at, uint64_t n)
{
    if (at > t->size || n > t->size - at)
        lucet__trap(ctx, lucet_trapcode_table_out_of_bounds);
}

/* Of a table that is perhaps still to be searched for exceptions. */
static void come_out(const struct lucet_instance *i, const struct lucet_table *t, uint64_t at,
                     uint64_t n)
{
    const struct table *own = t->owner;

    if (own->elem == LUCET_EXNREF)
        lucet__exceptions_come_out(i->exceptions, t->elems + at, n);
}

static uint64_t chunk(uint64_t left)
{
    return left < CHUNK ? left : CHUNK;
}

static void fill(struct lucet_vmctx *ctx, struct lucet_table *t, uint64_t dst, uint64_t value,
                 uint64_t n)
{
    while (n > 0) {
        uint64_t part = chunk(n);
        for (uint64_t k = 0; k < part; k++)
            t->elems[dst + k] = value;
        dst += part;
        n -= part;
        lucet__poll(ctx);
        check(ctx, t, dst, n);
    }
}

uint64_t lucet__builtin_table_grow(struct lucet_vmctx *ctx, uint32_t table, uint64_t value,
                                   uint64_t n)
{
    struct lucet_table *t = lucet__table_desc(lucet__instance(ctx), table);
    int64_t before = lucet__table_grow(t->owner, n);

    if (before >= 0 && value)
        fill(ctx, t, (uint64_t)before, value, n);
    return (uint64_t)before;
}

void lucet__builtin_table_copy(struct lucet_vmctx *ctx, uint32_t to, uint32_t from, uint64_t dst,
                               uint64_t src, uint64_t n)
{
    const struct lucet_instance *i = lucet__instance(ctx);
    struct lucet_table *d = lucet__table_desc(i, to), *s = lucet__table_desc(i, from);
    uint64_t done = 0;

    check(ctx, d, dst, n);
    check(ctx, s, src, n);
    while (done < n) {
        uint64_t part = chunk(n - done);
        uint64_t at = d == s && dst > src ? n - done - part : done;
        come_out(i, s, src + at, part);
        memmove(d->elems + dst + at, s->elems + src + at, part * sizeof(*d->elems));
        done += part;
        lucet__poll(ctx);
        check(ctx, d, dst, n);
        check(ctx, s, src, n);
    }
}

void lucet__builtin_table_fill(struct lucet_vmctx *ctx, uint32_t table, uint64_t dst,
                               uint64_t value, uint64_t n)
{
    struct lucet_table *t = lucet__table_desc(lucet__instance(ctx), table);

    check(ctx, t, dst, n);
    fill(ctx, t, dst, value, n);
}

void lucet__builtin_table_init(struct lucet_vmctx *ctx, uint32_t table, uint32_t segment,
                               uint64_t dst, uint32_t src, uint32_t n)
{
    struct lucet_instance *i = lucet__instance(ctx);
    struct lucet_table *t = lucet__table_desc(i, table);
    const struct lucet_module_elem *e = &i->module->artifact.elems[segment];
    uint64_t count = lucet__dropped(i, segment) ? 0 : e->count;

    if (src > count || n > count - src)
        lucet__trap(ctx, lucet_trapcode_table_out_of_bounds);
    check(ctx, t, dst, n);
    for (uint64_t done = 0; done < n;) {
        uint64_t part = chunk(n - done);
        lucet__elem_copy(i, segment, t, dst + done, (uint64_t)src + done, part);
        done += part;
        lucet__poll(ctx);
        check(ctx, t, dst, n);
    }
}

uint64_t lucet__builtin_exn_table_get(struct lucet_vmctx *ctx, uint32_t table, uint64_t index)
{
    const struct lucet_instance *i = lucet__instance(ctx);
    const struct lucet_table *t = lucet__table_desc(i, table);

    check(ctx, t, index, 1);
    come_out(i, t, index, 1);
    return t->elems[index];
}

void lucet__builtin_elem_drop(struct lucet_vmctx *ctx, uint32_t segment)
{
    lucet__drop(lucet__instance(ctx), segment);
}
