/* What a file is, by its first bytes. */
#ifndef LUCET_TOOLS_COMMON_KIND_H
#define LUCET_TOOLS_COMMON_KIND_H

#include <stddef.h>
#include <stdint.h>

enum tool_kind {
    TOOL_KIND_UNKNOWN,
    TOOL_KIND_MODULE, /* WebAssembly, binary */
    TOOL_KIND_TEXT,   /* can only be meant as WebAssembly text: '(' or ";;" after blanks */
    TOOL_KIND_ELF,    /* perhaps an artifact */
};

/* `size` = the whole file, or TOOL_KIND_BYTES of it. */
enum { TOOL_KIND_BYTES = 512 };
enum tool_kind tool_kind(const uint8_t *bytes, size_t size);

#endif
