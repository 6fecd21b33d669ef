/* Exceptions on their way: from one instance's context to another's, over the frames of those that
 * do not look for exceptions, from host functions and to the host (docs/abi.md E1 to E7). */
#include "runtime/throw.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/activation.h"
#include "runtime/error.h"
#include "runtime/exception.h"
#include "runtime/fault.h"
#include "runtime/guest_stack.h"
#include "runtime/instance.h"
#include "runtime/suspend.h"

#define barrier() atomic_signal_fence(memory_order_seq_cst)

struct flight {
    struct lucet_tag *tag;
    const uint64_t (*values)[2];
    uint64_t ref; /* the object it is in the set of `from`; 0 = none yet */
    struct lucet_instance
        *from; /* whose guests the values come from; NULL: the host has thrown, and
                                    what they refer to is held already */
};

/* Ends the run when there is no memory for an exception. */
LUCET_NORETURN static void exhausted(struct activation *act)
{
    if (lucet__thread.abi.guest_frame)
        lucet__trap(lucet__thread.abi.ctx, lucet_trapcode_exceptions_exhausted);
    act->outcome = OUTCOME_FAULTED;
    act->trapcode = lucet_trapcode_exceptions_exhausted;
    act->trace->count = 0;
    act->trace->truncated = false;
    lucet__leave();
}

static void set(struct lucet_exception **place, struct lucet_exception *e)
{
    struct lucet_exception *old = *place;

    *place = e;
    lucet_exception_release(old);
}

/* The activation comes to hold it: the end of its run has to let it go. */
static void hold(struct activation *act, struct lucet_exception **place, struct lucet_exception *e)
{
    act->odd = 1;
    set(place, e);
}

/* The exception on its way in a context. The tag in it was written by guest code: it is one that
 * the instance knows, or the one that is passing, or this is not what it should be. */
static bool look(const struct activation *act, struct lucet_vmctx *ctx, struct flight *out)
{
    const struct lucet_pending *p = ctx->exception;
    const struct lucet_exception *passing = act->passing;

    *out = (struct flight){.from = lucet__instance(ctx), .ref = p->exnref};
    out->tag = lucet__tag_find(out->from, p->tag);
    out->values = p->values;
    if (!out->tag && passing && p->tag == (uintptr_t)passing->tag) {
        out->tag = passing->tag;
        out->values = passing->values;
    }
    return out->tag != NULL;
}

/* Puts it on its way in a context that looks for exceptions. False: no memory. */
static bool put(struct activation *act, struct lucet_vmctx *ctx, const struct flight *f)
{
    struct lucet_instance *to = lucet__instance(ctx);
    struct lucet_pending *p = ctx->exception;
    struct lucet_exception *e = NULL;

    if (f->from && lucet__exception_share(f->tag, f->values, f->from, to) != lucet_error_ok)
        return false;
    if (lucet__tag_find(to, (uintptr_t)f->tag)) {
        if (f->tag->nvalues)
            memmove(p->values, f->values, f->tag->nvalues * sizeof(*f->values));
    } else if (!act->passing || act->passing->values != f->values) {
        e = lucet__exception_new(f->tag, f->values);
        if (!e)
            return false;
        hold(act, &act->passing, e);
    }
    p->exnref = lucet__exception_find(to->exceptions, f->ref) ? f->ref : 0;
    p->tag = (uintptr_t)f->tag;
    return true;
}

/* The object of an exception that leaves a run: one of the instance's set when it refers to
 * something, so that this is kept in use, and else none that anybody must collect. */
static struct lucet_exception *object(const struct activation *act, const struct flight *f)
{
    struct lucet_exception *e = f->from ? lucet__exception_find(f->from->exceptions, f->ref) : NULL;
    struct exceptions *s = NULL;

    if (e) {
        lucet_exception_retain(e);
        return e;
    }
    if (f->tag->has_references && f->from) {
        s = lucet__exceptions_of(f->from);
        if (!s)
            return NULL;
        lucet__exceptions_tidy(f->from, act, lucet__exception_size(f->tag));
    }
    e = lucet__exception_new(f->tag, f->values);
    if (e && s)
        lucet__exception_add(s, e);
    return e;
}

LUCET_NORETURN static void leave_run(struct activation *act, const struct flight *f)
{
    set(&act->thrown, object(act, f));
    if (!act->thrown)
        exhausted(act);
    act->outcome = OUTCOME_THREW;
    lucet__leave();
}

/* Goes on in a catcher, whose code does what is done behind a host call: for it this was one. */
LUCET_NORETURN static void land(struct activation *act, struct lucet_catcher *c,
                                const struct flight *f)
{
    struct lucet_activation *abi = &lucet__thread.abi;
    const uintptr_t here = (uintptr_t)__builtin_frame_address(0);

    /* It lies above on the same stack, or something has written to it. */
    if ((uintptr_t)c <= here || (uintptr_t)c + sizeof(*c) > (uintptr_t)act->stack_high)
        abort();
    lucet__stack_range_unused(act->stack_low, (uintptr_t)c - (uintptr_t)act->stack_low);
    if (!put(act, c->ctx, f))
        exhausted(act);
    lucet__guest_frame_set(abi, c);
    barrier();
    abi->ctx = c->ctx;
    c->ctx->activation = abi; /* perhaps of another thread than when the catcher was made */
    abi->catcher = c->outer;
    lucet__catcher_resume(c);
}

/* Comes to the instance that goes on in `ctx`; returns when its frames look for exceptions. */
static void deliver(struct activation *act, struct lucet_vmctx *ctx, const struct flight *f)
{
    if (ctx->exception) {
        if (!put(act, ctx, f))
            exhausted(act);
        return;
    }
    if (lucet__thread.abi.catcher)
        land(act, lucet__thread.abi.catcher, f);
    leave_run(act, f);
}

/* ---- For compiled code ---- */

void lucet__builtin_exn_leave(struct lucet_vmctx *ctx)
{
    struct activation *act = lucet__in_host(ctx);
    struct flight f;

    if (!ctx->exception || !look(act, ctx, &f))
        lucet__trap(ctx, lucet_trapcode_unknown);
    act->left = ctx;
}

void lucet__builtin_exn_arrive(struct lucet_vmctx *ctx)
{
    struct activation *act = lucet__in_host(ctx);
    struct lucet_vmctx *left = act->left;
    struct flight f;

    if (!left || !look(act, left, &f))
        lucet__trap(ctx, lucet_trapcode_unknown);
    act->left = NULL;
    left->exception->tag = 0;
    deliver(act, ctx, &f);
}

static struct lucet_exception *make(struct activation *act, const struct flight *f)
{
    struct lucet_exception *e = act->passing;

    if (!e || e->of || e->values != f->values) {
        e = lucet__exception_new(f->tag, f->values);
        if (!e)
            return NULL;
        e->refs = 0;
        lucet__exception_add(f->from->exceptions, e);
        return e;
    }
    lucet__exception_add(f->from->exceptions, e);
    set(&act->passing, NULL);
    return e;
}

/* How large the object is that the exception on its way becomes; 0: it is one. */
__attribute__((noinline)) static uint64_t size_to_be(struct lucet_vmctx *ctx)
{
    struct flight f;

    if (!ctx->exception || !look(lucet__in_host(ctx), ctx, &f))
        lucet__trap(ctx, lucet_trapcode_unknown);
    if (lucet__exception_find(f.from->exceptions, f.ref))
        return 0;
    return lucet__exception_size(f.tag);
}

__attribute__((noinline)) static uint64_t caught(struct lucet_vmctx *ctx)
{
    struct activation *act = lucet__in_host(ctx);
    struct lucet_exception *e;
    struct flight f;

    if (!look(act, ctx, &f))
        lucet__trap(ctx, lucet_trapcode_unknown);
    e = lucet__exception_find(f.from->exceptions, f.ref);
    if (!e)
        e = make(act, &f);
    if (!e)
        lucet__trap(ctx, lucet_trapcode_exceptions_exhausted);
    ctx->exception->tag = 0;
    return e->ref;
}

/* Between the two the run may be put aside, and go on on another thread. */
uint64_t lucet__builtin_exn_catch(struct lucet_vmctx *ctx)
{
    const uint64_t size = size_to_be(ctx);

    if (size && !lucet__exceptions_room_in_slices(ctx, size))
        lucet__trap(ctx, lucet_trapcode_exceptions_exhausted);
    return caught(ctx);
}

void lucet__builtin_exn_throw(struct lucet_vmctx *ctx, uint64_t ref)
{
    struct activation *act = lucet__in_host(ctx);
    struct lucet_instance *i = lucet__instance(ctx);
    const struct lucet_exception *e = lucet__exception_find(i->exceptions, ref);

    if (ref == 0)
        lucet__trap(ctx, lucet_trapcode_null_exception);
    if (!e || !ctx->exception)
        lucet__trap(ctx, lucet_trapcode_unknown);
    const struct flight f = {.tag = e->tag, .values = e->values, .ref = ref, .from = i};
    if (!put(act, ctx, &f))
        lucet__trap(ctx, lucet_trapcode_exceptions_exhausted);
}

/* ---- Runs ---- */

/* What an earlier run left when it was stopped on the way is not this one's. */
void lucet__throw_begin(struct activation *act, struct lucet_vmctx *ctx)
{
    act->begun = ctx;
    if (ctx->exception)
        ctx->exception->tag = 0;
}

/* The bit is no more than a hint to look: handlers write the whole word. */
static void ring(void)
{
    __atomic_fetch_or(&lucet__thread.abi.pending, LUCET__PENDING_THROW, __ATOMIC_RELAXED);
}

void lucet__throw_suspend(struct activation *act, struct suspended *s)
{
    s->begun = act->begun;
    s->throwing = act->throwing;
    s->passing = act->passing;
    s->left = act->left;
    act->throwing = act->passing = NULL;
}

void lucet__throw_resume(struct activation *act, const struct suspended *s)
{
    struct suspended *mine = &act->instance->suspended;

    act->begun = s->begun;
    act->throwing = s->throwing;
    act->passing = s->passing;
    act->left = s->left;
    mine->throwing = mine->passing = NULL;
    lucet__thread.abi.catcher = s->abi.catcher;
    if (act->throwing)
        ring();
}

void lucet__throw_forget(struct suspended *s)
{
    set(&s->throwing, NULL);
    set(&s->passing, NULL);
}

void lucet__throw_end(struct activation *act)
{
    struct lucet_vmctx *ctx = act->begun;
    struct flight f;

    if (act->outcome == OUTCOME_YIELDED)
        return;
    if (act->outcome == OUTCOME_RETURNED && ctx->exception && ctx->exception->tag) {
        act->outcome = OUTCOME_FAULTED;
        act->trapcode = lucet_trapcode_unknown;
        act->trace->count = 0;
        if (look(act, ctx, &f)) {
            act->thrown = object(act, &f);
            act->trapcode = lucet_trapcode_exceptions_exhausted;
            if (act->thrown)
                act->outcome = OUTCOME_THREW;
        }
        ctx->exception->tag = 0;
    }
    act->left = NULL;
    set(&act->passing, NULL);
    set(&act->throwing, NULL);
    if (act->outcome != OUTCOME_THREW)
        set(&act->thrown, NULL);
}

/* ---- Host functions ---- */

/* Where an exception of a host function called by `ctx` would arrive; NULL: it leaves the run. */
static struct lucet_instance *target(const struct lucet_vmctx *ctx)
{
    const struct lucet_catcher *c = lucet__thread.abi.catcher;

    if (ctx->exception)
        return lucet__instance(ctx);
    return c ? lucet__instance(c->ctx) : NULL;
}

enum lucet_error lucet_vmctx_throw(struct lucet_vmctx *ctx, struct lucet_exception *e)
{
    struct activation *act;
    struct lucet_instance *to;

    lucet__clear_error();
    if (!ctx || !e)
        return lucet__fail(lucet_error_invalid_argument, "lucet_vmctx_throw: NULL");
    act = lucet__in_host(ctx);
    to = target(ctx);
    if (to) {
        enum lucet_error error = lucet__exception_hold(to, e);
        if (error != lucet_error_ok)
            return error;
    }
    lucet_exception_retain(e);
    hold(act, &act->throwing, e);
    ring(); /* the trampoline looks when the function has returned */
    return lucet_error_ok;
}

void lucet__throw_thrown(struct activation *act, struct lucet_vmctx *ctx)
{
    struct lucet_exception *e = act->throwing;
    const struct flight f = {.tag = e->tag, .values = e->values, .ref = e->of ? e->ref : 0};

    act->throwing = NULL;
    __atomic_fetch_and(&lucet__thread.abi.pending, ~(uint32_t)LUCET__PENDING_THROW,
                       __ATOMIC_RELAXED);
    if (target(ctx)) {
        /* It passes as it is where its tag is not known. */
        hold(act, &act->passing, e);
        deliver(act, ctx, &f);
        return;
    }
    set(&act->thrown, e);
    act->outcome = OUTCOME_THREW;
    lucet__leave();
}

struct lucet_exception *lucet_vmctx_exception(struct lucet_vmctx *ctx, uint64_t exnref)
{
    return ctx ? lucet__exception_find(lucet__instance(ctx)->exceptions, exnref) : NULL;
}

enum lucet_error lucet_vmctx_exnref(struct lucet_vmctx *ctx, struct lucet_exception *e,
                                    uint64_t *out)
{
    struct lucet_instance *i;

    lucet__clear_error();
    if (!ctx || !out)
        return lucet__fail(lucet_error_invalid_argument, "lucet_vmctx_exnref: NULL");
    *out = 0;
    if (!e)
        return lucet_error_ok;
    const struct activation *act = lucet__in_host(ctx);
    i = lucet__instance(ctx);
    if (!lucet__exceptions_of(i))
        return lucet__no_memory();
    if (lucet__exception_set(e) != i->exceptions &&
        !lucet__exceptions_room(i, act, lucet__exception_size(e->tag)))
        lucet__trap(ctx, lucet_trapcode_exceptions_exhausted);
    return lucet__exception_admit(i, e, out);
}
