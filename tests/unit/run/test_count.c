/* Counting instructions: the numbers are those of the text, whatever the compiler makes of it, and
 * a bound ends a part of a run at the same place each time. */
#include "guest.h"
#include "set.h"

#include <stdio.h>
#include <stdlib.h>

static const char wat[] =
    "(module (import \"h\" \"f\" (func $f (param i32) (result i32))) (memory 1)"
    " (table 2 funcref) (elem (i32.const 0) $leaf $f) (type $t (func (param i32) (result i32)))"
    " (func $leaf (export \"leaf\") (param i32) (result i32)"
    "   (i32.add (local.get 0) (i32.const 1)))" /* 3 */
    " (func (export \"nothing\"))"
    " (func (export \"free\") nop (drop (i32.const 1)) (block (nop)) (loop (nop)))" /* 1 */
    " (func (export \"branch\") (param i32) (result i32)"
    "   (if (result i32) (local.get 0) (then (i32.const 5))"                   /* 3 */
    "     (else (i32.mul (i32.const 3) (i32.const 4)))))"                      /* 5 */
    " (func $count (export \"count\") (param i32) (result i32) (local $s i32)" /* 11 n + 1 */
    "   (loop $l (local.set $s (i32.add (local.get $s) (local.get 0)))"
    "     (br_if $l (i32.ne (local.tee 0 (i32.sub (local.get 0) (i32.const 1))) (i32.const 0))))"
    "   (local.get $s))"
    " (func (export \"calls\") (param i32) (result i32)" /* 14 */
    "   (i32.add (call $leaf (local.get 0)) (i32.const 0)) (drop)"
    "   (call_indirect (type $t) (local.get 0) (i32.const 0)) (call $f) (return))"
    " (func $down (export \"down\") (param i32) (result i32)" /* 8 n + 3 */
    "   (if (result i32) (local.get 0)"
    "     (then (i32.add (call $down (i32.sub (local.get 0) (i32.const 1))) (i32.const 1)))"
    "     (else (i32.const 0))))"
    " (func (export \"table\") (param i32) (result i32)"
    "   (block $a (block $b (block $c (br_table $a $b $c (local.get 0))) (return (i32.const 1)))"
    "     (return (i32.add (i32.const 1) (i32.const 2)))) (i32.const 9))"
    " (func (export \"vector\") (param $n i32) (result i32) (local $i i32)"
    "   (loop $l (i32.store (i32.and (local.get $i) (i32.const 0xfffc)) (local.get $i))"
    "     (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 4)))"
    "                         (local.get $n)))) (i32.load (i32.const 64)))"
    " (func (export \"endless\") (loop $l (br $l)))"
    " (func (export \"many\") (param i64) (result i64 i64 i64)"
    "   (local.get 0) (i64.const 1) (i64.const 2))"
    " (func (export \"host\") (param i32) (result i32) (local $s i32)"
    "   (loop $l (local.set $s (i32.add (local.get $s) (call $f (local.get 0))))"
    "     (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))) (local.get $s)))";

static uint64_t count_of(const struct lucet_instance *inst)
{
    uint64_t count = 0;

    assert_int_equal(lucet_instance_get_instruction_count(inst, &count), lucet_error_ok);
    return count;
}

static uint64_t seen[64];
static unsigned nseen;

/* What a host function sees is exact. */
static int32_t host(struct lucet_vmctx *ctx, int32_t n)
{
    seen[nseen++ % 64] = count_of(lucet_vmctx_instance(ctx));
    return n + 1;
}

static struct set set_up(struct guest_mode mode)
{
    static const struct set_host hosts[] = {{"f", "i:i", host}, {0}};

    mode.count = true;
    return set_begin(wat, &mode, hosts);
}

static uint64_t cost_of(struct lucet_instance *inst, const char *name, int32_t arg, bool has_arg)
{
    struct lucet_val v = LUCET_VAL_I32(arg);
    const uint64_t before = count_of(inst);

    guest_call(inst, name, has_arg, &v);
    return count_of(inst) - before;
}

static void counts_are_those_of_the_text(void **state)
{
    (void)state;
    guest_begin();
    for (int m = 0; m < GUEST_MODES; m++) {
        struct set s = set_up(guest_modes[m]);
        assert_int_equal(count_of(s.a), 0);
        assert_int_equal(cost_of(s.a, "leaf", 1, true), 3);
        assert_int_equal(cost_of(s.a, "nothing", 0, false), 0);
        assert_int_equal(cost_of(s.a, "free", 0, false), 1);
        assert_int_equal(cost_of(s.a, "branch", 1, true), 3);
        assert_int_equal(cost_of(s.a, "branch", 0, true), 5);
        assert_int_equal(cost_of(s.a, "count", 1, true), 12);
        assert_int_equal(cost_of(s.a, "count", 100000, true), 1100001);
        assert_int_equal(cost_of(s.a, "down", 50, true), 403);
        assert_int_equal(cost_of(s.a, "table", 0, true), 3);
        assert_int_equal(cost_of(s.a, "table", 1, true), 5);
        assert_int_equal(cost_of(s.a, "table", 2, true), 3);
        assert_int_equal(cost_of(s.a, "vector", 40000, true), 12 * 10000 + 2);
        nseen = 0;
        const uint64_t before = count_of(s.a);
        assert_int_equal(cost_of(s.a, "calls", 7, true), 14);
        assert_int_equal(seen[0] - before, 14);
        nseen = 0;
        assert_int_equal(lucet_instance_set_instruction_count(s.a, 1000), lucet_error_ok);
        assert_int_equal(cost_of(s.a, "host", 3, true), 31);
        assert_int_equal(seen[0], 1003);
        assert_int_equal(seen[1], 1013);
        assert_int_equal(seen[2], 1023);
        assert_int_equal(lucet_instance_reset(s.a), lucet_error_ok);
        assert_int_equal(count_of(s.a), 0);
        set_end(&s);
    }
}

/* Where a run with a bound stops, as a number of all stops and their counts. */
static uint64_t in_parts(struct lucet_instance *inst, const char *name, int32_t n, uint64_t bound,
                         unsigned *parts)
{
    struct lucet_result r;
    uint64_t digest = 0;

    assert_int_equal(lucet_instance_set_instruction_bound(inst, bound), lucet_error_ok);
    enum lucet_error e = lucet_instance_run(inst, name, ARGS(I32(n)), &r);
    for (*parts = 1; e == lucet_error_ok && r.tag == lucet_result_tag_yielded; ++*parts) {
        assert_int_equal(r.val.yielded.reason, lucet_yield_reason_bound);
        digest = digest * 31 + count_of(inst);
        e = lucet_instance_resume(inst, NULL, &r);
    }
    assert_int_equal(e, lucet_error_ok);
    assert_int_equal(lucet_instance_set_instruction_bound(inst, 0), lucet_error_ok);
    return digest * 31 + lucet_retval_gp(&r.val.returned);
}

static void bounds_end_parts_at_the_same_place(void **state)
{
    static const struct {
        const char *name;
        int32_t n;
        uint64_t bound;
        unsigned parts;
    } works[] = {{"count", 1000, 995, 11}, {"down", 1000, 700, 10}, {"vector", 40000, 11999, 10},
                 {"host", 20, 100, 2},     {"leaf", 1, 2, 1},       {"count", 50, 1000, 1}};
    uint64_t first[6];

    (void)state;
    guest_begin();
    for (int m = 0; m < GUEST_MODES; m++) {
        struct set s = set_up(guest_modes[m]);
        for (int i = 0; i < 6; i++) {
            struct lucet_val n = I32(works[i].n);
            const uint64_t expected = guest_call(s.a, works[i].name, 1, &n);
            unsigned parts;
            assert_int_equal(lucet_instance_set_instruction_count(s.a, 0), lucet_error_ok);
            uint64_t digest = in_parts(s.a, works[i].name, works[i].n, works[i].bound, &parts);
            if (m == 0) {
                first[i] = digest;
                if (abs((int)parts - (int)works[i].parts) > 1)
                    fail_msg("%s: %u parts", works[i].name, parts);
            }
            if (works[i].parts == 1)
                assert_int_equal(digest, expected);
            assert_true(digest == first[i]);
        }
        set_end(&s);
    }
}

static void an_endless_guest_is_bounded(void **state)
{
    struct lucet_result r;

    (void)state;
    guest_begin();
    struct set s = set_up(guest_default);
    assert_int_equal(lucet_instance_set_instruction_bound(s.a, 5000), lucet_error_ok);
    assert_int_equal(lucet_instance_run(s.a, "endless", 0, NULL, &r), lucet_error_ok);
    for (int i = 1; i < 20; i++) {
        assert_int_equal(r.tag, lucet_result_tag_yielded);
        assert_int_equal(r.val.yielded.reason, lucet_yield_reason_bound);
        assert_int_equal(count_of(s.a), 5001 * i);
        assert_int_equal(lucet_instance_resume(s.a, NULL, &r), lucet_error_ok);
    }
    assert_int_equal(lucet_instance_reset(s.a), lucet_error_ok);
    assert_int_equal(count_of(s.a), 0);
    /* Deep recursion is bounded too. */
    assert_int_equal(lucet_instance_run(s.a, "down", ARGS(I32(1000000)), &r), lucet_error_ok);
    assert_int_equal(r.tag, lucet_result_tag_yielded);
    assert_int_equal(lucet_instance_reset(s.a), lucet_error_ok);
    /* Together with slices. */
    lucet_instance_set_slice(s.a, 100000);
    lucet_instance_set_instruction_bound(s.a, UINT64_MAX);
    assert_int_equal(lucet_instance_run(s.a, "endless", 0, NULL, &r), lucet_error_ok);
    assert_int_equal(r.val.yielded.reason, lucet_yield_reason_slice);
    assert_int_equal(lucet_instance_reset(s.a), lucet_error_ok);
    set_end(&s);
}

static void others_are_refused(void **state)
{
    uint64_t count;

    (void)state;
    guest_begin();
    struct lucet_region *region = guest_region(1);
    struct lucet_dl_module *module = guest_module("(module (func (export \"f\")))", &guest_default);
    struct lucet_instance *inst = guest_instance(region, module, NULL, NULL);
    assert_int_equal(lucet_instance_get_instruction_count(inst, &count), lucet_error_unsupported);
    assert_int_equal(lucet_instance_set_instruction_count(inst, 1), lucet_error_unsupported);
    assert_int_equal(lucet_instance_set_instruction_bound(inst, 1), lucet_error_unsupported);
    assert_int_equal(lucet_instance_get_instruction_count(NULL, &count),
                     lucet_error_invalid_argument);
    lucet_instance_release(inst);
    lucet_dl_module_release(module);
    lucet_region_release(region);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_are_those_of_the_text),
        cmocka_unit_test(bounds_end_parts_at_the_same_place),
        cmocka_unit_test(an_endless_guest_is_bounded),
        cmocka_unit_test(others_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
