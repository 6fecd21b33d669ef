/* Function types as numbers: equal types of all modules in the process have the same id, so that
 * an indirect call compares one word. Types are equal when they stand at the same place of equal
 * recursion groups; so it is groups that are remembered, and a group's types have consecutive ids.
 * Ids are never used again.
 *
 * A group is a sequence of words: for each type its numbers of parameters and results and whether
 * it is open, then its parameters and results: an exact type, or for a reference to a type
 *
 *     1 << 62 | place in this group << 8 | low byte      1 << 63 | id << 8 | low byte
 */
#include "runtime/signature.h"

#include <pthread.h>
#include <string.h>

#include "module/siphash.h"
#include "runtime/allocate.h"
#include "runtime/module.h"

#define IN_GROUP (UINT64_C(1) << 62)

struct group {
    struct group *next_by_key, *next_by_id;
    uint64_t first_id, refs, hash;
    size_t ntypes, nwords;
    uint64_t words[];
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct group **by_key, **by_id; /* 2^bits buckets each */
static unsigned bits;
static uint64_t count, last_id;
static struct lucet_siphash_key hash_key;
static bool has_hash_key;

/* ---- The table ---- */

static struct group **key_bucket(const struct group *g)
{
    return &by_key[g->hash >> (64 - bits)];
}

static struct group **id_bucket(uint64_t id)
{
    return &by_id[id * 0x9e3779b97f4a7c15u >> (64 - bits)];
}

static void link_group(struct group *g)
{
    struct group **k = key_bucket(g), **n = id_bucket(g->first_id);

    g->next_by_key = *k, *k = g;
    g->next_by_id = *n, *n = g;
}

static bool grow(void)
{
    const unsigned old_bits = bits, new_bits = bits ? bits + 2 : 8;
    struct group **keys = lucet__calloc((size_t)1 << new_bits, sizeof(struct group *));
    struct group **ids = lucet__calloc((size_t)1 << new_bits, sizeof(struct group *));
    struct group **old = by_key;

    if (!keys || !ids) {
        lucet__free(keys);
        lucet__free(ids);
        return old_bits != 0; /* fuller buckets will do */
    }
    lucet__free(by_id);
    by_key = keys;
    by_id = ids;
    bits = new_bits;
    for (size_t i = 0; old_bits && i < (size_t)1 << old_bits; i++)
        for (struct group *g = old[i], *next; g; g = next) {
            next = g->next_by_key;
            link_group(g);
        }
    lucet__free(old);
    return true;
}

/* Nobody has a signature: nothing is left allocated. */
static void forget_table(void)
{
    lucet__free(by_key);
    lucet__free(by_id);
    by_key = by_id = NULL;
    bits = 0;
}

static struct group *find(const struct group *wanted)
{
    if (bits == 0)
        return NULL;
    struct group *g = *key_bucket(wanted);
    while (g && (g->hash != wanted->hash || g->nwords != wanted->nwords ||
                 memcmp(g->words, wanted->words, g->nwords * sizeof(*g->words)) != 0))
        g = g->next_by_key;
    return g;
}

/* Takes over the group. The id of its first type, or 0: out of memory. */
static uint64_t intern(struct group *g)
{
    if (!g)
        return 0;
    pthread_mutex_lock(&mutex);
    if (!has_hash_key)
        hash_key = lucet_siphash_key();
    has_hash_key = true;
    g->hash = lucet_siphash(hash_key, g->words, g->nwords * sizeof(*g->words));
    struct group *known = find(g);
    if (!known && ((bits && count >> bits <= 1) || grow())) {
        g->first_id = last_id + 1;
        last_id += g->ntypes;
        link_group(g);
        count++;
        known = g;
    }
    const uint64_t id = known ? known->first_id : 0;
    if (known)
        known->refs++;
    pthread_mutex_unlock(&mutex);
    if (known != g)
        lucet__free(g);
    return id;
}

void lucet__signature_retain(uint64_t first_id)
{
    pthread_mutex_lock(&mutex);
    struct group *g = *id_bucket(first_id);
    while (g->first_id != first_id)
        g = g->next_by_id;
    g->refs++;
    pthread_mutex_unlock(&mutex);
}

void lucet__signature_release(uint64_t first_id)
{
    if (first_id == 0)
        return;
    pthread_mutex_lock(&mutex);
    struct group **n = id_bucket(first_id);
    while ((*n)->first_id != first_id)
        n = &(*n)->next_by_id;
    struct group *g = *n;
    if (--g->refs == 0) {
        struct group **k = key_bucket(g);
        while (*k != g)
            k = &(*k)->next_by_key;
        *k = g->next_by_key;
        *n = g->next_by_id;
        count--;
        lucet__free(g);
        if (count == 0)
            forget_table();
    }
    pthread_mutex_unlock(&mutex);
}

/* ---- Groups of modules ---- */

static struct group *group_new(size_t ntypes, size_t nwords)
{
    struct group *g = lucet__malloc(sizeof(*g) + nwords * sizeof(*g->words));

    if (g)
        *g = (struct group){.ntypes = ntypes, .nwords = nwords};
    return g;
}

static uint64_t head_word(uint32_t nparams, uint32_t nresults, uint32_t is_open)
{
    return nparams | (uint64_t)nresults << 16 | (uint64_t)is_open << 32;
}

static uint64_t word(uint32_t type, uint32_t first, const uint64_t *ids)
{
    const uint32_t index = type >> 8, low = type & 0xff;

    if ((type & 0x7f) != LUCET_REF_TYPE)
        return type;
    if (index >= first)
        return IN_GROUP | (uint64_t)(index - first) << 8 | low;
    return LUCET__TYPE_ID | ids[index] << 8 | low;
}

static struct group *group_of(const struct lucet_artifact *a, uint32_t first, const uint64_t *ids)
{
    const uint32_t end = first + a->types[first].group_after + 1;
    size_t nwords = 0, n = 0;

    for (uint32_t i = first; i < end; i++)
        nwords += 1 + (size_t)a->types[i].nparams + a->types[i].nresults;
    struct group *g = group_new(end - first, nwords);
    for (uint32_t i = first; g && i < end; i++) {
        const struct lucet_module_type *t = &a->types[i];
        g->words[n++] = head_word(t->nparams, t->nresults, t->is_open);
        for (uint32_t k = 0; k < (uint32_t)t->nparams + t->nresults; k++)
            g->words[n++] = word(lucet_artifact_exact(a, t->valtypes + k), first, ids);
    }
    return g;
}

bool lucet__signatures_intern(const struct lucet_artifact *a, uint64_t *ids)
{
    for (uint32_t i = 0; i < a->ntypes;) {
        const uint32_t end = i + a->types[i].group_after + 1;
        const uint64_t id = intern(group_of(a, i, ids));
        if (id == 0)
            return false;
        for (uint32_t k = i; k < end; k++)
            ids[k] = id + (k - i);
        i = end;
    }
    return true;
}

void lucet__signatures_release(const struct lucet_artifact *a, const uint64_t *ids)
{
    for (uint32_t i = 0; i < a->ntypes; i++)
        if (a->types[i].group_before == 0)
            lucet__signature_release(ids[i]);
}

uint64_t lucet__signature_plain(const uint8_t *types, uint32_t nparams, uint32_t nresults)
{
    struct group *g = group_new(1, 1 + (size_t)nparams + nresults);

    if (!g)
        return 0;
    g->words[0] = head_word(nparams, nresults, 0);
    for (uint32_t i = 0; i < nparams + nresults; i++)
        g->words[1 + i] = types[i];
    return intern(g);
}

enum lucet_error lucet__signature_parse(const char *letters, uint64_t *id)
{
    uint8_t types[2048];
    uint32_t n = 0, nparams = UINT32_MAX;

    for (; *letters; letters++) {
        if (*letters == ':' && nparams == UINT32_MAX) {
            nparams = n;
            continue;
        }
        if (n == sizeof(types) || (types[n] = lucet_valtype_from_letter(*letters)) == 0)
            return lucet_error_invalid_argument;
        n++;
    }
    if (nparams == UINT32_MAX)
        return lucet_error_invalid_argument;
    *id = lucet__signature_plain(types, nparams, n - nparams);
    return *id ? lucet_error_ok : lucet_error_no_memory;
}

/* ---- Types of different modules ---- */

uint64_t lucet__exact_type(const struct lucet_dl_module *m, uint32_t type)
{
    return word(type, UINT32_MAX, m->type_ids);
}

bool lucet__subtype(uint64_t sub, uint64_t super)
{
    const uint64_t sub_heap = sub & ~(uint64_t)LUCET_NON_NULL;
    const uint64_t super_heap = super & ~(uint64_t)LUCET_NON_NULL;

    if (sub == super)
        return true;
    if (!(sub & LUCET_NON_NULL) && super & LUCET_NON_NULL)
        return false;
    if (sub_heap == super_heap)
        return true;
    /* To the top of its hierarchy, or from the bottom to anything of it. */
    const uint8_t top = lucet_valtype_plain((uint32_t)(sub & 0xff));
    const bool is_bottom = sub_heap == LUCET_NULLFUNCREF || sub_heap == LUCET_NULLEXTERNREF ||
                           sub_heap == LUCET_NULLEXNREF;
    return super_heap == top || (is_bottom && lucet_valtype_plain((uint32_t)(super & 0xff)) == top);
}
