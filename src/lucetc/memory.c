/* Linear memory (docs/abi.md section 4). Memory 0 is addressed through gs, others through the base
 * in their descriptors. What reservation and guard of memory 0 cannot contain, and every access to
 * a memory that has none, is compared with the memory's size. */
#include "lucetc/memory.h"

static struct wasm_memory_type type_of(const struct func *f, uint32_t memory)
{
    return f->e->c->module->memories[memory].type;
}

bool memory_is_shared(const struct func *f, uint32_t memory)
{
    return type_of(f, memory).shared;
}

static bool is_imported(const struct func *f, uint32_t memory)
{
    return memory < f->e->c->module->nimported_memories;
}

/* ---- Descriptors ---- */

/* Loads a field of the memory's descriptor, which stands in the context of whoever owns it. */
static LLVMValueRef descriptor_field(struct func *f, uint32_t memory, LLVMTypeRef type,
                                     uint64_t offset)
{
    struct emitter *e = f->e;
    const struct lucet_layout *l = &e->c->layout;
    if (is_imported(f, memory)) {
        LLVMValueRef descriptor = load_at(
            e, e->ptr, f->context, l->imported_memories + (uint64_t)memory * 8, ALIAS_CONTEXT);
        return load_at(e, type, descriptor, offset, ALIAS_CONTEXT);
    }
    const uint64_t own = memory - e->c->module->nimported_memories;
    return load_at(e, type, f->context, l->memories + own * sizeof(struct lucet_memory) + offset,
                   ALIAS_CONTEXT);
}

LLVMValueRef memory_bytes(struct func *f, uint32_t memory)
{
    LLVMValueRef size = descriptor_field(f, memory, f->e->i64, offsetof(struct lucet_memory, size));
    if (memory_is_shared(f, memory)) { /* another thread may let it grow */
        LLVMSetOrdering(size, LLVMAtomicOrderingMonotonic);
        LLVMSetAlignment(size, 8);
    }
    return size;
}

/* ---- Addresses ---- */

LLVMValueRef widen_index(struct func *f, LLVMValueRef index)
{
    return LLVMTypeOf(index) == f->e->i64 ? index : LLVMBuildZExt(f->e->b, index, f->e->i64, "");
}

/* M2: whether reservation and guard contain every access of that width at that offset. */
static bool guard_contains(const struct func *f, uint32_t memory, uint64_t reach)
{
    const struct compilation *c = f->e->c;
    const struct wasm_memory_type t = type_of(f, memory);
    return lucet_memory_is_guarded(memory, t.limits.is64 ? LUCET_INDEX64 : 0, t.page_log2) &&
           UINT32_MAX + reach <= c->reserved_size + c->guard_size;
}

/* M6: traps unless index + reach <= size, `reach` being offset + width. With indices of 64 bits the
 * sum might wrap, so reach is taken from size instead. That cannot wrap when the size is known to
 * be no smaller, which goes for the module's own memories only: the owner of an imported one may be
 * reset to a smaller size than the importer declared. */
static void check_bounds(struct func *f, uint32_t memory, LLVMValueRef index, uint64_t reach)
{
    struct emitter *e = f->e;
    const struct wasm_memory_type t = type_of(f, memory);
    LLVMValueRef size = memory_bytes(f, memory), r = const_i64(e, reach);
    if (!t.limits.is64) {
        LLVMValueRef end = LLVMBuildAdd(e->b, index, r, "");
        trap_if(e, LLVMBuildICmp(e->b, LLVMIntUGT, end, size, ""), LUCET_TRAP_heap_out_of_bounds);
        return;
    }
    if (is_imported(f, memory) || reach > lucet_memory_bytes(t.limits.min, t.page_log2))
        trap_if(e, LLVMBuildICmp(e->b, LLVMIntULT, size, r, ""), LUCET_TRAP_heap_out_of_bounds);
    LLVMValueRef last = LLVMBuildSub(e->b, size, r, "");
    trap_if(e, LLVMBuildICmp(e->b, LLVMIntUGT, index, last, ""), LUCET_TRAP_heap_out_of_bounds);
}

LLVMValueRef memory_address(struct func *f, LLVMValueRef index, const struct wasm_instr *in,
                            uint64_t width)
{
    struct emitter *e = f->e;
    const uint32_t memory = in->imm.memarg.memory;
    const uint64_t offset = in->imm.memarg.offset;
    uint64_t reach;
    index = widen_index(f, index);
    if (__builtin_add_overflow(offset, width, &reach)) {
        trap_always(e, LUCET_TRAP_heap_out_of_bounds);
        LLVMPositionBuilderAtEnd(e->b, emitter_block(e, ""));
    } else if (!guard_contains(f, memory, reach)) {
        check_bounds(f, memory, index, reach);
    }
    LLVMValueRef base =
        memory == 0 ? LLVMConstNull(e->heap_ptr)
                    : descriptor_field(f, memory, e->ptr, offsetof(struct lucet_memory, base));
    return offset_ptr(e, LLVMBuildGEP2(e->b, e->i8, base, &index, 1, ""), offset);
}

/* M7: plain accesses to shared memory are volatile, so that LLVM neither repeats nor invents nor
 * splits nor merges them, nor makes loops of them into calls. */
void finish_access(struct func *f, const struct wasm_instr *in, LLVMValueRef access)
{
    LLVMSetAlignment(access, 1);
    if (f->e->c->options->precise_traps || memory_is_shared(f, in->imm.memarg.memory))
        LLVMSetVolatile(access, true);
    tag_alias(f->e, access, ALIAS_HEAP);
}

/* ---- Loads and stores ---- */

LLVMTypeRef access_type(const struct func *f, uint32_t arg)
{
    LLVMTypeRef value = emitter_valtype(f->e, ACCESS_VALTYPE(arg));
    const bool is_integer = LLVMGetTypeKind(value) == LLVMIntegerTypeKind;
    return is_integer ? LLVMIntTypeInContext(f->e->llvm, ACCESS_BITS(arg)) : value;
}

LLVMValueRef narrow(struct func *f, LLVMValueRef value, LLVMTypeRef to)
{
    return LLVMTypeOf(value) == to ? value : LLVMBuildTrunc(f->e->b, value, to, "");
}

void push_extended(struct func *f, LLVMValueRef value, uint32_t arg)
{
    LLVMTypeRef wide = emitter_valtype(f->e, ACCESS_VALTYPE(arg));
    if (LLVMTypeOf(value) == wide)
        push(f, value);
    else
        push(f, ACCESS_SIGNED(arg) ? LLVMBuildSExt(f->e->b, value, wide, "")
                                   : LLVMBuildZExt(f->e->b, value, wide, ""));
}

TRANSLATOR(emit_load)
{
    LLVMValueRef from = memory_address(f, pop(f), in, ACCESS_BITS(arg) / 8);
    LLVMValueRef load = LLVMBuildLoad2(f->e->b, access_type(f, arg), from, "");
    finish_access(f, in, load);
    push_extended(f, load, arg);
}

TRANSLATOR(emit_store)
{
    LLVMValueRef value = narrow(f, pop(f), access_type(f, arg));
    LLVMValueRef to = memory_address(f, pop(f), in, ACCESS_BITS(arg) / 8);
    finish_access(f, in, LLVMBuildStore(f->e->b, value, to));
}
