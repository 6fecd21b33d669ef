/* A unit of .debug_line:
 *
 *   length | version | (5: address size, 0) | header length | minimum_instruction_length
 *   | (>= 4: operations per instruction) | default_is_stmt | line_base | line_range | opcode_base
 *   | lengths of standard opcodes | directories | files | program
 *
 * Directories and files are lists of strings up to version 4; since 5 they are tables with a
 * format. */
#include "lucetc/dwarf_line.h"

#include <stdlib.h>

#include "lucetc/dwarf_units.h"

struct file_entry {
    uint64_t directory;
    struct wasm_bytes name;
};

struct dwarf_unit {
    const struct dwarf_sections *sections;
    struct lucet_input in; /* of the unit, behind what has been read */
    uint32_t number;
    uint16_t version;
    bool wide;              /* 64-bit DWARF */
    struct wasm_bytes base; /* up to version 4: where the compilation ran */
    uint8_t minimum_length, line_range, opcode_base;
    int8_t line_base;
    const uint8_t *opcode_lengths;
    struct wasm_bytes *directories;
    struct file_entry *files;
    uint32_t ndirectories, nfiles;
    bool no_memory;
};

/* ---- Directories and files ---- */

/* An array that grows by one; the count is a power of two when it is full. */
static void *grow(struct dwarf_unit *u, void *array, uint32_t count, size_t size)
{
    if ((count & (count - 1)) != 0)
        return array;
    void *grown = realloc(array, (count ? 2 * (size_t)count : 1) * size);
    if (!grown)
        u->no_memory = true;
    return grown;
}

static void add_directory(struct dwarf_unit *u, struct wasm_bytes name)
{
    struct wasm_bytes *grown = grow(u, u->directories, u->ndirectories, sizeof *grown);
    if (!grown)
        return;
    u->directories = grown;
    u->directories[u->ndirectories++] = name;
}

static void add_file(struct dwarf_unit *u, struct wasm_bytes name, uint64_t directory)
{
    struct file_entry *grown = grow(u, u->files, u->nfiles, sizeof *grown);
    if (!grown)
        return;
    u->files = grown;
    u->files[u->nfiles++] = (struct file_entry){directory, name};
}

/* Name, directory, time and size; nothing but a NUL ends the list. */
static bool read_old_file(struct dwarf_unit *u, struct lucet_input *in)
{
    struct wasm_bytes name = dwarf_read_string(in);
    if (name.size == 0)
        return false;
    const uint64_t directory = lucet_read_uleb(in);
    lucet_read_uleb(in);
    lucet_read_uleb(in);
    add_file(u, name, directory);
    return !in->bad && !u->no_memory;
}

/* Versions 2 to 4: number 0 is the compilation's directory and file, which stand elsewhere. */
static void read_old_lists(struct dwarf_unit *u)
{
    const struct wasm_bytes none = {NULL, 0};
    struct wasm_bytes name;
    add_directory(u, none);
    add_file(u, none, 0);
    while (!u->no_memory && (name = dwarf_read_string(&u->in)).size > 0)
        add_directory(u, name);
    while (read_old_file(u, &u->in))
        ;
}

enum { CONTENT_PATH = 1, CONTENT_DIRECTORY = 2 };
/* Version 5: format, count, entries. An entry that takes no room would be a way to ask for any
 * number of them. */
static void read_table(struct dwarf_unit *u, bool files)
{
    struct {
        uint64_t content, form;
    } format[16] = {{0, 0}};
    const unsigned n = (unsigned)lucet_read_fixed(&u->in, 1);
    if (n > sizeof format / sizeof *format)
        u->in.bad = true;
    for (unsigned i = 0; i < n && !u->in.bad; i++) {
        format[i].content = lucet_read_uleb(&u->in);
        format[i].form = lucet_read_uleb(&u->in);
    }
    for (uint64_t left = lucet_read_uleb(&u->in); left > 0 && !u->in.bad && !u->no_memory; left--) {
        const uint8_t *before = u->in.pos;
        struct dwarf_value name = {{NULL, 0}, 0}, directory = name;
        for (unsigned i = 0; i < n; i++) {
            struct dwarf_value v = dwarf_read_form(&u->in, format[i].form, u->wide, u->sections);
            if (format[i].content == CONTENT_PATH)
                name = v;
            else if (format[i].content == CONTENT_DIRECTORY)
                directory = v;
        }
        if (u->in.pos == before)
            u->in.bad = true;
        else if (files)
            add_file(u, name.text, directory.number);
        else
            add_directory(u, name.text);
    }
}

bool dwarf_unit_file(const struct dwarf_unit *u, uint64_t file, struct dwarf_file *out)
{
    if (file >= u->nfiles || u->files[file].name.size == 0)
        return false;
    const uint64_t directory = u->files[file].directory;
    out->name = u->files[file].name;
    out->base = u->base;
    out->directory = (struct wasm_bytes){NULL, 0};
    if (directory < u->ndirectories)
        out->directory = u->directories[directory];
    if (u->version == 5 && directory != 0 && u->ndirectories > 0)
        out->base = u->directories[0];
    return true;
}

uint32_t dwarf_unit_number(const struct dwarf_unit *u)
{
    return u->number;
}

/* ---- The header ---- */

/* Leaves u->in at the program. */
static bool read_header(struct dwarf_unit *u)
{
    struct lucet_input *in = &u->in;
    u->version = (uint16_t)lucet_read_fixed(in, 2);
    if (u->version < 2 || u->version > 5)
        return false;
    if (u->version == 5)
        lucet_read_fixed(in, 2);
    const uint64_t header_length = lucet_read_fixed(in, u->wide ? 8 : 4);
    struct lucet_input rest = *in;
    lucet_read_part(&rest, header_length);
    u->minimum_length = (uint8_t)lucet_read_fixed(in, 1);
    if (u->version >= 4)
        lucet_read_fixed(in, 1);
    lucet_read_fixed(in, 1); /* default_is_stmt: every row counts here */
    u->line_base = (int8_t)lucet_read_fixed(in, 1);
    u->line_range = (uint8_t)lucet_read_fixed(in, 1);
    u->opcode_base = (uint8_t)lucet_read_fixed(in, 1);
    if (rest.bad || u->opcode_base == 0 || u->line_range == 0)
        return false;
    u->opcode_lengths = in->pos;
    lucet_read_part(in, u->opcode_base - 1u);
    if (u->version < 5) {
        read_old_lists(u);
    } else {
        read_table(u, false);
        read_table(u, true);
    }
    if (in->bad)
        return false;
    u->in.pos = rest.pos;
    return true;
}

/* ---- The program ---- */

enum {
    LNS_copy = 1,
    LNS_advance_pc = 2,
    LNS_advance_line = 3,
    LNS_set_file = 4,
    LNS_const_add_pc = 8,
    LNS_fixed_advance_pc = 9,
};
enum { LNE_end_sequence = 1, LNE_set_address = 2, LNE_define_file = 3 };

static const struct dwarf_row first_row = {.file = 1, .line = 1};

static void run_extended(struct dwarf_unit *u, struct dwarf_row *row)
{
    const uint64_t size = lucet_read_uleb(&u->in);
    struct lucet_input in = lucet_read_part(&u->in, size);
    switch (u->in.bad ? 0 : lucet_read_fixed(&in, 1)) {
    case LNE_end_sequence: row->end = true; break;
    case LNE_set_address: row->address = lucet_read_fixed(&in, size == 5 ? 4 : 8); break;
    case LNE_define_file: read_old_file(u, &in); break;
    default: break;
    }
    u->in.bad = u->in.bad || in.bad;
}

/* Whether the row is complete. */
static bool run_standard(struct dwarf_unit *u, uint8_t opcode, struct dwarf_row *row)
{
    switch (opcode) {
    case LNS_copy: return true;
    case LNS_advance_pc: row->address += lucet_read_uleb(&u->in) * u->minimum_length; break;
    case LNS_advance_line: row->line += (uint32_t)lucet_read_sleb(&u->in); break;
    case LNS_set_file: row->file = lucet_read_uleb(&u->in); break;
    case LNS_const_add_pc:
        row->address += (uint64_t)((255 - u->opcode_base) / u->line_range) * u->minimum_length;
        break;
    case LNS_fixed_advance_pc: row->address += lucet_read_fixed(&u->in, 2); break;
    default:
        for (unsigned i = u->opcode_lengths[opcode - 1]; i > 0 && !u->in.bad; i--)
            lucet_read_uleb(&u->in);
        break;
    }
    return false;
}

static bool run_special(const struct dwarf_unit *u, uint8_t opcode, struct dwarf_row *row)
{
    const unsigned n = (unsigned)(opcode - u->opcode_base);
    row->address += (uint64_t)(n / u->line_range) * u->minimum_length;
    row->line += (uint32_t)(u->line_base + (int)(n % u->line_range));
    return true;
}

static bool run_program(struct dwarf_unit *u, const struct dwarf_sink *sink)
{
    struct dwarf_row row = first_row;
    while (u->in.pos < u->in.end) {
        const uint8_t opcode = (uint8_t)lucet_read_fixed(&u->in, 1);
        bool complete;
        if (opcode >= u->opcode_base) {
            complete = run_special(u, opcode, &row);
        } else if (opcode != 0) {
            complete = run_standard(u, opcode, &row);
        } else {
            run_extended(u, &row);
            complete = row.end;
        }
        if (u->in.bad || u->no_memory)
            return true;
        if (complete && !sink->row(sink->arg, u, &row))
            return false;
        if (row.end)
            row = first_row;
    }
    return true;
}

bool dwarf_lines_read(const struct dwarf_sections *s, const struct dwarf_sink *sink)
{
    struct dwarf_directories directories = {0};
    if (!dwarf_directories_read(&directories, s)) {
        dwarf_directories_free(&directories);
        return false;
    }
    struct lucet_input all = {s->line.data, s->line.data + s->line.size, false};
    bool go_on = true;
    for (uint32_t number = 0; go_on && all.pos < all.end; number++) {
        const uint64_t offset = (uint64_t)(all.pos - s->line.data);
        struct dwarf_unit u = {.sections = s, .number = number};
        uint64_t length = lucet_read_fixed(&all, 4);
        if (length == UINT32_MAX) {
            u.wide = true;
            length = lucet_read_fixed(&all, 8);
        }
        u.in = lucet_read_part(&all, length);
        if (all.bad)
            break;
        const bool understood = read_header(&u) && !u.no_memory;
        if (understood && u.version < 5)
            u.base = dwarf_directories_of(&directories, offset);
        if (understood)
            go_on = run_program(&u, sink);
        go_on = go_on && !u.no_memory;
        free(u.directories);
        free(u.files);
    }
    dwarf_directories_free(&directories);
    return go_on;
}
