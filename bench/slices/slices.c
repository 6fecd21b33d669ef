/* What time slices cost a guest that computes: the same work without them, in slices of several
 * lengths, and without them while an empty signal handler runs at the same rate, in turns.
 *
 * The guest writes how far it is to its memory, where another thread, on another processor, watches
 * it. So every end of a slice and every signal is measured by itself: by how long the guest stands
 * still. Of these the medians are compared; turns in which somebody else had the processor do not
 * count. The range is what the even ones and the odd ones say for themselves: as much is noise.
 * Processor time of whole turns says whether that is all; what else the machine does shows in it.
 *
 * The bar: in slices of 10 ms the work takes at most 1 % longer, and a slice costs at most 1.2
 * times what the handler does at 1 ms and at 200 us. */
#include <lucet/lucet.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#define ROUNDS 150u
#define LEAST 20u       /* ends of slices that must have been seen */
#define MOST 40000u     /* of what is measured of a kind */
#define TURN 20e6       /* nanoseconds */
#define UNWATCHED 2000u /* cycles between two looks: the watcher stood still itself */

static struct lucet_dl_module *module;
static struct lucet_region *region;
static struct lucet_instance *instance;
static unsigned steps;

static void die(const char *what)
{
    fprintf(stderr, "bench-slices: %s: %s\n", what, lucet_error_detail());
    exit(1);
}

/* ---- Who watches ---- */

enum kind { NOBODY, ALONE, SLICES, SIGNALS, KINDS };

static struct {
    const volatile unsigned *progress; /* in the guest's memory */
    atomic_uint events, turn; /* ends of slices or signals; counted up when `kind` was set */
    _Atomic enum kind kind;
    atomic_uint seen; /* the turn that the watcher is through with */
    atomic_bool over;
} watched;

static struct {
    double cycles[MOST];
    unsigned n;
} stood_still[KINDS];

static void stay_on(int processor)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(processor, &set);
    if (sched_setaffinity(0, sizeof set, &set) != 0)
        die("two processors are needed");
}

static void keep(enum kind kind, uint64_t cycles)
{
    if (stood_still[kind].n < MOST)
        stood_still[kind].cycles[stood_still[kind].n++] = (double)cycles;
}

/* From one step that was seen to the next. Alone that takes as long as a look at the other
 * processor's memory. */
static void watch_turn(unsigned turn)
{
    const enum kind kind = atomic_load(&watched.kind);
    unsigned last = *watched.progress, events = atomic_load(&watched.events), seen = 0;
    uint64_t changed = __rdtsc(), looked = changed;
    bool missed = true; /* the first */

    while (atomic_load_explicit(&watched.turn, memory_order_relaxed) == turn) {
        const unsigned now = *watched.progress;
        const uint64_t t = __rdtsc();
        missed |= t - looked > UNWATCHED;
        looked = t;
        if (now == last)
            continue;
        const unsigned happened = atomic_load_explicit(&watched.events, memory_order_relaxed);
        if (!missed && (kind == ALONE ? ++seen % 4096 == 0 : happened == events + 1))
            keep(kind, t - changed);
        last = now;
        changed = t;
        events = happened;
        missed = false;
    }
}

static void *watch(void *processor)
{
    stay_on(*(const int *)processor);
    while (!atomic_load(&watched.over)) {
        const unsigned turn = atomic_load(&watched.turn);
        if (turn % 2) /* one goes on */
            watch_turn(turn);
        atomic_store(&watched.seen, turn + turn % 2);
    }
    return NULL;
}

/* ---- Turns ---- */

static double now(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void empty(int sig, siginfo_t *info, void *context)
{
    (void)sig, (void)info, (void)context;
    atomic_fetch_add_explicit(&watched.events, 1, memory_order_relaxed);
}

/* How often another thread has taken this one's processor. */
static long taken(void)
{
    struct rusage r;

    getrusage(RUSAGE_THREAD, &r);
    return r.ru_nivcsw;
}

/* Nanoseconds of processor time. What is seen counts only if nobody else had the processor. */
static double work(enum kind kind, uint64_t slice)
{
    struct lucet_val arg = LUCET_VAL_I32((int32_t)steps);
    struct lucet_result r;

    if (lucet_instance_set_slice(instance, kind == SLICES ? slice : 0) != lucet_error_ok)
        die("slice");
    const unsigned before = stood_still[kind].n;
    const long switches = taken();
    atomic_store(&watched.kind, kind);
    atomic_fetch_add(&watched.turn, 1);
    double begin = now(CLOCK_THREAD_CPUTIME_ID);
    enum lucet_error e = lucet_instance_run(instance, "work", 1, &arg, &r);
    while (e == lucet_error_ok && r.tag == lucet_result_tag_yielded) {
        atomic_fetch_add_explicit(&watched.events, 1, memory_order_relaxed);
        e = lucet_instance_resume(instance, NULL, &r);
    }
    double took = now(CLOCK_THREAD_CPUTIME_ID) - begin;
    const unsigned turn = atomic_fetch_add(&watched.turn, 1) + 1;
    if (e != lucet_error_ok)
        die("work");
    while (kind != NOBODY && atomic_load(&watched.seen) != turn)
        ;
    if (taken() != switches)
        stood_still[kind].n = before;
    return took;
}

/* The work alone, with an empty handler every `period` nanoseconds; on the alternate stack, as
 * every handler that interrupts guests must be. */
static double with_handler(uint64_t period)
{
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGRTMIN};
    struct itimerspec when = {{.tv_nsec = (long)period}, {.tv_nsec = (long)period}};
    timer_t timer;

    event._sigev_un._tid = (int)syscall(SYS_gettid);
    if (timer_create(CLOCK_MONOTONIC, &event, &timer) != 0)
        die("timer");
    timer_settime(timer, 0, &when, NULL);
    double took = work(SIGNALS, 0);
    timer_delete(timer);
    return took;
}

static void calibrate(void)
{
    double took = 0;

    steps = 1u << 22;
    for (unsigned k = 0; k < 20; k++)
        took = work(NOBODY, 0);
    steps = (unsigned)(steps * TURN / took);
}

/* ---- What comes of it ---- */

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Of the values first, first + step, ... */
static double median(const double *values, unsigned n, unsigned first, unsigned step)
{
    static double some[MOST];
    unsigned count = 0;

    for (unsigned k = first; k < n; k += step)
        some[count++] = values[k];
    if (count == 0)
        return 0;
    qsort(some, count, sizeof *some, by_value);
    return some[count / 2];
}

struct cost {
    double per_slice, per_signal; /* nanoseconds */
    double ratio;
};

static struct cost cost_of(double cycles_of_a_ns, unsigned first, unsigned step)
{
    double still[KINDS] = {0};

    for (int k = ALONE; k < KINDS; k++)
        still[k] = median(stood_still[k].cycles, stood_still[k].n, first, step) / cycles_of_a_ns;
    struct cost c = {.per_slice = still[SLICES] - still[ALONE],
                     .per_signal = still[SIGNALS] - still[ALONE]};
    c.ratio = c.per_slice / c.per_signal;
    return c;
}

static bool measure(uint64_t length)
{
    static double alone[ROUNDS], sliced[ROUNDS];
    const double begin = now(CLOCK_MONOTONIC);
    const uint64_t cycles = __rdtsc();

    for (int k = 0; k < KINDS; k++)
        stood_still[k].n = 0;
    for (unsigned k = 0; k < ROUNDS; k++) {
        alone[k] = work(ALONE, 0);
        sliced[k] = work(SLICES, length);
        with_handler(length);
    }
    if (stood_still[SLICES].n < LEAST || stood_still[SIGNALS].n < LEAST)
        die("others have the processors: nothing can be said");
    const double rate = (double)(__rdtsc() - cycles) / (now(CLOCK_MONOTONIC) - begin);
    const struct cost all = cost_of(rate, 0, 1), even = cost_of(rate, 0, 2),
                      odd = cost_of(rate, 1, 2);
    const double turn = median(alone, ROUNDS, 0, 1);
    const double longer = (median(sliced, ROUNDS, 0, 1) / turn - 1) * 100;
    printf("| %g ms | %u | %.2f us | %.2f us | %.2f (%.2f, %.2f) | %.2f %% of %.1f ms |\n",
           (double)length / 1e6, stood_still[SLICES].n, all.per_slice / 1e3, all.per_signal / 1e3,
           all.ratio, even.ratio, odd.ratio, longer, turn / 1e6);
    fflush(stdout);
    return length == 10000000 ? longer <= 1.0 : all.ratio <= 1.2;
}

/* The address that the guest says. */
static void look_at_progress(void)
{
    struct lucet_result r;

    if (lucet_instance_run(instance, "where", 0, NULL, &r) != lucet_error_ok)
        die("where");
    watched.progress = (const volatile unsigned *)(lucet_instance_heap(instance) +
                                                   (uint32_t)lucet_retval_gp(&r.val.returned));
}

int main(int argc, char **argv)
{
    static const uint64_t lengths[] = {200000, 1000000, 10000000};
    static const int processors[] = {0, 1};
    const struct sigaction ours = {.sa_sigaction = empty,
                                   .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};
    pthread_t watcher;
    bool good = true;

    if (argc != 2) {
        fprintf(stderr, "usage: bench-slices work.so\n");
        return 2;
    }
    if (lucet_dl_module_load(argv[1], &module) != lucet_error_ok ||
        lucet_mmap_region_create(1, NULL, &region) != lucet_error_ok ||
        lucet_region_new_instance(region, module, &instance) != lucet_error_ok)
        die(argv[1]);
    look_at_progress();
    sigaction(SIGRTMIN, &ours, NULL);
    stay_on(processors[0]);
    calibrate();
    if (pthread_create(&watcher, NULL, watch, (void *)(uintptr_t)&processors[1]) != 0)
        die("thread");
    printf("| slice | slices | stands still | for an empty handler | ratio | processor time |\n");
    printf("|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
        good = measure(lengths[i]) && good;
    atomic_store(&watched.over, true);
    pthread_join(watcher, NULL);
    lucet_instance_release(instance);
    lucet_region_release(region);
    lucet_dl_module_release(module);
    return good ? 0 : 1;
}
