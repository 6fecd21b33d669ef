/* Call gates and import gates (docs/abi.md C4, C6). */
#include "lucetc/helpers.h"
#include "lucetc/params.h"

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

static LLVMValueRef load_field(struct emitter *e, LLVMValueRef record, size_t offset)
{
    return load_at(e, e->ptr, record, offset, ALIAS_CONTEXT);
}

/* Calls a record's C function, or its catcher, with the parameters of the surrounding gate. */
static void call_record(struct emitter *e, LLVMValueRef func, uint32_t type, LLVMValueRef record,
                        LLVMValueRef code)
{
    const struct wasm_functype *t = &e->c->module->types[type];
    LLVMValueRef args[2 + 1000];
    params_take(e, t, func, args + 2);
    emitter_return(e, emitter_call(e, emitter_record_functype(e, type), code, LLVMGetParam(func, 0),
                                   record, args, 2 + t->nparams));
}

/* In a module that looks for exceptions: what may run frames of an instance that does not is called
 * through a catcher (docs/abi.md E4). */
static void catch_around(struct emitter *e, LLVMValueRef func, uint32_t type, LLVMValueRef record)
{
    if (!(e->c->plan.types[type] & TYPE_CATCHER))
        return;
    LLVMBasicBlockRef foreign = emitter_block(e, "foreign"), catcher = emitter_block(e, "catcher");
    LLVMBasicBlockRef go = emitter_block(e, "");
    LLVMValueRef owner = load_field(e, record, offsetof(struct lucet_funcref, ctx));
    LLVMBuildCondBr(e->b, LLVMBuildIsNull(e->b, owner, ""), go, foreign);

    LLVMPositionBuilderAtEnd(e->b, foreign);
    LLVMValueRef looks = load_field(e, owner, offsetof(struct lucet_vmctx, exception));
    LLVMBuildCondBr(e->b, LLVMBuildIsNull(e->b, looks, ""), catcher, go);

    LLVMPositionBuilderAtEnd(e->b, catcher);
    LLVMValueRef target = helper_declare(e, (struct helper){.kind = HELPER_catcher, .a = type});
    if (!e->c->plan.tail_calls)
        emitter_jump(e, LLVMGlobalGetValueType(func), target, LLVMGetParam(func, 0), record);
    else
        call_record(e, func, type, record, target);

    LLVMPositionBuilderAtEnd(e->b, go);
}

/* The end of a gate. In a module with tail calls, functions of the running instance get all
 * parameters as gates get them, and are jumped to; others may be of modules that know only the C
 * function. */
static void run_record(struct emitter *e, LLVMValueRef func, uint32_t type, LLVMValueRef record)
{
    LLVMTypeRef llvm_type = LLVMGlobalGetValueType(func);
    LLVMValueRef context = LLVMGetParam(func, 0);
    catch_around(e, func, type, record);
    if (params_are_plain(e->c, type)) {
        LLVMValueRef code = load_field(e, record, offsetof(struct lucet_funcref, code));
        emitter_jump(e, llvm_type, code, context, record);
        return;
    }
    LLVMBasicBlockRef own = emitter_block(e, "own"), foreign = emitter_block(e, "foreign");
    LLVMValueRef owner = load_field(e, record, offsetof(struct lucet_funcref, ctx));
    LLVMBuildCondBr(e->b, LLVMBuildICmp(e->b, LLVMIntEQ, owner, context, ""), own, foreign);

    LLVMPositionBuilderAtEnd(e->b, own);
    LLVMValueRef body = load_field(e, record, offsetof(struct lucet_funcref, body));
    emitter_jump(e, llvm_type, body, context, record);

    LLVMPositionBuilderAtEnd(e->b, foreign);
    LLVMValueRef code = load_field(e, record, offsetof(struct lucet_funcref, code));
    call_record(e, func, type, record, code);
}

void emit_import_gate(struct emitter *e, LLVMValueRef func, struct helper h)
{
    LLVMValueRef context = LLVMGetParam(func, 0);
    LLVMValueRef record =
        load_at(e, e->ptr, context, e->c->layout.imported_funcs + (uint64_t)h.a * 8, ALIAS_CONTEXT);
    run_record(e, func, e->c->module->funcs[h.a].type, record);
}

static void check_record(struct emitter *e, LLVMValueRef context, uint32_t type,
                         LLVMValueRef record)
{
    trap_if(e, LLVMBuildIsNull(e->b, record, ""), LUCET_TRAP_indirect_call_to_null);
    LLVMValueRef found =
        load_at(e, e->i64, record, offsetof(struct lucet_funcref, type), ALIAS_CONTEXT);
    LLVMValueRef expected =
        load_at(e, e->i64, context, e->c->layout.type_ids + (uint64_t)type * 8, ALIAS_CONTEXT);
    trap_if(e, LLVMBuildICmp(e->b, LLVMIntNE, found, expected, ""), LUCET_TRAP_bad_signature);
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
    check_record(e, context, h.a, record);
    run_record(e, func, h.a, record);
}

/* A reference is of its type by validation. That is looked at all the same: what a guest passes as
 * a reference is jumped through, and nothing here relies on the compiler alone. */
void emit_ref_gate(struct emitter *e, LLVMValueRef func, struct helper h)
{
    LLVMValueRef record = LLVMGetParam(func, 1);
    check_record(e, LLVMGetParam(func, 0), h.a, record);
    run_record(e, func, h.a, record);
}
