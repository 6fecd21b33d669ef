/* Processes: there is one, and it can end. */
#include "wasi/ctx.h"
#include "wasi/errno.h"
#include "wasi/functions.h"

uint32_t lucet_wasi_proc_exit(struct lucet_vmctx *vmctx, uint32_t code)
{
    struct lucet_wasi_ctx *ctx = wasi_ctx(vmctx);
    /* The first of several threads decides. */
    if (!ctx->process->exited) {
        ctx->process->exited = true;
        ctx->process->exit_code = code;
    }
    wasi_unlock(vmctx);
    lucet_vmctx_terminate(vmctx, ctx);
}

uint32_t lucet_wasi_proc_raise(struct lucet_vmctx *vmctx, uint32_t signal)
{
    (void)vmctx;
    (void)signal;
    return WASI_ENOSYS;
}
