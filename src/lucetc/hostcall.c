/* Trampolines from guest code to host functions and to the runtime (docs/abi.md C8). */
#include "lucetc/helpers.h"

static LLVMValueRef load_activation(struct emitter *e, LLVMValueRef context)
{
    return load_at(e, e->ptr, context, offsetof(struct lucet_vmctx, activation), ALIAS_CONTEXT);
}

/* Steps 1 and 2: the host must have room on this stack, and the signal handlers must know that
 * faults from here on are the host's. */
static void leave_guest(struct emitter *e, LLVMValueRef context)
{
    LLVMValueRef func = emitter_intrinsic(e, INTRINSIC_addressofreturnaddress);
    LLVMValueRef frame = LLVMBuildCall2(e->b, LLVMGlobalGetValueType(func), func, NULL, 0, "");
    LLVMValueRef activation = load_activation(e, context);
    LLVMValueRef limit = load_at(e, e->ptr, activation,
                                 offsetof(struct lucet_activation, hostcall_limit), ALIAS_CONTEXT);
    trap_if(e, LLVMBuildICmp(e->b, LLVMIntULT, frame, limit, ""), LUCET_TRAP_stack_overflow);
    LLVMValueRef store = store_at(e, frame, activation,
                                  offsetof(struct lucet_activation, guest_frame), ALIAS_CONTEXT);
    LLVMSetVolatile(store, true);
}

static void call_if_pending(struct emitter *e, LLVMValueRef context, LLVMValueRef activation)
{
    LLVMValueRef pending =
        load_at(e, e->i32, activation, offsetof(struct lucet_activation, pending), ALIAS_CONTEXT);
    LLVMSetVolatile(pending, true);
    LLVMBasicBlockRef stop = emitter_block(e, "stop"), next = emitter_block(e, "");
    LLVMValueRef none = LLVMBuildICmp(e->b, LLVMIntEQ, pending, const_i32(e, 0), "");
    branch_expect(e, none, true, next, stop);
    LLVMPositionBuilderAtEnd(e->b, stop);
    call_builtin_directly(e, context, LUCET_BUILTIN_stop);
    LLVMBuildBr(e->b, next);
    LLVMPositionBuilderAtEnd(e->b, next);
}

static LLVMValueRef access_mark(struct emitter *e, LLVMValueRef value)
{
    LLVMValueRef at = LLVMConstInt(e->i64, (uint64_t)(int64_t)LUCET_GS_MARK, true);
    LLVMValueRef mark = LLVMConstIntToPtr(at, e->heap_ptr);
    LLVMValueRef access =
        value ? LLVMBuildStore(e->b, value, mark) : LLVMBuildLoad2(e->b, e->i64, mark, "");
    LLVMSetAlignment(access, 8);
    LLVMSetVolatile(access, true);
    return access;
}

static void write_gs(struct emitter *e, LLVMValueRef context, LLVMValueRef base)
{
    if (!uses_fsgsbase(e->c)) {
        call_builtin_directly(e, context, LUCET_BUILTIN_set_gs);
        return;
    }
    LLVMValueRef wr = emitter_intrinsic(e, INTRINSIC_wrgsbase);
    LLVMBuildCall2(e->b, LLVMGlobalGetValueType(wr), wr, &base, 1, "");
}

/* Step 4: a stale base would let this guest address another one's memory. When nothing can be read
 * where the mark should be, the runtime's signal handler puts gs right. */
static void restore_gs(struct emitter *e, LLVMValueRef context)
{
    LLVMValueRef own =
        load_at(e, e->i64, context, offsetof(struct lucet_vmctx, gs_base), ALIAS_CONTEXT);
    LLVMValueRef same = LLVMBuildICmp(e->b, LLVMIntEQ, access_mark(e, NULL), own, "");
    LLVMBasicBlockRef fix = emitter_block(e, "fix"), next = emitter_block(e, "");
    branch_expect(e, same, true, next, fix);
    LLVMPositionBuilderAtEnd(e->b, fix);
    write_gs(e, context, own);
    access_mark(e, own);
    LLVMBuildBr(e->b, next);
    LLVMPositionBuilderAtEnd(e->b, next);
}

/* Steps 4 and 5. gs comes first: once guest_frame is NULL a stop request may redirect at any
 * moment, and the test of `pending` must be the last thing on the way back. */
void enter_guest(struct emitter *e, LLVMValueRef context)
{
    restore_gs(e, context);
    LLVMValueRef activation = load_activation(e, context);
    LLVMValueRef store = store_at(e, LLVMConstNull(e->ptr), activation,
                                  offsetof(struct lucet_activation, guest_frame), ALIAS_CONTEXT);
    LLVMSetVolatile(store, true);
    call_if_pending(e, context, activation);
}

void call_builtin_directly(struct emitter *e, LLVMValueRef context, enum lucet_builtin id)
{
    LLVMTypeRef type = LLVMFunctionType(e->void_type, &e->ptr, 1, false);
    LLVMValueRef body =
        load_at(e, e->ptr, context, offsetof(struct lucet_vmctx, builtins) + 8u * (unsigned)id,
                ALIAS_CONTEXT);
    LLVMBuildCall2(e->b, type, body, &context, 1, "");
}

/* Calls a C function with the arguments of the surrounding guest function. */
static LLVMValueRef call_c(struct emitter *e, LLVMValueRef func, LLVMValueRef body,
                           LLVMTypeRef result, LLVMValueRef *outs, uint32_t nouts)
{
    LLVMTypeRef types[1 + 1000 + 1000];
    LLVMValueRef args[1 + 1000 + 1000];
    const unsigned params = LLVMCountParams(func) - 2;
    args[0] = LLVMGetParam(func, 0);
    types[0] = e->ptr;
    for (unsigned i = 0; i < params; i++) {
        args[1 + i] = LLVMGetParam(func, 2 + i);
        types[1 + i] = LLVMTypeOf(args[1 + i]);
    }
    for (uint32_t i = 0; i < nouts; i++) {
        args[1 + params + i] = outs[i];
        types[1 + params + i] = e->ptr;
    }
    LLVMTypeRef type = LLVMFunctionType(result, types, 1 + params + nouts, false);
    return LLVMBuildCall2(e->b, type, body, args, 1 + params + nouts, "");
}

/* Puts a host function's results where guest callers look for them (C2): the first came in a
 * register, the others are in scratch space already. */
static void return_host_results(struct emitter *e, const struct wasm_functype *t,
                                LLVMValueRef first, LLVMValueRef *outs)
{
    if (t->nresults == 0) {
        LLVMBuildRetVoid(e->b);
        return;
    }
    if (!results_in_registers(t)) {
        store_at(e, first, outs[0], 0, ALIAS_GLOBAL);
        LLVMBuildRetVoid(e->b);
        return;
    }
    if (t->nresults == 1) {
        LLVMBuildRet(e->b, first);
        return;
    }
    LLVMValueRef all[4] = {first};
    for (uint32_t i = 1; i < t->nresults; i++)
        all[i] = load_at(e, emitter_valtype(e, t->results[i]), outs[i], 0, ALIAS_GLOBAL);
    LLVMBuildAggregateRet(e->b, all, t->nresults);
}

/* Where results go that do not come in a register. The running context may be another module's,
 * laid out otherwise (references travel, and instances export what they import): it is asked
 * itself. */
static void make_outs(struct emitter *e, const struct wasm_functype *t, LLVMValueRef context,
                      LLVMValueRef *outs)
{
    if (t->nresults < 2)
        return;
    LLVMValueRef scratch =
        load_at(e, e->ptr, context, offsetof(struct lucet_vmctx, scratch), ALIAS_CONTEXT);
    for (uint32_t i = 0; i < t->nresults; i++)
        outs[i] = offset_ptr(e, scratch, (uint64_t)i * LUCET_RESULT_SLOT);
}

void emit_host_trampoline(struct emitter *e, LLVMValueRef func, struct helper h)
{
    const struct wasm_functype *t = &e->c->module->types[h.a];
    LLVMValueRef context = LLVMGetParam(func, 0), record = LLVMGetParam(func, 1);
    LLVMValueRef outs[1000];

    leave_guest(e, context);
    make_outs(e, t, context, outs);
    LLVMValueRef body =
        load_at(e, e->ptr, record, offsetof(struct lucet_funcref, body), ALIAS_CONTEXT);
    LLVMTypeRef result = t->nresults ? emitter_valtype(e, t->results[0]) : e->void_type;
    LLVMValueRef first =
        call_c(e, func, body, result, outs + 1, t->nresults > 1 ? t->nresults - 1 : 0);
    enter_guest(e, context);
    return_host_results(e, t, first, outs);
}

void emit_builtin(struct emitter *e, LLVMValueRef func, struct helper h)
{
    LLVMValueRef context = LLVMGetParam(func, 0);
    leave_guest(e, context);
    LLVMValueRef body = load_at(e, e->ptr, context,
                                offsetof(struct lucet_vmctx, builtins) + 8u * h.a, ALIAS_CONTEXT);
    LLVMTypeRef result = LLVMGetReturnType(LLVMGlobalGetValueType(func));
    LLVMValueRef value = call_c(e, func, body, result, NULL, 0);
    enter_guest(e, context);
    if (result == e->void_type)
        LLVMBuildRetVoid(e->b);
    else
        LLVMBuildRet(e->b, value);
}
