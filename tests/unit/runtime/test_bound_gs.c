/* The memory that calls by handle find: their own, whatever is in gs and whoever made the
 * thread. */
#include <pthread.h>

#include "runtime/bound.h"
#include "runtime/x86_64/machine.h"

struct on_thread {
    struct lucet_instance *i;
    uint64_t gs; /* that of the thread that makes it */
};

static void *is_bound_at_once(void *p)
{
    const struct on_thread *o = p;

    assert_true(machine_get_gs() == o->gs);
    bound_call(&bound.closed, o->i);
    bound_call(&bound.closed, o->i);
    assert_ptr_equal(lucet__thread.bound, o->i);
    bound_is_at_home(o->i);
    assert_int_equal(lucet_thread_detach(), lucet_error_ok);
    assert_true(machine_get_gs() == 0);
    return NULL;
}

static void *finds_its_gs_again(void *p)
{
    const struct on_thread *o = p;

    for (int round = 0; round < 3; round++) {
        bound_is_at_home(o->i);
        assert_true(machine_get_gs() == o->gs);
    }
    for (int round = 0; round < 2; round++) {
        assert_int_equal(lucet_thread_detach(), lucet_error_ok);
        assert_true(machine_get_gs() == o->gs);
        machine_set_gs(0);
        bound_is_at_home(o->i); /* what it leaves there the host writes over */
        machine_set_gs(o->gs);
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
    bound_begin(state);
    bound_to(bound.one);
    on_a_thread(is_bound_at_once, bound.other);
    bound_to(bound.one);
    on_a_thread(is_bound_at_once, bound.one);
    bound_to(bound.one);
    lucet_instance_release(bound.one);
    bound.one = NULL;
    on_a_thread(is_bound_at_once, bound.other);

    assert_int_equal(lucet_thread_detach(), lucet_error_ok);
    machine_set_gs((uintptr_t)(hosts + 2048));
    on_a_thread(finds_its_gs_again, bound.other);
    machine_set_gs(0);
    bound_end();
}

struct after_it {
    const struct lucet_func *f;
    struct lucet_instance *i;
};

static void *is_bound_after_it(void *p)
{
    const struct after_it *a = p;

    bound_call(a->f, a->i);
    bound_call(&bound.closed, bound.other);
    assert_ptr_equal(lucet__thread.bound, bound.other);
    bound_is_at_home(bound.other);
    return NULL;
}

/* Its memory, which is not a region's, is also that of one on the thread. */
static void one_on_a_thread_made_by_one_that_ran_it(void **state)
{
    bound_begin(state);
    struct lucet_dl_module *m = guest_module(
        "(module (memory 1 1 shared) (func (export \"f\") (result i32) (i32.const 7)))",
        &guest_default);
    const struct lucet_func f = guest_func(m, "f", ":i");
    struct lucet_instance *i = guest_instance(bound.region, m, NULL, NULL);
    bound_call(&f, i);
    bound_call(&f, i);
    struct after_it a = {&f, i};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, is_bound_after_it, &a), 0);
    pthread_join(thread, NULL);
    lucet_instance_release(i);
    lucet_dl_module_release(m);
    bound_end();
}

/* Though the thread is bound, gs is that of another memory, which can be read, or points nowhere;
 * and the host has its own again. */
static void one_finds_its_memory_whatever_gs_is(void **state)
{
    bound_begin(state);
    const struct lucet_func load = guest_func(bound.module, "load", "i:i");
    const uint64_t values[] = {(uintptr_t)lucet_instance_heap(bound.other), 1,
                               UINT64_C(0x7fff00000000)};
    *lucet_instance_heap(bound.one) = 1;
    *lucet_instance_heap(bound.other) = 2;
    for (size_t k = 0; k < sizeof(values) / sizeof(*values); k++) {
        union lucet_raw v = {.i32 = 0};
        bound_to(bound.other);
        bound_to(bound.one);
        machine_set_gs(values[k]);
        assert_int_equal(lucet_func_call(&load, bound.one, &v, NULL), lucet_error_ok);
        assert_int_equal(v.i32, 1);
        assert_true(machine_get_gs() == values[k]);
        machine_set_gs(bound.one->act.gs);
        assert_int_equal(lucet_thread_detach(), lucet_error_ok);
        machine_set_gs(0);
    }
    bound_end();
}

/* Nor is what one leaves there that ended in another's memory. */
static void one_that_ended_in_anothers_memory(void **state)
{
    static const char wat[] = "(module (import \"b\" \"trap\" (func $trap (result i32))) (memory 1)"
                              " (func (export \"f\") (result i32) (call $trap)))";
    bound_begin(state);
    assert_int_equal(lucet_linker_instance(bound.linker, "b", bound.other), lucet_error_ok);
    struct lucet_dl_module *m = guest_module(wat, &guest_default);
    const struct lucet_func f = guest_func(m, "f", ":i");
    struct lucet_instance *i = guest_instance(bound.region, m, bound.linker, NULL);
    for (int round = 0; round < 3; round++) {
        union lucet_raw v;
        assert_int_equal(lucet_func_call(&f, i, &v, NULL), lucet_error_runtime_fault);
        assert_int_equal(lucet_instance_reset(i), lucet_error_ok);
        if (round == 1) {
            assert_int_equal(lucet_thread_detach(), lucet_error_ok);
            assert_true(machine_get_gs() == 0);
        }
        bound_is_at_home(bound.one);
        bound_to(bound.one);
    }
    lucet_instance_release(i);
    lucet_dl_module_release(m);
    bound_end();
}

/* A fault is in the memory of whose call it is, not of whose calls came before. */
static void a_fault_is_in_ones_own_memory(void **state)
{
    bound_begin(state);
    const struct lucet_func ways[] = {guest_func(bound.module, "load", "i:i"),
                                      guest_func(bound.module, "open load", "i:i")};
    for (size_t k = 0; k < sizeof(ways) / sizeof(*ways); k++)
        for (int round = 0; round < 3; round++) {
            union lucet_raw v = {.i32 = -8};
            bound_is_at_home(bound.one);
            bound_is_at_home(bound.other);
            bound_to(bound.one);
            assert_int_equal(lucet_func_call(&ways[k], bound.one, &v, NULL),
                             lucet_error_runtime_fault);
            assert_int_equal(lucet_instance_reset(bound.one), lucet_error_ok);
        }
    bound_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_on_a_thread_made_by_one_that_ran_another),
        cmocka_unit_test(one_on_a_thread_made_by_one_that_ran_it),
        cmocka_unit_test(one_that_ended_in_anothers_memory),
        cmocka_unit_test(one_finds_its_memory_whatever_gs_is),
        cmocka_unit_test(a_fault_is_in_ones_own_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
