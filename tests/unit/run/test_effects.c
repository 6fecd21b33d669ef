/* What the compiler knows of functions (docs/abi.md section 8), and that what the runtime leaves out for it leaves
 * nothing behind. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>
#include <unwind.h>

#include "guest.h"
#include "runtime/gs.h"
#include "runtime/instance.h"
#include "runtime/module.h"
#include "runtime/ranges.h"
#include "runtime/region.h"
#include "runtime/slot.h"
#include "runtime/stop.h"

/* ---- What is known ---- */

enum { ANY = 0, CLOSED = LUCET_FUNC_CLOSED, QUIET = LUCET_FUNC_CLOSED | LUCET_FUNC_QUIET };

static uint32_t effects_of(const struct lucet_dl_module *m, const char *name)
{
    struct lucet_func f;

    assert_int_equal(lucet_dl_module_func(m, name, NULL, &f), lucet_error_ok);
    return f.effects;
}

#define DECLARATIONS                                                                               \
    "(import \"h\" \"f\" (func $f)) (import \"h\" \"g\" (global $theirs (mut i32)))"               \
    " (import \"h\" \"c\" (global $constant i32)) (memory 1 2) (table 4 funcref)"                  \
    " (global $g (mut i64) (i64.const 0)) (global $d (mut f64) (f64.const 0))"                     \
    " (type $v (func)) (func $leaf (param i32) (result i32) (local.get 0))"                        \
    " (func $store (i32.store (i32.const 8) (i32.const 1)))"                                       \
    " (func $circle (call $circle)) (func $one) (func $two (call $one)) (func $three (call $two))" \
    " (func $four (call $three)) "

static void each_kind_of_function_is_known_for_what_it_is(void **state)
{
    static const struct {
        const char *body;
        uint32_t effects;
    } cases[] = {
        {"", QUIET},
        {"(param i32 i64) (result i64) (i64.add (i64.extend_i32_u (local.get 0)) (local.get 1))",
         QUIET},
        {"(param i32) (result i32) (i32.div_s (i32.const 9) (local.get 0))", QUIET},
        {"(result i64) (i64.popcnt (i64.load (i32.const 16)))", QUIET},
        {"(result i32) (memory.size)", QUIET},
        {"(global.set $g (i64.const 1))", QUIET},
        {"(result i32) (global.get $constant)", QUIET},
        {"(param i32) (result i32) (if (result i32) (local.get 0) (then (i32.const 1))"
         " (else (unreachable)))",
         QUIET},
        {"(param i32) (block (block (br_table 0 1 (local.get 0))) (return))", QUIET},
        {"(result i32) (call $leaf (call $leaf (i32.const 1)))", QUIET},
        {"(call $three)", QUIET},
        {"(param i32 i32 i32 i32 i32 i32)", QUIET},
        {"(i32.store (i32.const 0) (i32.const 1))", CLOSED},
        {"(i64.store8 (i32.const 0) (i64.const 1))", CLOSED},
        {"(call $store)", CLOSED},
        {"(call $four)", ANY},
        {"(call $f)", ANY},
        {"(call $circle)", ANY},
        {"(loop)", ANY},
        {"(result i32) (global.get $theirs)", ANY},
        {"(global.set $theirs (i32.const 1))", ANY},
        {"(global.set $d (f64.const 1))", ANY},
        {"(param i32 i32 i32 i32 i32 i32 i32)", ANY},
        {"(result i32 i32) (i32.const 1) (i32.const 2)", ANY},
        {"(param f32)", ANY},
        {"(result v128) (v128.const i32x4 0 0 0 0)", ANY},
        {"(param funcref)", ANY},
        {"(local f64)", ANY},
        {"(drop (f64.add (f64.const 1) (f64.const 2)))", ANY},
        {"(f32.store (i32.const 0) (f32.const 1))", ANY},
        {"(result i32) (i32.trunc_sat_f32_s (f32.const 1))", ANY},
        {"(drop (v128.load (i32.const 0)))", ANY},
        {"(call_indirect (type $v) (i32.const 0))", ANY},
        {"(drop (memory.grow (i32.const 1)))", ANY},
        {"(memory.fill (i32.const 0) (i32.const 0) (i32.const 1))", ANY},
        {"(drop (ref.null func))", ANY},
        {"(drop (table.get 0 (i32.const 0)))", ANY},
        {"(drop (table.size 0))", ANY},
        {"(drop (i32.atomic.load (i32.const 0)))", ANY},
        {"(drop (select (result i32) (i32.const 1) (i32.const 2) (i32.const 3)))", ANY},
        {"(call $one) (call $one) (call $one) (call $one) (call $one) (call $one) (call $one)"
         " (call $one) (call $one) (call $one) (call $one) (call $one) (call $one) (call $one)"
         " (call $one) (call $one) (call $one)",
         ANY},
    };
    struct text t = {0};
    char name[16];

    (void)state;
    guest_begin();
    text_add(&t, "(module %s", DECLARATIONS);
    for (size_t k = 0; k < sizeof(cases) / sizeof(*cases); k++)
        text_add(&t, "(func (export \"x%zu\") %s)", k, cases[k].body);
    text_add(&t, ")");
    for (size_t mode = 0; mode < GUEST_MODES; mode++) {
        struct lucet_dl_module *m = guest_module(t.s, &guest_modes[mode]);
        for (size_t k = 0; k < sizeof(cases) / sizeof(*cases); k++) {
            snprintf(name, sizeof(name), "x%zu", k);
            if (effects_of(m, name) != cases[k].effects)
                fail_msg("mode %zu: %s has effects %u, not %u", mode, cases[k].body,
                         effects_of(m, name), cases[k].effects);
        }
        lucet_dl_module_release(m);
    }
    text_free(&t);
}

/* Code that counts calls the runtime; code that looks for exceptions may find some; where bodies have one
 * prototype, they pass what others need. */
static void nothing_is_known_in_modules_whose_code_does_more(void **state)
{
    static const char *const texts[] = {
        "(module (func (export \"x\")))",
        "(module (tag) (func (export \"x\")))",
        "(module (func (export \"x\")) (func $f (param f64) (return_call $f (local.get 0))))",
    };
    struct guest_mode mode = guest_default;

    (void)state;
    guest_begin();
    for (size_t k = 0; k < sizeof(texts) / sizeof(*texts); k++) {
        mode.count = k == 0;
        struct lucet_dl_module *m = guest_module(texts[k], &mode);
        assert_int_equal(effects_of(m, "x"), ANY);
        lucet_dl_module_release(m);
    }
}

/* Many values that are alive at the same time. */
static void add_large(struct text *t)
{
    text_add(t, "(func $large (export \"large\") (param i64) (result i64)");
    for (int k = 0; k < 60; k++)
        text_add(t, "(local i64)");
    for (int k = 1; k <= 60; k++)
        text_add(t, "(local.set %d (i64.mul (i64.load (i32.const %d)) (local.get 0)))", k, 8 * k);
    text_add(t, "(local.get 0)");
    for (int k = 1; k <= 60; k++)
        text_add(t, "(i64.xor (i64.rotl (local.get %d) (local.get %d)))", k, 61 - k);
    text_add(t, ")");
}

static void a_function_with_a_large_frame_is_not_quiet_nor_are_its_callers(void **state)
{
    struct text t = {0};

    (void)state;
    guest_begin();
    text_add(&t, "(module (memory 1)");
    add_large(&t);
    text_add(&t, "(func $x (export \"x\") (result i64) (call $large (i64.const 1)))"
                 "(func (export \"y\") (result i64) (call $x))"
                 "(func (export \"z\") (result i64) (i64.const 1)))");
    for (size_t mode = 0; mode < GUEST_MODES; mode++) {
        struct lucet_dl_module *m = guest_module(t.s, &guest_modes[mode]);
        assert_int_equal(effects_of(m, "large"), CLOSED);
        assert_int_equal(effects_of(m, "x"), CLOSED);
        assert_int_equal(effects_of(m, "y"), CLOSED);
        assert_int_equal(effects_of(m, "z"), QUIET);
        lucet_dl_module_release(m);
    }
    text_free(&t);
}

/* ---- What is left ---- */

static const char tenant_wat[] =
    "(module (memory (export \"m\") 1 16) (global $g (mut i64) (i64.const 7))"
    " (data (i32.const 5000) \"data\")"
    " (func $mix (param i64 i64) (result i64)"
    "   (i64.xor (i64.mul (local.get 0) (local.get 1)) (i64.load (i32.const 5000))))"
    " (func $twice (param i64 i64) (result i64)"
    "   (i64.add (call $mix (local.get 0) (local.get 1)) (call $mix (local.get 1) (local.get 0))))"
    " (func (export \"quiet\") (param i64 i64) (result i64) (global.set $g (local.get 0))"
    "   (i64.sub (call $twice (local.get 0) (local.get 1)) (call $twice (local.get 1)"
    "     (i64.const 5))))"
    " (func (export \"closed\") (param i64 i64) (result i64)"
    "   (i64.store offset=9000 (i32.const 0) (local.get 0)) (local.get 1))"
    " (func $deep (export \"loud\") (param i64 i64) (result i64)"
    "   (if (result i64) (i64.eqz (local.get 1)) (then (local.get 0))"
    "     (else (i64.xor (local.get 0) (call $deep (local.get 0)"
    "       (i64.sub (local.get 1) (i64.const 1)))))))"
    " (func (export \"trap\") (param i64 i64) (result i64)"
    "   (call $twice (local.get 0) (i64.load (i32.const -8))))"
    " (func (export \"g\") (result i64) (global.get $g)))";

struct tenants {
    struct lucet_region *region;
    struct lucet_dl_module *module;
    struct lucet_func quiet, closed, loud, trap;
};

static void tenants_begin(struct tenants *t)
{
    guest_begin();
    t->region = guest_region(1);
    t->module = guest_module(tenant_wat, &guest_default);
    lucet_dl_module_func(t->module, "quiet", "II:I", &t->quiet);
    lucet_dl_module_func(t->module, "closed", "II:I", &t->closed);
    lucet_dl_module_func(t->module, "loud", "II:I", &t->loud);
    lucet_dl_module_func(t->module, "trap", "II:I", &t->trap);
    assert_int_equal(t->quiet.effects, QUIET);
    assert_int_equal(t->closed.effects, CLOSED);
    assert_int_equal(t->loud.effects, ANY);
    assert_int_equal(t->trap.effects, QUIET);
}

static void tenants_end(struct tenants *t)
{
    lucet_dl_module_release(t->module);
    lucet_region_release(t->region);
}

#define SECRET UINT64_C(0x5ec2e75ec2e75ec2)

static __attribute__((noinline)) enum lucet_error call(const struct lucet_func *f,
                                                       struct lucet_instance *i)
{
    union lucet_raw v[2] = {{.u64 = SECRET}, {.u64 = 100}};

    return lucet_func_call(f, i, v, NULL);
}

/* But for the mark, which is of the slot. */
static bool stack_is_clean(const struct lucet_instance *i)
{
    const struct slot *s = i->slot;
    const uint64_t size = i->region->limits.stack_size - sizeof(uint64_t);
    uint64_t mark;

    memcpy(&mark, s->stack + size, sizeof(mark));
    return guest_all_zero(s->stack, size) && (mark == 0 || mark == (uintptr_t)s->heap);
}

static bool heap_is_clean(const struct lucet_instance *i)
{
    const uint8_t *heap = i->slot->heap;

    return guest_all_zero(heap, 5000) && memcmp(heap + 5000, "data", 4) == 0 &&
           guest_all_zero(heap + 5004, 65536 - 5004);
}

/* What a tenant does, and whether the runtime may believe it to be quiet afterwards. */
static void by_quiet(struct tenants *t, struct lucet_instance *i)
{
    for (int k = 0; k < 3; k++)
        assert_int_equal(call(&t->quiet, i), lucet_error_ok);
    assert_false(i->touched);
}

static void by_closed(struct tenants *t, struct lucet_instance *i)
{
    assert_int_equal(call(&t->closed, i), lucet_error_ok);
    assert_true(i->touched);
}

static void by_loud(struct tenants *t, struct lucet_instance *i)
{
    assert_int_equal(call(&t->loud, i), lucet_error_ok);
    assert_true(i->touched);
}

static void by_name(struct tenants *t, struct lucet_instance *i)
{
    (void)t;
    guest_call(i, "closed", ARGS(I64(SECRET), I64(1)));
    assert_true(i->touched);
}

static void by_fault(struct tenants *t, struct lucet_instance *i)
{
    assert_int_equal(call(&t->trap, i), lucet_error_runtime_fault);
    assert_true(i->touched);
}

static void by_heap(struct tenants *t, struct lucet_instance *i)
{
    (void)t;
    memset(lucet_instance_heap(i) + 40000, 99, 100);
}

static void by_memory(struct tenants *t, struct lucet_instance *i)
{
    uint8_t *base;
    uint64_t size;

    assert_int_equal(call(&t->quiet, i), lucet_error_ok);
    assert_int_equal(lucet_instance_memory(i, "m", 1, &base, &size), lucet_error_ok);
    memset(base + 60000, 99, 100);
}

static void by_nothing(struct tenants *t, struct lucet_instance *i)
{
    (void)t;
    assert_false(i->touched);
}

static void (*const tenants[])(struct tenants *, struct lucet_instance *) = {
    by_quiet, by_nothing, by_closed, by_loud, by_name, by_fault, by_heap, by_memory,
};
#define TENANTS (sizeof(tenants) / sizeof(*tenants))

static void whatever_a_tenant_did_the_next_finds_nothing(void **state)
{
    struct tenants t;

    (void)state;
    tenants_begin(&t);
    for (size_t first = 0; first < TENANTS; first++)
        for (size_t next = 0; next < TENANTS; next++) {
            struct lucet_instance *i = guest_instance(t.region, t.module, NULL, NULL);
            tenants[first](&t, i);
            lucet_instance_release(i);
            i = guest_instance(t.region, t.module, NULL, NULL);
            if (!stack_is_clean(i) || !heap_is_clean(i))
                fail_msg("after tenant %zu", first);
            tenants[next](&t, i);
            lucet_instance_release(i);
        }
    struct lucet_instance *i = guest_instance(t.region, t.module, NULL, NULL);
    assert_int_equal(guest_call(i, "g", 0, NULL), 7);
    lucet_instance_release(i);
    tenants_end(&t);
}

/* Slots of quiet tenants keep their pages. */
static void a_quiet_tenant_costs_no_look_at_the_pages(void **state)
{
    struct tenants t;

    (void)state;
    tenants_begin(&t);
    struct lucet_instance *i = guest_instance(t.region, t.module, NULL, NULL);
    by_quiet(&t, i);
    const struct slot *s = i->slot;
    /* What is beyond anything it can have written is not looked at: it would be found otherwise. */
    s->stack[100] = 1;
    lucet_instance_release(i);
    assert_true(s->warm);
    assert_int_equal(s->stack[100], 1);
    s->stack[100] = 0;
    tenants_end(&t);
}

/* It knows where the memory is from what faulted, and asks the runtime for nothing. */
static enum lucet_signal_behavior write_there(struct lucet_instance *i,
                                              const enum lucet_trapcode *trap, int sig,
                                              const siginfo_t *info, const void *context)
{
    uint8_t *page = (uint8_t *)((uintptr_t)info->si_addr & ~(uintptr_t)4095);

    (void)i, (void)trap, (void)sig, (void)context;
    assert_int_equal(mprotect(page, 4096, PROT_READ | PROT_WRITE), 0);
    memset(page + 100, 99, 8);
    return lucet_signal_behavior_continue;
}

static void what_a_handler_of_faults_writes_is_put_back(void **state)
{
    struct tenants t;

    (void)state;
    tenants_begin(&t);
    struct lucet_instance *i = guest_instance(t.region, t.module, NULL, NULL);
    assert_int_equal(lucet_instance_set_signal_handler(i, write_there), lucet_error_ok);
    assert_int_equal(mprotect(i->slot->heap + 4096, 4096, PROT_NONE), 0);
    assert_int_equal(call(&t.quiet, i), lucet_error_ok);
    assert_int_equal(i->slot->heap[4096 + 100], 99);
    lucet_instance_release(i);
    i = guest_instance(t.region, t.module, NULL, NULL);
    assert_true(heap_is_clean(i));
    lucet_instance_release(i);
    tenants_end(&t);
}

/* ---- Several instances, several threads, an odd environment ---- */

static void faults_are_of_the_instance_that_runs(void **state)
{
    struct tenants t;

    (void)state;
    tenants_begin(&t);
    struct lucet_region *other = guest_region(1);
    struct lucet_instance *i[2] = {guest_instance(t.region, t.module, NULL, NULL),
                                   guest_instance(other, t.module, NULL, NULL)};
    for (int round = 0; round < 3; round++)
        for (int k = 0; k < 2; k++) {
            for (int n = 0; n < 2; n++)
                assert_int_equal(call(&t.quiet, i[k]), lucet_error_ok);
            assert_int_equal(call(&t.quiet, i[!k]), lucet_error_ok);
            assert_int_equal(call(&t.trap, i[k]), lucet_error_runtime_fault);
            assert_int_equal(lucet_instance_reset(i[k]), lucet_error_ok);
        }
    lucet_instance_release(i[0]);
    lucet_instance_release(i[1]);
    lucet_region_release(other);
    tenants_end(&t);
}

struct control {
    uint32_t mxcsr;
    uint16_t x87;
};

static struct control control_now(void)
{
    struct control c;

    __asm__ volatile("stmxcsr %0\n fnstcw %1" : "=m"(c.mxcsr), "=m"(c.x87));
    return c;
}

static void set_control(struct control c)
{
    __asm__ volatile("ldmxcsr %0\n fldcw %1" ::"m"(c.mxcsr), "m"(c.x87));
}

/* Rounding up, denormals are zero, some flags raised; 53 bits, rounding down. */
static void control_of_floating_point_stays_the_hosts(void **state)
{
    const struct control plain = control_now(), odd = {0x5ff5, 0x067f};
    struct tenants t;

    (void)state;
    tenants_begin(&t);
    struct lucet_instance *i = guest_instance(t.region, t.module, NULL, NULL);
    for (int round = 0; round < 3; round++)
        for (int k = 0; k < 2; k++) {
            set_control(odd);
            const enum lucet_error e = call(k ? &t.trap : &t.quiet, i);
            const struct control after = control_now();
            set_control(plain);
            assert_int_equal(e, k ? lucet_error_runtime_fault : lucet_error_ok);
            assert_int_equal(after.mxcsr, odd.mxcsr);
            assert_int_equal(after.x87, odd.x87);
            if (k)
                assert_int_equal(lucet_instance_reset(i), lucet_error_ok);
        }
    lucet_instance_release(i);
    tenants_end(&t);
}

#ifndef LUCET_TSAN
/* ---- Kills in the middle ---- */

static struct lucet_kill_switch *kill_switch;
static enum lucet_kill_result answer;
static bool killed;

static void kill_in_guest_code(int sig, siginfo_t *info, void *context)
{
    ucontext_t *u = context;

    (void)sig, (void)info;
    if (killed || !lucet__code_range_find((uintptr_t)u->uc_mcontext.gregs[REG_RIP]))
        return;
    killed = true;
    answer = lucet_kill_switch_terminate(kill_switch);
}

static void *call_elsewhere(void *p)
{
    void *const *both = p;
    const struct tenants *t = both[0];

    for (int k = 0; k < 2; k++)
        assert_int_equal(call(&t->quiet, both[1]), lucet_error_ok);
    return NULL;
}

/* The killer finds it running, on the thread where it runs now. */
static void a_closed_function_is_killed_where_it_runs(void **state)
{
    struct sigaction ours = {.sa_sigaction = kill_in_guest_code,
                             .sa_flags = SA_SIGINFO | SA_ONSTACK},
                     before;
    struct lucet_instance *i;
    struct tenants t;
    pthread_t thread;

    (void)state;
    tenants_begin(&t);
    i = guest_instance(t.region, t.module, NULL, NULL);
    by_quiet(&t, i);
    assert_int_equal(pthread_create(&thread, NULL, call_elsewhere, (void *[]){&t, i}), 0);
    pthread_join(thread, NULL);
    assert_int_equal(call(&t.quiet, i), lucet_error_ok);
    assert_ptr_equal(atomic_load(&i->stop->abi), &lucet__thread.abi);
    assert_int_equal(lucet_instance_kill_switch(i, &kill_switch), lucet_error_ok);
    assert_int_equal(sigaction(SIGTRAP, &ours, &before), 0);
    __asm__ volatile("pushfq\n orl $0x100, (%%rsp)\n popfq" ::: "memory", "cc");
    const enum lucet_error e = call(&t.quiet, i);
    __asm__ volatile("pushfq\n andl $~0x100, (%%rsp)\n popfq" ::: "memory", "cc");
    sigaction(SIGTRAP, &before, NULL);
    assert_true(killed);
    assert_int_equal(answer, lucet_kill_signalled);
    assert_int_equal(e, lucet_error_runtime_terminated);
    lucet_kill_switch_release(kill_switch);
    lucet_instance_release(i);
    tenants_end(&t);
}
/* ---- Signals on the guest's stack ---- */

static unsigned steps, in_guest;

static void on_step(int sig, siginfo_t *info, void *context)
{
    volatile uint8_t used[2000];

    (void)sig, (void)info, (void)context;
    memset((void *)(uintptr_t)used, 0x5e, sizeof(used));
    steps++;
    in_guest += lucet__thread.current != NULL;
}

/* Not a copy of it. */
static enum lucet_error (*volatile really_call)(const struct lucet_func *,
                                                struct lucet_instance *) = call;

static __attribute__((noinline)) enum lucet_error
call_in_steps(const struct lucet_func *f, struct lucet_instance *i,
              void (*step)(int, siginfo_t *, void *), int flags)
{
    struct sigaction ours = {.sa_sigaction = step, .sa_flags = SA_SIGINFO | flags}, before;

    assert_int_equal(sigaction(SIGTRAP, &ours, &before), 0);
    __asm__ volatile("pushfq\n orl $0x100, (%%rsp)\n popfq" ::: "memory", "cc");
    const enum lucet_error e = really_call(f, i);
    __asm__ volatile("pushfq\n andl $~0x100, (%%rsp)\n popfq" ::: "memory", "cc");
    sigaction(SIGTRAP, &before, NULL);
    return e;
}

static void call_with_handlers_on_the_stack(void)
{
    struct tenants t;

    steps = in_guest = 0;
    tenants_begin(&t);
    struct lucet_instance *i = guest_instance(t.region, t.module, NULL, NULL);
    by_quiet(&t, i);
    assert_int_equal(call_in_steps(&t.quiet, i, on_step, 0), lucet_error_ok);
    assert_true(in_guest > 20 && steps > in_guest);
    assert_false(i->touched);
    assert_false(stack_is_clean(i));
    lucet_instance_release(i);
    i = guest_instance(t.region, t.module, NULL, NULL);
    assert_true(stack_is_clean(i));
    lucet_instance_release(i);
    tenants_end(&t);
}

/* A handler without a stack of its own leaves its frame, and the guest's registers, below a quiet function's. */
static void what_a_handler_leaves_on_the_stack_is_found(void **state)
{
    (void)state;
    call_with_handlers_on_the_stack();
}

/* The kernel's part of the frame is larger than a page then, and zero where the tiles are. */
static __attribute__((target("amx-tile"))) bool use_tiles(void)
{
    static const struct {
        uint8_t palette, start, reserved[14];
        uint16_t columns[16];
        uint8_t rows[16];
    } config = {.palette = 1, .columns = {64}, .rows = {16}};

    if (syscall(SYS_arch_prctl, 0x1023 /* ARCH_REQ_XCOMP_PERM */, 18) != 0)
        return false;
    __asm__ volatile("ldtilecfg %0\n tilezero %%tmm0\n tilerelease" ::"m"(config));
    return true;
}

static void what_a_handler_leaves_is_found_on_threads_that_used_tiles(void **state)
{
    (void)state;
    if (!use_tiles()) {
        print_message("no tiles (AMX) here\n");
        skip();
    }
    call_with_handlers_on_the_stack();
}

/* ---- Unwinding at each instruction ---- */

static unsigned unwound, ended;
static const char *wrong;

struct frames {
    void *functions[8];
    size_t count;
};

static _Unwind_Reason_Code add_frame(struct _Unwind_Context *context, void *arg)
{
    struct frames *f = arg;
    int before;
    const uintptr_t ip = _Unwind_GetIPInfo(context, &before);

    if (f->count == 8)
        return _URC_NORMAL_STOP;
    f->functions[f->count++] = ip ? _Unwind_FindEnclosingFunction((void *)(ip + (before != 0))) : 0;
    return _URC_NO_REASON;
}

static void *function_at(uintptr_t pc)
{
    return _Unwind_FindEnclosingFunction((void *)(pc + 1));
}

static void unwind_from_here(int sig, siginfo_t *info, void *context)
{
    const ucontext_t *u = context;
    void *const quick = function_at((uintptr_t)lucet__closed_begin);
    struct frames f = {0};
    size_t k = 0;

    (void)sig, (void)info;
    if (function_at((uintptr_t)u->uc_mcontext.gregs[REG_RIP]) != quick)
        return;
    _Unwind_Backtrace(add_frame, &f);
    while (k < f.count && f.functions[k] != quick)
        k++;
    if (k + 1 >= f.count || !f.functions[k + 1])
        ended++;
    else if (f.functions[k + 1] == function_at((uintptr_t)really_call) ||
             f.functions[k + 1] == function_at((uintptr_t)lucet_func_call)) /* in C, sanitized */
        unwound++;
    else if (!wrong)
        wrong = (const char *)u->uc_mcontext.gregs[REG_RIP];
}

/* As profilers do it; where the stack is another's, it ends. */
static void unwinding_finds_the_caller_wherever_it_begins(void **state)
{
    struct tenants t;

    (void)state;
    tenants_begin(&t);
    struct lucet_instance *i = guest_instance(t.region, t.module, NULL, NULL);
    const struct lucet_func *const functions[] = {&t.quiet, &t.closed, &t.loud, &t.trap};
    for (size_t k = 0; k < 4; k++) {
        assert_int_equal(call(functions[k], i), k < 3 ? lucet_error_ok : lucet_error_runtime_fault);
        assert_int_equal(lucet_instance_reset(i), lucet_error_ok);
        unwound = ended = 0;
        call_in_steps(functions[k], i, unwind_from_here, SA_ONSTACK);
        assert_true(unwound > 40 && ended > 10);
        if (wrong)
            fail_msg("function %zu: lost %td bytes behind lucet__quick_left", k,
                     wrong - lucet__quick_left);
    }
    lucet_instance_release(i);
    tenants_end(&t);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_of_function_is_known_for_what_it_is),
        cmocka_unit_test(nothing_is_known_in_modules_whose_code_does_more),
        cmocka_unit_test(a_function_with_a_large_frame_is_not_quiet_nor_are_its_callers),
        cmocka_unit_test(whatever_a_tenant_did_the_next_finds_nothing),
        cmocka_unit_test(a_quiet_tenant_costs_no_look_at_the_pages),
        cmocka_unit_test(what_a_handler_of_faults_writes_is_put_back),
        cmocka_unit_test(faults_are_of_the_instance_that_runs),
#ifndef LUCET_TSAN /* which calls handlers later than at the instruction */
        cmocka_unit_test(a_closed_function_is_killed_where_it_runs),
        cmocka_unit_test(what_a_handler_leaves_on_the_stack_is_found),
        cmocka_unit_test(what_a_handler_leaves_is_found_on_threads_that_used_tiles),
        cmocka_unit_test(unwinding_finds_the_caller_wherever_it_begins),
#endif
        cmocka_unit_test(control_of_floating_point_stays_the_hosts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
