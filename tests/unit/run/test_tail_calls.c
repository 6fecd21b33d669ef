/* Tail calls: chains of a million need no more stack than one call, whatever is passed, in every
 * way to call; and what a chain may end in. */
#include "shapes.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { BASE = 700, MILLION = 1000000, MOST = 40 };
enum way { DIRECT, INDIRECT, BY_REFERENCE, WAYS };

struct shape {
    unsigned mix, n;
};

/* Where registers end (6 integers, 8 vectors) and far beyond, for every mix; all numbers for
 * one. */
static unsigned make_shapes(struct shape *out)
{
    static const unsigned numbers[] = {1, 6, 7, 8, 9, 40};
    unsigned count = 0;

    for (unsigned m = 0; m < SHAPE_MIXES; m++)
        for (unsigned i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
            out[count++] = (struct shape){m, numbers[i]};
    for (unsigned n = 0; n <= MOST; n++)
        out[count++] = (struct shape){SHAPE_VECTORS, n};
    return count;
}
enum { SHAPES = SHAPE_MIXES * 6 + MOST + 1 };

static void add_values(struct text *t, struct shape s)
{
    for (unsigned i = 0; i < s.n; i++) {
        text_add(t, " ");
        mix_add_const(t, mix_letter(s.mix, i), BASE + i);
    }
}

/* Function k of a ring of all shapes checks its parameters, and calls function k + 1 in the way
 * $way says, $left times; then it gives the results. */
static void add_ring_func(struct text *t, const struct shape *shapes, unsigned k,
                          struct shape results)
{
    const unsigned next = (k + 1) % SHAPES;

    text_add(t, "(func $f%u (type $t%u)", k, k);
    mix_add_locals(t, shapes[k].mix, shapes[k].n);
    for (unsigned i = 0; i < shapes[k].n; i++)
        text_add(t, " (local.get %u)", i);
    mix_add_hash(t, shapes[k].mix, shapes[k].n);
    text_add(t, " (i64.const 0x%llx) (i64.ne) (if (then unreachable))\n",
             (unsigned long long)mix_hash(shapes[k].mix, shapes[k].n, BASE));
    text_add(t, " (if (i32.eqz (global.get $left)) (then");
    add_values(t, results);
    text_add(t, " (return)))\n (global.set $left (i32.sub (global.get $left) (i32.const 1)))\n");
    text_add(t, " (if (i32.eq (global.get $way) (i32.const %u)) (then", DIRECT);
    add_values(t, shapes[next]);
    text_add(t, " (return_call $f%u)))\n", next);
    text_add(t, " (if (i32.eq (global.get $way) (i32.const %u)) (then", INDIRECT);
    add_values(t, shapes[next]);
    text_add(t, " (return_call_indirect (type $t%u) (i32.const %u))))\n", next, next);
    add_values(t, shapes[next]);
    text_add(t, " (return_call_ref $t%u (ref.func $f%u)))\n", next, next);
}

/* "run": hash of the results of a chain of `left` calls. `shared`: references to its functions may
 * leave. */
static void add_ring(struct text *t, struct shape results, bool shared)
{
    struct shape shapes[SHAPES];
    const unsigned count = make_shapes(shapes);

    assert_int_equal(count, SHAPES);
    text_add(
        t,
        "(module (global $left (mut i32) (i32.const 0)) (global $way (mut i32) (i32.const 0))\n");
    for (unsigned k = 0; k < count; k++) {
        text_add(t, "(type $t%u (func", k);
        mix_add_types(t, "param", shapes[k].mix, shapes[k].n);
        mix_add_types(t, "result", results.mix, results.n);
        text_add(t, "))\n");
    }
    text_add(t, "(table %s funcref (elem", shared ? "(export \"table\")" : "");
    for (unsigned k = 0; k < count; k++)
        text_add(t, " $f%u", k);
    text_add(t, "))\n");
    for (unsigned k = 0; k < count; k++)
        add_ring_func(t, shapes, k, results);
    text_add(t, "(func (export \"run\") (param i32 i32) (result i64)");
    mix_add_locals(t, results.mix, results.n);
    text_add(t, " (global.set $left (local.get 0)) (global.set $way (local.get 1))");
    add_values(t, shapes[0]);
    text_add(t, " (call $f0)");
    mix_add_hash(t, results.mix, results.n);
    text_add(t, "))\n");
}

static void run_ring(struct shape results, bool shared, unsigned left, unsigned step)
{
    struct text t = {0};
    struct lucet_region *region = guest_region(1);

    add_ring(&t, results, shared);
    for (unsigned i = 0; i < GUEST_MODES; i += step) {
        struct lucet_dl_module *module = guest_module(t.s, &guest_modes[i]);
        struct lucet_instance *inst = guest_instance(region, module, NULL, NULL);
        for (unsigned way = 0; way < WAYS; way++)
            if (guest_call(inst, "run", ARGS(I32(left), I32(way))) !=
                mix_hash(results.mix, results.n, BASE))
                fail_msg("mode %u, way %u: wrong results", i, way);
        lucet_instance_release(inst);
        lucet_dl_module_release(module);
    }
    lucet_region_release(region);
    text_free(&t);
}

static void a_million_calls_of_all_shapes_need_no_stack(void **state)
{
    (void)state;
    guest_begin();
    run_ring((struct shape){1, 1}, false, MILLION, 1);
}

static void references_that_may_leave_need_none_either(void **state)
{
    (void)state;
    guest_begin();
    run_ring((struct shape){5, 3}, true, MILLION, 4);
}

static void any_number_of_results_comes_back(void **state)
{
    (void)state;
    guest_begin();
    run_ring((struct shape){0, 0}, false, 300, 3);
    run_ring((struct shape){SHAPE_VECTORS, 30}, false, 300, 4);
}

/* ---- Parameters that are still being read while the next ones are written ---- */

enum { ROTATED = 36 };

/* Passes its parameters on, each one period further, as often as "go" says; then gives their
 * hash. */
static void add_rotation(struct text *t, unsigned mix, unsigned period)
{
    text_add(t, "(module (global $left (mut i32) (i32.const 0)) (func $rotate");
    mix_add_types(t, "param", mix, ROTATED);
    text_add(t, " (result i64)");
    mix_add_locals(t, mix, ROTATED);
    text_add(t, " (if (i32.eqz (global.get $left)) (then");
    for (unsigned i = 0; i < ROTATED; i++)
        text_add(t, " (local.get %u)", i);
    mix_add_hash(t, mix, ROTATED);
    text_add(t, " (return))) (global.set $left (i32.sub (global.get $left) (i32.const 1)))");
    for (unsigned i = 0; i < ROTATED; i++)
        text_add(t, " (local.get %u)", (i + period) % ROTATED);
    text_add(t, " (return_call $rotate))\n(func (export \"go\") (param i32) (result i64)"
                " (global.set $left (local.get 0))");
    add_values(t, (struct shape){mix, ROTATED});
    text_add(t, " (call $rotate)))\n");
}

static uint64_t rotated_hash(unsigned mix, unsigned by)
{
    uint64_t h = 0;

    for (unsigned i = 0; i < ROTATED; i++)
        h = h * 31 + mix_bits(mix_letter(mix, i), BASE + (i + by) % ROTATED);
    return h;
}

static void parameters_may_change_places(void **state)
{
    (void)state;
    guest_begin();
    struct lucet_region *region = guest_region(1);
    for (unsigned mix = 0; mix <= SHAPE_VECTORS; mix++) {
        const unsigned period = mix < 4 ? 1 : mix == 4 ? 4 : 6;
        struct text t = {0};
        if (mix == 5) /* seven types: 36 is no multiple */
            continue;
        add_rotation(&t, mix, period);
        for (unsigned i = 0; i < GUEST_MODES; i++) {
            struct lucet_dl_module *module = guest_module(t.s, &guest_modes[i]);
            struct lucet_instance *inst = guest_instance(region, module, NULL, NULL);
            for (unsigned n = 0; n < 50; n++)
                if (guest_call(inst, "go", ARGS(I32(n))) != rotated_hash(mix, n * period))
                    fail_msg("mix %u, mode %u: wrong after %u calls", mix, i, n);
            assert_int_equal(guest_call(inst, "go", ARGS(I32(MILLION))),
                             rotated_hash(mix, MILLION * period));
            lucet_instance_release(inst);
            lucet_dl_module_release(module);
        }
        text_free(&t);
    }
    lucet_region_release(region);
}

/* ---- What a chain may end in: another instance ---- */

/* "take K" hashes its parameters and adds what is in its memory. With `tail` the module has tail
 * calls, and so passes parameters in its own way. */
static void add_owner(struct text *t, const struct shape *shapes, bool tail)
{
    text_add(t, "(module (memory (export \"memory\") 1) (data (i32.const 0) \"\\07\")\n");
    for (unsigned k = 0; k < SHAPES; k++) {
        text_add(t, "(func (export \"take %u\")", k);
        mix_add_types(t, "param", shapes[k].mix, shapes[k].n);
        text_add(t, " (result i64)");
        mix_add_locals(t, shapes[k].mix, shapes[k].n);
        for (unsigned i = 0; i < shapes[k].n; i++)
            text_add(t, " (local.get %u)", i);
        mix_add_hash(t, shapes[k].mix, shapes[k].n);
        text_add(t, " (i64.load (i32.const 0)) (i64.add))\n");
    }
    if (tail)
        text_add(t, "(func $endless (return_call $endless))\n");
    text_add(t, ")\n");
}

/* "run" calls all of them, by a function that ends in a tail call of the import, in every way; and
 * each time looks at its own memory. It gives the number of wrong results. */
static void add_user(struct text *t, const struct shape *shapes, bool tail)
{
    static const char *const ways[] = {"direct", "indirect", "by_reference"};
    const char *prefix = tail ? "return_" : "";

    text_add(t, "(module\n");
    for (unsigned k = 0; k < SHAPES; k++) {
        text_add(t, "(type $t%u (func", k);
        mix_add_types(t, "param", shapes[k].mix, shapes[k].n);
        text_add(t, " (result i64))) (import \"owner\" \"take %u\" (func $take%u (type $t%u)))\n",
                 k, k, k);
    }
    text_add(t, "(memory 1) (data (i32.const 0) \"\\01\") (table funcref (elem");
    for (unsigned k = 0; k < SHAPES; k++)
        text_add(t, " $take%u", k);
    text_add(t, "))\n");
    for (unsigned way = 0; way < WAYS; way++) {
        for (unsigned k = 0; k < SHAPES; k++) {
            text_add(t, "(func $%s%u (result i64)", ways[way], k);
            add_values(t, shapes[k]);
            if (way == DIRECT)
                text_add(t, " (%scall $take%u))\n", prefix, k);
            else if (way == INDIRECT)
                text_add(t, " (%scall_indirect (type $t%u) (i32.const %u)))\n", prefix, k, k);
            else
                text_add(t, " (%scall_ref $t%u (ref.func $take%u)))\n", prefix, k, k);
        }
    }
    text_add(t, "(func (export \"run\") (result i32) (local $wrong i32)\n");
    for (unsigned way = 0; way < WAYS; way++)
        for (unsigned k = 0; k < SHAPES; k++)
            text_add(t,
                     " (local.set $wrong (i32.add (local.get $wrong) (i64.ne (i64.const 0x%llx)"
                     " (i64.add (call $%s%u) (i64.load (i32.const 0))))))\n",
                     (unsigned long long)mix_hash(shapes[k].mix, shapes[k].n, BASE) + 7 + 1,
                     ways[way], k);
    text_add(t, " (local.get $wrong)))\n");
}

static void other_instances_get_their_parameters_and_give_memory_back(void **state)
{
    struct shape shapes[SHAPES];
    (void)state;
    guest_begin();
    make_shapes(shapes);
    struct lucet_region *region = guest_region(2);
    for (unsigned combination = 1; combination < 4; combination++) {
        const bool user_tail = combination & 1, owner_tail = combination & 2;
        struct text owner = {0}, user = {0};
        add_owner(&owner, shapes, owner_tail);
        add_user(&user, shapes, user_tail);
        struct lucet_linker *linker;
        assert_int_equal(lucet_linker_new(&linker), lucet_error_ok);
        struct lucet_dl_module *a = guest_module(owner.s, &guest_modes[combination % 3]);
        struct lucet_dl_module *b = guest_module(user.s, &guest_modes[combination % 3]);
        struct lucet_instance *first = guest_instance(region, a, NULL, NULL);
        assert_int_equal(lucet_linker_instance(linker, "owner", first), lucet_error_ok);
        struct lucet_instance *second = guest_instance(region, b, linker, NULL);
        assert_int_equal((uint32_t)guest_call(second, "run", 0, NULL), 0);
        lucet_instance_release(second);
        lucet_instance_release(first);
        lucet_linker_release(linker);
        lucet_dl_module_release(a);
        lucet_dl_module_release(b);
        text_free(&owner);
        text_free(&user);
    }
    lucet_region_release(region);
}

/* ---- A host function ---- */

static int64_t ten_integers(struct lucet_vmctx *ctx, int64_t a, int32_t b, int64_t c, int64_t d,
                            int64_t e, int64_t f, int64_t g, int32_t h, int64_t i, int64_t j)
{
    (void)ctx;
    return a + 2 * b + 3 * c + 4 * d + 5 * e + 6 * f + 7 * g + 8 * h + 9 * i + 10 * j;
}

static double ten_doubles(struct lucet_vmctx *ctx, double a, double b, double c, double d, double e,
                          double f, double g, double h, double i, float j)
{
    (void)ctx;
    return a + 2 * b + 3 * c + 4 * d + 5 * e + 6 * f + 7 * g + 8 * h + 9 * i + 10 * (double)j;
}

static int64_t four_results(struct lucet_vmctx *ctx, int32_t a, double b, double *r1, int32_t *r2,
                            float *r3)
{
    (void)ctx;
    *r1 = b * 2;
    *r2 = a + 1;
    *r3 = 1.5f;
    return (int64_t)a * 10;
}

static void stop_here(struct lucet_vmctx *ctx)
{
    lucet_vmctx_terminate(ctx, NULL);
}

static const char hosted[] =
    "(module (type $ints (func (param i64 i32 i64 i64 i64 i64 i64 i32 i64 i64) (result i64)))\n"
    "(type $doubles (func (param f64 f64 f64 f64 f64 f64 f64 f64 f64 f32) (result f64)))\n"
    "(type $four (func (param i32 f64) (result i64 f64 i32 f32)))\n"
    "(import \"h\" \"ints\" (func $ints (type $ints)))\n"
    "(import \"h\" \"doubles\" (func $doubles (type $doubles)))\n"
    "(import \"h\" \"four\" (func $four (type $four)))\n"
    "(import \"h\" \"stop\" (func $stop))\n"
    "(table funcref (elem $ints $doubles $four))\n"
    "(func $own_ints (type $ints) (return_call $ints (local.get 9) (local.get 1) (local.get 2)"
    "  (local.get 3) (local.get 4) (local.get 5) (local.get 6) (local.get 7) (local.get 8) "
    "(local.get 0)))\n"
    "(func (export \"ints 0\") (result i64) (return_call $ints (i64.const 1) (i32.const 2) "
    "(i64.const 3)"
    "  (i64.const 4) (i64.const 5) (i64.const 6) (i64.const 7) (i32.const -8) (i64.const 9) "
    "(i64.const 10)))\n"
    "(func (export \"ints 1\") (result i64) (return_call_indirect (type $ints) (i64.const 1)"
    "  (i32.const 2) (i64.const 3) (i64.const 4) (i64.const 5) (i64.const 6) (i64.const 7) "
    "(i32.const -8)"
    "  (i64.const 9) (i64.const 10) (i32.const 0)))\n"
    "(func (export \"ints 2\") (result i64) (return_call $own_ints (i64.const 10) (i32.const 2)"
    "  (i64.const 3) (i64.const 4) (i64.const 5) (i64.const 6) (i64.const 7) (i32.const -8) "
    "(i64.const 9)"
    "  (i64.const 1)))\n"
    "(func (export \"doubles 0\") (result f64) (return_call $doubles (f64.const 1) (f64.const 2)"
    "  (f64.const 3) (f64.const 4) (f64.const 5) (f64.const 6) (f64.const 7) (f64.const -8) "
    "(f64.const 9)"
    "  (f32.const 10)))\n"
    "(func (export \"doubles 1\") (result f64) (return_call_indirect (type $doubles) (f64.const 1)"
    "  (f64.const 2) (f64.const 3) (f64.const 4) (f64.const 5) (f64.const 6) (f64.const 7) "
    "(f64.const -8)"
    "  (f64.const 9) (f32.const 10) (i32.const 1)))\n"
    "(func $four0 (result i64 f64 i32 f32) (return_call $four (i32.const 4) (f64.const 2.5)))\n"
    "(func $four1 (result i64 f64 i32 f32) (return_call_indirect (type $four) (i32.const 4)"
    "  (f64.const 2.5) (i32.const 2)))\n"
    "(func $sum (param i64 f64 i32 f32) (result f64)"
    "  (f64.add (f64.convert_i64_s (local.get 0)) (f64.add (local.get 1)"
    "    (f64.add (f64.convert_i32_s (local.get 2)) (f64.promote_f32 (local.get 3))))))\n"
    "(func (export \"four 0\") (result f64) (call $four0) (return_call $sum))\n"
    "(func (export \"four 1\") (result f64) (call $four1) (return_call $sum))\n"
    "(func (export \"stop\") (return_call $stop)))\n";

static double run_f64(struct lucet_instance *inst, const char *name)
{
    struct lucet_result r;

    assert_int_equal(lucet_instance_run(inst, name, 0, NULL, &r), lucet_error_ok);
    return lucet_retval_f64(&r.val.returned);
}

static void host_functions_are_called_last(void **state)
{
    struct lucet_linker *linker;
    struct lucet_result r;
    (void)state;
    guest_begin();
    assert_int_equal(lucet_linker_new(&linker), lucet_error_ok);
    lucet_linker_func(linker, "h", "ints", "IiIIIIIiII:I", (void (*)(void))ten_integers);
    lucet_linker_func(linker, "h", "doubles", "FFFFFFFFFf:F", (void (*)(void))ten_doubles);
    lucet_linker_func(linker, "h", "four", "iF:IFif", (void (*)(void))four_results);
    lucet_linker_func(linker, "h", "stop", ":", (void (*)(void))stop_here);
    struct lucet_region *region = guest_region(1);
    for (unsigned i = 0; i < GUEST_MODES; i++) {
        struct lucet_dl_module *module = guest_module(hosted, &guest_modes[i]);
        struct lucet_instance *inst = guest_instance(region, module, linker, NULL);
        for (unsigned way = 0; way < 3; way++) {
            char name[16];
            snprintf(name, sizeof name, "ints %u", way);
            assert_int_equal(guest_call(inst, name, 0, NULL), 385 - 128);
        }
        assert_true(run_f64(inst, "doubles 0") == 385 - 128);
        assert_true(run_f64(inst, "doubles 1") == 385 - 128);
        assert_true(run_f64(inst, "four 0") == 40 + 5 + 5 + 1.5);
        assert_true(run_f64(inst, "four 1") == 40 + 5 + 5 + 1.5);
        assert_int_equal(lucet_instance_run(inst, "stop", 0, NULL, &r),
                         lucet_error_runtime_terminated);
        assert_int_equal(r.val.terminated.reason, lucet_terminated_reason_provided);
        lucet_instance_release(inst);
        lucet_dl_module_release(module);
    }
    lucet_region_release(region);
    lucet_linker_release(linker);
}

/* ---- A trap, or nothing ---- */

static const char endings[] =
    "(module (type $void (func)) (type $other (func (param i64)))\n"
    "(global $left (mut i32) (i32.const 1000))\n"
    "(table 4 funcref) (elem (i32.const 0) $down $deep)\n"
    "(func $down (export \"down\") (param f64 i32)\n"
    "  (if (i32.eqz (global.get $left)) (then unreachable))\n"
    "  (global.set $left (i32.sub (global.get $left) (i32.const 1)))\n"
    "  (return_call $down_too (i64.const 1)))\n"
    "(func $down_too (param i64) (return_call $down (f64.const 0) (i32.const 2)))\n"
    "(func (export \"chain\") (call $down (f64.const 0) (i32.const 1)))\n"
    "(func (export \"type\") (return_call_indirect (type $other) (i64.const 1) (i32.const 0)))\n"
    "(func (export \"null\") (return_call_indirect (type $other) (i64.const 1) (i32.const 2)))\n"
    "(func (export \"outside\") (return_call_indirect (type $other) (i64.const 1) (i32.const 4)))\n"
    "(func (export \"null ref\") (return_call_ref $other (i64.const 1) (ref.null $other)))\n"
    /* Not the last thing it does: the stack must end. */
    "(func $deep (export \"deep\") (param i32) (result i32)"
    "  (i32.add (call $deep (local.get 0)) (i32.const 1)))\n"
    /* Neither is a call that only looks like the last thing. */
    "(func $plain (export \"plain\") (param i32) (result i32) (call $plain (local.get 0)))\n"
    "(func $loop (export \"loop\") (return_call $loop_too (i64.const 5)))\n"
    "(func $loop_too (param i64) (return_call $loop))\n"
    "(elem declare func $loop)\n"
    "(table $t 1 funcref) (elem (table $t) (i32.const 0) func $loop_i)\n"
    "(func $loop_i (export \"loop indirect\") (return_call_indirect $t (type $void) (i32.const "
    "0)))\n"
    "(func $loop_r (export \"loop by reference\") (return_call_ref $void (ref.func $loop_r)))\n"
    "(func (export \"short\") (result i32) (i32.const 9)))\n";

static void chains_end_in_traps(void **state)
{
    static const struct {
        const char *name;
        enum lucet_trapcode code;
    } table[] = {
        {"type", lucet_trapcode_bad_signature},
        {"null", lucet_trapcode_indirect_call_to_null},
        {"outside", lucet_trapcode_table_out_of_bounds},
        {"null ref", lucet_trapcode_indirect_call_to_null},
    };
    (void)state;
    guest_begin();
    struct lucet_region *region = guest_region(1);
    for (unsigned i = 0; i < GUEST_MODES; i++) {
        struct lucet_dl_module *module = guest_module(endings, &guest_modes[i]);
        struct lucet_instance *inst = guest_instance(region, module, NULL, NULL);
        struct lucet_result r;
        assert_int_equal(lucet_instance_run(inst, "chain", 0, NULL, &r), lucet_error_runtime_fault);
        assert_int_equal(r.val.faulted.trapcode, lucet_trapcode_unreachable);
        /* $down, the function that called the chain, and its entry: those in between have gone. */
        assert_int_equal(r.val.faulted.backtrace_len, 3);
        assert_int_equal(r.val.faulted.backtrace[0].function_index, 0);
        assert_int_equal(r.val.faulted.backtrace[1].function_index, 2);
        for (size_t k = 0; k < sizeof table / sizeof table[0]; k++) {
            assert_int_equal(lucet_instance_reset(inst), lucet_error_ok);
            assert_int_equal(guest_trap(inst, table[k].name, 0, NULL), table[k].code);
        }
        lucet_instance_release(inst);
        lucet_dl_module_release(module);
    }
    lucet_region_release(region);
}

static void recursion_that_is_no_tail_call_ends_the_stack(void **state)
{
    (void)state;
    guest_begin();
    struct lucet_region *region = guest_region(1);
    for (unsigned i = 0; i < GUEST_MODES; i++) {
        struct lucet_dl_module *module = guest_module(endings, &guest_modes[i]);
        struct lucet_instance *inst = guest_instance(region, module, NULL, NULL);
        assert_int_equal(guest_trap(inst, "deep", ARGS(I32(1))), lucet_trapcode_stack_overflow);
        assert_int_equal(lucet_instance_reset(inst), lucet_error_ok);
        assert_int_equal(guest_trap(inst, "plain", ARGS(I32(1))), lucet_trapcode_stack_overflow);
        lucet_instance_release(inst);
        lucet_dl_module_release(module);
    }
    lucet_region_release(region);
}

/* A tail call leaves the handlers of its function; what it throws comes to its caller's. */
static const char throwing[] =
    "(module (tag $t (param i32 i64)) (global $left (mut i32) (i32.const 0))\n"
    "(type $wide (func (param i64 i64 i64 i64 i64 i64 i64 i32) (result i32 i64 i32)))\n"
    "(table funcref (elem $throw))\n"
    "(func $throw (type $wide)\n"
    "  (if (i32.eqz (global.get $left)) (then (throw $t (local.get 7) (local.get 6))))\n"
    "  (global.set $left (i32.sub (global.get $left) (i32.const 1)))\n"
    "  (return_call $again (local.get 7)))\n"
    "(func $again (param i32) (result i32 i64 i32) (return_call_indirect (type $wide)\n"
    "  (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4) (i64.const 5) (i64.const 6)\n"
    "  (i64.const 7) (local.get 0) (i32.const 0)))\n"
    "(func $handler (param i32) (result i32 i64 i32)\n"
    "  (block $h (result i32 i64) (try_table (catch $t $h) (return_call $again (local.get 0)))\n"
    "    unreachable)\n"
    "  (i32.const 1000))\n"
    "(func (export \"run\") (param i32 i32) (result i32) (local $n i64)\n"
    "  (global.set $left (local.get 1))\n"
    "  (block $h (result i32 i64)\n"
    "    (try_table (catch $t $h) (return (i32.add (drop (drop (call $handler (local.get 0))))"
    "      (i32.const 100))))\n"
    "    unreachable)\n"
    "  (local.set $n) (i32.add (i32.wrap_i64 (local.get $n)))))\n";

static void exceptions_go_to_the_handlers_that_are_left(void **state)
{
    (void)state;
    guest_begin();
    struct lucet_region *region = guest_region(1);
    for (unsigned i = 0; i < GUEST_MODES; i++) {
        struct lucet_dl_module *module = guest_module(throwing, &guest_modes[i]);
        struct lucet_instance *inst = guest_instance(region, module, NULL, NULL);
        assert_int_equal(guest_call(inst, "run", ARGS(I32(50), I32(0))), 57);
        assert_int_equal(guest_call(inst, "run", ARGS(I32(50), I32(MILLION))), 57);
        lucet_instance_release(inst);
        lucet_dl_module_release(module);
    }
    lucet_region_release(region);
}

static void *kill_later(void *arg)
{
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    assert_int_not_equal(lucet_kill_switch_terminate(arg), lucet_kill_not_terminable);
    return NULL;
}

static void endless_chains_are_stopped(void **state)
{
    static const char *const names[] = {"loop", "loop indirect", "loop by reference"};
    (void)state;
    guest_begin();
    struct lucet_region *region = guest_region(1);
    for (unsigned i = 0; i < GUEST_MODES; i++) {
        struct lucet_dl_module *module = guest_module(endings, &guest_modes[i]);
        struct lucet_instance *inst = guest_instance(region, module, NULL, NULL);
        for (unsigned k = 0; k < WAYS; k++) {
            struct lucet_kill_switch *kill_switch;
            struct lucet_result r;
            pthread_t thread;
            lucet_instance_set_timeout(inst, 20);
            assert_int_equal(lucet_instance_run(inst, names[k], 0, NULL, &r),
                             lucet_error_runtime_terminated);
            assert_int_equal(r.val.terminated.reason, lucet_terminated_reason_timeout);
            assert_int_equal(lucet_instance_reset(inst), lucet_error_ok);
            lucet_instance_set_timeout(inst, UINT64_MAX);
            assert_int_equal(lucet_instance_kill_switch(inst, &kill_switch), lucet_error_ok);
            assert_int_equal(pthread_create(&thread, NULL, kill_later, kill_switch), 0);
            assert_int_equal(lucet_instance_run(inst, names[k], 0, NULL, &r),
                             lucet_error_runtime_terminated);
            assert_int_equal(r.val.terminated.reason, lucet_terminated_reason_remote);
            pthread_join(thread, NULL);
            lucet_kill_switch_release(kill_switch);
            assert_int_equal(lucet_instance_reset(inst), lucet_error_ok);
            assert_int_equal((uint32_t)guest_call(inst, "short", 0, NULL), 9);
        }
        lucet_instance_release(inst);
        lucet_dl_module_release(module);
    }
    lucet_region_release(region);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_million_calls_of_all_shapes_need_no_stack),
        cmocka_unit_test(references_that_may_leave_need_none_either),
        cmocka_unit_test(any_number_of_results_comes_back),
        cmocka_unit_test(parameters_may_change_places),
        cmocka_unit_test(other_instances_get_their_parameters_and_give_memory_back),
        cmocka_unit_test(host_functions_are_called_last),
        cmocka_unit_test(chains_end_in_traps),
        cmocka_unit_test(recursion_that_is_no_tail_call_ends_the_stack),
        cmocka_unit_test(exceptions_go_to_the_handlers_that_are_left),
        cmocka_unit_test(endless_chains_are_stopped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
