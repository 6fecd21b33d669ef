/* What globals and tables begin with, remembered: where nothing of it depends on imports it is
 * computed once and copied from then on. Function references of a private module are the module's,
 * so all its instances share one copy; otherwise they are the instance's, which keeps a copy when
 * it is used again. */
#include "runtime/pristine.h"

#include <stdatomic.h>
#include <string.h>

#include "runtime/allocate.h"
#include "runtime/instance.h"
#include "runtime/module.h"
#include "runtime/sizes.h"
#include "runtime/table.h"

#define LARGEST (UINT64_C(256) << 10) /* bytes; above, filling tables anew is not what costs */

/* Globals, then the bits of dropped segments, then the entries of each table. */
struct pristine {
    uint64_t size;
    uint8_t bytes[] __attribute__((aligned(16)));
};

static bool is_constant(const struct lucet_module_header *h, const struct lucet_init_op *op)
{
    switch (op->kind) {
    case LUCET_INIT_I32:
    case LUCET_INIT_I64:
    case LUCET_INIT_F32:
    case LUCET_INIT_F64:
    case LUCET_INIT_V128:
    case LUCET_INIT_REF_NULL: return true;
    case LUCET_INIT_REF_FUNC: return op->value[0] >= h->nimported_funcs;
    default: return false;
    }
}

bool lucet__pristine_possible(const struct lucet_artifact *a)
{
    const struct lucet_module_header *h = a->header;
    bool constant = h->nimported_tables == 0 && h->nimported_globals == 0;

    for (uint32_t k = 0; k < a->ninit_ops && constant; k++)
        constant = is_constant(h, &a->init_ops[k]);
    for (uint32_t k = 0; k < a->nelem_funcs && constant; k++)
        constant = a->elem_funcs[k] >= h->nimported_funcs;
    return constant;
}

static uint64_t dropped_size(const struct lucet_artifact *a)
{
    return ((uint64_t)a->nelems + a->ndatas) / 8 + 1;
}

/* Where tables begin, behind the other two. */
static uint64_t front_size(const struct lucet_artifact *a)
{
    return round_up(a->header->layout.globals_size + dropped_size(a), sizeof(uint64_t));
}

static uint64_t size_of(const struct lucet_artifact *a)
{
    uint64_t size = front_size(a);

    for (uint32_t k = 0; k < a->ntables && size <= LARGEST; k++)
        size += (a->tables[k].min <= LARGEST ? a->tables[k].min : LARGEST) * sizeof(uint64_t);
    return size;
}

static struct pristine *make(const struct lucet_instance *i)
{
    const struct lucet_artifact *a = &i->module->artifact;
    const struct lucet_layout *l = &a->header->layout;
    const uint64_t size = size_of(a);
    struct pristine *p;

    if (size > LARGEST || !(p = lucet__malloc(sizeof(*p) + size)))
        return NULL;
    p->size = size;
    memcpy(p->bytes, LUCET__AT(i->ctx, uint8_t, l->globals), l->globals_size);
    memcpy(p->bytes + l->globals_size, i->dropped, dropped_size(a));
    uint8_t *to = p->bytes + front_size(a);
    for (uint32_t k = 0; k < a->ntables; k++) {
        const uint64_t bytes = a->tables[k].min * sizeof(uint64_t);
        if (bytes)
            memcpy(to, i->tables[k].desc->elems, bytes);
        to += bytes;
    }
    return p;
}

void lucet__pristine_remember(struct lucet_instance *i)
{
    struct lucet_dl_module *m = i->module;

    if (!m->pristine_possible || i->pristine)
        return;
    if (!lucet__module_private(m)) {
        if (i->used_again)
            i->pristine = make(i);
        return;
    }
    if (atomic_load_explicit(&m->pristine, memory_order_acquire))
        return;
    struct pristine *p = make(i), *none = NULL;
    if (p && !atomic_compare_exchange_strong(&m->pristine, &none, p))
        lucet__free(p);
}

enum lucet_error lucet__pristine_apply(struct lucet_instance *i, bool *applied)
{
    const struct lucet_artifact *a = &i->module->artifact;
    const struct lucet_layout *l = &a->header->layout;
    const struct pristine *p =
        i->pristine ? i->pristine
                    : atomic_load_explicit(&i->module->pristine, memory_order_acquire);

    *applied = p != NULL;
    if (!p)
        return lucet_error_ok;
    memcpy(LUCET__AT(i->ctx, uint8_t, l->globals), p->bytes, l->globals_size);
    memcpy(i->dropped, p->bytes + l->globals_size, dropped_size(a));
    const uint8_t *from = p->bytes + front_size(a);
    for (uint32_t k = 0; k < a->ntables; k++) {
        const uint64_t bytes = a->tables[k].min * sizeof(uint64_t);
        enum lucet_error e = lucet__table_resize(&i->tables[k], a->tables[k].min);
        if (e != lucet_error_ok)
            return e;
        if (bytes)
            memcpy(i->tables[k].desc->elems, from, bytes);
        from += bytes;
    }
    return lucet_error_ok;
}
