/* No test fails because the machine is slow, busy or small, or stands still for seconds.
 *
 * - What must happen is waited for, and only what takes as long as PATIENCE has not happened.
 * - What is to meet something by chance, or in time, is tried until it has, so often or so long.
 * - How long something may take is said by what was measured in the same run. */
#ifndef LUCET_TEST_PATIENCE_H
#define LUCET_TEST_PATIENCE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { PATIENCE = 100 }; /* seconds */

static inline double patience_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Until it is so; it is looked at afterwards once more. */
#define AWAIT(condition)                                                                           \
    do {                                                                                           \
        const double until_ = patience_now() + PATIENCE;                                           \
        while (!(condition) && patience_now() < until_)                                            \
            usleep(500);                                                                           \
        assert_true(condition);                                                                    \
    } while (0)

/* A time limit, of which there are longer and longer ones, for what has to be done within it:
 *     for (uint64_t ms = 20; !done(ms); ms = longer(ms))
 * On a machine that never has the time the last one fails the test. */
static inline uint64_t longer(uint64_t milliseconds)
{
    assert_true(milliseconds < PATIENCE * 1000);
    return milliseconds * 2;
}

#endif
