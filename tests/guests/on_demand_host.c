/* Runs a WASI program in a region with pages on demand: tests/run/wasi_on_demand.sh. Arguments:
 * artifact, directory. */
#include <lucet/lucet.h>
#include <lucet/wasi.h>
#include <stdio.h>
#include <stdlib.h>

static void check(enum lucet_error e, const char *what)
{
    if (e == lucet_error_ok)
        return;
    fprintf(stderr, "%s: %s: %s\n", what, lucet_error_name(e), lucet_error_detail());
    exit(e == lucet_error_unsupported ? 77 : 1);
}

int main(int argc, char **argv)
{
    struct lucet_alloc_limits limits = lucet_alloc_limits_default();
    struct lucet_region *region;
    struct lucet_dl_module *module;
    struct lucet_linker *linker;
    struct lucet_wasi_ctx *wasi;
    struct lucet_instance *inst;
    struct lucet_result r;

    if (argc != 3)
        return 2;
    limits.heap_memory_size = 64 << 20;
    check(lucet_uffd_region_create(1, &limits, &region), "region");
    check(lucet_dl_module_load(argv[1], &module), "module");
    check(lucet_linker_new(&linker), "linker");
    check(lucet_wasi_link(linker), "wasi");
    for (int round = 0; round < 3; round++) {
        check(lucet_wasi_ctx_new(&wasi), "context");
        check(lucet_wasi_ctx_arg(wasi, "program"), "argument");
        check(lucet_wasi_ctx_inherit_stdio(wasi), "stdio");
        check(lucet_wasi_ctx_preopen(wasi, argv[2], "/data", false), "directory");
        const struct lucet_instance_options o = {
            .linker = linker, .embed_ctx = wasi, .run_start = true};
        check(lucet_region_new_instance_with(region, module, &o, &inst), "instance");
        const enum lucet_error e = lucet_instance_run(inst, "_start", 0, NULL, &r);
        uint32_t code = 0;
        if (e != lucet_error_ok && !lucet_wasi_ctx_exit_code(wasi, &code))
            check(e, "run");
        if (code != 0)
            return (int)code;
        lucet_instance_release(inst);
        lucet_wasi_ctx_release(wasi);
    }
    lucet_linker_release(linker);
    lucet_region_release(region);
    lucet_dl_module_release(module);
    return 0;
}
