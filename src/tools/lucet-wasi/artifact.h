/* From a file to a loaded module, compiling and caching where needed. */
#ifndef LUCET_TOOLS_WASI_ARTIFACT_H
#define LUCET_TOOLS_WASI_ARTIFACT_H

#include "lucet/lucet.h"
#include "tools/lucet-wasi/cli.h"

/* NULL, after a complaint, when it cannot be had. */
struct lucet_dl_module *artifact_get(const struct cli *cli);

#endif
