/* Accessors: the only generated functions that read and write what other instances own. */
#include "lucetc/helpers.h"

static void emit_global_accessor(struct emitter *e, LLVMValueRef func, struct helper h)
{
    LLVMTypeRef type = emitter_valtype(e, e->c->module->globals[h.a].type.type);
    LLVMValueRef cell = load_at(e, e->ptr, LLVMGetParam(func, 0),
                                e->c->layout.imported_globals + (uint64_t)h.a * 8, ALIAS_CONTEXT);
    if (h.kind == HELPER_global_get) {
        LLVMBuildRet(e->b, load_at(e, type, cell, 0, ALIAS_GLOBAL));
    } else {
        store_at(e, LLVMGetParam(func, 2), cell, 0, ALIAS_GLOBAL);
        LLVMBuildRetVoid(e->b);
    }
}

/* Address of the table's entry that parameter 2 names, after its bounds check. */
static LLVMValueRef checked_entry(struct emitter *e, LLVMValueRef func, LLVMValueRef table)
{
    LLVMValueRef index = LLVMGetParam(func, 2);
    LLVMValueRef size =
        load_at(e, e->i64, table, offsetof(struct lucet_table, size), ALIAS_CONTEXT);
    trap_if(e, LLVMBuildICmp(e->b, LLVMIntUGE, index, size, ""), LUCET_TRAP_table_out_of_bounds);
    LLVMValueRef elems =
        load_at(e, e->ptr, table, offsetof(struct lucet_table, elems), ALIAS_CONTEXT);
    return LLVMBuildGEP2(e->b, e->i64, elems, &index, 1, "");
}

static void emit_table_accessor(struct emitter *e, LLVMValueRef func, struct helper h)
{
    LLVMValueRef table = table_descriptor(e, LLVMGetParam(func, 0), h.a);
    if (h.kind == HELPER_table_size) {
        LLVMBuildRet(e->b,
                     load_at(e, e->i64, table, offsetof(struct lucet_table, size), ALIAS_CONTEXT));
    } else if (h.kind == HELPER_table_get) {
        LLVMBuildRet(e->b, load_at(e, e->i64, checked_entry(e, func, table), 0, ALIAS_TABLE));
    } else {
        store_at(e, LLVMGetParam(func, 3), checked_entry(e, func, table), 0, ALIAS_TABLE);
        LLVMBuildRetVoid(e->b);
    }
}

void emit_accessor(struct emitter *e, LLVMValueRef func, struct helper h)
{
    if (h.kind == HELPER_global_get || h.kind == HELPER_global_set)
        emit_global_accessor(e, func, h);
    else
        emit_table_accessor(e, func, h);
}
