/* Threads of guests (wasi-threads): thread-spawn makes an instance of the same module, with the
 * same imports and so the same shared memory, and runs wasi_thread_start in it on a thread of the
 * host's. A trap or an exit in one of them, or the end of the first, is the end of all. What limits
 * the first limits all: that is the runtime's business (`thread_of`). */
#include "wasi/ctx.h"
#include "wasi/errno.h"
#include "wasi/functions.h"

#include <string.h>

enum { LAST_THREAD = 0x1fffffff }; /* the interface's limit on thread numbers */

struct wasi_thread {
    struct wasi_thread *next;
    struct wasi_threads *all;
    struct lucet_wasi_ctx *ctx;
    struct lucet_instance *inst;
    struct lucet_kill_switch *kill_switch;
    pthread_t thread;
    uint32_t number, start_arg;
    struct lucet_result result;
};

struct wasi_threads {
    struct lucet_region *region;
    struct lucet_dl_module *module;
    struct lucet_linker *linker;
    struct wasi_process *process;
    uint32_t limit;

    pthread_mutex_t mutex; /* guards what follows; taken after the process's lock */
    pthread_cond_t changed;
    uint32_t alive, last; /* threads being made or running; the last number */
    bool ending;
    uint64_t instructions;           /* executed by those that are finished */
    struct lucet_kill_switch *first; /* of the guest's first thread */
    struct wasi_thread *running;     /* by next */
    struct wasi_thread *finished;    /* to be joined */
    struct wasi_thread *faulted;     /* the one that ended all; among finished */
};

enum lucet_error lucet_wasi_ctx_threads(struct lucet_wasi_ctx *ctx, struct lucet_region *region,
                                        struct lucet_dl_module *module, struct lucet_linker *linker,
                                        uint32_t limit)
{
    if (!ctx || !region || !module || !linker || limit == 0 || ctx->process->threads) {
        return wasi_invalid(
            "lucet_wasi_ctx_threads: NULL, a limit of none, or for the second time");
    }
    struct wasi_threads *all = lucet_calloc(1, sizeof(*all));
    if (all == NULL) {
        return wasi_no_memory();
    }
    all->region = region;
    all->module = module;
    all->linker = linker;
    all->process = ctx->process;
    all->limit = limit;
    pthread_mutex_init(&all->mutex, NULL);
    pthread_cond_init(&all->changed, NULL);
    ctx->process->threads = all;
    return wasi_ok();
}

/* With the mutex held: all but the first thread. */
static void end_others(struct wasi_threads *all)
{
    all->ending = true;
    for (struct wasi_thread *t = all->running; t; t = t->next) {
        lucet_kill_switch_terminate(t->kill_switch);
    }
}

static void free_thread(struct wasi_thread *t)
{
    lucet_kill_switch_release(t->kill_switch);
    lucet_instance_release(t->inst);
    lucet_wasi_ctx_release(t->ctx);
    lucet_free(t);
}

/* Takes those that are finished, but for the one whose fault is kept. With the mutex held. */
static struct wasi_thread *take_finished(struct wasi_threads *all)
{
    struct wasi_thread *taken = NULL, **p = &all->finished;
    while (*p) {
        struct wasi_thread *t = *p;
        if (t == all->faulted) {
            p = &t->next;
            continue;
        }
        *p = t->next;
        t->next = taken;
        taken = t;
    }
    return taken;
}

static void join_each(struct wasi_thread *list)
{
    while (list) {
        struct wasi_thread *next = list->next;
        pthread_join(list->thread, NULL);
        free_thread(list);
        list = next;
    }
}

/* ---- A thread's life ---- */

static enum lucet_error run_thread(struct wasi_thread *t)
{
    const struct lucet_val args[] = {LUCET_VAL_I32((int32_t)t->number),
                                     LUCET_VAL_I32((int32_t)t->start_arg)};
    enum lucet_error error = lucet_instance_call_start(t->inst, &t->result);
    if (error == lucet_error_ok || error == lucet_error_start_already_run) {
        error = lucet_instance_run(t->inst, "wasi_thread_start", 2, args, &t->result);
    }
    return error;
}

/* What a thread ended with that says why all do. One that was stopped from outside is not why. */
static bool is_fault(enum lucet_error error, const struct lucet_result *result)
{
    return error != lucet_error_runtime_terminated ||
           (result->val.terminated.reason != lucet_terminated_reason_provided &&
            result->val.terminated.reason != lucet_terminated_reason_remote);
}

static void *thread_main(void *arg)
{
    struct wasi_thread *t = arg;
    struct wasi_threads *all = t->all;
    const enum lucet_error error = run_thread(t);
    /* Nobody could resume one that has yielded. */
    const bool returned = error == lucet_error_ok && t->result.tag == lucet_result_tag_returned;
    uint64_t instructions;

    pthread_mutex_lock(&all->mutex);
    if (lucet_instance_get_instruction_count(t->inst, &instructions) == lucet_error_ok) {
        all->instructions += instructions;
    }
    struct wasi_thread **p = &all->running;
    while (*p != t) {
        p = &(*p)->next;
    }
    *p = t->next;
    t->next = all->finished;
    all->finished = t;
    if (!returned && !all->ending) {
        all->faulted = is_fault(error, &t->result) ? t : NULL;
        end_others(all);
        lucet_kill_switch_terminate(all->first);
    }
    all->alive--;
    pthread_cond_broadcast(&all->changed);
    pthread_mutex_unlock(&all->mutex);
    return NULL;
}

/* A context that shares everything but the working space. */
static struct lucet_wasi_ctx *thread_context(struct wasi_process *process)
{
    struct lucet_wasi_ctx *ctx = lucet_calloc(1, sizeof(*ctx));
    if (ctx) {
        ctx->process = process;
        ctx->is_thread = true;
    }
    return ctx;
}

static uint32_t creation_failed(enum lucet_error error)
{
    switch (error) {
    case lucet_error_no_memory: return WASI_ENOMEM;
    case lucet_error_unsupported: return WASI_ENOTSUP;
    case lucet_error_runtime_terminated: return WASI_EINTR;
    default: return WASI_EAGAIN;
    }
}

static uint32_t make_thread(struct wasi_threads *all, struct lucet_instance *caller,
                            uint32_t number, uint32_t start_arg, struct wasi_thread **out)
{
    struct wasi_thread *t = lucet_calloc(1, sizeof(*t));
    struct lucet_wasi_ctx *ctx = thread_context(all->process);
    const struct lucet_instance_options options = {
        .linker = all->linker, .embed_ctx = ctx, .thread_of = caller};
    if (t == NULL || ctx == NULL) {
        lucet_free(t);
        lucet_free(ctx);
        return WASI_ENOMEM;
    }
    *t = (struct wasi_thread){.all = all, .ctx = ctx, .number = number, .start_arg = start_arg};
    enum lucet_error error =
        lucet_region_new_instance_with(all->region, all->module, &options, &t->inst);
    if (error == lucet_error_ok) {
        error = lucet_instance_kill_switch(t->inst, &t->kill_switch);
    }
    if (error != lucet_error_ok) {
        free_thread(t);
        return creation_failed(error);
    }
    *out = t;
    return WASI_OK;
}

/* It runs, unless all have been told to end meanwhile. */
static uint32_t start_thread(struct wasi_threads *all, struct wasi_thread *t)
{
    uint32_t error = WASI_OK;
    pthread_mutex_lock(&all->mutex);
    if (all->ending) {
        error = WASI_EINTR;
    } else if (pthread_create(&t->thread, NULL, thread_main, t) != 0) {
        error = WASI_EAGAIN;
    } else { /* it waits for the mutex before it looks for itself here */
        t->next = all->running;
        all->running = t;
    }
    pthread_mutex_unlock(&all->mutex);
    return error;
}

/* A number for a new thread, and what is finished taken from the list; 0 = no. */
static uint32_t admit(struct wasi_threads *all, struct lucet_instance *caller,
                      struct wasi_thread **finished)
{
    uint32_t number = 0;
    pthread_mutex_lock(&all->mutex);
    *finished = take_finished(all);
    /* The first thread is the only one that can be here without a switch. */
    const bool known = all->first || lucet_instance_kill_switch(caller, &all->first) == 0;
    if (known && !all->ending && all->alive < all->limit && all->last < LAST_THREAD) {
        number = ++all->last;
        all->alive++;
    }
    pthread_mutex_unlock(&all->mutex);
    return number;
}

int32_t lucet_wasi_thread_spawn(struct lucet_vmctx *vmctx, uint32_t start_arg)
{
    struct wasi_threads *all = wasi_ctx(vmctx)->process->threads;
    struct wasi_thread *t = NULL, *finished;
    if (all == NULL) {
        return -WASI_ENOTSUP;
    }
    struct lucet_instance *caller = lucet_vmctx_instance(vmctx);
    const uint32_t number = admit(all, caller, &finished);
    join_each(finished);
    if (number == 0) {
        return -WASI_EAGAIN;
    }
    uint32_t error = make_thread(all, caller, number, start_arg, &t);
    if (!error) {
        error = start_thread(all, t);
        if (error) {
            free_thread(t);
        }
    }
    if (error) {
        pthread_mutex_lock(&all->mutex);
        all->alive--;
        pthread_cond_broadcast(&all->changed);
        pthread_mutex_unlock(&all->mutex);
        return -(int32_t)error;
    }
    return (int32_t)number;
}

/* ---- The end ---- */

static void end_and_join(struct wasi_threads *all)
{
    pthread_mutex_lock(&all->mutex);
    end_others(all);
    while (all->alive > 0) {
        pthread_cond_wait(&all->changed, &all->mutex);
    }
    struct wasi_thread *finished = take_finished(all);
    pthread_mutex_unlock(&all->mutex);
    join_each(finished);
}

void lucet_wasi_ctx_join(struct lucet_wasi_ctx *ctx)
{
    if (ctx && ctx->process->threads) {
        end_and_join(ctx->process->threads);
    }
}

const struct lucet_result *lucet_wasi_ctx_thread_fault(const struct lucet_wasi_ctx *ctx)
{
    const struct wasi_threads *all = ctx ? ctx->process->threads : NULL;
    return all && all->faulted ? &all->faulted->result : NULL;
}

uint64_t lucet_wasi_ctx_thread_instructions(const struct lucet_wasi_ctx *ctx)
{
    struct wasi_threads *all = ctx ? ctx->process->threads : NULL;
    if (all == NULL) {
        return 0;
    }
    pthread_mutex_lock(&all->mutex);
    const uint64_t instructions = all->instructions;
    pthread_mutex_unlock(&all->mutex);
    return instructions;
}

void wasi_threads_release(struct wasi_process *p)
{
    struct wasi_threads *all = p->threads;
    if (all == NULL) {
        return;
    }
    end_and_join(all);
    if (all->faulted) { /* the only one left */
        join_each(all->faulted);
    }
    if (all->first) {
        lucet_kill_switch_release(all->first);
    }
    pthread_mutex_destroy(&all->mutex);
    pthread_cond_destroy(&all->changed);
    lucet_free(all);
    p->threads = NULL;
}
