#include "tenants.h"

#include "runtime/instance.h"
#include "runtime/region.h"
#include "runtime/slot.h"

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

void tenants_begin(struct tenants *t)
{
    guest_begin();
    t->region = guest_region(1);
    t->module = guest_module(tenant_wat, &guest_default);
    lucet_dl_module_func(t->module, "quiet", "II:I", &t->quiet);
    lucet_dl_module_func(t->module, "closed", "II:I", &t->closed);
    lucet_dl_module_func(t->module, "loud", "II:I", &t->loud);
    lucet_dl_module_func(t->module, "trap", "II:I", &t->trap);
    assert_int_equal(t->quiet.effects, TENANTS_QUIET);
    assert_int_equal(t->closed.effects, LUCET_FUNC_CLOSED);
    assert_int_equal(t->loud.effects, 0);
    assert_int_equal(t->trap.effects, TENANTS_QUIET);
}

void tenants_end(struct tenants *t)
{
    lucet_dl_module_release(t->module);
    lucet_region_release(t->region);
}

enum lucet_error tenants_call(const struct lucet_func *f, struct lucet_instance *i)
{
    union lucet_raw v[2] = {{.u64 = TENANTS_SECRET}, {.u64 = 100}};

    return lucet_func_call(f, i, v, NULL);
}

/* But for the mark, which is of the slot. */
bool tenants_stack_is_clean(const struct lucet_instance *i)
{
    const struct slot *s = i->slot;
    const uint64_t size = i->region->limits.stack_size - sizeof(uint64_t);
    uint64_t mark;

    memcpy(&mark, s->stack + size, sizeof(mark));
    return guest_all_zero(s->stack, size) && (mark == 0 || mark == (uintptr_t)s->heap);
}

bool tenants_heap_is_clean(const struct lucet_instance *i)
{
    const uint8_t *heap = i->slot->heap;

    return guest_all_zero(heap, 5000) && memcmp(heap + 5000, "data", 4) == 0 &&
           guest_all_zero(heap + 5004, 65536 - 5004);
}
