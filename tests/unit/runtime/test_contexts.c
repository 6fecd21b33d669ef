/* Data of the host's under keys. */
#include "run/guest.h"

static const char numbers, texts, others[LUCET_CONTEXTS_MAX];

static uint32_t host(struct lucet_vmctx *ctx)
{
    const int *n = lucet_vmctx_context(ctx, &numbers);

    return n ? (uint32_t)*n : 77;
}

static void each_part_of_a_host_finds_its_own(void **state)
{
    int one = 1, two = 2;
    char text[] = "text";
    const struct lucet_context c[] = {{&numbers, &one}, {&texts, text}};
    struct lucet_linker *linker;

    (void)state;
    guest_begin();
    struct lucet_dl_module *m = guest_module(
        "(module (import \"h\" \"f\" (func $f (result i32))) (global $g (mut i32) (i32.const 0))"
        " (func $s (global.set $g (call $f))) (start $s)"
        " (func (export \"first\") (result i32) (global.get $g))"
        " (func (export \"now\") (result i32) (call $f)))",
        &guest_default);
    struct lucet_region *region = guest_region(1);
    assert_int_equal(lucet_linker_new(&linker), lucet_error_ok);
    assert_int_equal(lucet_linker_func(linker, "h", "f", ":i", (void (*)(void))host),
                     lucet_error_ok);
    const struct lucet_instance_options o = {
        .linker = linker, .embed_ctx = &two, .run_start = true, .contexts = c, .ncontexts = 2};
    struct lucet_instance *inst;
    assert_int_equal(lucet_region_new_instance_with(region, m, &o, &inst), lucet_error_ok);
    assert_int_equal(guest_call(inst, "first", 0, NULL), 1); /* there before the start function */
    assert_ptr_equal(lucet_instance_context(inst, &texts), text);
    assert_ptr_equal(lucet_instance_embed_ctx(inst), &two);
    assert_null(lucet_instance_context(inst, others));
    assert_null(lucet_instance_context(inst, NULL));
    assert_null(lucet_instance_context(NULL, &texts));
    assert_int_equal(lucet_instance_set_context(inst, &numbers, &two), lucet_error_ok);
    assert_int_equal(guest_call(inst, "now", 0, NULL), 2);
    assert_int_equal(lucet_instance_reset(inst), lucet_error_ok);
    assert_int_equal(lucet_instance_run_start(inst), lucet_error_ok);
    assert_int_equal(guest_call(inst, "first", 0, NULL), 2);
    assert_int_equal(lucet_instance_set_context(inst, &numbers, NULL), lucet_error_ok);
    assert_int_equal(lucet_instance_set_context(inst, &numbers, NULL), lucet_error_ok);
    assert_int_equal(guest_call(inst, "now", 0, NULL), 77);
    assert_ptr_equal(lucet_instance_context(inst, &texts), text);
    for (size_t k = 1; k < LUCET_CONTEXTS_MAX; k++)
        assert_int_equal(lucet_instance_set_context(inst, &others[k], &two), lucet_error_ok);
    assert_int_equal(lucet_instance_set_context(inst, &others[0], &two),
                     lucet_error_limits_exceeded);
    assert_int_equal(lucet_instance_set_context(inst, &texts, &one), lucet_error_ok);
    assert_int_equal(lucet_instance_set_context(inst, NULL, &one), lucet_error_invalid_argument);
    lucet_instance_release(inst);
    /* Nothing of it goes to the next tenant of the slot. */
    const struct lucet_instance_options plain = {.linker = linker};
    assert_int_equal(lucet_region_new_instance_with(region, m, &plain, &inst), lucet_error_ok);
    assert_null(lucet_instance_context(inst, &texts));
    assert_null(lucet_instance_embed_ctx(inst));
    lucet_instance_release(inst);
    struct lucet_context many[LUCET_CONTEXTS_MAX + 1];
    for (size_t k = 0; k <= LUCET_CONTEXTS_MAX; k++)
        many[k] = (struct lucet_context){k ? &others[k - 1] : &texts, &one};
    const struct lucet_instance_options too_many = {
        .linker = linker, .contexts = many, .ncontexts = LUCET_CONTEXTS_MAX + 1};
    assert_int_equal(lucet_region_new_instance_with(region, m, &too_many, &inst),
                     lucet_error_limits_exceeded);
    assert_int_equal(lucet_region_free_slots(region), 1);
    lucet_linker_release(linker);
    lucet_region_release(region);
    lucet_dl_module_release(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_part_of_a_host_finds_its_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
