/* Vector instructions that x86-64 has one instruction, or a short sequence, for which LLVM's
 * general forms do not become: it takes them apart into lanes, or uses wider registers than there
 * is need for. tests/run/vector_code.sh holds what each becomes. */
#include <string.h>

#include "lucetc/vector.h"
#include "module/cpu.h"

LLVMValueRef x86_call(struct func *f, const char *name, LLVMValueRef *args, unsigned n)
{
    const unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
    LLVMValueRef func = LLVMGetIntrinsicDeclaration(f->e->module, id, NULL, 0);
    LLVMTypeRef type = LLVMGlobalGetValueType(func), params[4];
    LLVMValueRef operands[4];

    LLVMGetParamTypes(type, params);
    for (unsigned i = 0; i < n; i++)
        operands[i] = LLVMBuildBitCast(f->e->b, args[i], params[i], "");
    return LLVMBuildCall2(f->e->b, type, func, operands, n, "");
}

LLVMValueRef x86_call2(struct func *f, const char *name, LLVMValueRef x, LLVMValueRef y)
{
    LLVMValueRef args[] = {x, y};
    return x86_call(f, name, args, 2);
}

bool cpu_has(const struct func *f, unsigned feature)
{
    return f->e->c->target.features >> feature & 1;
}

static LLVMValueRef integers(struct func *f, enum shape s, uint64_t n)
{
    return splat(f, s, LLVMConstInt(lane_type(f->e, s), n, true));
}

static LLVMValueRef floats(struct func *f, enum shape s, double x)
{
    return splat(f, s, LLVMConstReal(lane_type(f->e, s), x));
}

/* Saturates both operands to lanes half as wide. */
TRANSLATOR(emit_v_narrow)
{
    static const char *const names[2][2] = {
        {"llvm.x86.sse2.packuswb.128", "llvm.x86.sse2.packsswb.128"},
        {"llvm.x86.sse41.packusdw", "llvm.x86.sse2.packssdw.128"}};
    (void)in;
    LLVMValueRef y = pop(f), x = pop(f);
    push_vector(f, x86_call2(f, names[V_SHAPE(arg) == I32X4][V_WHAT(arg)], x, y));
}

/* Products of neighbours are added: by one, that is what is asked for. */
TRANSLATOR(emit_v_extadd)
{
    (void)in;
    LLVMBuilderRef b = f->e->b;
    LLVMValueRef x = pop_vector(f, V_SHAPE(arg)), ones = integers(f, V_SHAPE(arg), 1);
    const bool is_signed = V_WHAT(arg);
    if (V_SHAPE(arg) == I8X16) { /* the first operand counts as unsigned, the second as signed */
        push_vector(f, x86_call2(f, "llvm.x86.ssse3.pmadd.ub.sw.128", is_signed ? ones : x,
                                 is_signed ? x : ones));
    } else if (is_signed) {
        push_vector(f, x86_call2(f, "llvm.x86.sse2.pmadd.wd", x, ones));
    } else {
        x = LLVMBuildBitCast(b, x, shape_type(f->e, I32X4), "");
        LLVMValueRef even = LLVMBuildAnd(b, x, integers(f, I32X4, 0xffff), "");
        LLVMValueRef odd = LLVMBuildLShr(b, x, integers(f, I32X4, 16), "");
        push_vector(f, LLVMBuildAdd(b, even, odd, ""));
    }
}

/* pmulhrsw is (x * y + 2^14) >> 15, but for -1 * -1, which exceeds the range. */
TRANSLATOR(emit_v_q15mulr)
{
    (void)in;
    LLVMBuilderRef b = f->e->b;
    LLVMValueRef y = pop(f), x = pop(f);
    LLVMValueRef product = x86_call2(f, "llvm.x86.ssse3.pmul.hr.sw.128", x, y);
    if (arg != RELAXED) {
        LLVMValueRef over = LLVMBuildICmp(b, LLVMIntEQ, product, integers(f, I16X8, 0x8000), "");
        product = LLVMBuildXor(b, product, LLVMBuildSExt(b, over, LLVMTypeOf(product), ""), "");
    }
    push_vector(f, product);
}

/* pmin is y < x ? y : x, pmax is x < y ? y : x: operands pass unchanged, NaNs included. That is
 * what the instructions do, their second operand being the one that stays. */
LLVMValueRef x86_minmax(struct func *f, enum shape s, bool max, LLVMValueRef x, LLVMValueRef y)
{
    static const char *const names[2][2] = {{"llvm.x86.sse.min.ps", "llvm.x86.sse.max.ps"},
                                            {"llvm.x86.sse2.min.pd", "llvm.x86.sse2.max.pd"}};
    return x86_call2(f, names[s == F64X2][max], x, y);
}

TRANSLATOR(emit_v_pseudo_minmax)
{
    (void)in;
    LLVMValueRef y = pop(f), x = pop(f);
    push_vector(f, x86_minmax(f, V_SHAPE(arg), V_WHAT(arg), y, x));
}

/* ---- Truncation: the instructions give 0x80000000 for what is not in the range ---- */

static LLVMValueRef cvtt(struct func *f, LLVMValueRef x)
{
    return x86_call(f, "llvm.x86.sse2.cvttps2dq", &x, 1);
}

/* AVX-512 has unsigned ones, which give 0xffffffff instead; to the first two lanes of four with
 * f64. */
static LLVMValueRef cvtt_unsigned(struct func *f, enum shape s, LLVMValueRef x)
{
    LLVMValueRef args[] = {x, LLVMConstNull(shape_type(f->e, I32X4)),
                           LLVMConstInt(f->e->i8, 0xff, false)};
    return x86_call(f,
                    s == F32X4 ? "llvm.x86.avx512.mask.cvttps2udq.128"
                               : "llvm.x86.avx512.mask.cvttpd2udq.128",
                    args, 3);
}

static LLVMValueRef mask_of(struct func *f, LLVMRealPredicate predicate, enum shape s,
                            LLVMValueRef x, LLVMValueRef y)
{
    LLVMValueRef bits = LLVMBuildFCmp(f->e->b, predicate, x, y, "");
    return LLVMBuildSExt(f->e->b, bits, shape_type(f->e, s == F32X4 ? I32X4 : I64X2), "");
}

static LLVMValueRef as(struct func *f, enum shape s, LLVMValueRef v)
{
    return LLVMBuildBitCast(f->e->b, v, shape_type(f->e, s), "");
}

static LLVMValueRef trunc_f32_s(struct func *f, LLVMValueRef x)
{
    LLVMBuilderRef b = f->e->b;
    LLVMValueRef number = mask_of(f, LLVMRealORD, F32X4, x, x);
    LLVMValueRef zero_if_nan = LLVMBuildAnd(b, as(f, I32X4, x), number, "");
    LLVMValueRef over = mask_of(f, LLVMRealOGE, F32X4, x, floats(f, F32X4, 0x1p31));
    return LLVMBuildXor(b, cvtt(f, zero_if_nan), over, "");
}

static LLVMValueRef trunc_f32_u(struct func *f, LLVMValueRef x)
{
    LLVMBuilderRef b = f->e->b;
    LLVMValueRef positive = x86_minmax(f, F32X4, true, x, floats(f, F32X4, 0));
    if (cpu_has(f, LUCET_CPU_avx512vl))
        return cvtt_unsigned(f, F32X4, positive);
    /* What exceeds 2^31 - 1 is 2^31, as the instruction gives it, and the rest: at most 2^31 -
     * 1. */
    LLVMValueRef limit = floats(f, F32X4, 0x1p31);
    LLVMValueRef rest = LLVMBuildFSub(b, positive, limit, "");
    LLVMValueRef over = mask_of(f, LLVMRealOGE, F32X4, rest, limit);
    LLVMValueRef args[] = {LLVMBuildXor(b, cvtt(f, rest), over, ""), integers(f, I32X4, 0)};
    rest = emitter_call_overloaded(f->e, "llvm.smax", LLVMTypeOf(args[0]), args, 2);
    return LLVMBuildAdd(b, cvtt(f, positive), rest, "");
}

static LLVMValueRef trunc_f64_s(struct func *f, LLVMValueRef x)
{
    LLVMBuilderRef b = f->e->b;
    LLVMValueRef number = mask_of(f, LLVMRealORD, F64X2, x, x);
    LLVMValueRef max = as(f, I64X2, floats(f, F64X2, 0x1p31 - 1));
    LLVMValueRef zero_if_nan = LLVMBuildAnd(b, max, number, "");
    LLVMValueRef v = x86_minmax(f, F64X2, false, x, zero_if_nan);
    return x86_call(f, "llvm.x86.sse2.cvttpd2dq", &v, 1);
}

static LLVMValueRef trunc_f64_u(struct func *f, LLVMValueRef x)
{
    LLVMBuilderRef b = f->e->b;
    LLVMValueRef v = x86_minmax(f, F64X2, true, x, floats(f, F64X2, 0));
    if (cpu_has(f, LUCET_CPU_avx512vl))
        return cvtt_unsigned(f, F64X2, v);
    v = x86_minmax(f, F64X2, false, v, floats(f, F64X2, 0x1p32 - 1));
    /* The lower half of the sum's bits is the integer. */
    v = LLVMBuildFAdd(b, float_unary(f->e, FLOAT_trunc, v), floats(f, F64X2, 0x1p52), "");
    LLVMValueRef zeros = LLVMConstNull(shape_type(f->e, I32X4));
    return pick_lanes(f, as(f, I32X4, v), zeros, 0, 2, 4);
}

TRANSLATOR(emit_v_trunc_sat)
{
    (void)in;
    const enum shape s = V_SHAPE(arg);
    LLVMValueRef x = pop_vector(f, s);
    if (s == F32X4)
        push_vector(f, V_WHAT(arg) ? trunc_f32_s(f, x) : trunc_f32_u(f, x));
    else
        push_vector(f, V_WHAT(arg) ? trunc_f64_s(f, x) : trunc_f64_u(f, x));
}

/* What the instructions give is allowed: 0x80000000, or 0xffffffff for unsigned lanes, which may be
 * zero too where the number is negative or none. */
TRANSLATOR(emit_v_relaxed_trunc)
{
    const enum shape s = V_SHAPE(arg);
    if (V_WHAT(arg)) {
        LLVMValueRef x = pop(f);
        push_vector(f, s == F32X4 ? cvtt(f, x) : x86_call(f, "llvm.x86.sse2.cvttpd2dq", &x, 1));
    } else if (cpu_has(f, LUCET_CPU_avx512vl)) {
        push_vector(f, cvtt_unsigned(f, s, pop(f)));
    } else {
        emit_v_trunc_sat(f, in, arg);
    }
}
