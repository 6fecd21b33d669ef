/* As in tests/unit/run. */
#include "run/linked.c"
