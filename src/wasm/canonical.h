/* Equality of types. */
#ifndef LUCET_WASM_CANONICAL_H
#define LUCET_WASM_CANONICAL_H

#include "wasm/wasm.h"

struct wasm_decoder;

/* A recursion group as words: its size; for each type whether it is open, the numbers of parameters
 * and results, and their types, in which references are to canonical types or to places in the
 * group. The words say how many of them there are, so that no key is the beginning of another. */
struct wasm_group_key {
    uint32_t *words;
    uint32_t nwords;
    uint32_t first; /* type of the group */
};

/* An inner node of a binary tree of keys: keys below `child[b]` have bit number `bit` equal to b,
 * and all keys below the node agree in the bits before. Bit 0 is the highest of the first word. */
struct wasm_group_node {
    uint64_t bit;
    uint32_t child[2]; /* 2 * key, or 2 * node + 1 */
    uint32_t some_key; /* one that is below */
};

/* Lookups take time proportional to the size of the key whatever the keys are, unlike those in a
 * hash table that the author of a module knows. */
struct wasm_group_tree {
    struct wasm_group_key *keys;
    struct wasm_group_node *nodes;
    uint32_t nkeys, nnodes;
    uint32_t keys_capacity, nodes_capacity;
    uint32_t root;
};

/* Sets the canonical types of the group of `size` types that begins with `first`. */
void wasm_canonicalize_group(struct wasm_decoder *d, uint32_t first, uint32_t size);

#endif
