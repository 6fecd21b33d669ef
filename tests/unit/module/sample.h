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
/* The same with so many bytes left for more metadata. */
struct sample sample_build_roomy(size_t room);
/* The header, for tests that damage it. */
struct lucet_module_header *sample_header(struct sample *s);
/* A table of zeros behind all others, instead of the one at `span` in the header. */
void *sample_table(struct sample *s, struct lucet_span *span, size_t record, uint32_t count);
/* A record of a table. */
#define SAMPLE_RECORD(s, table, type, i)                                                           \
    ((type *)(void *)((s)->bytes + (s)->metadata + sample_header(s)->table.offset) + (i))

#endif
