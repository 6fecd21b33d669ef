/* The runtime's own structures and what its files offer each other. One idea per file:
 *
 *   modules     memfd.c module_load.c module_info.c module_names.c code_ranges.c frames.c names.c signature.c image.c
 *   slots       region.c free_list.c slot.c dirty.c memory.c wait.c table.c
 *   linking     linker.c imports.c store.c record.c
 *   instances   instance_new.c park.c instance_init.c pristine.c segments.c init_expr.c instance.c global.c value.c
 *   running     run.c call.c func.c gs.h suspend.c slice.c enter.S thread.c signals.c fault.c backtrace.c
 *               stop.c timeout.c
 *   exceptions  tag.c exception.c exception_collect.c throw.c (exception.h)
 *   for guests  builtins.c builtins_table.c vmctx.c count.c
 *
 * Names with two underscores are between the files. Public functions check their arguments, set
 * the thread's error detail, and are declared in include/lucet/lucet.h. */
#ifndef LUCET_RUNTIME_RUNTIME_H
#define LUCET_RUNTIME_RUNTIME_H

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "lucet/lucet.h"
#include "module/reader.h"
#include "runtime/activation.h"

#define LUCET__PAGE 4096u
#define LUCET__GUARD (UINT64_C(64) << 10) /* around guest stacks, before heaps */
#define LUCET__NO_MAX UINT64_MAX

static inline uint64_t round_up(uint64_t n, uint64_t unit)
{
    return (n + unit - 1) / unit * unit;
}

/* ---- Errors: error.c ---- */

/* Sets the thread's detail and returns `e`. */
__attribute__((format(printf, 2, 3))) enum lucet_error lucet__fail(enum lucet_error e,
                                                                   const char *format, ...);
/* The same with errno's text appended. */
__attribute__((format(printf, 2, 3))) enum lucet_error lucet__fail_errno(enum lucet_error e,
                                                                         const char *format, ...);
void lucet__clear_error(void);
enum lucet_error lucet__no_memory(void);

/* names.c: copies `size` bytes for terminals: what is not printable UTF-8 becomes \xNN, what does
 * not fit is cut and marked. Returns buf. */
#define LUCET__NAME_MAX 256u
const char *lucet__printable(char *buf, size_t room, const char *name, size_t size);

/* ---- Signatures: signature.c ---- */

/* Interns the function types of a module process-wide: equal types get equal ids, for as long as
 * anyone holds them. False: out of memory; those of ids that are not 0 are to be released. */
bool lucet__signatures_intern(const struct lucet_artifact *a, uint64_t *ids);
void lucet__signatures_release(const struct lucet_artifact *a, const uint64_t *ids);
/* The id of a type that is a group of its own, or of the first type of a group; somebody holds it. */
void lucet__signature_retain(uint64_t first_id);
void lucet__signature_release(uint64_t first_id);
/* The id of a type of plain types, a group of its own. 0 = out of memory. */
uint64_t lucet__signature_plain(const uint8_t *types, uint32_t nparams, uint32_t nresults);
/* The id of a type in letters ("iI:f"); 0 when they are malformed or memory is out. */
uint64_t lucet__signature_parse(const char *letters);

/* An exact type as a word that means the same in all modules: references to types are
 * LUCET__TYPE_ID | id << 8 | low byte, others are as they are. */
#define LUCET__TYPE_ID (UINT64_C(1) << 63)
struct lucet_dl_module;
uint64_t lucet__exact_type(const struct lucet_dl_module *m, uint32_t type);
bool lucet__subtype(uint64_t sub, uint64_t super);

/* ---- Modules ---- */

/* A function as a value; what compiled code knows comes first. */
struct record {
    struct lucet_funcref ref;
    struct lucet_instance *owner;         /* NULL: private to its module, runs in whoever runs */
    const struct lucet_dl_module *module; /* whose text holds ref.code */
    uint32_t func;                        /* there */
};

/* What memory 0 looks like when an instance is new. */
struct image {
    bool complete; /* all active data segments are in it; else they are applied one by one */
    int fd;        /* to be mapped copy-on-write; -1: copied */
    uint64_t offset, size; /* in the memory, whole pages; 0: it is all zero */
    const uint8_t *bytes;  /* of it, to read */
};

struct frame_entry {      /* a function as .eh_frame describes it */
    uint32_t start, size; /* of the code, from the image's base */
    uint32_t fde;         /* offset in .eh_frame */
    bool pinned;          /* helper code that must not be put aside in the middle */
};

struct function_entry { /* for names: by start */
    uint32_t start;
    uint32_t index; /* function, or number of functions + helper */
};

struct source_file { /* a name that some frame has been told */
    struct source_file *next;
    uint32_t file;
    char *name;
};

struct lucet_dl_module {
    atomic_uint refs;
    uint64_t id;                    /* never used again */
    struct lucet_artifact artifact; /* points into `file` */
    const uint8_t *file;
    size_t file_size;
    uint8_t *base; /* of the image: text R+X, all else R */
    uintptr_t text_start, text_end;
    size_t code_range; /* its place among the code ranges */

    uint64_t *type_ids; /* per type */
    /* Functions that may become values have a number among records; LUCET_NONE = no record. */
    uint32_t *record_of;
    uint32_t nrecords;
    struct record *records; /* private modules: one per such function */

    struct frame_entry *frames; /* sorted */
    uint32_t nframes;

    bool pristine_possible;
    struct pristine *_Atomic pristine; /* pristine.c; NULL: not made yet */
    struct {
        _Atomic uint64_t faults[32], terminations[8], fatal;
    } statistics; /* as in struct lucet_module_statistics */

    pthread_mutex_t mutex; /* guards what is made on demand, below */
    atomic_bool image_made;
    struct image image;
    char **extern_names;              /* see module_info.c */
    struct function_entry *functions; /* sorted */
    uint32_t nfunctions;
    char **function_names; /* per entry of functions */
    struct source_file *source_files;
    char *name; /* of the module, printable */
};

static inline size_t lucet__extern_name_count(const struct lucet_dl_module *m)
{
    return 2 * (size_t)m->artifact.nexports + 4 * (size_t)m->artifact.nimports;
}
void lucet__module_retain(struct lucet_dl_module *m);
static inline bool lucet__module_private(const struct lucet_dl_module *m)
{
    return m->artifact.header->flags & LUCET_MODULE_PRIVATE_FUNCS;
}
static inline const void *lucet__code(const struct lucet_dl_module *m, lucet_code code)
{
    return code == 0 ? NULL : m->base + lucet_artifact_code(&m->artifact, code);
}
static inline const struct lucet_module_type *lucet__func_type(const struct lucet_dl_module *m,
                                                               uint32_t func)
{
    return &m->artifact.types[m->artifact.funcs[func].type];
}

/* memfd.c: *out = the sealed memfd. dl, no_memory. */
enum lucet_error lucet__memfd_from_file(const char *path, int *out, size_t *size);
enum lucet_error lucet__memfd_from_bytes(const void *bytes, size_t size, int *out);
/* -1 and errno. */
int lucet__memfd(const char *name);
bool lucet__memfd_write(int fd, const void *bytes, size_t size, uint64_t offset);
bool lucet__memfd_seal(int fd);

/* image.c: makes m->image on first use. */
const struct image *lucet__image(struct lucet_dl_module *m);
void lucet__image_release(struct lucet_dl_module *m);

#define LUCET__UNKNOWN_FRAME                                                                       \
    ((struct lucet_frame){.module_name = "",                                                       \
                          .function_name = "",                                                     \
                          .function_index = UINT32_MAX,                                            \
                          .wasm_offset = UINT32_MAX,                                               \
                          .source_file = ""})
/* module_names.c: name and index of what is at `pc`. */
void lucet__describe_pc(struct lucet_dl_module *m, uintptr_t pc, struct lucet_frame *out);
void lucet__names_release(struct lucet_dl_module *m);

/* code_ranges.c: text of loaded modules, found by program counter, also in signal handlers. */
bool lucet__code_range_add(struct lucet_dl_module *m);
void lucet__code_range_remove(struct lucet_dl_module *m);
struct lucet_dl_module *lucet__code_range_find(uintptr_t pc);

/* frames.c: sorted index over .eh_frame, and what it says. */
enum lucet_error lucet__frames_index(struct lucet_dl_module *m);
/* The canonical frame address of the frame at pc is register + *offset; the register is sp, or
 * the probe register when *probe. False: unknown. Safe in signal handlers. */
bool lucet__frame_cfa(const struct lucet_dl_module *m, uintptr_t pc, int64_t *offset, bool *probe);
/* Whether a run may be put aside at pc and go on elsewhere (docs/abi.md T7). Safe in signal handlers. */
bool lucet__preemptible(const struct lucet_dl_module *m, uintptr_t pc);

/* ---- Regions ---- */

/* A slot, from its first byte:
 *
 *   | context | guard | guest stack | guard | heap: reservation and guard | next slot ...
 *
 * The guard before the heap is also the one behind the stack; the context's front guard is the
 * heap guard of the slot before, or of the region. All is inaccessible until it is used. Where the kernel
 * can, context, stack and heap are one mapping with guards in it, since a process may have 65,530.
 *
 * While a slot is free it holds nothing of its tenant, but is prepared for the next instance of the same
 * module: its heap is as that begins, and the instance's structures and context wait in `parked`. */
struct slot {
    struct lucet_region *region;
    uint8_t *context, *stack, *heap; /* lowest addresses */
    uint64_t module_id;              /* of the module it held last; 0 = none */
    struct lucet_instance *parked;   /* of that module; NULL = none */

    uint64_t heap_accessible; /* bytes that are readable and writable now */
    uint64_t content;         /* id of the module whose image the heap began with; 0 = zero */
    uint64_t image_offset, image_size;         /* where that is mapped; size 0: it was copied */
    uint64_t context_accessible, context_used; /* from its beginning */
    uint32_t next_free;
    bool stack_accessible, heap_used; /* the former: the context's beginning and guards, too */
    bool one_mapping;
    bool warm; /* while it is free: it keeps pages */
};

struct lucet_region {
    atomic_uint refs;
    struct lucet_alloc_limits limits;
    struct lucet_region_options options;
    size_t capacity;
    uint8_t *base;
    uint64_t size, stride;
    struct slot *slots;
    struct free_lists *free;
    atomic_bool guards; /* those within slots are lucet__guard()'s, else mappings without access */
};

/* free_list.c. Which slots are free. */
struct free_lists *lucet__free_lists_new(struct slot *slots, size_t capacity, bool random);
void lucet__free_lists_delete(struct free_lists *f);
/* Prefers one that last held the module. NULL: all were in use at one moment. */
struct slot *lucet__free_lists_take(struct free_lists *f, uint64_t module_id);
void lucet__free_lists_give_back(struct free_lists *f, struct slot *s);
/* Whether the calling thread may give back another slot that is warm. */
bool lucet__free_lists_may_keep(struct free_lists *f);
/* Of free slots. Exact while nobody takes or gives back. */
size_t lucet__free_lists_count(struct free_lists *f);

/* dirty.c. */
struct lucet__page_range {
    uint64_t start, end; /* addresses */
    uint64_t categories;
};
/* Ranges of pages in [from, to) that are not as the kernel would make them. -1: unknown, or more than `max`. */
long lucet__dirty(const uint8_t *from, const uint8_t *to, struct lucet__page_range *out,
                  size_t max);
/* Once in a while: whether the kernel can say so. */
bool lucet__dirty_prepare(void);
/* Makes pages of a mapping fault, or not, without dividing it; and whether the kernel can. */
bool lucet__guard(void *p, uint64_t size, bool install);
bool lucet__guards_possible(void);

/* slot.c. Takes a slot, its stack and `context_size` bytes of context accessible; zero, unless an instance is
 * parked there. Prefers one that last held `module`. */
enum lucet_error lucet__slot_take(struct lucet_region *r, const struct lucet_dl_module *module,
                                  uint64_t context_size, struct slot **out);
/* Forgets everything that its tenant, an instance of `module`, left in it, and puts it back. `parked`: what
 * waits in it, of whose context [guest_part, guest_part + guest_size) is cleared; NULL: all of the context is. */
void lucet__slot_give_back(struct slot *s, struct lucet_dl_module *module,
                           struct lucet_instance *parked);
/* Takes the image out of a heap that was just reset: what comes before the data segments has failed. */
bool lucet__slot_heap_zero(struct slot *s);
/* Forgets what was in the heap; bytes [0, size) become accessible: zero or the module's image. */
enum lucet_error lucet__slot_heap_reset(struct slot *s, uint64_t size,
                                        struct lucet_dl_module *module);
void lucet__region_retain(struct lucet_region *r);

/* ---- Memories and tables ---- */

struct waiter; /* wait.c */

/* What instances on several threads need of a memory they share. */
struct shared_memory {
    pthread_mutex_t mutex; /* guards growing and what follows */
    uint32_t users;        /* instances that import it */
    struct waiter *first, *last;
};

/* What a memory's owner knows beyond its descriptor, which stands where compiled code reads it. */
struct memory {
    struct lucet_memory *desc;
    uint64_t space;        /* reservation and guard from the base */
    uint64_t grow_limit;   /* bytes */
    uint64_t declared_max; /* pages; LUCET__NO_MAX */
    uint64_t accessible;   /* bytes, whole system pages */
    uint32_t page_log2;
    bool index64;
    struct shared_memory *shared;     /* NULL: it is not */
    atomic_uint_fast64_t *bytes_left; /* of the instance's allowance; NULL = only grow_limit */
    struct slot *slot;                /* it lies in a slot's heap, else in a mapping of its own: */
    uint8_t *mapping;
    uint64_t mapping_size;
};

static inline uint64_t lucet__memory_size(const struct lucet_memory *m)
{
    return __atomic_load_n(&m->size, __ATOMIC_ACQUIRE);
}
static inline void lucet__memory_set_size(struct lucet_memory *m, uint64_t size)
{
    __atomic_store_n(&m->size, size, __ATOMIC_RELEASE);
}

/* memory.c. Pages before, or -1. */
int64_t lucet__memory_grow(struct memory *m, uint64_t pages);
/* The same when the region's limiter agrees. */
int64_t lucet__memory_grow_for(struct lucet_instance *i, struct memory *m, uint64_t pages);
bool lucet__memory_allowed(const struct lucet_region *r, struct lucet_instance *i, uint64_t current,
                           uint64_t desired);
/* A mapping of its own of `space` bytes with guards. no_memory. */
enum lucet_error lucet__memory_map(struct memory *m, uint64_t space);
/* Makes it a shared one, in a mapping of its own. no_memory. */
enum lucet_error lucet__memory_share(struct memory *m);
/* Own mapping: back to `pages` zero pages. instance_not_returned: it is shared, and others use it. */
enum lucet_error lucet__memory_reset(struct memory *m, uint64_t pages);
/* An instance begins or ceases to import it. */
void lucet__memory_use(struct memory *m, bool begins);
void lucet__memory_unmap(struct memory *m);

/* wait.c: memory.atomic.wait (`width` 4 or 8) and notify, `address` checked here. */
uint32_t lucet__memory_wait(struct lucet_vmctx *ctx, struct lucet_memory *m, uint64_t address,
                            unsigned width, uint64_t expected, int64_t timeout);
/* In the stop handler: ends the wait of the calling thread. */
void lucet__wait_stop(struct thread *t);
uint32_t lucet__memory_notify(struct lucet_vmctx *ctx, struct lucet_memory *m, uint64_t address,
                              uint32_t count);

struct table {
    struct lucet_table *desc;
    uint64_t grow_limit;   /* entries */
    uint64_t declared_max; /* LUCET__NO_MAX */
    uint64_t elem;         /* lucet__exact_type() */
    bool index64;
    uint64_t *entries_left; /* of the instance's allowance; NULL = no bound beyond grow_limit */
};
/* table.c. Entries before, or -1. New entries are null. */
int64_t lucet__table_grow(struct table *t, uint64_t n);
enum lucet_error lucet__table_reset(struct table *t, uint64_t n);
/* The same, with whatever was there. */
enum lucet_error lucet__table_resize(struct table *t, uint64_t n);
void lucet__table_free(struct table *t);

/* ---- Instances ---- */

#define LUCET__FEW 8u /* room in struct lucet_call_area */

enum instance_state {
    INSTANCE_READY,
    INSTANCE_FAULTED,
    INSTANCE_TERMINATED, /* both must be reset, the former unless continue_after_fault */
    INSTANCE_YIELDED,    /* its `suspended` says how it goes on */
};

/* What a run needs to go on, of which nothing may stay in the frames of the host that began it. */
struct suspended {
    struct lucet_activation abi; /* its values; guest_frame as where it goes on expects it */
    void *sp;                    /* of lucet__suspend(); NULL: it was preempted, see `registers` */
    enum lucet_yield_reason reason;
    void *value;
    uint64_t time_left;                   /* of its limit, nanoseconds */
    const struct lucet_dl_module *module; /* of the function that was called */
    uint32_t func;
    struct lucet_vmctx *begun, *left;           /* see struct activation */
    struct lucet_exception *throwing, *passing; /* see struct activation */
    /* Copies of scratch space and pending exception of the context abi.ctx; malloc(). */
    uint8_t *in_transit;
    size_t in_transit_size;
    uint64_t (*values)[2]; /* its arguments and results: few, the call area, or from malloc() */
    uint64_t few[16][2] __attribute__((aligned(16))); /* entries load vectors from it */
};

/* stop.c: shared with kill switches. What a run does to it, func.c does by itself. */
struct stop {
    atomic_uint refs;
    atomic_int state; /* enum stop_state */
    atomic_bool running, preempted;
    /* Valid while running; written before. */
    struct activation *_Atomic act;
    struct thread *_Atomic thread;
};
enum stop_state {
    STOP_NONE,
    STOP_DECIDING,
    STOP_LOOKING,
    STOP_CANCELLED,
    STOP_REMOTE,
    STOP_TIMEOUT,
    STOP_DISABLED
};
/* Every thread that stores `running` passes a full barrier, because the kernel offers none to killers. */
extern atomic_bool lucet__stop_fences;

struct store;      /* store.c */
struct exceptions; /* exception.c */

struct lucet_instance {
    struct lucet_call_area area; /* first: stubs know it */
    struct lucet_dl_module *module;
    struct lucet_region *region;
    struct slot *slot;
    struct lucet_vmctx *ctx;
    struct store *store; /* NULL: not linked with others; guarded by the stores' mutex */
    struct lucet_instance *store_next;

    struct memory *memory0;  /* own or imported; NULL = no memory */
    struct memory *memories; /* own */
    struct table *tables;    /* own */
    uint32_t nmemories, ntables;
    uint64_t table_entries_left;
    struct record *records;         /* per instance, when the module is not private */
    struct record *export_records;  /* per export, of private modules others import from */
    struct record *host_records;    /* per imported function; used when it is the host's */
    uint64_t heap_limit;            /* bytes of all own memories together */
    atomic_uint_fast64_t heap_left; /* of these */
    uint32_t memories_used;         /* imported ones that know of it */
    uint8_t *dropped;               /* bits: element segments, then data segments */
    struct lucet_tag **tags;
    struct exceptions *exceptions;    /* shared by the instances of a store; made at first use */
    struct lucet_exception *uncaught; /* what its last run threw */

    void *embed_ctx;
    uint64_t timeout_ns, slice_ns, instructions_bound; /* 0 = none */
    uint64_t instructions_total; /* executed and left, of a module that counts them */
    struct stop *stop;
    lucet_signal_handler signal_handler;
    lucet_fatal_handler fatal_handler;

    struct pristine *pristine; /* of its own */
    bool complete;             /* all that outlives it in its slot is made */
    bool used_again;           /* it was parked before */

    enum instance_state state;
    bool start_done, continue_after_fault;
    uint32_t depth;   /* runs in progress */
    pthread_t runner; /* while depth > 0 */

    struct suspended suspended;  /* `values` also while its outermost run lasts */
    struct registers *registers; /* made when it may be preempted; else NULL */
    /* For calls by handle, func.c. */
    uint8_t *hostcall_limit; /* as in struct lucet_activation */
    struct activation act;

    struct trace trace;
    struct lucet_frame *frames; /* LUCET__FRAMES; made at the first fault */
};

static inline struct lucet_instance *lucet__instance(const struct lucet_vmctx *ctx)
{
    return ctx->instance;
}
#define LUCET__AT(ctx, type, offset) ((type *)(void *)((uint8_t *)(ctx) + (offset)))

/* Descriptors by index in the instance's index space, imported ones first. */
struct lucet_memory *lucet__memory_desc(const struct lucet_instance *i, uint32_t index);
struct lucet_table *lucet__table_desc(const struct lucet_instance *i, uint32_t index);
/* Address of the global's value, wherever it is. */
void *lucet__global_cell(const struct lucet_instance *i, uint32_t index);
/* The function as a value; NULL when the module never makes it one. */
const struct lucet_funcref *lucet__func_record(const struct lucet_instance *i, uint32_t func);

/* record.c */
enum lucet_error lucet__records_plan(struct lucet_dl_module *m);
enum lucet_error lucet__records_make(struct lucet_instance *i);
/* A record by which another instance may call what export number `e` names. no_memory, module. */
enum lucet_error lucet__export_record(struct lucet_instance *i, uint32_t e,
                                      const struct lucet_funcref **out);
/* A record for the host function that imported function `func` stands for. */
enum lucet_error lucet__host_record(struct lucet_instance *i, uint32_t func, void (*f)(void),
                                    const struct lucet_funcref **out);

/* init_expr.c: evaluates a checked constant expression into 16 bytes. */
void lucet__init_value(const struct lucet_instance *i, struct lucet_init init, uint64_t out[2]);

/* segments.c */
enum lucet_error lucet__segments_apply(struct lucet_instance *i, bool data_in_image);
bool lucet__elem_copy(struct lucet_instance *i, uint32_t segment, struct lucet_table *t,
                      uint64_t dst, uint64_t src, uint64_t n);
static inline bool lucet__dropped(const struct lucet_instance *i, uint32_t bit)
{
    return i->dropped[bit / 8] >> bit % 8 & 1;
}
static inline void lucet__drop(struct lucet_instance *i, uint32_t bit)
{
    i->dropped[bit / 8] |= (uint8_t)(1u << bit % 8);
}
/* Remembers the trap of an instantiation: lucet_instantiation_trap(). */
enum lucet_error lucet__instantiation_trap(enum lucet_trapcode code, const char *what,
                                           uint32_t index);
/* The same when the start function stopped. */
void lucet__set_instantiation_trap(enum lucet_trapcode code);

/* imports.c: fills the context's import arrays. */
enum lucet_error lucet__imports_resolve(struct lucet_instance *i, struct lucet_linker *l);

/* Ceases to use what it imports. Before it, or what it imports from, is destroyed. */
void lucet__instance_leave(struct lucet_instance *i);
/* park.c: instances that wait in free slots. */
void lucet__parked_free(struct lucet_instance *i);
/* Frees what waits in a slot, and clears its context. */
void lucet__parked_drop(struct slot *s);
/* What waits in the slot, ready to be used again but for its module, options and contents; or NULL. */
struct lucet_instance *lucet__unpark(struct slot *s);

/* pristine.c */
bool lucet__pristine_possible(const struct lucet_artifact *a);
/* An instance that is all new: for the next. */
void lucet__pristine_remember(struct lucet_instance *i);
/* Sets globals and tables to what they begin with; *applied = false: it is not known. */
enum lucet_error lucet__pristine_apply(struct lucet_instance *i, bool *applied);

/* Drops the owner's reference. */
void lucet__instance_drop(struct lucet_instance *i);
/* Nobody refers to it any more. */
void lucet__instance_destroy(struct lucet_instance *i);
/* instance_init.c: memories, tables, globals and segments as they are in the beginning. Own
 * descriptors and imports are in place. */
enum lucet_error lucet__instance_initialise(struct lucet_instance *i);
/* Descriptors of what the instance owns. limits_exceeded, no_memory. */
enum lucet_error lucet__instance_describe(struct lucet_instance *i);

/* ---- Linking ---- */

/* What the host made: a table, a memory, a global or a tag that instances import. */
struct object {
    enum lucet_extern_kind kind;
    struct object *store_next;
    union {
        struct {
            struct lucet_memory desc;
            struct memory own;
        } memory;
        struct {
            struct lucet_table desc;
            struct table own;
        } table;
        struct {
            uint64_t value[2] __attribute__((aligned(16)));
            uint32_t type; /* enum lucet_valtype */
            bool is_mutable;
        } global;
        struct lucet_tag *tag;
    } u;
};

/* What a name in a linker stands for. */
struct definition {
    enum lucet_extern_kind kind;
    /* one of these: */
    void (*host)(void);
    struct object *object;
    struct lucet_instance *instance;

    uint64_t signature;    /* of host: interned */
    uint32_t export_index; /* of instance: which export */
    struct store *store;   /* of object or instance */
};

/* With the linker's lock held, between these two. */
void lucet__linker_lock(struct lucet_linker *l);
void lucet__linker_unlock(struct lucet_linker *l);
bool lucet__linker_find(struct lucet_linker *l, const char *module, size_t module_len,
                        const char *name, size_t name_len, struct definition *out);
bool lucet__linker_symbol(struct lucet_linker *l, const char *symbol, size_t len,
                          struct definition *out);

/* store.c: instances and objects that may hold references to each other live and die together. */
struct store *lucet__store_of_instance(struct lucet_instance *i); /* NULL: no memory */
struct store *lucet__store_of_object(struct object *o);
void lucet__store_retain(struct store *s);
void lucet__store_release(struct store *s);
/* `user` refers to `used`. Mutual: they become one store. no_memory. */
enum lucet_error lucet__store_link(struct store *user, struct store *used, bool mutual);
void lucet__object_destroy(struct object *o);
/* All that is in the instance's store; NULL: it is alone. They stay as long as it does not run on
 * another thread. */
struct store_members {
    struct lucet_instance *instances; /* by store_next */
    struct object *objects;
};
struct store_members lucet__store_members(const struct lucet_instance *i);

/* ---- Running ---- */

/* Before an instance's outermost run, and before its stack is cleaned: AddressSanitizer may remember frames of host functions on this
 * stack that a stop, or the end of a run that had yielded, has cut off. */
#ifdef LUCET_SANITIZE
void __asan_unpoison_memory_region(void const volatile *p, size_t size);
#endif
static inline void lucet__stack_range_unused(const uint8_t *from, size_t size)
{
#ifdef LUCET_SANITIZE
    __asan_unpoison_memory_region(from, size);
#else
    (void)from;
    (void)size;
#endif
}
static inline void lucet__stack_unused(const struct slot *s)
{
    lucet__stack_range_unused(s->stack, s->region->limits.stack_size);
}

/* The thread that an activation's values belong to. After a run was put aside, builtins find it by their
 * context's `activation` only: the address of lucet__thread may be one kept from before. */
static inline struct thread *lucet__activation_thread(const struct lucet_activation *abi)
{
    return (struct thread *)((uintptr_t)abi - offsetof(struct thread, abi));
}

/* throw.c. Before a run, in the context where it begins. */
void lucet__throw_begin(struct activation *act, struct lucet_vmctx *ctx);
/* After it: an exception that is still on its way there makes it a run that threw. */
void lucet__throw_end(struct activation *act);
/* Whether an exception is on its way, or remembered from there. */
static inline bool lucet__throw_left(const struct activation *act)
{
    const struct lucet_pending *p = act->begun->exception;

    return (p && p->tag) || (uintptr_t)act->throwing | (uintptr_t)act->passing;
}
/* Between a run and its rest. */
void lucet__throw_suspend(struct activation *act, struct suspended *s);
void lucet__throw_resume(struct activation *act, const struct suspended *s);
void lucet__throw_forget(struct suspended *s);
/* What a host function threw, when it has returned to `ctx`. May not return. */
void lucet__throw_thrown(struct activation *act, struct lucet_vmctx *ctx);
uint64_t lucet__builtin_exn_catch(struct lucet_vmctx *ctx);
void lucet__builtin_exn_throw(struct lucet_vmctx *ctx, uint64_t ref);
void lucet__builtin_exn_leave(struct lucet_vmctx *ctx);
void lucet__builtin_exn_arrive(struct lucet_vmctx *ctx);
/* enter.S */
extern const char lucet__catcher_mark[];
LUCET_NORETURN void lucet__catcher_resume(const struct lucet_catcher *c);

/* exception.c: the instance is going away. */
void lucet__exceptions_leave(struct lucet_instance *i);
/* Two stores with these instances (by store_next; NULL: none) become one. */
void lucet__exceptions_unite(struct lucet_instance *one, struct lucet_instance *two);

/* value.c. False: the value is not of that type. `out` is 16 bytes. */
bool lucet__value_store(const struct lucet_val *v, uint8_t valtype, void *out);
/* Whether what was stored for a plain type is also of the exact type: not null where that is not
 * allowed, a function of the right type. */
bool lucet__value_is(const struct lucet_dl_module *m, uint32_t exact, const void *stored);
struct lucet_val lucet__value_load(uint8_t valtype, const void *in);
/* Between what guests call an exception and the host's struct lucet_exception; other values stay. */
void lucet__value_export(const struct lucet_instance *i, struct lucet_val *v);
/* Writes the exceptions among arguments, as guests call them. limits_exceeded, no_memory,
 * type_mismatch: it refers to an exception that is gone. */
enum lucet_error lucet__arguments_admit(struct lucet_instance *i, const uint8_t *types, uint32_t n,
                                        const struct lucet_val *argv, uint64_t (*values)[2]);
/* The instance comes to hold the value: keeps alive what it refers to. no_memory. */
enum lucet_error lucet__value_hold(struct lucet_instance *i, const struct lucet_val *v);
uint8_t lucet__valtype_of(enum lucet_val_type t); /* 0 for none */

/* call.c: runs function `func` of `owner`'s module in `owner`'s context, on `i`'s stack. */
struct call {
    struct lucet_instance *instance;
    struct lucet_vmctx *ctx;
    const struct lucet_dl_module *module;
    uint32_t func;
    size_t argc;
    const struct lucet_val *argv;
    size_t nresults; /* room in results; results may be NULL */
    struct lucet_val *results;
    bool is_start;
};
enum lucet_error lucet__call(const struct call *c, struct lucet_result *result);
/* Goes on with a run that yielded; of `c`, instance, nresults and results count. */
enum lucet_error lucet__call_resume(const struct call *c, void *value, struct lucet_result *result);

/* suspend.c. From a host function or builtin that `ctx` called: puts the run aside. False: impossible, the
 * instance has an outer run on the same stack. Returns true when it is resumed, on whichever thread. */
bool lucet__yield(struct lucet_vmctx *ctx, enum lucet_yield_reason reason, void *value,
                  void **resumed);
/* Ends the slice, if it is over, of the run that called the builtin; the activation is ctx->activation
 * afterwards, whichever thread that is. True: it was put aside and goes on. */
bool lucet__slice_yield(struct lucet_vmctx *ctx);
/* What is on its way between two functions of the running context: after the run was put aside, and before it
 * goes on. no_memory. */
enum lucet_error lucet__in_transit_save(struct suspended *s);
void lucet__in_transit_restore(const struct suspended *s);
/* Forgets the run that was put aside. */
void lucet__suspended_drop(struct lucet_instance *i);

/* What became of a run; its depth does not count any more. A stop request that was accepted wins over
 * everything. */
enum lucet_error lucet__finish(struct lucet_instance *i, struct activation *act,
                               struct lucet_result *result);

#define LUCET__NOT_READY                                                                           \
    UINT64_MAX /* of area.ready: not 0, which a handle that was never set has */
/* func.c: sets i->area.ready to what the rest of the instance says. */
void lucet__callable_update(struct lucet_instance *i);
/* Once the instance has its slot. */
void lucet__activation_prepare(struct lucet_instance *i);
/* Left free above guest stacks: a host function whose prototype has more parameters than it was
 * registered with reads there instead of in the guard. */
#define LUCET__HEADROOM 256

/* backtrace.c: collects the frames above (pc, sp) in guest code into the instance's trace; pc is a
 * return address when `from_call`. Safe in signal handlers. */
void lucet__backtrace(struct activation *act, uintptr_t pc, uintptr_t sp, uintptr_t probe,
                      bool from_call);
/* Fills result->val.faulted from the activation. */
void lucet__describe_fault(const struct activation *act, struct lucet_result *result);

/* fault.c: ends the current activation as faulted, from a host function or builtin. */
/* The current activation, which must be in a host function or builtin called by `ctx`: anything
 * else is a mistake of the host and aborts the process. */
struct activation *lucet__in_host(const struct lucet_vmctx *ctx);
bool lucet__is_in_host(const struct lucet_vmctx *ctx);
LUCET_NORETURN void lucet__trap(struct lucet_vmctx *ctx, enum lucet_trapcode code);
void lucet__fault_handler(int sig, siginfo_t *info, void *context);

/* statistics.c */
void lucet__count_fault(struct lucet_dl_module *m, enum lucet_trapcode code, bool fatal);
void lucet__count_termination(struct lucet_dl_module *m, enum lucet_terminated_reason reason);

/* signals.c */
extern atomic_bool lucet__handlers_installed;
enum lucet_error lucet__handlers_ensure(void);
void lucet__chain(int sig, siginfo_t *info, void *context);
int lucet__stop_signal(void);

/* stop.c */
extern const char lucet__thread_mark; /* its address marks signals of ours */
struct stop *lucet__stop_new(void);
void lucet__stop_retain(struct stop *s);
/* A kill switch holds it. */
bool lucet__stop_shared(const struct stop *s);
/* Once per process, and in the child of a fork: what killers rely on. */
void lucet__stop_prepare(void);
void lucet__stop_release(struct stop *s);
/* The instance is going away, or has faulted (until reset): nothing to stop. */
void lucet__stop_disable(struct stop *s);
void lucet__stop_enable(struct stop *s);
/* The quick part of both: false when somebody wants it to stop, and the rest must be done. */
static inline bool lucet__stop_running(struct stop *s, bool running)
{
    atomic_store_explicit(&s->running, running, memory_order_release);
    if (__builtin_expect(atomic_load_explicit(&lucet__stop_fences, memory_order_relaxed), 0))
        atomic_thread_fence(memory_order_seq_cst);
    atomic_signal_fence(memory_order_seq_cst);
    return atomic_load_explicit(&s->state, memory_order_acquire) == STOP_NONE;
}
/* The quick part of the end: the same, but nothing is changed while somebody is deciding. */
static inline bool lucet__stop_ended(struct stop *s)
{
    return atomic_load_explicit(&s->state, memory_order_acquire) == STOP_NONE &&
           lucet__stop_running(s, false);
}
/* A run begins; false: it was cancelled before. */
bool lucet__stop_begin(struct stop *s, struct activation *act);
/* A run ends; `usable`: another may follow. True and the reason: it was asked to stop. */
bool lucet__stop_end(struct stop *s, bool usable, enum lucet_terminated_reason *reason);
bool lucet__stop_requested(const struct stop *s, enum lucet_terminated_reason *reason);
/* Someone asked for the end of the slice; until the next run begins. Safe in signal handlers. */
bool lucet__stop_preempted(const struct stop *s);
void lucet__stop_preempt(struct stop *s);
/* Time is up, on the thread that runs; false: someone else was first. Safe in signal handlers. */
bool lucet__stop_expire(struct stop *s);
void lucet__stop_handler(int sig, siginfo_t *info, void *context);
/* Ends the current activation as terminated. */
LUCET_NORETURN void lucet__terminate(struct activation *act, enum lucet_terminated_reason reason,
                                     void *provided);

/* timeout.c: the thread's timer fires the stop signal at the earliest deadline of the chain. */
enum lucet_error lucet__timer_prepare(struct thread *t);
void lucet__timer_set(struct thread *t);    /* from the chain's deadlines */
void lucet__timer_repeat(struct thread *t); /* soon and again: a stop waits for a host function */
void lucet__timer_release(struct thread *t);
uint64_t lucet__now(void);

/* count.c. The count is 0; a part of a run begins and has its bound before it. */
void lucet__count_reset(struct lucet_instance *i);
void lucet__count_begin(struct lucet_instance *i);

/* slice.c */
enum lucet_error lucet__slices_prepare(struct thread *t);
void lucet__slice_begin(struct thread *t, struct activation *act);
void lucet__slice_end(struct thread *t, const struct activation *act);
/* In the stop handler: puts the thread's guest aside if its slice is over. */
void lucet__slices_check(struct thread *t, void *context);
void lucet__slices_release(struct thread *t);

/* builtins.c, builtins_table.c */
uint64_t lucet__builtin_table_grow(struct lucet_vmctx *ctx, uint32_t table, uint64_t value,
                                   uint64_t n);
void lucet__builtin_table_copy(struct lucet_vmctx *ctx, uint32_t to, uint32_t from, uint64_t dst,
                               uint64_t src, uint64_t n);
void lucet__builtin_table_fill(struct lucet_vmctx *ctx, uint32_t table, uint64_t dst,
                               uint64_t value, uint64_t n);
void lucet__builtin_table_init(struct lucet_vmctx *ctx, uint32_t table, uint32_t segment,
                               uint64_t dst, uint32_t src, uint32_t n);
void lucet__builtin_elem_drop(struct lucet_vmctx *ctx, uint32_t segment);
void lucet__builtin_bound_expired(struct lucet_vmctx *ctx); /* count.c */
extern const void *const lucet__builtins[LUCET_BUILTIN_SLOTS];
/* Whether the current run was asked to stop. */
bool lucet__stop_pending(void);
/* Between chunks of long work: ends the run when a stop was requested, and puts it aside when its slice is
 * over; it may go on on another thread, after others have run. */
void lucet__poll(struct lucet_vmctx *ctx);
/* The same for work during which nobody else may run: it only ends. */
void lucet__poll_stop(struct lucet_vmctx *ctx);

#endif
