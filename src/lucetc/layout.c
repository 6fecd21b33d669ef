/* Where things lie in an instance's context (docs/abi.md section 3). */
#include "lucetc/diagnostic.h"
#include "lucetc/plan.h"

#define PAGE 4096u
/* Displacements are signed 32-bit numbers, and a context is memory per instance. */
#define MAX_CONTEXT (64u << 20)

static uint64_t align_up(uint64_t n, uint64_t alignment)
{
    return (n + alignment - 1) & ~(alignment - 1);
}

/* Appends an array of `count` elements and returns its offset. */
static uint32_t place(uint64_t *end, uint64_t count, uint64_t size)
{
    const uint64_t at = *end;
    *end += count * size;
    return (uint32_t)at;
}

static uint32_t most_results(const struct wasm_module *m)
{
    uint32_t most = 0;
    for (uint32_t i = 0; i < m->ntypes; i++)
        if (m->types[i].nresults > most)
            most = m->types[i].nresults;
    return most;
}

/* Gives every global that has a cell of its own its place, from *end on. */
static void place_globals(struct compilation *c, uint64_t *end)
{
    const struct wasm_module *m = c->module;
    for (uint32_t i = 0; i < m->nglobals; i++) {
        const struct wasm_global_type t = m->globals[i].type;
        if (i < m->nimported_globals && t.mutable) {
            c->plan.cells[i] = LUCET_NONE;
            continue;
        }
        const uint64_t size = t.type == WASM_V128 ? 16 : 8;
        *end = align_up(*end, size);
        c->plan.cells[i] = place(end, 1, size);
    }
}

static void place_exception(struct compilation *c, uint64_t *end)
{
    const struct wasm_module *m = c->module;
    uint32_t most = 0;
    for (uint32_t i = 0; i < m->ntags; i++)
        if (m->types[m->tags[i].type].nparams > most)
            most = m->types[m->tags[i].type].nparams;
    c->layout.exception_size =
        c->plan.exceptions ? (uint32_t)sizeof(struct lucet_pending) + most * LUCET_RESULT_SLOT : 0;
    c->layout.exception = place(end, 1, c->layout.exception_size);
}

enum lucet_error layout_make(struct compilation *c)
{
    const struct wasm_module *m = c->module;
    struct lucet_layout *l = &c->layout;
    uint64_t end = align_up(LUCET_VMCTX_FIXED_SIZE, 16);

    l->memories = place(&end, m->nmemories - m->nimported_memories, sizeof(struct lucet_memory));
    l->imported_memories = place(&end, m->nimported_memories, 8);
    l->tables = place(&end, m->ntables - m->nimported_tables, sizeof(struct lucet_table));
    l->imported_tables = place(&end, m->nimported_tables, 8);
    l->imported_funcs = place(&end, m->nimported_funcs, 8);
    l->imported_globals = place(&end, m->nimported_globals, 8);
    l->type_ids = place(&end, m->ntypes, 8);
    l->funcrefs = place(&end, c->plan.nref_funcs, 8);
    l->tags = place(&end, m->ntags, 8);

    end = align_up(end, PAGE);
    l->guest_part = (uint32_t)end;
    if (c->options->count_instructions)
        place(&end, 1, LUCET_COUNTER_SIZE);
    l->scratch = (uint32_t)end;
    const uint32_t results = most_results(m), params = c->plan.scratch_params;
    l->scratch_size = (results > params ? results : params) * LUCET_RESULT_SLOT;
    end += l->scratch_size;
    place_exception(c, &end);
    l->globals = (uint32_t)end;
    place_globals(c, &end);
    end = align_up(end, 16);
    l->globals_size = (uint32_t)(end - l->globals);
    end = align_up(end, PAGE);
    l->size = (uint32_t)end;
    if (end > MAX_CONTEXT) {
        diagnose(c->diagnostic, "limit",
                 "an instance would need %llu bytes of context (imports, types, globals); "
                 "the limit is %u",
                 (unsigned long long)end, MAX_CONTEXT);
        return lucet_error_compile;
    }
    return lucet_error_ok;
}
