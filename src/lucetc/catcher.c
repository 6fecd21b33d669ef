/* Catchers: calls into instances that do not look for exceptions, by a module that does
 * (docs/abi.md E4). An exception that passes the frames of such an instance goes on here. */
#include "lucetc/helpers.h"

static LLVMValueRef load_field(struct emitter *e, LLVMValueRef base, size_t offset)
{
    return load_at(e, e->ptr, base, offset, ALIAS_CONTEXT);
}

/* Remembers where to go on. Zero; not zero when it comes back the second time. */
static LLVMValueRef mark(struct emitter *e, LLVMValueRef context, LLVMValueRef catcher)
{
    LLVMTypeRef params[] = {e->ptr, e->ptr};
    LLVMTypeRef type = LLVMFunctionType(e->i32, params, 2, false);
    LLVMValueRef args[] = {context, catcher};
    LLVMValueRef body = load_field(
        e, context, offsetof(struct lucet_vmctx, builtins) + 8u * LUCET_BUILTIN_exn_mark);
    LLVMValueRef call = LLVMBuildCall2(e->b, type, body, args, 2, "");
    LLVMAddCallSiteAttribute(call, LLVMAttributeFunctionIndex, e->returns_twice);
    return LLVMBuildICmp(e->b, LLVMIntEQ, call, const_i32(e, 0), "");
}

void emit_catcher(struct emitter *e, LLVMValueRef func, struct helper h)
{
    (void)h;
    const size_t offset = offsetof(struct lucet_activation, catcher);
    LLVMTypeRef type = LLVMGlobalGetValueType(func);
    LLVMValueRef context = LLVMGetParam(func, 0), record = LLVMGetParam(func, 1);
    LLVMValueRef catcher =
        LLVMBuildAlloca(e->b, LLVMArrayType2(e->i64, sizeof(struct lucet_catcher) / 8), "");
    LLVMBasicBlockRef first = emitter_block(e, "call"), landed = emitter_block(e, "landed");
    branch_expect(e, mark(e, context, catcher), true, first, landed);

    LLVMPositionBuilderAtEnd(e->b, first);
    LLVMValueRef activation = load_field(e, context, offsetof(struct lucet_vmctx, activation));
    store_at(e, load_field(e, activation, offset), catcher, offsetof(struct lucet_catcher, outer),
             ALIAS_CONTEXT);
    store_at(e, catcher, activation, offset, ALIAS_CONTEXT);
    LLVMValueRef args[2 + 1000];
    LLVMGetParams(func, args);
    LLVMValueRef result =
        emitter_call(e, type, load_field(e, record, offsetof(struct lucet_funcref, code)), context,
                     record, args, LLVMCountParams(func));
    activation = load_field(e, context, offsetof(struct lucet_vmctx, activation));
    store_at(e, load_field(e, catcher, offsetof(struct lucet_catcher, outer)), activation, offset,
             ALIAS_CONTEXT);
    const bool has_result = LLVMGetReturnType(type) != e->void_type;
    if (has_result)
        LLVMBuildRet(e->b, result);
    else
        LLVMBuildRetVoid(e->b);

    /* The runtime has taken this catcher off. */
    LLVMPositionBuilderAtEnd(e->b, landed);
    enter_guest(e, context);
    if (has_result)
        LLVMBuildRet(e->b, LLVMGetPoison(LLVMGetReturnType(type)));
    else
        LLVMBuildRetVoid(e->b);
}
