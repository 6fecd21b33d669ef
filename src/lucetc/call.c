/* Calls and returns (docs/abi.md C1, C2, C4, C5, C6). */
#include <stdio.h>
#include <string.h>

#include "lucetc/memory.h"
#include "lucetc/params.h"
#include "lucetc/plan.h"

static uint64_t scratch_offset(const struct emitter *e, uint32_t i)
{
    return e->c->layout.scratch + (uint64_t)i * LUCET_RESULT_SLOT;
}

void build_return(struct func *f, LLVMValueRef *results)
{
    struct emitter *e = f->e;
    const uint32_t n = f->type->nresults;
    count_write_back(f);
    if (n == 0) {
        LLVMBuildRetVoid(e->b);
    } else if (!results_in_registers(f->type)) {
        for (uint32_t i = 0; i < n; i++)
            store_at(e, results[i], f->context, scratch_offset(e, i), ALIAS_GLOBAL);
        LLVMBuildRetVoid(e->b);
    } else if (n == 1) {
        LLVMBuildRet(e->b, results[0]);
    } else {
        LLVMBuildAggregateRet(e->b, results, n);
    }
}

static void push_results(struct func *f, const struct wasm_functype *t, LLVMValueRef call)
{
    struct emitter *e = f->e;
    if (t->nresults == 1) {
        push(f, call);
        return;
    }
    const bool in_registers = results_in_registers(t);
    for (uint32_t i = 0; i < t->nresults; i++) {
        LLVMValueRef v = in_registers ? LLVMBuildExtractValue(e->b, call, i, "")
                                      : load_at(e, emitter_valtype(e, t->results[i]), f->context,
                                                scratch_offset(e, i), ALIAS_GLOBAL);
        push(f, v);
    }
    f->work += t->nresults;
}

/* A call with the arguments on the operand stack; its results, or, of a tail call, the function's
 * end. */
static void call_and_push(struct func *f, uint32_t type_index, LLVMValueRef target,
                          LLVMValueRef scratch, bool tail)
{
    const struct wasm_functype *t = &f->e->c->module->types[type_index];
    LLVMValueRef args[2 + 1000];
    const unsigned n = params_pass(f->e, t, f->context, pop_many(f, t->nparams), args);
    LLVMValueRef call = emitter_call(f->e, emitter_functype(f->e, type_index), target, f->context,
                                     scratch, args, n);
    f->work += 1 + t->nparams;
    if (tail) {
        emitter_tail_jump(f->e, call);
        mark_unreachable(f);
    } else {
        look_for_exception(f);
        push_results(f, t, call);
    }
}

TRANSLATOR(emit_call)
{
    const uint32_t callee = in->imm.index;
    call_and_push(f, f->e->c->module->funcs[callee].type, emitter_guest_func(f->e, callee), NULL,
                  arg == TAIL_CALL);
}

TRANSLATOR(emit_call_indirect)
{
    struct emitter *e = f->e;
    char name[32];
    snprintf(name, sizeof name, "gate.%u.%u", in->imm.index, in->imm.index2);
    LLVMValueRef gate = emitter_declare(e, name, emitter_functype(e, in->imm.index));
    LLVMValueRef index = widen_index(f, pop(f));
    call_and_push(f, in->imm.index, gate, LLVMBuildIntToPtr(e->b, index, e->ptr, ""),
                  arg == TAIL_CALL);
}

TRANSLATOR(emit_call_ref)
{
    struct emitter *e = f->e;
    char name[32];
    snprintf(name, sizeof name, "ref.%u", in->imm.index);
    LLVMValueRef gate = emitter_declare(e, name, emitter_functype(e, in->imm.index));
    call_and_push(f, in->imm.index, gate, LLVMBuildIntToPtr(e->b, pop(f), e->ptr, ""),
                  arg == TAIL_CALL);
}

TRANSLATOR(emit_ref_func)
{
    (void)arg;
    const uint32_t slot = plan_ref_func_slot(&f->e->c->plan, in->imm.index);
    push(f, load_at(f->e, f->e->i64, f->context, f->e->c->layout.funcrefs + (uint64_t)slot * 8,
                    ALIAS_CONTEXT));
}
