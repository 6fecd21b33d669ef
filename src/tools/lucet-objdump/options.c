#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lucetc/version.h"
#include "tools/common/escape.h"
#include "tools/common/finish.h"
#include "tools/common/option.h"
#include "tools/lucet-objdump/objdump.h"

static const char help[] =
    "Usage: lucet-objdump [options] module.so\n"
    "\n"
    "Shows what is in an artifact made by lucetc. Without options that select sections, all but\n"
    "trap sites, audit and disassembly are shown.\n"
    "\n"
    "Sections\n"
    "      --headers             what it is, what it assumes of machine, memory and context\n"
    "      --imports             required native symbols, imports with their types\n"
    "      --exports             exports with their types\n"
    "      --functions           types, functions, helpers\n"
    "      --entities            tables, memories, globals, tags\n"
    "      --segments            element and data segments, nonzero pages of initial memory\n"
    "      --traps               trap manifest with every site\n"
    "      --audit[=verbose]     prove of the machine code what can be proved; with verbose,\n"
    "                            every finding\n"
    "      --disassemble[=FUNC]  all code, or one function by name, export or number\n"
    "\n"
    "Other\n"
    "      --json                JSON instead of text\n"
    "      --version             print the version\n"
    "  -h, --help                print this\n"
    "\n"
    "Names from the module are escaped: \\n, \\t, \\r, \\\\ and \\xNN stand for what is not\n"
    "printable ASCII.\n"
    "\n"
    "Exit code: 0; 1 when the file is damaged or no artifact; 2 when the command line is wrong;\n"
    "3 when the audit finds violations.\n";

enum option_id {
    OPT_AUDIT = 256,
    OPT_DISASSEMBLE,
    OPT_JSON,
    OPT_VERSION,
    OPT_SECTIONS = 512, /* + enum section_flag */
};

#define SECTION_OPTION(name, flags) {name, no_argument, NULL, OPT_SECTIONS + (flags)}
static const struct option long_options[] = {
    SECTION_OPTION("headers", SECTION_HEADERS),
    SECTION_OPTION("imports", SECTION_IMPORTS),
    SECTION_OPTION("exports", SECTION_EXPORTS),
    SECTION_OPTION("functions", SECTION_FUNCTIONS),
    SECTION_OPTION("entities", SECTION_ENTITIES),
    SECTION_OPTION("segments", SECTION_SEGMENTS),
    SECTION_OPTION("traps", SECTION_TRAP_COUNTS | SECTION_TRAPS),
    {"audit", optional_argument, NULL, OPT_AUDIT},
    {"disassemble", optional_argument, NULL, OPT_DISASSEMBLE},
    {"json", no_argument, NULL, OPT_JSON},
    {"version", no_argument, NULL, OPT_VERSION},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static _Noreturn void usage_error(const char *what)
{
    char safe[1024];

    fprintf(stderr, "lucet-objdump: %s\nTry \"lucet-objdump --help\".\n",
            tool_escape(what, strlen(what), safe, sizeof safe));
    exit(EXIT_USAGE);
}

static void apply(struct options *o, int id)
{
    switch (id) {
    case 'h': fputs(help, stdout); tool_exit("lucet-objdump", EXIT_OK);
    case OPT_VERSION: puts("lucet-objdump " LUCETC_VERSION); tool_exit("lucet-objdump", EXIT_OK);
    case OPT_JSON: o->json = true; break;
    case OPT_AUDIT:
        o->sections |= SECTION_AUDIT;
        if (optarg && strcmp(optarg, "verbose") != 0)
            usage_error("--audit takes nothing or \"verbose\"");
        o->verbose_audit = optarg != NULL;
        break;
    case OPT_DISASSEMBLE:
        o->sections |= SECTION_DISASSEMBLY;
        o->disassemble = optarg;
        break;
    default: o->sections |= (unsigned)(id - OPT_SECTIONS); break;
    }
}

void parse_options(struct options *out, int argc, char **argv)
{
    int id;

    *out = (struct options){0};
    opterr = 0;
    while ((id = getopt_long(argc, argv, ":h", long_options, NULL)) != -1) {
        char problem[300];
        if (id == '?' || id == ':')
            usage_error(tool_option_problem(long_options, 0, id, argv, problem, sizeof problem));
        apply(out, id);
    }
    if (optind == argc)
        usage_error("no input file");
    if (optind + 1 < argc)
        usage_error("more than one input file");
    out->path = argv[optind];
    if (out->sections == 0)
        out->sections = SECTION_DEFAULT;
    if (out->json && out->sections & SECTION_DISASSEMBLY)
        usage_error("--disassemble has no JSON form");
}
