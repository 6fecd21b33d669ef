/* What several parts of DWARF are made of: strings, and values in one of many forms. Guests write
 * it, so it is as hostile as anything in a module; what is not understood makes the input bad. */
#ifndef LUCETC_DWARF_READ_H
#define LUCETC_DWARF_READ_H

#include "module/input.h"
#include "wasm/wasm.h"

/* Those that are absent are empty. */
struct dwarf_sections {
    struct wasm_bytes line, line_str, str; /* .debug_line, ... */
    struct wasm_bytes info, abbrev;
};

struct dwarf_value {
    struct wasm_bytes text; /* of strings; they stay in their sections */
    uint64_t number;        /* of constants and offsets */
};

/* A string with a NUL behind it, which is not part of it. */
struct wasm_bytes dwarf_read_string(struct lucet_input *in);
/* `wide`: 64-bit DWARF. Forms that versions 2 to 5 allow in line tables, and up to 4 in units whose
 * addresses have four bytes. */
struct dwarf_value dwarf_read_form(struct lucet_input *in, uint64_t form, bool wide,
                                   const struct dwarf_sections *s);

#endif
