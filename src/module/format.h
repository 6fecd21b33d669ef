/* The artifact: what lucetc writes and the runtime loads.
 *
 * An artifact is an ELF64 shared object without dynamic relocations, undefined symbols,
 * initialisers or writable segments:
 *
 *   PT_LOAD R    ELF headers, .dynsym/.hash/.dynstr/.dynamic/.note.gnu.build-id (for tools only),
 *                .rodata (constants, jump tables), .eh_frame(_hdr), .lucet.data (bulk bytes),
 *                .lucet.module (the metadata below)
 *   PT_LOAD R E  .text: guest functions, gates, thunks, trampolines, entries; nothing else
 *
 * Section .lucet.module:
 *
 *   +--------------------+ 0
 *   | lucet_module_header|   fixed size; holds one {offset, count} span per table
 *   +--------------------+
 *   | tables             |   arrays of the fixed-size records below, 8-byte aligned
 *   | strings            |   names: bytes addressed by lucet_str, not NUL-terminated
 *   +--------------------+
 *
 * All numbers are little-endian; all spans are relative to the section's beginning. Code is
 * addressed by lucet_code: an offset from the beginning of .lucet.module to a byte in .text, in
 * 32 bits, wrapping (a label difference: needs no relocation). 0 = absent.
 *
 * The reader (reader.c) believes nothing: every span, index, name and code offset is checked
 * before it is handed out. */
#ifndef LUCET_FORMAT_H
#define LUCET_FORMAT_H

#include "module/abi.h"

#define LUCET_MODULE_MAGIC "LUCETMOD"
#define LUCET_FORMAT_VERSION 3u
#define LUCET_SECTION_MODULE ".lucet.module"
#define LUCET_SECTION_DATA ".lucet.data"
#define LUCET_NONE UINT32_MAX

typedef uint32_t lucet_code; /* see above */

struct lucet_span {
    uint32_t offset, count; /* count in records */
};

struct lucet_str {
    uint32_t offset, size; /* within the strings table */
};

/* CPU features an artifact may need. The loader refuses it when the CPU lacks one. Detection bits
 * and LLVM names are in cpu.c. */
/* clang-format off */
#define LUCET_CPU_FEATURES(X)                                                                      \
    X(0, sse3) X(1, ssse3) X(2, sse4_1) X(3, sse4_2) X(4, popcnt) X(5, cx16) X(6, sahf)            \
    X(7, avx) X(8, avx2) X(9, bmi) X(10, bmi2) X(11, lzcnt) X(12, movbe) X(13, fma) X(14, f16c)    \
    X(15, fsgsbase) X(16, adx) X(17, aes) X(18, pclmul) X(19, sha) X(20, gfni) X(21, vaes)         \
    X(22, vpclmulqdq) X(23, avx512f) X(24, avx512bw) X(25, avx512dq) X(26, avx512vl)               \
    X(27, avx512cd) X(28, avx512ifma) X(29, avx512vbmi) X(30, avx512vbmi2) X(31, avx512vnni)       \
    X(32, avx512bitalg) X(33, avx512vpopcntdq) X(34, avxvnni) X(35, other)
/* clang-format on */

enum lucet_arch { LUCET_ARCH_X86_64 = 62, LUCET_ARCH_AARCH64 = 183 }; /* ELF e_machine */

/* What the code assumes about the slot it runs in; the loader compares it with the region. */
struct lucet_heap_layout {
    uint64_t reserved_size; /* bytes of address space from the base of memory 0 that are its own */
    uint64_t guard_size;    /* bytes behind them that fault */
    uint64_t front_guard;   /* bytes before the base that fault */
};

/* Offsets from the context, in bytes. Arrays before `guest_part` are written by the runtime only,
 * before the instance runs; what follows is written by guest code. */
struct lucet_layout {
    uint32_t memories;          /* struct lucet_memory [own memories] */
    uint32_t imported_memories; /* struct lucet_memory *[imported memories] */
    uint32_t tables;            /* struct lucet_table [own tables] */
    uint32_t imported_tables;   /* struct lucet_table *[imported tables] */
    uint32_t imported_funcs;    /* const struct lucet_funcref *[imported functions] */
    uint32_t imported_globals;  /* void *[imported globals]: address of the owner's cell when
                                  mutable, unused otherwise */
    uint32_t type_ids;          /* uint64_t [types] */
    uint32_t funcrefs;          /* const struct lucet_funcref *[module.ref_funcs] */
    uint32_t tags;              /* uint64_t [tags]: their identities */
    uint32_t guest_part;        /* multiple of 4096 */
    uint32_t scratch;           /* >= guest_part, 16-byte aligned */
    uint32_t scratch_size;
    uint32_t exception;      /* struct lucet_pending, 16-byte aligned */
    uint32_t exception_size; /* 0: the code does not look for exceptions after calls */
    uint32_t globals;        /* 16-byte aligned */
    uint32_t globals_size;
    uint32_t size; /* of the whole context */
};

/* Where what guest code writes to ends: the context is whole pages, of which that is little. What
 * is behind is not cleared between tenants of one module. */
static inline uint32_t lucet_layout_guest_end(const struct lucet_layout *l)
{
    const uint32_t scratch = l->scratch + l->scratch_size, globals = l->globals + l->globals_size;
    const uint32_t exception = l->exception + l->exception_size;
    const uint32_t end = scratch > globals ? scratch : globals;

    return end > exception ? end : exception;
}

enum lucet_module_flags {
    /* No function reference can leave the instance: records are per module, with a null context */
    LUCET_MODULE_PRIVATE_FUNCS = 1u << 0,
    LUCET_MODULE_PRECISE_TRAPS = 1u << 1,
    LUCET_MODULE_COUNTS_INSTRUCTIONS = 1u << 2,
    LUCET_MODULE_TAIL_CALLS = 1u << 3, /* bodies have one prototype (docs/abi.md C10) */
};

/* Value types are numbers as in src/wasm/wasm.h: the binary format's bytes; references that are
 * never null have bit 7 set, and references to a type of the module are LUCET_REF_TYPE with its
 * index from bit 8 on. The plain type says how a value is represented and is one of those marked
 * with *. */
enum lucet_valtype {
    LUCET_I32 = 0x7f,
    LUCET_I64 = 0x7e,
    LUCET_F32 = 0x7d,
    LUCET_F64 = 0x7c,
    LUCET_V128 = 0x7b,
    LUCET_NULLEXNREF = 0x74,
    LUCET_NULLFUNCREF = 0x73,
    LUCET_NULLEXTERNREF = 0x72,
    LUCET_FUNCREF = 0x70,   /* * */
    LUCET_EXTERNREF = 0x6f, /* * */
    LUCET_EXNREF = 0x69,    /* * */
    LUCET_REF_TYPE = 0x63,
    LUCET_NON_NULL = 0x80,
};

static inline uint8_t lucet_valtype_plain(uint32_t type)
{
    switch (type & 0x7f) {
    case LUCET_REF_TYPE:
    case LUCET_NULLFUNCREF: return LUCET_FUNCREF;
    case LUCET_NULLEXTERNREF: return LUCET_EXTERNREF;
    case LUCET_NULLEXNREF: return LUCET_EXNREF;
    default: return type & 0x7f;
    }
}

enum lucet_extern {
    LUCET_EXTERN_FUNC,
    LUCET_EXTERN_TABLE,
    LUCET_EXTERN_MEMORY,
    LUCET_EXTERN_GLOBAL,
    LUCET_EXTERN_TAG,
};
#define LUCET_EXTERN_KINDS 5u

struct lucet_module_type {
    uint32_t valtypes; /* index into valtypes[]: parameters, then results */
    uint16_t nparams, nresults;
    lucet_code entry; /* void (ctx, nest body, value *argv): calls `body` from the host; 0 = none */
    lucet_code thunk; /* for records that carry a context; 0 when the module is private */
    lucet_code host;  /* host trampoline; 0 when no import has this signature */
    /* Types of a recursion group lie one behind the other: those of it that come before and
     * after. */
    uint32_t group_before, group_after;
    uint32_t is_open; /* 1: it may have subtypes, which makes it another type */
};

struct lucet_module_import {
    struct lucet_str module, name;
    struct lucet_str symbol; /* functions: the native symbol the bindings give; size 0 = none, then
                                it is linked by module and name */
    uint32_t kind;           /* enum lucet_extern */
    uint32_t index;          /* in its index space */
};

struct lucet_module_export {
    struct lucet_str name;
    uint32_t kind, index; /* enum lucet_extern */
};

/* Exports are in order of their names (memcmp, then length), without duplicates. */

struct lucet_module_func {
    uint32_t type;
    lucet_code code;       /* body; for an import, its gate */
    struct lucet_str name; /* from the name section, for people; size 0 = none */
    uint32_t wasm_offset;  /* of the body in the .wasm file; 0 for imports */
    uint32_t effects;      /* set of enum lucet_func_effects; 0 for imports */
};

/* What is known that a function does not do (docs/abi.md section 8); the runtime leaves out what
 * would be for nothing. Only functions without loops whose parameters and results are few
 * integers. */
enum lucet_func_effects {
    /* It calls nothing but closed functions of the module, and all of these uses no vector
     * registers, no floating point and nothing of the runtime. */
    LUCET_FUNC_CLOSED = 1u << 0,
    /* It writes to no memory, and to LUCET_QUIET_STACK bytes of the stack at most, its entry's
     * frame included. Only together with the former. */
    LUCET_FUNC_QUIET = 1u << 1,
};
#define LUCET_QUIET_STACK 704u
#define LUCET_CLOSED_LEVELS 4u /* closed functions within each other, at most */
#define LUCET_CLOSED_PARAMS 6u

/* A constant expression: ops[first .. first+count) of init_ops, evaluated on a stack. */
struct lucet_init {
    uint32_t first, count;
};

/* Flags of tables and memories. */
#define LUCET_HAS_MAX 1u
#define LUCET_INDEX64 2u /* indices are i64 */
#define LUCET_SHARED 4u  /* memories: several instances may use it at the same time */

struct lucet_module_table {
    uint64_t min, max;
    uint32_t elem; /* exact type */
    uint32_t flags;
    struct lucet_init init; /* of all entries; count 0 = null */
};

struct lucet_module_memory {
    uint64_t min, max; /* pages */
    uint32_t flags;
    uint32_t page_log2; /* 16, or 0: pages of one byte */
};

/* Most pages a memory can have: what its indices can name. */
static inline uint64_t lucet_memory_most_pages(uint32_t flags, uint32_t page_log2)
{
    if (page_log2 == 0)
        return flags & LUCET_INDEX64 ? UINT64_MAX : UINT32_MAX;
    return UINT64_C(1) << ((flags & LUCET_INDEX64 ? 64 : 32) - page_log2);
}

/* The size of `pages`; UINT64_MAX when it is more than 64 bits can say. */
static inline uint64_t lucet_memory_bytes(uint64_t pages, uint32_t page_log2)
{
    return pages > UINT64_MAX >> page_log2 ? UINT64_MAX : pages << page_log2;
}

/* Whether code reaches memory number `index` without a comparison, because reservation and guard
 * contain whatever a 32-bit index can name (docs/abi.md M2). */
static inline int lucet_memory_is_guarded(uint32_t index, uint32_t flags, uint32_t page_log2)
{
    return index == 0 && !(flags & LUCET_INDEX64) && page_log2 == 16;
}

struct lucet_module_tag {
    uint32_t type; /* without results */
};

enum lucet_init_kind {
    LUCET_INIT_I32 = 1,
    LUCET_INIT_I64,
    LUCET_INIT_F32,
    LUCET_INIT_F64,
    LUCET_INIT_V128,
    LUCET_INIT_GLOBAL_GET, /* value[0] = global index */
    LUCET_INIT_REF_NULL,   /* value[0] = exact type */
    LUCET_INIT_REF_FUNC,   /* value[0] = function index */
    LUCET_INIT_I32_ADD,    /* these take two operands: */
    LUCET_INIT_I32_SUB,
    LUCET_INIT_I32_MUL,
    LUCET_INIT_I64_ADD,
    LUCET_INIT_I64_SUB,
    LUCET_INIT_I64_MUL,
};
#define LUCET_INIT_DEPTH 256 /* values on the stack of an expression, at most */

struct lucet_init_op {
    uint32_t kind, reserved; /* enum lucet_init_kind */
    uint64_t value[2];
};

struct lucet_module_global {
    uint32_t type;    /* exact */
    uint32_t mutable; /* 0 or 1 */
    uint32_t cell;    /* offset of its cell from the context (also of the copy of an imported
                         immutable global); LUCET_NONE for imported mutable ones */
    uint32_t reserved;
    struct lucet_init init; /* count 0 for imports */
};

enum lucet_segment_mode { LUCET_ACTIVE, LUCET_PASSIVE, LUCET_DECLARATIVE };

struct lucet_module_elem {
    uint32_t mode, type; /* enum lucet_segment_mode, exact type */
    uint32_t table;
    uint32_t first, count; /* elem_funcs[first..) when is_exprs is 0, else elem_inits[first..) */
    uint32_t is_exprs;
    struct lucet_init offset; /* active only */
};

struct lucet_module_data {
    uint32_t mode, memory;
    uint64_t bytes; /* offset in section .lucet.data */
    uint64_t size;
    struct lucet_init offset; /* active only */
};

/* clang-format off */
#define LUCET_MODULE_TABLES(X)                                                                     \
    X(types, struct lucet_module_type)                                                             \
    X(valtypes, uint8_t)   /* plain */                                                             \
    X(reftypes, uint32_t)  /* the same, exact; none when they are all plain */                     \
    X(imports, struct lucet_module_import)                                                         \
    X(exports, struct lucet_module_export)                                                         \
    X(funcs, struct lucet_module_func)     /* imported functions first, as in all index spaces */  \
    X(tables, struct lucet_module_table)                                                           \
    X(memories, struct lucet_module_memory)                                                        \
    X(globals, struct lucet_module_global)                                                         \
    X(tags, struct lucet_module_tag)                                                               \
    X(elems, struct lucet_module_elem)                                                             \
    X(elem_funcs, uint32_t)                                                                        \
    X(elem_inits, struct lucet_init)                                                               \
    X(datas, struct lucet_module_data)                                                             \
    X(init_ops, struct lucet_init_op)                                                              \
    X(ref_funcs, uint32_t) /* functions that ref.func in bodies names; layout.funcrefs' order */   \
    X(helpers, struct lucet_module_helper) /* generated code that is no wasm function */           \
    X(strings, char)
/* clang-format on */

/* Gates, thunks, trampolines, entries, accessors: for backtraces, objdump and the audit. */
struct lucet_module_helper {
    lucet_code code;
    struct lucet_str
        name; /* "gate.3.0", "thunk.3", "host.3", "entry.3", "import.7", "builtin.memory_grow" */
};

struct lucet_module_header {
    char magic[8];
    uint32_t format_version, abi_version;
    uint32_t arch;         /* enum lucet_arch */
    uint32_t flags;        /* enum lucet_module_flags */
    uint64_t cpu_features; /* set of 1 << LUCET_CPU_FEATURES bit */
    struct lucet_heap_layout heap;
    struct lucet_layout layout;
    uint32_t start; /* function index or LUCET_NONE */
    uint32_t nimported_funcs, nimported_tables, nimported_memories, nimported_globals;
    uint32_t nimported_tags;
    uint32_t size;      /* of the whole section */
    uint64_t data_size; /* of section .lucet.data */
    struct lucet_str module_name;
    struct lucet_str producer; /* "lucetc 0.1.0 (LLVM 22.1.8)" */
    struct lucet_str cpu;      /* LLVM's name of the CPU compiled for */
#define X(name, type) struct lucet_span name;
    LUCET_MODULE_TABLES(X)
#undef X
};

#endif
