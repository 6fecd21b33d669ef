/* Lives that end in unusual ways, or go on in the same slot, give back all that was allocated; also
 * when an allocation fails on the way. */
#include <stdlib.h>

#include "lucet/exception.h"
#include "run/guest.h"
#include "run/process.h"
#include "runtime/counting.h"

#define PARAMS "i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64"
#define NPARAMS 18 /* more than there is always room for */

static struct guest {
    const char *wat;
    uint8_t *artifact;
    size_t size;
} plain = {.wat =
               "(module (import \"h\" \"yield\" (func $y)) (memory 1 4) (table 2 100 funcref)"
               " (elem (i32.const 0) func $f $f) (global (mut funcref) (ref.func $f)) (func $f)"
               " (func (export \"yield\") (param " PARAMS ") (result " PARAMS ")"
               "   (call $y) (local.get 0) (local.get 1) (local.get 2) (local.get 3) (local.get 4)"
               "   (local.get 5) (local.get 6) (local.get 7) (local.get 8) (local.get 9)"
               "   (local.get 10) (local.get 11) (local.get 12) (local.get 13) (local.get 14)"
               "   (local.get 15) (local.get 16) (local.get 17))"
               " (func (export \"run\") (drop (memory.grow (i32.const 1)))))"},
  throwing =
      {.wat = "(module (import \"h\" \"throw\" (func $throw)) (import \"h\" \"yield\" (func $y))"
              " (import \"h\" \"tag\" (tag $t (param i64))) (tag $own (param i64 exnref))"
              " (global $e (mut exnref) (ref.null exn))"
              " (func (export \"keep\") (block $h (result exnref)"
              "   (try_table (catch_all_ref $h) (throw $own (i64.const 1)"
              "     (ref.null exn))) unreachable) (global.set $e))"
              " (func (export \"throw\") (call $throw))"
              " (func (export \"out\") (throw $own (i64.const 2) (global.get $e))))"},
  two_memories = {.wat = "(module (memory 1 4) (memory $second 1 4)"
                         " (func (export \"run\") (drop (memory.grow $second (i32.const 1)))))"},
  without_tags = {.wat = "(module (import \"h\" \"only throw\" (func $throw))"
                         " (global $e (mut exnref) (ref.null exn))"
                         " (func (export \"run\") (call $throw))"
                         " (func (export \"keep\") (param exnref)"
                         "   (global.set $e (local.get 0))))"},
  giver = {.wat = "(module (func $f (result i32) (i32.const 77)) (elem declare func $f)"
                  " (func (export \"get\") (result funcref) (ref.func $f)))"},
  taker = {.wat = "(module (table $t 2 funcref) (type $v (func (result i32)))"
                  " (func (export \"set\") (param funcref)"
                  "   (table.set $t (i32.const 1) (local.get 0)))"
                  " (func (export \"run\") (drop (call_indirect $t (type $v) (i32.const 1)))))"},
  caller = {.wat = "(module (import \"h\" \"f\" (global $g funcref)) (table $t 1 funcref)"
                   " (type $v (func (result i32))) (func (export \"run\")"
                   "   (table.set $t (i32.const 0) (global.get $g))"
                   "   (drop (call_indirect $t (type $v) (i32.const 0)))))"},
  inner = {.wat = "(module (import \"h\" \"yield\" (func $y)) (tag $t (param i64 i64 i64 i64))"
                  " (func (export \"f\") (call $y)))"},
  outer = {.wat = "(module (import \"h\" \"yield\" (func $y)) (import \"inner\" \"f\" (func $f))"
                  " (func $many (param " PARAMS ") (result " PARAMS ") (call $y)"
                  "   (unreachable))"
                  " (func (export \"run\") (call $f) (call $y) (call $f)))"},
  library = {.wat = "(module (func (export \"f\") (result i32) (i32.const 1)))"},
  user = {.wat = "(module (import \"library\" \"f\" (func $f (result i32)))"
                 " (func (export \"run\") (drop (call $f))))"};
static struct guest *const guests[] = {&plain, &throwing, &two_memories, &without_tags,
                                       &giver, &taker,    &caller,       &inner,
                                       &outer, &library,  &user};
#define GUESTS (sizeof(guests) / sizeof(*guests))

static struct lucet_region *region;
static struct lucet_linker *linker;
static struct lucet_tag *tag;

static void host_yield(struct lucet_vmctx *ctx)
{
    lucet_vmctx_yield(ctx, NULL);
}

/* The exception is on its way when the run is put aside. */
static void host_throw(struct lucet_vmctx *ctx)
{
    struct lucet_exception *e;

    if (lucet_exception_new(tag, ARGS(I64(5)), &e) == lucet_error_ok) {
        lucet_vmctx_throw(ctx, e);
        lucet_exception_release(e);
    }
    lucet_vmctx_yield(ctx, NULL);
}

static void host_only_throw(struct lucet_vmctx *ctx)
{
    struct lucet_exception *e;

    if (lucet_exception_new(tag, ARGS(I64(5)), &e) != lucet_error_ok)
        return;
    lucet_vmctx_throw(ctx, e);
    lucet_exception_release(e);
}

/* An instance of the guest, whose module nobody else holds. */
static enum lucet_error make(const struct guest *g, struct lucet_instance **inst)
{
    const struct lucet_instance_options o = {.linker = linker};
    struct lucet_dl_module *m;
    enum lucet_error e = lucet_dl_module_load_bytes(g->artifact, g->size, &m);

    *inst = NULL;
    if (e == lucet_error_ok)
        e = lucet_region_new_instance_with(region, m, &o, inst);
    lucet_dl_module_release(m);
    return e;
}

/* Its function, whatever that ends with: yields and exceptions are no errors here. */
static enum lucet_error run(struct lucet_instance *inst, const char *name)
{
    struct lucet_val args[NPARAMS];
    struct lucet_result r;

    for (int k = 0; k < NPARAMS; k++)
        args[k] = I64(k);
    const size_t n = strcmp(name, "yield") == 0 ? NPARAMS : 0;
    const enum lucet_error e = lucet_instance_run(inst, name, n, args, &r);
    return e == lucet_error_runtime_threw ? lucet_error_ok : e;
}

/* ---- Lives ---- */

/* One after the other in the same slot. */
static enum lucet_error again_with(const struct guest *g, const char *name)
{
    struct lucet_dl_module *m;
    const struct lucet_instance_options o = {.linker = linker};
    struct lucet_instance *inst = NULL;
    enum lucet_error e = lucet_dl_module_load_bytes(g->artifact, g->size, &m);

    for (int round = 0; round < 4 && e == lucet_error_ok; round++) {
        e = lucet_region_new_instance_with(region, m, &o, &inst);
        if (e == lucet_error_ok)
            e = run(inst, name);
        lucet_instance_release(inst);
        inst = NULL;
    }
    lucet_dl_module_release(m);
    return e;
}

static enum lucet_error yield_again(void)
{
    return again_with(&plain, "yield");
}

static enum lucet_error throw_again(void)
{
    return again_with(&without_tags, "run");
}

/* With an exception in it that the host handed over. */
static enum lucet_error keep_an_argument(void)
{
    struct lucet_exception *x = NULL;
    struct lucet_instance *inst;
    struct lucet_result r;
    enum lucet_error e = make(&without_tags, &inst);

    if (e == lucet_error_ok)
        e = lucet_exception_new(tag, ARGS(I64(5)), &x);
    const struct lucet_val arg = LUCET_VAL(exnref, as_ref, x);
    if (e == lucet_error_ok)
        e = lucet_instance_run(inst, "keep", 1, &arg, &r);
    lucet_exception_release(x);
    lucet_instance_release(inst);
    return e;
}

/* Of the same module and of others. */
static enum lucet_error again(void)
{
    struct lucet_instance *inst;
    enum lucet_error e = again_with(&plain, "run");

    for (int round = 0; round < 2 && e == lucet_error_ok; round++) {
        e = make(round ? &plain : &two_memories, &inst);
        lucet_instance_release(inst);
    }
    return e;
}

/* Put aside with what it needs to go on, and given up. */
static enum lucet_error give_up(const struct guest *g, const char *name, bool reset)
{
    struct lucet_instance *inst;
    enum lucet_error e = make(g, &inst);

    if (e == lucet_error_ok)
        e = run(inst, name);
    if (e == lucet_error_ok && reset)
        e = lucet_instance_reset(inst);
    if (e == lucet_error_ok && reset)
        e = run(inst, name);
    lucet_instance_release(inst);
    return e;
}

static enum lucet_error yield_and_go(void)
{
    return give_up(&plain, "yield", false);
}

static enum lucet_error yield_and_reset(void)
{
    return give_up(&plain, "yield", true);
}

static enum lucet_error throw_and_go(void)
{
    return give_up(&throwing, "throw", false);
}

static enum lucet_error throw_and_reset(void)
{
    return give_up(&throwing, "throw", true);
}

static enum lucet_error throw_out(void)
{
    return give_up(&throwing, "out", true);
}

static enum lucet_error keep(void)
{
    return give_up(&throwing, "keep", true);
}

static enum lucet_error yield_and_go_on(void)
{
    struct lucet_val results[NPARAMS];
    struct lucet_instance *inst;
    struct lucet_result r;
    enum lucet_error e = make(&plain, &inst);

    if (e == lucet_error_ok)
        e = run(inst, "yield");
    if (e == lucet_error_ok)
        e = lucet_instance_resume_call(inst, NULL, NPARAMS, results, &r);
    for (int k = 0; k < NPARAMS && e == lucet_error_ok; k++)
        assert_int_equal(results[k].inner_val.as_i64, k);
    lucet_instance_release(inst);
    return e;
}

static enum lucet_error grow_two_memories(void)
{
    return give_up(&two_memories, "run", true);
}

/* A function that the host hands to another instance, or to a global, is there as long as these
 * are. */
static enum lucet_error carry(bool by_global)
{
    struct lucet_instance *from = NULL, *to = NULL;
    struct lucet_result r;
    struct lucet_val f = {.ty = lucet_val_type_funcref};
    enum lucet_error e = make(&giver, &from);

    if (e == lucet_error_ok)
        e = lucet_instance_call(from, "get", 3, 0, NULL, 1, &f, &r);
    if (e == lucet_error_ok && by_global)
        e = lucet_linker_global(linker, "h", "f", f, false);
    if (e == lucet_error_ok)
        e = make(by_global ? &caller : &taker, &to);
    if (e == lucet_error_ok && !by_global)
        e = lucet_instance_run(to, "set", 1, &f, &r);
    lucet_instance_release(from);
    if (e == lucet_error_ok)
        assert_int_equal(lucet_region_used_slots(region), 2);
    if (e == lucet_error_ok)
        e = run(to, "run");
    lucet_instance_release(to);
    return e;
}

static enum lucet_error carry_by_argument(void)
{
    return carry(false);
}

static enum lucet_error carry_by_global(void)
{
    return carry(true);
}

/* Once in one instance and once in another, which keep different things for it. */
static enum lucet_error yield_in_two_instances(void)
{
    struct lucet_instance *from, *to = NULL;
    enum lucet_error e = make(&inner, &from);

    if (e == lucet_error_ok)
        e = lucet_linker_instance(linker, "inner", from);
    if (e == lucet_error_ok)
        e = make(&outer, &to);
    if (e == lucet_error_ok)
        e = run(to, "run");
    for (int k = 0; k < 3 && e == lucet_error_ok; k++)
        e = lucet_instance_resume(to, NULL, NULL);
    lucet_instance_release(from);
    lucet_instance_release(to);
    return e;
}

/* From a module whose functions are nowhere values. */
static enum lucet_error import_privately(void)
{
    struct lucet_instance *from = NULL, *to = NULL;
    enum lucet_error e = make(&library, &from);

    if (e == lucet_error_ok)
        e = lucet_linker_instance(linker, "library", from);
    if (e == lucet_error_ok)
        e = make(&user, &to);
    lucet_instance_release(from);
    lucet_linker_release(linker);
    linker = NULL;
    if (e == lucet_error_ok)
        assert_int_equal(lucet_region_used_slots(region), 2);
    if (e == lucet_error_ok)
        e = run(to, "run");
    lucet_instance_release(to);
    return e;
}

/* ---- */

static enum lucet_error live(enum lucet_error (*life)(void))
{
    enum lucet_error e = lucet_mmap_region_create(2, NULL, &region);

    if (e == lucet_error_ok)
        e = lucet_linker_new(&linker);
    if (e == lucet_error_ok)
        e = lucet_tag_new("I:", &tag);
    if (e == lucet_error_ok)
        e = lucet_linker_tag(linker, "h", "tag", tag);
    if (e == lucet_error_ok)
        e = lucet_linker_func(linker, "h", "yield", ":", (void (*)(void))host_yield);
    if (e == lucet_error_ok)
        e = lucet_linker_func(linker, "h", "throw", ":", (void (*)(void))host_throw);
    if (e == lucet_error_ok)
        e = lucet_linker_func(linker, "h", "only throw", ":", (void (*)(void))host_only_throw);
    if (e == lucet_error_ok)
        e = life();
    lucet_linker_release(linker);
    lucet_tag_release(tag);
    lucet_region_release(region);
    linker = NULL;
    tag = NULL;
    region = NULL;
    return e;
}

static enum lucet_error (*const lives[])(void) = {
    again,
    yield_again,
    throw_again,
    keep_an_argument,
    yield_and_go,
    yield_and_reset,
    yield_and_go_on,
    throw_and_go,
    throw_and_reset,
    throw_out,
    keep,
    grow_two_memories,
    import_privately,
    carry_by_argument,
    carry_by_global,
    yield_in_two_instances,
};
#define LIVES (sizeof(lives) / sizeof(*lives))

static void all_is_given_back(void **state)
{
    unsigned mappings = 0;

    (void)state;
    guest_begin();
    for (int round = 0; round < 8; round++) {
        for (size_t k = 0; k < LIVES; k++) {
            const enum lucet_error e = live(lives[k]);
            if (e != lucet_error_ok || counting_counts.blocks != 0)
                fail_msg("life %zu: %s %s, %ld blocks", k, lucet_error_name(e),
                         lucet_error_detail(), counting_counts.blocks);
        }
        if (round == 3)
            mappings = process_mappings("");
    }
    assert_true(process_mappings("") <= mappings + 1);
}

static void every_failure_is_clean(void **state)
{
    (void)state;
    guest_begin();
    for (size_t k = 0; k < LIVES; k++) {
        bool over = false;
        for (long n = 0; !over; n++) {
            counting_counts.fails_after = n;
            const enum lucet_error e = live(lives[k]);
            over = counting_counts.fails_after >= 0;
            counting_counts.fails_after = -1;
            const bool clean = e == lucet_error_ok || e == lucet_error_no_memory ||
                               e == lucet_error_runtime_fault; /* of a throw */
            if (!clean || counting_counts.blocks != 0)
                fail_msg("life %zu, allocation %ld: %s %s, %ld blocks", k, n, lucet_error_name(e),
                         lucet_error_detail(), counting_counts.blocks);
            assert_true(n < 1000);
        }
    }
}

/* What cannot be kept for a run until it goes on ends it; it does not go on without. */
static void a_run_that_cannot_be_put_aside_ends(void **state)
{
    struct lucet_val args[NPARAMS];
    struct lucet_instance *inst;
    struct lucet_result r;
    bool failed = true;

    (void)state;
    guest_begin();
    assert_int_equal(lucet_mmap_region_create(1, NULL, &region), lucet_error_ok);
    assert_int_equal(lucet_linker_new(&linker), lucet_error_ok);
    assert_int_equal(lucet_linker_func(linker, "h", "yield", ":", (void (*)(void))host_yield),
                     lucet_error_ok);
    for (int k = 0; k < NPARAMS; k++)
        args[k] = I64(k);
    for (long n = 0; failed; n++) {
        assert_int_equal(make(&plain, &inst), lucet_error_ok);
        counting_counts.fails_after = n;
        const enum lucet_error e = lucet_instance_run(inst, "yield", NPARAMS, args, &r);
        failed = counting_counts.fails_after < 0;
        counting_counts.fails_after = -1;
        assert_int_equal(e, failed ? lucet_error_no_memory : lucet_error_ok);
        assert_int_equal(r.tag, failed ? lucet_result_tag_errored : lucet_result_tag_yielded);
        assert_true(failed || n == 2); /* the values, and what is on its way */
        if (failed)
            assert_int_equal(lucet_instance_resume(inst, NULL, &r),
                             lucet_error_instance_not_yielded);
        assert_int_equal(lucet_instance_reset(inst), lucet_error_ok);
        assert_int_equal(run(inst, "run"), lucet_error_ok);
        lucet_instance_release(inst);
    }
    lucet_linker_release(linker);
    lucet_region_release(region);
    assert_int_equal(counting_counts.blocks, 0);
}

/* ---- Linkers ---- */

static enum lucet_error register_func(struct lucet_linker *l)
{
    return lucet_linker_func(l, "m", "n", "iIfF:i", (void (*)(void))host_yield);
}
static enum lucet_error register_table_of_functions(struct lucet_linker *l)
{
    const struct lucet_hostcall f = {"n", "iIfF:F", (void (*)(void))host_yield};

    return lucet_linker_hostcalls(l, &f, 1);
}
static enum lucet_error register_global(struct lucet_linker *l)
{
    return lucet_linker_global(l, "m", "n", I32(1), true);
}
static enum lucet_error register_memory(struct lucet_linker *l)
{
    return lucet_linker_memory(l, "m", "n", 1, 2);
}
static enum lucet_error register_shared_memory(struct lucet_linker *l)
{
    return lucet_linker_memory_of(l, "m", "n",
                                  &(struct lucet_memory_type){.min = 1, .max = 2, .shared = true});
}
static enum lucet_error register_table(struct lucet_linker *l)
{
    return lucet_linker_table(l, "m", "n", lucet_val_type_funcref, 1, 2);
}
static enum lucet_error register_tag(struct lucet_linker *l)
{
    struct lucet_tag *t;
    enum lucet_error e = lucet_tag_new("I:", &t);

    if (e == lucet_error_ok)
        e = lucet_linker_tag(l, "m", "n", t);
    lucet_tag_release(t);
    return e;
}

/* Whoever is told that it went well finds it. */
static void registrations_that_fail_say_so(void **state)
{
    static enum lucet_error (*const registrations[])(struct lucet_linker *l) = {
        register_func,   register_table_of_functions, register_global,
        register_memory, register_shared_memory,      register_table,
        register_tag};
    struct lucet_linker *l;

    (void)state;
    for (size_t k = 0; k < sizeof(registrations) / sizeof(*registrations); k++) {
        bool failed = true;
        for (long n = 0; failed; n++) {
            assert_int_equal(lucet_linker_new(&l), lucet_error_ok);
            counting_counts.fails_after = n;
            const enum lucet_error e = registrations[k](l);
            failed = counting_counts.fails_after < 0;
            counting_counts.fails_after = -1;
            assert_int_equal(e, failed ? lucet_error_no_memory : lucet_error_ok);
            lucet_linker_release(l);
            assert_int_equal(counting_counts.blocks, 0);
            assert_true(n > 0 || failed);
        }
    }
}

/* Only slower. */
static void a_linker_that_cannot_grow_goes_on(void **state)
{
    struct lucet_linker *l;
    char name[] = "a0";

    (void)state;
    assert_int_equal(lucet_linker_new(&l), lucet_error_ok);
    for (int k = 0; k < 64; k++) {
        name[0] = (char)('a' + k / 10);
        name[1] = (char)('0' + k % 10);
        assert_int_equal(lucet_linker_func(l, "m", name, ":", (void (*)(void))host_yield),
                         lucet_error_ok);
    }
    bool failed = true, went_on = false;
    for (long n = 0; failed && !went_on; n++) {
        counting_counts.fails_after = n;
        const enum lucet_error e =
            lucet_linker_func(l, "m", "more", ":", (void (*)(void))host_yield);
        failed = counting_counts.fails_after < 0;
        counting_counts.fails_after = -1;
        went_on = failed && e == lucet_error_ok;
    }
    assert_true(went_on);
    lucet_linker_release(l);
    assert_int_equal(counting_counts.blocks, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_is_given_back),
        cmocka_unit_test(every_failure_is_clean),
        cmocka_unit_test(a_run_that_cannot_be_put_aside_ends),
        cmocka_unit_test(registrations_that_fail_say_so),
        cmocka_unit_test(a_linker_that_cannot_grow_goes_on),
    };

    if (lucet_set_allocator(&counting_allocator) != lucet_error_ok)
        return 1;
    for (size_t k = 0; k < GUESTS; k++)
        guests[k]->artifact = guest_artifact(guests[k]->wat, &guest_default, &guests[k]->size);
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    for (size_t k = 0; k < GUESTS; k++)
        free(guests[k]->artifact);
    return failed;
}
