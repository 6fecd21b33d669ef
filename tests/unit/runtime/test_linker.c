/* Linkers: names are found again however many there are, the latest counts, and what makes no sense
 * is refused. */
#include <stdio.h>
#include <stdlib.h>

#include "lucet/exception.h"
#include "run/process.h"
#include "runtime/one_linker.h"

#define MANY 1000u

/* Instantiates the text and returns the i32 of its function "f". */
static uint32_t result_of(const char *wat)
{
    struct lucet_dl_module *m = guest_module(wat, &guest_default);
    struct lucet_instance *inst = guest_instance(region, m, linker, NULL);
    const uint32_t result = (uint32_t)guest_call(inst, "f", 0, NULL);

    lucet_instance_release(inst);
    lucet_dl_module_release(m);
    return result;
}

static void global(const char *module, const char *name, uint32_t value)
{
    assert_int_equal(lucet_linker_global(linker, module, name, I32(value), false), lucet_error_ok);
}

/* Of those below, every third was given another value. */
static void check_names(unsigned from, unsigned to)
{
    struct text t = {0};
    uint32_t sum = 0;

    text_add(&t, "(module");
    for (unsigned k = from; k < to; k++)
        text_add(&t, " (import \"m\" \"g%u\" (global i32))", k);
    text_add(&t, " (func (export \"f\") (result i32) (i32.const 0)");
    for (unsigned k = from; k < to; k++) {
        text_add(&t, " (i32.add (i32.mul (global.get %u) (i32.const %u)))", k - from, k % 7 + 1);
        sum += (k % 3 ? k : 5 * k) * (k % 7 + 1);
    }
    text_add(&t, "))");
    assert_int_equal(result_of(t.s), sum);
    text_free(&t);
}

static void many_names_are_found_again(void **state)
{
    char name[16];

    (void)state;
    one_linker_begin();
    for (unsigned k = 0; k < MANY; k++) {
        snprintf(name, sizeof(name), "g%u", k);
        global("m", name, k);
    }
    for (unsigned k = 0; k < MANY; k += 3) { /* again, after the table has grown */
        snprintf(name, sizeof(name), "g%u", k);
        global("m", name, 5 * k);
    }
    for (unsigned from = 0; from < MANY; from += 200) /* as many as a context has room for */
        check_names(from, from + 200);
    one_linker_end();
}

static void names_do_not_run_into_each_other(void **state)
{
    (void)state;
    one_linker_begin();
    global("a", "bc", 1);
    global("ab", "c", 20);
    global("abc", "", 300);
    global("", "abc", 4000);
    assert_int_equal(
        result_of("(module (import \"a\" \"bc\" (global i32)) (import \"ab\" \"c\" (global i32))"
                  " (import \"abc\" \"\" (global i32)) (import \"\" \"abc\" (global i32))"
                  " (func (export \"f\") (result i32) (i32.add (i32.add (global.get 0)"
                  "   (global.get 1)) (i32.add (global.get 2) (global.get 3)))))"),
        4321);
    one_linker_end();
}

static const char user[] = "(module (import \"m\" \"g\" (global i32))"
                           " (func (export \"f\") (result i32) (global.get 0)))";

/* A single name comes before the instance of its module, or after, as they were registered. */
static void the_latest_registration_counts(void **state)
{
    (void)state;
    one_linker_begin();
    struct lucet_dl_module *m =
        guest_module("(module (global (export \"g\") i32 (i32.const 7)))", &guest_default);
    struct lucet_instance *inst = guest_instance(region, m, NULL, NULL);
    global("m", "g", 1);
    assert_int_equal(result_of(user), 1);
    assert_int_equal(lucet_linker_instance(linker, "m", inst), lucet_error_ok);
    assert_int_equal(result_of(user), 7);
    global("m", "g", 2);
    assert_int_equal(result_of(user), 2);
    assert_int_equal(lucet_linker_instance(linker, "m", inst), lucet_error_ok);
    assert_int_equal(result_of(user), 7);
    /* What it does not export is still found. */
    global("m", "other", 5);
    assert_int_equal(lucet_linker_instance(linker, "m", inst), lucet_error_ok);
    assert_int_equal(result_of("(module (import \"m\" \"other\" (global i32))"
                               " (func (export \"f\") (result i32) (global.get 0)))"),
                     5);
    lucet_instance_release(inst);
    lucet_dl_module_release(m);
    one_linker_end();
}

/* ---- Wrong arguments ---- */

/* It says so; and nothing of it is left to say after what goes well. */
#define REFUSED(call)                                                                              \
    do {                                                                                           \
        assert_int_equal(call, lucet_error_invalid_argument);                                      \
        assert_string_not_equal(lucet_error_detail(), "");                                         \
    } while (0)
#define FINE(call)                                                                                 \
    do {                                                                                           \
        assert_int_equal(call, lucet_error_ok);                                                    \
        assert_string_equal(lucet_error_detail(), "");                                             \
    } while (0)

static void f(struct lucet_vmctx *ctx)
{
    (void)ctx;
}
#define F ((void (*)(void))f)

static void null_is_refused(void **state)
{
    const struct lucet_hostcall table[] = {
        {"f", ":", F}, {NULL, ":", F}, {"f", NULL, F}, {"f", ":", NULL}};
    const struct lucet_memory_type type = {.min = 1, .max = 1};
    const enum lucet_val_type funcref = lucet_val_type_funcref;
    struct lucet_tag *tag;

    (void)state;
    one_linker_begin();
    struct lucet_linker *const l = linker;
    struct lucet_dl_module *m = guest_module("(module)", &guest_default);
    struct lucet_instance *inst = guest_instance(region, m, NULL, NULL);
    assert_int_equal(lucet_tag_new(":", &tag), lucet_error_ok);
    REFUSED(lucet_linker_func(NULL, "m", "n", ":", F));
    REFUSED(lucet_linker_func(l, NULL, "n", ":", F));
    REFUSED(lucet_linker_func(l, "m", NULL, ":", F));
    REFUSED(lucet_linker_func(l, "m", "n", NULL, F));
    REFUSED(lucet_linker_func(l, "m", "n", ":", NULL));
    FINE(lucet_linker_func(l, "m", "n", ":", F));
    REFUSED(lucet_linker_hostcalls(NULL, table, 1));
    REFUSED(lucet_linker_hostcalls(l, NULL, 1));
    for (int k = 1; k < 4; k++)
        REFUSED(lucet_linker_hostcalls(l, table + k, 1));
    FINE(lucet_linker_hostcalls(l, table, 1));
    FINE(lucet_linker_hostcalls(l, NULL, 0));
    REFUSED(lucet_linker_instance(NULL, "m", inst));
    REFUSED(lucet_linker_instance(l, NULL, inst));
    REFUSED(lucet_linker_instance(l, "m", NULL));
    FINE(lucet_linker_instance(l, "m", inst));
    REFUSED(lucet_linker_global(NULL, "m", "n", I32(1), true));
    REFUSED(lucet_linker_global(l, NULL, "n", I32(1), true));
    REFUSED(lucet_linker_global(l, "m", NULL, I32(1), true));
    FINE(lucet_linker_global(l, "m", "n", I32(1), true));
    REFUSED(lucet_linker_memory_of(NULL, "m", "n", &type));
    REFUSED(lucet_linker_memory_of(l, NULL, "n", &type));
    REFUSED(lucet_linker_memory_of(l, "m", NULL, &type));
    REFUSED(lucet_linker_memory_of(l, "m", "n", NULL));
    FINE(lucet_linker_memory_of(l, "m", "n", &type));
    REFUSED(lucet_linker_table(NULL, "m", "n", funcref, 1, 1));
    REFUSED(lucet_linker_table(l, NULL, "n", funcref, 1, 1));
    REFUSED(lucet_linker_table(l, "m", NULL, funcref, 1, 1));
    FINE(lucet_linker_table(l, "m", "n", funcref, 1, 1));
    REFUSED(lucet_linker_tag(NULL, "m", "n", tag));
    REFUSED(lucet_linker_tag(l, NULL, "n", tag));
    REFUSED(lucet_linker_tag(l, "m", NULL, tag));
    REFUSED(lucet_linker_tag(l, "m", "n", NULL));
    FINE(lucet_linker_tag(l, "m", "n", tag));
    REFUSED(lucet_linker_new(NULL));
    lucet_tag_release(tag);
    lucet_instance_release(inst);
    lucet_dl_module_release(m);
    one_linker_end();
}

static void values_that_cannot_be_globals_are_refused(void **state)
{
    struct lucet_val v = I32(1);
    struct lucet_exception *e;
    struct lucet_tag *tag;

    (void)state;
    one_linker_begin();
    v.ty = (enum lucet_val_type)99;
    REFUSED(lucet_linker_global(linker, "m", "n", v, false));
    /* An exception belongs to a store, which a global of a linker has not. */
    assert_int_equal(lucet_tag_new(":", &tag), lucet_error_ok);
    assert_int_equal(lucet_exception_new(tag, 0, NULL, &e), lucet_error_ok);
    v.ty = lucet_val_type_exnref;
    v.inner_val.as_ref = e;
    REFUSED(lucet_linker_global(linker, "m", "n", v, false));
    v.inner_val.as_ref = NULL;
    FINE(lucet_linker_global(linker, "m", "n", v, false));
    v.ty = lucet_val_type_funcref;
    FINE(lucet_linker_global(linker, "m", "n", v, false));
    lucet_exception_release(e);
    lucet_tag_release(tag);
    one_linker_end();
}

static void limits_of_memories_are_checked(void **state)
{
    const uint64_t none = UINT64_MAX, most = UINT64_C(1) << 30; /* pages in 2^46 bytes */
    const struct {
        struct lucet_memory_type type;
        bool good;
    } cases[] = {
        {{1, 1, 0, false, false}, true},
        {{1, 1, 65536, false, false}, true},
        {{1, 1, 1, false, false}, true},
        {{1, 1, 2, false, false}, false},
        {{1, 1, 4096, false, false}, false},
        {{1, 1, 131072, false, false}, false},
        {{2, 1, 0, false, false}, false},
        {{1, 65536, 0, false, false}, true},
        {{1, 65537, 0, false, false}, false},
        {{65537, none, 0, false, false}, false},
        {{1, UINT64_C(1) << 32, 1, false, false}, false},
        {{1, UINT32_MAX, 1, false, false}, true},
        {{1, 65537, 0, true, false}, true},
        {{1, UINT64_C(1) << 48, 0, true, false}, true},
        {{1, (UINT64_C(1) << 48) + 1, 0, true, false}, false},
        {{most + 1, none, 0, true, false}, false},
        {{1, none, 0, false, false}, true},
        {{1, none, 0, false, true}, false}, /* shared ones need a maximum */
        {{1, 2, 0, false, true}, true},
    };

    (void)state;
    one_linker_begin();
    for (size_t k = 0; k < sizeof(cases) / sizeof(*cases); k++) {
        const enum lucet_error e = lucet_linker_memory_of(linker, "m", "n", &cases[k].type);
        if (e != (cases[k].good ? lucet_error_ok : lucet_error_invalid_argument))
            fail_msg("case %zu: %s", k, lucet_error_name(e));
    }
    one_linker_end();
}

static void limits_of_tables_are_kept(void **state)
{
    static const struct {
        uint64_t max;
        uint32_t grown; /* what growing by 6 says */
    } cases[] = {
        {10, UINT32_MAX}, {11, 5}, {UINT32_MAX, 5}, {UINT64_C(1) << 40, 5}, {UINT64_MAX, 5}};

    (void)state;
    one_linker_begin();
    for (size_t k = 0; k < sizeof(cases) / sizeof(*cases); k++) {
        FINE(lucet_linker_table(linker, "m", "t", lucet_val_type_externref, 5, cases[k].max));
        assert_int_equal(
            result_of("(module (import \"m\" \"t\" (table 5 externref)) (func (export \"f\")"
                      " (result i32) (table.grow (ref.null extern) (i32.const 6))))"),
            cases[k].grown);
    }
    FINE(lucet_linker_table(linker, "m", "t", lucet_val_type_exnref, 1, 1));
    REFUSED(lucet_linker_table(linker, "m", "t", lucet_val_type_i64, 1, 1));
    REFUSED(lucet_linker_table(linker, "m", "t", lucet_val_type_funcref, 2, 1));
    REFUSED(lucet_linker_table(linker, "m", "t", lucet_val_type_funcref, 10000001, UINT64_MAX));
    one_linker_end();
}

/* They are no slots of a region, so nobody else gives them back. */
static void memories_are_unmapped(void **state)
{
    unsigned before = 0;

    (void)state;
    guest_begin();
    for (unsigned round = 0; round < 40; round++) {
        assert_int_equal(lucet_linker_new(&linker), lucet_error_ok);
        FINE(lucet_linker_memory(linker, "m", "a", 1, 2));
        FINE(lucet_linker_memory(linker, "m", "a", 1, 2)); /* in the place of the first */
        FINE(lucet_linker_global(linker, "m", "b", I64(-1), true));
        lucet_linker_release(linker);
        if (round == 5)
            before = process_mappings("");
    }
    assert_true(process_mappings("") <= before + 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_names_are_found_again),
        cmocka_unit_test(names_do_not_run_into_each_other),
        cmocka_unit_test(the_latest_registration_counts),
        cmocka_unit_test(null_is_refused),
        cmocka_unit_test(values_that_cannot_be_globals_are_refused),
        cmocka_unit_test(limits_of_memories_are_checked),
        cmocka_unit_test(limits_of_tables_are_kept),
        cmocka_unit_test(memories_are_unmapped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
