/* Tenants one after the other, on several threads, most of them quiet, in a storm of signals:
 * handlers on the guest's stack or beside it, and kills. Nothing of one is ever found by the next.
 * LUCET_STORM=seconds: for so long. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "patience.h"
#include "runtime/activation.h"
#include "runtime/instance.h"
#include "runtime/slot.h"
#include "set.h"
#include "tenants.h"

#ifndef LUCET_TSAN /* which calls handlers later, where it likes */
enum { THREADS = 3 };

static struct thread_of_storm {
    struct tenants t;
    pthread_t thread;
    /* For the killer. */
    pthread_mutex_t mutex;
    struct lucet_kill_switch *kill_switch;
    atomic_uint lives, kills, beside;
    unsigned unclean;
} threads[THREADS];
static atomic_bool over;
static long signal_ns;
static _Thread_local volatile unsigned on_stack, handled;

static void on_signal(int sig)
{
    volatile uint8_t used[600];

    (void)sig;
    for (size_t k = 0; k < sizeof(used); k++)
        used[k] = 0xa5;
    handled++;
    on_stack += lucet__thread.current != NULL;
}

/* What a signal takes here, in nanoseconds: where they come more often nothing else is done. */
static long cost_of_signal(void)
{
    enum { ROUNDS = 2000 };
    const double began = set_seconds();

    for (int k = 0; k < ROUNDS; k++)
        raise(SIGUSR1);
    return (long)((set_seconds() - began) * 1e9 / ROUNDS);
}

/* Every so many nanoseconds, this thread. */
static timer_t begin_signals(int sig, long period)
{
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = sig};
    const struct itimerspec when = {{.tv_nsec = period}, {.tv_nsec = period}};
    timer_t timer;

    event._sigev_un._tid = (pid_t)syscall(SYS_gettid);
    assert_int_equal(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
    assert_int_equal(timer_settime(timer, 0, &when, NULL), 0);
    return timer;
}

static void set_kill_switch(struct thread_of_storm *s, struct lucet_kill_switch *k)
{
    pthread_mutex_lock(&s->mutex);
    struct lucet_kill_switch *before = s->kill_switch;
    s->kill_switch = k;
    pthread_mutex_unlock(&s->mutex);
    lucet_kill_switch_release(before);
}

/* False: it was killed. */
static bool call(const struct thread_of_storm *s, struct lucet_instance *i, unsigned number)
{
    const struct lucet_func *f = number % 16 == 7    ? &s->t.closed
                                 : number % 16 == 11 ? &s->t.loud
                                 : number % 16 == 13 ? &s->t.trap
                                                     : &s->t.quiet;

    return tenants_call(f, i) == lucet_error_ok;
}

static void live(struct thread_of_storm *s, unsigned number)
{
    struct lucet_kill_switch *k = NULL;
    struct lucet_instance *i = NULL;

    if (lucet_region_new_instance(s->t.region, s->t.module, &i) != lucet_error_ok) {
        s->unclean++;
        return;
    }
    if (number % 8 == 0 && lucet_instance_kill_switch(i, &k) == lucet_error_ok)
        set_kill_switch(s, k);
    /* The heap's pages are looked at now and then, since that costs. What handlers are about to
     * leave is found, too, if it is looked at where they run. */
    s->unclean += number % 64 == 0 && !tenants_heap_is_clean(i);
    const bool quiet = number % 3 == 0;
    bool going_on = true;
    for (int n = 0; n < (quiet ? 1 : 20) && going_on; n++)
        going_on = call(s, i, quiet ? 0 : number + (unsigned)n / 8);
    s->kills += !going_on;
    if (k)
        set_kill_switch(s, NULL);
    lucet_instance_release(i);
    s->lives++;
}

/* What the handlers have left, which is not seen where more of them come. */
static void look(struct thread_of_storm *s)
{
    struct lucet_instance *i = guest_instance(s->t.region, s->t.module, NULL, NULL);

    s->unclean += !tenants_stack_is_clean(i) || !tenants_heap_is_clean(i);
    lucet_instance_release(i);
}

static void *tenants_of_thread(void *p)
{
    struct thread_of_storm *s = p;
    unsigned number = 0;
    sigset_t both;

    sigemptyset(&both);
    sigaddset(&both, SIGUSR1);
    sigaddset(&both, SIGUSR2);
    const timer_t one = begin_signals(SIGUSR1, 40000 + 8 * signal_ns),
                  two = begin_signals(SIGUSR2, 70000 + 14 * signal_ns);
    while (!atomic_load(&over)) {
        live(s, number++);
        s->beside = on_stack;
        if (number % 32)
            continue;
        pthread_sigmask(SIG_BLOCK, &both, NULL);
        look(s);
        pthread_sigmask(SIG_UNBLOCK, &both, NULL);
    }
    timer_delete(one);
    timer_delete(two);
    return NULL;
}

static void *kill_them(void *p)
{
    for (unsigned k = 0; !atomic_load(&over); k++) {
        struct thread_of_storm *s = &threads[k % THREADS];
        pthread_mutex_lock(&s->mutex);
        lucet_kill_switch_terminate(s->kill_switch);
        pthread_mutex_unlock(&s->mutex);
        nanosleep(&(struct timespec){.tv_nsec = 30000}, NULL);
    }
    return p;
}

/* Has happened in each thread. */
static bool enough(void)
{
    for (int k = 0; k < THREADS; k++)
        if (threads[k].lives <= 50 || threads[k].kills == 0 || threads[k].beside == 0)
            return false;
    return true;
}

static void nothing_is_left_in_a_storm_of_signals(void **state)
{
    const char *wanted = getenv("LUCET_STORM");
    const double began = set_seconds(), least = wanted ? atof(wanted) : 0.5;
    const struct sigaction with = {.sa_handler = on_signal},
                           without = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK};
    pthread_t killer;

    (void)state;
    sigaction(SIGUSR1, &with, NULL);
    sigaction(SIGUSR2, &without, NULL);
    signal_ns = cost_of_signal();
    atomic_store(&over, false);
    for (int k = 0; k < THREADS; k++) {
        tenants_begin(&threads[k].t);
        pthread_mutex_init(&threads[k].mutex, NULL);
    }
    for (int k = 0; k < THREADS; k++)
        assert_int_equal(pthread_create(&threads[k].thread, NULL, tenants_of_thread, &threads[k]),
                         0);
    assert_int_equal(pthread_create(&killer, NULL, kill_them, NULL), 0);
    while (set_seconds() < began + least || (!enough() && set_seconds() < began + PATIENCE))
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    atomic_store(&over, true);
    pthread_join(killer, NULL);
    for (int k = 0; k < THREADS; k++) {
        pthread_join(threads[k].thread, NULL);
        assert_int_equal(threads[k].unclean, 0);
        print_message("%u tenants, %u ended otherwise, %u signals in guests\n", threads[k].lives,
                      threads[k].kills, threads[k].beside);
        tenants_end(&threads[k].t);
        pthread_mutex_destroy(&threads[k].mutex);
    }
    assert_true(enough());
    signal(SIGUSR1, SIG_DFL);
    signal(SIGUSR2, SIG_DFL);
}
#else
static void nothing_is_left_in_a_storm_of_signals(void **state)
{
    (void)state;
    print_message("skipped: ThreadSanitizer calls handlers later\n");
    skip();
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_left_in_a_storm_of_signals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
