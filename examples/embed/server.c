/*
 * A server that embeds Lucet. It gives its guest one host function, calls it, survives its faults,
 * stops it when it takes too long, and uses the instance again after a reset.
 *
 * In this folder:
 *
 *     clang-22 --target=wasm32 -O2 -nostdlib -Wl,--no-entry -o service.wasm guests/service.c
 *     lucetc --bindings bindings.json service.wasm -o service.so
 *     cc -o server server.c $(pkg-config --cflags --libs lucet)
 *     ./server service.so
 *
 * docs/embedding.md explains what is behind it.
 */

#include <inttypes.h>
#include <lucet/lucet.h>
#include <stdio.h>
#include <stdlib.h>

/* What the server knows of the client for whom an instance works. Host functions get at it. */
struct client {
    const char *name;
    unsigned lines_logged;
};

/* Lucet's calls answer an error code; the words to it are kept per thread. */
static void check(enum lucet_error error, const char *what)
{
    if (error == lucet_error_ok)
        return;
    fprintf(stderr, "%s: %s: %s\n", what, lucet_error_message(error), lucet_error_detail());
    exit(1);
}

/* ---- A host function ---------------------------------------------------------------------- */

/* In the guest: void server_log(const char *text, unsigned size). What it gets from there are
 * numbers, and it believes none of them: the range is checked, the text is printed escaped. */
static void server_log(struct lucet_vmctx *vmctx, uint32_t text, uint32_t size)
{
    struct client *client = lucet_vmctx_get_delegate(vmctx);
    const unsigned char *bytes = lucet_vmctx_guest_range(vmctx, text, size);

    /* This call does not return: the guest has faulted. So nothing may be held here that would
     * need to be freed. */
    if (!bytes)
        lucet_vmctx_trap(vmctx, lucet_trapcode_heap_out_of_bounds);

    client->lines_logged++;
    printf("  [%s] ", client->name);
    for (uint32_t i = 0; i < size; i++) {
        if (bytes[i] >= ' ' && bytes[i] < 0x7f)
            putchar(bytes[i]);
        else
            printf("\\x%02x", bytes[i]);
    }
    putchar('\n');
}

/* bindings.json tells lucetc that the import "server" "log" is the native symbol "server_log".
 * Here the symbol gets its function. "ii:" are two i32 parameters and no result; a guest that
 * imports it with another type is not instantiated. */
static const struct lucet_hostcall hostcalls[] = {
    {"server_log", "ii:", (void (*)(void))server_log},
};

/* ---- Calls and their ends ----------------------------------------------------------------- */

static void print_fault(const struct lucet_runtime_fault *fault)
{
    printf("  faulted: %s (%s)\n", lucet_trapcode_name(fault->trapcode),
           lucet_trapcode_message(fault->trapcode));
    for (size_t i = 0; i < fault->backtrace_len; i++) {
        const struct lucet_frame *frame = &fault->backtrace[i];
        /* Code that the compiler added, such as the one by which the host enters. */
        if (frame->function_index == UINT32_MAX)
            continue;
        printf("    #%zu %s+0x%" PRIx32 "\n", i, frame->function_name, frame->offset);
    }
}

/* Calls an export that takes `argc` numbers and prints what became of the call. */
static void call(struct lucet_instance *instance, const char *name, size_t argc,
                 const struct lucet_val *argv)
{
    struct lucet_result result;

    printf("%s:\n", name);
    enum lucet_error error = lucet_instance_run(instance, name, argc, argv, &result);

    switch (result.tag) {
    case lucet_result_tag_returned:
        printf("  returned %" PRIu64 "\n", lucet_retval_gp(&result.val.returned));
        break;
    case lucet_result_tag_faulted:
        print_fault(&result.val.faulted);
        /* Rare and grave: the fault has left the process itself in doubt. */
        if (result.val.faulted.fatal)
            abort();
        break;
    case lucet_result_tag_terminated:
        printf("  terminated: %s\n", result.val.terminated.reason == lucet_terminated_reason_timeout
                                         ? "out of time"
                                         : "told to stop");
        break;
    default:
        /* The guest did not run: no such export, wrong arguments, needs a reset. */
        printf("  %s: %s\n", lucet_error_name(error), lucet_error_detail());
    }
}

/* ---- The server --------------------------------------------------------------------------- */

int main(int argc, char **argv)
{
    struct client client = {.name = "client 1", .lines_logged = 0};
    struct lucet_dl_module *module;
    struct lucet_region *region;
    struct lucet_linker *linker;
    struct lucet_instance *instance;

    if (argc != 2 && argc != 3) {
        fprintf(stderr, "usage: server service.so [MILLISECONDS]\n");
        return 2;
    }

    /* Once per guest program. The artifact is checked and mapped; the file is not needed any
     * more. */
    check(lucet_dl_module_load(argv[1], &module), argv[1]);

    /* Once per server: address space for instances, here for at most 100 at once. The limits
     * hold for each of them. */
    struct lucet_alloc_limits limits = lucet_alloc_limits_default();
    limits.heap_memory_size = 16 << 20; /* how far a guest's memory may grow */
    limits.stack_size = 256 << 10;
    check(lucet_mmap_region_create(100, &limits, &region), "region");

    /* Everything that a guest may import. What is not in here it cannot have. */
    check(lucet_linker_new(&linker), "linker");
    check(lucet_linker_hostcalls(linker, hostcalls, sizeof hostcalls / sizeof hostcalls[0]),
          "host functions");

    /* Once per request or per client: cheap. */
    struct lucet_instance_options options = {
        .linker = linker,
        .embed_ctx = &client,
        .run_start = true,
    };
    check(lucet_region_new_instance_with(region, module, &options, &instance), "instance");
    /* Each run from here on ends after a fifth of a second at the latest, unless the command line
     * says otherwise. */
    const uint64_t limit = argc > 2 ? strtoull(argv[2], NULL, 10) : 200;
    check(lucet_instance_set_timeout(instance, limit), "time limit");

    struct lucet_val hundred[] = {LUCET_VAL_I32(100)};
    struct lucet_val nowhere[] = {LUCET_VAL_I32((int32_t)0xfffffff0)};

    /* The memory of an instance lives on from call to call. */
    call(instance, "handle", 1, hundred);
    call(instance, "handle", 1, hundred);

    /* A fault ends the call, and nothing else. Where it left the guest's memory half written is
     * not known, so the instance does not run again before a reset. */
    call(instance, "crash", 1, nowhere);
    call(instance, "handle", 1, hundred);
    check(lucet_instance_reset(instance), "reset");
    call(instance, "handle", 1, hundred);

    /* The same holds for a guest that had to be stopped. */
    call(instance, "spin", 0, NULL);
    check(lucet_instance_reset(instance), "reset");
    call(instance, "handle", 1, hundred);

    /* A guest that lies to a host function. */
    call(instance, "lie", 0, NULL);

    printf("%s logged %u lines\n", client.name, client.lines_logged);

    /* In any order: each holds what it needs of the others. */
    lucet_instance_release(instance);
    lucet_linker_release(linker);
    lucet_region_release(region);
    lucet_dl_module_release(module);
    return 0;
}
