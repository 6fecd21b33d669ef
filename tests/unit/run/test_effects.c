/* What the compiler knows of functions (docs/abi.md section 8), and that what the runtime leaves
 * out for it leaves nothing behind. test_effects_signals.c has what comes in between. */
#include <stdio.h>

#include "guest.h"
#include "runtime/instance.h"
#include "runtime/slot.h"
#include "tenants.h"

/* ---- What is known ---- */

enum { ANY = 0, CLOSED = LUCET_FUNC_CLOSED, QUIET = TENANTS_QUIET };

static uint32_t effects_of(const struct lucet_dl_module *m, const char *name)
{
    struct lucet_func f;

    assert_int_equal(lucet_dl_module_func(m, name, NULL, &f), lucet_error_ok);
    return f.effects;
}

#define DECLARATIONS                                                                               \
    "(import \"h\" \"f\" (func $f)) (import \"h\" \"g\" (global $theirs (mut i32)))"               \
    " (import \"h\" \"c\" (global $constant i32)) (memory 1 2) (table 4 funcref)"                  \
    " (global $g (mut i64) (i64.const 0)) (global $d (mut f64) (f64.const 0))"                     \
    " (type $v (func)) (func $leaf (param i32) (result i32) (local.get 0))"                        \
    " (func $store (i32.store (i32.const 8) (i32.const 1)))"                                       \
    " (func $circle (call $circle)) (func $one) (func $two (call $one)) (func $three (call $two))" \
    " (func $four (call $three)) (memory $wide i64 1) (memory $bytes 100 (pagesize 1))"            \
    " (memory $shared 1 1 shared) (data $data \"x\") (elem $elem func $leaf) (table $t64 i64 4 "   \
    "funcref)"                                                                                     \
    " (func $pair (result i32 i32) (i32.const 1) (i32.const 2)) "

static void each_kind_of_function_is_known_for_what_it_is(void **state)
{
    static const struct {
        const char *body;
        uint32_t effects;
    } cases[] = {
        {"", QUIET},
        {"(param i32 i64) (result i64) (i64.add (i64.extend_i32_u (local.get 0)) (local.get 1))",
         QUIET},
        {"(param i32) (result i32) (i32.div_s (i32.const 9) (local.get 0))", QUIET},
        {"(result i64) (i64.popcnt (i64.load (i32.const 16)))", QUIET},
        {"(result i32) (memory.size)", QUIET},
        {"(global.set $g (i64.const 1))", QUIET},
        {"(result i32) (global.get $constant)", QUIET},
        {"(param i32) (result i32) (if (result i32) (local.get 0) (then (i32.const 1))"
         " (else (unreachable)))",
         QUIET},
        {"(param i32) (block (block (br_table 0 1 (local.get 0))) (return))", QUIET},
        {"(result i32) (call $leaf (call $leaf (i32.const 1)))", QUIET},
        {"(call $three)", QUIET},
        {"(param i32 i32 i32 i32 i32 i32)", QUIET},
        {"(result i64) (i64.load $wide offset=0x100000000 (i64.const 1))", QUIET},
        {"(result i32) (i32.load8_u $bytes (i32.const 99))", QUIET},
        {"(result i32) (i32.load16_s $shared (i32.const 8))", QUIET},
        {"(result i64) (memory.size $wide)", QUIET},
        {"(result i32) (memory.size $bytes)", QUIET},
        {"(call $one) (call $one) (call $one) (call $one) (call $one) (call $one) (call $one)"
         " (call $one) (call $one) (call $one) (call $one) (call $one) (call $one) (call $one)"
         " (call $one) (call $one)",
         QUIET},
        {"(param i32) (local i64 i64) (drop (if (result i32) (i64.eqz (i64.const 0))"
         " (then (i32.const 1)) (else (unreachable))))",
         QUIET},
        {"(i64.store32 $wide (i64.const 8) (i64.const 1))", CLOSED},
        {"(i32.store8 $bytes (i32.const 8) (i32.const 1))", CLOSED},
        {"(i32.store16 $shared (i32.const 8) (i32.const 1))", CLOSED},
        {"(i64.add128 (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4)) (drop) (drop)", ANY},
        {"(i64.mul_wide_s (i64.const 1) (i64.const 2)) (drop) (drop)", ANY},
        {"(drop (i32.atomic.rmw.add $shared (i32.const 0) (i32.const 1)))", ANY},
        {"(drop (i64.atomic.rmw.cmpxchg $shared (i32.const 0) (i64.const 1) (i64.const 2)))", ANY},
        {"(i32.atomic.store $shared (i32.const 0) (i32.const 1))", ANY},
        {"(atomic.fence)", ANY},
        {"(drop (memory.atomic.notify $shared (i32.const 0) (i32.const 1)))", ANY},
        {"(memory.copy (i32.const 0) (i32.const 1) (i32.const 2))", ANY},
        {"(memory.init $data (i32.const 0) (i32.const 0) (i32.const 1))", ANY},
        {"(data.drop $data)", ANY},
        {"(table.init 0 $elem (i32.const 0) (i32.const 0) (i32.const 1))", ANY},
        {"(elem.drop $elem)", ANY},
        {"(table.set 0 (i32.const 0) (ref.null func))", ANY},
        {"(drop (table.get $t64 (i64.const 0)))", ANY},
        {"(table.fill 0 (i32.const 0) (ref.null func) (i32.const 1))", ANY},
        {"(drop (table.grow 0 (ref.null func) (i32.const 1)))", ANY},
        {"(drop (memory.grow $wide (i64.const 1)))", ANY},
        {"(drop (ref.is_null (ref.null extern)))", ANY},
        {"(drop (ref.func $leaf))", ANY},
        {"(call $pair) (drop) (drop)", ANY},
        {"(block (result i32 i32) (i32.const 1) (i32.const 2)) (drop) (drop)", QUIET},
        {"(drop (block (result f32) (f32.const 1)))", ANY},
        {"(local i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)"
         " (local i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)"
         " (local i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)"
         " (local i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)",
         QUIET},
        {"(local i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)"
         " (local i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)"
         " (local i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)"
         " (local i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)",
         ANY},
        {"(i32.store (i32.const 0) (i32.const 1))", CLOSED},
        {"(i64.store8 (i32.const 0) (i64.const 1))", CLOSED},
        {"(call $store)", CLOSED},
        {"(call $four)", ANY},
        {"(call $f)", ANY},
        {"(call $circle)", ANY},
        {"(loop)", ANY},
        {"(result i32) (global.get $theirs)", ANY},
        {"(global.set $theirs (i32.const 1))", ANY},
        {"(global.set $d (f64.const 1))", ANY},
        {"(param i32 i32 i32 i32 i32 i32 i32)", ANY},
        {"(result i32 i32) (i32.const 1) (i32.const 2)", ANY},
        {"(param f32)", ANY},
        {"(result v128) (v128.const i32x4 0 0 0 0)", ANY},
        {"(param funcref)", ANY},
        {"(local f64)", ANY},
        {"(drop (f64.add (f64.const 1) (f64.const 2)))", ANY},
        {"(f32.store (i32.const 0) (f32.const 1))", ANY},
        {"(result i32) (i32.trunc_sat_f32_s (f32.const 1))", ANY},
        {"(drop (v128.load (i32.const 0)))", ANY},
        {"(call_indirect (type $v) (i32.const 0))", ANY},
        {"(drop (memory.grow (i32.const 1)))", ANY},
        {"(memory.fill (i32.const 0) (i32.const 0) (i32.const 1))", ANY},
        {"(drop (ref.null func))", ANY},
        {"(drop (table.get 0 (i32.const 0)))", ANY},
        {"(drop (table.size 0))", ANY},
        {"(drop (i32.atomic.load (i32.const 0)))", ANY},
        {"(drop (select (result i32) (i32.const 1) (i32.const 2) (i32.const 3)))", ANY},
        {"(call $one) (call $one) (call $one) (call $one) (call $one) (call $one) (call $one)"
         " (call $one) (call $one) (call $one) (call $one) (call $one) (call $one) (call $one)"
         " (call $one) (call $one) (call $one)",
         ANY},
    };
    struct text t = {0};
    char name[16];

    (void)state;
    guest_begin();
    text_add(&t, "(module %s", DECLARATIONS);
    for (size_t k = 0; k < sizeof(cases) / sizeof(*cases); k++)
        text_add(&t, "(func (export \"x%zu\") %s)", k, cases[k].body);
    text_add(&t, ")");
    for (size_t mode = 0; mode < GUEST_MODES; mode++) {
        struct lucet_dl_module *m = guest_module(t.s, &guest_modes[mode]);
        for (size_t k = 0; k < sizeof(cases) / sizeof(*cases); k++) {
            snprintf(name, sizeof(name), "x%zu", k);
            if (effects_of(m, name) != cases[k].effects)
                fail_msg("mode %zu: %s has effects %u, not %u", mode, cases[k].body,
                         effects_of(m, name), cases[k].effects);
        }
        lucet_dl_module_release(m);
    }
    text_free(&t);
}

/* Code that counts calls the runtime; code that looks for exceptions may find some; where bodies
 * have one prototype, they pass what others need. */
static void nothing_is_known_in_modules_whose_code_does_more(void **state)
{
    static const char *const texts[] = {
        "(module (func (export \"x\")))",
        "(module (tag) (func (export \"x\")))",
        "(module (func (export \"x\")) (func $f (param f64) (return_call $f (local.get 0))))",
    };
    struct guest_mode mode = guest_default;

    (void)state;
    guest_begin();
    for (size_t k = 0; k < sizeof(texts) / sizeof(*texts); k++) {
        mode.count = k == 0;
        struct lucet_dl_module *m = guest_module(texts[k], &mode);
        assert_int_equal(effects_of(m, "x"), ANY);
        lucet_dl_module_release(m);
    }
}

/* Many values that are alive at the same time. */
static void add_large(struct text *t)
{
    text_add(t, "(func $large (export \"large\") (param i64) (result i64)");
    for (int k = 0; k < 60; k++)
        text_add(t, "(local i64)");
    for (int k = 1; k <= 60; k++)
        text_add(t, "(local.set %d (i64.mul (i64.load (i32.const %d)) (local.get 0)))", k, 8 * k);
    text_add(t, "(local.get 0)");
    for (int k = 1; k <= 60; k++)
        text_add(t, "(i64.xor (i64.rotl (local.get %d) (local.get %d)))", k, 61 - k);
    text_add(t, ")");
}

static void a_function_with_a_large_frame_is_not_quiet_nor_are_its_callers(void **state)
{
    struct text t = {0};

    (void)state;
    guest_begin();
    text_add(&t, "(module (memory 1)");
    add_large(&t);
    text_add(&t, "(func $x (export \"x\") (result i64) (call $large (i64.const 1)))"
                 "(func (export \"y\") (result i64) (call $x))"
                 "(func (export \"z\") (result i64) (i64.const 1)))");
    for (size_t mode = 0; mode < GUEST_MODES; mode++) {
        struct lucet_dl_module *m = guest_module(t.s, &guest_modes[mode]);
        assert_int_equal(effects_of(m, "large"), CLOSED);
        assert_int_equal(effects_of(m, "x"), CLOSED);
        assert_int_equal(effects_of(m, "y"), CLOSED);
        assert_int_equal(effects_of(m, "z"), QUIET);
        lucet_dl_module_release(m);
    }
    text_free(&t);
}
/* ---- What is left ---- */

/* What a tenant does, and whether the runtime may believe it to be quiet afterwards. */
static void by_quiet(struct tenants *t, struct lucet_instance *i)
{
    for (int k = 0; k < 3; k++)
        assert_int_equal(tenants_call(&t->quiet, i), lucet_error_ok);
    assert_false(i->touched);
}

static void by_closed(struct tenants *t, struct lucet_instance *i)
{
    assert_int_equal(tenants_call(&t->closed, i), lucet_error_ok);
    assert_true(i->touched);
}

static void by_loud(struct tenants *t, struct lucet_instance *i)
{
    assert_int_equal(tenants_call(&t->loud, i), lucet_error_ok);
    assert_true(i->touched);
}

static void by_name(struct tenants *t, struct lucet_instance *i)
{
    (void)t;
    guest_call(i, "closed", ARGS(I64(TENANTS_SECRET), I64(1)));
    assert_true(i->touched);
}

static void by_fault(struct tenants *t, struct lucet_instance *i)
{
    assert_int_equal(tenants_call(&t->trap, i), lucet_error_runtime_fault);
    assert_true(i->touched);
}

static void by_heap(struct tenants *t, struct lucet_instance *i)
{
    (void)t;
    memset(lucet_instance_heap(i) + 40000, 99, 100);
}

static void by_range(struct tenants *t, struct lucet_instance *i)
{
    assert_int_equal(tenants_call(&t->quiet, i), lucet_error_ok);
    memset(lucet_instance_guest_range(i, 50000, 100), 99, 100);
}

static void by_memory(struct tenants *t, struct lucet_instance *i)
{
    uint8_t *base;
    uint64_t size;

    assert_int_equal(tenants_call(&t->quiet, i), lucet_error_ok);
    assert_int_equal(lucet_instance_memory(i, "m", 1, &base, &size), lucet_error_ok);
    memset(base + 60000, 99, 100);
}

/* Which has its memory, and leaves no sign in it. */
static void by_another_guest(struct tenants *t, struct lucet_instance *i)
{
    struct lucet_dl_module *m =
        guest_module("(module (import \"o\" \"m\" (memory 1))"
                     " (func (export \"f\") (i64.store (i32.const 30000) (i64.const -1))))",
                     &guest_default);
    struct lucet_region *region = guest_region(1);
    struct lucet_linker *linker;

    assert_int_equal(lucet_linker_new(&linker), lucet_error_ok);
    assert_int_equal(lucet_linker_instance(linker, "o", i), lucet_error_ok);
    struct lucet_instance *other = guest_instance(region, m, linker, NULL);
    guest_call(other, "f", 0, NULL);
    lucet_instance_release(other);
    lucet_linker_release(linker);
    lucet_region_release(region);
    lucet_dl_module_release(m);
    by_quiet(t, i);
}

static void by_nothing(struct tenants *t, struct lucet_instance *i)
{
    (void)t;
    assert_false(i->touched);
}

static void (*const tenants[])(struct tenants *, struct lucet_instance *) = {
    by_quiet, by_nothing, by_closed, by_loud,   by_name,
    by_fault, by_heap,    by_range,  by_memory, by_another_guest,
};
#define TENANTS (sizeof(tenants) / sizeof(*tenants))

static void whatever_a_tenant_did_the_next_finds_nothing(void **state)
{
    struct tenants t;

    (void)state;
    tenants_begin(&t);
    for (size_t first = 0; first < TENANTS; first++)
        for (size_t next = 0; next < TENANTS; next++) {
            struct lucet_instance *i = guest_instance(t.region, t.module, NULL, NULL);
            tenants[first](&t, i);
            lucet_instance_release(i);
            i = guest_instance(t.region, t.module, NULL, NULL);
            if (!tenants_stack_is_clean(i) || !tenants_heap_is_clean(i))
                fail_msg("after tenant %zu", first);
            tenants[next](&t, i);
            lucet_instance_release(i);
        }
    struct lucet_instance *i = guest_instance(t.region, t.module, NULL, NULL);
    assert_int_equal(guest_call(i, "g", 0, NULL), 7);
    lucet_instance_release(i);
    tenants_end(&t);
}

/* Slots of quiet tenants keep their pages. */
static void a_quiet_tenant_costs_no_look_at_the_pages(void **state)
{
    struct tenants t;

    (void)state;
    tenants_begin(&t);
    struct lucet_instance *i = guest_instance(t.region, t.module, NULL, NULL);
    by_quiet(&t, i);
    const struct slot *s = i->slot;
    /* What is beyond anything it can have written is not looked at: it would be found otherwise. */
    s->stack[100] = 1;
    lucet_instance_release(i);
    assert_true(s->warm);
    assert_int_equal(s->stack[100], 1);
    s->stack[100] = 0;
    tenants_end(&t);
}

/* Another module's memory begins with what its declarations say, whatever the slot kept of this
 * one's. */
static void slots_go_to_other_modules(void **state)
{
    static const char other_wat[] = "(module (memory 2) (func (export \"nop\"))"
                                    " (func (export \"peek\") (param i32) (result i64)"
                                    "  (i64.load (local.get 0))))";
    struct tenants t;

    (void)state;
    tenants_begin(&t);
    struct lucet_dl_module *other = guest_module(other_wat, &guest_default);
    for (size_t k = 0; k < TENANTS; k++) {
        struct lucet_instance *i = guest_instance(t.region, t.module, NULL, NULL);
        assert_true(tenants_stack_is_clean(i) && tenants_heap_is_clean(i));
        tenants[k](&t, i);
        lucet_instance_release(i);
        i = guest_instance(t.region, other, NULL, NULL);
        if (!tenants_stack_is_clean(i) || !guest_all_zero(i->slot->heap, 2 << 16))
            fail_msg("after tenant %zu", k);
        assert_int_equal(guest_call(i, "peek", ARGS(I32(5000))), 0);
        assert_false(i->touched);
        lucet_instance_release(i);
    }
    lucet_dl_module_release(other);
    tenants_end(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_of_function_is_known_for_what_it_is),
        cmocka_unit_test(nothing_is_known_in_modules_whose_code_does_more),
        cmocka_unit_test(a_function_with_a_large_frame_is_not_quiet_nor_are_its_callers),
        cmocka_unit_test(whatever_a_tenant_did_the_next_finds_nothing),
        cmocka_unit_test(a_quiet_tenant_costs_no_look_at_the_pages),
        cmocka_unit_test(slots_go_to_other_modules),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
