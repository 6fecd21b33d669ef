/* Values that the host hands over and gets: which of its types stand for which of the guest's, and
 * arguments that are missing. */
#include <signal.h>

#include "guest.h"
#include "process.h"

static struct lucet_region *region;
static struct lucet_dl_module *module;
static struct lucet_instance *inst;

static void begin(const char *wat)
{
    guest_begin();
    region = guest_region(1);
    module = guest_module(wat, &guest_default);
    inst = guest_instance(region, module, NULL, NULL);
}

static void end(void)
{
    lucet_instance_release(inst);
    lucet_dl_module_release(module);
    lucet_region_release(region);
}

#define V(type, member, value) LUCET_VAL(type, member, value)

/* Extended as their own signs say; those of 8 and 16 bits to 64 bits, too. */
static void integers_of_the_host_stand_for_those_of_guests(void **state)
{
    static const struct {
        struct lucet_val v;
        uint64_t i32, i64;
        bool is_i32, is_i64;
    } cases[] = {
        {V(u8, as_u8, 0xfe), 0xfe, 0xfe, true, true},
        {V(u16, as_u16, 0xfffe), 0xfffe, 0xfffe, true, true},
        {V(u32, as_u32, 0xfffffffe), 0xfffffffe, 0, true, false},
        {V(i8, as_i8, -2), 0xfffffffe, (uint64_t)-2, true, true},
        {V(i16, as_i16, -2), 0xfffffffe, (uint64_t)-2, true, true},
        {V(i32, as_i32, -2), 0xfffffffe, 0, true, false},
        {{.ty = lucet_val_type_bool, .inner_val.as_bool = true}, 1, 1, true, true},
        {V(guest_ptr, as_u32, 0xfffffffe), 0xfffffffe, 0, true, false},
        {V(u64, as_u64, 0xfffffffffffffffe), 0, (uint64_t)-2, false, true},
        {V(i64, as_i64, -2), 0, (uint64_t)-2, false, true},
        {V(f32, as_f32, 1), 0, 0, false, false},
        {V(f64, as_f64, 1), 0, 0, false, false},
    };
    struct lucet_result r;

    (void)state;
    begin("(module (func (export \"i32\") (param i32) (result i64)"
          "   (i64.extend_i32_u (local.get 0)))"
          " (func (export \"i64\") (param i64) (result i64) (local.get 0)))");
    for (size_t k = 0; k < sizeof(cases) / sizeof(*cases); k++)
        for (int wide = 0; wide < 2; wide++) {
            const bool good = wide ? cases[k].is_i64 : cases[k].is_i32;
            const enum lucet_error e =
                lucet_instance_run(inst, wide ? "i64" : "i32", 1, &cases[k].v, &r);
            assert_int_equal(e, good ? lucet_error_ok : lucet_error_type_mismatch);
            if (good)
                assert_int_equal(lucet_retval_gp(&r.val.returned),
                                 wide ? cases[k].i64 : cases[k].i32);
        }
    end();
}

/* Least of all for references, which are addresses. */
static void integers_stand_for_nothing_else(void **state)
{
    static const char *const names[] = {"f32", "f64", "v128", "func", "extern", "exn"};
    const struct lucet_val small[] = {V(u8, as_u8, 64),
                                      V(u16, as_u16, 64),
                                      V(i8, as_i8, 64),
                                      V(i16, as_i16, 64),
                                      {.ty = lucet_val_type_bool, .inner_val.as_bool = true},
                                      V(u32, as_u32, 64),
                                      V(u64, as_u64, 64)};
    struct lucet_result r;

    (void)state;
    begin("(module (func (export \"f32\") (param f32)) (func (export \"f64\") (param f64))"
          " (func (export \"v128\") (param v128)) (func (export \"func\") (param funcref))"
          " (func (export \"extern\") (param externref)) (func (export \"exn\") (param exnref)))");
    for (size_t k = 0; k < sizeof(names) / sizeof(*names); k++)
        for (size_t i = 0; i < sizeof(small) / sizeof(*small); i++)
            assert_int_equal(lucet_instance_run(inst, names[k], 1, &small[i], &r),
                             lucet_error_type_mismatch);
    end();
}

static void a_result_that_is_missing_is_zero(void **state)
{
    (void)state;
    assert_int_equal(lucet_retval_gp(NULL), 0);
    assert_true(lucet_retval_f32(NULL) == 0);
    assert_true(lucet_retval_f64(NULL) == 0);
}

static int yield_without_a_context(void *arg)
{
    lucet_vmctx_yield(arg, NULL);
    return 1;
}

static void null_is_refused(void **state)
{
    struct lucet_kill_switch *k = (struct lucet_kill_switch *)&region;
    struct lucet_result r = {.tag = lucet_result_tag_returned};

    (void)state;
    begin("(module (func (export \"f\")))");
    assert_int_equal(lucet_instance_kill_switch(NULL, &k), lucet_error_invalid_argument);
    assert_int_equal(lucet_instance_kill_switch(inst, NULL), lucet_error_invalid_argument);
    assert_non_null(strstr(lucet_error_detail(), "lucet_instance_kill_switch"));
    assert_int_equal(lucet_kill_switch_terminate(NULL), lucet_kill_not_terminable);
    assert_int_equal(lucet_kill_switch_preempt(NULL), lucet_kill_not_terminable);
    lucet_kill_switch_release(NULL);
    assert_int_equal(lucet_instance_set_timeout(NULL, 1), lucet_error_invalid_argument);
    assert_non_null(strstr(lucet_error_detail(), "lucet_instance_set_timeout"));
    assert_int_equal(lucet_instance_resume(NULL, NULL, &r), lucet_error_invalid_argument);
    assert_int_equal(r.tag, lucet_result_tag_errored);
    assert_int_equal(r.val.errored, lucet_error_invalid_argument);
    assert_int_equal(lucet_instance_resume(NULL, NULL, NULL), lucet_error_invalid_argument);
    assert_int_equal(lucet_instance_resume(inst, NULL, NULL), lucet_error_instance_not_yielded);
    assert_int_equal(lucet_instance_resume(inst, NULL, &r), lucet_error_instance_not_yielded);
    assert_int_equal(r.val.errored, lucet_error_instance_not_yielded);
    assert_int_equal(lucet_vmctx_try_yield(NULL, NULL, NULL), lucet_error_invalid_argument);
    assert_int_equal(process_child(yield_without_a_context, NULL), 128 + SIGABRT);
    /* What goes well leaves no word of it. */
    assert_int_equal(lucet_instance_kill_switch(inst, &k), lucet_error_ok);
    assert_string_equal(lucet_error_detail(), "");
    lucet_kill_switch_release(k);
    end();
}

static enum lucet_instance_status status_in_host;

static int64_t yield(struct lucet_vmctx *ctx)
{
    void *resumed = NULL;

    status_in_host = lucet_instance_status(lucet_vmctx_instance(ctx));
    assert_int_equal(lucet_vmctx_try_yield(ctx, (void *)5, &resumed), lucet_error_ok);
    return (int64_t)(intptr_t)resumed;
}

static void a_yield_hands_a_value_over_each_way(void **state)
{
    const struct lucet_instance_options o = {.run_start = false};
    struct lucet_kill_switch *k;
    struct lucet_linker *linker;
    struct lucet_result r;

    (void)state;
    guest_begin();
    region = guest_region(1);
    assert_int_equal(lucet_linker_new(&linker), lucet_error_ok);
    assert_int_equal(lucet_linker_func(linker, "h", "yield", ":I", (void (*)(void))yield),
                     lucet_error_ok);
    module = guest_module("(module (import \"h\" \"yield\" (func $y (result i64)))"
                          " (func (export \"f\") (result i64) (call $y)))",
                          &guest_default);
    inst = guest_instance(region, module, linker, NULL);
    assert_int_equal(lucet_instance_status(inst), lucet_instance_status_ready);
    assert_int_equal(lucet_instance_run(inst, "f", 0, NULL, &r), lucet_error_ok);
    assert_int_equal(status_in_host, lucet_instance_status_running);
    assert_int_equal(lucet_instance_status(inst), lucet_instance_status_yielded);
    assert_int_equal(r.tag, lucet_result_tag_yielded);
    assert_int_equal((uintptr_t)r.val.yielded.val, 5);
    assert_int_equal(lucet_instance_resume(inst, (void *)77, &r), lucet_error_ok);
    assert_int_equal(lucet_retval_gp(&r.val.returned), 77);
    lucet_instance_release(inst);
    lucet_dl_module_release(module);
    lucet_linker_release(linker);
    /* Before it has begun. */
    module = guest_module("(module (func $s) (start $s))", &guest_default);
    assert_int_equal(lucet_region_new_instance_with(region, module, &o, &inst), lucet_error_ok);
    assert_int_equal(lucet_instance_status(inst), lucet_instance_status_needs_start);
    assert_int_equal(lucet_instance_kill_switch(inst, &k), lucet_error_ok);
    assert_int_equal(lucet_kill_switch_terminate(k), lucet_kill_cancelled);
    assert_int_equal(lucet_instance_run_start(inst), lucet_error_runtime_terminated);
    assert_int_equal(lucet_instance_status(inst), lucet_instance_status_terminated);
    lucet_kill_switch_release(k);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_of_the_host_stand_for_those_of_guests),
        cmocka_unit_test(integers_stand_for_nothing_else),
        cmocka_unit_test(a_result_that_is_missing_is_zero),
        cmocka_unit_test(null_is_refused),
        cmocka_unit_test(a_yield_hands_a_value_over_each_way),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
