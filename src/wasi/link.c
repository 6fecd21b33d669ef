/* The functions, for linkers. */
#include "wasi/ctx.h"
#include "wasi/functions.h"

#include <inttypes.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define FUNCTION(name) ((void (*)(void))locked_##name)

/* What guests call: each function under the lock of the guest's process. */
#define FIRST_AND(...) vmctx, ##__VA_ARGS__
#define WITH_CONTEXT(names) FIRST_AND names
#define WASI(name, signature, names, ...)                                                          \
    static uint32_t locked_##name(struct lucet_vmctx *vmctx, ##__VA_ARGS__)                        \
    {                                                                                              \
        wasi_lock(vmctx);                                                                          \
        uint32_t error = lucet_wasi_##name(WITH_CONTEXT(names));                                   \
        wasi_unlock(vmctx);                                                                        \
        return error;                                                                              \
    }
#define WASI_CHANGED(name, signature, names, ...)                                                  \
    WASI(name, signature, names, __VA_ARGS__)                                                      \
    WASI(unstable_##name, signature, names, __VA_ARGS__)
#include "wasi/table.def"

static const struct lucet_hostcall table[] = {
#define WASI(name, signature, ...) {"lucet_wasi_" #name, signature, FUNCTION(name)},
#define WASI_CHANGED(name, signature, ...)                                                         \
    WASI(name, signature)                                                                          \
    WASI(unstable_##name, signature)
#include "wasi/table.def"
    {"lucet_wasi_thread_spawn", "i:i", (void (*)(void))lucet_wasi_thread_spawn},
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

static const struct name threads[] = {
    {"thread-spawn", "i:i", (void (*)(void))lucet_wasi_thread_spawn},
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

static bool imports_shared(const struct lucet_dl_module *module, size_t i,
                           struct lucet_memory_type *type)
{
    return lucet_dl_module_import_memory(module, i, type) == lucet_error_ok && type->shared;
}

/* Bytes that all of them begin with; no more than UINT64_MAX. */
static uint64_t minima(const struct lucet_dl_module *module)
{
    struct lucet_memory_type type;
    uint64_t sum = 0;
    for (size_t i = 0; i < lucet_dl_module_import_count(module); i++) {
        if (!imports_shared(module, i, &type)) {
            continue;
        }
        if (type.min > (UINT64_MAX - sum) / type.page_size) {
            return UINT64_MAX;
        }
        sum += type.min * type.page_size;
    }
    return sum;
}

enum lucet_error lucet_wasi_link_shared_memories(struct lucet_linker *linker,
                                                 const struct lucet_dl_module *module,
                                                 uint64_t max_bytes)
{
    if (linker == NULL || module == NULL) {
        return wasi_invalid("lucet_wasi_link_shared_memories: NULL");
    }
    const uint64_t least = minima(module);
    if (least > max_bytes) {
        return lucet_set_error(lucet_error_limits_exceeded,
                               "the shared memories begin with %" PRIu64 " bytes, of %" PRIu64
                               " allowed",
                               least, max_bytes);
    }
    enum lucet_error error = wasi_ok();
    uint64_t left = max_bytes - least;
    for (size_t i = 0; i < lucet_dl_module_import_count(module) && error == lucet_error_ok; i++) {
        struct lucet_extern_desc d;
        struct lucet_memory_type type;
        if (!imports_shared(module, i, &type)) {
            continue;
        }
        const uint64_t most = type.min + left / type.page_size;
        type.max = type.max < most ? type.max : most;
        left -= (type.max - type.min) * type.page_size;
        error = lucet_dl_module_import(module, i, &d);
        if (error == lucet_error_ok) {
            error = lucet_linker_memory_of(linker, d.module, d.name, &type);
        }
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
    if (error == lucet_error_ok) {
        error = link_names(linker, "wasi", threads, COUNT(threads));
    }
    return error;
}
