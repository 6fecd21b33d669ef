/* Constants, splats and single lanes. */
#include <string.h>

#include "lucetc/vector.h"

TRANSLATOR(emit_v_const)
{
    (void)arg;
    uint64_t halves[2];
    memcpy(halves, in->imm.v128, sizeof halves);
    LLVMValueRef lanes[] = {const_i64(f->e, halves[0]), const_i64(f->e, halves[1])};
    push(f, LLVMConstVector(lanes, 2));
}

/* Lanes narrower than i32 travel as i32. */
static LLVMValueRef narrow_lane(struct func *f, enum shape s, LLVMValueRef v)
{
    LLVMTypeRef type = lane_type(f->e, s);
    return LLVMTypeOf(v) == type ? v : LLVMBuildTrunc(f->e->b, v, type, "");
}

TRANSLATOR(emit_v_splat)
{
    (void)in;
    push_vector(f, splat(f, V_SHAPE(arg), narrow_lane(f, V_SHAPE(arg), pop(f))));
}

TRANSLATOR(emit_v_extract)
{
    LLVMBuilderRef b = f->e->b;
    const enum shape s = V_SHAPE(arg);
    LLVMValueRef lane =
        LLVMBuildExtractElement(b, pop_vector(f, s), const_i32(f->e, in->imm.memarg.lane), "");
    if (s == I8X16 || s == I16X8)
        lane = V_WHAT(arg) ? LLVMBuildSExt(b, lane, f->e->i32, "")
                           : LLVMBuildZExt(b, lane, f->e->i32, "");
    push(f, lane);
}

TRANSLATOR(emit_v_replace)
{
    const enum shape s = V_SHAPE(arg);
    LLVMValueRef lane = narrow_lane(f, s, pop(f));
    push_vector(f, insert_lane(f, s, pop_vector(f, s), lane, in->imm.memarg.lane));
}

TRANSLATOR(emit_v_shuffle)
{
    (void)arg;
    LLVMValueRef mask[16];
    LLVMValueRef y = pop_vector(f, I8X16), x = pop_vector(f, I8X16);
    for (unsigned i = 0; i < 16; i++)
        mask[i] = const_i32(f->e, in->imm.v128[i]);
    push_vector(f, LLVMBuildShuffleVector(f->e->b, x, y, LLVMConstVector(mask, 16), ""));
}

/* pshufb zeroes lanes whose index has the upper bit set, and looks at the lower four bits
 * otherwise; saturating addition of 0x70 makes that what wasm wants. */
TRANSLATOR(emit_v_swizzle)
{
    (void)in, (void)arg;
    LLVMValueRef index = pop_vector(f, I8X16), v = pop_vector(f, I8X16);
    LLVMValueRef args[] = {index, splat(f, I8X16, LLVMConstInt(f->e->i8, 0x70, false))};
    LLVMValueRef clamped =
        emitter_call_overloaded(f->e, "llvm.uadd.sat", LLVMTypeOf(index), args, 2);
    push_vector(f, x86_call2(f, "llvm.x86.ssse3.pshuf.b.128", v, clamped));
}
