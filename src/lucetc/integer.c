/* Integer arithmetic. Nothing here carries nuw or nsw: together with a deleted load such a fact has
 * been shown to move an access out of the guest's memory. */
#include "lucetc/func.h"

static LLVMValueRef constant_like(LLVMValueRef v, uint64_t n)
{
    return LLVMConstInt(LLVMTypeOf(v), n, false);
}

static unsigned width_of(LLVMValueRef v)
{
    return LLVMGetIntTypeWidth(LLVMTypeOf(v));
}

TRANSLATOR(emit_integer)
{
    (void)in;
    LLVMValueRef y = pop(f), x = pop(f);
    push(f, LLVMBuildBinOp(f->e->b, (LLVMOpcode)arg, x, y, ""));
}

TRANSLATOR(emit_shift)
{
    (void)in;
    LLVMValueRef y = pop(f), x = pop(f);
    LLVMValueRef count = LLVMBuildAnd(f->e->b, y, constant_like(y, width_of(y) - 1), "");
    push(f, LLVMBuildBinOp(f->e->b, (LLVMOpcode)arg, x, count, ""));
}

TRANSLATOR(emit_rotate)
{
    (void)in;
    LLVMValueRef count = pop(f), x = pop(f);
    LLVMValueRef args[] = {x, x, count};
    push(f, emitter_call_overloaded(f->e, arg ? "llvm.fshr" : "llvm.fshl", LLVMTypeOf(x), args, 3));
}

TRANSLATOR(emit_compare)
{
    (void)in;
    LLVMValueRef y = pop(f), x = pop(f);
    push_bool(f, LLVMBuildICmp(f->e->b, (LLVMIntPredicate)arg, x, y, ""));
}

TRANSLATOR(emit_eqz)
{
    (void)in, (void)arg;
    LLVMValueRef x = pop(f);
    push_bool(f, LLVMBuildICmp(f->e->b, LLVMIntEQ, x, constant_like(x, 0), ""));
}

TRANSLATOR(emit_bit_count)
{
    static const char *const names[] = {"llvm.ctlz", "llvm.cttz", "llvm.ctpop"};
    (void)in;
    LLVMValueRef x = pop(f);
    LLVMValueRef args[] = {x, LLVMConstInt(f->e->i1, 0, false)}; /* zero is a defined operand */
    push(f, emitter_call_overloaded(f->e, names[arg], LLVMTypeOf(x), args,
                                    arg == BITS_popcnt ? 1 : 2));
}

static void trap_if_zero(struct func *f, LLVMValueRef divisor)
{
    LLVMValueRef zero = constant_like(divisor, 0);
    trap_if(f->e, LLVMBuildICmp(f->e->b, LLVMIntEQ, divisor, zero, ""),
            LUCET_TRAP_integer_div_by_zero);
}

static LLVMValueRef is_minus_one(struct func *f, LLVMValueRef v)
{
    return LLVMBuildICmp(f->e->b, LLVMIntEQ, v, LLVMConstAllOnes(LLVMTypeOf(v)), "");
}

TRANSLATOR(emit_div)
{
    (void)in;
    LLVMBuilderRef b = f->e->b;
    LLVMValueRef y = pop(f), x = pop(f);
    trap_if_zero(f, y);
    if (arg) {
        LLVMValueRef smallest = constant_like(x, 1ull << (width_of(x) - 1));
        LLVMValueRef is_smallest = LLVMBuildICmp(b, LLVMIntEQ, x, smallest, "");
        trap_if(f->e, LLVMBuildAnd(b, is_smallest, is_minus_one(f, y), ""),
                LUCET_TRAP_integer_overflow);
    }
    push(f, arg ? LLVMBuildSDiv(b, x, y, "") : LLVMBuildUDiv(b, x, y, ""));
}

TRANSLATOR(emit_rem)
{
    (void)in;
    LLVMBuilderRef b = f->e->b;
    LLVMValueRef y = pop(f), x = pop(f);
    trap_if_zero(f, y);
    if (!arg) {
        push(f, LLVMBuildURem(b, x, y, ""));
        return;
    }
    /* x rem -1 is 0 for every x, but overflows in the machine (and is undefined in LLVM) for the
     * smallest x: divide by 1 instead. */
    LLVMValueRef divisor = LLVMBuildSelect(b, is_minus_one(f, y), constant_like(y, 1), y, "");
    push(f, LLVMBuildSRem(b, x, divisor, ""));
}

TRANSLATOR(emit_sign_extend)
{
    (void)in;
    LLVMValueRef x = pop(f);
    LLVMTypeRef narrow = LLVMIntTypeInContext(f->e->llvm, arg);
    LLVMValueRef low = LLVMBuildTrunc(f->e->b, x, narrow, "");
    push(f, LLVMBuildSExt(f->e->b, low, LLVMTypeOf(x), ""));
}

/* ---- 128 bits as two operands, the lower half first ---- */

static LLVMTypeRef wide_type(const struct func *f)
{
    return LLVMIntTypeInContext(f->e->llvm, 128);
}

static LLVMValueRef pop_wide(struct func *f)
{
    LLVMBuilderRef b = f->e->b;
    LLVMValueRef high = LLVMBuildZExt(b, pop(f), wide_type(f), "");
    LLVMValueRef low = LLVMBuildZExt(b, pop(f), wide_type(f), "");
    LLVMValueRef up = LLVMBuildShl(b, high, LLVMConstInt(wide_type(f), 64, false), "");
    return LLVMBuildOr(b, up, low, "");
}

static void push_wide(struct func *f, LLVMValueRef v)
{
    LLVMBuilderRef b = f->e->b;
    LLVMValueRef down = LLVMBuildLShr(b, v, LLVMConstInt(wide_type(f), 64, false), "");
    push(f, LLVMBuildTrunc(b, v, f->e->i64, ""));
    push(f, LLVMBuildTrunc(b, down, f->e->i64, ""));
}

TRANSLATOR(emit_wide)
{
    (void)in;
    LLVMValueRef y = pop_wide(f), x = pop_wide(f);
    push_wide(f, LLVMBuildBinOp(f->e->b, (LLVMOpcode)arg, x, y, ""));
}

TRANSLATOR(emit_wide_mul)
{
    (void)in;
    LLVMBuilderRef b = f->e->b;
    const LLVMOpcode extend = arg ? LLVMSExt : LLVMZExt;
    LLVMValueRef y = LLVMBuildCast(b, extend, pop(f), wide_type(f), "");
    LLVMValueRef x = LLVMBuildCast(b, extend, pop(f), wide_type(f), "");
    push_wide(f, LLVMBuildMul(b, x, y, ""));
}
