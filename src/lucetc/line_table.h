/* `lucetc -g`: where code comes from.
 *
 * LLVM is told that every instruction is of the line that is the offset of its WebAssembly
 * instruction in the module (debug.h). From the line table that it makes of this, and from the one
 * that the guest may bring along, the sections of the artifact are made: .lucet.lines for the
 * runtime, and .debug_line, .debug_info and .debug_abbrev for debuggers. */
#ifndef LUCETC_LINE_TABLE_H
#define LUCETC_LINE_TABLE_H

#include "lucetc/compilation.h"

/* Replaces the debug sections of the linked artifact `from` and writes the result to `to`.
 * Diagnosed. */
enum lucet_error line_table_make(const struct compilation *c, const char *from, const char *to);

#endif
