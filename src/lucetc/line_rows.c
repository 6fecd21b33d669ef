#include "lucetc/line_rows.h"

#include <stdlib.h>

struct collector {
    struct line_rows *l;
    struct source_files *files;
    size_t sequence; /* where the sequence that is being read begins */
};

static bool add(struct line_rows *l, struct line_row row)
{
    if (l->count == l->capacity) {
        const size_t capacity = l->capacity ? 2 * l->capacity : 1024;
        struct line_row *grown = realloc(l->rows, capacity * sizeof *grown);
        if (!grown)
            return false;
        l->rows = grown;
        l->capacity = capacity;
    }
    l->rows[l->count++] = row;
    return true;
}

/* Linkers leave the rows of functions that they dropped, at address 0, where no code is. */
static bool is_dropped(const struct collector *k)
{
    return k->l->rows[k->sequence].address == 0;
}

static bool collect(void *arg, const struct dwarf_unit *u, const struct dwarf_row *row)
{
    struct collector *k = arg;
    const struct line_row r = {
        .address = row->address,
        .order = (uint32_t)k->l->count,
        .line = row->line,
        .file = k->files && !row->end ? source_files_intern(k->files, u, row->file) : 0,
        .end = row->end,
    };
    if (!add(k->l, r))
        return false;
    if (row->end) {
        if (is_dropped(k))
            k->l->count = k->sequence;
        k->sequence = k->l->count;
    }
    return true;
}

/* Of rows at one address the last one counts, but the end of one sequence may be the beginning of
 * another. */
static int compare(const void *a, const void *b)
{
    const struct line_row *x = a, *y = b;
    if (x->address != y->address)
        return x->address < y->address ? -1 : 1;
    if (x->end != y->end)
        return x->end ? -1 : 1;
    return (x->order > y->order) - (x->order < y->order);
}

bool line_rows_read(struct line_rows *l, const struct dwarf_sections *s, struct source_files *files)
{
    struct collector k = {.l = l, .files = files};
    const struct dwarf_sink sink = {&k, collect};
    if (!dwarf_lines_read(s, &sink))
        return false;
    l->count = k.sequence; /* a sequence without an end says nothing */
    if (l->count > 0)
        qsort(l->rows, l->count, sizeof *l->rows, compare);
    return true;
}

size_t line_rows_from(const struct line_rows *l, uint64_t address)
{
    size_t low = 0, high = l->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (l->rows[middle].address < address)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct line_row *line_rows_at(const struct line_rows *l, uint64_t address)
{
    const size_t behind = address == UINT64_MAX ? l->count : line_rows_from(l, address + 1);
    const struct line_row *row = behind > 0 ? &l->rows[behind - 1] : NULL;
    return row && !row->end ? row : NULL;
}

void line_rows_free(struct line_rows *l)
{
    free(l->rows);
    *l = (struct line_rows){0};
}
