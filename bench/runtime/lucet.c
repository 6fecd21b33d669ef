/* Lucet's side: its public interface, as an embedder in a hurry uses it. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "bench.h"
#include "lucet/lucet.h"

bool bench_pages_on_demand;
static struct lucet_region *region;
static struct lucet_dl_module *small, *image, *host, *bare;
static struct lucet_linker *linker;
static struct lucet_instance *adding, *calling;
static struct lucet_func nop, add, apply, dirty;

static void good(enum lucet_error e, const char *what)
{
    if (e != lucet_error_ok)
        bench_die("lucet: %s: %s", what, lucet_error_detail());
}

static uint32_t host_function(struct lucet_vmctx *ctx, uint32_t x)
{
    (void)ctx;
    return x + 1;
}

static struct lucet_dl_module *load(const char *folder, const char *name)
{
    struct lucet_dl_module *m;
    char path[4096];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    good(lucet_dl_module_load(path, &m), path);
    return m;
}

static struct lucet_instance *instance(struct lucet_dl_module *m)
{
    const struct lucet_instance_options o = {.linker = linker};
    struct lucet_instance *i;

    good(lucet_region_new_instance_with(region, m, &o, &i), "instance");
    return i;
}

static void lucet_open(const char *folder, size_t capacity)
{
    struct lucet_alloc_limits limits = lucet_alloc_limits_default();

    limits.heap_memory_size = (uint64_t)16 << 20;
    good(bench_pages_on_demand ? lucet_uffd_region_create(capacity, &limits, &region)
                               : lucet_mmap_region_create(capacity, &limits, &region),
         "region");
    good(lucet_linker_new(&linker), "linker");
    good(lucet_linker_func(linker, "host", "f", "i:i", (void (*)(void))host_function), "linker");
    small = load(folder, "small.so");
    image = load(folder, "image.so");
    host = load(folder, "host.so");
    bare = load(folder, "bare.so");
    good(lucet_dl_module_func(small, "nop", ":", &nop), "nop");
    good(lucet_dl_module_func(small, "add", "ii:i", &add), "add");
    good(lucet_dl_module_func(small, "apply", "ii:i", &apply), "apply");
    good(lucet_dl_module_func(image, "dirty", "i:", &dirty), "dirty");
    adding = instance(small);
    calling = instance(host);
}

static void fresh_small(void)
{
    struct lucet_instance *i;

    good(lucet_region_new_instance(region, small, &i), "instance");
    good(lucet_func_call(&nop, i, NULL, NULL), "nop");
    lucet_instance_release(i);
}

static void apply_double(struct lucet_instance *i)
{
    union lucet_raw values[] = {{.i32 = 1}, {.i32 = 21}};

    good(lucet_func_call(&apply, i, values, NULL), "apply");
}

static void fresh_handler(void)
{
    struct lucet_instance *i;

    good(lucet_region_new_instance(region, small, &i), "instance");
    apply_double(i);
    lucet_instance_release(i);
}

static void fresh_image(void)
{
    union lucet_raw pages = {.i32 = 16};
    struct lucet_instance *i;

    good(lucet_region_new_instance(region, image, &i), "instance");
    good(lucet_func_call(&dirty, i, &pages, NULL), "dirty");
    lucet_instance_release(i);
}

static void trap(bool look)
{
    static struct lucet_instance *i;
    const struct lucet_val depth = LUCET_VAL_I32(10);
    struct lucet_result r;

    if (!i)
        i = instance(small);
    if (lucet_instance_run(i, "trap", 1, &depth, &r) != lucet_error_runtime_fault)
        bench_die("lucet: no trap");
    if (look && r.val.faulted.backtrace_len < 11)
        bench_die("lucet: %zu frames", r.val.faulted.backtrace_len);
    good(lucet_instance_reset(i), "reset");
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
        union lucet_raw values[] = {{.i32 = (int32_t)i}, {.i32 = 1}};
        good(lucet_func_call(&add, adding, values, NULL), "add");
    }
}

/* As `lucetc --emit header` writes it. */
static inline uint32_t small_add(struct lucet_instance *i, uint32_t a, uint32_t b)
{
    union lucet_raw values[2];

    values[0].u32 = a;
    values[1].u32 = b;
    good(lucet_func_call(&add, i, values, NULL), "add");
    return values[0].u32;
}

static void call_by_stub(unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        small_add(adding, i, 1);
}

static void call_handler(unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        apply_double(adding);
}

/* A minute each. */
static void call_with_limit(unsigned n, enum lucet_timeout_source source)
{
    good(lucet_set_timeout_source(source), "source of time");
    good(lucet_instance_set_timeout(adding, 60000), "time limit");
    call_handler(n);
    good(lucet_instance_set_timeout(adding, 0), "no time limit");
}

static void call_limited(unsigned n)
{
    call_with_limit(n, lucet_timeout_source_timers);
}

static void call_limited_by_host(unsigned n)
{
    call_with_limit(n, lucet_timeout_source_host);
}

static void call_host(unsigned n)
{
    const struct lucet_val times = LUCET_VAL_I32((int32_t)n);
    struct lucet_result r;

    good(lucet_instance_run(calling, "call_host", 1, &times, &r), "call_host");
}

static void call_none(unsigned n)
{
    const struct lucet_val times = LUCET_VAL_I32((int32_t)n);
    struct lucet_result r;

    good(lucet_instance_run(calling, "call_none", 1, &times, &r), "call_none");
}

static void keep_idle(size_t n)
{
    for (size_t k = 0; k < n; k++)
        instance(bare);
}

/* The killer may be late, or early. */
static pthread_mutex_t kill_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct lucet_kill_switch *kill_switch;

static void set_kill_switch(struct lucet_kill_switch *k)
{
    pthread_mutex_lock(&kill_mutex);
    kill_switch = k;
    pthread_mutex_unlock(&kill_mutex);
}

static void spin(void)
{
    struct lucet_instance *i = instance(small);
    struct lucet_kill_switch *k;
    struct lucet_result r;

    good(lucet_instance_kill_switch(i, &k), "kill switch");
    set_kill_switch(k);
    if (lucet_instance_run(i, "spin", 0, NULL, &r) != lucet_error_runtime_terminated)
        bench_die("lucet: not stopped");
    set_kill_switch(NULL);
    lucet_instance_release(i);
    lucet_kill_switch_release(k);
}

static void stop(void)
{
    pthread_mutex_lock(&kill_mutex);
    if (kill_switch)
        lucet_kill_switch_terminate(kill_switch);
    pthread_mutex_unlock(&kill_mutex);
}

const struct engine bench_lucet = {
    .name = "lucet",
    .open = lucet_open,
    .fresh_small = fresh_small,
    .fresh_handler = fresh_handler,
    .fresh_image = fresh_image,
    .trap_and_reset = trap_and_reset,
    .trap_and_backtrace = trap_and_backtrace,
    .call_by_handle = call_by_handle,
    .call_by_stub = call_by_stub,
    .call_handler = call_handler,
    .call_limited = call_limited,
    .call_limited_by_host = call_limited_by_host,
    .call_host = call_host,
    .call_none = call_none,
    .keep_idle = keep_idle,
    .spin = spin,
    .kill = stop,
};
