#include "wasm/decoder.h"

#include <string.h>

static void add_run(struct wasm_validator *v, uint32_t count, wasm_valtype type)
{
    uint32_t start = v->nruns > 0 ? v->runs[v->nruns - 1].end : 0;
    for (uint32_t i = start; i < start + count && i < WASM_FLAT_LOCALS; i++)
        v->flat[i] = type;
    struct wasm_decoder *d = v->decoder;
    v->runs = wasm_array_room(d, &d->scratch, v->runs, v->nruns, &v->run_capacity, WASM_NONE,
                              sizeof *v->runs);
    v->runs[v->nruns++] = (struct wasm_run){start + count, type};
}

void wasm_read_locals(struct wasm_validator *v, struct wasm_cursor *c, struct wasm_types params)
{
    struct wasm_decoder *d = v->decoder;
    uint32_t start = wasm_position(c);
    uint32_t limit = d->limits->locals;
    uint64_t total = params.count;

    v->nruns = 0;
    wasm_reset_local_inits(v, 0);
    uint32_t count = wasm_decode_count(d, c, "runs of locals", WASM_NONE);
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *at = c->pos;
        uint32_t length = wasm_read_u32(c);
        wasm_valtype type = wasm_decode_valtype(d, c);
        total += length;
        if (total > UINT32_MAX)
            wasm_malformed(c, at, "too many locals: more than 4294967295");
        if (length > 0 && total <= limit)
            add_run(v, length, type);
    }
    wasm_check_limit(d, start, "locals", total, limit);
    v->params = params;
    v->nlocals = (uint32_t)total;
}

static wasm_valtype find_run(const struct wasm_validator *v, uint32_t index)
{
    uint32_t low = 0, high = v->nruns - 1;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (index < v->runs[middle].end)
            high = middle;
        else
            low = middle + 1;
    }
    return v->runs[low].type;
}

wasm_valtype wasm_local_type(const struct wasm_validator *v, uint32_t index)
{
    if (index < v->params.count)
        return v->params.types[index];
    index -= v->params.count;
    return index < WASM_FLAT_LOCALS ? v->flat[index] : find_run(v, index);
}

static bool has_default(wasm_valtype type)
{
    return !wasm_is_ref(type) || wasm_ref_is_nullable(type);
}

static bool is_init(const struct wasm_validator *v, uint32_t index)
{
    return index < v->init_capacity && v->is_init[index];
}

void wasm_check_local_init(struct wasm_validator *v, uint32_t index, wasm_valtype type)
{
    if (!has_default(type) && index >= v->params.count && !is_init(v, index))
        wasm_reject(v, "uninitialized local %u", index);
}

void wasm_set_local_init(struct wasm_validator *v, uint32_t index, wasm_valtype type)
{
    if (has_default(type) || index < v->params.count || is_init(v, index))
        return;
    struct wasm_decoder *d = v->decoder;
    if (v->init_capacity < v->nlocals) {
        v->is_init = wasm_resize(d, &d->scratch, v->is_init, v->init_capacity, v->nlocals, 1);
        memset(v->is_init + v->init_capacity, 0, v->nlocals - v->init_capacity);
        v->init_capacity = v->nlocals;
    }
    v->inits = wasm_array_room(d, &d->scratch, v->inits, v->ninits, &v->inits_capacity, WASM_NONE,
                               sizeof *v->inits);
    v->inits[v->ninits++] = index;
    v->is_init[index] = 1;
}

void wasm_reset_local_inits(struct wasm_validator *v, uint32_t ninits)
{
    while (v->ninits > ninits)
        v->is_init[v->inits[--v->ninits]] = 0;
}
