/* Memory that is released all at once. */
#ifndef LUCET_WASM_ARENA_H
#define LUCET_WASM_ARENA_H

#include <stddef.h>
#include <stdint.h>

struct wasm_chunk;

struct wasm_arena {
    struct wasm_chunk *chunks;  /* all of them; enough to release the arena */
    struct wasm_chunk *current; /* the one small blocks are cut from */
    uint64_t budget;            /* bytes that may still be taken from the system */
};

/* Grows a block to `size` bytes, or makes one when `block` is NULL and `old_size` 0. The added
 * bytes are not cleared. NULL when the system or the budget has no more; the block is then
 * unchanged. */
void *wasm_arena_resize(struct wasm_arena *a, void *block, size_t old_size, size_t size);

void wasm_arena_free(struct wasm_chunk *chunks);

#endif
