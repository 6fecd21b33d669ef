/* Floating-point arithmetic, bit-exact: LLVM assumes that nobody minds signalling NaNs, so what it
 * would fold away although the operation quiets a NaN is hidden from it. */
#include <math.h>

#include "lucetc/func.h"

LLVMValueRef opaque_float(struct emitter *e, LLVMValueRef v)
{
    const bool is_f32 = LLVMTypeOf(v) == e->f32;
    LLVMValueRef fence = emitter_intrinsic(e, is_f32 ? INTRINSIC_fence_f32 : INTRINSIC_fence_f64);
    return LLVMBuildCall2(e->b, LLVMGlobalGetValueType(fence), fence, &v, 1, "");
}

/* Constants that LLVM may take for the identity of some operation. */
static LLVMValueRef hide_identity(struct func *f, LLVMValueRef v)
{
    if (!LLVMIsAConstantFP(v))
        return v;
    LLVMBool loses;
    const double d = LLVMConstRealGetDouble(v, &loses);
    return d == 0 || isinf(d) ? opaque_float(f->e, v) : v;
}

TRANSLATOR(emit_float)
{
    (void)in;
    LLVMValueRef y = hide_identity(f, pop(f)), x = hide_identity(f, pop(f));
    push(f, LLVMBuildBinOp(f->e->b, (LLVMOpcode)arg, x, y, ""));
}

TRANSLATOR(emit_float_compare)
{
    (void)in;
    LLVMValueRef y = pop(f), x = pop(f);
    push_bool(f, LLVMBuildFCmp(f->e->b, (LLVMRealPredicate)arg, x, y, ""));
}

TRANSLATOR(emit_float_unary)
{
    static const char *const names[] = {
        [FLOAT_abs] = "llvm.fabs",    [FLOAT_neg] = NULL,
        [FLOAT_ceil] = "llvm.ceil",   [FLOAT_floor] = "llvm.floor",
        [FLOAT_trunc] = "llvm.trunc", [FLOAT_nearest] = "llvm.roundeven",
        [FLOAT_sqrt] = "llvm.sqrt",
    };
    (void)in;
    LLVMValueRef x = pop(f);
    push(f, arg == FLOAT_neg ? LLVMBuildFNeg(f->e->b, x, "")
                             : emitter_call_overloaded(f->e, names[arg], LLVMTypeOf(x), &x, 1));
}

/* llvm.minimum and llvm.maximum are right but for NaNs, which they pass on without quieting them. Addition
 * does that; promised that there are none, they take fewer instructions besides. */
TRANSLATOR(emit_float_minmax)
{
    (void)in;
    LLVMBuilderRef b = f->e->b;
    LLVMValueRef y = hide_identity(f, pop(f)), x = hide_identity(f, pop(f));
    if (x == y)
        y = opaque_float(f->e, y);
    LLVMValueRef args[] = {x, y};
    LLVMValueRef ordered = emitter_call_overloaded(f->e, arg ? "llvm.maximum" : "llvm.minimum",
                                                   LLVMTypeOf(x), args, 2);
    LLVMSetFastMathFlags(ordered, LLVMFastMathNoNaNs);
    LLVMValueRef unordered = LLVMBuildFCmp(b, LLVMRealUNO, x, y, "");
    push(f, LLVMBuildSelect(b, unordered, LLVMBuildFAdd(b, x, y, ""), ordered, ""));
}

TRANSLATOR(emit_copysign)
{
    (void)in, (void)arg;
    LLVMValueRef y = pop(f), x = pop(f);
    LLVMValueRef args[] = {x, y};
    push(f, emitter_call_overloaded(f->e, "llvm.copysign", LLVMTypeOf(x), args, 2));
}
