/* Indices, alignments and lanes: what immediates must satisfy whatever the operands are. */
#include "wasm/decoder.h"

static void check_index(struct wasm_validator *v, const char *what, uint32_t index, uint32_t count)
{
    if (index >= count)
        wasm_reject(v, "unknown %s %u", what, index);
}

static void check_data(struct wasm_validator *v, uint32_t index)
{
    const struct wasm_decoder *d = v->decoder;
    if (!d->has_data_count)
        wasm_fail(&v->decoder->failure, v->instr->offset, WASM_MALFORMED,
                  "data count section required");
    check_index(v, "data segment", index, d->data_count);
}

static void check_table(struct wasm_validator *v, uint32_t index)
{
    struct wasm_decoder *d = v->decoder;
    check_index(v, "table", index, d->module->ntables);
    if (index != 0)
        wasm_require(d, v->instr->offset, WASM_FEATURE_REFERENCE_TYPES, "multiple tables");
}

static void check_func(struct wasm_validator *v, uint32_t index)
{
    const struct wasm_module *m = v->decoder->module;
    check_index(v, "function", index, m->nfuncs);
    if (v->instr->op == WASM_OP_ref_func && !m->funcs[index].declared_ref)
        wasm_reject(v, "undeclared function reference %u", index);
}

static void check_memory(struct wasm_validator *v, uint32_t index)
{
    check_index(v, "memory", index, v->decoder->module->nmemories);
}

/* call_ref and the like */
static void check_type(struct wasm_validator *v, uint32_t index)
{
    check_index(v, "type", index, v->decoder->module->ntypes);
}

static void check_memarg(struct wasm_validator *v)
{
    const struct wasm_instr *instr = v->instr;
    const struct wasm_module *m = v->decoder->module;
    check_memory(v, instr->imm.memarg.memory);
    if (!m->memories[instr->imm.memarg.memory].type.limits.is64 &&
        instr->imm.memarg.offset > UINT32_MAX)
        wasm_reject(v, "offset out of range: %llu", (unsigned long long)instr->imm.memarg.offset);
    uint32_t natural = wasm_op_access_log2(instr->op);
    if (wasm_op_info[instr->op].prefix == 0xfe && instr->imm.memarg.align_log2 != natural)
        wasm_reject(v, "atomic alignment must be natural: 2**%u", natural);
    if (instr->imm.memarg.align_log2 > natural)
        wasm_reject(v, "alignment must not be larger than natural: 2**%u > 2**%u",
                    instr->imm.memarg.align_log2, natural);
}

static uint32_t lane_count(enum wasm_op op)
{
    switch (op) {
    case WASM_OP_i8x16_extract_lane_s:
    case WASM_OP_i8x16_extract_lane_u:
    case WASM_OP_i8x16_replace_lane: return 16;
    case WASM_OP_i16x8_extract_lane_s:
    case WASM_OP_i16x8_extract_lane_u:
    case WASM_OP_i16x8_replace_lane: return 8;
    case WASM_OP_i32x4_extract_lane:
    case WASM_OP_i32x4_replace_lane:
    case WASM_OP_f32x4_extract_lane:
    case WASM_OP_f32x4_replace_lane: return 4;
    default: return 2;
    }
}

static void check_lane(struct wasm_validator *v, uint32_t lane, uint32_t count)
{
    if (lane >= count)
        wasm_reject(v, "invalid lane index %u", lane);
}

void wasm_check_immediates(struct wasm_validator *v)
{
    const struct wasm_instr *instr = v->instr;
    const struct wasm_module *m = v->decoder->module;
    uint32_t index = instr->imm.index;
    switch (wasm_op_info[instr->op].imm) {
    case WASM_IMM_func: check_func(v, index); break;
    case WASM_IMM_indirect:
        check_type(v, index);
        check_table(v, instr->imm.index2);
        break;
    case WASM_IMM_local: check_index(v, "local", index, v->nlocals); break;
    case WASM_IMM_global: check_index(v, "global", index, m->nglobals); break;
    case WASM_IMM_table: check_table(v, index); break;
    case WASM_IMM_table_table:
        check_table(v, index);
        check_table(v, instr->imm.index2);
        break;
    case WASM_IMM_elem_table:
        check_table(v, instr->imm.index2);
        check_index(v, "elem segment", index, m->nelems);
        break;
    case WASM_IMM_elem: check_index(v, "elem segment", index, m->nelems); break;
    case WASM_IMM_data: check_data(v, index); break;
    case WASM_IMM_data_memory:
        check_memory(v, instr->imm.index2);
        check_data(v, index);
        break;
    case WASM_IMM_memory: check_memory(v, index); break;
    case WASM_IMM_memory_memory:
        check_memory(v, index);
        check_memory(v, instr->imm.index2);
        break;
    case WASM_IMM_type: check_type(v, index); break;
    case WASM_IMM_tag: check_index(v, "tag", index, m->ntags); break;
    case WASM_IMM_memarg: check_memarg(v); break;
    case WASM_IMM_memarg_lane:
        check_memarg(v);
        check_lane(v, instr->imm.memarg.lane, 16u >> wasm_op_access_log2(instr->op));
        break;
    case WASM_IMM_lane: check_lane(v, instr->imm.memarg.lane, lane_count(instr->op)); break;
    case WASM_IMM_shuffle:
        for (int i = 0; i < 16; i++)
            check_lane(v, instr->imm.v128[i], 32);
        break;
    case WASM_IMM_select_types:
    case WASM_IMM_ref_type: wasm_require_type(v->decoder, instr->offset, instr->imm.valtype); break;
    case WASM_IMM_none:
    case WASM_IMM_block:
    case WASM_IMM_label:
    case WASM_IMM_br_table:
    case WASM_IMM_i32:
    case WASM_IMM_i64:
    case WASM_IMM_f32:
    case WASM_IMM_f64:
    case WASM_IMM_v128:
    case WASM_IMM_zero:
    case WASM_IMM_try_table: break;
    }
}
