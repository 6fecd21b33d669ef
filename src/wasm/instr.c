/* Instructions and their immediates. The validator and the consumers' reader share this decoder. */
#include "wasm/cursor.h"
#include "wasm/ops.h"

#include <string.h>

static enum wasm_op read_op(struct wasm_cursor *c)
{
    const uint8_t *start = c->pos;
    uint8_t prefix = 0;
    uint32_t code = wasm_read_byte(c);
    if (code >= 0xfc && code <= 0xfe) {
        prefix = (uint8_t)code;
        code = wasm_read_u32(c);
    }
    enum wasm_op op;
    if (wasm_op_find(prefix, code, &op))
        return op;
    if (prefix == 0 && (code == 0xfb || code == 0xd3))
        wasm_needs_gc(c, start, "an instruction");
    if (prefix == 0)
        wasm_malformed(c, start, "illegal opcode %02x", code);
    wasm_malformed(c, start, "illegal opcode %02x %02x", prefix, code);
}

/* 0x40, a value type, or a type index as a signed 33-bit number (so that it cannot be mistaken for
 * one of the others). */
static void read_block_type(struct wasm_cursor *c, struct wasm_instr *instr)
{
    instr->imm.block.is_type_index = false;
    instr->imm.block.is_empty = false;
    instr->imm.block.index = WASM_NONE;
    instr->imm.block.result = 0;
    instr->imm.block.catch_count = instr->imm.block.catches = 0;
    if (c->pos < c->end && *c->pos == 0x40) {
        c->pos++;
        instr->imm.block.is_empty = true;
    } else if (c->pos < c->end && (*c->pos & 0xc0) == 0x40) {
        instr->imm.block.result = wasm_read_valtype(c);
    } else {
        const uint8_t *start = c->pos;
        int64_t index = wasm_read_sleb(c, 33);
        if (index < 0)
            wasm_malformed(c, start, "malformed block type");
        instr->imm.block.is_type_index = true;
        instr->imm.block.index = (uint32_t)index;
    }
}

static void read_br_table(struct wasm_cursor *c, struct wasm_instr *instr)
{
    uint32_t count = wasm_read_u32(c);
    if (count > wasm_remaining(c))
        wasm_unexpected_end(c);
    instr->imm.br_table.count = count;
    instr->imm.br_table.targets = wasm_position(c);
    for (uint32_t i = 0; i < count; i++)
        wasm_read_u32(c);
    instr->imm.br_table.deflt = wasm_read_u32(c);
}

struct wasm_catch wasm_read_catch(struct wasm_cursor *c)
{
    struct wasm_catch clause = {.tag = WASM_NONE};
    uint8_t kind = wasm_read_byte(c);
    if (kind > WASM_CATCH_ALL_REF)
        wasm_malformed(c, c->pos - 1, "malformed catch clause 0x%02x", kind);
    clause.kind = kind;
    if (kind == WASM_CATCH || kind == WASM_CATCH_REF)
        clause.tag = wasm_read_u32(c);
    clause.label = wasm_read_u32(c);
    return clause;
}

static void read_try_table(struct wasm_cursor *c, struct wasm_instr *instr)
{
    read_block_type(c, instr);
    uint32_t count = wasm_read_u32(c);
    if (count > wasm_remaining(c))
        wasm_unexpected_end(c);
    instr->imm.block.catch_count = count;
    instr->imm.block.catches = wasm_position(c);
    for (uint32_t i = 0; i < count; i++)
        wasm_read_catch(c);
}

static void read_zero(struct wasm_cursor *c)
{
    if (wasm_read_byte(c) != 0)
        wasm_malformed(c, c->pos - 1, "zero byte expected");
}

/* Where there can be one memory only, its index is not a LEB128 number but a reserved byte. */
static uint32_t read_memory_index(struct wasm_cursor *c)
{
    if (c->features & WASM_FEATURE_MULTI_MEMORY)
        return wasm_read_u32(c);
    read_zero(c);
    return 0;
}

static void read_memarg(struct wasm_cursor *c, struct wasm_instr *instr)
{
    enum { HAS_MEMORY = 0x40 };
    const uint8_t *start = c->pos;
    uint32_t flags = wasm_read_u32(c);
    bool has_memory = c->features & WASM_FEATURE_MULTI_MEMORY && flags & HAS_MEMORY;
    uint32_t align_log2 = has_memory ? flags - HAS_MEMORY : flags;
    if (align_log2 >= (c->features & WASM_FEATURE_MEMORY64 ? 64 : 32))
        wasm_malformed(c, start, "malformed memop flags 0x%x", flags);
    instr->imm.memarg.align_log2 = align_log2;
    instr->imm.memarg.memory = has_memory ? wasm_read_u32(c) : 0;
    instr->imm.memarg.offset =
        c->features & WASM_FEATURE_MEMORY64 ? wasm_read_uleb(c, 64) : wasm_read_u32(c);
    instr->imm.memarg.lane = 0;
}

static void read_16_bytes(struct wasm_cursor *c, uint8_t *out)
{
    if (wasm_remaining(c) < 16)
        wasm_unexpected_end(c);
    memcpy(out, c->pos, 16);
    c->pos += 16;
}

static void read_select_types(struct wasm_cursor *c, struct wasm_instr *instr)
{
    const uint8_t *start = c->pos;
    if (wasm_read_u32(c) != 1)
        wasm_invalid(c, start, "invalid result arity: select has exactly one result");
    instr->imm.valtype = wasm_read_valtype(c);
}

static void read_two_indices(struct wasm_cursor *c, struct wasm_instr *instr)
{
    instr->imm.index = wasm_read_u32(c);
    instr->imm.index2 = wasm_read_u32(c);
}

static void read_immediates(struct wasm_cursor *c, struct wasm_instr *instr)
{
    switch (wasm_op_info[instr->op].imm) {
    case WASM_IMM_none: break;
    case WASM_IMM_label:
    case WASM_IMM_func:
    case WASM_IMM_type:
    case WASM_IMM_tag:
    case WASM_IMM_local:
    case WASM_IMM_global:
    case WASM_IMM_table:
    case WASM_IMM_elem:
    case WASM_IMM_data: instr->imm.index = wasm_read_u32(c); break;
    case WASM_IMM_indirect:
    case WASM_IMM_elem_table:
    case WASM_IMM_table_table: read_two_indices(c, instr); break;
    case WASM_IMM_block: read_block_type(c, instr); break;
    case WASM_IMM_br_table: read_br_table(c, instr); break;
    case WASM_IMM_memory_memory:
        instr->imm.index = read_memory_index(c);
        instr->imm.index2 = read_memory_index(c);
        break;
    case WASM_IMM_memory: instr->imm.index = read_memory_index(c); break;
    case WASM_IMM_data_memory:
        instr->imm.index = wasm_read_u32(c);
        instr->imm.index2 = read_memory_index(c);
        break;
    case WASM_IMM_zero: read_zero(c); break;
    case WASM_IMM_try_table: read_try_table(c, instr); break;
    case WASM_IMM_memarg: read_memarg(c, instr); break;
    case WASM_IMM_memarg_lane:
        read_memarg(c, instr);
        instr->imm.memarg.lane = wasm_read_byte(c);
        break;
    case WASM_IMM_lane:
        memset(&instr->imm.memarg, 0, sizeof instr->imm.memarg);
        instr->imm.memarg.lane = wasm_read_byte(c);
        break;
    case WASM_IMM_shuffle:
    case WASM_IMM_v128: read_16_bytes(c, instr->imm.v128); break;
    case WASM_IMM_i32: instr->imm.i32 = (uint32_t)wasm_read_sleb(c, 32); break;
    case WASM_IMM_i64: instr->imm.i64 = (uint64_t)wasm_read_sleb(c, 64); break;
    case WASM_IMM_f32: instr->imm.i32 = (uint32_t)wasm_read_fixed(c, 4); break;
    case WASM_IMM_f64: instr->imm.i64 = wasm_read_fixed(c, 8); break;
    case WASM_IMM_select_types: read_select_types(c, instr); break;
    case WASM_IMM_ref_type: instr->imm.valtype = wasm_read_heap_type(c); break;
    }
}

void wasm_read_instr(struct wasm_cursor *c, struct wasm_instr *instr)
{
    instr->offset = wasm_position(c);
    instr->op = read_op(c);
    read_immediates(c, instr);
}
