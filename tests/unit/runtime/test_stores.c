/* Stores: whether one leads to another is found out in little time and stack, however they are
 * linked; they live as long as somebody holds them, and nothing of them any longer. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "runtime/allocate.h"
#include "runtime/counting.h"
#include "runtime/instance.h"
#include "runtime/linker.h"
#include "runtime/store.h"

enum { MANY = 4000, LAYERS = 60 };

/* With something in it, which goes with it. */
static struct store *new_store(void)
{
    struct object *o = lucet__calloc(1, sizeof(*o));

    assert_non_null(o);
    o->kind = lucet_extern_global;
    struct store *s = lucet__store_of_object(o);
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

    const long blocks = counting_counts.blocks;

    (void)state;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 24 << 10);
    assert_int_equal(pthread_create(&thread, &attributes, close_a_long_chain, NULL), 0);
    pthread_join(thread, NULL);
    pthread_attr_destroy(&attributes);
    assert_int_equal(counting_counts.blocks, blocks);
}

/* Two in each layer use both of the next: 2^LAYERS ways from the first to the last. */
static void many_ways_are_not_gone_one_by_one(void **state)
{
    const long blocks = counting_counts.blocks;
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
    assert_int_equal(counting_counts.blocks, blocks);
}

static const enum store_link kinds[] = {STORE_REFERS, STORE_CALLS, STORE_MUTUAL};

/* One link to each, whatever it is for and however often it is wanted. */
static void users_hold_what_they_use(void **state)
{
    (void)state;
    for (int k = 0; k < 9; k++)
        for (int first = 0; first < 3; first++) {
            const long before = counting_counts.blocks;
            struct store *user = new_store(), *used[3];
            for (int n = 0; n < 3; n++)
                used[n] = new_store();
            const long apart = counting_counts.blocks;
            for (int n = 0; n < 3; n++)
                assert_int_equal(lucet__store_link(user, used[(n + first) % 3], kinds[k / 3]),
                                 lucet_error_ok);
            const long linked = counting_counts.blocks;
            assert_int_equal(linked, apart + (k / 3 == 2 ? 0 : 3));
            for (int n = 0; n < 3 && k % 3 < 2; n++)
                assert_int_equal(lucet__store_link(user, used[n], kinds[k % 3]), lucet_error_ok);
            assert_int_equal(counting_counts.blocks, linked);
            for (int n = 0; n < 3; n++)
                lucet__store_release(used[n]);
            assert_int_equal(counting_counts.blocks, linked);
            lucet__store_release(user);
            assert_int_equal(counting_counts.blocks, before);
        }
}

/* Also when all of them go at once, or only become one later, with links of either kind to and
 * fro. */
static void stores_that_become_one_hold_what_both_did(void **state)
{
    (void)state;
    for (int k = 0; k < 2 * 2 * 2 * 6; k++) {
        static const uint8_t orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                             {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
        const uint8_t *order = orders[k / 8];
        const long before = counting_counts.blocks;
        struct store *s[3] = {new_store(), new_store(), new_store()}, *below = new_store(),
                     *above = new_store();
        for (int n = 0; n < 3; n++) {
            lucet__store_link(s[n], below, kinds[k % 2]);
            lucet__store_link(above, s[n], kinds[k / 2 % 2]);
        }
        lucet__store_link(s[0], s[1], kinds[k / 4 % 2]);
        const long linked = counting_counts.blocks;
        lucet__store_link(s[order[0]], s[order[1]], STORE_MUTUAL);
        lucet__store_link(s[order[1]], s[order[2]], STORE_MUTUAL);
        assert_in_range(counting_counts.blocks, linked - 5, linked);
        for (int n = 0; n < 3; n++)
            lucet__store_release(s[order[n]]);
        lucet__store_release(below);
        /* Five stores, each with what is in it. */
        assert_in_range(counting_counts.blocks, before + 10 + 2, linked);
        lucet__store_release(above);
        assert_int_equal(counting_counts.blocks, before);
    }
}

/* Who is called twice knows its caller once, and not when that is gone. */
static void stores_forget_callers_that_are_gone(void **state)
{
    (void)state;
    for (int k = 0; k < 2; k++) {
        const long before = counting_counts.blocks;
        struct store *used = new_store(), *other = new_store();
        for (int n = 0; n < 3; n++) {
            struct store *user = new_store();
            link_stores(user, used);
            link_stores(user, used);
            lucet__store_release(user);
        }
        lucet__store_link(k ? used : other, k ? other : used, STORE_MUTUAL);
        lucet__store_release(used);
        lucet__store_release(other);
        assert_int_equal(counting_counts.blocks, before);
    }
}

/* All between the two, and nothing else. */
static void stores_on_the_way_become_one(void **state)
{
    enum { CHAIN = 4 };

    (void)state;
    for (int k = 0; k < 2 * (CHAIN + 1); k++) {
        const int first = k / 2 % 2; /* of the two that one of them uses */
        const long before = counting_counts.blocks;
        struct store *s[CHAIN], *beside = new_store();
        for (int n = CHAIN - 1; n >= 0; n--) {
            s[n] = new_store();
            for (int link = 0; link < 2; link++)
                if (n == CHAIN - 2 && link == first)
                    link_stores(s[n], beside);
                else if (n + 1 < CHAIN)
                    link_stores(s[n], s[n + 1]);
        }
        lucet__store_link(s[k % 2 ? 0 : CHAIN - 1], s[k % 2 ? CHAIN - 1 : 0], STORE_MUTUAL);
        /* Links between them are gone. */
        const long all = counting_counts.blocks;
        assert_int_equal(all, before + 2 * (CHAIN + 1) + 1);
        for (int n = 0; n < CHAIN; n++)
            if (n != k / 2)
                lucet__store_release(s[n]);
        if (k / 2 == CHAIN) {
            assert_int_equal(counting_counts.blocks, before + 2); /* `beside` */
            lucet__store_release(beside);
        } else {
            lucet__store_release(beside);
            assert_int_equal(counting_counts.blocks, all);
            lucet__store_release(s[k / 2]);
        }
        assert_int_equal(counting_counts.blocks, before);
    }
}

static void without_memory_nothing_is_linked(void **state)
{
    static struct lucet_instance i;
    const long blocks = counting_counts.blocks;

    (void)state;
    struct store *a = new_store(), *b = new_store();
    const long two = counting_counts.blocks;
    counting_counts.fails_after = 0;
    assert_null(lucet__store_of_object(NULL));
    counting_counts.fails_after = 0;
    assert_null(lucet__store_of_instance(&i));
    assert_null(i.store);
    for (int k = 0; k < 2; k++) {
        counting_counts.fails_after = 0;
        assert_int_equal(lucet__store_link(a, b, kinds[k]), lucet_error_no_memory);
        assert_int_equal(counting_counts.blocks, two);
    }
    counting_counts.fails_after = -1;
    lucet__store_release(b);
    assert_int_equal(counting_counts.blocks, blocks + 2);
    lucet__store_release(a);
    assert_int_equal(counting_counts.blocks, blocks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(long_chains_need_no_stack),
        cmocka_unit_test(many_ways_are_not_gone_one_by_one),
        cmocka_unit_test(users_hold_what_they_use),
        cmocka_unit_test(stores_that_become_one_hold_what_both_did),
        cmocka_unit_test(stores_forget_callers_that_are_gone),
        cmocka_unit_test(stores_on_the_way_become_one),
        cmocka_unit_test(without_memory_nothing_is_linked),
    };

    if (lucet_set_allocator(&counting_allocator) != lucet_error_ok)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
