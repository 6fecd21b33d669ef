#include "module/lines.h"

#include "module/input.h"
#include "module/search.h"

struct lines {
    const struct lucet_lines_header *header;
    const struct lucet_lines_func *funcs;
    const struct lucet_lines_file *files;
    const uint8_t *rows;
    const char *strings;
    uint64_t strings_size;
};

/* Takes the next `size` bytes of the section. */
static const void *take(const struct lucet_artifact *a, uint64_t *used, uint64_t size)
{
    const uint8_t *p = a->bytes + a->lines.offset + *used;
    if (size > a->lines.size - *used)
        return NULL;
    *used += size;
    return p;
}

static bool open_lines(const struct lucet_artifact *a, struct lines *l)
{
    uint64_t used = 0;
    if (a->lines.size == 0 || !(l->header = take(a, &used, sizeof *l->header)) ||
        l->header->version != LUCET_LINES_VERSION)
        return false;
    l->funcs = take(a, &used, (uint64_t)l->header->nfuncs * sizeof *l->funcs);
    l->files = take(a, &used, (uint64_t)l->header->nfiles * sizeof *l->files);
    l->rows = take(a, &used, l->header->rows_size);
    l->strings_size = a->lines.size - used;
    l->strings = take(a, &used, l->strings_size);
    return l->funcs && l->files && l->rows;
}

static bool find_row(struct lucet_input r, uint64_t code, struct lucet_line *out)
{
    uint64_t at = 0;
    struct lucet_line row = {0, 0, 0};
    bool found = false;
    for (uint64_t count = lucet_read_uleb(&r); count > 0 && r.pos < r.end; count--) {
        at += lucet_read_uleb(&r);
        if (at > code)
            break;
        row.wasm_offset += (uint32_t)lucet_read_sleb(&r);
        row.file += (uint32_t)lucet_read_sleb(&r);
        row.line += (uint32_t)lucet_read_sleb(&r);
        *out = row;
        found = true;
    }
    return found;
}

bool lucet_artifact_line(const struct lucet_artifact *a, uint32_t code, struct lucet_line *out)
{
    struct lines l;
    if (!open_lines(a, &l))
        return false;
    const size_t low = lucet_count_started(l.funcs, l.header->nfuncs, sizeof *l.funcs, code);
    if (low == 0 || l.funcs[low - 1].rows > l.header->rows_size)
        return false;
    const struct lucet_lines_func *f = &l.funcs[low - 1];
    const struct lucet_input r = {l.rows + f->rows, l.rows + l.header->rows_size, false};
    return find_row(r, code - f->start, out);
}

const char *lucet_artifact_source_file(const struct lucet_artifact *a, uint32_t file,
                                       uint32_t *size)
{
    struct lines l;
    if (!open_lines(a, &l) || file == 0 || file > l.header->nfiles)
        return NULL;
    const struct lucet_lines_file *f = &l.files[file - 1];
    if (f->offset > l.strings_size || f->size > l.strings_size - f->offset)
        return NULL;
    *size = f->size;
    return l.strings + f->offset;
}
