/* The runtime's memory for tests of what comes to lie where something was: a block that is given
 * back is the next one of its size. */
#ifndef LUCET_TEST_SAME_PLACE_H
#define LUCET_TEST_SAME_PLACE_H

#include <stdbool.h>

/* From here on; before anything else. */
bool same_place_allocate(void);
extern bool same_place_full; /* there is no memory */

#endif
