/* The functions, for linkers. */
#include "wasi/functions.h"

#include "lucet/wasi.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define FUNCTION(name) ((void (*)(void))lucet_wasi_##name)

static const struct lucet_hostcall table[] = {
#define WASI(name, signature, ...) {"lucet_wasi_" #name, signature, FUNCTION(name)},
#define WASI_CHANGED(name, signature, ...)                                                         \
    WASI(name, signature)                                                                          \
    WASI(unstable_##name, signature)
#include "wasi/table.def"
};

struct name {
    const char *import, *signature;
    void (*func)(void);
};

static const struct name preview1[] = {
#define WASI(name, signature, ...) {#name, signature, FUNCTION(name)},
#include "wasi/table.def"
};

static const struct name unstable[] = {
#define WASI(name, signature, ...) {#name, signature, FUNCTION(name)},
#define WASI_CHANGED(name, signature, ...) {#name, signature, FUNCTION(unstable_##name)},
#include "wasi/table.def"
};

static enum lucet_error link_names(struct lucet_linker *linker, const char *module,
                                   const struct name *names, size_t count)
{
    enum lucet_error error = lucet_error_ok;
    for (size_t i = 0; i < count && error == lucet_error_ok; i++) {
        error =
            lucet_linker_func(linker, module, names[i].import, names[i].signature, names[i].func);
    }
    return error;
}

enum lucet_error lucet_wasi_link(struct lucet_linker *linker)
{
    enum lucet_error error = lucet_linker_hostcalls(linker, table, COUNT(table));
    if (error == lucet_error_ok) {
        error = link_names(linker, "wasi_snapshot_preview1", preview1, COUNT(preview1));
    }
    if (error == lucet_error_ok) {
        error = link_names(linker, "wasi_unstable", unstable, COUNT(unstable));
    }
    return error;
}
