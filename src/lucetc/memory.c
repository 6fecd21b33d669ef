/* Linear memory (docs/abi.md section 4). Memory 0 is addressed through gs; the guard behind it contains
 * whatever a 32-bit index can reach, and what the guard cannot contain is checked explicitly. */
#include <stdio.h>

#include "lucetc/vector.h"

static bool is_imported(const struct func *f, uint32_t memory)
{
    return memory < f->e->c->module->nimported_memories;
}

/* Accessible bytes of a memory as i64. */
static LLVMValueRef memory_bytes(struct func *f, uint32_t memory)
{
    struct emitter *e = f->e;
    if (is_imported(f, memory)) {
        char name[32];
        snprintf(name, sizeof name, "memory.size.%u", memory);
        call_helper(f, name, ":I", NULL, 0);
        return pop(f);
    }
    const uint64_t own = memory - e->c->module->nimported_memories;
    const uint64_t at = e->c->layout.memories + own * sizeof(struct lucet_memory);
    return load_at(e, e->i64, f->context, at + offsetof(struct lucet_memory, size), ALIAS_CONTEXT);
}

/* M2: whether reservation and guard contain every access of that width at that offset. */
static bool guard_contains(const struct compilation *c, uint64_t offset, uint64_t width)
{
    const uint64_t reach = (uint64_t)UINT32_MAX + offset + width;
    return reach <= c->reserved_size + c->guard_size;
}

LLVMValueRef memory_address(struct func *f, LLVMValueRef index, const struct wasm_instr *in,
                            uint64_t width)
{
    struct emitter *e = f->e;
    const uint64_t offset = in->imm.memarg.offset;
    LLVMValueRef wide = LLVMBuildZExt(e->b, index, e->i64, "");

    if (!guard_contains(e->c, offset, width)) {
        LLVMValueRef end = LLVMBuildAdd(e->b, wide, const_i64(e, offset + width), "");
        LLVMValueRef size = memory_bytes(f, in->imm.memarg.memory);
        trap_if(e, LLVMBuildICmp(e->b, LLVMIntUGT, end, size, ""), LUCET_TRAP_heap_out_of_bounds);
    }
    LLVMValueRef base = LLVMBuildGEP2(e->b, e->i8, LLVMConstNull(e->heap_ptr), &wide, 1, "");
    return offset_ptr(e, base, offset);
}

void finish_access(struct func *f, LLVMValueRef access)
{
    LLVMSetAlignment(access, 1);
    if (f->e->c->options->precise_traps)
        LLVMSetVolatile(access, true);
    tag_alias(f->e, access, ALIAS_HEAP);
}

/* ACCESS(bits, is_signed, valtype) */
static unsigned access_bits(uint32_t arg)
{
    return arg & 0xff;
}

static LLVMTypeRef access_type(const struct func *f, uint32_t arg)
{
    LLVMTypeRef value = emitter_valtype(f->e, arg >> 16);
    const bool is_integer = LLVMGetTypeKind(value) == LLVMIntegerTypeKind;
    return is_integer ? LLVMIntTypeInContext(f->e->llvm, access_bits(arg)) : value;
}

TRANSLATOR(emit_load)
{
    LLVMBuilderRef b = f->e->b;
    LLVMTypeRef narrow = access_type(f, arg), wide = emitter_valtype(f->e, arg >> 16);
    LLVMValueRef load =
        LLVMBuildLoad2(b, narrow, memory_address(f, pop(f), in, access_bits(arg) / 8), "");
    finish_access(f, load);
    if (narrow == wide)
        push(f, load);
    else
        push(f, arg >> 8 & 1 ? LLVMBuildSExt(b, load, wide, "") : LLVMBuildZExt(b, load, wide, ""));
}

TRANSLATOR(emit_store)
{
    LLVMBuilderRef b = f->e->b;
    LLVMTypeRef narrow = access_type(f, arg);
    LLVMValueRef value = pop(f);
    if (LLVMTypeOf(value) != narrow)
        value = LLVMBuildTrunc(b, value, narrow, "");
    LLVMValueRef to = memory_address(f, pop(f), in, access_bits(arg) / 8);
    finish_access(f, LLVMBuildStore(b, value, to));
}

TRANSLATOR(emit_memory_size)
{
    (void)arg;
    LLVMBuilderRef b = f->e->b;
    LLVMValueRef bytes = memory_bytes(f, in->imm.index);
    LLVMValueRef pages = LLVMBuildLShr(b, bytes, const_i64(f->e, 16), "");
    push(f, LLVMBuildTrunc(b, pages, f->e->i32, ""));
}

static LLVMValueRef pop_wide(struct func *f)
{
    return LLVMBuildZExt(f->e->b, pop(f), f->e->i64, "");
}

TRANSLATOR(emit_memory_grow)
{
    (void)arg;
    LLVMValueRef args[] = {const_i32(f->e, in->imm.index), pop_wide(f)};
    call_helper(f, "builtin.memory_grow", "iI:i", args, 2);
}

TRANSLATOR(emit_memory_copy)
{
    (void)arg;
    LLVMValueRef n = pop_wide(f), src = pop_wide(f), dst = pop_wide(f);
    LLVMValueRef args[] = {const_i32(f->e, in->imm.index), const_i32(f->e, in->imm.index2), dst,
                           src, n};
    call_helper(f, "builtin.memory_copy", "iiIII:", args, 5);
}

TRANSLATOR(emit_memory_fill)
{
    (void)arg;
    LLVMValueRef n = pop_wide(f), byte = pop(f), dst = pop_wide(f);
    LLVMValueRef args[] = {const_i32(f->e, in->imm.index), dst, byte, n};
    call_helper(f, "builtin.memory_fill", "iIiI:", args, 4);
}

TRANSLATOR(emit_memory_init)
{
    (void)arg;
    LLVMValueRef n = pop(f), src = pop(f), dst = pop_wide(f);
    LLVMValueRef args[] = {const_i32(f->e, in->imm.index2), const_i32(f->e, in->imm.index), dst,
                           src, n};
    call_helper(f, "builtin.memory_init", "iiIii:", args, 5);
}

TRANSLATOR(emit_data_drop)
{
    (void)arg;
    LLVMValueRef segment = const_i32(f->e, in->imm.index);
    call_helper(f, "builtin.data_drop", "i:", &segment, 1);
}
