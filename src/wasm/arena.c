/* Small blocks are cut from chunks; a large block has a chunk of its own, so that a growing array
 * can be moved by realloc() and leaves no copies of itself behind. */
#include "wasm/arena.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct wasm_chunk {
    struct wasm_chunk *prev, *next;
    size_t used, size; /* of data */
    _Alignas(max_align_t) unsigned char data[];
};

enum {
    ALIGNMENT = _Alignof(max_align_t),
    FIRST_CHUNK = 4 << 10,
    LAST_CHUNK = 256 << 10,
    LARGE = 64 << 10,
};

static size_t round_up(size_t size)
{
    return (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
}

/* A chunk in the place of `old` or, when that is NULL, a new one. */
static struct wasm_chunk *chunk_resize(struct wasm_arena *a, struct wasm_chunk *old, size_t size)
{
    size_t more = size - (old ? old->size : 0);
    if (more > a->budget || size > SIZE_MAX / 2)
        return NULL;
    struct wasm_chunk *chunk = realloc(old, sizeof *chunk + size);
    if (!chunk)
        return NULL;
    a->budget -= more;
    if (!old) {
        chunk->used = 0;
        chunk->prev = NULL;
        chunk->next = a->chunks;
    }
    chunk->size = size;
    if (chunk->prev)
        chunk->prev->next = chunk;
    else
        a->chunks = chunk;
    if (chunk->next)
        chunk->next->prev = chunk;
    return chunk;
}

static void *resize_large(struct wasm_arena *a, void *block, size_t old_size, size_t size)
{
    struct wasm_chunk *chunk = NULL;
    if (old_size >= LARGE)
        chunk = (struct wasm_chunk *)((unsigned char *)block - offsetof(struct wasm_chunk, data));
    chunk = chunk_resize(a, chunk, size);
    if (!chunk)
        return NULL;
    if (block && old_size < LARGE)
        memcpy(chunk->data, block, old_size);
    return chunk->data;
}

static void *allocate_small(struct wasm_arena *a, size_t size)
{
    struct wasm_chunk *chunk = a->current;
    if (!chunk || chunk->size - chunk->used < size) {
        size_t wanted = chunk ? chunk->size * 2 : FIRST_CHUNK;
        if (wanted > LAST_CHUNK)
            wanted = LAST_CHUNK;
        if (wanted < size)
            wanted = size;
        chunk = chunk_resize(a, NULL, wanted);
        if (!chunk)
            return NULL;
        a->current = chunk;
    }
    void *block = chunk->data + chunk->used;
    chunk->used += size;
    return block;
}

void *wasm_arena_resize(struct wasm_arena *a, void *block, size_t old_size, size_t size)
{
    if (size > SIZE_MAX / 2)
        return NULL;
    old_size = round_up(old_size);
    size = round_up(size);
    if (size >= LARGE)
        return resize_large(a, block, old_size, size);

    struct wasm_chunk *chunk = a->current;
    bool is_last = block && chunk && (unsigned char *)block + old_size == chunk->data + chunk->used;
    if (is_last && chunk->size - chunk->used >= size - old_size) {
        chunk->used += size - old_size;
        return block;
    }
    void *moved = allocate_small(a, size);
    if (moved && block)
        memcpy(moved, block, old_size);
    return moved;
}

void wasm_arena_free(struct wasm_chunk *chunks)
{
    while (chunks) {
        struct wasm_chunk *next = chunks->next;
        free(chunks);
        chunks = next;
    }
}
