/* Conversions between numeric types. */
#include <string.h>

#include "lucetc/vector.h"

TRANSLATOR(emit_wrap)
{
    (void)in, (void)arg;
    push(f, LLVMBuildTrunc(f->e->b, pop(f), f->e->i32, ""));
}

TRANSLATOR(emit_extend)
{
    (void)in;
    LLVMValueRef x = pop(f);
    push(f,
         arg ? LLVMBuildSExt(f->e->b, x, f->e->i64, "") : LLVMBuildZExt(f->e->b, x, f->e->i64, ""));
}

static LLVMTypeRef integer_type(const struct func *f, uint32_t arg)
{
    return arg & TO_I64 ? f->e->i64 : f->e->i32;
}

/* The open or closed lower bound of what truncates into range, exact in the source's format. */
static LLVMValueRef above_lower_bound(struct func *f, LLVMValueRef x, uint32_t arg)
{
    LLVMTypeRef type = LLVMTypeOf(x);
    if (!(arg & TO_SIGNED))
        return LLVMBuildFCmp(f->e->b, LLVMRealOGT, x, LLVMConstReal(type, -1.0), "");
    if (type == f->e->f64 && !(arg & TO_I64))
        return LLVMBuildFCmp(f->e->b, LLVMRealOGT, x, LLVMConstReal(type, -2147483649.0), "");
    const double smallest = arg & TO_I64 ? -0x1p63 : -0x1p31;
    return LLVMBuildFCmp(f->e->b, LLVMRealOGE, x, LLVMConstReal(type, smallest), "");
}

static LLVMValueRef below_upper_bound(struct func *f, LLVMValueRef x, uint32_t arg)
{
    static const double bounds[] = {
        [0] = 0x1p32, [TO_SIGNED] = 0x1p31, [TO_I64] = 0x1p64, [TO_I64 | TO_SIGNED] = 0x1p63};
    return LLVMBuildFCmp(f->e->b, LLVMRealOLT, x, LLVMConstReal(LLVMTypeOf(x), bounds[arg]), "");
}

TRANSLATOR(emit_trunc)
{
    (void)in;
    LLVMBuilderRef b = f->e->b;
    LLVMValueRef x = pop(f);
    LLVMValueRef fits =
        LLVMBuildAnd(b, above_lower_bound(f, x, arg), below_upper_bound(f, x, arg), "");
    LLVMBasicBlockRef bad = emitter_block(f->e, "trap"), good = emitter_block(f->e, "");
    branch_expect(f->e, fits, true, good, bad);
    LLVMPositionBuilderAtEnd(b, bad);
    trap_if(f->e, LLVMBuildFCmp(b, LLVMRealUNO, x, x, ""), LUCET_TRAP_bad_conversion_to_integer);
    trap_always(f->e, LUCET_TRAP_integer_overflow);
    LLVMPositionBuilderAtEnd(b, good);
    LLVMTypeRef to = integer_type(f, arg);
    push(f, arg & TO_SIGNED ? LLVMBuildFPToSI(b, x, to, "") : LLVMBuildFPToUI(b, x, to, ""));
}

LLVMValueRef saturating_trunc(struct emitter *e, LLVMValueRef x, LLVMTypeRef to, bool is_signed)
{
    const char *name = is_signed ? "llvm.fptosi.sat" : "llvm.fptoui.sat";
    LLVMTypeRef overloads[] = {to, LLVMTypeOf(x)};
    const unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
    LLVMValueRef func = LLVMGetIntrinsicDeclaration(e->module, id, overloads, 2);
    return LLVMBuildCall2(e->b, LLVMGlobalGetValueType(func), func, &x, 1, "");
}

TRANSLATOR(emit_trunc_sat)
{
    (void)in;
    push(f, saturating_trunc(f->e, pop(f), integer_type(f, arg), arg & TO_SIGNED));
}

TRANSLATOR(emit_convert)
{
    (void)in;
    LLVMValueRef x = pop(f);
    LLVMTypeRef to = arg & TO_F64 ? f->e->f64 : f->e->f32;
    push(f, arg & TO_SIGNED ? LLVMBuildSIToFP(f->e->b, x, to, "")
                            : LLVMBuildUIToFP(f->e->b, x, to, ""));
}

TRANSLATOR(emit_demote)
{
    (void)in, (void)arg;
    /* A demoted promotion is not the identity: it quiets NaNs. */
    push(f, LLVMBuildFPTrunc(f->e->b, opaque_float(f->e, pop(f)), f->e->f32, ""));
}

TRANSLATOR(emit_promote)
{
    (void)in, (void)arg;
    push(f, LLVMBuildFPExt(f->e->b, pop(f), f->e->f64, ""));
}

TRANSLATOR(emit_reinterpret)
{
    (void)in;
    LLVMValueRef v = LLVMBuildBitCast(f->e->b, pop(f), emitter_valtype(f->e, arg), "");
    /* A constant may be a NaN, which LLVM would not keep (see emit_const()). */
    push(f, LLVMIsAConstantFP(v) ? opaque_float(f->e, v) : v);
}
