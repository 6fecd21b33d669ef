#include "tools/lucet-wasi/run.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096 };

static void complain_error(const char *what, enum lucet_error error)
{
    const char *detail = lucet_error_detail();
    cli_complain("%s: %s", what, detail[0] ? detail : lucet_error_message(error));
}

static uint64_t round_up(uint64_t size)
{
    return size > UINT64_MAX - PAGE ? size : (size + PAGE - 1) / PAGE * PAGE;
}

static uint64_t at_least(uint64_t size, uint64_t need)
{
    return round_up(size < need ? need : size);
}

static bool starts_threads(const struct lucet_dl_module *module)
{
    struct lucet_extern_desc d;
    for (size_t i = 0; i < lucet_dl_module_import_count(module); i++) {
        if (lucet_dl_module_import(module, i, &d) == lucet_error_ok &&
            d.kind == lucet_extern_func && strcmp(d.module, "wasi") == 0 &&
            strcmp(d.name, "thread-spawn") == 0) {
            return true;
        }
    }
    return false;
}

/* A region for this one program: what it needs where nothing else was asked for. */
static struct lucet_region *make_region(const struct cli *cli, const struct lucet_dl_module *module)
{
    struct lucet_alloc_limits limits = lucet_alloc_limits_default();
    struct lucet_module_requirements need;
    struct lucet_region *region = NULL;

    lucet_dl_module_requirements(module, &need);
    limits.context_size = at_least(limits.context_size, need.context_size);
    limits.globals_size = at_least(limits.globals_size, need.context_size);
    limits.heap_address_space_size =
        cli->heap_space ? round_up(cli->heap_space)
                        : at_least(limits.heap_address_space_size, need.heap_address_space_size);
    limits.heap_memory_size = round_up(cli->max_heap);
    if (limits.heap_memory_size > limits.heap_address_space_size) {
        limits.heap_memory_size = limits.heap_address_space_size;
    }
    limits.stack_size = round_up(cli->stack);
    limits.table_entries = cli->max_table_entries;
    limits.exceptions_size = round_up(cli->max_exceptions);
    const struct lucet_region_options options = {
        .heap_resident_limit = cli->max_resident,
        .terminate_on_heap_oom = cli->terminate_on_heap_oom,
    };
    const size_t slots = 1 + (starts_threads(module) ? cli->max_threads : 0);
    enum lucet_error error =
        (cli->on_demand ? lucet_uffd_region_create_with
                        : lucet_mmap_region_create_with)(slots, &limits, &options, &region);
    if (error != lucet_error_ok) {
        complain_error("cannot reserve memory", error);
        return NULL;
    }
    return region;
}

/* Whether --env names the variable of "NAME=VALUE", which comes first then. */
static bool is_named(const struct cli *cli, const char *pair)
{
    const size_t n = strcspn(pair, "=");
    for (size_t i = 0; i < cli->nenv; i++) {
        if (strcspn(cli->env[i], "=") == n && strncmp(cli->env[i], pair, n) == 0) {
            return true;
        }
    }
    return false;
}

static enum lucet_error inherit_env(const struct cli *cli, struct lucet_wasi_ctx *ctx)
{
    enum lucet_error error = lucet_error_ok;
    for (char **pair = environ; *pair && error == lucet_error_ok; pair++) {
        if (strchr(*pair, '=') && !is_named(cli, *pair)) {
            error = lucet_wasi_ctx_env(ctx, *pair);
        }
    }
    return error;
}

static bool give_env(const struct cli *cli, struct lucet_wasi_ctx *ctx)
{
    enum lucet_error error = cli->inherit_env ? inherit_env(cli, ctx) : lucet_error_ok;
    for (size_t i = 0; i < cli->nenv && error == lucet_error_ok; i++) {
        const char *spec = cli->env[i];
        const char *value = strchr(spec, '=') ? NULL : getenv(spec);
        if (strchr(spec, '=')) {
            error = lucet_wasi_ctx_env(ctx, spec);
        } else if (value) {
            char *pair = malloc(strlen(spec) + strlen(value) + 2);
            if (pair) {
                strcat(strcat(strcpy(pair, spec), "="), value);
            }
            error = pair ? lucet_wasi_ctx_env(ctx, pair) : lucet_error_no_memory;
            free(pair);
        }
    }
    if (error != lucet_error_ok) {
        complain_error("environment", error);
    }
    return error == lucet_error_ok;
}

static bool give_dirs(const struct cli *cli, struct lucet_wasi_ctx *ctx)
{
    for (size_t i = 0; i < cli->ndirs; i++) {
        const struct cli_dir *d = &cli->dirs[i];
        enum lucet_error error = lucet_wasi_ctx_preopen(ctx, d->host, d->guest, d->read_only);
        if (error != lucet_error_ok) {
            cli_complain("directory %s: %s", d->host,
                         error == lucet_error_io ? strerror(errno) : lucet_error_message(error));
            return false;
        }
    }
    return true;
}

static bool give_args(const struct cli *cli, struct lucet_wasi_ctx *ctx)
{
    const char *slash = strrchr(cli->module, '/');
    const char *name = slash ? slash + 1 : cli->module;
    enum lucet_error error = lucet_wasi_ctx_arg(ctx, cli->argv0 ? cli->argv0 : name);
    for (char **arg = cli->args; *arg && error == lucet_error_ok; arg++) {
        error = lucet_wasi_ctx_arg(ctx, *arg);
    }
    if (error != lucet_error_ok) {
        complain_error("arguments", error);
    }
    return error == lucet_error_ok;
}

/* The process serves this one guest, so it may have all the descriptors that the system allows;
 * the WASI library gives a guest its share of the limit. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static struct lucet_wasi_ctx *make_context(const struct cli *cli)
{
    struct lucet_wasi_ctx *ctx;
    raise_descriptor_limit();
    enum lucet_error error = lucet_wasi_ctx_new(&ctx);
    if (error == lucet_error_ok && cli->max_descriptors) {
        error = lucet_wasi_ctx_max_descriptors(ctx, cli->max_descriptors);
    }
    if (error == lucet_error_ok) {
        error = lucet_wasi_ctx_inherit_stdio(ctx);
    }
    if (error != lucet_error_ok) {
        complain_error("cannot prepare the program's surroundings", error);
    } else if (give_args(cli, ctx) && give_env(cli, ctx) && give_dirs(cli, ctx)) {
        return ctx;
    }
    lucet_wasi_ctx_release(ctx);
    return NULL;
}

static struct lucet_instance *make_instance(const struct cli *cli, struct lucet_region *region,
                                            struct lucet_dl_module *module,
                                            struct lucet_linker *linker, struct lucet_wasi_ctx *ctx)
{
    struct lucet_instance *inst;
    const struct lucet_instance_options options = {.linker = linker, .embed_ctx = ctx};
    enum lucet_error error = lucet_region_new_instance_with(region, module, &options, &inst);
    if (error != lucet_error_ok) {
        complain_error(cli->module, error);
        return NULL;
    }
    error = lucet_instance_set_timeout(inst, cli->timeout);
    if (error != lucet_error_ok) {
        complain_error("time limit", error);
        lucet_instance_release(inst);
        return NULL;
    }
    return inst;
}

int finish(const struct cli *cli, struct lucet_instance *inst, struct lucet_wasi_ctx *ctx,
           enum lucet_error error, const struct lucet_result *result)
{
    uint32_t code;
    const bool ended = error == lucet_error_runtime_terminated &&
                       (result->val.terminated.reason == lucet_terminated_reason_provided ||
                        result->val.terminated.reason == lucet_terminated_reason_remote);
    const struct lucet_result *fault = NULL;
    if (ended) { /* perhaps by another thread */
        lucet_wasi_ctx_join(ctx);
        fault = lucet_wasi_ctx_thread_fault(ctx);
    }
    if (error == lucet_error_ok && result->tag != lucet_result_tag_yielded) {
        return EXIT_SUCCESS;
    }
    if (error == lucet_error_ok) { /* nothing else makes it yield */
        cli_complain("guest terminated: limit of %" PRIu64 " instructions", cli->max_instructions);
        return EXIT_TIMEOUT;
    }
    if (fault) {
        return report_result(cli, inst, fault);
    }
    if (ended && lucet_wasi_ctx_exit_code(ctx, &code)) {
        /* The system keeps eight bits; a failure must not become a success by that. */
        return code != 0 && (code & 0xff) == 0 ? EXIT_CANNOT_RUN : (int)(code & 0xff);
    }
    if (error == lucet_error_runtime_fault || error == lucet_error_runtime_terminated ||
        error == lucet_error_runtime_threw) {
        return report_result(cli, inst, result);
    }
    if (error == lucet_error_symbol_not_found) {
        cli_complain("%s exports no function \"%.200s\"%s", cli->module, cli->entrypoint,
                     strcmp(cli->entrypoint, "_start") == 0 ? "; --invoke calls others" : "");
    } else {
        complain_error(cli->module, error);
    }
    return EXIT_CANNOT_RUN;
}

bool allow_instructions(const struct cli *cli, struct lucet_instance *inst)
{
    uint64_t used = 0;
    enum lucet_error error = lucet_error_ok;
    if (cli->max_instructions) {
        error = lucet_instance_get_instruction_count(inst, &used);
    }
    if (cli->max_instructions && error == lucet_error_ok) {
        const uint64_t left = used < cli->max_instructions ? cli->max_instructions - used : 1;
        error = lucet_instance_set_instruction_bound(inst, left);
    }
    if (error != lucet_error_ok) {
        complain_error(cli->module, error);
    }
    return error == lucet_error_ok;
}

static bool exports(const struct lucet_dl_module *module, const char *name)
{
    struct lucet_extern_desc d;
    for (size_t i = 0; i < lucet_dl_module_export_count(module); i++) {
        if (lucet_dl_module_export(module, i, &d) == lucet_error_ok &&
            d.kind == lucet_extern_func && strcmp(d.name, name) == 0) {
            return true;
        }
    }
    return false;
}

/* What must run before the entrypoint: the start function, and in a library (a "reactor", which has
 * no _start) its constructors. */
static int initialize(const struct cli *cli, const struct lucet_dl_module *module,
                      struct lucet_instance *inst, struct lucet_wasi_ctx *ctx)
{
    struct lucet_result result;
    if (!allow_instructions(cli, inst)) {
        return EXIT_CANNOT_RUN;
    }
    enum lucet_error error = lucet_instance_call_start(inst, &result);
    if (error == lucet_error_start_already_run) {
        error = lucet_error_ok;
        result.tag = lucet_result_tag_returned;
    }
    if (error == lucet_error_ok && result.tag == lucet_result_tag_returned &&
        strcmp(cli->entrypoint, "_start") != 0 && strcmp(cli->entrypoint, "_initialize") != 0 &&
        exports(module, "_initialize")) {
        if (!allow_instructions(cli, inst)) {
            return EXIT_CANNOT_RUN;
        }
        error = lucet_instance_run(inst, "_initialize", 0, NULL, &result);
    }
    return finish(cli, inst, ctx, error, &result);
}

uint64_t run_clock(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

static void report_time(const struct cli *cli, uint64_t began)
{
    const uint64_t ended = run_clock();
    fprintf(stderr, "lucet-wasi: began after %.3f ms, at %.6f; ran for %.3f ms\n",
            (double)(began - cli->started) / 1e6, (double)began / 1e9,
            (double)(ended - began) / 1e6);
}

static int run_instance(const struct cli *cli, const struct lucet_dl_module *module,
                        struct lucet_instance *inst, struct lucet_wasi_ctx *ctx)
{
    struct lucet_result result;
    uint32_t exited;
    int code = initialize(cli, module, inst, ctx);
    if (code != EXIT_SUCCESS || lucet_wasi_ctx_exit_code(ctx, &exited)) {
        return code;
    }
    if (!allow_instructions(cli, inst)) {
        return EXIT_CANNOT_RUN;
    }
    if (cli->invoke) {
        return invoke(cli, module, inst, ctx);
    }
    enum lucet_error error = lucet_instance_run(inst, cli->entrypoint, 0, NULL, &result);
    return finish(cli, inst, ctx, error, &result);
}

/* They cannot be told what is touched, so their size is what that limits. */
static uint64_t max_shared(const struct cli *cli)
{
    return cli->max_resident && cli->max_resident < cli->max_heap ? cli->max_resident
                                                                  : cli->max_heap;
}

int run(const struct cli *cli, struct lucet_dl_module *module)
{
    struct lucet_linker *linker = NULL;
    int code = EXIT_CANNOT_RUN;
    struct lucet_wasi_ctx *ctx = make_context(cli);
    struct lucet_region *region = ctx ? make_region(cli, module) : NULL;

    if (region) {
        enum lucet_error error = lucet_linker_new(&linker);
        if (error == lucet_error_ok) {
            error = lucet_wasi_link(linker);
        }
        if (error == lucet_error_ok) {
            error = lucet_wasi_link_shared_memories(linker, module, max_shared(cli));
        }
        if (error == lucet_error_ok && starts_threads(module) && cli->max_threads > 0) {
            error = lucet_wasi_ctx_threads(ctx, region, module, linker, cli->max_threads);
        }
        if (error != lucet_error_ok) {
            complain_error("cannot link", error);
        } else {
            struct lucet_instance *inst = make_instance(cli, region, module, linker, ctx);
            if (inst) {
                const uint64_t began = run_clock();
                code = run_instance(cli, module, inst, ctx);
                lucet_wasi_ctx_join(ctx);
                if (cli->time) {
                    report_time(cli, began);
                }
                lucet_instance_release(inst);
            }
        }
    }
    lucet_wasi_ctx_release(ctx); /* holds an instance whose thread faulted */
    lucet_linker_release(linker);
    if (region) {
        lucet_region_release(region);
    }
    return code;
}
