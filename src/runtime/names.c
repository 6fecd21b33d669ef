/* Names from guests, made harmless for terminals and logs. */
#include "runtime/names.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Length of the well-formed UTF-8 sequence at p, 0 = none. */
static size_t sequence(const unsigned char *p, size_t left)
{
    unsigned c = p[0];
    size_t n = c < 0x80 ? 1 : c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;

    if (n == 0 || n > left)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    if ((c == 0xe0 && p[1] < 0xa0) || (c == 0xed && p[1] > 0x9f) || (c == 0xf0 && p[1] < 0x90) ||
        (c == 0xf4 && p[1] > 0x8f))
        return 0;
    return n;
}

/* Control characters of ASCII and Latin-1, and those that turn the direction of writing. */
static bool harmful(const unsigned char *p, size_t n)
{
    if (n == 1)
        return p[0] < 0x20 || p[0] == 0x7f || p[0] == '\\';
    if (n == 2)
        return p[0] == 0xc2 && p[1] < 0xa0;
    if (n == 3 && p[0] == 0xe2)
        return (p[1] == 0x80 && (p[2] >= 0xa8 || (p[2] >= 0x8b && p[2] <= 0x8f))) ||
               (p[1] == 0x81 && p[2] >= 0xa0);
    return false;
}

const char *lucet__printable(char *buf, size_t room, const char *name, size_t size)
{
    const unsigned char *p = (const unsigned char *)name;
    size_t used = 0;

    while (size > 0) {
        size_t n = sequence(p, size);
        bool escape = n == 0 || harmful(p, n);
        n = n ? n : 1;
        size_t need = escape ? 4 * n : n;
        if (used + need + 4 > room) { /* room for "..." */
            memcpy(buf + used, "...", 3);
            used += 3;
            break;
        }
        if (escape)
            for (size_t i = 0; i < n; i++)
                used += (size_t)snprintf(buf + used, 5, "\\x%02x", p[i]);
        else {
            memcpy(buf + used, p, n);
            used += n;
        }
        p += n;
        size -= n;
    }
    buf[used] = '\0';
    return buf;
}
