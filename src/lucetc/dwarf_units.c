/* .debug_info:   length | version | offset of its abbreviations | address size | entries:
 * abbreviation's number | values .debug_abbrev: number | tag | whether it has children | pairs of
 * attribute and form | 0 0 */
#include "lucetc/dwarf_units.h"

#include <stdlib.h>

enum { AT_stmt_list = 0x10, AT_comp_dir = 0x1b };

/* The attributes of a unit's first entry. Each unit looks at that many bytes of abbreviations only,
 * lest many small ones search all of them; compilers describe it first, in 20 to 50 bytes. */
#define ABBREVIATION_BYTES 256u

static bool add(struct dwarf_directories *d, struct dwarf_unit_directory unit)
{
    if ((d->count & (d->count - 1)) == 0) { /* full: the room is a power of two */
        const size_t room = d->count ? 2 * d->count : 1;
        struct dwarf_unit_directory *grown = realloc(d->units, room * sizeof *grown);
        if (!grown)
            return false;
        d->units = grown;
    }
    d->units[d->count++] = unit;
    return true;
}

/* Behind the number, tag and flag of the abbreviation with that number, else bad. */
static struct lucet_input find_abbreviation(const struct dwarf_sections *s, uint64_t offset,
                                            uint64_t number)
{
    struct lucet_input in = {s->abbrev.data, s->abbrev.data + s->abbrev.size, false};
    lucet_read_part(&in, offset);
    if ((size_t)(in.end - in.pos) > ABBREVIATION_BYTES)
        in.end = in.pos + ABBREVIATION_BYTES;
    while (!in.bad) {
        const uint64_t found = lucet_read_uleb(&in);
        lucet_read_uleb(&in);
        lucet_read_fixed(&in, 1);
        if (found == 0)
            in.bad = true;
        if (found == number)
            break;
        while (!in.bad && (lucet_read_uleb(&in) | lucet_read_uleb(&in)) != 0)
            ;
    }
    return in;
}

/* False: there is nothing to know about it, or it is not understood. */
static bool read_unit(struct lucet_input in, bool wide, const struct dwarf_sections *s,
                      struct dwarf_unit_directory *out)
{
    bool has_line = false;
    const uint64_t version = lucet_read_fixed(&in, 2);
    if (version < 2 || version > 4)
        return false;
    const uint64_t abbreviations = lucet_read_fixed(&in, wide ? 8 : 4);
    if (lucet_read_fixed(&in, 1) != 4)
        return false;
    const uint64_t number = lucet_read_uleb(&in);
    struct lucet_input format = find_abbreviation(s, abbreviations, number);
    *out = (struct dwarf_unit_directory){0, {NULL, 0}};
    while (!format.bad && !in.bad) {
        const uint64_t attribute = lucet_read_uleb(&format), form = lucet_read_uleb(&format);
        if (format.bad || (attribute == 0 && form == 0))
            break;
        const struct dwarf_value v = dwarf_read_form(&in, form, wide, s);
        if (in.bad)
            break;
        if (attribute == AT_stmt_list) {
            out->line = v.number;
            has_line = true;
        } else if (attribute == AT_comp_dir) {
            out->directory = v.text;
        }
    }
    return has_line && out->directory.size > 0;
}

static int by_line(const void *a, const void *b)
{
    const struct dwarf_unit_directory *x = a, *y = b;
    return (x->line > y->line) - (x->line < y->line);
}

bool dwarf_directories_read(struct dwarf_directories *d, const struct dwarf_sections *s)
{
    struct lucet_input all = {s->info.data, s->info.data + s->info.size, false};
    while (all.pos < all.end) {
        uint64_t length = lucet_read_fixed(&all, 4);
        const bool wide = length == UINT32_MAX;
        struct dwarf_unit_directory unit;
        if (wide)
            length = lucet_read_fixed(&all, 8);
        const struct lucet_input in = lucet_read_part(&all, length);
        if (all.bad)
            break;
        if (read_unit(in, wide, s, &unit) && !add(d, unit))
            return false;
    }
    if (d->count > 0)
        qsort(d->units, d->count, sizeof *d->units, by_line);
    return true;
}

struct wasm_bytes dwarf_directories_of(const struct dwarf_directories *d, uint64_t line)
{
    const struct dwarf_unit_directory key = {.line = line};
    const struct dwarf_unit_directory *found =
        d->count ? bsearch(&key, d->units, d->count, sizeof key, by_line) : NULL;
    return found ? found->directory : (struct wasm_bytes){NULL, 0};
}

void dwarf_directories_free(struct dwarf_directories *d)
{
    free(d->units);
    *d = (struct dwarf_directories){0};
}
