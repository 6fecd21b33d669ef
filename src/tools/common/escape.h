/* Text of unknown origin made fit to be shown. */
#ifndef LUCET_TOOLS_ESCAPE_H
#define LUCET_TOOLS_ESCAPE_H

#include <stddef.h>

/* Copies `size` bytes to `out` (of `room` bytes, at least 8, always terminated) so that no
 * terminal, log or line reader is deceived: printable ASCII as it is, the rest as \n, \t, \\ or
 * \xNN. What does not fit is left out and marked with "...". Returns `out`. */
const char *tool_escape(const char *bytes, size_t size, char *out, size_t room);

#endif
