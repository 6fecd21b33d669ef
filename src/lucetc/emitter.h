/* One LLVM module being built: types, declarations, attributes and the idioms all generated code
 * is made of. */
#ifndef LUCETC_EMITTER_H
#define LUCETC_EMITTER_H

#include <llvm-c/Core.h>
#include <llvm-c/TargetMachine.h>

#include "lucetc/compilation.h"

/* LLVM intrinsics in use; overloaded ones are cached per type. */
enum intrinsic {
    INTRINSIC_ubsantrap,
    INTRINSIC_addressofreturnaddress,
    INTRINSIC_wrgsbase,
    INTRINSIC_COUNT
};

/* What a memory operand may alias: TBAA tags (pitfall: without them heap accesses block
 * optimisations of globals and the other way round). */
enum alias_class {
    ALIAS_HEAP,
    ALIAS_GLOBAL,
    ALIAS_CONTEXT,
    ALIAS_TABLE,
    ALIAS_EXCEPTION,
    ALIAS_COUNT
};

struct emitter {
    const struct compilation *c;
    LLVMContextRef llvm;
    LLVMModuleRef module;
    LLVMBuilderRef b;
    LLVMTypeRef i1, i8, i16, i32, i64, f32, f64, v128, ptr, heap_ptr, void_type;
    LLVMTypeRef *functypes; /* per wasm type; NULL until used */
    LLVMValueRef *funcs;    /* per wasm function; NULL until used */
    LLVMValueRef intrinsics[INTRINSIC_COUNT];
    LLVMValueRef alias_tags[ALIAS_COUNT];
    unsigned tbaa_kind, prof_kind;
    LLVMValueRef likely, unlikely; /* branch weights: the true side taken; not taken */
    LLVMAttributeRef swiftself, nest, nomerge, noinline, returns_twice;
    struct {
        LLVMDIBuilderRef builder;          /* NULL: no debug information is wanted */
        LLVMMetadataRef file, type, scope; /* scope: the function being translated */
    } debug;                               /* debug.h */
};

/* NULL when out of memory. Release with emitter_free(), the LLVM module included. */
struct emitter *emitter_new(const struct compilation *c, const char *name, LLVMTargetMachineRef tm);
void emitter_free(struct emitter *e);

/* ---- Types ---- */

LLVMTypeRef emitter_valtype(const struct emitter *e, wasm_valtype t);
/* docs/abi.md C2: whether all results of a function travel in registers. */
bool results_in_registers(const struct wasm_functype *t);
/* The LLVM type a guest function of that type returns. */
LLVMTypeRef emitter_result_type(const struct emitter *e, const struct wasm_functype *t);
/* The prototype of bodies and gates of a type, for calling them directly: (context, scratch,
 * parameters), or what params.h says. */
LLVMTypeRef emitter_functype(struct emitter *e, uint32_t type_index);
/* The same of what function records hold: the C function, whatever the module. */
LLVMTypeRef emitter_record_functype(const struct emitter *e, uint32_t type_index);
/* The same from letters such as "iI:i" (at most one result). */
LLVMTypeRef emitter_functype_letters(const struct emitter *e, const char *letters);

/* ---- Functions ---- */

/* Declares (once) a hidden function that obeys docs/abi.md section 1. */
LLVMValueRef emitter_declare(struct emitter *e, const char *name, LLVMTypeRef type);
/* The function to call directly for a wasm function: its body or its import gate. */
LLVMValueRef emitter_guest_func(struct emitter *e, uint32_t func_index);
/* Of a closed function (effects.h), or an entry for its type: LLVM has no vector registers to use
 * (the attribute noimplicitfloat is obeyed in places only), and tells of larger frames than quiet
 * ones may have. Once it is declared. */
void emitter_keep_closed(struct emitter *e, LLVMValueRef func);
/* Puts the builder into the entry block of a helper function. */
void emitter_begin(struct emitter *e, LLVMValueRef func);

LLVMValueRef emitter_intrinsic(struct emitter *e, enum intrinsic id);
/* Calls an overloaded intrinsic such as "llvm.ctlz" for one type. */
LLVMValueRef emitter_call_overloaded(struct emitter *e, const char *name, LLVMTypeRef type,
                                     LLVMValueRef *args, unsigned nargs);

/* ---- Idioms ---- */

LLVMValueRef const_i32(const struct emitter *e, uint32_t v);
LLVMValueRef const_i64(const struct emitter *e, uint64_t v);
/* base + offset bytes */
LLVMValueRef offset_ptr(struct emitter *e, LLVMValueRef base, uint64_t offset);
LLVMValueRef load_at(struct emitter *e, LLVMTypeRef type, LLVMValueRef base, uint64_t offset,
                     enum alias_class alias);
LLVMValueRef store_at(struct emitter *e, LLVMValueRef value, LLVMValueRef base, uint64_t offset,
                      enum alias_class alias);
void tag_alias(struct emitter *e, LLVMValueRef access, enum alias_class alias);
/* Calls a guest function or helper; args[0] and args[1] are left for context and scratch. */
LLVMValueRef emitter_call(struct emitter *e, LLVMTypeRef type, LLVMValueRef func,
                          LLVMValueRef context, LLVMValueRef scratch, LLVMValueRef *args,
                          unsigned nargs);
/* Makes a call a guaranteed tail jump and returns its result: the end of the function, whose
 * prototype must be the callee's and whose context the one that is passed. */
void emitter_tail_jump(struct emitter *e, LLVMValueRef call);
/* Returns a call's result. */
void emitter_return(struct emitter *e, LLVMValueRef call);
/* Jumps to a function of the same prototype with the parameters of the surrounding one. */
void emitter_jump(struct emitter *e, LLVMTypeRef type, LLVMValueRef target, LLVMValueRef context,
                  LLVMValueRef scratch);
LLVMBasicBlockRef emitter_block(struct emitter *e, const char *name);
/* Conditional branch with weights: the `expected` side is the usual one. */
void branch_expect(struct emitter *e, LLVMValueRef condition, bool expected, LLVMBasicBlockRef yes,
                   LLVMBasicBlockRef no);
/* Traps with `code` when the condition holds; the builder goes on after it. */
void trap_if(struct emitter *e, LLVMValueRef condition, enum lucet_abi_trap code);
/* Ends the current block with a trap. */
void trap_always(struct emitter *e, enum lucet_abi_trap code);

/* Whether wrgsbase may be used. */
bool uses_fsgsbase(const struct compilation *c);

#endif
