#include "lucetc/line_table.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lucetc/diagnostic.h"
#include "lucetc/dwarf_write.h"
#include "lucetc/elf_sections.h"
#include "lucetc/line_rows.h"
#include "lucetc/version.h"
#include "module/input.h"
#include "module/lines.h"
#include "module/reader.h"

/* A function or helper by its code. */
struct piece {
    uint64_t low, high;
    uint32_t func; /* WASM_NONE: a helper */
};

struct maker {
    const struct compilation *c;
    const uint8_t *file;
    size_t file_size;
    struct lucet_artifact artifact;
    struct line_rows code;   /* address in the image -> offset in the module */
    struct line_rows source; /* offset in the code section -> file and line */
    struct source_files files;
    uint64_t code_section; /* its offset in the module */
    struct piece *pieces;
    uint32_t npieces;
    char module_name[128];
    struct dwarf_writer dwarf;
    struct image rows, lines; /* of .lucet.lines: its rows, all of it */
    uint32_t nfuncs;
    struct image funcs; /* struct lucet_lines_func */
};

/* ---- What there is ---- */

/* Owned by the caller. */
static uint8_t *read_file(const char *path, size_t *file_size)
{
    FILE *f = fopen(path, "rb");
    if (!f)
        return NULL;
    const long size = fseek(f, 0, SEEK_END) == 0 ? ftell(f) : -1;
    uint8_t *bytes = size > 0 && fseek(f, 0, SEEK_SET) == 0 ? malloc((size_t)size) : NULL;
    if (bytes && fread(bytes, 1, (size_t)size, f) != (size_t)size) {
        free(bytes);
        bytes = NULL;
    }
    fclose(f);
    *file_size = bytes ? (size_t)size : 0;
    return bytes;
}

static struct dwarf_sections sections_of_artifact(const struct maker *k)
{
    return (struct dwarf_sections){
        .line = elf_find_section(k->file, k->file_size, ".debug_line"),
        .line_str = elf_find_section(k->file, k->file_size, ".debug_line_str"),
        .str = elf_find_section(k->file, k->file_size, ".debug_str"),
    };
}

static struct wasm_bytes custom_section(const struct wasm_module *m, const char *name)
{
    const size_t size = strlen(name);
    for (uint32_t i = 0; i < m->ncustoms; i++)
        if (m->customs[i].name.size == size && memcmp(m->customs[i].name.data, name, size) == 0)
            return m->customs[i].payload;
    return (struct wasm_bytes){NULL, 0};
}

static struct dwarf_sections sections_of_guest(const struct maker *k)
{
    const struct wasm_module *m = k->c->module;
    return (struct dwarf_sections){
        .line = custom_section(m, ".debug_line"),
        .line_str = custom_section(m, ".debug_line_str"),
        .str = custom_section(m, ".debug_str"),
        .info = custom_section(m, ".debug_info"),
        .abbrev = custom_section(m, ".debug_abbrev"),
    };
}

/* Where the contents of the code section begin: what a guest's DWARF counts from. The module is
 * valid, and so are the sizes of its sections. */
static uint64_t find_code_section(const struct wasm_module *m)
{
    struct lucet_input in = {m->bytes, m->bytes + m->size, false};
    lucet_read_part(&in, 8);
    while (in.pos < in.end) {
        const uint64_t id = lucet_read_fixed(&in, 1), size = lucet_read_uleb(&in);
        if (id == 10)
            return (uint64_t)(in.pos - m->bytes);
        lucet_read_part(&in, size);
    }
    return 0;
}

static int by_address(const void *a, const void *b)
{
    const struct piece *x = a, *y = b;
    return (x->low > y->low) - (x->low < y->low);
}

static bool find_pieces(struct maker *k)
{
    const struct lucet_artifact *a = &k->artifact;
    k->pieces = calloc((size_t)a->nfuncs + a->nhelpers + 1, sizeof *k->pieces);
    if (!k->pieces)
        return false;
    for (uint32_t i = a->header->nimported_funcs; i < a->nfuncs; i++)
        k->pieces[k->npieces++] =
            (struct piece){.low = lucet_artifact_code(a, a->funcs[i].code), .func = i};
    for (uint32_t i = 0; i < a->nhelpers; i++)
        k->pieces[k->npieces++] =
            (struct piece){.low = lucet_artifact_code(a, a->helpers[i].code), .func = WASM_NONE};
    qsort(k->pieces, k->npieces, sizeof *k->pieces, by_address);
    for (uint32_t i = 0; i < k->npieces; i++)
        k->pieces[i].high =
            i + 1 < k->npieces ? k->pieces[i + 1].low : a->text.vaddr + a->text.size;
    return true;
}

/* ---- Rows ---- */

/* What stands at an offset of the module. Without sources the module itself is the source, and its
 * bytes are the lines. */
static struct lucet_line line_at(const struct maker *k, uint32_t wasm_offset)
{
    struct lucet_line line = {.wasm_offset = wasm_offset};
    const struct line_row *row =
        wasm_offset < k->code_section
            ? NULL
            : line_rows_at(&k->source, (uint64_t)wasm_offset - k->code_section);
    if (row && row->line != 0 && row->file != 0) {
        line.file = row->file;
        line.line = row->line;
    }
    return line;
}

static void write_row(struct maker *k, const struct lucet_line *last, const struct lucet_line *row,
                      uint64_t delta, uint64_t address)
{
    image_append_uleb(&k->rows, delta);
    image_append_sleb(&k->rows, (int64_t)row->wasm_offset - (int64_t)last->wasm_offset);
    image_append_sleb(&k->rows, (int64_t)row->file - (int64_t)last->file);
    image_append_sleb(&k->rows, (int64_t)row->line - (int64_t)last->line);
    if (k->files.count == 0)
        dwarf_write_row(&k->dwarf, address, 1, row->wasm_offset);
    else if (row->file != 0 && (row->file != last->file || row->line != last->line))
        dwarf_write_row(&k->dwarf, address, row->file, row->line);
}

static uint32_t count_rows(const struct maker *k, size_t first, uint64_t high)
{
    uint32_t n = 0;
    for (size_t i = first; i < k->code.count && k->code.rows[i].address < high; i++)
        n += k->code.rows[i].line != 0 && !k->code.rows[i].end;
    return n;
}

static void write_function(struct maker *k, const struct piece *p)
{
    const size_t first = line_rows_from(&k->code, p->low);
    const struct lucet_lines_func func = {(uint32_t)p->low, (uint32_t)k->rows.size};
    struct lucet_line last = {0, 0, 0};
    uint64_t at = p->low;
    char name[128] = "";
    const struct wasm_func *f = &k->c->module->funcs[p->func];

    image_append(&k->funcs, &func, sizeof func);
    k->nfuncs++;
    escape_name(name, sizeof name, f->name);
    if (f->name.size == 0)
        snprintf(name, sizeof name, "wasm_function_%u", p->func);
    dwarf_write_function(&k->dwarf, name, p->low, p->high);
    image_append_uleb(&k->rows, count_rows(k, first, p->high));
    for (size_t i = first; i < k->code.count && k->code.rows[i].address < p->high; i++) {
        const struct line_row *row = &k->code.rows[i];
        if (row->line == 0 || row->end)
            continue;
        const struct lucet_line line = line_at(k, row->line);
        write_row(k, &last, &line, row->address - at, row->address);
        at = row->address;
        last = line;
    }
    dwarf_write_function_end(&k->dwarf, p->high);
}

static void write_lines_section(struct maker *k)
{
    const struct lucet_lines_header header = {
        .version = LUCET_LINES_VERSION,
        .nfuncs = k->nfuncs,
        .nfiles = k->files.count,
        .rows_size = (uint32_t)k->rows.size,
    };
    uint32_t offset = 0;
    image_append(&k->lines, &header, sizeof header);
    image_append(&k->lines, k->funcs.bytes, k->funcs.size);
    for (uint32_t i = 0; i < k->files.count; i++) {
        const struct lucet_lines_file file = {offset, (uint32_t)strlen(k->files.names[i])};
        image_append(&k->lines, &file, sizeof file);
        offset += file.size;
    }
    image_append(&k->lines, k->rows.bytes, k->rows.size);
    for (uint32_t i = 0; i < k->files.count; i++)
        image_append(&k->lines, k->files.names[i], strlen(k->files.names[i]));
}

static bool make_sections(struct maker *k)
{
    const struct lucet_artifact *a = &k->artifact;
    const char *module_file[] = {k->module_name};
    const bool sources = k->files.count > 0;

    escape_name(k->module_name, sizeof k->module_name, k->c->module->name);
    if (k->module_name[0] == '\0')
        snprintf(k->module_name, sizeof k->module_name, "module.wasm");
    k->dwarf.producer = "lucetc " LUCETC_VERSION;
    k->dwarf.name = k->module_name;
    k->dwarf.low = a->text.vaddr;
    k->dwarf.high = a->text.vaddr + a->text.size;
    dwarf_write_begin(&k->dwarf, sources ? (const char *const *)k->files.names : module_file,
                      sources ? k->files.count : 1);
    for (uint32_t i = 0; i < k->npieces; i++)
        if (k->pieces[i].func != WASM_NONE)
            write_function(k, &k->pieces[i]);
    dwarf_write_finish(&k->dwarf);
    write_lines_section(k);
    return !(k->dwarf.info.failed || k->dwarf.abbrev.failed || k->dwarf.line.failed ||
             k->rows.failed || k->funcs.failed || k->lines.failed);
}

static bool write_file(const struct image *m, const char *path)
{
    FILE *f = fopen(path, "wb");
    if (!f)
        return false;
    const bool written = fwrite(m->bytes, 1, m->size, f) == m->size;
    return fclose(f) == 0 && written;
}

/* ---- All of it ---- */

static enum lucet_error prepare(struct maker *k)
{
    struct lucet_artifact_error error;
    if (!lucet_artifact_read(k->file, k->file_size, &k->artifact, &error)) {
        diagnose(k->c->diagnostic, "internal", "what was linked is no artifact: %s", error.text);
        return lucet_error_internal;
    }
    const struct dwarf_sections code = sections_of_artifact(k), source = sections_of_guest(k);
    k->code_section = find_code_section(k->c->module);
    if (!line_rows_read(&k->code, &code, NULL) || !line_rows_read(&k->source, &source, &k->files) ||
        !find_pieces(k))
        return lucet_error_no_memory;
    return lucet_error_ok;
}

static enum lucet_error finish(struct maker *k, const char *to)
{
    struct image out = {0};
    enum lucet_error e = lucet_error_ok;
    if (!make_sections(k))
        return lucet_error_no_memory;
    const struct elf_section sections[] = {
        {".debug_line", k->dwarf.line.bytes, k->dwarf.line.size},
        {".debug_info", k->dwarf.info.bytes, k->dwarf.info.size},
        {".debug_abbrev", k->dwarf.abbrev.bytes, k->dwarf.abbrev.size},
        {LUCET_SECTION_LINES, k->lines.bytes, k->lines.size},
    };
    if (!elf_replace_debug(k->file, k->file_size, sections, sizeof sections / sizeof *sections,
                           &out)) {
        e = lucet_error_no_memory;
    } else if (!write_file(&out, to)) {
        diagnose(k->c->diagnostic, "io", "cannot write the artifact: %s", strerror(errno));
        e = lucet_error_io;
    }
    image_free(&out);
    return e;
}

enum lucet_error line_table_make(const struct compilation *c, const char *from, const char *to)
{
    struct maker k = {.c = c};
    uint8_t *file = read_file(from, &k.file_size);
    if (!file) {
        diagnose(c->diagnostic, "io", "cannot read what was linked: %s", strerror(errno));
        return lucet_error_io;
    }
    k.file = file;
    enum lucet_error e = prepare(&k);
    if (!e)
        e = finish(&k, to);
    free(file);
    free(k.pieces);
    line_rows_free(&k.code);
    line_rows_free(&k.source);
    source_files_free(&k.files);
    dwarf_write_free(&k.dwarf);
    image_free(&k.rows);
    image_free(&k.funcs);
    image_free(&k.lines);
    return e;
}
