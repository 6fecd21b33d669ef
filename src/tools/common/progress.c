#include "tools/common/progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { BAR_WIDTH = 40 };

double tool_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

void tool_progress_start(struct tool_progress *p, FILE *to, const char *label)
{
    const char *terminal = getenv("TERM");

    *p = (struct tool_progress){
        .label = label,
        .to = to,
        .enabled = isatty(fileno(to)) && terminal && strcmp(terminal, "dumb") != 0,
        .started = tool_seconds(),
    };
    p->last = p->started;
}

void tool_progress_update(struct tool_progress *p, uint64_t done, uint64_t total)
{
    if (!p->enabled || total == 0)
        return;
    const double now = tool_seconds();
    if (now - p->started < 1.0 || now - p->last < 0.1)
        return;

    const double part = done >= total ? 1.0 : (double)done / (double)total;
    const int filled = (int)(part * BAR_WIDTH);
    char bar[BAR_WIDTH + 1];
    memset(bar, '#', (size_t)filled);
    memset(bar + filled, '.', (size_t)(BAR_WIDTH - filled));
    bar[BAR_WIDTH] = '\0';
    fprintf(p->to, "\r%.32s [%s] %3d %%  %.0f s ", p->label, bar, (int)(part * 100),
            now - p->started);
    fflush(p->to);
    p->last = now;
    p->shown = true;
}

void tool_progress_finish(struct tool_progress *p)
{
    if (p->shown)
        fprintf(p->to, "\r%*s\r", BAR_WIDTH + 60, "");
    p->shown = false;
}
