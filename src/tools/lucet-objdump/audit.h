/* The audit: decodes all machine code of an artifact and says, for every access to memory and every
 * branch, why it stays where it may go; or that it does not know. docs/audit.md explains the
 * categories. The audit believes the metadata (checked by the reader) and nothing of the code.
 *
 *   audit_decode.c   bytes -> struct audit_insn          audit_allow.c   allowed instructions
 *   audit_value.c    abstract values, audit_arith.c      audit_state.c   registers and stack slots
 *   audit_assume.c   what conditions say                 audit_step.c    effect of one instruction
 *   audit_unit.c     one function: blocks                audit_flow.c    states of all blocks
 *   audit_classify.c accesses and branches -> categories audit_policy.c  what each class may do
 *   audit_findings.c list of what was found              audit_fit.c     sizes of memories
 *   audit_effects.c  what functions are marked not to do
 *   audit.c          the whole artifact */
#ifndef LUCET_AUDIT_H
#define LUCET_AUDIT_H

#include "module/format.h"
#include "tools/lucet-objdump/audit_state.h"

/* Classes of functions: the artifact's wasm functions, and its helpers by the first part of their
 * names. */
#define AUDIT_CLASSES(X)                                                                           \
    X(GUEST, "guest")                                                                              \
    X(GATE, "gate")                                                                                \
    X(REF, "ref")                                                                                  \
    X(IMPORT, "import")                                                                            \
    X(THUNK, "thunk")                                                                              \
    X(HOST, "host")                                                                                \
    X(ENTRY, "entry")                                                                              \
    X(CATCHER, "catcher")                                                                          \
    X(BUILTIN, "builtin")                                                                          \
    X(GLOBAL, "global")                                                                            \
    X(TABLE, "table")                                                                              \
    X(OTHER, "other")

enum audit_class {
#define X(id, name) CLASS_##id,
    AUDIT_CLASSES(X)
#undef X
        CLASS_COUNT
};

/* Categories of memory operands. */
#define AUDIT_MEMORY(X)                                                                            \
    X(GS_INDEX, "gs+index", "gs + zero-extended 32-bit index + constant >= 0")                     \
    X(GS_CONSTANT, "gs+constant", "gs + constant")                                                 \
    X(GS_SUM, "gs+sum", "gs + sum proved to lie within reservation and guard")                     \
    X(GS_NEGATIVE, "gs-negative", "gs + value that may be negative, within the front guard")       \
    X(GS_MARK, "gs-mark", "the word behind the front guard that says where gs points")             \
    X(GS_CHECKED, "gs+checked", "gs + number compared with the size of memory 0")                  \
    X(MEMORY_N, "memory-N", "base of a memory + number compared with its size")                    \
    X(DESCRIPTOR, "descriptor", "base and size of an imported memory")                             \
    X(STACK, "stack", "rsp + constant, in the function's own frame")                               \
    X(STACK_ARGS, "stack-args", "rsp + constant, arguments passed on the stack")                   \
    X(STACK_PROBE, "stack-probe", "store at a moving rsp that probes the stack page by page")      \
    X(CONTEXT_READ, "context-read", "context + constant, read")                                    \
    X(CONTEXT_WRITE, "context-write", "context + constant, written, in the guest's part")          \
    X(CONTEXT_HOST, "context-host", "context + constant, written, in the host's part")             \
    X(RODATA, "read-only", "read-only data of the artifact")                                       \
    X(JUMP_TABLE, "jump-table", "entry of a jump table, index in bounds")                          \
    X(POINTER, "pointer", "constant offset from a pointer of the runtime's")                       \
    X(POINTER_INDEX, "pointer+index", "variable offset from a pointer of the runtime's")           \
    X(OTHER, "other", "not understood")

enum audit_memory {
#define X(id, name, text) MEMORY_##id,
    AUDIT_MEMORY(X)
#undef X
        MEMORY_COUNT
};

/* Shapes of branches. */
#define AUDIT_BRANCHES(X)                                                                          \
    X(CALL, "call", "direct call of a function's first instruction")                               \
    X(TAIL, "tail-jump", "direct jump to another function's first instruction")                    \
    X(TABLE, "table-jump", "br_table through a checked jump table")                                \
    X(GATE, "gate-jump", "indirect jump through a record of the runtime's")                        \
    X(HOST_CALL, "host-call", "indirect call through a pointer of the runtime's")                  \
    X(OTHER, "other", "indirect, not understood")

enum audit_branch {
#define X(id, name, text) BRANCH_##id,
    AUDIT_BRANCHES(X)
#undef X
        BRANCH_COUNT
};

/* Kinds of findings. */
#define AUDIT_FINDINGS(X)                                                                          \
    X(MEMORY, "memory")           /* an access of a category its class may not have */             \
    X(BRANCH, "branch")           /* an indirect branch, likewise */                               \
    X(TARGET, "target")           /* a direct branch to a place it may not go to */                \
    X(INSTRUCTION, "instruction") /* not on the list of allowed instructions, or no instruction */ \
    X(FRAME, "frame")             /* stack pointer or saved registers wrong at a return or call */ \
    X(CONTEXT, "context")         /* another context in its register at a call */                  \
    X(EFFECTS, "effects")         /* more is done than the function's mark says */                 \
    X(PADDING, "padding")         /* code between functions */                                     \
    X(RANGE, "range")             /* the tables and .eh_frame disagree about a function */         \
    X(LIMIT, "limit")             /* the audit gave up */

enum audit_finding_kind {
#define X(id, name) FINDING_##id,
    AUDIT_FINDINGS(X)
#undef X
        FINDING_COUNT
};

struct audit_function {
    uint32_t start, end; /* image addresses */
    enum audit_class class;
    uint32_t stack_args;    /* bytes of arguments on the stack that it may use */
    uint32_t outgoing_args; /* the same of what it calls indirectly */
    uint32_t
        effects; /* enum lucet_func_effects: its marks; of an entry, those of what it may call */
    const char *range_note; /* what is doubtful about start and end, or NULL */
    bool range_wrong;       /* and that is a violation */
    char name[64];          /* "guest_func_7", "gate.3.0"; fit to be printed */
};

/* A function of the module that is marked (enum lucet_func_effects); several may be at one
 * address. */
struct audit_mark {
    uint32_t function, effects; /* number in the input */
    uint32_t entry;             /* for its type; UINT32_MAX: there is no such function */
    bool entered;               /* but the artifact says that there is */
};

struct audit_area { /* mapped bytes of the image */
    uint32_t start, end;
    const uint8_t *bytes;
};

struct audit_input {
    struct audit_area text;
    struct audit_area readonly[8];
    unsigned nreadonly;
    const struct lucet_module_header *header;
    struct audit_unit_sizes sizes;
    uint32_t nmemories, ntables; /* own ones */
    bool has_bmi, has_avx512;
    struct audit_function *functions; /* sorted, disjoint, within text */
    uint32_t nfunctions;
    struct audit_mark *marks;
    uint32_t nmarks;
};

struct audit_finding {
    uint32_t function, at; /* function number of the input; image address */
    enum audit_finding_kind kind;
    bool violation; /* else it is only worth knowing */
    char text[160];
};

struct audit_counts {
    uint64_t functions, bytes, instructions, unreached;
    uint64_t memory[MEMORY_COUNT], branches[BRANCH_COUNT];
    uint64_t findings[FINDING_COUNT], violations;
};

struct audit_report {
    struct audit_counts classes[CLASS_COUNT], total;
    struct audit_finding *findings; /* the first AUDIT_MAX_FINDINGS of them */
    uint32_t nfindings, room;
    uint32_t largest_frame, largest_function; /* bytes below the entry's rsp; its number */
    uint32_t closed, quiet,
        quiet_stack; /* functions; bytes that one of the latter writes to at most */
    struct audit_effects *effects;
};

enum { AUDIT_MAX_FINDINGS = 100000 };

/* False when out of memory. The report is to be freed either way. */
bool audit_run(const struct audit_input *in, struct audit_report *out);
void audit_report_free(struct audit_report *r);

/* The number of the function that holds the address, or UINT32_MAX. */
uint32_t audit_function_at(const struct audit_input *in, uint64_t address);
/* The number of the function that begins there, or UINT32_MAX. */
uint32_t audit_function_from(const struct audit_input *in, uint64_t address);
/* `size` bytes of read-only data at an image address, or NULL. */
const uint8_t *audit_readonly(const struct audit_input *in, int64_t address, uint64_t size);

const char *audit_class_name(enum audit_class c);
const char *audit_memory_name(enum audit_memory m);
const char *audit_memory_text(enum audit_memory m);
const char *audit_branch_name(enum audit_branch b);
const char *audit_branch_text(enum audit_branch b);
const char *audit_finding_name(enum audit_finding_kind k);

#endif
