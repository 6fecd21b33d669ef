/* References to functions of a type: in every way they come into being, across modules, and what
 * the host may and may not hand over for one. */
#include "guest.h"

#include <stdio.h>
#include <stdlib.h>

#include "lucet/exception.h"

static const char producer[] =
    "(module"
    "  (type $op (func (param i32) (result i32)))"
    "  (rec (type $a (func (param (ref null $b)))) (type $b (func (param (ref null $a)))))"
    "  (func $inc (type $op) (i32.add (local.get 0) (i32.const 1)))"
    "  (func $other (export \"other\") (result i32) (i32.const 5))"
    "  (func $fa (type $a))"
    "  (func $fb (type $b))"
    "  (table (export \"table\") 3 (ref null $op) (ref.func $inc))"
    "  (table (export \"never null\") 2 (ref $op) (ref.func $inc))"
    "  (global (export \"op\") (ref $op) (ref.func $inc))"
    "  (global (export \"any\") (mut (ref null $op)) (ref.null nofunc))"
    "  (global (export \"wide\") funcref (ref.func $inc))"
    "  (global (export \"a\") (ref $a) (ref.func $fa))"
    "  (global (export \"b\") (ref $b) (ref.func $fb))"
    "  (func (export \"get\") (result funcref) (ref.func $inc))"
    "  (func (export \"apply\") (param (ref $op) i32) (result i32)"
    "    (call_ref $op (local.get 1) (local.get 0)))"
    "  (func (export \"null or\") (param (ref null $op)) (result i32)"
    "    (block $null (call_ref $op (i32.const 40) (br_on_null $null (local.get 0))) (return))"
    "    (i32.const -1))"
    "  (func (export \"or null\") (param (ref null $op)) (result i32)"
    "    (block $there (result (ref $op)) (br_on_non_null $there (local.get 0))"
    "      (return (i32.const -2)))"
    "    (drop) (i32.const 2))"
    "  (func (export \"sure\") (param (ref null $op)) (result i32)"
    "    (call_ref $op (i32.const 7) (ref.as_non_null (local.get 0))))"
    "  (func (export \"call null\") (result i32) (call_ref $op (i32.const 7) (ref.null $op)))"
    "  (func (export \"entry\") (param i32) (result i32)"
    "    (call_ref $op (i32.const 10) (table.get 1 (local.get 0)))))";

static struct lucet_val func(const void *record)
{
    return (struct lucet_val){.ty = lucet_val_type_funcref, .inner_val.as_ref = record};
}

static const void *reference(struct lucet_instance *i, const char *name)
{
    struct lucet_val v;
    assert_int_equal(lucet_instance_get_global(i, name, strlen(name), &v), lucet_error_ok);
    assert_int_equal(v.ty, lucet_val_type_funcref);
    return v.inner_val.as_ref;
}

static enum lucet_error try_call(struct lucet_instance *i, const char *name, size_t argc,
                                 const struct lucet_val *argv)
{
    struct lucet_result r;
    return lucet_instance_run(i, name, argc, argv, &r);
}

static void references_are_called_tested_and_trap(void **state)
{
    (void)state;
    guest_begin();
    struct lucet_region *region = guest_region(1);
    for (size_t m = 0; m < GUEST_MODES; m++) {
        struct lucet_dl_module *module = guest_module(producer, &guest_modes[m]);
        struct lucet_instance *i = guest_instance(region, module, NULL, NULL);
        const void *op = reference(i, "op");
        assert_non_null(op);
        assert_int_equal(guest_call(i, "apply", ARGS(func(op), I32(41))), 42);
        assert_int_equal(guest_call(i, "null or", ARGS(func(op))), 41);
        assert_int_equal((int32_t)guest_call(i, "null or", ARGS(func(NULL))), -1);
        assert_int_equal(guest_call(i, "or null", ARGS(func(op))), 2);
        assert_int_equal((int32_t)guest_call(i, "or null", ARGS(func(NULL))), -2);
        assert_int_equal(guest_call(i, "sure", ARGS(func(op))), 8);
        assert_int_equal(guest_call(i, "entry", ARGS(I32(1))), 11);
        assert_int_equal(guest_trap(i, "sure", ARGS(func(NULL))), lucet_trapcode_null_reference);
        assert_int_equal(lucet_instance_reset(i), lucet_error_ok);
        assert_int_equal(guest_trap(i, "call null", 0, NULL), lucet_trapcode_indirect_call_to_null);
        lucet_instance_release(i);
        lucet_dl_module_release(module);
    }
    lucet_region_release(region);
}

static void the_host_hands_over_what_is_of_the_type(void **state)
{
    (void)state;
    guest_begin();
    struct lucet_region *region = guest_region(1);
    struct lucet_dl_module *module = guest_module(producer, &guest_default);
    struct lucet_instance *i = guest_instance(region, module, NULL, NULL);
    const void *op = reference(i, "op"), *a = reference(i, "a");

    assert_int_equal(try_call(i, "apply", ARGS(func(NULL), I32(1))), lucet_error_type_mismatch);
    assert_int_equal(try_call(i, "apply", ARGS(func(a), I32(1))), lucet_error_type_mismatch);
    assert_int_equal(try_call(i, "null or", ARGS(func(a))), lucet_error_type_mismatch);
    assert_int_equal(lucet_instance_set_global(i, "any", 3, func(a)), lucet_error_type_mismatch);
    assert_int_equal(lucet_instance_set_global(i, "any", 3, func(op)), lucet_error_ok);
    assert_ptr_equal(reference(i, "any"), op);
    assert_int_equal(lucet_instance_set_global(i, "any", 3, func(NULL)), lucet_error_ok);
    lucet_instance_release(i);
    lucet_dl_module_release(module);
    lucet_region_release(region);
}

/* Instances of modules that write the same types differently. */
static void imports_match_by_what_types_are(void **state)
{
    (void)state;
    guest_begin();
    static const struct {
        const char *text;
        enum lucet_error expected;
    } cases[] = {
        {"(type (func)) (type $x (func (param i32) (result i32)))"
         " (import \"p\" \"table\" (table 0 (ref null $x)))",
         lucet_error_ok},
        {"(type $x (func (param i64) (result i32)))"
         " (import \"p\" \"table\" (table 0 (ref null $x)))",
         lucet_error_type_mismatch},
        {"(type $x (sub (func (param i32) (result i32))))"
         " (import \"p\" \"table\" (table 0 (ref null $x)))",
         lucet_error_type_mismatch},
        {"(import \"p\" \"table\" (table 0 funcref))", lucet_error_type_mismatch},
        {"(type $x (func (param i32) (result i32)))"
         " (import \"p\" \"never null\" (table 0 (ref null $x)))",
         lucet_error_type_mismatch},
        /* Immutable globals may be narrower than what is asked for. */
        {"(import \"p\" \"op\" (global funcref))", lucet_error_ok},
        {"(import \"p\" \"op\" (global (ref func)))", lucet_error_ok},
        {"(type $x (func (param i32) (result i32))) (import \"p\" \"op\" (global (ref null $x)))",
         lucet_error_ok},
        {"(type $x (func (param i32))) (import \"p\" \"op\" (global (ref null $x)))",
         lucet_error_type_mismatch},
        {"(import \"p\" \"op\" (global externref))", lucet_error_type_mismatch},
        {"(import \"p\" \"wide\" (global (ref func)))", lucet_error_type_mismatch},
        {"(import \"p\" \"any\" (global (mut funcref)))", lucet_error_type_mismatch},
        {"(type $x (func (param i32) (result i32)))"
         " (import \"p\" \"any\" (global (mut (ref null $x))))",
         lucet_error_ok},
        /* The first and the second of such a group look alike, but are not the same. */
        {"(rec (type $x (func (param (ref null $y)))) (type $y (func (param (ref null $x)))))"
         " (import \"p\" \"a\" (global (ref $x))) (import \"p\" \"b\" (global (ref $y)))",
         lucet_error_ok},
        {"(rec (type $x (func (param (ref null $y)))) (type $y (func (param (ref null $x)))))"
         " (import \"p\" \"a\" (global (ref $y)))",
         lucet_error_type_mismatch},
        {"(rec (type $x (func (param (ref null $x))))) (import \"p\" \"a\" (global (ref $x)))",
         lucet_error_type_mismatch},
    };
    struct lucet_region *region = guest_region(40);
    struct lucet_dl_module *module = guest_module(producer, &guest_default);
    struct lucet_instance *p = guest_instance(region, module, NULL, NULL);
    struct lucet_linker *linker;
    assert_int_equal(lucet_linker_new(&linker), lucet_error_ok);
    assert_int_equal(lucet_linker_instance(linker, "p", p), lucet_error_ok);
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        struct text t = {0};
        text_add(&t, "(module %s)", cases[k].text);
        struct lucet_dl_module *other = guest_module(t.s, &guest_default);
        struct lucet_instance *i = NULL;
        const struct lucet_instance_options options = {.linker = linker};
        const enum lucet_error e = lucet_region_new_instance_with(region, other, &options, &i);
        if (e != cases[k].expected)
            fail_msg("%s: %s: %s", t.s, lucet_error_name(e), lucet_error_detail());
        lucet_instance_release(i);
        lucet_dl_module_release(other);
        text_free(&t);
    }
    lucet_linker_release(linker);
    lucet_instance_release(p);
    lucet_dl_module_release(module);
    lucet_region_release(region);
}

/* A type outlives neither its modules nor its ids: loaded again, it links as before. */
static void types_may_come_and_go(void **state)
{
    (void)state;
    guest_begin();
    static const char text[] =
        "(module (type $t (func (result i32)))"
        " (rec (type $u (func (param (ref null $t) (ref null $u)))))"
        " (func $f (type $u)) (func $g (type $t) (i32.const 3))"
        " (table funcref (elem $f $g))"
        " (func (export \"f\") (result i32)"
        "   (call_indirect (type $u) (ref.null $t) (ref.null $u) (i32.const 0))"
        "   (call_indirect (type $t) (i32.const 1))))";
    struct lucet_region *region = guest_region(2);
    struct lucet_dl_module *kept = NULL;
    for (unsigned round = 0; round < 20; round++) {
        struct lucet_dl_module *module = guest_module(text, &guest_default);
        struct lucet_instance *i = guest_instance(region, module, NULL, NULL);
        assert_int_equal(guest_call(i, "f", 0, NULL), 3);
        lucet_instance_release(i);
        if (round % 3 == 0) {
            lucet_dl_module_release(kept);
            kept = module;
        } else {
            lucet_dl_module_release(module);
        }
    }
    lucet_dl_module_release(kept);
    lucet_region_release(region);
}

static void constants_are_calculated(void **state)
{
    (void)state;
    guest_begin();
    static const char text[] =
        "(module (memory (export \"m\") 1) (table $t 8 funcref) (func $f)"
        " (global $a i32 (i32.const 7))"
        " (global $b (export \"b\") i32 (i32.mul (i32.sub (global.get $a) (i32.const 10))"
        "   (i32.add (global.get $a) (i32.const 0x7fffffff))))"
        " (global (export \"c\") i64 (i64.sub (i64.const 1) (i64.mul (i64.const -3)"
        "   (i64.add (i64.const 5) (i64.const 1)))))"
        " (data (offset (i32.add (global.get $a) (i32.const 1))) \"xyz\")"
        " (elem (offset (i32.sub (global.get $a) (i32.const 1))) $f)"
        " (func (export \"load\") (result i32) (i32.load8_u (i32.const 8)))"
        " (func (export \"null\") (param i32) (result i32)"
        "   (ref.is_null (table.get $t (local.get 0)))))";
    struct lucet_region *region = guest_region(1);
    struct lucet_dl_module *module = guest_module(text, &guest_default);
    struct lucet_instance *i = guest_instance(region, module, NULL, NULL);
    struct lucet_val v;
    assert_int_equal(lucet_instance_get_global(i, "b", 1, &v), lucet_error_ok);
    assert_int_equal(v.inner_val.as_u32, (uint32_t)-3 * (7u + 0x7fffffffu));
    assert_int_equal(lucet_instance_get_global(i, "c", 1, &v), lucet_error_ok);
    assert_int_equal(v.inner_val.as_i64, 19);
    assert_int_equal(guest_call(i, "load", 0, NULL), 'x');
    assert_int_equal(guest_call(i, "null", ARGS(I32(6))), 0);
    assert_int_equal(guest_call(i, "null", ARGS(I32(5))), 1);
    lucet_instance_release(i);
    lucet_dl_module_release(module);
    lucet_region_release(region);
}

static struct lucet_exception *thrown;
static void throw_it(struct lucet_vmctx *ctx)
{
    lucet_vmctx_throw(ctx, thrown);
}

/* A guest calls what it catches without looking what it is. */
static void exceptions_of_the_host_have_values_of_the_tags_types(void **state)
{
    static const char wat[] =
        "(module (import \"h\" \"throw\" (func $throw))"
        " (type $op (func (param i32) (result i32))) (type $other (func (result i32)))"
        " (func $inc (type $op) (i32.add (local.get 0) (i32.const 1)))"
        " (func $five (type $other) (i32.const 5))"
        " (global (export \"op\") (ref $op) (ref.func $inc))"
        " (global (export \"other\") (ref $other) (ref.func $five))"
        " (tag $t (export \"t\") (param i32 (ref $op))) (tag (export \"n\") (param (ref null $op)))"
        " (func (export \"f\") (result i32) (local $r (ref null $op))"
        "   (block $h (result i32 (ref $op)) (try_table (catch $t $h) (call $throw)) unreachable)"
        "   (local.set $r) (call_ref $op (local.get $r))))";
    struct lucet_tag *t, *n;

    (void)state;
    guest_begin();
    struct lucet_region *region = guest_region(1);
    struct lucet_dl_module *module = guest_module(wat, &guest_default);
    struct lucet_linker *linker;
    assert_int_equal(lucet_linker_new(&linker), lucet_error_ok);
    lucet_linker_func(linker, "h", "throw", ":", (void (*)(void))throw_it);
    struct lucet_instance *i = guest_instance(region, module, linker, NULL);
    assert_int_equal(lucet_instance_tag(i, "t", 1, &t), lucet_error_ok);
    assert_int_equal(lucet_instance_tag(i, "n", 1, &n), lucet_error_ok);
    const struct lucet_val none[] = {I32(6), func(NULL)},
                           other[] = {I32(6), func(reference(i, "other"))},
                           op[] = {I32(6), func(reference(i, "op"))};
    assert_int_equal(lucet_exception_new(t, 2, none, &thrown), lucet_error_type_mismatch);
    assert_int_equal(lucet_exception_new(t, 2, other, &thrown), lucet_error_type_mismatch);
    assert_int_equal(lucet_exception_new(n, 1, other + 1, &thrown), lucet_error_type_mismatch);
    assert_int_equal(lucet_exception_new(n, 1, none + 1, &thrown), lucet_error_ok);
    lucet_exception_release(thrown);
    assert_int_equal(lucet_exception_new(t, 2, op, &thrown), lucet_error_ok);
    assert_int_equal(guest_call(i, "f", 0, NULL), 7);
    lucet_exception_release(thrown);
    lucet_instance_release(i);
    lucet_linker_release(linker);
    lucet_dl_module_release(module);
    lucet_region_release(region);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exceptions_of_the_host_have_values_of_the_tags_types),
        cmocka_unit_test(references_are_called_tested_and_trap),
        cmocka_unit_test(the_host_hands_over_what_is_of_the_type),
        cmocka_unit_test(imports_match_by_what_types_are),
        cmocka_unit_test(types_may_come_and_go),
        cmocka_unit_test(constants_are_calculated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
