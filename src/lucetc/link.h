/* Linking objects into an artifact, by ld.lld as a child process. */
#ifndef LUCETC_LINK_H
#define LUCETC_LINK_H

#include "lucetc/compilation.h"

/* Links DIR/0.o .. DIR/count-1.o to `output`: an artifact, or with emit obj one relocatable object.
 * Diagnosed. */
enum lucet_error link_objects(const struct compilation *c, const char *dir, uint32_t count,
                              const char *output);

#endif
