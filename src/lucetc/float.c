/* Floating-point arithmetic, bit-exact: LLVM assumes that nobody minds signalling NaNs, so what it
 * would fold away although the operation quiets a NaN is hidden from it. Scalars and vectors. */
#include <math.h>

#include "lucetc/vector.h"

LLVMValueRef opaque_float(struct emitter *e, LLVMValueRef v)
{
    return emitter_call_overloaded(e, "llvm.arithmetic.fence", LLVMTypeOf(v), &v, 1);
}

/* Constants that LLVM may take for the identity of some operation. Vectors are rarely constant, so
 * all their constants are hidden. */
static LLVMValueRef hide_identity(struct emitter *e, LLVMValueRef v)
{
    if (!LLVMIsAConstantFP(v))
        return LLVMIsConstant(v) ? opaque_float(e, v) : v;
    LLVMBool loses;
    const double d = LLVMConstRealGetDouble(v, &loses);
    return d == 0 || isinf(d) ? opaque_float(e, v) : v;
}

LLVMValueRef float_binary(struct emitter *e, LLVMOpcode op, LLVMValueRef x, LLVMValueRef y)
{
    return LLVMBuildBinOp(e->b, op, hide_identity(e, x), hide_identity(e, y), "");
}

LLVMValueRef float_unary(struct emitter *e, enum float_unary op, LLVMValueRef x)
{
    static const char *const names[] = {
        [FLOAT_abs] = "llvm.fabs",    [FLOAT_neg] = NULL,
        [FLOAT_ceil] = "llvm.ceil",   [FLOAT_floor] = "llvm.floor",
        [FLOAT_trunc] = "llvm.trunc", [FLOAT_nearest] = "llvm.roundeven",
        [FLOAT_sqrt] = "llvm.sqrt",
    };
    return op == FLOAT_neg ? LLVMBuildFNeg(e->b, x, "")
                           : emitter_call_overloaded(e, names[op], LLVMTypeOf(x), &x, 1);
}

/* llvm.minimum and llvm.maximum are right but for NaNs, which they pass on without quieting them.
 * Addition does that; promised that there are none, they take fewer instructions besides. */
LLVMValueRef float_minmax(struct emitter *e, bool max, LLVMValueRef x, LLVMValueRef y)
{
    x = hide_identity(e, x);
    y = x == y ? opaque_float(e, y) : hide_identity(e, y);
    LLVMValueRef args[] = {x, y};
    LLVMValueRef ordered =
        emitter_call_overloaded(e, max ? "llvm.maximum" : "llvm.minimum", LLVMTypeOf(x), args, 2);
    LLVMSetFastMathFlags(ordered, LLVMFastMathNoNaNs);
    LLVMValueRef unordered = LLVMBuildFCmp(e->b, LLVMRealUNO, x, y, "");
    return LLVMBuildSelect(e->b, unordered, LLVMBuildFAdd(e->b, x, y, ""), ordered, "");
}

TRANSLATOR(emit_float)
{
    (void)in;
    LLVMValueRef y = pop(f), x = pop(f);
    push(f, float_binary(f->e, (LLVMOpcode)arg, x, y));
}

TRANSLATOR(emit_float_compare)
{
    (void)in;
    LLVMValueRef y = pop(f), x = pop(f);
    push_bool(f, LLVMBuildFCmp(f->e->b, (LLVMRealPredicate)arg, x, y, ""));
}

TRANSLATOR(emit_float_unary)
{
    (void)in;
    push(f, float_unary(f->e, (enum float_unary)arg, pop(f)));
}

TRANSLATOR(emit_float_minmax)
{
    (void)in;
    LLVMValueRef y = pop(f), x = pop(f);
    push(f, float_minmax(f->e, arg, x, y));
}

TRANSLATOR(emit_copysign)
{
    (void)in, (void)arg;
    LLVMValueRef y = pop(f), x = pop(f);
    LLVMValueRef args[] = {x, y};
    push(f, emitter_call_overloaded(f->e, "llvm.copysign", LLVMTypeOf(x), args, 2));
}
