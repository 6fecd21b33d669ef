/* Integer arithmetic on vectors, in forms for which LLVM has one machine instruction where there is
 * one. */
#include "lucetc/vector.h"

static LLVMValueRef call2(struct func *f, const char *name, LLVMValueRef x, LLVMValueRef y)
{
    LLVMValueRef args[] = {x, y};
    return emitter_call_overloaded(f->e, name, LLVMTypeOf(x), args, 2);
}

static LLVMValueRef constant(struct func *f, enum shape s, uint64_t n)
{
    return splat(f, s, LLVMConstInt(lane_type(f->e, s), n, true));
}

TRANSLATOR(emit_v_integer)
{
    (void)in;
    LLVMValueRef y = pop_vector(f, V_SHAPE(arg)), x = pop_vector(f, V_SHAPE(arg));
    push_vector(f, LLVMBuildBinOp(f->e->b, (LLVMOpcode)V_WHAT(arg), x, y, ""));
}

TRANSLATOR(emit_v_call2)
{
    static const char *const names[] = {
        [V_smin] = "llvm.smin",         [V_umin] = "llvm.umin",
        [V_smax] = "llvm.smax",         [V_umax] = "llvm.umax",
        [V_sadd_sat] = "llvm.sadd.sat", [V_uadd_sat] = "llvm.uadd.sat",
        [V_ssub_sat] = "llvm.ssub.sat", [V_usub_sat] = "llvm.usub.sat",
    };
    (void)in;
    LLVMValueRef y = pop_vector(f, V_SHAPE(arg)), x = pop_vector(f, V_SHAPE(arg));
    push_vector(f, call2(f, names[V_WHAT(arg)], x, y));
}

TRANSLATOR(emit_v_compare)
{
    (void)in;
    const enum shape s = V_SHAPE(arg);
    LLVMValueRef y = pop_vector(f, s), x = pop_vector(f, s);
    LLVMValueRef bits = LLVMBuildICmp(f->e->b, (LLVMIntPredicate)V_WHAT(arg), x, y, "");
    push_vector(f, LLVMBuildSExt(f->e->b, bits, shape_type(f->e, s), ""));
}

TRANSLATOR(emit_v_shift)
{
    (void)in;
    LLVMBuilderRef b = f->e->b;
    const enum shape s = V_SHAPE(arg);
    const unsigned bits = 128 / shape_lanes(s);
    LLVMValueRef count = LLVMBuildAnd(b, pop(f), const_i32(f->e, bits - 1), "");
    LLVMValueRef x = pop_vector(f, s);
    count = bits > 32 ? LLVMBuildZExt(b, count, f->e->i64, "")
                      : LLVMBuildTrunc(b, count, lane_type(f->e, s), "");
    push_vector(f, LLVMBuildBinOp(b, (LLVMOpcode)V_WHAT(arg), x, splat(f, s, count), ""));
}

TRANSLATOR(emit_v_neg)
{
    (void)in;
    LLVMValueRef x = pop_vector(f, V_SHAPE(arg));
    push_vector(f, LLVMBuildSub(f->e->b, LLVMConstNull(LLVMTypeOf(x)), x, ""));
}

TRANSLATOR(emit_v_abs)
{
    (void)in;
    LLVMValueRef x = pop_vector(f, V_SHAPE(arg));
    /* The smallest number is its own absolute value, not undefined. */
    LLVMValueRef args[] = {x, LLVMConstInt(f->e->i1, 0, false)};
    push_vector(f, emitter_call_overloaded(f->e, "llvm.abs", LLVMTypeOf(x), args, 2));
}

TRANSLATOR(emit_v_popcnt)
{
    (void)in;
    LLVMValueRef x = pop_vector(f, V_SHAPE(arg));
    push_vector(f, emitter_call_overloaded(f->e, "llvm.ctpop", LLVMTypeOf(x), &x, 1));
}

TRANSLATOR(emit_v_avgr)
{
    (void)in;
    LLVMBuilderRef b = f->e->b;
    const enum shape s = V_SHAPE(arg);
    LLVMTypeRef wide = LLVMVectorType(lane_type(f->e, wider(s)), shape_lanes(s));
    LLVMValueRef y = LLVMBuildZExt(b, pop_vector(f, s), wide, "");
    LLVMValueRef x = LLVMBuildZExt(b, pop_vector(f, s), wide, "");
    LLVMValueRef one = LLVMBuildZExt(b, constant(f, s, 1), wide, "");
    LLVMValueRef sum = LLVMBuildAdd(b, LLVMBuildAdd(b, x, y, ""), one, "");
    push_vector(f, LLVMBuildTrunc(b, LLVMBuildLShr(b, sum, one, ""), shape_type(f->e, s), ""));
}

TRANSLATOR(emit_v_extend)
{
    (void)in;
    push_vector(f, extend_half(f, pop_vector(f, V_SHAPE(arg)), V_SHAPE(arg),
                               V_WHAT(arg) & HALF_HIGH, V_WHAT(arg) & HALF_SIGNED));
}

TRANSLATOR(emit_v_extmul)
{
    (void)in;
    const enum shape s = V_SHAPE(arg);
    const bool high = V_WHAT(arg) & HALF_HIGH, is_signed = V_WHAT(arg) & HALF_SIGNED;
    LLVMValueRef y = extend_half(f, pop_vector(f, s), s, high, is_signed);
    LLVMValueRef x = extend_half(f, pop_vector(f, s), s, high, is_signed);
    push_vector(f, LLVMBuildMul(f->e->b, x, y, ""));
}

TRANSLATOR(emit_v_dot)
{
    (void)in, (void)arg;
    LLVMTypeRef wide = LLVMVectorType(f->e->i32, 8);
    LLVMValueRef y = LLVMBuildSExt(f->e->b, pop_vector(f, I16X8), wide, "");
    LLVMValueRef x = LLVMBuildSExt(f->e->b, pop_vector(f, I16X8), wide, "");
    LLVMValueRef products = LLVMBuildMul(f->e->b, x, y, "");
    push_vector(f, LLVMBuildAdd(f->e->b, pick_lanes(f, products, NULL, 0, 2, 4),
                                pick_lanes(f, products, NULL, 1, 2, 4), ""));
}
