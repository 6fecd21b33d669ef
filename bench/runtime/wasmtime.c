/* wasmtime's side. Its wheel carries the shared library and no headers: these are the few
 * declarations needed here, of the C interface as it is documented. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

typedef struct wasm_config wasm_config;
typedef struct wasm_engine wasm_engine;
typedef struct wasm_trap wasm_trap;
typedef struct wasm_functype wasm_functype;
typedef struct wasm_valtype wasm_valtype;
typedef struct wasm_frame wasm_frame;
typedef struct pool_config pool_config;
typedef struct module module;
typedef struct store store;
typedef struct context context;
typedef struct linker linker;
typedef struct instance_pre instance_pre;
typedef struct error error;
typedef struct caller caller;

struct vec {
    size_t size;
    void *data;
};
struct instance {
    uint64_t store;
    size_t private;
};
struct func {
    uint64_t store;
    void *private;
};
struct item {
    uint8_t kind;
    union {
        struct func func;
        uint64_t others[4];
    } of;
};
union raw {
    int32_t i32;
    uint64_t wide[2] __attribute__((aligned(16)));
};
typedef wasm_trap *callback(void *env, caller *c, union raw *values, size_t n);

/* clang-format off */
#define FUNCTIONS(X)                                                                               \
    X(wasm_config *, wasm_config_new, (void))                                                      \
    X(wasm_engine *, wasm_engine_new_with_config, (wasm_config *))                                 \
    X(wasm_functype *, wasm_functype_new, (struct vec *, struct vec *))                            \
    X(wasm_valtype *, wasm_valtype_new, (uint8_t))                                                 \
    X(void, wasm_valtype_vec_new, (struct vec *, size_t, wasm_valtype *const *))                   \
    X(void, wasm_valtype_vec_new_empty, (struct vec *))                                            \
    X(void, wasm_trap_delete, (wasm_trap *))                                                       \
    X(void, wasm_trap_trace, (const wasm_trap *, struct vec *))                                    \
    X(void, wasm_frame_vec_delete, (struct vec *))                                                 \
    X(const struct vec *, wasmtime_frame_func_name, (const wasm_frame *))                          \
    X(void, wasmtime_error_message, (const error *, struct vec *))                                 \
    X(pool_config *, wasmtime_pooling_allocation_config_new, (void))                               \
    X(void, wasmtime_pooling_allocation_config_delete, (pool_config *))                            \
    X(void, wasmtime_pooling_allocation_config_total_core_instances_set,                           \
      (pool_config *, uint32_t))                                                                   \
    X(void, wasmtime_pooling_allocation_config_total_memories_set, (pool_config *, uint32_t))      \
    X(void, wasmtime_pooling_allocation_config_total_tables_set, (pool_config *, uint32_t))        \
    X(void, wasmtime_pooling_allocation_config_max_memory_size_set, (pool_config *, size_t))       \
    X(void, wasmtime_pooling_allocation_config_max_unused_warm_slots_set,                          \
      (pool_config *, uint32_t))                                                                   \
    X(void, wasmtime_pooling_allocation_config_linear_memory_keep_resident_set,                    \
      (pool_config *, size_t))                                                                     \
    X(void, wasmtime_pooling_allocation_config_table_keep_resident_set, (pool_config *, size_t))   \
    X(void, wasmtime_pooling_allocation_strategy_set, (wasm_config *, const pool_config *))        \
    X(void, wasmtime_config_memory_init_cow_set, (wasm_config *, bool))                            \
    X(void, wasmtime_config_epoch_interruption_set, (wasm_config *, bool))                         \
    X(error *, wasmtime_module_new, (wasm_engine *, const uint8_t *, size_t, module **))           \
    X(store *, wasmtime_store_new, (wasm_engine *, void *, void (*)(void *)))                      \
    X(context *, wasmtime_store_context, (store *))                                                \
    X(void, wasmtime_store_delete, (store *))                                                      \
    X(linker *, wasmtime_linker_new, (wasm_engine *))                                              \
    X(error *, wasmtime_linker_define_func_unchecked,                                              \
      (linker *, const char *, size_t, const char *, size_t, const wasm_functype *, callback *,    \
       void *, void (*)(void *)))                                                                  \
    X(error *, wasmtime_linker_instantiate_pre, (const linker *, const module *, instance_pre **)) \
    X(error *, wasmtime_instance_pre_instantiate,                                                  \
      (const instance_pre *, context *, struct instance *, wasm_trap **))                          \
    X(bool, wasmtime_instance_export_get,                                                          \
      (context *, const struct instance *, const char *, size_t, struct item *))                   \
    X(error *, wasmtime_func_call_unchecked,                                                       \
      (context *, const struct func *, union raw *, size_t, wasm_trap **))                         \
    X(void, wasmtime_context_set_epoch_deadline, (context *, uint64_t))                            \
    X(void, wasmtime_engine_increment_epoch, (wasm_engine *))
/* clang-format on */

static struct {
#define X(result, name, params) result(*name) params;
    FUNCTIONS(X)
#undef X
} w;

static void good(error *e, const char *what)
{
    struct vec text = {0};

    if (!e)
        return;
    w.wasmtime_error_message(e, &text);
    bench_die("wasmtime: %s: %.*s", what, (int)text.size, (const char *)text.data);
}

/* Two engines: only one pays for checks of the epoch. */
static wasm_engine *engine, *stoppable;
static instance_pre *small, *image, *host, *bare, *spinning;

/* Its pooling allocator with copy-on-write images, sized so that nothing here is refused. It may
 * keep memory resident, which it then clears instead of giving it back: none is the fastest of what
 * was tried for both rows about fresh instances (0, 64 KiB, 256 KiB, 8 MiB); the variable is for
 * trying. */
static wasm_engine *engine_new(size_t capacity, bool epochs)
{
    wasm_config *c = w.wasm_config_new();
    pool_config *p = w.wasmtime_pooling_allocation_config_new();
    const char *resident = getenv("BENCH_WASMTIME_RESIDENT");
    size_t keep = resident ? strtoul(resident, NULL, 0) : 0;

    w.wasmtime_pooling_allocation_config_total_core_instances_set(p, (uint32_t)capacity);
    w.wasmtime_pooling_allocation_config_total_memories_set(p, (uint32_t)capacity);
    w.wasmtime_pooling_allocation_config_total_tables_set(p, (uint32_t)capacity);
    w.wasmtime_pooling_allocation_config_max_memory_size_set(p, (size_t)16 << 20);
    w.wasmtime_pooling_allocation_config_max_unused_warm_slots_set(p, (uint32_t)capacity);
    w.wasmtime_pooling_allocation_config_linear_memory_keep_resident_set(p, keep);
    w.wasmtime_pooling_allocation_config_table_keep_resident_set(p, (size_t)4 << 10);
    w.wasmtime_pooling_allocation_strategy_set(c, p);
    w.wasmtime_pooling_allocation_config_delete(p);
    w.wasmtime_config_memory_init_cow_set(c, true);
    w.wasmtime_config_epoch_interruption_set(c, epochs);
    return w.wasm_engine_new_with_config(c);
}

static wasm_trap *host_function(void *env, caller *c, union raw *values, size_t n)
{
    (void)env;
    (void)c;
    (void)n;
    values[0].i32 += 1;
    return NULL;
}

static linker *linker_new(wasm_engine *e)
{
    linker *l = w.wasmtime_linker_new(e);
    wasm_valtype *i32[2] = {w.wasm_valtype_new(0), w.wasm_valtype_new(0)};
    struct vec params, results;

    w.wasm_valtype_vec_new(&params, 1, &i32[0]);
    w.wasm_valtype_vec_new(&results, 1, &i32[1]);
    good(w.wasmtime_linker_define_func_unchecked(l, "host", 4, "f", 1,
                                                 w.wasm_functype_new(&params, &results),
                                                 host_function, NULL, NULL),
         "define");
    return l;
}

static instance_pre *prepare(wasm_engine *e, const linker *l, const char *folder, const char *name)
{
    size_t size;
    uint8_t *bytes = bench_file(folder, name, &size);
    module *m = NULL;
    instance_pre *pre = NULL;

    good(w.wasmtime_module_new(e, bytes, size, &m), name);
    free(bytes);
    good(w.wasmtime_linker_instantiate_pre(l, m, &pre), name);
    return pre;
}

struct guest {
    store *store;
    context *ctx;
    struct instance instance;
    struct func func;
};

static struct guest guest_new(wasm_engine *e, const instance_pre *pre, const char *export)
{
    struct guest g = {.store = w.wasmtime_store_new(e, NULL, NULL)};
    wasm_trap *trap = NULL;
    struct item item;

    g.ctx = w.wasmtime_store_context(g.store);
    good(w.wasmtime_instance_pre_instantiate(pre, g.ctx, &g.instance, &trap), "instantiate");
    if (trap || !w.wasmtime_instance_export_get(g.ctx, &g.instance, export, strlen(export), &item))
        bench_die("wasmtime: no %s", export);
    g.func = item.of.func;
    return g;
}

static wasm_trap *call(const struct guest *g, union raw *values, size_t n)
{
    wasm_trap *trap = NULL;

    good(w.wasmtime_func_call_unchecked(g->ctx, &g->func, values, n, &trap), "call");
    return trap;
}

static void must_return(const struct guest *g, union raw *values, size_t n)
{
    if (call(g, values, n))
        bench_die("wasmtime: a trap");
}

static struct guest adding, applying, calling, looping;

static void wasmtime_open(const char *folder, size_t capacity)
{
    engine = engine_new(capacity, false);
    stoppable = engine_new(16, true);
    const linker *l = linker_new(engine);
    small = prepare(engine, l, folder, "small.wasm");
    image = prepare(engine, l, folder, "image.wasm");
    host = prepare(engine, l, folder, "host.wasm");
    bare = prepare(engine, l, folder, "bare.wasm");
    spinning = prepare(stoppable, linker_new(stoppable), folder, "small.wasm");
    adding = guest_new(engine, small, "add");
    applying = guest_new(engine, small, "apply");
    calling = guest_new(engine, host, "call_host");
    looping = guest_new(engine, host, "call_none");
}

static void fresh_small(void)
{
    struct guest g = guest_new(engine, small, "nop");
    union raw values[1];

    must_return(&g, values, 0);
    w.wasmtime_store_delete(g.store);
}

static void apply_double(const struct guest *g)
{
    union raw values[2] = {{.i32 = 1}, {.i32 = 21}};

    must_return(g, values, 2);
}

static void fresh_handler(void)
{
    struct guest g = guest_new(engine, small, "apply");

    apply_double(&g);
    w.wasmtime_store_delete(g.store);
}

static void fresh_image(void)
{
    struct guest g = guest_new(engine, image, "dirty");
    union raw values[1] = {{.i32 = 16}};

    must_return(&g, values, 1);
    w.wasmtime_store_delete(g.store);
}

/* An instance that trapped is replaced: there is no reset. */
static void trap(bool look)
{
    static struct guest g;
    union raw values[1] = {{.i32 = 10}};
    struct vec frames;

    if (!g.store)
        g = guest_new(engine, small, "trap");
    wasm_trap *t = call(&g, values, 1);
    if (!t)
        bench_die("wasmtime: no trap");
    if (look) {
        w.wasm_trap_trace(t, &frames);
        for (size_t i = 0; i < frames.size; i++)
            w.wasmtime_frame_func_name(((wasm_frame **)frames.data)[i]);
        if (frames.size != 11)
            bench_die("wasmtime: %zu frames", frames.size);
        w.wasm_frame_vec_delete(&frames);
    }
    w.wasm_trap_delete(t);
    w.wasmtime_store_delete(g.store);
    g = guest_new(engine, small, "trap");
}

static void trap_and_reset(void)
{
    trap(false);
}

static void trap_and_backtrace(void)
{
    trap(true);
}

static void call_by_handle(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        union raw values[2] = {{.i32 = (int32_t)i}, {.i32 = 1}};
        must_return(&adding, values, 2);
    }
}

static void call_handler(unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        apply_double(&applying);
}

static void call_host(unsigned n)
{
    union raw values[1] = {{.i32 = (int32_t)n}};

    must_return(&calling, values, 1);
}

static void call_none(unsigned n)
{
    union raw values[1] = {{.i32 = (int32_t)n}};

    must_return(&looping, values, 1);
}

static void keep_idle(size_t n)
{
    for (size_t i = 0; i < n; i++)
        guest_new(engine, bare, "nop");
}

static void spin(void)
{
    struct guest g = guest_new(stoppable, spinning, "spin");
    union raw values[1];

    w.wasmtime_context_set_epoch_deadline(g.ctx, 1);
    wasm_trap *t = call(&g, values, 0);
    if (!t)
        bench_die("wasmtime: not stopped");
    w.wasm_trap_delete(t);
    w.wasmtime_store_delete(g.store);
}

static void stop(void)
{
    w.wasmtime_engine_increment_epoch(stoppable);
}

const struct engine *bench_wasmtime(const char *path)
{
    static const struct engine self = {
        .name = "wasmtime",
        .open = wasmtime_open,
        .fresh_small = fresh_small,
        .fresh_handler = fresh_handler,
        .fresh_image = fresh_image,
        .trap_and_reset = trap_and_reset,
        .trap_and_backtrace = trap_and_backtrace,
        .call_by_handle = call_by_handle,
        .call_by_stub = call_by_handle, /* it has no other way */
        .call_handler = call_handler,
        .call_host = call_host,
        .call_none = call_none,
        .keep_idle = keep_idle,
        .spin = spin,
        .kill = stop,
    };
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);

    if (!library) {
        fprintf(stderr, "bench: %s\n", dlerror());
        return NULL;
    }
#define X(result, name, params)                                                                    \
    *(void **)&w.name = dlsym(library, #name);                                                     \
    if (!w.name)                                                                                   \
        bench_die("%s has no %s", path, #name);
    FUNCTIONS(X)
#undef X
    return &self;
}
