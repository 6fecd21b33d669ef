#include "tools/common/kind.h"

#include <stdbool.h>
#include <string.h>

static bool begins(const uint8_t *bytes, size_t size, const char *with, size_t length)
{
    return size >= length && memcmp(bytes, with, length) == 0;
}

enum tool_kind tool_kind(const uint8_t *bytes, size_t size)
{
    size_t i = 0;

    if (begins(bytes, size, "\0asm", 4))
        return TOOL_KIND_MODULE;
    if (begins(bytes, size, "\177ELF", 4))
        return TOOL_KIND_ELF;
    while (i < size && memchr(" \t\r\n", bytes[i], 4))
        i++;
    return begins(bytes + i, size - i, "(", 1) || begins(bytes + i, size - i, ";;", 2)
               ? TOOL_KIND_TEXT
               : TOOL_KIND_UNKNOWN;
}
