/* Floating-point arithmetic on vectors; the rules of NaNs are the scalar ones (float.c). */
#include "lucetc/vector.h"

TRANSLATOR(emit_v_float)
{
    (void)in;
    LLVMValueRef y = pop_vector(f, V_SHAPE(arg)), x = pop_vector(f, V_SHAPE(arg));
    push_vector(f, float_binary(f->e, (LLVMOpcode)V_WHAT(arg), x, y));
}

static enum shape integers_of(enum shape s)
{
    return s == F32X4 ? I32X4 : I64X2;
}

TRANSLATOR(emit_v_float_compare)
{
    (void)in;
    const enum shape s = V_SHAPE(arg);
    LLVMValueRef y = pop_vector(f, s), x = pop_vector(f, s);
    LLVMValueRef bits = LLVMBuildFCmp(f->e->b, (LLVMRealPredicate)V_WHAT(arg), x, y, "");
    push_vector(f, LLVMBuildSExt(f->e->b, bits, shape_type(f->e, integers_of(s)), ""));
}

TRANSLATOR(emit_v_float_unary)
{
    (void)in;
    LLVMValueRef x = pop_vector(f, V_SHAPE(arg));
    push_vector(f, float_unary(f->e, (enum float_unary)V_WHAT(arg), x));
}

TRANSLATOR(emit_v_float_minmax)
{
    (void)in;
    LLVMValueRef y = pop_vector(f, V_SHAPE(arg)), x = pop_vector(f, V_SHAPE(arg));
    push_vector(f, float_minmax(f->e, V_WHAT(arg), x, y));
}

/* Two lanes followed by zeros. */
static LLVMValueRef with_zeros(struct func *f, LLVMValueRef two)
{
    return pick_lanes(f, two, LLVMConstNull(LLVMTypeOf(two)), 0, 1, 4);
}

TRANSLATOR(emit_v_demote)
{
    (void)in, (void)arg;
    LLVMValueRef x = opaque_float(f->e, pop_vector(f, F64X2));
    push_vector(f, with_zeros(f, LLVMBuildFPTrunc(f->e->b, x, LLVMVectorType(f->e->f32, 2), "")));
}

TRANSLATOR(emit_v_promote)
{
    (void)in, (void)arg;
    LLVMValueRef low = pick_lanes(f, pop_vector(f, F32X4), NULL, 0, 1, 2);
    push_vector(f, LLVMBuildFPExt(f->e->b, low, shape_type(f->e, F64X2), ""));
}

TRANSLATOR(emit_v_convert)
{
    (void)in;
    const enum shape s = V_SHAPE(arg);
    LLVMValueRef x = pop_vector(f, I32X4);
    if (s == F64X2)
        x = pick_lanes(f, x, NULL, 0, 1, 2);
    LLVMTypeRef to = shape_type(f->e, s);
    push_vector(f, V_WHAT(arg) ? LLVMBuildSIToFP(f->e->b, x, to, "")
                               : LLVMBuildUIToFP(f->e->b, x, to, ""));
}
