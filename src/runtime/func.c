/* Calls through handles: what a call by name looks up and checks, done once per module, and what a
 * run needs, kept in the instance. A run that is anything but plain (nested, limited, after a
 * fault, ...) goes the general way. */
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#include "module/cpu.h"
#include "runtime/activation.h"
#include "runtime/allocate.h"
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
#include "runtime/x86_64/quick.h"

#define barrier() atomic_signal_fence(memory_order_seq_cst) /* between here and signal handlers */

/* ---- Looking up ---- */

/* Whether values are among them that the instance must come to hold, or that are something else for
 * the host than for guests. */
static bool has_special_values(const struct lucet_artifact *a, const struct lucet_module_type *t)
{
    const uint8_t *params = lucet_artifact_params(a, t);

    for (uint32_t k = 0; k < t->nparams; k++)
        if (params[k] == LUCET_FUNCREF || params[k] != lucet_artifact_exact(a, t->valtypes + k))
            return true;
    return memchr(params, LUCET_EXNREF, (size_t)t->nparams + t->nresults);
}

static enum lucet_error check_signature(const struct lucet_dl_module *m,
                                        const struct lucet_module_type *t, const char *signature)
{
    char real[64];
    size_t n = lucet_artifact_signature(&m->artifact, t, real, sizeof(real));
    char *whole = n < sizeof(real) ? real : lucet__malloc(n + 1);
    enum lucet_error e = lucet_error_ok;

    if (!whole)
        return lucet__no_memory();
    lucet_artifact_signature(&m->artifact, t, whole, n + 1);
    if (strcmp(whole, signature) != 0)
        e = lucet__fail(lucet_error_type_mismatch,
                        "the function is of type \"%.200s\", not \"%.200s\"", whole, signature);
    if (whole != real)
        lucet__free(whole);
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
        .effects = m->artifact.funcs[e->index].effects,
    };
    /* If it yields, its results find room in the instance. */
    if (t->nresults <= LUCET__FEW && !has_special_values(&m->artifact, t))
        out->quick_id = m->id;
    return lucet_error_ok;
}

/* ---- Runs with a time limit, where the host keeps the time ---- */

/* Whatever its time limit. */
static bool is_plain(const struct lucet_instance *i)
{
    return i->state == INSTANCE_READY && i->start_done && i->slice_ns == 0 &&
           i->instructions_bound == 0 && !i->uncaught;
}

static bool is_only_limited(const struct lucet_func *f, const struct lucet_instance *i,
                            const struct thread *t)
{
    return i->ready == LUCET__NOT_READY && i->timeout_ns && !i->deadline && is_plain(i) &&
           f->quick_id == i->module->id && i->stop->depth == 0 && t->ready && !t->current &&
           lucet__host_keeps_time();
}

/* The quick way, with a deadline that stands there before the run begins. */
static enum lucet_error call_limited(const struct lucet_func *f, struct lucet_instance *i,
                                     union lucet_raw *raw, struct lucet_result *result)
{
    struct thread *t = &lucet__thread;

    i->act.deadline = lucet__now() + i->timeout_ns;
    atomic_store_explicit(&t->deadline, lucet__deadline_own(i->act.deadline), memory_order_release);
    i->ready = i->module->id;
    enum lucet_error e = lucet_func_call(f, i, raw, result);
    i->act.deadline = 0;
    if (lucet__timer_is_set(t))
        lucet__timer_set(t);
    lucet__callable_update(i);
    return e;
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

/* A caller who did not ask what became of the run must not take it for one that returned. */
static enum lucet_error yielded_unseen(enum lucet_error e, bool unwanted,
                                       const struct lucet_result *result)
{
    if (!unwanted || result->tag != lucet_result_tag_yielded)
        return e;
    return lucet__fail(lucet_error_instance_not_returned,
                       "the instance has yielded: resume or reset it");
}

enum lucet_error lucet__func_call_generally(const struct lucet_func *f, struct lucet_instance *i,
                                            union lucet_raw *raw, struct lucet_result *result)
{
    struct lucet_val few[16], *values = few;
    struct lucet_result unwanted;

    if (f && i && is_only_limited(f, i, &lucet__thread))
        return call_limited(f, i, raw, result);
    result = result ? result : &unwanted;
    lucet__clear_error();
    if (!f || !i || (!raw && f->nparams + f->nresults))
        return lucet__errored(lucet__fail(lucet_error_invalid_argument, "lucet_func_call: NULL"),
                              result);
    if (i->module->id != f->module_id)
        return lucet__errored(lucet__fail(lucet_error_invalid_argument,
                                          "the function is of another module than the instance"),
                              result);
    const struct lucet_artifact *a = &i->module->artifact;
    const struct lucet_module_type *t = lucet__func_type(i->module, f->index);
    const size_t n = (size_t)f->nparams + f->nresults;
    if (n > 16 && !(values = lucet__malloc(n * sizeof(*values))))
        return lucet__errored(lucet__no_memory(), result);
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
    if (result->tag == lucet_result_tag_returned)
        store_values(results, f->nresults, raw);
    if (values != few)
        lucet__free(values);
    return yielded_unseen(e, result == &unwanted, result);
}

/* ---- The quick way: quick.S ---- */

_Static_assert(offsetof(struct lucet_func, quick_id) == 0 &&
                   offsetof(struct lucet_func, entry) == 8 &&
                   offsetof(struct lucet_func, code) == 16 &&
                   offsetof(struct lucet_func, index) == 32 &&
                   offsetof(struct lucet_func, nparams) == 36 &&
                   offsetof(struct lucet_func, nresults) == 38 &&
                   offsetof(struct lucet_func, effects) == 40 && LUCET_FUNC_CLOSED == 1 &&
                   LUCET_FUNC_QUIET == 2 && offsetof(struct lucet_instance, act) == 0 &&
                   offsetof(struct lucet_instance, ready) == QUICK_READY &&
                   offsetof(struct lucet_instance, vector_level) == QUICK_READY + 8 &&
                   offsetof(struct lucet_instance, touched) == QUICK_READY + 9 &&
                   offsetof(struct lucet_instance, ctx) == QUICK_READY + 16 &&
                   offsetof(struct lucet_instance, exception) == QUICK_READY + 24 &&
                   offsetof(struct lucet_instance, stop) == QUICK_READY + 32 &&
                   offsetof(struct lucet_instance, values) == QUICK_READY + 48 &&
                   offsetof(struct lucet_instance, called) == QUICK_READY + 56 &&
                   offsetof(struct lucet_instance, result) == QUICK_READY + 64 &&
                   offsetof(struct stop, preempted) == 9 && offsetof(struct stop, depth) == 12 &&
                   offsetof(struct stop, state) == 4 && offsetof(struct stop, running) == 8 &&
                   offsetof(struct stop, abi) == 24 && STOP_NONE == 0 &&
                   offsetof(struct lucet_pending, tag) == 0 && lucet_result_tag_returned == 0,
               "what quick.S knows");

void lucet__callable_update(struct lucet_instance *i)
{
    i->ready = is_plain(i) && i->timeout_ns == 0 ? i->module->id : LUCET__NOT_READY;
}

/* Neither more than its code may use, nor than there is. */
static uint8_t vector_level(const struct lucet_artifact *a)
{
    const uint8_t needed = lucet_cpu_is_avx512(a->header->cpu_features) ? 2 : 1;

    return needed < lucet__vector_level ? needed : lucet__vector_level;
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
        .begun = i->ctx,
        .return_to = lucet__quick_left,
    };
    i->hostcall_limit = i->slot->stack + i->region->limits.hostcall_reservation;
    i->vector_level = vector_level(&i->module->artifact);
    i->ready = LUCET__NOT_READY;
    lucet__stop_belongs(i->stop, &i->act);
}

#ifdef LUCET_SANITIZE
enum lucet_error lucet__func_call(const struct lucet_func *f, struct lucet_instance *i,
                                  union lucet_raw *raw, struct lucet_result *result);

enum lucet_error lucet_func_call(const struct lucet_func *f, struct lucet_instance *i,
                                 union lucet_raw *raw, struct lucet_result *result)
{
    if (i && i->stop->depth == 0)
        lucet__stack_unused(i->slot);
    return lucet__func_call(f, i, raw, result);
}
#endif

/* What stays the same from call to call on this thread. False: the host uses gs itself. */
static bool bind(struct thread *t, struct lucet_instance *i)
{
    if (!t->ready || t->current || !lucet__gs_take(t, i->act.gs))
        return false;
    lucet__gs_mark(i->act.gs);
    lucet__guest_frame_set(&t->abi, NULL);
    t->abi.hostcall_limit = i->hostcall_limit;
    atomic_store_explicit(&i->stop->abi, &t->abi, memory_order_relaxed);
    t->bound = i;
    return true;
}

/* Before anything has happened: the thread's last run was another instance's, or not a plain one,
 * or the instance's was on another thread, or somebody has changed gs. */
enum lucet_error lucet__func_call_unbound(const struct lucet_func *f, struct lucet_instance *i,
                                          union lucet_raw *raw, struct lucet_result *result)
{
    if (!i || i->ready != f->quick_id || i->stop->depth || !bind(&lucet__thread, i))
        return lucet__func_call_generally(f, i, raw, result);
    return lucet_func_call(f, i, raw, result);
}

/* It was about to begin when somebody wanted it to stop, who may have seen it running, and counts
 * on what he said: it holds for the next run just as well. */
enum lucet_error lucet__func_call_stopped(const struct lucet_func *f, struct lucet_instance *i,
                                          union lucet_raw *raw, struct lucet_result *result)
{
    lucet__stop_not_begun(i->stop);
    lucet__thread.bound = LUCET__UNBOUND; /* guest_frame says the host's */
    __atomic_store_n(&lucet__thread.current, NULL, __ATOMIC_RELEASE);
    barrier();
    i->stop->depth = 0;
    return lucet__func_call_generally(f, i, raw, result);
}

/* It goes on in another activation, when the caller's values may be gone; and returns to that one's
 * end. */
static void yielded(struct lucet_instance *i)
{
    i->suspended.module = i->module;
    i->suspended.func = i->called->index;
    i->values = i->suspended.few;
    ((const void **)i->act.guest_sp)[-1] = (const void *)(uintptr_t)lucet__leave;
}

/* It did not simply return; or it did, but a killer was there, or something happened on the way. */
enum lucet_error lucet__func_call_ended(struct lucet_instance *i)
{
    struct lucet_result unwanted, *result = i->result ? i->result : &unwanted;
    enum lucet_error e;

    i->stop->depth = 0;
    i->result = NULL;
    lucet__thread.bound = LUCET__UNBOUND;
    lucet__gs_leave(&lucet__thread, LUCET__GS_KEEP, i->act.outcome == OUTCOME_RETURNED);
    if (lucet__timer_is_set(&lucet__thread))
        lucet__timer_set(&lucet__thread);
    lucet__clear_error();
    if (i->act.outcome == OUTCOME_YIELDED)
        yielded(i);
    e = lucet__finish(i, &i->act, result);
    i->act.not_plain = 0;
    return yielded_unseen(e, result == &unwanted, result);
}
