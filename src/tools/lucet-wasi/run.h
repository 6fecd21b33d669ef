/* An instance of the program, from its making to its exit code. */
#ifndef LUCET_TOOLS_WASI_RUN_H
#define LUCET_TOOLS_WASI_RUN_H

#include "lucet/wasi.h"
#include "tools/lucet-wasi/cli.h"

/* Runs the program and returns the exit code for ours. */
int run(const struct cli *cli, struct lucet_dl_module *module);

/* Nanoseconds of CLOCK_MONOTONIC. */
uint64_t run_clock(void);

/* Says on standard error why a call did not return, and gives the exit code for it. */
int report_result(const struct cli *cli, struct lucet_instance *inst,
                  const struct lucet_result *result);

/* Calls an exported function with cli->args, and prints its results, one a line. As run(). */
int invoke(const struct cli *cli, const struct lucet_dl_module *module, struct lucet_instance *inst,
           struct lucet_wasi_ctx *ctx);

/* Before a run: what is left of the instructions that it may execute. */
bool allow_instructions(const struct cli *cli, struct lucet_instance *inst);

/* What became of a call: prints what must be said of it; the exit code. */
int finish(const struct cli *cli, struct lucet_instance *inst, struct lucet_wasi_ctx *ctx,
           enum lucet_error error, const struct lucet_result *result);

#endif
