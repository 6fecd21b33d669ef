/* Reading hostile bytes, and what happens when they are bad.
 *
 * A read that fails does not return: wasm_fail() records the error and leaves for the innermost
 * wasm_attempt(). Nothing needs to be undone on the way because all memory belongs to arenas. */
#ifndef LUCET_WASM_CURSOR_H
#define LUCET_WASM_CURSOR_H

#include <setjmp.h>

#include "wasm/wasm.h"

struct wasm_failure {
    jmp_buf exit;
    struct wasm_error *err; /* NULL when nobody wants to know */
    uint32_t func_index;    /* function being read, or WASM_NONE */
};

struct wasm_cursor {
    const uint8_t *pos, *end;
    const uint8_t *bytes;         /* of the whole module */
    struct wasm_failure *failure; /* NULL when the bytes were found good before */
    uint32_t features;            /* what they may use; all of them then */
};

/* Runs run(arg); false when it failed. */
bool wasm_attempt(struct wasm_failure *f, void (*run)(void *arg), void *arg);

_Noreturn void wasm_fail(struct wasm_failure *f, uint64_t offset, enum wasm_status status,
                         const char *format, ...) __attribute__((cold, format(printf, 4, 5)));

#define wasm_malformed(c, at, ...)                                                                 \
    wasm_fail((c)->failure, (uint64_t)((at) - (c)->bytes), WASM_MALFORMED, __VA_ARGS__)
/* `what` belongs to the one part of 3.0 that is left out. */
#define wasm_needs_gc(c, at, what)                                                                 \
    wasm_fail((c)->failure, (uint64_t)((at) - (c)->bytes), WASM_UNSUPPORTED,                       \
              "%s: garbage collection (gc) is not supported", (what))
#define wasm_invalid(c, at, ...)                                                                   \
    wasm_fail((c)->failure, (uint64_t)((at) - (c)->bytes), WASM_INVALID, __VA_ARGS__)

static inline size_t wasm_remaining(const struct wasm_cursor *c)
{
    return (size_t)(c->end - c->pos);
}

static inline uint32_t wasm_position(const struct wasm_cursor *c)
{
    return (uint32_t)(c->pos - c->bytes);
}

_Noreturn void wasm_unexpected_end(const struct wasm_cursor *c) __attribute__((cold));

static inline uint8_t wasm_read_byte(struct wasm_cursor *c)
{
    if (c->pos == c->end)
        wasm_unexpected_end(c);
    return *c->pos++;
}

/* LEB128 of at most `bits` significant bits, 32 to 64. */
uint64_t wasm_read_uleb(struct wasm_cursor *c, unsigned bits);
int64_t wasm_read_sleb(struct wasm_cursor *c, unsigned bits);

static inline uint32_t wasm_read_u32(struct wasm_cursor *c)
{
    if (c->pos < c->end && *c->pos < 0x80)
        return *c->pos++;
    return (uint32_t)wasm_read_uleb(c, 32);
}

/* Little-endian, 4 or 8 bytes. */
uint64_t wasm_read_fixed(struct wasm_cursor *c, unsigned bytes);

/* A cursor over the next `size` bytes, which `c` skips. */
struct wasm_cursor wasm_read_span(struct wasm_cursor *c, uint32_t size, const uint8_t *size_at);

/* A name with its length before it. */
struct wasm_bytes wasm_read_name(struct wasm_cursor *c);

bool wasm_utf8_valid(const uint8_t *s, size_t size);

wasm_valtype wasm_read_valtype(struct wasm_cursor *c);
wasm_valtype wasm_read_reftype(struct wasm_cursor *c);
/* A heap type, as the type of nullable references to it. */
wasm_valtype wasm_read_heap_type(struct wasm_cursor *c);

/* The instruction at the cursor with its immediates. Everything the binary format demands is
 * checked, nothing that needs the module. */
void wasm_read_instr(struct wasm_cursor *c, struct wasm_instr *instr);

/* A clause of a try_table. */
struct wasm_catch wasm_read_catch(struct wasm_cursor *c);

#endif
