/* Where the output goes. */
#ifndef LUCET_TOOLS_LUCETC_OUTPUT_H
#define LUCET_TOOLS_LUCETC_OUTPUT_H

#include "tools/lucetc/cli.h"

struct output {
    char *dir;    /* owned; a directory of our own: beside the output, or among temporary files */
    char *file;   /* owned; what to write, in it */
    bool special; /* a pipe, a terminal, a device: the file is copied there, not renamed */
};

/* False when there is no place for temporary files (reported). */
bool output_prepare(struct output *o, const struct cli *cli);
/* Puts the finished file where cli->output says. False, and reported, when that fails. */
bool output_deliver(const struct output *o, const struct cli *cli);
/* Removes everything temporary. */
void output_discard(struct output *o);

#endif
