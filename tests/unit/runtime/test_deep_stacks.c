/* However deep a tenant or the host functions it calls went on its stack, and whichever pages they
 * skipped, the next one finds it clear: the runtime looks at the shallow part first, and further
 * only when that tells it to. */
#include <stdlib.h>

#include "run/guest.h"
#include "runtime/instance.h"
#include "runtime/region.h"
#include "runtime/slot.h"

#define SECRET 0x5ec2e75ec2e75ec2

/* Goes down so many frames, and calls the host there, which leaves something so many bytes
 * below. */
static const char text[] =
    "(module (import \"host\" \"leave\" (func $leave (param i32 i32)))"
    " (memory (export \"m\") 1)"
    " (func $down (export \"down\") (param $x i64) (param $frames i32) (param $below i32) (param "
    "$again i32)"
    "   (result i64)"
    "   (if (result i64) (local.get $frames)"
    "     (then (i64.xor (local.get $x)"
    "       (call $down (local.get $x) (i32.sub (local.get $frames) (i32.const 1)) (local.get "
    "$below)"
    "                   (local.get $again))))"
    "     (else (if (local.get $below)"
    "             (then (call $leave (local.get $below) (local.get $again))))"
    "           (local.get $x)))))";

static void write_below(uint32_t bytes)
{
    volatile uint8_t *p = __builtin_alloca(bytes);

    *p = 0xc2;
}

/* Calls the guest once more from down there, when it is told so. */
static void leave(struct lucet_vmctx *ctx, uint32_t below, uint32_t again)
{
    struct lucet_instance *inst = lucet_vmctx_instance(ctx);
    struct lucet_result r;

    if (!again) {
        write_below(below);
        return;
    }
    volatile uint8_t *gap = __builtin_alloca(below);
    const struct lucet_val args[] = {I64(SECRET), I32(again), I32(0), I32(0)};
    if (lucet_instance_run(inst, "down", 4, args, &r) != lucet_error_ok)
        abort();
    (void)gap;
}

static struct lucet_linker *linker;
static struct lucet_region *region;
static struct lucet_dl_module *module;

static bool is_clear(const struct lucet_instance *inst)
{
    return guest_all_zero(inst->slot->stack, inst->region->limits.stack_size);
}

struct descent {
    uint32_t frames, below, again;
};

static void tenant(struct descent d)
{
    struct lucet_instance *inst = guest_instance(region, module, linker, NULL);

    if (!is_clear(inst))
        fail_msg("not clear before %u frames, %u bytes, %u again", d.frames, d.below, d.again);
    guest_call(inst, "down", ARGS(I64(SECRET), I32(d.frames), I32(d.below), I32(d.again)));
    assert_false(is_clear(inst));
    lucet_instance_release(inst);
}

/* In a new slot, of which nothing is known: twice, since the second one's is. Then one that calls
 * nobody, so that nobody else cleans up. */
static void tenants(struct descent d)
{
    region = guest_region(1);
    tenant(d);
    tenant(d);
    tenant((struct descent){.frames = 1});
    tenant((struct descent){.frames = 1});
    lucet_region_release(region);
}

static void begin(void)
{
    guest_begin();
    assert_int_equal(lucet_linker_new(&linker), lucet_error_ok);
    assert_int_equal(lucet_linker_func(linker, "host", "leave", "ii:", (void (*)(void))leave),
                     lucet_error_ok);
    module = guest_module(text, &guest_default);
}

static void end(void)
{
    lucet_dl_module_release(module);
    lucet_linker_release(linker);
}

/* Bytes of a frame of `down`, as far as one can tell from outside. */
static uint32_t frame_size(void)
{
    struct lucet_region *one = guest_region(1);
    struct lucet_instance *inst = guest_instance(one, module, linker, NULL);
    const uint8_t *p = inst->slot->stack;
    const size_t size = inst->region->limits.stack_size;
    size_t k = 0;

    guest_call(inst, "down", ARGS(I64(SECRET), I32(500), I32(0), I32(0)));
    while (p[k] == 0 && k < size)
        k++;
    lucet_instance_release(inst);
    lucet_region_release(one);
    const uint32_t frame = (uint32_t)((size - k) / 500);
    return frame > 0 ? frame : 1;
}

/* Page by page. */
static void guests_leave_nothing_at_any_depth(void **state)
{
    (void)state;
    begin();
    const uint32_t step = 4096 / frame_size();
    for (uint32_t pages = 0; pages < 21; pages++)
        tenants((struct descent){.frames = pages * step + 1});
    end();
}

/* From every depth, over every gap that the reservation allows. */
static void host_functions_leave_nothing_below_a_gap(void **state)
{
    (void)state;
    begin();
    const uint32_t step = 2048 / frame_size();
    for (uint32_t half_pages = 0; half_pages < 30; half_pages++)
        for (uint32_t below = 4096; below <= 30000; below += 6144)
            tenants((struct descent){half_pages * step + 1, below, 0});
    end();
}

/* The guest that a host function calls goes on below it, on the same stack. */
static void nested_runs_leave_nothing_below_a_gap(void **state)
{
    (void)state;
    begin();
    const uint32_t step = 2048 / frame_size();
    for (uint32_t half_pages = 0; half_pages < 20; half_pages++)
        for (uint32_t below = 4096; below <= 24000; below += 6144)
            tenants((struct descent){half_pages * step + 1, below, 3 * step});
    end();
}

/* A function with a frame of a page that nothing probes, of which it uses the top and, in the 128
 * bytes below it, the end, when it is called with something else than 0. And one that calls it so
 * many frames down. */
static struct lucet_dl_module *module_with_a_hole(void)
{
    enum { LOCALS = 540 };
    const struct guest_mode unoptimised = {.opt_level = lucetc_opt_none};
    struct text t = {0};

    text_add(&t, "(module (memory 1) (func $hole (param $x i64) (result i64) (local $y i64)");
    for (int i = 0; i < LOCALS; i++)
        text_add(&t, "(local $v%d i64)", i);
    text_add(&t, "(if (i64.eqz (local.get $x)) (then");
    for (int i = 0; i < LOCALS; i++)
        text_add(&t, "(local.set $v%d (i64.load offset=%d (i32.const 0)))", i, 8 * i);
    text_add(&t, "(i64.store (i32.const 0) (i64.const 1))");
    for (int i = LOCALS - 1; i >= 0; i--)
        text_add(&t,
                 "(local.set $v0 (i64.rotl (i64.xor (local.get $v0) (local.get $v%d))"
                 " (i64.const 1)))",
                 i);
    text_add(&t, "(return (local.get $v0))))"
                 "(local.set $y (i64.mul (local.get $x) (local.get $x)))"
                 "(if (i64.eqz (i64.and (local.get $x) (i64.const 1)))"
                 "  (then (return (local.get $y))))"
                 "(i64.mul (local.get $y) (local.get $x)))"
                 "(func $down (export \"down\") (param $x i64) (param $frames i32) (result i64)"
                 " (if (result i64) (local.get $frames)"
                 "  (then (call $down (local.get $x) (i32.sub (local.get $frames) (i32.const 1))))"
                 "  (else (call $hole (local.get $x))))))");
    struct lucet_dl_module *m = guest_module(t.s, &unoptimised);
    text_free(&t);
    return m;
}

/* Also with the smallest reservation, of a page, which such a frame steps over. */
static void frames_with_holes_leave_nothing(void **state)
{
    struct lucet_alloc_limits limits = lucet_alloc_limits_default();

    (void)state;
    guest_begin();
    module = module_with_a_hole();
    limits.hostcall_reservation = 4096;
    for (uint32_t frames = 1; frames < 700; frames++) {
        assert_int_equal(lucet_mmap_region_create(1, &limits, &region), lucet_error_ok);
        for (int k = 0; k < 2; k++) {
            struct lucet_instance *inst = guest_instance(region, module, NULL, NULL);
            if (!is_clear(inst))
                fail_msg("not clear after %u frames", frames);
            guest_call(inst, "down", ARGS(I64(SECRET), I32(frames)));
            lucet_instance_release(inst);
        }
        lucet_region_release(region);
    }
    lucet_dl_module_release(module);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(guests_leave_nothing_at_any_depth),
        cmocka_unit_test(host_functions_leave_nothing_below_a_gap),
        cmocka_unit_test(nested_runs_leave_nothing_below_a_gap),
        cmocka_unit_test(frames_with_holes_leave_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
