/* bench-runtime GUESTS [--wasmtime LIBRARY] [--json] [--quick] [--only ROW] [--uffd]
 *
 * Measures each row on both engines in turns and prints a table, or JSON.
 * Exit status 1: a bar was missed. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "table.h"

#define IDLE 10000u
#define CAPACITY 128u

static const struct engine *engines[ENGINES]; /* the peer may be NULL */
static const char *guests;
static bool quick;
static double clock_cost;

static size_t repetitions(size_t n)
{
    return quick ? n / 20 + 2 : n;
}

/* ---- What is measured operation by operation ---- */

typedef void work(void);
typedef void loop(unsigned n);

static void *work_of(const struct engine *e, const struct row *row)
{
    return *(void *const *)(const void *)((const char *)e + row->offset);
}

static double once(work *f)
{
    uint64_t before = bench_now();

    f();
    double ns = (double)(bench_now() - before) - clock_cost;
    return ns > 0 ? ns : 0;
}

/* In turns of a hundred: caches are warm, and whatever disturbs meets both. */
static void each_operation(const struct row *row, struct sample out[ENGINES])
{
    enum { TURN = 100 };
    const size_t turns = repetitions(200);
    double *values[ENGINES];

    for (int e = 0; e < ENGINES; e++)
        values[e] = malloc(turns * TURN * sizeof(double));
    for (size_t turn = 0; turn < turns; turn++)
        for (int e = 0; e < ENGINES; e++) {
            work *f = engines[e] ? (work *)(uintptr_t)work_of(engines[e], row) : NULL;
            for (size_t i = 0; f && i < TURN + 5; i++) {
                double ns = once(f);
                if (i >= 5) /* after warming up */
                    values[e][turn * TURN + i - 5] = ns;
            }
        }
    for (int e = 0; e < ENGINES; e++) {
        if (engines[e] && work_of(engines[e], row))
            out[e] = sample_of(values[e], turns * TURN);
        free(values[e]);
    }
}

/* ---- What takes nanoseconds: loops ---- */

/* Nanoseconds of one of its rounds. */
static double one_loop(const struct engine *e, const struct row *row)
{
    enum { LOOP = 2000 };
    loop *f = (loop *)(uintptr_t)work_of(e, row);
    uint64_t before = bench_now();

    f(LOOP);
    return ((double)(bench_now() - before) - clock_cost) / LOOP;
}

static void loops(const struct row *row, struct sample out[ENGINES])
{
    const size_t turns = repetitions(1000);
    double *values[ENGINES];

    for (int e = 0; e < ENGINES; e++)
        values[e] = malloc(turns * sizeof(double));
    for (size_t turn = 0; turn < turns; turn++)
        for (int e = 0; e < ENGINES; e++) {
            if (engines[e] && work_of(engines[e], row))
                values[e][turn] = one_loop(engines[e], row);
        }
    for (int e = 0; e < ENGINES; e++) {
        if (engines[e] && work_of(engines[e], row))
            out[e] = sample_of(values[e], turns);
        free(values[e]);
    }
}

/* Host calls, less the loop that makes them. */
static void host_calls(const struct row *row, struct sample out[ENGINES])
{
    const struct row empty = {.offset = offsetof(struct engine, call_none)};
    struct sample without[ENGINES] = {0};

    loops(row, out);
    loops(&empty, without);
    for (int e = 0; e < ENGINES; e++) {
        out[e].median -= without[e].median;
        out[e].p99 -= without[e].median;
    }
}

/* ---- What a call through a pointer costs, for comparison ---- */

static uint32_t __attribute__((noinline)) add(uint32_t a, uint32_t b)
{
    return a + b;
}

static void indirect(unsigned n)
{
    uint32_t (*volatile f)(uint32_t, uint32_t) = add;

    for (unsigned i = 0; i < n; i++)
        f(i, 1);
}

/* Measures what is no engine's in the place of Lucet's. */
static void natively(const struct engine *native,
                     void (*measure)(const struct row *row, struct sample out[ENGINES]),
                     const struct row *row, struct sample out[ENGINES])
{
    const struct engine *const saved[ENGINES] = {engines[LUCET], engines[PEER]};

    engines[LUCET] = native;
    engines[PEER] = NULL;
    measure(row, out);
    engines[LUCET] = saved[LUCET];
    engines[PEER] = saved[PEER];
}

static void indirect_calls(const struct row *row, struct sample out[ENGINES])
{
    natively(&(const struct engine){.call_by_stub = indirect}, loops, row, out);
}

/* In turns, so that both meet the machine as quick as it is just then. */
static void more_than_a_function(const struct row *row, struct sample out[ENGINES])
{
    const struct engine function = {.call_by_stub = indirect};
    const struct engine *const pair[] = {engines[LUCET], &function};
    const size_t turns = repetitions(1000);
    double *values = malloc(turns * sizeof(double));

    for (size_t turn = 0; turn < turns; turn++)
        values[turn] = one_loop(pair[0], row) - one_loop(pair[1], row);
    out[LUCET] = sample_of(values, turns);
    free(values);
}

/* ---- All cores at once ---- */

struct crowd {
    work *work;
    uint64_t until;
    atomic_uint_least64_t done;
};

static void *busy(void *p)
{
    struct crowd *c = p;
    uint64_t done = 0;

    while (bench_now() < c->until)
        for (unsigned i = 0; i < 20; i++, done++)
            c->work();
    atomic_fetch_add(&c->done, done);
    return NULL;
}

static double throughput(work *f, long nthreads)
{
    pthread_t threads[256];
    const uint64_t time = quick ? 20000000u : 100000000u;
    struct crowd c = {.work = f, .until = bench_now() + time};

    for (long i = 0; i < nthreads; i++)
        if (pthread_create(&threads[i], NULL, busy, &c) != 0)
            bench_die("no threads");
    for (long i = 0; i < nthreads; i++)
        pthread_join(threads[i], NULL);
    return (double)atomic_load(&c.done) / (double)time * 1e9;
}

/* Processes of one thread each, which share nothing. */
static double throughput_of_processes(work *f, long n)
{
    double all = 0, one;
    int ends[2];

    if (pipe(ends) != 0)
        bench_die("no pipe");
    for (long i = 0; i < n; i++)
        if (fork() == 0) {
            one = throughput(f, 1);
            _exit(write(ends[1], &one, sizeof(one)) != sizeof(one));
        }
    close(ends[1]);
    while (read(ends[0], &one, sizeof(one)) == sizeof(one))
        all += one;
    close(ends[0]);
    while (wait(NULL) > 0)
        ;
    return all;
}

/* Throughput of all cores over that of one; the best of several: others on the machine only ever
 * make it less. */
static void scaling_of(int e, const struct row *row, double (*throughput_of_all)(work *, long),
                       struct sample out[ENGINES])
{
    work *f = engines[e] ? (work *)(uintptr_t)work_of(engines[e], row) : NULL;
    const size_t turns = repetitions(20);
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    double one = 0, all = 0;

    cores = cores > 256 ? 256 : cores;
    for (size_t i = 0; f && i < turns; i++) {
        double now = throughput(f, 1);
        one = now > one ? now : one;
        now = throughput_of_all(f, cores);
        all = now > all ? now : all;
    }
    if (f)
        out[e] = (struct sample){all / one, all, true};
}

static void scaling(const struct row *row, struct sample out[ENGINES])
{
    for (int e = 0; e < ENGINES; e++)
        scaling_of(e, row, throughput, out);
}

/* Engines of others may have threads, which a child of a fork has not. */
static void scaling_of_processes(const struct row *row, struct sample out[ENGINES])
{
    scaling_of(LUCET, row, throughput_of_processes, out);
}

static void scaling_of_machine(const struct row *row, struct sample out[ENGINES])
{
    natively(&(const struct engine){.fresh_small = native_share_nothing}, scaling, row, out);
}

static void scaling_of_kernel(const struct row *row, struct sample out[ENGINES])
{
    if (native_can_scan())
        natively(&(const struct engine){.fresh_small = native_share_a_lock}, scaling, row, out);
}

/* ---- Memory ---- */

static double resident(const char *field)
{
    char line[256];
    double kib = 0;
    FILE *f = fopen("/proc/self/status", "r");

    while (f && fgets(line, sizeof(line), f))
        if (strncmp(line, field, strlen(field)) == 0)
            kib = strtod(line + strlen(field), NULL);
    if (f)
        fclose(f);
    return kib * 1024;
}

/* In a child: an engine is opened for many instances, 10,000 are made, and all live. */
static double idle_size(const struct engine *e)
{
    int ends[2];
    double size = -1;

    if (pipe(ends) != 0)
        bench_die("no pipe");
    pid_t child = fork();
    if (child == 0) {
        e->open(guests, IDLE + CAPACITY);
        e->keep_idle(1);
        double before = resident("VmRSS:");
        e->keep_idle(IDLE);
        size = (resident("VmRSS:") - before) / IDLE;
        _exit(write(ends[1], &size, sizeof(size)) != sizeof(size));
    }
    close(ends[1]);
    if (read(ends[0], &size, sizeof(size)) != sizeof(size))
        size = -1;
    close(ends[0]);
    waitpid(child, NULL, 0);
    return size;
}

/* Before this process has engines, which may have threads: a child has only the one that forked. */
static struct sample idle_sizes[ENGINES];

static void measure_idle_sizes(void)
{
    for (int e = 0; e < ENGINES; e++) {
        double size = engines[e] ? idle_size(engines[e]) : -1;
        idle_sizes[e] = (struct sample){size, size, size >= 0};
    }
}

static void memory(const struct row *row, struct sample out[ENGINES])
{
    (void)row;
    memcpy(out, idle_sizes, sizeof(idle_sizes));
}

/* ---- Stopping ---- */

struct victim {
    const struct engine *engine;
    atomic_int round, ready;
    int rounds;
    atomic_uint_least64_t fired;
};

static void *killer(void *p)
{
    struct victim *v = p;

    for (int i = 1; i <= v->rounds; i++) {
        while (atomic_load(&v->ready) < i)
            usleep(50);
        do { /* again when it was not in the guest by then */
            usleep(300);
            if (atomic_load(&v->round) >= i)
                break;
            atomic_store(&v->fired, bench_now());
            v->engine->kill();
            for (int k = 0; k < 200 && atomic_load(&v->round) < i; k++)
                usleep(50);
        } while (atomic_load(&v->round) < i);
    }
    return NULL;
}

static void kills(const struct row *row, struct sample out[ENGINES])
{
    const int rounds = (int)repetitions(2000);
    double *values = malloc((size_t)rounds * sizeof(double));

    (void)row;
    for (int e = 0; e < ENGINES; e++) {
        struct victim v = {.engine = engines[e], .rounds = rounds};
        pthread_t thread;
        if (!engines[e])
            continue;
        if (pthread_create(&thread, NULL, killer, &v) != 0)
            bench_die("no threads");
        for (int i = 0; i < rounds; i++) {
            atomic_store(&v.ready, i + 1);
            v.engine->spin();
            values[i] = (double)(bench_now() - atomic_load(&v.fired));
            atomic_store(&v.round, i + 1);
        }
        pthread_join(thread, NULL);
        out[e] = sample_of(values, (size_t)rounds);
    }
    free(values);
}

/* ---- The table ---- */

#define WORK(name) .offset = offsetof(struct engine, name)
#define NONE {NO_LIMIT, 0}
static const struct row rows[] = {
    {"fresh-small", "create, call nop, drop", "ns", 3, false, each_operation, WORK(fresh_small),
     NONE},
    {"fresh-handler", "the same, of a function that stores and calls", "ns", 0, false,
     each_operation, WORK(fresh_handler), NONE},
    {"fresh-image", "the same, 4 MiB image, 16 pages dirtied", "ns", 2, false, each_operation,
     WORK(fresh_image), NONE},
    {"scaling",
     "all cores at once: times one core (p99: per second)",
     "x",
     0,
     true,
     scaling,
     WORK(fresh_small),
     {MEDIAN_AT_LEAST, 1.8}},
    {"scaling-processes", "(the same in a process for each core)", "x", 0, true,
     scaling_of_processes, WORK(fresh_small), NONE},
    {"scaling-handler", "the same, of a function that stores and calls", "x", 0, true, scaling,
     WORK(fresh_handler), NONE},
    {"scaling-kernel", "(the same of one scan for dirty pages each)", "x", 0, true,
     scaling_of_kernel, WORK(fresh_small), NONE},
    {"scaling-machine", "(the same of work that shares nothing)", "x", 0, true, scaling_of_machine,
     WORK(fresh_small), NONE},
    {"call-handle", "host to guest call through a handle", "ns", 2, false, loops,
     WORK(call_by_handle), NONE},
    {"call-stub", "host to guest call through a typed stub", "ns", 2, false, loops,
     WORK(call_by_stub), NONE},
    {"call-stub-cost",
     "what it costs more than a C function's by pointer",
     "ns",
     0,
     false,
     more_than_a_function,
     WORK(call_by_stub),
     {MEDIAN_AT_MOST, 5}},
    {"call-handler", "call by stub of a function that stores and calls", "ns", 0, false, loops,
     WORK(call_handler), NONE},
    {"call-limited", "the same with a time limit, kept by a timer", "ns", 0, false, loops,
     WORK(call_limited), NONE},
    {"call-limited-host", "the same with a time limit, kept by the host", "ns", 0, false, loops,
     WORK(call_limited_by_host), NONE},
    {"call-indirect", "(a C function called through a pointer)", "ns", 0, false, indirect_calls,
     WORK(call_by_stub), NONE},
    {"call-host", "guest to host call", "ns", 1.5, false, host_calls, WORK(call_host), NONE},
    {"idle-memory",
     "resident memory per idle instance, of 10,000",
     "bytes",
     0,
     false,
     memory,
     0,
     {MEDIAN_AT_MOST, 8192}},
    {"trap-reset", "trap ten frames deep, and reset", "ns", 1, false, each_operation,
     WORK(trap_and_reset), NONE},
    {"trap-backtrace", "the same, backtrace with names", "ns", 1, false, each_operation,
     WORK(trap_and_backtrace), NONE},
    {"kill", "killing a looping guest", "ns", 0, false, kills, 0, {P99_AT_MOST, 100000}},
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

static bool run(bool json, const char *only)
{
    struct table t = {.json = json};

    for (int e = 0; e < ENGINES; e++)
        t.engines[e] = engines[e] ? engines[e]->name : NULL;
    table_begin(&t);
    for (size_t i = 0; i < ROWS; i++) {
        struct sample s[ENGINES] = {0};
        if (only && strncmp(rows[i].name, only, strlen(only)) != 0)
            continue;
        rows[i].measure(&rows[i], s);
        table_row(&t, &rows[i], s);
    }
    table_end(&t);
    return t.missed == 0;
}

static void measure_clock(void)
{
    static double values[10000];

    for (size_t i = 0; i < 10000; i++) {
        uint64_t before = bench_now();
        values[i] = (double)(bench_now() - before);
    }
    clock_cost = sample_of(values, 10000).median;
}

int main(int argc, char **argv)
{
    const char *library = NULL, *only = NULL;
    bool json = false;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0)
            json = true;
        else if (strcmp(argv[i], "--quick") == 0)
            quick = true;
        else if (strcmp(argv[i], "--wasmtime") == 0 && i + 1 < argc)
            library = argv[++i];
        else if (strcmp(argv[i], "--only") == 0 && i + 1 < argc)
            only = argv[++i];
        else if (strcmp(argv[i], "--uffd") == 0)
            bench_pages_on_demand = true;
        else if (argv[i][0] != '-' && !guests)
            guests = argv[i];
        else
            bench_die("unknown option %s", argv[i]);
    }
    if (!guests)
        bench_die(
            "usage: bench-runtime GUESTS [--wasmtime LIBRARY] [--json] [--quick] [--only ROW] "
            "[--uffd]");
    engines[LUCET] = &bench_lucet;
    engines[PEER] = library ? bench_wasmtime(library) : NULL;
    measure_clock();
    if (!only || strcmp(only, "idle-memory") == 0)
        measure_idle_sizes();
    for (int e = 0; e < ENGINES; e++)
        if (engines[e])
            engines[e]->open(guests, CAPACITY);
    return run(json, only) ? 0 : 1;
}
