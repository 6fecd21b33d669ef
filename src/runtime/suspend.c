/* Runs that are put aside, to go on later on the same stack and perhaps on another thread.
 *
 * The guest's stack lies in its slot and stays as it is. What else a run is made of moves to the
 * instance: the values that compiled code sees per thread (struct lucet_activation), the arguments
 * and results, what is left of the time limit. Compiled code reaches the thread through its context
 * only, and of the contexts whose functions are on the stack the running one is enough: the
 * trampoline it waits in reads its `activation` again, and thunks hand it on as they return.
 *
 * There is at most one host function on a stack that is put aside, the innermost, because a stack
 * on which an outer run waits is not: what the outer one does next would overwrite the inner
 * one. */
#include "runtime/suspend.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/activation.h"
#include "runtime/allocate.h"
#include "runtime/call.h"
#include "runtime/error.h"
#include "runtime/fault.h"
#include "runtime/instance.h"
#include "runtime/module.h"
#include "runtime/region.h"
#include "runtime/sizes.h"
#include "runtime/slot.h"
#include "runtime/stop.h"
#include "runtime/throw.h"
#include "runtime/x86_64/machine.h"

/* The C library may be called here by host functions of another thread afterwards: nothing that
 * depends on the thread may live across lucet__suspend(), not even in a register. */
__attribute__((noinline)) static void *suspend(struct lucet_vmctx *ctx,
                                               enum lucet_yield_reason reason, void *value)
{
    struct thread *t = &lucet__thread;
    struct activation *act = t->current;
    struct suspended *s = &act->instance->suspended;

    (void)ctx;
    s->abi = t->abi;
    s->reason = reason;
    s->value = value;
    act->outcome = OUTCOME_YIELDED;
    return lucet__suspend(&s->sp);
}

bool lucet__slice_yield(struct lucet_vmctx *ctx)
{
    struct lucet_activation *abi = ctx->activation;
    const uint32_t preempt = LUCET__PENDING_PREEMPT;

    if (!(__atomic_fetch_and(&abi->pending, ~preempt, __ATOMIC_RELAXED) & preempt))
        return false;
    if (!lucet__activation_thread(abi)->current->slice)
        return false;
    suspend(ctx, lucet_yield_reason_slice, NULL);
    return true;
}

bool lucet__yield(struct lucet_vmctx *ctx, enum lucet_yield_reason reason, void *value,
                  void **resumed)
{
    if (lucet__in_host(ctx)->instance->stop->depth > 1)
        return false;
    *resumed = suspend(ctx, reason, value);
    return true;
}

/* ---- What is on its way between two functions ---- */

/* Results and parameters without a register, and an exception between one frame and the next, stand
 * in the context of the instance whose functions run. Others may run them while this run is put
 * aside, and their numbers would become its references. */
enum lucet_error lucet__in_transit_save(struct suspended *s)
{
    const struct lucet_vmctx *ctx = s->abi.ctx;
    const struct lucet_layout *l = &lucet__instance(ctx)->module->artifact.header->layout;
    const size_t size = (size_t)l->scratch_size + l->exception_size;

    if (size != s->in_transit_size) {
        lucet__free(s->in_transit);
        s->in_transit_size = 0;
        s->in_transit = size ? lucet__malloc(size) : NULL;
        if (size && !s->in_transit)
            return lucet__no_memory();
        s->in_transit_size = size;
    }
    if (size) {
        memcpy(s->in_transit, LUCET__AT(ctx, uint8_t, l->scratch), l->scratch_size);
        memcpy(s->in_transit + l->scratch_size, LUCET__AT(ctx, uint8_t, l->exception),
               l->exception_size);
    }
    return lucet_error_ok;
}

void lucet__in_transit_restore(const struct suspended *s)
{
    if (s->in_transit_size == 0)
        return;
    const struct lucet_vmctx *ctx = s->abi.ctx;
    const struct lucet_layout *l = &lucet__instance(ctx)->module->artifact.header->layout;
    memcpy(LUCET__AT(ctx, uint8_t, l->scratch), s->in_transit, l->scratch_size);
    memcpy(LUCET__AT(ctx, uint8_t, l->exception), s->in_transit + l->scratch_size,
           l->exception_size);
}

/* Not in the guard below the stack, where a frame that is being made may begin, and on no page that
 * was not in use. */
static bool may_write(const struct lucet_instance *i, uintptr_t at, uintptr_t sp)
{
    return at - (uintptr_t)i->slot->stack < i->region->limits.stack_size &&
           at / LUCET__PAGE == sp / LUCET__PAGE;
}

void *lucet__suspended_sp(const struct lucet_instance *i)
{
    if (i->suspended.sp || !i->registers)
        return i->suspended.sp;
    const uintptr_t sp = machine_saved_sp(i->registers);
    const uintptr_t at = sp - LUCET__RED_ZONE - sizeof(uint64_t);
    return may_write(i, at, sp) ? (void *)at : NULL;
}

void lucet__suspended_drop(struct lucet_instance *i)
{
    struct suspended *s = &i->suspended;

    lucet__throw_forget(s);
    lucet__free(s->in_transit);
    s->in_transit = NULL;
    s->in_transit_size = 0;
    lucet__free(s->many);
    s->many = NULL;
}

/* ---- For host functions ---- */

void *lucet_vmctx_yield(const struct lucet_vmctx *vmctx, void *val)
{
    struct lucet_vmctx *ctx = (struct lucet_vmctx *)(uintptr_t)vmctx;
    void *resumed;

    if (!ctx)
        abort();
    if (!lucet__yield(ctx, lucet_yield_reason_value, val, &resumed))
        lucet__terminate(lucet__in_host(ctx), lucet_terminated_reason_cannot_yield, NULL);
    return resumed;
}

enum lucet_error lucet_vmctx_try_yield(const struct lucet_vmctx *vmctx, void *val, void **resumed)
{
    struct lucet_vmctx *ctx = (struct lucet_vmctx *)(uintptr_t)vmctx;
    void *unwanted;

    lucet__clear_error();
    if (!lucet__is_in_host(ctx))
        return lucet__fail(lucet_error_invalid_argument,
                           "lucet_vmctx_try_yield: not the vmctx of the host function that runs");
    if (!lucet__yield(ctx, lucet_yield_reason_value, val, resumed ? resumed : &unwanted))
        return lucet__fail(lucet_error_instance_not_returned,
                           "an outer run of the instance waits on the same stack");
    return lucet_error_ok;
}

/* ---- For embedders ---- */

enum lucet_error lucet_instance_resume_call(struct lucet_instance *i, void *val, size_t nresults,
                                            struct lucet_val *results, struct lucet_result *result)
{
    struct lucet_result unwanted;
    const struct call c = {.instance = i, .nresults = nresults, .results = results};

    lucet__clear_error();
    if (!i)
        return lucet__errored(
            lucet__fail(lucet_error_invalid_argument, "lucet_instance_resume: NULL"), result);
    return lucet__call_resume(&c, val, result ? result : &unwanted);
}

enum lucet_error lucet_instance_resume(struct lucet_instance *i, void *val,
                                       struct lucet_result *result)
{
    return lucet_instance_resume_call(i, val, 0, NULL, result);
}

enum lucet_instance_status lucet_instance_status(const struct lucet_instance *i)
{
    static const enum lucet_instance_status by_state[] = {
        [INSTANCE_READY] = lucet_instance_status_ready,
        [INSTANCE_FAULTED] = lucet_instance_status_faulted,
        [INSTANCE_TERMINATED] = lucet_instance_status_terminated,
        [INSTANCE_YIELDED] = lucet_instance_status_yielded,
    };

    if (i->stop->depth)
        return lucet_instance_status_running;
    if (i->state == INSTANCE_READY && !i->start_done)
        return lucet_instance_status_needs_start;
    return by_state[i->state];
}

const char *lucet_instance_status_name(enum lucet_instance_status status)
{
    static const char *const names[] = {
        [lucet_instance_status_ready] = "ready",
        [lucet_instance_status_needs_start] = "needs_start",
        [lucet_instance_status_running] = "running",
        [lucet_instance_status_yielded] = "yielded",
        [lucet_instance_status_faulted] = "faulted",
        [lucet_instance_status_terminated] = "terminated",
    };

    return (unsigned)status < sizeof(names) / sizeof(names[0]) ? names[status] : "unknown";
}
