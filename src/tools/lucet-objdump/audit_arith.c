/* Arithmetic on bounds. A result of 4 bytes has a zero upper half and depends on low halves only;
 * whatever might wrap is unknown. */
#include "tools/lucet-objdump/audit_value.h"

static struct audit_value cut(struct audit_value v, unsigned width)
{
    if (width < 8)
        v = value_low(v, 4);
    value_rename(&v, 0);
    return v;
}

static bool is_number(const struct audit_value *v)
{
    return v->kind == VALUE_NUMBER;
}

/* The low half of a sum, when the halves' sum does not wrap. */
static void add_low(struct audit_value *v, const struct audit_value *a, const struct audit_value *b)
{
    const uint64_t hi = (uint64_t)a->hi32 + b->hi32;

    if (hi > UINT32_MAX) {
        /* Constants are often negative: then all sums wrap once, or none does. */
        const uint64_t lo = (uint64_t)a->lo32 + b->lo32;
        if (lo <= UINT32_MAX)
            return;
        v->lo32 = (uint32_t)lo;
        v->hi32 = (uint32_t)hi;
        return;
    }
    v->lo32 = a->lo32 + b->lo32;
    v->hi32 = (uint32_t)hi;
}

static struct audit_value add_numbers(const struct audit_value *a, const struct audit_value *b)
{
    struct audit_value v = value_unknown();
    int64_t lo, hi;

    if (!__builtin_add_overflow(a->lo, b->lo, &lo) && !__builtin_add_overflow(a->hi, b->hi, &hi))
        v = value_stride(lo, hi, value_common_step(a, b));
    if (!value_is_u32(&v))
        add_low(&v, a, b);
    return v;
}

/* Offsets of addresses stick to the ends instead of wrapping: an end means that nothing is known
 * there. */
static int64_t stick_add(int64_t a, int64_t b)
{
    int64_t sum;

    if (a == INT64_MIN || a == INT64_MAX)
        return a;
    return __builtin_add_overflow(a, b, &sum) ? (b < 0 ? INT64_MIN : INT64_MAX) : sum;
}

/* Of a sum of what fits in a memory (a) and a number that does not move it past the slack. */
static int64_t slack_of_sum(const struct audit_value *a, int64_t lo, int64_t hi)
{
    int64_t low, slack;

    if (a->slack < 0 || __builtin_sub_overflow(a->slack, hi, &slack) || slack < 0)
        return -1;
    if (lo < 0 && (a->lo < 0 || __builtin_add_overflow(a->lo, lo, &low) || low < 0))
        return -1;
    return slack;
}

static void fit_sum(struct audit_value *v, const struct audit_value *a, const struct audit_value *b)
{
    const int64_t one = slack_of_sum(a, b->lo, b->hi), two = slack_of_sum(b, a->lo, a->hi);

    if (one < 0 && two < 0)
        return;
    v->slack = one > two ? one : two;
    v->memory = one > two ? a->memory : b->memory;
}

/* base + what fits in its memory: what the base had been moved by already comes off the slack. */
static int64_t slack_of_base(const struct audit_value *base, const struct audit_value *n)
{
    if (n->slack >= 0 && n->memory == base->memory && base->slack < 0)
        return base->lo >= 0 && base->hi <= n->slack ? n->slack - base->hi : -1;
    return slack_of_sum(base, n->lo, n->hi);
}

static struct audit_value add_address(struct audit_value a, int64_t lo, int64_t hi)
{
    if (a.kind > VALUE_POINTER)
        return value_unknown();
    a.slack = a.kind == VALUE_BASE ? slack_of_sum(&a, lo, hi) : -1;
    a.lo = stick_add(a.lo, lo);
    a.hi = stick_add(a.hi, hi);
    return a;
}

struct audit_value value_add(struct audit_value a, struct audit_value b, unsigned width)
{
    struct audit_value v;

    if (width < 8) {
        a = value_low(a, 4);
        b = value_low(b, 4);
    }
    if (a.kind == VALUE_TABLE && value_is_exactly(&b, VALUE_IMAGE, (int64_t)a.name)) {
        a.kind = VALUE_TARGET;
        return a;
    }
    if (b.kind == VALUE_TABLE && value_is_exactly(&a, VALUE_IMAGE, (int64_t)b.name)) {
        b.kind = VALUE_TARGET;
        return b;
    }
    if (is_number(&a) && is_number(&b)) {
        v = add_numbers(&a, &b);
        if (width == 8)
            fit_sum(&v, &a, &b);
        return cut(v, width);
    }
    if (is_number(&a)) {
        const struct audit_value number = a;
        a = b;
        b = number;
    }
    if (!is_number(&b))
        return value_unknown();
    v = add_address(a, b.lo, b.hi);
    if (v.kind == VALUE_BASE)
        v.slack = slack_of_base(&a, &b);
    return v;
}

struct audit_value value_sub(struct audit_value a, struct audit_value b, unsigned width)
{
    struct audit_value v = value_unknown();
    int64_t lo, hi;

    if (width < 8) {
        a = value_low(a, 4);
        b = value_low(b, 4);
    }
    if (!is_number(&b))
        return cut(v, width);
    if (!is_number(&a))
        return b.lo == INT64_MIN ? v : add_address(a, -b.hi, -b.lo);
    if (__builtin_sub_overflow(a.lo, b.hi, &lo) || __builtin_sub_overflow(a.hi, b.lo, &hi))
        return cut(v, width);
    v = value_stride(lo, hi, value_common_step(&a, &b));
    if (width == 8 && a.slack >= 0 && b.lo != INT64_MIN && b.slack < 0) {
        v.slack = slack_of_sum(&a, -b.hi, -b.lo);
        v.memory = v.slack < 0 ? 0 : a.memory;
    }
    if (a.lo32 >= b.hi32 && !value_is_u32(&v)) {
        v.lo32 = a.lo32 - b.hi32;
        v.hi32 = a.hi32 - b.lo32;
    } else if (hi < 0 && lo >= -(INT64_C(1) << 32) && value_is_u32(&a) && value_is_u32(&b)) {
        v.lo32 = (uint32_t)lo; /* all differences wrap */
        v.hi32 = (uint32_t)hi;
    }
    return cut(v, width);
}

static uint64_t ones_above(uint64_t n)
{
    return n == 0 ? 0 : UINT64_MAX >> __builtin_clzll(n);
}

struct audit_value value_and(struct audit_value a, struct audit_value b, unsigned width)
{
    struct audit_value v = value_unknown();

    if (width < 8) {
        a = value_low(a, 4);
        b = value_low(b, 4);
    }
    if (!is_number(&a))
        a = value_unknown();
    if (!is_number(&b))
        b = value_unknown();
    /* A number that is not negative bounds the result from above, and makes it not negative. */
    if (a.lo >= 0 || b.lo >= 0) {
        const int64_t hi = a.lo < 0 ? b.hi : b.lo < 0 ? a.hi : a.hi < b.hi ? a.hi : b.hi;
        v = value_range(0, hi);
    }
    if (!value_is_u32(&v))
        v.hi32 = a.hi32 < b.hi32 ? a.hi32 : b.hi32;
    return cut(v, width);
}

/* Also for xor: no bit above the highest of both appears. */
struct audit_value value_or(struct audit_value a, struct audit_value b, unsigned width)
{
    struct audit_value v = value_unknown();

    if (width < 8) {
        a = value_low(a, 4);
        b = value_low(b, 4);
    }
    if (!is_number(&a) || !is_number(&b))
        return cut(v, width);
    if (a.lo >= 0 && b.lo >= 0)
        v = value_range(0, (int64_t)ones_above((uint64_t)(a.hi | b.hi)));
    if (!value_is_u32(&v))
        v.hi32 = (uint32_t)ones_above(a.hi32 | b.hi32);
    return cut(v, width);
}

struct audit_value value_shl(struct audit_value a, struct audit_value b, unsigned width)
{
    struct audit_value v = value_unknown();
    const unsigned mask = width < 8 ? 31 : 63;
    const unsigned n = (unsigned)b.lo & mask;

    if (width < 8)
        a = value_low(a, 4);
    if (!is_number(&a) || !is_number(&b) || !value_is_fixed(&b))
        return cut(v, width);
    if (a.lo >= 0 && (uint64_t)a.hi <= (uint64_t)INT64_MAX >> n)
        v = value_stride(a.lo << n, a.hi << n, a.step >> (63 - n) ? 1 : a.step << n);
    if (!value_is_u32(&v) && n < 32 && a.hi32 <= UINT32_MAX >> n) {
        v.lo32 = a.lo32 << n;
        v.hi32 = a.hi32 << n;
    }
    return cut(v, width);
}

struct audit_value value_shr(struct audit_value a, struct audit_value b, unsigned width)
{
    const unsigned mask = width < 8 ? 31 : 63;
    const bool fixed = is_number(&b) && value_is_fixed(&b);
    const unsigned n = fixed ? (unsigned)b.lo & mask : 0;

    if (width < 8)
        a = value_low(a, 4);
    if (is_number(&a) && a.lo >= 0)
        return cut(value_range(fixed ? a.lo >> n : 0, a.hi >> n), width);
    return cut(n == 0 ? value_unknown() : value_range(0, (int64_t)(UINT64_MAX >> n)), width);
}

struct audit_value value_sar(struct audit_value a, struct audit_value b, unsigned width)
{
    const unsigned mask = width < 8 ? 31 : 63;
    const bool fixed = is_number(&b) && value_is_fixed(&b);
    const unsigned n = fixed ? (unsigned)b.lo & mask : 0;

    if (width < 8)
        a = value_sign_extend(a, 4, 8);
    if (!is_number(&a))
        a = value_unknown();
    if (!fixed)
        return cut(value_range(a.lo < 0 ? a.lo : 0, a.hi < 0 ? -1 : a.hi), width);
    return cut(value_range(a.lo >> n, a.hi >> n), width);
}

/* Of a product with a constant. */
static uint64_t product_step(const struct audit_value *a, const struct audit_value *b)
{
    uint64_t step;

    if (value_is_fixed(a) && !__builtin_mul_overflow(b->step, (uint64_t)a->lo, &step))
        return step;
    if (value_is_fixed(b) && !__builtin_mul_overflow(a->step, (uint64_t)b->lo, &step))
        return step;
    return 1;
}

struct audit_value value_mul(struct audit_value a, struct audit_value b, unsigned width)
{
    struct audit_value v = value_unknown();
    int64_t lo, hi;

    if (width < 8) {
        a = value_low(a, 4);
        b = value_low(b, 4);
    }
    if (is_number(&a) && is_number(&b) && a.lo >= 0 && b.lo >= 0 &&
        !__builtin_mul_overflow(a.lo, b.lo, &lo) && !__builtin_mul_overflow(a.hi, b.hi, &hi))
        v = value_stride(lo, hi, product_step(&a, &b));
    return cut(v, width);
}
