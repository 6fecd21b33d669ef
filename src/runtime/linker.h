/* What imports are satisfied with. */
#ifndef LUCET_RUNTIME_LINKER_H
#define LUCET_RUNTIME_LINKER_H

#include "lucet/lucet.h"
#include "runtime/memory.h"
#include "runtime/table.h"

/* What the host made: a table, a memory, a global or a tag that instances import. */
struct object {
    enum lucet_extern_kind kind;
    struct object *store_next;
    union {
        struct {
            struct lucet_memory desc;
            struct memory own;
        } memory;
        struct {
            struct lucet_table desc;
            struct table own;
        } table;
        struct {
            uint64_t value[2] __attribute__((aligned(16)));
            uint32_t type; /* enum lucet_valtype */
            bool is_mutable;
        } global;
        struct lucet_tag *tag;
    } u;
};

/* What a name in a linker stands for. */
struct definition {
    enum lucet_extern_kind kind;
    /* one of these: */
    void (*host)(void);
    struct object *object;
    struct lucet_instance *instance;

    uint64_t signature;    /* of host: interned */
    uint32_t export_index; /* of instance: which export */
    struct store *store;   /* of object or instance */
};

/* With the linker's lock held, between these two. */
void lucet__linker_lock(struct lucet_linker *l);
void lucet__linker_unlock(struct lucet_linker *l);
bool lucet__linker_find(struct lucet_linker *l, const char *module, size_t module_len,
                        const char *name, size_t name_len, struct definition *out);
bool lucet__linker_symbol(struct lucet_linker *l, const char *symbol, size_t len,
                          struct definition *out);

#endif
