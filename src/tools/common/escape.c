#include "tools/common/escape.h"

#include <stdio.h>
#include <string.h>

/* At most four characters and a NUL; returns their number. */
static size_t escape_byte(unsigned char c, char *piece)
{
    const char *plain = strchr("\nn\tt\rr\\\\", c);

    if (c >= 0x20 && c < 0x7f && c != '\\')
        return (size_t)sprintf(piece, "%c", c);
    /* The string holds pairs of a byte and its letter. */
    if (c != 0 && plain)
        return (size_t)sprintf(piece, "\\%c", plain[1]);
    return (size_t)sprintf(piece, "\\x%02x", c);
}

const char *tool_escape(const char *bytes, size_t size, char *out, size_t room)
{
    size_t used = 0, mark = 0; /* where "..." would still fit */

    for (size_t i = 0; i < size; i++) {
        char piece[8];
        const size_t n = escape_byte((unsigned char)bytes[i], piece);
        if (used + n >= room) {
            memcpy(out + mark, "...", 4);
            return out;
        }
        memcpy(out + used, piece, n);
        used += n;
        if (used + 4 <= room)
            mark = used;
    }
    out[used] = '\0';
    return out;
}
