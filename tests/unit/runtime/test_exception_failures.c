/* Exceptions when there is no memory, and when something is wrong that compiled code never does:
 * the run ends, nothing is lost, and nobody refers to what is not held. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lucet/exception.h"
#include "run/linked.h"
#include "runtime/activation.h"
#include "runtime/counting.h"
#include "runtime/exception.h"
#include "runtime/instance.h"

static struct lucet_instance *maker;

/* ---- No memory ---- */

/* Throws (5, function, exception); and numbers, with a tag that others do not know. */
static const char maker_wat[] =
    "(module (type $f (func (result i64)))"
    " (import \"host\" \"tag\" (tag $t (param i64 funcref exnref))) (tag $n (param i64))"
    " (global $e (mut exnref) (ref.null exn))"
    " (elem declare func $answer) (func $answer (result i64) (i64.const 42))"
    " (func (export \"function\") (result funcref) (ref.func $answer))"
    " (func $one (result exnref)"
    "   (block $h (result exnref)"
    "     (try_table (catch_all_ref $h) (throw $n (i64.const 8))) unreachable))"
    " (func (export \"throw\") (param i64)"
    "   (if (i64.eqz (local.get 0)) (then (throw $n (i64.const 3))))"
    "   (throw $t (i64.const 5) (ref.func $answer) (ref.null exn)))"
    " (func (export \"throw both\") (param i64)"
    "   (throw $t (i64.const 5) (ref.func $answer) (call $one)))"
    " (func (export \"catch\") (param i64) (result i64)"
    "   (block $h (result i64)"
    "     (try_table (catch $n $h) (throw_ref (call $one))) unreachable)))";
/* Frames that do not look for exceptions. */
static const char passer_wat[] =
    "(module (import \"%s\" \"throw\" (func $throw (param i64)))"
    " (func (export \"throw\") (param i64) (call $throw (local.get 0))))";
static const char taker_wat[] =
    "(module (type $f (func (result i64)))"
    " (import \"host\" \"tag\" (tag $t (param i64 funcref exnref)))"
    " (import \"%s\" \"throw\" (func $throw (param i64))) (import \"host\" \"yield\" (func $yield))"
    " (table $t 1 funcref) (global $e (mut exnref) (ref.null exn))"
    " (func $keep (param funcref exnref)"
    "   (table.set $t (i32.const 0) (local.get 0)) (global.set $e (local.get 1)))"
    " (func (export \"take\") (param i64) (result i64)"
    "   (block $all"
    "     (block $h (result i64 funcref exnref)"
    "       (try_table (catch $t $h) (catch_all $all) (call $throw (local.get 0)))"
    "       (return (i64.const 0)))"
    "     (return (call $keep)))"
    "   (i64.const 6))"
    " (func (export \"take unknown\") (param i64) (result i64)"
    "   (block $h (result exnref)"
    "     (try_table (catch_all_ref $h) (call $throw (local.get 0))) (return (i64.const 0)))"
    "   (global.set $e)"
    "   (block $h2 (try_table (catch_all $h2) (throw_ref (global.get $e)))) (i64.const 7))"
    " (func (export \"swallow and yield\") (param i64) (result i64)"
    "   (block $h (try_table (catch_all $h) (call $throw (local.get 0)))) (call $yield)"
    "   (i64.const 8))"
    " (func (export \"trap\") (param i64) (result i64) (call $throw (local.get 0)) unreachable)"
    " (func (export \"use\") (result i64) (call_indirect (type $f) (i32.const 0))))";

static enum lucet_error host_error;

/* What the maker throws, thrown by the host; from 100 on, one of the host's own with the maker's
 * function. */
static void host_throw(struct lucet_vmctx *ctx, int64_t n)
{
    struct lucet_result r;
    struct lucet_val values[3] = {I64(5), {0}, {.ty = lucet_val_type_exnref}};
    struct lucet_exception *e;

    if (n < 100) {
        host_error = lucet_instance_run(maker, "throw", ARGS(I64(n)), &r);
        if (host_error == lucet_error_runtime_threw)
            host_error = lucet_vmctx_throw(ctx, r.val.threw.exception);
        return;
    }
    host_error = lucet_instance_call(maker, "function", 8, 0, NULL, 1, &values[1], &r);
    if (host_error == lucet_error_ok)
        host_error = lucet_exception_new(linked_tag, 3, values, &e);
    if (host_error != lucet_error_ok)
        return;
    host_error = lucet_vmctx_throw(ctx, e);
    lucet_exception_release(e);
}

static void host_yield(struct lucet_vmctx *ctx)
{
    lucet_vmctx_yield(ctx, NULL);
}

struct instances {
    struct linked s;
    struct lucet_instance *passer, *taker;
};

/* Each compiled once. */
static struct compiled {
    char wat[3000];
    uint8_t *artifact;
    size_t size;
} compiled[16];

static struct lucet_instance *add(struct linked *s, const char *name, const char *format,
                                  const char *from)
{
    struct compiled *c = compiled;
    struct lucet_dl_module *m;
    char wat[sizeof(c->wat)];

    snprintf(wat, sizeof wat, format, from);
    while (c->artifact && strcmp(c->wat, wat) != 0)
        c++;
    assert_true(c < compiled + sizeof(compiled) / sizeof(*compiled));
    if (!c->artifact) {
        memcpy(c->wat, wat, sizeof wat);
        c->artifact = guest_artifact(wat, s->mode, &c->size);
    }
    assert_int_equal(lucet_dl_module_load_bytes(c->artifact, c->size, &m), lucet_error_ok);
    struct lucet_instance *inst = guest_instance(s->region, m, s->linker, s);
    lucet_dl_module_release(m);
    if (name)
        assert_int_equal(lucet_linker_instance(s->linker, name, inst), lucet_error_ok);
    return inst;
}

/* `from`: whom the taker calls. */
static struct instances begin(const char *from)
{
    struct instances i = {.s = linked_first()};

    i.s.mode = &guest_default;
    assert_int_equal(lucet_tag_new("Irx:", &linked_tag), lucet_error_ok);
    assert_int_equal(lucet_linker_tag(i.s.linker, "host", "tag", linked_tag), lucet_error_ok);
    linked_host(&i.s, "throw", "I:", host_throw);
    linked_host(&i.s, "yield", ":", host_yield);
    if (strcmp(from, "host") == 0) { /* then nothing has linked them with anybody */
        maker = add(&i.s, NULL, maker_wat, NULL);
    } else {
        maker = add(&i.s, "maker", maker_wat, NULL);
        i.passer = add(&i.s, "maker's passer", passer_wat, "maker");
        lucet_instance_release(add(&i.s, "host's passer", passer_wat, "host"));
    }
    i.taker = add(&i.s, NULL, taker_wat, from);
    lucet_linker_release(i.s.linker);
    i.s.linker = NULL;
    return i;
}

static void end(struct instances *i)
{
    lucet_instance_release(i->passer);
    lucet_instance_release(i->taker);
    lucet_instance_release(maker);
    lucet_tag_release(linked_tag);
    i->s.mode = &guest_modes[GUEST_MODES - 1]; /* no other */
    i->s = linked_next(&i->s);
}

/* Begins each test; the first leaves what the first instances leave for all that follow. */
static void warm_up(void)
{
    static bool warm;

    guest_begin();
    if (warm)
        return;
    struct instances i = begin("maker");
    guest_call(i.taker, "take", ARGS(I64(1)));
    end(&i);
    warm = true;
}

/* Whether it went well; else it has said so. */
static bool takes(enum lucet_error e, const struct lucet_result *r, bool failed, uint64_t expected)
{
    if (e == lucet_error_ok && failed && lucet_retval_gp(&r->val.returned) == 0) {
        if (host_error != lucet_error_no_memory)
            assert_int_equal(host_error, lucet_error_runtime_fault);
        return false;
    }
    if (e == lucet_error_ok) {
        assert_int_equal(lucet_retval_gp(&r->val.returned), expected);
        assert_false(failed); /* nothing here can do without */
        return true;
    }
    assert_true(failed);
    if (e != lucet_error_no_memory) {
        assert_int_equal(e, lucet_error_runtime_fault);
        assert_int_equal(r->val.faulted.trapcode, lucet_trapcode_exceptions_exhausted);
        assert_true(r->val.faulted.backtrace_len > 0);
    }
    return false;
}

/* Each allocation on the way fails once. What is taken is held, whatever failed. */
static void each_allocation_may_fail(const char *from, const char *function, int64_t n,
                                     uint64_t expected)
{
    bool failed = true;

    for (long k = 0; failed; k++) {
        const long blocks = counting_counts.blocks;
        struct instances i = begin(from);
        struct lucet_result r;
        counting_counts.fails_after = k;
        const enum lucet_error e = lucet_instance_run(i.taker, function, ARGS(I64(n)), &r);
        failed = counting_counts.fails_after < 0;
        counting_counts.fails_after = -1;
        if (takes(e, &r, failed, expected) && expected == 5) {
            lucet_instance_release(maker);
            maker = NULL;
            assert_int_equal(guest_call(i.taker, "use", 0, NULL), 42);
        }
        end(&i);
        assert_int_equal(counting_counts.blocks, blocks);
    }
}

static void catching_without_memory_ends_the_run_or_is_whole(void **state)
{
    static const char *const from[] = {"maker", "host", "maker's passer", "host's passer"};

    (void)state;
    warm_up();
    for (size_t k = 0; k < sizeof(from) / sizeof(*from); k++) {
        each_allocation_may_fail(from[k], "take", 1, 5);
        each_allocation_may_fail(from[k], "take", 0, 6);
        each_allocation_may_fail(from[k], "take unknown", 0, 7);
        if (k % 2)
            each_allocation_may_fail(from[k], "take", 100, 5);
    }
}

/* Out of the run it goes only as an object. */
static void throwing_out_of_a_run_without_memory_is_a_fault(void **state)
{
    static const char *const names[] = {"throw", "throw both"};

    (void)state;
    warm_up();
    for (int over = 0; over < 2; over++)
        for (int both = 0; both < 2 - over; both++)
            for (int64_t n = 0; n < 2; n++) {
                bool failed = true;
                for (long k = 0; failed; k++) {
                    const long blocks = counting_counts.blocks;
                    struct instances i = begin("maker");
                    struct lucet_result r;
                    counting_counts.fails_after = k;
                    const enum lucet_error e =
                        lucet_instance_run(over ? i.passer : maker, names[both], ARGS(I64(n)), &r);
                    failed = counting_counts.fails_after < 0;
                    counting_counts.fails_after = -1;
                    assert_int_equal(e, failed ? lucet_error_runtime_fault
                                               : lucet_error_runtime_threw);
                    if (failed)
                        assert_int_equal(r.val.faulted.trapcode,
                                         lucet_trapcode_exceptions_exhausted);
                    else
                        assert_int_equal(lucet_exception_count(r.val.threw.exception),
                                         n == 0 && !both ? 1 : 3);
                    end(&i);
                    assert_int_equal(counting_counts.blocks, blocks);
                    assert_true(k > 0 || failed);
                }
            }
}

/* The set is made when it is needed first. */
static void catching_by_reference_without_memory_ends_the_run(void **state)
{
    bool failed = true;

    (void)state;
    warm_up();
    for (long k = 0; failed; k++) {
        const long blocks = counting_counts.blocks;
        struct instances i = begin("maker");
        struct lucet_result r;
        counting_counts.fails_after = k;
        const enum lucet_error e = lucet_instance_run(maker, "catch", ARGS(I64(0)), &r);
        failed = counting_counts.fails_after < 0;
        counting_counts.fails_after = -1;
        assert_int_equal(e, failed ? lucet_error_runtime_fault : lucet_error_ok);
        end(&i);
        assert_int_equal(counting_counts.blocks, blocks);
        assert_true(k > 0 || failed);
    }
}

static struct lucet_exception *object_of(struct lucet_instance *i, const char *name)
{
    struct lucet_result r;
    struct lucet_val v;

    assert_int_equal(lucet_instance_call(i, name, strlen(name), 0, NULL, 1, &v, &r),
                     lucet_error_ok);
    return (struct lucet_exception *)(uintptr_t)v.inner_val.as_ref;
}

static struct lucet_exception *given;

static uint64_t host_give(struct lucet_vmctx *ctx)
{
    uint64_t ref = 5;

    host_error = lucet_vmctx_exnref(ctx, given, &ref);
    if (host_error != lucet_error_ok)
        assert_int_equal(ref, 0);
    return ref;
}

/* To an instance that has no set yet, or one that has: as an argument, or from a host function. */
static void giving_without_memory_gives_nothing(void **state)
{
    static const char wat[] =
        "(module (import \"host\" \"give\" (func $give (result exnref))) (tag $n (param i64))"
        " (elem declare func $f) (func $f)"
        " (func (export \"argument\") (param exnref) (result i32) (ref.is_null (local.get 0)))"
        " (func (export \"given\") (param exnref) (result i32) (ref.is_null (call $give)))"
        " (tag $f (param funcref))"
        " (func (export \"function\") (result funcref) (ref.func $f))"
        " (func (export \"make\") (result exnref)"
        "   (block $h (result exnref)"
        "     (try_table (catch_all_ref $h) (throw $n (i64.const 3))) unreachable))"
        " (func (export \"make with function\") (result exnref)"
        "   (block $h (result exnref)"
        "     (try_table (catch_all_ref $h) (throw $f (ref.func $f))) unreachable)))";
    static const char *const names[] = {"argument", "given"};

    (void)state;
    warm_up();
    for (unsigned k = 0; k < 12; k++) {
        const unsigned made = k / 4; /* by a guest, by the host, by a guest with a function */
        bool failed = true;
        for (long n = 0; failed; n++) {
            const long blocks = counting_counts.blocks;
            struct linked s = linked_first();
            struct lucet_val values[3] = {I64(5), {0}, {.ty = lucet_val_type_exnref}};
            struct lucet_result r;
            s.mode = &guest_default;
            linked_host(&s, "give", ":x", (void *)host_give);
            struct lucet_instance *one = add(&s, NULL, wat, NULL), *two = add(&s, NULL, wat, NULL);
            if (k & 1)
                object_of(two, "make");
            if (made == 1) { /* with a function, too */
                assert_int_equal(lucet_tag_new("Irx:", &linked_tag), lucet_error_ok);
                assert_int_equal(
                    lucet_instance_call(one, "function", 8, 0, NULL, 1, &values[1], &r),
                    lucet_error_ok);
                assert_int_equal(lucet_exception_new(linked_tag, 3, values, &given),
                                 lucet_error_ok);
                lucet_tag_release(linked_tag);
            } else {
                given = object_of(one, made ? "make with function" : "make");
                lucet_exception_retain(given);
            }
            const struct lucet_val arg = LUCET_VAL(exnref, as_ref, k & 2 ? NULL : given);
            host_error = lucet_error_ok;
            counting_counts.fails_after = n;
            const enum lucet_error e = lucet_instance_run(two, names[(k & 2) / 2], 1, &arg, &r);
            failed = counting_counts.fails_after < 0;
            counting_counts.fails_after = -1;
            if (e == lucet_error_ok && host_error == lucet_error_ok) {
                assert_int_equal(lucet_retval_gp(&r.val.returned), 0);
                lucet_instance_release(one);
                one = NULL;
                assert_int_equal(lucet_region_used_slots(s.region), made ? 2 : 1);
            } else {
                assert_true(failed);
                if (e == lucet_error_runtime_fault)
                    assert_int_equal(r.val.faulted.trapcode, lucet_trapcode_exceptions_exhausted);
                else
                    assert_int_equal(k & 2 ? host_error : e, lucet_error_no_memory);
            }
            lucet_instance_release(one);
            lucet_instance_release(two);
            lucet_exception_release(given);
            s.mode = &guest_modes[GUEST_MODES - 1]; /* no other */
            linked_next(&s);
            assert_int_equal(counting_counts.blocks, blocks);
            assert_true(n > 0 || failed);
        }
    }
}

/* ---- Ends of runs ---- */

/* Whatever becomes of the run, the exception that it had on its way is let go; by handle, too. */
static void what_was_on_its_way_is_let_go(void **state)
{
    static const char *const from[] = {"maker", "host"};

    (void)state;
    warm_up();
    for (int k = 0; k < 2; k++) {
        const long all = counting_counts.blocks;
        struct instances i = begin(from[k]);
        struct lucet_result r;
        struct lucet_func f;
        lucet_instance_set_continue_after_fault(i.taker, true);
        assert_int_equal(lucet_dl_module_func(i.taker->module, "take", "I:I", &f), lucet_error_ok);
        long blocks = 0;
        for (int n = 0; n < 5; n++) {
            union lucet_raw raw[1] = {{.i64 = 0}};
            assert_int_equal(guest_call(i.taker, "take", ARGS(I64(0))), 6);
            assert_int_equal(lucet_func_call(&f, i.taker, raw, &r), lucet_error_ok);
            assert_int_equal(raw[0].i64, 6);
            assert_int_equal(lucet_instance_run(i.taker, "trap", ARGS(I64(0)), &r),
                             lucet_error_runtime_threw);
            for (int reset = 0; reset < 2; reset++) {
                assert_int_equal(lucet_instance_run(i.taker, "swallow and yield", ARGS(I64(0)), &r),
                                 lucet_error_ok);
                assert_int_equal(r.tag, lucet_result_tag_yielded);
                if (!reset) {
                    assert_int_equal(lucet_instance_resume(i.taker, NULL, &r), lucet_error_ok);
                    assert_int_equal(lucet_retval_gp(&r.val.returned), 8);
                }
                assert_int_equal(lucet_instance_reset(i.taker), lucet_error_ok);
            }
            if (n == 0)
                blocks = counting_counts.blocks;
            assert_int_equal(counting_counts.blocks, blocks);
        }
        /* And when it ends where it was put aside. */
        assert_int_equal(lucet_instance_run(i.taker, "swallow and yield", ARGS(I64(0)), &r),
                         lucet_error_ok);
        end(&i);
        assert_int_equal(counting_counts.blocks, all);
    }
}

/* ---- What compiled code never does ---- */

/* Writes what no guest can: the identity of a tag that nobody has, as that of an exception on its
 * way. */
static void host_forge(struct lucet_vmctx *ctx)
{
    assert_non_null(ctx->exception);
    ctx->exception->tag = 0x1234567;
}

static uint64_t host_number(struct lucet_vmctx *ctx)
{
    (void)ctx;
    return 0x1234567;
}

static void an_exception_without_a_tag_ends_the_run(void **state)
{
    static const char forger[] =
        "(module (import \"host\" \"forge\" (func $forge)) (import \"maker\" \"throw\""
        "   (func $throw (param i64)))"
        " (import \"host\" \"number\" (func $number (result exnref))) (tag $own)"
        " (func $swallow (block $h (try_table (catch_all $h) (call $throw (i64.const 0)))))"
        " (func (export \"out\") (call $forge))"
        " (func (export \"catch\")"
        "   (block $h (result exnref) (try_table (catch_all_ref $h) (call $forge)) (return)) "
        "(drop))"
        " (func (export \"swallow, out\") (call $swallow) (call $forge))"
        " (func (export \"swallow, catch\") (call $swallow)"
        "   (block $h (result exnref) (try_table (catch_all_ref $h) (call $forge)) (return)) "
        "(drop))"
        " (func (export \"number\") (throw_ref (call $number)))"
        " (func (export \"fine\") (result i32)"
        "   (block $h (try_table (catch $own $h) (throw $own)) unreachable) (i32.const 1)))";
    static const char caller[] =
        "(module (import \"forger\" \"out\" (func $out)) (tag $own)"
        " (func (export \"between\") (block $h (try_table (catch_all $h) (call $out)))))";
    static const char *const names[] = {"out", "catch", "swallow, out", "swallow, catch", "number"};

    (void)state;
    warm_up();
    EACH_MODE(s)
    {
        linked_host(&s, "forge", ":", host_forge);
        linked_host(&s, "number", ":x", (void *)host_number);
        assert_int_equal(lucet_tag_new("Irx:", &linked_tag), lucet_error_ok);
        assert_int_equal(lucet_linker_tag(s.linker, "host", "tag", linked_tag), lucet_error_ok);
        maker = linked_add(&s, "maker", maker_wat);
        struct lucet_instance *f = linked_add(&s, "forger", forger),
                              *c = linked_add(&s, NULL, caller);
        lucet_instance_set_continue_after_fault(f, true);
        lucet_instance_set_continue_after_fault(c, true);
        for (int n = 0; n < 2; n++) {
            for (size_t k = 0; k < sizeof(names) / sizeof(*names); k++) {
                assert_int_equal(guest_trap(f, names[k], 0, NULL), lucet_trapcode_unknown);
                assert_int_equal(guest_call(f, "fine", 0, NULL), 1);
            }
            assert_int_equal(guest_trap(c, "between", 0, NULL), lucet_trapcode_unknown);
        }
        lucet_tag_release(linked_tag);
        lucet_instance_release(maker);
        lucet_instance_release(f);
        lucet_instance_release(c);
    }
}

/* Control is never given to a catcher that is not on the guest's stack, above. */
static int where;

static void host_throw_into_nothing(struct lucet_vmctx *ctx, int64_t n)
{
    static _Alignas(16) char elsewhere[sizeof(struct lucet_catcher)];
    const struct activation *act = lucet__thread.current;
    struct lucet_catcher *c = lucet__thread.abi.catcher;
    const struct lucet_catcher copy = *c;

    host_throw(ctx, n);
    switch (where) {
    case 0: return;
    case 1: c = (void *)elsewhere; break;
    case 2: c = (void *)((char *)act->stack_low + 64); break;
    case 3: c = (void *)((char *)act->stack_high - sizeof(*c) + 8); break;
    }
    memcpy(c, &copy, where == 3 ? sizeof(*c) - 8 : sizeof(*c)); /* up to the end of the stack */
    lucet__thread.abi.catcher = c;
}

static void a_catcher_that_is_nowhere_ends_the_process(void **state)
{
    (void)state;
    warm_up();
    for (where = 0; where < 4; where++) {
        struct linked s = linked_first();
        s.mode = &guest_default;
        assert_int_equal(lucet_tag_new("Irx:", &linked_tag), lucet_error_ok);
        assert_int_equal(lucet_linker_tag(s.linker, "host", "tag", linked_tag), lucet_error_ok);
        linked_host(&s, "throw", "I:", host_throw_into_nothing);
        linked_host(&s, "yield", ":", host_yield);
        maker = linked_add(&s, "maker", maker_wat);
        struct lucet_instance *p = add(&s, "passer", passer_wat, "host");
        struct lucet_instance *t = add(&s, NULL, taker_wat, "passer");
        fflush(NULL);
        const pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            struct lucet_result r;
            signal(SIGABRT, SIG_DFL);
            _exit(lucet_instance_run(t, "take", ARGS(I64(1)), &r) != lucet_error_ok ||
                  lucet_retval_gp(&r.val.returned) != 5);
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        if (where == 0)
            assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        else
            assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
        lucet_instance_release(p);
        lucet_instance_release(t);
        lucet_instance_release(maker);
        lucet_tag_release(linked_tag);
        s.mode = &guest_modes[GUEST_MODES - 1]; /* no other */
        linked_next(&s);
    }
}

static int clean_up(void **state)
{
    (void)state;
    for (struct compiled *c = compiled; c->artifact; c++)
        free(c->artifact);
    return counting_counts.blocks != 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(catching_without_memory_ends_the_run_or_is_whole),
        cmocka_unit_test(throwing_out_of_a_run_without_memory_is_a_fault),
        cmocka_unit_test(catching_by_reference_without_memory_ends_the_run),
        cmocka_unit_test(giving_without_memory_gives_nothing),
        cmocka_unit_test(what_was_on_its_way_is_let_go),
        cmocka_unit_test(an_exception_without_a_tag_ends_the_run),
        cmocka_unit_test(a_catcher_that_is_nowhere_ends_the_process),
    };

    if (lucet_set_allocator(&counting_allocator) != lucet_error_ok)
        return 1;
    return cmocka_run_group_tests(tests, NULL, clean_up);
}
