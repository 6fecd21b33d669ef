/* What translators of memory instructions share. */
#ifndef LUCETC_MEMORY_H
#define LUCETC_MEMORY_H

#include "lucetc/func.h"

/* Address of an access of `width` bytes by a load or store, whose index has been popped; after its
 * bounds check where one is needed. */
LLVMValueRef memory_address(struct func *f, LLVMValueRef index, const struct wasm_instr *in,
                            uint64_t width);
/* What all plain accesses to linear memory have: any alignment, alias class, exactness. */
void finish_access(struct func *f, const struct wasm_instr *in, LLVMValueRef access);

bool memory_is_shared(const struct func *f, uint32_t memory);
/* Accessible bytes as i64. */
LLVMValueRef memory_bytes(struct func *f, uint32_t memory);
/* An index, or a number of pages or entries, as i64. */
LLVMValueRef widen_index(struct func *f, LLVMValueRef index);

/* `arg` is an ACCESS(): the type in memory; a value as that type; a value of that type as its
 * valtype. */
LLVMTypeRef access_type(const struct func *f, uint32_t arg);
LLVMValueRef narrow(struct func *f, LLVMValueRef value, LLVMTypeRef to);
void push_extended(struct func *f, LLVMValueRef value, uint32_t arg);

#endif
