/* Atomic accesses: sequentially consistent, and naturally aligned or they trap (docs/abi.md M7).
 * The alignment comes before the bounds. On memories that are not shared they are the same, but
 * wait. */
#include "lucetc/memory.h"

/* Traps unless index + offset is a multiple of `width`, a power of two; 2^64 is one, so that it
 * does not matter whether the sum wraps. */
static void check_alignment(struct func *f, LLVMValueRef index, uint64_t offset, uint64_t width)
{
    struct emitter *e = f->e;
    if (width == 1)
        return;
    LLVMValueRef low = LLVMBuildAdd(e->b, index, const_i64(e, offset % width), "");
    low = LLVMBuildAnd(e->b, low, const_i64(e, width - 1), "");
    trap_if(e, LLVMBuildICmp(e->b, LLVMIntNE, low, const_i64(e, 0), ""),
            LUCET_TRAP_heap_misaligned);
}

static LLVMValueRef atomic_address(struct func *f, const struct wasm_instr *in, uint64_t width)
{
    LLVMValueRef index = widen_index(f, pop(f));
    check_alignment(f, index, in->imm.memarg.offset, width);
    return memory_address(f, index, in, width);
}

static void finish_atomic(struct func *f, LLVMValueRef access)
{
    LLVMSetVolatile(access, true);
    tag_alias(f->e, access, ALIAS_HEAP);
}

TRANSLATOR(emit_atomic_load)
{
    LLVMValueRef from = atomic_address(f, in, ACCESS_BITS(arg) / 8);
    LLVMValueRef load = LLVMBuildLoad2(f->e->b, access_type(f, arg), from, "");
    LLVMSetOrdering(load, LLVMAtomicOrderingSequentiallyConsistent);
    LLVMSetAlignment(load, ACCESS_BITS(arg) / 8);
    finish_atomic(f, load);
    push_extended(f, load, arg);
}

TRANSLATOR(emit_atomic_store)
{
    LLVMValueRef value = narrow(f, pop(f), access_type(f, arg));
    LLVMValueRef to = atomic_address(f, in, ACCESS_BITS(arg) / 8);
    LLVMValueRef store = LLVMBuildStore(f->e->b, value, to);
    LLVMSetOrdering(store, LLVMAtomicOrderingSequentiallyConsistent);
    LLVMSetAlignment(store, ACCESS_BITS(arg) / 8);
    finish_atomic(f, store);
}

TRANSLATOR(emit_atomic_rmw)
{
    LLVMValueRef value = narrow(f, pop(f), access_type(f, arg));
    LLVMValueRef at = atomic_address(f, in, ACCESS_BITS(arg) / 8);
    LLVMValueRef rmw = LLVMBuildAtomicRMW(f->e->b, (LLVMAtomicRMWBinOp)ACCESS_OP(arg), at, value,
                                          LLVMAtomicOrderingSequentiallyConsistent, false);
    finish_atomic(f, rmw);
    push_extended(f, rmw, arg);
}

/* The expected value too is taken modulo the width. */
TRANSLATOR(emit_atomic_cmpxchg)
{
    LLVMTypeRef type = access_type(f, arg);
    LLVMValueRef replacement = narrow(f, pop(f), type), expected = narrow(f, pop(f), type);
    LLVMValueRef at = atomic_address(f, in, ACCESS_BITS(arg) / 8);
    LLVMValueRef pair = LLVMBuildAtomicCmpXchg(f->e->b, at, expected, replacement,
                                               LLVMAtomicOrderingSequentiallyConsistent,
                                               LLVMAtomicOrderingSequentiallyConsistent, false);
    finish_atomic(f, pair);
    push_extended(f, LLVMBuildExtractValue(f->e->b, pair, 0, ""), arg);
}

TRANSLATOR(emit_atomic_fence)
{
    (void)in, (void)arg;
    LLVMBuildFence(f->e->b, LLVMAtomicOrderingSequentiallyConsistent, false, "");
}

/* The effective address, which the runtime checks. One of more than 64 bits is out of bounds. */
static LLVMValueRef effective_address(struct func *f, const struct wasm_instr *in)
{
    struct emitter *e = f->e;
    LLVMValueRef index = widen_index(f, pop(f));
    LLVMValueRef address = LLVMBuildAdd(e->b, index, const_i64(e, in->imm.memarg.offset), "");
    trap_if(e, LLVMBuildICmp(e->b, LLVMIntULT, address, index, ""), LUCET_TRAP_heap_out_of_bounds);
    return address;
}

TRANSLATOR(emit_atomic_wait)
{
    LLVMValueRef timeout = pop(f), expected = pop(f), address = effective_address(f, in);
    LLVMValueRef args[] = {const_i32(f->e, in->imm.memarg.memory), address, expected, timeout};
    if (arg == 32)
        call_helper(f, "builtin.memory_wait32", "iIiI:i", args, 4);
    else
        call_helper(f, "builtin.memory_wait64", "iIII:i", args, 4);
}

TRANSLATOR(emit_atomic_notify)
{
    (void)arg;
    LLVMValueRef count = pop(f), address = effective_address(f, in);
    LLVMValueRef args[] = {const_i32(f->e, in->imm.memarg.memory), address, count};
    call_helper(f, "builtin.memory_notify", "iIi:i", args, 3);
}
