/* Names from outside, for terminals. */
#ifndef LUCET_RUNTIME_NAMES_H
#define LUCET_RUNTIME_NAMES_H

#include <stddef.h>

/* names.c: copies `size` bytes for terminals: what is not printable UTF-8 becomes \xNN, what does
 * not fit is cut and marked. Returns buf. */
#define LUCET__NAME_MAX 256u
const char *lucet__printable(char *buf, size_t room, const char *name, size_t size);

#endif
