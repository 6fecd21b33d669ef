/* The compiler, as a program: it lies beside ours, and runs only when something must be compiled.
 * So a run from the cache never loads LLVM, and a compiler that fails cannot harm us. */
#ifndef LUCET_TOOLS_WASI_LUCETC_H
#define LUCET_TOOLS_WASI_LUCETC_H

#include "tools/common/child.h"
#include "tools/lucet-wasi/cli.h"

/* Path of lucetc: beside our own program, else found in PATH. NULL, with a complaint, when there is
 * none. Owned by the caller. */
char *lucetc_find(void);

/* Compiles the bytes of `wasm` (a descriptor at its beginning) to `output`. What lucetc has to say,
 * it says on standard error. False when it failed, or a signal came (they are held). */
bool lucetc_run(const struct cli *cli, struct tool_signals *signals, const char *lucetc, int wasm,
                const char *output);

#endif
