/* Lucet's runtime: load artifacts made by lucetc, create isolated instances of them, call into
 * them, contain their faults. A trusted server needs this header only.
 *
 *   struct lucet_dl_module *mod;
 *   struct lucet_region *region;
 *   struct lucet_instance *inst;
 *   struct lucet_result r;
 *   lucet_dl_module_load("guest.so", &mod);
 *   lucet_mmap_region_create(16, NULL, &region);
 *   lucet_region_new_instance(region, mod, &inst);
 *   struct lucet_val args[] = {LUCET_VAL_I32(1), LUCET_VAL_I32(2)};
 *   lucet_instance_run(inst, "add", 2, args, &r);
 *
 * Threads: modules, regions and linkers may be used from any number of threads at once. An instance
 * belongs to one thread at a time; instances that share tables, mutable globals or memories (but
 * for those of WebAssembly's type `shared`), or call each other, count as one. Kill switches may be
 * fired from any thread. Functions of an instance, those that only ask included, are for the thread
 * that has it; they say so when any thread may. Those of the process (signal handlers, stop signal,
 * log, allocator) are for the beginning or for when nothing else of Lucet runs.
 *
 * Signals: no function may be called from a signal handler unless it says so. Functions called from
 * the thread's ordinary code may be interrupted by any handler.
 *
 * Fork: the child may use everything that its parent had: modules, regions, linkers, instances that
 * were not running, runs that had yielded; memory is its own from then on, and each side releases
 * its own. Timers are not inherited; the next run makes new ones. An instance that another thread
 * was running must not be touched in the child, not even released; and if another thread was in any
 * function of Lucet but one that runs a guest, the child may only exec or exit, since that one's
 * locks stay locked. A child of vfork() calls nothing. A host function may fork, if just one side
 * returns from it.
 *
 * Host functions run on the stack of the guest that called them, with at least the region's
 * hostcall_reservation to themselves. They may run other instances, and the same one again. */
#ifndef LUCET_H
#define LUCET_H

#include <signal.h>

#include "lucet/exception.h"
#include "lucet/types.h"

#ifdef __cplusplus
extern "C" {
#endif

struct lucet_dl_module;
struct lucet_region;
struct lucet_instance;
struct lucet_linker;
struct lucet_kill_switch;
struct lucet_vmctx; /* what host functions get: the calling instance */

/* ---- Modules ------------------------------------------------------------------------------ */

/* Loads an artifact. The file is copied into a sealed memfd, checked, and mapped from there; later
 * changes to the file do not matter. *out is owned by the caller and shared (counted) by its
 * instances. Errors: dl (cannot read), module (damaged or foreign; detail says why), unsupported
 * (CPU lacks a feature the artifact needs). */
LUCET_API enum lucet_error lucet_dl_module_load(const char *path, struct lucet_dl_module **out);
/* The same from `size` bytes in memory, which may be freed afterwards. Errors: invalid_argument
 * (NULL), and those above but dl. */
LUCET_API enum lucet_error lucet_dl_module_load_bytes(const void *bytes, size_t size,
                                                      struct lucet_dl_module **out);
/* One more reference, to be released, for another part of the host: who takes a module out of a
 * list that others change retains it under the list's lock. By whoever has one. NULL is allowed.
 * Any thread. */
LUCET_API void lucet_dl_module_retain(struct lucet_dl_module *module);
/* Drops one of the host's references. NULL is allowed. Any thread; runs of the module's instances
 * go on. */
LUCET_API void lucet_dl_module_release(struct lucet_dl_module *module);

enum lucet_extern_kind {
    lucet_extern_func,
    lucet_extern_table,
    lucet_extern_memory,
    lucet_extern_global,
    lucet_extern_tag,
};
/* "func", ...; static storage; "unknown" for other numbers. Any thread, any time. */
LUCET_API const char *lucet_extern_kind_name(enum lucet_extern_kind kind);
struct lucet_extern_desc {
    const char *module; /* imports only, else NULL */
    const char *name;   /* NUL-terminated copy owned by the module; raw bytes from the guest: do not
                           print unescaped. Names with inner NULs: use name_len */
    size_t module_len, name_len;
    enum lucet_extern_kind kind;
    const char
        *signature; /* functions and tags: "iI:f" (i I f F v r e x = i32 i64 f32 f64 v128 funcref
                       externref exnref) */
    const char
        *symbol; /* imported functions: the native symbol that the bindings gave, else NULL */
};
/* What a module exports and imports, by index from 0. Names and signatures are owned by the module.
 * Error invalid_argument: there is no such index. Any thread. */
LUCET_API size_t lucet_dl_module_export_count(const struct lucet_dl_module *m);
LUCET_API enum lucet_error lucet_dl_module_export(const struct lucet_dl_module *m, size_t i,
                                                  struct lucet_extern_desc *out);
LUCET_API size_t lucet_dl_module_import_count(const struct lucet_dl_module *m);
LUCET_API enum lucet_error lucet_dl_module_import(const struct lucet_dl_module *m, size_t i,
                                                  struct lucet_extern_desc *out);

/* What kind of memory. */
struct lucet_memory_type {
    uint64_t min, max;  /* pages; max UINT64_MAX = none */
    uint64_t page_size; /* bytes: 65536, or 1; 0 = 65536 */
    bool index64;       /* indices are i64 */
    bool shared;
};
/* The type of an imported memory. Error invalid_argument: import `i` is none. */
LUCET_API enum lucet_error lucet_dl_module_import_memory(const struct lucet_dl_module *m, size_t i,
                                                         struct lucet_memory_type *out);

/* What an instance of the module needs of a region, in bytes. */
struct lucet_module_requirements {
    uint64_t heap_memory_size;        /* initial memory 0 */
    uint64_t heap_maximum;            /* declared maximum, UINT64_MAX when none */
    uint64_t heap_address_space_size; /* reservation + guard that the code assumes */
    uint64_t context_size;            /* globals and everything else in the instance's context */
};
/* Any thread. */
LUCET_API void lucet_dl_module_requirements(const struct lucet_dl_module *m,
                                            struct lucet_module_requirements *out);

/* ---- Regions ------------------------------------------------------------------------------ */

/* All in bytes, multiples of the page size (4096). */
struct lucet_alloc_limits {
    uint64_t heap_memory_size;        /* all memories of an instance together; default 1 MiB */
    uint64_t heap_address_space_size; /* reservation and guard of memory 0;    default 8 GiB */
    uint64_t stack_size;              /* guest stack;                          default 128 KiB */
    uint64_t hostcall_reservation;    /* part of it kept for host functions;   default 32 KiB */
    uint64_t globals_size;            /* globals and scratch space;            default 4 KiB */
    /* Alternate signal stack per thread, at least the kernel's frame and 48 KiB; default 16 KiB */
    uint64_t signal_stack_size;
    /* 0 = the default, for programs that know the ones above only: */
    uint64_t context_size;    /* the rest of the context;              default 64 KiB */
    uint64_t table_entries;   /* entries over all tables of an instance; default 10,000,000 */
    uint64_t exceptions_size; /* exceptions that guests hold by reference; default 1 MiB */
};
/* The defaults above. */
LUCET_API struct lucet_alloc_limits lucet_alloc_limits_default(void);

/* Reserves address space for `capacity` instances. NULL limits = defaults. Errors:
 * invalid_argument (sizes that are zero, unaligned or contradict each other), no_memory. */
LUCET_API enum lucet_error lucet_mmap_region_create(size_t capacity,
                                                    const struct lucet_alloc_limits *limits,
                                                    struct lucet_region **out);
enum lucet_slot_strategy {
    lucet_slots_linear, /* the slot that came back last, prepared for its module; the default */
    /* any free one with equal probability: where an instance lies says nothing about the next */
    lucet_slots_random,
};
struct lucet_region_options { /* 0 = the default, for each */
    enum lucet_slot_strategy strategy;
    /* Asked before a memory of an instance grows from `current` to `desired` bytes, and, with
     * current 0, before an instance whose memories begin with `desired` bytes in all is created
     * (`inst` NULL; or `thread_of` of its options). False: memory.grow returns -1, or the creation
     * fails with limits_exceeded. Called on the thread that runs or creates the instance, perhaps
     * on a guest's stack, on several at once; it may call functions of that instance that do not
     * run it. */
    bool (*memory_limiter)(void *arg, struct lucet_instance *inst, uint64_t current,
                           uint64_t desired);
    void *memory_limiter_arg;
    /* Of lucet_uffd_region_create_with() only: bytes of its slot's memory that each instance may
     * have touched at a time, whatever its size. Beyond, the run ends as terminated, reason
     * heap_out_of_memory, and lucet_vmctx_guest_range() and _check_heap() refuse; where data
     * segments alone need more, creation and reset fail with limits_exceeded. Counted in blocks of
     * up to 64 KiB. Memories that do not lie in the slot (all but memory 0, and shared ones) are
     * not looked at page by page: an instance's own may grow to this size together, each to an
     * equal part of it. */
    uint64_t heap_resident_limit;
    /* A memory.grow of a guest that the limits, the limiter or the host's memory do not allow ends
     * the run as terminated, reason heap_out_of_memory, instead of answering -1, which many guests
     * do not look at. Growing beyond what the module itself declares answers -1 all the same, and
     * so does growing by the host. */
    bool terminate_on_heap_oom;
};
/* The same with options; NULL = the defaults. */
LUCET_API enum lucet_error lucet_mmap_region_create_with(size_t capacity,
                                                         const struct lucet_alloc_limits *limits,
                                                         const struct lucet_region_options *options,
                                                         struct lucet_region **out);
/* A region whose memories' pages are provided by the runtime when they are touched (userfaultfd),
 * instead of by the kernel. No image of a module is mapped, so that instances never take a mapping
 * for one; how much each has touched is known, and can be limited (`heap_resident_limit`,
 * lucet_instance_heap_resident()). A page's first touch costs a signal, so guests that touch many
 * pages run faster in regions of the other kind. docs/embedding.md says what hosts must observe:
 * above all that system calls fail with EFAULT at pages that nobody has touched, but for what
 * lucet_vmctx_guest_range() or a _check_heap() function has vouched for.
 *
 * No privileges are needed. Errors besides those of the other kind: unsupported (the kernel has no
 * userfaultfd or forbids it: detail says what to do). */
LUCET_API enum lucet_error lucet_uffd_region_create(size_t capacity,
                                                    const struct lucet_alloc_limits *limits,
                                                    struct lucet_region **out);
LUCET_API enum lucet_error lucet_uffd_region_create_with(size_t capacity,
                                                         const struct lucet_alloc_limits *limits,
                                                         const struct lucet_region_options *options,
                                                         struct lucet_region **out);
/* One more reference, and one less, as of modules; the memory goes when the last instance is
 * released, too. */
LUCET_API void lucet_region_retain(struct lucet_region *region);
LUCET_API void lucet_region_release(struct lucet_region *region);
/* Slots in all, in use, and free; the latter two may be outdated when they are read. Any thread. */
LUCET_API size_t lucet_region_capacity(const struct lucet_region *region);
LUCET_API size_t lucet_region_used_slots(const struct lucet_region *region);
LUCET_API size_t lucet_region_free_slots(const struct lucet_region *region);

/* ---- Imports ------------------------------------------------------------------------------ */

/* A host function: `R symbol(struct lucet_vmctx *, args...)` in C. Results beyond the first are
 * written through pointers that follow the arguments. The signature ("iiI:i", letters as above) is
 * compared with what the module imports; a mismatch fails instantiation. In C the letters are: i
 * uint32_t, I uint64_t, f float, F double, v __m128i, r e x uint64_t (a result: pointer to
 * that). */
struct lucet_hostcall {
    const char *symbol;
    const char *signature;
    void (*func)(void); /* cast of the C function */
};

/* A set of things that imports may be satisfied from. Nothing else can be imported. What is
 * registered under a name again takes the place of what was there, for instances that are created
 * afterwards. Errors of all functions that register: invalid_argument (NULL; a signature that is
 * none), no_memory. */
LUCET_API enum lucet_error lucet_linker_new(struct lucet_linker **out);
/* One more reference, and one less, as of modules. Instances keep what they import, not the
 * linker. */
LUCET_API void lucet_linker_retain(struct lucet_linker *l);
LUCET_API void lucet_linker_release(struct lucet_linker *l);
/* Registers host functions for imports that were bound by lucetc --bindings to a native symbol.
 * What is in the table is copied. */
LUCET_API enum lucet_error lucet_linker_hostcalls(struct lucet_linker *l,
                                                  const struct lucet_hostcall *table, size_t count);
/* Registers one host function under a wasm module and import name (for modules compiled with
 * --allow-undefined). */
LUCET_API enum lucet_error lucet_linker_func(struct lucet_linker *l, const char *module,
                                             const char *name, const char *signature,
                                             void (*func)(void));
/* Registers all exports of an instance under a wasm module name: functions, tables, memories,
 * globals and tags, shared and live. The linker holds the instance; so does whoever imports from
 * it. And where function references may travel both ways (through a table, a mutable global, a
 * function that takes or gives references), the two live and keep their slots until both are
 * released: otherwise a reference could outlive its function. */
LUCET_API enum lucet_error lucet_linker_instance(struct lucet_linker *l, const char *module,
                                                 struct lucet_instance *inst);
/* Host-made entities, owned by the linker and whoever imports them. min/max in pages or entries;
 * max UINT64_MAX = none. */
LUCET_API enum lucet_error lucet_linker_global(struct lucet_linker *l, const char *module,
                                               const char *name, struct lucet_val value,
                                               bool is_mutable);
LUCET_API enum lucet_error lucet_linker_memory(struct lucet_linker *l, const char *module,
                                               const char *name, uint64_t min, uint64_t max);
/* The same for memories of every kind. A shared memory (it must have a maximum) may be imported by
 * instances that run on different threads at the same time. Its pages and contents live as long as
 * the linker or anyone who imports it. Errors: invalid_argument, no_memory. */
LUCET_API enum lucet_error lucet_linker_memory_of(struct lucet_linker *l, const char *module,
                                                  const char *name,
                                                  const struct lucet_memory_type *type);
LUCET_API enum lucet_error lucet_linker_table(struct lucet_linker *l, const char *module,
                                              const char *name, enum lucet_val_type elem,
                                              uint64_t min, uint64_t max);

/* ---- Instances ---------------------------------------------------------------------------- */

/* Data of a host's for an instance, under a key: the address of an object of the host's, such as a
 * `static const char`, which stands for the type. So independent parts of a host, WASI among them
 * (which has embed_ctx), find their own. */
struct lucet_context {
    const void *key; /* not NULL */
    void *value;
};
#define LUCET_CONTEXTS_MAX 8

struct lucet_instance_options {
    struct lucet_linker *linker; /* NULL: the module may import nothing */
    void *embed_ctx;             /* lucet_instance_embed_ctx(), lucet_vmctx_get_delegate() */
    uint64_t heap_memory_limit;  /* bytes of all its memories together; 0 = the region's */
    bool run_start;             /* run the start function (and report its fault as runtime_fault) */
    bool terminate_on_heap_oom; /* as in struct lucet_region_options, for this instance */
    const struct lucet_context
        *contexts; /* so many; copied, there before the start function runs */
    size_t ncontexts;
    /* Not NULL: the new one is another thread of the program that this one is, or is a thread of.
     * See below. */
    struct lucet_instance *thread_of;
};

/* Threads of guests are instances that import one shared memory; each runs on a thread of the
 * host's. To their embedder they are one program, which `thread_of` says: what limits its first
 * instance limits all of them together.
 *
 * - Bytes of memories and entries of tables: all draw on what the first one may have (a shared
 *   memory of the host's has its own maximum). Instances that need more than is left are not
 *   created (limits_exceeded).
 * - Time: a run of the new one ends, as if by its own limit, when the run ends that is in progress
 *   on the thread that created it; the limit of `thread_of` holds for each of its runs besides.
 *   lucet_instance_set_timeout() takes the place of both.
 * - A kill switch of the first one, fired at any time, ends the runs of all, and no more threads
 *   can be made (runtime_terminated) until the first one is reset. The end of a run of the first
 *   one, whatever it is, does nothing of that.
 * - Instructions: programs with several threads cannot have a bound of them (unsupported); each
 *   thread counts for itself.
 * - Of `thread_of` it has the contexts (those of its own options come after), embed_ctx unless it
 *   has one, the handlers, and terminate_on_heap_oom. Slices, which somebody would have to resume,
 *   it has not.
 * - Per thread are the limits of stack, context and exceptions, and a region's heap_resident_limit:
 *   with that, only a module that imports all its memories can have threads (unsupported).
 * - The region's limiter is asked before a thread's memories are created with `thread_of` as
 *   `inst`; that they are gone is not told.
 *
 * The calling thread has `thread_of`, which may be running, in a host function. The first instance
 * keeps its slot until all its threads are released; a reset leaves them as they are. */

/* Creates an instance: memory, globals, tables and segments are initialised; the start function is
 * not run unless asked for. `o` NULL = no imports and the defaults. Owned by the caller. Errors:
 * region_full, limits_exceeded, module (an import is missing: detail names it), type_mismatch (an
 * import has another type), runtime_fault (an active segment is out of bounds, or the start
 * function trapped: the instance is released; lucet_error_detail() says which trap), no_memory,
 * invalid_argument (NULL), unsupported (after a fork, see docs/embedding.md); with `thread_of`
 * those named there, too. */
LUCET_API enum lucet_error lucet_region_new_instance_with(struct lucet_region *region,
                                                          struct lucet_dl_module *module,
                                                          const struct lucet_instance_options *o,
                                                          struct lucet_instance **out);
LUCET_API enum lucet_error lucet_region_new_instance(struct lucet_region *region,
                                                     struct lucet_dl_module *module,
                                                     struct lucet_instance **out);
LUCET_API enum lucet_error lucet_region_new_instance_with_ctx(struct lucet_region *region,
                                                              struct lucet_dl_module *module,
                                                              void *embed_ctx,
                                                              struct lucet_instance **out);
/* Drops the caller's reference. Never while the instance runs; when it has yielded is fine. NULL is
 * allowed. */
LUCET_API void lucet_instance_release(struct lucet_instance *inst);
/* Puts memory, globals, tables and segments back to their initial state. Needed after a fault or a
 * termination before the instance may run again. What it imports stays as it is, except that its
 * active segments are written again; a start function is to be run again. A run that had yielded is
 * dropped. Errors: instance_not_returned when it runs, or when other instances use a shared memory
 * that it made; runtime_fault (an active segment does not fit into what it imports any more),
 * limits_exceeded, no_memory, unsupported (after a fork, see docs/embedding.md): then it must be
 * reset again, or released. */
LUCET_API enum lucet_error lucet_instance_reset(struct lucet_instance *inst);
/* For tests, and for artifacts compiled with --precise-traps: lets the instance run again after a
 * fault without a reset, in the state in which the fault left it. Off by default, because in other
 * artifacts that state may lack stores made shortly before the fault. */
LUCET_API void lucet_instance_set_continue_after_fault(struct lucet_instance *inst, bool allowed);

/* The trap of an instantiation that failed with runtime_fault on this thread. */
LUCET_API enum lucet_trapcode lucet_instantiation_trap(void);

/* Runs the start function. Errors: start_already_run, also when the module has none; start_yielded
 * when a host function yielded in it: the instance may be resumed all the same; and those of
 * lucet_instance_run(). */
LUCET_API enum lucet_error lucet_instance_run_start(struct lucet_instance *inst);
/* The same with what became of it. */
LUCET_API enum lucet_error lucet_instance_call_start(struct lucet_instance *inst,
                                                     struct lucet_result *result);

/* Calls an exported function. Arguments are checked against its type (type_mismatch). `argv` may be
 * NULL when argc is 0, `result` always. Returns ok with tag returned; runtime_fault,
 * runtime_terminated or runtime_threw with tags faulted, terminated or threw; another error with
 * tag errored. An instance that faulted or was terminated must be reset first; one that threw an
 * exception goes on as it is. */
LUCET_API enum lucet_error lucet_instance_run(struct lucet_instance *inst, const char *entrypoint,
                                              size_t argc, const struct lucet_val *argv,
                                              struct lucet_result *result);
/* Calls what stands at an index of a table. Error func_not_found when out of bounds or null. */
LUCET_API enum lucet_error lucet_instance_run_func_idx(struct lucet_instance *inst, uint32_t table,
                                                       uint32_t index, size_t argc,
                                                       const struct lucet_val *argv,
                                                       struct lucet_result *result);
/* lucet_instance_run() with all results: `results` has room for `nresults` values, which get their
 * types (`ty`: i32, i64, f32, f64, v128 or a reference) and contents when the function has
 * returned. NULL: none is wanted. The name, of `name_len` bytes, may hold any. Errors besides:
 * type_mismatch (it has more than `nresults`). */
LUCET_API enum lucet_error lucet_instance_call(struct lucet_instance *inst, const char *name,
                                               size_t name_len, size_t argc,
                                               const struct lucet_val *argv, size_t nresults,
                                               struct lucet_val *results,
                                               struct lucet_result *result);

/* ---- Yielding and resuming ----
 *
 * A run may end as `yielded` and go on later, on any thread: its stack stays as it is in the
 * instance. Until then the instance runs nothing else (instance_not_returned). It may be reset or
 * released; the frames on its stack, host functions' too, are then dropped without cleaning up.
 * Time that passes meanwhile does not count for its time limit. */

enum lucet_instance_status {
    lucet_instance_status_ready,
    lucet_instance_status_needs_start, /* lucet_instance_run_start() first */
    lucet_instance_status_running,
    lucet_instance_status_yielded,    /* resume, reset or release it */
    lucet_instance_status_faulted,    /* reset or release it */
    lucet_instance_status_terminated, /* reset or release it */
};
/* The instance's state. For the thread that may use it. */
LUCET_API enum lucet_instance_status lucet_instance_status(const struct lucet_instance *inst);
/* "ready", ...; static storage. */
LUCET_API const char *lucet_instance_status_name(enum lucet_instance_status status);

/* Goes on with a run that yielded: the host function's lucet_vmctx_yield() returns `val` (which
 * means nothing for other reasons of yielding). Ends like lucet_instance_run(). Errors besides:
 * instance_not_yielded. */
LUCET_API enum lucet_error lucet_instance_resume(struct lucet_instance *inst, void *val,
                                                 struct lucet_result *result);
/* The same with all results of the function that was called, as in lucet_instance_call(). */
LUCET_API enum lucet_error lucet_instance_resume_call(struct lucet_instance *inst, void *val,
                                                      size_t nresults, struct lucet_val *results,
                                                      struct lucet_result *result);

/* ---- Calls through handles ----
 *
 * A handle says once which function is meant and of which type; calling through it costs a few
 * nanoseconds. `lucetc --emit header` writes typed stubs on top of it. */

/* A function that a module exports. It holds nothing and may be copied; the members are the
 * runtime's. */
struct lucet_func {
    uint64_t quick_id; /* the module's, 0 when calls go the general way */
    const void *entry, *code;
    uint64_t module_id;
    uint32_t index;
    uint16_t nparams, nresults;
    uint32_t effects;
};
/* Looks up an export. `signature` ("ii:i") is what the caller believes its type to be, and is
 * compared; NULL: any. The handle is good for all instances of the module, while it is loaded.
 * Errors: symbol_not_found, type_mismatch, unsupported. Any thread. */
LUCET_API enum lucet_error lucet_dl_module_func(const struct lucet_dl_module *module,
                                                const char *name, const char *signature,
                                                struct lucet_func *out);
/* Calls it in an instance of its module. `values` has room for the parameters and for the results,
 * whichever are more, from element 0 on; it may be NULL when there are neither. Ends like
 * lucet_instance_run(), but of `result`, which may be NULL, only the tag is set when the function
 * returned, and lucet_error_detail() keeps what it said before. Errors besides: invalid_argument
 * (an instance of another module); with `result` NULL, instance_not_returned also when it
 * yielded. */
LUCET_API enum lucet_error lucet_func_call(const struct lucet_func *func,
                                           struct lucet_instance *inst, union lucet_raw *values,
                                           struct lucet_result *result);

/* An exported global's value. Errors: symbol_not_found; of setting, type_mismatch and
 * invalid_argument (it cannot be changed) too. */
LUCET_API enum lucet_error lucet_instance_get_global(struct lucet_instance *inst, const char *name,
                                                     size_t name_len, struct lucet_val *out);
LUCET_API enum lucet_error lucet_instance_set_global(struct lucet_instance *inst, const char *name,
                                                     size_t name_len, struct lucet_val value);

/* Memory 0. The address stays the same for the instance's life; the length grows. NULL and 0
 * without a memory. */
LUCET_API uint8_t *lucet_instance_heap(struct lucet_instance *inst);
LUCET_API uint64_t lucet_instance_heap_len(const struct lucet_instance *inst);
/* Bytes of memory 0 that were touched since it was empty, in a userfaultfd region: those of zero
 * pages that were only read are counted, though they cost nothing; a few pages may be there from
 * the beginning. Errors: unsupported (another kind of region), no_linear_memory. Any thread, while
 * the instance lives. */
LUCET_API enum lucet_error lucet_instance_heap_resident(const struct lucet_instance *inst,
                                                        uint64_t *bytes);
/* True when [ptr, ptr+len) (host addresses) lies wholly in memory 0. */
LUCET_API bool lucet_instance_check_heap(const struct lucet_instance *inst, const void *ptr,
                                         size_t len);
/* Host address of [offset, offset+len) of memory 0, or NULL when any of it is outside, or there is
 * no memory: how an address that the guest gave becomes one of the host's. It stays the same for
 * the instance's life. */
LUCET_API void *lucet_instance_guest_range(struct lucet_instance *inst, uint64_t offset,
                                           uint64_t len);
/* Grows memory 0 by so many of its pages, as memory.grow does. *previous_pages (NULL is allowed) is
 * the size before. Errors: no_linear_memory, limits_exceeded. */
LUCET_API enum lucet_error lucet_instance_grow_heap(struct lucet_instance *inst,
                                                    uint32_t additional_pages,
                                                    uint32_t *previous_pages);
/* Address and length in bytes of a memory by the name under which it is exported; the address stays
 * the same for the instance's life. Error symbol_not_found. */
LUCET_API enum lucet_error lucet_instance_memory(struct lucet_instance *inst, const char *name,
                                                 size_t name_len, uint8_t **base, uint64_t *size);
/* `embed_ctx` of its options. */
LUCET_API void *lucet_instance_embed_ctx(struct lucet_instance *inst);

/* Sets, replaces or (NULL) removes what is under a key; a reset changes nothing. The instance does
 * not own it. Also while it runs, in its host functions. Errors: invalid_argument, limits_exceeded
 * (more than LUCET_CONTEXTS_MAX). */
LUCET_API enum lucet_error lucet_instance_set_context(struct lucet_instance *inst, const void *key,
                                                      void *value);
/* NULL: there is none. */
LUCET_API void *lucet_instance_context(const struct lucet_instance *inst, const void *key);

/* ---- Faults -------------------------------------------------------------------------------- */

/* <signal.h> declares siginfo_t only where POSIX is asked for. */
#ifdef __siginfo_t_defined
typedef siginfo_t lucet_siginfo;
#else
typedef void lucet_siginfo;
#endif

enum lucet_signal_behavior {
    lucet_signal_behavior_default, /* the run ends as faulted */
    /* the instruction is executed again: the handler has removed the cause */
    lucet_signal_behavior_continue,
    lucet_signal_behavior_terminate, /* the run ends as terminated, reason signal */
};
/* Decides about a fault of the guest. Called in the signal handler, on the alternate stack, with
 * the signal's arguments (`context` is a ucontext_t): async-signal-safe functions only, and of
 * Lucet's none but lucet_instance_embed_ctx(), _context(), _heap(), _heap_len() and _check_heap(),
 * and those that give names. Only a fault at an address (SIGSEGV, SIGBUS) within the guest's memory
 * can be continued; for others `continue` is `default`. Faults that host functions or memory
 * operations find (lucet_vmctx_trap() among them) do not come here. */
typedef enum lucet_signal_behavior (*lucet_signal_handler)(struct lucet_instance *inst,
                                                           const enum lucet_trapcode *trap,
                                                           int signum, const lucet_siginfo *siginfo,
                                                           const void *context);
/* For the runs of the instance that begin afterwards; NULL = none. It stays after a reset. Error
 * invalid_argument (`inst` is NULL). */
LUCET_API enum lucet_error lucet_instance_set_signal_handler(struct lucet_instance *inst,
                                                             lucet_signal_handler handler);
/* Called when a run has ended with a fault that is fatal (see struct lucet_runtime_fault), before
 * the call that began it returns; may end the process. NULL, as in the beginning: nothing is done.
 * It stays after a reset. Error invalid_argument (`inst` is NULL). */
typedef void (*lucet_fatal_handler)(struct lucet_instance *inst);
LUCET_API enum lucet_error lucet_instance_set_fatal_handler(struct lucet_instance *inst,
                                                            lucet_fatal_handler handler);

/* What became of runs of a module's instances, for alerting and banning. Counts since it was
 * loaded; runs that returned or yielded are not counted. */
struct lucet_module_statistics {
    uint64_t faulted, terminated; /* in all */
    uint64_t faults[32];          /* by enum lucet_trapcode; [0] = unknown */
    uint64_t terminations[8];     /* by enum lucet_terminated_reason */
    uint64_t fatal;               /* of the faults */
};
/* Any thread, any time. Each number is exact; together they are a moment's when nothing runs. */
LUCET_API void lucet_dl_module_statistics(const struct lucet_dl_module *m,
                                          struct lucet_module_statistics *out);

/* ---- Stopping ----------------------------------------------------------------------------- */

enum lucet_kill_result {
    lucet_kill_signalled,      /* the guest was running and has been told */
    lucet_kill_pending,        /* it is in a host function and stops when that returns */
    lucet_kill_cancelled,      /* it was not running: its next run ends at once */
    lucet_kill_not_terminable, /* it is finished, released, or someone else was first */
};
/* "signalled", ...; static storage; "unknown" for other numbers. Any thread, any time. */
LUCET_API const char *lucet_kill_result_name(enum lucet_kill_result result);
/* A handle that any thread may fire at any moment, also after the instance is gone. Owned by the
 * caller. One firing per run takes effect. Of an instance with threads (`thread_of`) it ends those,
 * too; what is returned is about the instance itself. Errors: invalid_argument (NULL),
 * no_memory. */
LUCET_API enum lucet_error lucet_instance_kill_switch(struct lucet_instance *inst,
                                                      struct lucet_kill_switch **out);
/* Any thread. NULL: not_terminable. */
LUCET_API enum lucet_kill_result lucet_kill_switch_terminate(struct lucet_kill_switch *k);
/* When no other thread uses it any more. NULL is allowed. */
LUCET_API void lucet_kill_switch_release(struct lucet_kill_switch *k);

/* Limits each following run of the instance to `milliseconds` of wall time; 0 = no limit. The run
 * ends as terminated, reason timeout. It stays after a reset. Error invalid_argument (NULL).
 * Threads: see `thread_of`. */
LUCET_API enum lucet_error lucet_instance_set_timeout(struct lucet_instance *inst,
                                                      uint64_t milliseconds);
/* Who notices that a time limit is over. */
enum lucet_timeout_source {
    lucet_timeout_source_timers, /* the kernel: every run with a limit sets a timer of its thread
                                    and takes it back, two system calls; the default */
    lucet_timeout_source_host,   /* the host, by calling lucet_expire_timeouts(): runs only read the
                                    clock */
};
/* "timers", "host"; static storage. Any thread. */
LUCET_API const char *lucet_timeout_source_name(enum lucet_timeout_source source);
/* For the whole process, while no thread begins a run: one that begins meanwhile may have no limit.
 * Errors: invalid_argument (no such source), instance_not_returned while a guest runs. */
LUCET_API enum lucet_error lucet_set_timeout_source(enum lucet_timeout_source source);
/* Ends the runs whose time is over, on all threads; the host calls it as often as limits are to be
 * kept exactly, every millisecond, say, from a thread of its own: guests do not stop for a call
 * that their own thread makes when they have ended. (One that yielded, and is resumed when its time
 * is over, ends without any call.) Returns how many threads have been sent the stop signal; as long
 * as the run lasts, because it had not quite begun or is in a host function, calls send it again
 * every 10 ms. A run that ends while its thread is being told waits for that, so the caller must
 * not be a thread that real-time priorities keep from running. With timers nothing is to be done.
 * Any thread, also in a host function; not in signal handlers (it takes a lock). The child of a
 * fork has to have a thread of its own for it. */
LUCET_API size_t lucet_expire_timeouts(void);

/* Time slices, for many guests on one thread. Each following part of a run of the instance (the run
 * itself, and every resumption) lasts `nanoseconds` of wall time at most and then ends as yielded,
 * reason slice; lucet_instance_resume() goes on exactly where it was, on any thread. 0 = none;
 * LUCET_SLICE_MANUAL = only lucet_kill_switch_preempt() and lucet_end_slice() end one.
 *
 * Guest code is interrupted at any instruction, without a cost while it runs. Host functions are
 * not: the slice ends when they return. Nor is a run that a host function of the same instance
 * made: the outer one's slice ends later.
 *
 * Errors: invalid_argument (below 20,000), instance_not_returned (it is running), no_memory. */
#define LUCET_SLICE_MANUAL UINT64_MAX
LUCET_API enum lucet_error lucet_instance_set_slice(struct lucet_instance *inst,
                                                    uint64_t nanoseconds);
/* From any thread: ends the slice of the instance that the kill switch is for. signalled, pending
 * (it is in a host function) or not_terminable (it is not running, or without slices). */
LUCET_API enum lucet_kill_result lucet_kill_switch_preempt(struct lucet_kill_switch *k);
/* For embedders with a timer and a signal of their own. In the handler (SA_SIGINFO | SA_ONSTACK) on
 * the thread that runs guests: ends the slices of those it runs; `ucontext` is the handler's third
 * argument. Async-signal-safe. */
LUCET_API void lucet_end_slice(void *ucontext);

/* Instructions that the instance has executed, of modules compiled with `lucetc
 * --count-instructions` (else error unsupported): WebAssembly's, each as 1 but nop, drop, block,
 * loop, else, end, return and unreachable, which count as 0. Since its creation or reset, or from
 * what was set. Equal for all optimisation levels and machines. Exact in host functions, when a run
 * has returned and when it has yielded by a value or its bound; after a fault, a termination or a
 * slice, what was counted since the innermost function's last call may be missing. */
LUCET_API enum lucet_error lucet_instance_get_instruction_count(const struct lucet_instance *inst,
                                                                uint64_t *count);
LUCET_API enum lucet_error lucet_instance_set_instruction_count(struct lucet_instance *inst,
                                                                uint64_t count);
/* Each following part of a run (the run itself, and every resumption) yields, reason bound, when it
 * has executed so many instructions, or at the next beginning of a loop or function;
 * lucet_instance_resume() goes on. 0 = no bound. Of the instance's own instructions: linked ones
 * that it calls have counts and bounds of their own. A run within a run of the same instance leaves
 * it to the outer one to yield. Errors: unsupported (also for programs with several threads),
 * instance_not_returned (it is running). */
LUCET_API enum lucet_error lucet_instance_set_instruction_bound(struct lucet_instance *inst,
                                                                uint64_t instructions);

/* ---- Signals ------------------------------------------------------------------------------ */

/* Handlers (SIGSEGV, SIGBUS, SIGILL, SIGFPE and the stop signal, SIGURG by default) are installed
 * when the first region is created, and act on faults of guest code only: everything else goes to
 * the handlers that were there before. Creating another region puts them back in place if someone
 * has replaced them meanwhile. An embedder may do it explicitly.
 *
 * At its first run of a guest, a thread gets an alternate signal stack (unless it has one that is
 * large enough) and these five signals are unblocked in it: they must stay so.
 *
 * Error internal: the kernel refuses (detail says why), and none is installed. */
LUCET_API enum lucet_error lucet_install_signal_handlers(void);
/* Prepares the calling thread as its first run would: with an alternate signal stack of at least
 * that size in bytes (0 = the default) unless it has one that is large enough. From then on it
 * opens no file to run, make and release instances (docs/embedding.md, System calls). no_memory. */
LUCET_API enum lucet_error lucet_thread_attach(size_t signal_stack_size);
/* Takes the signal stack and the timers away again, as the thread's end does. Error
 * instance_not_returned in a host function. */
LUCET_API enum lucet_error lucet_thread_detach(void);
/* Puts the earlier handlers back. Errors: instance_not_returned while a guest runs;
 * invalid_argument while there is a region with pages on demand. */
LUCET_API enum lucet_error lucet_remove_signal_handlers(void);
/* Which signal stops guests; before the handlers are installed. Error invalid_argument afterwards,
 * and for a signal that cannot: of faults, SIGKILL, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU, the C
 * library's own. */
LUCET_API enum lucet_error lucet_set_stop_signal(int signo);

/* ---- For the whole process ---- */

enum lucet_log_level {
    /* something of the host's or the machine's is wrong: a fault that is fatal, a lost slot */
    lucet_log_error,
    /* what works meanwhile, but not as it should: a signal handler that had to be put back */
    lucet_log_warning,
    lucet_log_info,  /* what this machine lacks, and what is done instead */
    lucet_log_debug, /* faults and terminations of guests; modules and regions that come and go */
};
/* "error", ...; static storage. Any thread. */
LUCET_API const char *lucet_log_level_name(enum lucet_log_level level);
/* `message` is one line for people, without its end, and valid during the call; its wording is no
 * interface. It may hold names from the guest, escaped. Called on the thread that found it, on
 * several at once, never in signal handlers. It must return, and call no function of Lucet but
 * lucet_log_level_name(). */
typedef void (*lucet_log_function)(void *data, enum lucet_log_level level, const char *message);
/* Who is told what happens, up to that level; NULL, as in the beginning: nobody. Not while another
 * thread is in a function of Lucet. */
LUCET_API void lucet_set_log(enum lucet_log_level level, lucet_log_function function, void *data);

/* Where the runtime's own memory comes from; that of guests is mapped. As the C library's functions
 * of these names, but for the context; sizes are never 0, what is returned is aligned for any type,
 * NULL: none is left (then whatever is being done fails with no_memory). Any thread calls them,
 * several at once, never in signal handlers; they call no function of Lucet. */
struct lucet_allocator {
    void *(*malloc)(void *context, size_t size);
    void *(*realloc)(void *context, void *p, size_t size); /* p is not NULL */
    void (*free)(void *context, void *p);                  /* p is not NULL */
    void *context;
};
/* NULL: the C library's, as in the beginning. Before anything else of the runtime or of
 * liblucet-wasi is used that allocates: error invalid_argument afterwards, and when a function is
 * missing. When everything is released, all of it has been given back. What the C library allocates
 * by itself (for threads, directories) comes from its own. */
LUCET_API enum lucet_error lucet_set_allocator(const struct lucet_allocator *allocator);
/* Memory from that allocator, for libraries built on this one. As the C library's functions of
 * these names, but a size of 0 gives a block, too. Owned by the caller, given back by lucet_free()
 * only. Any thread, not in signal handlers; they leave lucet_error_detail() as it was. */
LUCET_API void *lucet_malloc(size_t size);
LUCET_API void *lucet_calloc(size_t count, size_t size);
LUCET_API void *lucet_realloc(void *p, size_t size);
LUCET_API void lucet_free(void *p);
/* Makes the text lucet_error_detail() of the calling thread, for the same libraries; what is beyond
 * 511 bytes is cut off. With lucet_error_ok the detail is "", whatever the text. Leaves errno
 * alone. Returns `error`. Any thread, not in signal handlers. */
LUCET_API enum lucet_error lucet_set_error(enum lucet_error error, const char *format, ...)
    LUCET_PRINTF(2, 3);

/* ---- In host functions ----
 *
 * For the thread that runs one, while it runs. The calling instance, and what functions called
 * lucet_instance_... say of one: its memory 0, its embed_ctx (_get_delegate), what is under a key
 * (_context). Addresses stay valid when the memory grows. */
LUCET_API struct lucet_instance *lucet_vmctx_instance(const struct lucet_vmctx *vmctx);
LUCET_API uint8_t *lucet_vmctx_get_heap(const struct lucet_vmctx *vmctx);
LUCET_API uint64_t lucet_vmctx_heap_len(const struct lucet_vmctx *vmctx);
LUCET_API bool lucet_vmctx_check_heap(const struct lucet_vmctx *vmctx, const void *ptr, size_t len);
/* Host address of [offset, offset+len) of the guest's memory 0, or NULL when any of it is
 * outside. */
LUCET_API void *lucet_vmctx_guest_range(const struct lucet_vmctx *vmctx, uint64_t offset,
                                        uint64_t len);
LUCET_API void *lucet_vmctx_get_delegate(const struct lucet_vmctx *vmctx);
LUCET_API void *lucet_vmctx_context(const struct lucet_vmctx *vmctx, const void *key);
LUCET_API uint32_t lucet_vmctx_current_memory(const struct lucet_vmctx *vmctx); /* pages */
/* The function at an index of a table: a reference, for LUCET_VAL(funcref, as_ref, ...) and
 * lucet_instance_run_func_idx()'s like; NULL when it is null or out of bounds, or when the module
 * has nothing of function references among its imports and exports: then its functions belong to no
 * instance, and none but its own code may call them (lucet_instance_run_func_idx() can). */
LUCET_API const void *lucet_vmctx_get_func_from_idx(const struct lucet_vmctx *vmctx, uint32_t table,
                                                    uint32_t index);
/* The guest's globals, 8 bytes each, in the order of the module: those of its own and copies of
 * imported immutable ones. In modules with vectors among them or imported mutable ones the order is
 * another; use lucet_instance_get_global(). */
LUCET_API int64_t *lucet_vmctx_get_globals(const struct lucet_vmctx *vmctx);
/* The previous size in pages, or -1. */
LUCET_API int32_t lucet_vmctx_grow_memory(const struct lucet_vmctx *vmctx,
                                          uint32_t additional_pages);
/* Ends the run as terminated with reason `provided`. Does not return: frames of host functions
 * above are dropped without cleaning up, so call it when you own nothing. Only with the vmctx of
 * the host function that is running: another one, such as that of a run further out, aborts the
 * process. */
LUCET_API LUCET_NORETURN void lucet_vmctx_terminate(const struct lucet_vmctx *vmctx, void *info);
/* Ends the run as faulted. The same warning. */
LUCET_API LUCET_NORETURN void lucet_vmctx_trap(const struct lucet_vmctx *vmctx,
                                               enum lucet_trapcode code);
/* Ends the run as yielded, with `val` in its result. Returns when it is resumed, perhaps on another
 * thread, with the value given there: whoever calls it holds no locks and no addresses of
 * thread-local variables (errno is one). May never return, see above.
 *
 * Impossible where the instance has an outer run on the same stack, i.e. a host function that it
 * called runs it again: the (inner) run is then terminated, reason cannot_yield. Only with the
 * vmctx of the host function that is running; another one aborts the process. */
LUCET_API void *lucet_vmctx_yield(const struct lucet_vmctx *vmctx, void *val);
/* The same, but answers instance_not_returned where it is impossible, and invalid_argument for
 * another vmctx. *resumed is what was given to lucet_instance_resume(); NULL is allowed. */
LUCET_API enum lucet_error lucet_vmctx_try_yield(const struct lucet_vmctx *vmctx, void *val,
                                                 void **resumed);
/* True when a kill switch or time limit has asked for the end: long host functions should
 * return. */
LUCET_API bool lucet_vmctx_stop_requested(const struct lucet_vmctx *vmctx);

#ifdef __cplusplus
}
#endif
#endif
