#include "tools/common/escape.h"
#include "tools/common/finish.h"
#include "tools/common/option.h"
#include "tools/common/size.h"
#include "tools/lucetc/cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum option_id {
    OPT_BINDINGS = 256,
    OPT_WASI,
    OPT_ALLOW_UNDEFINED,
    OPT_EMIT,
    OPT_OPT_LEVEL,
    OPT_TARGET,
    OPT_TARGET_CPU,
    OPT_TARGET_FEATURE,
    OPT_RESERVED,
    OPT_MIN_RESERVED,
    OPT_MAX_RESERVED,
    OPT_GUARD,
    OPT_MAX_MEMORY,
    OPT_FEATURES,
    OPT_PRECISE_TRAPS,
    OPT_COUNT,
    OPT_PRECIOUS,
    OPT_HEADER_PREFIX,
    OPT_ERROR_STYLE,
    OPT_INPUT_NAME,
    OPT_TIME_LIMIT,
    OPT_MEMORY_LIMIT,
    OPT_VERSION,
    OPT_VERSION_INFO,
    OPT_LATER, /* known, but not yet there */
};

static const struct option long_options[] = {
    {"output", required_argument, NULL, 'o'},
    {"jobs", required_argument, NULL, 'j'},
    {"debug-info", no_argument, NULL, 'g'},
    {"help", no_argument, NULL, 'h'},
    {"bindings", required_argument, NULL, OPT_BINDINGS},
    {"wasi", no_argument, NULL, OPT_WASI},
    {"allow-undefined", no_argument, NULL, OPT_ALLOW_UNDEFINED},
    {"emit", required_argument, NULL, OPT_EMIT},
    {"opt-level", required_argument, NULL, OPT_OPT_LEVEL},
    {"target", required_argument, NULL, OPT_TARGET},
    {"target-cpu", required_argument, NULL, OPT_TARGET_CPU},
    {"target-feature", required_argument, NULL, OPT_TARGET_FEATURE},
    {"reserved-size", required_argument, NULL, OPT_RESERVED},
    {"min-reserved-size", required_argument, NULL, OPT_MIN_RESERVED},
    {"max-reserved-size", required_argument, NULL, OPT_MAX_RESERVED},
    {"guard-size", required_argument, NULL, OPT_GUARD},
    {"max-memory-size", required_argument, NULL, OPT_MAX_MEMORY},
    {"features", required_argument, NULL, OPT_FEATURES},
    {"precise-traps", no_argument, NULL, OPT_PRECISE_TRAPS},
    {"count-instructions", no_argument, NULL, OPT_COUNT},
    {"precious", required_argument, NULL, OPT_PRECIOUS},
    {"header-prefix", required_argument, NULL, OPT_HEADER_PREFIX},
    {"error-style", required_argument, NULL, OPT_ERROR_STYLE},
    {"input-name", required_argument, NULL, OPT_INPUT_NAME},
    {"time-limit", required_argument, NULL, OPT_TIME_LIMIT},
    {"memory-limit", required_argument, NULL, OPT_MEMORY_LIMIT},
    {"version", no_argument, NULL, OPT_VERSION},
    {"version-info", no_argument, NULL, OPT_VERSION_INFO},
    {"witx", required_argument, NULL, OPT_LATER},
    {"wasi_exe", no_argument, NULL, OPT_LATER},
    {"signature-keygen", no_argument, NULL, OPT_LATER},
    {"signature-create", no_argument, NULL, OPT_LATER},
    {"signature-verify", no_argument, NULL, OPT_LATER},
    {"signature-pk", required_argument, NULL, OPT_LATER},
    {"signature-sk", required_argument, NULL, OPT_LATER},
    {"veriwasm", no_argument, NULL, OPT_LATER},
    {NULL, 0, NULL, 0},
};

/* A word and what it stands for. */
struct choice {
    const char *word;
    int value;
};
static const struct choice emit_choices[] = {
    {"so", lucetc_emit_so},   {"obj", lucetc_emit_obj},       {"llvm-ir", lucetc_emit_llvm_ir},
    {"asm", lucetc_emit_asm}, {"header", lucetc_emit_header}, {NULL, 0},
};
static const struct choice opt_choices[] = {
    {"0", lucetc_opt_none},
    {"none", lucetc_opt_none},
    {"1", lucetc_opt_speed},
    {"speed", lucetc_opt_speed},
    {"2", lucetc_opt_speed_and_size},
    {"speed_and_size", lucetc_opt_speed_and_size},
    {NULL, 0},
};
static const struct choice style_choices[] = {{"human", 0}, {"json", 1}, {NULL, 0}};

void cli_usage_error(const char *format, ...)
{
    char message[512], safe[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    fprintf(stderr, "lucetc: %s\nTry \"lucetc --help\".\n",
            tool_escape(message, strlen(message), safe, sizeof safe));
    exit(EXIT_USAGE);
}

static int parse_choice(const char *option, const struct choice *choices, const char *word)
{
    char allowed[128] = "";

    for (const struct choice *c = choices; c->word; c++) {
        const size_t used = strlen(allowed);
        if (strcmp(c->word, word) == 0)
            return c->value;
        snprintf(allowed + used, sizeof allowed - used, "%s%s", used ? ", " : "", c->word);
    }
    cli_usage_error("--%s takes one of %s, not \"%.100s\"", option, allowed, word);
}

static uint64_t parse_size(const char *option, const char *text)
{
    uint64_t size;

    if (!tool_parse_size(text, &size) || size == 0)
        cli_usage_error("--%s takes a size such as 64KiB or 4GiB, not \"%.100s\"", option, text);
    return size;
}

static unsigned parse_jobs(const char *text)
{
    uint64_t jobs;

    if (!tool_parse_number(text, 1024, &jobs) || jobs == 0)
        cli_usage_error("-j takes a number from 1 to 1024, not \"%.100s\"", text);
    return (unsigned)jobs;
}

static const char *parse_features(const char *list)
{
    char message[200];

    if (lucetc_features_check(list, message, sizeof message) != lucet_error_ok)
        cli_usage_error("--%s", message);
    return list;
}

static void add_bindings(struct cli *cli, const char *path)
{
    const char **more = realloc(cli->bindings, (cli->nbindings + 1) * sizeof *more);

    if (!more) {
        fprintf(stderr, "lucetc: out of memory\n");
        exit(EXIT_REFUSED);
    }
    more[cli->nbindings++] = path;
    cli->bindings = more;
}

/* Options that only set a value in the library's options. False for any other. */
static bool parse_code_option(struct lucetc_options *o, int id, const char *name,
                              const char *argument)
{
    switch (id) {
    case 'j': o->jobs = parse_jobs(argument); return true;
    case OPT_ALLOW_UNDEFINED: o->allow_undefined = true; return true;
    case OPT_EMIT:
        o->emit = (enum lucetc_emit)parse_choice(name, emit_choices, argument);
        return true;
    case OPT_OPT_LEVEL:
        o->opt_level = (enum lucetc_opt_level)parse_choice(name, opt_choices, argument);
        return true;
    case OPT_TARGET: o->target = argument; return true;
    case OPT_TARGET_CPU: o->target_cpu = argument; return true;
    case OPT_TARGET_FEATURE: o->target_feature = argument; return true;
    case OPT_FEATURES: o->features = parse_features(argument); return true;
    case OPT_GUARD: o->guard_size = parse_size(name, argument); return true;
    case OPT_MAX_MEMORY: o->max_memory_size = parse_size(name, argument); return true;
    case OPT_PRECISE_TRAPS: o->precise_traps = true; return true;
    case 'g': o->debug_info = true; return true;
    case OPT_COUNT: o->count_instructions = true; return true;
    case OPT_PRECIOUS: o->precious = argument; return true;
    case OPT_HEADER_PREFIX: o->header_prefix = argument; return true;
    default: return false;
    }
}

static void parse_option(struct cli *cli, int id, const char *name, const char *argument)
{
    if (parse_code_option(&cli->compile, id, name, argument))
        return;
    switch (id) {
    case 'o': cli->output = argument; break;
    case OPT_BINDINGS: add_bindings(cli, argument); break;
    case OPT_WASI: cli->wasi = true; break;
    case OPT_RESERVED: cli->reserved = parse_size(name, argument); break;
    case OPT_MIN_RESERVED: cli->min_reserved = parse_size(name, argument); break;
    case OPT_MAX_RESERVED: cli->max_reserved = parse_size(name, argument); break;
    case OPT_ERROR_STYLE: cli->json_errors = parse_choice(name, style_choices, argument); break;
    case OPT_INPUT_NAME: cli->input_name = argument; break;
    case OPT_TIME_LIMIT:
        if (!tool_parse_number(argument, UINT32_MAX, &cli->time_limit))
            cli_usage_error("--time-limit takes a number of seconds, not \"%.100s\"", argument);
        cli->has_time_limit = true;
        break;
    case OPT_MEMORY_LIMIT:
        cli->memory_limit = strcmp(argument, "0") == 0 ? 0 : parse_size(name, argument);
        cli->has_memory_limit = true;
        break;
    case OPT_LATER: cli_usage_error("--%s is not supported by this version", name);
    case 'h': cli_print_help(); tool_exit("lucetc", EXIT_SUCCESS);
    case OPT_VERSION: printf("lucetc %s\n", lucetc_version()); tool_exit("lucetc", EXIT_SUCCESS);
    case OPT_VERSION_INFO: cli_print_version_info(); tool_exit("lucetc", EXIT_SUCCESS);
    default: abort();
    }
}

/* "dir/input.wasm" (or .wat) -> "input.so", like the object file of a C compiler. */
static char *default_output(const struct cli *cli)
{
    static const char *const suffixes[] = {
        [lucetc_emit_so] = ".so", [lucetc_emit_obj] = ".o",    [lucetc_emit_llvm_ir] = ".ll",
        [lucetc_emit_asm] = ".s", [lucetc_emit_header] = ".h",
    };
    const char *slash = strrchr(cli->input, '/'), *base = slash ? slash + 1 : cli->input;
    const size_t length = strlen(base);
    const char *dot = strrchr(base, '.');
    const bool known = dot && dot > base && (strcmp(dot, ".wasm") == 0 || strcmp(dot, ".wat") == 0);
    const size_t stem = known ? (size_t)(dot - base) : length;
    char *name;

    if (asprintf(&name, "%.*s%s", (int)stem, base, suffixes[cli->compile.emit]) < 0)
        abort();
    return name;
}

const char *cli_output_name(const struct cli *cli)
{
    return strcmp(cli->output, "-") == 0 ? "standard output" : cli->output;
}

/* One reservation out of the three options: what was asked for, or the default, within the
 * bounds. */
static uint64_t reservation(const struct cli *cli)
{
    uint64_t size = cli->reserved ? cli->reserved : UINT64_C(4) << 30;

    if (cli->min_reserved && cli->max_reserved && cli->min_reserved > cli->max_reserved)
        cli_usage_error("--min-reserved-size is more than --max-reserved-size");
    if (cli->min_reserved > size)
        size = cli->min_reserved;
    if (cli->max_reserved && cli->max_reserved < size)
        size = cli->max_reserved;
    if (cli->reserved && size != cli->reserved)
        cli_usage_error("--reserved-size is not between --min-reserved-size and "
                        "--max-reserved-size");
    return size;
}

void cli_parse(struct cli *cli, int argc, char **argv)
{
    int id, index = -1;

    *cli = (struct cli){.messages = stderr, .compile = lucetc_options_default()};
    opterr = 0;
    while ((id = getopt_long(argc, argv, ":o:j:gh", long_options, &index)) != -1) {
        if (id == '?' || id == ':') {
            char problem[300];
            cli_usage_error("%s", tool_option_problem(long_options, OPT_LATER, id, argv, problem,
                                                      sizeof problem));
        }
        parse_option(cli, id, index >= 0 ? long_options[index].name : "", optarg);
        index = -1;
    }
    if (optind == argc)
        cli_usage_error("no input file");
    if (argc - optind > 1)
        cli_usage_error("more than one input file: \"%.100s\" and \"%.100s\"", argv[optind],
                        argv[optind + 1]);
    cli->input = argv[optind];
    if (!cli->output && strcmp(cli->input, "-") == 0)
        cli_usage_error("standard input needs -o: the output has no name otherwise");
    if (!cli->output)
        cli->output = cli->default_output = default_output(cli);
    if (cli->reserved || cli->min_reserved || cli->max_reserved)
        cli->compile.reserved_size = reservation(cli);
}
