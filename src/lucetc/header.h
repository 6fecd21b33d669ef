/* --emit header. */
#ifndef LUCETC_HEADER_H
#define LUCETC_HEADER_H

#include "lucetc/compilation.h"

/* Writes a C header with a stub for each exported function. io, no_memory. */
enum lucet_error header_write(struct compilation *c, const char *path);

#endif
