/* The quick way of calls by handle: what each of its checks is for. */
#include "quick.h"

#include <asm/prctl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/activation.h"
#include "runtime/instance.h"

static void a_limit_set_during_a_run_holds_for_the_next(void **state)
{
    struct lucet_result r;
    struct quick w;

    (void)state;
    quick_begin(&w, quick_wat);
    const struct lucet_func spin = quick_handle(&w, "spin");
    quick_call(&w.add, w.inst, 1, 2);
    quick_call(&w.host, w.inst, SET_TIMEOUT, 0);
    assert_int_equal(lucet_func_call(&spin, w.inst, NULL, &r), lucet_error_runtime_terminated);
    assert_int_equal(r.val.terminated.reason, lucet_terminated_reason_timeout);
    quick_end(&w);
}

static void another_instance_runs_within(void **state)
{
    struct quick w;

    (void)state;
    quick_begin(&w, quick_wat);
    quick_other = guest_instance(w.region, w.module, w.linker, NULL);
    for (int round = 0; round < 3; round++) {
        assert_int_equal(quick_call(&w.add, quick_other, 1, 2), 3);
        assert_int_equal(quick_call(&w.host, w.inst, CALL_OTHER, 100), 142);
        assert_int_equal(quick_call(&w.host, quick_other, SAME, 100), SAME + 100);
    }
    lucet_instance_release(quick_other);
    quick_end(&w);
}

static void what_is_missing_is_refused(void **state)
{
    union lucet_raw v[2] = {{.i32 = 1}, {.i32 = 2}};
    struct lucet_func none;
    struct quick w;

    (void)state;
    quick_begin(&w, quick_wat);
    memset(&none, 0, sizeof(none));
    quick_call(&w.add, w.inst, 1, 2);
    assert_int_equal(lucet_func_call(NULL, w.inst, v, NULL), lucet_error_invalid_argument);
    assert_int_equal(lucet_func_call(&w.add, NULL, v, NULL), lucet_error_invalid_argument);
    assert_int_equal(lucet_func_call(&none, w.inst, v, NULL), lucet_error_invalid_argument);
    assert_int_equal(lucet_func_call(&w.add, w.inst, NULL, NULL), lucet_error_invalid_argument);
    quick_end(&w);
}

/* Its thread is in a host function: another one has no business there, whatever it has in gs. */
static void *run_it_too(void *p)
{
    const struct quick *w = p;
    union lucet_raw v[2] = {{.i32 = 1}, {.i32 = 2}};

    quick_call(&w->add, w->inst, 1, 2);
    atomic_store(&quick_waiting, 3);
    while (atomic_load(&quick_waiting) != 1)
        usleep(100);
    const enum lucet_error e = lucet_func_call(&w->add, w->inst, v, NULL);
    atomic_store(&quick_waiting, 2);
    return (void *)(uintptr_t)e;
}

static void one_that_runs_elsewhere_is_refused(void **state)
{
    pthread_t thread;
    struct quick w;
    void *e;

    (void)state;
    quick_begin(&w, quick_wat);
    atomic_store(&quick_waiting, 0);
    assert_int_equal(pthread_create(&thread, NULL, run_it_too, &w), 0);
    while (atomic_load(&quick_waiting) != 3)
        usleep(100);
    assert_int_equal(quick_call(&w.host, w.inst, WAIT, 10), WAIT + 10);
    pthread_join(thread, &e);
    assert_int_equal((uintptr_t)e, lucet_error_instance_not_returned);
    assert_int_equal(quick_call(&w.add, w.inst, 1, 2), 3);
    quick_end(&w);
}

/* Whoever stops it asks the thread that runs it now. */
static void *spin_here(void *p)
{
    const struct quick *w = p;
    const struct lucet_func spin = quick_handle(w, "spin");

    quick_call(&w->add, w->inst, 1, 2);
    atomic_store(&quick_waiting, 1);
    while (atomic_load(&quick_waiting) != 2)
        usleep(100);
    return (void *)(uintptr_t)lucet_func_call(&spin, w->inst, NULL, NULL);
}

static void it_is_stopped_on_the_thread_it_moved_to(void **state)
{
    pthread_t thread;
    struct lucet_kill_switch *kill_switch;
    struct quick w;
    void *e;

    (void)state;
    quick_begin(&w, quick_wat);
    atomic_store(&quick_waiting, 0);
    assert_int_equal(lucet_instance_kill_switch(w.inst, &kill_switch), lucet_error_ok);
    assert_int_equal(pthread_create(&thread, NULL, spin_here, &w), 0);
    while (atomic_load(&quick_waiting) != 1)
        usleep(100);
    quick_call(&w.host, w.inst, SAME, 2);
    atomic_store(&quick_waiting, 2);
    usleep(20000);
    assert_int_not_equal(lucet_kill_switch_terminate(kill_switch), lucet_kill_not_terminable);
    pthread_join(thread, &e);
    assert_int_equal((uintptr_t)e, lucet_error_runtime_terminated);
    lucet_kill_switch_release(kill_switch);
    quick_end(&w);
}

/* What is in gs does not tell that a thread is prepared for guests. */
static void *run_with_gs(void *p)
{
    const struct quick *w = p;
    stack_t signal_stack;

    syscall(SYS_arch_prctl, ARCH_SET_GS, lucet_instance_heap(w->inst));
    quick_call(&w->add, w->inst, 1, 2);
    sigaltstack(NULL, &signal_stack);
    return signal_stack.ss_flags & SS_DISABLE ? NULL : p;
}

static void a_thread_is_prepared_whatever_its_gs(void **state)
{
    pthread_t thread;
    struct quick w;
    void *prepared;

    (void)state;
    quick_begin(&w, quick_wat);
    quick_call(&w.add, w.inst, 1, 2);
    assert_int_equal(pthread_create(&thread, NULL, run_with_gs, &w), 0);
    pthread_join(thread, &prepared);
    assert_ptr_equal(prepared, &w);
    quick_end(&w);
}

static void yields_and_goes_on(const struct lucet_func *f, struct lucet_instance *i)
{
    union lucet_raw v[2] = {{.i32 = YIELD}, {.i32 = 1}};
    struct lucet_result r;
    struct lucet_val result;
    int32_t answer = 60;

    assert_int_equal(lucet_func_call(f, i, v, &r), lucet_error_ok);
    assert_int_equal(r.tag, lucet_result_tag_yielded);
    assert_int_equal(lucet_instance_resume_call(i, &answer, 1, &result, &r), lucet_error_ok);
    assert_int_equal(result.inner_val.as_i32, 61);
}

/* A run that ended in another instance leaves that one's context with the thread, and its own
 * stack's limit. */
static void ended_in_another(bool below)
{
    static const char user_wat[] = "(module (import \"h\" \"f\" (func $f (param i32) (result i32)))"
                                   " (import \"o\" \"trap\" (func $t (param i32 i32) (result i32)))"
                                   " (memory 1) (func (export \"add\") (param i32 i32) (result i32)"
                                   "   (call $t (local.get 0) (local.get 1)))"
                                   " (func (export \"host\") (param i32 i32) (result i32)"
                                   "   (i32.add (call $f (local.get 0)) (local.get 1))))";
    union lucet_raw v[2] = {{.i32 = 1}, {.i32 = 2}};
    struct quick w;

    quick_begin(&w, quick_wat);
    struct lucet_instance *first = w.inst;
    quick_other = guest_instance(w.region, w.module, w.linker, NULL);
    assert_int_equal(lucet_linker_instance(w.linker, "o", quick_other), lucet_error_ok);
    if (below)
        lucet_instance_release(first);
    struct lucet_dl_module *m = guest_module(user_wat, &guest_default);
    struct lucet_instance *user = guest_instance(w.region, m, w.linker, NULL);
    struct lucet_func run, host;
    assert_int_equal(lucet_dl_module_func(m, "add", NULL, &run), lucet_error_ok);
    assert_int_equal(lucet_dl_module_func(m, "host", NULL, &host), lucet_error_ok);
    w.inst = user;
    for (int round = 0; round < 3; round++) {
        yields_and_goes_on(&host, user);
        yields_and_goes_on(&w.host, quick_other);
        assert_int_equal(lucet_func_call(&run, user, v, NULL), lucet_error_runtime_fault);
        assert_int_equal(lucet_instance_reset(user), lucet_error_ok);
        yields_and_goes_on(&w.host, quick_other);
        assert_int_equal(lucet_func_call(&run, user, v, NULL), lucet_error_runtime_fault);
        assert_int_equal(lucet_instance_reset(user), lucet_error_ok);
        yields_and_goes_on(&host, user);
    }
    lucet_instance_release(user);
    lucet_dl_module_release(m);
    lucet_instance_release(quick_other);
    w.inst = below ? NULL : first;
    quick_end(&w);
}

static void the_thread_forgets_where_another_run_ended(void **state)
{
    (void)state;
    ended_in_another(false);
    ended_in_another(true);
}

/* A run that ended while somebody further out would have caught leaves no catcher to the next. */
static void nobody_catches_for_a_run_that_is_over(void **state)
{
    static const char outer_wat[] =
        "(module (import \"h\" \"f\" (func $f (param i32) (result i32))) (memory 1)"
        " (type $t (func (param i32) (result i32))) (table (export \"t\") 1 funcref)"
        " (func (export \"add\") (param i32) (result i32)"
        "   (call_indirect (type $t) (local.get 0) (i32.const 0)))"
        " (func (export \"host\") (param i32) (result i32) (call $f (local.get 0))))";
    static const char inner_wat[] =
        "(module (import \"o\" \"host\" (func $host (param i32) (result i32)))"
        " (import \"o\" \"t\" (table 1 funcref)) (elem (i32.const 0) $g)"
        " (func $g (param i32) (result i32) (block $h"
        "   (try_table (result i32) (catch_all $h) (call $host (local.get 0))) return)"
        "   (i32.const 77)))";
    struct quick w;

    (void)state;
    quick_begin(&w, outer_wat);
    assert_int_equal(lucet_linker_instance(w.linker, "o", w.inst), lucet_error_ok);
    struct lucet_dl_module *m = guest_module(inner_wat, &guest_default);
    struct lucet_instance *inner = guest_instance(w.region, m, w.linker, NULL);
    for (int round = 0; round < 3; round++) {
        union lucet_raw v = {.i32 = THROW};
        assert_int_equal(lucet_func_call(&w.add, w.inst, &v, NULL), lucet_error_ok);
        assert_int_equal(v.i32, 77);
        v.i32 = TERMINATE;
        assert_int_equal(lucet_func_call(&w.add, w.inst, &v, NULL), lucet_error_runtime_terminated);
        assert_int_equal(lucet_instance_reset(w.inst), lucet_error_ok);
        v.i32 = THROW;
        assert_int_equal(lucet_func_call(&w.host, w.inst, &v, NULL), lucet_error_runtime_threw);
        v.i32 = SAME;
        assert_int_equal(lucet_func_call(&w.host, w.inst, &v, NULL), lucet_error_ok);
        lucet_instance_release(inner);
        inner = guest_instance(w.region, m, w.linker, NULL); /* the reset has emptied the table */
    }
    lucet_instance_release(inner);
    lucet_dl_module_release(m);
    quick_end(&w);
}

/* What the run came to hold is let go at its end: quick_end() sees it otherwise. */
static void an_exception_that_was_caught_is_let_go(void **state)
{
    static const char catching[] =
        "(module (import \"h\" \"f\" (func $f (param i32) (result i32))) (tag)"
        " (func (export \"add\") (param i32 i32) (result i32) (local.get 0))"
        " (func (export \"host\") (param i32 i32) (result i32) (block $h"
        "   (try_table (result i32) (catch_all $h) (call $f (local.get 0))) return)"
        "   (i32.const 55)))";
    struct quick w;

    (void)state;
    quick_begin(&w, catching);
    quick_call(&w.add, w.inst, 1, 2);
    assert_int_equal(quick_call(&w.host, w.inst, THROW, 0), 55);
    quick_end(&w);
}

/* A fault of a run within counts at the end of the outer one: nothing can be stopped until the
 * reset. */
static void a_fault_within_is_seen_at_the_end(void **state)
{
    struct lucet_kill_switch *kill_switch;
    struct quick w;

    (void)state;
    quick_begin(&w, quick_wat);
    assert_int_equal(lucet_instance_kill_switch(w.inst, &kill_switch), lucet_error_ok);
    quick_call(&w.add, w.inst, 1, 2);
    assert_int_equal(quick_call(&w.host, w.inst, FAULT, 0), FAULT);
    assert_int_equal(lucet_kill_switch_terminate(kill_switch), lucet_kill_not_terminable);
    assert_int_equal(lucet_instance_reset(w.inst), lucet_error_ok);
    assert_int_equal(quick_call(&w.add, w.inst, 1, 2), 3);
    lucet_kill_switch_release(kill_switch);
    quick_end(&w);
}

/* ---- Registers ---- */

/* Entered like an entry: puts zmm16 and zmm31, k1 and k7, xmm3, and all that is in integer
 * registers that carry nothing, where the values are. */
extern const char quick_look[];
extern uint8_t quick_look_avx512;
__asm__(".pushsection .text\n"
        "quick_look: or %rbx,%rax\n or %rcx,%rax\n or %rdx,%rax\n or %rsi,%rax\n or %rbp,%rax\n"
        "or %r8,%rax\n or %r9,%rax\n or %r12,%rax\n or %r14,%rax\n or %r15,%rax\n"
        "mov (%rdi),%rdi\n mov %rax,(%rdi)\n movups %xmm3,16(%rdi)\n"
        "cmpb $0,quick_look_avx512(%rip)\n je 1f\n"
        "vmovups %zmm3,128(%rdi)\n vmovups %zmm16,192(%rdi)\n vmovups %zmm31,256(%rdi)\n"
        "kmovw %k1,%eax\n mov %eax,32(%rdi)\n kmovw %k7,%eax\n mov %eax,40(%rdi)\n"
        "1: ret\n"
        ".popsection\n"
        ".pushsection .data\n quick_look_avx512: .byte 0\n .popsection\n");

/* 0, or what was found in the registers. */
static uint64_t registers_that_are_not_clear(const struct lucet_func *f, struct lucet_instance *i)
{
    static union lucet_raw seen[32];
    uint64_t found = 0;

    memset(seen, 0, sizeof(seen));
    if (quick_look_avx512)
        __asm__ volatile("mov $0x77,%%eax\n kmovw %%eax,%%k1\n kmovw %%eax,%%k7\n"
                         "vpternlogd $255,%%zmm3,%%zmm3,%%zmm3\n vmovaps %%zmm3,%%zmm16\n"
                         "vmovaps %%zmm3,%%zmm31\n" ::
                             : "eax", "xmm3");
    else
        __asm__ volatile("pcmpeqd %%xmm3,%%xmm3" ::: "xmm3");
    assert_int_equal(lucet_func_call(f, i, seen, NULL), lucet_error_ok);
    for (size_t k = 0; k < sizeof(seen) / sizeof(*seen); k++)
        found |= seen[k].words[0] | seen[k].words[1];
    return found;
}

/* A call of quick_look in place of the module's function f. */
static struct lucet_func look_into(const struct lucet_dl_module *m)
{
    struct lucet_func f;

    assert_int_equal(lucet_dl_module_func(m, "f", NULL, &f), lucet_error_ok);
    f.entry = quick_look;
    f.effects = 0; /* it is not what the compiler saw */
    return f;
}

/* Code that does not name them may leave AVX-512 registers as they are, but not when it may call
 * other code. */
static void registers_are_cleared(void **state)
{
    static const char plain[] = "(module (func (export \"f\")))";
    /* Unsigned conversions have instructions of their own in AVX-512. */
    static const char wide[] =
        "(module (func (export \"f\")) (func (export \"g\") (param i64) (result f64)"
        " (f64.convert_i64_u (local.get 0))))";
    struct quick w;

    (void)state;
    quick_begin(&w, quick_wat);
    quick_look_avx512 = lucet__vector_level == 2;
    struct lucet_dl_module *m[] = {guest_module(plain, &guest_default),
                                   guest_module(wide, &guest_default)};
    struct lucet_instance *i[] = {guest_instance(w.region, m[0], NULL, NULL),
                                  guest_instance(w.region, m[1], NULL, NULL)};
    const struct lucet_func f = look_into(m[0]), theirs = look_into(m[1]);
    assert_int_equal(i[0]->vector_level, lucet__vector_level ? 1 : 0);
    assert_int_equal(i[1]->vector_level, lucet__vector_level);
    for (int round = 0; round < 2; round++)
        assert_int_equal(registers_that_are_not_clear(&theirs, i[1]), 0);
    assert_int_equal(lucet_linker_instance(w.linker, "o", i[0]), lucet_error_ok);
    for (int round = 0; round < 2; round++)
        assert_int_equal(registers_that_are_not_clear(&f, i[0]), 0);
    for (size_t k = 0; k < 2; k++) {
        lucet_instance_release(i[k]);
        lucet_dl_module_release(m[k]);
    }
    quick_end(&w);
}

/* Of a closed function, whose code names no vector registers, only the others. */
static void integer_registers_are_cleared_for_closed_functions(void **state)
{
    static const char plain[] = "(module (func (export \"f\")))";
    struct quick w;

    (void)state;
    quick_begin(&w, quick_wat);
    struct lucet_dl_module *m = guest_module(plain, &guest_default);
    struct lucet_instance *i = guest_instance(w.region, m, NULL, NULL);
    struct lucet_func f = look_into(m);
    union lucet_raw seen[32];
    f.effects = LUCET_FUNC_CLOSED;
    quick_look_avx512 = 0;
    for (int round = 0; round < 3; round++) {
        memset(seen, 0xff, sizeof(seen));
        assert_int_equal(lucet_func_call(&f, i, seen, NULL), lucet_error_ok);
        assert_int_equal(seen[0].u64, 0);
    }
    lucet_instance_release(i);
    lucet_dl_module_release(m);
    quick_end(&w);
}

/* ---- What was put aside ---- */

/* More arguments than the instance has room for, which a call by handle leaves where they are.
 * Whoever collects exceptions finds none there, and does not look behind. */
static void arguments_of_a_run_put_aside(void **state)
{
    struct text t = {0};
    struct lucet_tag *tag;
    struct lucet_exception *e;
    struct quick w;
    int32_t answer = 9;

    (void)state;
    text_add(&t,
             "(module (import \"h\" \"f\" (func $f (param i32) (result i32))) (tag $t (param i64))"
             " (global (export \"g\") (mut exnref) (ref.null exn))"
             " (func (export \"add\") (param i32 i32) (result i32) (local.get 0))"
             " (func (export \"host\") (param i32");
    for (int k = 1; k < 900; k++)
        text_add(&t, " i32");
    text_add(&t, ") (result i32) (call $f (local.get 0))))");
    quick_begin(&w, t.s);
    text_free(&t);
    union lucet_raw *v = calloc(900, sizeof(*v));
    struct lucet_result r;
    v->i32 = YIELD;
    quick_call(&w.add, w.inst, 1, 2);
    assert_int_equal(lucet_func_call(&w.host, w.inst, v, &r), lucet_error_ok);
    assert_int_equal(r.tag, lucet_result_tag_yielded);
    free(v);
    assert_int_equal(lucet_tag_new("I:", &tag), lucet_error_ok);
    for (int k = 0; k < 40000; k++) { /* more than may be there at once */
        assert_int_equal(lucet_exception_new(tag, ARGS(I64(k)), &e), lucet_error_ok);
        const struct lucet_val value = {.ty = lucet_val_type_exnref, .inner_val.as_ref = e};
        assert_int_equal(lucet_instance_set_global(w.inst, "g", 1, value), lucet_error_ok);
        lucet_exception_release(e);
    }
    lucet_tag_release(tag);
    assert_int_equal(lucet_instance_resume(w.inst, &answer, &r), lucet_error_ok);
    quick_end(&w);
}

/* Only MXCSR has to be as guests need it; what the end of a run by a host function sets is put
 * back. */
static void a_host_with_another_x87_precision(void **state)
{
    const uint16_t ordinary = 0x37f, doubles = 0x27f;
    struct quick w;

    (void)state;
    guest_begin();
    quick_begin(&w, quick_wat);
    quick_call(&w.add, w.inst, 1, 1);
    quick_call(&w.add, w.inst, 1, 1);
    __asm__ volatile("fldcw %0" ::"m"(doubles));
    for (int32_t what = SAME; what >= TERMINATE; what -= SAME - TERMINATE) {
        union lucet_raw v[2] = {{.i32 = what}, {.i32 = 1}};
        uint16_t now = 0;
        enum lucet_error e = lucet_func_call(&w.host, w.inst, v, NULL);
        __asm__ volatile("fnstcw %0" : "=m"(now));
        assert_int_equal(e, what == SAME ? lucet_error_ok : lucet_error_runtime_terminated);
        assert_int_equal(now, doubles);
    }
    __asm__ volatile("fldcw %0" ::"m"(ordinary));
    quick_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_limit_set_during_a_run_holds_for_the_next),
        cmocka_unit_test(another_instance_runs_within),
        cmocka_unit_test(what_is_missing_is_refused),
        cmocka_unit_test(one_that_runs_elsewhere_is_refused),
        cmocka_unit_test(it_is_stopped_on_the_thread_it_moved_to),
        cmocka_unit_test(a_thread_is_prepared_whatever_its_gs),
        cmocka_unit_test(the_thread_forgets_where_another_run_ended),
        cmocka_unit_test(nobody_catches_for_a_run_that_is_over),
        cmocka_unit_test(an_exception_that_was_caught_is_let_go),
        cmocka_unit_test(a_fault_within_is_seen_at_the_end),
        cmocka_unit_test(registers_are_cleared),
        cmocka_unit_test(integer_registers_are_cleared_for_closed_functions),
        cmocka_unit_test(arguments_of_a_run_put_aside),
        cmocka_unit_test(a_host_with_another_x87_precision),
    };

    quick_guard_allocations();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
