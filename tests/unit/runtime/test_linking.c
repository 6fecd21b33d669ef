/* What imports are satisfied from, and who keeps whom alive. Slots in use tell who lives. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "run/guest.h"

static unsigned random_keys;

/* In front of the C library's. */
ssize_t getrandom(void *to, size_t size, unsigned flags)
{
    random_keys++;
    return syscall(SYS_getrandom, to, size, flags);
}

struct set {
    struct lucet_region *region;
    struct lucet_linker *linker;
};

static struct set set_up(size_t capacity)
{
    struct set s = {.region = guest_region(capacity)};

    assert_int_equal(lucet_linker_new(&s.linker), lucet_error_ok);
    return s;
}

static void tear_down(struct set *s)
{
    lucet_linker_release(s->linker);
    assert_int_equal(lucet_region_used_slots(s->region), 0);
    lucet_region_release(s->region);
}

static struct lucet_instance *add(struct set *s, const char *wat)
{
    struct lucet_dl_module *m = guest_module(wat, &guest_default);
    struct lucet_instance *inst = guest_instance(s->region, m, s->linker, NULL);

    lucet_dl_module_release(m);
    return inst;
}

static enum lucet_error try_add(struct set *s, const char *wat)
{
    struct lucet_dl_module *m = guest_module(wat, &guest_default);
    struct lucet_instance_options o = {.linker = s->linker};
    struct lucet_instance *inst;
    enum lucet_error e = lucet_region_new_instance_with(s->region, m, &o, &inst);

    assert_true((e == lucet_error_ok) == (inst != NULL));
    if (inst)
        lucet_instance_release(inst);
    lucet_dl_module_release(m);
    return e;
}

static void host_i_i(struct lucet_vmctx *ctx, int32_t n)
{
    (void)ctx, (void)n;
}

static void imports_must_have_the_declared_types(void **state)
{
    static const struct {
        const char *import;
        enum lucet_error expected;
    } cases[] = {
        {"(import \"h\" \"f\" (func (param i32)))", lucet_error_ok},
        {"(import \"h\" \"f\" (func (param i64)))", lucet_error_type_mismatch},
        {"(import \"h\" \"f\" (func (param i32) (result i32)))", lucet_error_type_mismatch},
        {"(import \"h\" \"f\" (global i32))", lucet_error_type_mismatch},
        {"(import \"h\" \"none\" (func))", lucet_error_module},
        {"(import \"\" \"f\" (func (param i32)))", lucet_error_module},
        {"(import \"h\" \"g\" (global i32))", lucet_error_ok},
        {"(import \"h\" \"g\" (global i64))", lucet_error_type_mismatch},
        {"(import \"h\" \"g\" (global (mut i32)))", lucet_error_type_mismatch},
        {"(import \"h\" \"gm\" (global (mut f64)))", lucet_error_ok},
        {"(import \"h\" \"gm\" (global f64))", lucet_error_type_mismatch},
        {"(import \"h\" \"t\" (table 5 funcref))", lucet_error_ok},
        {"(import \"h\" \"t\" (table 5 10 funcref))", lucet_error_ok},
        {"(import \"h\" \"t\" (table 6 funcref))", lucet_error_type_mismatch},
        {"(import \"h\" \"t\" (table 5 9 funcref))", lucet_error_type_mismatch},
        {"(import \"h\" \"t\" (table 5 externref))", lucet_error_type_mismatch},
        {"(import \"h\" \"m\" (memory 2))", lucet_error_ok},
        {"(import \"h\" \"m\" (memory 0 4))", lucet_error_ok},
        {"(import \"h\" \"m\" (memory 3))", lucet_error_type_mismatch},
        {"(import \"h\" \"m\" (memory 2 3))", lucet_error_type_mismatch},
        {"(import \"h\" \"open\" (memory 1 65536))", lucet_error_type_mismatch},
    };

    unsigned table_users = 0;

    (void)state;
    guest_begin();
    struct set s = set_up(4);
    struct lucet_linker *l = s.linker;
    assert_int_equal(lucet_linker_func(l, "h", "f", "i:", (void (*)(void))host_i_i), 0);
    assert_int_equal(lucet_linker_global(l, "h", "g", I32(1), false), 0);
    assert_int_equal(lucet_linker_global(l, "h", "gm", LUCET_VAL_F64(1), true), 0);
    assert_int_equal(lucet_linker_table(l, "h", "t", lucet_val_type_funcref, 5, 10), 0);
    assert_int_equal(lucet_linker_memory(l, "h", "m", 2, 4), 0);
    assert_int_equal(lucet_linker_memory(l, "h", "open", 1, UINT64_MAX), 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char wat[256];
        snprintf(wat, sizeof(wat), "(module %s)", cases[i].import);
        enum lucet_error e = try_add(&s, wat);
        if (e != cases[i].expected)
            fail_msg("%s: %s (%s)", cases[i].import, lucet_error_name(e), lucet_error_detail());
        if (e != lucet_error_ok) /* the detail names it */
            assert_non_null(strstr(lucet_error_detail(), "import \""));
        if (strstr(cases[i].import, "(param i64)"))
            assert_non_null(strstr(lucet_error_detail(), "the module wants \"I:\""));
        /* Who could have put references in the table stays as long as it does; nobody else. */
        table_users += e == lucet_error_ok && strstr(cases[i].import, "funcref");
        assert_int_equal(lucet_region_used_slots(s.region), table_users);
    }
    tear_down(&s);
}

static void bad_registrations_are_refused(void **state)
{
    const struct lucet_hostcall bad = {"f", "z:", (void (*)(void))host_i_i},
                                null = {"f", NULL, NULL};
    struct lucet_linker *l;

    (void)state;
    assert_int_equal(lucet_linker_new(&l), lucet_error_ok);
    assert_int_equal(lucet_linker_hostcalls(l, &bad, 1), lucet_error_invalid_argument);
    assert_int_equal(lucet_linker_hostcalls(l, &null, 1), lucet_error_invalid_argument);
    assert_int_equal(lucet_linker_func(l, "m", "f", "ii", (void (*)(void))host_i_i),
                     lucet_error_invalid_argument);
    assert_int_equal(lucet_linker_func(l, "m", "f", "i::", (void (*)(void))host_i_i),
                     lucet_error_invalid_argument);
    assert_int_equal(lucet_linker_memory(l, "m", "m", 2, 1), lucet_error_invalid_argument);
    assert_int_equal(lucet_linker_memory(l, "m", "m", 0, 65537), lucet_error_invalid_argument);
    assert_int_equal(lucet_linker_table(l, "m", "t", lucet_val_type_i32, 0, 1),
                     lucet_error_invalid_argument);
    assert_int_equal(
        lucet_linker_table(l, "m", "t", lucet_val_type_funcref, UINT32_MAX, UINT64_MAX),
        lucet_error_invalid_argument);
    assert_int_equal(lucet_linker_instance(l, "m", NULL), lucet_error_invalid_argument);
    assert_int_equal(lucet_linker_new(NULL), lucet_error_invalid_argument);
    lucet_linker_release(l);
    lucet_linker_release(NULL);
}

/* Authors of modules choose the names: they must not know which collide. */
static void each_linker_has_a_key_of_its_own(void **state)
{
    struct lucet_linker *l;

    (void)state;
    for (int k = 0; k < 2; k++) {
        const unsigned before = random_keys;
        assert_int_equal(lucet_linker_new(&l), lucet_error_ok);
        assert_int_equal(random_keys, before + 1);
        lucet_linker_release(l);
    }
}

static const char user[] = "(module (import \"lib\" \"f\" (func $f (result i32)))"
                           " (func (export \"call\") (result i32) (call $f)))";
static const char library[] = "(module (func (export \"f\") (result i32) (i32.const %d)))";

static struct lucet_instance *add_library(struct set *s, int value)
{
    char wat[128];

    snprintf(wat, sizeof(wat), library, value);
    struct lucet_instance *inst = add(s, wat);
    assert_int_equal(lucet_linker_instance(s->linker, "lib", inst), lucet_error_ok);
    return inst;
}

static void importers_keep_alive_what_they_import_from(void **state)
{
    (void)state;
    guest_begin();
    struct set s = set_up(8);
    lucet_instance_release(add_library(&s, 7));
    assert_int_equal(lucet_region_used_slots(s.region), 1); /* by the linker */
    struct lucet_instance *one = add(&s, user);
    lucet_instance_release(add_library(&s, 8)); /* the name now means another */
    struct lucet_instance *two = add(&s, user);
    assert_int_equal(lucet_region_used_slots(s.region), 4);
    lucet_linker_release(s.linker);
    assert_int_equal(lucet_region_used_slots(s.region), 4);
    assert_int_equal((uint32_t)guest_call(one, "call", 0, NULL), 7);
    assert_int_equal((uint32_t)guest_call(two, "call", 0, NULL), 8);
    lucet_instance_release(one);
    assert_int_equal(lucet_region_used_slots(s.region), 2);
    lucet_instance_release(two);
    assert_int_equal(lucet_region_used_slots(s.region), 0);
    lucet_region_release(s.region);
}

/* Instances come and go around a library that stays: none is kept. */
static void importers_that_let_no_references_out_are_not_kept(void **state)
{
    (void)state;
    guest_begin();
    struct set s = set_up(3);
    struct lucet_instance *lib = add_library(&s, 7);
    struct lucet_dl_module *m = guest_module(user, &guest_default);
    for (int i = 0; i < 100; i++) {
        struct lucet_instance *inst = guest_instance(s.region, m, s.linker, NULL);
        assert_int_equal((uint32_t)guest_call(inst, "call", 0, NULL), 7);
        lucet_instance_release(inst);
        assert_int_equal(lucet_region_used_slots(s.region), 1);
    }
    lucet_dl_module_release(m);
    lucet_instance_release(lib);
    tear_down(&s);
}

/* Whoever has a way to hand its functions or exceptions over lives as long as the one who may have
 * them. */
static void importers_that_may_let_references_out_are_kept(void **state)
{
    static const struct {
        const char *import;
        bool kept;
    } cases[] = {
        {"\"f\" (func (param i32) (result i32))", false},
        {"\"fp\" (func (param i32 funcref))", true},
        {"\"fr\" (func (param i32) (result funcref))", true},
        {"\"fx\" (func (result exnref))", true},
        {"\"fe\" (func (param externref))", false},
        {"\"te\" (table 1 externref)", false},
        {"\"tf\" (table 1 funcref)", true},
        {"\"tx\" (table 1 exnref)", true},
        {"\"gi\" (global (mut i32))", false},
        {"\"gf\" (global funcref)", false},
        {"\"gm\" (global (mut funcref))", true},
        {"\"gx\" (global (mut exnref))", true},
        {"\"m\" (memory 1)", false},
    };

    (void)state;
    guest_begin();
    struct lucet_dl_module *m = guest_module(
        "(module (func (export \"f\") (param i32) (result i32) (local.get 0))"
        " (func (export \"fp\") (param i32 funcref))"
        " (func (export \"fr\") (param i32) (result funcref) (ref.null func))"
        " (func (export \"fx\") (result exnref) (ref.null exn))"
        " (func (export \"fe\") (param externref)) (table (export \"te\") 1 externref)"
        " (table (export \"tf\") 1 funcref) (table (export \"tx\") 1 exnref)"
        " (global (export \"gi\") (mut i32) (i32.const 0))"
        " (global (export \"gf\") funcref (ref.null func))"
        " (global (export \"gm\") (mut funcref) (ref.null func))"
        " (global (export \"gx\") (mut exnref) (ref.null exn)) (memory (export \"m\") 1))",
        &guest_default);
    for (size_t k = 0; k < sizeof(cases) / sizeof(*cases); k++) {
        struct set s = set_up(2);
        char wat[128];
        snprintf(wat, sizeof(wat), "(module (import \"lib\" %s))", cases[k].import);
        struct lucet_instance *lib = guest_instance(s.region, m, NULL, NULL);
        assert_int_equal(lucet_linker_instance(s.linker, "lib", lib), lucet_error_ok);
        lucet_instance_release(add(&s, wat));
        if (lucet_region_used_slots(s.region) != 1u + cases[k].kept)
            fail_msg("%s: %zu slots", cases[k].import, lucet_region_used_slots(s.region));
        lucet_instance_release(lib);
        tear_down(&s);
    }
    lucet_dl_module_release(m);
}

static void functions_in_a_table_keep_their_instance(void **state)
{
    (void)state;
    guest_begin();
    struct set s = set_up(8);
    assert_int_equal(lucet_linker_table(s.linker, "h", "t", lucet_val_type_funcref, 4, 8), 0);
    struct lucet_instance *caller =
        add(&s, "(module (import \"h\" \"t\" (table $t 4 funcref)) (type $v (func (result i32)))"
                " (func (export \"at\") (param i32) (result i32)"
                "   (call_indirect $t (type $v) (local.get 0))))");
    lucet_instance_release(add(&s, "(module (import \"h\" \"t\" (table 4 funcref))"
                                   " (global $g (mut i32) (i32.const 41))"
                                   " (func $f (result i32)"
                                   "   (global.set $g (i32.add (global.get $g) (i32.const 1)))"
                                   "   (global.get $g))"
                                   " (elem (i32.const 1) $f))"));
    /* One whose instantiation fails half-way: what it has written stays, and works. */
    assert_int_equal(try_add(&s, "(module (import \"h\" \"t\" (table 4 funcref)) (memory 1)"
                                 " (func $f (result i32) (i32.load8_u (i32.const 5)))"
                                 " (data (i32.const 5) \"K\")"
                                 " (elem (i32.const 2) $f) (elem (i32.const 9) $f))"),
                     lucet_error_runtime_fault);
    assert_int_equal(lucet_instantiation_trap(), lucet_trapcode_table_out_of_bounds);
    assert_int_equal((uint32_t)guest_call(caller, "at", ARGS(I32(1))), 42);
    assert_int_equal((uint32_t)guest_call(caller, "at", ARGS(I32(1))), 43);
    assert_int_equal((uint32_t)guest_call(caller, "at", ARGS(I32(2))), 0); /* data came after */
    assert_int_equal(guest_trap(caller, "at", ARGS(I32(0))), lucet_trapcode_indirect_call_to_null);
    assert_int_equal(lucet_region_used_slots(s.region), 3);
    lucet_instance_release(caller);
    tear_down(&s); /* the last holder is the linker */
}

/* Each imports from the other through a third: no cycle keeps them for ever. */
static void circles_end(void **state)
{
    (void)state;
    guest_begin();
    struct set s = set_up(8);
    struct lucet_instance *a = add(&s, "(module (table (export \"t\") 4 funcref)"
                                       " (func $f (export \"f\") (result i32) (i32.const 1))"
                                       " (elem (i32.const 0) $f))");
    lucet_linker_instance(s.linker, "a", a);
    struct lucet_instance *b = add(&s, "(module (import \"a\" \"f\" (func $f (result i32)))"
                                       " (memory (export \"m\") 1)"
                                       " (func (export \"g\") (result i32) (call $f)))");
    lucet_linker_instance(s.linker, "b", b);
    struct lucet_instance *c = add(&s, "(module (import \"a\" \"t\" (table 4 funcref))"
                                       " (import \"b\" \"g\" (func $g (result i32)))"
                                       " (import \"b\" \"m\" (memory 1))"
                                       " (elem (i32.const 2) $g))");
    lucet_instance_release(a);
    lucet_instance_release(b);
    assert_int_equal(lucet_region_used_slots(s.region), 3);
    struct lucet_result r;
    assert_int_equal(lucet_instance_run_func_idx(c, 0, 2, 0, NULL, &r), lucet_error_ok);
    assert_int_equal(lucet_retval_gp(&r.val.returned), 1);
    assert_int_equal(lucet_instance_run_func_idx(c, 0, 3, 0, NULL, &r), lucet_error_func_not_found);
    assert_int_equal(lucet_instance_run_func_idx(c, 0, 4, 0, NULL, &r), lucet_error_func_not_found);
    assert_int_equal(lucet_instance_run_func_idx(c, 1, 0, 0, NULL, &r), lucet_error_func_not_found);
    lucet_instance_release(c);
    tear_down(&s);
}

/* A reference that the host carries from one instance to another keeps its instance. */
static void references_carried_by_the_host_stay_valid(void **state)
{
    struct lucet_result r;
    struct lucet_val ref;

    (void)state;
    guest_begin();
    struct set s = set_up(4);
    struct lucet_instance *giver =
        add(&s, "(module (func $f (result i32) (i32.const 77)) (elem declare func $f)"
                " (func (export \"get\") (result funcref) (ref.func $f)))");
    struct lucet_instance *taker = add(
        &s, "(module (table $t 2 funcref) (type $v (func (result i32)))"
            " (func (export \"set\") (param funcref) (table.set $t (i32.const 1) (local.get 0)))"
            " (func (export \"call\") (result i32)"
            "   (call_indirect $t (type $v) (i32.const 1))))");
    assert_int_equal(lucet_instance_call(giver, "get", 3, 0, NULL, 1, &ref, &r), lucet_error_ok);
    assert_int_equal(ref.ty, lucet_val_type_funcref);
    assert_int_equal(lucet_instance_run(taker, "set", 1, &ref, &r), lucet_error_ok);
    lucet_instance_release(giver);
    assert_int_equal(lucet_region_used_slots(s.region), 2);
    assert_int_equal((uint32_t)guest_call(taker, "call", 0, NULL), 77);
    lucet_instance_release(taker);
    tear_down(&s);
}

/* Host functions handed on by an instance, and put in tables by others. */
static int32_t who(struct lucet_vmctx *ctx)
{
    return (int32_t)(intptr_t)lucet_vmctx_get_delegate(ctx);
}

static void host_functions_travel(void **state)
{
    (void)state;
    guest_begin();
    struct set s = set_up(4);
    assert_int_equal(lucet_linker_func(s.linker, "h", "who", ":i", (void (*)(void))who), 0);
    struct lucet_dl_module *m =
        guest_module("(module (import \"h\" \"who\" (func $w (result i32)))"
                     " (export \"again\" (func $w)) (table (export \"t\") 2 funcref)"
                     " (elem (i32.const 0) $w))",
                     &guest_default);
    struct lucet_instance_options o = {.linker = s.linker, .embed_ctx = (void *)1};
    struct lucet_instance *first, *second;
    assert_int_equal(lucet_region_new_instance_with(s.region, m, &o, &first), lucet_error_ok);
    lucet_dl_module_release(m);
    assert_int_equal(lucet_linker_instance(s.linker, "first", first), lucet_error_ok);
    m = guest_module("(module (import \"first\" \"again\" (func $w (result i32)))"
                     " (import \"first\" \"t\" (table $t 2 funcref)) (type $v (func (result i32)))"
                     " (func (export \"direct\") (result i32) (call $w))"
                     " (func (export \"indirect\") (result i32)"
                     "   (call_indirect $t (type $v) (i32.const 0))))",
                     &guest_default);
    o.embed_ctx = (void *)2;
    assert_int_equal(lucet_region_new_instance_with(s.region, m, &o, &second), lucet_error_ok);
    lucet_dl_module_release(m);
    assert_int_equal((uint32_t)guest_call(first, "again", 0, NULL), 1);
    lucet_instance_release(first);
    assert_int_equal((uint32_t)guest_call(second, "direct", 0, NULL), 2);
    assert_int_equal((uint32_t)guest_call(second, "indirect", 0, NULL), 2);
    struct lucet_result r;
    assert_int_equal(lucet_instance_run_func_idx(second, 0, 0, 0, NULL, &r), lucet_error_ok);
    lucet_instance_release(second);
    tear_down(&s);
}

static void globals_are_shared_or_copied(void **state)
{
    struct lucet_val v;

    (void)state;
    guest_begin();
    struct set s = set_up(4);
    assert_int_equal(lucet_linker_global(s.linker, "h", "m", I64(5), true), 0);
    assert_int_equal(lucet_linker_global(s.linker, "h", "c", LUCET_VAL_F32(1.5f), false), 0);
    const char *wat = "(module (import \"h\" \"m\" (global $m (mut i64)))"
                      " (import \"h\" \"c\" (global $c f32)) (global $own f32 (global.get $c))"
                      " (export \"m\" (global $m)) (export \"own\" (global $own))"
                      " (func (export \"inc\")"
                      "   (global.set $m (i64.add (global.get $m) (i64.const 1)))))";
    struct lucet_instance *a = add(&s, wat), *b = add(&s, wat);
    guest_call(a, "inc", 0, NULL);
    guest_call(b, "inc", 0, NULL);
    assert_int_equal(lucet_instance_get_global(a, "m", 1, &v), lucet_error_ok);
    assert_int_equal(v.inner_val.as_i64, 7);
    assert_int_equal(lucet_instance_set_global(b, "m", 1, I64(100)), lucet_error_ok);
    assert_int_equal(lucet_instance_set_global(b, "m", 1, I32(100)), lucet_error_type_mismatch);
    guest_call(a, "inc", 0, NULL);
    assert_int_equal(lucet_instance_get_global(b, "m", 1, &v), lucet_error_ok);
    assert_int_equal(v.inner_val.as_i64, 101);
    assert_int_equal(lucet_instance_get_global(a, "own", 3, &v), lucet_error_ok);
    assert_true(v.ty == lucet_val_type_f32 && v.inner_val.as_f32 == 1.5f);
    assert_int_equal(lucet_instance_set_global(a, "own", 3, v), lucet_error_invalid_argument);
    assert_int_equal(lucet_instance_get_global(a, "inc", 3, &v), lucet_error_symbol_not_found);
    lucet_instance_release(a);
    lucet_instance_release(b);
    tear_down(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(imports_must_have_the_declared_types),
        cmocka_unit_test(bad_registrations_are_refused),
        cmocka_unit_test(each_linker_has_a_key_of_its_own),
        cmocka_unit_test(importers_keep_alive_what_they_import_from),
        cmocka_unit_test(importers_that_let_no_references_out_are_not_kept),
        cmocka_unit_test(importers_that_may_let_references_out_are_kept),
        cmocka_unit_test(functions_in_a_table_keep_their_instance),
        cmocka_unit_test(circles_end),
        cmocka_unit_test(references_carried_by_the_host_stay_valid),
        cmocka_unit_test(host_functions_travel),
        cmocka_unit_test(globals_are_shared_or_copied),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
