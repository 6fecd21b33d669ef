/* The context's layout: whether its arrays are in order, apart and inside, and whether what the
 * guest writes lies behind what the host writes. */
#include "module/reader_internal.h"

#define PAGE 4096u
#define HEAP_LIMIT (UINT64_C(1) << 46) /* more than any address space offers a guest */

struct array {
    const char *name;
    uint64_t offset, size;
};

static void sort_by_offset(struct array *arrays, size_t count)
{
    for (size_t i = 1; i < count; i++)
        for (size_t k = i; k > 0 && arrays[k].offset < arrays[k - 1].offset; k--) {
            struct array swapped = arrays[k];
            arrays[k] = arrays[k - 1];
            arrays[k - 1] = swapped;
        }
}

static bool check_arrays(struct reader *r)
{
    const struct lucet_artifact *a = r->a;
    const struct lucet_module_header *h = a->header;
    const struct lucet_layout *l = &h->layout;
    const uint64_t pointer = sizeof(void *);
    struct array arrays[] = {
        {"memories", l->memories,
         (uint64_t)(a->nmemories - h->nimported_memories) * sizeof(struct lucet_memory)},
        {"imported_memories", l->imported_memories, h->nimported_memories * pointer},
        {"tables", l->tables,
         (uint64_t)(a->ntables - h->nimported_tables) * sizeof(struct lucet_table)},
        {"imported_tables", l->imported_tables, h->nimported_tables * pointer},
        {"imported_funcs", l->imported_funcs, h->nimported_funcs * pointer},
        {"imported_globals", l->imported_globals, h->nimported_globals * pointer},
        {"type_ids", l->type_ids, a->ntypes * (uint64_t)sizeof(uint64_t)},
        {"funcrefs", l->funcrefs, a->nref_funcs * pointer},
        {"tags", l->tags, a->ntags * (uint64_t)sizeof(uint64_t)},
    };
    const size_t count = sizeof(arrays) / sizeof(arrays[0]);
    uint64_t end = LUCET_VMCTX_FIXED_SIZE;

    sort_by_offset(arrays, count);
    for (size_t i = 0; i < count; i++) {
        if (arrays[i].size == 0)
            continue;
        if (arrays[i].offset % 8)
            return reader_fail(r, "layout: array %s is not aligned", arrays[i].name);
        if (arrays[i].offset < end)
            return reader_fail(r, "layout: array %s overlaps what is before it", arrays[i].name);
        end = arrays[i].offset + arrays[i].size;
    }
    if (end > l->guest_part)
        return reader_fail(r, "layout: arrays reach into the guest's part");
    return true;
}

static bool is_vector(uint8_t valtype)
{
    return valtype <= LUCET_F32 && valtype >= LUCET_V128;
}

/* Parameters that do not fit into six integer and eight vector registers. */
static uint32_t params_beyond_registers(const struct lucet_artifact *a,
                                        const struct lucet_module_type *t)
{
    const uint8_t *params = lucet_artifact_params(a, t);
    uint32_t vectors = 0;

    for (unsigned k = 0; k < t->nparams; k++)
        vectors += is_vector(params[k]);
    const uint32_t integers = t->nparams - vectors;
    return (integers > 6 ? integers - 6 : 0) + (vectors > 8 ? vectors - 8 : 0);
}

/* Scratch space must hold the results of every function whose results go there, and in modules with
 * tail calls the parameters without a register. */
static uint64_t scratch_needed(const struct lucet_artifact *a)
{
    const bool tail_calls = a->header->flags & LUCET_MODULE_TAIL_CALLS;
    uint64_t needed = 0;

    for (uint32_t i = 0; i < a->ntypes; i++) {
        const struct lucet_module_type *t = &a->types[i];
        const uint8_t *results = lucet_artifact_results(a, t);
        unsigned vectors = 0;
        for (unsigned k = 0; k < t->nresults; k++)
            vectors += is_vector(results[k]);
        bool in_registers = vectors <= 2 && t->nresults - vectors <= 2;
        bool out_pointers = t->host && t->nresults > 1;
        if ((!in_registers || out_pointers) && needed < (uint64_t)t->nresults * LUCET_RESULT_SLOT)
            needed = (uint64_t)t->nresults * LUCET_RESULT_SLOT;
        const uint64_t params = (uint64_t)params_beyond_registers(a, t) * LUCET_RESULT_SLOT;
        if (tail_calls && needed < params)
            needed = params;
    }
    return needed;
}

/* A module with tags looks for exceptions, and has room for the values of each of its tags. */
static bool check_exception(struct reader *r)
{
    const struct lucet_artifact *a = r->a;
    const uint32_t size = a->header->layout.exception_size;

    if (a->ntags && size == 0)
        return reader_fail(r, "layout: tags, but no place for an exception");
    if (size && size < sizeof(struct lucet_pending))
        return reader_fail(r, "layout: the place for an exception is too small");
    for (uint32_t i = 0; i < a->ntags; i++)
        if (a->types[a->tags[i].type].nparams >
            (size - sizeof(struct lucet_pending)) / LUCET_RESULT_SLOT)
            return reader_fail(r, "layout: the values of tag %u do not fit their place", i);
    return true;
}

static bool check_guest_part(struct reader *r)
{
    const struct lucet_layout *l = &r->a->header->layout;
    struct array parts[] = {
        {"scratch", l->scratch, l->scratch_size},
        {"exception", l->exception, l->exception_size},
        {"globals", l->globals, l->globals_size},
    };
    const size_t count = sizeof(parts) / sizeof(parts[0]);
    uint64_t end =
        (uint64_t)l->guest_part +
        (r->a->header->flags & LUCET_MODULE_COUNTS_INSTRUCTIONS ? LUCET_COUNTER_SIZE : 0);

    if (l->guest_part % PAGE || l->guest_part < LUCET_VMCTX_FIXED_SIZE)
        return reader_fail(r, "layout: the guest's part does not begin at a page");
    sort_by_offset(parts, count);
    for (size_t i = 0; i < count; i++) {
        /* Those of scratch and globals are used whatever the size. */
        if (parts[i].size == 0 && parts[i].offset == 0)
            continue;
        if (parts[i].offset % 16)
            return reader_fail(r, "layout: %s is not aligned", parts[i].name);
        if (parts[i].offset < end)
            return reader_fail(r, "layout: %s overlaps what is before it", parts[i].name);
        end = parts[i].offset + parts[i].size;
    }
    if (l->scratch == 0 || l->globals == 0)
        return reader_fail(r, "layout: scratch or globals before the guest's part");
    if (end > l->size)
        return reader_fail(r, "layout: the guest's part ends behind the context");
    if (l->scratch_size < scratch_needed(r->a))
        return reader_fail(r, "layout: scratch space is too small for results or parameters");
    return check_exception(r);
}

static bool check_heap(struct reader *r)
{
    const struct lucet_heap_layout *h = &r->a->header->heap;

    if (h->reserved_size > HEAP_LIMIT || h->guard_size > HEAP_LIMIT || h->front_guard > HEAP_LIMIT)
        return reader_fail(r, "heap: sizes are larger than an address space");
    if (h->reserved_size % PAGE || h->guard_size % PAGE || h->front_guard % PAGE)
        return reader_fail(r, "heap: sizes are not multiples of the page size");
    return true;
}

static bool check_cell(struct reader *r, uint32_t i)
{
    const struct lucet_layout *l = &r->a->header->layout;
    const struct lucet_module_global *g = &r->a->globals[i];
    uint32_t size = g->type == LUCET_V128 ? 16 : 8;

    if (i < r->a->header->nimported_globals && g->mutable) {
        if (g->cell != LUCET_NONE)
            return reader_fail(r, "global %u: imported and mutable, but has a cell", i);
        return true;
    }
    if (g->cell % size || g->cell < l->globals || g->cell - l->globals > l->globals_size ||
        size > l->globals_size - (g->cell - l->globals))
        return reader_fail(r, "global %u: cell at %u is outside the globals or unaligned", i,
                           g->cell);
    return true;
}

bool reader_layout(struct reader *r)
{
    if (!check_arrays(r) || !check_guest_part(r) || !check_heap(r))
        return false;
    for (uint32_t i = 0; i < r->a->nglobals; i++)
        if (!check_cell(r, i))
            return false;
    return true;
}
