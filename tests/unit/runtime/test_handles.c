/* Handles of functions: what they are given for, which of them take the quick way, and the general
 * way's values. */
#include <stdio.h>
#include <stdlib.h>

#include "lucet/exception.h"
#include "run/guest.h"
#include "runtime/counting.h"
#include "runtime/instance.h"
#include "runtime/module.h"
#include "runtime/suspend.h"

#define I10 "i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 "
#define TEN "IIIIIIIIII"

static const char wat[] =
    "(module (import \"h\" \"yield\" (func $yield)) (type $n (func)) (memory (export \"m\") 1)"
    " (type $answer (func (result i64))) (table $t 1 funcref)"
    " (elem declare func $forty)"
    " (func $forty (result i64) (i64.const 42))"
    " (func (export \"get\") (result funcref) (ref.func $forty))"
    " (func (export \"put\") (param i32 funcref) (table.set $t (i32.const 0) (local.get 1)))"
    " (func (export \"use\") (result i64) (call_indirect (type $answer) (i32.const 0)))"
    " (func (export \"plain\") (param i32 i64 f32 f64 v128 externref) (result i32) (local.get 0))"
    " (func (export \"funcref\") (param funcref) (result funcref) (local.get 0))"
    " (func (export \"later funcref\") (param i32 i32 funcref))"
    " (func (export \"of type\") (param i32 (ref null $n)))"
    " (func (export \"not null\") (param (ref extern)))"
    " (func (export \"exnref\") (param exnref))"
    " (func (export \"gives exnref\") (result exnref) (ref.null exn))"
    " (func (export \"gives exnref last\") (param i32) (result i32 exnref)"
    "   (local.get 0) (ref.null exn))"
    " (func (export \"32\") (param " I10 I10 I10 "i64 i64) (result " I10 I10 I10 "i64 i64)"
    "   unreachable)"
    " (func (export \"last of 80\") (param " I10 I10 I10 I10 I10 I10 I10 I10 ") (result i64 i64)"
    "   (local.get 79) (local.get 0))"
    " (func (export \"two\") (param i64) (result i64 i64)"
    "   (i64.add (local.get 0) (i64.const 1)) (i64.add (local.get 0) (i64.const 2)))"
    " (func (export \"trap\") (param i64) (result i64) unreachable)"
    " (func (export \"yield\") (result i64) (call $yield) (i64.const 1)))";

static struct lucet_region *region;
static struct lucet_dl_module *module;
static struct lucet_linker *linker;

static void host_yield(struct lucet_vmctx *ctx)
{
    lucet_vmctx_yield(ctx, NULL);
}

static void begin(void)
{
    guest_begin();
    region = guest_region(3);
    module = guest_module(wat, &guest_default);
    assert_int_equal(lucet_linker_new(&linker), lucet_error_ok);
    assert_int_equal(lucet_linker_func(linker, "h", "yield", ":", (void (*)(void))host_yield),
                     lucet_error_ok);
}

static void end(void)
{
    lucet_linker_release(linker);
    lucet_dl_module_release(module);
    assert_int_equal(lucet_region_used_slots(region), 0);
    lucet_region_release(region);
}

/* References that must be held or are something else for the host do not go the quick way, nor do
 * results that have no room when the run yields. */
static void who_goes_the_quick_way(void **state)
{
    static const struct {
        const char *name;
        bool quick;
    } all[] = {
        {"plain", true},
        {"get", true},
        {"two", true},
        {"last of 80", true},
        {"funcref", false},
        {"later funcref", false},
        {"of type", false},
        {"not null", false},
        {"exnref", false},
        {"gives exnref", false},
        {"gives exnref last", false},
        {"32", false},
    };

    (void)state;
    begin();
    for (size_t k = 0; k < sizeof(all) / sizeof(*all); k++) {
        const struct lucet_func f = guest_func(module, all[k].name, NULL);
        if ((f.quick_id != 0) != all[k].quick)
            fail_msg("%s: %d", all[k].name, !all[k].quick);
        assert_true(f.module_id != 0);
    }
    end();
}

/* Whoever is given a function by handle keeps it. */
static void functions_given_by_handle_are_held(void **state)
{
    (void)state;
    begin();
    const struct lucet_func put = guest_func(module, "put", "ir:");
    struct lucet_instance *giver = guest_instance(region, module, linker, NULL),
                          *taker = guest_instance(region, module, linker, NULL);
    struct lucet_result r;
    struct lucet_val v;
    assert_int_equal(lucet_instance_call(giver, "get", 3, 0, NULL, 1, &v, &r), lucet_error_ok);
    union lucet_raw raw[2] = {{.i32 = 1}, {.i64 = (int64_t)v.inner_val.as_u64}};
    assert_int_equal(lucet_func_call(&put, taker, raw, NULL), lucet_error_ok);
    lucet_instance_release(giver);
    assert_int_equal(lucet_region_used_slots(region), 2);
    assert_int_equal(guest_call(taker, "use", 0, NULL), 42);
    lucet_instance_release(taker);
    end();
}

static void signatures_are_compared_to_their_end(void **state)
{
    static const char whole[] = TEN TEN TEN TEN TEN TEN TEN TEN ":II";
    char wrong[sizeof(whole) + 1];
    struct lucet_func f;

    (void)state;
    begin();
    guest_func(module, "last of 80", whole);
    const long blocks = counting_counts.blocks;
    for (int k = 0; k < 4; k++) {
        static const uint8_t places[] = {0, 62, 79, sizeof(whole) - 2};
        memcpy(wrong, whole, sizeof(whole));
        wrong[places[k]] = 'i';
        memset(&f, 0xee, sizeof f);
        assert_int_equal(lucet_dl_module_func(module, "last of 80", wrong, &f),
                         lucet_error_type_mismatch);
        assert_non_null(strstr(lucet_error_detail(), whole));
        assert_true(guest_all_zero((const uint8_t *)&f, sizeof f));
    }
    memcpy(wrong, whole, sizeof(whole));
    wrong[sizeof(whole) - 2] = 0;
    assert_int_equal(lucet_dl_module_func(module, "last of 80", wrong, &f),
                     lucet_error_type_mismatch);
    snprintf(wrong, sizeof wrong, "%sI", whole);
    assert_int_equal(lucet_dl_module_func(module, "last of 80", wrong, &f),
                     lucet_error_type_mismatch);
    counting_counts.fails_after = 0;
    assert_int_equal(lucet_dl_module_func(module, "last of 80", whole, &f), lucet_error_no_memory);
    assert_int_equal(counting_counts.blocks, blocks);
    end();
}

/* Whatever room the comparison has for them. */
static void signatures_of_all_lengths_are_compared(void **state)
{
    struct text wat_of_one = {0};
    char signature[80];

    (void)state;
    guest_begin();
    for (int params = 61; params < 66; params++) {
        struct lucet_func f;
        wat_of_one.size = 0;
        text_add(&wat_of_one, "(module (func (export \"f\")");
        for (int k = 0; k < params; k++)
            text_add(&wat_of_one, " (param i64)");
        text_add(&wat_of_one, "))");
        struct lucet_dl_module *m = guest_module(wat_of_one.s, &guest_default);
        memset(signature, 'I', (size_t)params);
        snprintf(signature + params, 2, ":");
        assert_int_equal(lucet_dl_module_func(m, "f", signature, &f), lucet_error_ok);
        signature[params - 1] = 'i';
        assert_int_equal(lucet_dl_module_func(m, "f", signature, &f), lucet_error_type_mismatch);
        lucet_dl_module_release(m);
    }
    text_free(&wat_of_one);
}

/* The most results that a call in the quick way may have, and more: its caller's array may be gone
 * when it goes on. */
static void results_of_calls_that_yield_have_room(void **state)
{
    (void)state;
    begin();
    for (uint32_t n = LUCET__FEW - 1; n <= LUCET__FEW + 2; n++) {
        struct text text = {0};
        text_add(&text, "(module (import \"h\" \"yield\" (func $y)) (func (export \"f\")");
        for (uint32_t k = 0; k < n; k++)
            text_add(&text, " (result i64)");
        text_add(&text, " (call $y)");
        for (uint32_t k = 0; k < n; k++)
            text_add(&text, " (i64.const %u)", 1000 + k);
        text_add(&text, "))");
        struct lucet_dl_module *m = guest_module(text.s, &guest_default);
        const struct lucet_func f = guest_func(m, "f", NULL);
        struct lucet_instance *i = guest_instance(region, m, linker, NULL);
        assert_true((f.quick_id != 0) == (n <= LUCET__FEW));
        for (int round = 0; round < 2; round++) {
            union lucet_raw raw[LUCET__FEW + 2];
            struct lucet_val results[LUCET__FEW + 2];
            struct lucet_result r;
            assert_int_equal(lucet_func_call(&f, i, NULL, &r), lucet_error_invalid_argument);
            assert_int_equal(lucet_func_call(&f, i, raw, &r), lucet_error_ok);
            assert_string_equal(lucet_error_detail(), "");
            assert_int_equal(r.tag, lucet_result_tag_yielded);
            memset(raw, 0, sizeof(raw));
            assert_int_equal(lucet_instance_resume_call(i, NULL, n, results, &r), lucet_error_ok);
            assert_true(guest_all_zero((const uint8_t *)raw, sizeof(raw)));
            for (uint32_t k = 0; k < n; k++)
                assert_int_equal(results[k].inner_val.as_u64, 1000 + k);
        }
        lucet_instance_release(i);
        lucet_dl_module_release(m);
        text_free(&text);
    }
    end();
}

static void handles_are_of_exported_functions(void **state)
{
    struct lucet_func f;

    (void)state;
    begin();
    assert_int_equal(lucet_dl_module_func(NULL, "two", NULL, &f), lucet_error_invalid_argument);
    assert_int_equal(lucet_dl_module_func(module, NULL, NULL, &f), lucet_error_invalid_argument);
    assert_int_equal(lucet_dl_module_func(module, "two", NULL, NULL), lucet_error_invalid_argument);
    assert_int_equal(lucet_dl_module_func(module, "m", NULL, &f), lucet_error_symbol_not_found);
    assert_int_equal(lucet_dl_module_func(module, "none", NULL, &f), lucet_error_symbol_not_found);
    assert_string_not_equal(lucet_error_detail(), "");
    assert_int_equal(f.module_id, 0);
    struct lucet_instance *i = guest_instance(region, module, linker, NULL);
    union lucet_raw raw[2] = {{.i64 = 1}};
    assert_int_equal(lucet_func_call(&f, i, raw, NULL), lucet_error_invalid_argument);
    assert_int_equal(lucet_dl_module_func(module, "two", NULL, &f), lucet_error_ok);
    assert_string_equal(lucet_error_detail(), "");
    /* Values are needed for results alone, too. */
    const struct lucet_func get = guest_func(module, "get", ":r"),
                            two = guest_func(module, "two", "I:II");
    lucet_instance_set_timeout(i, 100000); /* the general way */
    assert_int_equal(lucet_func_call(&get, i, NULL, NULL), lucet_error_invalid_argument);
    assert_int_equal(lucet_func_call(&two, i, NULL, NULL), lucet_error_invalid_argument);
    assert_int_equal(lucet_func_call(NULL, i, raw, NULL), lucet_error_invalid_argument);
    assert_int_equal(lucet_func_call(&two, NULL, raw, NULL), lucet_error_invalid_argument);
    lucet_instance_release(i);
    end();
}

/* With a time limit, which the quick way does not keep. */
static void the_general_way_has_the_same_values(void **state)
{
    (void)state;
    begin();
    const struct lucet_func many = guest_func(module, "last of 80", NULL),
                            two = guest_func(module, "two", NULL),
                            trap = guest_func(module, "trap", NULL),
                            yield = guest_func(module, "yield", NULL);
    struct lucet_instance *i = guest_instance(region, module, linker, NULL);
    lucet_instance_set_timeout(i, 100000);
    lucet_instance_set_continue_after_fault(i, true);
    for (int k = 0; k < 3; k++) {
        union lucet_raw raw[82];
        struct lucet_result r;
        for (int n = 0; n < 82; n++)
            raw[n].i64 = n + 7;
        const long blocks = counting_counts.blocks;
        assert_int_equal(lucet_func_call(&many, i, raw, NULL), lucet_error_ok);
        assert_int_equal(raw[0].i64, 79 + 7);
        assert_int_equal(raw[1].i64, 7);
        assert_int_equal(raw[2].i64, 2 + 7);
        counting_counts.fails_after = 0;
        assert_int_equal(lucet_func_call(&many, i, raw, &r), lucet_error_no_memory);
        assert_int_equal(r.tag, lucet_result_tag_errored);
        counting_counts.fails_after = -1;
        assert_int_equal(counting_counts.blocks, blocks);
        raw[0].i64 = 5;
        assert_int_equal(lucet_func_call(&two, i, raw, &r), lucet_error_ok);
        assert_string_equal(lucet_error_detail(), "");
        assert_int_equal(raw[0].i64, 6);
        assert_int_equal(raw[1].i64, 7);
        assert_int_equal(lucet_func_call(&trap, i, raw, &r), lucet_error_runtime_fault);
        assert_int_equal(raw[0].i64, 6);
        /* One that yields has not returned; without a result to tell it, it is an error. */
        raw[0].i64 = -k;
        assert_int_equal(lucet_func_call(&yield, i, raw, &r), lucet_error_ok);
        assert_int_equal(r.tag, lucet_result_tag_yielded);
        assert_int_equal(raw[0].i64, -k);
        assert_int_equal(lucet_instance_reset(i), lucet_error_ok);
        assert_int_equal(lucet_func_call(&yield, i, raw, NULL), lucet_error_instance_not_returned);
        assert_string_not_equal(lucet_error_detail(), "");
        assert_int_equal(lucet_instance_reset(i), lucet_error_ok);
        assert_int_equal(lucet_func_call(&two, i, raw, NULL), lucet_error_ok);
        assert_string_equal(lucet_error_detail(), "");
    }
    lucet_instance_release(i);
    end();
}

/* lucetc makes none for what it does not export, and who knows who has made an artifact. */
static void functions_without_an_entry_have_no_handles(void **state)
{
    struct lucet_func f;

    (void)state;
    begin();
    struct lucet_artifact *a = &module->artifact;
    const struct lucet_module_type *types = a->types;
    const struct lucet_module_func *funcs = a->funcs;
    const struct lucet_module_export *e = lucet_artifact_export(a, "plain", 5);
    const uint32_t type = funcs[e->index].type;
    for (int k = 0; k < 3; k++) {
        struct lucet_module_type *other_types = malloc((type + 1) * sizeof(*types));
        struct lucet_module_func *other_funcs = malloc((e->index + 1) * sizeof(*funcs));
        memcpy(other_types, types, (type + 1) * sizeof(*types));
        memcpy(other_funcs, funcs, (e->index + 1) * sizeof(*funcs));
        if (k == 1)
            other_types[type].entry = 0;
        if (k == 2)
            other_funcs[e->index].code = 0;
        a->types = other_types;
        a->funcs = other_funcs;
        assert_int_equal(lucet_dl_module_func(module, "plain", NULL, &f),
                         k ? lucet_error_unsupported : lucet_error_ok);
        assert_true((f.module_id != 0) == (k == 0));
        a->types = types;
        a->funcs = funcs;
        free(other_types);
        free(other_funcs);
    }
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_goes_the_quick_way),
        cmocka_unit_test(functions_given_by_handle_are_held),
        cmocka_unit_test(signatures_are_compared_to_their_end),
        cmocka_unit_test(signatures_of_all_lengths_are_compared),
        cmocka_unit_test(results_of_calls_that_yield_have_room),
        cmocka_unit_test(handles_are_of_exported_functions),
        cmocka_unit_test(functions_without_an_entry_have_no_handles),
        cmocka_unit_test(the_general_way_has_the_same_values),
    };

    if (lucet_set_allocator(&counting_allocator) != lucet_error_ok)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
