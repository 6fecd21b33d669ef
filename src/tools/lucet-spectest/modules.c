#include "tools/lucet-spectest/spectest.h"

#include "tools/common/file.h"
#include "tools/common/progress.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_INSTANCES = 1024 };

struct module {
    struct module *next;
    char *name;
    struct lucet_dl_module *code;
    struct lucet_instance *instance; /* NULL: a definition */
};

bool store_open(struct store *s, const struct options *o, const char *features, const char *dir,
                const char *wasm_dir)
{
    struct lucet_alloc_limits limits = lucet_alloc_limits_default();

    *s = (struct store){.options = o, .features = features, .dir = dir, .wasm_dir = wasm_dir};
    limits.heap_memory_size = UINT64_C(4) << 30;
    limits.stack_size = 1 << 20;
    limits.globals_size = 1 << 20;
    limits.context_size = 1 << 20;
    const enum lucet_error e = o->on_demand
                                   ? lucet_uffd_region_create(MAX_INSTANCES, &limits, &s->region)
                                   : lucet_mmap_region_create(MAX_INSTANCES, &limits, &s->region);
    return e == lucet_error_ok && lucet_linker_new(&s->linker) == lucet_error_ok &&
           host_link(s->linker) == lucet_error_ok;
}

static void module_free(struct module *m)
{
    lucet_instance_release(m->instance);
    lucet_dl_module_release(m->code);
    free(m->name);
    free(m);
}

void store_close(struct store *s)
{
    while (s->modules) {
        struct module *m = s->modules;
        s->modules = m->next;
        module_free(m);
    }
    if (s->linker)
        lucet_linker_release(s->linker);
    if (s->region)
        lucet_region_release(s->region);
}

static struct module *find(const struct store *s, const char *name, bool instance)
{
    for (struct module *m = s->modules; m; m = m->next) {
        if ((m->instance != NULL) == instance &&
            (name ? m->name && strcmp(m->name, name) == 0 : !instance || m == s->current))
            return m;
    }
    return NULL;
}

/* What nobody can name any more is released at once: its slot then serves the next module, and what
 * the suite still reaches of it, through tables for example, must be kept alive by the runtime. */
static void forget_current(struct store *s)
{
    struct module *old = s->current;

    s->current = NULL;
    if (!old || old->name)
        return;
    for (struct module **p = &s->modules; *p; p = &(*p)->next) {
        if (*p == old) {
            *p = old->next;
            module_free(old);
            return;
        }
    }
}

static bool fail(struct module_outcome *o, enum stage stage, enum lucet_error e, const char *words)
{
    o->failed_at = stage;
    o->error = e;
    snprintf(o->message, sizeof o->message, "%s: %s", lucet_error_name(e), words);
    return false;
}

/* Compiles and loads. */
static bool build(struct store *s, const char *file, struct lucet_dl_module **code,
                  struct module_outcome *o)
{
    struct lucetc_options options = lucetc_options_default();
    char path[4096], output[4096];
    uint8_t *wasm;
    size_t size;

    snprintf(path, sizeof path, "%s%s%s", file[0] == '/' ? "" : s->wasm_dir,
             file[0] == '/' ? "" : "/", file);
    snprintf(output, sizeof output, "%s/module-%u.so", s->dir, s->compiled);
    const int error = tool_read_file(path, SIZE_MAX / 4, &wasm, &size);
    if (error != 0)
        return fail(o, STAGE_IO, lucet_error_io, strerror(error));

    options.opt_level = s->options->opt_level;
    options.target_cpu = s->options->target_cpu;
    options.features = s->features;
    options.precise_traps = s->options->precise;
    options.allow_undefined = true;
    options.jobs = 1;
    const double start = tool_seconds();
    enum lucet_error e = lucetc_compile(wasm, size, &options, output, &o->diagnostic);
    if (e == lucet_error_ok) {
        s->compile_seconds += tool_seconds() - start;
        s->compiled++;
    }
    free(wasm);
    if (e != lucet_error_ok) {
        fail(o, STAGE_COMPILE, e, "");
        snprintf(o->message, sizeof o->message, "%.20s: %.512s", o->diagnostic.kind,
                 o->diagnostic.message);
        return false;
    }
    e = lucet_dl_module_load(output, code);
    if (e != lucet_error_ok)
        fail(o, STAGE_LOAD, e, lucet_error_detail());
    unlink(output);
    return e == lucet_error_ok;
}

static bool instantiate(struct store *s, struct lucet_dl_module *code,
                        struct lucet_instance **instance, struct module_outcome *o)
{
    const struct lucet_instance_options options = {.linker = s->linker, .run_start = true};
    const enum lucet_error e = lucet_region_new_instance_with(s->region, code, &options, instance);

    if (e == lucet_error_ok) {
        /* The suite looks at instances after their functions trapped. */
        lucet_instance_set_continue_after_fault(*instance, true);
        return true;
    }
    fail(o, STAGE_INSTANTIATE, e, lucet_error_detail());
    if (e == lucet_error_runtime_fault)
        o->trap = lucet_instantiation_trap();
    return false;
}

static void outcome_init(struct module_outcome *o)
{
    memset(o, 0, sizeof *o);
    o->failed_at = STAGE_DONE;
    o->diagnostic.kind = "";
}

/* Takes over `code`. An instance without a definition's name becomes the current one. */
static void keep(struct store *s, struct lucet_dl_module *code, struct lucet_instance *instance,
                 const char *name)
{
    struct module *m = calloc(1, sizeof *m);

    if (!m)
        abort();
    *m = (struct module){
        .next = s->modules, .name = name ? strdup(name) : NULL, .code = code, .instance = instance};
    s->modules = m;
    if (instance)
        s->current = m;
}

void store_module(struct store *s, const char *file, const char *name, bool define_only,
                  struct module_outcome *o)
{
    struct lucet_dl_module *code = NULL;
    struct lucet_instance *instance = NULL;

    outcome_init(o);
    if (!define_only)
        forget_current(s);
    if (!build(s, file, &code, o))
        return;
    if (define_only || instantiate(s, code, &instance, o))
        keep(s, code, instance, name);
    else
        lucet_dl_module_release(code);
}

void store_instantiate(struct store *s, const char *definition, const char *name,
                       struct module_outcome *o)
{
    struct module *m = find(s, definition, false);
    struct lucet_instance *instance = NULL;

    outcome_init(o);
    forget_current(s);
    if (!m) {
        fail(o, STAGE_IO, lucet_error_symbol_not_found, "no module of that name");
        return;
    }
    if (instantiate(s, m->code, &instance, o))
        keep(s, NULL, instance, name);
}

void store_try(struct store *s, const char *file, bool with_instance, struct module_outcome *o)
{
    struct lucet_dl_module *code = NULL;
    struct lucet_instance *instance = NULL;

    outcome_init(o);
    if (build(s, file, &code, o) && with_instance && instantiate(s, code, &instance, o))
        lucet_instance_release(instance);
    lucet_dl_module_release(code);
}

struct lucet_instance *store_instance(struct store *s, const char *name)
{
    const struct module *m = name ? find(s, name, true) : s->current;
    return m ? m->instance : NULL;
}

enum lucet_error store_register(struct store *s, const char *name, const char *as)
{
    struct lucet_instance *instance = store_instance(s, name);
    return instance ? lucet_linker_instance(s->linker, as, instance) : lucet_error_symbol_not_found;
}
