/* Calls, jumps and returns. */
#include "tools/lucet-objdump/audit_classify.h"
#include "tools/lucet-objdump/audit_policy.h"

#define FOUND(j, kind, violation, at, ...)                                                         \
    do {                                                                                           \
        if (!audit_found((j)->report, (j)->u, kind, violation, at, __VA_ARGS__))                   \
            (j)->failed = true;                                                                    \
    } while (0)

static void count(struct judge *j, const struct audit_insn *insn, enum audit_branch b)
{
    const bool tail_calls = j->u->in->header->flags & LUCET_MODULE_TAIL_CALLS;
    const uint32_t allowed =
        j->policy->branches | (tail_calls ? j->policy->branches_with_tail_calls : 0);

    j->counts->branches[b]++;
    if (!(allowed & 1u << b) && b != BRANCH_CALL)
        FOUND(j, FINDING_BRANCH, true, insn->at, "not for this class: %s", audit_branch_text(b));
}

/* Whoever is returned to relies on the registers that calls keep, above all on its context. */
static void check_return(struct judge *j, const struct audit_state *s,
                         const struct audit_insn *insn)
{
    static const struct {
        uint8_t reg;
        const char *name;
    } saved[] = {
        {REG_RBX, "rbx"}, {REG_RBP, "rbp"}, {REG_R12, "r12"}, {REG_R14, "r14"}, {REG_R15, "r15"}};

    if (!value_is_exactly(&s->regs[REG_RSP], VALUE_STACK, 0))
        FOUND(j, FINDING_FRAME, true, insn->at, "the stack pointer is not that of the entry");
    if (!value_is_exactly(&s->regs[REG_R13], VALUE_CONTEXT, 0))
        FOUND(j, FINDING_CONTEXT, true, insn->at, "r13 is not the caller's context");
    if (s->gs != AUDIT_GS_OWN)
        FOUND(j, FINDING_CONTEXT, true, insn->at, "gs may hold another base than the caller's");
    for (unsigned i = 0; i < sizeof saved / sizeof saved[0]; i++)
        if (!value_is_exactly(&s->regs[saved[i].reg], VALUE_ENTRY, saved[i].reg))
            FOUND(j, FINDING_FRAME, true, insn->at, "%s is not the caller's", saved[i].name);
}

static void check_call(struct judge *j, const struct audit_state *s, const struct audit_insn *insn)
{
    const struct audit_value *rsp = &s->regs[REG_RSP];

    if (!value_is(rsp, VALUE_STACK) || !value_is_fixed(rsp) || rsp->lo > 0)
        FOUND(j, FINDING_FRAME, true, insn->at, "call with an unknown stack pointer");
}

/* Whoever runs next finds the context of its instance in r13 and that one's base in gs. */
static void check_context(struct judge *j, const struct audit_state *s,
                          const struct audit_insn *insn)
{
    const struct audit_value *r13 = &s->regs[REG_R13];
    const bool owner = !j->policy->own_context && value_is_exactly(r13, VALUE_OWNER, 0);

    if (!owner && !value_is_exactly(r13, VALUE_CONTEXT, 0))
        FOUND(j, FINDING_CONTEXT, true, insn->at, "call with another context in r13");
    if (s->gs != (owner ? AUDIT_GS_OWNER : AUDIT_GS_OWN))
        FOUND(j, FINDING_CONTEXT, true, insn->at, "call with another base in gs");
}

/* What the callee may overwrite as its arguments must be the caller's to give: for a call, of its
 * own frame; for a jump, of its own arguments. */
static void check_arguments(struct judge *j, const struct audit_state *s,
                            const struct audit_insn *insn, uint32_t args)
{
    const bool fits = insn->flow == FLOW_CALL || insn->flow == FLOW_CALL_IND
                          ? s->regs[REG_RSP].lo + (int64_t)args <= 0
                          : args <= j->u->fn->stack_args;

    if (!fits)
        FOUND(j, FINDING_FRAME, true, insn->at, "%u bytes of arguments are not in the frame", args);
}

/* A function's first instruction, of a class that may be called from here. */
static void check_callee(struct judge *j, const struct audit_state *s,
                         const struct audit_insn *insn)
{
    const struct audit_input *in = j->u->in;
    const uint32_t callee =
        insn->target < 0 ? UINT32_MAX : audit_function_from(in, (uint64_t)insn->target);

    if (callee == UINT32_MAX)
        FOUND(j, FINDING_TARGET, true, insn->at, "target %#llx is not the beginning of a function",
              (unsigned long long)insn->target);
    else if (!(j->policy->callees & 1u << in->functions[callee].class))
        FOUND(j, FINDING_TARGET, true, insn->at, "call of %s, which is not for this class",
              in->functions[callee].name);
    else
        check_arguments(j, s, insn, in->functions[callee].stack_args);
}

static void judge_jump(struct judge *j, const struct audit_state *s, const struct audit_insn *insn)
{
    const struct audit_function *fn = j->u->fn;

    if (insn->target >= fn->start && insn->target < fn->end) {
        if (unit_insn_at(j->u, insn->target) == UINT32_MAX)
            FOUND(j, FINDING_TARGET, true, insn->at, "jump into an instruction, to %#llx",
                  (unsigned long long)insn->target);
        return;
    }
    count(j, insn, BRANCH_TAIL);
    check_callee(j, s, insn);
    check_return(j, s, insn);
}

static void judge_table(struct judge *j, const struct audit_insn *insn, const struct audit_value *v)
{
    const uint32_t n = unit_table_size(v);

    for (uint32_t i = 0; i < n; i++) {
        const int64_t target = unit_table_target(j->u, v, i);
        if (unit_insn_at(j->u, target) != UINT32_MAX)
            continue;
        FOUND(j, FINDING_TARGET, true, insn->at, "jump table entry %u of %u leads to %#llx", i, n,
              (unsigned long long)target);
        break;
    }
    count(j, insn, BRANCH_TABLE);
}

/* Where an indirect branch goes, as a value. */
static struct audit_value destination(struct judge *j, const struct audit_state *s,
                                      const struct audit_insn *insn)
{
    struct audit_state copy;

    if (!state_copy(&copy, s)) { /* a load may name values */
        j->failed = true;
        return value_unknown();
    }
    const struct audit_value v = unit_callee(j->u, &copy, insn);
    state_free(&copy);
    return v;
}

static void judge_indirect(struct judge *j, const struct audit_state *s,
                           const struct audit_insn *insn)
{
    const struct audit_value v = destination(j, s, insn);
    const bool builtin = value_is(&v, VALUE_BUILTIN) && value_is_fixed(&v);
    const bool pointer = builtin || value_is_exactly(&v, VALUE_POINTER, 0);

    if (insn->flow == FLOW_CALL_IND) {
        count(j, insn, pointer ? BRANCH_HOST_CALL : BRANCH_OTHER);
        check_call(j, s, insn);
        if (!value_is_exactly(&v, VALUE_BUILTIN, LUCET_BUILTIN_set_gs))
            check_context(j, s, insn);
    } else if (value_is(&v, VALUE_TARGET)) {
        judge_table(j, insn, &v);
    } else {
        count(j, insn, pointer && !builtin ? BRANCH_GATE : BRANCH_OTHER);
        check_return(j, s, insn);
    }
}

void judge_flow(struct judge *j, const struct audit_state *s, const struct audit_insn *insn)
{
    switch ((enum audit_flow)insn->flow) {
    case FLOW_CALL:
        count(j, insn, BRANCH_CALL);
        check_callee(j, s, insn);
        check_call(j, s, insn);
        check_context(j, s, insn);
        break;
    case FLOW_JUMP:
    case FLOW_COND: judge_jump(j, s, insn); break;
    case FLOW_JUMP_IND:
    case FLOW_CALL_IND: judge_indirect(j, s, insn); break;
    case FLOW_RET: check_return(j, s, insn); break;
    default: break;
    }
}
