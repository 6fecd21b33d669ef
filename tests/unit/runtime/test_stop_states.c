/* The states of stop requests (stop.c) one by one: what a run that begins or ends finds, and what
 * it leaves, also when somebody is deciding just then and comes to a decision later. */
#include <pthread.h>
#include <unistd.h>

#include "run/guest.h"
#include "runtime/stop.h"

#define STAYS (-1)

static struct stop *s;

struct decision {
    int state;    /* that is decided on, a little later */
    bool running; /* what whoever decides finds until then */
};

static void *decide(void *arg)
{
    struct decision *d = arg;

    usleep(2000);
    d->running = s->running;
    s->state = d->state;
    return NULL;
}

/* What the function under test says when the state is `before`, and, unless that is STAYS, later
 * `then`. */
static bool with(int before, int then, bool (*f)(void), struct decision *d)
{
    pthread_t thread;

    *d = (struct decision){.state = then};
    s->state = before;
    if (then != STAYS)
        assert_int_equal(pthread_create(&thread, NULL, decide, d), 0);
    const bool result = f();
    if (then != STAYS)
        assert_int_equal(pthread_join(thread, NULL), 0);
    return result;
}

static enum lucet_terminated_reason reason;

static bool begin(void)
{
    static struct activation act;

    s->running = false;
    return lucet__stop_begin(s, &act);
}

static bool end(void)
{
    s->running = true;
    return lucet__stop_end(s, true, &reason);
}

static bool end_unusable(void)
{
    s->running = true;
    return lucet__stop_end(s, false, &reason);
}

static bool not_begun(void)
{
    s->running = true;
    lucet__stop_not_begun(s);
    return true;
}

static bool disable(void)
{
    lucet__stop_disable(s);
    return true;
}

static bool enable(void)
{
    lucet__stop_enable(s);
    return true;
}

static bool expire(void)
{
    return lucet__stop_expire(s);
}

static bool requested(void)
{
    return lucet__stop_requested(s, &reason);
}

#define NONE STOP_NONE
#define DECIDING STOP_DECIDING
#define LOOKING STOP_LOOKING
#define CANCELLED STOP_CANCELLED
#define REMOTE STOP_REMOTE
#define TIMEOUT STOP_TIMEOUT
#define DISABLED STOP_DISABLED

struct step {
    int before, then; /* state; STAYS: no other one */
    bool result;
    int after;
    bool running; /* afterwards */
};

/* Whoever decides finds `running` as it was when the function was called, or as it says. */
static void check(bool (*f)(void), const struct step *steps, size_t n, bool found_running)
{
    for (size_t k = 0; k < n; k++) {
        struct decision d;
        const bool result = with(steps[k].before, steps[k].then, f, &d);
        if (result != steps[k].result || s->state != steps[k].after ||
            s->running != steps[k].running)
            fail_msg("step %zu: %d, state %d, running %d", k, result, s->state, s->running);
        if (steps[k].then != STAYS)
            assert_int_equal(d.running, found_running);
    }
}
#define CHECK_STEPS(f, found_running, ...)                                                         \
    do {                                                                                           \
        static const struct step steps_[] = {__VA_ARGS__};                                         \
        check(f, steps_, sizeof(steps_) / sizeof(*steps_), found_running);                         \
    } while (0)

/* A request that was there before ends it; one that finds it running is told to it when it runs. */
static void a_run_begins(void **state)
{
    (void)state;
    CHECK_STEPS(begin, true, {NONE, STAYS, true, NONE, true},
                {CANCELLED, STAYS, false, DISABLED, false},
                {DISABLED, STAYS, false, DISABLED, false}, {REMOTE, STAYS, true, REMOTE, true},
                {DECIDING, REMOTE, true, REMOTE, true},
                {DECIDING, CANCELLED, false, DISABLED, false}, {LOOKING, NONE, true, NONE, true});
}

/* It stays in place, running, until a decision has been made. */
static void a_run_ends(void **state)
{
    (void)state;
    CHECK_STEPS(end, true, {NONE, STAYS, false, NONE, false},
                {REMOTE, STAYS, true, DISABLED, false}, {TIMEOUT, STAYS, true, DISABLED, false},
                {DECIDING, REMOTE, true, DISABLED, false},
                {DECIDING, CANCELLED, false, CANCELLED, false}, /* the next one's */
                {LOOKING, NONE, false, NONE, false}, {DISABLED, STAYS, false, DISABLED, false});
    CHECK_STEPS(end_unusable, true, {NONE, STAYS, false, DISABLED, false},
                {REMOTE, STAYS, true, DISABLED, false}, {LOOKING, NONE, false, DISABLED, false},
                {DECIDING, CANCELLED, false, DISABLED, false});
    with(TIMEOUT, STAYS, end, &(struct decision){0});
    assert_int_equal(reason, lucet_terminated_reason_timeout);
    with(DECIDING, REMOTE, end, &(struct decision){0});
    assert_int_equal(reason, lucet_terminated_reason_remote);
}

static void a_run_that_was_about_to_begin_does_not(void **state)
{
    (void)state;
    CHECK_STEPS(not_begun, true, {NONE, STAYS, true, NONE, false},
                {CANCELLED, STAYS, true, CANCELLED, false},
                {DISABLED, STAYS, true, DISABLED, false}, {REMOTE, STAYS, true, REMOTE, true},
                {TIMEOUT, STAYS, true, TIMEOUT, true}, {DECIDING, REMOTE, true, REMOTE, true},
                {DECIDING, CANCELLED, true, CANCELLED, false}, {LOOKING, NONE, true, NONE, false});
}

static void the_first_request_counts(void **state)
{
    static const enum stop_state all[] = {NONE,   DECIDING, LOOKING, CANCELLED,
                                          REMOTE, TIMEOUT,  DISABLED};

    (void)state;
    for (size_t k = 0; k < sizeof(all) / sizeof(*all); k++) {
        struct decision d;
        const bool is_request = all[k] == DECIDING || all[k] == REMOTE || all[k] == TIMEOUT;
        assert_int_equal(with(all[k], STAYS, requested, &d), is_request);
        assert_int_equal(reason, all[k] == TIMEOUT ? lucet_terminated_reason_timeout
                                                   : lucet_terminated_reason_remote);
        assert_int_equal(with(all[k], STAYS, expire, &d), all[k] == NONE);
        assert_int_equal(s->state, all[k] == NONE ? TIMEOUT : all[k]);
        with(all[k], STAYS, enable, &d);
        assert_int_equal(s->state, all[k] == DISABLED ? NONE : all[k]);
    }
    s->running = false;
    CHECK_STEPS(disable, false, {NONE, STAYS, true, DISABLED, false},
                {CANCELLED, STAYS, true, DISABLED, false}, {REMOTE, STAYS, true, DISABLED, false},
                {DECIDING, CANCELLED, true, DISABLED, false},
                {LOOKING, NONE, true, DISABLED, false});
}

static int set_up(void **state)
{
    (void)state;
    s = lucet__stop_new();
    return s == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    s->running = false;
    lucet__stop_release(s);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_run_begins, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_run_ends, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_run_that_was_about_to_begin_does_not, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_first_request_counts, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
