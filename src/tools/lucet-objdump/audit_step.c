/* The effect of one instruction on what is known. */
#include "tools/lucet-objdump/audit_unit.h"

/* Names: each instruction gives out at most four. */
enum { NAME_RESULT, NAME_FIRST, NAME_SECOND, NAME_LOAD };

void unit_entry_state(const struct audit_unit *u, struct audit_state *s)
{
    static const uint8_t saved[] = {REG_RBX, REG_RBP, REG_R12, REG_R14, REG_R15};
    const enum audit_class class = u->fn->class;

    *s = (struct audit_state){.reached = true};
    s->compare.left_reg = REG_NONE;
    for (unsigned i = 0; i < REG_COUNT; i++) {
        s->regs[i] = value_unknown();
        s->regs[i].name = i + 1; /* below all names of instructions' results */
    }
    for (unsigned i = 0; i < sizeof saved; i++)
        s->regs[saved[i]] = value_of(VALUE_ENTRY, saved[i]);
    s->regs[REG_RSP] = value_of(VALUE_STACK, 0);
    s->regs[REG_R13] = value_of(VALUE_CONTEXT, 0);
    /* What the runtime or a gate puts in the scratch register: a record or a function's address;
     * and the host's argument vector. No guest function may call these classes (audit_policy.c),
     * but for reference gates: that a reference is one is not proved (docs/audit.md). */
    if (class == CLASS_THUNK)
        s->regs[REG_R10] = value_of(VALUE_RECORD, 0);
    if (class == CLASS_HOST || class == CLASS_ENTRY || class == CLASS_REF || class == CLASS_CATCHER)
        s->regs[REG_R10] = value_of(VALUE_POINTER, 0);
    if (class == CLASS_ENTRY) {
        s->regs[REG_R10].name = AUDIT_GIVEN;
        s->regs[REG_RDI] = value_of(VALUE_POINTER, 0);
    }
}

static struct audit_value read_reg(const struct audit_unit *u, struct audit_state *s,
                                   const struct audit_insn *insn, const struct audit_operand *op)
{
    (void)u;
    const unsigned which = op == &insn->a ? NAME_FIRST : NAME_SECOND;
    const struct audit_value v = state_named(s, op->reg, state_name(insn->at, which));

    return value_low(v, op->width);
}

static struct audit_value read_operand(const struct audit_unit *u, struct audit_state *s,
                                       const struct audit_insn *insn,
                                       const struct audit_operand *op)
{
    switch (op->kind) {
    case OPERAND_REG: return read_reg(u, s, insn, op);
    case OPERAND_MEM: return unit_load(u, s, insn, op->width);
    case OPERAND_IMM: return value_constant(op->imm);
    default: return value_low(value_unknown(), op->width);
    }
}

/* The low `width` bytes become v, those above stay. */
static struct audit_value merge_low(const struct audit_value *old, unsigned width,
                                    struct audit_value v)
{
    const int64_t max = (INT64_C(1) << (8 * width)) - 1;

    struct audit_value r = value_unknown();

    v = value_low(v, width);
    if (value_is_u32(old) && old->hi <= max)
        return v;
    if (value_is_u32(old))
        r = value_range(0, UINT32_MAX);
    r.lo8 = v.lo8;
    r.hi8 = v.hi8;
    return r;
}

static bool store(const struct audit_unit *u, struct audit_state *s, const struct audit_mem *m,
                  unsigned width, struct audit_value v)
{
    if (m->segment != SEG_NONE)
        return true;
    const struct audit_value address = unit_address(u, s, m);
    if (!value_is(&address, VALUE_STACK))
        return true;
    if (address.hi < s->touched)
        s->touched = address.hi;
    if (m->base == REG_RSP && m->index == REG_NONE && m->disp == 0)
        s->touched_top = true;
    if (!value_is_fixed(&address)) {
        state_drop_below(s, INT64_MAX);
        return true;
    }
    return state_store(s, address.lo, width, v);
}

/* Of registers written in part: whether it is the lowest byte alone. */
static bool low_byte(const struct audit_insn *insn, unsigned reg)
{
    return insn->a.kind == OPERAND_REG && insn->a.reg == reg && insn->a.width == 1;
}

static bool clobber(const struct audit_unit *u, struct audit_state *s,
                    const struct audit_insn *insn)
{
    unsigned which = 0;

    for (unsigned i = 0; i < REG_COUNT; i++) {
        const uint16_t bit = (uint16_t)(1u << i);
        struct audit_value v = value_unknown();
        if (!((insn->writes64 | insn->writes32 | insn->writes_part) & bit))
            continue;
        if (insn->writes32 & bit)
            v = value_range(0, UINT32_MAX);
        else if (!(insn->writes64 & bit))
            v = merge_low(&s->regs[i], low_byte(insn, i) ? 1 : 2, v);
        if (insn->writes_maybe & bit)
            v = value_join(&s->regs[i], &v, 0, NULL);
        v.name = 0;
        state_set(s, i, v, state_name(insn->at, which++ & 3));
    }
    if (insn->mem.write && !insn->mem.address_only)
        return store(u, s, &insn->mem, insn->mem.size, value_unknown());
    return true;
}

static bool write_operand(const struct audit_unit *u, struct audit_state *s,
                          const struct audit_insn *insn, const struct audit_operand *op,
                          struct audit_value v)
{
    if (op->kind == OPERAND_MEM)
        return store(u, s, &insn->mem, op->width, value_low(v, op->width));
    if (op->kind != OPERAND_REG)
        return clobber(u, s, insn); /* ah to bh, vectors */
    if (op->width < 4)
        v = merge_low(&s->regs[op->reg], op->width, v);
    else
        v = value_low(v, op->width);
    state_set(s, op->reg, v, state_name(insn->at, NAME_RESULT));
    return true;
}

/* One more or less when the carry flag is set. */
static struct audit_value with_carry(struct audit_value v, int64_t carry, unsigned width)
{
    const struct audit_value w = value_add(v, value_constant(carry), width);

    return value_join(&v, &w, 0, NULL);
}

static struct audit_value binary(enum audit_op op, struct audit_value x, struct audit_value y,
                                 unsigned width)
{
    switch (op) {
    case OP_ADD: return value_add(x, y, width);
    case OP_SUB: return value_sub(x, y, width);
    case OP_ADC: return with_carry(value_add(x, y, width), 1, width);
    case OP_SBB: return with_carry(value_sub(x, y, width), -1, width);
    case OP_AND: return value_and(x, y, width);
    case OP_OR:
    case OP_XOR: return value_or(x, y, width);
    case OP_SHL: return value_shl(x, y, width);
    case OP_SHR: return value_shr(x, y, width);
    case OP_SAR: return value_sar(x, y, width);
    case OP_IMUL: return value_mul(x, y, width);
    case OP_INC: return value_add(x, value_constant(1), width);
    case OP_DEC: return value_add(x, value_constant(-1), width);
    default: return value_low(value_unknown(), width);
    }
}

static void relate_binary(enum audit_op op, struct audit_value *v, const struct audit_value *x,
                          const struct audit_value *y, unsigned width)
{
    if (op == OP_INC || op == OP_DEC)
        value_relate_sum(v, x, op == OP_INC ? 1 : -1, width);
    else if (op == OP_ADD && value_is(y, VALUE_NUMBER) && value_is_fixed(y))
        value_relate_sum(v, x, y->lo, width);
    else if (op == OP_SUB && value_is(y, VALUE_NUMBER) && value_is_fixed(y) && y->lo != INT64_MIN)
        value_relate_sum(v, x, -y->lo, width);
}

static bool adds_constant(enum audit_op op, const struct audit_value *y)
{
    return op == OP_INC || op == OP_DEC ||
           ((op == OP_ADD || op == OP_SUB) && value_is(y, VALUE_NUMBER) && value_is_fixed(y));
}

static void compare(struct audit_state *s, struct audit_value left, struct audit_value right,
                    unsigned width, unsigned left_reg, bool zero_only)
{
    s->compare = (struct audit_compare){.valid = true,
                                        .zero_only = zero_only,
                                        .width = (uint8_t)width,
                                        .left_reg = (uint8_t)left_reg,
                                        .left = left,
                                        .right = right};
}

static bool step_binary(const struct audit_unit *u, struct audit_state *s,
                        const struct audit_insn *insn)
{
    const bool three = insn->c.kind != OPERAND_NONE;
    const struct audit_operand *first = three ? &insn->b : &insn->a;
    const struct audit_operand *second = three ? &insn->c : &insn->b;
    const unsigned width = insn->a.width;

    s->compare.valid = false;
    if (width < 4 || (insn->a.kind != OPERAND_REG && insn->a.kind != OPERAND_MEM))
        return clobber(u, s, insn);
    struct audit_value x = read_operand(u, s, insn, first);
    struct audit_value y = read_operand(u, s, insn, second);
    /* The sum of a lower half is a number that the whole does not name. */
    if (adds_constant(insn->op, &y) && width == 8 && first->kind == OPERAND_REG && x.bits == 32 &&
        value_is(&x, VALUE_NUMBER)) {
        state_rename(s, first->reg, state_name(insn->at, NAME_FIRST));
        x = s->regs[first->reg];
    }
    struct audit_value v = binary(insn->op, x, y, width);
    relate_binary(insn->op, &v, &x, &y, width);
    /* A register minus or xor itself is how zero is written. */
    if ((insn->op == OP_XOR || insn->op == OP_SUB) && first->kind == OPERAND_REG &&
        second->kind == OPERAND_REG && first->reg == second->reg)
        v = value_constant(0);
    if (!write_operand(u, s, insn, &insn->a, v))
        return false;
    if (!insn->writes_flags || insn->a.kind != OPERAND_REG)
        return true;
    const bool logic = insn->op == OP_AND || insn->op == OP_OR || insn->op == OP_XOR;
    if (insn->op == OP_SUB)
        compare(s, x, value_low(y, width), width, REG_NONE, false);
    else if (logic || insn->op == OP_ADD || insn->op == OP_INC || insn->op == OP_DEC)
        compare(s, s->regs[insn->a.reg], value_constant(0), width, REG_NONE, !logic);
    return true;
}

static void step_compare(const struct audit_unit *u, struct audit_state *s,
                         const struct audit_insn *insn)
{
    struct audit_value x = read_operand(u, s, insn, &insn->a);
    struct audit_value y = value_low(read_operand(u, s, insn, &insn->b), insn->a.width);
    const bool whole = insn->a.kind == OPERAND_REG && insn->a.width == 8;

    if (insn->a.kind == OPERAND_REG && insn->a.width < 8)
        x = state_named(s, insn->a.reg, state_name(insn->at, NAME_FIRST));
    if (insn->b.kind == OPERAND_REG && insn->b.width < 8)
        y = state_named(s, insn->b.reg, state_name(insn->at, NAME_SECOND));
    if (insn->op == OP_TEST) {
        if (insn->b.kind != OPERAND_REG || insn->a.reg != insn->b.reg) {
            s->compare.valid = false;
            return;
        }
        y = value_constant(0);
    }
    compare(s, x, y, insn->a.width, whole ? insn->a.reg : REG_NONE, false);
}

static bool step_push(const struct audit_unit *u, struct audit_state *s,
                      const struct audit_insn *insn)
{
    const struct audit_value v = read_operand(u, s, insn, &insn->a);
    struct audit_value *rsp = &s->regs[REG_RSP];

    *rsp = value_sub(*rsp, value_constant(8), 8);
    if (value_is(rsp, VALUE_STACK) && rsp->hi < s->touched)
        s->touched = rsp->hi;
    return !value_is(rsp, VALUE_STACK) || !value_is_fixed(rsp) || state_store(s, rsp->lo, 8, v);
}

static bool step_pop(const struct audit_unit *u, struct audit_state *s,
                     const struct audit_insn *insn)
{
    struct audit_value *rsp = &s->regs[REG_RSP];
    struct audit_value v = value_unknown();

    if (value_is(rsp, VALUE_STACK) && value_is_fixed(rsp))
        v = state_load(s, rsp->lo, 8, state_name(insn->at, NAME_LOAD));
    *rsp = value_add(*rsp, value_constant(8), 8);
    return write_operand(u, s, insn, &insn->a, v);
}

static bool step_exchange(const struct audit_unit *u, struct audit_state *s,
                          const struct audit_insn *insn)
{
    const struct audit_value x = read_operand(u, s, insn, &insn->a);
    const struct audit_value y = read_operand(u, s, insn, &insn->b);

    if (insn->a.kind != OPERAND_REG || insn->b.kind != OPERAND_REG || insn->a.width < 4)
        return clobber(u, s, insn);
    state_set(s, insn->a.reg, y, state_name(insn->at, NAME_RESULT));
    state_set(s, insn->b.reg, x, state_name(insn->at, NAME_LOAD));
    return true;
}

/* Bytes of arguments on the stack that the callee may overwrite. Builtins have none. */
static uint32_t callee_args(const struct audit_unit *u, const struct audit_state *s,
                            const struct audit_insn *insn)
{
    if (insn->flow == FLOW_CALL) {
        const uint32_t callee = audit_function_from(u->in, (uint64_t)insn->target);
        return callee == UINT32_MAX ? 0 : u->in->functions[callee].stack_args;
    }
    const struct audit_value at = unit_address(u, s, &insn->mem);
    const bool builtin = insn->a.kind == OPERAND_MEM && value_is(&at, VALUE_CONTEXT) &&
                         at.lo >= (int64_t)offsetof(struct lucet_vmctx, builtins) &&
                         at.hi < (int64_t)offsetof(struct lucet_vmctx, reserved);
    return builtin ? 0 : u->fn->outgoing_args;
}

/* Functions of the module leave gs as it is; of the runtime's, those that are called in guest state
 * (docs/abi.md C8, E4); host functions may change it. */
static void step_gs(const struct audit_unit *u, struct audit_state *s,
                    const struct audit_insn *insn)
{
    const bool calls_host = u->fn->class == CLASS_HOST || u->fn->class == CLASS_BUILTIN;
    const struct audit_value callee =
        insn->flow == FLOW_CALL ? value_unknown() : unit_callee(u, s, insn);

    if (insn->flow == FLOW_CALL || (!value_is(&callee, VALUE_BUILTIN) && !calls_host))
        return;
    const struct audit_value *context = &s->regs[REG_RDI];
    if (value_is_exactly(&callee, VALUE_BUILTIN, LUCET_BUILTIN_set_gs))
        state_set_gs(s, value_is_exactly(context, VALUE_CONTEXT, 0) ? AUDIT_GS_OWN
                        : value_is_exactly(context, VALUE_OWNER, 0) ? AUDIT_GS_OWNER
                                                                    : AUDIT_GS_UNKNOWN);
    else if (!value_is_exactly(&callee, VALUE_BUILTIN, LUCET_BUILTIN_stop) &&
             !value_is_exactly(&callee, VALUE_BUILTIN, LUCET_BUILTIN_exn_mark))
        state_set_gs(s, AUDIT_GS_UNKNOWN);
}

static void step_call(const struct audit_unit *u, struct audit_state *s,
                      const struct audit_insn *insn)
{
    static const uint8_t lost[] = {REG_RAX, REG_RCX, REG_RDX, REG_RSI, REG_RDI,
                                   REG_R8,  REG_R9,  REG_R10, REG_R11};
    const struct audit_value *rsp = &s->regs[REG_RSP];

    step_gs(u, s, insn);
    if (value_is(rsp, VALUE_STACK) && value_is_fixed(rsp))
        state_drop_below(s, rsp->lo + callee_args(u, s, insn));
    else
        state_drop_below(s, INT64_MAX);
    for (unsigned i = 0; i < sizeof lost; i++) {
        s->regs[lost[i]] = value_unknown();
        if (s->compare.left_reg == lost[i])
            s->compare.left_reg = REG_NONE;
    }
    s->compare.valid = false;
    s->small_low = s->small_all = 0;
    state_forget_sizes(s);
}

/* lea with one register is an addition that spares the flags. Adding to a lower half, as checks of
 * an access's end do, makes a number that the whole does not name: the half gets a name of its
 * own. */
static void relate_lea(struct audit_state *s, const struct audit_insn *insn, struct audit_value *v)
{
    const struct audit_mem *m = &insn->mem;
    const uint8_t reg = m->base != REG_NONE ? m->base : m->index;

    if (reg >= REG_COUNT || (m->base != REG_NONE && m->index != REG_NONE) || m->scale != 1)
        return;
    if (insn->a.width < 8)
        *v = value_low(*v, 4);
    value_relate_sum(v, &s->regs[reg], m->disp, insn->a.width);
    if (insn->a.width == 8 && value_is(&s->regs[reg], VALUE_NUMBER) && s->regs[reg].bits == 32 &&
        v->name == 0) {
        state_rename(s, reg, state_name(insn->at, NAME_FIRST));
        value_relate_sum(v, &s->regs[reg], m->disp, insn->a.width);
    }
}

static bool step_move(const struct audit_unit *u, struct audit_state *s,
                      const struct audit_insn *insn)
{
    struct audit_value v;

    if (insn->b.kind == OPERAND_NONE || (insn->b.kind == OPERAND_OTHER && insn->b.width > 1))
        return clobber(u, s, insn); /* of the others, ah to bh are numbers of a byte */
    v = insn->op == OP_LEA ? unit_address(u, s, &insn->mem) : read_operand(u, s, insn, &insn->b);
    if (insn->op == OP_LEA)
        relate_lea(s, insn, &v);
    if (insn->op == OP_MOVSX) {
        const struct audit_value entry = unit_table_entry(u, s, insn);
        v = value_is(&entry, VALUE_TABLE) ? entry
                                          : value_sign_extend(v, insn->b.width, insn->a.width);
    }
    return write_operand(u, s, insn, &insn->a, v);
}

/* The operand as it is when the condition holds. */
static bool read_if(const struct audit_unit *u, const struct audit_state *s,
                    const struct audit_insn *insn, const struct audit_operand *op,
                    enum audit_cond cond, struct audit_value *out, bool *possible)
{
    struct audit_state copy;

    if (!state_copy(&copy, s))
        return false;
    *possible = state_assume(&u->in->sizes, &copy, cond);
    *out = read_operand(u, &copy, insn, op);
    state_free(&copy);
    return true;
}

/* A conditional move: of two values, each as its condition bounds it. */
static bool step_choose(const struct audit_unit *u, struct audit_state *s,
                        const struct audit_insn *insn)
{
    struct audit_value x, y;
    bool keeps, moves;

    read_operand(u, s, insn, &insn->a); /* names both, before copies are made */
    read_operand(u, s, insn, &insn->b);
    if (!read_if(u, s, insn, &insn->a, insn->cond ^ 1, &x, &keeps) ||
        !read_if(u, s, insn, &insn->b, insn->cond, &y, &moves))
        return false;
    struct audit_value v = keeps && moves ? value_join(&x, &y, 0, NULL) : keeps ? x : y;
    return write_operand(u, s, insn, &insn->a, v);
}

static bool is_small(const struct audit_state *s, const struct audit_vector *v, unsigned source)
{
    const uint8_t reg = v->sources[source];

    return reg != VECTOR_NONE && (v->wide ? s->small_all : s->small_low) >> reg & 1;
}

static void step_vector(struct audit_state *s, const struct audit_vector *v)
{
    bool small = false;

    switch ((enum audit_vector_op)v->op) {
    case VECTOR_SET: small = true; break;
    case VECTOR_COPY: small = is_small(s, v, 0); break;
    case VECTOR_BOTH: small = is_small(s, v, 0) && is_small(s, v, 1); break;
    case VECTOR_EITHER: small = is_small(s, v, 0) || is_small(s, v, 1); break;
    default: break;
    }
    /* What stays of the old value must have been small too. */
    const uint32_t low = small ? v->writes : 0;
    s->small_low = (s->small_low & ~v->writes) | low;
    const uint32_t all = v->keeps_upper ? s->small_all & low : low;
    s->small_all = (s->small_all & ~v->writes) | all;
}

bool unit_step(const struct audit_unit *u, struct audit_state *s, const struct audit_insn *insn)
{
    if (insn->vector.writes)
        step_vector(s, &insn->vector);
    if (insn->flow == FLOW_CALL || insn->flow == FLOW_CALL_IND) {
        step_call(u, s, insn);
        return true;
    }
    if (insn->flow != FLOW_NEXT)
        return true;
    if (insn->writes_gs) {
        const struct audit_value base = unit_gs_written(s, insn);
        state_set_gs(s, value_is(&base, VALUE_GS) && value_is_fixed(&base) ? base.lo
                                                                           : AUDIT_GS_UNKNOWN);
        return true;
    }

    switch ((enum audit_op)insn->op) {
    case OP_NOP: return true;
    case OP_MOV:
    case OP_MOVSX:
    case OP_LEA: return step_move(u, s, insn);
    case OP_CMOV: return step_choose(u, s, insn);
    case OP_CMP:
    case OP_TEST: step_compare(u, s, insn); return true;
    case OP_PUSH: return step_push(u, s, insn);
    case OP_POP: return step_pop(u, s, insn);
    case OP_XCHG: return step_exchange(u, s, insn);
    case OP_LANE: {
        const uint8_t source = insn->vector.sources[0];
        const bool small = source != VECTOR_NONE && s->small_low >> source & 1;
        return write_operand(u, s, insn, &insn->a,
                             small ? value_range(0, UINT32_MAX) : value_unknown());
    }
    case OP_SMALL:
        s->compare.valid = false;
        return write_operand(u, s, insn, &insn->a, value_range(0, (int64_t)insn->bound - 1));
    case OP_OTHER:
        if (insn->writes_flags)
            s->compare.valid = false;
        return clobber(u, s, insn);
    default: return step_binary(u, s, insn);
    }
}
