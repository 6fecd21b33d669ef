/* Runs that were begun in one instance and put aside within another, which knows nothing of the
 * first and whose exceptions their frames hold: collections that others begin meanwhile find
 * these. */
#include <pthread.h>
#include <stdlib.h>

#include "lucet/exception.h"
#include "run/guest.h"
#include "runtime/exception.h"
#include "runtime/instance.h"
#include "runtime/store.h"

enum way { BY_HOST, BY_SLICE, BY_BOUND, WAYS };

/* Holds an exception while it is put aside: by a host function, or in a loop. */
static const char lib_wat[] =
    "(module (import \"h\" \"pause\" (func $pause)) (tag $n (export \"n\") (param i64))"
    " (memory (export \"m\") 1) (table (export \"t\") 1 exnref)"
    " (func $make (param i64) (result exnref)"
    "   (block $h (result exnref)"
    "     (try_table (catch_all_ref $h) (throw $n (local.get 0))) unreachable))"
    " (func $value (param exnref) (result i64)"
    "   (block $h (result i64) (try_table (catch $n $h) (throw_ref (local.get 0))) unreachable))"
    " (func $spin (result i64) (local $n i32) (local $x i64)"
    "   (loop $l"
    "     (local.set $x (i64.add (i64.mul (local.get $x) (i64.const 5)) (i64.load (i32.const 0))))"
    "     (br_if $l (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1)))"
    "                         (i32.load (i32.const 8)))))"
    "   (local.get $x))"
    " (func (export \"waste\") (param $n i32)"
    "   (loop $l (drop (call $make (i64.const 0)))"
    "     (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))"
    " (func (export \"keep\") (param $v i64) (result i64) (local $e exnref)"
    "   (local.set $e (call $make (local.get $v)))"
    "   (drop (call $make (i64.const 0))) (drop (call $make (i64.const 0)))"
    "   (call $pause)"
    "   (i64.store (i32.const 0) (i64.and (call $spin) (i64.const 0)))"
    "   (call $value (local.get $e))))";

/* What the bound of instructions ends; modules with exceptions do not count them. */
static const char counter_wat[] =
    "(module (import \"host\" \"pause\" (func $pause))"
    " (func (export \"pause\") (local $n i32) (call $pause)"
    "   (loop $l (br_if $l (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1)))"
    "                                (i32.const 100))))))";

/* Private modules, whose stores are their own: nothing that refers to something passes between
 * them. */
#define CALLER(lib)                                                                                \
    "(module (import \"" lib "\" \"keep\" (func $keep (param i64) (result i64)))"                  \
    " (func (export \"keep\") (param i64) (result i64)"                                            \
    "   (i64.add (call $keep (local.get 0)) (i64.const 1000))))"
static const char of_lib_wat[] = CALLER("lib"), of_middle_wat[] = CALLER("middle");

/* Shares the table of what it imports from, and so its store. */
static const char sharer_wat[] = "(module (import \"lib\" \"t\" (table 1 exnref)))";

static const char user_wat[] =
    "(module (import \"lib\" \"n\" (tag (param i64))) (import \"lib\" \"m\" (memory 1))"
    " (import \"h\" \"pause\" (func $pause))"
    " (func (export \"keep\") (param i64) (call $pause)))";

static struct lucet_region *region;
static struct lucet_linker *linker;
static struct lucet_instance *lib, *counter;
static enum way way;
static struct lucet_instance
    *inner; /* what the host function runs before it yields; NULL: nothing */

/* Compiled once. */
static struct lucet_dl_module *module_of(const char *wat)
{
    static const struct guest_mode counting = {.opt_level = lucetc_opt_speed, .count = true};
    static struct {
        const char *wat;
        struct lucet_dl_module *m;
    } known[10];
    size_t k = 0;

    for (; known[k].wat && known[k].wat != wat; k++)
        ;
    if (!known[k].wat) {
        known[k].wat = wat;
        known[k].m = guest_module(wat, wat == counter_wat ? &counting : &guest_default);
    }
    return known[k].m;
}

static struct lucet_instance *add(const char *name, const char *wat)
{
    struct lucet_instance *i = guest_instance(region, module_of(wat), linker, NULL);

    if (name)
        assert_int_equal(lucet_linker_instance(linker, name, i), lucet_error_ok);
    return i;
}

static unsigned pauses; /* how often it has been called */

/* Where slices end the run is in its loop, and not where one was over before or as the host
 * function returned, with more in the registers than there will be. */
static bool is_at_its_place(const struct lucet_instance *i, unsigned before)
{
    return pauses != before && (way != BY_SLICE || !i->suspended.sp);
}

static __attribute__((noinline)) void run_inner(void)
{
    struct lucet_instance *next = inner;
    struct lucet_result r;
    const unsigned before = ++pauses;

    if (!next)
        return;
    inner = NULL;
    assert_int_equal(lucet_instance_run(next, "keep", ARGS(I64(5)), &r), lucet_error_ok);
    while (!is_at_its_place(next, before))
        assert_int_equal(lucet_instance_resume(next, NULL, &r), lucet_error_ok);
    assert_int_equal(r.tag, lucet_result_tag_yielded);
}

/* Keeps nothing across calls but its argument: what a frame of the host's saves of the guest's
 * registers is searched, too. */
static void pause_guest(struct lucet_vmctx *ctx)
{
    run_inner();
    if (way == BY_HOST)
        lucet_vmctx_yield(ctx, NULL);
}

static void begin(enum way w)
{
    guest_begin();
    way = w;
    region = guest_region(12);
    assert_int_equal(lucet_linker_new(&linker), lucet_error_ok);
    assert_int_equal(lucet_linker_func(linker, way == BY_BOUND ? "host" : "h", "pause", ":",
                                       (void (*)(void))pause_guest),
                     lucet_error_ok);
    counter = NULL;
    if (way == BY_BOUND) {
        counter = add("h", counter_wat);
        assert_int_equal(lucet_instance_set_instruction_bound(counter, 300), lucet_error_ok);
    }
    lib = add("lib", lib_wat);
    /* How long a loop lasts. */
    ((uint32_t *)(void *)lucet_instance_heap(lib))[2] = way == BY_SLICE ? 3000000 : 1;
}

static void end(void)
{
    lucet_instance_release(lib);
    lucet_instance_release(counter);
    lucet_linker_release(linker);
    assert_int_equal(lucet_region_used_slots(region), 0);
    lucet_region_release(region);
}

static void collect(struct lucet_instance *i)
{
    if (!lucet__exceptions_of(i))
        fail();
    for (int k = 0; k < 2; k++)
        assert_false(lucet__exceptions_room(i, NULL, UINT64_MAX));
}

struct turn {
    struct lucet_instance *inst;
    bool begun;
    int64_t value;
    struct lucet_result result;
    enum lucet_error error;
};

static void *take_turn(void *arg)
{
    struct turn *t = arg;

    t->error = t->begun ? lucet_instance_resume(t->inst, NULL, &t->result)
                        : lucet_instance_run(t->inst, "keep", ARGS(I64(t->value)), &t->result);
    t->begun = true;
    return NULL;
}

static void on_another_thread(struct turn *t)
{
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, take_turn, t), 0);
    pthread_join(thread, NULL);
}

static bool is_put_aside(const struct turn *t)
{
    if (t->error != lucet_error_ok)
        fail_msg("%s", lucet_error_detail());
    return t->result.tag == lucet_result_tag_yielded;
}

static void put_aside(struct turn *t, struct lucet_instance *i, int64_t value)
{
    const unsigned before = pauses;

    *t = (struct turn){.inst = i, .value = value};
    if (way == BY_SLICE)
        assert_int_equal(lucet_instance_set_slice(i, 100000), lucet_error_ok);
    do
        take_turn(t);
    while (is_put_aside(t) && !is_at_its_place(i, before));
    assert_true(is_put_aside(t));
}

static void finish(struct turn *t, int64_t expected)
{
    for (unsigned n = 0; is_put_aside(t); n++)
        (n % 2 ? on_another_thread(t) : (void)take_turn(t));
    assert_int_equal(lucet_retval_gp(&t->result.val.returned), expected);
}

static struct lucet_instance *add_caller(int depth)
{
    struct lucet_instance *middle = depth == 2 ? add("middle", of_lib_wat) : NULL,
                          *i = add(NULL, depth == 2 ? of_middle_wat : of_lib_wat);

    lucet_instance_release(middle);
    return i;
}

/* Directly, or through a third one, and however the instances become linked with others
 * meanwhile. */
static void frames_of_others_runs_are_searched(void **state)
{
    enum {
        NOTHING,
        LIB_AND_SHARER,
        LIB_AND_ANOTHER,
        ANOTHER_AND_LIB,
        LIB_AND_CALLER,
        CALLER_AND_ANOTHER,
        CHANGES
    };

    (void)state;
    for (unsigned w = 0; w < WAYS; w++)
        for (int depth = 1; depth < 3; depth++)
            for (int change = 0; change < CHANGES; change++) {
                begin(w);
                struct lucet_instance *caller = add_caller(depth), *other = NULL;
                struct turn t;
                put_aside(&t, caller, 7);
                assert_int_equal(caller->state, INSTANCE_YIELDED);
                if (change == LIB_AND_SHARER)
                    other = add(NULL, sharer_wat);
                if (change > LIB_AND_SHARER) {
                    other = add(NULL, lib_wat);
                    collect(other);
                    struct lucet_instance *const pairs[][2] = {
                        [LIB_AND_ANOTHER] = {lib, other},
                        [ANOTHER_AND_LIB] = {other, lib},
                        [LIB_AND_CALLER] = {lib, caller},
                        [CALLER_AND_ANOTHER] = {caller, other}};
                    assert_int_equal(lucet__store_link(lucet__store_of_instance(pairs[change][0]),
                                                       lucet__store_of_instance(pairs[change][1]),
                                                       STORE_MUTUAL),
                                     lucet_error_ok);
                }
                collect(lib);
                assert_int_equal(lib->exceptions->count, 1);
                if (other)
                    collect(other);
                finish(&t, 7 + 1000 * depth);
                /* It is nobody's any more. */
                guest_call(lib, "waste", ARGS(I32(3)));
                collect(lib);
                assert_in_range(lib->exceptions->count, 0, 1);
                lucet_instance_release(caller);
                lucet_instance_release(other);
                end();
            }
}

/* Each of them once, in any order, and nobody else. */
static void expect_callers(struct lucet_instance *const *callers, size_t n)
{
    size_t found = 0;

    for (const struct lucet_instance *i = lucet__store_suspended_callers(lib); i;
         i = i->caller_next) {
        assert_true(found++ < n);
        size_t k = 0;
        while (k < n && callers[k] != i)
            k++;
        assert_true(k < n);
    }
    assert_int_equal(found, n);
}

/* Those who go away are no callers any more, in whichever order they do. */
static void callers_come_and_go(void **state)
{
    (void)state;
    for (int order = 0; order < 4 * 3 * 2; order++) {
        struct lucet_instance *callers[4];
        struct turn t;
        begin(BY_HOST);
        for (size_t k = 0; k < 4; k++) {
            callers[k] = add_caller(1);
            expect_callers(callers, k);
            put_aside(&t, callers[k], 1);
            expect_callers(callers, k + 1);
        }
        for (int left = 4, o = order; left > 0; o /= left--) {
            lucet_instance_release(callers[o % left]);
            callers[o % left] = callers[left - 1];
            expect_callers(callers, (size_t)left - 1);
        }
        end();
    }
}

/* Who comes by two ways counts once. */
static void several_ways_lead_to_one_caller(void **state)
{
    static const char both_wat[] =
        "(module (import \"a\" \"keep\" (func $a (param i64) (result i64)))"
        " (import \"b\" \"keep\" (func $b (param i64) (result i64)))"
        " (import \"lib\" \"keep\" (func $lib (param i64) (result i64)))"
        " (func (export \"keep\") (param i64) (result i64)"
        "   (i64.add (call $a (local.get 0)) (call $b (local.get 0)))))";
    struct turn t;

    (void)state;
    begin(BY_HOST);
    struct lucet_instance *a = add("a", of_lib_wat), *b = add("b", of_lib_wat),
                          *both = add(NULL, both_wat);
    put_aside(&t, both, 5);
    for (int k = 0; k < 3; k++)
        expect_callers(&both, 1);
    collect(lib);
    assert_int_equal(lib->exceptions->count, 1);
    finish(&t, 2010);
    lucet_instance_release(a);
    lucet_instance_release(b);
    put_aside(&t, both, 5);
    expect_callers(&both, 1);
    finish(&t, 2010);
    lucet_instance_release(both);
    end();
}

/* Who looks for callers leaves nothing behind that others, who look for something else, take for
 * theirs. */
static void used_ones_become_users(void **state)
{
    struct turn t;

    (void)state;
    for (int depth = 1; depth < 3; depth++) {
        begin(BY_HOST);
        struct lucet_instance *caller = add_caller(depth);
        collect(caller);
        put_aside(&t, caller, 5);
        collect(lib);
        expect_callers(&caller, 1);
        assert_ptr_not_equal(caller->exceptions, lib->exceptions);
        assert_int_equal(lucet__store_link(lucet__store_of_instance(lib),
                                           lucet__store_of_instance(caller), STORE_REFERS),
                         lucet_error_ok);
        assert_ptr_equal(caller->exceptions, lib->exceptions);
        expect_callers(NULL, 0);
        collect(lib);
        finish(&t, 5 + 1000 * depth);
        lucet_instance_release(caller);
        end();
    }
}

/* Each holds its own, whoever goes on first; and one of them goes away as it is. */
static void many_may_be_put_aside_at_once(void **state)
{
    static const int orders[][3] = {{0, 1, 2}, {2, 1, 0}, {1, 2, 0}};

    (void)state;
    for (unsigned w = 0; w < WAYS; w++)
        for (unsigned o = 0; o < 3; o++) {
            struct lucet_instance *callers[4];
            struct turn turns[4];
            begin(w);
            for (int k = 0; k < 4; k++) {
                callers[k] = add_caller(1 + k % 2);
                put_aside(&turns[k], callers[k], k);
            }
            collect(lib);
            assert_int_equal(lib->exceptions->count, 4);
            lucet_instance_release(callers[3]);
            collect(lib);
            assert_int_equal(lib->exceptions->count, 3);
            for (int n = 0; n < 3; n++) {
                const int k = orders[o][n];
                finish(&turns[k], k + 1000 * (1 + k % 2));
                guest_call(lib, "waste", ARGS(I32(3)));
                collect(lib);
            }
            for (int k = 0; k < 3; k++)
                lucet_instance_release(callers[k]);
            end();
        }
}

/* A host function called by one run has begun another, which is put aside; then the outer one is,
 * or it collects. */
static void runs_begun_by_host_functions_are_searched(void **state)
{
    (void)state;
    for (unsigned w = 0; w < WAYS; w++)
        for (int depth = 1; depth < 3; depth++) {
            begin(w);
            struct lucet_instance *outer = add_caller(depth), *nested = add_caller(3 - depth);
            struct turn t, n = {.inst = nested, .begun = true, .value = 5};
            if (way == BY_SLICE)
                assert_int_equal(lucet_instance_set_slice(nested, 100000), lucet_error_ok);
            inner = nested;
            put_aside(&t, outer, 9);
            assert_int_equal(nested->state, INSTANCE_YIELDED);
            collect(lib);
            assert_int_equal(lib->exceptions->count, 2);
            n.result.tag = lucet_result_tag_yielded;
            finish(depth == 1 ? &n : &t, depth == 1 ? 2005 : 2009);
            guest_call(lib, "waste", ARGS(I32(3)));
            collect(lib);
            finish(depth == 1 ? &t : &n, depth == 1 ? 1009 : 1005);
            lucet_instance_release(outer);
            lucet_instance_release(nested);
            end();
        }
}

/* They may run on other threads: nobody else looks at their stacks. */
static void who_only_uses_memories_and_tags_is_left_alone(void **state)
{
    struct turn t;

    (void)state;
    begin(BY_HOST);
    struct lucet_instance *user = add(NULL, user_wat), *caller = add_caller(1);
    put_aside(&t, user, 1);
    assert_null(lucet__store_suspended_callers(lib));
    put_aside(&t, caller, 2);
    assert_ptr_equal(lucet__store_suspended_callers(lib), caller);
    assert_null(lucet__store_suspended_callers(caller));
    assert_null(lucet__store_suspended_callers(user));
    lucet_instance_release(user);
    lucet_instance_release(caller);
    assert_null(lucet__store_suspended_callers(lib));
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_of_others_runs_are_searched),
        cmocka_unit_test(callers_come_and_go),
        cmocka_unit_test(several_ways_lead_to_one_caller),
        cmocka_unit_test(used_ones_become_users),
        cmocka_unit_test(many_may_be_put_aside_at_once),
        cmocka_unit_test(runs_begun_by_host_functions_are_searched),
        cmocka_unit_test(who_only_uses_memories_and_tags_is_left_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
