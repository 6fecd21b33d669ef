/* What a guest writes to a terminal must not drive it: escape sequences can retitle windows, answer
 * for the user, or worse. Every control character but newline, tab and carriage return becomes '?':
 * C0, DEL, and C1 in its UTF-8 form and as a stray byte. UTF-8 text passes. One byte in is one
 * byte out, so counts stay true. */
#ifndef LUCET_WASI_TERMINAL_H
#define LUCET_WASI_TERMINAL_H

#include <stddef.h>
#include <stdint.h>

/* Where in a UTF-8 sequence the output stands: it may be cut anywhere between writes. */
struct wasi_terminal {
    uint8_t pending;   /* continuation bytes still due */
    uint8_t low, high; /* range of the next one */
};

/* Filters `size` bytes in place. */
void wasi_terminal_filter(struct wasi_terminal *t, unsigned char *bytes, size_t size);

#endif
