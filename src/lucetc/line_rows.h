/* The rows of line number programs, by address. */
#ifndef LUCETC_LINE_ROWS_H
#define LUCETC_LINE_ROWS_H

#include "lucetc/source_files.h"

struct line_row {
    uint64_t address;
    uint32_t order; /* as it was read */
    uint32_t line, file;
    bool end; /* nothing is known from here to the next row */
};

/* Zero-initialise; release with line_rows_free(). */
struct line_rows {
    struct line_row *rows;
    size_t count, capacity;
};

/* Reads all rows and sorts them. Files get their numbers in `files`, 0 without it. False: out of
 * memory. */
bool line_rows_read(struct line_rows *l, const struct dwarf_sections *s,
                    struct source_files *files);
/* The row that says what is at `address`; NULL when none does. */
const struct line_row *line_rows_at(const struct line_rows *l, uint64_t address);
/* Index of the first row at or behind `address`. */
size_t line_rows_from(const struct line_rows *l, uint64_t address);
void line_rows_free(struct line_rows *l);

#endif
