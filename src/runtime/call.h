/* Runs of guest code, begun by the host. */
#ifndef LUCET_RUNTIME_CALL_H
#define LUCET_RUNTIME_CALL_H

#include "lucet/lucet.h"
#include "runtime/activation.h"

/* call.c: runs function `func` of `owner`'s module in `owner`'s context, on `i`'s stack. */
struct call {
    struct lucet_instance *instance;
    struct lucet_vmctx *ctx;
    const struct lucet_dl_module *module;
    uint32_t func;
    size_t argc;
    const struct lucet_val *argv;
    size_t nresults; /* room in results; results may be NULL */
    struct lucet_val *results;
    bool is_start;
};
enum lucet_error lucet__call(const struct call *c, struct lucet_result *result);
/* Goes on with a run that yielded; of `c`, instance, nresults and results count. */
enum lucet_error lucet__call_resume(const struct call *c, void *value, struct lucet_result *result);

/* What became of a run; its depth does not count any more. A stop request that was accepted wins
 * over everything. */
enum lucet_error lucet__finish(struct lucet_instance *i, struct activation *act,
                               struct lucet_result *result);

#define LUCET__NOT_READY UINT64_MAX /* not 0, which a handle that was never set has */
/* func.c, where quick.S goes on when a call is not plain: before anything has happened; because gs
 * may be another's; when somebody wants it to stop as it begins; at its end. */
enum lucet_error lucet__func_call_generally(const struct lucet_func *f, struct lucet_instance *i,
                                            union lucet_raw *raw, struct lucet_result *result);
enum lucet_error lucet__func_call_unbound(const struct lucet_func *f, struct lucet_instance *i,
                                          union lucet_raw *raw, struct lucet_result *result);
enum lucet_error lucet__func_call_stopped(const struct lucet_func *f, struct lucet_instance *i,
                                          union lucet_raw *raw, struct lucet_result *result);
enum lucet_error lucet__func_call_ended(struct lucet_instance *i);
/* func.c: sets i->ready to the module's id, or to LUCET__NOT_READY when something speaks against a
 * plain run. That it is running is not among it. */
void lucet__callable_update(struct lucet_instance *i);
/* Once the instance has its slot. */
void lucet__activation_prepare(struct lucet_instance *i);

#endif
