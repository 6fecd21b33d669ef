#include "tools/lucet-objdump/audit_policy.h"

#define MEM(id) (1u << MEMORY_##id)
#define BR(id) (1u << BRANCH_##id)
#define CLS(id) (1u << CLASS_##id)

/* Own frame, own context, constants: for everybody. */
#define FRAME (MEM(STACK) | MEM(STACK_ARGS) | MEM(STACK_PROBE))
#define OWN (FRAME | MEM(CONTEXT_READ) | MEM(CONTEXT_WRITE) | MEM(RODATA))
#define HEAP                                                                                       \
    (MEM(GS_INDEX) | MEM(GS_CONSTANT) | MEM(GS_SUM) | MEM(GS_NEGATIVE) | MEM(GS_CHECKED) |         \
     MEM(MEMORY_N) | MEM(DESCRIPTOR))
#define RUNTIME MEM(POINTER)

/* What wasm code may call. Thunks, host trampolines and entries believe their scratch register, so
 * they are reached through records or from the runtime only. */
#define CALLABLE                                                                                   \
    (CLS(GUEST) | CLS(GATE) | CLS(REF) | CLS(IMPORT) | CLS(BUILTIN) | CLS(GLOBAL) | CLS(TABLE))

const struct audit_policy audit_policies[CLASS_COUNT] = {
    [CLASS_GUEST] = {.memory = OWN | HEAP | MEM(JUMP_TABLE),
                     .branches = BR(CALL) | BR(TABLE),
                     .branches_with_tail_calls = BR(TAIL),
                     .callees = CALLABLE,
                     .own_context = true},
    [CLASS_GATE] = {.memory = OWN | RUNTIME | MEM(POINTER_INDEX),
                    .branches = BR(GATE) | BR(TAIL),
                    .branches_with_tail_calls = BR(HOST_CALL),
                    .callees = CLS(CATCHER),
                    .own_context = true},
    [CLASS_REF] = {.memory = OWN | RUNTIME,
                   .branches = BR(GATE) | BR(TAIL),
                   .callees = CLS(CATCHER),
                   .branches_with_tail_calls = BR(HOST_CALL),
                   .own_context = true},
    [CLASS_IMPORT] = {.memory = OWN | RUNTIME,
                      .branches = BR(GATE) | BR(TAIL),
                      .branches_with_tail_calls = BR(HOST_CALL),
                      .callees = CLS(CATCHER),
                      .own_context = true},
    [CLASS_THUNK] = {.memory = OWN | RUNTIME | MEM(CONTEXT_HOST),
                     .branches = BR(CALL) | BR(GATE) | BR(HOST_CALL),
                     .callees = CLS(BUILTIN),
                     .gs_base = true},
    [CLASS_HOST] = {.memory = OWN | RUNTIME | MEM(GS_MARK),
                    .branches = BR(HOST_CALL),
                    .gs_base = true,
                    .own_context = true},
    [CLASS_CATCHER] = {.memory = OWN | RUNTIME | MEM(GS_MARK),
                       .branches = BR(HOST_CALL),
                       .gs_base = true,
                       .own_context = true},
    [CLASS_ENTRY] = {.memory = OWN | RUNTIME, .branches = BR(HOST_CALL), .own_context = true},
    [CLASS_BUILTIN] = {.memory = OWN | RUNTIME | MEM(GS_MARK),
                       .branches = BR(HOST_CALL),
                       .gs_base = true,
                       .own_context = true},
    [CLASS_GLOBAL] = {.memory = OWN | RUNTIME, .own_context = true},
    [CLASS_TABLE] = {.memory = OWN | RUNTIME | MEM(POINTER_INDEX), .own_context = true},
    [CLASS_OTHER] = {.memory = OWN, .own_context = true},
};
