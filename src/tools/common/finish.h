/* The end of a program: what it has written must have arrived. */
#ifndef LUCET_TOOLS_FINISH_H
#define LUCET_TOOLS_FINISH_H

#include <stdbool.h>

/* Writes out what standard output still holds. False when anything of it was lost (a full disk, a
 * descriptor that is closed), which is said on standard error. */
bool tool_flush(const char *program);
/* Ends the process: with `code`, or 1 when it is 0 and output was lost. */
_Noreturn void tool_exit(const char *program, int code);

#endif
