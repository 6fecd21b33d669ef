/* The language features that a module may use. */
#ifndef LUCETC_FEATURES_H
#define LUCETC_FEATURES_H

#include "lucetc/compilation.h"

/* The set that a list of options stands for; NULL is the default. False, with a diagnostic (may be
 * NULL), when the list is not understood. */
bool features_of(const char *list, uint32_t *features, struct lucetc_diagnostic *d);

#endif
