#include "linked.h"

static struct linked linked_set_up(const struct guest_mode *mode)
{
    struct linked s = {.region = guest_region(16), .mode = mode};

    assert_int_equal(lucet_linker_new(&s.linker), lucet_error_ok);
    return s;
}

static void linked_tear_down(struct linked *s)
{
    lucet_linker_release(s->linker);
    assert_int_equal(lucet_region_used_slots(s->region), 0);
    lucet_region_release(s->region);
}

struct lucet_instance *linked_add(struct linked *s, const char *name, const char *wat)
{
    struct lucet_dl_module *m = guest_module(wat, s->mode);
    struct lucet_instance *inst = guest_instance(s->region, m, s->linker, s);

    lucet_dl_module_release(m);
    if (name)
        assert_int_equal(lucet_linker_instance(s->linker, name, inst), lucet_error_ok);
    return inst;
}

void linked_host(struct linked *s, const char *name, const char *signature, void *f)
{
    assert_int_equal(lucet_linker_func(s->linker, "host", name, signature, (void (*)(void))f),
                     lucet_error_ok);
}

struct linked linked_first(void)
{
    guest_begin();
    return linked_set_up(&guest_modes[0]);
}

struct linked linked_next(struct linked *s)
{
    const struct guest_mode *next = s->mode + 1;

    linked_tear_down(s);
    return next < guest_modes + GUEST_MODES ? linked_set_up(next)
                                            : (struct linked){NULL, NULL, NULL};
}

const char linked_thrower[] =
    "(module (memory 1) (data (i32.const 0) \"T\")"
    " (tag $a (export \"a\") (param i64)) (tag $own)"
    " (global $n (export \"n\") (mut i64) (i64.const 0))"
    " (func (export \"throw\") (param i64) (result i64)"
    "   (if (i64.eqz (local.get 0)) (then (throw $own)))"
    "   (if (i64.eq (local.get 0) (i64.const 1)) (then (throw $a (i64.const 10))))"
    "   (i64.extend_i32_u (i32.load8_u (i32.const 0))))"
    " (func (export \"many\") (param i64) (result i64 i64 i64 f64)"
    "   (if (i64.eqz (local.get 0)) (then (throw $a (i64.const 20))))"
    "   (i64.const 1) (i64.const 2) (i64.const 3) (f64.const 4)))";

struct lucet_tag *linked_tag;

int64_t linked_throw(struct lucet_vmctx *ctx, int64_t n)
{
    struct lucet_exception *e;

    if (n > 100)
        return n;
    assert_int_equal(lucet_exception_new(linked_tag, ARGS(I64(n), LUCET_VAL_F64(2.5)), &e),
                     lucet_error_ok);
    assert_int_equal(lucet_vmctx_throw(ctx, e), lucet_error_ok);
    lucet_exception_release(e);
    return 12345;
}

void linked_add_tag(struct linked *s)
{
    assert_int_equal(lucet_tag_new("IF:", &linked_tag), lucet_error_ok);
    assert_int_equal(lucet_linker_tag(s->linker, "host", "tag", linked_tag), lucet_error_ok);
}
