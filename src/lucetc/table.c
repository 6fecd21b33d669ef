/* Tables: everything goes through helper functions, so that guest bodies hold no pointer into a
 * table. */
#include <stdio.h>

#include "lucetc/memory.h"

/* Pops an index or a number of entries as i64. */
static LLVMValueRef pop_index(struct func *f)
{
    return widen_index(f, pop(f));
}

/* What is on the stack as i64 becomes what the table's indices are. */
static void push_index(struct func *f, uint32_t table, LLVMValueRef v)
{
    const bool is64 = f->e->c->module->tables[table].type.limits.is64;
    push(f, is64 ? v : LLVMBuildTrunc(f->e->b, v, f->e->i32, ""));
}

static void call_accessor(struct func *f, const char *what, uint32_t table, const char *letters,
                          LLVMValueRef *args, uint32_t nargs)
{
    char name[32];
    snprintf(name, sizeof name, "table.%s.%u", what, table);
    call_helper(f, name, letters, args, nargs);
}

TRANSLATOR(emit_table_get)
{
    (void)arg;
    const uint32_t table = in->imm.index;
    LLVMValueRef index = pop_index(f);
    if (wasm_ref_top(f->e->c->module->tables[table].type.elem) != WASM_EXNREF) {
        call_accessor(f, "get", table, "I:I", &index, 1);
        return;
    }
    LLVMValueRef args[] = {const_i32(f->e, table), index};
    call_helper(f, "builtin.exn_table_get", "iI:I", args, 2);
}

TRANSLATOR(emit_table_set)
{
    (void)arg;
    LLVMValueRef value = pop(f), index = pop_index(f);
    LLVMValueRef args[] = {index, value};
    call_accessor(f, "set", in->imm.index, "II:", args, 2);
}

TRANSLATOR(emit_table_size)
{
    (void)arg;
    call_accessor(f, "size", in->imm.index, ":I", NULL, 0);
    push_index(f, in->imm.index, pop(f));
}

TRANSLATOR(emit_table_grow)
{
    (void)arg;
    LLVMValueRef n = pop_index(f), value = pop(f);
    LLVMValueRef args[] = {const_i32(f->e, in->imm.index), value, n};
    call_helper(f, "builtin.table_grow", "iII:I", args, 3);
    push_index(f, in->imm.index, pop(f));
}

TRANSLATOR(emit_table_fill)
{
    (void)arg;
    LLVMValueRef n = pop_index(f), value = pop(f), dst = pop_index(f);
    LLVMValueRef args[] = {const_i32(f->e, in->imm.index), dst, value, n};
    call_helper(f, "builtin.table_fill", "iIII:", args, 4);
}

TRANSLATOR(emit_table_copy)
{
    (void)arg;
    LLVMValueRef n = pop_index(f), src = pop_index(f), dst = pop_index(f);
    LLVMValueRef args[] = {const_i32(f->e, in->imm.index), const_i32(f->e, in->imm.index2), dst,
                           src, n};
    call_helper(f, "builtin.table_copy", "iiIII:", args, 5);
}

TRANSLATOR(emit_table_init)
{
    (void)arg;
    LLVMValueRef n = pop(f), src = pop(f), dst = pop_index(f);
    LLVMValueRef args[] = {const_i32(f->e, in->imm.index2), const_i32(f->e, in->imm.index), dst,
                           src, n};
    call_helper(f, "builtin.table_init", "iiIii:", args, 5);
}

TRANSLATOR(emit_elem_drop)
{
    (void)arg;
    LLVMValueRef segment = const_i32(f->e, in->imm.index);
    call_helper(f, "builtin.elem_drop", "i:", &segment, 1);
}
