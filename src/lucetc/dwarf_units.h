/* Where compilations ran: up to version 4 of DWARF, line tables name files from a directory that
 * stands in .debug_info only, in the first entry of a unit (DW_AT_comp_dir, beside
 * DW_AT_stmt_list).
 *
 * Whatever the bytes are, it ends after one pass; a unit that is not understood is left out. */
#ifndef LUCETC_DWARF_UNITS_H
#define LUCETC_DWARF_UNITS_H

#include "lucetc/dwarf_read.h"

struct dwarf_unit_directory {
    uint64_t line; /* offset of its line table in .debug_line */
    struct wasm_bytes directory;
};

/* Zero-initialise; release with dwarf_directories_free(). */
struct dwarf_directories {
    struct dwarf_unit_directory *units; /* by `line` */
    size_t count;
};

/* False: out of memory. */
bool dwarf_directories_read(struct dwarf_directories *d, const struct dwarf_sections *s);
/* Of the unit whose line table begins at that offset; empty when unknown. */
struct wasm_bytes dwarf_directories_of(const struct dwarf_directories *d, uint64_t line);
void dwarf_directories_free(struct dwarf_directories *d);

#endif
