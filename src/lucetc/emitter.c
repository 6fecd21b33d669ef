#include "lucetc/emitter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lucetc/debug.h"
#include "lucetc/effects.h"
#include "lucetc/params.h"
#include "module/cpu.h"

static LLVMValueRef metadata(const struct emitter *e, LLVMMetadataRef *operands, size_t n)
{
    return LLVMMetadataAsValue(e->llvm, LLVMMDNodeInContext2(e->llvm, operands, n));
}

static LLVMMetadataRef metadata_string(const struct emitter *e, const char *s)
{
    return LLVMMDStringInContext2(e->llvm, s, strlen(s));
}

static void make_alias_tags(struct emitter *e)
{
    static const char *const names[ALIAS_COUNT] = {"heap", "global", "context", "table",
                                                   "exception"};
    LLVMMetadataRef zero = LLVMValueAsMetadata(const_i64(e, 0));
    LLVMMetadataRef root = metadata_string(e, "lucet");
    root = LLVMMDNodeInContext2(e->llvm, &root, 1);
    for (unsigned i = 0; i < ALIAS_COUNT; i++) {
        LLVMMetadataRef type[] = {metadata_string(e, names[i]), root, zero};
        LLVMMetadataRef node = LLVMMDNodeInContext2(e->llvm, type, 3);
        LLVMMetadataRef tag[] = {node, node, zero};
        e->alias_tags[i] = metadata(e, tag, 3);
    }
    e->tbaa_kind = LLVMGetMDKindIDInContext(e->llvm, "tbaa", 4);
}

static LLVMValueRef branch_weights(const struct emitter *e, uint32_t yes, uint32_t no)
{
    LLVMMetadataRef operands[] = {metadata_string(e, "branch_weights"),
                                  LLVMValueAsMetadata(const_i32(e, yes)),
                                  LLVMValueAsMetadata(const_i32(e, no))};
    return metadata(e, operands, 3);
}

static LLVMAttributeRef enum_attribute(const struct emitter *e, const char *name, uint64_t value)
{
    return LLVMCreateEnumAttribute(e->llvm, LLVMGetEnumAttributeKindForName(name, strlen(name)),
                                   value);
}

static void make_types(struct emitter *e)
{
    e->i1 = LLVMInt1TypeInContext(e->llvm);
    e->i8 = LLVMInt8TypeInContext(e->llvm);
    e->i16 = LLVMInt16TypeInContext(e->llvm);
    e->i32 = LLVMInt32TypeInContext(e->llvm);
    e->i64 = LLVMInt64TypeInContext(e->llvm);
    e->f32 = LLVMFloatTypeInContext(e->llvm);
    e->f64 = LLVMDoubleTypeInContext(e->llvm);
    e->v128 = LLVMVectorType(e->i64, 2);
    e->ptr = LLVMPointerTypeInContext(e->llvm, 0);
    e->heap_ptr = LLVMPointerTypeInContext(e->llvm, 256);
    e->void_type = LLVMVoidTypeInContext(e->llvm);
}

struct emitter *emitter_new(const struct compilation *c, const char *name, LLVMTargetMachineRef tm)
{
    struct emitter *e = calloc(1, sizeof *e);
    if (!e)
        return NULL;
    e->c = c;
    e->functypes = calloc((size_t)c->module->ntypes + 1, sizeof *e->functypes);
    e->funcs = calloc((size_t)c->module->nfuncs + 1, sizeof *e->funcs);
    e->llvm = LLVMContextCreate();
    e->module = LLVMModuleCreateWithNameInContext(name, e->llvm);
    e->b = LLVMCreateBuilderInContext(e->llvm);
    if (!e->functypes || !e->funcs) {
        emitter_free(e);
        return NULL;
    }
    /* Before anything else: optimising without the layout gives wrong code. */
    LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(tm);
    LLVMSetModuleDataLayout(e->module, layout);
    LLVMDisposeTargetData(layout);
    LLVMSetTarget(e->module, c->target.triple);
    LLVMContextSetDiscardValueNames(e->llvm, c->options->emit != lucetc_emit_llvm_ir);

    make_types(e);
    make_alias_tags(e);
    e->prof_kind = LLVMGetMDKindIDInContext(e->llvm, "prof", 4);
    e->likely = branch_weights(e, 1 << 20, 1);
    e->unlikely = branch_weights(e, 1, 1 << 20);
    e->swiftself = enum_attribute(e, "swiftself", 0);
    e->nest = enum_attribute(e, "nest", 0);
    e->nomerge = enum_attribute(e, "nomerge", 0);
    e->noinline = enum_attribute(e, "noinline", 0);
    e->returns_twice = enum_attribute(e, "returns_twice", 0);
    debug_begin(e);
    return e;
}

void emitter_free(struct emitter *e)
{
    if (!e)
        return;
    debug_free(e);
    LLVMDisposeBuilder(e->b);
    LLVMDisposeModule(e->module);
    LLVMContextDispose(e->llvm);
    free(e->functypes);
    free(e->funcs);
    free(e);
}

bool uses_fsgsbase(const struct compilation *c)
{
    return c->target.features >> LUCET_CPU_fsgsbase & 1;
}

/* ---- Types ---- */

LLVMTypeRef emitter_valtype(const struct emitter *e, wasm_valtype t)
{
    switch (t) {
    case WASM_I32: return e->i32;
    case WASM_F32: return e->f32;
    case WASM_F64: return e->f64;
    case WASM_V128: return e->v128;
    default: return e->i64; /* i64, and references as addresses */
    }
}

bool results_in_registers(const struct wasm_functype *t)
{
    uint32_t integers = 0, floats = 0;
    for (uint32_t i = 0; i < t->nresults; i++) {
        const wasm_valtype v = t->results[i];
        if (v == WASM_F32 || v == WASM_F64 || v == WASM_V128)
            floats++;
        else
            integers++;
    }
    return integers <= 2 && floats <= 2;
}

LLVMTypeRef emitter_result_type(const struct emitter *e, const struct wasm_functype *t)
{
    if (t->nresults == 0 || !results_in_registers(t))
        return e->void_type;
    if (t->nresults == 1)
        return emitter_valtype(e, t->results[0]);
    LLVMTypeRef fields[4];
    for (uint32_t i = 0; i < t->nresults; i++)
        fields[i] = emitter_valtype(e, t->results[i]);
    return LLVMStructTypeInContext(e->llvm, fields, t->nresults, false);
}

LLVMTypeRef emitter_record_functype(const struct emitter *e, uint32_t type_index)
{
    const struct wasm_functype *t = &e->c->module->types[type_index];
    LLVMTypeRef params[2 + 1000]; /* the validator's limit; checked by lucetc_compile() */
    params[0] = params[1] = e->ptr;
    for (uint32_t i = 0; i < t->nparams; i++)
        params[2 + i] = emitter_valtype(e, t->params[i]);
    return LLVMFunctionType(emitter_result_type(e, t), params, 2 + t->nparams, false);
}

static LLVMTypeRef shared_functype(const struct emitter *e, const struct wasm_functype *t)
{
    LLVMTypeRef params[2 + 14] = {e->ptr, e->ptr};
    const unsigned n = params_shared_types(e, params + 2);
    return LLVMFunctionType(emitter_result_type(e, t), params, 2 + n, false);
}

LLVMTypeRef emitter_functype(struct emitter *e, uint32_t type_index)
{
    LLVMTypeRef *type = &e->functypes[type_index];
    if (!*type)
        *type = e->c->plan.tail_calls ? shared_functype(e, &e->c->module->types[type_index])
                                      : emitter_record_functype(e, type_index);
    return *type;
}

static LLVMTypeRef letter_type(const struct emitter *e, char letter)
{
    switch (letter) {
    case 'i': return e->i32;
    case 'f': return e->f32;
    case 'F': return e->f64;
    case 'v': return e->v128;
    default: return e->i64;
    }
}

LLVMTypeRef emitter_functype_letters(const struct emitter *e, const char *letters)
{
    LLVMTypeRef params[16] = {e->ptr, e->ptr};
    unsigned n = 2;
    for (; *letters != ':'; letters++)
        params[n++] = letter_type(e, *letters);
    LLVMTypeRef result = letters[1] ? letter_type(e, letters[1]) : e->void_type;
    return LLVMFunctionType(result, params, n, false);
}

/* ---- Functions ---- */

static void add_function_attributes(struct emitter *e, LLVMValueRef func)
{
    static const char *const strings[][2] = {
        {"probe-stack", "inline-asm"}, {"stack-probe-size", "4096"}, {"disable-tail-calls", "true"},
        {"no-realign-stack", ""},      {"no-builtins", ""},          {"frame-pointer", "none"},
    };
    static const struct {
        const char *name;
        uint64_t value;
    } enums[] = {{"nounwind", 0}, {"uwtable", 2}};

    for (size_t i = 0; i < sizeof strings / sizeof *strings; i++)
        LLVMAddTargetDependentFunctionAttr(func, strings[i][0], strings[i][1]);
    for (size_t i = 0; i < sizeof enums / sizeof *enums; i++)
        LLVMAddAttributeAtIndex(func, LLVMAttributeFunctionIndex,
                                enum_attribute(e, enums[i].name, enums[i].value));
    LLVMAddTargetDependentFunctionAttr(func, "target-features", e->c->target.feature_string);
    LLVMAddTargetDependentFunctionAttr(func, "tune-cpu", e->c->target.tune);
}

LLVMValueRef emitter_declare(struct emitter *e, const char *name, LLVMTypeRef type)
{
    LLVMValueRef func = LLVMGetNamedFunction(e->module, name);
    if (func)
        return func;
    func = LLVMAddFunction(e->module, name, type);
    LLVMSetVisibility(func, LLVMHiddenVisibility);
    add_function_attributes(e, func);
    LLVMAddAttributeAtIndex(func, 1, e->swiftself);
    LLVMAddAttributeAtIndex(func, 2, e->nest);
    return func;
}

LLVMValueRef emitter_guest_func(struct emitter *e, uint32_t func_index)
{
    if (e->funcs[func_index])
        return e->funcs[func_index];
    char name[32];
    const bool imported = func_index < e->c->module->nimported_funcs;
    snprintf(name, sizeof name, imported ? "import.%u" : "guest_func_%u", func_index);
    LLVMValueRef func =
        emitter_declare(e, name, emitter_functype(e, e->c->module->funcs[func_index].type));
    e->funcs[func_index] = func;
    return func;
}

void emitter_keep_closed(struct emitter *e, LLVMValueRef func)
{
    char limit[16];
    snprintf(limit, sizeof limit, "%d", EFFECTS_FRAME);
    LLVMAddTargetDependentFunctionAttr(func, "target-features", e->c->target.integer_features);
    LLVMAddTargetDependentFunctionAttr(func, "warn-stack-size", limit);
    /* Below the stack pointer there is none of the frame, or LLVM would not count it. */
    LLVMAddAttributeAtIndex(func, LLVMAttributeFunctionIndex, enum_attribute(e, "noredzone", 0));
}

void emitter_begin(struct emitter *e, LLVMValueRef func)
{
    LLVMAddAttributeAtIndex(func, LLVMAttributeFunctionIndex, e->noinline);
    LLVMPositionBuilderAtEnd(e->b, LLVMAppendBasicBlockInContext(e->llvm, func, "entry"));
}

static LLVMValueRef declare_intrinsic(struct emitter *e, const char *name, LLVMTypeRef overload)
{
    const unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
    return LLVMGetIntrinsicDeclaration(e->module, id, &overload, overload ? 1 : 0);
}

LLVMValueRef emitter_intrinsic(struct emitter *e, enum intrinsic id)
{
    const struct {
        const char *name;
        LLVMTypeRef overload;
    } table[INTRINSIC_COUNT] = {
        [INTRINSIC_ubsantrap] = {"llvm.ubsantrap", NULL},
        [INTRINSIC_addressofreturnaddress] = {"llvm.addressofreturnaddress", e->ptr},
        [INTRINSIC_wrgsbase] = {"llvm.x86.wrgsbase.64", NULL},
    };
    if (!e->intrinsics[id])
        e->intrinsics[id] = declare_intrinsic(e, table[id].name, table[id].overload);
    return e->intrinsics[id];
}

LLVMValueRef emitter_call_overloaded(struct emitter *e, const char *name, LLVMTypeRef type,
                                     LLVMValueRef *args, unsigned nargs)
{
    LLVMValueRef func = declare_intrinsic(e, name, type);
    return LLVMBuildCall2(e->b, LLVMGlobalGetValueType(func), func, args, nargs, "");
}

/* ---- Idioms ---- */

LLVMValueRef const_i32(const struct emitter *e, uint32_t v)
{
    return LLVMConstInt(LLVMInt32TypeInContext(e->llvm), v, false);
}

LLVMValueRef const_i64(const struct emitter *e, uint64_t v)
{
    return LLVMConstInt(LLVMInt64TypeInContext(e->llvm), v, false);
}

LLVMValueRef offset_ptr(struct emitter *e, LLVMValueRef base, uint64_t offset)
{
    if (offset == 0)
        return base;
    LLVMValueRef index = const_i64(e, offset);
    return LLVMBuildGEP2(e->b, e->i8, base, &index, 1, "");
}

void tag_alias(struct emitter *e, LLVMValueRef access, enum alias_class alias)
{
    LLVMSetMetadata(access, e->tbaa_kind, e->alias_tags[alias]);
}

LLVMValueRef load_at(struct emitter *e, LLVMTypeRef type, LLVMValueRef base, uint64_t offset,
                     enum alias_class alias)
{
    LLVMValueRef load = LLVMBuildLoad2(e->b, type, offset_ptr(e, base, offset), "");
    tag_alias(e, load, alias);
    return load;
}

LLVMValueRef store_at(struct emitter *e, LLVMValueRef value, LLVMValueRef base, uint64_t offset,
                      enum alias_class alias)
{
    LLVMValueRef store = LLVMBuildStore(e->b, value, offset_ptr(e, base, offset));
    tag_alias(e, store, alias);
    return store;
}

LLVMValueRef emitter_call(struct emitter *e, LLVMTypeRef type, LLVMValueRef func,
                          LLVMValueRef context, LLVMValueRef scratch, LLVMValueRef *args,
                          unsigned nargs)
{
    args[0] = context;
    args[1] = scratch ? scratch : LLVMGetPoison(e->ptr);
    LLVMValueRef call = LLVMBuildCall2(e->b, type, func, args, nargs, "");
    LLVMAddCallSiteAttribute(call, 1, e->swiftself);
    LLVMAddCallSiteAttribute(call, 2, e->nest);
    return call;
}

void emitter_return(struct emitter *e, LLVMValueRef call)
{
    if (LLVMTypeOf(call) == e->void_type)
        LLVMBuildRetVoid(e->b);
    else
        LLVMBuildRet(e->b, call);
}

void emitter_tail_jump(struct emitter *e, LLVMValueRef call)
{
    LLVMSetTailCallKind(call, LLVMTailCallKindMustTail);
    emitter_return(e, call);
}

void emitter_jump(struct emitter *e, LLVMTypeRef type, LLVMValueRef target, LLVMValueRef context,
                  LLVMValueRef scratch)
{
    LLVMValueRef args[2 + 1000];
    LLVMValueRef self = LLVMGetBasicBlockParent(LLVMGetInsertBlock(e->b));
    LLVMGetParams(self, args);
    emitter_tail_jump(e,
                      emitter_call(e, type, target, context, scratch, args, LLVMCountParams(self)));
}

LLVMBasicBlockRef emitter_block(struct emitter *e, const char *name)
{
    LLVMValueRef func = LLVMGetBasicBlockParent(LLVMGetInsertBlock(e->b));
    return LLVMAppendBasicBlockInContext(e->llvm, func, name);
}

void branch_expect(struct emitter *e, LLVMValueRef condition, bool expected, LLVMBasicBlockRef yes,
                   LLVMBasicBlockRef no)
{
    LLVMValueRef branch = LLVMBuildCondBr(e->b, condition, yes, no);
    LLVMSetMetadata(branch, e->prof_kind, expected ? e->likely : e->unlikely);
}

void trap_always(struct emitter *e, enum lucet_abi_trap code)
{
    LLVMValueRef func = emitter_intrinsic(e, INTRINSIC_ubsantrap);
    LLVMValueRef arg = LLVMConstInt(e->i8, code, false);
    LLVMValueRef call = LLVMBuildCall2(e->b, LLVMGlobalGetValueType(func), func, &arg, 1, "");
    /* Merged traps would lose the place, and with it the line a debugger shows. */
    LLVMAddCallSiteAttribute(call, LLVMAttributeFunctionIndex, e->nomerge);
    LLVMBuildUnreachable(e->b);
}

void trap_if(struct emitter *e, LLVMValueRef condition, enum lucet_abi_trap code)
{
    LLVMBasicBlockRef trap = emitter_block(e, "trap"), next = emitter_block(e, "");
    branch_expect(e, condition, false, trap, next);
    LLVMPositionBuilderAtEnd(e->b, trap);
    trap_always(e, code);
    LLVMPositionBuilderAtEnd(e->b, next);
}
