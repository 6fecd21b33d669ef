/* Linkers: names that imports may be satisfied from. One hash table holds native symbols, single
 * names of modules, and instances registered under a module name. */
#include "runtime/linker.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "module/siphash.h"
#include "runtime/allocate.h"
#include "runtime/error.h"
#include "runtime/exception.h"
#include "runtime/instance.h"
#include "runtime/memory.h"
#include "runtime/module.h"
#include "runtime/record.h"
#include "runtime/signature.h"
#include "runtime/sizes.h"
#include "runtime/store.h"
#include "runtime/table.h"
#include "runtime/value.h"

#define TABLE_LIMIT 10000000u
/* Reservation and guard, as lucetc assumes by default; and how far larger kinds may grow. */
#define MEMORY_SPACE (UINT64_C(8) << 30)
#define MEMORY_LIMIT (UINT64_C(1) << 46) /* more than any address space offers */

enum key_kind { KEY_SYMBOL, KEY_ITEM, KEY_INSTANCE };

struct key {
    enum key_kind kind;
    const char *module, *name; /* module: "" of symbols; name: "" of instances */
    size_t module_len, name_len;
};

struct entry {
    struct entry *next;
    uint64_t hash, age; /* a later registration comes before an earlier one */
    struct key key;     /* its names follow the entry */
    struct definition definition;
};

struct lucet_linker {
    pthread_mutex_t mutex;
    struct entry **buckets;
    size_t nbuckets, count; /* a power of two */
    uint64_t age;
    struct lucet_siphash_key hash_key;
    atomic_uint owners; /* references of the host */
};

/* Names come from modules, too: those that instances export. */
static uint64_t hash_of(const struct lucet_linker *l, const struct key *k)
{
    struct lucet_siphash_key key = l->hash_key;

    key.words[1] ^= lucet_siphash(key, k->module, k->module_len);
    key.words[0] ^= (uint64_t)k->kind;
    return lucet_siphash(key, k->name, k->name_len);
}

static bool equal(const struct key *a, const struct key *b)
{
    return a->kind == b->kind && a->module_len == b->module_len && a->name_len == b->name_len &&
           memcmp(a->module, b->module, a->module_len) == 0 &&
           memcmp(a->name, b->name, a->name_len) == 0;
}

static struct entry *find(const struct lucet_linker *l, const struct key *k)
{
    uint64_t hash = hash_of(l, k);
    struct entry *e = l->nbuckets ? l->buckets[hash & (l->nbuckets - 1)] : NULL;

    while (e && (e->hash != hash || !equal(&e->key, k)))
        e = e->next;
    return e;
}

static bool make_room(struct lucet_linker *l)
{
    size_t n = l->nbuckets ? 2 * l->nbuckets : 64;
    struct entry **buckets;

    if (l->count < l->nbuckets)
        return true;
    buckets = lucet__calloc(n, sizeof(struct entry *));
    if (!buckets)
        return l->nbuckets != 0;
    for (size_t i = 0; i < l->nbuckets; i++)
        for (struct entry *e = l->buckets[i], *next; e; e = next) {
            next = e->next;
            e->next = buckets[e->hash & (n - 1)];
            buckets[e->hash & (n - 1)] = e;
        }
    lucet__free(l->buckets);
    l->buckets = buckets;
    l->nbuckets = n;
    return true;
}

static struct entry *add(struct lucet_linker *l, const struct key *k)
{
    struct entry *e;
    char *names;

    if (!make_room(l) || !(e = lucet__malloc(sizeof(*e) + k->module_len + k->name_len)))
        return NULL;
    names = (char *)(e + 1);
    memcpy(names, k->module, k->module_len);
    memcpy(names + k->module_len, k->name, k->name_len);
    *e = (struct entry){.hash = hash_of(l, k), .key = *k};
    e->key.module = names;
    e->key.name = names + k->module_len;
    e->next = l->buckets[e->hash & (l->nbuckets - 1)];
    l->buckets[e->hash & (l->nbuckets - 1)] = e;
    l->count++;
    return e;
}

static void forget(struct definition *d)
{
    if (d->store)
        lucet__store_release(d->store);
    lucet__signature_release(d->signature);
}

/* Takes over what the definition holds, also when it fails. */
static enum lucet_error define(struct lucet_linker *l, const struct key *k, struct definition d)
{
    struct definition replaced = {0};
    struct entry *e;

    pthread_mutex_lock(&l->mutex);
    e = find(l, k);
    if (e)
        replaced = e->definition;
    else
        e = add(l, k);
    if (e) {
        e->definition = d;
        e->age = ++l->age;
    }
    pthread_mutex_unlock(&l->mutex);
    forget(e ? &replaced : &d);
    return e ? lucet_error_ok : lucet__no_memory();
}

static struct key key(enum key_kind kind, const char *module, const char *name)
{
    return (struct key){kind, module, name, strlen(module), strlen(name)};
}

/* ---- Look-up ---- */

void lucet__linker_lock(struct lucet_linker *l)
{
    pthread_mutex_lock(&l->mutex);
}

void lucet__linker_unlock(struct lucet_linker *l)
{
    pthread_mutex_unlock(&l->mutex);
}

bool lucet__linker_symbol(struct lucet_linker *l, const char *symbol, size_t len,
                          struct definition *out)
{
    const struct entry *e = find(l, &(struct key){KEY_SYMBOL, "", symbol, 0, len});

    if (e)
        *out = e->definition;
    return e != NULL;
}

bool lucet__linker_find(struct lucet_linker *l, const char *module, size_t module_len,
                        const char *name, size_t name_len, struct definition *out)
{
    const struct entry *item = find(l, &(struct key){KEY_ITEM, module, name, module_len, name_len});
    const struct entry *whole = find(l, &(struct key){KEY_INSTANCE, module, "", module_len, 0});

    if (whole && (!item || item->age < whole->age)) {
        const struct lucet_artifact *a = &whole->definition.instance->module->artifact;
        const struct lucet_module_export *e = lucet_artifact_export(a, name, name_len);
        if (e) {
            *out = whole->definition;
            out->kind = (enum lucet_extern_kind)e->kind;
            out->export_index = (uint32_t)(e - a->exports);
            return true;
        }
    }
    if (item)
        *out = item->definition;
    return item != NULL;
}

/* ---- Registration ---- */

enum lucet_error lucet_linker_new(struct lucet_linker **out)
{
    struct lucet_linker *l;

    lucet__clear_error();
    if (!out)
        return lucet__fail(lucet_error_invalid_argument, "lucet_linker_new: NULL");
    *out = NULL;
    l = lucet__calloc(1, sizeof(*l));
    if (!l)
        return lucet__no_memory();
    l->hash_key = lucet_siphash_key();
    pthread_mutex_init(&l->mutex, NULL);
    atomic_init(&l->owners, 1);
    *out = l;
    return lucet_error_ok;
}

void lucet_linker_retain(struct lucet_linker *l)
{
    if (l)
        atomic_fetch_add_explicit(&l->owners, 1, memory_order_relaxed);
}

void lucet_linker_release(struct lucet_linker *l)
{
    if (!l || atomic_fetch_sub_explicit(&l->owners, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < l->nbuckets; i++)
        for (struct entry *e = l->buckets[i], *next; e; e = next) {
            next = e->next;
            forget(&e->definition);
            lucet__free(e);
        }
    lucet__free(l->buckets);
    pthread_mutex_destroy(&l->mutex);
    lucet__free(l);
}

static enum lucet_error define_host(struct lucet_linker *l, const struct key *k,
                                    const char *signature, void (*func)(void))
{
    struct definition d = {.kind = lucet_extern_func, .host = func};

    const enum lucet_error e = lucet__signature_parse(signature, &d.signature);
    if (e == lucet_error_no_memory)
        return lucet__no_memory();
    if (e != lucet_error_ok)
        return lucet__fail(lucet_error_invalid_argument,
                           "host function %.*s: \"%s\" is no "
                           "signature",
                           (int)k->name_len, k->name, signature);
    return define(l, k, d);
}

enum lucet_error lucet_linker_hostcalls(struct lucet_linker *l, const struct lucet_hostcall *table,
                                        size_t count)
{
    lucet__clear_error();
    if (!l || (!table && count))
        return lucet__fail(lucet_error_invalid_argument, "lucet_linker_hostcalls: NULL");
    for (size_t i = 0; i < count; i++) {
        if (!table[i].symbol || !table[i].signature || !table[i].func)
            return lucet__fail(lucet_error_invalid_argument, "host function %zu: NULL", i);
        struct key k = key(KEY_SYMBOL, "", table[i].symbol);
        enum lucet_error e = define_host(l, &k, table[i].signature, table[i].func);
        if (e != lucet_error_ok)
            return e;
    }
    return lucet_error_ok;
}

enum lucet_error lucet_linker_func(struct lucet_linker *l, const char *module, const char *name,
                                   const char *signature, void (*func)(void))
{
    lucet__clear_error();
    if (!l || !module || !name || !signature || !func)
        return lucet__fail(lucet_error_invalid_argument, "lucet_linker_func: NULL");
    struct key k = key(KEY_ITEM, module, name);
    return define_host(l, &k, signature, func);
}

enum lucet_error lucet_linker_instance(struct lucet_linker *l, const char *module,
                                       struct lucet_instance *inst)
{
    struct definition d = {.instance = inst};

    lucet__clear_error();
    if (!l || !module || !inst)
        return lucet__fail(lucet_error_invalid_argument, "lucet_linker_instance: NULL");
    d.store = lucet__store_of_instance(inst);
    if (!d.store)
        return lucet__no_memory();
    lucet__store_retain(d.store);
    struct key k = key(KEY_INSTANCE, module, "");
    return define(l, &k, d);
}

/* A function that a global begins with must live as long as the global. */
static bool hold_function(const struct object *o, struct store *store)
{
    const struct record *r;

    if (o->kind != lucet_extern_global || o->u.global.type != LUCET_FUNCREF)
        return true;
    r = (const struct record *)(uintptr_t)o->u.global.value[0];
    if (!r || !r->owner)
        return true;
    struct store *of = lucet__store_of_instance(r->owner);
    return of && lucet__store_link(store, of, STORE_REFERS) == lucet_error_ok;
}

/* Takes over the object, also when it fails. */
static enum lucet_error define_object(struct lucet_linker *l, const char *module, const char *name,
                                      struct object *o)
{
    struct definition d = {.kind = o->kind, .object = o, .store = lucet__store_of_object(o)};

    if (!d.store) {
        lucet__object_destroy(o);
        return lucet__no_memory();
    }
    if (!hold_function(o, d.store)) {
        lucet__store_release(d.store);
        return lucet__no_memory();
    }
    struct key k = key(KEY_ITEM, module, name);
    return define(l, &k, d);
}

void lucet__object_destroy(struct object *o)
{
    if (o->kind == lucet_extern_memory)
        lucet__memory_unmap(&o->u.memory.own);
    if (o->kind == lucet_extern_table)
        lucet__table_free(&o->u.table.own);
    if (o->kind == lucet_extern_tag)
        lucet_tag_release(o->u.tag);
    lucet__free(o);
}

static struct object *object_new(enum lucet_extern_kind kind)
{
    struct object *o = lucet__calloc(1, sizeof(*o));

    if (o)
        o->kind = kind;
    return o;
}

enum lucet_error lucet_linker_global(struct lucet_linker *l, const char *module, const char *name,
                                     struct lucet_val value, bool is_mutable)
{
    lucet__clear_error();
    /* An exception belongs to a store, and this is of none yet. */
    const bool is_exception = value.ty == lucet_val_type_exnref && value.inner_val.as_ref;
    if (!l || !module || !name || !lucet__valtype_of(value.ty) || is_exception)
        return lucet__fail(lucet_error_invalid_argument, "lucet_linker_global: NULL or type");
    struct object *o = object_new(lucet_extern_global);
    if (!o)
        return lucet__no_memory();
    o->u.global.type = lucet__valtype_of(value.ty);
    o->u.global.is_mutable = is_mutable;
    lucet__value_store(&value, (uint8_t)o->u.global.type, o->u.global.value);
    return define_object(l, module, name, o);
}

enum lucet_error lucet_linker_memory(struct lucet_linker *l, const char *module, const char *name,
                                     uint64_t min, uint64_t max)
{
    const struct lucet_memory_type type = {.min = min, .max = max};

    return lucet_linker_memory_of(l, module, name, &type);
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* The module's view of the type, as in an artifact; false: there is no such type. */
static bool memory_record(const struct lucet_memory_type *t, struct lucet_module_memory *d)
{
    *d = (struct lucet_module_memory){
        .min = t->min,
        .max = t->max,
        .flags = (t->max != LUCET__NO_MAX ? LUCET_HAS_MAX : 0) | (t->index64 ? LUCET_INDEX64 : 0) |
                 (t->shared ? LUCET_SHARED : 0),
        .page_log2 = t->page_size == 1 ? 0 : 16,
    };
    const uint64_t most = lucet_memory_most_pages(d->flags, d->page_log2);
    return (t->page_size <= 1 || t->page_size == LUCET_WASM_PAGE) && t->min <= t->max &&
           t->min <= most && (t->max == LUCET__NO_MAX ? !t->shared : t->max <= most) &&
           lucet_memory_bytes(t->min, d->page_log2) <= MEMORY_LIMIT;
}

static enum lucet_error make_memory(struct object *o, const struct lucet_module_memory *d)
{
    const bool guarded = lucet_memory_is_guarded(0, d->flags, d->page_log2);
    const uint64_t min = lucet_memory_bytes(d->min, d->page_log2);
    const uint64_t pages =
        d->flags & LUCET_HAS_MAX ? d->max : lucet_memory_most_pages(d->flags, d->page_log2);
    const uint64_t limit =
        least(lucet_memory_bytes(pages, d->page_log2), min > MEMORY_SPACE ? min : MEMORY_SPACE);
    struct memory *m = &o->u.memory.own;
    enum lucet_error e;

    *m = (struct memory){.desc = &o->u.memory.desc,
                         .grow_limit = limit,
                         .declared_max = d->flags & LUCET_HAS_MAX ? d->max : LUCET__NO_MAX,
                         .page_log2 = d->page_log2,
                         .index64 = d->flags & LUCET_INDEX64};
    *m->desc = (struct lucet_memory){.max_pages = pages, .owner = m};
    e = lucet__memory_map(m, guarded ? MEMORY_SPACE : limit);
    if (e == lucet_error_ok && d->flags & LUCET_SHARED)
        e = lucet__memory_share(m);
    return e == lucet_error_ok ? lucet__memory_reset(m, d->min) : e;
}

enum lucet_error lucet_linker_memory_of(struct lucet_linker *l, const char *module,
                                        const char *name, const struct lucet_memory_type *type)
{
    struct lucet_module_memory record;

    lucet__clear_error();
    if (!l || !module || !name || !type || !memory_record(type, &record))
        return lucet__fail(lucet_error_invalid_argument, "lucet_linker_memory: NULL or limits");
    struct object *o = object_new(lucet_extern_memory);
    if (!o)
        return lucet__no_memory();
    enum lucet_error e = make_memory(o, &record);
    if (e != lucet_error_ok) {
        lucet__object_destroy(o);
        return e;
    }
    return define_object(l, module, name, o);
}

enum lucet_error lucet_linker_table(struct lucet_linker *l, const char *module, const char *name,
                                    enum lucet_val_type elem, uint64_t min, uint64_t max)
{
    uint8_t type = elem == lucet_val_type_funcref     ? LUCET_FUNCREF
                   : elem == lucet_val_type_externref ? LUCET_EXTERNREF
                   : elem == lucet_val_type_exnref    ? LUCET_EXNREF
                                                      : 0;

    lucet__clear_error();
    if (!l || !module || !name || !type || min > max || min > TABLE_LIMIT)
        return lucet__fail(lucet_error_invalid_argument,
                           "lucet_linker_table: NULL, element type or limits");
    struct object *o = object_new(lucet_extern_table);
    if (!o)
        return lucet__no_memory();
    struct table *t = &o->u.table.own;
    *t = (struct table){
        .desc = &o->u.table.desc, .grow_limit = TABLE_LIMIT, .declared_max = max, .elem = type};
    *t->desc = (struct lucet_table){.max = max < UINT32_MAX ? max : UINT32_MAX, .owner = t};
    enum lucet_error e = lucet__table_reset(t, min);
    if (e != lucet_error_ok) {
        lucet__object_destroy(o);
        return e;
    }
    return define_object(l, module, name, o);
}

enum lucet_error lucet_linker_tag(struct lucet_linker *l, const char *module, const char *name,
                                  struct lucet_tag *tag)
{
    lucet__clear_error();
    if (!l || !module || !name || !tag)
        return lucet__fail(lucet_error_invalid_argument, "lucet_linker_tag: NULL");
    struct object *o = object_new(lucet_extern_tag);
    if (!o)
        return lucet__no_memory();
    lucet_tag_retain(tag);
    o->u.tag = tag;
    return define_object(l, module, name, o);
}
