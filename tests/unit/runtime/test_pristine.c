/* What instances of a module begin with is remembered once (pristine.c): only what is the same for
 * all of them, and all of that. */
#include "run/guest.h"
#include "runtime/counting.h"
#include "runtime/instance.h"
#include "runtime/module.h"

static int32_t first(struct lucet_vmctx *ctx)
{
    (void)ctx;
    return 1;
}

static int32_t second(struct lucet_vmctx *ctx)
{
    (void)ctx;
    return 2;
}

static struct lucet_linker *linker_of(int32_t n)
{
    const struct lucet_val value = LUCET_VAL_I32(n);
    struct lucet_linker *l;

    assert_int_equal(lucet_linker_new(&l), lucet_error_ok);
    assert_int_equal(
        lucet_linker_func(l, "h", "f", ":i", (void (*)(void))(n == 1 ? first : second)),
        lucet_error_ok);
    assert_int_equal(lucet_linker_global(l, "h", "g", value, false), lucet_error_ok);
    assert_int_equal(lucet_linker_table(l, "h", "t", lucet_val_type_externref, (uint64_t)n, 9),
                     lucet_error_ok);
    return l;
}

/* Where an import's value may have come to: "v" tells. */
static const char *const importers[] = {
    "(module (import \"h\" \"g\" (global $g i32))"
    " (func (export \"v\") (result i32) (global.get $g)))",

    "(module (import \"h\" \"g\" (global $g i32)) (global $own (mut i32) (global.get $g))"
    " (func (export \"v\") (result i32) (global.get $own) (global.set $own (i32.const 9))))",

    "(module (type $t (func (result i32))) (import \"h\" \"f\" (func $f (type $t)))"
    " (table 1 funcref) (elem declare func $f) (global $r funcref (ref.func $f))"
    " (func (export \"v\") (result i32) (table.set 0 (i32.const 0) (global.get $r))"
    "   (call_indirect (type $t) (i32.const 0))))",

    "(module (type $t (func (result i32))) (import \"h\" \"f\" (func $f (type $t)))"
    " (table 3 funcref) (elem (i32.const 1) $own $f) (func $own (type $t) (i32.const 7))"
    " (func (export \"v\") (result i32) (call_indirect (type $t) (i32.const 2))"
    "   (table.set 0 (i32.const 2) (ref.null func))))",

    "(module (type $t (func (result i32))) (import \"h\" \"f\" (func $f (type $t)))"
    " (table 3 funcref (ref.func $f)) (func (export \"v\") (result i32)"
    "   (call_indirect (type $t) (i32.const 1)) (table.set 0 (i32.const 1) (ref.null func))))",

    "(module (import \"h\" \"t\" (table $t 1 externref)) (table $own 2 funcref)"
    " (elem (table $own) (i32.const 1) func $f) (func $f)"
    " (func (export \"v\") (result i32) (call_indirect $own (i32.const 1))"
    "   (table.set $own (i32.const 1) (ref.null func)) (table.size $t)))",
};

static void imports_are_each_instances_own(void **state)
{
    (void)state;
    guest_begin();
    struct lucet_linker *const linkers[] = {linker_of(1), linker_of(2)};
    for (size_t k = 0; k < sizeof(importers) / sizeof(*importers); k++) {
        struct lucet_dl_module *m = guest_module(importers[k], &guest_default);
        struct lucet_region *region = guest_region(2);
        for (uint32_t round = 0; round < 6; round++) {
            struct lucet_instance *i[2];
            for (uint32_t n = 0; n < 2; n++)
                i[n] = guest_instance(region, m, linkers[(n + round / 3) % 2], NULL);
            for (uint32_t call = 0; call < 4; call++) {
                if (guest_call(i[call % 2], "v", 0, NULL) != (call + round / 3) % 2 + 1)
                    fail_msg("module %zu, round %u: another's import", k, round);
                assert_int_equal(lucet_instance_reset(i[call % 2]), lucet_error_ok);
            }
            lucet_instance_release(i[0]);
            lucet_instance_release(i[1]);
        }
        lucet_region_release(region);
        lucet_dl_module_release(m);
    }
    lucet_linker_release(linkers[0]);
    lucet_linker_release(linkers[1]);
}

enum { SEGMENTS = 40 };

static void segments_with(const char *table)
{
    struct text t = {0};

    text_add(&t,
             "(module (memory 1) %s (func $f)"
             " (data $active (i32.const 0) \"x\") (elem $placed (i32.const 0) $f)"
             " (func (export \"active data\")"
             "   (memory.init $active (i32.const 9) (i32.const 0) (i32.const 1)))"
             " (func (export \"placed elements\")"
             "   (table.init $placed (i32.const 1) (i32.const 0) (i32.const 1)))",
             table);
    for (int k = 0; k < SEGMENTS; k++)
        text_add(&t, " (data $d%d \"%c\") (elem $e%d func $f)", k, 'A' + k % 26, k);
    text_add(&t, " (func (export \"init\")");
    for (int k = 0; k < SEGMENTS; k++)
        text_add(&t,
                 " (memory.init $d%d (i32.const %d) (i32.const 0) (i32.const 1))"
                 " (table.init $e%d (i32.const 1) (i32.const 0) (i32.const 1))",
                 k, 100 + k, k);
    text_add(&t, ") (func (export \"drop\")");
    for (int k = 0; k < SEGMENTS; k++)
        text_add(&t, " (data.drop $d%d) (elem.drop $e%d)", k, k);
    text_add(&t, "))");
    const long blocks = counting_counts.blocks;
    struct lucet_dl_module *m = guest_module(t.s, &guest_default);
    struct lucet_region *region = guest_region(1);
    for (int round = 0; round < 6; round++) {
        struct lucet_instance *i = guest_instance(region, m, NULL, NULL);
        lucet_instance_set_continue_after_fault(i, true);
        for (int resets = 0; resets < 2; resets++) {
            guest_call(i, "init", 0, NULL);
            for (int k = 0; k < SEGMENTS; k++)
                assert_int_equal(lucet_instance_heap(i)[100 + k], 'A' + k % 26);
            guest_trap(i, "active data", 0, NULL);
            guest_trap(i, "placed elements", 0, NULL);
            guest_call(i, "drop", 0, NULL);
            guest_trap(i, "init", 0, NULL);
            assert_int_equal(lucet_instance_reset(i), lucet_error_ok);
        }
        lucet_instance_release(i);
    }
    lucet_region_release(region);
    lucet_dl_module_release(m);
    assert_int_equal(counting_counts.blocks, blocks);
    text_free(&t);
}

/* As many passive segments of either kind, of which the former tenant leaves none; active ones are
 * gone from the beginning. With an exported table what is remembered is each instance's own. */
static void segments_are_there_again(void **state)
{
    static const char *const tables[] = {"(table 2 funcref)", "(table (export \"t\") 2 funcref)"};

    (void)state;
    guest_begin();
    for (size_t table = 0; table < 2; table++)
        segments_with(tables[table]);
}

/* Tables too large to be remembered, and those that fit, begin alike. */
static void tables_of_any_size_begin_alike(void **state)
{
    (void)state;
    guest_begin();
    for (size_t k = 0; k < 5; k++) {
        static const uint32_t sizes[] = {1, 100, 32767, 32768, 40000};
        const uint32_t size = sizes[k];
        struct text t = {0};
        text_add(&t, "(module (type $t (func (result i32))) (func $f (type $t) (i32.const 7))");
        for (int table = 0; table < 3; table++)
            text_add(&t, " (table $t%d %u funcref) (elem (table $t%d) (i32.const %u) func $f)",
                     table, size, table, size - 1);
        text_add(&t,
                 " (func (export \"v\") (param i32) (result i32)"
                 "   (call_indirect $t0 (type $t) (local.get 0))"
                 "   (i32.add (call_indirect $t2 (type $t) (local.get 0)))"
                 "   (table.fill $t2 (i32.const 0) (ref.null func) (i32.const %u))))",
                 size);
        struct lucet_dl_module *m = guest_module(t.s, &guest_default);
        struct lucet_region *region = guest_region(1);
        for (int round = 0; round < 3; round++) {
            struct lucet_instance *i = guest_instance(region, m, NULL, NULL);
            for (int resets = 0; resets < 2; resets++) {
                assert_int_equal(guest_call(i, "v", ARGS(I32(size - 1))), 14);
                assert_int_equal(lucet_instance_reset(i), lucet_error_ok);
            }
            lucet_instance_release(i);
        }
        lucet_region_release(region);
        lucet_dl_module_release(m);
        text_free(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(imports_are_each_instances_own),
        cmocka_unit_test(segments_are_there_again),
        cmocka_unit_test(tables_of_any_size_begin_alike),
    };

    if (lucet_set_allocator(&counting_allocator) != lucet_error_ok)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
