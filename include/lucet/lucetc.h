/* liblucetc: the compiler as a library. Compiles untrusted WebAssembly to an artifact.
 * lucet_error_name() and the other functions of types.h are in liblucet.
 *
 * Threads: any function on any thread. Bindings are changed by one thread at a time, and not while
 * a compilation uses them; any number of compilations may share bindings and options. Signals: no
 * function may be called from a handler, and none installs one. Fork: lucetc_compile() runs the
 * linker as a child and waits for it, so it needs SIGCHLD's disposition to be neither SIG_IGN nor
 * to reap children of others. A child of a fork may compile when its parent had no compilation in
 * progress at the time. */
#ifndef LUCET_LUCETC_H
#define LUCET_LUCETC_H

#include "lucet/types.h"

#ifdef __cplusplus
extern "C" {
#endif

enum lucetc_emit {
    lucetc_emit_so,
    lucetc_emit_obj,
    lucetc_emit_llvm_ir,
    lucetc_emit_asm,
    /* no code: a C header with typed stubs for exported, and pointers for imported functions */
    lucetc_emit_header,
};
enum lucetc_opt_level {
    lucetc_opt_none = 0,
    lucetc_opt_speed = 1,
    lucetc_opt_speed_and_size = 2,
};

/* Which imports a module may have, and what they are: (module, name) -> native symbol. */
struct lucetc_bindings;
/* None yet. Owned by the caller. no_memory. */
LUCET_API enum lucet_error lucetc_bindings_new(struct lucetc_bindings **out);
/* Not while a compilation uses them. NULL is allowed. */
LUCET_API void lucetc_bindings_release(struct lucetc_bindings *b);
/* Adds the bindings of a JSON text { "module": { "import": "symbol" } }. Errors: invalid_argument;
 * `message` (may be NULL) gets words of at most message_size bytes. */
LUCET_API enum lucet_error lucetc_bindings_add_json(struct lucetc_bindings *b, const char *json,
                                                    size_t size, char *message,
                                                    size_t message_size);
/* The same from a file. Errors besides: io (`message` says why). */
LUCET_API enum lucet_error lucetc_bindings_add_file(struct lucetc_bindings *b, const char *path,
                                                    char *message, size_t message_size);
/* Adds one; the strings are copied. Errors: invalid_argument (NULL; the symbol is no symbol name;
 * the import is bound to another one already), no_memory. */
LUCET_API enum lucet_error lucetc_bindings_add(struct lucetc_bindings *b, const char *module,
                                               const char *import, const char *symbol);

struct lucetc_options {
    enum lucetc_emit emit;
    enum lucetc_opt_level opt_level;
    const char *target;         /* triple; NULL = x86_64-linux-gnu */
    const char *target_cpu;     /* NULL = "native" */
    const char *target_feature; /* "+avx2,-fma"; NULL = none */
    /* Bytes of address space of memory 0 (at most 4 GiB), and of the guard behind it (at most 64
     * GiB): multiples of 4096; 0 = 4 GiB. */
    uint64_t reserved_size, guard_size;
    uint64_t max_memory_size; /* refuse modules whose initial memory exceeds it; 0 = none */
    /* Language features beyond or short of the default, such as "-simd,-threads"; an edition
     * ("1.0", "2.0", "3.0", "all", the default) stands for what it has. NULL = none. See
     * lucetc_feature_name(). */
    const char *features;
    bool precise_traps;
    bool count_instructions; /* see lucet_instance_set_instruction_bound() */
    bool debug_info; /* keep offsets and, where the module has DWARF, lines of source: in faults'
                        frames, and for debuggers */
    bool allow_undefined; /* imports without binding are linked by module and name */
    unsigned jobs;        /* threads; 0 = number of CPUs */
    const struct lucetc_bindings *bindings; /* NULL = no function may be imported */
    const char *precious;      /* keep intermediate files in this directory; NULL = do not */
    const char *header_prefix; /* what names in a header begin with; NULL = "guest" */
    const char *linker;        /* ld.lld; NULL = found in PATH or where LLVM is installed */
    /* Progress: called from the compiling thread; done of total are in bytes of code. May be
     * NULL. */
    void (*progress)(void *arg, uint64_t done, uint64_t total);
    void *progress_arg;
};
/* speed, native CPU, 4 GiB + 4 GiB. */
LUCET_API struct lucetc_options lucetc_options_default(void);

/* What went wrong with a module, in detail. */
struct lucetc_diagnostic {
    const char *kind;        /* "malformed", "invalid", "limit", "unsupported", "import", "options",
                                "internal", "io": static storage */
    uint64_t offset;         /* byte offset in the module, UINT64_MAX when none applies */
    uint32_t function_index; /* UINT32_MAX when none applies */
    char function_name[128]; /* escaped; "" when unknown */
    char message[512];       /* escaped, one line */
};

/* Compiles `size` bytes and writes the output file atomically (a temporary file, then rename): on
 * failure nothing is left behind. `diagnostic` may be NULL. May be called from several threads at
 * once. Errors: compile (see diagnostic), io, no_memory (with a message: the linker had none),
 * invalid_argument, internal. */
LUCET_API enum lucet_error lucetc_compile(const void *wasm, size_t size,
                                          const struct lucetc_options *options, const char *output,
                                          struct lucetc_diagnostic *diagnostic);

/* Names of the language features that `features` may list: index from 0, NULL behind the last.
 * Static storage; safe in threads. */
LUCET_API const char *lucetc_feature_name(unsigned index);
/* Whether a list would be understood. Errors: invalid_argument; `message` (may be NULL) gets words
 * of at most message_size bytes. */
LUCET_API enum lucet_error lucetc_features_check(const char *list, char *message,
                                                 size_t message_size);

/* Resolved name of the CPU that NULL means, and "22.1.8": static storage. For cache keys. */
LUCET_API const char *lucetc_host_cpu(void);
LUCET_API const char *lucetc_host_features(void);
LUCET_API const char *lucetc_llvm_version(void);
LUCET_API const char *lucetc_version(void);

#ifdef __cplusplus
}
#endif
#endif
