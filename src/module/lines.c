#include "module/lines.h"

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

struct row_reader {
    const uint8_t *pos, *end;
};

/* Zeros behind the end; bits beyond the 64th are dropped. */
static uint64_t leb128(struct row_reader *r, bool is_signed)
{
    uint64_t v = 0;
    unsigned shift = 0;
    uint8_t byte;
    do {
        byte = r->pos < r->end ? *r->pos++ : 0;
        if (shift < 64)
            v |= (uint64_t)(byte & 0x7f) << shift;
        shift += 7;
    } while (byte & 0x80);
    if (is_signed && byte & 0x40 && shift < 64)
        v |= UINT64_MAX << shift;
    return v;
}

static bool find_row(struct row_reader r, uint64_t code, struct lucet_line *out)
{
    uint64_t at = 0;
    struct lucet_line row = {0, 0, 0};
    bool found = false;
    for (uint64_t count = leb128(&r, false); count > 0 && r.pos < r.end; count--) {
        at += leb128(&r, false);
        if (at > code)
            break;
        row.wasm_offset += (uint32_t)leb128(&r, true);
        row.file += (uint32_t)leb128(&r, true);
        row.line += (uint32_t)leb128(&r, true);
        *out = row;
        found = true;
    }
    return found;
}

bool lucet_artifact_line(const struct lucet_artifact *a, uint32_t code, struct lucet_line *out)
{
    struct lines l;
    uint32_t low = 0;
    if (!open_lines(a, &l))
        return false;
    for (uint32_t high = l.header->nfuncs; low < high;) {
        const uint32_t middle = low + (high - low) / 2;
        if (l.funcs[middle].start <= code)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0 || l.funcs[low - 1].rows > l.header->rows_size)
        return false;
    const struct lucet_lines_func *f = &l.funcs[low - 1];
    const struct row_reader r = {l.rows + f->rows, l.rows + l.header->rows_size};
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
