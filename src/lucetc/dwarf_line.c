/* A unit of .debug_line:
 *
 *   length | version | (5: address size, 0) | header length | minimum_instruction_length
 *   | (>= 4: operations per instruction) | default_is_stmt | line_base | line_range | opcode_base
 *   | lengths of standard opcodes | directories | files | program
 *
 * Directories and files are lists of strings up to version 4; since 5 they are tables with a format. */
#include "lucetc/dwarf_line.h"

#include <stdlib.h>
#include <string.h>

/* Bytes being read. Behind the end there are zeros, and `bad` stays set. */
struct input {
    const uint8_t *pos, *end;
    bool bad;
};

struct file_entry {
    uint64_t directory;
    struct wasm_bytes name;
};

struct dwarf_unit {
    const struct dwarf_sections *sections;
    struct input in; /* of the unit, behind what has been read */
    uint32_t number;
    uint16_t version;
    bool wide; /* 64-bit DWARF */
    uint8_t minimum_length, line_range, opcode_base;
    int8_t line_base;
    const uint8_t *opcode_lengths;
    struct wasm_bytes *directories;
    struct file_entry *files;
    uint32_t ndirectories, nfiles;
    bool no_memory;
};

/* ---- Bytes ---- */

static uint64_t fixed(struct input *in, unsigned size)
{
    uint64_t v = 0;
    if ((size_t)(in->end - in->pos) < size) {
        in->bad = true;
        in->pos = in->end;
        return 0;
    }
    for (unsigned i = 0; i < size; i++)
        v |= (uint64_t)*in->pos++ << 8 * i;
    return v;
}

/* Bits beyond the 64th are dropped. */
static uint64_t leb128(struct input *in, bool is_signed)
{
    uint64_t v = 0;
    unsigned shift = 0;
    uint8_t byte;
    do {
        byte = (uint8_t)fixed(in, 1);
        if (shift < 64)
            v |= (uint64_t)(byte & 0x7f) << shift;
        shift += 7;
    } while (byte & 0x80);
    if (is_signed && byte & 0x40 && shift < 64)
        v |= UINT64_MAX << shift;
    return v;
}

static uint64_t uleb(struct input *in)
{
    return leb128(in, false);
}

static struct wasm_bytes string(struct input *in)
{
    const uint8_t *start = in->pos;
    const uint8_t *nul = start == in->end ? NULL : memchr(start, 0, (size_t)(in->end - start));
    if (!nul) {
        in->bad = true;
        in->pos = in->end;
        return (struct wasm_bytes){NULL, 0};
    }
    in->pos = nul + 1;
    return (struct wasm_bytes){start, (uint32_t)(nul - start)};
}

static struct input part(struct input *in, uint64_t size)
{
    struct input p = {in->pos, in->end, false};
    if ((uint64_t)(in->end - in->pos) < size)
        in->bad = true;
    else
        p.end = in->pos + size;
    in->pos = p.end;
    return p;
}

/* Longer than any path: an entry of a few bytes must not ask for a search through all of a section. */
#define NAME_LIMIT 8192u

static struct wasm_bytes string_at(struct wasm_bytes section, uint64_t offset, struct input *in)
{
    if (offset >= section.size) {
        in->bad = true;
        return (struct wasm_bytes){NULL, 0};
    }
    struct input at = {section.data + offset, section.data + section.size, false};
    at = part(&at, section.size - offset < NAME_LIMIT ? section.size - offset : NAME_LIMIT);
    const struct wasm_bytes found = string(&at);
    in->bad |= at.bad;
    return found;
}

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
static bool read_old_file(struct dwarf_unit *u, struct input *in)
{
    struct wasm_bytes name = string(in);
    if (name.size == 0)
        return false;
    const uint64_t directory = uleb(in);
    uleb(in);
    uleb(in);
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
    while (!u->no_memory && (name = string(&u->in)).size > 0)
        add_directory(u, name);
    while (read_old_file(u, &u->in))
        ;
}

enum { CONTENT_PATH = 1, CONTENT_DIRECTORY = 2 };
enum {
    FORM_block2 = 0x03,
    FORM_block4 = 0x04,
    FORM_data2 = 0x05,
    FORM_data4 = 0x06,
    FORM_data8 = 0x07,
    FORM_string = 0x08,
    FORM_block = 0x09,
    FORM_block1 = 0x0a,
    FORM_data1 = 0x0b,
    FORM_strp = 0x0e,
    FORM_udata = 0x0f,
    FORM_data16 = 0x1e,
    FORM_line_strp = 0x1f,
};

struct value {
    struct wasm_bytes text;
    uint64_t number;
};

static struct value read_form(struct dwarf_unit *u, uint64_t form)
{
    struct input *in = &u->in;
    const unsigned offset_size = u->wide ? 8 : 4;
    struct value v = {{NULL, 0}, 0};
    switch (form) {
    case FORM_string: v.text = string(in); break;
    case FORM_strp: v.text = string_at(u->sections->str, fixed(in, offset_size), in); break;
    case FORM_line_strp:
        v.text = string_at(u->sections->line_str, fixed(in, offset_size), in);
        break;
    case FORM_udata: v.number = uleb(in); break;
    case FORM_data1: v.number = fixed(in, 1); break;
    case FORM_data2: v.number = fixed(in, 2); break;
    case FORM_data4: v.number = fixed(in, 4); break;
    case FORM_data8: v.number = fixed(in, 8); break;
    case FORM_data16: part(in, 16); break;
    case FORM_block: part(in, uleb(in)); break;
    case FORM_block1: part(in, fixed(in, 1)); break;
    case FORM_block2: part(in, fixed(in, 2)); break;
    case FORM_block4: part(in, fixed(in, 4)); break;
    default: in->bad = true; break;
    }
    return v;
}

/* Version 5: format, count, entries. An entry that takes no room would be a way to ask for any number of
 * them. */
static void read_table(struct dwarf_unit *u, bool files)
{
    struct {
        uint64_t content, form;
    } format[16] = {{0, 0}};
    const unsigned n = (unsigned)fixed(&u->in, 1);
    if (n > sizeof format / sizeof *format)
        u->in.bad = true;
    for (unsigned i = 0; i < n && !u->in.bad; i++) {
        format[i].content = uleb(&u->in);
        format[i].form = uleb(&u->in);
    }
    for (uint64_t left = uleb(&u->in); left > 0 && !u->in.bad && !u->no_memory; left--) {
        const uint8_t *before = u->in.pos;
        struct value name = {{NULL, 0}, 0}, directory = name;
        for (unsigned i = 0; i < n; i++) {
            struct value v = read_form(u, format[i].form);
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
    out->name = u->files[file].name;
    out->directory = (struct wasm_bytes){NULL, 0};
    if (u->files[file].directory < u->ndirectories)
        out->directory = u->directories[u->files[file].directory];
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
    struct input *in = &u->in;
    u->version = (uint16_t)fixed(in, 2);
    if (u->version < 2 || u->version > 5)
        return false;
    if (u->version == 5)
        fixed(in, 2);
    const uint64_t header_length = fixed(in, u->wide ? 8 : 4);
    struct input rest = *in;
    part(&rest, header_length);
    u->minimum_length = (uint8_t)fixed(in, 1);
    if (u->version >= 4)
        fixed(in, 1);
    fixed(in, 1); /* default_is_stmt: every row counts here */
    u->line_base = (int8_t)fixed(in, 1);
    u->line_range = (uint8_t)fixed(in, 1);
    u->opcode_base = (uint8_t)fixed(in, 1);
    if (rest.bad || u->opcode_base == 0 || u->line_range == 0)
        return false;
    u->opcode_lengths = in->pos;
    part(in, u->opcode_base - 1u);
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
    const uint64_t size = uleb(&u->in);
    struct input in = part(&u->in, size);
    switch (u->in.bad ? 0 : fixed(&in, 1)) {
    case LNE_end_sequence: row->end = true; break;
    case LNE_set_address: row->address = fixed(&in, size == 5 ? 4 : 8); break;
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
    case LNS_advance_pc: row->address += uleb(&u->in) * u->minimum_length; break;
    case LNS_advance_line: row->line += (uint32_t)leb128(&u->in, true); break;
    case LNS_set_file: row->file = uleb(&u->in); break;
    case LNS_const_add_pc:
        row->address += (uint64_t)((255 - u->opcode_base) / u->line_range) * u->minimum_length;
        break;
    case LNS_fixed_advance_pc: row->address += fixed(&u->in, 2); break;
    default:
        for (unsigned i = u->opcode_lengths[opcode - 1]; i > 0 && !u->in.bad; i--)
            uleb(&u->in);
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
        const uint8_t opcode = (uint8_t)fixed(&u->in, 1);
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
    struct input all = {s->line.data, s->line.data + s->line.size, false};
    bool go_on = true;
    for (uint32_t number = 0; go_on && all.pos < all.end; number++) {
        struct dwarf_unit u = {.sections = s, .number = number};
        uint64_t length = fixed(&all, 4);
        if (length == UINT32_MAX) {
            u.wide = true;
            length = fixed(&all, 8);
        }
        u.in = part(&all, length);
        if (all.bad)
            break;
        if (read_header(&u) && !u.no_memory)
            go_on = run_program(&u, sink);
        go_on = go_on && !u.no_memory;
        free(u.directories);
        free(u.files);
    }
    return go_on;
}
