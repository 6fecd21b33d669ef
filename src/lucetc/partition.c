/* Divides a module's functions into pieces that are compiled independently of each other. */
#include <stdlib.h>

#include "lucetc/plan.h"
#include "lucetc/weight.h"

/* Large enough that LLVM's fixed cost per module does not matter, small enough that two cores are
 * kept busy and peak memory stays low. */
#define PARTITION_BYTES (96u << 10)
#define PARTITION_FUNCS 2000u

static bool one_piece(const struct compilation *c)
{
    return c->options->emit == lucetc_emit_llvm_ir || c->options->emit == lucetc_emit_asm;
}

enum lucet_error partitions_make(struct compilation *c)
{
    const struct wasm_module *m = c->module;
    struct plan *p = &c->plan;
    const uint32_t first = m->nimported_funcs;

    p->partitions = calloc((size_t)(m->nfuncs - first) + 1, sizeof *p->partitions);
    if (!p->partitions)
        return lucet_error_no_memory;
    struct partition open = {.first = first, .end = first};
    for (uint32_t i = first; i < m->nfuncs; i++) {
        const uint64_t size = m->funcs[i].body_size;
        const bool heavy = !one_piece(c) && func_is_heavy(m, i);
        const bool full =
            open.bytes + size > PARTITION_BYTES || open.end - open.first >= PARTITION_FUNCS;
        if ((full || heavy || open.heavy) && open.end > open.first && !one_piece(c)) {
            p->partitions[p->npartitions++] = open;
            open = (struct partition){.first = i, .end = i};
        }
        open.end = i + 1;
        open.bytes += size;
        open.heavy = heavy;
    }
    if (open.end > open.first)
        p->partitions[p->npartitions++] = open;
    return lucet_error_ok;
}
