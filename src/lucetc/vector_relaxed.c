/* Relaxed vector instructions: of the results that are allowed, those of the natural machine
 * instruction. Which it is depends on the CPU that is compiled for, so an artifact gives the same
 * results wherever it runs. */
#include "lucetc/vector.h"
#include "module/cpu.h"

TRANSLATOR(emit_v_relaxed_swizzle)
{
    (void)in, (void)arg;
    LLVMValueRef index = pop(f), v = pop(f);
    push_vector(f, x86_call2(f, "llvm.x86.ssse3.pshuf.b.128", v, index));
}

/* x * y + z, or z - x * y */
TRANSLATOR(emit_v_relaxed_madd)
{
    (void)in;
    struct emitter *e = f->e;
    const bool negate = V_WHAT(arg);
    LLVMValueRef z = pop_vector(f, V_SHAPE(arg)), y = pop_vector(f, V_SHAPE(arg));
    LLVMValueRef x = pop_vector(f, V_SHAPE(arg));
    if (!cpu_has(f, LUCET_CPU_fma)) {
        LLVMValueRef product = float_binary(e, LLVMFMul, x, y);
        push_vector(f, float_binary(e, negate ? LLVMFSub : LLVMFAdd, z, product));
        return;
    }
    LLVMValueRef args[] = {negate ? LLVMBuildFNeg(e->b, x, "") : x, y, z};
    push_vector(f, emitter_call_overloaded(e, "llvm.fma", LLVMTypeOf(x), args, 3));
}

/* By the upper bit of each lane, of each byte for 16-bit lanes; by bits where that is one
 * instruction. */
TRANSLATOR(emit_v_relaxed_laneselect)
{
    static const char *const names[] = {[I8X16] = "llvm.x86.sse41.pblendvb",
                                        [I16X8] = "llvm.x86.sse41.pblendvb",
                                        [I32X4] = "llvm.x86.sse41.blendvps",
                                        [I64X2] = "llvm.x86.sse41.blendvpd"};
    if (cpu_has(f, LUCET_CPU_avx512vl)) {
        emit_v_bitselect(f, in, 0);
        return;
    }
    LLVMValueRef mask = pop(f), y = pop(f), x = pop(f);
    LLVMValueRef args[] = {y, x, mask};
    push_vector(f, x86_call(f, names[V_SHAPE(arg)], args, 3));
}

TRANSLATOR(emit_v_relaxed_minmax)
{
    (void)in;
    LLVMValueRef y = pop(f), x = pop(f);
    push_vector(f, x86_minmax(f, V_SHAPE(arg), V_WHAT(arg), x, y));
}

/* The second operand has seven bits: whether the eighth is a sign is the machine's choice. */
static LLVMValueRef dot(struct func *f, LLVMValueRef x, LLVMValueRef y)
{
    return x86_call2(f, "llvm.x86.ssse3.pmadd.ub.sw.128", y, x);
}

TRANSLATOR(emit_v_relaxed_dot)
{
    (void)in, (void)arg;
    LLVMValueRef y = pop(f), x = pop(f);
    push_vector(f, dot(f, x, y));
}

TRANSLATOR(emit_v_relaxed_dot_add)
{
    (void)in, (void)arg;
    LLVMValueRef sum = pop_vector(f, I32X4), y = pop(f), x = pop(f);
    if (cpu_has(f, LUCET_CPU_avxvnni) ||
        (cpu_has(f, LUCET_CPU_avx512vnni) && cpu_has(f, LUCET_CPU_avx512vl))) {
        LLVMValueRef args[] = {sum, y, x};
        push_vector(f, x86_call(f, "llvm.x86.avx512.vpdpbusd.128", args, 3));
        return;
    }
    LLVMValueRef ones = splat(f, I16X8, LLVMConstInt(lane_type(f->e, I16X8), 1, false));
    LLVMValueRef pairs = x86_call2(f, "llvm.x86.sse2.pmadd.wd", dot(f, x, y), ones);
    push_vector(f, LLVMBuildAdd(f->e->b, pairs, sum, ""));
}
