/* Vectors as bits, and what becomes of comparisons. */
#include "lucetc/vector.h"

TRANSLATOR(emit_v_not)
{
    (void)in, (void)arg;
    push(f, LLVMBuildNot(f->e->b, pop(f), ""));
}

TRANSLATOR(emit_v_andnot)
{
    (void)in, (void)arg;
    LLVMValueRef y = pop(f), x = pop(f);
    push(f, LLVMBuildAnd(f->e->b, x, LLVMBuildNot(f->e->b, y, ""), ""));
}

TRANSLATOR(emit_v_bitselect)
{
    (void)in, (void)arg;
    LLVMBuilderRef b = f->e->b;
    LLVMValueRef mask = pop(f), y = pop(f), x = pop(f);
    push(f, LLVMBuildOr(b, LLVMBuildAnd(b, x, mask, ""),
                        LLVMBuildAnd(b, y, LLVMBuildNot(b, mask, ""), ""), ""));
}

TRANSLATOR(emit_v_any_true)
{
    (void)in, (void)arg;
    LLVMTypeRef i128 = LLVMIntTypeInContext(f->e->llvm, 128);
    LLVMValueRef bits = LLVMBuildBitCast(f->e->b, pop(f), i128, "");
    push_bool(f, LLVMBuildICmp(f->e->b, LLVMIntNE, bits, LLVMConstNull(i128), ""));
}

/* One bit per lane as an integer. */
static LLVMValueRef lane_bits(struct func *f, LLVMValueRef condition, enum shape s)
{
    LLVMTypeRef type = LLVMIntTypeInContext(f->e->llvm, shape_lanes(s));
    return LLVMBuildBitCast(f->e->b, condition, type, "");
}

static LLVMValueRef compare_with_zero(struct func *f, enum shape s, LLVMIntPredicate predicate)
{
    LLVMValueRef v = pop_vector(f, s);
    return lane_bits(f, LLVMBuildICmp(f->e->b, predicate, v, LLVMConstNull(LLVMTypeOf(v)), ""), s);
}

TRANSLATOR(emit_v_all_true)
{
    (void)in;
    LLVMValueRef zeros = compare_with_zero(f, V_SHAPE(arg), LLVMIntEQ);
    LLVMValueRef none = LLVMConstNull(LLVMTypeOf(zeros));
    push_bool(f, LLVMBuildICmp(f->e->b, LLVMIntEQ, zeros, none, ""));
}

TRANSLATOR(emit_v_bitmask)
{
    (void)in;
    LLVMValueRef signs = compare_with_zero(f, V_SHAPE(arg), LLVMIntSLT);
    push(f, LLVMBuildZExt(f->e->b, signs, f->e->i32, ""));
}
