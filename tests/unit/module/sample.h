/* A small good artifact with something in every table, built in memory without tools. */
#ifndef SAMPLE_H
#define SAMPLE_H

#include "module/reader.h"

struct sample {
    uint8_t *bytes; /* page-aligned; free() */
    size_t size;
    size_t metadata; /* offset of .lucet.module in the file */
    size_t metadata_size;
    size_t text, text_size; /* in the file */
};

struct sample sample_build(void);
/* The header, for tests that damage it. */
struct lucet_module_header *sample_header(struct sample *s);
/* A record of a table. */
#define SAMPLE_RECORD(s, table, type, i)                                                           \
    ((type *)(void *)((s)->bytes + (s)->metadata + sample_header(s)->table.offset) + (i))

#endif
