/* Stores: whether one leads to another is found out in little time and stack, however they are linked. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "runtime/store.h"

enum { MANY = 4000, LAYERS = 60 };

static struct store *new_store(void)
{
    struct store *s = lucet__store_of_object(NULL);

    assert_non_null(s);
    return s;
}

static void link_stores(struct store *user, struct store *used)
{
    assert_int_equal(lucet__store_link(user, used, STORE_CALLS), lucet_error_ok);
}

/* Each uses the next; then the last uses the first, so that all become one. */
static void *close_a_long_chain(void *arg)
{
    struct store **s = malloc(MANY * sizeof(struct store *));

    for (int i = 0; i < MANY; i++)
        s[i] = new_store();
    for (int i = 0; i + 1 < MANY; i++)
        link_stores(s[i], s[i + 1]);
    link_stores(s[MANY - 1], s[0]);
    for (int i = 0; i < MANY; i++)
        lucet__store_release(s[i]);
    free(s);
    return arg;
}

static void long_chains_need_no_stack(void **state)
{
    pthread_attr_t attributes;
    pthread_t thread;

    (void)state;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 24 << 10);
    assert_int_equal(pthread_create(&thread, &attributes, close_a_long_chain, NULL), 0);
    pthread_join(thread, NULL);
    pthread_attr_destroy(&attributes);
}

/* Two in each layer use both of the next: 2^LAYERS ways from the first to the last. */
static void many_ways_are_not_gone_one_by_one(void **state)
{
    struct store *s[LAYERS][2], *apart = new_store();

    (void)state;
    for (int i = 0; i < LAYERS; i++)
        for (int k = 0; k < 2; k++)
            s[i][k] = new_store();
    for (int i = LAYERS - 2; i >= 0; i--)
        for (int k = 0; k < 4; k++)
            link_stores(s[i][k / 2], s[i + 1][k % 2]);
    link_stores(apart, s[0][0]);
    for (int i = 0; i < LAYERS; i++)
        for (int k = 0; k < 2; k++)
            lucet__store_release(s[i][k]);
    lucet__store_release(apart);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(long_chains_need_no_stack),
        cmocka_unit_test(many_ways_are_not_gone_one_by_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
