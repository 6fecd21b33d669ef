#include "lucetc/object.h"

#include <llvm-c/Core.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lucetc/debug.h"
#include "lucetc/diagnostic.h"
#include "lucetc/effects.h"
#include "lucetc/evex.h"
#include "lucetc/func.h"
#include "lucetc/helpers.h"
#include "lucetc/metadata.h"
#include "lucetc/optimize.h"
#include "lucetc/target.h"
#include "module/cpu.h"

/* Pieces 0 .. npartitions-1 are functions, then one of helpers, then, when what they need is known,
 * one of metadata. A text output is a single piece that holds all functions and helpers. */
struct work {
    const struct compilation *c;
    const char *dir;
    uint32_t pieces; /* to be made at once */
    uint32_t
        *order; /* of the pieces: the largest first, so that none is begun when all else is done */
    atomic_uint next;
    atomic_bool evex;     /* some code has instructions of AVX-512 */
    atomic_int error;     /* the first one wins */
    pthread_mutex_t lock; /* of the progress callback and the diagnostic */
    uint64_t done, total;
};

static bool is_text(const struct compilation *c)
{
    return c->options->emit == lucetc_emit_llvm_ir || c->options->emit == lucetc_emit_asm;
}

const char *object_suffix(const struct compilation *c)
{
    switch (c->options->emit) {
    case lucetc_emit_llvm_ir: return "ll";
    case lucetc_emit_asm: return "s";
    default: return "o";
    }
}

static enum lucet_error translate_partition(struct emitter *e, const struct partition *p)
{
    for (uint32_t i = p->first; i < p->end; i++) {
        enum lucet_error error = translate_func(e, i);
        if (error)
            return error;
    }
    return lucet_error_ok;
}

static enum lucet_error build_piece(const struct work *w, struct emitter *e, uint32_t piece)
{
    const struct plan *p = &w->c->plan;
    if (is_text(w->c)) {
        for (uint32_t i = 0; i < p->npartitions; i++) {
            enum lucet_error error = translate_partition(e, &p->partitions[i]);
            if (error)
                return error;
        }
        helpers_emit(e);
        return lucet_error_ok;
    }
    if (piece < p->npartitions)
        return translate_partition(e, &p->partitions[piece]);
    if (piece > p->npartitions)
        return metadata_emit(e);
    helpers_emit(e);
    return lucet_error_ok;
}

/* Once for all pieces whose code has such instructions. */
static void look_for_evex(struct work *w, const char *path)
{
    if (lucet_cpu_is_avx512(w->c->target.features) && !atomic_load(&w->evex) &&
        evex_in_object(w->c, path))
        atomic_store(&w->evex, true);
}

static enum lucet_error write_piece(struct work *w, struct emitter *e, LLVMTargetMachineRef tm,
                                    uint32_t piece)
{
    char path[4096];
    char *message = NULL;
    const LLVMCodeGenFileType type =
        w->c->options->emit == lucetc_emit_asm ? LLVMAssemblyFile : LLVMObjectFile;
    const int n = snprintf(path, sizeof path, "%s/%u.%s", w->dir, piece, object_suffix(w->c));
    if (n < 0 || (size_t)n >= sizeof path)
        return lucet_error_io;
    const bool failed = w->c->options->emit == lucetc_emit_llvm_ir
                            ? LLVMPrintModuleToFile(e->module, path, &message)
                            : LLVMTargetMachineEmitToFile(tm, e->module, path, type, &message);
    if (!failed) {
        if (!is_text(w->c) && piece <= w->c->plan.npartitions)
            look_for_evex(w, path);
        return lucet_error_ok;
    }
    diagnose(e->c->diagnostic, "io", "cannot write %.256s: %.200s", path,
             message ? message : "unknown error");
    LLVMDisposeMessage(message);
    return lucet_error_io;
}

static enum lucetc_opt_level piece_level(const struct work *w, uint32_t piece)
{
    const struct plan *p = &w->c->plan;
    const bool heavy = !is_text(w->c) && piece < p->npartitions && p->partitions[piece].heavy;
    return heavy ? lucetc_opt_none : w->c->options->opt_level;
}

/* ---- What LLVM says ---- */

struct listener {
    const struct compilation *c;
    bool failed;
};

/* "stack frame size (136) exceeds limit (128) in function 'guest_func_7'" */
static void hear_warning(const struct listener *l, const char *text)
{
    char name[64] = "";
    const char *at = strstr(text, "stack frame size"); /* behind file and line, if they are known */
    if (!at)
        return;
    at = strstr(at, "in function '");
    if (at)
        sscanf(at, "in function '%63[^']'", name);
    effects_frame_is_large(l->c->plan.effects, name);
}

static void hear(LLVMDiagnosticInfoRef info, void *arg)
{
    struct listener *l = arg;
    char *text = LLVMGetDiagInfoDescription(info);
    const LLVMDiagnosticSeverity severity = LLVMGetDiagInfoSeverity(info);
    if (severity == LLVMDSWarning)
        hear_warning(l, text);
    if (severity == LLVMDSError && !l->failed) {
        diagnose(l->c->diagnostic, "internal", "LLVM: %s", text);
        l->failed = true;
    }
    LLVMDisposeMessage(text);
}

static enum lucet_error make_piece(struct work *w, const struct compilation *c,
                                   LLVMTargetMachineRef tm, uint32_t piece)
{
    struct emitter *e = emitter_new(c, "lucet", tm);
    struct listener listener = {.c = c};
    if (!e)
        return lucet_error_no_memory;
    LLVMContextSetDiagnosticHandler(e->llvm, hear, &listener);
    enum lucet_error error = build_piece(w, e, piece);
    debug_finish(e);
    if (!error)
        error = optimize(e, tm, piece_level(w, piece));
    if (!error)
        error = write_piece(w, e, tm, piece);
    if (!error && listener.failed)
        error = lucet_error_internal;
    emitter_free(e);
    return error;
}

static void report_progress(struct work *w, uint32_t piece)
{
    const struct lucetc_options *o = w->c->options;
    if (!o->progress || piece >= w->c->plan.npartitions)
        return;
    pthread_mutex_lock(&w->lock);
    w->done += w->c->plan.partitions[piece].bytes;
    o->progress(o->progress_arg, w->done, w->total);
    pthread_mutex_unlock(&w->lock);
}

/* Records the first failure and its diagnostic (which may be NULL). */
static void fail(struct work *w, enum lucet_error error, const struct lucetc_diagnostic *d)
{
    int none = lucet_error_ok;
    if (atomic_compare_exchange_strong(&w->error, &none, (int)error) && d && w->c->diagnostic)
        *w->c->diagnostic = *d;
}

/* A thread's machines, one for each level in use. */
struct machines {
    LLVMTargetMachineRef at[lucetc_opt_speed_and_size + 1];
};

static LLVMTargetMachineRef machine_for(struct machines *m, const struct compilation *c,
                                        enum lucetc_opt_level level)
{
    if (!m->at[level])
        m->at[level] = target_machine(c, level);
    return m->at[level];
}

static enum lucet_error make_next(struct work *w, const struct compilation *c, struct machines *m,
                                  uint32_t piece)
{
    LLVMTargetMachineRef tm = machine_for(m, c, piece_level(w, piece));
    if (!tm)
        return lucet_error_internal;
    enum lucet_error error = make_piece(w, c, tm, piece);
    if (!error)
        report_progress(w, piece);
    return error;
}

static void *worker(void *arg)
{
    struct work *w = arg;
    /* Threads share everything but the place where they describe what went wrong. */
    struct lucetc_diagnostic diagnostic = {.kind = "internal"};
    struct compilation c = *w->c;
    struct machines machines = {0};
    c.diagnostic = &diagnostic;
    for (;;) {
        const uint32_t next = atomic_fetch_add(&w->next, 1);
        if (next >= w->pieces || atomic_load(&w->error) != lucet_error_ok)
            break;
        enum lucet_error error = make_next(w, &c, &machines, w->order[next]);
        if (error)
            fail(w, error, &diagnostic);
    }
    for (size_t i = 0; i < sizeof machines.at / sizeof *machines.at; i++)
        if (machines.at[i])
            LLVMDisposeTargetMachine(machines.at[i]);
    return NULL;
}

static unsigned thread_count(const struct work *w)
{
    unsigned n = w->c->options->jobs;
    if (n == 0) {
        const long cpus = sysconf(_SC_NPROCESSORS_ONLN);
        n = cpus > 0 ? (unsigned)cpus : 1;
    }
    if (n > OBJECT_MAX_THREADS)
        n = OBJECT_MAX_THREADS;
    return n < w->pieces ? n : w->pieces;
}

static void run_workers(struct work *w)
{
    pthread_t threads[OBJECT_MAX_THREADS];
    pthread_attr_t attributes;
    unsigned started = 0;
    const unsigned n = thread_count(w);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, OBJECT_THREAD_STACK);
    while (started < n && pthread_create(&threads[started], &attributes, worker, w) == 0)
        started++;
    pthread_attr_destroy(&attributes);
    if (started == 0)
        fail(w, lucet_error_no_memory, NULL);
    for (unsigned i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
}

/* What a piece costs: code generation grows faster than the code, metadata is known to be cheap. */
static uint64_t piece_bytes(const struct plan *p, uint32_t piece)
{
    return piece < p->npartitions ? p->partitions[piece].bytes : 0;
}

static int compare_cost(const void *a, const void *b, void *plan)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    const uint64_t costs_x = piece_bytes(plan, x), costs_y = piece_bytes(plan, y);
    return costs_x != costs_y ? (costs_x < costs_y) - (costs_x > costs_y) : (x > y) - (x < y);
}

/* The metadata says what the rest needs, which is known when that is made. */
static void make_metadata(struct work *w)
{
    const struct compilation *all = w->c;
    struct compilation c = *all;

    effects_settle(c.plan.effects);
    if (!atomic_load(&w->evex))
        c.target.features = lucet_cpu_without(c.target.features, LUCET_CPU_avx512f);
    w->c = &c;
    w->order[0] = w->pieces;
    w->pieces = 1;
    atomic_store(&w->next, 0);
    run_workers(w);
    w->c = all;
}

static bool make_order(struct work *w)
{
    w->order = calloc(w->pieces, sizeof *w->order);
    if (!w->order)
        return false;
    for (uint32_t i = 0; i < w->pieces; i++)
        w->order[i] = i;
    qsort_r(w->order, w->pieces, sizeof *w->order, compare_cost, (void *)&w->c->plan);
    return true;
}

enum lucet_error objects_make(const struct compilation *c, const char *dir, uint32_t *count)
{
    struct work w = {.c = c, .dir = dir, .pieces = is_text(c) ? 1 : c->plan.npartitions + 1};
    const bool with_metadata = !is_text(c);
    for (uint32_t i = 0; i < c->plan.npartitions; i++)
        w.total += c->plan.partitions[i].bytes;
    if (!make_order(&w))
        return lucet_error_no_memory;
    pthread_mutex_init(&w.lock, NULL);
    target_initialize();
    *count = w.pieces + with_metadata;
    run_workers(&w);
    if (with_metadata && atomic_load(&w.error) == lucet_error_ok)
        make_metadata(&w);
    pthread_mutex_destroy(&w.lock);
    free(w.order);
    return (enum lucet_error)atomic_load(&w.error);
}
