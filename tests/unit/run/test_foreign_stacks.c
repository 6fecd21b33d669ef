/* Runs that the host begins on stacks of its own making, as coroutines do: they return, fault, time
 * out and yield like others, and a host function may go to another coroutine that runs guests, if
 * these runs have ended when it comes back (docs/embedding.md, Threads). */
#include <stdlib.h>
#include <ucontext.h>

#include "guest.h"

enum { STACK_SIZE = 256 << 10, ROUNDS = 50 };

static const char wat[] =
    "(module (import \"h\" \"other\" (func $other (param i64) (result i64)))"
    " (import \"h\" \"yield\" (func $yield (param i64) (result i64)))"
    " (memory 1)"
    " (func $deep (export \"deep\") (param $n i64) (result i64)"
    "   (if (result i64) (i64.eqz (local.get $n)) (then (i64.const 1))"
    "     (else (i64.add (i64.const 2) (call $deep (i64.sub (local.get $n) (i64.const 1)))))))"
    " (func (export \"bounds\") (param i64) (result i64) (i64.load (i32.wrap_i64 (local.get 0))))"
    " (func $forever (export \"forever\") (param i64) (result i64) (loop $l (br $l)) unreachable)"
    " (func $for_long (export \"endless\") (param i64) (result i64)"
    "   (i64.add (call $for_long (local.get 0)) (i64.const 1)))"
    " (func (export \"nest\") (param i64) (result i64)"
    "   (i64.add (call $other (local.get 0)) (i64.const 1000)))"
    " (func (export \"yield\") (param i64) (result i64)"
    "   (i64.add (call $yield (local.get 0)) (i64.const 7))))";

static struct coroutine {
    ucontext_t here, back;
    struct lucet_instance *inst;
    const char *name;
    int64_t arg;
    enum lucet_error error;
    struct lucet_result result;
} *current;

static void body(void)
{
    struct coroutine *c = current;

    c->error = lucet_instance_run(c->inst, c->name, ARGS(I64(c->arg)), &c->result);
}

/* On a new stack, of which nothing is left afterwards. */
static void run(struct coroutine *c, struct lucet_instance *inst, const char *name, int64_t arg)
{
    struct coroutine *outer = current;
    void *stack = malloc(STACK_SIZE);

    assert_non_null(stack);
    c->inst = inst;
    c->name = name;
    c->arg = arg;
    assert_int_equal(getcontext(&c->here), 0);
    c->here.uc_stack.ss_sp = stack;
    c->here.uc_stack.ss_size = STACK_SIZE;
    c->here.uc_link = &c->back;
    makecontext(&c->here, body, 0);
    current = c;
    assert_int_equal(swapcontext(&c->back, &c->here), 0);
    current = outer;
    memset(stack, 0xaa, STACK_SIZE);
    free(stack);
}

static uint64_t returned(struct lucet_instance *inst, const char *name, int64_t arg)
{
    struct coroutine c;

    run(&c, inst, name, arg);
    assert_int_equal(c.error, lucet_error_ok);
    assert_int_equal(c.result.tag, lucet_result_tag_returned);
    return lucet_retval_gp(&c.result.val.returned);
}

static void faulted(struct lucet_instance *inst, const char *name, enum lucet_trapcode code)
{
    struct coroutine c;

    run(&c, inst, name, -16);
    assert_int_equal(c.error, lucet_error_runtime_fault);
    assert_int_equal(c.result.val.faulted.trapcode, code);
    assert_true(c.result.val.faulted.backtrace_len > 0);
    assert_int_equal(lucet_instance_reset(inst), lucet_error_ok);
}

static struct lucet_instance *neighbour;

/* Other guests, on another coroutine, while this one's host function runs. */
static int64_t other(struct lucet_vmctx *ctx, int64_t n)
{
    const int64_t deep = (int64_t)returned(neighbour, "deep", n);

    (void)ctx;
    faulted(neighbour, "bounds", lucet_trapcode_heap_out_of_bounds);
    return deep;
}

static int64_t yield(struct lucet_vmctx *ctx, int64_t n)
{
    return (int64_t)(intptr_t)lucet_vmctx_yield(ctx, (void *)(intptr_t)n);
}

struct set {
    struct lucet_region *region;
    struct lucet_linker *linker;
    struct lucet_dl_module *module;
    struct lucet_instance *inst;
};

static int set_up(void **state)
{
    static struct set s;

    guest_begin();
    s.region = guest_region(2);
    assert_int_equal(lucet_linker_new(&s.linker), lucet_error_ok);
    assert_int_equal(lucet_linker_func(s.linker, "h", "other", "I:I", (void (*)(void))other),
                     lucet_error_ok);
    assert_int_equal(lucet_linker_func(s.linker, "h", "yield", "I:I", (void (*)(void))yield),
                     lucet_error_ok);
    s.module = guest_module(wat, &guest_default);
    s.inst = guest_instance(s.region, s.module, s.linker, NULL);
    neighbour = guest_instance(s.region, s.module, s.linker, NULL);
    *state = &s;
    return 0;
}

static int tear_down(void **state)
{
    struct set *s = *state;

    lucet_instance_release(s->inst);
    lucet_instance_release(neighbour);
    lucet_dl_module_release(s->module);
    lucet_linker_release(s->linker);
    lucet_region_release(s->region);
    return 0;
}

static void runs_end_as_elsewhere(void **state)
{
    struct set *s = *state;

    guest_begin();
    for (int i = 0; i < ROUNDS; i++) {
        assert_int_equal(returned(s->inst, "deep", 100), 201);
        faulted(s->inst, "bounds", lucet_trapcode_heap_out_of_bounds);
        faulted(s->inst, "endless", lucet_trapcode_stack_overflow);
        assert_int_equal(guest_call(s->inst, "deep", ARGS(I64(10))), 21);
    }
}

static void time_limits_hold(void **state)
{
    struct set *s = *state;
    struct coroutine c;

    guest_begin();
    assert_int_equal(lucet_instance_set_timeout(s->inst, 20), lucet_error_ok);
    run(&c, s->inst, "forever", 0);
    assert_int_equal(c.error, lucet_error_runtime_terminated);
    assert_int_equal(c.result.val.terminated.reason, lucet_terminated_reason_timeout);
    assert_int_equal(lucet_instance_set_timeout(s->inst, 0), lucet_error_ok);
    assert_int_equal(lucet_instance_reset(s->inst), lucet_error_ok);
}

static void host_functions_go_to_other_coroutines(void **state)
{
    struct set *s = *state;

    guest_begin();
    for (int i = 0; i < ROUNDS; i++)
        assert_int_equal(returned(s->inst, "nest", 5), 1011);
}

/* The stack on which the run began is gone when it goes on. */
static void runs_that_yield_go_on_elsewhere(void **state)
{
    struct set *s = *state;
    struct lucet_result r;
    struct coroutine c;

    guest_begin();
    for (int i = 0; i < ROUNDS; i++) {
        run(&c, s->inst, "yield", 30);
        assert_int_equal(c.error, lucet_error_ok);
        assert_int_equal(c.result.tag, lucet_result_tag_yielded);
        assert_int_equal((intptr_t)c.result.val.yielded.val, 30);
        assert_int_equal(lucet_instance_resume(s->inst, (void *)(intptr_t)(40 + i), &r),
                         lucet_error_ok);
        assert_int_equal(r.tag, lucet_result_tag_returned);
        assert_int_equal(lucet_retval_gp(&r.val.returned), 47 + i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(runs_end_as_elsewhere, set_up, tear_down),
        cmocka_unit_test_setup_teardown(time_limits_hold, set_up, tear_down),
        cmocka_unit_test_setup_teardown(host_functions_go_to_other_coroutines, set_up, tear_down),
        cmocka_unit_test_setup_teardown(runs_that_yield_go_on_elsewhere, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
