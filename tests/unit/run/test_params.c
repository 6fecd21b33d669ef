/* Functions with up to 20 parameters of every mix of types, called in every way there is. */
#include "shapes.h"

#include <stdio.h>

enum { BASE = 500 };

static unsigned base_of(unsigned mix, unsigned n)
{
    (void)mix;
    (void)n;
    return BASE;
}

/* "take M N" hashes its N parameters. */
static void add_takers(struct text *t)
{
    for (unsigned m = 0; m < SHAPE_MIXES; m++) {
        for (unsigned n = 0; n <= SHAPE_MAX; n++) {
            text_add(t, "(func $take_%u_%u (export \"take %u %u\")", m, n, m, n);
            mix_add_types(t, "param", m, n);
            text_add(t, " (result i64)");
            mix_add_locals(t, m, n);
            for (unsigned i = 0; i < n; i++)
                text_add(t, " (local.get %u)", i);
            mix_add_hash(t, m, n);
            text_add(t, ")\n");
        }
    }
}

/* "NAME M N" calls $CALLEE_M_N with constants, "NAME indirect M N" through a table. */
static void add_givers(struct text *t, const char *callee, const char *name)
{
    for (unsigned m = 0; m < SHAPE_MIXES; m++) {
        for (unsigned n = 0; n <= SHAPE_MAX; n++) {
            for (unsigned way = 0; way < 2; way++) {
                text_add(t, "(func (export \"%s%s %u %u\") (result i64)", name,
                         way ? " indirect" : "", m, n);
                for (unsigned i = 0; i < n; i++) {
                    text_add(t, " ");
                    mix_add_const(t, mix_letter(m, i), BASE + i);
                }
                if (way == 0) {
                    text_add(t, " (call $%s_%u_%u))\n", callee, m, n);
                    continue;
                }
                text_add(t, " (i32.const %u) (call_indirect", m * (SHAPE_MAX + 1) + n);
                mix_add_types(t, "param", m, n);
                text_add(t, " (result i64)))\n");
            }
        }
    }
    shapes_add_table(t, callee);
}

static struct lucet_val value(char letter, unsigned v)
{
    switch (letter) {
    case 'i': return LUCET_VAL_I32((int32_t)v);
    case 'I': return LUCET_VAL_I64((int64_t)mix_bits('I', v));
    case 'f': return LUCET_VAL_F32((float)v);
    default: return LUCET_VAL_F64((double)v);
    }
}

/* Called by the host. */
static void expect_entries(struct lucet_instance *inst)
{
    for (unsigned m = 0; m < SHAPE_MIXES; m++) {
        for (unsigned n = 0; n <= SHAPE_MAX; n++) {
            struct lucet_val args[SHAPE_MAX + 1];
            struct lucet_result r;
            char name[32];
            for (unsigned i = 0; i <= SHAPE_MAX; i++)
                args[i] = value(mix_letter(m, i), BASE + i);
            snprintf(name, sizeof name, "take %u %u", m, n);
            if (guest_call(inst, name, n, args) != mix_hash(m, n, BASE))
                fail_msg("%s: wrong parameters", name);
            assert_int_equal(lucet_instance_run(inst, name, n + 1, args, &r),
                             lucet_error_type_mismatch);
            if (n > 0) {
                assert_int_equal(lucet_instance_run(inst, name, n, NULL, &r),
                                 lucet_error_invalid_argument);
                assert_int_equal(lucet_instance_run(inst, name, n - 1, args, &r),
                                 lucet_error_type_mismatch);
            }
        }
    }
}

static void expect_near(struct lucet_instance *inst)
{
    shapes_expect_hashes(inst, "give", base_of);
    shapes_expect_hashes(inst, "give indirect", base_of);
    expect_entries(inst);
}

static void parameters_arrive_directly_through_tables_and_from_the_host(void **state)
{
    struct text t = {0};

    (void)state;
    guest_begin();
    text_add(&t, "(module\n");
    add_takers(&t);
    add_givers(&t, "take", "give");
    text_add(&t, ")\n");
    shapes_each(t.s, expect_near);
    text_free(&t);
}

static void expect_far(struct lucet_instance *inst)
{
    shapes_expect_hashes(inst, "far", base_of);
    shapes_expect_hashes(inst, "far indirect", base_of);
}

static void parameters_arrive_in_another_instance(void **state)
{
    struct text owner = {0}, user = {0};

    (void)state;
    guest_begin();
    text_add(&owner, "(module\n");
    add_takers(&owner);
    text_add(&owner, ")\n");
    text_add(&user, "(module\n");
    shapes_add_imports(&user, "owner", "take", "far", "param", " (result i64)");
    add_givers(&user, "far", "far");
    text_add(&user, ")\n");
    shapes_each_linked(owner.s, user.s, expect_far);
    text_free(&owner);
    text_free(&user);
}

/* ---- Host functions: one C function for each shape worth having ---- */

#define UNUSED_CTX (void)ctx

static int64_t ten_integers(struct lucet_vmctx *ctx, int64_t a, int64_t b, int64_t c, int64_t d,
                            int64_t e, int64_t f, int64_t g, int64_t h, int64_t i, int64_t j)
{
    UNUSED_CTX;
    return a + 2 * b + 3 * c + 4 * d + 5 * e + 6 * f + 7 * g + 8 * h + 9 * i + 10 * j;
}

static double ten_doubles(struct lucet_vmctx *ctx, double a, double b, double c, double d, double e,
                          double f, double g, double h, double i, double j)
{
    UNUSED_CTX;
    return a + 2 * b + 3 * c + 4 * d + 5 * e + 6 * f + 7 * g + 8 * h + 9 * i + 10 * j;
}

static float twelve_mixed(struct lucet_vmctx *ctx, int32_t a, float b, int64_t c, double d,
                          int32_t e, float f, int64_t g, double h, int32_t i, float j, int64_t k,
                          double l)
{
    UNUSED_CTX;
    return (float)(a + 2 * (double)b + 3 * (double)c + 4 * d + 5 * e + 6 * (double)f +
                   7 * (double)g + 8 * h + 9 * i + 10 * (double)j + 11 * (double)k + 12 * l);
}

static int32_t negative(struct lucet_vmctx *ctx, int32_t a)
{
    UNUSED_CTX;
    return -a;
}

static float no_parameters(struct lucet_vmctx *ctx)
{
    UNUSED_CTX;
    return 0.5f;
}

static uint64_t seen;

static void no_result(struct lucet_vmctx *ctx, double a, int32_t b)
{
    UNUSED_CTX;
    seen = (uint64_t)a * 100 + (uint32_t)b;
}

static uint64_t reference(struct lucet_vmctx *ctx, uint64_t external, const void *function)
{
    UNUSED_CTX;
    return function ? external : 0;
}

static int64_t several(struct lucet_vmctx *ctx, int64_t a, double b, double *r1, int32_t *r2,
                       float *r3)
{
    UNUSED_CTX;
    *r1 = b * 2;
    *r2 = (int32_t)a + 1;
    *r3 = 1.5f;
    return a * 10;
}

static const char shapes[] =
    "(module\n"
    "(import \"h\" \"ints\" (func $ints (param i64 i64 i64 i64 i64 i64 i64 i64 i64 i64) (result "
    "i64)))\n"
    "(import \"h\" \"doubles\" (func $doubles (param f64 f64 f64 f64 f64 f64 f64 f64 f64 f64) "
    "(result f64)))\n"
    "(import \"h\" \"mixed\" (func $mixed (param i32 f32 i64 f64 i32 f32 i64 f64 i32 f32 i64 f64)"
    "  (result f32)))\n"
    "(import \"h\" \"negative\" (func $negative (param i32) (result i32)))\n"
    "(import \"h\" \"none\" (func $none (result f32)))\n"
    "(import \"h\" \"no result\" (func $no_result (param f64 i32)))\n"
    "(import \"h\" \"reference\" (func $reference (param externref funcref) (result externref)))\n"
    "(import \"h\" \"several\" (func $several (param i64 f64) (result i64 f64 i32 f32)))\n"
    "(func (export \"ints\") (result i64) (call $ints (i64.const 1) (i64.const 2) (i64.const 3)"
    "  (i64.const 4) (i64.const 5) (i64.const 6) (i64.const 7) (i64.const 8) (i64.const 9) "
    "(i64.const -10)))\n"
    "(func (export \"doubles\") (result i64) (i64.trunc_f64_s (call $doubles (f64.const 1) "
    "(f64.const 2)"
    "  (f64.const 3) (f64.const 4) (f64.const 5) (f64.const 6) (f64.const 7) (f64.const 8) "
    "(f64.const 9)"
    "  (f64.const -10))))\n"
    "(func (export \"mixed\") (result i32) (i32.trunc_f32_s (call $mixed (i32.const 1) (f32.const "
    "2)"
    "  (i64.const 3) (f64.const 4) (i32.const 5) (f32.const 6) (i64.const 7) (f64.const 8) "
    "(i32.const 9)"
    "  (f32.const 10) (i64.const 11) (f64.const -12))))\n"
    /* The upper halves of a register are nobody's: the guest must extend by itself. */
    "(func (export \"negative\") (param i32) (result i64) (i64.extend_i32_u (call $negative "
    "(local.get 0))))\n"
    "(func (export \"none\") (result i32) (i32.trunc_f32_s (f32.mul (call $none) (f32.const 8))))\n"
    "(func (export \"no result\") (call $no_result (f64.const 7) (i32.const 9)))\n"
    "(func $f (export \"reference\") (param externref) (result externref)"
    "  (call $reference (local.get 0) (ref.func $f)))\n"
    "(func (export \"several\") (result f64) (local i64 f64 i32 f32)"
    "  (call $several (i64.const 4) (f64.const 2.5))"
    "  (local.set 3) (local.set 2) (local.set 1) (local.set 0)"
    "  (f64.add (f64.convert_i64_s (local.get 0)) (f64.add (local.get 1)"
    "    (f64.add (f64.convert_i32_s (local.get 2)) (f64.promote_f32 (local.get 3))))))\n"
    ")\n";

static const struct {
    const char *name, *signature;
    void (*f)(void);
} host[] = {
    {"ints", "IIIIIIIIII:I", (void (*)(void))ten_integers},
    {"doubles", "FFFFFFFFFF:F", (void (*)(void))ten_doubles},
    {"mixed", "ifIFifIFifIF:f", (void (*)(void))twelve_mixed},
    {"negative", "i:i", (void (*)(void))negative},
    {"none", ":f", (void (*)(void))no_parameters},
    {"no result", "Fi:", (void (*)(void))no_result},
    {"reference", "er:e", (void (*)(void))reference},
    {"several", "IF:IFif", (void (*)(void))several},
};

static void host_functions_of_every_shape_are_called_rightly(void **state)
{
    (void)state;
    guest_begin();
    struct lucet_region *region = guest_region(1);
    struct lucet_linker *linker;
    assert_int_equal(lucet_linker_new(&linker), lucet_error_ok);
    for (size_t i = 0; i < sizeof host / sizeof host[0]; i++)
        assert_int_equal(lucet_linker_func(linker, "h", host[i].name, host[i].signature, host[i].f),
                         0);
    for (unsigned i = 0; i < 3; i++) {
        struct lucet_dl_module *module = guest_module(shapes, &guest_modes[i]);
        struct lucet_instance *inst = guest_instance(region, module, linker, NULL);
        struct lucet_result r;
        assert_int_equal(guest_call(inst, "ints", 0, NULL), 285 - 100);
        assert_int_equal(guest_call(inst, "doubles", 0, NULL), 285 - 100);
        assert_int_equal((uint32_t)guest_call(inst, "mixed", 0, NULL), 506 - 144);
        assert_int_equal(guest_call(inst, "negative", ARGS(I32(5))), 0xfffffffb);
        assert_int_equal((uint32_t)guest_call(inst, "none", 0, NULL), 4);
        seen = 0;
        guest_call(inst, "no result", 0, NULL);
        assert_int_equal(seen, 709);
        const struct lucet_val external = {.ty = lucet_val_type_externref,
                                           .inner_val = {.as_u64 = 0xfeedfacecafebeef}};
        assert_int_equal(guest_call(inst, "reference", 1, &external), 0xfeedfacecafebeef);
        assert_int_equal(lucet_instance_run(inst, "several", 0, NULL, &r), lucet_error_ok);
        assert_true(lucet_retval_f64(&r.val.returned) == 40 + 5 + 5 + 1.5);
        lucet_instance_release(inst);
        lucet_dl_module_release(module);
    }
    lucet_linker_release(linker);
    lucet_region_release(region);
}

static void host_functions_of_another_type_are_not_linked(void **state)
{
    static const char *const wrong[] = {"I:i",  "i:I", "i:",  ":i", "ii:i",
                                        "i:ii", "f:i", "r:i", "e:i"};
    (void)state;
    guest_begin();
    struct lucet_region *region = guest_region(1);
    struct lucet_dl_module *module = guest_module(
        "(module (import \"h\" \"f\" (func (param i32) (result i32))))", &guest_default);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct lucet_instance *inst = NULL;
        struct lucet_linker *linker;
        assert_int_equal(lucet_linker_new(&linker), lucet_error_ok);
        assert_int_equal(lucet_linker_func(linker, "h", "f", wrong[i], (void (*)(void))negative),
                         lucet_error_ok);
        const struct lucet_instance_options o = {.linker = linker};
        assert_int_equal(lucet_region_new_instance_with(region, module, &o, &inst),
                         lucet_error_type_mismatch);
        lucet_linker_release(linker);
        assert_int_equal(lucet_region_used_slots(region), 0);
    }
    lucet_dl_module_release(module);
    lucet_region_release(region);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parameters_arrive_directly_through_tables_and_from_the_host),
        cmocka_unit_test(parameters_arrive_in_another_instance),
        cmocka_unit_test(host_functions_of_every_shape_are_called_rightly),
        cmocka_unit_test(host_functions_of_another_type_are_not_linked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
