/* Memory operations that compiled code calls. They run in host state on the guest's stack: nothing
 * interrupts them, so long ones look at stop requests themselves. They may be put aside there for
 * others, who may change what was checked: it is checked again. */
#include "runtime/builtins.h"

#include <stdatomic.h>
#include <string.h>

#include "runtime/activation.h"
#include "runtime/demand.h"
#include "runtime/fault.h"
#include "runtime/instance.h"
#include "runtime/memory.h"
#include "runtime/module.h"
#include "runtime/segments.h"
#include "runtime/stop.h"
#include "runtime/suspend.h"
#include "runtime/throw.h"
#include "runtime/wait.h"
#include "runtime/x86_64/machine.h"

#define CHUNK (UINT64_C(64) << 10)

bool lucet__stop_pending(void)
{
    const struct thread *t = &lucet__thread;
    enum lucet_terminated_reason reason;

    return *(const volatile uint32_t *)&t->abi.pending != 0 &&
           lucet__stop_requested(t->current->instance->stop, &reason);
}

void lucet__poll_stop(struct lucet_vmctx *ctx)
{
    const struct lucet_activation *abi = ctx->activation;
    const struct activation *act = lucet__activation_thread(abi)->current;
    enum lucet_terminated_reason reason;

    if (*(const volatile uint32_t *)&abi->pending == 0)
        return;
    if (lucet__stop_requested(act->instance->stop, &reason))
        lucet__terminate(lucet__in_host(ctx), reason, NULL);
}

void lucet__poll(struct lucet_vmctx *ctx)
{
    lucet__poll_stop(ctx);
    if (*(const volatile uint32_t *)&ctx->activation->pending != 0)
        lucet__slice_yield(ctx);
}

static void check(struct lucet_vmctx *ctx, const struct lucet_memory *m, uint64_t at, uint64_t n)
{
    const uint64_t size = lucet__memory_size(m);

    if (at > size || n > size - at)
        lucet__trap(ctx, lucet_trapcode_heap_out_of_bounds);
    if (lucet__demand_exceeded(m->owner)) /* faults within a builtin end nothing */
        lucet__terminate(lucet__in_host(ctx), lucet_terminated_reason_heap_out_of_memory, NULL);
}

static uint64_t memory_grow(struct lucet_vmctx *ctx, uint32_t memory, uint64_t pages)
{
    struct lucet_instance *i = lucet__instance(ctx);
    struct lucet_memory *m = lucet__memory_desc(i, memory);
    struct memory *own = m->owner;
    const uint64_t old = lucet__memory_size(m) >> own->page_log2;
    const int64_t before = lucet__memory_grow_for(i, own, pages);

    /* Beyond the module's own maximum is the module's business. */
    if (before < 0 && i->terminate_on_heap_oom && pages <= m->max_pages - old)
        lucet__terminate(lucet__in_host(ctx), lucet_terminated_reason_heap_out_of_memory, NULL);
    return (uint64_t)before;
}

/* Chunks in the direction in which overlapping parts are not destroyed before they are read. */
static void memory_copy(struct lucet_vmctx *ctx, uint32_t to, uint32_t from, uint64_t dst,
                        uint64_t src, uint64_t n)
{
    const struct lucet_instance *i = lucet__instance(ctx);
    const struct lucet_memory *d = lucet__memory_desc(i, to), *s = lucet__memory_desc(i, from);

    check(ctx, d, dst, n);
    check(ctx, s, src, n);
    if (d == s && dst > src) {
        while (n > 0) {
            uint64_t part = n < CHUNK ? n : CHUNK;
            n -= part;
            memmove(d->base + dst + n, s->base + src + n, part);
            lucet__poll(ctx);
            check(ctx, d, dst, n);
            check(ctx, s, src, n);
        }
        return;
    }
    for (uint64_t done = 0; done < n;) {
        uint64_t part = n - done < CHUNK ? n - done : CHUNK;
        memmove(d->base + dst + done, s->base + src + done, part);
        done += part;
        lucet__poll(ctx);
        check(ctx, d, dst, n);
        check(ctx, s, src, n);
    }
}

static void memory_fill(struct lucet_vmctx *ctx, uint32_t memory, uint64_t dst, uint32_t byte,
                        uint64_t n)
{
    const struct lucet_memory *m = lucet__memory_desc(lucet__instance(ctx), memory);

    check(ctx, m, dst, n);
    for (uint64_t done = 0; done < n;) {
        uint64_t part = n - done < CHUNK ? n - done : CHUNK;
        memset(m->base + dst + done, (uint8_t)byte, part);
        done += part;
        lucet__poll(ctx);
        check(ctx, m, dst, n);
    }
}

static void memory_init(struct lucet_vmctx *ctx, uint32_t memory, uint32_t segment, uint64_t dst,
                        uint32_t src, uint32_t n)
{
    const struct lucet_instance *i = lucet__instance(ctx);
    const struct lucet_artifact *a = &i->module->artifact;
    const struct lucet_memory *m = lucet__memory_desc(i, memory);
    const struct lucet_module_data *d = &a->datas[segment];
    uint64_t size = lucet__dropped(i, a->nelems + segment) ? 0 : d->size;

    if (src > size || n > size - src)
        lucet__trap(ctx, lucet_trapcode_heap_out_of_bounds);
    check(ctx, m, dst, n);
    for (uint64_t done = 0; done < n;) {
        uint64_t part = n - done < CHUNK ? n - done : CHUNK;
        memcpy(m->base + dst + done, a->data_bytes + d->bytes + src + done, part);
        done += part;
        lucet__poll(ctx);
        check(ctx, m, dst, n);
    }
}

static uint32_t memory_wait32(struct lucet_vmctx *ctx, uint32_t memory, uint64_t address,
                              uint32_t expected, uint64_t timeout)
{
    struct lucet_memory *m = lucet__memory_desc(lucet__instance(ctx), memory);

    return lucet__memory_wait(ctx, m, address, 4, expected, (int64_t)timeout);
}

static uint32_t memory_wait64(struct lucet_vmctx *ctx, uint32_t memory, uint64_t address,
                              uint64_t expected, uint64_t timeout)
{
    struct lucet_memory *m = lucet__memory_desc(lucet__instance(ctx), memory);

    return lucet__memory_wait(ctx, m, address, 8, expected, (int64_t)timeout);
}

static uint32_t memory_notify(struct lucet_vmctx *ctx, uint32_t memory, uint64_t address,
                              uint32_t count)
{
    return lucet__memory_notify(ctx, lucet__memory_desc(lucet__instance(ctx), memory), address,
                                count);
}

static void data_drop(struct lucet_vmctx *ctx, uint32_t segment)
{
    struct lucet_instance *i = lucet__instance(ctx);

    lucet__drop(i, i->module->artifact.nelems + segment);
}

/* The last thing before guest code goes on: called in guest state, unlike the others. After a slice
 * it may be on another thread. */
static void stop(struct lucet_vmctx *ctx)
{
    struct activation *act;
    enum lucet_terminated_reason reason;

    do {
        struct lucet_activation *abi = ctx->activation;
        act = lucet__activation_thread(abi)->current;
        if (lucet__stop_requested(act->instance->stop, &reason))
            lucet__terminate(act, reason, NULL);
        lucet__guest_frame_set(abi, ctx); /* not in guest code */
        atomic_signal_fence(memory_order_seq_cst);
        lucet__slice_yield(ctx);
        abi = ctx->activation;
        act = lucet__activation_thread(abi)->current;
        atomic_signal_fence(memory_order_seq_cst);
        lucet__guest_frame_set(abi, NULL);
        atomic_signal_fence(memory_order_seq_cst);
        /* What came meanwhile. */
    } while ((*(volatile uint32_t *)&ctx->activation->pending & LUCET__PENDING_PREEMPT) ||
             lucet__stop_requested(act->instance->stop, &reason));
    if (act->throwing)
        lucet__throw_thrown(act, ctx);
}

static void set_gs(struct lucet_vmctx *ctx)
{
    machine_set_gs((uintptr_t)ctx->gs_base);
}

#define F(f) (const void *)(uintptr_t)(f)
const void *const lucet__builtins[LUCET_BUILTIN_SLOTS] = {
    [LUCET_BUILTIN_memory_grow] = F(memory_grow),
    [LUCET_BUILTIN_memory_copy] = F(memory_copy),
    [LUCET_BUILTIN_memory_fill] = F(memory_fill),
    [LUCET_BUILTIN_memory_init] = F(memory_init),
    [LUCET_BUILTIN_data_drop] = F(data_drop),
    [LUCET_BUILTIN_table_grow] = F(lucet__builtin_table_grow),
    [LUCET_BUILTIN_table_copy] = F(lucet__builtin_table_copy),
    [LUCET_BUILTIN_table_fill] = F(lucet__builtin_table_fill),
    [LUCET_BUILTIN_table_init] = F(lucet__builtin_table_init),
    [LUCET_BUILTIN_elem_drop] = F(lucet__builtin_elem_drop),
    [LUCET_BUILTIN_stop] = F(stop),
    [LUCET_BUILTIN_set_gs] = F(set_gs),
    [LUCET_BUILTIN_exn_catch] = F(lucet__builtin_exn_catch),
    [LUCET_BUILTIN_exn_throw] = F(lucet__builtin_exn_throw),
    [LUCET_BUILTIN_exn_leave] = F(lucet__builtin_exn_leave),
    [LUCET_BUILTIN_exn_arrive] = F(lucet__builtin_exn_arrive),
    [LUCET_BUILTIN_exn_mark] = F(lucet__catcher_mark),
    [LUCET_BUILTIN_memory_wait32] = F(memory_wait32),
    [LUCET_BUILTIN_memory_wait64] = F(memory_wait64),
    [LUCET_BUILTIN_memory_notify] = F(memory_notify),
    [LUCET_BUILTIN_bound_expired] = F(lucet__builtin_bound_expired),
    [LUCET_BUILTIN_exn_table_get] = F(lucet__builtin_exn_table_get),
};
