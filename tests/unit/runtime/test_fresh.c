/* Slots that are used again: whatever a tenant did, in few pages or in many, the next one begins
 * like the first, also where the kernel cannot say which pages were written, and in a child of a
 * fork. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "run/guest.h"
#include "run/process.h"
#include "runtime/dirty.h"
#include "runtime/failing.h"
#include "runtime/instance.h"
#include "runtime/module.h"
#include "runtime/region.h"
#include "runtime/sizes.h"
#include "runtime/slot.h"

/* Its data is copied or, when large, mapped. */
static struct lucet_dl_module *module_with_data(bool large)
{
    struct text t = {0};

    text_add(&t, "(module (memory (export \"m\") 8 64) (table (export \"t\") 4 1000 funcref)"
                 " (table $x 3 externref) (global $g (mut i64) (i64.const 7))"
                 " (global $r (mut funcref) (ref.func $f)) (type $v (func (result i32)))"
                 " (elem $e (table 0) (i32.const 1) func $f $g1) (elem $p func $g1 $f)"
                 " (func $f (result i32) (i32.const 11)) (func $g1 (result i32) (i32.const 22))"
                 " (func (export \"at\") (param i32) (result i32)"
                 "   (call_indirect (type $v) (local.get 0)))"
                 " (func (export \"g\") (result i64) (i64.add (global.get $g)"
                 "   (i64.extend_i32_u (i32.mul (i32.const 100) (ref.is_null (global.get $r))))))"
                 " (func (export \"externs\") (result i32) (i32.add (i32.add"
                 "   (ref.is_null (table.get $x (i32.const 0)))"
                 "   (ref.is_null (table.get $x (i32.const 1))))"
                 "   (ref.is_null (table.get $x (i32.const 2)))))"
                 " (func (export \"sizes\") (result i32) (i32.add (memory.size)"
                 "   (i32.mul (i32.const 100) (table.size 0))))"
                 " (func (export \"init\") (table.init 0 $p (i32.const 0) (i32.const 0)"
                 "   (i32.const 2)))"
                 " (func (export \"spoil\") (param externref)"
                 "   (global.set $g (i64.const -1)) (global.set $r (ref.null func))"
                 "   (table.set 0 (i32.const 0) (ref.func $f))"
                 "   (table.set 0 (i32.const 1) (ref.func $g1))"
                 "   (table.set $x (i32.const 1) (local.get 0))"
                 "   (drop (table.grow 0 (ref.func $f) (i32.const 900)))"
                 "   (elem.drop $p) (data.drop 0)"
                 "   (drop (memory.grow (i32.const 3))))"
                 " (func $deep (export \"deep\") (param i64 i32) (result i64)"
                 "   (if (result i64) (local.get 1)"
                 "     (then (i64.xor (local.get 0)"
                 "       (call $deep (local.get 0) (i32.sub (local.get 1) (i32.const 1)))))"
                 "     (else (local.get 0))))"
                 " (func (export \"three\") (param i64) (result i64 i64 i64)"
                 "   (local.get 0) (local.get 0) (local.get 0))"
                 " (func (export \"write\") (param i32) (i32.store8 (local.get 0) (i32.const 99)))"
                 " (data (i32.const 70000) \"");
    for (int i = 0; i < (large ? 150000 : 300); i++)
        text_add(&t, "%c", 'a' + i % 26);
    text_add(&t, "\"))");
    struct lucet_dl_module *m = guest_module(t.s, &guest_default);
    text_free(&t);
    return m;
}

/* Where the last tenant's functions ran, and left results. */
static void check_stack_and_scratch(const struct lucet_instance *inst)
{
    const struct lucet_layout *l = &inst->module->artifact.header->layout;

    assert_true(guest_all_zero(inst->slot->stack, inst->region->limits.stack_size));
    assert_true(guest_all_zero((const uint8_t *)inst->ctx + l->scratch, l->scratch_size));
}

static void check_fresh(struct lucet_instance *inst, bool large)
{
    const uint8_t *heap = lucet_instance_heap(inst);
    const size_t n = large ? 150000 : 300, size = lucet_instance_heap_len(inst);

    assert_int_equal(size, 8 * 65536);
    for (size_t i = 0; i < size; i++) {
        uint8_t wanted = i >= 70000 && i < 70000 + n ? (uint8_t)('a' + (i - 70000) % 26) : 0;
        if (heap[i] != wanted)
            fail_msg("byte %zu is %u, not %u", i, heap[i], wanted);
    }
    assert_int_equal((uint32_t)guest_call(inst, "sizes", 0, NULL), 408);
    assert_int_equal(guest_call(inst, "g", 0, NULL), 7);
    assert_int_equal((uint32_t)guest_call(inst, "externs", 0, NULL), 3);
    assert_int_equal((uint32_t)guest_call(inst, "at", ARGS(I32(1))), 11);
    assert_int_equal((uint32_t)guest_call(inst, "at", ARGS(I32(2))), 22);
    lucet_instance_set_continue_after_fault(inst, true);
    assert_int_equal(guest_trap(inst, "at", ARGS(I32(0))), lucet_trapcode_indirect_call_to_null);
    assert_int_equal(guest_trap(inst, "at", ARGS(I32(3))), lucet_trapcode_indirect_call_to_null);
    guest_call(inst, "init", 0, NULL);
}

/* Writes to so many pages, all over. */
static void spoil(struct lucet_instance *inst, unsigned pages, unsigned seed)
{
    const struct lucet_val ref = {.ty = lucet_val_type_externref, .inner_val.as_u64 = 0x5ec2e7};

    guest_call(inst, "spoil", 1, &ref);
    guest_call(inst, "deep", ARGS(I64(0x5ec2e75ec2e75ec2), I32(seed * 10)));
    guest_call(inst, "three", ARGS(I64(0x5ec2e75ec2e75ec2)));
    for (unsigned k = 0; k < pages; k++)
        guest_call(inst, "write",
                   ARGS(I32((((k * 37 + seed) % 176) << 12) + (k * 1009 + seed) % 4096)));
}

static void rounds(struct lucet_region *region, struct lucet_dl_module *const m[2])
{
    static const unsigned pages[] = {0, 1, 2, 5, 60, 90, 170, 3};

    for (unsigned round = 0; round < 32; round++) {
        const bool large = round % 11 > 5;
        struct lucet_instance *inst = guest_instance(region, m[large], NULL, NULL);
        check_stack_and_scratch(inst);
        for (int resets = 0; resets < 2; resets++) {
            check_fresh(inst, large);
            spoil(inst, pages[(round + (unsigned)resets) % 8], round);
            if (resets == 0)
                assert_int_equal(lucet_instance_reset(inst), lucet_error_ok);
        }
        lucet_instance_release(inst);
    }
}

static void every_tenant_begins_like_the_first(void **state)
{
    (void)state;
    guest_begin();
    struct lucet_dl_module *m[2] = {module_with_data(false), module_with_data(true)};
    struct lucet_region *region = guest_region(1);
    const unsigned before = failing_scans;
    rounds(region, m);
    if (lucet__dirty_prepare())
        assert_true(failing_scans > before);
    failing_begin(FAIL_SCAN, 0, true);
    rounds(region, m);
    failing_end();
    rounds(region, m);
    lucet_dl_module_release(m[0]);
    lucet_dl_module_release(m[1]);
    lucet_region_release(region);
}

/* Modules without a heap in the slot, and instances that could not be made, come in between. */
static void what_others_left_in_between_is_not_taken_for_fresh(void **state)
{
    (void)state;
    guest_begin();
    struct lucet_dl_module *m[2] = {module_with_data(false), module_with_data(true)};
    struct lucet_dl_module *none =
        guest_module("(module (func (export \"f\") (result i32) (i32.const 1)))", &guest_default);
    struct lucet_dl_module *impossible =
        guest_module("(module (import \"no\" \"where\" (func)))", &guest_default);
    struct lucet_region *region = guest_region(1);
    for (unsigned round = 0; round < 8; round++) {
        const bool large = round & 1, fails = round & 2;
        struct lucet_instance *inst = guest_instance(region, m[large], NULL, NULL);
        check_fresh(inst, large);
        spoil(inst, 3, 18 + round); /* pages of the data, too */
        lucet_instance_release(inst);
        if (fails) {
            assert_int_not_equal(lucet_region_new_instance(region, impossible, &inst),
                                 lucet_error_ok);
        } else {
            inst = guest_instance(region, none, NULL, NULL);
            assert_int_equal((uint32_t)guest_call(inst, "f", 0, NULL), 1);
            lucet_instance_release(inst);
        }
        inst = guest_instance(region, m[large], NULL, NULL);
        check_stack_and_scratch(inst);
        check_fresh(inst, large);
        lucet_instance_release(inst);
    }
    lucet_dl_module_release(m[0]);
    lucet_dl_module_release(m[1]);
    lucet_dl_module_release(none);
    lucet_dl_module_release(impossible);
    lucet_region_release(region);
}

/* A child that asked about its parent's pages would find nothing to remove in its own. */
static void a_child_asks_about_its_own_pages(void **state)
{
    (void)state;
    guest_begin();
    struct lucet_dl_module *m = module_with_data(false);
    struct lucet_region *region = guest_region(1);
    struct lucet_instance *inst = guest_instance(region, m, NULL, NULL);
    lucet_instance_release(inst);
    pid_t child = (pid_t)syscall(SYS_fork); /* no handlers of pthread_atfork */
    if (child == 0) {
        bool good = lucet_region_new_instance(region, m, &inst) == lucet_error_ok;
        uint8_t *heap = lucet_instance_heap(inst);
        heap[5 << 12] = heap[(6 << 16) + 1] = 0x5e;
        lucet_instance_release(inst);
        good = good && lucet_region_new_instance(region, m, &inst) == lucet_error_ok;
        heap = lucet_instance_heap(inst);
        _exit(good && heap[5 << 12] == 0 && heap[(6 << 16) + 1] == 0 ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    lucet_dl_module_release(m);
    lucet_region_release(region);
}

static void kill_switches_of_a_former_tenant_do_nothing(void **state)
{
    (void)state;
    guest_begin();
    struct lucet_dl_module *m = module_with_data(false);
    struct lucet_region *region = guest_region(1);
    for (int round = 0; round < 3; round++) {
        struct lucet_kill_switch *k, *own;
        struct lucet_instance *inst = guest_instance(region, m, NULL, NULL);
        assert_int_equal(lucet_instance_kill_switch(inst, &k), lucet_error_ok);
        assert_int_equal(lucet_instance_set_timeout(inst, 1), lucet_error_ok);
        lucet_instance_release(inst);
        inst = guest_instance(region, m, NULL, NULL);
        assert_int_equal(lucet_kill_switch_terminate(k), lucet_kill_not_terminable);
        usleep(3000); /* nor is its time limit there */
        assert_int_equal(guest_call(inst, "g", 0, NULL), 7);
        assert_int_equal(lucet_instance_kill_switch(inst, &own), lucet_error_ok);
        assert_int_equal(lucet_kill_switch_terminate(own), lucet_kill_cancelled);
        lucet_kill_switch_release(own);
        lucet_kill_switch_release(k);
        lucet_instance_release(inst);
        /* A switch that was fired and given back leaves nothing in the slot either. */
        inst = guest_instance(region, m, NULL, NULL);
        assert_int_equal(guest_call(inst, "g", 0, NULL), 7);
        lucet_instance_release(inst);
    }
    lucet_dl_module_release(m);
    lucet_region_release(region);
}

static void limits_hold_for_each_tenant_anew(void **state)
{
    const struct lucet_instance_options little = {.heap_memory_limit = 4 * 65536};
    const struct lucet_instance_options some = {.heap_memory_limit = 9 * 65536};

    (void)state;
    guest_begin();
    struct lucet_dl_module *m = module_with_data(false);
    struct lucet_region *region = guest_region(1);
    for (int round = 0; round < 5; round++) {
        struct lucet_instance *inst;
        uint32_t before;
        assert_int_equal(lucet_region_new_instance_with(region, m, &little, &inst),
                         lucet_error_limits_exceeded);
        assert_int_equal(lucet_region_new_instance_with(region, m, &some, &inst), lucet_error_ok);
        assert_int_equal(lucet_instance_grow_heap(inst, 2, &before), lucet_error_limits_exceeded);
        assert_int_equal(lucet_instance_grow_heap(inst, 1, &before), lucet_error_ok);
        lucet_instance_release(inst);
        inst = guest_instance(region, m, NULL, NULL);
        check_fresh(inst, false);
        spoil(inst, 1, 1);
        lucet_instance_release(inst);
    }
    lucet_dl_module_release(m);
    assert_int_equal(lucet_region_used_slots(region), 0);
    lucet_region_release(region);
}

static enum lucet_signal_behavior forbidden_handler(struct lucet_instance *inst,
                                                    const enum lucet_trapcode *trap, int signum,
                                                    const siginfo_t *info, const void *context)
{
    (void)inst, (void)trap, (void)signum, (void)info, (void)context;
    return lucet_signal_behavior_terminate;
}

static void forbidden_fatal_handler(struct lucet_instance *inst)
{
    (void)inst;
    abort();
}

/* What its embedder has set for one tenant. */
static void settings_of_the_former_tenant_are_gone(void **state)
{
    static const char wat[] =
        "(module (memory 1) (func (export \"fault\") (drop (i32.load (i32.const -4))))"
        " (func (export \"work\") (local i32) (loop (br_if 0 (i32.lt_u (local.tee 0"
        "   (i32.add (local.get 0) (i32.const 1))) (i32.const 100000000))))))";
    static const struct guest_mode modes[] = {{.opt_level = lucetc_opt_none},
                                              {.opt_level = lucetc_opt_none, .count = true}};

    (void)state;
    guest_begin();
    for (int k = 0; k < 2; k++) {
        struct lucet_dl_module *m = guest_module(wat, &modes[k]);
        struct lucet_region *region = guest_region(1);
        struct lucet_instance *inst = guest_instance(region, m, NULL, region);
        struct lucet_result r;
        if (modes[k].count)
            assert_int_equal(lucet_instance_set_instruction_bound(inst, 1000), lucet_error_ok);
        assert_int_equal(lucet_instance_set_timeout(inst, 5), lucet_error_ok);
        assert_int_equal(lucet_instance_set_slice(inst, 100000), lucet_error_ok);
        assert_int_equal(lucet_instance_set_signal_handler(inst, forbidden_handler),
                         lucet_error_ok);
        assert_int_equal(lucet_instance_set_fatal_handler(inst, forbidden_fatal_handler),
                         lucet_error_ok);
        lucet_instance_set_continue_after_fault(inst, true);
        lucet_instance_release(inst);

        inst = guest_instance(region, m, NULL, NULL);
        assert_true(inst->used_again);
        assert_null(lucet_instance_embed_ctx(inst));
        assert_null(inst->fatal_handler);
        assert_int_equal(lucet_instance_run(inst, "work", 0, NULL, &r), lucet_error_ok);
        assert_int_equal(r.tag, lucet_result_tag_returned);
        assert_int_equal(lucet_instance_run(inst, "fault", 0, NULL, &r), lucet_error_runtime_fault);
        assert_int_equal(lucet_instance_run(inst, "fault", 0, NULL, &r),
                         lucet_error_instance_not_returned);
        lucet_instance_release(inst);
        lucet_dl_module_release(m);
        lucet_region_release(region);
    }
}

struct crowd {
    struct lucet_region *region;
    struct lucet_dl_module *module;
    atomic_uint failed;
};

static void *make_and_drop(void *p)
{
    struct crowd *c = p;
    struct lucet_func g;
    union lucet_raw v;

    if (lucet_dl_module_func(c->module, "g", ":I", &g) != lucet_error_ok)
        atomic_fetch_add(&c->failed, 1);
    for (int i = 0; i < 3000; i++) {
        struct lucet_instance *inst;
        if (lucet_region_new_instance(c->region, c->module, &inst) != lucet_error_ok) {
            atomic_fetch_add(&c->failed, 1);
            continue;
        }
        if (lucet_func_call(&g, inst, &v, NULL) != lucet_error_ok || v.i64 != 7)
            atomic_fetch_add(&c->failed, 1);
        lucet_instance_release(inst);
    }
    return NULL;
}

/* As many slots as threads: at every moment there is one for whoever asks. */
static void no_thread_is_refused_while_a_slot_is_free(void **state)
{
    enum { THREADS = 6 };

    (void)state;
    guest_begin();
    for (int random = 0; random < 2; random++) {
        const struct lucet_region_options o = {.strategy = random ? lucet_slots_random
                                                                  : lucet_slots_linear};
        struct crowd c = {.module = module_with_data(false)};
        pthread_t threads[THREADS];
        assert_int_equal(lucet_mmap_region_create_with(THREADS, NULL, &o, &c.region), 0);
        for (int i = 0; i < THREADS; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, make_and_drop, &c), 0);
        for (int i = 0; i < THREADS; i++)
            pthread_join(threads[i], NULL);
        assert_int_equal(atomic_load(&c.failed), 0);
        assert_int_equal(lucet_region_free_slots(c.region), THREADS);
        lucet_dl_module_release(c.module);
        lucet_region_release(c.region);
    }
}

struct allowance_of_memory {
    uint64_t limit, last_current, last_desired;
    unsigned asked;
    const struct lucet_instance *last;
};

static bool is_allowed(void *arg, struct lucet_instance *inst, uint64_t current, uint64_t desired)
{
    struct allowance_of_memory *a = arg;

    a->asked++;
    a->last = inst;
    a->last_current = current;
    a->last_desired = desired;
    return desired <= a->limit;
}

static void a_limiter_decides_before_memories_grow(void **state)
{
    struct allowance_of_memory a = {.limit = 10 * 65536};
    const struct lucet_region_options o = {.memory_limiter = is_allowed, .memory_limiter_arg = &a};
    struct lucet_alloc_limits limits = lucet_alloc_limits_default();
    struct lucet_region *region;
    struct lucet_instance *inst;
    uint32_t before;

    (void)state;
    guest_begin();
    limits.heap_memory_size = 64 * 65536;
    struct lucet_dl_module *m = guest_module("(module (memory (export \"m\") 8)"
                                             " (func (export \"grow\") (param i32) (result i32)"
                                             "   (memory.grow (local.get 0))))",
                                             &guest_default);
    assert_int_equal(lucet_mmap_region_create_with(1, &limits, &o, &region), lucet_error_ok);
    for (int round = 0; round < 3; round++) {
        a.limit = 7 * 65536;
        assert_int_equal(lucet_region_new_instance(region, m, &inst), lucet_error_limits_exceeded);
        assert_null(a.last);
        assert_int_equal(a.last_desired, 8 * 65536);
        a.limit = 10 * 65536;
        assert_int_equal(lucet_region_new_instance(region, m, &inst), lucet_error_ok);
        assert_int_equal((int32_t)guest_call(inst, "grow", ARGS(I32(3))), -1);
        assert_ptr_equal(a.last, inst);
        assert_int_equal(a.last_current, 8 * 65536);
        assert_int_equal(a.last_desired, 11 * 65536);
        assert_int_equal((int32_t)guest_call(inst, "grow", ARGS(I32(1))), 8);
        assert_int_equal(lucet_instance_grow_heap(inst, 2, &before), lucet_error_limits_exceeded);
        assert_int_equal(lucet_instance_grow_heap(inst, 1, &before), lucet_error_ok);
        const unsigned asked = a.asked; /* not when nothing is to grow */
        assert_int_equal((int32_t)guest_call(inst, "grow", ARGS(I32(0))), 10);
        assert_int_equal(a.asked, asked);
        lucet_instance_release(inst);
    }
    assert_int_equal(lucet_region_used_slots(region), 0);
    lucet_dl_module_release(m);
    lucet_region_release(region);
}

/* A process may have 65,530 mappings. */
static void instances_take_few_mappings(void **state)
{
    enum { MANY = 200 };
    static struct lucet_instance *inst[MANY];

    (void)state;
    guest_begin();
    struct lucet_dl_module *m = module_with_data(false);
    struct lucet_region *region = guest_region(MANY);
    const unsigned before = process_mappings("");
    for (int i = 0; i < MANY; i++)
        inst[i] = guest_instance(region, m, NULL, NULL);
    const unsigned after = process_mappings("");
    assert_true(after - before <= guest_mappings_each() * MANY + 20);
    for (int i = 0; i < MANY; i++)
        lucet_instance_release(inst[i]);
    lucet_dl_module_release(m);
    lucet_region_release(region);
}

static int touch(void *p)
{
    signal(SIGSEGV, SIG_DFL);
    return *(const volatile uint8_t *)p & 0;
}

static bool is_killed_by_touching(const uint8_t *p)
{
    return process_child(touch, (void *)(uintptr_t)p) == 128 + SIGSEGV;
}

/* Also after the slot was used and cleaned, and in a child, which inherits them. */
static void guards_surround_stack_and_heap(void **state)
{
    (void)state;
    guest_begin();
    struct lucet_dl_module *m = module_with_data(false);
    struct lucet_region *region = guest_region(1);
    for (int round = 0; round < 3; round++) {
        struct lucet_instance *inst = guest_instance(region, m, NULL, NULL);
        const struct slot *s = inst->slot;
        const uint8_t *stack_end = s->stack + region->limits.stack_size;
        const uint8_t *const guards[] = {s->context - 1,
                                         s->context + s->context_accessible,
                                         s->stack - 1,
                                         s->stack - LUCET__GUARD,
                                         stack_end,
                                         s->heap - 1,
                                         s->heap - LUCET__FRONT_GUARD,
                                         s->heap + lucet_instance_heap_len(inst)};
        for (size_t k = 0; k < sizeof(guards) / sizeof(*guards); k++)
            assert_true(is_killed_by_touching(guards[k]));
        assert_false(is_killed_by_touching(s->stack));
        assert_false(is_killed_by_touching(s->heap));
        spoil(inst, round ? 170 : 3, 7);
        lucet_instance_release(inst);
    }
    lucet_dl_module_release(m);
    lucet_region_release(region);
}

static unsigned distinct_places(enum lucet_slot_strategy strategy)
{
    enum { SLOTS = 64 };
    const struct lucet_region_options o = {.strategy = strategy};
    struct lucet_dl_module *m = module_with_data(false);
    const uint8_t *seen[SLOTS];
    struct lucet_region *region;
    unsigned n = 0;

    assert_int_equal(lucet_mmap_region_create_with(SLOTS, NULL, &o, &region), lucet_error_ok);
    for (int i = 0; i < 200; i++) {
        struct lucet_instance *inst = guest_instance(region, m, NULL, NULL);
        unsigned k = 0;
        while (k < n && seen[k] != lucet_instance_heap(inst))
            k++;
        if (k == n)
            seen[n++] = lucet_instance_heap(inst);
        lucet_instance_release(inst);
    }
    assert_int_equal(lucet_region_used_slots(region), 0);
    lucet_dl_module_release(m);
    lucet_region_release(region);
    return n;
}

static void the_strategy_decides_where_instances_lie(void **state)
{
    (void)state;
    guest_begin();
    assert_int_equal(distinct_places(lucet_slots_linear), 1);
    assert_true(distinct_places(lucet_slots_random) > 32); /* 61 are to be expected */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_tenant_begins_like_the_first),
        cmocka_unit_test(what_others_left_in_between_is_not_taken_for_fresh),
        cmocka_unit_test(a_child_asks_about_its_own_pages),
        cmocka_unit_test(kill_switches_of_a_former_tenant_do_nothing),
        cmocka_unit_test(limits_hold_for_each_tenant_anew),
        cmocka_unit_test(settings_of_the_former_tenant_are_gone),
        cmocka_unit_test(no_thread_is_refused_while_a_slot_is_free),
        cmocka_unit_test(a_limiter_decides_before_memories_grow),
        cmocka_unit_test(instances_take_few_mappings),
        cmocka_unit_test(guards_surround_stack_and_heap),
        cmocka_unit_test(the_strategy_decides_where_instances_lie),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
