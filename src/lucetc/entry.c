/* Entries: how the host calls guest functions of a signature (docs/abi.md C9). */
#include "lucetc/effects.h"
#include "lucetc/helpers.h"
#include "lucetc/params.h"

static void store_results(struct emitter *e, const struct wasm_functype *t, LLVMValueRef call,
                          LLVMValueRef context, LLVMValueRef cell)
{
    const bool in_registers = results_in_registers(t);
    if (t->nresults == 0)
        return;
    /* The run may have been put aside, and the caller's array be gone. */
    LLVMValueRef argv = load_at(e, e->ptr, cell, 0, ALIAS_CONTEXT);
    LLVMSetVolatile(argv, true);
    for (uint32_t i = 0; i < t->nresults; i++) {
        const uint64_t at = (uint64_t)i * LUCET_RESULT_SLOT;
        LLVMValueRef v;
        if (!in_registers)
            v = load_at(e, emitter_valtype(e, t->results[i]), context, e->c->layout.scratch + at,
                        ALIAS_GLOBAL);
        else
            v = t->nresults == 1 ? call : LLVMBuildExtractValue(e->b, call, i, "");
        store_at(e, v, argv, at, ALIAS_CONTEXT);
    }
}

void emit_entry(struct emitter *e, LLVMValueRef func, struct helper h)
{
    const struct wasm_functype *t = &e->c->module->types[h.a];
    if (effects_possible(e->c, t))
        emitter_keep_closed(e, func);
    LLVMValueRef context = LLVMGetParam(func, 0), callee = LLVMGetParam(func, 1);
    LLVMValueRef cell = LLVMGetParam(func, 2);
    LLVMValueRef values[1000], args[2 + 1000];
    LLVMValueRef argv = t->nparams ? load_at(e, e->ptr, cell, 0, ALIAS_CONTEXT) : NULL;
    for (uint32_t i = 0; i < t->nparams; i++)
        values[i] = load_at(e, emitter_valtype(e, t->params[i]), argv,
                            (uint64_t)i * LUCET_RESULT_SLOT, ALIAS_CONTEXT);
    const unsigned n = params_pass(e, t, context, values, args);
    LLVMValueRef call = emitter_call(e, emitter_functype(e, h.a), callee, context, NULL, args, n);
    store_results(e, t, call, context, cell);
    LLVMBuildRetVoid(e->b);
}
