#include "wasm/canonical.h"

#include "wasm/decoder.h"

/* In keys: a reference to a place in the group, with the low bits of no value type. */
enum { IN_GROUP = 0x62 };

static uint32_t type_word(const struct wasm_module *m, uint32_t first, wasm_valtype type)
{
    if (!wasm_ref_is_concrete(type))
        return type;
    const uint32_t index = wasm_ref_index(type), low = type & 0xff;
    if (index < first)
        return m->types[index].canonical << 8 | low;
    return (index - first) << 8 | (low ^ (WASM_REF_TYPE ^ IN_GROUP));
}

static struct wasm_group_key make_key(struct wasm_decoder *d, uint32_t first, uint32_t size)
{
    const struct wasm_module *m = d->module;
    uint64_t nwords = 1;
    for (uint32_t i = first; i < first + size; i++)
        nwords += 2 + (uint64_t)m->types[i].nparams + m->types[i].nresults;
    struct wasm_group_key key = {.first = first, .nwords = (uint32_t)nwords};
    key.words = wasm_resize(d, &d->scratch, NULL, 0, nwords, sizeof *key.words);

    uint32_t *word = key.words;
    *word++ = size;
    for (uint32_t i = first; i < first + size; i++) {
        const struct wasm_functype *t = &m->types[i];
        *word++ = t->nparams << 1 | t->is_open;
        *word++ = t->nresults;
        for (uint32_t k = 0; k < t->nparams; k++)
            *word++ = type_word(m, first, t->params[k]);
        for (uint32_t k = 0; k < t->nresults; k++)
            *word++ = type_word(m, first, t->results[k]);
    }
    return key;
}

static unsigned bit_of(const struct wasm_group_key *key, uint64_t bit)
{
    return key->words[bit / 32] >> (31 - bit % 32) & 1;
}

/* The key that agrees with `key` in more bits than any other, or in as many. */
static uint32_t nearest(const struct wasm_group_tree *t, const struct wasm_group_key *key)
{
    uint32_t at = t->root;
    while (at & 1) {
        const struct wasm_group_node *n = &t->nodes[at >> 1];
        /* Keys that are longer than this one differ from it before its end. */
        if (n->bit >= (uint64_t)key->nwords * 32)
            return n->some_key;
        at = n->child[bit_of(key, n->bit)];
    }
    return at >> 1;
}

/* The first bit in which they differ; false when they are equal. */
static bool first_difference(const struct wasm_group_key *a, const struct wasm_group_key *b,
                             uint64_t *bit)
{
    for (uint32_t i = 0; i < a->nwords && i < b->nwords; i++)
        if (a->words[i] != b->words[i]) {
            *bit = (uint64_t)i * 32 + (unsigned)__builtin_clz(a->words[i] ^ b->words[i]);
            return true;
        }
    return false;
}

static void insert(struct wasm_decoder *d, const struct wasm_group_key *key, uint64_t bit)
{
    struct wasm_group_tree *t = &d->groups;
    t->nodes = wasm_array_room(d, &d->scratch, t->nodes, t->nnodes, &t->nodes_capacity, WASM_NONE,
                               sizeof *t->nodes);
    uint32_t *link = &t->root;
    while (*link & 1 && t->nodes[*link >> 1].bit < bit) {
        struct wasm_group_node *n = &t->nodes[*link >> 1];
        link = &n->child[bit_of(key, n->bit)];
    }
    struct wasm_group_node *added = &t->nodes[t->nnodes];
    added->bit = bit;
    added->some_key = t->nkeys;
    added->child[bit_of(key, bit)] = t->nkeys << 1;
    added->child[!bit_of(key, bit)] = *link;
    *link = t->nnodes << 1 | 1;
    t->nnodes++;
}

/* The first type of the first group that is equal. */
static uint32_t find_or_insert(struct wasm_decoder *d, const struct wasm_group_key *key)
{
    struct wasm_group_tree *t = &d->groups;
    t->keys = wasm_array_room(d, &d->scratch, t->keys, t->nkeys, &t->keys_capacity, WASM_NONE,
                              sizeof *t->keys);
    if (t->nkeys > 0) {
        const struct wasm_group_key *other = &t->keys[nearest(t, key)];
        uint64_t bit;
        if (!first_difference(key, other, &bit))
            return other->first;
        insert(d, key, bit);
    }
    t->keys[t->nkeys++] = *key;
    return key->first;
}

void wasm_canonicalize_group(struct wasm_decoder *d, uint32_t first, uint32_t size)
{
    const struct wasm_group_key key = make_key(d, first, size);
    const uint32_t canonical = find_or_insert(d, &key);
    for (uint32_t i = 0; i < size; i++)
        d->module->types[first + i].canonical = canonical + i;
}
