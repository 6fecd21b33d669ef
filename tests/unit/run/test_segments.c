/* Segments at the edges of what the format can say. */
#include "guest.h"

/* Of such a segment the module tells neither functions nor expressions; the loader once took it for
 * one of functions, and refused it. */
static void an_element_segment_of_any_type_may_be_empty(void **state)
{
    static const char wat[] =
        "(module (table $t 2 externref) (table $u 2 funcref)"
        " (elem $passive externref) (elem declare externref) (elem (table $t) (i32.const 2) "
        "externref)"
        " (elem $funcs funcref) (elem declare funcref) (elem (table $u) (i32.const 2) funcref)"
        " (elem $after externref (ref.null extern))"
        " (func (export \"init\") (param i32)"
        "   (table.init $t $passive (i32.const 2) (i32.const 0) (local.get 0))"
        "   (table.init $u $funcs (i32.const 2) (i32.const 0) (local.get 0))"
        "   (table.init $t $after (i32.const 0) (i32.const 0) (i32.const 1))))";
    (void)state;
    guest_begin();
    struct lucet_region *region = guest_region(1);
    struct lucet_dl_module *module = guest_module(wat, &guest_default);
    struct lucet_instance *inst = guest_instance(region, module, NULL, NULL);
    guest_call(inst, "init", ARGS(I32(0)));
    assert_int_equal(guest_trap(inst, "init", ARGS(I32(1))), lucet_trapcode_table_out_of_bounds);
    lucet_instance_release(inst);
    lucet_dl_module_release(module);
    lucet_region_release(region);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_element_segment_of_any_type_may_be_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
