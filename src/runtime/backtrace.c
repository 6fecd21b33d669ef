/* The chain of guest frames, from a program counter and a stack pointer. The return address of a
 * frame lies below its frame address. Nothing is believed: addresses outside the stack and program
 * counters outside guest text end it. */
#include "runtime/backtrace.h"

#include <string.h>

#include "runtime/activation.h"
#include "runtime/allocate.h"
#include "runtime/frames.h"
#include "runtime/instance.h"
#include "runtime/module.h"
#include "runtime/module_names.h"
#include "runtime/ranges.h"

/* A stack of 128 KiB holds 16,384 frames of 8 bytes; beyond this the outer end is not looked
 * for. */
#define WALK_LIMIT 100000u

struct walk {
    struct trace *out;
    uintptr_t outer[LUCET__FRAMES_OUTER]; /* a ring of the last ones */
    uint32_t total;
};

static void note(struct walk *w, uintptr_t pc)
{
    if (w->total < LUCET__FRAMES_INNER)
        w->out->pcs[w->total] = pc;
    else
        w->outer[(w->total - LUCET__FRAMES_INNER) % LUCET__FRAMES_OUTER] = pc;
    w->total++;
}

static void finish(struct walk *w)
{
    uint32_t kept, beyond;

    if (w->total <= LUCET__FRAMES_INNER) {
        w->out->count = w->total;
        return;
    }
    beyond = w->total - LUCET__FRAMES_INNER;
    kept = beyond < LUCET__FRAMES_OUTER ? beyond : LUCET__FRAMES_OUTER;
    for (uint32_t i = 0; i < kept; i++)
        w->out->pcs[LUCET__FRAMES_INNER + i] = w->outer[(beyond - kept + i) % LUCET__FRAMES_OUTER];
    w->out->count = LUCET__FRAMES_INNER + kept;
    w->out->truncated = beyond > kept;
}

/* A word of the guest's stack. What AddressSanitizer remembers of that stack is from host functions
 * that a stop has cut off. */
#ifdef LUCET_SANITIZE
__attribute__((no_sanitize("address")))
#endif
static uintptr_t return_address(uintptr_t at)
{
    return *(const volatile uintptr_t *)at;
}

void lucet__backtrace(struct activation *act, uintptr_t pc, uintptr_t sp, uintptr_t probe,
                      bool from_call)
{
    struct trace *out = act->trace;
    struct walk w = {.out = out};
    uintptr_t low = (uintptr_t)act->stack_low - act->stack_guard;
    uintptr_t high = (uintptr_t)act->stack_high;
    uintptr_t lookup = pc - from_call; /* of a return address, the call is before it */

    out->from_call = from_call;
    out->count = 0;
    out->truncated = false;
    while (w.total < WALK_LIMIT) {
        struct lucet_dl_module *m = lucet__code_range_find(lookup);
        int64_t offset;
        bool use_probe;
        if (!m)
            break;
        note(&w, pc);
        if (!lucet__frame_cfa(m, lookup, &offset, &use_probe))
            break;
        uintptr_t cfa = (use_probe ? probe : sp) + (uintptr_t)offset;
        /* It must be above this frame, and the return address on the accessible stack. */
        if (cfa <= sp || cfa < low || cfa % 8 || cfa - 8 < (uintptr_t)act->stack_low || cfa > high)
            break;
        pc = return_address(cfa - 8);
        sp = cfa;
        lookup = pc - 1;
        probe = 0;
    }
    if (w.total == WALK_LIMIT)
        out->truncated = true;
    finish(&w);
    if (w.total == WALK_LIMIT)
        out->count = LUCET__FRAMES_INNER;
}

/* Runs on the host's stack, after the guest has stopped. */
void lucet__describe_fault(const struct activation *act, struct lucet_result *result)
{
    struct lucet_instance *inst = act->instance;
    struct lucet_runtime_fault *fault = &result->val.faulted;
    const struct lucet_frame *named = NULL;
    const struct trace *trace = &inst->trace;
    uint32_t count = trace->count;

    if (!inst->frames && !(inst->frames = lucet__calloc(LUCET__FRAMES, sizeof(*inst->frames))))
        count = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct lucet_frame *frame = &inst->frames[i];
        /* A return address may be the first byte behind its function. */
        uintptr_t lookup = trace->pcs[i] - (i > 0 || trace->from_call);
        struct lucet_dl_module *m = lucet__code_range_find(lookup);
        if (m)
            lucet__describe_pc(m, lookup, frame);
        else
            *frame = LUCET__UNKNOWN_FRAME;
        frame->offset += (uint32_t)(trace->pcs[i] - lookup);
        frame->pc = trace->pcs[i];
        if (!named && frame->function_index != UINT32_MAX)
            named = frame;
    }
    *fault = (struct lucet_runtime_fault){
        .fatal = act->fatal,
        .trapcode = act->trapcode,
        .rip_addr = act->pc,
        .fault_addr = act->fault_addr,
        .module_name = named ? named->module_name : "",
        .function_name = named ? named->function_name : "",
        .function_index = named ? named->function_index : UINT32_MAX,
        .backtrace = inst->frames,
        .backtrace_len = count,
        .backtrace_truncated = trace->truncated || count < trace->count,
        .rip_addr_details = {.module_code_resolvable = true,
                             .in_module_code = named != NULL,
                             .file_name = named ? named->module_name : NULL,
                             .sym_name = named ? named->function_name : NULL},
    };
    result->tag = lucet_result_tag_faulted;
}
