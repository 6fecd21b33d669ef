#include "lucetc/vector.h"

unsigned shape_lanes(enum shape s)
{
    static const unsigned lanes[] = {[I8X16] = 16, [I16X8] = 8, [I32X4] = 4,
                                     [I64X2] = 2,  [F32X4] = 4, [F64X2] = 2};
    return lanes[s];
}

LLVMTypeRef lane_type(const struct emitter *e, enum shape s)
{
    switch (s) {
    case I8X16: return e->i8;
    case I16X8: return e->i16;
    case I32X4: return e->i32;
    case I64X2: return e->i64;
    case F32X4: return e->f32;
    default: return e->f64;
    }
}

LLVMTypeRef shape_type(const struct emitter *e, enum shape s)
{
    return LLVMVectorType(lane_type(e, s), shape_lanes(s));
}

enum shape wider(enum shape s)
{
    return (enum shape)(s + 1);
}

LLVMValueRef pop_vector(struct func *f, enum shape s)
{
    return LLVMBuildBitCast(f->e->b, pop(f), shape_type(f->e, s), "");
}

void push_vector(struct func *f, LLVMValueRef v)
{
    push(f, LLVMBuildBitCast(f->e->b, v, f->e->v128, ""));
}

LLVMValueRef splat(struct func *f, enum shape s, LLVMValueRef lane)
{
    LLVMTypeRef type = shape_type(f->e, s);
    LLVMValueRef one =
        LLVMBuildInsertElement(f->e->b, LLVMGetPoison(type), lane, const_i32(f->e, 0), "");
    LLVMValueRef zeros = LLVMConstNull(LLVMVectorType(f->e->i32, shape_lanes(s)));
    return LLVMBuildShuffleVector(f->e->b, one, LLVMGetPoison(type), zeros, "");
}

LLVMValueRef insert_lane(struct func *f, enum shape s, LLVMValueRef into, LLVMValueRef lane,
                         unsigned i)
{
    if (!into)
        into = LLVMConstNull(shape_type(f->e, s));
    return LLVMBuildInsertElement(f->e->b, into, lane, const_i32(f->e, i), "");
}

LLVMValueRef pick_lanes(struct func *f, LLVMValueRef v, LLVMValueRef w, unsigned first,
                        unsigned step, unsigned n)
{
    LLVMValueRef mask[32];
    for (unsigned i = 0; i < n; i++)
        mask[i] = const_i32(f->e, first + i * step);
    return LLVMBuildShuffleVector(f->e->b, v, w ? w : LLVMGetPoison(LLVMTypeOf(v)),
                                  LLVMConstVector(mask, n), "");
}

LLVMValueRef extend_half(struct func *f, LLVMValueRef v, enum shape s, bool high, bool is_signed)
{
    const unsigned half = shape_lanes(s) / 2;
    LLVMValueRef lanes = pick_lanes(f, v, NULL, high ? half : 0, 1, half);
    LLVMTypeRef to = shape_type(f->e, wider(s));
    return is_signed ? LLVMBuildSExt(f->e->b, lanes, to, "")
                     : LLVMBuildZExt(f->e->b, lanes, to, "");
}
