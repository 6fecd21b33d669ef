/* Counting the instructions of guests that were compiled for it: what lucetc's count.c leaves in
 * the context is how many may still be executed, counted down. */
#include "runtime/count.h"

#include "runtime/builtins.h"
#include "runtime/call.h"
#include "runtime/error.h"
#include "runtime/instance.h"
#include "runtime/module.h"
#include "runtime/stop.h"
#include "runtime/suspend.h"

#define ENDLESS INT64_MAX

static int64_t *left_of(const struct lucet_instance *i)
{
    const struct lucet_module_header *h = i->module->artifact.header;

    return h->flags & LUCET_MODULE_COUNTS_INSTRUCTIONS
               ? LUCET__AT(i->ctx, int64_t, h->layout.guest_part)
               : NULL;
}

/* Lets it execute so many more, without a change of the count. */
static void allow(struct lucet_instance *i, int64_t *left, uint64_t n)
{
    const uint64_t executed = i->instructions_total - (uint64_t)*left;

    *left = n == 0 || n > (uint64_t)ENDLESS ? ENDLESS : (int64_t)n;
    i->instructions_total = executed + (uint64_t)*left;
}

void lucet__count_reset(struct lucet_instance *i)
{
    int64_t *left = left_of(i);

    if (!left)
        return;
    *left = 0;
    i->instructions_total = 0;
    allow(i, left, i->instructions_bound);
}

void lucet__count_begin(struct lucet_instance *i)
{
    int64_t *left = left_of(i);

    if (left)
        allow(i, left, i->instructions_bound);
}

void lucet__builtin_bound_expired(struct lucet_vmctx *ctx)
{
    struct lucet_instance *i = lucet__instance(ctx);
    int64_t *left = left_of(i);
    void *unwanted;

    /* Where it cannot yield, in a run within a run, the outer one does. */
    if (i->instructions_bound && !lucet__yield(ctx, lucet_yield_reason_bound, NULL, &unwanted))
        return;
    /* If it is not the one that was resumed, or nothing bounds it any more. */
    if (*left < 0)
        allow(i, left, i->instructions_bound);
}

static enum lucet_error check(const struct lucet_instance *i)
{
    lucet__clear_error();
    if (!i)
        return lucet__fail(lucet_error_invalid_argument, "instructions: NULL");
    if (!left_of(i))
        return lucet__fail(lucet_error_unsupported,
                           "the module was not compiled with --count-instructions");
    return lucet_error_ok;
}

enum lucet_error lucet_instance_get_instruction_count(const struct lucet_instance *inst,
                                                      uint64_t *count)
{
    enum lucet_error e = check(inst);

    if (e == lucet_error_ok && !count)
        return lucet__fail(lucet_error_invalid_argument, "instructions: NULL");
    if (e == lucet_error_ok)
        *count = inst->instructions_total - (uint64_t)*left_of(inst);
    return e;
}

enum lucet_error lucet_instance_set_instruction_count(struct lucet_instance *inst, uint64_t count)
{
    enum lucet_error e = check(inst);

    if (e == lucet_error_ok)
        inst->instructions_total = count + (uint64_t)*left_of(inst);
    return e;
}

enum lucet_error lucet_instance_set_instruction_bound(struct lucet_instance *inst,
                                                      uint64_t instructions)
{
    enum lucet_error e = check(inst);

    if (e == lucet_error_ok && inst->stop->depth)
        return lucet__fail(lucet_error_instance_not_returned, "the instance is running");
    if (e == lucet_error_ok && instructions && (inst->has_threads || inst->first))
        return lucet__fail(lucet_error_unsupported,
                           "the instructions of programs with several threads cannot be bounded");
    if (e == lucet_error_ok) {
        inst->instructions_bound = instructions;
        allow(inst, left_of(inst), instructions);
        lucet__callable_update(inst);
    }
    return e;
}
