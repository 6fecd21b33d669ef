/* What a conditional jump says about the values compared before it. */
#include "tools/lucet-objdump/audit_state.h"

struct bounds {
    int64_t lo, hi;
};

/* Bounds of the value as an unsigned or signed number of `width` bytes. An unsigned number of 64
 * bits is only told apart from a negative one when it is known not to be one: *ok. */
static struct bounds bounds_of(const struct audit_value *v, unsigned width, bool is_signed,
                               bool *ok)
{
    if (width == 8) {
        *ok = is_signed || v->lo >= 0;
        return (struct bounds){v->lo, v->hi};
    }
    struct audit_value low = value_low(*v, width);
    if (is_signed)
        low = value_sign_extend(low, width, 8);
    *ok = true;
    return (struct bounds){low.lo, low.hi};
}

static int64_t less(int64_t n)
{
    return n == INT64_MIN ? n : n - 1;
}

static int64_t more(int64_t n)
{
    return n == INT64_MAX ? n : n + 1;
}

static void limit_above(struct bounds *b, int64_t hi)
{
    if (hi < b->hi)
        b->hi = hi;
}

static void limit_below(struct bounds *b, int64_t lo)
{
    if (lo > b->lo)
        b->lo = lo;
}

/* `strict`: small < large, else small <= large. A side that is not ok may, as an unsigned number,
 * be larger than any bound here; below one that is ok it cannot be negative. */
static void order(struct bounds *small, bool small_ok, struct bounds *large, bool large_ok,
                  bool strict)
{
    const struct bounds s = *small, l = *large;

    if (large_ok)
        limit_above(small, strict ? less(l.hi) : l.hi);
    if (large_ok && !small_ok)
        limit_below(small, 0);
    if (large_ok && small_ok)
        limit_below(large, strict ? more(s.lo) : s.lo);
}

static void exclude(struct bounds *b, const struct bounds *other)
{
    if (other->lo != other->hi)
        return;
    if (b->lo == other->lo)
        b->lo = more(b->lo);
    if (b->hi == other->hi)
        b->hi = less(b->hi);
}

/* `v` is `distance` more than what lies within b. */
static bool clip64(struct audit_value *v, int64_t distance, struct bounds b)
{
    if (__builtin_add_overflow(b.lo, distance, &b.lo) ||
        __builtin_add_overflow(b.hi, distance, &b.hi))
        return true;
    if (v->bits == 32 && (b.lo < 0 || b.hi > (int64_t)UINT32_MAX))
        return true;
    return value_clip(v, b.lo, b.hi);
}

/* The low half of v is `distance` more, modulo 2^32, than what lies within b. */
static bool clip32(struct audit_value *v, uint32_t distance, struct bounds b)
{
    if (b.lo < 0 && b.hi >= 0)
        return true; /* two ends of the unsigned numbers */
    const uint32_t lo = (uint32_t)b.lo + distance, hi = (uint32_t)b.hi + distance;
    return lo > hi || value_clip32(v, lo, hi);
}

static bool clip(struct audit_value *v, const struct audit_value *compared, unsigned width,
                 struct bounds b)
{
    const uint64_t distance = (uint64_t)v->add - (uint64_t)compared->add;

    if (width == 8 && compared->bits == 64)
        return clip64(v, (int64_t)distance, b);
    if (width >= 4) { /* also a low half that was compared as a whole register */
        const bool whole = compared->bits == 64 && value_is_u32(compared) && b.lo >= 0;
        return clip32(v, (uint32_t)distance, b) && (!whole || clip64(v, (int64_t)distance, b));
    }
    if (b.lo < 0 || (uint32_t)distance != 0)
        return true;
    const uint32_t max = (1u << 8 * width) - 1, hi = b.hi > max ? max : (uint32_t)b.hi;
    if (width == 1 && !value_clip8(v, (uint32_t)b.lo, hi))
        return false;
    return v->hi32 > max || value_clip32(v, (uint32_t)b.lo, hi);
}

static bool clip_named(struct audit_state *s, const struct audit_value *compared, unsigned width,
                       struct bounds b)
{
    if (compared->kind != VALUE_NUMBER || compared->name == 0)
        return true;
    for (unsigned i = 0; i < REG_COUNT; i++) {
        struct audit_value *v = &s->regs[i];
        if (v->kind == VALUE_NUMBER && v->name == compared->name && !clip(v, compared, width, b))
            return false;
    }
    for (uint32_t i = 0; i < s->nslots; i++) {
        struct audit_value *v = &s->slots[i].value;
        if (v->kind == VALUE_NUMBER && v->name == compared->name && !clip(v, compared, width, b))
            return false;
    }
    return true;
}

/* Bounds of a number compared with bounds of another; false when the condition cannot hold. */
static bool narrow(const struct audit_compare *c, enum audit_cond cond, struct bounds *l,
                   struct bounds *r, bool *known_left, bool *known_right)
{
    const bool is_signed = cond >= COND_S;
    bool ok_left, ok_right;

    *l = bounds_of(&c->left, c->width, is_signed, &ok_left);
    *r = bounds_of(&c->right, c->width, is_signed, &ok_right);
    *known_left = ok_left;
    *known_right = ok_right;
    switch (cond) {
    case COND_B:
        order(l, ok_left, r, ok_right, true);
        *known_left = ok_right;
        break;
    case COND_BE:
        order(l, ok_left, r, ok_right, false);
        *known_left = ok_right;
        break;
    case COND_A:
        order(r, ok_right, l, ok_left, true);
        *known_right = ok_left;
        break;
    case COND_AE:
        order(r, ok_right, l, ok_left, false);
        *known_right = ok_left;
        break;
    case COND_L: order(l, true, r, true, true); break;
    case COND_LE: order(l, true, r, true, false); break;
    case COND_G: order(r, true, l, true, true); break;
    case COND_GE: order(r, true, l, true, false); break;
    case COND_E:
        *known_left = *known_right = true; /* equal patterns are equal however one reads them */
        limit_below(l, r->lo);
        limit_above(l, r->hi);
        *r = *l;
        break;
    case COND_NE: {
        const struct bounds left = *l;
        *known_left = *known_right = true;
        exclude(l, r);
        exclude(r, &left);
        break;
    }
    default: *known_left = *known_right = false; return true;
    }
    return l->lo <= l->hi && r->lo <= r->hi;
}

/* The end of a loop that probes the stack: rsp has come down to a fixed place. */
static void assume_same_address(struct audit_state *s, const struct audit_compare *c)
{
    if (c->width != 8 || c->left_reg >= REG_COUNT || c->left.kind != c->right.kind ||
        !value_is_fixed(&c->right))
        return;
    s->regs[c->left_reg] = c->right;
    if (c->left_reg == REG_RSP && s->touched_top && c->right.lo < s->touched)
        s->touched = c->right.lo;
}

/* The mark behind gs holds that base or 0. */
static void assume_mark(struct audit_state *s, const struct audit_compare *c)
{
    const struct audit_value *base = value_is(&c->left, VALUE_GS) ? &c->left : &c->right;
    const struct audit_value *mark = base == &c->left ? &c->right : &c->left;

    if (c->width == 8 && value_is(mark, VALUE_MARK) && value_is(base, VALUE_GS) &&
        value_is_fixed(base))
        s->gs = (uint8_t)base->lo;
}

bool state_assume(const struct audit_unit_sizes *sizes, struct audit_state *s, enum audit_cond cond)
{
    const struct audit_compare c = s->compare;
    struct bounds l, r;
    bool known_left, known_right;

    if (!c.valid)
        return true;
    if (c.left.kind != VALUE_NUMBER && c.left.kind == c.right.kind) {
        if (cond == COND_E && !c.zero_only)
            assume_same_address(s, &c);
        return true;
    }
    if (cond == COND_E && !c.zero_only)
        assume_mark(s, &c);
    if (c.left.kind == VALUE_SIZE || c.right.kind == VALUE_SIZE)
        state_assume_size(sizes, s, &c, cond);
    if (c.left.kind != VALUE_NUMBER || c.right.kind != VALUE_NUMBER)
        return true;
    if (c.zero_only && cond != COND_E && cond != COND_NE && cond != COND_S && cond != COND_NS)
        return true;
    if (cond == COND_S || cond == COND_NS) {
        if (!value_is_exactly(&c.right, VALUE_NUMBER, 0))
            return true;
        cond = cond == COND_S ? COND_L : COND_GE;
    }
    if (!narrow(&c, cond, &l, &r, &known_left, &known_right))
        return false;
    return (!known_left || clip_named(s, &c.left, c.width, l)) &&
           (!known_right || clip_named(s, &c.right, c.width, r));
}
