/* What satisfies an import, and what is said when nothing does. */
#include <stdio.h>
#include <stdlib.h>

#include "module/reader.h"
#include "runtime/one_linker.h"
#include "runtime/sizes.h"

/* An instance, if that is possible. */
static enum lucet_error make(const char *wat, const struct guest_mode *mode,
                             struct lucet_instance **inst)
{
    struct lucet_dl_module *m = guest_module(wat, mode);
    const struct lucet_instance_options o = {.linker = linker};
    const enum lucet_error e = lucet_region_new_instance_with(region, m, &o, inst);

    lucet_dl_module_release(m);
    return e;
}

/* In a region whose memories have little address space, for code that assumes no more: code that
 * relies on a large guard would reach beyond it. */
static void memories_of_less_address_space_are_refused(void **state)
{
    const struct guest_mode small = {
        .opt_level = lucetc_opt_speed, .reserved_size = 65536, .guard_size = 65536};
    static const char wat[] =
        "(module (import \"small\" \"m\" (memory 1)) (func (export \"f\") (param i32)"
        " (result i32) (i32.load8_u (local.get 0))))";
    struct lucet_alloc_limits limits = lucet_alloc_limits_default();
    struct lucet_region *tight;
    struct lucet_instance *inst;

    (void)state;
    one_linker_begin();
    limits.heap_memory_size = 65536;
    limits.heap_address_space_size = 2 * 65536;
    assert_int_equal(lucet_mmap_region_create(1, &limits, &tight), lucet_error_ok);
    struct lucet_dl_module *m =
        guest_module("(module (memory (export \"m\") 1 1) (data (i32.const 9) \"x\"))", &small);
    struct lucet_instance *owner = guest_instance(tight, m, NULL, NULL);
    assert_int_equal(lucet_linker_instance(linker, "small", owner), lucet_error_ok);
    assert_int_equal(make(wat, &guest_default, &inst), lucet_error_limits_exceeded);
    assert_non_null(strstr(lucet_error_detail(), "less address space than the code assumes"));
    for (int half = 0; half < 2; half++) { /* both parts count */
        const struct guest_mode larger = {.opt_level = lucetc_opt_speed,
                                          .reserved_size = half ? 65536 : 2 * 65536,
                                          .guard_size = half ? 2 * 65536 : 65536};
        assert_int_equal(make(wat, &larger, &inst), lucet_error_limits_exceeded);
    }
    assert_int_equal(make(wat, &small, &inst), lucet_error_ok);
    assert_int_equal((uint32_t)guest_call(inst, "f", ARGS(I32(9))), 'x');
    assert_int_equal(guest_trap(inst, "f", ARGS(I32(65536))), lucet_trapcode_heap_out_of_bounds);
    lucet_instance_release(inst);
    /* Memories other than the first are checked by comparing, and need none. */
    assert_int_equal(lucet_linker_memory(linker, "h", "two", 2, 2), lucet_error_ok);
    assert_int_equal(make("(module (import \"h\" \"two\" (memory 1))"
                          " (import \"small\" \"m\" (memory $s 1)) (func (export \"f\") (param i32)"
                          " (result i32) (i32.load8_u $s (local.get 0))))",
                          &guest_default, &inst),
                     lucet_error_ok);
    assert_int_equal(lucet_instance_heap_len(inst), 2 * 65536);
    assert_int_equal((uint32_t)guest_call(inst, "f", ARGS(I32(9))), 'x');
    assert_int_equal(guest_trap(inst, "f", ARGS(I32(65536))), lucet_trapcode_heap_out_of_bounds);
    lucet_instance_release(inst);
    lucet_linker_release(linker);
    assert_int_equal(lucet_linker_new(&linker), lucet_error_ok);
    lucet_instance_release(owner);
    lucet_dl_module_release(m);
    lucet_region_release(tight);
    one_linker_end();
}

/* An artifact says how far below its memory it may reach; the memory may be another region's. */
static void memories_without_the_guard_before_them_are_refused(void **state)
{
    struct lucet_artifact_error err;
    struct lucet_artifact a;
    struct lucet_instance *inst;
    size_t size;

    (void)state;
    one_linker_begin();
    assert_int_equal(lucet_linker_memory(linker, "h", "m", 1, 1), lucet_error_ok);
    uint8_t *bytes =
        guest_artifact("(module (import \"h\" \"m\" (memory 1)))", &guest_default, &size);
    for (int beyond = 0; beyond < 2; beyond++) {
        struct lucet_dl_module *m;
        const struct lucet_instance_options o = {.linker = linker};
        assert_true(lucet_artifact_read(bytes, size, &a, &err));
        ((struct lucet_module_header *)(uintptr_t)a.header)->heap.front_guard =
            LUCET__FRONT_GUARD + (beyond ? 4096 : 0);
        assert_int_equal(lucet_dl_module_load_bytes(bytes, size, &m), lucet_error_ok);
        assert_int_equal(lucet_region_new_instance_with(region, m, &o, &inst),
                         beyond ? lucet_error_limits_exceeded : lucet_error_ok);
        lucet_instance_release(inst);
        lucet_dl_module_release(m);
    }
    free(bytes);
    one_linker_end();
}

static int32_t seven(struct lucet_vmctx *ctx)
{
    (void)ctx;
    return 7;
}

static int64_t eight(struct lucet_vmctx *ctx)
{
    (void)ctx;
    return 8;
}

/* An import that is bound to a native symbol is satisfied by that alone, never by a name. */
static void bound_imports_are_found_by_symbol(void **state)
{
    const struct lucet_hostcall unlike = {"host_seven", ":I", (void (*)(void))eight};
    const struct lucet_hostcall right[] = {{"host_eight", ":I", (void (*)(void))eight},
                                           {"host_seven", ":i", (void (*)(void))seven}};
    static const char wat[] = "(module (import \"h\" \"f\" (func $f (result i32)))"
                              " (func (export \"f\") (result i32) (call $f)))";
    struct lucetc_bindings *b;
    struct lucet_instance *inst;

    (void)state;
    one_linker_begin();
    assert_int_equal(lucetc_bindings_new(&b), lucet_error_ok);
    assert_int_equal(lucetc_bindings_add(b, "h", "f", "host_seven"), lucet_error_ok);
    const struct guest_mode mode = {.opt_level = lucetc_opt_speed, .bindings = b};
    assert_int_equal(lucet_linker_func(linker, "h", "f", ":i", (void (*)(void))seven),
                     lucet_error_ok);
    assert_int_equal(lucet_linker_func(linker, "", "host_seven", ":i", (void (*)(void))seven),
                     lucet_error_ok);
    assert_int_equal(make(wat, &mode, &inst), lucet_error_module);
    assert_non_null(strstr(lucet_error_detail(), "no host function host_seven"));
    assert_non_null(strstr(lucet_error_detail(), "import \"h\" \"f\""));
    assert_int_equal(lucet_linker_hostcalls(linker, &unlike, 1), lucet_error_ok);
    assert_int_equal(make(wat, &mode, &inst), lucet_error_type_mismatch);
    assert_int_equal(lucet_linker_hostcalls(linker, right, 2), lucet_error_ok);
    assert_int_equal(make(wat, &mode, &inst), lucet_error_ok);
    assert_int_equal((uint32_t)guest_call(inst, "f", 0, NULL), 7);
    lucet_instance_release(inst);
    lucetc_bindings_release(b);
    one_linker_end();
}

static void what_is_missing_is_named(void **state)
{
    static const char wat[] = "(module (import \"wh\\n\\1bere\" \"wh\\00at\" (func)))";
    struct lucet_instance *inst;

    (void)state;
    one_linker_begin();
    assert_int_equal(make(wat, &guest_default, &inst), lucet_error_module);
    assert_null(inst);
    assert_non_null(strstr(lucet_error_detail(), "nothing of that name"));
    assert_non_null(strstr(lucet_error_detail(), "import \"wh"));
    assert_non_null(strstr(lucet_error_detail(), "ere\" \"wh"));
    for (const char *c = lucet_error_detail(); *c; c++)
        assert_in_range(*c, ' ', '~');
    lucet_linker_release(linker);
    linker = NULL; /* the same without a linker */
    assert_int_equal(make(wat, &guest_default, &inst), lucet_error_module);
    one_linker_end();
}

/* The other module's functions are compared by type as the host's are. */
static void functions_of_other_instances_have_types(void **state)
{
    struct lucet_instance *inst;

    (void)state;
    one_linker_begin();
    struct lucet_dl_module *m =
        guest_module("(module (func (export \"f\") (param i32))"
                     " (memory (export \"m\") 1) (memory (export \"m64\") i64 1)"
                     " (table (export \"t\") 1 funcref) (table (export \"t64\") i64 1 funcref)"
                     " (tag (export \"x\") (param i32)))",
                     &guest_default);
    struct lucet_instance *owner = guest_instance(region, m, NULL, NULL);
    assert_int_equal(lucet_linker_instance(linker, "o", owner), lucet_error_ok);
    static const struct {
        const char *import, *said;
    } wrong[] = {
        {"\"f\" (func (param i64))", "the module wants \"I:\", the function is of another type"},
        {"\"m\" (memory i64 1)", "other pages or indices"},
        {"\"m64\" (memory 1)", "other pages or indices"},
        {"\"m\" (memory 1 (pagesize 1))", "other pages or indices"},
        {"\"m\" (memory 1 1 shared)", "one is shared"},
        {"\"t\" (table i64 1 funcref)", "or other indices"},
        {"\"t64\" (table 1 funcref)", "or other indices"},
        {"\"x\" (tag (param i64))", "the tag has another type"},
        {"\"x\" (func)", "another kind"},
    };
    for (size_t k = 0; k < sizeof(wrong) / sizeof(*wrong); k++) {
        char wat[128];
        snprintf(wat, sizeof(wat), "(module (import \"o\" %s))", wrong[k].import);
        assert_int_equal(make(wat, &guest_default, &inst), lucet_error_type_mismatch);
        if (!strstr(lucet_error_detail(), wrong[k].said))
            fail_msg("%s: %s", wrong[k].import, lucet_error_detail());
    }
    assert_int_equal(
        make(
            "(module (import \"o\" \"f\" (func (param i32))) (import \"o\" \"m\" (memory 1))"
            " (import \"o\" \"m64\" (memory i64 1)) (import \"o\" \"t\" (table 1 funcref))"
            " (import \"o\" \"t64\" (table i64 1 funcref)) (import \"o\" \"x\" (tag (param i32))))",
            &guest_default, &inst),
        lucet_error_ok);
    lucet_instance_release(inst);
    lucet_linker_release(linker);
    assert_int_equal(lucet_linker_new(&linker), lucet_error_ok);
    lucet_instance_release(owner);
    lucet_dl_module_release(m);
    one_linker_end();
}

/* Copies of immutable globals of each size, and cells of mutable ones, between others that stay as
 * they are. */
static void globals_are_imported_whole(void **state)
{
    struct lucet_instance *inst;
    struct lucet_val v;

    (void)state;
    one_linker_begin();
    const struct lucet_val vector = {
        .ty = lucet_val_type_v128,
        .inner_val.as_v128 = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};
    assert_int_equal(lucet_linker_global(linker, "h", "v", vector, false), lucet_error_ok);
    assert_int_equal(lucet_linker_global(linker, "h", "m", vector, true), lucet_error_ok);
    assert_int_equal(lucet_linker_global(linker, "h", "i", I64(0x123456789abcdef0), false),
                     lucet_error_ok);
    assert_int_equal(
        make("(module (import \"h\" \"v\" (global $v v128)) (import \"h\" \"i\" (global $i i64))"
             " (import \"h\" \"m\" (global $m (mut v128))) (global $own i64 (i64.const -3))"
             " (export \"v\" (global $v)) (export \"i\" (global $i)) (export \"m\" (global $m))"
             " (export \"own\" (global $own)))",
             &guest_default, &inst),
        lucet_error_ok);
    for (int k = 0; k < 2; k++) {
        assert_int_equal(lucet_instance_get_global(inst, k ? "m" : "v", 1, &v), lucet_error_ok);
        assert_memory_equal(v.inner_val.as_v128, vector.inner_val.as_v128, 16);
    }
    assert_int_equal(lucet_instance_get_global(inst, "i", 1, &v), lucet_error_ok);
    assert_int_equal(v.inner_val.as_i64, 0x123456789abcdef0);
    assert_int_equal(lucet_instance_get_global(inst, "own", 3, &v), lucet_error_ok);
    assert_int_equal(v.inner_val.as_i64, -3);
    lucet_instance_release(inst);
    one_linker_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memories_of_less_address_space_are_refused),
        cmocka_unit_test(memories_without_the_guard_before_them_are_refused),
        cmocka_unit_test(bound_imports_are_found_by_symbol),
        cmocka_unit_test(what_is_missing_is_named),
        cmocka_unit_test(functions_of_other_instances_have_types),
        cmocka_unit_test(globals_are_imported_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
