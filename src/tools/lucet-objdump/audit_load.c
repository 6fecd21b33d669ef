/* Addresses of memory operands and what loads yield. */
#include "tools/lucet-objdump/audit_unit.h"

enum { MAX_TABLE = 1 << 20 };

struct audit_value unit_address(const struct audit_unit *u, const struct audit_state *s,
                                const struct audit_mem *m)
{
    struct audit_value v = value_constant(m->disp);

    (void)u;
    if (m->vector_index)
        return value_unknown();
    if (m->base == REG_RIP)
        v = value_of(VALUE_IMAGE, m->disp);
    else if (m->base != REG_NONE)
        v = value_add(s->regs[m->base], v, 8);
    if (m->index != REG_NONE) {
        const struct audit_value scale = value_constant(m->scale);
        const struct audit_value *index = &s->regs[m->index];
        v = value_add(v, m->scale == 1 ? *index : value_mul(*index, scale, 8), 8);
    }
    return m->short_address ? value_low(v, 4) : v;
}

bool unit_memory_is_guarded(const struct audit_unit *u, uint32_t number)
{
    const struct lucet_module_memory *d = &u->in->sizes.memories[number];

    return number < u->in->sizes.count && lucet_memory_is_guarded(number, d->flags, d->page_log2);
}

static struct audit_value load_descriptor(const struct audit_unit *u, uint32_t number, int64_t at)
{
    const uint64_t reserved = u->in->header->heap.reserved_size;

    if (at == offsetof(struct lucet_memory, base))
        return value_of_memory(VALUE_BASE, number);
    if (at != offsetof(struct lucet_memory, size))
        return value_unknown();
    if (!unit_memory_is_guarded(u, number) || number < u->in->sizes.nimported)
        return value_of_memory(VALUE_SIZE, number);
    return reserved >> 47 ? value_unknown() : value_range(0, (int64_t)reserved);
}

/* What every context begins with: of the running one, or of a record's. */
static struct audit_value load_fixed_part(int64_t at, int64_t whose)
{
    const int64_t in_builtins = at - (int64_t)offsetof(struct lucet_vmctx, builtins);

    if (at == offsetof(struct lucet_vmctx, gs_base))
        return value_of(VALUE_GS, whose);
    if (in_builtins >= 0 && in_builtins < 8 * LUCET_BUILTIN_SLOTS && in_builtins % 8 == 0)
        return value_of(VALUE_BUILTIN, in_builtins / 8);
    return value_of(VALUE_POINTER, 0);
}

/* Fields of the context's host part that are numbers, not addresses. */
static struct audit_value load_host_part(const struct audit_unit *u, int64_t at, unsigned width)
{
    const struct lucet_layout *l = &u->in->header->layout;
    const int64_t in_memories = at - l->memories, in_tables = at - l->tables;
    const int64_t in_imported = at - l->imported_memories;

    if (width < 8)
        return value_low(value_unknown(), width);
    if (at < (int64_t)sizeof(struct lucet_vmctx))
        return load_fixed_part(at, AUDIT_GS_OWN);
    if (in_memories >= 0 && in_memories / (int64_t)sizeof(struct lucet_memory) < u->in->nmemories)
        return load_descriptor(u,
                               u->in->sizes.nimported +
                                   (uint32_t)(in_memories / (int64_t)sizeof(struct lucet_memory)),
                               in_memories % (int64_t)sizeof(struct lucet_memory));
    if (in_imported >= 0 && in_imported / 8 < u->in->sizes.nimported && in_imported % 8 == 0)
        return value_of_memory(VALUE_MEMORY, (uint32_t)(in_imported / 8));
    if (in_tables >= 0 && in_tables / (int64_t)sizeof(struct lucet_table) < u->in->ntables &&
        in_tables % sizeof(struct lucet_table) != 0)
        return value_unknown();
    return value_of(VALUE_POINTER, 0);
}

bool unit_is_mark(const struct audit_mem *m)
{
    return m->segment == SEG_GS && m->base == REG_NONE && m->index == REG_NONE &&
           m->disp == LUCET_GS_MARK;
}

struct audit_value unit_load(const struct audit_unit *u, struct audit_state *s,
                             const struct audit_insn *insn, unsigned width)
{
    const struct audit_mem *m = &insn->mem;

    if (width == 8 && unit_is_mark(m))
        return value_of(VALUE_MARK, 0);
    if (m->segment != SEG_NONE)
        return value_low(value_unknown(), width);
    const struct audit_value address = unit_address(u, s, m);
    switch (address.kind) {
    case VALUE_STACK:
        if (value_is_fixed(&address))
            return state_load(s, address.lo, width, state_name(insn->at, 3));
        break;
    case VALUE_CONTEXT:
        if (value_is_fixed(&address) && address.lo >= 0 &&
            address.lo < u->in->header->layout.guest_part)
            return load_host_part(u, address.lo, width);
        break;
    case VALUE_MEMORY:
        if (width == 8 && value_is_fixed(&address))
            return load_descriptor(u, address.memory - 1u, address.lo);
        break;
    case VALUE_RECORD:
        if (width == 8)
            return value_is_exactly(&address, VALUE_RECORD, offsetof(struct lucet_funcref, ctx))
                       ? value_of(VALUE_OWNER, 0)
                       : value_of(VALUE_POINTER, 0);
        break;
    case VALUE_OWNER:
        if (width == 8)
            return value_is_fixed(&address) && address.lo >= 0 &&
                           address.lo < (int64_t)sizeof(struct lucet_vmctx)
                       ? load_fixed_part(address.lo, AUDIT_GS_OWNER)
                       : value_of(VALUE_POINTER, 0);
        break;
    case VALUE_POINTER:
        if (width == 8)
            return value_of(VALUE_POINTER, 0);
        break;
    default: break;
    }
    return value_low(value_unknown(), width);
}

struct audit_value unit_callee(const struct audit_unit *u, struct audit_state *s,
                               const struct audit_insn *insn)
{
    switch (insn->a.kind) {
    case OPERAND_REG: return s->regs[insn->a.reg];
    case OPERAND_MEM: return unit_load(u, s, insn, 8);
    default: return value_unknown();
    }
}

struct audit_value unit_gs_written(const struct audit_state *s, const struct audit_insn *insn)
{
    return insn->a.kind == OPERAND_REG && insn->a.width == 8 ? s->regs[insn->a.reg]
                                                             : value_unknown();
}

struct audit_value unit_table_entry(const struct audit_unit *u, const struct audit_state *s,
                                    const struct audit_insn *insn)
{
    const struct audit_mem *m = &insn->mem;
    const struct audit_value *table;

    if (insn->op != OP_MOVSX || insn->a.width != 8 || insn->b.kind != OPERAND_MEM ||
        insn->b.width != 4 || m->segment != SEG_NONE || m->base >= REG_COUNT || m->scale != 4)
        return value_unknown();
    table = &s->regs[m->base];
    if (!value_is(table, VALUE_IMAGE) || !value_is_fixed(table))
        return value_unknown();

    struct audit_value v = unit_address(u, s, m);
    if (!value_is(&v, VALUE_IMAGE) || v.lo < 0 || v.hi < v.lo || v.hi - v.lo > 4 * MAX_TABLE ||
        !audit_readonly(u->in, v.lo, (uint64_t)(v.hi - v.lo) + 4))
        return value_unknown();
    v.kind = VALUE_TABLE;
    v.name = (uint64_t)table->lo;
    return v;
}

uint32_t unit_table_size(const struct audit_value *v)
{
    return (uint32_t)((v->hi - v->lo) / 4 + 1);
}

int64_t unit_table_target(const struct audit_unit *u, const struct audit_value *v, uint32_t i)
{
    const uint8_t *p = audit_readonly(u->in, v->lo + 4 * (int64_t)i, 4);
    const uint32_t bits =
        p ? (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24 : 0;

    return (int64_t)v->name + (int32_t)bits;
}
