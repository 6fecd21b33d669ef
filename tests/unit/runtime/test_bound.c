/* What calls by handle find as the last one on the thread left it (`bound` of struct thread): whose
 * it is, and after what it is nobody's. */
#include <pthread.h>
#include <stdio.h>

#include "run/guest.h"
#include "runtime/activation.h"
#include "runtime/instance.h"
#include "runtime/same_place.h"
#include "runtime/stop.h"
#include "runtime/x86_64/machine.h"

static const char wat[] =
    "(module (import \"h\" \"f\" (func $f)) (memory 1)"
    " (func (export \"closed\") (result i32) (i32.const 7))"
    " (func (export \"open\") (result i32)"
    "   (i32.store (i32.const 0) (i32.const 8)) (call $f) (i32.load (i32.const 0)))"
    " (func (export \"load\") (param i32) (result i32) (i32.load (local.get 0)))"
    " (func (export \"trap\") (result i32) unreachable)"
    " (func (export \"open trap\") (result i32) (call $f) unreachable))";

static const char shared_wat[] =
    "(module (import \"h\" \"f\" (func $f)) (import \"o\" \"m\" (memory 1))"
    " (func (export \"closed\") (result i32) (i32.const 7))"
    " (func (export \"open\") (result i32) (call $f) (i32.const 8)))";

static struct lucet_region *region;
static struct lucet_linker *linker;
static struct lucet_dl_module *module;
static struct lucet_func closed, open_func, trap;
static struct lucet_instance *within; /* the host function calls it */
static bool yields;

/* What holds while the host function runs. */
static struct {
    const struct lucet_activation *abi;
    const uint8_t *limit;
} seen;

static int32_t call(const struct lucet_func *f, struct lucet_instance *i)
{
    union lucet_raw v = {.i32 = 0};

    assert_int_equal(lucet_func_call(f, i, &v, NULL), lucet_error_ok);
    return v.i32;
}

static void host(struct lucet_vmctx *ctx)
{
    seen.abi = atomic_load(&lucet_vmctx_instance(ctx)->stop->abi);
    seen.limit = lucet__thread.abi.hostcall_limit;
    if (within)
        assert_int_equal(call(&closed, within), 7);
    if (yields)
        lucet_vmctx_yield(ctx, NULL);
}

static struct lucet_region *region_with(uint64_t hostcall_reservation)
{
    struct lucet_alloc_limits limits = lucet_alloc_limits_default();
    struct lucet_region *r;

    limits.hostcall_reservation = hostcall_reservation;
    assert_int_equal(lucet_mmap_region_create(4, &limits, &r), lucet_error_ok);
    return r;
}

static void begin(void)
{
    guest_begin();
    within = NULL;
    yields = false;
    region = region_with(32 << 10);
    module = guest_module(wat, &guest_default);
    assert_int_equal(lucet_linker_new(&linker), lucet_error_ok);
    assert_int_equal(lucet_linker_func(linker, "h", "f", ":", (void (*)(void))host), 0);
    assert_int_equal(lucet_dl_module_func(module, "closed", ":i", &closed), 0);
    assert_int_equal(lucet_dl_module_func(module, "open", ":i", &open_func), 0);
    assert_int_equal(lucet_dl_module_func(module, "trap", ":i", &trap), 0);
    assert_int_equal(closed.effects, LUCET_FUNC_CLOSED | LUCET_FUNC_QUIET);
}

static void end(void)
{
    lucet_linker_release(linker);
    lucet_dl_module_release(module);
    lucet_region_release(region);
}

/* By calls of the closed function: it writes nothing of what the open one needs. The first on a
 * thread goes the general way. */
static void bind_to(struct lucet_instance *i)
{
    if (!lucet__thread.ready)
        call(&closed, i);
    assert_int_equal(call(&closed, i), 7);
    assert_ptr_equal(lucet__thread.bound, i);
}

static void is_at_home(struct lucet_instance *i)
{
    memset(&seen, 0, sizeof(seen));
    assert_int_equal(call(&open_func, i), 8);
    assert_ptr_equal(seen.abi, &lucet__thread.abi);
    assert_ptr_equal(seen.limit, i->hostcall_limit);
}

static void another_in_the_place_of_one_that_is_gone(void **state)
{
    begin();
    (void)state;
    struct lucet_region *first = region_with(32 << 10), *second;
    struct lucet_instance *i = guest_instance(first, module, linker, NULL);
    const void *place = i;
    bind_to(i);
    lucet_instance_release(i);
    lucet_region_release(first);

    second = region_with(16 << 10);
    i = guest_instance(second, module, linker, NULL);
    assert_ptr_equal(i, place);
    assert_ptr_equal(lucet__thread.bound, i);
    is_at_home(i);
    lucet_instance_release(i);
    lucet_region_release(second);
    end();
}

static void *at_home_here(void *i)
{
    is_at_home(i);
    return NULL;
}

static void one_that_was_on_another_thread(void **state)
{
    begin();
    (void)state;
    struct lucet_instance *i = guest_instance(region, module, linker, NULL);
    for (int round = 0; round < 3; round++) {
        pthread_t thread;
        bind_to(i);
        assert_int_equal(pthread_create(&thread, NULL, at_home_here, i), 0);
        pthread_join(thread, NULL);
        assert_ptr_equal(lucet__thread.bound, i); /* so it thinks */
        is_at_home(i);
    }
    lucet_instance_release(i);
    end();
}

static void run_by_name(struct lucet_instance *i)
{
    struct lucet_result r;

    assert_int_equal(lucet_instance_run(i, "closed", 0, NULL, &r), lucet_error_ok);
}

static void fault(struct lucet_instance *i)
{
    union lucet_raw v;

    assert_int_equal(lucet_func_call(&trap, i, &v, NULL), lucet_error_runtime_fault);
    assert_int_equal(lucet_instance_reset(i), lucet_error_ok);
}

static void yield_and_go_on(struct lucet_instance *i)
{
    union lucet_raw v;
    struct lucet_result r;

    yields = true;
    assert_int_equal(lucet_func_call(&open_func, i, &v, &r), lucet_error_ok);
    yields = false;
    assert_int_equal(r.tag, lucet_result_tag_yielded);
    assert_ptr_equal(lucet__thread.bound, LUCET__UNBOUND);
    assert_int_equal(lucet_instance_resume(i, NULL, &r), lucet_error_ok);
}

static void run_itself_within(struct lucet_instance *i)
{
    within = i;
    assert_int_equal(call(&open_func, i), 8);
    within = NULL;
}

static void detach(struct lucet_instance *i)
{
    (void)i;
    assert_int_equal(lucet_thread_detach(), lucet_error_ok);
}

static void nobody_after_all_that_is_not_plain(void **state)
{
    void (*const not_plain[])(struct lucet_instance *) = {run_by_name, fault, yield_and_go_on,
                                                          run_itself_within, detach};

    begin();
    (void)state;
    struct lucet_instance *one = guest_instance(region, module, linker, NULL);
    struct lucet_instance *other = guest_instance(region, module, linker, NULL);
    for (size_t k = 0; k < sizeof(not_plain) / sizeof(*not_plain); k++) {
        bind_to(one);
        not_plain[k](other);
        assert_ptr_equal(lucet__thread.bound, LUCET__UNBOUND);
        is_at_home(one);
        not_plain[k](one);
        assert_ptr_equal(lucet__thread.bound, LUCET__UNBOUND);
        bind_to(one);
        assert_null(lucet__thread.abi.guest_frame); /* or kills would take it for the host's */
        is_at_home(one);
    }
    lucet_instance_release(one);
    lucet_instance_release(other);
    end();
}

/* The outer one finds its memory, and where its host functions' stack ends. */
static void an_inner_run_takes_nothing_from_the_outer_one(void **state)
{
    begin();
    (void)state;
    struct lucet_region *tight = region_with(16 << 10);
    struct lucet_instance *outer = guest_instance(region, module, linker, NULL);
    struct lucet_instance *inner = guest_instance(tight, module, linker, NULL);
    for (int round = 0; round < 3; round++) {
        bind_to(round == 1 ? outer : inner);
        within = inner;
        assert_int_equal(call(&open_func, outer), 8);
        assert_ptr_equal(lucet__thread.bound, LUCET__UNBOUND);
        within = NULL;
        is_at_home(outer);
        is_at_home(inner);
    }
    lucet_instance_release(inner);
    lucet_instance_release(outer);
    lucet_region_release(tight);
    end();
}

static void cancel(struct lucet_instance *i)
{
    struct lucet_kill_switch *k;

    assert_int_equal(lucet_instance_kill_switch(i, &k), lucet_error_ok);
    assert_int_equal(lucet_kill_switch_terminate(k), lucet_kill_cancelled);
    lucet_kill_switch_release(k);
}

/* It stops at the last moment, when it is the host's already: the next one's faults would be,
 * too. */
static void one_that_was_cancelled(void **state)
{
    begin();
    (void)state;
    struct lucet_instance *i = guest_instance(region, module, linker, NULL);
    const struct lucet_func *const ways[] = {&closed, &trap, &open_func};
    for (size_t k = 0; k < sizeof(ways) / sizeof(*ways); k++) {
        union lucet_raw v;
        bind_to(i);
        cancel(i);
        assert_int_equal(lucet_func_call(ways[k], i, &v, NULL), lucet_error_runtime_terminated);
        assert_ptr_equal(lucet__thread.bound, LUCET__UNBOUND);
        assert_int_equal(lucet_instance_reset(i), lucet_error_ok);
        fault(i);
        is_at_home(i);
    }
    lucet_instance_release(i);
    end();
}

/* Whatever keeps it from being told so. */
static void one_that_was_cancelled_without_memory(void **state)
{
    static const char many_wat[] =
        "(module (func (export \"many\")"
        " (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))";
    begin();
    (void)state;
    union lucet_raw values[17];
    struct lucet_func many;
    struct lucet_dl_module *m = guest_module(many_wat, &guest_default);
    assert_int_equal(lucet_dl_module_func(m, "many", NULL, &many), 0);
    struct lucet_instance *i = guest_instance(region, m, NULL, NULL);
    memset(values, 0, sizeof(values));
    for (int round = 0; round < 2; round++)
        assert_int_equal(lucet_func_call(&many, i, values, NULL), lucet_error_ok);
    assert_ptr_equal(lucet__thread.bound, i);
    cancel(i);
    same_place_full = true;
    assert_int_equal(lucet_func_call(&many, i, values, NULL), lucet_error_no_memory);
    same_place_full = false;
    assert_ptr_equal(lucet__thread.bound, LUCET__UNBOUND);
    assert_int_equal(lucet_func_call(&many, i, values, NULL), lucet_error_runtime_terminated);
    lucet_instance_release(i);
    lucet_dl_module_release(m);
    end();
}

/* The memory, and so gs, is that of one that stays; a run that never began has named the thread. */
static void another_that_was_cancelled_in_the_place_of_one_that_is_gone(void **state)
{
    static const char owner_wat[] = "(module (memory (export \"m\") 1))";
    begin();
    (void)state;
    struct lucet_dl_module *owners = guest_module(owner_wat, &guest_default);
    struct lucet_instance *owner = guest_instance(region, owners, NULL, NULL);
    struct lucet_region *tight = region_with(16 << 10);
    struct lucet_dl_module *users = guest_module(shared_wat, &guest_default);
    assert_int_equal(lucet_linker_instance(linker, "o", owner), lucet_error_ok);
    struct lucet_func f, g;
    assert_int_equal(lucet_dl_module_func(users, "closed", ":i", &f), 0);
    assert_int_equal(lucet_dl_module_func(users, "open", ":i", &g), 0);

    struct lucet_instance *i = guest_instance(region, users, linker, NULL);
    const void *place = i;
    call(&f, i);
    call(&f, i);
    assert_ptr_equal(lucet__thread.bound, i);
    lucet_instance_release(i);
    i = guest_instance(tight, users, linker, NULL);
    assert_ptr_equal(i, place);
    assert_ptr_equal(lucet__thread.bound, i);
    cancel(i);
    assert_int_equal(lucet_instance_run(i, "closed", 0, NULL, NULL),
                     lucet_error_runtime_terminated);
    assert_int_equal(lucet_instance_reset(i), lucet_error_ok);
    memset(&seen, 0, sizeof(seen));
    assert_int_equal(call(&g, i), 8);
    assert_ptr_equal(seen.limit, i->hostcall_limit);

    lucet_instance_release(i);
    lucet_instance_release(owner);
    lucet_dl_module_release(users);
    lucet_dl_module_release(owners);
    lucet_region_release(tight);
    end();
}

/* What killers and handlers see of it while it runs. */
static struct {
    const struct activation *current, *act;
    const struct lucet_activation *abi;
    bool running, in_host;
    uint32_t depth;
} found;

static enum lucet_signal_behavior look(struct lucet_instance *i, const enum lucet_trapcode *code,
                                       int sig, const lucet_siginfo *info, const void *context)
{
    (void)code, (void)sig, (void)info, (void)context;
    found.current = lucet__thread.current;
    found.act = atomic_load(&i->stop->act);
    found.abi = atomic_load(&i->stop->abi);
    found.running = atomic_load(&i->stop->running);
    found.in_host = lucet__thread.abi.guest_frame != NULL;
    found.depth = i->stop->depth;
    return lucet_signal_behavior_default;
}

static void one_that_faults_is_seen_running(void **state)
{
    begin();
    (void)state;
    struct lucet_func open_trap;
    struct lucet_instance *i = guest_instance(region, module, linker, NULL);
    assert_int_equal(lucet_dl_module_func(module, "open trap", ":i", &open_trap), 0);
    assert_int_equal(open_trap.effects, 0);
    assert_int_equal(lucet_instance_set_signal_handler(i, look), lucet_error_ok);
    const struct lucet_func *const ways[] = {&trap, &open_trap};
    for (size_t k = 0; k < sizeof(ways) / sizeof(*ways); k++) {
        union lucet_raw v;
        bind_to(i);
        memset(&found, 0, sizeof(found));
        assert_int_equal(lucet_func_call(ways[k], i, &v, NULL), lucet_error_runtime_fault);
        assert_ptr_equal(found.current, &i->act);
        assert_ptr_equal(found.act, &i->act);
        assert_ptr_equal(found.abi, &lucet__thread.abi);
        assert_true(found.running && !found.in_host);
        assert_int_equal(found.depth, 1);
        assert_int_equal(i->stop->depth, 0);
        assert_false(atomic_load(&i->stop->running));
        assert_int_equal(lucet_instance_reset(i), lucet_error_ok);
    }
    lucet_instance_release(i);
    end();
}

struct on_thread {
    struct lucet_instance *i;
    uint64_t gs; /* that of the thread that makes it */
};

static void *is_bound_at_once(void *p)
{
    const struct on_thread *o = p;

    assert_true(machine_get_gs() == o->gs);
    call(&closed, o->i);
    call(&closed, o->i);
    assert_ptr_equal(lucet__thread.bound, o->i);
    is_at_home(o->i);
    assert_int_equal(lucet_thread_detach(), lucet_error_ok);
    assert_true(machine_get_gs() == 0);
    return NULL;
}

static void *finds_its_gs_again(void *p)
{
    const struct on_thread *o = p;

    for (int round = 0; round < 3; round++) {
        is_at_home(o->i);
        assert_true(machine_get_gs() == o->gs);
    }
    return NULL;
}

static void on_a_thread(void *(*what)(void *), struct lucet_instance *i)
{
    struct on_thread o = {i, machine_get_gs()};
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, what, &o), 0);
    pthread_join(thread, NULL);
}

/* Threads inherit gs: what guests left in it is not taken for a value of the host's. */
static void one_on_a_thread_made_by_one_that_ran_another(void **state)
{
    static uint64_t hosts[4096];
    begin();
    (void)state;
    struct lucet_instance *one = guest_instance(region, module, linker, NULL);
    struct lucet_instance *other = guest_instance(region, module, linker, NULL);
    bind_to(one);
    on_a_thread(is_bound_at_once, other);
    bind_to(one);
    on_a_thread(is_bound_at_once, one);
    bind_to(one);
    lucet_instance_release(one);
    on_a_thread(is_bound_at_once, other);

    assert_int_equal(lucet_thread_detach(), lucet_error_ok);
    machine_set_gs((uintptr_t)(hosts + 2048));
    on_a_thread(finds_its_gs_again, other);
    machine_set_gs(0);
    lucet_instance_release(other);
    end();
}

struct after_it {
    const struct lucet_func *f;
    struct lucet_instance *i, *other;
};

static void *is_bound_after_it(void *p)
{
    const struct after_it *a = p;

    call(a->f, a->i);
    call(&closed, a->other);
    assert_ptr_equal(lucet__thread.bound, a->other);
    is_at_home(a->other);
    return NULL;
}

/* Its memory, which is not a region's, is also that of one on the thread. */
static void one_on_a_thread_made_by_one_that_ran_it(void **state)
{
    begin();
    (void)state;
    struct lucet_dl_module *m = guest_module(
        "(module (memory 1 1 shared) (func (export \"f\") (result i32) (i32.const 7)))",
        &guest_default);
    struct lucet_func f;
    assert_int_equal(lucet_dl_module_func(m, "f", ":i", &f), 0);
    struct lucet_instance *i = guest_instance(region, m, NULL, NULL);
    struct lucet_instance *other = guest_instance(region, module, linker, NULL);
    call(&f, i);
    call(&f, i);
    struct after_it a = {&f, i, other};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, is_bound_after_it, &a), 0);
    pthread_join(thread, NULL);
    lucet_instance_release(other);
    lucet_instance_release(i);
    lucet_dl_module_release(m);
    end();
}

/* Also where a function could have thrown. */
static void plain_ones_leave_it_bound(void **state)
{
    begin();
    (void)state;
    struct lucet_dl_module *m =
        guest_module("(module (tag $t) (func (export \"f\") (result i32) (i32.const 7))"
                     " (func (export \"g\") (throw $t)))",
                     &guest_default);
    struct lucet_func f, g;
    assert_int_equal(lucet_dl_module_func(m, "f", ":i", &f), 0);
    assert_int_equal(lucet_dl_module_func(m, "g", ":", &g), 0);
    struct lucet_instance *i = guest_instance(region, module, linker, NULL);
    struct lucet_instance *thrower = guest_instance(region, m, NULL, NULL);
    for (int round = 0; round < 3; round++) {
        bind_to(i);
        assert_int_equal(call(&open_func, i), 8);
        assert_ptr_equal(lucet__thread.bound, i);
        assert_int_equal(call(&f, thrower), 7);
        assert_int_equal(call(&f, thrower), 7);
        assert_ptr_equal(lucet__thread.bound, thrower);
        assert_int_equal(lucet_func_call(&g, thrower, NULL, NULL), lucet_error_runtime_threw);
        assert_ptr_equal(lucet__thread.bound, LUCET__UNBOUND);
        assert_int_equal(lucet_instance_reset(thrower), lucet_error_ok);
    }
    lucet_instance_release(thrower);
    lucet_instance_release(i);
    lucet_dl_module_release(m);
    end();
}

/* The next call, which wants none, writes nothing there. */
static void a_result_is_one_calls(void **state)
{
    begin();
    (void)state;
    const struct lucet_func *const ways[] = {&closed, &open_func};
    struct lucet_instance *i = guest_instance(region, module, linker, NULL);
    for (size_t k = 0; k < sizeof(ways) / sizeof(*ways); k++) {
        struct lucet_result r = {.tag = lucet_result_tag_yielded};
        union lucet_raw v;
        bind_to(i);
        assert_int_equal(lucet_func_call(ways[k], i, &v, &r), lucet_error_ok);
        assert_int_equal(r.tag, lucet_result_tag_returned);
        r.tag = lucet_result_tag_yielded;
        call(ways[k], i);
        assert_int_equal(r.tag, lucet_result_tag_yielded);
    }
    lucet_instance_release(i);
    end();
}

/* Though the thread is bound, gs is that of another memory, which can be read, or points nowhere;
 * and the host has its own again. */
static void one_finds_its_memory_whatever_gs_is(void **state)
{
    begin();
    (void)state;
    struct lucet_func load;
    assert_int_equal(lucet_dl_module_func(module, "load", "i:i", &load), 0);
    struct lucet_instance *one = guest_instance(region, module, linker, NULL);
    struct lucet_instance *other = guest_instance(region, module, linker, NULL);
    const uint64_t values[] = {(uintptr_t)lucet_instance_heap(other), 1, UINT64_C(0x7fff00000000)};
    *lucet_instance_heap(one) = 1;
    *lucet_instance_heap(other) = 2;
    for (size_t k = 0; k < sizeof(values) / sizeof(*values); k++) {
        union lucet_raw v = {.i32 = 0};
        bind_to(other);
        bind_to(one);
        machine_set_gs(values[k]);
        assert_int_equal(lucet_func_call(&load, one, &v, NULL), lucet_error_ok);
        assert_int_equal(v.i32, 1);
        assert_true(machine_get_gs() == values[k]);
        machine_set_gs(one->act.gs);
        assert_int_equal(lucet_thread_detach(), lucet_error_ok);
        machine_set_gs(0);
    }
    lucet_instance_release(one);
    lucet_instance_release(other);
    end();
}

/* A fault of a closed function is in its own memory, not in that of whose calls came before. */
static void a_fault_is_in_ones_own_memory(void **state)
{
    begin();
    (void)state;
    struct lucet_func load;
    assert_int_equal(lucet_dl_module_func(module, "load", "i:i", &load), 0);
    struct lucet_instance *one = guest_instance(region, module, linker, NULL);
    struct lucet_instance *other = guest_instance(region, module, linker, NULL);
    for (int round = 0; round < 3; round++) {
        union lucet_raw v = {.i32 = -8};
        is_at_home(other);
        bind_to(one);
        assert_int_equal(lucet_func_call(&load, one, &v, NULL), lucet_error_runtime_fault);
        assert_int_equal(lucet_instance_reset(one), lucet_error_ok);
    }
    lucet_instance_release(one);
    lucet_instance_release(other);
    end();
}

static void nothing_is_no_instance(void **state)
{
    union lucet_raw v;

    begin();
    (void)state;
    assert_int_equal(lucet_func_call(&closed, NULL, &v, NULL), lucet_error_invalid_argument);
    assert_int_equal(lucet_thread_detach(), lucet_error_ok);
    assert_int_equal(lucet_func_call(&closed, NULL, &v, NULL), lucet_error_invalid_argument);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(another_in_the_place_of_one_that_is_gone),
        cmocka_unit_test(one_that_was_on_another_thread),
        cmocka_unit_test(nobody_after_all_that_is_not_plain),
        cmocka_unit_test(an_inner_run_takes_nothing_from_the_outer_one),
        cmocka_unit_test(one_that_was_cancelled),
        cmocka_unit_test(one_that_was_cancelled_without_memory),
        cmocka_unit_test(another_that_was_cancelled_in_the_place_of_one_that_is_gone),
        cmocka_unit_test(one_that_faults_is_seen_running),
        cmocka_unit_test(one_on_a_thread_made_by_one_that_ran_another),
        cmocka_unit_test(one_on_a_thread_made_by_one_that_ran_it),
        cmocka_unit_test(plain_ones_leave_it_bound),
        cmocka_unit_test(a_result_is_one_calls),
        cmocka_unit_test(one_finds_its_memory_whatever_gs_is),
        cmocka_unit_test(a_fault_is_in_ones_own_memory),
        cmocka_unit_test(nothing_is_no_instance),
    };

    if (!same_place_allocate())
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
