/* Instructions on tables, and those on memories that name two of them. */
#include "wasm/decoder.h"

static const struct wasm_table_type *table(const struct wasm_validator *v, uint32_t index)
{
    return &v->decoder->module->tables[index].type;
}

static wasm_valtype table_address(const struct wasm_validator *v, uint32_t index)
{
    return wasm_address_type(table(v, index)->limits);
}

static wasm_valtype memory_address(const struct wasm_validator *v, uint32_t index)
{
    return wasm_address_type(v->decoder->module->memories[index].type.limits);
}

/* destination, source, length */
static void pop_copy(struct wasm_validator *v, wasm_valtype to, wasm_valtype from)
{
    wasm_pop(v, to == WASM_I64 && from == WASM_I64 ? WASM_I64 : WASM_I32);
    wasm_pop(v, from);
    wasm_pop(v, to);
}

static void check_element(struct wasm_validator *v, wasm_valtype to, wasm_valtype from)
{
    if (!wasm_is_subtype(v->decoder->module, from, to))
        wasm_reject(v, "type mismatch in %s: from %s to %s", wasm_op_info[v->instr->op].name,
                    wasm_valtype_name(from).text, wasm_valtype_name(to).text);
}

void wasm_validate_memory_copy(struct wasm_validator *v)
{
    pop_copy(v, memory_address(v, v->instr->imm.index), memory_address(v, v->instr->imm.index2));
}

void wasm_validate_table_op(struct wasm_validator *v)
{
    const uint32_t index = v->instr->imm.index, index2 = v->instr->imm.index2;
    const wasm_valtype type = table(v, index)->elem, address = table_address(v, index);
    switch (v->instr->op) {
    case WASM_OP_table_get:
        wasm_pop(v, address);
        wasm_push(v, type);
        break;
    case WASM_OP_table_set:
        wasm_pop(v, type);
        wasm_pop(v, address);
        break;
    case WASM_OP_table_size: wasm_push(v, address); break;
    case WASM_OP_table_grow:
        wasm_pop(v, address);
        wasm_pop(v, type);
        wasm_push(v, address);
        break;
    case WASM_OP_table_copy:
        check_element(v, type, table(v, index2)->elem);
        pop_copy(v, address, table_address(v, index2));
        break;
    default: /* table.fill */
        wasm_pop(v, address);
        wasm_pop(v, type);
        wasm_pop(v, address);
        break;
    }
}

void wasm_validate_table_init(struct wasm_validator *v)
{
    const uint32_t to = v->instr->imm.index2;
    check_element(v, table(v, to)->elem, v->decoder->module->elems[v->instr->imm.index].type);
    pop_copy(v, table_address(v, to), WASM_I32);
}
