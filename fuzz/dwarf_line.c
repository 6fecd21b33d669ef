/* Line tables that guests bring along: whatever the bytes are, reading ends, gives at most one row
 * a byte, and what is found lies within. The first two bytes divide the input into line table and
 * strings; units and abbreviations are the latter and the former again. */
#include <stdlib.h>

#include "lucetc/line_rows.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct line_rows rows = {0};
    struct source_files files = {0};
    if (size < 2)
        return 0;
    const size_t rest = size - 2, strings = (data[0] | (size_t)data[1] << 8) % (rest + 1);
    const struct wasm_bytes text = {data + 2, (uint32_t)strings};
    const struct dwarf_sections s = {.line = {data + 2 + strings, (uint32_t)(rest - strings)},
                                     .line_str = text,
                                     .str = text,
                                     .info = text,
                                     .abbrev = {data + 2 + strings, (uint32_t)(rest - strings)}};
    if (!line_rows_read(&rows, &s, &files) || rows.count > size)
        abort();
    for (size_t i = 0; i < rows.count; i++) {
        if (i > 0 && rows.rows[i].address < rows.rows[i - 1].address)
            abort();
        const struct line_row *row = line_rows_at(&rows, rows.rows[i].address);
        if (row && (row->end || row->address > rows.rows[i].address))
            abort();
        for (const char *c = source_files_name(&files, rows.rows[i].file); *c; c++)
            if (*c < ' ' || *c > '~')
                abort();
    }
    line_rows_free(&rows);
    source_files_free(&files);
    return 0;
}
