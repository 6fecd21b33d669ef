/* Memory operands and their categories. */
#include <stdio.h>

#include "tools/lucet-objdump/audit_classify.h"

enum { RED_ZONE = 128, PAGE = 4096 };

static const char *const reg_names[REG_COUNT + 2] = {
    "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8",
    "r9",  "r10", "r11", "r12", "r13", "r14", "r15", "rip", "no register"};

static void show_value(const struct audit_value *v, char *text, size_t room)
{
    static const char *const kinds[] = {"",       "context+", "stack+",       "image+",
                                        "size+",  "base+",    "memory+",      "record+",
                                        "owner+", "pointer+", "builtin ",     "gs base ",
                                        "mark ",  "saved ",   "table entry ", "table target "};

    if (v->kind == VALUE_NUMBER && v->lo == INT64_MIN && v->hi == INT64_MAX)
        snprintf(text, room, "unknown");
    else if (value_is_fixed(v))
        snprintf(text, room, "%s%#llx", kinds[v->kind], (unsigned long long)v->lo);
    else if (v->lo == INT64_MIN || v->hi == INT64_MAX)
        snprintf(text, room, "%sunbounded", kinds[v->kind]);
    else
        snprintf(text, room, "%s%lld..%lld", kinds[v->kind], (long long)v->lo, (long long)v->hi);
}

/* "rax unknown, rcx 0..4294967295": what is known of the registers of an operand. */
static void show_registers(const struct audit_state *s, const struct audit_mem *m,
                           char why[WHY_SIZE], const char *what)
{
    char base[48] = "", index[48] = "";

    if (m->base < REG_COUNT)
        show_value(&s->regs[m->base], base, sizeof base);
    if (m->index < REG_COUNT)
        show_value(&s->regs[m->index], index, sizeof index);
    if (m->base < REG_COUNT && m->index < REG_COUNT)
        snprintf(why, WHY_SIZE, "%s: %s %.24s, %s*%u %.24s", what, reg_names[m->base], base,
                 reg_names[m->index], m->scale, index);
    else if (m->base < REG_COUNT)
        snprintf(why, WHY_SIZE, "%s: %s %s", what, reg_names[m->base], base);
    else if (m->index < REG_COUNT)
        snprintf(why, WHY_SIZE, "%s: %s*%u %s", what, reg_names[m->index], m->scale, index);
    else
        snprintf(why, WHY_SIZE, "%s: no register", what);
}

static unsigned access_size(const struct audit_mem *m)
{
    return m->size ? m->size : 1;
}

/* The loader would refuse sizes that no address space has. */
static int64_t address_space(uint64_t size)
{
    return (int64_t)(size >> 47 ? 0 : size);
}

static enum audit_memory classify_gs(const struct audit_unit *u, const struct audit_state *s,
                                     const struct audit_mem *m, char why[WHY_SIZE])
{
    const struct lucet_heap_layout *heap = &u->in->header->heap;
    const struct audit_value a = unit_address(u, s, m);
    const int64_t end = address_space(heap->reserved_size) + address_space(heap->guard_size);
    const uint8_t reg = m->base != REG_NONE ? m->base : m->index;

    if (m->vector_index || m->base == REG_RIP || !value_is(&a, VALUE_NUMBER)) {
        show_registers(s, m, why, "gs + no number");
        return MEMORY_OTHER;
    }
    if (unit_is_mark(m) && access_size(m) == 8)
        return MEMORY_GS_MARK;
    if (!unit_memory_is_guarded(u, 0) || a.slack >= 0) {
        if (audit_fits(&u->in->sizes, s, 0, &a, access_size(m)))
            return MEMORY_GS_CHECKED;
        if (!unit_memory_is_guarded(u, 0)) {
            show_registers(s, m, why, "gs + what was not compared with the size");
            return MEMORY_OTHER;
        }
    }
    if (a.lo < -address_space(heap->front_guard) || a.hi > end - (int64_t)access_size(m)) {
        show_registers(s, m, why, "gs + what may lie outside");
        return MEMORY_OTHER;
    }
    if (reg == REG_NONE)
        return a.lo >= 0 ? MEMORY_GS_CONSTANT : MEMORY_GS_NEGATIVE;
    if (a.lo < 0 || m->disp < 0)
        return a.lo < 0 ? MEMORY_GS_NEGATIVE : MEMORY_GS_SUM;
    const bool one = m->base == REG_NONE ? m->scale == 1 : m->index == REG_NONE;
    return one && (m->short_address || value_is_u32(&s->regs[reg])) ? MEMORY_GS_INDEX
                                                                    : MEMORY_GS_SUM;
}

/* sub rsp, 4096 stands directly before: the loop or sequence that touches every page. */
static bool is_probe(const struct audit_unit *u, const struct audit_insn *insn)
{
    const struct audit_insn *before = insn - 1;

    return insn > u->insns && insn->mem.write && insn->mem.base == REG_RSP &&
           insn->mem.index == REG_NONE && insn->mem.disp == 0 && before->op == OP_SUB &&
           before->a.kind == OPERAND_REG && before->a.reg == REG_RSP &&
           before->b.kind == OPERAND_IMM && before->b.imm == PAGE;
}

static enum audit_memory classify_stack(const struct audit_unit *u, const struct audit_state *s,
                                        const struct audit_insn *insn, const struct audit_value *a,
                                        char why[WHY_SIZE])
{
    const struct audit_value *rsp = &s->regs[REG_RSP];
    const int64_t end = a->hi + access_size(&insn->mem);

    if (is_probe(u, insn) && a->hi < 0)
        return MEMORY_STACK_PROBE;
    if (!value_is_fixed(a) || !value_is(rsp, VALUE_STACK) || !value_is_fixed(rsp)) {
        show_registers(s, &insn->mem, why, "stack, not at a constant");
        return MEMORY_OTHER;
    }
    if (a->lo >= rsp->lo - RED_ZONE && end <= 0)
        return MEMORY_STACK;
    if (a->lo >= 8 && end <= 8 + (int64_t)u->fn->stack_args)
        return MEMORY_STACK_ARGS;
    snprintf(why, WHY_SIZE, "stack, outside the frame: %lld..%lld, rsp %lld, arguments %u",
             (long long)a->lo, (long long)end, (long long)rsp->lo, u->fn->stack_args);
    return MEMORY_OTHER;
}

static enum audit_memory classify_context(const struct audit_unit *u, const struct audit_state *s,
                                          const struct audit_mem *m, const struct audit_value *a,
                                          char why[WHY_SIZE])
{
    const struct lucet_layout *l = &u->in->header->layout;

    /* One of several globals side by side is chosen by an index sometimes. */
    const bool bounded = value_is_fixed(a) || a->lo >= (int64_t)l->guest_part;

    if (!bounded || a->lo < 0 || a->hi < a->lo || a->hi > (int64_t)l->size - access_size(m)) {
        show_registers(s, m, why, "outside the context");
        return MEMORY_OTHER;
    }
    if (!m->write)
        return MEMORY_CONTEXT_READ;
    if (a->hi + access_size(m) > (int64_t)lucet_layout_guest_end(l)) {
        show_registers(s, m, why, "behind what guests write of the context");
        return MEMORY_OTHER;
    }
    return a->lo >= (int64_t)l->guest_part ? MEMORY_CONTEXT_WRITE : MEMORY_CONTEXT_HOST;
}

static enum audit_memory classify_image(const struct audit_unit *u, const struct audit_state *s,
                                        const struct audit_insn *insn, const struct audit_value *a,
                                        char why[WHY_SIZE])
{
    const struct audit_mem *m = &insn->mem;
    const struct audit_value entry = unit_table_entry(u, s, insn);
    const uint64_t span = (uint64_t)a->hi - (uint64_t)a->lo + access_size(m);

    if (m->write) {
        snprintf(why, WHY_SIZE, "store to the image");
        return MEMORY_OTHER;
    }
    if (value_is(&entry, VALUE_TABLE))
        return MEMORY_JUMP_TABLE;
    if (a->lo >= 0 && a->hi <= (int64_t)UINT32_MAX && audit_readonly(u->in, a->lo, span))
        return MEMORY_RODATA;
    show_registers(s, m, why, "image, outside read-only data");
    return MEMORY_OTHER;
}

enum audit_memory classify_memory(const struct audit_unit *u, const struct audit_state *s,
                                  const struct audit_insn *insn, char why[WHY_SIZE])
{
    const struct audit_mem *m = &insn->mem;

    why[0] = '\0';
    if (m->segment == SEG_GS)
        return classify_gs(u, s, m, why);
    const struct audit_value a = unit_address(u, s, m);
    if (m->segment == SEG_NONE && !m->vector_index) {
        switch (a.kind) {
        case VALUE_STACK: return classify_stack(u, s, insn, &a, why);
        case VALUE_CONTEXT: return classify_context(u, s, m, &a, why);
        case VALUE_IMAGE: return classify_image(u, s, insn, &a, why);
        case VALUE_BASE:
            if (audit_fits(&u->in->sizes, s, a.memory - 1u, &a, access_size(m)))
                return MEMORY_MEMORY_N;
            show_registers(s, m, why, "base + what was not compared with the size");
            return MEMORY_OTHER;
        case VALUE_MEMORY:
            if (!m->write && value_is_fixed(&a) && a.lo >= 0 &&
                a.lo + access_size(m) <= (int64_t)offsetof(struct lucet_memory, max_pages))
                return MEMORY_DESCRIPTOR;
            break;
        case VALUE_RECORD:
        case VALUE_OWNER:
        case VALUE_POINTER: return value_is_fixed(&a) ? MEMORY_POINTER : MEMORY_POINTER_INDEX;
        default: break;
        }
    }
    show_registers(s, m, why, "no known address");
    return MEMORY_OTHER;
}
