#include "tools/lucetc/cli.h"

#include <stdio.h>
#include <string.h>

static const char help[] =
    "Usage: lucetc [options] input.wasm [-o output]\n"
    "\n"
    "Compiles untrusted WebAssembly to native code that lucet runs in isolation.\n"
    "An input of \"-\" is standard input. The output is input.so unless -o says otherwise.\n"
    "Text (.wat) is read too where wasm-tools or wat2wasm is installed.\n"
    "\n"
    "Imports\n"
    "      --bindings FILE          functions the module may import, as JSON:\n"
    "                               { \"module\": { \"import\": \"native_symbol\" } }; "
    "repeatable.\n"
    "                               Without it, no function may be imported\n"
    "      --wasi                   allow the functions of WASI preview 1\n"
    "      --allow-undefined        allow every import; those without a binding are linked\n"
    "                               by module and name when an instance is created\n"
    "\n"
    "Output\n"
    "  -o, --output FILE            where to write; \"-\" is standard output\n"
    "      --emit KIND              so (default), obj, llvm-ir, asm, or header: typed C stubs\n"
    "                               for exports, types of host functions for imports\n"
    "      --header-prefix WORD     what their names begin with (default guest)\n"
    "      --precious DIR           keep intermediate files in DIR\n"
    "\n"
    "Code\n"
    "      --opt-level LEVEL        0 or none, 1 or speed (default), 2 or speed_and_size\n"
    "  -g, --debug-info             backtraces tell offsets in the module and lines of source "
    "(from\n"
    "                               DWARF in the module); debuggers too\n"
    "      --count-instructions     count what is executed, for bounds and for billing\n"
    "      --precise-traps          state and kind of a trap are exact at every instruction\n"
    "      --target TRIPLE          default x86_64-linux-gnu\n"
    "      --target-cpu CPU         default: this machine's\n"
    "      --target-feature LIST    such as +avx2,-fma\n"
    "      --features LIST          what modules may use, such as -simd,-threads or "
    "2.0,+memory64;\n"
    "                               the default is all there is:\n";

static const char more_help[] =
    "\n"
    "Memory (sizes such as 4096, 64KiB, 1MiB, 4GiB)\n"
    "      --reserved-size SIZE     address space of linear memory (default 4GiB)\n"
    "      --min-reserved-size SIZE at least this much\n"
    "      --max-reserved-size SIZE at most this much\n"
    "      --guard-size SIZE        address space behind it that faults (default 4GiB)\n"
    "      --max-memory-size SIZE   refuse modules whose memory begins larger\n"
    "\n"
    "Other\n"
    "  -j, --jobs N                 threads (default: one for each processor)\n"
    "      --time-limit SECONDS     CPU time; 0 for no limit (default: 60, and 60 for each MiB)\n"
    "      --memory-limit SIZE      memory of the compiler; 0 for no limit (default: 1 GiB, and "
    "64\n"
    "                               bytes for each byte of the module)\n"
    "      --error-style STYLE      human (default) or json: one object a line\n"
    "      --input-name NAME        what messages call the input, such as standard input\n"
    "      --version                print the version\n"
    "      --version-info           print versions of all parts and this machine's processor\n"
    "  -h, --help                   print this\n"
    "\n"
    "Exit code: 0, or 1 when the module is refused (no output is left behind), or 2 when the\n"
    "command line is wrong.\n";

/* In lines as long as those around them. */
static void print_features(void)
{
    const int indent = 31, width = 95;
    int column = 0;

    for (unsigned i = 0; lucetc_feature_name(i); i++) {
        const char *name = lucetc_feature_name(i);
        const bool is_last = !lucetc_feature_name(i + 1);
        if (column + (int)strlen(name) + 2 > width || column == 0)
            column = printf("%s%*s", column ? "\n" : "", indent, "") - (column != 0);
        else
            column += printf(" ");
        column += printf("%s%s", name, is_last ? "" : ",");
    }
    printf("\n");
}

void cli_print_help(void)
{
    fputs(help, stdout);
    print_features();
    fputs(more_help, stdout);
}

void cli_print_version_info(void)
{
    printf("lucetc %s\n", lucetc_version());
    printf("llvm: %s\n", lucetc_llvm_version());
    printf("cpu: %s\n", lucetc_host_cpu());
    printf("features: %s\n", lucetc_host_features());
}
