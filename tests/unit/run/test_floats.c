/* Floating point where LLVM's idea of it differs from WebAssembly's. */
#include "guest.h"

/* A guest that replaces NaNs by one of its own gets that one, however the NaN came about. */
static const char replacing[] =
    "(module"
    " (func (export \"select\") (param f32) (result i32) (local f32)"
    "   (f32.const nan) (local.tee 1 (f32.sqrt (local.get 0)))"
    "   (f32.ne (local.get 1) (local.get 1)) select i32.reinterpret_f32)"
    " (func (export \"select bits\") (param f32) (result i32) (local f32)"
    "   (f32.reinterpret_i32 (i32.const 0x7fc00000)) (local.tee 1 (f32.sqrt (local.get 0)))"
    "   (f32.ne (local.get 1) (local.get 1)) select i32.reinterpret_f32)"
    " (func (export \"if\") (param f32) (result i32) (local f32)"
    "   (local.set 1 (f32.sqrt (local.get 0)))"
    "   (i32.reinterpret_f32 (if (result f32) (f32.eq (local.get 1) (local.get 1))"
    "     (then (local.get 1)) (else (f32.const nan)))))"
    " (func (export \"less\") (param f32) (result i32)"
    "   (i32.reinterpret_f32 (if (result f32) (f32.lt (local.get 0) (f32.const 0))"
    "     (then (f32.const nan)) (else (f32.sqrt (local.get 0))))))"
    " (func (export \"f64\") (param f32) (result i32) (local f64)"
    "   (f64.const nan) (local.tee 1 (f64.sqrt (f64.promote_f32 (local.get 0))))"
    "   (f64.ne (local.get 1) (local.get 1)) select"
    "   (i32.wrap_i64 (i64.shr_u (i64.reinterpret_f64) (i64.const 32))))"
    " (func (export \"vector\") (param f32) (result i32) (local v128)"
    "   (local.set 1 (f32x4.sqrt (f32x4.splat (local.get 0))))"
    "   (i32x4.extract_lane 2 (v128.bitselect (f32x4.splat (f32.const nan)) (local.get 1)"
    "     (f32x4.ne (local.get 1) (local.get 1)))))"
    " (func (export \"vector constant\") (param f32) (result i32) (local v128)"
    "   (local.set 1 (f32x4.sqrt (f32x4.splat (local.get 0))))"
    "   (i32x4.extract_lane 2 (v128.bitselect"
    "     (v128.const i32x4 0x7fc00000 0x7fc00000 0x7fc00000 0x7fc00000) (local.get 1)"
    "     (f32x4.ne (local.get 1) (local.get 1))))))";

static void a_nan_that_replaces_another_is_the_one(void **state)
{
    static const char *const names[] = {"select", "select bits",    "if", "less", "f64",
                                        "vector", "vector constant"};
    (void)state;
    guest_begin();
    struct lucet_region *region = guest_region(1);
    for (unsigned i = 0; i < GUEST_MODES; i++) {
        struct lucet_dl_module *module = guest_module(replacing, &guest_modes[i]);
        struct lucet_instance *inst = guest_instance(region, module, NULL, NULL);
        for (size_t k = 0; k < sizeof names / sizeof names[0]; k++) {
            const struct lucet_val x = LUCET_VAL_F32(-1);
            const uint32_t nan = strcmp(names[k], "f64") == 0 ? 0x7ff80000 : 0x7fc00000;
            if ((uint32_t)guest_call(inst, names[k], 1, &x) != nan)
                fail_msg("%s, mode %u: another NaN", names[k], i);
        }
        lucet_instance_release(inst);
        lucet_dl_module_release(module);
    }
    lucet_region_release(region);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_nan_that_replaces_another_is_the_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
