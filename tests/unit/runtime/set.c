/* As in tests/unit/run. */
#include "run/set.c"
