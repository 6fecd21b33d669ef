#include "lucetc/dwarf_write.h"

#include <string.h>

/* Of the DWARF standard, what is used here. */
enum { TAG_compile_unit = 0x11, TAG_subprogram = 0x2e };
enum {
    AT_name = 0x03,
    AT_stmt_list = 0x10,
    AT_low_pc = 0x11,
    AT_high_pc = 0x12,
    AT_language = 0x13,
    AT_producer = 0x25,
};
enum { FORM_addr = 0x01, FORM_data2 = 0x05, FORM_data8 = 0x07, FORM_string = 0x08 };
enum { FORM_sec_offset = 0x17 };
enum { LANG_C99 = 0x0c };
enum { LNS_copy = 1, LNS_advance_pc = 2, LNS_advance_line = 3, LNS_set_file = 4 };
enum { LNE_end_sequence = 1, LNE_set_address = 2 };

#define OPCODE_BASE 13
#define LINE_BASE (-5)
#define LINE_RANGE 14

static void put(struct image *m, uint64_t v, unsigned size)
{
    image_append(m, &v, size);
}

static void put_string(struct image *m, const char *s)
{
    image_append(m, s, strlen(s) + 1);
}

static void patch_u32(struct image *m, size_t at, size_t value)
{
    const uint32_t v = (uint32_t)value;
    if (!m->failed)
        memcpy(m->bytes + at, &v, sizeof v);
}

void image_append_uleb(struct image *m, uint64_t v)
{
    do {
        const uint8_t byte = (uint8_t)(v & 0x7f);
        v >>= 7;
        put(m, byte | (v ? 0x80 : 0), 1);
    } while (v);
}

void image_append_sleb(struct image *m, int64_t v)
{
    bool more;
    do {
        const uint8_t byte = (uint8_t)(v & 0x7f);
        v >>= 7;
        more = v != (byte & 0x40 ? -1 : 0);
        put(m, byte | (more ? 0x80 : 0), 1);
    } while (more);
}

static void write_abbreviations(struct image *m)
{
    static const uint8_t bytes[] = {
        1,
        TAG_compile_unit,
        1, /* has children */
        AT_producer,
        FORM_string,
        AT_language,
        FORM_data2,
        AT_name,
        FORM_string,
        AT_stmt_list,
        FORM_sec_offset,
        AT_low_pc,
        FORM_addr,
        AT_high_pc,
        FORM_data8,
        0,
        0,
        2,
        TAG_subprogram,
        0,
        AT_name,
        FORM_string,
        AT_low_pc,
        FORM_addr,
        AT_high_pc,
        FORM_data8,
        0,
        0,
        0,
    };
    image_append(m, bytes, sizeof bytes);
}

static void begin_info(struct dwarf_writer *w)
{
    struct image *m = &w->info;
    put(m, 0, 4); /* length: patched */
    put(m, 4, 2); /* version */
    put(m, 0, 4); /* offset of the abbreviations */
    put(m, 8, 1); /* bytes of an address */
    put(m, 1, 1); /* abbreviation */
    put_string(m, w->producer);
    put(m, LANG_C99, 2);
    put_string(m, w->name);
    put(m, 0, 4); /* offset of the line program */
    put(m, w->low, 8);
    put(m, w->high - w->low, 8);
}

static void begin_lines(struct dwarf_writer *w, const char *const *files, uint32_t nfiles)
{
    static const uint8_t lengths[OPCODE_BASE - 1] = {0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1};
    struct image *m = &w->line;
    put(m, 0, 4); /* length: patched */
    put(m, 4, 2); /* version */
    put(m, 0, 4); /* length of the header: patched */
    put(m, 1, 1); /* bytes of an instruction */
    put(m, 1, 1); /* operations of one */
    put(m, 1, 1); /* rows are statements */
    put(m, (uint8_t)LINE_BASE, 1);
    put(m, LINE_RANGE, 1);
    put(m, OPCODE_BASE, 1);
    image_append(m, lengths, sizeof lengths);
    put(m, 0, 1); /* no directories */
    for (uint32_t i = 0; i < nfiles; i++) {
        put_string(m, files[i]);
        put(m, 0, 3); /* directory, time, size */
    }
    put(m, 0, 1);
    w->program = m->size;
    patch_u32(m, 6, m->size - 10);
}

void dwarf_write_begin(struct dwarf_writer *w, const char *const *files, uint32_t nfiles)
{
    write_abbreviations(&w->abbrev);
    begin_info(w);
    begin_lines(w, files, nfiles);
}

void dwarf_write_function(struct dwarf_writer *w, const char *name, uint64_t low, uint64_t high)
{
    put(&w->info, 2, 1); /* abbreviation */
    put_string(&w->info, name);
    put(&w->info, low, 8);
    put(&w->info, high - low, 8);

    put(&w->line, 0, 1);
    image_append_uleb(&w->line, 9);
    put(&w->line, LNE_set_address, 1);
    put(&w->line, low, 8);
    w->address = low;
    w->file = 1;
    w->row_line = 1;
}

void dwarf_write_row(struct dwarf_writer *w, uint64_t address, uint32_t file, uint32_t line)
{
    const int64_t advance = (int64_t)line - (int64_t)w->row_line - LINE_BASE;
    const uint64_t delta = address - w->address;
    if (file != w->file) {
        put(&w->line, LNS_set_file, 1);
        image_append_uleb(&w->line, file);
    }
    if (advance >= 0 && advance < LINE_RANGE && delta <= 16 &&
        advance + LINE_RANGE * (int64_t)delta + OPCODE_BASE <= 255) {
        put(&w->line, (uint64_t)advance + LINE_RANGE * delta + OPCODE_BASE, 1);
    } else {
        put(&w->line, LNS_advance_pc, 1);
        image_append_uleb(&w->line, delta);
        put(&w->line, LNS_advance_line, 1);
        image_append_sleb(&w->line, (int64_t)line - (int64_t)w->row_line);
        put(&w->line, LNS_copy, 1);
    }
    w->address = address;
    w->file = file;
    w->row_line = line;
}

void dwarf_write_function_end(struct dwarf_writer *w, uint64_t high)
{
    put(&w->line, LNS_advance_pc, 1);
    image_append_uleb(&w->line, high - w->address);
    put(&w->line, 0, 1);
    image_append_uleb(&w->line, 1);
    put(&w->line, LNE_end_sequence, 1);
}

void dwarf_write_finish(struct dwarf_writer *w)
{
    put(&w->info, 0, 1); /* no more children */
    patch_u32(&w->info, 0, w->info.size - 4);
    patch_u32(&w->line, 0, w->line.size - 4);
}

void dwarf_write_free(struct dwarf_writer *w)
{
    image_free(&w->info);
    image_free(&w->abbrev);
    image_free(&w->line);
}
