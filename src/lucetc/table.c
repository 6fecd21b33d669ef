/* Tables: everything goes through helper functions, so that guest bodies hold no pointer into a
 * table. */
#include <stdio.h>

#include "lucetc/func.h"

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
    LLVMValueRef index = pop(f);
    call_accessor(f, "get", in->imm.index, "i:I", &index, 1);
}

TRANSLATOR(emit_table_set)
{
    (void)arg;
    LLVMValueRef value = pop(f), index = pop(f);
    LLVMValueRef args[] = {index, value};
    call_accessor(f, "set", in->imm.index, "iI:", args, 2);
}

TRANSLATOR(emit_table_size)
{
    (void)arg;
    call_accessor(f, "size", in->imm.index, ":i", NULL, 0);
}

TRANSLATOR(emit_table_grow)
{
    (void)arg;
    LLVMValueRef n = pop(f), value = pop(f);
    LLVMValueRef args[] = {const_i32(f->e, in->imm.index), value, n};
    call_helper(f, "builtin.table_grow", "iIi:i", args, 3);
}

TRANSLATOR(emit_table_fill)
{
    (void)arg;
    LLVMValueRef n = pop(f), value = pop(f), dst = pop(f);
    LLVMValueRef args[] = {const_i32(f->e, in->imm.index), dst, value, n};
    call_helper(f, "builtin.table_fill", "iiIi:", args, 4);
}

TRANSLATOR(emit_table_copy)
{
    (void)arg;
    LLVMValueRef n = pop(f), src = pop(f), dst = pop(f);
    LLVMValueRef args[] = {const_i32(f->e, in->imm.index), const_i32(f->e, in->imm.index2), dst,
                           src, n};
    call_helper(f, "builtin.table_copy", "iiiii:", args, 5);
}

TRANSLATOR(emit_table_init)
{
    (void)arg;
    LLVMValueRef n = pop(f), src = pop(f), dst = pop(f);
    LLVMValueRef args[] = {const_i32(f->e, in->imm.index2), const_i32(f->e, in->imm.index), dst,
                           src, n};
    call_helper(f, "builtin.table_init", "iiiii:", args, 5);
}

TRANSLATOR(emit_elem_drop)
{
    (void)arg;
    LLVMValueRef segment = const_i32(f->e, in->imm.index);
    call_helper(f, "builtin.elem_drop", "i:", &segment, 1);
}
