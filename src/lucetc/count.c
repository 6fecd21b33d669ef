/* Counting instructions, on request (--count-instructions; docs/abi.md section 7).
 *
 * The context holds how many may still be executed. Within a function the number lives in a local
 * variable, so that loops keep it in a register; it is written back before anybody else may look,
 * i.e. before calls and returns, and read again after calls. What a piece of straight code costs is
 * taken off at its end, by WebAssembly's instructions: so the count depends neither on the
 * optimisation nor on the machine. Whether the number has become negative is looked at where code
 * can repeat: at the beginning of functions and loops. */
#include "lucetc/func.h"

static uint32_t cost(enum wasm_op op)
{
    switch (op) {
    case WASM_OP_nop:
    case WASM_OP_drop:
    case WASM_OP_block:
    case WASM_OP_loop:
    case WASM_OP_else_:
    case WASM_OP_end:
    case WASM_OP_unreachable:
    case WASM_OP_return_: return 0;
    default: return 1;
    }
}

static bool is_call(enum wasm_op op)
{
    switch (op) {
    case WASM_OP_call:
    case WASM_OP_call_indirect:
    case WASM_OP_call_ref:
    case WASM_OP_return_call:
    case WASM_OP_return_call_indirect:
    case WASM_OP_return_call_ref: return true;
    default: return false;
    }
}

static bool ends_straight_code(enum wasm_op op)
{
    switch (op) {
    case WASM_OP_loop:
    case WASM_OP_if_:
    case WASM_OP_else_:
    case WASM_OP_end:
    case WASM_OP_br:
    case WASM_OP_br_if:
    case WASM_OP_br_table:
    case WASM_OP_br_on_null:
    case WASM_OP_br_on_non_null:
    case WASM_OP_return_:
    case WASM_OP_unreachable: return true;
    default: return is_call(op);
    }
}

static LLVMValueRef left(struct func *f)
{
    return LLVMBuildLoad2(f->e->b, f->e->i64, f->left, "");
}

static void read_left(struct func *f)
{
    LLVMValueRef v = load_at(f->e, f->e->i64, f->context, f->e->c->layout.guest_part, ALIAS_GLOBAL);
    LLVMBuildStore(f->e->b, v, f->left);
}

void count_write_back(struct func *f)
{
    if (f->left)
        store_at(f->e, left(f), f->context, f->e->c->layout.guest_part, ALIAS_GLOBAL);
}

static void take_off(struct func *f)
{
    struct emitter *e = f->e;
    if (f->cost == 0)
        return;
    LLVMBuildStore(e->b, LLVMBuildSub(e->b, left(f), const_i64(e, f->cost), ""), f->left);
    f->cost = 0;
}

static void look(struct func *f)
{
    struct emitter *e = f->e;
    LLVMBasicBlockRef expired = emitter_block(e, "expired"), next = emitter_block(e, "");
    LLVMValueRef over = LLVMBuildICmp(e->b, LLVMIntSLT, left(f), const_i64(e, 0), "");
    branch_expect(e, over, false, expired, next);
    LLVMPositionBuilderAtEnd(e->b, expired);
    count_write_back(f);
    call_helper(f, "builtin.bound_expired", ":", NULL, 0);
    read_left(f);
    LLVMBuildBr(e->b, next);
    LLVMPositionBuilderAtEnd(e->b, next);
    f->work += 2;
}

void count_begin(struct func *f)
{
    if (!f->e->c->options->count_instructions)
        return;
    f->left = LLVMBuildAlloca(f->e->b, f->e->i64, "");
    read_left(f);
    look(f);
}

void count_before(struct func *f, enum wasm_op op)
{
    if (!f->left)
        return;
    f->cost += cost(op);
    if (ends_straight_code(op))
        take_off(f);
    if (is_call(op))
        count_write_back(f);
}

void count_after(struct func *f, enum wasm_op op)
{
    if (!f->left || f->skip > 0)
        return;
    if (is_call(op))
        read_left(f);
    else if (op == WASM_OP_loop)
        look(f);
}
