/* What is wrong with an option that getopt_long() does not take, in words. */
#ifndef LUCET_TOOLS_OPTION_H
#define LUCET_TOOLS_OPTION_H

#include <getopt.h>
#include <stddef.h>

/* After getopt_long() has answered '?' or ':' (`verdict`; its short options begin with ':' or "+:",
 * opterr is 0). Options that are understood but not offered have the value `hidden` and are never
 * suggested. Returns `text`, of `size` bytes; what the command line says is in it as it is. */
const char *tool_option_problem(const struct option *options, int hidden, int verdict, char **argv,
                                char *text, size_t size);

#endif
