/* Where a reference to an exception may be, and nowhere else: collections find it there. */
#include "lucet/exception.h"
#include "run/guest.h"
#include "runtime/exception.h"
#include "runtime/instance.h"
#include "runtime/region.h"
#include "runtime/slot.h"
#include "runtime/x86_64/machine.h"

static const char wat[] =
    "(module (import \"h\" \"t\" (table $t 4 exnref)) (import \"h\" \"g\" (global $g (mut exnref)))"
    " (import \"h\" \"throw\" (func $throw)) (import \"h\" \"tag\" (tag $o (param exnref)))"
    " (tag $n (param i64)) (table $own 4 exnref) (global $mine (mut exnref) (ref.null exn))"
    " (func $make (export \"make\") (param i64) (result exnref)"
    "   (block $h (result exnref)"
    "     (try_table (catch_all_ref $h) (throw $n (local.get 0))) unreachable))"
    " (func $value (param exnref) (result i64)"
    "   (block $h (result i64) (try_table (catch $n $h) (throw_ref (local.get 0))) unreachable))"
    " (func (export \"put table\") (table.set $t (i32.const 3) (call $make (i64.const 5))))"
    " (func (export \"get table\") (result i64) (call $value (table.get $t (i32.const 3))))"
    " (func (export \"put global\") (global.set $g (call $make (i64.const 6))))"
    " (func (export \"get global\") (result i64) (call $value (global.get $g)))"
    " (func (export \"put own table\") (table.set $own (i32.const 3) (call $make (i64.const 7))))"
    " (func (export \"get own table\") (result i64) (call $value (table.get $own (i32.const 3))))"
    " (func (export \"put own global\") (global.set $mine (call $make (i64.const 8))))"
    " (func (export \"get own global\") (result i64) (call $value (global.get $mine)))"
    /* So that no number is left in the context by chance. */
    " (func (export \"noise\") (drop (call $make (i64.const 0))) (drop (call $make (i64.const 0))))"
    " (func (export \"spin\") (loop $l (br $l)))"
    " (func (export \"catch\") (result i64)"
    "   (block $h (result exnref) (try_table (catch $o $h) (call $throw)) unreachable)"
    "   (call $value)))";

static struct lucet_region *region;
static struct lucet_linker *linker;
static struct lucet_tag *tag;
static struct lucet_instance *inst;

static void collect(void)
{
    const uint32_t before = inst->exceptions->collections;

    assert_false(lucet__exceptions_room(inst, NULL, UINT64_MAX));
    assert_true(inst->exceptions->collections != before);
}

static struct lucet_exception
    *within; /* what the host throws has that one, which nobody else has */
static bool yields;

static void host_throw(struct lucet_vmctx *ctx)
{
    const struct lucet_val v = LUCET_VAL(exnref, as_ref, within);
    struct lucet_exception *e;

    assert_int_equal(lucet_exception_new(tag, 1, &v, &e), lucet_error_ok);
    assert_int_equal(lucet_vmctx_throw(ctx, e), lucet_error_ok);
    lucet_exception_release(e);
    lucet_exception_release(within);
    if (yields)
        lucet_vmctx_yield(ctx, NULL);
    else
        collect();
}

static void begin(void)
{
    const struct lucet_val null = {.ty = lucet_val_type_exnref};

    guest_begin();
    region = guest_region(1);
    assert_int_equal(lucet_linker_new(&linker), lucet_error_ok);
    assert_int_equal(lucet_tag_new("x:", &tag), lucet_error_ok);
    assert_int_equal(lucet_linker_tag(linker, "h", "tag", tag), lucet_error_ok);
    assert_int_equal(lucet_linker_table(linker, "h", "t", lucet_val_type_exnref, 4, 4),
                     lucet_error_ok);
    assert_int_equal(lucet_linker_global(linker, "h", "g", null, true), lucet_error_ok);
    assert_int_equal(lucet_linker_func(linker, "h", "throw", ":", (void (*)(void))host_throw),
                     lucet_error_ok);
    struct lucet_dl_module *module = guest_module(wat, &guest_default);
    inst = guest_instance(region, module, linker, NULL);
    lucet_dl_module_release(module);
}

static void end(void)
{
    lucet_instance_release(inst);
    lucet_linker_release(linker);
    lucet_tag_release(tag);
    assert_int_equal(lucet_region_used_slots(region), 0);
    lucet_region_release(region);
}

/* The module's own, and the host's. */
static void tables_and_globals_are_searched(void **state)
{
    static const struct {
        const char *put, *get;
        uint64_t value;
    } places[] = {{"put table", "get table", 5},
                  {"put global", "get global", 6},
                  {"put own table", "get own table", 7},
                  {"put own global", "get own global", 8}};

    (void)state;
    begin();
    for (size_t k = 0; k < sizeof(places) / sizeof(*places); k++) {
        guest_call(inst, places[k].put, 0, NULL);
        for (int n = 0; n < 3; n++) {
            guest_call(inst, "noise", 0, NULL);
            collect();
        }
        assert_int_equal(guest_call(inst, places[k].get, 0, NULL), places[k].value);
    }
    end();
}

/* Also when the run is put aside before the host function returns. */
static void what_a_host_function_throws_is_searched(void **state)
{
    struct lucet_result r;
    struct lucet_val v;

    (void)state;
    begin();
    for (int k = 0; k < 6; k++) {
        yields = k % 2;
        assert_int_equal(lucet_instance_call(inst, "make", 4, ARGS(I64(k)), 1, &v, &r),
                         lucet_error_ok);
        within = (struct lucet_exception *)(uintptr_t)v.inner_val.as_ref;
        lucet_exception_retain(within);
        guest_call(inst, "noise", 0, NULL);
        assert_int_equal(lucet_instance_run(inst, "catch", 0, NULL, &r), lucet_error_ok);
        if (yields) {
            assert_int_equal(r.tag, lucet_result_tag_yielded);
            collect();
            collect();
            assert_int_equal(lucet_instance_resume(inst, NULL, &r), lucet_error_ok);
        }
        assert_int_equal(lucet_retval_gp(&r.val.returned), k);
    }
    end();
}

static uint64_t add_one(uint64_t value)
{
    const uint64_t values[][2] = {{value, 0}};
    struct lucet_exception *e = lucet__exception_new(inst->tags[1], values);

    assert_non_null(e);
    e->refs = 0;
    lucet__exception_add(inst->exceptions, e);
    return e->ref;
}

static void expect_kept(uint64_t *place, bool kept)
{
    const uint64_t before = *place, ref = add_one(1);

    *place = ref;
    collect();
    assert_int_equal(lucet__exception_find(inst->exceptions, ref) != NULL, kept);
    *place = before;
    collect();
    assert_null(lucet__exception_find(inst->exceptions, ref));
}

/* Of a guest that was interrupted: all that is its own, and nothing else. */
static void registers_and_red_zones_are_searched(void **state)
{
    struct lucet_result r;

    (void)state;
    begin();
    guest_call(inst, "noise", 0, NULL);
    assert_int_equal(lucet_instance_set_slice(inst, 100000), lucet_error_ok);
    assert_int_equal(lucet_instance_run(inst, "spin", 0, NULL, &r), lucet_error_ok);
    while (inst->suspended.sp)
        assert_int_equal(lucet_instance_resume(inst, NULL, &r), lucet_error_ok);
    assert_int_equal(r.tag, lucet_result_tag_yielded);
    uint64_t *sp = (uint64_t *)(void *)machine_saved_sp(inst->registers);
    for (int k = -20; k < 8; k++)
        expect_kept(sp + k, k >= -16);
    expect_kept((uint64_t *)(void *)(inst->slot->stack + inst->region->limits.stack_size) - 1,
                true);
    for (int k = 0; k < 16; k++)
        expect_kept(&inst->registers->general[k], true);
    expect_kept((uint64_t *)(void *)inst->registers->vectors, true);
    expect_kept((uint64_t *)(void *)(inst->registers->vectors + lucet__xsave_size) - 1, true);
    /* Where the stack pointer cannot be: all of the stack then. */
    uint64_t *const saved = &inst->registers->general[REG_RSP], kept = *saved;
    const uint64_t places[] = {(uintptr_t)inst->slot->stack + 100,
                               (uintptr_t)inst->slot->stack + inst->region->limits.stack_size +
                                   1000,
                               (uintptr_t)inst->slot->stack - 100, 0};
    for (size_t k = 0; k < sizeof(places) / sizeof(*places); k++) {
        *saved = places[k];
        expect_kept((uint64_t *)(void *)inst->slot->stack, true);
        expect_kept((uint64_t *)(void *)(inst->slot->stack + inst->region->limits.stack_size) - 1,
                    true);
    }
    *saved = kept;
    end();
}

/* A number that looks like one is none. */
static void values_are_searched_by_their_types(void **state)
{
    (void)state;
    begin();
    guest_call(inst, "noise", 0, NULL);
    const uint64_t inner = add_one(1), outer = add_one(inner);
    struct lucet_exception *e = lucet__exception_find(inst->exceptions, outer);
    lucet_exception_retain(e);
    collect();
    assert_null(lucet__exception_find(inst->exceptions, inner));
    assert_ptr_equal(lucet__exception_find(inst->exceptions, outer), e);
    lucet_exception_release(e);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_and_globals_are_searched),
        cmocka_unit_test(what_a_host_function_throws_is_searched),
        cmocka_unit_test(registers_and_red_zones_are_searched),
        cmocka_unit_test(values_are_searched_by_their_types),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
