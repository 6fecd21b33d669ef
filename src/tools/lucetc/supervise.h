/* Compiling in a child process: LLVM was not written against hostile input, so whatever becomes of
 * it (a crash, an endless optimisation), lucetc ends with a clean error and no files left. */
#ifndef LUCET_TOOLS_LUCETC_SUPERVISE_H
#define LUCET_TOOLS_LUCETC_SUPERVISE_H

#include "tools/lucetc/cli.h"

/* What runs in the child: compiles to `output` and reports its own errors. */
typedef bool supervised(const struct cli *cli, const char *output, void *arg);

/* Runs `work` in a child with cli->time_limit seconds of CPU time and cli->memory_limit bytes, then
 * puts its output where cli->output says. False when anything failed, which has then been
 * reported. */
bool supervise(const struct cli *cli, const char *input_name, supervised *work, void *arg);

#endif
