/* A progress bar on a terminal, for work that takes longer than a moment. */
#ifndef LUCET_TOOLS_PROGRESS_H
#define LUCET_TOOLS_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct tool_progress {
    const char *label; /* shown before the bar; escaped, short */
    FILE *to;          /* standard error, as a rule */
    bool enabled;      /* it is a terminal that can go back in a line */
    bool shown;        /* there is something to wipe away */
    double started;    /* seconds of the monotonic clock */
    double last;       /* when it was last drawn */
};

/* Starts the clock. Nothing is shown before a second has passed, nor when `to` is no terminal. */
void tool_progress_start(struct tool_progress *p, FILE *to, const char *label);
/* `done` of `total` is finished. Cheap: draws ten times a second at most. */
void tool_progress_update(struct tool_progress *p, uint64_t done, uint64_t total);
/* Wipes the bar away. */
void tool_progress_finish(struct tool_progress *p);

/* Seconds of the monotonic clock. */
double tool_seconds(void);

#endif
