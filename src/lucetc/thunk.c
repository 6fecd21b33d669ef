/* Thunks: what a function record runs when its function may be called by another instance than its
 * own (docs/abi.md C7). */
#include "lucetc/helpers.h"
#include "lucetc/params.h"

static LLVMValueRef load_field(struct emitter *e, LLVMTypeRef type, LLVMValueRef context,
                               size_t offset)
{
    return load_at(e, type, context, offset, ALIAS_CONTEXT);
}

/* Makes `to` the running instance in place of `from`. */
static void switch_instance(struct emitter *e, LLVMValueRef from, LLVMValueRef to)
{
    LLVMValueRef activation = load_field(e, e->ptr, from, offsetof(struct lucet_vmctx, activation));
    store_at(e, activation, to, offsetof(struct lucet_vmctx, activation), ALIAS_CONTEXT);
    LLVMValueRef store =
        store_at(e, to, activation, offsetof(struct lucet_activation, ctx), ALIAS_CONTEXT);
    LLVMSetVolatile(store, true);
    if (!uses_fsgsbase(e->c)) {
        call_builtin_directly(e, to, LUCET_BUILTIN_set_gs);
        return;
    }
    LLVMValueRef base = load_field(e, e->i64, to, offsetof(struct lucet_vmctx, gs_base));
    LLVMValueRef wr = emitter_intrinsic(e, INTRINSIC_wrgsbase);
    LLVMBuildCall2(e->b, LLVMGlobalGetValueType(wr), wr, &base, 1, "");
}

/* Without FSGSBASE gs is set by a function of the runtime. It runs on the guest's stack, and were
 * that to end there, the fault would be the host's: so it must have room like any host function. */
static void check_room(struct emitter *e, LLVMValueRef context)
{
    if (uses_fsgsbase(e->c))
        return;
    LLVMValueRef func = emitter_intrinsic(e, INTRINSIC_addressofreturnaddress);
    LLVMValueRef frame = LLVMBuildCall2(e->b, LLVMGlobalGetValueType(func), func, NULL, 0, "");
    LLVMValueRef activation =
        load_field(e, e->ptr, context, offsetof(struct lucet_vmctx, activation));
    LLVMValueRef limit =
        load_field(e, e->ptr, activation, offsetof(struct lucet_activation, hostcall_limit));
    trap_if(e, LLVMBuildICmp(e->b, LLVMIntULT, frame, limit, ""), LUCET_TRAP_stack_overflow);
}

/* Results in scratch space are in the callee's; the caller looks in its own. */
static void copy_scratch(struct emitter *e, const struct wasm_functype *t, LLVMValueRef from,
                         LLVMValueRef to)
{
    if (results_in_registers(t))
        return;
    LLVMValueRef src = load_field(e, e->ptr, from, offsetof(struct lucet_vmctx, scratch));
    LLVMValueRef dst = load_field(e, e->ptr, to, offsetof(struct lucet_vmctx, scratch));
    for (uint32_t i = 0; i < t->nresults; i++) {
        const uint64_t at = (uint64_t)i * LUCET_RESULT_SLOT;
        LLVMValueRef v = load_at(e, emitter_valtype(e, t->results[i]), src, at, ALIAS_GLOBAL);
        store_at(e, v, dst, at, ALIAS_GLOBAL);
    }
}

static void call_builtin(struct emitter *e, LLVMValueRef context, enum lucet_builtin id)
{
    const struct helper h = {.kind = HELPER_builtin, .a = id};
    LLVMValueRef builtin = helper_declare(e, h), args[2] = {NULL};
    emitter_call(e, LLVMGlobalGetValueType(builtin), builtin, context, NULL, args, 2);
}

/* In a module that looks for exceptions: one that the body has left comes to the caller, who looks
 * for it too, or the runtime goes on further out (docs/abi.md E5). */
static void pass_exception(struct emitter *e, LLVMTypeRef type, LLVMValueRef owner,
                           LLVMValueRef caller)
{
    if (!e->c->plan.exceptions)
        return;
    LLVMBasicBlockRef threw = emitter_block(e, "threw"), next = emitter_block(e, "");
    LLVMValueRef tag = load_at(e, e->i64, owner, e->c->layout.exception, ALIAS_EXCEPTION);
    branch_expect(e, LLVMBuildICmp(e->b, LLVMIntEQ, tag, const_i64(e, 0), ""), true, next, threw);

    LLVMPositionBuilderAtEnd(e->b, threw);
    call_builtin(e, owner, LUCET_BUILTIN_exn_leave);
    switch_instance(e, owner, caller);
    call_builtin(e, caller, LUCET_BUILTIN_exn_arrive);
    if (LLVMGetReturnType(type) == e->void_type)
        LLVMBuildRetVoid(e->b);
    else
        LLVMBuildRet(e->b, LLVMGetPoison(LLVMGetReturnType(type)));
    LLVMPositionBuilderAtEnd(e->b, next);
}

/* What an earlier call left that was stopped on its way is not this one's. */
static void clear_exception(struct emitter *e, LLVMValueRef owner)
{
    if (e->c->plan.exceptions)
        store_at(e, const_i64(e, 0), owner, e->c->layout.exception, ALIAS_EXCEPTION);
}

/* Calls a body with the thunk's parameters and the body's own context. */
static LLVMValueRef call_body(struct emitter *e, LLVMValueRef func, uint32_t type,
                              LLVMValueRef body, LLVMValueRef owner)
{
    LLVMValueRef params[2 + 1000], args[2 + 1000];
    LLVMGetParams(func, params);
    const unsigned n = params_pass(e, &e->c->module->types[type], owner, params + 2, args);
    return emitter_call(e, emitter_functype(e, type), body, owner, NULL, args, n);
}

void emit_thunk(struct emitter *e, LLVMValueRef func, struct helper h)
{
    LLVMValueRef caller = LLVMGetParam(func, 0), record = LLVMGetParam(func, 1);
    LLVMValueRef owner = load_field(e, e->ptr, record, offsetof(struct lucet_funcref, ctx));
    LLVMValueRef body = load_field(e, e->ptr, record, offsetof(struct lucet_funcref, body));
    LLVMBasicBlockRef same = emitter_block(e, "same"), other = emitter_block(e, "other");
    LLVMBuildCondBr(e->b, LLVMBuildICmp(e->b, LLVMIntEQ, owner, caller, ""), same, other);

    LLVMPositionBuilderAtEnd(e->b, same);
    if (!params_are_plain(e->c, h.a))
        emitter_return(e, call_body(e, func, h.a, body, caller));
    else
        emitter_jump(e, LLVMGlobalGetValueType(func), body, caller, NULL);

    LLVMPositionBuilderAtEnd(e->b, other);
    check_room(e, caller);
    switch_instance(e, caller, owner);
    clear_exception(e, owner);
    LLVMValueRef result = call_body(e, func, h.a, body, owner);
    pass_exception(e, LLVMGlobalGetValueType(func), owner, caller);
    switch_instance(e, owner, caller);
    copy_scratch(e, &e->c->module->types[h.a], owner, caller);
    emitter_return(e, result);
}
