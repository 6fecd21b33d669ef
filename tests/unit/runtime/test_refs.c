/* References counted in several places: one thread, and one only, learns that none is left. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "runtime/refs.h"

enum { THREADS = 4, ROUNDS = 2000, REFERENCES = 50 };

static void the_owner_may_be_the_last(void **state)
{
    struct refs r;

    (void)state;
    lucet__refs_init(&r);
    lucet__refs_take(&r);
    lucet__refs_take(&r);
    assert_false(lucet__refs_drop(&r));
    assert_false(lucet__refs_drop(&r));
    assert_true(lucet__refs_close(&r));
}

static void others_may_outlive_the_owner(void **state)
{
    struct refs r;

    (void)state;
    lucet__refs_init(&r);
    lucet__refs_take(&r);
    assert_false(lucet__refs_close(&r));
    lucet__refs_take(&r); /* by who has one */
    assert_false(lucet__refs_drop(&r));
    assert_true(lucet__refs_drop(&r));
}

struct shared {
    struct refs refs;
    atomic_uint ready, offered, last;
};

static void drop(struct shared *s)
{
    if (lucet__refs_drop(&s->refs))
        atomic_fetch_add(&s->last, 1);
}

/* Begins with a reference that the owner took, and drops those that others offer. */
static void *use(void *arg)
{
    struct shared *s = arg;

    atomic_fetch_add(&s->ready, 1);
    for (int k = 0; k < REFERENCES; k++) {
        lucet__refs_take(&s->refs);
        atomic_fetch_add(&s->offered, 1);
        unsigned n = atomic_load(&s->offered);
        if (n > 0 && atomic_compare_exchange_strong(&s->offered, &n, n - 1) &&
            lucet__refs_drop(&s->refs))
            abort(); /* the one it began with is left */
    }
    for (unsigned n = atomic_load(&s->offered); n > 0;)
        if (atomic_compare_exchange_weak(&s->offered, &n, n - 1))
            drop(s);
    drop(s);
    return NULL;
}

/* A new thread each time, so that it takes them in every place once. */
static void *own(void *arg)
{
    const unsigned *round = arg;
    pthread_t threads[THREADS];
    struct shared s = {.ready = 0};

    lucet__refs_init(&s.refs);
    for (int k = 0; k < THREADS; k++)
        lucet__refs_take(&s.refs);
    for (int k = 0; k < THREADS; k++)
        if (pthread_create(&threads[k], NULL, use, &s) != 0)
            abort();
    while (atomic_load(&s.ready) < *round % (THREADS + 1))
        sched_yield();
    if (lucet__refs_close(&s.refs))
        atomic_fetch_add(&s.last, 1);
    for (int k = 0; k < THREADS; k++)
        pthread_join(threads[k], NULL);
    return (void *)(uintptr_t)atomic_load(&s.last);
}

static void one_thread_learns_that_it_was_the_last(void **state)
{
    (void)state;
    for (unsigned round = 0; round < ROUNDS; round++) {
        pthread_t owner;
        void *last;

        assert_int_equal(pthread_create(&owner, NULL, own, &round), 0);
        pthread_join(owner, &last);
        assert_int_equal((uintptr_t)last, 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_owner_may_be_the_last),
        cmocka_unit_test(others_may_outlive_the_owner),
        cmocka_unit_test(one_thread_learns_that_it_was_the_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
