#include "tools/common/finish.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool tool_flush(const char *program)
{
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return true;
    fprintf(stderr, "%s: standard output: %s\n", program,
            errno ? strerror(errno) : "not all could be written");
    return false;
}

void tool_exit(const char *program, int code)
{
    const bool arrived = tool_flush(program);
    exit(arrived || code != 0 ? code : EXIT_FAILURE);
}
