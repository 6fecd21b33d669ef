/* As in tests/unit/run. */
#include "run/process.c"
