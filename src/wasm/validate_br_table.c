/* br_table can have 65,520 labels of a thousand types each. Labels of the same function type are
 * compared with the operands once: `seen` has, for the parameters and the results of every function
 * type, the number of the br_table that last compared them. */
#include "wasm/decoder.h"

#include <string.h>

static void start_seen(struct wasm_validator *v)
{
    if (!v->seen) {
        struct wasm_decoder *d = v->decoder;
        uint64_t count = (uint64_t)d->module->ntypes * 2;
        v->seen = wasm_resize(d, &d->scratch, NULL, 0, count, sizeof *v->seen);
        memset(v->seen, 0, count * sizeof *v->seen);
    }
    v->seen_stamp++;
}

static bool was_seen(struct wasm_validator *v, const struct wasm_frame *f)
{
    if (f->type == WASM_NONE)
        return false;
    uint32_t *seen = &v->seen[(size_t)f->type * 2 + (f->kind == WASM_OP_loop)];
    if (*seen == v->seen_stamp)
        return true;
    *seen = v->seen_stamp;
    return false;
}

void wasm_validate_br_table(struct wasm_validator *v)
{
    const struct wasm_instr *instr = v->instr;
    const struct wasm_module *m = v->decoder->module;
    wasm_check_limit(v->decoder, instr->offset, "targets of br_table", instr->imm.br_table.count,
                     v->decoder->limits->br_table_targets);
    wasm_pop(v, WASM_I32);
    start_seen(v);

    struct wasm_types deflt = wasm_label_types(v, wasm_label(v, instr->imm.br_table.deflt));
    uint32_t pos = instr->imm.br_table.targets;
    for (uint32_t i = 0; i < instr->imm.br_table.count; i++) {
        const struct wasm_frame *f = wasm_label(v, wasm_br_table_next(m, &pos));
        if (was_seen(v, f))
            continue;
        struct wasm_types types = wasm_label_types(v, f);
        if (types.count != deflt.count)
            wasm_reject(v, "type mismatch in br_table: labels with %u and %u values", types.count,
                        deflt.count);
        wasm_match(v, types);
    }
    wasm_match(v, deflt);
    wasm_set_unreachable(v);
}
