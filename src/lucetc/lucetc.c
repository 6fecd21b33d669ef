/* lucetc_compile(): from a module's bytes to a file. */
#include <llvm-c/TargetMachine.h>

#include <dirent.h>
#include <errno.h>
#include <llvm-c/Core.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lucetc/bindings.h"
#include "lucetc/diagnostic.h"
#include "lucetc/features.h"
#include "lucetc/header.h"
#include "lucetc/line_table.h"
#include "lucetc/link.h"
#include "lucetc/object.h"
#include "lucetc/plan.h"
#include "lucetc/target.h"
#include "lucetc/version.h"
#include "module/cpu.h"
#include "module/reader.h"

#define GIB (1ull << 30)
#define PAGE 4096u

struct lucetc_options lucetc_options_default(void)
{
    return (struct lucetc_options){.emit = lucetc_emit_so, .opt_level = lucetc_opt_speed};
}

/* What is wrong with them, or NULL. */
static const char *options_problem(const struct lucetc_options *o)
{
    if (o->emit > lucetc_emit_header)
        return "no such kind of output";
    if (o->opt_level > lucetc_opt_speed_and_size)
        return "no such optimisation level";
    if (o->reserved_size % PAGE != 0 || o->reserved_size > 4 * GIB)
        return "the reserved size must be a multiple of 4096 and at most 4 GiB";
    if (o->guard_size % PAGE != 0 || o->guard_size > 64 * GIB)
        return "the guard size must be a multiple of 4096 and at most 64 GiB";
    return NULL;
}

/* ---- Temporary files ---- */

/* The directory that work files go to, beside the output so that a rename suffices: PATH.XXXXXX */
static enum lucet_error make_work_dir(struct compilation *c, const char *output, char **dir)
{
    const size_t size = strlen(output) + 16;
    *dir = malloc(size);
    if (!*dir)
        return lucet_error_no_memory;
    snprintf(*dir, size, "%s.XXXXXX", output);
    if (mkdtemp(*dir))
        return lucet_error_ok;
    diagnose(c->diagnostic, "io", "cannot create a directory beside the output file: %s",
             strerror(errno));
    free(*dir);
    *dir = NULL;
    return lucet_error_io;
}

static void remove_work_dir(char *dir)
{
    DIR *d = opendir(dir);
    const int fd = d ? dirfd(d) : -1;
    struct dirent *entry;
    while (fd >= 0 && (entry = readdir(d)))
        if (entry->d_name[0] != '.')
            unlinkat(fd, entry->d_name, 0);
    if (d)
        closedir(d);
    rmdir(dir);
    free(dir);
}

static enum lucet_error put_in_place(struct compilation *c, const char *made, const char *output)
{
    if (rename(made, output) == 0)
        return lucet_error_ok;
    diagnose(c->diagnostic, "io", "cannot put the output file in its place: %s", strerror(errno));
    return lucet_error_io;
}

/* ---- Steps ---- */

static enum lucet_error check_memory(struct compilation *c)
{
    const uint64_t most = c->options->max_memory_size ? c->options->max_memory_size : UINT64_MAX;
    for (uint32_t i = 0; i < c->module->nmemories; i++) {
        const struct wasm_memory_type *t = &c->module->memories[i].type;
        const bool guarded =
            lucet_memory_is_guarded(i, t->limits.is64 ? LUCET_INDEX64 : 0, t->page_log2);
        const uint64_t need = lucet_memory_bytes(t->limits.min, t->page_log2);
        const uint64_t limit = guarded && c->reserved_size < most ? c->reserved_size : most;
        if (need <= limit)
            continue;
        diagnose(c->diagnostic, "limit",
                 "memory %u starts with %llu bytes; at most %llu are allowed", i,
                 (unsigned long long)need, (unsigned long long)limit);
        return lucet_error_compile;
    }
    return lucet_error_ok;
}

/* Where objects go: the work directory, or the one the user wants to keep them in. */
static enum lucet_error objects_dir(struct compilation *c, const char *work_dir, const char **dir)
{
    *dir = c->options->precious ? c->options->precious : work_dir;
    if (!c->options->precious || mkdir(*dir, 0777) == 0 || errno == EEXIST)
        return lucet_error_ok;
    diagnose(c->diagnostic, "io", "cannot make the directory for intermediate files: %s",
             strerror(errno));
    return lucet_error_io;
}

static enum lucet_error produce(struct compilation *c, const char *work_dir, const char *output)
{
    const bool linked = c->options->emit == lucetc_emit_so || c->options->emit == lucetc_emit_obj;
    const char *dir;
    char *made = NULL;
    uint32_t count = 0;
    enum lucet_error e = objects_dir(c, work_dir, &dir);
    if (!e)
        e = objects_make(c, dir, &count);
    if (!e && asprintf(&made, "%s/%s.%s", linked ? work_dir : dir, linked ? "out" : "0",
                       object_suffix(c)) < 0)
        e = lucet_error_no_memory;
    if (!e && linked)
        e = link_objects(c, dir, count, made);
    if (!e && c->options->debug_info && c->options->emit == lucetc_emit_so)
        e = line_table_make(c, made, made);
    if (!e)
        e = put_in_place(c, made, output);
    free(made);
    return e;
}

static enum lucet_error produce_header(struct compilation *c, const char *output)
{
    char *dir = NULL, *made = NULL;
    enum lucet_error e = make_work_dir(c, output, &dir);
    if (!e && asprintf(&made, "%s/out.h", dir) < 0)
        e = lucet_error_no_memory;
    if (!e)
        e = header_write(c, made);
    if (!e)
        e = put_in_place(c, made, output);
    free(made);
    if (dir)
        remove_work_dir(dir);
    return e;
}

static enum lucet_error compile_module(struct compilation *c, const char *output)
{
    enum lucet_error e = check_memory(c);
    if (!e)
        e = bindings_check(c);
    if (c->options->emit == lucetc_emit_header)
        return e ? e : produce_header(c, output);
    if (!e)
        e = target_resolve(c);
    if (!e)
        e = plan_make(c);
    char *dir = NULL;
    if (!e)
        e = make_work_dir(c, output, &dir);
    if (!e)
        e = produce(c, dir, output);
    if (dir)
        remove_work_dir(dir);
    plan_free(&c->plan);
    target_free(&c->target);
    return e;
}

enum lucet_error lucetc_compile(const void *wasm, size_t size, const struct lucetc_options *options,
                                const char *output, struct lucetc_diagnostic *diagnostic)
{
    const struct lucetc_options defaults = lucetc_options_default();
    struct wasm_module module;
    struct wasm_error error;
    if (!options)
        options = &defaults;
    diagnose(diagnostic, "internal", "%s", "");
    const char *problem = wasm && output ? options_problem(options) : "no module, or no output";
    if (problem) {
        diagnose(diagnostic, "options", "%s", problem);
        return lucet_error_invalid_argument;
    }
    uint32_t features;
    if (!features_of(options->features, &features, diagnostic))
        return lucet_error_invalid_argument;
    if (wasm_module_decode(wasm, size, features, NULL, &module, &error) != WASM_OK) {
        struct lucet_artifact_error what;
        if (error.status == WASM_MALFORMED && lucet_module_identify(wasm, size, &what))
            diagnose(diagnostic, "malformed", "%s", what.text);
        else
            diagnose_wasm_error(diagnostic, &error);
        return error.status == WASM_NO_MEMORY ? lucet_error_no_memory : lucet_error_compile;
    }
    struct compilation c = {
        .module = &module,
        .options = options,
        .diagnostic = diagnostic,
        .reserved_size = options->reserved_size ? options->reserved_size : 4 * GIB,
        .guard_size = options->guard_size ? options->guard_size : 4 * GIB,
    };
    enum lucet_error e = compile_module(&c, output);
    wasm_module_free(&module);
    return e;
}

/* ---- Versions ---- */

static pthread_once_t host_once = PTHREAD_ONCE_INIT;
static char host_cpu[64], host_features[512], llvm_version[32];

static void find_host(void)
{
    unsigned major, minor, patch;
    char *cpu = LLVMGetHostCPUName();
    snprintf(host_cpu, sizeof host_cpu, "%s", cpu);
    LLVMDisposeMessage(cpu);
    lucet_cpu_feature_list(lucet_cpu_features(), host_features, sizeof host_features);
    LLVMGetVersion(&major, &minor, &patch);
    snprintf(llvm_version, sizeof llvm_version, "%u.%u.%u", major, minor, patch);
}

const char *lucetc_host_cpu(void)
{
    pthread_once(&host_once, find_host);
    return host_cpu;
}

const char *lucetc_host_features(void)
{
    pthread_once(&host_once, find_host);
    return host_features;
}

const char *lucetc_llvm_version(void)
{
    pthread_once(&host_once, find_host);
    return llvm_version;
}

const char *lucetc_version(void)
{
    return LUCETC_VERSION;
}
