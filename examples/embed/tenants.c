/*
 * A process with many tenants, and what it wants to keep in its own hands: where the runtime's
 * memory comes from, what is written to the log, how much memory tenants may touch, and what
 * happens to one that wants more.
 *
 * In this folder:
 *
 *     clang-22 --target=wasm32 -O2 -nostdlib -Wl,--no-entry -o tenant.wasm guests/tenant.c
 *     lucetc --bindings tenants.json tenant.wasm -o tenant.so
 *     cc -o tenants tenants.c $(pkg-config --cflags --libs lucet)
 *     ./tenants tenant.so
 *
 * docs/embedding.md explains what is behind it.
 */

#include <lucet/lucet.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define TENANTS 100
#define KIB 1024u

static void check(enum lucet_error error, const char *what)
{
    if (error == lucet_error_ok)
        return;
    fprintf(stderr, "%s: %s: %s\n", what, lucet_error_message(error), lucet_error_detail());
    exit(1);
}

/* ---- What holds for the process ----------------------------------------------------------- */

/* Any thread may allocate, so the count is atomic. */
static atomic_long blocks;

static void *count_malloc(void *context, size_t size)
{
    void *p = malloc(size);

    (void)context;
    if (p)
        atomic_fetch_add(&blocks, 1);
    return p;
}

static void *count_realloc(void *context, void *p, size_t size)
{
    (void)context;
    return realloc(p, size);
}

static void count_free(void *context, void *p)
{
    (void)context;
    atomic_fetch_sub(&blocks, 1);
    free(p);
}

static void write_log(void *data, enum lucet_log_level level, const char *message)
{
    fprintf(data, "lucet %s: %s\n", lucet_log_level_name(level), message);
}

/* ---- The tenants -------------------------------------------------------------------------- */

/* The address of this is the key under which an instance's tenant is found. */
static const char tenant_key;

struct tenant {
    unsigned number;
};

static uint32_t tenants_number(struct lucet_vmctx *vmctx)
{
    const struct tenant *tenant = lucet_vmctx_context(vmctx, &tenant_key);

    return tenant->number;
}

/* Pages on demand where the kernel lets us, so that what tenants touch can be limited apart from
 * what they may address. */
static struct lucet_region *make_region(bool *on_demand)
{
    struct lucet_alloc_limits limits = lucet_alloc_limits_default();
    struct lucet_region_options options = {.terminate_on_heap_oom = true,
                                           .heap_resident_limit = 512 * KIB};
    struct lucet_region *region = NULL;

    limits.heap_memory_size = 4096 * KIB;
    enum lucet_error error = lucet_uffd_region_create_with(TENANTS, &limits, &options, &region);
    *on_demand = error == lucet_error_ok;
    if (error == lucet_error_unsupported) {
        fprintf(stderr, "%s\n", lucet_error_detail());
        options.heap_resident_limit = 0;
        limits.heap_memory_size = 512 * KIB;
        error = lucet_mmap_region_create_with(TENANTS, &limits, &options, &region);
    }
    check(error, "region");
    return region;
}

static void take(struct lucet_instance *instance, unsigned pages)
{
    struct lucet_result result;
    const struct lucet_val argument = LUCET_VAL_U32(pages);
    const enum lucet_error error = lucet_instance_run(instance, "take", 1, &argument, &result);

    if (error == lucet_error_ok)
        printf("takes %u pages: has some\n", pages);
    else if (error == lucet_error_runtime_terminated &&
             result.val.terminated.reason == lucet_terminated_reason_heap_out_of_memory)
        printf("takes %u pages: out of memory, ended\n", pages);
    else
        check(error, "take");
}

int main(int argc, char **argv)
{
    static const struct lucet_hostcall hostcalls[] = {
        {"tenants_number", ":i", (void (*)(void))tenants_number}};
    static struct tenant tenants[TENANTS];
    static struct lucet_instance *instances[TENANTS];
    const struct lucet_allocator allocator = {count_malloc, count_realloc, count_free, NULL};
    struct lucet_dl_module *module = NULL;
    struct lucet_linker *linker = NULL;
    struct lucet_result result;
    unsigned sum = 0;
    bool on_demand;

    if (argc != 2) {
        fprintf(stderr, "usage: tenants tenant.so\n");
        return 2;
    }
    check(lucet_set_allocator(&allocator), "allocator"); /* before everything else */
    lucet_set_log(lucet_log_info, write_log, stderr);
    struct lucet_region *region = make_region(&on_demand);
    check(lucet_dl_module_load(argv[1], &module), argv[1]);
    check(lucet_linker_new(&linker), "linker");
    check(lucet_linker_hostcalls(linker, hostcalls, 1), "host functions");

    for (unsigned i = 0; i < TENANTS; i++) {
        tenants[i].number = i + 1;
        const struct lucet_context context = {&tenant_key, &tenants[i]};
        const struct lucet_instance_options options = {
            .linker = linker, .contexts = &context, .ncontexts = 1};
        check(lucet_region_new_instance_with(region, module, &options, &instances[i]), "instance");
        check(lucet_instance_run(instances[i], "who", 0, NULL, &result), "who");
        sum += (unsigned)lucet_retval_gp(&result.val.returned);
    }
    printf("%d tenants, their numbers add up to %u\n", TENANTS, sum);

    take(instances[0], 4);
    take(instances[0], 20);
    check(lucet_instance_reset(instances[0]), "reset");
    take(instances[0], 4);
    uint64_t touched = 0;
    if (on_demand)
        check(lucet_instance_heap_resident(instances[0], &touched), "resident");
    fprintf(stderr, "the first has touched %u KiB\n", (unsigned)(touched / KIB));

    for (unsigned i = 0; i < TENANTS; i++)
        lucet_instance_release(instances[i]);
    lucet_linker_release(linker);
    lucet_region_release(region);
    lucet_dl_module_release(module);
    printf("blocks of the runtime's that are left: %ld\n", atomic_load(&blocks));
    return 0;
}
