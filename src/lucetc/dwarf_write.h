/* Writes DWARF 4 for debuggers: one compilation unit, its functions, and one line number
 * program. */
#ifndef LUCETC_DWARF_WRITE_H
#define LUCETC_DWARF_WRITE_H

#include "lucetc/image.h"

/* Zero-initialise but for `producer`, `name`, `low` and `high`; then begin, for every function:
 * function, its rows, function_end; then finish. Sections are in info, abbrev and line; release
 * with dwarf_write_free(). Addresses are the image's. Out of memory: `failed` of an image. */
struct dwarf_writer {
    const char *producer, *name; /* of the compilation unit */
    uint64_t low, high;          /* of the code */
    struct image info, abbrev, line;
    size_t program;   /* where the line program begins in `line` */
    uint64_t address; /* of the last row */
    uint32_t file, row_line;
};

/* `files` are the names of files 1 .. nfiles. */
void dwarf_write_begin(struct dwarf_writer *w, const char *const *files, uint32_t nfiles);
void dwarf_write_function(struct dwarf_writer *w, const char *name, uint64_t low, uint64_t high);
void dwarf_write_row(struct dwarf_writer *w, uint64_t address, uint32_t file, uint32_t line);
void dwarf_write_function_end(struct dwarf_writer *w, uint64_t high);
void dwarf_write_finish(struct dwarf_writer *w);
void dwarf_write_free(struct dwarf_writer *w);

void image_append_uleb(struct image *m, uint64_t v);
void image_append_sleb(struct image *m, int64_t v);

#endif
