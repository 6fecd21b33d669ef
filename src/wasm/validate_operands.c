#include "wasm/decoder.h"

#include <string.h>

void wasm_grow_operands(struct wasm_validator *v, uint32_t count)
{
    struct wasm_decoder *d = v->decoder;
    uint64_t limit = d->limits->operands;
    uint64_t needed = (uint64_t)v->noperands + count;
    if (needed <= v->operand_capacity)
        return;
    wasm_check_limit(d, v->instr->offset, "operands on the stack", needed, limit);
    uint64_t wanted = v->operand_capacity ? (uint64_t)v->operand_capacity * 2 : 1024;
    if (wanted < needed)
        wanted = needed;
    if (wanted > limit)
        wanted = limit;
    v->operands =
        wasm_resize(d, &d->scratch, v->operands, v->operand_capacity, wanted, sizeof *v->operands);
    v->operand_capacity = (uint32_t)wanted;
}

static _Noreturn void mismatch(struct wasm_validator *v, wasm_valtype expected, wasm_valtype actual)
{
    wasm_reject(v, "type mismatch in %s: expected %s, found %s", wasm_op_info[v->instr->op].name,
                wasm_valtype_name(expected).text, wasm_valtype_name(actual).text);
}

static _Noreturn void underflow(struct wasm_validator *v, wasm_valtype expected)
{
    wasm_reject(v, "type mismatch in %s: expected %s, but the stack is empty",
                wasm_op_info[v->instr->op].name, wasm_valtype_name(expected).text);
}

wasm_valtype wasm_pop_any(struct wasm_validator *v)
{
    if (v->noperands > v->base)
        return v->operands[--v->noperands];
    if (!v->unreachable)
        underflow(v, WASM_UNKNOWN);
    return WASM_UNKNOWN;
}

wasm_valtype wasm_pop_ref(struct wasm_validator *v)
{
    wasm_valtype type = wasm_pop_any(v);
    if (type == WASM_UNKNOWN)
        return WASM_UNKNOWN_REF;
    if (!wasm_is_ref(type))
        wasm_reject(v, "type mismatch in %s: expected a reference, found %s",
                    wasm_op_info[v->instr->op].name, wasm_valtype_name(type).text);
    return type;
}

void wasm_pop_slowly(struct wasm_validator *v, wasm_valtype expected)
{
    wasm_match(v, (struct wasm_types){&expected, 1});
    if (v->noperands > v->base)
        v->noperands--;
}

/* Two bytes (a call, a catch clause) can have a thousand types compared. Equal lists are a memcmp;
 * lists that are not equal, though each of one is a subtype of the other's, are found a few times
 * in programs, and may not be what validation spends its time with. Short ones are as cheap as the
 * instructions that make them. */
void wasm_count_comparisons(struct wasm_validator *v, uint32_t count)
{
    struct wasm_decoder *d = v->decoder;
    if (count <= 16)
        return;
    d->comparisons += count;
    wasm_check_limit(d, v->instr->offset, "comparisons of types", d->comparisons,
                     d->limits->comparisons);
}

uint32_t wasm_match(struct wasm_validator *v, struct wasm_types types)
{
    uint32_t here = v->noperands - v->base;
    uint32_t count = types.count < here ? types.count : here;
    uint32_t missing = types.count - count;
    if (count > 0) {
        const wasm_valtype *actual = v->operands + v->noperands - count;
        const wasm_valtype *expected = types.types + missing;
        if (memcmp(actual, expected, count * sizeof *actual) != 0) {
            wasm_count_comparisons(v, count);
            for (uint32_t i = count; i-- > 0;)
                if (!wasm_is_subtype(v->decoder->module, actual[i], expected[i]))
                    mismatch(v, expected[i], actual[i]);
        }
    }
    if (missing > 0 && !v->unreachable)
        underflow(v, types.types[missing - 1]);
    return count;
}

void wasm_pop_all(struct wasm_validator *v, struct wasm_types types)
{
    v->noperands -= wasm_match(v, types);
}

void wasm_push_all(struct wasm_validator *v, struct wasm_types types)
{
    if (types.count == 0)
        return;
    wasm_grow_operands(v, types.count);
    memcpy(v->operands + v->noperands, types.types, types.count * sizeof *types.types);
    v->noperands += types.count;
}
