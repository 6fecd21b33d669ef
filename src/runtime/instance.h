/* Instances. */
#ifndef LUCET_RUNTIME_INSTANCE_H
#define LUCET_RUNTIME_INSTANCE_H

#include <stdatomic.h>

#include "lucet/lucet.h"
#include "module/reader.h"
#include "runtime/activation.h"
#include "runtime/allowance.h"
#include "runtime/suspend.h"

enum instance_state {
    INSTANCE_READY,
    INSTANCE_FAULTED,
    INSTANCE_TERMINATED, /* both must be reset, the former unless continue_after_fault */
    INSTANCE_YIELDED,    /* its `suspended` says how it goes on */
};

struct exceptions; /* exception.h */
struct memory;     /* memory.h */
struct pristine;   /* pristine.h */
struct record;     /* record.h */
struct slot;       /* slot.h */
struct stop;       /* stop.h */
struct store;      /* store.h */
struct table;      /* table.h */
struct lucet_tag;  /* exception.h */

struct lucet_instance {
    struct activation act; /* of calls by handle; quick.S takes one for the other */
    uint64_t ready;        /* see lucet__callable_update() */
    uint8_t vector_level;  /* which vector registers its code, and what it may call, can name; see
                              machine.h */
    bool touched; /* more has run than quiet functions, or its memory is the host's to write to */
    struct lucet_vmctx *ctx;
    struct lucet_pending *exception; /* the context's */
    struct stop *stop;
    uint8_t *hostcall_limit; /* as in struct lucet_activation */
    /* Arguments and results of the outermost run: the suspended one's `few` or `many`, or, in a
     * call by handle that has not yielded, the caller's. */
    uint64_t (*values)[2];
    const struct lucet_func *called; /* by handle, ... */
    struct lucet_result *result;     /* ... and what it is for */

    struct lucet_dl_module *module;
    struct lucet_region *region;
    struct slot *slot;
    struct store *store; /* NULL: not linked with others; guarded by the stores' mutex */
    struct lucet_instance *store_next;
    struct lucet_instance *caller_next; /* lucet__store_suspended_callers() */

    struct memory *memory0;  /* own or imported; NULL = no memory */
    struct memory *memories; /* own */
    struct table *tables;    /* own */
    uint32_t nmemories, ntables;
    struct record *records;        /* per instance, when the module is not private */
    struct record *export_records; /* per export, of private modules others import from */
    struct record *host_records;   /* per imported function; used when it is the host's */
    uint64_t heap_limit;           /* bytes of all own memories together */
    struct allowance heap;         /* of these */
    struct allowance entries;      /* of own tables */
    uint32_t memories_used;        /* imported ones that know of it */
    uint8_t *dropped;              /* bits: element segments, then data segments */
    struct lucet_tag **tags;
    struct lucet_tag **tags_sorted;   /* by address; NULL: there are few */
    struct exceptions *exceptions;    /* shared by the instances of a store; made at first use */
    struct lucet_exception *uncaught; /* what its last run threw */

    void *embed_ctx;
    uint64_t timeout_ns, slice_ns, instructions_bound; /* 0 = none */
    uint64_t
        deadline; /* CLOCK_MONOTONIC nanoseconds; of a thread's runs; 0 = none besides timeout_ns */
    uint64_t instructions_total; /* executed and left, of a module that counts them */
    lucet_signal_handler signal_handler;
    lucet_fatal_handler fatal_handler;

    struct pristine *pristine; /* of its own */
    struct lucet_context contexts[LUCET_CONTEXTS_MAX];
    uint32_t ncontexts;
    struct lucet_instance
        *first;       /* of the program that it is another thread of; NULL: it is none */
    bool has_threads; /* it is the first of a program with several */
    bool terminate_on_heap_oom;
    bool complete;   /* all that outlives it in its slot is made */
    bool used_again; /* it was parked before */

    enum instance_state state;
    bool start_done, continue_after_fault;

    struct suspended suspended;
    struct registers *registers; /* made when it may be preempted; else NULL */

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

/* init_expr.c: evaluates a checked constant expression into 16 bytes. */
void lucet__init_value(const struct lucet_instance *i, struct lucet_init init, uint64_t out[2]);

/* Ceases to use what it imports. Before it, or what it imports from, is destroyed. */
void lucet__instance_leave(struct lucet_instance *i);

/* Drops the owner's reference. */
void lucet__instance_drop(struct lucet_instance *i);
/* Nobody refers to it any more. */
void lucet__instance_destroy(struct lucet_instance *i);
/* instance_init.c: memories, tables, globals and segments as they are in the beginning. Own
 * descriptors and imports are in place. */
enum lucet_error lucet__instance_initialise(struct lucet_instance *i);
/* Descriptors of what the instance owns. `of`: what it is a thread of, or NULL. limits_exceeded,
 * no_memory. */
enum lucet_error lucet__instance_describe(struct lucet_instance *i, struct lucet_instance *of);

#endif
