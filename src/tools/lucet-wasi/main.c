/* lucet-wasi: runs a WebAssembly program, compiling it first if need be. */
#include "tools/common/finish.h"
#include "tools/lucet-wasi/artifact.h"
#include "tools/lucet-wasi/run.h"

#include <stdint.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    struct cli cli;
    const uint64_t started = run_clock();

    cli_parse(&cli, argc, argv);
    cli.started = started;
    struct lucet_dl_module *module = artifact_get(&cli);
    int code = module ? run(&cli, module) : EXIT_CANNOT_RUN;
    lucet_dl_module_release(module);
    cli_release(&cli);
    tool_exit("lucet-wasi", code); /* what --invoke printed may fail to be written */
}
