/* The sets of exceptions that instances may hold: they grow bit by bit, go with their last
 * instance, become one when stores do, and no exception that is in use is lost on the way. */
#include <stdlib.h>

#include "runtime/exception_sets.h"

enum { MANY = 1500 };

static const char wat[] =
    "(module (tag $n (export \"n\") (param i64)) (tag $in (export \"in\") (param i64 exnref "
    "funcref))"
    " (tag (export \"references\") (param funcref exnref))"
    " (table $t (export \"t\") 100 exnref) (elem declare func $f) (func $f)"
    " (func $make (export \"make\") (param i64) (result exnref)"
    "   (block $h (result exnref)"
    "     (try_table (catch_all_ref $h) (throw $n (local.get 0))) unreachable))"
    " (func (export \"wrap\") (param i64) (result exnref)"
    "   (block $h (result exnref)"
    "     (try_table (catch_all_ref $h)"
    "       (throw $in (local.get 0) (call $make (local.get 0)) (ref.func $f))) unreachable))"
    " (func (export \"value\") (param exnref) (result i64)"
    "   (block $h (result i64) (try_table (catch $n $h) (throw_ref (local.get 0))) unreachable))"
    " (func (export \"out\") (throw $in (i64.const 1) (ref.null exn) (ref.func $f))))";

static void begin(void)
{
    sets_begin(wat, 4);
}

static uint64_t add(struct lucet_instance *i, uint64_t value)
{
    return sets_add(i, value)->ref;
}

static void expect_all(struct exceptions *s, const uint64_t *refs, uint64_t n)
{
    for (uint64_t k = 0; k < n; k++) {
        const struct lucet_exception *e = lucet__exception_find(s, refs[k]);
        if (!e || e->values[0][0] != k)
            fail_msg("%llu of %llu is %s", (unsigned long long)k, (unsigned long long)n,
                     e ? "another one" : "not found");
    }
    assert_null(lucet__exception_find(s, 0));
    assert_null(lucet__exception_find(s, refs[n - 1] + 1));
}

static size_t longest_chain(const struct exceptions *s)
{
    size_t longest = 0;

    for (size_t k = 0; k < (size_t)1 << s->table.bits; k++) {
        size_t n = 0;
        for (const struct lucet_exception *e = s->table.chains[k]; e; e = e->next)
            n++;
        longest = n > longest ? n : longest;
    }
    return longest;
}

/* Guests must not be able to make looking up slow, nor to find out that there is no memory. */
static void all_are_found_while_a_set_grows(void **state)
{
    static uint64_t refs[MANY];

    (void)state;
    begin();
    for (int without_memory = 0; without_memory < 2; without_memory++) {
        const long blocks = counting_counts.blocks;
        struct lucet_instance *i = sets_instance();
        struct exceptions *s = lucet__exceptions_of(i);
        for (uint64_t n = 0; n < MANY; n++) {
            refs[n] = add(i, n);
            expect_all(s, refs, n + 1);
            if (!without_memory || n < 15)
                continue;
            while (lucet__exceptions_move(s))
                ;
            counting_counts.fails_after = 1; /* one for the exception, none for a table */
        }
        counting_counts.fails_after = -1;
        if (without_memory) { /* it has not grown until now */
            assert_int_equal(s->table.bits, 4);
            add(i, MANY);
        }
        while (lucet__exceptions_move(s))
            ;
        expect_all(s, refs, MANY);
        assert_int_equal(s->count, MANY + without_memory);
        if (!without_memory) {
            assert_in_range(longest_chain(s), 1, 10);
            assert_int_equal(s->table.bits, 12); /* no larger than they need */
        }
        lucet_instance_release(i);
        assert_int_equal(counting_counts.blocks, blocks);
    }
}

static struct lucet_exception *call_for(struct lucet_instance *i, const char *name, int64_t n)
{
    struct lucet_result r;
    struct lucet_val v;

    assert_int_equal(lucet_instance_call(i, name, strlen(name), ARGS(I64(n)), 1, &v, &r),
                     lucet_error_ok);
    return (struct lucet_exception *)(uintptr_t)v.inner_val.as_ref;
}

/* In the middle of growing, with some that the host holds: these stay, without what they refer
 * to. */
static void a_set_goes_with_its_last_instance(void **state)
{
    (void)state;
    begin();
    for (unsigned n = 0; n < 40; n++) {
        const long blocks = counting_counts.blocks;
        struct lucet_instance *i = sets_instance(), *other = sets_instance();
        struct lucet_exception *held[40], *one, *outer;
        struct lucet_val v;
        for (unsigned k = 0; k < n; k++) {
            held[k] = call_for(i, "make", k);
            lucet_exception_retain(held[k]);
            add(i, k);
        }
        outer = call_for(i, "wrap", 7);
        lucet_exception_retain(outer);
        /* Those of an instance are found while it is there. */
        assert_int_equal(lucet_exception_value(outer, 1, &v), lucet_error_ok);
        one = (struct lucet_exception *)(uintptr_t)v.inner_val.as_ref;
        assert_non_null(one);
        assert_int_equal(lucet_exception_value(one, 0, &v), lucet_error_ok);
        assert_int_equal(v.inner_val.as_i64, 7);
        lucet_instance_release(i);
        for (unsigned k = 0; k < n; k++) {
            assert_int_equal(lucet_exception_value(held[k], 0, &v), lucet_error_ok);
            assert_int_equal(v.inner_val.as_i64, k);
            assert_null(held[k]->of);
            lucet_exception_release(held[k]);
        }
        assert_int_equal(lucet_exception_value(outer, 0, &v), lucet_error_ok);
        assert_int_equal(v.inner_val.as_i64, 7);
        for (size_t k = 1; k < 3; k++) {
            assert_int_equal(lucet_exception_value(outer, k, &v), lucet_error_ok);
            assert_null(v.inner_val.as_ref);
        }
        /* Another instance can still be given it. */
        const struct lucet_val arg = LUCET_VAL(exnref, as_ref, outer);
        struct lucet_result r;
        assert_int_equal(lucet_instance_run(other, "value", 1, &arg, &r),
                         lucet_error_runtime_threw);
        lucet_exception_release(outer);
        lucet_instance_release(other);
        assert_int_equal(counting_counts.blocks, blocks);
    }
}

/* Both have as many as the number says, at any stage of growing; either comes first. */
static void two_sets_become_one(void **state)
{
    static uint64_t refs[2][400];

    (void)state;
    begin();
    for (unsigned k = 0; k < 2 * 12; k++) {
        static const uint64_t counts[12] = {0, 1, 2, 15, 16, 17, 18, 20, 24, 30, 64, 100};
        const uint64_t n[2] = {counts[k % 12], counts[(k * 7 + 5) % 12]};
        const long blocks = counting_counts.blocks;
        struct lucet_instance *i[2] = {sets_instance(), sets_instance()};
        for (int side = 0; side < 2; side++) {
            lucet__exceptions_of(i[side]);
            for (uint64_t e = 0; e < n[side]; e++)
                refs[side][e] = add(i[side], e);
        }
        const uint64_t limit = i[0]->exceptions->limit + i[1]->exceptions->limit,
                       bytes = i[0]->exceptions->bytes + i[1]->exceptions->bytes;
        sets_link(i[k / 12], i[1 - k / 12]);
        assert_ptr_equal(i[0]->exceptions, i[1]->exceptions);
        assert_int_equal(i[0]->exceptions->limit, limit);
        assert_int_equal(i[0]->exceptions->bytes, bytes);
        assert_int_equal(i[0]->exceptions->count, n[0] + n[1]);
        assert_int_equal(i[0]->exceptions->users, 2);
        for (int side = 0; side < 2; side++)
            if (n[side])
                expect_all(i[0]->exceptions, refs[side], n[side]);
        lucet_instance_release(i[0]);
        /* The first is held by the second. */
        if (n[0])
            expect_all(i[1]->exceptions, refs[0], n[0]);
        lucet_instance_release(i[1]);
        assert_int_equal(counting_counts.blocks, blocks);
    }
}

/* When only one of them has a set. */
static void a_set_is_of_all_instances_of_a_store(void **state)
{
    (void)state;
    begin();
    for (int k = 0; k < 4; k++) {
        const long blocks = counting_counts.blocks;
        struct lucet_instance *i[3] = {sets_instance(), sets_instance(), sets_instance()};
        const uint64_t ref = add(i[k % 2], 0);
        sets_link(i[0], i[2]);
        sets_link(i[k / 2], i[1 - k / 2]);
        for (int m = 0; m < 3; m++)
            expect_all(i[m]->exceptions, &ref, 1);
        assert_int_equal(i[0]->exceptions->users, 3);
        for (int m = 0; m < 3; m++)
            lucet_instance_release(i[m]);
        assert_int_equal(counting_counts.blocks, blocks);
    }
}

static void collect(struct lucet_instance *i)
{
    assert_false(lucet__exceptions_room(i, NULL, UINT64_MAX));
}

/* What one set's collections have found, the other's have not. */
static void what_is_in_use_survives_collections_of_the_set_it_comes_to(void **state)
{
    (void)state;
    begin();
    for (unsigned k = 0; k < 8; k++) {
        const unsigned before = k / 2;
        struct lucet_instance *one = sets_instance(), *two = sets_instance();
        struct lucet_exception *outer = call_for(two, "wrap", 9);
        struct lucet_val v;
        lucet_exception_retain(outer);
        call_for(two, "wrap", 8); /* the context has other numbers in it now */
        add(one, 1);
        for (unsigned n = 0; n < before; n++)
            collect(two);
        sets_link(k % 2 ? one : two, k % 2 ? two : one);
        assert_ptr_equal(lucet__exception_set(outer), one->exceptions);
        for (unsigned n = 0; n < 3; n++) {
            collect(one);
            assert_int_equal(lucet_exception_value(outer, 1, &v), lucet_error_ok);
            assert_non_null(v.inner_val.as_ref);
            assert_int_equal(lucet_exception_value(v.inner_val.as_ref, 0, &v), lucet_error_ok);
            assert_int_equal(v.inner_val.as_i64, 9);
        }
        lucet_exception_release(outer);
        lucet_instance_release(one);
        lucet_instance_release(two);
    }
}

/* The count of collections begins again without taking new ones for found. */
static void collections_may_be_as_many_as_one_likes(void **state)
{
    (void)state;
    begin();
    struct lucet_instance *i = sets_instance();
    add(i, 1);
    i->exceptions->collections = UINT32_MAX - 1;
    for (int k = 0; k < 4; k++) {
        add(i, 1);
        collect(i);
        assert_int_equal(i->exceptions->count, 0);
        assert_int_equal(i->exceptions->bytes, 0);
    }
    lucet_instance_release(i);
}

/* Those that refer to something are in the set, where nobody would miss them. */
static void what_comes_to_the_host_counts(void **state)
{
    struct lucet_result r;

    (void)state;
    begin();
    struct lucet_instance *i = sets_instance();
    for (int k = 0; k < 30000; k++)
        if (lucet_instance_run(i, "out", 0, NULL, &r) != lucet_error_runtime_threw)
            fail_msg("%d: %s", k, lucet_error_detail());
    assert_in_range(i->exceptions->bytes, 1,
                    i->exceptions->limit + lucet__exception_size(sets_tag(i, "in")));
    lucet_instance_release(i);
}

/* Its first value, and its last. */
static void what_outlives_its_instances_refers_to_nothing(void **state)
{
    const uint64_t values[][2] = {{0x1000, 0}, {0x2000, 0}};

    (void)state;
    begin();
    struct lucet_instance *i = sets_instance();
    struct lucet_exception *e = lucet__exception_new(sets_tag(i, "references"), values);
    assert_non_null(e);
    lucet__exception_add(lucet__exceptions_of(i), e);
    lucet_instance_release(i);
    assert_null(e->of);
    assert_int_equal(e->values[0][0], 0);
    assert_int_equal(e->values[1][0], 0);
    lucet_exception_release(e);
}

/* All or nothing, whether the instances were linked before or not. */
static void a_set_is_made_at_first_use(void **state)
{
    (void)state;
    begin();
    for (int linked = 0; linked < 2; linked++) {
        const long before = counting_counts.blocks;
        struct lucet_instance *i[2] = {sets_instance(), sets_instance()};
        if (linked)
            sets_link(i[0], i[1]);
        const long blocks = counting_counts.blocks;
        for (int n = 0; n < 2; n++) {
            counting_counts.fails_after = n;
            assert_null(lucet__exceptions_of(i[0]));
            counting_counts.fails_after = -1;
            assert_int_equal(counting_counts.blocks, blocks);
        }
        const struct exceptions *s = lucet__exceptions_of(i[0]);
        assert_int_equal(s->users, 1 + linked);
        assert_true((i[1]->exceptions == s) == linked);
        lucet_instance_release(i[0]);
        lucet_instance_release(i[1]);
        assert_int_equal(counting_counts.blocks, before);
    }
}

/* Of one that no instance has, and of one that nobody else has. */
static void one_lives_as_long_as_the_host_holds_it(void **state)
{
    struct lucet_exception *e;
    struct lucet_val v;

    (void)state;
    begin();
    struct lucet_instance *i = sets_instance();
    const long blocks = counting_counts.blocks;
    assert_null(lucet__exception_find(i->exceptions, 5)); /* it has no set */
    assert_int_equal(lucet_exception_new(sets_tag(i, "n"), 1, &LUCET_VAL_I64(7), &e),
                     lucet_error_ok);
    for (int k = 0; k < 3; k++)
        lucet_exception_retain(e);
    for (int k = 0; k < 3; k++) {
        lucet_exception_release(e);
        assert_int_equal(counting_counts.blocks, blocks + 1);
        assert_int_equal(lucet_exception_value(e, 0, &v), lucet_error_ok);
        assert_int_equal(v.inner_val.as_i64, 7);
    }
    lucet_exception_release(e);
    assert_int_equal(counting_counts.blocks, blocks);
    e = sets_add(i, 8);
    const uint64_t ref = e->ref;
    lucet_exception_retain(e);
    lucet_exception_retain(e);
    for (int k = 0; k < 2; k++) {
        collect(i);
        assert_ptr_equal(lucet__exception_find(i->exceptions, ref), e);
        lucet_exception_release(e);
    }
    collect(i);
    assert_null(lucet__exception_find(i->exceptions, ref));
    lucet_instance_release(i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_are_found_while_a_set_grows),
        cmocka_unit_test(a_set_goes_with_its_last_instance),
        cmocka_unit_test(two_sets_become_one),
        cmocka_unit_test(a_set_is_of_all_instances_of_a_store),
        cmocka_unit_test(what_is_in_use_survives_collections_of_the_set_it_comes_to),
        cmocka_unit_test(collections_may_be_as_many_as_one_likes),
        cmocka_unit_test(what_comes_to_the_host_counts),
        cmocka_unit_test(what_outlives_its_instances_refers_to_nothing),
        cmocka_unit_test(a_set_is_made_at_first_use),
        cmocka_unit_test(one_lives_as_long_as_the_host_holds_it),
    };
    return cmocka_run_group_tests(tests, sets_set_up, sets_tear_down);
}
