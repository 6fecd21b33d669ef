/* Lucet: types shared by all public headers: errors, values, traps, results. */
#ifndef LUCET_TYPES_H
#define LUCET_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define LUCET_API __attribute__((visibility("default")))
#define LUCET_NORETURN __attribute__((noreturn))
#define LUCET_PRINTF(text, first) __attribute__((__format__(__printf__, text, first)))
#else
#define LUCET_API
#define LUCET_NORETURN
#define LUCET_PRINTF(text, first)
#endif

/* The version of the headers. One with another MAJOR, or while that is 0 another MINOR, may be
 * incompatible. */
#define LUCET_VERSION_MAJOR 0
#define LUCET_VERSION_MINOR 1
#define LUCET_VERSION_PATCH 0
#define LUCET_VERSION "0.1.0"
/* That of the library that the program runs with; static storage. Any thread, any time. */
LUCET_API const char *lucet_version(void);

/* Error codes: number, name, message. */
#define LUCET_ERRORS(X)                                                                            \
    X(0, ok, "no error")                                                                           \
    X(1, invalid_argument, "invalid argument")                                                     \
    X(2, region_full, "the region has no free slot")                                               \
    X(3, module, "the module is damaged, foreign or does not link")                                \
    X(4, limits_exceeded, "the module needs more than the region's limits allow")                  \
    X(5, no_linear_memory, "the instance has no linear memory")                                    \
    X(6, symbol_not_found, "no export or host function has that name")                             \
    X(7, func_not_found, "no function at that table index")                                        \
    X(8, runtime_fault, "the guest faulted")                                                       \
    X(9, runtime_terminated, "the guest was terminated")                                           \
    X(10, dl, "the artifact could not be opened or read")                                          \
    X(11, instance_not_returned, "the instance is running, yielded or faulted")                    \
    X(12, instance_not_yielded, "the instance has not yielded")                                    \
    X(13, instance_needs_start, "the module's start function has not run")                         \
    X(14, start_already_run, "the module's start function has run already")                        \
    X(15, start_yielded, "the start function yielded")                                             \
    X(16, internal, "an error inside Lucet")                                                       \
    X(17, unsupported, "not supported on this machine or by this module")                          \
    X(18, no_memory, "the host is out of memory, mappings or descriptors")                         \
    X(19, type_mismatch, "arguments or imports do not have the declared types")                    \
    X(20, compile, "the WebAssembly module could not be compiled")                                 \
    X(21, io, "a file could not be read or written")                                               \
    X(22, runtime_threw, "the guest threw an exception that nothing caught")

enum lucet_error {
#define X(code, name, text) lucet_error_##name = (code),
    LUCET_ERRORS(X)
#undef X
};

/* "lucet_error_region_full"; static storage; "unknown" for other numbers. Any thread, any time. */
LUCET_API const char *lucet_error_name(enum lucet_error e);
/* "the region has no free slot"; as above. */
LUCET_API const char *lucet_error_message(enum lucet_error e);

/* The last error's detail on the calling thread, in words: what, where, what to do. Never NULL; ""
 * after success, but for calls through handles, which leave what was there. Valid until the
 * thread's next lucet call. */
LUCET_API const char *lucet_error_detail(void);

/* Why guest code stopped. The values are those in the trap instructions (see docs/abi.md). */
enum lucet_trapcode {
    lucet_trapcode_stack_overflow = 1,
    lucet_trapcode_heap_out_of_bounds = 2,
    lucet_trapcode_indirect_call_to_null = 3,
    lucet_trapcode_bad_signature = 4,
    lucet_trapcode_integer_overflow = 5,
    lucet_trapcode_integer_div_by_zero = 6,
    lucet_trapcode_bad_conversion_to_integer = 7,
    lucet_trapcode_interrupt = 8,
    lucet_trapcode_table_out_of_bounds = 9,
    lucet_trapcode_unreachable = 10,
    lucet_trapcode_heap_misaligned = 11,
    lucet_trapcode_unshared_wait = 12,
    lucet_trapcode_null_reference = 13,
    lucet_trapcode_null_exception = 15,
    lucet_trapcode_exceptions_exhausted = 16, /* see exceptions_size of struct lucet_alloc_limits */
    lucet_trapcode_unknown = 127,
};
/* "stack_overflow", ...; static storage; "unknown" for other numbers. Any thread, any time. */
LUCET_API const char *lucet_trapcode_name(enum lucet_trapcode code);
/* The WebAssembly specification's words: "out of bounds memory access", ...; as above. */
LUCET_API const char *lucet_trapcode_message(enum lucet_trapcode code);

/* Types of values that cross the boundary. The small integers are for C callers' convenience:
 * they are extended to i32 or i64 as their sign says. */
enum lucet_val_type {
    lucet_val_type_c_ptr,     /* i64 */
    lucet_val_type_guest_ptr, /* i32: an offset in linear memory */
    lucet_val_type_u8,
    lucet_val_type_u16,
    lucet_val_type_u32,
    lucet_val_type_u64,
    lucet_val_type_i8,
    lucet_val_type_i16,
    lucet_val_type_i32,
    lucet_val_type_i64,
    lucet_val_type_usize, /* i32 */
    lucet_val_type_isize, /* i32 */
    lucet_val_type_bool,
    lucet_val_type_f32,
    lucet_val_type_f64,
    lucet_val_type_v128,
    lucet_val_type_funcref,   /* an opaque reference: as_ref; NULL = null */
    lucet_val_type_externref, /* the host's own 64 bits: as_u64; 0 = null */
    /* as_ref: struct lucet_exception *; NULL = null. What a call or a global gives is valid until
     * guest code of the instance, or of one that it is linked with, runs again; or retain it */
    lucet_val_type_exnref,
};
/* "i32", "guest_ptr", ...; static storage; "unknown" for other numbers. Any thread, any time. */
LUCET_API const char *lucet_val_type_name(enum lucet_val_type type);

struct lucet_val {
    enum lucet_val_type ty;
    union {
        void *as_c_ptr;
        uint32_t as_guest_ptr;
        uint8_t as_u8;
        uint16_t as_u16;
        uint32_t as_u32;
        uint64_t as_u64;
        int8_t as_i8;
        int16_t as_i16;
        int32_t as_i32;
        int64_t as_i64;
        size_t as_usize;
        ptrdiff_t as_isize;
        bool as_bool;
        float as_f32;
        double as_f64;
        uint8_t as_v128[16];
        const void *as_ref;
    } inner_val;
};

/* LUCET_VAL(i32, as_i32, 5), or LUCET_VAL_I32(5), is an expression. Initialisers of static objects
 * that gcc takes without a warning at -pedantic are LUCET_VAL_INIT(i32, as_i32, 5). */
#ifdef __cplusplus
/* Captures nothing, so that it may stand outside of functions. */
#define LUCET_VAL(t, f, x)                                                                         \
    ([](decltype(lucet_val().inner_val.f) lucet_x) -> struct lucet_val {                           \
        struct lucet_val lucet_made = {};                                                          \
        lucet_made.ty = lucet_val_type_##t;                                                        \
        lucet_made.inner_val.f = lucet_x;                                                          \
        return lucet_made;                                                                         \
    }(x))
#define LUCET_VAL_INIT(t, f, x) LUCET_VAL(t, f, x)
#else
#define LUCET_VAL_INIT(t, f, x)                                                                    \
    {                                                                                              \
        .ty = lucet_val_type_##t, .inner_val = {.f = (x) }                                         \
    }
#define LUCET_VAL(t, f, x) ((struct lucet_val){.ty = lucet_val_type_##t, .inner_val = {.f = (x)}})
#endif
#define LUCET_VAL_C_PTR(x) LUCET_VAL(c_ptr, as_c_ptr, x)
#define LUCET_VAL_GUEST_PTR(x) LUCET_VAL(guest_ptr, as_guest_ptr, x)
#define LUCET_VAL_U8(x) LUCET_VAL(u8, as_u8, x)
#define LUCET_VAL_U16(x) LUCET_VAL(u16, as_u16, x)
#define LUCET_VAL_U32(x) LUCET_VAL(u32, as_u32, x)
#define LUCET_VAL_U64(x) LUCET_VAL(u64, as_u64, x)
#define LUCET_VAL_I8(x) LUCET_VAL(i8, as_i8, x)
#define LUCET_VAL_I16(x) LUCET_VAL(i16, as_i16, x)
#define LUCET_VAL_I32(x) LUCET_VAL(i32, as_i32, x)
#define LUCET_VAL_I64(x) LUCET_VAL(i64, as_i64, x)
#define LUCET_VAL_USIZE(x) LUCET_VAL(usize, as_usize, x)
#define LUCET_VAL_ISIZE(x) LUCET_VAL(isize, as_isize, x)
#define LUCET_VAL_BOOL(x) LUCET_VAL(bool, as_bool, x)
#define LUCET_VAL_F32(x) LUCET_VAL(f32, as_f32, x)
#define LUCET_VAL_F64(x) LUCET_VAL(f64, as_f64, x)

/* The first result of a call, which lucet_retval_*() read, as it is (in `fp`, v128 too; 0 when
 * there is none). An i32 is in the lower half of what lucet_retval_gp() returns, and the upper half
 * is 0: a negative one is (int32_t)lucet_retval_gp(r). */
struct lucet_untyped_retval {
    uint8_t fp[16];
    uint8_t gp[8];
};
LUCET_API uint64_t lucet_retval_gp(const struct lucet_untyped_retval *r);
LUCET_API float lucet_retval_f32(const struct lucet_untyped_retval *r);
LUCET_API double lucet_retval_f64(const struct lucet_untyped_retval *r);

enum lucet_result_tag {
    lucet_result_tag_returned,
    lucet_result_tag_yielded,
    lucet_result_tag_faulted,
    lucet_result_tag_terminated,
    lucet_result_tag_errored,
    lucet_result_tag_threw,
};
/* "returned", ...; as above. */
LUCET_API const char *lucet_result_tag_name(enum lucet_result_tag tag);

enum lucet_terminated_reason {
    lucet_terminated_reason_signal,
    /* by lucet_vmctx_terminate(); `provided` holds its argument */
    lucet_terminated_reason_provided,
    lucet_terminated_reason_remote,  /* by a kill switch */
    lucet_terminated_reason_timeout, /* by a time limit */
    lucet_terminated_reason_heap_out_of_memory,
    lucet_terminated_reason_other,
    lucet_terminated_reason_cannot_yield, /* lucet_vmctx_yield() where it is impossible */
};
/* "timeout", ...; static storage; "unknown" for other numbers. Any thread, any time. */
LUCET_API const char *lucet_terminated_reason_name(enum lucet_terminated_reason reason);

/* Why a run was put aside. */
enum lucet_yield_reason {
    lucet_yield_reason_value, /* a host function called lucet_vmctx_yield() */
    lucet_yield_reason_slice, /* its time slice is over, or someone preempted it */
    lucet_yield_reason_bound, /* it has executed as many instructions as it was allowed */
};
/* "slice", ...; as above. */
LUCET_API const char *lucet_yield_reason_name(enum lucet_yield_reason reason);

/* One frame of a guest backtrace, innermost first. */
struct lucet_frame {
    uintptr_t pc;              /* absolute address */
    const char *module_name;   /* "" when unknown; owned by the module */
    const char *function_name; /* sanitised for terminals; "" when unknown; owned by the module */
    uint32_t function_index; /* in the module's function space, UINT32_MAX for generated helpers */
    uint32_t offset;         /* of pc from the function's first byte */
    /* Of artifacts made with lucetc -g: the instruction's offset in the WebAssembly module, and,
     * when that had line information, where its source is. */
    uint32_t wasm_offset;    /* UINT32_MAX when unknown */
    uint32_t source_line;    /* 0 when unknown */
    const char *source_file; /* sanitised for terminals; "" when unknown; owned by the module */
};

/* What is at an address: the names of the innermost wasm frame, or NULL. */
struct lucet_module_addr_details {
    bool module_code_resolvable, in_module_code;
    const char *file_name, *sym_name;
};

struct lucet_runtime_fault {
    bool fatal; /* the host should not go on with this process */
    enum lucet_trapcode trapcode;
    uintptr_t rip_addr;                      /* program counter */
    uintptr_t fault_addr;                    /* address of a memory fault, else 0 */
    const char *module_name, *function_name; /* of the innermost wasm frame; never NULL; as above */
    uint32_t function_index;
    /* Owned by the instance; valid until it runs, is reset or released. */
    const struct lucet_frame *backtrace;
    size_t backtrace_len;
    bool backtrace_truncated;
    struct lucet_module_addr_details rip_addr_details;
};

/* A value without its type, as calls through handles pass them. Upper bytes that the type does not
 * have mean nothing. */
union lucet_raw {
    int32_t i32;
    uint32_t u32;
    int64_t i64;
    uint64_t u64;
    float f32;
    double f64;
    void *ref; /* funcref, externref, exnref */
    uint8_t v128[16];
    uint64_t words[2];
} __attribute__((aligned(16)));

struct lucet_exception; /* exception.h */

/* What became of a call. One member has two names:
 * NOLINTNEXTLINE(bugprone-tagged-union-member-count) */
struct lucet_result {
    enum lucet_result_tag tag;
    union {
        struct lucet_untyped_retval returned;
        struct {
            void *val; /* the host function's; NULL for other reasons */
            enum lucet_yield_reason reason;
        } yielded;
        struct lucet_runtime_fault faulted, fault; /* the same; `fault` is the original's name */
        struct {
            enum lucet_terminated_reason reason;
            void *provided;
        } terminated;
        enum lucet_error errored;
        struct {
            /* Owned by the instance; valid until it runs, is reset or released; or retain it. */
            struct lucet_exception *exception;
        } threw;
    } val;
};

#ifdef __cplusplus
}
#endif
#endif
