/* The benchmark of the runtime: the same work on liblucet and on wasmtime's C library, in one
 * process and in turns, so that whatever else the machine does meets both alike. */
#ifndef LUCET_BENCH_H
#define LUCET_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One engine: what each row of the table calls. Everything but `open` is the timed work itself. A
 * function that an engine does not have is NULL. They end the process with a message when something
 * fails: a benchmark of failures is worth nothing. */
struct engine {
    const char *name;
    /* Compiles or loads the guests found in `folder`; keeps up to `capacity` instances. */
    void (*open)(const char *folder, size_t capacity);

    void (*fresh_small)(void);   /* create, call nop, drop */
    void (*fresh_handler)(void); /* the same, but the function stores and calls through a table */
    void (*fresh_image)(void);   /* the same with a 4 MiB image, of which it dirties 16 pages */
    void (*trap_and_reset)(void);
    void (*trap_and_backtrace)(void); /* and to a state in which it may run again */

    void (*call_by_handle)(unsigned n);
    void (*call_by_stub)(unsigned n);
    void (*call_handler)(unsigned n); /* by the fastest way, a function that stores and calls */
    void (*call_limited)(unsigned n); /* the same with a time limit */
    void (*call_limited_by_host)(unsigned n); /* which the host keeps */
    void (*call_host)(unsigned n);
    void (*call_none)(unsigned n); /* call_host's loop without the calls */

    void (*keep_idle)(size_t n); /* creates n bare instances, and keeps them */

    /* Starts a guest that runs for ever; returns when it was killed. */
    void (*spin)(void);
    /* From another thread; returns at once. */
    void (*kill)(void);
};

extern const struct engine bench_lucet;
extern bool bench_pages_on_demand; /* Lucet's regions are of the userfaultfd kind */
/* The library is loaded from `path`; NULL and a message on stderr: it cannot be. */
const struct engine *bench_wasmtime(const char *path);

/* native.c: work of the machine's alone, for comparison. */
void native_share_nothing(void);
void native_share_a_lock(void);
bool native_can_scan(void); /* what the latter does */

/* What a series of measurements comes to. */
struct sample {
    double median, p99; /* nanoseconds, or what the row says */
    bool there;
};
struct sample sample_of(double *values, size_t n); /* sorts them */

uint64_t bench_now(void); /* nanoseconds */
void bench_die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
/* The whole file; owned by the caller. */
uint8_t *bench_file(const char *folder, const char *name, size_t *size);

#endif
