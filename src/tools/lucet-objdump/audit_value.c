#include "tools/lucet-objdump/audit_value.h"

#include <stddef.h>

#define TOP32 UINT32_MAX

struct audit_value value_unknown(void)
{
    return (struct audit_value){.kind = VALUE_NUMBER,
                                .bits = 64,
                                .hi8 = UINT8_MAX,
                                .hi32 = TOP32,
                                .lo = INT64_MIN,
                                .hi = INT64_MAX};
}

static void settle8(struct audit_value *v)
{
    if (v->lo32 == v->hi32)
        v->lo8 = v->hi8 = (uint8_t)v->lo32;
    if (v->hi32 > UINT8_MAX)
        return;
    if (v->lo32 < v->lo8)
        v->lo32 = v->lo8;
    if (v->hi32 > v->hi8)
        v->hi32 = v->hi8;
    v->lo8 = (uint8_t)v->lo32;
    v->hi8 = (uint8_t)v->hi32;
}

/* What the bounds of the whole say about the low half and byte, and the reverse. */
static void settle(struct audit_value *v)
{
    const bool whole = v->lo >= 0 && v->hi <= (int64_t)TOP32;

    if (whole && v->lo > v->lo32)
        v->lo32 = (uint32_t)v->lo;
    if (whole && v->hi < v->hi32)
        v->hi32 = (uint32_t)v->hi;
    settle8(v);
    if (whole) {
        v->lo = v->lo32;
        v->hi = v->hi32;
    }
}

struct audit_value value_range(int64_t lo, int64_t hi)
{
    struct audit_value v = value_unknown();

    v.lo = lo;
    v.hi = hi;
    if (lo == hi)
        v.lo32 = v.hi32 = (uint32_t)lo;
    settle(&v);
    return v;
}

struct audit_value value_constant(int64_t n)
{
    return value_range(n, n);
}

struct audit_value value_of(enum audit_value_kind kind, int64_t n)
{
    struct audit_value v = value_unknown();

    v.kind = (uint8_t)kind;
    v.lo = v.hi = n;
    return v;
}

bool value_is_u32(const struct audit_value *v)
{
    return v->kind == VALUE_NUMBER && v->lo >= 0 && v->hi <= (int64_t)TOP32;
}

bool value_same_bounds(const struct audit_value *a, const struct audit_value *b)
{
    return a->kind == b->kind && a->lo == b->lo && a->hi == b->hi && a->lo32 == b->lo32 &&
           a->hi32 == b->hi32 && a->lo8 == b->lo8 && a->hi8 == b->hi8;
}

bool value_equal(const struct audit_value *a, const struct audit_value *b)
{
    return value_same_bounds(a, b) && a->name == b->name && a->bits == b->bits && a->add == b->add;
}

static struct audit_value low32(struct audit_value v)
{
    struct audit_value r;

    if (v.kind != VALUE_NUMBER)
        return value_range(0, TOP32);
    if (value_is_u32(&v))
        return v;
    r = v;
    r.lo = v.lo32;
    r.hi = v.hi32;
    r.bits = 32;
    settle(&r);
    return r;
}

struct audit_value value_low(struct audit_value v, unsigned width)
{
    struct audit_value r;

    if (width >= 8)
        return v;
    v = low32(v);
    if (width >= 4 || v.hi < INT64_C(1) << 8 * width)
        return v;
    if (width == 1)
        return value_range(v.lo8, v.hi8);
    r = value_range(0, UINT16_MAX);
    r.lo8 = v.lo8;
    r.hi8 = v.hi8;
    return r;
}

struct audit_value value_sign_extend(struct audit_value v, unsigned width, unsigned to)
{
    const int64_t max = (INT64_C(1) << (8 * width - 1)) - 1;

    if (width >= 8)
        return v;
    v = value_low(v, width);
    if (v.hi <= max)
        return v;
    v = v.lo > max ? value_range(v.lo - 2 * (max + 1), v.hi - 2 * (max + 1))
                   : value_range(-max - 1, max);
    if (to >= 8)
        return v;
    return v.hi < 0 ? value_range(v.lo + TOP32 + 1, v.hi + TOP32 + 1) : value_range(0, TOP32);
}

/* Where bounds stop on their way up. The larger ones are sums of a few indices of 32 bits. */
static int64_t widen_up(int64_t n)
{
    static const int64_t steps[] = {
        0,         UINT8_MAX,   UINT16_MAX,  INT32_MAX,   UINT32_MAX,
        1LL << 33, (1LL << 34), (1LL << 35), (1LL << 36),
    };
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++)
        if (n <= steps[i])
            return steps[i];
    return INT64_MAX;
}

static int64_t widen_down(int64_t n)
{
    return n >= 0 ? 0 : n >= INT32_MIN ? INT32_MIN : INT64_MIN;
}

static struct audit_value join_bounds(const struct audit_value *a, const struct audit_value *b,
                                      bool widen)
{
    struct audit_value v = *a;

    if (b->lo < a->lo)
        v.lo = widen ? widen_down(b->lo) : b->lo;
    if (b->hi > a->hi)
        v.hi = widen ? widen_up(b->hi) : b->hi;
    if (b->lo32 < a->lo32)
        v.lo32 = widen ? 0 : b->lo32;
    if (b->hi32 > a->hi32)
        v.hi32 = widen ? (uint32_t)widen_up(b->hi32) : b->hi32;
    if (b->lo8 < a->lo8)
        v.lo8 = widen ? 0 : b->lo8;
    if (b->hi8 > a->hi8)
        v.hi8 = widen ? UINT8_MAX : b->hi8;
    if (v.kind == VALUE_NUMBER)
        settle(&v);
    return v;
}

struct audit_value value_join(const struct audit_value *a, const struct audit_value *b,
                              uint64_t name, bool widen)
{
    const bool tables = a->kind == VALUE_TABLE || a->kind == VALUE_TARGET;
    struct audit_value v = value_unknown();

    if (a->kind != b->kind || (a->kind == VALUE_ENTRY && a->lo != b->lo) ||
        (tables && a->name != b->name)) {
        v.name = name;
        return v;
    }
    v = join_bounds(a, b, widen && !tables);
    const bool same = a->name == b->name && a->bits == b->bits && a->add == b->add;
    if (a->kind == VALUE_NUMBER && (a->name == 0 || !same))
        value_rename(&v, name);
    return v;
}

bool value_clip(struct audit_value *v, int64_t lo, int64_t hi)
{
    if (v->lo < lo)
        v->lo = lo;
    if (v->hi > hi)
        v->hi = hi;
    if (v->lo > v->hi)
        return false;
    settle(v);
    return v->lo <= v->hi && v->lo32 <= v->hi32;
}

bool value_clip32(struct audit_value *v, uint32_t lo, uint32_t hi)
{
    if (v->lo32 < lo)
        v->lo32 = lo;
    if (v->hi32 > hi)
        v->hi32 = hi;
    if (v->lo32 > v->hi32)
        return false;
    settle(v);
    return v->lo <= v->hi && v->lo32 <= v->hi32;
}

bool value_clip8(struct audit_value *v, uint32_t lo, uint32_t hi)
{
    if (v->lo8 < lo)
        v->lo8 = (uint8_t)lo;
    if (v->hi8 > hi)
        v->hi8 = (uint8_t)hi;
    if (v->lo8 > v->hi8)
        return false;
    settle(v);
    return v->lo <= v->hi && v->lo32 <= v->hi32;
}

void value_relate_sum(struct audit_value *sum, const struct audit_value *x, int64_t c,
                      unsigned width)
{
    int64_t lo, hi;

    if (sum->kind != VALUE_NUMBER || x->kind != VALUE_NUMBER || x->name == 0)
        return;
    const bool exact = !__builtin_add_overflow(x->lo, c, &lo) &&
                       !__builtin_add_overflow(x->hi, c, &hi) && lo >= 0 && hi <= (int64_t)TOP32;
    /* The low half of a sum depends on low halves only; the whole of it on the whole of x. */
    if (x->bits == 64 && (width == 8 || (exact && value_is_u32(x))))
        sum->bits = 64;
    else if (value_is_u32(sum))
        sum->bits = 32;
    else
        return;
    sum->name = x->name;
    sum->add = (int64_t)((uint64_t)x->add + (uint64_t)c);
    if (sum->bits == 32)
        sum->add = (int32_t)sum->add;
}
