/* Which system calls are made: rows of the table in docs/embedding.md are held to. */
#ifndef LUCET_TEST_SYSTEM_CALLS_H
#define LUCET_TEST_SYSTEM_CALLS_H

#include <stddef.h>

/* It comes about in a process of its own, whose filter comes between the two functions. */
struct situation {
    const char *row;
    int guest; /* what the functions are given */
    void (*before)(int guest), (*act)(int guest);
};
/* None makes another call than its row has; and each that the row has as always made, unless the
 * kernel is an old one, is missed when it is forbidden. */
void system_calls_expect(const struct situation *situations, size_t n);

#endif
