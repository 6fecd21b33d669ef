/* What tests of linkers have in common: one linker, and a region with three slots. */
#ifndef LUCET_TEST_ONE_LINKER_H
#define LUCET_TEST_ONE_LINKER_H

#include "run/guest.h"

extern struct lucet_linker *linker; /* a test may put another one in its place */
extern struct lucet_region *region;

void one_linker_begin(void);
/* All slots are free afterwards. */
void one_linker_end(void);

#endif
