/* Section .lucet.lines: from machine code to bytes of the WebAssembly module and lines of its
 * sources. Written by `lucetc -g`; not mapped, read only when somebody asks.
 *
 *   +---------------------+ 0
 *   | lucet_lines_header  |
 *   | lucet_lines_func    | [nfuncs], by start
 *   | lucet_lines_file    | [nfiles]
 *   | rows                | bytes
 *   | strings             | to the end of the section
 *   +---------------------+
 *
 * Rows of a function, from its beginning: each holds until the next one.
 *
 *   ULEB128 count, then count times: ULEB128 bytes of code since the last row, SLEB128 change of
 *   the offset in the module, SLEB128 change of the file's number, SLEB128 change of the line
 *
 * They begin with all four at 0. File 0 is none; file n is record n - 1. */
#ifndef LUCET_MODULE_LINES_H
#define LUCET_MODULE_LINES_H

#include "module/reader.h"

#define LUCET_SECTION_LINES ".lucet.lines"
#define LUCET_LINES_VERSION 1u

struct lucet_lines_header {
    uint32_t version, nfuncs, nfiles, rows_size;
};

struct lucet_lines_func {
    uint32_t start; /* of the code, from the image's base */
    uint32_t rows;  /* offset of its rows among the rows */
};

struct lucet_lines_file {
    uint32_t offset, size; /* of its name among the strings */
};

struct lucet_line {
    uint32_t wasm_offset; /* in the module; 0 = unknown */
    uint32_t file, line;  /* 0 = unknown */
};

/* What stands at `code`, bytes from the image's base. False: unknown, or the section is absent or
 * damaged. Bounds are checked here, on the way. */
bool lucet_artifact_line(const struct lucet_artifact *a, uint32_t code, struct lucet_line *out);
/* The name of file `file` >= 1: *size bytes, of any content, not NUL-terminated. NULL: there is
 * none. */
const char *lucet_artifact_source_file(const struct lucet_artifact *a, uint32_t file,
                                       uint32_t *size);

#endif
