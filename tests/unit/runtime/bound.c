#include "bound.h"

static const char wat[] =
    "(module (import \"h\" \"f\" (func $f)) (memory 1)"
    " (func (export \"closed\") (result i32) (i32.const 7))"
    " (func (export \"open\") (result i32)"
    "   (i32.store (i32.const 0) (i32.const 8)) (call $f) (i32.load (i32.const 0)))"
    " (func (export \"load\") (param i32) (result i32) (i32.load (local.get 0)))"
    " (func (export \"open load\") (param i32) (result i32)"
    "   (call $f) (i32.load (local.get 0)))"
    " (func (export \"trap\") (result i32) unreachable)"
    " (func (export \"open trap\") (result i32) (call $f) unreachable))";

struct bound bound;

int32_t bound_call(const struct lucet_func *f, struct lucet_instance *i)
{
    union lucet_raw v = {.i32 = 0};

    assert_int_equal(lucet_func_call(f, i, &v, NULL), lucet_error_ok);
    return v.i32;
}

static void host(struct lucet_vmctx *ctx)
{
    bound.seen.ctx = lucet__thread.abi.ctx;
    bound.seen.abi = atomic_load(&lucet_vmctx_instance(ctx)->stop->abi);
    bound.seen.limit = lucet__thread.abi.hostcall_limit;
    if (bound.within)
        assert_int_equal(bound_call(&bound.closed, bound.within), 7);
    if (bound.yields)
        lucet_vmctx_yield(ctx, NULL);
}

struct lucet_region *bound_region(uint64_t hostcall_reservation)
{
    struct lucet_alloc_limits limits = lucet_alloc_limits_default();
    struct lucet_region *r;

    limits.hostcall_reservation = hostcall_reservation;
    assert_int_equal(lucet_mmap_region_create(4, &limits, &r), lucet_error_ok);
    return r;
}

void bound_begin(void **state)
{
    (void)state;
    guest_begin();
    memset(&bound, 0, sizeof(bound));
    bound.region = bound_region(32 << 10);
    bound.module = guest_module(wat, &guest_default);
    assert_int_equal(lucet_linker_new(&bound.linker), lucet_error_ok);
    assert_int_equal(lucet_linker_func(bound.linker, "h", "f", ":", (void (*)(void))host), 0);
    bound.closed = guest_func(bound.module, "closed", ":i");
    bound.open = guest_func(bound.module, "open", ":i");
    bound.trap = guest_func(bound.module, "trap", ":i");
    assert_int_equal(bound.closed.effects, LUCET_FUNC_CLOSED | LUCET_FUNC_QUIET);
    bound.one = guest_instance(bound.region, bound.module, bound.linker, NULL);
    bound.other = guest_instance(bound.region, bound.module, bound.linker, NULL);
}

void bound_end(void)
{
    lucet_instance_release(bound.one);
    lucet_instance_release(bound.other);
    lucet_linker_release(bound.linker);
    lucet_dl_module_release(bound.module);
    lucet_region_release(bound.region);
}

void bound_to(struct lucet_instance *i)
{
    if (!lucet__thread.ready) /* the first goes the general way */
        bound_call(&bound.closed, i);
    assert_int_equal(bound_call(&bound.closed, i), 7);
    assert_ptr_equal(lucet__thread.bound, i);
}

void bound_is_at_home(struct lucet_instance *i)
{
    memset(&bound.seen, 0, sizeof(bound.seen));
    assert_int_equal(bound_call(&bound.open, i), 8);
    assert_ptr_equal(bound.seen.ctx, i->ctx);
    assert_ptr_equal(bound.seen.abi, &lucet__thread.abi);
    assert_ptr_equal(bound.seen.limit, i->hostcall_limit);
}
