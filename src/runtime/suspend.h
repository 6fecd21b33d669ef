/* Runs that were put aside. */
#ifndef LUCET_RUNTIME_SUSPEND_H
#define LUCET_RUNTIME_SUSPEND_H

#include "lucet/lucet.h"
#include "runtime/activation.h"

#define LUCET__FEW 16u /* arguments or results for which there is always room */

/* What a run needs to go on, of which nothing may stay in the frames of the host that began it. */
struct suspended {
    struct lucet_activation abi; /* its values; guest_frame as where it goes on expects it */
    void *sp;                    /* of lucet__suspend(); NULL: it was preempted, see `registers` */
    enum lucet_yield_reason reason;
    void *value;
    uint64_t time_left;                   /* of its limit, nanoseconds */
    const struct lucet_dl_module *module; /* of the function that was called */
    uint32_t func;
    struct lucet_vmctx *begun, *left;           /* see struct activation */
    struct lucet_exception *throwing, *passing; /* see struct activation */
    /* Copies of scratch space and pending exception of the context abi.ctx; malloc(). */
    uint8_t *in_transit;
    size_t in_transit_size;
    uint64_t (*many)[2]; /* malloc(), or NULL: its values are in `few` */
    uint64_t few[LUCET__FEW][2] __attribute__((aligned(16))); /* entries load vectors from it */
};

/* suspend.c. From a host function or builtin that `ctx` called: puts the run aside. False:
 * impossible, the instance has an outer run on the same stack. Returns true when it is resumed, on
 * whichever thread. */
bool lucet__yield(struct lucet_vmctx *ctx, enum lucet_yield_reason reason, void *value,
                  void **resumed);
/* Ends the slice, if it is over, of the run that called the builtin; the activation is
 * ctx->activation afterwards, whichever thread that is. True: it was put aside and goes on. */
bool lucet__slice_yield(struct lucet_vmctx *ctx);
/* What is on its way between two functions of the running context: after the run was put aside, and
 * before it goes on. no_memory. */
enum lucet_error lucet__in_transit_save(struct suspended *s);
void lucet__in_transit_restore(const struct suspended *s);
/* Of a run that was put aside: activation's guest_sp for lucet__resume() or, when it was preempted,
 * lucet__continue(). */
void *lucet__suspended_sp(const struct lucet_instance *i);
/* Forgets the run that was put aside. */
void lucet__suspended_drop(struct lucet_instance *i);

#endif
