/*
 * A host of plug-ins. Its host function for what takes time puts the plug-in aside, with what it
 * wants to know, and goes on with the answer. Whatever a call may end with becomes an error of the
 * host's own, and a plug-in whose calls fail too often is not called any more.
 *
 * In this folder:
 *
 *     clang-22 --target=wasm32 -O2 -nostdlib -Wl,--no-entry -o plugin.wasm guests/plugin.c
 *     lucetc --bindings plugins.json plugin.wasm -o plugin.so
 *     cc -o plugins plugins.c $(pkg-config --cflags --libs lucet)
 *     ./plugins plugin.so
 */

#include <inttypes.h>
#include <lucet/lucet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The host's own errors. */
enum status { OK, FAILED, CRASHED, TOO_SLOW, NO_MEMORY, BANNED, MISUSED };
static const char *const status_names[] = {"ok",        "failed", "crashed", "too slow",
                                           "no memory", "banned", "misused"};

/* A program, from a file; what is known of it holds for all of its instances. */
struct plugin {
    struct lucet_dl_module *module;
    uint64_t allowed; /* faults and time-outs */
};

/* A plug-in at work for somebody. Host functions find it under the address of `session_key`: so
 * each part of a host can have data of its own in one instance. */
static const char session_key;
struct session {
    struct plugin *plugin;
    struct lucet_instance *instance;
    int32_t code; /* with FAILED */
};

static void check(enum lucet_error error, const char *what)
{
    if (error == lucet_error_ok)
        return;
    fprintf(stderr, "%s: %s: %s\n", what, lucet_error_message(error), lucet_error_detail());
    exit(1);
}

/* ---- Host functions ------------------------------------------------------------------------ */

/* What a plug-in waits for, and what it gets. */
struct question {
    uint32_t key;
};
struct answer {
    bool found;
    int32_t value;
};

/* int fetch(unsigned key, int *value) in the guest. `question` is on the stack of the guest, which
 * stays as it is until the run goes on; the host may let days pass, and go on in another thread. So
 * nothing is held here: no lock, no memory. If the run never goes on, this function never
 * returns. */
static uint32_t plugins_fetch(struct lucet_vmctx *vmctx, uint32_t key, uint32_t value)
{
    struct question question = {key};
    void *place = lucet_vmctx_guest_range(vmctx, value, sizeof(int32_t));

    if (!place)
        lucet_vmctx_trap(vmctx, lucet_trapcode_heap_out_of_bounds);
    const struct answer *answer = lucet_vmctx_yield(vmctx, &question);
    memcpy(place, &answer->value, sizeof answer->value);
    return answer->found;
}

/* _Noreturn void fail(int code) in the guest. */
static void plugins_fail(struct lucet_vmctx *vmctx, uint32_t code)
{
    struct session *session = lucet_vmctx_context(vmctx, &session_key);

    session->code = (int32_t)code;
    lucet_vmctx_terminate(vmctx, session);
}

static const struct lucet_hostcall hostcalls[] = {
    {"plugins_fetch", "ii:i", (void (*)(void))plugins_fetch},
    {"plugins_fail", "i:", (void (*)(void))plugins_fail},
};

/* What a real host would ask its database, while other plug-ins run. */
static struct answer look_up(const struct question *question)
{
    return question->key < 5 ? (struct answer){true, (int32_t)question->key * 10}
                             : (struct answer){false, 0};
}

/* ---- Calls --------------------------------------------------------------------------------- */

/* Why a run was stopped that has neither returned nor faulted. */
static enum status status_of_termination(enum lucet_terminated_reason reason)
{
    switch (reason) {
    case lucet_terminated_reason_provided: return FAILED; /* plugins_fail() */
    case lucet_terminated_reason_timeout: return TOO_SLOW;
    case lucet_terminated_reason_heap_out_of_memory: return NO_MEMORY;
    default: return CRASHED;
    }
}

/* Lucet's errors as the host's: the one place where they meet. */
static enum status status_of(enum lucet_error error, const struct lucet_result *result)
{
    switch (error) {
    case lucet_error_ok: return OK;
    case lucet_error_runtime_fault:
    case lucet_error_runtime_threw: return CRASHED;
    case lucet_error_runtime_terminated:
        return status_of_termination(result->val.terminated.reason);
    case lucet_error_no_memory:
    case lucet_error_limits_exceeded:
    case lucet_error_region_full: return NO_MEMORY;
    default: return MISUSED; /* no such export, other arguments */
    }
}

/* The library counts for each module what became of its runs, in whatever instance and thread. */
static bool is_banned(const struct plugin *plugin)
{
    struct lucet_module_statistics s;

    lucet_dl_module_statistics(plugin->module, &s);
    return s.fatal > 0 ||
           s.faulted + s.terminations[lucet_terminated_reason_timeout] > plugin->allowed;
}

/* Calls an export of type (i32, ...) -> i32 and answers its questions until it returns. */
static enum status call(struct session *session, const char *name, size_t argc,
                        const struct lucet_val *argv, int32_t *returned)
{
    struct lucet_instance *instance = session->instance;
    struct lucet_result result;

    if (is_banned(session->plugin))
        return BANNED;
    enum lucet_error error = lucet_instance_run(instance, name, argc, argv, &result);
    while (error == lucet_error_ok && result.tag == lucet_result_tag_yielded) {
        struct answer answer = look_up(result.val.yielded.val);
        error = lucet_instance_resume(instance, &answer, &result);
    }

    const enum status status = status_of(error, &result);
    if (status == OK) {
        *returned = (int32_t)lucet_retval_gp(&result.val.returned);
        return OK;
    }
    printf("  (%s)\n", lucet_error_detail());
    /* After a fault or a termination the plug-in begins anew. */
    if (lucet_instance_status(instance) != lucet_instance_status_ready)
        check(lucet_instance_reset(instance), "reset");
    return status;
}

static void show(struct session *session, const char *name, size_t argc,
                 const struct lucet_val *argv)
{
    int32_t returned = 0;

    printf("%s:\n", name);
    const enum status status = call(session, name, argc, argv, &returned);
    printf("  %s", status_names[status]);
    if (status == OK)
        printf(", returned %" PRId32, returned);
    if (status == FAILED)
        printf(", code %" PRId32, session->code);
    putchar('\n');
}

static void print_statistics(const struct plugin *plugin)
{
    struct lucet_module_statistics s;

    lucet_dl_module_statistics(plugin->module, &s);
    printf("%" PRIu64 " faulted, %" PRIu64 " terminated\n", s.faulted, s.terminated);
    for (unsigned code = 0; code < sizeof s.faults / sizeof *s.faults; code++)
        if (s.faults[code])
            printf("  %s: %" PRIu64 "\n", lucet_trapcode_name((enum lucet_trapcode)code),
                   s.faults[code]);
    for (unsigned reason = 0; reason < sizeof s.terminations / sizeof *s.terminations; reason++)
        if (s.terminations[reason])
            printf("  %s: %" PRIu64 "\n",
                   lucet_terminated_reason_name((enum lucet_terminated_reason)reason),
                   s.terminations[reason]);
}

int main(int argc, char **argv)
{
    struct plugin plugin = {.allowed = 2};
    struct session session = {.plugin = &plugin};
    struct lucet_region *region;
    struct lucet_linker *linker;

    if (argc != 2 && argc != 3) {
        fprintf(stderr, "usage: plugins plugin.so [MILLISECONDS]\n");
        return 2;
    }
    check(lucet_dl_module_load(argv[1], &plugin.module), argv[1]);
    check(lucet_mmap_region_create(16, NULL, &region), "region");
    check(lucet_linker_new(&linker), "linker");
    check(lucet_linker_hostcalls(linker, hostcalls, sizeof hostcalls / sizeof *hostcalls),
          "host functions");

    const struct lucet_context contexts[] = {{&session_key, &session}};
    const struct lucet_instance_options options = {
        .linker = linker,
        .contexts = contexts,
        .ncontexts = 1,
    };
    check(lucet_region_new_instance_with(region, plugin.module, &options, &session.instance),
          "instance");
    const uint64_t limit = argc > 2 ? strtoull(argv[2], NULL, 10) : 500;
    check(lucet_instance_set_timeout(session.instance, limit), "time limit");

    struct lucet_val five[] = {LUCET_VAL_U32(5)}, six[] = {LUCET_VAL_U32(6)};
    struct lucet_val far[] = {LUCET_VAL_U32(0xfffffff0)};
    struct lucet_val by_three[] = {LUCET_VAL_I32(-12), LUCET_VAL_I32(3)};
    struct lucet_val by_zero[] = {LUCET_VAL_I32(1), LUCET_VAL_I32(0)};

    show(&session, "sum", 1, five);
    show(&session, "sum", 1, six);
    show(&session, "divide", 2, by_three);
    show(&session, "divide", 2, by_zero);
    show(&session, "divide", 1, five);
    show(&session, "multiply", 2, by_three);
    show(&session, "spin", 0, NULL);
    show(&session, "divide", 2, by_three);
    show(&session, "wander", 1, far);
    show(&session, "divide", 2, by_three);
    print_statistics(&plugin);

    lucet_instance_release(session.instance);
    lucet_linker_release(linker);
    lucet_region_release(region);
    lucet_dl_module_release(plugin.module);
    return 0;
}
