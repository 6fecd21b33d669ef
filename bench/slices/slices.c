/* What time slices cost a guest that computes: the same work without them, in slices of several
 * lengths, and without them while an empty signal handler runs at the same rate. In hundreds of short turns, so
 * that whatever else the machine does meets all alike; of each the mean of its quietest tenth, since what
 * else goes on only adds. The range is what the even turns and the odd ones say for themselves: as much is noise.
 *
 *   cost of slices = time in slices - time alone; of the handler likewise. The bar: at most 1 % of the work
 *   at 10 ms, and at most 1.2 times the handler's cost at 1 ms and at 200 us. */
#include <lucet/lucet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 400u
#define QUIET(n) ((n) / 10)

static struct lucet_dl_module *module;
static struct lucet_region *region;
static struct lucet_instance *instance;
static unsigned steps;

static void die(const char *what)
{
    fprintf(stderr, "bench-slices: %s: %s\n", what, lucet_error_detail());
    exit(1);
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* One measurement: nanoseconds of processor time, and how many slices there were. */
static double work(uint64_t slice, unsigned *slices)
{
    struct lucet_val arg = LUCET_VAL_I32((int32_t)steps);
    struct lucet_result r;
    double begin = now();

    if (lucet_instance_set_slice(instance, slice) != lucet_error_ok)
        die("slice");
    *slices = 0;
    enum lucet_error e = lucet_instance_run(instance, "work", 1, &arg, &r);
    while (e == lucet_error_ok && r.tag == lucet_result_tag_yielded) {
        ++*slices;
        e = lucet_instance_resume(instance, NULL, &r);
    }
    if (e != lucet_error_ok)
        die("work");
    return now() - begin;
}

static volatile sig_atomic_t ticks;

static void empty(int sig, siginfo_t *info, void *context)
{
    (void)sig, (void)info, (void)context;
    ticks++;
}

/* The work alone, with an empty handler every `period` nanoseconds; on the alternate stack, as every
 * handler that interrupts guests must be. */
static double with_handler(uint64_t period, unsigned *count)
{
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGRTMIN};
    struct itimerspec when = {{.tv_nsec = (long)period}, {.tv_nsec = (long)period}};
    timer_t timer;
    unsigned none;

    event._sigev_un._tid = (int)syscall(SYS_gettid);
    if (timer_create(CLOCK_MONOTONIC, &event, &timer) != 0)
        die("timer");
    ticks = 0;
    timer_settime(timer, 0, &when, NULL);
    double took = work(0, &none);
    timer_delete(timer);
    *count = (unsigned)ticks;
    return took;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Of the turns first, first + step, ... */
static double quiet(const double *values, unsigned first, unsigned step)
{
    double some[ROUNDS], sum = 0;
    unsigned n = 0;

    for (unsigned k = first; k < ROUNDS; k += step)
        some[n++] = values[k];
    qsort(some, n, sizeof *some, by_value);
    for (unsigned k = 0; k < QUIET(n); k++)
        sum += some[k];
    return sum / QUIET(n);
}

static void calibrate(void)
{
    unsigned none;

    for (steps = 1u << 20; work(0, &none) < 15e6; steps *= 2)
        ;
}

struct turns {
    double alone[ROUNDS], sliced[ROUNDS], signalled[ROUNDS];
    unsigned slices, signals; /* in one turn */
};

struct cost {
    double alone, sliced, per_slice, per_signal; /* nanoseconds */
    double slower, ratio;                        /* per cent */
};

static struct cost cost_of(const struct turns *t, unsigned first, unsigned step)
{
    struct cost c = {.alone = quiet(t->alone, first, step),
                     .sliced = quiet(t->sliced, first, step)};

    c.per_slice = (c.sliced - c.alone) / (t->slices ? t->slices : 1);
    c.per_signal = (quiet(t->signalled, first, step) - c.alone) / (t->signals ? t->signals : 1);
    c.slower = (c.sliced - c.alone) / c.alone * 100;
    c.ratio = c.per_slice / c.per_signal;
    return c;
}

static bool measure(uint64_t length)
{
    static struct turns t;
    unsigned none;

    for (unsigned k = 0; k < ROUNDS; k++) {
        t.alone[k] = work(0, &none);
        t.sliced[k] = work(length, &t.slices);
        t.signalled[k] = with_handler(length, &t.signals);
    }
    const struct cost all = cost_of(&t, 0, 1), even = cost_of(&t, 0, 2), odd = cost_of(&t, 1, 2);
    printf("| %g ms | %.2f ms | %.2f ms | %.2f %% (%.2f, %.2f) | %.2f us | %.2f us | %.2f (%.2f, "
           "%.2f) |\n",
           (double)length / 1e6, all.alone / 1e6, all.sliced / 1e6, all.slower, even.slower,
           odd.slower, all.per_slice / 1e3, all.per_signal / 1e3, all.ratio, even.ratio, odd.ratio);
    fflush(stdout);
    return length == 10000000 ? all.slower <= 1.0 : all.ratio <= 1.2;
}

int main(int argc, char **argv)
{
    static const uint64_t lengths[] = {200000, 1000000, 10000000};
    const struct sigaction ours = {.sa_sigaction = empty,
                                   .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};
    bool good = true;

    if (argc != 2) {
        fprintf(stderr, "usage: bench-slices work.so\n");
        return 2;
    }
    if (lucet_dl_module_load(argv[1], &module) != lucet_error_ok ||
        lucet_mmap_region_create(1, NULL, &region) != lucet_error_ok ||
        lucet_region_new_instance(region, module, &instance) != lucet_error_ok)
        die(argv[1]);
    sigaction(SIGRTMIN, &ours, NULL);
    calibrate();
    printf(
        "| slice | alone | in slices | slower | per slice | empty handler, per signal | ratio |\n");
    printf("|---|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
        good = measure(lengths[i]) && good;
    lucet_instance_release(instance);
    lucet_region_release(region);
    lucet_dl_module_release(module);
    return good ? 0 : 1;
}
