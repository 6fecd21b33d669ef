/* WebAssembly modules: decoding and validation.
 *
 * The decoder treats every byte as hostile. It needs no operating system, no LLVM and no global
 * state; all memory of a module comes from one arena that wasm_module_free() releases. Names,
 * bodies, data and custom sections point into the caller's bytes, which must outlive the module.
 *
 * After wasm_module_decode() succeeded the whole module is valid (function bodies included), so a
 * consumer that walks bodies with struct wasm_reader needs no checks of its own. */
#ifndef LUCET_WASM_H
#define LUCET_WASM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A value type. Numeric and vector types, and nullable references to abstract heap types, are their
 * binary byte. Two things are added to it:
 *
 *     bit 7        a reference that is never null
 *     bits 8..31   WASM_REF_TYPE only: the type that is referred to, an index into the module's
 *                  types
 */
typedef uint32_t wasm_valtype;
enum {
    WASM_I32 = 0x7f,
    WASM_I64 = 0x7e,
    WASM_F32 = 0x7d,
    WASM_F64 = 0x7c,
    WASM_V128 = 0x7b,
    WASM_NULLEXNREF = 0x74,    /* (ref null noexn) */
    WASM_NULLFUNCREF = 0x73,   /* (ref null nofunc) */
    WASM_NULLEXTERNREF = 0x72, /* (ref null noextern) */
    WASM_FUNCREF = 0x70,
    WASM_EXTERNREF = 0x6f,
    WASM_EXNREF = 0x69,
    WASM_REF_TYPE = 0x63, /* (ref null i) */

    WASM_NON_NULL = 0x80,
    WASM_REF_INDEX_LIMIT = 1 << 24, /* type indices in references are below */
};

static inline bool wasm_is_ref(wasm_valtype t)
{
    return (t & 0x7f) != 0 && (t & 0x7f) <= WASM_NULLEXNREF;
}

/* The following are meaningful for references only. */
static inline bool wasm_ref_is_nullable(wasm_valtype t)
{
    return !(t & WASM_NON_NULL);
}

static inline wasm_valtype wasm_ref_as_non_null(wasm_valtype t)
{
    return t | WASM_NON_NULL;
}

/* What is referred to, as the type of nullable references to it: WASM_FUNCREF, WASM_EXTERNREF, ...,
 * or a reference to a type of the module. */
static inline wasm_valtype wasm_heap_type(wasm_valtype t)
{
    return t & ~(wasm_valtype)WASM_NON_NULL;
}

/* References to a type of the module; wasm_ref_index() is its index. */
static inline bool wasm_ref_is_concrete(wasm_valtype t)
{
    return (t & 0x7f) == WASM_REF_TYPE;
}

static inline uint32_t wasm_ref_index(wasm_valtype t)
{
    return t >> 8;
}

static inline wasm_valtype wasm_ref_to_type(uint32_t type_index, bool nullable)
{
    return type_index << 8 | WASM_REF_TYPE | (nullable ? 0 : WASM_NON_NULL);
}

/* The top of the hierarchy that a reference belongs to: WASM_FUNCREF, WASM_EXTERNREF or
 * WASM_EXNREF; that decides how it is represented. (Defined types are function types.) */
wasm_valtype wasm_ref_top(wasm_valtype t);

/* "i32", "funcref", "(ref null 7)", ... */
#define WASM_VALTYPE_NAME_SIZE 32
struct wasm_valtype_name {
    char text[WASM_VALTYPE_NAME_SIZE];
};
struct wasm_valtype_name wasm_valtype_name(wasm_valtype t);

/* Instructions: enum wasm_op { WASM_OP_unreachable, WASM_OP_i32_add, ... } in ops.def's order. */
enum wasm_op {
#define WASM_OP(id, name, prefix, code, imm, sig, feature) WASM_OP_##id,
#include "wasm/ops.def"
#undef WASM_OP
    WASM_OP_COUNT
};

/* Kinds of immediates, the `imm` column of ops.def. */
enum wasm_imm {
    WASM_IMM_none,
    WASM_IMM_block,         /* block type                                   -> imm.block */
    WASM_IMM_label,         /* br, br_if, delegate                          -> imm.index */
    WASM_IMM_br_table,      /*                                              -> imm.br_table */
    WASM_IMM_func,          /* call, ref.func                               -> imm.index */
    WASM_IMM_indirect,      /* call_indirect: index = type, index2 = table  */
    WASM_IMM_local,         /*                                              -> imm.index */
    WASM_IMM_global,        /*                                              -> imm.index */
    WASM_IMM_table,         /*                                              -> imm.index */
    WASM_IMM_table_table,   /* table.copy: index = destination, index2 = source */
    WASM_IMM_elem_table,    /* table.init: index = element segment, index2 = table */
    WASM_IMM_elem,          /*                                              -> imm.index */
    WASM_IMM_data,          /*                                              -> imm.index */
    WASM_IMM_memory,        /* memory.size, memory.grow, memory.fill        -> imm.index */
    WASM_IMM_memory_memory, /* memory.copy: index = destination, index2 = source */
    WASM_IMM_data_memory,   /* memory.init: index = data segment, index2 = memory */
    WASM_IMM_type,          /* call_ref                                     -> imm.index */
    WASM_IMM_tag,           /* throw, catch                                 -> imm.index */
    WASM_IMM_try_table,     /*                                              -> imm.block */
    WASM_IMM_zero,          /* atomic.fence: a byte that is zero */
    WASM_IMM_memarg,        /*                                              -> imm.memarg */
    WASM_IMM_memarg_lane,   /* v128.loadN_lane                              -> imm.memarg, lane */
    WASM_IMM_lane,          /* extract_lane, replace_lane                   -> imm.memarg.lane */
    WASM_IMM_shuffle,       /* i8x16.shuffle                                -> imm.v128 */
    WASM_IMM_i32,
    WASM_IMM_i64,
    WASM_IMM_f32, /* bits -> imm.i32 */
    WASM_IMM_f64, /* bits -> imm.i64 */
    WASM_IMM_v128,
    WASM_IMM_select_types, /* select t*                                   -> imm.valtype */
    WASM_IMM_ref_type,     /* ref.null t: (ref null t)                    -> imm.valtype */
};

struct wasm_op_info {
    const char *name; /* "i32.add" */
    uint8_t prefix;   /* 0, 0xfc, 0xfd or 0xfe */
    uint32_t code;    /* opcode byte, or the number after the prefix */
    enum wasm_imm imm;
    const char *sig;  /* "ii:i" operands:results, NULL when it depends on context; see ops.def */
    uint32_t feature; /* one bit of enum wasm_feature, 0 = always there */
};
extern const struct wasm_op_info wasm_op_info[WASM_OP_COUNT];

/* log2 of the bytes an instruction with a memarg accesses (memory_ops.def); 0 for any other. */
uint32_t wasm_op_access_log2(enum wasm_op op);

/* Language features that can be switched off: X(ID, name, edition), `edition` being the version of
 * the specification that has it, or EXTRA. Garbage collection is not among them. */
#define WASM_FEATURES(X)                                                                           \
    X(SIGN_EXTENSION, "sign-extension", 2_0)                                                       \
    X(SATURATING_FLOAT_TO_INT, "saturating-float-to-int", 2_0)                                     \
    X(MULTI_VALUE, "multi-value", 2_0)                                                             \
    X(REFERENCE_TYPES, "reference-types", 2_0)                                                     \
    X(BULK_MEMORY, "bulk-memory", 2_0)                                                             \
    X(SIMD, "simd", 2_0)                                                                           \
    X(MUTABLE_GLOBALS, "mutable-globals", 2_0)                                                     \
    X(EXTENDED_CONST, "extended-const", 3_0)                                                       \
    X(TAIL_CALL, "tail-call", 3_0)                                                                 \
    X(FUNCTION_REFERENCES, "function-references", 3_0)                                             \
    X(MULTI_MEMORY, "multi-memory", 3_0)                                                           \
    X(MEMORY64, "memory64", 3_0)                                                                   \
    X(EXCEPTIONS, "exceptions", 3_0)                                                               \
    X(RELAXED_SIMD, "relaxed-simd", 3_0)                                                           \
    X(LEGACY_EXCEPTIONS, "legacy-exceptions", EXTRA)                                               \
    X(THREADS, "threads", EXTRA)                                                                   \
    X(WIDE_ARITHMETIC, "wide-arithmetic", EXTRA)                                                   \
    X(CUSTOM_PAGE_SIZES, "custom-page-sizes", EXTRA)

enum wasm_feature_bit {
#define X(id, name, edition) WASM_FEATURE_BIT_##id,
    WASM_FEATURES(X)
#undef X
        WASM_FEATURE_COUNT
};

enum wasm_feature {
    WASM_FEATURE_CORE = 0, /* WebAssembly 1.0 */
#define X(id, name, edition) WASM_FEATURE_##id = 1u << WASM_FEATURE_BIT_##id,
    WASM_FEATURES(X)
#undef X
        WASM_FEATURES_1_0 =
            WASM_FEATURE_MUTABLE_GLOBALS, /* exports were allowed, imports soon after */
    WASM_FEATURES_2_0 = WASM_FEATURE_EXTENDED_CONST - 1u,
    WASM_FEATURES_3_0 = WASM_FEATURE_LEGACY_EXCEPTIONS - 1u,
    WASM_FEATURES_ALL = (1u << WASM_FEATURE_COUNT) - 1u,
};

/* "simd"; NULL unless `bit` is below WASM_FEATURE_COUNT. */
const char *wasm_feature_name(uint32_t bit);

/* Upper bounds on what a module may declare; see wasm_limits_default (the browsers' values). */
struct wasm_limits_config {
    uint64_t module_size, body_size;
    uint32_t types, functions, imports, exports, globals;
    uint32_t data_segments, element_segments, tables, memories, tags;
    uint32_t table_initial;
    uint64_t memory_pages; /* initial, of 64 KiB */
    uint32_t params, results, locals, name_length, br_table_targets;
    uint32_t operands;       /* height of the operand stack in a function */
    uint32_t const_operands; /* the same in a constant expression */
    uint64_t comparisons;    /* of types that differ, in long lists: see validate_operands.c */
    uint32_t custom_sections;
    uint64_t memory; /* bytes the decoder may allocate, else WASM_NO_MEMORY */
};
extern const struct wasm_limits_config wasm_limits_default;

enum wasm_status {
    WASM_OK,
    WASM_MALFORMED,   /* not in the binary format */
    WASM_INVALID,     /* does not validate */
    WASM_LIMIT,       /* exceeds wasm_limits_config; message names the limit */
    WASM_UNSUPPORTED, /* needs a feature that is off; message names it */
    WASM_NO_MEMORY,
};

#define WASM_NONE UINT32_MAX

struct wasm_error {
    enum wasm_status status;
    uint64_t offset;     /* byte offset in the module */
    uint32_t func_index; /* function whose body is at fault, or WASM_NONE */
    uint32_t feature;    /* WASM_UNSUPPORTED: the one that is off; 0 = one that does not exist */
    char message[256];   /* NUL-terminated; hostile names in it are escaped */
};

/* Bytes within the module (not NUL-terminated). Names are valid UTF-8 of any content. */
struct wasm_bytes {
    const uint8_t *data;
    uint32_t size;
};

/* Types are equal when they are at the same place of equal recursion groups; `canonical` is the
 * first type of the module that is equal to this one. */
struct wasm_functype {
    const wasm_valtype *params, *results;
    uint32_t nparams, nresults;
    uint32_t group, group_size; /* the recursion group: its first type, number of types */
    uint32_t canonical;
    bool is_open; /* "sub" without "final" */
};

struct wasm_limits {
    uint64_t min, max; /* max is meaningful only with has_max */
    bool has_max;
    bool is64; /* indices are i64 */
};

/* The type of addresses or indices: WASM_I32 or WASM_I64. */
static inline wasm_valtype wasm_address_type(struct wasm_limits limits)
{
    return limits.is64 ? WASM_I64 : WASM_I32;
}

struct wasm_table_type {
    wasm_valtype elem;
    struct wasm_limits limits;
};

struct wasm_memory_type {
    struct wasm_limits limits; /* in pages; with is64 up to 2**48 of 64 KiB */
    bool shared;
    uint8_t page_log2; /* 16, or 0 with custom-page-sizes */
};

struct wasm_global_type {
    wasm_valtype type;
    bool mutable;
};

enum wasm_extern {
    WASM_EXTERN_FUNC,
    WASM_EXTERN_TABLE,
    WASM_EXTERN_MEMORY,
    WASM_EXTERN_GLOBAL,
    WASM_EXTERN_TAG,
};

/* A constant expression, already validated: bytes up to and including `end`; walk it with
 * wasm_reader_init_expr(). `offset` is its position in the module. */
struct wasm_expr {
    uint32_t offset, size;
};

struct wasm_import {
    struct wasm_bytes module, name;
    enum wasm_extern kind;
    uint32_t index; /* in the index space of its kind */
};

struct wasm_export {
    struct wasm_bytes name;
    enum wasm_extern kind;
    uint32_t index;
};

/* Changes the set *features as a list says: "-simd,+threads"; an edition ("1.0", "2.0", "3.0",
 * "all") replaces the set. False when a word of the list is neither; *wrong is then the word. */
bool wasm_features_parse(const char *list, uint32_t *features, struct wasm_bytes *wrong);

/* Functions, tables, memories, globals and tags each form one index space: imports come first. */
struct wasm_func {
    uint32_t type;                   /* index into types */
    uint32_t body_offset, body_size; /* locals + code + end; 0 for imports */
    uint32_t locals_count;           /* declared locals, parameters not counted */
    struct wasm_bytes name;          /* from the name section, {NULL,0} when absent */
    bool declared_ref;               /* may be the operand of ref.func */
};

struct wasm_table {
    struct wasm_table_type type;
    struct wasm_expr init; /* of all elements; size 0 when they are null, and for imports */
};
struct wasm_memory {
    struct wasm_memory_type type;
};
struct wasm_global {
    struct wasm_global_type type;
    struct wasm_expr init; /* size 0 for imports */
};

struct wasm_tag {
    uint32_t type; /* index into types; without results */
};

enum wasm_segment_mode { WASM_ACTIVE, WASM_PASSIVE, WASM_DECLARATIVE };

struct wasm_elem {
    enum wasm_segment_mode mode;
    wasm_valtype type;
    uint32_t table; /* active only */
    struct wasm_expr table_offset;
    uint32_t count;
    /* Exactly one of these is not NULL when count > 0. */
    const uint32_t *funcs;         /* function indices */
    const struct wasm_expr *exprs; /* constant expressions */
};

struct wasm_data {
    enum wasm_segment_mode mode;
    uint32_t memory;
    struct wasm_expr memory_offset;
    struct wasm_bytes bytes;
};

struct wasm_custom {
    struct wasm_bytes name, payload;
};

struct wasm_module {
    const uint8_t *bytes;
    size_t size;

    struct wasm_functype *types;
    struct wasm_import *imports;
    struct wasm_func *funcs;
    struct wasm_table *tables;
    struct wasm_memory *memories;
    struct wasm_global *globals;
    struct wasm_tag *tags;
    struct wasm_export *exports;
    struct wasm_elem *elems;
    struct wasm_data *datas;
    struct wasm_custom *customs;
    uint32_t ntypes, nimports, nfuncs, ntables, nmemories, nglobals, nexports, nelems, ndatas;
    uint32_t ncustoms, ntags;
    uint32_t nimported_funcs, nimported_tables, nimported_memories, nimported_globals;
    uint32_t nimported_tags;
    uint32_t start;         /* function index or WASM_NONE */
    struct wasm_bytes name; /* of the module, from the name section */
    void *arena;            /* private */
};

/* Decodes and validates `size` bytes. NULL `limits` means wasm_limits_default; `features` is a set
 * of enum wasm_feature. On success *out is filled and must be released with wasm_module_free();
 * on failure *err is filled and *out is empty. */
enum wasm_status wasm_module_decode(const uint8_t *bytes, size_t size, uint32_t features,
                                    const struct wasm_limits_config *limits,
                                    struct wasm_module *out, struct wasm_error *err);
void wasm_module_free(struct wasm_module *m);

/* One decoded instruction. */
struct wasm_instr {
    enum wasm_op op;
    uint32_t offset; /* of the opcode in the module */
    union {
        struct {
            bool is_type_index; /* then `index` is a function type */
            bool is_empty;      /* no parameters, no result */
            uint32_t index;
            wasm_valtype result;  /* when neither of the above */
            uint32_t catch_count; /* try_table: clauses, at module offset `catches`: */
            uint32_t catches;     /* wasm_catch_next() */
        } block;
        struct {
            uint32_t index, index2;
        };
        struct {
            uint32_t count;   /* targets without the default */
            uint32_t deflt;   /* default target */
            uint32_t targets; /* module offset of the LEB128 targets: wasm_br_table_next() */
        } br_table;
        struct {
            uint64_t offset;
            uint32_t align_log2, memory;
            uint8_t lane;
        } memarg;
        uint32_t i32;
        uint64_t i64;
        uint8_t v128[16];
        wasm_valtype valtype;
    } imm;
};

/* A cursor over the instructions of a validated body or constant expression. */
struct wasm_reader {
    const struct wasm_module *module;
    uint32_t pos, end;  /* module offsets */
    uint32_t runs_left; /* of local declarations */
};

struct wasm_locals_run {
    uint32_t count;
    wasm_valtype type;
};

/* Positions `r` at the local declarations of defined function `func_index`. Call
 * wasm_reader_locals() until it answers false, then wasm_reader_next() until false. */
void wasm_reader_init_body(struct wasm_reader *r, const struct wasm_module *m, uint32_t func_index);
bool wasm_reader_locals(struct wasm_reader *r, struct wasm_locals_run *run);

void wasm_reader_init_expr(struct wasm_reader *r, const struct wasm_module *m, struct wasm_expr e);

/* Decodes the next instruction; false at the end of the body. The final `end` is delivered. */
bool wasm_reader_next(struct wasm_reader *r, struct wasm_instr *instr);

/* Reads the label at module offset *pos and advances it; for the `count` targets of a br_table. */
uint32_t wasm_br_table_next(const struct wasm_module *m, uint32_t *pos);

enum wasm_catch_kind {
    WASM_CATCH,         /* label gets the values of the tag */
    WASM_CATCH_REF,     /* and an exnref */
    WASM_CATCH_ALL,     /* label gets nothing */
    WASM_CATCH_ALL_REF, /* label gets an exnref */
};

struct wasm_catch {
    enum wasm_catch_kind kind;
    uint32_t tag;   /* index, WASM_NONE when any is caught */
    uint32_t label; /* 0 is the label around the try_table: its own does not count */
};

/* Reads the clause at module offset *pos and advances it; for the `catch_count` clauses of a
 * try_table. */
struct wasm_catch wasm_catch_next(const struct wasm_module *m, uint32_t *pos);

/* The name fit for a message or a terminal: printable ASCII, anything else, quotes and backslashes
 * as \xx (as in the text format), cut where `size` ends. Returns `out`. */
const char *wasm_escape(char *out, size_t size, struct wasm_bytes name);

#endif
