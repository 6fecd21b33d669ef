/* Names of source files, each kept once: "directory/name", fit to be shown anywhere. */
#ifndef LUCETC_SOURCE_FILES_H
#define LUCETC_SOURCE_FILES_H

#include "lucetc/dwarf_line.h"
#include "module/siphash.h"

#define SOURCE_FILES_MAX 20000u
#define SOURCE_FILES_BYTES (16u << 20)

/* Zero-initialise; release with source_files_free(). Number 0 stands for no file. */
struct source_files {
    char **names;    /* [count], owned; names[i] has number i + 1 */
    uint32_t *slots; /* a hash table of numbers */
    uint32_t count, nslots;
    struct lucet_siphash_key hash_key;
    size_t bytes;
    struct {
        uint64_t file;
        uint32_t unit, number;
        bool valid;
    } last; /* rows come in runs of one file */
};

/* The number of a unit's file; 0 when it has none, when there are too many, or without memory. */
uint32_t source_files_intern(struct source_files *s, const struct dwarf_unit *u, uint64_t file);
const char *source_files_name(const struct source_files *s, uint32_t number);
void source_files_free(struct source_files *s);

#endif
