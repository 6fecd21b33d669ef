/* Whether compiled code has instructions of AVX-512. Most modules that the compiler was allowed to
 * use them for have none: those run on processors without, and a call into them has half as many
 * vector registers to clear. */
#ifndef LUCETC_EVEX_H
#define LUCETC_EVEX_H

#include <stdbool.h>

#include "lucetc/compilation.h"

/* Of an object file that LLVM wrote. True also when that cannot be found out. */
bool evex_in_object(const struct compilation *c, const char *path);

#endif
