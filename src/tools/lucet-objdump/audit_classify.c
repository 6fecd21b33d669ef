/* The last pass: every instruction with the state before it. */
#include "tools/lucet-objdump/audit_classify.h"

#include "tools/lucet-objdump/audit_effects.h"
#include "tools/lucet-objdump/audit_policy.h"

enum { MAX_STEP = 4096 }; /* of the stack pointer between touches of the stack */

#define FOUND(j, kind, violation, at, ...)                                                         \
    do {                                                                                           \
        if (!audit_found((j)->report, (j)->u, kind, violation, at, __VA_ARGS__))                   \
            (j)->failed = true;                                                                    \
    } while (0)

/* What can be said without knowing any values; also of code that is never reached. */
static void judge_shape(struct judge *j, const struct audit_insn *insn)
{
    j->counts->instructions++;
    if (insn->forbidden)
        FOUND(j, FINDING_INSTRUCTION, true, insn->at, "%s", insn->forbidden);
    if (insn->writes_gs && !j->policy->gs_base)
        FOUND(j, FINDING_INSTRUCTION, true, insn->at, "gs base written");
    /* Calls clear the registers that the header says the code can name. */
    if (insn->avx512 && !j->u->in->has_avx512)
        FOUND(j, FINDING_INSTRUCTION, true, insn->at, "AVX-512, which the header does not name");
    effects_judge_kind(j, insn);
}

/* gs gets the base of a context, and the mark behind it what gs holds. */
static void judge_gs(struct judge *j, const struct audit_state *s, const struct audit_insn *insn)
{
    if (insn->writes_gs) {
        const struct audit_value base = unit_gs_written(s, insn);
        if (!value_is(&base, VALUE_GS) || !value_is_fixed(&base))
            FOUND(j, FINDING_INSTRUCTION, true, insn->at, "gs gets what is no base of a context's");
    }
    if (insn->mem.write && unit_is_mark(&insn->mem)) {
        const bool stored = insn->op == OP_MOV && insn->b.kind == OPERAND_REG && insn->b.width == 8;
        if (!stored || !value_is_exactly(&s->regs[insn->b.reg], VALUE_GS, s->gs))
            FOUND(j, FINDING_MEMORY, true, insn->at, "the mark gets another base than gs has");
    }
}

static void judge_memory(struct judge *j, const struct audit_state *s,
                         const struct audit_insn *insn)
{
    char why[WHY_SIZE];

    if (!insn->mem.present || insn->mem.address_only)
        return;
    const enum audit_memory m = classify_memory(j->u, s, insn, why);
    j->counts->memory[m]++;
    if (!(j->policy->memory & 1u << m))
        FOUND(j, FINDING_MEMORY, true, insn->at, "%s%s%s", audit_memory_name(m), why[0] ? ", " : "",
              why);
    effects_judge_memory(j, s, insn, m);
}

/* Frames of more than a page are entered page by page, so that none jumps the guard. */
static void judge_depth(struct judge *j, const struct audit_state *s, const struct audit_insn *insn,
                        const struct audit_value *before)
{
    const struct audit_value *rsp = &s->regs[REG_RSP];
    if (value_equal(rsp, before))
        return;
    const bool sub = insn->op == OP_SUB && insn->a.kind == OPERAND_REG && insn->a.reg == REG_RSP;

    /* Within a loop of probes rsp is not known, but each step is. */
    if (sub && !value_is_fixed(rsp) && (insn->b.kind != OPERAND_IMM || insn->b.imm > MAX_STEP))
        FOUND(j, FINDING_FRAME, true, insn->at, "the stack pointer moves by more than a page");
    if (value_is(rsp, VALUE_STACK) && value_is_fixed(rsp) && s->touched - rsp->lo > MAX_STEP + 8)
        FOUND(j, FINDING_FRAME, true, insn->at, "more than a page of stack is not touched");
}

static void note_depth(struct judge *j, const struct audit_state *s)
{
    const struct audit_value *rsp = &s->regs[REG_RSP];
    struct audit_report *r = j->report;

    if (value_is(rsp, VALUE_STACK) && value_is_fixed(rsp) && rsp->lo < -(int64_t)r->largest_frame &&
        rsp->lo > INT32_MIN) {
        r->largest_frame = (uint32_t)-rsp->lo;
        r->largest_function = j->u->number;
    }
}

static void judge_block(struct judge *j, const struct audit_block *b)
{
    struct audit_unit *u = j->u;
    struct audit_state s;

    if (!state_copy(&s, &b->in)) {
        j->failed = true;
        return;
    }
    for (uint32_t i = b->first; i <= b->last; i++) {
        const struct audit_insn *insn = &u->insns[i];
        judge_memory(j, &s, insn);
        judge_gs(j, &s, insn);
        judge_flow(j, &s, insn);
        effects_judge_flow(j, &s, insn);
        const struct audit_value rsp = s.regs[REG_RSP];
        if (!unit_step(u, &s, insn))
            j->failed = true;
        judge_depth(j, &s, insn, &rsp);
        note_depth(j, &s);
        effects_judge_stack(j, &s, insn);
    }
    state_free(&s);

    const struct audit_insn *end = &u->insns[b->last];
    const bool stops = end->flow == FLOW_JUMP || end->flow == FLOW_JUMP_IND ||
                       end->flow == FLOW_RET || end->flow == FLOW_STOP;
    if (!stops && b->last + 1 == u->ninsns)
        FOUND(j, FINDING_TARGET, true, end->at, "control runs over the end of the function");
}

bool unit_classify(struct audit_unit *u, struct audit_report *out)
{
    struct audit_counts *counts = &out->classes[u->fn->class];
    struct judge j = {
        .u = u, .report = out, .counts = counts, .policy = &audit_policies[u->fn->class]};

    counts->functions++;
    counts->bytes += u->fn->end - u->fn->start;
    for (uint32_t i = 0; i < u->ninsns; i++)
        judge_shape(&j, &u->insns[i]);
    if (u->bad_at != u->fn->end)
        FOUND(&j, FINDING_INSTRUCTION, true, u->bad_at, "no instruction");
    for (uint32_t i = 0; i < u->nblocks && !j.failed; i++) {
        const struct audit_block *b = &u->blocks[i];
        if (b->in.reached)
            judge_block(&j, b);
        else
            for (uint32_t k = b->first; k <= b->last; k++)
                counts->unreached += u->insns[k].op != OP_NOP && u->insns[k].flow != FLOW_STOP;
    }
    return !j.failed;
}
