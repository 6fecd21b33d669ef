/* Clocks; see clock.h. */
#include "wasi/clock.h"

#include "wasi/abi.h"
#include "wasi/errno.h"
#include "wasi/functions.h"
#include "wasi/guest.h"

#include <sched.h>
#include <time.h>
#include <unistd.h>

static uint64_t read_clock(clockid_t id)
{
    struct timespec t;
    return clock_gettime(id, &t) == 0 ? (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec : 0;
}

/* The process's own processor time would tell a guest what other guests do; see struct
 * lucet_wasi_ctx. */
static uint64_t guest_cpu_time(struct lucet_wasi_ctx *ctx)
{
    const uint64_t now = read_clock(CLOCK_THREAD_CPUTIME_ID);
    const pid_t thread = gettid();
    if (!ctx->cpu_known || ctx->cpu_thread != thread) {
        ctx->cpu_known = true;
        ctx->cpu_thread = thread;
        ctx->cpu_base = now - ctx->cpu_before;
    }
    ctx->cpu_before = now - ctx->cpu_base;
    return ctx->cpu_before;
}

uint32_t wasi_clock_now(struct lucet_wasi_ctx *ctx, uint32_t id, uint64_t *ns)
{
    switch (id) {
    case WASI_CLOCK_REALTIME: *ns = read_clock(CLOCK_REALTIME); return WASI_OK;
    case WASI_CLOCK_MONOTONIC: *ns = read_clock(CLOCK_MONOTONIC); return WASI_OK;
    case WASI_CLOCK_PROCESS_CPUTIME:
    case WASI_CLOCK_THREAD_CPUTIME: *ns = guest_cpu_time(ctx); return WASI_OK;
    default: return WASI_EINVAL;
    }
}

uint32_t lucet_wasi_clock_time_get(struct lucet_vmctx *vmctx, uint32_t id, uint64_t precision,
                                   uint32_t out)
{
    (void)precision;
    uint64_t ns;
    void *result = wasi_guest(vmctx, out, 8);
    if (result == NULL) {
        return WASI_EFAULT;
    }
    uint32_t error = wasi_clock_now(wasi_ctx(vmctx), id, &ns);
    if (!error) {
        wasi_put64(result, ns);
    }
    return error;
}

uint32_t lucet_wasi_clock_res_get(struct lucet_vmctx *vmctx, uint32_t id, uint32_t out)
{
    static const clockid_t host_clock[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_THREAD_CPUTIME_ID,
                                           CLOCK_THREAD_CPUTIME_ID};
    struct timespec t;
    void *result = wasi_guest(vmctx, out, 8);
    if (result == NULL) {
        return WASI_EFAULT;
    }
    if (id >= sizeof(host_clock) / sizeof(host_clock[0])) {
        return WASI_EINVAL;
    }
    clock_getres(host_clock[id], &t);
    wasi_put64(result, (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec);
    return WASI_OK;
}

uint32_t lucet_wasi_sched_yield(struct lucet_vmctx *vmctx)
{
    (void)vmctx;
    sched_yield();
    return WASI_OK;
}
