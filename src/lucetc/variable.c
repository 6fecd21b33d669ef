/* Locals, globals, constants, references, drop and select. */
#include <stdio.h>

#include "lucetc/func.h"

TRANSLATOR(emit_drop)
{
    (void)in, (void)arg;
    pop(f);
}

TRANSLATOR(emit_select)
{
    (void)in, (void)arg;
    LLVMValueRef condition = pop_condition(f);
    LLVMValueRef otherwise = pop(f), then = pop(f);
    push(f, LLVMBuildSelect(f->e->b, condition, then, otherwise, ""));
}

TRANSLATOR(emit_local_get)
{
    (void)arg;
    const uint32_t i = in->imm.index;
    push(f, LLVMBuildLoad2(f->e->b, f->local_types[i], f->locals[i], ""));
}

TRANSLATOR(emit_local_set)
{
    (void)arg;
    LLVMBuildStore(f->e->b, pop(f), f->locals[in->imm.index]);
}

TRANSLATOR(emit_local_tee)
{
    (void)arg;
    LLVMBuildStore(f->e->b, f->stack[f->height - 1], f->locals[in->imm.index]);
}

/* Imported mutable globals live in another instance's context: only accessor functions reach
 * there, so that bodies hold no foreign pointers. */
static bool has_cell(const struct func *f, uint32_t global)
{
    return f->e->c->plan.cells[global] != LUCET_NONE;
}

static char letter_of(wasm_valtype t)
{
    switch (t) {
    case WASM_I32: return 'i';
    case WASM_F32: return 'f';
    case WASM_F64: return 'F';
    case WASM_V128: return 'v';
    default: return 'I';
    }
}

TRANSLATOR(emit_global_get)
{
    (void)arg;
    const uint32_t i = in->imm.index;
    const wasm_valtype t = f->e->c->module->globals[i].type.type;
    if (has_cell(f, i)) {
        push(f, load_at(f->e, emitter_valtype(f->e, t), f->context, f->e->c->plan.cells[i],
                        ALIAS_GLOBAL));
        return;
    }
    char name[32], letters[3] = {':', letter_of(t), '\0'};
    snprintf(name, sizeof name, "global.get.%u", i);
    call_helper(f, name, letters, NULL, 0);
}

TRANSLATOR(emit_global_set)
{
    (void)arg;
    const uint32_t i = in->imm.index;
    LLVMValueRef value = pop(f);
    if (has_cell(f, i)) {
        LLVMValueRef store =
            store_at(f->e, value, f->context, f->e->c->plan.cells[i], ALIAS_GLOBAL);
        LLVMSetVolatile(store, f->e->c->options->precise_traps);
        return;
    }
    char name[32], letters[3] = {letter_of(f->e->c->module->globals[i].type.type), ':', '\0'};
    snprintf(name, sizeof name, "global.set.%u", i);
    call_helper(f, name, letters, &value, 1);
}

static LLVMValueRef float_constant(struct emitter *e, LLVMTypeRef type, LLVMValueRef bits,
                                   bool hidden)
{
    LLVMValueRef v = LLVMConstBitCast(bits, type);
    return hidden ? opaque_float(e, v) : v;
}

/* 1.0, -1.0 and -0.0: arithmetic with them must still quiet signalling NaNs, so LLVM must not fold
 * it (x * 1.0 -> x, -0.0 - x -> -x). NaNs: LLVM takes one for as good as another (x < 0 ? NaN :
 * sqrt(x) -> sqrt(x)), but a guest that chooses one means its bits. */
static bool is_hidden_f32(uint32_t bits)
{
    const uint32_t magnitude = bits & 0x7fffffffu;
    return bits == 0x80000000u || magnitude == 0x3f800000u || magnitude > 0x7f800000u;
}

static bool is_hidden_f64(uint64_t bits)
{
    const uint64_t magnitude = bits & ~(1ull << 63);
    return bits == 1ull << 63 || magnitude == 0x3ff0000000000000ull ||
           magnitude > 0x7ff0000000000000ull;
}

TRANSLATOR(emit_const)
{
    (void)arg;
    struct emitter *e = f->e;
    switch (in->op) {
    case WASM_OP_i32_const: push(f, const_i32(e, in->imm.i32)); break;
    case WASM_OP_i64_const: push(f, const_i64(e, in->imm.i64)); break;
    case WASM_OP_f32_const:
        push(f, float_constant(e, e->f32, const_i32(e, in->imm.i32), is_hidden_f32(in->imm.i32)));
        break;
    default:
        push(f, float_constant(e, e->f64, const_i64(e, in->imm.i64), is_hidden_f64(in->imm.i64)));
        break;
    }
}

TRANSLATOR(emit_ref_null)
{
    (void)in, (void)arg;
    push(f, const_i64(f->e, 0));
}

TRANSLATOR(emit_ref_is_null)
{
    (void)in, (void)arg;
    push_bool(f, LLVMBuildICmp(f->e->b, LLVMIntEQ, pop(f), const_i64(f->e, 0), ""));
}

TRANSLATOR(emit_ref_as_non_null)
{
    (void)in, (void)arg;
    LLVMValueRef reference = f->stack[f->height - 1];
    trap_if(f->e, LLVMBuildIsNull(f->e->b, reference, ""), LUCET_TRAP_null_reference);
}
