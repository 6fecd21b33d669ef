/* Running a program to its end, with what it says. */
#ifndef LUCETC_CHILD_H
#define LUCETC_CHILD_H

#include <stdbool.h>

struct child {
    const char *failed; /* what could not be done, such as "started"; NULL: it ran to its end */
    int error;          /* the errno of that */
    int status;         /* else of waitpid() */
    char said[360];     /* what it wrote, on one line: its beginning and its end */
};

/* argv[0] is looked for in PATH. */
void child_run(char *const argv[], struct child *child);

/* Whether it ended, or never began, because there was no memory, as far as can be told. */
bool child_lacked_memory(const struct child *child);

#endif
