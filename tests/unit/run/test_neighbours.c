/* Instances that call each other, share what they export, or run one another from host functions:
 * each keeps to its own memory. */
#include "linked.h"

#include <stdio.h>

#include "runtime/x86_64/machine.h"

/* "poke" and "peek" access memory on both sides of a call into whatever "next" is. */
static const char player[] =
    "(module (type $void (func)) (import \"next\" \"play\" (func $next (param i32) (result i32)))"
    " (memory (export \"memory\") 1) (global $calls (export \"calls\") (mut i32) (i32.const 0))"
    " (func (export \"play\") (param $n i32) (result i32) (local $before i32)"
    "   (global.set $calls (i32.add (global.get $calls) (i32.const 1)))"
    "   (i32.store (i32.const 8) (local.get $n))"
    "   (local.set $before (i32.load (i32.const 0)))"
    "   (if (result i32) (i32.eqz (local.get $n)) (then (i32.const 0))"
    "     (else (call $next (i32.sub (local.get $n) (i32.const 1)))))"
    /* After the call the memory must still be ours: the word at 0 is who we are. */
    "   (i32.add (i32.ne (local.get $before) (i32.load (i32.const 0))))"
    "   (i32.store (i32.const 12) (local.get $n)))"
    " (func (export \"who\") (result i32) (i32.load (i32.const 0)))"
    " (func (export \"load\") (param i32) (result i32) (i32.load (local.get 0)))"
    " (func (export \"trap\") unreachable))";

struct game {
    struct lucet_instance *other;
    unsigned depth_reached;
};

/* Runs the other instance, in a guest stack of its own. */
static int32_t run_other(struct lucet_vmctx *ctx, int32_t n)
{
    struct game *game = lucet_vmctx_get_delegate(ctx);
    const struct lucet_val arg = I32(n);
    struct lucet_result r;

    game->depth_reached++;
    if (lucet_instance_run(game->other, "play", 1, &arg, &r) != lucet_error_ok)
        return 1000000;
    /* The host's view of the caller is the caller's. */
    if (lucet_vmctx_get_heap(ctx) == lucet_instance_heap(game->other))
        return 2000000;
    return (int32_t)lucet_retval_gp(&r.val.returned);
}

static int32_t end_of_game(struct lucet_vmctx *ctx, int32_t n)
{
    (void)ctx;
    (void)n;
    return 0;
}

static struct lucet_linker *linker_with(const char *module, const char *name, const char *signature,
                                        void (*f)(void))
{
    struct lucet_linker *linker;

    assert_int_equal(lucet_linker_new(&linker), lucet_error_ok);
    assert_int_equal(lucet_linker_func(linker, module, name, signature, f), lucet_error_ok);
    return linker;
}

static void set_word(struct lucet_instance *inst, uint32_t at, uint32_t value)
{
    memcpy(lucet_instance_heap(inst) + at, &value, sizeof value);
}

static uint32_t word(struct lucet_instance *inst, uint32_t at)
{
    uint32_t value;
    memcpy(&value, lucet_instance_heap(inst) + at, sizeof value);
    return value;
}

/* first -> host -> second -> host (which ends it). */
static void a_host_function_runs_a_second_instance(void **state)
{
    (void)state;
    guest_begin();
    struct lucet_region *region = guest_region(2);
    struct lucet_linker *run = linker_with("next", "play", "i:i", (void (*)(void))run_other);
    struct lucet_linker *end = linker_with("next", "play", "i:i", (void (*)(void))end_of_game);
    for (unsigned m = 0; m < GUEST_MODES; m++) {
        struct lucet_dl_module *module = guest_module(player, &guest_modes[m]);
        struct lucet_instance *second = guest_instance(region, module, end, NULL);
        struct game game = {.other = second};
        struct lucet_instance *first = guest_instance(region, module, run, &game);
        set_word(first, 0, 111);
        set_word(second, 0, 222);
        assert_int_equal((uint32_t)guest_call(first, "play", ARGS(I32(7))), 0);
        assert_int_equal(word(first, 8), 7);
        assert_int_equal(word(first, 12), 7);
        assert_int_equal(word(second, 8), 6);
        assert_int_equal(word(second, 12), 6);
        assert_int_equal((uint32_t)guest_call(first, "who", 0, NULL), 111);
        assert_int_equal((uint32_t)guest_call(second, "who", 0, NULL), 222);
        lucet_instance_release(first);
        lucet_instance_release(second);
        lucet_dl_module_release(module);
    }
    lucet_linker_release(run);
    lucet_linker_release(end);
    lucet_region_release(region);
}

static enum lucet_error inner_error;
static enum lucet_trapcode inner_trap;

/* Lets another instance trap, and goes on. */
static int32_t let_other_trap(struct lucet_vmctx *ctx, int32_t n)
{
    struct game *game = lucet_vmctx_get_delegate(ctx);
    struct lucet_result r;

    inner_error = lucet_instance_run(game->other, "trap", 0, NULL, &r);
    inner_trap = r.val.faulted.trapcode;
    return n - n;
}

static void a_fault_of_the_inner_instance_does_not_reach_the_outer(void **state)
{
    (void)state;
    guest_begin();
    struct lucet_region *region = guest_region(2);
    struct lucet_linker *l = linker_with("next", "play", "i:i", (void (*)(void))let_other_trap);
    struct lucet_dl_module *module = guest_module(player, &guest_default);
    struct lucet_instance *second = guest_instance(region, module, l, NULL);
    struct game game = {.other = second};
    struct lucet_instance *first = guest_instance(region, module, l, &game);
    set_word(first, 0, 111);
    for (unsigned i = 0; i < 100; i++) {
        assert_int_equal((uint32_t)guest_call(first, "play", ARGS(I32(3))), 0);
        assert_int_equal(inner_error, lucet_error_runtime_fault);
        assert_int_equal(inner_trap, lucet_trapcode_unreachable);
        assert_int_equal(lucet_instance_reset(second), lucet_error_ok);
    }
    assert_int_equal(word(first, 12), 3);
    lucet_instance_release(first);
    lucet_instance_release(second);
    lucet_dl_module_release(module);
    lucet_linker_release(l);
    lucet_region_release(region);
}

/* A ring of instances, linked guest to guest: the last one's import is the host. */
static void instances_call_each_other(void **state)
{
    enum { RING = 5 };
    (void)state;
    guest_begin();
    struct lucet_region *region = guest_region(RING);
    for (unsigned m = 0; m < GUEST_MODES; m++) {
        struct lucet_dl_module *module = guest_module(player, &guest_modes[m]);
        struct lucet_instance *inst[RING];
        struct lucet_linker *linker =
            linker_with("next", "play", "i:i", (void (*)(void))end_of_game);
        for (uint32_t i = 0; i < RING; i++) {
            inst[i] = guest_instance(region, module, linker, NULL);
            set_word(inst[i], 0, 1000 + i);
            lucet_linker_release(linker);
            assert_int_equal(lucet_linker_new(&linker), lucet_error_ok);
            assert_int_equal(lucet_linker_instance(linker, "next", inst[i]), lucet_error_ok);
        }
        assert_int_equal((uint32_t)guest_call(inst[RING - 1], "play", ARGS(I32(20))), 0);
        for (uint32_t i = 0; i < RING; i++) {
            struct lucet_val calls;
            assert_int_equal(word(inst[i], 8), 20 - (RING - 1 - i));
            assert_int_equal(word(inst[i], 12), 20 - (RING - 1 - i));
            assert_int_equal((uint32_t)guest_call(inst[i], "who", 0, NULL), 1000 + i);
            assert_int_equal(lucet_instance_get_global(inst[i], "calls", 5, &calls), 0);
            assert_int_equal(calls.inner_val.as_i32, 1);
        }
        lucet_linker_release(linker);
        for (uint32_t i = 0; i < RING; i++)
            lucet_instance_release(inst[i]);
        lucet_dl_module_release(module);
    }
    lucet_region_release(region);
}

/* The owner's function traps, called from the user: memory of neither is mixed up afterwards. */
static void a_trap_in_an_imported_function_leaves_both_usable(void **state)
{
    static const char user[] =
        "(module (import \"owner\" \"trap\" (func $trap)) (import \"owner\" \"who\" (func $who "
        "(result i32)))"
        " (memory 1) (data (i32.const 0) \"\\99\")"
        " (func (export \"trap\") (call $trap))"
        " (func (export \"both\") (result i32)"
        "   (i32.add (i32.mul (i32.load (i32.const 0)) (i32.const 1000)) (call $who)))"
        " (func (export \"both after\") (result i32)"
        "   (i32.add (call $who) (i32.mul (i32.load (i32.const 0)) (i32.const 1000)))))";
    (void)state;
    guest_begin();
    struct lucet_region *region = guest_region(2);
    for (unsigned m = 0; m < GUEST_MODES; m++) {
        struct lucet_linker *l = linker_with("next", "play", "i:i", (void (*)(void))end_of_game);
        struct lucet_dl_module *a = guest_module(player, &guest_modes[m]);
        struct lucet_dl_module *b = guest_module(user, &guest_modes[m]);
        struct lucet_instance *owner = guest_instance(region, a, l, NULL);
        assert_int_equal(lucet_linker_instance(l, "owner", owner), lucet_error_ok);
        struct lucet_instance *inst = guest_instance(region, b, l, NULL);
        set_word(owner, 0, 7);
        for (unsigned i = 0; i < 3; i++) {
            assert_int_equal((uint32_t)guest_call(inst, "both", 0, NULL), 0x99 * 1000 + 7);
            assert_int_equal((uint32_t)guest_call(inst, "both after", 0, NULL), 0x99 * 1000 + 7);
            assert_int_equal(guest_trap(inst, "trap", 0, NULL), lucet_trapcode_unreachable);
            assert_int_equal(lucet_instance_reset(inst), lucet_error_ok);
            assert_int_equal((uint32_t)guest_call(owner, "who", 0, NULL), 7);
        }
        lucet_instance_release(inst);
        lucet_instance_release(owner);
        lucet_linker_release(l);
        lucet_dl_module_release(a);
        lucet_dl_module_release(b);
    }
    lucet_region_release(region);
}

/* The same shapes under other type indices: compared by what they are. */
static void indirect_calls_between_modules_compare_types(void **state)
{
    static const char owner[] =
        "(module (type (func (param i32) (result i32))) (type (func (param i64) (result i32)))"
        " (type (func (result f32)))"
        " (table (export \"table\") 4 funcref) (memory 1) (data (i32.const 0) \"\\2a\")"
        " (elem (i32.const 0) $a $b $c)"
        " (func $a (type 0) (i32.add (i32.load (i32.const 0)) (local.get 0)))"
        " (func $b (type 1) (i32.wrap_i64 (local.get 0)))"
        " (func $c (type 2) (f32.const 1.5)))";
    static const char user[] =
        "(module (type (func (result f32))) (type (func (param i64) (result i32)))"
        " (type (func (param i32 i32) (result i32))) (type (func (param i32) (result i32)))"
        " (import \"owner\" \"table\" (table 4 funcref)) (memory 1) (data (i32.const 0) \"\\07\")"
        " (func (export \"int\") (param i32) (result i32) (call_indirect (type 3) (i32.const 5) "
        "(local.get 0)))"
        " (func (export \"long\") (param i32) (result i32) (call_indirect (type 1) (i64.const 6) "
        "(local.get 0)))"
        " (func (export \"float\") (param i32) (result i32)"
        "   (i32.trunc_f32_s (call_indirect (type 0) (local.get 0))))"
        " (func (export \"two\") (param i32) (result i32)"
        "   (call_indirect (type 2) (i32.const 1) (i32.const 2) (local.get 0)))"
        " (func $own (param i32) (result i32) (i32.mul (i32.load (i32.const 0)) (local.get 0)))"
        " (elem (i32.const 3) $own))";
    static const struct {
        const char *name;
        uint32_t right, value;
    } cases[] = {{"int", 0, 47}, {"long", 1, 6}, {"float", 2, 1}};
    (void)state;
    EACH_MODE(s)
    {
        struct lucet_instance *first = linked_add(&s, "owner", owner);
        struct lucet_instance *inst = linked_add(&s, NULL, user);
        lucet_instance_set_continue_after_fault(inst, true);
        for (unsigned c = 0; c < 3; c++) {
            assert_int_equal((uint32_t)guest_call(inst, cases[c].name, ARGS(I32(cases[c].right))),
                             cases[c].value);
            for (uint32_t i = 0; i < 3; i++) {
                if (i != cases[c].right)
                    assert_int_equal(guest_trap(inst, cases[c].name, ARGS(I32(i))),
                                     lucet_trapcode_bad_signature);
            }
        }
        for (uint32_t i = 0; i < 4; i++)
            assert_int_equal(guest_trap(inst, "two", ARGS(I32(i))), lucet_trapcode_bad_signature);
        /* Its own function through the other's table runs in its own memory. */
        assert_int_equal((uint32_t)guest_call(inst, "int", ARGS(I32(3))), 35);
        lucet_instance_release(inst);
        lucet_instance_release(first);
    }
}

/* A function put into another's table outlives the host's interest in its instance. */
static void functions_in_a_foreign_table_stay_alive(void **state)
{
    static const char owner[] =
        "(module (table (export \"table\") 2 funcref)"
        " (func (export \"call\") (result i32) (call_indirect (result i32) (i32.const 1))))";
    static const char lender[] = "(module (import \"owner\" \"table\" (table 2 funcref)) (memory "
                                 "1) (data (i32.const 4) \"\\21\")"
                                 " (func $f (result i32) (i32.store (i32.const 0) (i32.const 9))"
                                 "   (i32.load (i32.const 4))) (elem (i32.const 1) $f))";
    (void)state;
    guest_begin();
    struct lucet_region *region = guest_region(4);
    struct lucet_linker *l;
    assert_int_equal(lucet_linker_new(&l), lucet_error_ok);
    struct lucet_dl_module *a = guest_module(owner, &guest_default);
    struct lucet_dl_module *b = guest_module(lender, &guest_default);
    struct lucet_dl_module *other =
        guest_module("(module (memory 1) (func (export \"first\") (result i32)"
                     " (i32.load (i32.const 0))))",
                     &guest_default);
    struct lucet_instance *first = guest_instance(region, a, l, NULL);
    assert_int_equal(lucet_linker_instance(l, "owner", first), lucet_error_ok);
    struct lucet_instance *lent = guest_instance(region, b, l, NULL);
    lucet_instance_release(lent);
    lucet_dl_module_release(b);
    /* Whoever gets the slot now must not be written to. */
    struct lucet_instance *third = guest_instance(region, other, NULL, NULL);
    assert_int_equal((uint32_t)guest_call(first, "call", 0, NULL), 0x21);
    assert_int_equal((uint32_t)guest_call(third, "first", 0, NULL), 0);
    lucet_instance_release(third);
    lucet_linker_release(l);
    lucet_instance_release(first);
    lucet_dl_module_release(a);
    lucet_dl_module_release(other);
    assert_int_equal(lucet_region_used_slots(region), 0);
    lucet_region_release(region);
}

/* A memory that two instances share is one memory, also when either makes it grow. */
static void a_shared_memory_grows_for_both(void **state)
{
    static const char owner[] =
        "(module (memory (export \"memory\") 1 8)"
        " (func (export \"load\") (param i32) (result i32) (i32.load (local.get 0)))"
        " (func (export \"size\") (result i32) memory.size))";
    static const char user[] =
        "(module (import \"owner\" \"memory\" (memory 1 8))"
        " (func (export \"store\") (param i32 i32) (i32.store (local.get 0) (local.get 1)))"
        " (func (export \"grow\") (param i32) (result i32) (memory.grow (local.get 0)))"
        " (func (export \"size\") (result i32) memory.size)"
        " (func (export \"fill\") (param i32) (memory.fill (i32.const 0) (i32.const 3) (local.get "
        "0))))";
    (void)state;
    EACH_MODE(s)
    {
        struct lucet_instance *first = linked_add(&s, "owner", owner);
        struct lucet_instance *inst = linked_add(&s, NULL, user);
        lucet_instance_set_continue_after_fault(inst, true);
        assert_int_equal(guest_trap(inst, "store", ARGS(I32(65536), I32(1))),
                         lucet_trapcode_heap_out_of_bounds);
        assert_int_equal(guest_trap(inst, "fill", ARGS(I32(65537))),
                         lucet_trapcode_heap_out_of_bounds);
        assert_int_equal((uint32_t)guest_call(inst, "grow", ARGS(I32(2))), 1);
        assert_int_equal((uint32_t)guest_call(first, "size", 0, NULL), 3);
        assert_int_equal((uint32_t)guest_call(inst, "size", 0, NULL), 3);
        guest_call(inst, "store", ARGS(I32(3 * 65536 - 4), I32(77)));
        assert_int_equal((uint32_t)guest_call(first, "load", ARGS(I32(3 * 65536 - 4))), 77);
        guest_call(inst, "fill", ARGS(I32(3 * 65536)));
        assert_int_equal((uint32_t)guest_call(first, "load", ARGS(I32(3 * 65536 - 4))), 0x03030303);
        assert_int_equal((int32_t)guest_call(inst, "grow", ARGS(I32(6))), -1);
        lucet_instance_release(inst);
        lucet_instance_release(first);
    }
}

/* A global of the host that begins with an instance's function keeps the instance. */
static void a_function_in_a_global_of_the_host_stays_alive(void **state)
{
    static const char owner_text[] =
        "(module (func $f (result i32) (i32.const 77)) (export \"f\" (func $f))"
        " (global (export \"ref\") funcref (ref.func $f)))";
    static const char user_text[] =
        "(module (type $f (func (result i32))) (import \"host\" \"g\" (global $g funcref))"
        " (table 1 funcref)"
        " (func (export \"call\") (result i32)"
        "   (table.set (i32.const 0) (global.get $g)) (call_indirect (type $f) (i32.const 0))))";
    struct lucet_linker *l;
    struct lucet_val ref;

    (void)state;
    guest_begin();
    struct lucet_region *region = guest_region(2);
    struct lucet_dl_module *a = guest_module(owner_text, &guest_default);
    struct lucet_dl_module *b = guest_module(user_text, &guest_default);
    struct lucet_instance *owner = guest_instance(region, a, NULL, NULL);
    assert_int_equal(lucet_linker_new(&l), lucet_error_ok);
    assert_int_equal(lucet_instance_get_global(owner, "ref", 3, &ref), lucet_error_ok);
    assert_int_equal(lucet_linker_global(l, "host", "g", ref, false), lucet_error_ok);
    lucet_instance_release(owner);
    lucet_dl_module_release(a);
    assert_int_equal(lucet_region_used_slots(region), 1);
    struct lucet_instance *user = guest_instance(region, b, l, NULL);
    lucet_linker_release(l);
    assert_int_equal((uint32_t)guest_call(user, "call", 0, NULL), 77);
    lucet_instance_release(user);
    assert_int_equal(lucet_region_used_slots(region), 0);
    lucet_dl_module_release(b);
    lucet_region_release(region);
}

/* A host function with several results, called through an instance that hands its import on: the
 * results belong in the caller's context, which is laid out otherwise than that of the instance
 * whose module has the trampoline. */
static int64_t three_results(struct lucet_vmctx *ctx, int32_t n, int64_t *second, int64_t *third)
{
    (void)ctx;
    *second = n + 2;
    *third = n + 3;
    return n + 1;
}

static int32_t two_results(struct lucet_vmctx *ctx, int32_t n, int32_t *second)
{
    (void)ctx;
    *second = n + 2;
    return n + 1;
}

/* `filler` types make the context's front part larger. */
static struct lucet_dl_module *with_types(unsigned filler, const char *rest,
                                          const struct guest_mode *mode)
{
    struct text wat = {0};

    text_add(&wat, "(module");
    for (unsigned i = 0; i < filler; i++)
        text_add(&wat, " (type (func (param i32)))");
    text_add(&wat, "%s)", rest);
    struct lucet_dl_module *module = guest_module(wat.s, mode);
    text_free(&wat);
    return module;
}

static void host_results_come_to_the_caller_behind_another_instance(void **state)
{
    static const char owner_text[] =
        " (import \"host\" \"three\" (func $three (param i32) (result i64 i64 i64)))"
        " (import \"host\" \"two\" (func $two (param i32) (result i32 i32)))"
        " (export \"three\" (func $three)) (export \"two\" (func $two))"
        " (table (export \"table\") 2 funcref) (elem (i32.const 0) func $three $two)";
    static const char user_text[] =
        " (type $three (func (param i32) (result i64 i64 i64)))"
        " (type $two (func (param i32) (result i32 i32)))"
        " (import \"owner\" \"three\" (func $three (type $three)))"
        " (import \"owner\" \"two\" (func $two (type $two)))"
        " (import \"owner\" \"table\" (table 2 funcref))"
        " (func $fold (param i64 i64 i64) (result i64)"
        "   (i64.add (i64.add (i64.mul (local.get 0) (i64.const 1000000))"
        "     (i64.mul (local.get 1) (i64.const 1000))) (local.get 2)))"
        " (func $fold2 (param i32 i32) (result i32)"
        "   (i32.add (i32.mul (local.get 0) (i32.const 1000)) (local.get 1)))"
        " (func (export \"three\") (result i64) (call $fold (call $three (i32.const 10))))"
        " (func (export \"two\") (result i32) (call $fold2 (call $two (i32.const 10))))"
        " (func (export \"three by table\") (result i64)"
        "   (call $fold (call_indirect (type $three) (i32.const 10) (i32.const 0))))"
        " (func (export \"two by table\") (result i32)"
        "   (call $fold2 (call_indirect (type $two) (i32.const 10) (i32.const 1))))";
    static const unsigned fillers[][2] = {{0, 2000}, {2000, 0}};

    (void)state;
    guest_begin();
    struct lucet_region *region = guest_region(2);
    for (unsigned m = 0; m < GUEST_MODES; m++)
        for (unsigned f = 0; f < 2; f++) {
            struct lucet_linker *l =
                linker_with("host", "three", "i:III", (void (*)(void))three_results);
            assert_int_equal(
                lucet_linker_func(l, "host", "two", "i:ii", (void (*)(void))two_results), 0);
            struct lucet_dl_module *a = with_types(fillers[f][0], owner_text, &guest_modes[m]);
            struct lucet_dl_module *b = with_types(fillers[f][1], user_text, &guest_modes[m]);
            struct lucet_instance *owner = guest_instance(region, a, l, NULL);
            assert_int_equal(lucet_linker_instance(l, "owner", owner), lucet_error_ok);
            struct lucet_instance *user = guest_instance(region, b, l, NULL);
            assert_int_equal(guest_call(user, "three", 0, NULL), 11012013);
            assert_int_equal(guest_call(user, "three by table", 0, NULL), 11012013);
            assert_int_equal((uint32_t)guest_call(user, "two", 0, NULL), 11012);
            assert_int_equal((uint32_t)guest_call(user, "two by table", 0, NULL), 11012);
            lucet_instance_release(user);
            lucet_instance_release(owner);
            lucet_linker_release(l);
            lucet_dl_module_release(a);
            lucet_dl_module_release(b);
        }
    lucet_region_release(region);
}

/* Two instances call each other until the stack is used up, from every depth that differs by a
 * small frame: somewhere the end lies in what the thunks call. */
static void endless_calls_between_instances_end_at_any_depth(void **state)
{
    static const char owner_text[] =
        "(module (type $f (func (param i32) (result i32)))"
        " (table (export \"table\") 2 funcref) (elem (i32.const 0) func $f)"
        " (func $f (param i32) (result i32)"
        "   (i32.add (call_indirect (type $f) (local.get 0) (i32.const 1)) (i32.const 1))))";
    static const char user_text[] =
        "(module (type $f (func (param i32) (result i32)))"
        " (import \"owner\" \"table\" (table 2 funcref)) (elem (i32.const 1) func $f)"
        " (func $f (param i32) (result i32)"
        "   (i32.add (call_indirect (type $f) (local.get 0) (i32.const 0)) (i32.const 1)))"
        " (func $deeper (export \"deeper\") (param $n i32) (result i32)"
        "   (if (result i32) (local.get $n)"
        "     (then (i32.add (call $deeper (i32.sub (local.get $n) (i32.const 1))) (i32.const 1)))"
        "     (else (call $f (i32.const 0))))))";
    static const struct guest_mode modes[] = {{.opt_level = lucetc_opt_speed},
                                              {.opt_level = lucetc_opt_speed, .cpu = "x86-64-v2"},
                                              {.opt_level = lucetc_opt_none, .cpu = "x86-64-v2"}};

    (void)state;
    guest_begin();
    struct lucet_region *region = guest_region(2);
    const bool have = lucet__have_fsgsbase;
    for (unsigned m = 0; m < 3; m++) {
        lucet__have_fsgsbase = have && modes[m].cpu == NULL;
        struct lucet_linker *l;
        assert_int_equal(lucet_linker_new(&l), lucet_error_ok);
        struct lucet_dl_module *a = guest_module(owner_text, &modes[m]);
        struct lucet_dl_module *b = guest_module(user_text, &modes[m]);
        struct lucet_instance *owner = guest_instance(region, a, l, NULL);
        assert_int_equal(lucet_linker_instance(l, "owner", owner), lucet_error_ok);
        struct lucet_instance *user = guest_instance(region, b, l, NULL);
        for (unsigned n = 0; n < 100; n++) {
            assert_int_equal(guest_trap(user, "deeper", ARGS(I32(n))),
                             lucet_trapcode_stack_overflow);
            assert_int_equal(lucet_instance_reset(user), lucet_error_ok);
        }
        lucet_instance_release(user);
        lucet_instance_release(owner);
        lucet_linker_release(l);
        lucet_dl_module_release(a);
        lucet_dl_module_release(b);
    }
    lucet__have_fsgsbase = have;
    lucet_region_release(region);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_host_function_runs_a_second_instance),
        cmocka_unit_test(a_fault_of_the_inner_instance_does_not_reach_the_outer),
        cmocka_unit_test(instances_call_each_other),
        cmocka_unit_test(a_trap_in_an_imported_function_leaves_both_usable),
        cmocka_unit_test(indirect_calls_between_modules_compare_types),
        cmocka_unit_test(functions_in_a_foreign_table_stay_alive),
        cmocka_unit_test(a_shared_memory_grows_for_both),
        cmocka_unit_test(a_function_in_a_global_of_the_host_stays_alive),
        cmocka_unit_test(host_results_come_to_the_caller_behind_another_instance),
        cmocka_unit_test(endless_calls_between_instances_end_at_any_depth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
