/* Sizes of memories: what comparisons with them say about numbers, and which accesses that allows.
 *
 * A number n of which n + slack <= size is known may be added to the memory's base, or to gs for
 * memory 0, for an access of up to `slack` bytes. Sizes never shrink but in calls (an instance that
 * is not running may be reset); so what is known of them is forgotten there, but for the declared
 * minimum of the module's own memories, which all sizes they have are above. */
#include "tools/lucet-objdump/audit_unit.h"

/* No memory is larger: the loader's limit of address spaces. */
#define LARGEST (INT64_C(1) << 47)

static void set_floor(struct audit_state *s, uint16_t memory, int64_t bytes)
{
    for (unsigned i = 0; i < s->nfloors; i++)
        if (s->floors[i].memory == memory) {
            if (s->floors[i].bytes < bytes)
                s->floors[i].bytes = bytes;
            return;
        }
    if (s->nfloors < AUDIT_FLOORS)
        s->floors[s->nfloors++] = (struct audit_floor){memory, bytes};
}

static int64_t state_floor(const struct audit_state *s, uint16_t memory)
{
    for (unsigned i = 0; i < s->nfloors; i++)
        if (s->floors[i].memory == memory)
            return s->floors[i].bytes;
    return 0;
}

bool state_join_floors(struct audit_state *to, const struct audit_state *from)
{
    bool changed = false;
    unsigned kept = 0;

    for (unsigned i = 0; i < to->nfloors; i++) {
        struct audit_floor f = to->floors[i];
        const int64_t other = state_floor(from, f.memory);
        if (other < f.bytes) {
            f.bytes = other;
            changed = true;
        }
        if (f.bytes > 0)
            to->floors[kept++] = f;
    }
    to->nfloors = (uint8_t)kept;
    return changed;
}

static void forget(struct audit_value *v)
{
    if (v->kind == VALUE_SIZE)
        *v = value_unknown();
    v->slack = -1;
    if (v->kind == VALUE_NUMBER)
        v->memory = 0;
}

void state_forget_sizes(struct audit_state *s)
{
    for (unsigned i = 0; i < REG_COUNT; i++)
        forget(&s->regs[i]);
    for (uint32_t i = 0; i < s->nslots; i++)
        forget(&s->slots[i].value);
    s->nfloors = 0;
}

/* v is x + *distance, or not related to it. */
static bool is_apart(const struct audit_value *v, const struct audit_value *x, int64_t *distance)
{
    *distance = (int64_t)((uint64_t)v->add - (uint64_t)x->add);
    if (v->kind != VALUE_NUMBER || v->name != x->name)
        return false;
    if (v->bits == 64 && x->bits == 64)
        return true;
    return *distance == 0 && v->bits == 32 && (x->bits == 32 || value_is_u32(x));
}

/* x + slack <= size of the memory. */
static void bound(struct audit_value *v, const struct audit_value *x, uint16_t memory,
                  int64_t slack)
{
    int64_t distance, left, end;

    if (!is_apart(v, x, &distance) || __builtin_sub_overflow(slack, distance, &left) || left < 0)
        return;
    /* A sum below x might be one that wrapped. */
    if (distance < 0 &&
        (v->lo < 0 || __builtin_sub_overflow(v->hi, distance, &end) || v->bits != 64))
        return;
    if (v->slack < left || v->memory != memory) {
        v->memory = memory;
        v->slack = left;
    }
    value_clip(v, 0, LARGEST);
}

static enum audit_cond mirrored(enum audit_cond cond)
{
    switch (cond) {
    case COND_A: return COND_B;
    case COND_AE: return COND_BE;
    case COND_B: return COND_A;
    case COND_BE: return COND_AE;
    default: return cond;
    }
}

void state_assume_size(const struct audit_unit_sizes *sizes, struct audit_state *s,
                       const struct audit_compare *c, enum audit_cond cond)
{
    const bool swapped = c->left.kind == VALUE_SIZE;
    const struct audit_value x = swapped ? c->right : c->left;
    const struct audit_value size = swapped ? c->left : c->right;

    if (swapped)
        cond = mirrored(cond);
    if (c->zero_only || c->width != 8 || !value_is(&x, VALUE_NUMBER) || !value_is_fixed(&size) ||
        size.lo > 0 || size.lo < -LARGEST)
        return;
    /* size - n is what it says only where it cannot be below zero. */
    const int64_t floor = audit_floor(sizes, s, size.memory);
    if (floor < -size.lo)
        return;
    if (cond == COND_NE && value_is_exactly(&x, VALUE_NUMBER, floor + size.lo))
        set_floor(s, size.memory, floor + 1);
    if (cond != COND_B && cond != COND_BE && cond != COND_E)
        return;
    const int64_t slack = -size.lo + (cond == COND_B);
    if (value_is_fixed(&x)) {
        if (x.lo >= 0 && x.lo <= LARGEST)
            set_floor(s, size.memory, x.lo + slack);
        return;
    }
    if (x.name == 0)
        return;
    for (unsigned i = 0; i < REG_COUNT; i++)
        bound(&s->regs[i], &x, size.memory, slack);
    for (uint32_t i = 0; i < s->nslots; i++)
        bound(&s->slots[i].value, &x, size.memory, slack);
}

int64_t audit_floor(const struct audit_unit_sizes *sizes, const struct audit_state *s,
                    uint16_t memory)
{
    const uint32_t number = memory - 1u;
    const int64_t known = state_floor(s, memory);

    if (memory == 0 || number < sizes->nimported || number >= sizes->count)
        return known;
    const struct lucet_module_memory *d = &sizes->memories[number];
    const uint64_t min = lucet_memory_bytes(d->min, d->page_log2);
    return min > (uint64_t)LARGEST || (int64_t)min < known ? known : (int64_t)min;
}

bool audit_fits(const struct audit_unit_sizes *sizes, const struct audit_state *s, uint32_t number,
                const struct audit_value *v, unsigned size)
{
    const uint16_t memory = (uint16_t)(number + 1);

    if (v->slack >= (int64_t)size && v->memory == memory)
        return true;
    return v->lo >= 0 && v->hi <= audit_floor(sizes, s, memory) - (int64_t)size;
}
