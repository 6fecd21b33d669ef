/* Control characters made inert; see terminal.h. */
#include "wasi/terminal.h"

/* Starts a UTF-8 sequence. The ranges are those of well-formed UTF-8 (Unicode, table 3-7), but for
 * C2, whose range leaves out the C1 controls U+0080 to U+009F. */
static int lead(struct wasi_terminal *t, unsigned char c)
{
    t->low = 0x80;
    t->high = 0xbf;
    if (c >= 0xc2 && c <= 0xdf) {
        t->pending = 1;
        if (c == 0xc2) {
            t->low = 0xa0;
        }
    } else if (c >= 0xe0 && c <= 0xef) {
        t->pending = 2;
        if (c == 0xe0) {
            t->low = 0xa0;
        } else if (c == 0xed) {
            t->high = 0x9f;
        }
    } else if (c >= 0xf0 && c <= 0xf4) {
        t->pending = 3;
        if (c == 0xf0) {
            t->low = 0x90;
        } else if (c == 0xf4) {
            t->high = 0x8f;
        }
    } else {
        return 0;
    }
    return 1;
}

static unsigned char filter_byte(struct wasi_terminal *t, unsigned char c)
{
    if (t->pending > 0) {
        if (c >= t->low && c <= t->high) {
            t->pending--;
            t->low = 0x80;
            t->high = 0xbf;
            return c;
        }
        t->pending = 0; /* the sequence is broken: c starts anew */
    }
    if (c >= 0x20 && c < 0x7f) {
        return c;
    }
    if (c == '\n' || c == '\t' || c == '\r') {
        return c;
    }
    return lead(t, c) ? c : '?';
}

void wasi_terminal_filter(struct wasi_terminal *t, unsigned char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        bytes[i] = filter_byte(t, bytes[i]);
    }
}
