/* The functions in an artifact that are no wasm functions: gates, thunks, trampolines, entries and
 * accessors (docs/abi.md). Which ones a module needs is in its plan; their names are given by one
 * walk, so that the metadata and the code cannot disagree. */
#ifndef LUCETC_HELPERS_H
#define LUCETC_HELPERS_H

#include "lucetc/emitter.h"

enum helper_kind {
    HELPER_import,     /* a = imported function */
    HELPER_gate,       /* a = type, b = table */
    HELPER_ref_gate,   /* a = type */
    HELPER_entry,      /* a = type */
    HELPER_thunk,      /* a = type */
    HELPER_host,       /* a = type */
    HELPER_catcher,    /* a = type */
    HELPER_builtin,    /* a = enum lucet_builtin */
    HELPER_global_get, /* a = global */
    HELPER_global_set,
    HELPER_table_get, /* a = table */
    HELPER_table_set,
    HELPER_table_size,
};

struct helper {
    enum helper_kind kind;
    uint32_t a, b;
};

/* Calls `visit` for every helper of the plan, in a fixed order. */
void helpers_each(const struct compilation *c, void (*visit)(void *arg, struct helper h),
                  void *arg);

#define HELPER_NAME_SIZE 48
void helper_name(struct helper h, char name[HELPER_NAME_SIZE]);
/* Declares the function of a helper. */
LLVMValueRef helper_declare(struct emitter *e, struct helper h);

/* Emits all helpers into the module of e. */
void helpers_emit(struct emitter *e);

/* One per kind; the builder stands in the entry block of the helper's function. */
void emit_import_gate(struct emitter *e, LLVMValueRef func, struct helper h);     /* gate.c */
void emit_call_gate(struct emitter *e, LLVMValueRef func, struct helper h);       /* gate.c */
void emit_ref_gate(struct emitter *e, LLVMValueRef func, struct helper h);        /* gate.c */
void emit_thunk(struct emitter *e, LLVMValueRef func, struct helper h);           /* thunk.c */
void emit_entry(struct emitter *e, LLVMValueRef func, struct helper h);           /* entry.c */
void emit_host_trampoline(struct emitter *e, LLVMValueRef func, struct helper h); /* hostcall.c */
void emit_builtin(struct emitter *e, LLVMValueRef func, struct helper h);         /* hostcall.c */
void emit_catcher(struct emitter *e, LLVMValueRef func, struct helper h);         /* catcher.c */
void emit_accessor(struct emitter *e, LLVMValueRef func, struct helper h);        /* accessor.c */

/* Descriptor of a table or memory: the address of the struct in whichever context owns it. */
LLVMValueRef table_descriptor(struct emitter *e, LLVMValueRef context, uint32_t table);

/* hostcall.c: what is done on the way back to guest code, whoever ran meanwhile (docs/abi.md
 * C8). */
void enter_guest(struct emitter *e, LLVMValueRef context);
/* Calls a runtime function `void f(struct lucet_vmctx *)` directly. */
void call_builtin_directly(struct emitter *e, LLVMValueRef context, enum lucet_builtin id);

#endif
