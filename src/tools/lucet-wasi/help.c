#include "tools/lucet-wasi/cli.h"

#include <stdio.h>

static const char help[] =
    "Usage: lucet-wasi [options] program.wasm|program.so|- [--] [arguments…]\n"
    "\n"
    "Runs a WebAssembly program contained. It sees its arguments, standard input and output,\n"
    "and nothing else that is not given to it below. - is a program on standard input.\n"
    "\n"
    "What the program gets\n"
    "      --dir HOST[::GUEST]      a directory, under the name GUEST (default: HOST);\n"
    "                               HOST:GUEST is understood as well; repeatable\n"
    "      --dir-ro HOST[::GUEST]   the same, to read only\n"
    "      --env NAME=VALUE         an environment variable; NAME alone passes on what\n"
    "                               lucet-wasi itself has; repeatable\n"
    "\n"
    "What runs\n"
    "      --entrypoint FUNCTION    default _start\n"
    "      --invoke FUNCTION        call an exported function; the arguments are numbers for\n"
    "                               its parameters, and its results are printed\n"
    "\n"
    "Limits (sizes such as 4096, 64KiB, 1MiB, 4GiB)\n"
    "      --max-heap-size SIZE     how far memory may grow (default 4GiB)\n"
    "      --heap-address-space SIZE\n"
    "                               address space reserved for it (default: what the program\n"
    "                               was compiled for)\n"
    "      --stack-size SIZE        default 8MiB\n"
    "      --timeout MS             end the program after so many milliseconds\n"
    "      --max-threads N          threads it may start, besides its first (default 64)\n"
    "\n"
    "Compiling (programs that are .wasm; see lucetc(1))\n"
    "      --opt-level LEVEL        0 or none, 1 or speed (default), 2 or speed_and_size\n"
    "  -g, --debug-info             backtraces tell offsets in the module and lines of source\n"
    "      --precise-traps          state and kind of a trap are exact\n"
    "      --features LIST          what the program may use, such as -simd,-threads\n"
    "      --no-cache               compile anew, keep nothing\n"
    "      --cache-dir DIR          default $LUCET_CACHE_DIR, $XDG_CACHE_HOME/lucet or\n"
    "                               ~/.cache/lucet\n"
    "\n"
    "Other\n"
    "      --time                   say on standard error when the program began and how long\n"
    "                               it ran\n"
    "      --version                print the version\n"
    "  -h, --help                   print this\n"
    "\n"
    "Exit code: the program's own; 134 when it trapped, 124 when its time was up, 1 when it\n"
    "could not be compiled or started, 2 when the command line is wrong.\n";

void cli_print_help(void)
{
    fputs(help, stdout);
}
