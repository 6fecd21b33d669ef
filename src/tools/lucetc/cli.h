/* The command line of lucetc. */
#ifndef LUCET_TOOLS_LUCETC_H
#define LUCET_TOOLS_LUCETC_H

#include <stdio.h>

#include "lucet/lucetc.h"

enum { EXIT_REFUSED = 1, EXIT_USAGE = 2 };

struct cli {
    FILE *messages;             /* where errors and progress are shown */
    const char *input, *output; /* "-": standard input, standard output */
    const char *input_name;     /* what messages call the input; NULL: its path */
    char *default_output;       /* what `output` points at when there was no -o, else NULL */
    struct lucetc_options compile;
    const char **bindings; /* files, in the order given */
    size_t nbindings;
    bool wasi;
    bool json_errors;
    /* Bounds for the reservation of memory 0, in bytes; 0 = none given. */
    uint64_t min_reserved, max_reserved, reserved;
    uint64_t time_limit; /* CPU seconds; 0 = none */
    bool has_time_limit;
    uint64_t memory_limit; /* bytes of data of the child that compiles; 0 = none */
    bool has_memory_limit;
};

/* Reads the command line into *cli. Ends the program for --help, --version and usage errors. The
 * strings are argv's, or live as long as the program. */
void cli_parse(struct cli *cli, int argc, char **argv);
/* Says what is wrong with the command line, and exits with EXIT_USAGE. */
_Noreturn void cli_usage_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* What messages call the output. */
const char *cli_output_name(const struct cli *cli);
void cli_print_help(void);
void cli_print_version_info(void);

/* One error on standard error, in the style asked for: `file` is at fault. `d` has at least a kind
 * and a message. */
void report_error(const struct cli *cli, const char *file, const struct lucetc_diagnostic *d);
/* The same for an error that is nothing but words. */
void report_message(const struct cli *cli, const char *file, const char *kind, const char *message);

#endif
