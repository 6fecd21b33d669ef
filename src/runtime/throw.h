/* Exceptions on their way. */
#ifndef LUCET_RUNTIME_THROW_H
#define LUCET_RUNTIME_THROW_H

#include "runtime/activation.h"
#include "runtime/suspend.h"

/* throw.c. Before a run, in the context where it begins. */
void lucet__throw_begin(struct activation *act, struct lucet_vmctx *ctx);
/* After it: an exception that is still on its way there makes it a run that threw. */
void lucet__throw_end(struct activation *act);
/* Whether an exception is on its way in the context. What else an end has to look at makes its run
 * odd. */
static inline bool lucet__throw_left(const struct lucet_vmctx *ctx)
{
    return ctx->exception && ctx->exception->tag;
}
/* Between a run and its rest. */
void lucet__throw_suspend(struct activation *act, struct suspended *s);
void lucet__throw_resume(struct activation *act, const struct suspended *s);
void lucet__throw_forget(struct suspended *s);
/* What a host function threw, when it has returned to `ctx`. May not return. */
void lucet__throw_thrown(struct activation *act, struct lucet_vmctx *ctx);
uint64_t lucet__builtin_exn_catch(struct lucet_vmctx *ctx);
void lucet__builtin_exn_throw(struct lucet_vmctx *ctx, uint64_t ref);
void lucet__builtin_exn_leave(struct lucet_vmctx *ctx);
void lucet__builtin_exn_arrive(struct lucet_vmctx *ctx);
/* enter.S */
extern const char lucet__catcher_mark[];
LUCET_NORETURN void lucet__catcher_resume(const struct lucet_catcher *c);

#endif
