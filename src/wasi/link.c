/* The functions, for linkers. */
#include "wasi/functions.h"

#include "lucet/wasi.h"

static const struct lucet_hostcall table[] = {
#define WASI(name, signature, ...)                                                                 \
    {"lucet_wasi_" #name, signature, (void (*)(void))lucet_wasi_##name},
#include "wasi/table.def"
};

struct name {
    const char *import, *signature;
    void (*func)(void);
};

static const struct name names[] = {
#define WASI(name, signature, ...) {#name, signature, (void (*)(void))lucet_wasi_##name},
#include "wasi/table.def"
};

enum lucet_error lucet_wasi_link(struct lucet_linker *linker)
{
    enum lucet_error error =
        lucet_linker_hostcalls(linker, table, sizeof(table) / sizeof(table[0]));
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && error == lucet_error_ok; i++) {
        error = lucet_linker_func(linker, "wasi_snapshot_preview1", names[i].import,
                                  names[i].signature, names[i].func);
    }
    return error;
}
