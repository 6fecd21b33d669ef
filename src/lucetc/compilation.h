/* One compilation: what all its parts share, read-only once the partitions are being compiled. */
#ifndef LUCETC_COMPILATION_H
#define LUCETC_COMPILATION_H

#include "lucet/lucetc.h"
#include "module/format.h"
#include "wasm/wasm.h"

/* What the machine must have, and how LLVM is told. */
struct target {
    const char *triple;
    uint64_t features;      /* set of 1 << enum lucet_cpu_bit */
    char *feature_string;   /* owned; "+sse3,+avx,..." */
    char *integer_features; /* owned; the same without vectors and floating point */
    char *tune;             /* owned; name of the CPU to schedule for */
};

enum type_use {
    TYPE_ENTRY = 1,
    TYPE_THUNK = 2,
    TYPE_HOST = 4,
    TYPE_REF_GATE = 8,
    TYPE_CATCHER = 16
};
enum table_use { TABLE_GET = 1, TABLE_SET = 2, TABLE_SIZE = 4 };
enum global_use { GLOBAL_GET = 1, GLOBAL_SET = 2 };

struct effects; /* effects.h */

struct gate {
    uint32_t type, table;
};

struct partition {
    uint32_t first, end; /* function indices */
    uint64_t bytes;      /* of their bodies */
    bool heavy;          /* one function that is compiled without optimisation (weight.h) */
};

/* Which helper functions the module needs and how its functions are divided. All arrays owned. */
struct plan {
    bool private_funcs;
    bool exceptions; /* calls are followed by a look for exceptions */
    bool tail_calls; /* some function has a tail call: one prototype for all (params.h) */
    uint32_t integer_params, vector_params; /* of that prototype */
    uint32_t scratch_params;                /* at most so many travel in scratch space */
    uint8_t *types;                         /* enum type_use per type */
    uint8_t *tables;                        /* enum table_use per table */
    uint8_t *globals;                       /* enum global_use per imported mutable global */
    uint32_t builtins;                      /* set of 1 << enum lucet_builtin */
    struct gate *gates;                     /* sorted */
    uint32_t ngates;
    uint32_t *ref_funcs; /* sorted function indices that ref.func in bodies names */
    uint32_t nref_funcs;
    struct effects *effects;
    uint32_t *cells; /* offset of each global's cell from the context, LUCET_NONE without one */
    struct partition *partitions;
    uint32_t npartitions;
};

struct compilation {
    const struct wasm_module *module;     /* borrowed */
    const struct lucetc_options *options; /* borrowed */
    struct lucetc_diagnostic *diagnostic; /* borrowed; written through diagnostic.h only */
    struct target target;
    struct plan plan;
    struct lucet_layout layout;
    uint64_t reserved_size, guard_size; /* of memory 0 */
};

static inline const struct wasm_functype *func_type(const struct compilation *c, uint32_t func)
{
    return &c->module->types[c->module->funcs[func].type];
}

#endif
