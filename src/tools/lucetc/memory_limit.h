/* Bounds the memory of the child that compiles. LLVM ends its process when memory cannot be had,
 * each part of it in its own way; here that becomes one exit code. */
#ifndef LUCET_TOOLS_LUCETC_MEMORY_LIMIT_H
#define LUCET_TOOLS_LUCETC_MEMORY_LIMIT_H

#include "tools/lucetc/cli.h"

enum { EXIT_MEMORY = 3 }; /* of the child alone: it could not get the memory it asked for */

/* Call in the child, before it starts threads. Sets cli->memory_limit, and beside it the stacks of
 * as many threads as there may be. 0: no limit. */
void memory_limit_apply(const struct cli *cli);

#endif
