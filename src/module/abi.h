/* The contract between compiled guest code and the runtime: memory layouts both sides know.
 * docs/abi.md states the rules; this header holds the numbers. Anything here that changes must
 * change LUCET_ABI_VERSION, which artifacts carry and the loader compares. */
#ifndef LUCET_ABI_H
#define LUCET_ABI_H

#include <stddef.h>
#include <stdint.h>

#define LUCET_ABI_VERSION 7u
#define LUCET_WASM_PAGE 65536u

/* Below what gs may point to, behind a guard: a word out of guests' reach that holds that address,
 * once it has been written there. Reading it says whether gs is as it should be for less than
 * reading gs. */
#define LUCET_GS_MARK (-0x1000 - 8)

/* Trap codes as they stand in the instruction: llvm.ubsantrap(code), i.e. `ud1l code(%eax),%eax`
 * on x86-64. 1..127. Public names are in include/lucet/types.h (lucet_trapcode_*), same values. */
/* clang-format off */
#define LUCET_TRAP_CODES(X)                                                                        \
    X(1, stack_overflow, "stack overflow")                                                         \
    X(2, heap_out_of_bounds, "out of bounds memory access")                                        \
    X(3, indirect_call_to_null, "uninitialized element")                                           \
    X(4, bad_signature, "indirect call type mismatch")                                             \
    X(5, integer_overflow, "integer overflow")                                                     \
    X(6, integer_div_by_zero, "integer divide by zero")                                            \
    X(7, bad_conversion_to_integer, "invalid conversion to integer")                               \
    X(8, interrupt, "interrupt")                                                                   \
    X(9, table_out_of_bounds, "out of bounds table access")                                        \
    X(10, unreachable, "unreachable")                                                              \
    X(11, heap_misaligned, "unaligned atomic")                                                     \
    X(12, unshared_wait, "expected shared memory")                                                 \
    X(13, null_reference, "null reference")                                                        \
    X(15, null_exception, "null exception reference")                                              \
    X(16, exceptions_exhausted, "too many exceptions are held")                                    \
    X(127, unknown, "unknown trap")
/* clang-format on */

enum lucet_abi_trap {
#define X(code, id, text) LUCET_TRAP_##id = (code),
    LUCET_TRAP_CODES(X)
#undef X
};

struct lucet_vmctx;

/* A function as a value. Immutable. Compiled code reads `code`, `type` and (in thunks and host
 * trampolines) `ctx` and `body`.
 *
 *   kind                    code                              body        ctx
 *   private to its module   the function's body               body        NULL (running instance)
 *   may be called by others thunk of the signature (owner's)  body        the owner's context
 *   host function           host trampoline of the signature  C function  NULL
 *
 * `code` is entered with the caller's context in the context register and the address of this
 * record in the scratch (nest) register. */
struct lucet_funcref {
    const void *code;
    uint64_t type; /* process-wide id of the interned signature; 0 is never a signature */
    const void *body;
    struct lucet_vmctx *ctx;
};

/* Compiled code reads base and size only. The base stays the same as long as anybody can reach the
 * memory. Of a shared memory, size is written and read atomically, and only grows. */
struct lucet_memory {
    uint8_t *base;
    uint64_t size;      /* bytes now accessible, a multiple of the memory's page size */
    uint64_t max_pages; /* never grows beyond */
    void *owner;        /* private to the runtime */
};

/* elems: funcref tables hold `const struct lucet_funcref *` (NULL = null reference), externref
 * tables hold the host's 64-bit value as it is (0 = null reference). */
struct lucet_table {
    uint64_t *elems;
    uint64_t size; /* entries now accessible */
    uint64_t max;
    void *owner; /* private to the runtime */
};

/* One per thread: what trampolines and thunks read and write while guest code runs. The runtime
 * saves and restores its contents around nested runs, so that pointers to it stay valid. */
struct lucet_activation {
    void *guest_frame;       /* NULL in guest code; in a host call, the address of the return
                                  address into the guest frame that made it */
    uint8_t *hostcall_limit; /* a host call may begin only while the stack pointer is >= this */
    struct lucet_vmctx *ctx; /* context of the running instance; thunks switch it */
    uint32_t pending; /* nonzero: a stop request that arrived during a host call, or an exception
                                that the host function threw */
    uint32_t reserved;
    struct lucet_catcher *catcher; /* where an exception lands that passes frames of instances which
                                      do not look for it; NULL = nowhere, it leaves the run */
};

/* What helper catcher.T leaves on the guest stack before it calls into an instance that does not
 * look for exceptions: enough to go on behind the call without returning through its frames. */
struct lucet_catcher {
    struct lucet_catcher *outer;
    struct lucet_vmctx *ctx; /* of the caller, which does look */
    uint64_t registers[8];   /* rbx rbp r12 r13 r14 r15 rsp rip */
};

/* The exception that is on its way, of an instance that looks for exceptions; in the guest's part
 * of its context. The values are there when its module knows the tag. */
struct lucet_pending {
    uint64_t tag;    /* its identity; 0 = no exception */
    uint64_t exnref; /* the exception as a value; 0 = it has not been made one */
    uint64_t values[][2];
};

/* Runtime functions that compiled code calls through its context: C prototypes
 * `R f(struct lucet_vmctx *, args...)`, entered by trampolines exactly like host functions.
 * Indices, sizes and addresses are passed as u32/u64 as in wasm. They do not return on a trap.
 *   name            signature in wasm letters */
/* clang-format off */
#define LUCET_BUILTINS(X)                                                                          \
    X(memory_grow, "iI:I")      /* memory, pages -> previous pages or -1 */                        \
    X(memory_copy, "iiIII:")    /* dst memory, src memory, dst, src, n */                          \
    X(memory_fill, "iIiI:")     /* memory, dst, byte, n */                                         \
    X(memory_init, "iiIii:")    /* memory, segment, dst, src, n */                                 \
    X(data_drop, "i:")          /* segment */                                                      \
    X(table_grow, "iII:I")      /* table, initial reference, n -> previous size or -1 */           \
    X(table_copy, "iiIII:")     /* dst table, src table, dst, src, n */                            \
    X(table_fill, "iIII:")      /* table, dst, reference, n */                                     \
    X(table_init, "iiIii:")     /* table, segment, dst, src, n */                                  \
    X(elem_drop, "i:")          /* segment */                                                      \
    X(stop, ":")                /* act on activation.pending; returns if nothing is to do */       \
    X(set_gs, ":")              /* put gs back (artifacts that do not use FSGSBASE) */             \
    X(exn_catch, ":I")          /* the exception on its way, caught and made an exnref */          \
    X(exn_throw, "I:")          /* exnref, not null: it is on its way */                           \
    X(exn_leave, ":")           /* the exception on its way is to leave the instance, ... */       \
    X(exn_arrive, ":")          /* ... and comes to this one, or goes on further out */            \
    X(exn_mark, "I:i")          /* called directly: fills the registers of a lucet_catcher;        \
                                   returns twice: 0, and 1 when an exception has landed */         \
    X(memory_wait32, "iIiI:i")  /* memory, address, expected, ns (< 0: no end) -> 0, 1, 2 */       \
    X(memory_wait64, "iIII:i")                                                                     \
    X(memory_notify, "iIi:i")   /* memory, address, how many at most -> how many */            \
    X(bound_expired, ":")       /* the number of instructions left is negative */             \
    X(exn_table_get, "iI:I")    /* table of exceptions, index -> exnref */
/* clang-format on */

enum lucet_builtin {
#define X(id, sig) LUCET_BUILTIN_##id,
    LUCET_BUILTINS(X)
#undef X
        LUCET_BUILTIN_COUNT
};
#define LUCET_BUILTIN_SLOTS 32 /* room in the context; > LUCET_BUILTIN_COUNT for later ones */

/* The fixed beginning of an instance's context. It is followed, at offsets which the artifact's
 * struct lucet_layout gives, by the host-written arrays; then, from a page boundary on, by what
 * guest code itself writes: scratch space for results, then globals. */
struct lucet_vmctx {
    uint8_t *gs_base;                    /* base of memory 0; what gs holds while this runs */
    struct lucet_activation *activation; /* valid while the instance runs */
    uint8_t *scratch;                    /* = (uint8_t *)this + layout.scratch */
    void *instance;                      /* private to the runtime */
    const void *builtins[LUCET_BUILTIN_SLOTS];
    struct lucet_pending *exception; /* NULL: its code does not look for exceptions after calls */
    uint64_t reserved[3];
};

#define LUCET_VMCTX_FIXED_SIZE ((uint32_t)sizeof(struct lucet_vmctx))
#define LUCET_COUNTER_SIZE 16u /* of the instruction counter, first in the guest part */
#define LUCET_RESULT_SLOT 16u  /* bytes per value in scratch space and in entry argument vectors */

#define LUCET_STATIC_OFFSET(type, field, value)                                                    \
    _Static_assert(offsetof(struct type, field) == (value), "ABI: " #type "." #field)
LUCET_STATIC_OFFSET(lucet_vmctx, gs_base, 0);
LUCET_STATIC_OFFSET(lucet_vmctx, activation, 8);
LUCET_STATIC_OFFSET(lucet_vmctx, scratch, 16);
LUCET_STATIC_OFFSET(lucet_vmctx, instance, 24);
LUCET_STATIC_OFFSET(lucet_vmctx, builtins, 32);
LUCET_STATIC_OFFSET(lucet_vmctx, exception, 32 + 8 * LUCET_BUILTIN_SLOTS);
LUCET_STATIC_OFFSET(lucet_activation, guest_frame, 0);
LUCET_STATIC_OFFSET(lucet_activation, hostcall_limit, 8);
LUCET_STATIC_OFFSET(lucet_activation, ctx, 16);
LUCET_STATIC_OFFSET(lucet_activation, pending, 24);
LUCET_STATIC_OFFSET(lucet_activation, catcher, 32);
LUCET_STATIC_OFFSET(lucet_catcher, outer, 0);
LUCET_STATIC_OFFSET(lucet_catcher, ctx, 8);
LUCET_STATIC_OFFSET(lucet_catcher, registers, 16);
LUCET_STATIC_OFFSET(lucet_pending, tag, 0);
LUCET_STATIC_OFFSET(lucet_pending, exnref, 8);
LUCET_STATIC_OFFSET(lucet_pending, values, 16);
LUCET_STATIC_OFFSET(lucet_funcref, code, 0);
LUCET_STATIC_OFFSET(lucet_funcref, type, 8);
LUCET_STATIC_OFFSET(lucet_funcref, body, 16);
LUCET_STATIC_OFFSET(lucet_funcref, ctx, 24);
LUCET_STATIC_OFFSET(lucet_memory, base, 0);
LUCET_STATIC_OFFSET(lucet_memory, size, 8);
LUCET_STATIC_OFFSET(lucet_table, elems, 0);
LUCET_STATIC_OFFSET(lucet_table, size, 8);

#endif
