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
                                .hi = INT64_MAX,
                                .step = 1,
                                .slack = -1};
}

static uint64_t gcd(uint64_t a, uint64_t b)
{
    while (b) {
        const uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

uint64_t value_common_step(const struct audit_value *a, const struct audit_value *b)
{
    return gcd(a->step, b->step);
}

/* The least n of v that is not below `lo`, and the greatest that is not above `hi`. */
static void raise_lo(struct audit_value *v, int64_t lo)
{
    if (lo <= v->lo)
        return;
    const uint64_t distance = (uint64_t)lo - (uint64_t)v->lo;
    const uint64_t over = v->step > 1 ? distance % v->step : 0;
    if (over == 0 || __builtin_add_overflow(lo, (int64_t)(v->step - over), &v->lo))
        v->lo = lo;
}

static void lower_hi(struct audit_value *v, int64_t hi)
{
    if (hi >= v->hi)
        return;
    if (v->step > 1 && hi >= v->lo)
        hi -= (int64_t)(((uint64_t)hi - (uint64_t)v->lo) % v->step);
    v->hi = hi;
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

/* What the bounds of the whole say about the low half and byte, and the reverse. An empty result is
 * left with lo > hi. */
static void settle(struct audit_value *v)
{
    const bool whole = v->lo >= 0 && v->hi <= (int64_t)TOP32;

    if (whole && v->lo > v->lo32)
        v->lo32 = (uint32_t)v->lo;
    if (whole && v->hi < v->hi32)
        v->hi32 = (uint32_t)v->hi;
    settle8(v);
    if (whole) {
        raise_lo(v, v->lo32);
        lower_hi(v, v->hi32);
    }
    if (whole && v->lo <= v->hi) {
        v->lo32 = (uint32_t)v->lo;
        v->hi32 = (uint32_t)v->hi;
    }
    v->step = v->lo == v->hi ? 0 : v->step ? v->step : 1;
}

struct audit_value value_stride(int64_t lo, int64_t hi, uint64_t step)
{
    struct audit_value v = value_unknown();

    v.lo = lo;
    v.hi = hi;
    v.step = step;
    if (lo == hi)
        v.lo32 = v.hi32 = (uint32_t)lo;
    settle(&v);
    return v;
}

struct audit_value value_range(int64_t lo, int64_t hi)
{
    return value_stride(lo, hi, 1);
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
    v.step = 0;
    return v;
}

struct audit_value value_of_memory(enum audit_value_kind kind, uint32_t number)
{
    struct audit_value v = value_of(kind, 0);

    v.memory = (uint16_t)(number + 1);
    return v;
}

bool value_is_u32(const struct audit_value *v)
{
    return v->kind == VALUE_NUMBER && v->lo >= 0 && v->hi <= (int64_t)TOP32;
}

bool value_same_bounds(const struct audit_value *a, const struct audit_value *b)
{
    return a->kind == b->kind && a->lo == b->lo && a->hi == b->hi && a->lo32 == b->lo32 &&
           a->hi32 == b->hi32 && a->lo8 == b->lo8 && a->hi8 == b->hi8 && a->step == b->step &&
           a->memory == b->memory && a->slack == b->slack;
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
    r.step = 1;
    r.bits = 32;
    r.memory = 0;
    r.slack = -1;
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

/* Where bounds stop when no threshold stops them: the larger ones are sums of a few indices of 32
 * bits. */
static const int64_t last_stops[] = {
    0, UINT8_MAX, UINT16_MAX, INT32_MAX, UINT32_MAX, 1LL << 33, 1LL << 34, 1LL << 35, 1LL << 36,
};

static int64_t widen_up(int64_t n, const struct audit_thresholds *t)
{
    for (uint32_t i = 0; i < t->count; i++)
        if (n <= t->list[i])
            return t->list[i];
    for (size_t i = 0; i < sizeof last_stops / sizeof last_stops[0]; i++)
        if (n <= last_stops[i])
            return last_stops[i];
    return INT64_MAX;
}

static int64_t widen_down(int64_t n, const struct audit_thresholds *t)
{
    for (uint32_t i = t->count; i-- > 0;)
        if (n >= t->list[i])
            return t->list[i];
    return n >= 0 ? 0 : n >= INT32_MIN ? INT32_MIN : INT64_MIN;
}

static void join_parts(struct audit_value *v, const struct audit_value *b, bool widen)
{
    if (b->lo32 < v->lo32)
        v->lo32 = widen ? 0 : b->lo32;
    if (b->hi32 > v->hi32)
        v->hi32 = widen ? UINT32_MAX : b->hi32;
    if (b->lo8 < v->lo8)
        v->lo8 = widen ? 0 : b->lo8;
    if (b->hi8 > v->hi8)
        v->hi8 = widen ? UINT8_MAX : b->hi8;
}

static struct audit_value join_bounds(const struct audit_value *a, const struct audit_value *b,
                                      const struct audit_thresholds *widen)
{
    struct audit_value v = *a;
    const uint64_t distance =
        a->lo > b->lo ? (uint64_t)a->lo - (uint64_t)b->lo : (uint64_t)b->lo - (uint64_t)a->lo;

    v.step = gcd(gcd(a->step, b->step), distance);
    if (b->lo < a->lo)
        v.lo = b->lo;
    if (b->hi > a->hi)
        v.hi = b->hi;
    if (widen && b->lo < a->lo) {
        const int64_t stop = widen_down(b->lo, widen);
        v.lo -= (int64_t)(v.step ? ((uint64_t)v.lo - (uint64_t)stop) / v.step * v.step : 0);
    }
    if (widen && b->hi > a->hi) {
        const int64_t stop = widen_up(b->hi, widen);
        v.hi += (int64_t)(v.step ? ((uint64_t)stop - (uint64_t)v.hi) / v.step * v.step : 0);
    }
    if (a->slack != b->slack || a->memory != b->memory)
        v.slack = widen || a->memory != b->memory ? -1 : a->slack < b->slack ? a->slack : b->slack;
    if (v.kind != VALUE_NUMBER) {
        v.step = 1;
        return v;
    }
    if (v.slack < 0)
        v.memory = 0;
    /* Where the whole says it all, the parts follow; else they are joined, and given up, by
     * themselves. */
    if (v.lo >= 0 && v.hi <= (int64_t)TOP32 && value_is_u32(a) && value_is_u32(b)) {
        v.lo32 = (uint32_t)v.lo;
        v.hi32 = (uint32_t)v.hi;
        v.lo8 = 0;
        v.hi8 = UINT8_MAX;
        if (!widen) {
            v.lo8 = a->lo8;
            v.hi8 = a->hi8;
        }
    }
    join_parts(&v, b, widen != NULL);
    settle(&v);
    return v;
}

struct audit_value value_join(const struct audit_value *a, const struct audit_value *b,
                              uint64_t name, const struct audit_thresholds *widen)
{
    const bool tables = a->kind == VALUE_TABLE || a->kind == VALUE_TARGET;
    struct audit_value v = value_unknown();

    const bool others = a->kind >= VALUE_SIZE && a->kind <= VALUE_MEMORY && a->memory != b->memory;
    if (a->kind != b->kind || (a->kind == VALUE_ENTRY && a->lo != b->lo) || others ||
        (tables && a->name != b->name)) {
        v.name = name;
        return v;
    }
    v = join_bounds(a, b, tables ? NULL : widen);
    const bool same = a->name == b->name && a->bits == b->bits && a->add == b->add;
    if (a->kind == VALUE_NUMBER && (a->name == 0 || !same))
        value_rename(&v, name);
    return v;
}

bool value_clip(struct audit_value *v, int64_t lo, int64_t hi)
{
    raise_lo(v, lo);
    lower_hi(v, hi);
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
