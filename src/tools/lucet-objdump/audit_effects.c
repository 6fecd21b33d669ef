/* Marks of functions: instruction by instruction, then call by call. */
#include "tools/lucet-objdump/audit_effects.h"

#include <stdlib.h>

/* A call, or a jump to another function. */
struct effects_call {
    uint32_t caller, callee;
    uint32_t depth; /* bytes of the caller's stack, return address included */
};

struct effects_func {
    uint32_t depth;       /* bytes of stack below its return address that it may write to */
    uint32_t entry_depth; /* of an entry: where it calls, return address included */
    uint32_t levels;      /* functions within each other, it included */
    uint64_t chain;       /* bytes of stack of all of them */
};

struct audit_effects {
    struct effects_func *funcs; /* per function of the input */
    struct effects_call *calls; /* of functions with marks */
    uint32_t ncalls, room;
};

bool effects_begin(const struct audit_input *in, struct audit_report *out)
{
    struct audit_effects *e = out->effects = calloc(1, sizeof *e);

    return e && (e->funcs = calloc((size_t)in->nfunctions + 1, sizeof *e->funcs)) != NULL;
}

void audit_report_free(struct audit_report *r)
{
    if (r->effects) {
        free(r->effects->funcs);
        free(r->effects->calls);
        free(r->effects);
    }
    free(r->findings);
    *r = (struct audit_report){0};
}

/* ---- One function ---- */

#define FOUND(j, at, ...)                                                                          \
    do {                                                                                           \
        if (!audit_found((j)->report, (j)->u, FINDING_EFFECTS, true, at, __VA_ARGS__))             \
            (j)->failed = true;                                                                    \
    } while (0)

static bool is_quiet(const struct audit_function *fn)
{
    return fn->effects & LUCET_FUNC_QUIET;
}

static struct effects_func *notes(struct judge *j)
{
    return &j->report->effects->funcs[j->u->number];
}

void effects_judge_kind(struct judge *j, const struct audit_insn *insn)
{
    if (j->u->fn->effects && !insn->integer)
        FOUND(j, insn->at, "no integer instruction, in code that is marked as closed");
}

static void note_depth(struct judge *j, int64_t offset)
{
    struct effects_func *f = notes(j);
    const uint32_t depth = offset >= 0 ? 0 : offset <= -INT32_MAX ? INT32_MAX : (uint32_t)-offset;
    if (f->depth < depth)
        f->depth = depth;
}

/* Entries also write results to the host's array. */
static uint32_t quiet_stores(const struct audit_function *fn)
{
    const uint32_t own = 1u << MEMORY_STACK | 1u << MEMORY_STACK_ARGS | 1u << MEMORY_STACK_PROBE |
                         1u << MEMORY_CONTEXT_WRITE;
    return fn->class == CLASS_ENTRY ? own | 1u << MEMORY_POINTER : own;
}

void effects_judge_memory(struct judge *j, const struct audit_state *s,
                          const struct audit_insn *insn, enum audit_memory m)
{
    const struct audit_function *fn = j->u->fn;

    if (!is_quiet(fn) || !insn->mem.write)
        return;
    if (!(quiet_stores(fn) >> m & 1))
        FOUND(j, insn->at, "store to %s, in code that is marked as quiet", audit_memory_name(m));
    const struct audit_value address = unit_address(j->u, s, &insn->mem);
    if (value_is(&address, VALUE_STACK))
        note_depth(j, address.lo);
}

void effects_judge_stack(struct judge *j, const struct audit_state *s,
                         const struct audit_insn *insn)
{
    const struct audit_value *rsp = &s->regs[REG_RSP];

    if (!is_quiet(j->u->fn) || insn->flow != FLOW_NEXT)
        return;
    if (value_is(rsp, VALUE_STACK) && value_is_fixed(rsp))
        note_depth(j, rsp->lo);
    else
        FOUND(j, insn->at, "the stack pointer is not known, in code that is marked as quiet");
}

/* The stack of the caller's that a callee, which begins with its return address, finds used. */
static uint32_t depth_at_call(const struct audit_state *s, const struct audit_insn *insn)
{
    const struct audit_value *rsp = &s->regs[REG_RSP];
    const bool known =
        value_is(rsp, VALUE_STACK) && value_is_fixed(rsp) && rsp->lo <= 0 && rsp->lo > -INT32_MAX;
    const uint32_t address = insn->flow == FLOW_CALL || insn->flow == FLOW_CALL_IND ? 8 : 0;

    return known ? (uint32_t)-rsp->lo + address : INT32_MAX;
}

static void add_call(struct judge *j, uint32_t callee, uint32_t depth)
{
    struct audit_effects *e = j->report->effects;

    if (e->ncalls == e->room) {
        const uint32_t room = e->room ? 2 * e->room : 64;
        struct effects_call *more = realloc(e->calls, room * sizeof *more);
        if (!more) {
            j->failed = true;
            return;
        }
        e->calls = more;
        e->room = room;
    }
    e->calls[e->ncalls++] =
        (struct effects_call){.caller = j->u->number, .callee = callee, .depth = depth};
}

static void judge_direct(struct judge *j, const struct audit_state *s,
                         const struct audit_insn *insn)
{
    const struct audit_function *fn = j->u->fn;
    const uint32_t number =
        insn->target < 0 ? UINT32_MAX : audit_function_from(j->u->in, (uint64_t)insn->target);
    const struct audit_function *callee =
        number == UINT32_MAX ? NULL : &j->u->in->functions[number];

    if (!callee || callee->class != CLASS_GUEST || (fn->effects & ~callee->effects))
        FOUND(j, insn->at, "call of %s, which is not marked as %s",
              callee ? callee->name : "nothing", callee && callee->effects ? "quiet" : "closed");
    else
        add_call(j, number, depth_at_call(s, insn));
}

/* Entries call what they were given, and nothing else. */
static void judge_indirect(struct judge *j, const struct audit_state *s,
                           const struct audit_insn *insn)
{
    const struct audit_value *to = insn->a.kind == OPERAND_REG ? &s->regs[insn->a.reg] : NULL;
    struct effects_func *f = notes(j);
    const uint32_t depth = depth_at_call(s, insn);

    if (j->u->fn->class != CLASS_ENTRY || !to || !value_is_exactly(to, VALUE_POINTER, 0) ||
        to->name != AUDIT_GIVEN)
        FOUND(j, insn->at, "indirect call, in code that is marked as closed");
    if (f->entry_depth < depth)
        f->entry_depth = depth;
}

void effects_judge_flow(struct judge *j, const struct audit_state *s, const struct audit_insn *insn)
{
    const struct audit_function *fn = j->u->fn;
    const bool outside = insn->target < fn->start || insn->target >= fn->end;

    if (!fn->effects)
        return;
    switch ((enum audit_flow)insn->flow) {
    case FLOW_CALL: judge_direct(j, s, insn); break;
    case FLOW_JUMP:
    case FLOW_COND:
        if (outside)
            judge_direct(j, s, insn);
        break;
    case FLOW_JUMP_IND:
        if (insn->a.kind == OPERAND_REG && value_is(&s->regs[insn->a.reg], VALUE_TARGET))
            break;
        judge_indirect(j, s, insn);
        break;
    case FLOW_CALL_IND: judge_indirect(j, s, insn); break;
    default: break;
    }
}

/* ---- All of them ---- */

static bool found(const struct audit_input *in, struct audit_report *out, uint32_t number,
                  const char *text, uint64_t n)
{
    const struct audit_function *fn = &in->functions[number];
    const struct audit_unit u = {.in = in, .fn = fn, .number = number};

    return audit_found(out, &u, FINDING_EFFECTS, true, fn->start, text, (unsigned long long)n);
}

/* One call further: what is called at the end of n calls is known after n rounds. */
static void follow_calls(struct audit_effects *e)
{
    for (uint32_t i = 0; i < e->ncalls; i++) {
        const struct effects_call *c = &e->calls[i];
        const struct effects_func *callee = &e->funcs[c->callee];
        struct effects_func *caller = &e->funcs[c->caller];
        const uint64_t chain = c->depth + callee->chain;
        if (caller->levels <= callee->levels)
            caller->levels = callee->levels + 1;
        if (caller->chain < chain)
            caller->chain = chain < INT32_MAX ? chain : INT32_MAX;
    }
}

static bool judge_levels(const struct audit_input *in, struct audit_report *out)
{
    struct audit_effects *e = out->effects;

    for (uint32_t i = 0; i < in->nfunctions; i++) {
        e->funcs[i].levels = 1;
        e->funcs[i].chain = e->funcs[i].depth;
    }
    for (uint32_t round = 0; round < LUCET_CLOSED_LEVELS; round++)
        follow_calls(e);
    for (uint32_t i = 0; i < in->nfunctions; i++)
        if (e->funcs[i].levels > LUCET_CLOSED_LEVELS &&
            !found(in, out, i, "more than %llu functions within each other, marked as closed",
                   LUCET_CLOSED_LEVELS))
            return false;
    return true;
}

/* From what the host calls on: a return address, the entry, the function and what that calls. */
static bool judge_depth(const struct audit_input *in, struct audit_report *out,
                        const struct audit_mark *m)
{
    const struct effects_func *funcs = out->effects->funcs;
    const bool entered = m->entry < in->nfunctions;
    uint64_t bytes = (entered ? funcs[m->entry].entry_depth : 0) + funcs[m->function].chain;

    if (entered && bytes < funcs[m->entry].depth)
        bytes = funcs[m->entry].depth;
    bytes += 8;
    if (bytes > out->quiet_stack)
        out->quiet_stack = (uint32_t)bytes;
    return bytes <= LUCET_QUIET_STACK ||
           found(in, out, m->function, "%llu bytes of stack, in code that is marked as quiet",
                 bytes);
}

static bool judge_mark(const struct audit_input *in, struct audit_report *out,
                       const struct audit_mark *m)
{
    const bool has_entry =
        m->entry < in->nfunctions && in->functions[m->entry].class == CLASS_ENTRY;

    out->closed++;
    if (m->entered && !has_entry &&
        !found(in, out, m->function, "the entry for its type is not among the helpers", 0))
        return false;
    if (!(m->effects & LUCET_FUNC_QUIET))
        return true;
    out->quiet++;
    return judge_depth(in, out, m);
}

bool effects_end(const struct audit_input *in, struct audit_report *out)
{
    if (!judge_levels(in, out))
        return false;
    for (uint32_t i = 0; i < in->nmarks; i++)
        if (!judge_mark(in, out, &in->marks[i]))
            return false;
    return true;
}
