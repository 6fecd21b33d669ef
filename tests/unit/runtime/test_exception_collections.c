/* Collections of exceptions that are in progress: what happens between their parts, to exceptions
 * that are new, asked for, or let go, and to sets that become one meanwhile. */
#include <stdlib.h>

#include "runtime/exception_sets.h"

enum { MANY = 6000 }; /* so that no phase is over in one part */

static uint64_t refs[MANY];

static void begin(void)
{
    sets_begin("(module (tag $n (export \"n\") (param i64)) (table 1 exnref))", 6);
}

static struct lucet_instance *filled(uint32_t n)
{
    struct lucet_instance *i = sets_instance();

    for (uint32_t k = 0; k < n; k++)
        refs[k] = sets_add(i, k)->ref;
    while (lucet__exceptions_move(lucet__exceptions_of(i)))
        ;
    return i;
}

/* Into the middle of the phase, as parts go. */
static void go_to(struct lucet_instance *i, enum exceptions_phase phase)
{
    for (int k = 0; i->exceptions->phase != phase; k++) {
        assert_true(k < 100);
        lucet__exceptions_tidy(i, NULL, UINT64_MAX);
    }
}

static void finish(struct lucet_instance *i)
{
    assert_false(lucet__exceptions_room(i, NULL, UINT64_MAX));
    assert_int_equal(i->exceptions->phase, PHASE_NONE);
}

static bool is_there(struct lucet_instance *i, uint64_t ref)
{
    return lucet__exception_find(i->exceptions, ref) != NULL;
}

static const enum exceptions_phase phases[] = {PHASE_NONE, PHASE_MARK, PHASE_SWEEP};

/* Whoever has made one may hold it, though its places have been searched already. */
static void new_ones_survive_the_collection_in_progress(void **state)
{
    (void)state;
    begin();
    for (int k = 1; k < 3; k++) {
        struct lucet_instance *i = filled(MANY);
        uint64_t new_refs[200];
        go_to(i, phases[k]);
        const uint32_t number = i->exceptions->collections;
        for (int n = 0; n < 200; n++)
            new_refs[n] = sets_add(i, 1)->ref;
        for (int n = 0; n < 100 && i->exceptions->phase != PHASE_NONE; n++)
            lucet__exceptions_tidy(i, NULL, UINT64_MAX);
        assert_int_equal(i->exceptions->collections, number);
        for (int n = 0; n < 200; n++)
            assert_true(is_there(i, new_refs[n]));
        assert_int_equal(i->exceptions->count, 200);
        finish(i);
        assert_int_equal(i->exceptions->count, 0);
        assert_int_equal(i->exceptions->bytes, 0);
        lucet_instance_release(i);
    }
}

/* Whoever has let one go may have given it to a guest before. */
static void what_the_host_lets_go_meanwhile_survives(void **state)
{
    (void)state;
    begin();
    struct lucet_instance *i = filled(MANY);
    struct lucet_exception *held[200];
    uint64_t held_refs[200];
    for (int n = 0; n < 200; n++) {
        held[n] = sets_add(i, 1);
        held_refs[n] = held[n]->ref;
        lucet_exception_retain(held[n]);
    }
    go_to(i, PHASE_MARK);
    const uint32_t number = i->exceptions->collections;
    for (int n = 0; n < 200; n++)
        lucet_exception_release(held[n]);
    for (int n = 0; n < 100 && i->exceptions->phase != PHASE_NONE; n++)
        lucet__exceptions_tidy(i, NULL, UINT64_MAX);
    assert_int_equal(i->exceptions->collections, number);
    for (int n = 0; n < 200; n++)
        assert_true(is_there(i, held_refs[n]));
    lucet_instance_release(i);
}

/* One that is found, by guest or host, stays; one that is about to go is not found. */
static void what_is_found_meanwhile_stays(void **state)
{
    (void)state;
    begin();
    for (int k = 0; k < 3; k++) {
        struct lucet_instance *i = filled(MANY);
        static bool found[MANY];
        unsigned n = 0;
        go_to(i, phases[k]);
        const uint32_t number = i->exceptions->collections;
        for (int e = 0; e < MANY; e++)
            n += found[e] = e % 3 == 0 && is_there(i, refs[e]);
        assert_int_equal(n, k == 2 ? 0 : MANY / 3);
        if (k == 0)
            finish(i); /* found before it began */
        for (int p = 0; p < 100 && i->exceptions->phase != PHASE_NONE; p++)
            lucet__exceptions_tidy(i, NULL, UINT64_MAX);
        if (k)
            assert_int_equal(i->exceptions->collections, number);
        for (int e = 0; e < MANY; e++)
            assert_int_equal(is_there(i, refs[e]), k == 1 && found[e]);
        lucet_instance_release(i);
    }
}

/* Collections of both are given up, in whatever phase: what the host holds stays, the rest goes
 * with the next one. */
static void sets_that_become_one_begin_anew(void **state)
{
    (void)state;
    begin();
    for (int k = 0; k < 18; k++) {
        const long blocks = counting_counts.blocks;
        struct lucet_instance *i[2] = {filled(MANY), filled(MANY)};
        struct lucet_exception *held[2][50];
        for (int side = 0; side < 2; side++) {
            for (int n = 0; n < 50; n++) {
                held[side][n] = sets_add(i[side], 1);
                lucet_exception_retain(held[side][n]);
            }
            go_to(i[side], phases[side ? k / 3 % 3 : k % 3]);
        }
        sets_link(i[k / 9], i[1 - k / 9]);
        struct exceptions *s = i[0]->exceptions;
        assert_ptr_equal(i[1]->exceptions, s);
        assert_int_equal(s->phase, PHASE_NONE);
        for (int n = 0; n < 50; n++)
            for (int side = 0; side < 2; side++) {
                assert_ptr_equal(lucet__exception_set(held[side][n]), s);
                assert_ptr_equal(lucet__exception_find(s, held[side][n]->ref), held[side][n]);
            }
        finish(i[0]);
        assert_int_equal(s->count, 100);
        for (int n = 0; n < 50; n++)
            for (int side = 0; side < 2; side++) {
                assert_ptr_equal(lucet__exception_find(s, held[side][n]->ref), held[side][n]);
                lucet_exception_release(held[side][n]);
            }
        finish(i[1]);
        assert_int_equal(s->count, 0);
        lucet_instance_release(i[0]);
        lucet_instance_release(i[1]);
        assert_int_equal(counting_counts.blocks, blocks);
    }
}

/* Many in any order, before any of them has taken over what another had. */
static void many_sets_become_one(void **state)
{
    static const uint8_t orders[][3][2] = {{{0, 1}, {2, 3}, {0, 2}}, {{0, 1}, {2, 3}, {3, 1}},
                                           {{0, 1}, {1, 2}, {2, 3}}, {{3, 2}, {2, 1}, {1, 0}},
                                           {{0, 1}, {0, 2}, {0, 3}}, {{1, 0}, {2, 0}, {3, 0}}};

    (void)state;
    begin();
    for (size_t k = 0; k < sizeof(orders) / sizeof(*orders); k++)
        for (int end = 0; end < 3; end++) {
            const long blocks = counting_counts.blocks;
            struct lucet_instance *i[4];
            struct lucet_exception *all[4][300];
            for (int n = 0; n < 4; n++) {
                i[n] = sets_instance();
                for (uint64_t e = 0; e < 300; e++)
                    all[n][e] = sets_add(i[n], e);
            }
            for (int n = 0; n < 3; n++)
                sets_link(i[orders[k][n][0]], i[orders[k][n][1]]);
            struct exceptions *s = i[0]->exceptions;
            assert_int_equal(s->count, 4 * 300);
            assert_int_equal(s->users, 4);
            for (int round = 0; round < 2; round++) {
                for (int n = 0; n < 4; n++)
                    for (uint64_t e = 0; e < 300; e++) {
                        assert_ptr_equal(lucet__exception_find(i[n]->exceptions, all[n][e]->ref),
                                         all[n][e]);
                        assert_ptr_equal(lucet__exception_set(all[n][e]), s);
                    }
                for (int n = 0; n < 500 && end > 0; n++)
                    lucet__exceptions_move(s);
            }
            if (end == 2)
                finish(i[3]);
            for (int n = 0; n < 4; n++)
                lucet_instance_release(i[n]);
            assert_int_equal(counting_counts.blocks, blocks);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(new_ones_survive_the_collection_in_progress),
        cmocka_unit_test(what_the_host_lets_go_meanwhile_survives),
        cmocka_unit_test(what_is_found_meanwhile_stays),
        cmocka_unit_test(sets_that_become_one_begin_anew),
        cmocka_unit_test(many_sets_become_one),
    };

    return cmocka_run_group_tests(tests, sets_set_up, sets_tear_down);
}
