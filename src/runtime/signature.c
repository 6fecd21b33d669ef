/* Function types as numbers: equal types of all modules in the process have the same id, so that
 * an indirect call compares one word. Ids are never used again. */
#include <stdlib.h>
#include <string.h>

#include "runtime/runtime.h"

struct signature {
    struct signature *next_by_key, *next_by_id;
    uint64_t id, refs;
    uint32_t nparams, nresults;
    uint8_t types[];
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct signature **by_key, **by_id; /* 2^bits buckets each */
static unsigned bits;
static uint64_t count, last_id;

static uint64_t hash(const uint8_t *params, uint32_t nparams, const uint8_t *results,
                     uint32_t nresults)
{
    uint64_t h = 0xcbf29ce484222325u ^ nparams;

    for (uint32_t i = 0; i < nparams; i++)
        h = (h ^ params[i]) * 0x100000001b3u;
    for (uint32_t i = 0; i < nresults; i++)
        h = (h ^ results[i]) * 0x100000001b3u;
    return h * 0x9e3779b97f4a7c15u >> (64 - bits);
}

static uint64_t hash_of(const struct signature *s)
{
    return hash(s->types, s->nparams, s->types + s->nparams, s->nresults);
}

static uint64_t hash_id(uint64_t id)
{
    return id * 0x9e3779b97f4a7c15u >> (64 - bits);
}

static bool grow(void)
{
    unsigned old_bits = bits, new_bits = bits ? bits + 2 : 8;
    struct signature **keys = calloc((size_t)1 << new_bits, sizeof(*keys));
    struct signature **ids = calloc((size_t)1 << new_bits, sizeof(*ids));
    struct signature **old = by_key;

    if (!keys || !ids) {
        free(keys);
        free(ids);
        return old_bits != 0; /* fuller buckets will do */
    }
    bits = new_bits;
    for (size_t i = 0; old_bits && i < (size_t)1 << old_bits; i++) {
        for (struct signature *s = old[i], *next; s; s = next) {
            next = s->next_by_key;
            struct signature **k = &keys[hash_of(s)], **n = &ids[hash_id(s->id)];
            s->next_by_key = *k, *k = s;
            s->next_by_id = *n, *n = s;
        }
    }
    free(old);
    free(by_id);
    by_key = keys;
    by_id = ids;
    return true;
}

static struct signature *add(const uint8_t *params, uint32_t nparams, const uint8_t *results,
                             uint32_t nresults)
{
    struct signature *s;

    if ((bits == 0 || count >> bits > 1) && !grow())
        return NULL;
    s = malloc(sizeof(*s) + nparams + nresults);
    if (!s)
        return NULL;
    *s = (struct signature){.id = ++last_id, .nparams = nparams, .nresults = nresults};
    memcpy(s->types, params, nparams);
    memcpy(s->types + nparams, results, nresults);
    struct signature **k = &by_key[hash_of(s)], **n = &by_id[hash_id(s->id)];
    s->next_by_key = *k, *k = s;
    s->next_by_id = *n, *n = s;
    count++;
    return s;
}

static struct signature *find(const uint8_t *params, uint32_t nparams, const uint8_t *results,
                              uint32_t nresults)
{
    if (bits == 0)
        return NULL;
    struct signature *s = by_key[hash(params, nparams, results, nresults)];
    while (s && (s->nparams != nparams || s->nresults != nresults ||
                 memcmp(s->types, params, nparams) != 0 ||
                 memcmp(s->types + nparams, results, nresults) != 0))
        s = s->next_by_key;
    return s;
}

uint64_t lucet__signature_intern(const uint8_t *params, uint32_t nparams, const uint8_t *results,
                                 uint32_t nresults)
{
    uint64_t id = 0;

    pthread_mutex_lock(&mutex);
    struct signature *s = find(params, nparams, results, nresults);
    if (!s)
        s = add(params, nparams, results, nresults);
    if (s) {
        s->refs++;
        id = s->id;
    }
    pthread_mutex_unlock(&mutex);
    return id;
}

static void unlink_signature(struct signature *s)
{
    struct signature **p = &by_key[hash_of(s)];

    while (*p != s)
        p = &(*p)->next_by_key;
    *p = s->next_by_key;
    p = &by_id[hash_id(s->id)];
    while (*p != s)
        p = &(*p)->next_by_id;
    *p = s->next_by_id;
    count--;
}

void lucet__signature_release(uint64_t id)
{
    if (id == 0)
        return;
    pthread_mutex_lock(&mutex);
    struct signature *s = by_id[hash_id(id)];
    while (s->id != id)
        s = s->next_by_id;
    if (--s->refs == 0) {
        unlink_signature(s);
        free(s);
    }
    pthread_mutex_unlock(&mutex);
}

uint64_t lucet__signature_parse(const char *letters)
{
    uint8_t types[2048];
    uint32_t n = 0, nparams = UINT32_MAX;

    for (; *letters; letters++) {
        if (*letters == ':' && nparams == UINT32_MAX) {
            nparams = n;
            continue;
        }
        if (n == sizeof(types) || (types[n] = lucet_valtype_from_letter(*letters)) == 0)
            return 0;
        n++;
    }
    if (nparams == UINT32_MAX)
        return 0;
    return lucet__signature_intern(types, nparams, types + nparams, n - nparams);
}
