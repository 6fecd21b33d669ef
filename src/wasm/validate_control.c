/* Blocks and the labels they define. */
#include "wasm/decoder.h"

#include <string.h>

static struct wasm_types frame_params(const struct wasm_validator *v, const struct wasm_frame *f)
{
    if (f->type == WASM_NONE)
        return (struct wasm_types){NULL, 0};
    const struct wasm_functype *type = &v->decoder->module->types[f->type];
    return (struct wasm_types){type->params, type->nparams};
}

static struct wasm_types frame_results(const struct wasm_validator *v, const struct wasm_frame *f)
{
    if (f->type == WASM_NONE)
        return (struct wasm_types){&f->result, f->result != 0};
    const struct wasm_functype *type = &v->decoder->module->types[f->type];
    return (struct wasm_types){type->results, type->nresults};
}

struct wasm_types wasm_label_types(const struct wasm_validator *v, const struct wasm_frame *f)
{
    return f->kind == WASM_OP_loop ? frame_params(v, f) : frame_results(v, f);
}

struct wasm_types wasm_function_results(const struct wasm_validator *v)
{
    return frame_results(v, &v->frames[0]);
}

const struct wasm_frame *wasm_label(struct wasm_validator *v, uint32_t depth)
{
    if (depth >= v->nframes)
        wasm_reject(v, "unknown label %u", depth);
    return &v->frames[v->nframes - 1 - depth];
}

void wasm_set_unreachable(struct wasm_validator *v)
{
    v->noperands = v->base;
    v->unreachable = true;
    v->frames[v->nframes - 1].unreachable = true;
}

static void push_frame(struct wasm_validator *v, struct wasm_frame frame)
{
    struct wasm_decoder *d = v->decoder;
    v->frames = wasm_array_room(d, &d->scratch, v->frames, v->nframes, &v->frame_capacity,
                                WASM_NONE, sizeof *v->frames);
    frame.height = v->base = v->noperands;
    frame.ninits = v->ninits;
    v->unreachable = false;
    v->frames[v->nframes++] = frame;
}

void wasm_enter_function(struct wasm_validator *v, uint32_t type)
{
    v->noperands = 0;
    v->nframes = 0;
    push_frame(v, (struct wasm_frame){.kind = WASM_OP_call, .type = type});
}

void wasm_enter_expr(struct wasm_validator *v, wasm_valtype result)
{
    v->noperands = 0;
    v->nframes = 0;
    push_frame(v, (struct wasm_frame){.kind = WASM_OP_call, .type = WASM_NONE, .result = result});
}

void wasm_validate_block(struct wasm_validator *v)
{
    const struct wasm_instr *instr = v->instr;
    struct wasm_decoder *d = v->decoder;
    struct wasm_frame frame = {.kind = (uint16_t)instr->op, .type = WASM_NONE};
    if (instr->imm.block.is_type_index) {
        wasm_check_index(d, instr->offset, "type", instr->imm.block.index, d->module->ntypes);
        wasm_require(d, instr->offset, WASM_FEATURE_MULTI_VALUE, "block with a function type");
        frame.type = instr->imm.block.index;
    } else {
        wasm_require_type(d, instr->offset, instr->imm.block.result);
        frame.result = instr->imm.block.result;
    }
    if (instr->op == WASM_OP_if_)
        wasm_pop(v, WASM_I32);
    struct wasm_types params = frame_params(v, &frame);
    wasm_pop_all(v, params);
    push_frame(v, frame);
    wasm_push_all(v, params);
}

/* The operands left must be exactly the results; they are taken away. */
static void finish_block(struct wasm_validator *v, const struct wasm_frame *f)
{
    wasm_pop_all(v, frame_results(v, f));
    if (v->noperands != v->base)
        wasm_reject(v, "type mismatch: %u more values on the stack than the block has results",
                    v->noperands - v->base);
}

void wasm_restart_block(struct wasm_validator *v, enum wasm_op kind)
{
    struct wasm_frame *f = &v->frames[v->nframes - 1];
    finish_block(v, f);
    wasm_reset_local_inits(v, f->ninits);
    f->kind = (uint16_t)kind;
    f->unreachable = v->unreachable = false;
}

void wasm_validate_else(struct wasm_validator *v)
{
    const struct wasm_frame *f = &v->frames[v->nframes - 1];
    if (f->kind != WASM_OP_if_)
        wasm_fail(&v->decoder->failure, v->instr->offset, WASM_MALFORMED,
                  "END opcode expected: else without if");
    wasm_restart_block(v, WASM_OP_else_);
    wasm_push_all(v, frame_params(v, f));
}

void wasm_check_types(struct wasm_validator *v, struct wasm_types sub, struct wasm_types super)
{
    if (sub.count == 0 || memcmp(sub.types, super.types, sub.count * sizeof *sub.types) == 0)
        return;
    wasm_count_comparisons(v, sub.count);
    for (uint32_t i = 0; i < sub.count; i++)
        if (!wasm_is_subtype(v->decoder->module, sub.types[i], super.types[i]))
            wasm_reject(v, "type mismatch in %s: expected %s, found %s",
                        wasm_op_info[v->instr->op].name, wasm_valtype_name(super.types[i]).text,
                        wasm_valtype_name(sub.types[i]).text);
}

static void check_if_without_else(struct wasm_validator *v, const struct wasm_frame *f)
{
    struct wasm_types params = frame_params(v, f), results = frame_results(v, f);
    if (params.count != results.count)
        wasm_reject(v, "type mismatch: if without else must have the results of its parameters");
    wasm_check_types(v, params, results);
}

void wasm_validate_end(struct wasm_validator *v)
{
    /* The frame stays readable after it was taken off: nothing is pushed on frames below. */
    const struct wasm_frame *f = &v->frames[v->nframes - 1];
    finish_block(v, f);
    if (f->kind == WASM_OP_if_)
        check_if_without_else(v, f);
    wasm_reset_local_inits(v, f->ninits);
    v->nframes--;
    if (v->nframes == 0)
        return;
    v->base = v->frames[v->nframes - 1].height;
    v->unreachable = v->frames[v->nframes - 1].unreachable;
    wasm_push_all(v, frame_results(v, f));
}
