/* As in tests/unit/run. */
#include "run/region_kind.c"
