/* Loads whose value makes no difference to the result. With --precise-traps each traps when it is
 * out of bounds. Without, those that nothing uses in the text do; where arithmetic makes the value
 * irrelevant, the call may also return, with the result that every value would have given
 * (docs/abi.md T5). */
#include <stdio.h>

#include "guest.h"

static const struct {
    const char *body;
    int32_t result;
    bool always; /* traps in every mode */
} cases[] = {
    {"(drop (i32.load (local.get 0))) (i32.const 3)", 3, true},
    {"(local.set 1 (i32.load (local.get 0))) (i32.const 3)", 3, true},
    {"(local.set 1 (i32.load (local.get 0))) (local.set 1 (i32.const 5)) (local.get 1)", 5, true},
    {"(drop (i32.add (i32.load (local.get 0)) (i32.load8_u (local.get 0)))) (i32.const 3)", 3,
     true},
    {"(i32.and (i32.load (local.get 0)) (i32.const 0))", 0, false},
    {"(i32.mul (i32.load (local.get 0)) (i32.const 0))", 0, false},
    {"(i32.sub (i32.load (local.get 0)) (i32.load (local.get 0)))", 0, false},
    {"(select (i32.const 7) (i32.load (local.get 0)) (i32.const 1))", 7, false},
    {"(i32.shr_u (i32.load8_u (local.get 0)) (i32.const 9))", 0, false},
    {"(if (i32.load (local.get 0)) (then (nop)) (else (nop))) (i32.const 4)", 4, false},
};

static void check(struct lucet_instance *inst, size_t k, bool precise)
{
    struct lucet_result r;
    assert_int_equal((int32_t)guest_call(inst, "f", ARGS(I32(0))), cases[k].result);
    const enum lucet_error e = lucet_instance_run(inst, "f", ARGS(I32(-16)), &r);
    if (e == lucet_error_ok) {
        if (precise || cases[k].always)
            fail_msg("%s: no trap", cases[k].body);
        assert_int_equal((int32_t)lucet_retval_gp(&r.val.returned), cases[k].result);
        return;
    }
    assert_int_equal(e, lucet_error_runtime_fault);
    assert_int_equal(r.val.faulted.trapcode, lucet_trapcode_heap_out_of_bounds);
}

static void loads_that_make_no_difference(void **state)
{
    (void)state;
    guest_begin();
    struct lucet_region *region = guest_region(1);
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        char text[512];
        snprintf(
            text, sizeof text,
            "(module (memory 1) (func (export \"f\") (param i32) (result i32) (local i32) %s))",
            cases[k].body);
        for (size_t i = 0; i < GUEST_MODES; i++) {
            struct lucet_dl_module *module = guest_module(text, &guest_modes[i]);
            struct lucet_instance *inst = guest_instance(region, module, NULL, NULL);
            check(inst, k, guest_modes[i].precise);
            lucet_instance_release(inst);
            lucet_dl_module_release(module);
        }
    }
    lucet_region_release(region);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loads_that_make_no_difference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
