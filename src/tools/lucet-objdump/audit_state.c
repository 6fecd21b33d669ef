#include "tools/lucet-objdump/audit_state.h"

#include <stdlib.h>
#include <string.h>

#define MERGE_BIT (UINT64_C(1) << 63)
enum { SLOT_BIAS = 1 << 30, SLOT_LIMIT = 1 << 29 };

/* Place: 0..15 a register, else SLOT_BIAS + offset; both below 2^31. */
static uint64_t merge_name(uint32_t block, uint32_t place)
{
    return MERGE_BIT | (uint64_t)block << 31 | place;
}

static bool made_by_merge_at(uint64_t name, uint32_t block)
{
    return (name & MERGE_BIT) && (name & ~MERGE_BIT) >> 31 == block;
}

bool state_copy(struct audit_state *to, const struct audit_state *from)
{
    struct audit_slot *slots = NULL;

    if (from->nslots) {
        slots = malloc(from->nslots * sizeof *slots);
        if (!slots)
            return false;
        memcpy(slots, from->slots, from->nslots * sizeof *slots);
    }
    *to = *from;
    to->slots = slots;
    to->room = from->nslots;
    return true;
}

void state_free(struct audit_state *s)
{
    free(s->slots);
    *s = (struct audit_state){0};
}

static bool is_table(const struct audit_value *v)
{
    return v->kind == VALUE_TABLE || v->kind == VALUE_TARGET;
}

/* Values that were the same on both paths, or a constant apart, are so after the merge. A group is
 * what bore one name on the one path and one name on the other; its first member's value gets a
 * name from that member's place. Names this merge gave on an earlier round are given anew. */
struct group {
    struct audit_value to, from; /* of the first member */
    uint64_t name;
};

struct renaming {
    uint32_t block;
    const struct audit_thresholds *widen;
    unsigned count;
    struct group groups[64]; /* what finds no room is known to be related to nothing */
};

static bool is_related(const struct audit_value *a, const struct audit_value *b)
{
    return a->name == b->name && a->bits == b->bits;
}

static int64_t distance(const struct audit_value *from, const struct audit_value *to)
{
    const uint64_t d = (uint64_t)to->add - (uint64_t)from->add;

    return from->bits == 32 ? (int32_t)d : (int64_t)d;
}

static bool is_low(const struct audit_value *v)
{
    return v->bits == 32 || value_is_u32(v);
}

/* As low halves the two are a constant apart from the group's first member, on both paths. */
static bool name_low_half(struct audit_value *v, const struct group *g,
                          const struct audit_value *to, const struct audit_value *from)
{
    const int32_t d = (int32_t)((uint64_t)to->add - (uint64_t)g->to.add);

    if (g->to.name != to->name || g->from.name != from->name || !is_low(to) || !is_low(from) ||
        !value_is_u32(v) || d != (int32_t)((uint64_t)from->add - (uint64_t)g->from.add))
        return false;
    v->name = g->name;
    v->add = d;
    v->bits = 32;
    return true;
}

/* The name of the merge of two numbers. */
static void name_merge(struct audit_value *v, struct renaming *r, const struct audit_value *to,
                       const struct audit_value *from, uint64_t own)
{
    value_rename(v, own);
    if (to->kind != VALUE_NUMBER || from->kind != VALUE_NUMBER || to->name == 0 || from->name == 0)
        return;
    for (unsigned i = 0; i < r->count; i++) {
        const struct group *g = &r->groups[i];
        if (!is_related(&g->to, to) || !is_related(&g->from, from)) {
            if (name_low_half(v, g, to, from))
                return;
            continue;
        }
        const int64_t d = distance(&g->to, to);
        if (d != distance(&g->from, from) || (d != 0 && to->bits != from->bits))
            continue;
        v->name = g->name;
        v->add = d;
        v->bits = d == 0 ? 64 : to->bits;
        return;
    }
    if (r->count < sizeof r->groups / sizeof r->groups[0])
        r->groups[r->count++] = (struct group){*to, *from, own};
}

/* Joins and says whether `to` became another. */
static bool join_place(struct audit_value *to, const struct audit_value *from, struct renaming *r,
                       uint32_t place)
{
    const uint64_t name = merge_name(r->block, place);
    const bool same = is_related(to, from) && to->add == from->add && to->name != 0 &&
                      !made_by_merge_at(to->name, r->block);
    struct audit_value v = value_join(to, from, name, r->widen);

    if (v.kind == VALUE_NUMBER && !same)
        name_merge(&v, r, to, from, name);
    if (value_equal(&v, to))
        return false;
    *to = v;
    return true;
}

/* Whole numbers first, so that they lead the groups. */
static bool join_registers(struct audit_state *to, const struct audit_state *from,
                           struct renaming *r)
{
    uint32_t halves = 0;
    bool changed = false;

    for (unsigned i = 0; i < REG_COUNT; i++)
        if (to->regs[i].bits != 64 || from->regs[i].bits != 64)
            halves |= 1u << i;
        else
            changed |= join_place(&to->regs[i], &from->regs[i], r, i);
    for (unsigned i = 0; i < REG_COUNT; i++)
        if (halves >> i & 1)
            changed |= join_place(&to->regs[i], &from->regs[i], r, i);
    return changed;
}

static bool join_slots(struct audit_state *to, const struct audit_state *from, struct renaming *r)
{
    bool changed = false;
    uint32_t kept = 0, j = 0;

    for (uint32_t i = 0; i < to->nslots; i++) {
        struct audit_slot *slot = &to->slots[i];
        while (j < from->nslots && from->slots[j].at < slot->at)
            j++;
        if (j == from->nslots || from->slots[j].at != slot->at ||
            from->slots[j].size != slot->size) {
            changed = true;
            continue;
        }
        if (join_place(&slot->value, &from->slots[j].value, r, (uint32_t)(SLOT_BIAS + slot->at)))
            changed = true;
        to->slots[kept++] = *slot;
    }
    to->nslots = kept;
    return changed;
}

bool state_join(struct audit_state *to, const struct audit_state *from, uint32_t block,
                const struct audit_thresholds *widen, bool *changed)
{
    *changed = true;
    if (!to->reached)
        return state_copy(to, from);

    struct renaming r;
    r.block = block;
    r.widen = widen;
    r.count = 0;
    *changed = false;
    if (join_registers(to, from, &r))
        *changed = true;
    if (join_slots(to, from, &r))
        *changed = true;
    if (to->gs != from->gs && to->gs != AUDIT_GS_UNKNOWN) {
        to->gs = AUDIT_GS_UNKNOWN;
        *changed = true;
    }
    if (to->touched_top && !from->touched_top) {
        to->touched_top = false;
        *changed = true;
    }
    if (state_join_floors(to, from))
        *changed = true;
    if (from->touched > to->touched) {
        to->touched = from->touched;
        *changed = true;
    }
    if (to->compare.valid || to->small_low & ~from->small_low || to->small_all & ~from->small_all)
        *changed = true;
    to->small_low &= from->small_low;
    to->small_all &= from->small_all;
    to->compare.valid = false;
    return true;
}

/* A new value is about to take the name: whatever bears it from an earlier round gives it up. */
static void forget_name(struct audit_state *s, uint64_t name)
{
    for (unsigned i = 0; i < REG_COUNT; i++)
        if (s->regs[i].name == name && !is_table(&s->regs[i]))
            s->regs[i].name = 0;
    for (uint32_t i = 0; i < s->nslots; i++)
        if (s->slots[i].value.name == name && !is_table(&s->slots[i].value))
            s->slots[i].value.name = 0;
    if (s->compare.left.name == name)
        s->compare.left.name = 0;
    if (s->compare.right.name == name)
        s->compare.right.name = 0;
}

void state_set(struct audit_state *s, unsigned reg, struct audit_value v, uint64_t name)
{
    if (v.kind == VALUE_NUMBER && v.name == 0) {
        forget_name(s, name);
        value_rename(&v, name);
    }
    s->regs[reg] = v;
    if (reg == REG_RSP)
        s->touched_top = false;
    if (s->compare.left_reg == reg)
        s->compare.left_reg = REG_NONE;
}

struct audit_value state_named(struct audit_state *s, unsigned reg, uint64_t name)
{
    struct audit_value *v = &s->regs[reg];

    if (v->kind == VALUE_NUMBER && v->name == 0) {
        forget_name(s, name);
        value_rename(v, name);
    }
    return *v;
}

static void rename_equal(struct audit_value *v, const struct audit_value *old, uint64_t name)
{
    if (v->kind == VALUE_NUMBER && old->name != 0 && v->name == old->name && v->bits == old->bits &&
        v->add == old->add && (v->bits == 64 || value_is_u32(v)))
        value_rename(v, name);
}

void state_rename(struct audit_state *s, unsigned reg, uint64_t name)
{
    const struct audit_value old = s->regs[reg];

    forget_name(s, name);
    for (unsigned i = 0; i < REG_COUNT; i++)
        rename_equal(&s->regs[i], &old, name);
    for (uint32_t i = 0; i < s->nslots; i++)
        rename_equal(&s->slots[i].value, &old, name);
    value_rename(&s->regs[reg], name);
}

/* The first slot that ends behind `at`. */
static uint32_t find_slot(const struct audit_state *s, int64_t at)
{
    uint32_t lo = 0, hi = s->nslots;

    while (lo < hi) {
        const uint32_t mid = lo + (hi - lo) / 2;
        if ((int64_t)s->slots[mid].at + s->slots[mid].size > at)
            hi = mid;
        else
            lo = mid + 1;
    }
    return lo;
}

struct audit_value state_load(struct audit_state *s, int64_t at, unsigned size, uint64_t name)
{
    const uint32_t i = find_slot(s, at);

    if (i == s->nslots || s->slots[i].at != at || s->slots[i].size < size)
        return value_low(value_unknown(), size);
    struct audit_value *v = &s->slots[i].value;
    if (v->kind == VALUE_NUMBER && v->name == 0) {
        forget_name(s, name);
        value_rename(v, name);
    }
    return value_low(*v, size);
}

bool state_store(struct audit_state *s, int64_t at, unsigned size, struct audit_value v)
{
    const uint32_t first = find_slot(s, at);
    uint32_t last = first;

    while (last < s->nslots && s->slots[last].at < at + size)
        last++;
    /* What is larger than a register is no value of interest, but ends what was there. */
    const bool keep = size <= 8 && at > -SLOT_LIMIT && at < SLOT_LIMIT;
    const uint32_t count = s->nslots - (last - first) + (keep ? 1 : 0);
    if (count > s->room) {
        const uint32_t room = count + count / 2 + 8;
        struct audit_slot *slots = realloc(s->slots, room * sizeof *slots);
        if (!slots)
            return false;
        s->slots = slots;
        s->room = room;
    }
    if (s->nslots > last)
        memmove(&s->slots[first + (keep ? 1 : 0)], &s->slots[last],
                (s->nslots - last) * sizeof *s->slots);
    if (keep)
        s->slots[first] = (struct audit_slot){.at = (int32_t)at, .size = (uint8_t)size, .value = v};
    s->nslots = count;
    return true;
}

void state_set_gs(struct audit_state *s, int64_t gs)
{
    s->gs = (uint8_t)gs;
    for (unsigned i = 0; i < REG_COUNT; i++)
        if (s->regs[i].kind == VALUE_MARK)
            s->regs[i] = value_unknown();
    for (uint32_t i = 0; i < s->nslots; i++)
        if (s->slots[i].value.kind == VALUE_MARK)
            s->slots[i].value = value_unknown();
    s->compare.valid = false;
}

void state_drop_below(struct audit_state *s, int64_t at)
{
    uint32_t n = 0;

    while (n < s->nslots && s->slots[n].at < at)
        n++;
    if (n)
        memmove(s->slots, s->slots + n, (s->nslots - n) * sizeof *s->slots);
    s->nslots -= n;
}
