/* The helpers of tests/unit/run. */
#include "run/guest.c"
