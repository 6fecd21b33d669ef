/*
 * Two guests, one of which imports a function of the other. Each has a memory of its own; a call
 * from one to the other is a change of tenant, made by generated code.
 *
 * In this folder:
 *
 *     for guest in counter client; do
 *         clang-22 --target=wasm32 -O2 -nostdlib -Wl,--no-entry -o $guest.wasm guests/$guest.c
 *         lucetc --allow-undefined $guest.wasm -o $guest.so
 *     done
 *     cc -o link link.c $(pkg-config --cflags --libs lucet)
 *     ./link counter.so client.so
 */

#include <lucet/lucet.h>
#include <stdio.h>
#include <stdlib.h>

static void check(enum lucet_error error, const char *what)
{
    if (error == lucet_error_ok)
        return;
    fprintf(stderr, "%s: %s: %s\n", what, lucet_error_message(error), lucet_error_detail());
    exit(1);
}

static int call(struct lucet_instance *instance, const char *name, int n)
{
    struct lucet_val args[] = {LUCET_VAL_I32(n)};
    struct lucet_result result;

    check(lucet_instance_run(instance, name, 1, args, &result), name);
    return (int)lucet_retval_gp(&result.val.returned);
}

int main(int argc, char **argv)
{
    struct lucet_dl_module *counter_module, *client_module;
    struct lucet_region *region;
    struct lucet_linker *linker;
    struct lucet_instance *counter, *client;

    if (argc != 3) {
        fprintf(stderr, "usage: link counter.so client.so\n");
        return 2;
    }
    check(lucet_dl_module_load(argv[1], &counter_module), argv[1]);
    check(lucet_dl_module_load(argv[2], &client_module), argv[2]);
    check(lucet_mmap_region_create(2, NULL, &region), "region");
    check(lucet_region_new_instance(region, counter_module, &counter), "counter");

    /* Whoever is created with this linker may import all that `counter` exports, as "counter". */
    check(lucet_linker_new(&linker), "linker");
    check(lucet_linker_instance(linker, "counter", counter), "counter");
    struct lucet_instance_options options = {.linker = linker, .run_start = true};
    check(lucet_region_new_instance_with(region, client_module, &options, &client), "client");

    /* The client sees the counter itself, not a copy. */
    printf("the host adds 10: %d\n", call(counter, "add", 10));
    printf("the client adds 1 five times: %d\n", call(client, "run", 5));
    printf("the host adds 0: %d\n", call(counter, "add", 0));

    /* The client holds what it imports: the counter lives as long as it does. */
    lucet_instance_release(counter);
    printf("the client adds 1 once more: %d\n", call(client, "run", 1));

    lucet_instance_release(client);
    lucet_linker_release(linker);
    lucet_region_release(region);
    lucet_dl_module_release(client_module);
    lucet_dl_module_release(counter_module);
    return 0;
}
