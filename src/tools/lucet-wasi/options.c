#include "lucet/types.h"
#include "tools/common/escape.h"
#include "tools/common/finish.h"
#include "tools/common/option.h"
#include "tools/common/size.h"
#include "tools/lucet-wasi/cli.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum option_id {
    OPT_ENTRYPOINT = 256,
    OPT_INVOKE,
    OPT_DIR,
    OPT_DIR_RO,
    OPT_ENV,
    OPT_INHERIT_ENV,
    OPT_ARGV0,
    OPT_MAX_HEAP,
    OPT_HEAP_SPACE,
    OPT_STACK,
    OPT_TIMEOUT,
    OPT_MAX_INSTRUCTIONS,
    OPT_MAX_THREADS,
    OPT_MAX_TABLE_ENTRIES,
    OPT_MAX_EXCEPTIONS,
    OPT_MAX_DESCRIPTORS,
    OPT_MAX_RESIDENT,
    OPT_REGION,
    OPT_TERMINATE_ON_OOM,
    OPT_OPT_LEVEL,
    OPT_FEATURES,
    OPT_PRECISE_TRAPS,
    OPT_NO_CACHE,
    OPT_CACHE_DIR,
    OPT_TIME,
    OPT_VERSION,
    OPT_LATER, /* known, but not yet there */
};

static const struct option long_options[] = {
    {"entrypoint", required_argument, NULL, OPT_ENTRYPOINT},
    {"invoke", required_argument, NULL, OPT_INVOKE},
    {"dir", required_argument, NULL, OPT_DIR},
    {"dir-ro", required_argument, NULL, OPT_DIR_RO},
    {"env", required_argument, NULL, OPT_ENV},
    {"inherit-env", no_argument, NULL, OPT_INHERIT_ENV},
    {"argv0", required_argument, NULL, OPT_ARGV0},
    {"max-heap-size", required_argument, NULL, OPT_MAX_HEAP},
    {"heap-address-space", required_argument, NULL, OPT_HEAP_SPACE},
    {"stack-size", required_argument, NULL, OPT_STACK},
    {"timeout", required_argument, NULL, OPT_TIMEOUT},
    {"max-instructions", required_argument, NULL, OPT_MAX_INSTRUCTIONS},
    {"max-threads", required_argument, NULL, OPT_MAX_THREADS},
    {"max-table-entries", required_argument, NULL, OPT_MAX_TABLE_ENTRIES},
    {"max-exceptions-size", required_argument, NULL, OPT_MAX_EXCEPTIONS},
    {"max-descriptors", required_argument, NULL, OPT_MAX_DESCRIPTORS},
    {"max-resident-size", required_argument, NULL, OPT_MAX_RESIDENT},
    {"region", required_argument, NULL, OPT_REGION},
    {"terminate-on-heap-oom", no_argument, NULL, OPT_TERMINATE_ON_OOM},
    {"opt-level", required_argument, NULL, OPT_OPT_LEVEL},
    {"features", required_argument, NULL, OPT_FEATURES},
    {"precise-traps", no_argument, NULL, OPT_PRECISE_TRAPS},
    {"debug-info", no_argument, NULL, 'g'},
    {"no-cache", no_argument, NULL, OPT_NO_CACHE},
    {"cache-dir", required_argument, NULL, OPT_CACHE_DIR},
    {"time", no_argument, NULL, OPT_TIME},
    {"version", no_argument, NULL, OPT_VERSION},
    {"help", no_argument, NULL, 'h'},
    {"signature-verify", no_argument, NULL, OPT_LATER},
    {"signature-pk", required_argument, NULL, OPT_LATER},
    {NULL, 0, NULL, 0},
};

static void complain(const char *format, va_list args)
{
    char message[1024], safe[2048];

    vsnprintf(message, sizeof message, format, args);
    fprintf(stderr, "lucet-wasi: %s\n", tool_escape(message, strlen(message), safe, sizeof safe));
}

void cli_complain(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    complain(format, args);
    va_end(args);
}

void cli_usage_error(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    complain(format, args);
    va_end(args);
    fputs("Try \"lucet-wasi --help\".\n", stderr);
    exit(EXIT_USAGE);
}

static void *more(void *array, size_t count, size_t size)
{
    void *grown = reallocarray(array, count + 1, size);
    if (grown == NULL) {
        cli_complain("out of memory");
        exit(EXIT_CANNOT_RUN);
    }
    return grown;
}

static uint64_t parse_size(const char *option, const char *text)
{
    uint64_t size;
    if (!tool_parse_size(text, &size) || size == 0) {
        cli_usage_error("--%s takes a size such as 64KiB or 4GiB, not \"%.100s\"", option, text);
    }
    return size;
}

static uint64_t parse_timeout(const char *text)
{
    uint64_t ms;
    if (!tool_parse_duration(text, &ms) || ms == 0 || ms > UINT32_MAX) {
        cli_usage_error("--timeout takes milliseconds, at least 1, or a time such as 10s or 2m, "
                        "not \"%.100s\"",
                        text);
    }
    return ms;
}

static uint64_t parse_count(const char *option, const char *text, uint64_t min, uint64_t max)
{
    uint64_t n;
    if (!tool_parse_number(text, max, &n) || n < min) {
        cli_usage_error("--%s takes a number from %" PRIu64 " to %" PRIu64 ", not \"%.100s\"",
                        option, min, max, text);
    }
    return n;
}

static bool parse_region(const char *text)
{
    if (strcmp(text, "mmap") != 0 && strcmp(text, "uffd") != 0) {
        cli_usage_error("--region takes one of mmap, uffd, not \"%.100s\"", text);
    }
    return strcmp(text, "uffd") == 0;
}

static const char *parse_opt_level(const char *text)
{
    static const char *const levels[] = {"0", "none", "1", "speed", "2", "speed_and_size"};
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
        if (strcmp(text, levels[i]) == 0) {
            return levels[i / 2 * 2]; /* one word for each, for the cache's sake */
        }
    }
    cli_usage_error("--opt-level takes one of 0, none, 1, speed, 2, speed_and_size, not \"%.100s\"",
                    text);
}

/* "HOST::GUEST", else "HOST:GUEST", else one name for both. */
static void add_dir(struct cli *cli, const char *spec, bool read_only)
{
    const char *sep = strstr(spec, "::");
    size_t sep_len = 2;
    if (sep == NULL) {
        sep = strchr(spec, ':');
        sep_len = 1;
    }
    const size_t host_len = sep ? (size_t)(sep - spec) : strlen(spec);
    const char *guest = sep ? sep + sep_len : spec;
    if (host_len == 0 || guest[0] == '\0') {
        cli_usage_error("--dir takes HOST, HOST::GUEST or HOST:GUEST, not \"%.200s\"", spec);
    }
    cli->dirs = more(cli->dirs, cli->ndirs, sizeof *cli->dirs);
    cli->dirs[cli->ndirs++] = (struct cli_dir){
        .host = strndup(spec, host_len),
        .guest = strdup(guest),
        .read_only = read_only,
    };
}

static void add_env(struct cli *cli, const char *spec)
{
    if (spec[0] == '=' || spec[0] == '\0') {
        cli_usage_error("--env takes NAME=VALUE or NAME, not \"%.200s\"", spec);
    }
    cli->env = more(cli->env, cli->nenv, sizeof *cli->env);
    cli->env[cli->nenv++] = spec;
}

static void parse_option(struct cli *cli, int id, const char *name, const char *argument)
{
    switch (id) {
    case OPT_ENTRYPOINT:
        cli->entrypoint = argument;
        cli->invoke = false;
        break;
    case OPT_INVOKE:
        cli->entrypoint = argument;
        cli->invoke = true;
        break;
    case OPT_DIR: add_dir(cli, argument, false); break;
    case OPT_DIR_RO: add_dir(cli, argument, true); break;
    case OPT_ENV: add_env(cli, argument); break;
    case OPT_INHERIT_ENV: cli->inherit_env = true; break;
    case OPT_ARGV0: cli->argv0 = argument; break;
    case OPT_MAX_HEAP: cli->max_heap = parse_size(name, argument); break;
    case OPT_HEAP_SPACE: cli->heap_space = parse_size(name, argument); break;
    case OPT_STACK: cli->stack = parse_size(name, argument); break;
    case OPT_MAX_INSTRUCTIONS:
        cli->max_instructions = parse_count(name, argument, 1, INT64_MAX);
        break;
    case OPT_MAX_THREADS: cli->max_threads = (uint32_t)parse_count(name, argument, 0, 4096); break;
    case OPT_MAX_TABLE_ENTRIES:
        cli->max_table_entries = parse_count(name, argument, 1, UINT32_MAX);
        break;
    case OPT_MAX_EXCEPTIONS: cli->max_exceptions = parse_size(name, argument); break;
    case OPT_MAX_DESCRIPTORS:
        cli->max_descriptors = (uint32_t)parse_count(name, argument, 8, 1 << 20);
        break;
    case OPT_MAX_RESIDENT: cli->max_resident = parse_size(name, argument); break;
    case OPT_REGION: cli->on_demand = parse_region(argument); break;
    case OPT_TERMINATE_ON_OOM: cli->terminate_on_heap_oom = true; break;
    case OPT_TIMEOUT: cli->timeout = parse_timeout(argument); break;
    case OPT_OPT_LEVEL: cli->opt_level = parse_opt_level(argument); break;
    case OPT_FEATURES: cli->features = argument; break;
    case 'g': cli->debug_info = true; break;
    case OPT_PRECISE_TRAPS: cli->precise_traps = true; break;
    case OPT_NO_CACHE: cli->no_cache = true; break;
    case OPT_CACHE_DIR: cli->cache_dir = argument; break;
    case OPT_TIME: cli->time = true; break;
    case OPT_LATER: cli_usage_error("--%s is not supported by this version", name);
    case OPT_VERSION:
        printf("lucet-wasi %s\n", lucet_version());
        tool_exit("lucet-wasi", EXIT_SUCCESS);
    case 'h': cli_print_help(); tool_exit("lucet-wasi", EXIT_SUCCESS);
    default: abort();
    }
}

void cli_release(struct cli *cli)
{
    for (size_t i = 0; i < cli->ndirs; i++) {
        free(cli->dirs[i].host);
        free(cli->dirs[i].guest);
    }
    free(cli->dirs);
    free(cli->env);
}

void cli_parse(struct cli *cli, int argc, char **argv)
{
    int id, index = -1;

    *cli = (struct cli){
        .entrypoint = "_start",
        .max_heap = UINT64_C(4) << 30,
        .stack = UINT64_C(8) << 20,
        .max_threads = 64,
    };
    opterr = 0;
    /* '+': options end at the module. What follows is the program's. */
    while ((id = getopt_long(argc, argv, "+:gh", long_options, &index)) != -1) {
        if (id == '?' || id == ':') {
            char problem[300];
            cli_usage_error("%s", tool_option_problem(long_options, OPT_LATER, id, argv, problem,
                                                      sizeof problem));
        }
        parse_option(cli, id, index >= 0 ? long_options[index].name : "", optarg);
        index = -1;
    }
    if (optind == argc) {
        cli_usage_error("no program to run");
    }
    if (cli->max_resident && !cli->on_demand) {
        cli_usage_error("--max-resident-size needs --region uffd");
    }
    cli->module = argv[optind++];
    if (optind < argc && strcmp(argv[optind], "--") == 0) {
        optind++;
    }
    cli->args = argv + optind;
}
