/* Calls through handles: what a call by name looks up and checks, done once per module, and what a run
 * needs, kept in the instance. A run that is anything but plain (nested, limited, after a fault, ...) goes
 * the general way. */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/activation.h"
#include "runtime/call.h"
#include "runtime/error.h"
#include "runtime/gs.h"
#include "runtime/guest_stack.h"
#include "runtime/instance.h"
#include "runtime/module.h"
#include "runtime/names.h"
#include "runtime/probe.h"
#include "runtime/signals.h"
#include "runtime/sizes.h"
#include "runtime/stop.h"
#include "runtime/throw.h"
#include "runtime/timeout.h"
#include "runtime/value.h"

#define barrier() atomic_signal_fence(memory_order_seq_cst) /* between here and signal handlers */

/* ---- Looking up ---- */

/* Whether values are among them that the instance must come to hold, or that are something else for the
 * host than for guests. */
static bool has_special_values(const struct lucet_artifact *a, const struct lucet_module_type *t)
{
    const uint8_t *params = lucet_artifact_params(a, t);

    for (uint32_t k = 0; k < t->nparams; k++)
        if (params[k] == LUCET_FUNCREF || params[k] != lucet_artifact_exact(a, t->valtypes + k))
            return true;
    return memchr(params, LUCET_EXNREF, (size_t)t->nparams + t->nresults);
}

/* Sets of bits: which values have 4 bytes, which 16; the others have 8. */
static void measure(const uint8_t *types, uint32_t n, uint8_t *narrow, uint8_t *wide)
{
    for (uint32_t k = 0; k < n; k++) {
        *narrow |= (uint8_t)((types[k] == LUCET_I32 || types[k] == LUCET_F32) << k);
        *wide |= (uint8_t)((types[k] == LUCET_V128) << k);
    }
}

static enum lucet_error check_signature(const struct lucet_dl_module *m,
                                        const struct lucet_module_type *t, const char *signature)
{
    char real[64];
    size_t n = lucet_artifact_signature(&m->artifact, t, real, sizeof(real));
    char *whole = n < sizeof(real) ? real : malloc(n + 1);
    enum lucet_error e = lucet_error_ok;

    if (!whole)
        return lucet__no_memory();
    lucet_artifact_signature(&m->artifact, t, whole, n + 1);
    if (strcmp(whole, signature) != 0)
        e = lucet__fail(lucet_error_type_mismatch, "the function is of type \"%.200s\"", whole);
    if (whole != real)
        free(whole);
    return e;
}

enum lucet_error lucet_dl_module_func(const struct lucet_dl_module *m, const char *name,
                                      const char *signature, struct lucet_func *out)
{
    char text[LUCET__NAME_MAX];

    lucet__clear_error();
    if (!m || !name || !out)
        return lucet__fail(lucet_error_invalid_argument, "lucet_dl_module_func: NULL");
    memset(out, 0, sizeof(*out));
    const struct lucet_module_export *e = lucet_artifact_export(&m->artifact, name, strlen(name));
    if (!e || e->kind != LUCET_EXTERN_FUNC)
        return lucet__fail(lucet_error_symbol_not_found, "no exported function \"%s\"",
                           lucet__printable(text, sizeof(text), name, strlen(name)));
    const struct lucet_module_type *t = lucet__func_type(m, e->index);
    enum lucet_error error = signature ? check_signature(m, t, signature) : lucet_error_ok;
    if (error != lucet_error_ok)
        return error;
    if (t->entry == 0 || m->artifact.funcs[e->index].code == 0)
        return lucet__fail(lucet_error_unsupported,
                           "the artifact has no entry for calling function %u from the host",
                           e->index);
    *out = (struct lucet_func){
        .module_id = m->id,
        .entry = lucet__code(m, t->entry),
        .code = lucet__code(m, m->artifact.funcs[e->index].code),
        .index = e->index,
        .nparams = t->nparams,
        .nresults = t->nresults,
    };
    if (t->nparams <= LUCET__FEW && t->nresults <= LUCET__FEW &&
        !has_special_values(&m->artifact, t)) {
        out->quick = 1;
        measure(lucet_artifact_params(&m->artifact, t), t->nparams, &out->narrow_params,
                &out->wide_params);
        measure(lucet_artifact_results(&m->artifact, t), t->nresults, &out->narrow_results,
                &out->wide_results);
    }
    return lucet_error_ok;
}

/* ---- The general way ---- */

static void load_values(const uint8_t *types, uint32_t n, const union lucet_raw *raw,
                        struct lucet_val *out)
{
    for (uint32_t k = 0; k < n; k++)
        out[k] = lucet__value_load(types[k], &raw[k]);
}

static void store_values(const struct lucet_val *values, uint32_t n, union lucet_raw *raw)
{
    for (uint32_t k = 0; k < n; k++)
        lucet__value_store(&values[k], lucet__valtype_of(values[k].ty), &raw[k]);
}

static enum lucet_error errored(enum lucet_error e, struct lucet_result *result)
{
    result->tag = lucet_result_tag_errored;
    result->val.errored = e;
    return e;
}

/* A caller who did not ask what became of the run must not take it for one that returned. */
static enum lucet_error yielded_unseen(enum lucet_error e, bool unwanted,
                                       const struct lucet_result *result)
{
    if (!unwanted || e != lucet_error_ok || result->tag != lucet_result_tag_yielded)
        return e;
    return lucet__fail(lucet_error_instance_not_returned,
                       "the instance has yielded: resume or reset it");
}

static __attribute__((noinline, cold)) enum lucet_error call_generally(const struct lucet_func *f,
                                                                       struct lucet_instance *i,
                                                                       union lucet_raw *raw,
                                                                       struct lucet_result *result)
{
    struct lucet_val few[16], *values = few;
    struct lucet_result unwanted;
    const struct lucet_artifact *a = &i->module->artifact;
    const size_t n = (size_t)f->nparams + f->nresults;

    result = result ? result : &unwanted;
    lucet__clear_error();
    if (i->module->id != f->module_id)
        return errored(lucet__fail(lucet_error_invalid_argument,
                                   "the function is of another module than the instance"),
                       result);
    if (n > 16 && !(values = malloc(n * sizeof(*values))))
        return errored(lucet__no_memory(), result);
    const struct lucet_module_type *t = lucet__func_type(i->module, f->index);
    struct lucet_val *results = values + f->nparams;
    load_values(lucet_artifact_params(a, t), f->nparams, raw, values);
    enum lucet_error e = lucet__call(&(struct call){.instance = i,
                                                    .ctx = i->ctx,
                                                    .module = i->module,
                                                    .func = f->index,
                                                    .argc = f->nparams,
                                                    .argv = values,
                                                    .nresults = f->nresults,
                                                    .results = results},
                                     result);
    if (e == lucet_error_ok && result->tag == lucet_result_tag_returned)
        store_values(results, f->nresults, raw);
    if (values != few)
        free(values);
    return yielded_unseen(e, result == &unwanted, result);
}

/* ---- The quick way ---- */

void lucet__callable_update(struct lucet_instance *i)
{
    const bool plain = i->state == INSTANCE_READY && i->start_done && i->depth == 0 &&
                       i->timeout_ns == 0 && i->slice_ns == 0 && i->instructions_bound == 0 &&
                       !i->uncaught;

    i->area.ready = plain ? i->module->id : LUCET__NOT_READY;
}

/* What stays the same from run to run. */
void lucet__activation_prepare(struct lucet_instance *i)
{
    uint8_t *high = i->slot->stack + i->region->limits.stack_size;

    i->act = (struct activation){
        .instance = i,
        .trace = &i->trace,
        .stack_low = i->slot->stack,
        .stack_high = high,
        .stack_guard = LUCET__GUARD,
        .guest_sp = high - LUCET__HEADROOM,
        .argv = i->area.values,
        .begun = i->ctx,
    };
    i->hostcall_limit = i->slot->stack + i->region->limits.hostcall_reservation;
}

/* As call.c's push(). */
static void push(struct thread *t, struct lucet_instance *i, struct activation *act)
{
    struct lucet_vmctx *ctx = i->ctx;

    /* guest_frame is not NULL since the last run, or lucet__thread_prepare(). */
    __atomic_store_n(&t->current, act, __ATOMIC_RELEASE);
    barrier();
    t->abi.hostcall_limit = i->hostcall_limit;
    t->abi.ctx = ctx;
    t->abi.catcher = NULL;
    ctx->activation = &t->abi;
    if (ctx->exception)
        ctx->exception->tag = 0;
    t->abi.pending = 0;
    atomic_store_explicit(&i->stop->act, act, memory_order_relaxed);
    atomic_store_explicit(&i->stop->thread, t, memory_order_relaxed);
    barrier();
}

/* In the widths in which they were written: otherwise the processor waits for its store buffer. */
static inline void copy_values(union lucet_raw *to, const union lucet_raw *from, unsigned n,
                               unsigned narrow, unsigned wide)
{
    if (narrow == (1u << n) - 1) { /* the most common case */
        for (unsigned k = 0; k < n; k++)
            to[k].u32 = from[k].u32;
        return;
    }
    for (unsigned k = 0; k < n; k++) {
        if (narrow >> k & 1)
            to[k].u32 = from[k].u32;
        else
            to[k].u64 = from[k].u64;
        if (__builtin_expect(wide >> k & 1, 0))
            to[k].words[1] = from[k].words[1];
    }
}

/* It did not simply return; or it did, but a timer or a killer was there. */
static __attribute__((noinline, cold)) enum lucet_error
end_slowly(const struct lucet_func *f, struct lucet_instance *i, struct lucet_result *result)
{
    struct lucet_result unwanted;
    enum lucet_error e;

    result = result ? result : &unwanted;
    if (lucet__thread.armed)
        lucet__timer_set(&lucet__thread);
    lucet__clear_error();
    i->area.ready = LUCET__NOT_READY;
    /* In case it yielded. */
    i->suspended.module = i->module;
    i->suspended.func = f->index;
    i->suspended.values = (uint64_t (*)[2])(void *)i->area.values;
    result->tag = lucet_result_tag_returned;
    e = lucet__finish(i, &i->act, result);
    i->act.outcome = OUTCOME_RETURNED;
    return yielded_unseen(e, result == &unwanted, result);
}

static inline bool is_quick(const struct lucet_func *f, const struct lucet_instance *i,
                            const struct thread *t)
{
    return i->area.ready == f->module_id && f->quick && !t->current && t->ready &&
           atomic_load_explicit(&lucet__handlers_installed, memory_order_relaxed);
}

enum outcome_of_quick { QUICK_RETURNED, QUICK_ENDED, QUICK_NOT_BEGUN };

static inline enum outcome_of_quick call_quickly(const struct lucet_func *f,
                                                 struct lucet_instance *i, struct thread *t)
{
    struct activation *act = &i->act;

    act->entry = f->entry;
    act->callee = f->code;
    lucet__stack_unused(i->slot);
    push(t, i, act);
    i->area.ready = LUCET__NOT_READY;
    i->depth = 1;
    i->runner = lucet__self();
    if (__builtin_expect(!lucet__stop_running(i->stop, true), 0)) {
        __atomic_store_n(&t->current, NULL, __ATOMIC_RELEASE);
        i->depth = 0;
        return QUICK_NOT_BEGUN;
    }
    LUCET__PROBE2(run_begin, i, f->index);
    uint64_t put_back = lucet__gs_enter(t, (uintptr_t)i->ctx->gs_base, false);
    lucet__enter(act);
    lucet__gs_leave(t, put_back, act->outcome == OUTCOME_RETURNED);
    __atomic_store_n(&t->current, NULL, __ATOMIC_RELEASE);
    barrier();
    i->depth = 0;
    i->area.ready = i->timeout_ns || i->slice_ns ? LUCET__NOT_READY : f->module_id;
    /* The state: of a run of the same instance within it. */
    return __builtin_expect(act->outcome == OUTCOME_RETURNED && i->state == INSTANCE_READY &&
                                !lucet__throw_left(act) && !t->armed && lucet__stop_ended(i->stop),
                            1)
               ? QUICK_RETURNED
               : QUICK_ENDED;
}

enum lucet_error lucet_func_call_area(const struct lucet_func *f, struct lucet_instance *i,
                                      struct lucet_result *result)
{
    struct thread *t = &lucet__thread;

    if (__builtin_expect(!is_quick(f, i, t), 0))
        return call_generally(f, i, i->area.values, result);
    switch (call_quickly(f, i, t)) {
    case QUICK_RETURNED: LUCET__PROBE2(run_end, i, lucet_result_tag_returned); break;
    case QUICK_ENDED: return end_slowly(f, i, result);
    case QUICK_NOT_BEGUN: return call_generally(f, i, i->area.values, result);
    }
    if (result)
        result->tag = lucet_result_tag_returned;
    return lucet_error_ok;
}

enum lucet_error lucet_func_call(const struct lucet_func *f, struct lucet_instance *i,
                                 union lucet_raw *raw, struct lucet_result *result)
{
    if (__builtin_expect(!f || !i || !f->module_id || (!raw && f->nparams + f->nresults), 0))
        return lucet__fail(lucet_error_invalid_argument, "lucet_func_call: NULL");
    if (__builtin_expect(!f->quick || i->area.ready != f->module_id, 0))
        return call_generally(f, i, raw, result);
    copy_values(i->area.values, raw, f->nparams, f->narrow_params, f->wide_params);
    enum lucet_error e = lucet_func_call_area(f, i, result);
    if (e == lucet_error_ok && (!result || result->tag == lucet_result_tag_returned))
        copy_values(raw, i->area.values, f->nresults, f->narrow_results, f->wide_results);
    return e;
}
