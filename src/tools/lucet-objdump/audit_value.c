#include "tools/lucet-objdump/audit_value.h"

#include <stddef.h>

#define TOP32 UINT32_MAX

struct audit_value value_unknown(void)
{
    return (struct audit_value){
        .kind = VALUE_NUMBER, .bits = 64, .hi32 = TOP32, .lo = INT64_MIN, .hi = INT64_MAX};
}

/* What the bounds of the whole say about the low half and the reverse. */
static void settle(struct audit_value *v)
{
    if (v->lo < 0 || v->hi > (int64_t)TOP32)
        return;
    if (v->lo < v->lo32)
        v->lo = v->lo32;
    if (v->hi > v->hi32)
        v->hi = v->hi32;
    v->lo32 = (uint32_t)v->lo;
    v->hi32 = (uint32_t)v->hi;
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
           a->hi32 == b->hi32;
}

bool value_equal(const struct audit_value *a, const struct audit_value *b)
{
    return value_same_bounds(a, b) && a->name == b->name && a->bits == b->bits;
}

static struct audit_value low32(struct audit_value v)
{
    struct audit_value r;

    if (v.kind != VALUE_NUMBER)
        return value_range(0, TOP32);
    if (value_is_u32(&v))
        return v;
    r = value_range(v.lo32, v.hi32);
    r.name = v.name;
    r.bits = 32;
    return r;
}

struct audit_value value_low(struct audit_value v, unsigned width)
{
    const uint64_t max = width >= 8 ? UINT64_MAX : (UINT64_C(1) << (8 * width)) - 1;

    if (width >= 8)
        return v;
    v = low32(v);
    return v.hi <= (int64_t)max ? v : value_range(0, (int64_t)max);
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
    if (a->kind == VALUE_NUMBER && (a->name == 0 || a->name != b->name || a->bits != b->bits)) {
        v.name = name;
        v.bits = 64;
    }
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
    return v->lo <= v->hi;
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
    return v->lo <= v->hi;
}
