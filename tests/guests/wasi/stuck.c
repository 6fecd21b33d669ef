/* stuck HOW: does not end by itself. */
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <wasi/api.h>

static char buffer[32 << 20];

int main(int argc, char **argv)
{
    const char *how = argc > 1 ? argv[1] : "";
    puts("started");
    fflush(stdout);
    if (strcmp(how, "spin") == 0) {
        for (volatile unsigned i = 0;; i++) {
        }
    } else if (strcmp(how, "read") == 0) {
        (void)!read(0, buffer, 1);
    } else if (strcmp(how, "poll") == 0) {
        struct pollfd p = {.fd = 0, .events = POLLIN};
        poll(&p, 1, -1);
    } else if (strcmp(how, "sleep") == 0) {
        struct timespec t = {.tv_sec = 1000000};
        nanosleep(&t, NULL);
    } else if (strcmp(how, "write") == 0) {
        for (;;) {
            if (write(1, buffer, sizeof(buffer)) < 0) {
                return 1;
            }
        }
    } else if (strcmp(how, "random") == 0) {
        for (;;) {
            if (__wasi_random_get((uint8_t *)buffer, sizeof(buffer))) {
                return 1;
            }
        }
    } else if (strcmp(how, "memory") == 0) {
        for (;;) {
            memset(buffer, how[0], sizeof(buffer));
            __asm__ volatile("" ::: "memory");
        }
    } else if (strcmp(how, "yield") == 0) {
        for (;;) {
            (void)!__wasi_sched_yield();
        }
    }
    puts("went on"); /* after being told to stop: must not be seen */
    return 0;
}
