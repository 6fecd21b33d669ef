/* Call gates and import gates (docs/abi.md C4, C6). */
#include "lucetc/helpers.h"

LLVMValueRef table_descriptor(struct emitter *e, LLVMValueRef context, uint32_t table)
{
    const uint32_t imported = e->c->module->nimported_tables;
    if (table < imported)
        return load_at(e, e->ptr, context, e->c->layout.imported_tables + (uint64_t)table * 8,
                       ALIAS_CONTEXT);
    return offset_ptr(e, context,
                      e->c->layout.tables +
                          (uint64_t)(table - imported) * sizeof(struct lucet_table));
}

void emit_import_gate(struct emitter *e, LLVMValueRef func, struct helper h)
{
    LLVMValueRef context = LLVMGetParam(func, 0);
    LLVMValueRef record =
        load_at(e, e->ptr, context, e->c->layout.imported_funcs + (uint64_t)h.a * 8, ALIAS_CONTEXT);
    LLVMValueRef code =
        load_at(e, e->ptr, record, offsetof(struct lucet_funcref, code), ALIAS_CONTEXT);
    emitter_jump(e, LLVMGlobalGetValueType(func), code, context, record);
}

void emit_call_gate(struct emitter *e, LLVMValueRef func, struct helper h)
{
    LLVMBuilderRef b = e->b;
    LLVMValueRef context = LLVMGetParam(func, 0);
    LLVMValueRef index = LLVMBuildPtrToInt(b, LLVMGetParam(func, 1), e->i64, "");
    LLVMValueRef table = table_descriptor(e, context, h.b);

    LLVMValueRef size =
        load_at(e, e->i64, table, offsetof(struct lucet_table, size), ALIAS_CONTEXT);
    trap_if(e, LLVMBuildICmp(b, LLVMIntUGE, index, size, ""), LUCET_TRAP_table_out_of_bounds);

    LLVMValueRef elems =
        load_at(e, e->ptr, table, offsetof(struct lucet_table, elems), ALIAS_CONTEXT);
    LLVMValueRef slot = LLVMBuildGEP2(b, e->ptr, elems, &index, 1, "");
    LLVMValueRef record = load_at(e, e->ptr, slot, 0, ALIAS_TABLE);
    trap_if(e, LLVMBuildIsNull(b, record, ""), LUCET_TRAP_indirect_call_to_null);

    LLVMValueRef type =
        load_at(e, e->i64, record, offsetof(struct lucet_funcref, type), ALIAS_CONTEXT);
    LLVMValueRef expected =
        load_at(e, e->i64, context, e->c->layout.type_ids + (uint64_t)h.a * 8, ALIAS_CONTEXT);
    trap_if(e, LLVMBuildICmp(b, LLVMIntNE, type, expected, ""), LUCET_TRAP_bad_signature);

    LLVMValueRef code =
        load_at(e, e->ptr, record, offsetof(struct lucet_funcref, code), ALIAS_CONTEXT);
    emitter_jump(e, LLVMGlobalGetValueType(func), code, context, record);
}
