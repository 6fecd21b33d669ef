/* The command line of lucet-wasi. */
#ifndef LUCET_TOOLS_WASI_CLI_H
#define LUCET_TOOLS_WASI_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    EXIT_CANNOT_RUN = 1, /* the module was refused, or has nothing to run */
    EXIT_USAGE = 2,
    EXIT_TIMEOUT = 124, /* as coreutils' timeout; instructions, too */
    EXIT_TRAPPED = 134, /* as a shell says of a program that aborted */
};

struct cli_dir {
    char *host, *guest;
    bool read_only;
};

struct cli {
    const char *module; /* "-": standard input */
    char **args;        /* behind the module, NULL-terminated */
    const char *entrypoint;
    bool invoke; /* the entrypoint is a function whose arguments are `args` */

    struct cli_dir *dirs;
    size_t ndirs;
    const char **env; /* "K=V", or "K" to be passed on */
    size_t nenv;
    bool inherit_env;
    const char *argv0; /* NULL = the module's name */

    uint64_t max_heap, heap_space, stack; /* bytes; heap_space 0 = what the module needs */
    uint64_t max_resident;                /* bytes; 0 = none; of regions with pages on demand */
    uint64_t max_exceptions;              /* bytes; 0 = the runtime's default, as the next two */
    uint64_t max_table_entries;
    uint32_t max_descriptors;
    uint64_t max_instructions; /* 0 = they are not counted */
    uint64_t timeout;          /* ms; 0 = none */
    uint32_t max_threads;      /* besides the first */
    bool on_demand;            /* its memory's pages are provided by the runtime */
    bool terminate_on_heap_oom;

    const char *opt_level; /* for lucetc; NULL = its default */
    const char *features;  /* for lucetc, NULL = its default */
    bool precise_traps, debug_info;
    bool no_cache;
    const char *cache_dir; /* NULL = from the environment */

    bool time;        /* say how long it took */
    uint64_t started; /* when this program was, ns of CLOCK_MONOTONIC */
};

/* Ends the program for --help, --version and usage errors. Strings are argv's or live for ever. */
void cli_parse(struct cli *cli, int argc, char **argv);
void cli_release(struct cli *cli);
_Noreturn void cli_usage_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* "lucet-wasi: " and a message, made fit for terminals, to standard error. */
void cli_complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
void cli_print_help(void);

#endif
