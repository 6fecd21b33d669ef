/* Loads and stores of vectors and of parts of them. */
#include "lucetc/memory.h"
#include "lucetc/vector.h"

static LLVMValueRef load(struct func *f, const struct wasm_instr *in, LLVMTypeRef type,
                         unsigned bytes)
{
    LLVMValueRef v = LLVMBuildLoad2(f->e->b, type, memory_address(f, pop(f), in, bytes), "");
    finish_access(f, in, v);
    return v;
}

static unsigned lane_bytes(enum shape s)
{
    return 16 / shape_lanes(s);
}

TRANSLATOR(emit_v_load)
{
    (void)arg;
    push(f, load(f, in, f->e->v128, 16));
}

TRANSLATOR(emit_v_store)
{
    (void)arg;
    LLVMValueRef v = pop(f);
    finish_access(f, in, LLVMBuildStore(f->e->b, v, memory_address(f, pop(f), in, 16)));
}

TRANSLATOR(emit_v_load_extend)
{
    const enum shape s = V_SHAPE(arg);
    LLVMTypeRef half = LLVMVectorType(lane_type(f->e, s), shape_lanes(s) / 2);
    LLVMTypeRef to = shape_type(f->e, wider(s));
    LLVMValueRef v = load(f, in, half, 8);
    push_vector(f, V_WHAT(arg) ? LLVMBuildSExt(f->e->b, v, to, "")
                               : LLVMBuildZExt(f->e->b, v, to, ""));
}

TRANSLATOR(emit_v_load_splat)
{
    const enum shape s = V_SHAPE(arg);
    push_vector(f, splat(f, s, load(f, in, lane_type(f->e, s), lane_bytes(s))));
}

TRANSLATOR(emit_v_load_zero)
{
    const enum shape s = V_SHAPE(arg);
    push_vector(f, insert_lane(f, s, NULL, load(f, in, lane_type(f->e, s), lane_bytes(s)), 0));
}

TRANSLATOR(emit_v_load_lane)
{
    const enum shape s = V_SHAPE(arg);
    LLVMValueRef v = pop_vector(f, s);
    LLVMValueRef lane = load(f, in, lane_type(f->e, s), lane_bytes(s));
    push_vector(f, insert_lane(f, s, v, lane, in->imm.memarg.lane));
}

TRANSLATOR(emit_v_store_lane)
{
    const enum shape s = V_SHAPE(arg);
    LLVMValueRef lane = LLVMBuildExtractElement(f->e->b, pop_vector(f, s),
                                                const_i32(f->e, in->imm.memarg.lane), "");
    LLVMValueRef to = memory_address(f, pop(f), in, lane_bytes(s));
    finish_access(f, in, LLVMBuildStore(f->e->b, lane, to));
}
