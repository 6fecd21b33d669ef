/* The sections of an artifact that are not mapped: what debuggers read. */
#ifndef LUCETC_ELF_SECTIONS_H
#define LUCETC_ELF_SECTIONS_H

#include "lucetc/image.h"

struct elf_section {
    const char *name;
    const uint8_t *bytes;
    size_t size;
};

/* The bytes of a section of the file; empty when there is none. */
struct wasm_bytes elf_find_section(const uint8_t *file, size_t size, const char *name);

/* A copy of the file in which `sections` stand in place of all that were called .debug_*: those of
 * the same name keep their place in the section table, others are added. False: out of memory, or
 * not a file as our linker writes it. */
bool elf_replace_debug(const uint8_t *file, size_t size, const struct elf_section *sections,
                       size_t count, struct image *out);

#endif
