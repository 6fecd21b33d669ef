/* Reads DWARF line number programs, versions 2 to 5: those that a guest brings along in custom
 * sections, which are as hostile as anything in a module, and those that LLVM writes.
 *
 * Whatever the bytes are, it ends after one pass over them and calls back at most once for each.
 * What is malformed ends the unit that it is in. */
#ifndef LUCETC_DWARF_LINE_H
#define LUCETC_DWARF_LINE_H

#include <stdbool.h>

#include "lucetc/dwarf_read.h"

/* A name, from a directory, from the one where the compilation ran: what comes before a path that
 * begins with '/' does not count. Both are empty when unknown or of no use. */
struct dwarf_file {
    struct wasm_bytes base, directory, name;
};

struct dwarf_row {
    uint64_t address;
    uint64_t file; /* of the unit: dwarf_unit_file() */
    uint32_t line; /* 0 = no line belongs to it */
    bool end;      /* the first address behind a sequence; line and file mean nothing */
};

struct dwarf_unit;
/* False when the unit has no such file. */
bool dwarf_unit_file(const struct dwarf_unit *u, uint64_t file, struct dwarf_file *out);
/* A number of its own for each unit of a section. */
uint32_t dwarf_unit_number(const struct dwarf_unit *u);

struct dwarf_sink {
    void *arg;
    bool (*row)(void *arg, const struct dwarf_unit *u,
                const struct dwarf_row *row); /* false: enough */
};

/* False: out of memory, or the sink has had enough. */
bool dwarf_lines_read(const struct dwarf_sections *s, const struct dwarf_sink *sink);

#endif
