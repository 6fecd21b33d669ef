/* Faults: which are a guest's, and how they end its run (docs/abi.md T1 to T3). */
#include "runtime/fault.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/activation.h"
#include "runtime/backtrace.h"
#include "runtime/demand.h"
#include "runtime/error.h"
#include "runtime/instance.h"
#include "runtime/memory.h"
#include "runtime/module.h"
#include "runtime/ranges.h"
#include "runtime/signals.h"
#include "runtime/sizes.h"
#include "runtime/x86_64/machine.h"

struct fault {
    enum lucet_trapcode code;
    uintptr_t address;
    bool fatal;
};

static bool within(uintptr_t address, const uint8_t *from, uint64_t size)
{
    return address - (uintptr_t)from < size;
}

/* In a memory of the instance or its guards. Only memory 0 is expected to fault: accesses to others
 * are compared with the size before. But a host may reset the owner of an imported one in
 * between. */
static bool in_memories(const struct lucet_instance *i, uintptr_t address)
{
    const uint32_t n = i->module->artifact.nmemories;

    for (uint32_t k = 0; k < n; k++) {
        const struct memory *m = lucet__memory_desc(i, k)->owner;
        if (within(address, m->desc->base - LUCET__FRONT_GUARD, LUCET__FRONT_GUARD + m->space))
            return true;
    }
    return false;
}

/* The address of a memory fault, if it is in what the running instance owns. */
static bool judge_address(const struct activation *act, uintptr_t address, struct fault *out)
{
    if (in_memories(lucet__instance(lucet__thread.abi.ctx), address))
        *out = (struct fault){.code = lucet_trapcode_heap_out_of_bounds, .address = address};
    else if (within(address, act->stack_low - act->stack_guard, act->stack_guard))
        *out = (struct fault){.code = lucet_trapcode_stack_overflow, .address = address};
    else
        return false;
    return true;
}

static bool judge_instruction(const struct lucet_dl_module *m, uintptr_t pc, struct fault *out)
{
    unsigned code = machine_trap_code((const uint8_t *)pc, m->text_end - pc);

    if (code >= lucet_trapcode_stack_overflow && code <= lucet_trapcode_exceptions_exhausted)
        *out = (struct fault){.code = (enum lucet_trapcode)code};
    else if (code)
        *out = (struct fault){.code = lucet_trapcode_unknown};
    else /* an instruction this CPU lacks: the code is not what the loader believed */
        *out = (struct fault){.code = lucet_trapcode_unknown, .fatal = true};
    return true;
}

static bool judge(const struct activation *act, const struct lucet_dl_module *m, uintptr_t pc,
                  int sig, const siginfo_t *info, struct fault *out)
{
    if (info->si_code <= 0) /* sent by someone */
        return false;
    switch (sig) {
    case SIGILL: return judge_instruction(m, pc, out);
    case SIGFPE:
        *out = (struct fault){.code = info->si_code == FPE_INTOVF
                                          ? lucet_trapcode_integer_overflow
                                          : lucet_trapcode_integer_div_by_zero};
        return true;
    case SIGSEGV:
        /* No address: some handler without SA_ONSTACK did not fit on the guest's stack. */
        if (info->si_code == SI_KERNEL) {
            *out = (struct fault){.code = lucet_trapcode_stack_overflow};
            return true;
        }
        return judge_address(act, (uintptr_t)info->si_addr, out);
    default: return judge_address(act, (uintptr_t)info->si_addr, out);
    }
}

/* What the embedder's handler wants, as far as it is possible. */
static enum lucet_signal_behavior ask_handler(const struct activation *act, const struct fault *f,
                                              int sig, const siginfo_t *info, const void *context)
{
    struct lucet_instance *i = act->instance;
    enum lucet_signal_behavior b = lucet_signal_behavior_default;
    sigset_t bus, before;

    if (i->signal_handler && !f->fatal) {
        i->touched = true; /* it may write to the memory, too */
        /* It may look at the memory, whose pages may have to be provided. */
        sigemptyset(&bus);
        sigaddset(&bus, SIGBUS);
        pthread_sigmask(SIG_UNBLOCK, &bus, &before);
        b = i->signal_handler(i, &f->code, sig, info, context);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    if (b == lucet_signal_behavior_continue && f->code != lucet_trapcode_heap_out_of_bounds)
        return lucet_signal_behavior_default;
    return b;
}

static void set_terminated(struct activation *act, enum lucet_terminated_reason reason)
{
    act->outcome = OUTCOME_TERMINATED;
    act->reason = reason;
    act->provided = NULL;
}

/* How the run ends whose guest code in `m` faulted. False: it goes on. */
static bool settle(struct activation *act, const struct fault *fault, int sig,
                   const siginfo_t *info, ucontext_t *u)
{
    switch (ask_handler(act, fault, sig, info, u)) {
    case lucet_signal_behavior_continue: return false;
    case lucet_signal_behavior_terminate:
        set_terminated(act, lucet_terminated_reason_signal);
        return true;
    default:
        act->outcome = OUTCOME_FAULTED;
        act->trapcode = fault->code;
        act->fatal = fault->fatal;
        act->pc = machine_pc(u);
        act->fault_addr = fault->address;
        lucet__backtrace(act, act->pc, machine_sp(u), machine_probe_register(u), false);
        return true;
    }
}

/* Nothing could be read where gs pointed, because a host function, or the host before a call by
 * handle, has changed it. */
static bool gs_was_probed(const struct activation *act, uintptr_t pc, const siginfo_t *info,
                          ucontext_t *u)
{
    const struct lucet_activation *abi = &lucet__thread.abi;

    if (info->si_code <= 0) /* sent by someone */
        return false;
    if (pc == (uintptr_t)lucet__gs_probe) {
        machine_redirect(u, lucet__gs_unknown, (const void *)machine_sp(u));
        return true;
    }
    if (!act || !abi->guest_frame || !lucet__code_range_find(pc) ||
        machine_get_gs() == (uintptr_t)abi->ctx->gs_base)
        return false;
    machine_set_gs((uintptr_t)abi->ctx->gs_base);
    return true;
}

/* A handler without SA_ONSTACK did not fit on the guest's stack, in steps of ours to its code or
 * from there. */
static bool handler_did_not_fit(const struct activation *act, int sig, const siginfo_t *info,
                                const ucontext_t *u)
{
    static const char *const ways[][2] = {
        {lucet__enter_begin, lucet__enter_left},
        {lucet__quick_begin, lucet__quick_came_back},
        {lucet__closed_begin, lucet__closed_came_back},
        {lucet__continue_begin, lucet__continue_end},
    };
    const uintptr_t pc = machine_pc(u);
    bool ours = false;

    for (size_t k = 0; k < sizeof(ways) / sizeof(*ways); k++)
        ours |= pc >= (uintptr_t)ways[k][0] && pc < (uintptr_t)ways[k][1];
    return ours && lucet__thread.abi.guest_frame == NULL && sig == SIGSEGV &&
           info->si_code == SI_KERNEL &&
           within(machine_sp(u), act->stack_low, (uint64_t)(act->stack_high - act->stack_low));
}

/* One that is about to go on: as if it had. */
static void arrive(const struct activation *act, ucontext_t *u)
{
    const uintptr_t pc = machine_pc(u);

    if (pc >= (uintptr_t)lucet__continue_begin && pc < (uintptr_t)lucet__continue_end)
        machine_redirect(u, (const void *)machine_saved_pc(act->cell),
                         (const void *)machine_saved_sp(act->cell));
}

static void handle(int sig, siginfo_t *info, ucontext_t *u)
{
    struct activation *act = lucet__thread.current;
    const bool overflow = act && handler_did_not_fit(act, sig, info, u);

    if (overflow)
        arrive(act, u);
    const uintptr_t pc = machine_pc(u);
    const struct lucet_dl_module *m =
        act && lucet__thread.abi.guest_frame == NULL ? lucet__code_range_find(pc) : NULL;
    const enum demand d = sig == SIGBUS ? lucet__demand_fault(info, m != NULL) : DEMAND_FOREIGN;
    struct fault fault = {.code = lucet_trapcode_stack_overflow};

    if (gs_was_probed(act, pc, info, u))
        return;
    if (d == DEMAND_PROVIDED)
        return;
    if (d == DEMAND_REFUSED && m)
        set_terminated(act, lucet_terminated_reason_heap_out_of_memory);
    else if (!overflow && (!m || !judge(act, m, pc, sig, info, &fault))) {
        lucet__chain(sig, info, u);
        return;
    } else if (!settle(act, &fault, sig, info, u)) {
        return;
    }
    machine_redirect(u, (const void *)(uintptr_t)lucet__leave, act->host_sp);
}

void lucet__fault_handler(int sig, siginfo_t *info, void *context)
{
    const int saved_errno = errno;

    handle(sig, info, context);
    errno = saved_errno;
}

bool lucet__is_in_host(const struct lucet_vmctx *ctx)
{
    const struct thread *t = &lucet__thread;

    return t->current && t->abi.ctx == ctx && t->abi.guest_frame;
}

struct activation *lucet__in_host(const struct lucet_vmctx *ctx)
{
    /* Anything else would leave frames of an inner run behind in a state nobody could describe. */
    if (!lucet__is_in_host(ctx))
        abort();
    return lucet__thread.current;
}

void lucet__trap(struct lucet_vmctx *ctx, enum lucet_trapcode code)
{
    struct activation *act = lucet__in_host(ctx);
    const uint8_t *frame = lucet__thread.abi.guest_frame;
    uintptr_t pc;

    memcpy(&pc, frame, sizeof(pc));
    act->outcome = OUTCOME_FAULTED;
    act->trapcode = code;
    act->fatal = false;
    act->pc = pc;
    act->fault_addr = 0;
    lucet__backtrace(act, pc, (uintptr_t)frame + 8, 0, true);
    lucet__leave_host();
}

/* ---- For embedders ---- */

enum lucet_error lucet_instance_set_signal_handler(struct lucet_instance *inst,
                                                   lucet_signal_handler handler)
{
    lucet__clear_error();
    if (!inst)
        return lucet__fail(lucet_error_invalid_argument, "lucet_instance_set_signal_handler: NULL");
    inst->signal_handler = handler;
    return lucet_error_ok;
}

enum lucet_error lucet_instance_set_fatal_handler(struct lucet_instance *inst,
                                                  lucet_fatal_handler handler)
{
    lucet__clear_error();
    if (!inst)
        return lucet__fail(lucet_error_invalid_argument, "lucet_instance_set_fatal_handler: NULL");
    inst->fatal_handler = handler;
    return lucet_error_ok;
}
