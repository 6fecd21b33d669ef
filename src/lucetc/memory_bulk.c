/* Sizes, growing and bulk operations of memories: the runtime does them, with indices and lengths
 * of 64 bits whatever those of the memory are. */
#include "lucetc/memory.h"

static const struct wasm_memory_type *type_of(const struct func *f, uint32_t memory)
{
    return &f->e->c->module->memories[memory].type;
}

static LLVMValueRef pop_index(struct func *f)
{
    return widen_index(f, pop(f));
}

/* An i64 as what the memory's indices are. */
static void push_index(struct func *f, uint32_t memory, LLVMValueRef v)
{
    push(f, type_of(f, memory)->limits.is64 ? v : LLVMBuildTrunc(f->e->b, v, f->e->i32, ""));
}

TRANSLATOR(emit_memory_size)
{
    (void)arg;
    const uint32_t memory = in->imm.index;
    LLVMValueRef shift = const_i64(f->e, type_of(f, memory)->page_log2);
    push_index(f, memory, LLVMBuildLShr(f->e->b, memory_bytes(f, memory), shift, ""));
}

TRANSLATOR(emit_memory_grow)
{
    (void)arg;
    LLVMValueRef args[] = {const_i32(f->e, in->imm.index), pop_index(f)};
    call_helper(f, "builtin.memory_grow", "iI:I", args, 2);
    push_index(f, in->imm.index, pop(f));
}

TRANSLATOR(emit_memory_copy)
{
    (void)arg;
    LLVMValueRef n = pop_index(f), src = pop_index(f), dst = pop_index(f);
    LLVMValueRef args[] = {const_i32(f->e, in->imm.index), const_i32(f->e, in->imm.index2), dst,
                           src, n};
    call_helper(f, "builtin.memory_copy", "iiIII:", args, 5);
}

TRANSLATOR(emit_memory_fill)
{
    (void)arg;
    LLVMValueRef n = pop_index(f), byte = pop(f), dst = pop_index(f);
    LLVMValueRef args[] = {const_i32(f->e, in->imm.index), dst, byte, n};
    call_helper(f, "builtin.memory_fill", "iIiI:", args, 4);
}

TRANSLATOR(emit_memory_init)
{
    (void)arg;
    LLVMValueRef n = pop(f), src = pop(f), dst = pop_index(f);
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
