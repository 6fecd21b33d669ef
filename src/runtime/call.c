/* Runs a function of an instance. */
#include "runtime/call.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "runtime/activation.h"
#include "runtime/allocate.h"
#include "runtime/backtrace.h"
#include "runtime/count.h"
#include "runtime/error.h"
#include "runtime/exception.h"
#include "runtime/gs.h"
#include "runtime/guest_stack.h"
#include "runtime/instance.h"
#include "runtime/module.h"
#include "runtime/probe.h"
#include "runtime/signals.h"
#include "runtime/sizes.h"
#include "runtime/slice.h"
#include "runtime/slot.h"
#include "runtime/statistics.h"
#include "runtime/stop.h"
#include "runtime/suspend.h"
#include "runtime/throw.h"
#include "runtime/timeout.h"
#include "runtime/value.h"

/* What a guest must have to begin with: less is a stack overflow. */
#define LEAST_STACK (UINT64_C(8) << 10)

#define barrier() atomic_signal_fence(memory_order_seq_cst) /* between here and signal handlers */

/* ---- The thread's state around a run ---- */

static bool in_stack(const struct slot *s, uintptr_t sp)
{
    return sp - (uintptr_t)s->stack < s->region->limits.stack_size;
}

static void describe_stack(struct activation *act, const struct slot *s)
{
    act->stack_low = s->stack;
    act->stack_high = s->stack + s->region->limits.stack_size;
    act->stack_guard = LUCET__GUARD;
}

/* Where the guest's stack begins: at its top, or, when host functions called by the same instance
 * are still running on it, below what they use. False: too little is left. */
static bool choose_stack(struct activation *act, const struct slot *s)
{
    uintptr_t here = (uintptr_t)__builtin_frame_address(0), sp = 0;

    describe_stack(act, s);
    if (in_stack(s, here)) {
        act->guest_sp = NULL; /* enter.S knows best */
        return here - (uintptr_t)act->stack_low >= LEAST_STACK;
    }
    for (const struct activation *a = lucet__thread.current; a && !sp; a = a->outer)
        if (in_stack(s, (uintptr_t)a->host_sp))
            sp = (uintptr_t)a->host_sp & ~(uintptr_t)15;
    act->guest_sp = sp ? (void *)sp : act->stack_high - LUCET__HEADROOM;
    return (uintptr_t)act->guest_sp - (uintptr_t)act->stack_low >= LEAST_STACK;
}

static void push(struct activation *act, struct lucet_vmctx *ctx)
{
    struct thread *t = &lucet__thread;
    enum lucet_terminated_reason reason;

    act->outer = t->current;
    if (act->outer) {
        act->outer->abi = t->abi;
        act->outer->odd = 1;
    }
    /* Not in guest code. */
    lucet__guest_frame_set(&t->abi, act);
    barrier();
    __atomic_store_n(&t->current, act, __ATOMIC_RELEASE);
    barrier();
    t->abi.hostcall_limit = act->stack_low + act->instance->region->limits.hostcall_reservation;
    t->abi.ctx = ctx;
    t->abi.catcher = NULL; /* no exception passes the frames of this function */
    ctx->activation = &t->abi;
    /* In this order: a request that comes in between is not lost. */
    t->abi.pending = 0;
    barrier();
    if (lucet__stop_requested(act->instance->stop, &reason))
        __atomic_fetch_or(&t->abi.pending, LUCET__PENDING_STOP, __ATOMIC_RELAXED);
    if (act->deadline)
        lucet__timer_set(t);
    if (act->slice)
        lucet__slice_begin(t, act);
}

static void pop(const struct activation *act)
{
    struct thread *t = &lucet__thread;
    enum lucet_terminated_reason reason;

    __atomic_store_n(&t->current, act->outer, __ATOMIC_RELEASE);
    barrier();
    if (act->outer) {
        lucet__activation_restore(&t->abi, &act->outer->abi);
        barrier();
        if (lucet__stop_requested(act->outer->instance->stop, &reason))
            __atomic_fetch_or(&t->abi.pending, LUCET__PENDING_STOP, __ATOMIC_RELAXED);
    }
    if (lucet__timer_is_set(t))
        lucet__timer_set(t);
    if (act->slice || (act->outer && act->outer->slice))
        lucet__slice_end(t, act);
}

/* `how`: lucet__enter(), or when `suspended` goes on, one of its kin. */
static void enter(struct activation *act, struct lucet_vmctx *ctx, void (*how)(struct activation *),
                  const struct suspended *suspended)
{
    struct thread *t = &lucet__thread;

    push(act, ctx);
    if (suspended && suspended->sp) /* it goes on in a host function */
        lucet__guest_frame_set(&lucet__thread.abi, suspended->abi.guest_frame);
    if (suspended) {
        lucet__in_transit_restore(suspended);
        lucet__throw_resume(act, suspended);
    }
    uint64_t put_back = lucet__gs_enter(t, (uintptr_t)ctx->gs_base, act->outer != NULL);
    lucet__gs_mark(lucet__instance(ctx)->act.gs);
    how(act);
    lucet__gs_leave(t, put_back, act->outcome == OUTCOME_RETURNED);
    pop(act);
}

/* ---- Checks ---- */

static bool usable(const struct lucet_instance *i)
{
    return i->state == INSTANCE_READY || (i->state == INSTANCE_FAULTED && i->continue_after_fault);
}

static enum lucet_error check_handlers(void)
{
    if (!atomic_load_explicit(&lucet__handlers_installed, memory_order_relaxed))
        return lucet__fail(lucet_error_unsupported,
                           "the signal handlers that contain faults have been removed");
    return lucet_error_ok;
}

static enum lucet_error check_instance(const struct call *c)
{
    const struct lucet_instance *i = c->instance;

    if (i->state == INSTANCE_YIELDED)
        return lucet__fail(lucet_error_instance_not_returned,
                           "the instance has yielded: resume or reset it first");
    if (!usable(i))
        return lucet__fail(lucet_error_instance_not_returned,
                           "the instance has faulted or was terminated, and must be reset first");
    if (i->stop->depth &&
        atomic_load_explicit(&i->stop->abi, memory_order_relaxed) != &lucet__thread.abi)
        return lucet__fail(lucet_error_instance_not_returned,
                           "the instance is running on another thread");
    if (!c->is_start && !i->start_done)
        return lucet__fail(lucet_error_instance_needs_start,
                           "call lucet_instance_run_start() first");
    return check_handlers();
}

static enum lucet_error load_arguments(const struct call *c, const struct lucet_module_type *t,
                                       uint64_t (*values)[2])
{
    const uint8_t *params = lucet_artifact_params(&c->module->artifact, t);

    for (uint32_t k = 0; k < t->nparams; k++) {
        values[k][0] = values[k][1] = 0;
        if (!lucet__value_store(&c->argv[k], params[k], values[k]) ||
            !lucet__value_is(c->module, lucet_artifact_exact(&c->module->artifact, t->valtypes + k),
                             values[k]))
            return lucet__fail(lucet_error_type_mismatch, "argument %u is not of type %s", k,
                               lucet_valtype_name(params[k]));
        enum lucet_error e = lucet__value_hold(c->instance, &c->argv[k]);
        if (e != lucet_error_ok)
            return e;
    }
    return lucet__arguments_admit(c->instance, params, t->nparams, c->argv, values);
}

static enum lucet_error check_type(const struct call *c, const struct lucet_module_type *t)
{
    if (c->argc && !c->argv)
        return lucet__fail(lucet_error_invalid_argument, "%zu arguments at NULL", c->argc);
    if (c->argc != t->nparams)
        return lucet__fail(lucet_error_type_mismatch, "%zu arguments, the function takes %u",
                           c->argc, t->nparams);
    if (c->results && c->nresults < t->nresults)
        return lucet__fail(lucet_error_type_mismatch, "room for %zu results, the function has %u",
                           c->nresults, t->nresults);
    if (t->entry == 0 || c->module->artifact.funcs[c->func].code == 0)
        return lucet__fail(lucet_error_unsupported,
                           "the artifact has no entry for calling function %u from the host",
                           c->func);
    return lucet_error_ok;
}

/* ---- The run ---- */

static void store_results(const struct call *c, const struct lucet_module_type *t,
                          uint64_t (*values)[2], struct lucet_result *result)
{
    const uint8_t *types = lucet_artifact_results(&c->module->artifact, t);

    memset(&result->val, 0, sizeof(result->val));
    result->tag = lucet_result_tag_returned;
    for (uint32_t k = 0; k < t->nresults && c->results; k++) {
        c->results[k] = lucet__value_load(types[k], values[k]);
        lucet__value_export(c->instance, &c->results[k]);
    }
    if (t->nresults == 0 || !values)
        return;
    if (types[0] == LUCET_F32 || types[0] == LUCET_F64 || types[0] == LUCET_V128)
        memcpy(result->val.returned.fp, values[0], 16);
    else
        memcpy(result->val.returned.gp, values[0], 8);
    if (types[0] == LUCET_I32)
        memset(result->val.returned.gp + 4, 0, 4); /* the upper half is nobody's */
    if (types[0] == LUCET_F32)
        memset(result->val.returned.fp + 4, 0, 12);
}

static const char *why(enum lucet_terminated_reason reason)
{
    static const char *const names[] = {
        [lucet_terminated_reason_signal] = " by its signal handler",
        [lucet_terminated_reason_provided] = " by a host function",
        [lucet_terminated_reason_remote] = " by a kill switch",
        [lucet_terminated_reason_timeout] = " by its time limit",
        [lucet_terminated_reason_heap_out_of_memory] = ": it wanted more memory than it may have",
        [lucet_terminated_reason_other] = "",
        [lucet_terminated_reason_cannot_yield] = ": it cannot yield",
    };

    return (unsigned)reason < sizeof(names) / sizeof(names[0]) ? names[reason] : "";
}

static enum lucet_error terminated(struct lucet_instance *i, enum lucet_terminated_reason reason,
                                   void *provided, struct lucet_result *result)
{
    lucet__count_termination(i->module, reason);
    LUCET__PROBE2(terminate, i, reason);
    result->tag = lucet_result_tag_terminated;
    result->val.terminated.reason = reason;
    result->val.terminated.provided = provided;
    return lucet__fail(lucet_error_runtime_terminated, "the guest was terminated%s", why(reason));
}

static enum lucet_error yielded(struct lucet_instance *i, struct activation *act,
                                struct lucet_result *result)
{
    struct suspended *s = &i->suspended;
    uint64_t now = act->deadline ? lucet__now() : 0;

    LUCET__PROBE2(yield, i, s->reason);
    lucet__throw_suspend(act, s);
    if (lucet__in_transit_save(s) != lucet_error_ok) {
        lucet__suspended_drop(i);
        i->state = INSTANCE_TERMINATED;
        lucet__stop_disable(i->stop);
        return lucet__errored(lucet_error_no_memory, result);
    }
    s->time_left = act->deadline > now ? act->deadline - now : act->deadline != 0;
    result->tag = lucet_result_tag_yielded;
    result->val.yielded.val = s->value;
    result->val.yielded.reason = s->reason;
    return lucet_error_ok;
}

static enum lucet_error faulted(const struct activation *act, struct lucet_result *result)
{
    const struct lucet_runtime_fault *f = &result->val.faulted;
    struct lucet_instance *i = act->instance;
    char number[32] = "generated code";

    lucet__count_fault(i->module, act->trapcode, act->fatal);
    LUCET__PROBE4(fault, i, act->trapcode, act->pc, act->fault_addr);
    if (act->fatal && i->fatal_handler)
        i->fatal_handler(i);
    lucet__describe_fault(act, result);
    if (f->function_index != UINT32_MAX)
        snprintf(number, sizeof(number), "function %u", f->function_index);
    return lucet__fail(lucet_error_runtime_fault, "%s in %s%s%s%s%s",
                       lucet_trapcode_message(f->trapcode), number, f->function_name[0] ? " " : "",
                       f->function_name, f->module_name[0] ? " of module " : "", f->module_name);
}

/* The exception is the instance's until its next run. */
static enum lucet_error threw(struct lucet_instance *i, struct activation *act,
                              struct lucet_result *result)
{
    struct lucet_exception *e = act->thrown;

    act->thrown = NULL;
    lucet_exception_release(i->uncaught);
    i->uncaught = e;
    result->tag = lucet_result_tag_threw;
    result->val.threw.exception = e;
    return lucet__fail(lucet_error_runtime_threw, "the guest threw an exception of type (%.*s)",
                       (int)lucet_exception_count(e), lucet_tag_signature(lucet_exception_tag(e)));
}

static enum lucet_error outcome(struct lucet_instance *i, struct activation *act,
                                struct lucet_result *result)
{
    static const enum instance_state states[] = {
        [OUTCOME_FAULTED] = INSTANCE_FAULTED,
        [OUTCOME_TERMINATED] = INSTANCE_TERMINATED,
        [OUTCOME_YIELDED] = INSTANCE_YIELDED,
    };
    enum lucet_terminated_reason reason;
    bool stopped;

    lucet__throw_end(act);
    if (act->outcome != OUTCOME_RETURNED && act->outcome != OUTCOME_THREW)
        i->state = states[act->outcome];
    stopped = i->stop->depth == 0
                  ? lucet__stop_end(i->stop, usable(i) || i->state == INSTANCE_YIELDED, &reason)
                  : lucet__stop_requested(i->stop, &reason);
    if (i->stop->depth == 0)
        lucet__stop_belongs(i->stop, &i->act);
    if (stopped) {
        i->state = INSTANCE_TERMINATED;
        act->outcome = OUTCOME_TERMINATED;
        lucet__throw_end(act); /* also of a run that yielded */
        return terminated(i, reason, NULL, result);
    }
    switch (act->outcome) {
    case OUTCOME_FAULTED: return faulted(act, result);
    case OUTCOME_TERMINATED: return terminated(i, act->reason, act->provided, result);
    case OUTCOME_YIELDED: return yielded(i, act, result);
    case OUTCOME_THREW: return threw(i, act, result);
    default: return lucet_error_ok;
    }
}

enum lucet_error lucet__finish(struct lucet_instance *i, struct activation *act,
                               struct lucet_result *result)
{
    enum lucet_error e;

    result->tag = lucet_result_tag_returned;
    i->touched |= act->outcome != OUTCOME_RETURNED;
    e = outcome(i, act, result);
    lucet__callable_update(i);
    LUCET__PROBE2(run_end, i, result->tag);
    return e;
}

/* What goes on, or is another thread of a run, may find its time over. Where the host keeps the
 * time it may look between such parts only, and would never end what has short ones. */
static void expire(const struct lucet_instance *i, const struct activation *act)
{
    if (act->deadline && (i->state == INSTANCE_YIELDED || i->deadline) &&
        lucet__now() >= act->deadline)
        lucet__stop_expire(i->stop);
}

/* Counts the run in. False: it was cancelled before. */
static bool begin(struct lucet_instance *i, struct activation *act, struct lucet_result *result)
{
    /* Also if it comes to nothing: its stop names this thread then. */
    lucet__thread.bound = LUCET__UNBOUND;
    if (i->stop->depth == 0 && !lucet__stop_begin(i->stop, act)) {
        lucet__stop_belongs(i->stop, &i->act);
        i->state = INSTANCE_TERMINATED;
        lucet__callable_update(i);
        terminated(i, lucet_terminated_reason_remote, NULL, result);
        return false;
    }
    if (i->stop->depth == 0 && i->instructions_bound)
        lucet__count_begin(i);
    i->stop->depth++;
    i->start_done = true;
    lucet_exception_release(i->uncaught);
    i->uncaught = NULL;
    expire(i, act);
    return true;
}

static enum lucet_error set_limits(struct activation *act, uint64_t nanoseconds)
{
    struct lucet_instance *i = act->instance;
    const bool by_timer = nanoseconds && !lucet__host_keeps_time();
    enum lucet_error e = by_timer ? lucet__timer_prepare(&lucet__thread) : lucet_error_ok;

    if (nanoseconds && e == lucet_error_ok)
        act->deadline = lucet__now() + nanoseconds;
    if (act->deadline && i->deadline && i->deadline < act->deadline)
        act->deadline = i->deadline;
    if (i->slice_ns && i->stop->depth == 0 && e == lucet_error_ok) {
        e = lucet__slices_prepare(&lucet__thread);
        act->slice = i->slice_ns;
    }
    return e;
}

/* `cell`: where the address of its values stands. */
static enum lucet_error run(const struct call *c, const struct lucet_module_type *t,
                            uint64_t (**cell)[2], struct lucet_result *result)
{
    struct lucet_instance *i = c->instance;
    struct activation act = {
        .entry = lucet__code(c->module, t->entry),
        .callee = lucet__code(c->module, c->module->artifact.funcs[c->func].code),
        .cell = cell,
        .instance = i,
        .trace = &i->trace,
    };
    enum lucet_error e = set_limits(&act, i->timeout_ns);

    if (e != lucet_error_ok)
        return e;
    if (!begin(i, &act, result))
        return lucet_error_runtime_terminated;
    i->touched |=
        c->module != i->module || !(c->module->artifact.funcs[c->func].effects & LUCET_FUNC_QUIET);
    lucet__throw_begin(&act, c->ctx);
    if (i->stop->depth == 1)
        lucet__stack_unused(i->slot);
    LUCET__PROBE2(run_begin, i, c->func);
    if (choose_stack(&act, i->slot)) {
        enter(&act, c->ctx, lucet__enter, NULL);
    } else {
        i->trace.count = 0;
        i->trace.truncated = false;
        act.outcome = OUTCOME_FAULTED;
        act.trapcode = lucet_trapcode_stack_overflow;
    }
    i->stop->depth--;
    return lucet__finish(i, &act, result);
}

/* Puts the arguments where results will be, too: *cell, which says `few` on entry. */
static enum lucet_error make_values(const struct call *c, const struct lucet_module_type *t,
                                    uint64_t (**cell)[2], uint64_t (**many)[2])
{
    const uint32_t n = t->nparams > t->nresults ? t->nparams : t->nresults;

    if (n > LUCET__FEW && !(*many = lucet__malloc(n * sizeof(**many))))
        return lucet__no_memory();
    if (*many)
        *cell = *many;
    return load_arguments(c, t, *cell);
}

static enum lucet_error run_with_values(const struct call *c, const struct lucet_module_type *t,
                                        uint64_t (**cell)[2], uint64_t (**many)[2],
                                        struct lucet_result *result)
{
    enum lucet_error e = make_values(c, t, cell, many);

    result->tag = lucet_result_tag_errored;
    if (e == lucet_error_ok)
        e = run(c, t, cell, result);
    if (e == lucet_error_ok && result->tag != lucet_result_tag_yielded)
        store_results(c, t, *cell, result);
    else if (e != lucet_error_ok && result->tag == lucet_result_tag_errored)
        lucet__errored(e, result);
    return e;
}

/* It may yield: all that it needs is in the instance. */
static enum lucet_error call_outermost(const struct call *c, const struct lucet_module_type *t,
                                       struct lucet_result *result)
{
    struct suspended *s = &c->instance->suspended;

    c->instance->values = s->few;
    s->module = c->module;
    s->func = c->func;
    enum lucet_error e = run_with_values(c, t, &c->instance->values, &s->many, result);
    if (e != lucet_error_ok || result->tag != lucet_result_tag_yielded)
        lucet__suspended_drop(c->instance);
    return e;
}

static enum lucet_error call_nested(const struct call *c, const struct lucet_module_type *t,
                                    struct lucet_result *result)
{
    uint64_t few[LUCET__FEW][2] __attribute__((aligned(16))), (*values)[2] = few, (*many)[2] = NULL;
    enum lucet_error e = run_with_values(c, t, &values, &many, result);

    lucet__free(many);
    return e;
}

enum lucet_error lucet__call(const struct call *c, struct lucet_result *result)
{
    const struct lucet_module_type *t = lucet__func_type(c->module, c->func);
    enum lucet_error e = check_instance(c);

    if (e == lucet_error_ok)
        e = check_type(c, t);
    if (e == lucet_error_ok)
        e = lucet__thread_prepare(c->instance->region->limits.signal_stack_size);
    if (e != lucet_error_ok)
        return lucet__errored(e, result);
    return (c->instance->stop->depth ? call_nested : call_outermost)(c, t, result);
}

static enum lucet_error check_suspended(const struct call *c)
{
    const struct suspended *s = &c->instance->suspended;
    const struct lucet_module_type *t;

    if (c->instance->state != INSTANCE_YIELDED)
        return lucet__fail(lucet_error_instance_not_yielded, "the instance has not yielded");
    t = lucet__func_type(s->module, s->func);
    if (c->results && c->nresults < t->nresults)
        return lucet__fail(lucet_error_type_mismatch, "room for %zu results, the function has %u",
                           c->nresults, t->nresults);
    return check_handlers();
}

enum lucet_error lucet__call_resume(const struct call *c, void *value, struct lucet_result *result)
{
    struct lucet_instance *i = c->instance;
    struct suspended *s = &i->suspended;
    struct activation act = {.guest_sp = lucet__suspended_sp(i), .instance = i, .trace = &i->trace};
    enum lucet_error e = check_suspended(c);

    if (e == lucet_error_ok)
        e = lucet__thread_prepare(i->region->limits.signal_stack_size);
    if (e == lucet_error_ok)
        e = set_limits(&act, s->time_left);
    if (e != lucet_error_ok)
        return lucet__errored(e, result);
    act.cell = s->sp ? value : i->registers;
    describe_stack(&act, i->slot);
    result->tag = lucet_result_tag_errored;
    if (begin(i, &act, result)) {
        i->state = INSTANCE_READY;
        LUCET__PROBE1(resume, i);
        enter(&act, s->abi.ctx, s->sp ? lucet__resume : lucet__continue, s);
        i->stop->depth--;
        e = lucet__finish(i, &act, result);
    } else {
        e = lucet_error_runtime_terminated;
    }
    if (e == lucet_error_ok && result->tag == lucet_result_tag_yielded)
        return e;
    if (e == lucet_error_ok)
        store_results(
            &(struct call){
                .instance = i, .module = s->module, .nresults = c->nresults, .results = c->results},
            lucet__func_type(s->module, s->func), i->values, result);
    lucet__suspended_drop(i);
    return e;
}
