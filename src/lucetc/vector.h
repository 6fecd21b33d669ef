/* 128-bit vectors. On the operand stack every vector is <2 x i64>; a translator sees it in the
 * shape its instruction works on. */
#ifndef LUCETC_VECTOR_H
#define LUCETC_VECTOR_H

#include "lucetc/func.h"

enum shape { I8X16, I16X8, I32X4, I64X2, F32X4, F64X2 };

unsigned shape_lanes(enum shape s);
LLVMTypeRef shape_type(const struct emitter *e, enum shape s);
/* i8, ..., double */
LLVMTypeRef lane_type(const struct emitter *e, enum shape s);
/* The shape with lanes twice as wide; I8X16, I16X8 and I32X4 only. */
enum shape wider(enum shape s);

/* Pops a vector in a shape; pushes one of any 128-bit type. */
LLVMValueRef pop_vector(struct func *f, enum shape s);
void push_vector(struct func *f, LLVMValueRef v);

LLVMValueRef splat(struct func *f, enum shape s, LLVMValueRef lane);
/* A vector with `lane` in lane `i` and zeros elsewhere when `into` is NULL. */
LLVMValueRef insert_lane(struct func *f, enum shape s, LLVMValueRef into, LLVMValueRef lane,
                         unsigned i);
/* Lanes first, first + step, ... of v and then of w (NULL: v alone); `n` of them. */
LLVMValueRef pick_lanes(struct func *f, LLVMValueRef v, LLVMValueRef w, unsigned first,
                        unsigned step, unsigned n);
/* The lower or upper half of the lanes, as lanes twice as wide. */
LLVMValueRef extend_half(struct func *f, LLVMValueRef v, enum shape s, bool high, bool is_signed);

/* Arguments of rules: a shape, and what else the translator wants to know. */
#define V(shape, what) ((uint32_t)(shape) | (uint32_t)(what) << 8)
#define V_SHAPE(arg) ((enum shape)((arg) & 0xff))
#define V_WHAT(arg) ((arg) >> 8)
enum { HALF_SIGNED = 1, HALF_HIGH = 2 };

/* vector_lane.c */
TRANSLATOR(emit_v_const);
TRANSLATOR(emit_v_splat);
TRANSLATOR(emit_v_extract); /* what: 1 = sign-extended */
TRANSLATOR(emit_v_replace);
TRANSLATOR(emit_v_shuffle);
TRANSLATOR(emit_v_swizzle);
/* vector_memory.c */
TRANSLATOR(emit_v_load);
TRANSLATOR(emit_v_store);
TRANSLATOR(emit_v_load_extend); /* shape: of memory; what: 1 = signed */
TRANSLATOR(emit_v_load_splat);
TRANSLATOR(emit_v_load_zero);
TRANSLATOR(emit_v_load_lane);
TRANSLATOR(emit_v_store_lane);
/* vector_integer.c */
TRANSLATOR(emit_v_integer); /* what: LLVMOpcode */
TRANSLATOR(emit_v_call2);   /* what: enum vector_intrinsic */
TRANSLATOR(emit_v_compare); /* what: LLVMIntPredicate */
TRANSLATOR(emit_v_shift);   /* what: LLVMOpcode */
TRANSLATOR(emit_v_neg);
TRANSLATOR(emit_v_abs);
TRANSLATOR(emit_v_popcnt);
TRANSLATOR(emit_v_avgr);
TRANSLATOR(emit_v_extend); /* shape: of the operand; what: HALF_ */
TRANSLATOR(emit_v_extmul); /* shape: of the operands; what: HALF_ */
TRANSLATOR(emit_v_dot);
enum vector_intrinsic {
    V_smin,
    V_umin,
    V_smax,
    V_umax,
    V_sadd_sat,
    V_uadd_sat,
    V_ssub_sat,
    V_usub_sat
};
/* vector_bits.c */
TRANSLATOR(emit_v_not);
TRANSLATOR(emit_v_andnot);
TRANSLATOR(emit_v_bitselect);
TRANSLATOR(emit_v_any_true);
TRANSLATOR(emit_v_all_true);
TRANSLATOR(emit_v_bitmask);
/* vector_float.c; what: as in the scalar translators */
TRANSLATOR(emit_v_float);
TRANSLATOR(emit_v_float_compare);
TRANSLATOR(emit_v_float_unary);
TRANSLATOR(emit_v_float_minmax);
TRANSLATOR(emit_v_demote);
TRANSLATOR(emit_v_promote);
TRANSLATOR(emit_v_convert); /* shape: of the result; what: 1 = signed */

/* vector_x86.c */
TRANSLATOR(emit_v_narrow);        /* shape: of the operands; what: 1 = signed result */
TRANSLATOR(emit_v_extadd);        /* shape: of the operand; what: 1 = signed */
TRANSLATOR(emit_v_q15mulr);       /* arg: 0 or RELAXED */
TRANSLATOR(emit_v_pseudo_minmax); /* what: 1 = max */
TRANSLATOR(emit_v_trunc_sat);     /* shape: of the operand; what: 1 = signed */
TRANSLATOR(emit_v_relaxed_trunc); /* the same */
enum { RELAXED = 1 };
/* vector_relaxed.c */
TRANSLATOR(emit_v_relaxed_swizzle);
TRANSLATOR(emit_v_relaxed_madd); /* what: 1 = the product negated */
TRANSLATOR(emit_v_relaxed_laneselect);
TRANSLATOR(emit_v_relaxed_minmax); /* what: 1 = max */
TRANSLATOR(emit_v_relaxed_dot);
TRANSLATOR(emit_v_relaxed_dot_add);

/* vector_x86.c: intrinsics by name; operands are taken in any shape. */
LLVMValueRef x86_call(struct func *f, const char *name, LLVMValueRef *args, unsigned n);
LLVMValueRef x86_call2(struct func *f, const char *name, LLVMValueRef x, LLVMValueRef y);
/* minps and the like: x < y ? x : y, or x > y ? x : y. */
LLVMValueRef x86_minmax(struct func *f, enum shape s, bool max, LLVMValueRef x, LLVMValueRef y);
/* Whether the target has a feature, an enum lucet_cpu_bit. */
bool cpu_has(const struct func *f, unsigned feature);

/* float.c, on values of any floating-point type */
LLVMValueRef float_binary(struct emitter *e, LLVMOpcode op, LLVMValueRef x, LLVMValueRef y);
LLVMValueRef float_unary(struct emitter *e, enum float_unary op, LLVMValueRef x);
LLVMValueRef float_minmax(struct emitter *e, bool max, LLVMValueRef x, LLVMValueRef y);

/* convert.c: `to` is an integer type or a vector of such */
LLVMValueRef saturating_trunc(struct emitter *e, LLVMValueRef x, LLVMTypeRef to, bool is_signed);

#endif
