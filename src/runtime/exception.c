/* Exceptions as objects, and the set of those that the instances of a store may hold. */
#include "runtime/exception.h"

#include <stdatomic.h>
#include <string.h>

#include "runtime/allocate.h"
#include "runtime/error.h"
#include "runtime/instance.h"
#include "runtime/region.h"
#include "runtime/store.h"
#include "runtime/value.h"

uint64_t lucet__exception_size(const struct lucet_tag *tag)
{
    return sizeof(struct lucet_exception) + (uint64_t)tag->nvalues * LUCET_RESULT_SLOT;
}

struct lucet_exception *lucet__exception_new(struct lucet_tag *tag, const uint64_t (*values)[2])
{
    struct lucet_exception *e = lucet__malloc(lucet__exception_size(tag));

    if (!e)
        return NULL;
    *e = (struct lucet_exception){.refs = 1, .tag = tag};
    lucet_tag_retain(tag);
    if (tag->nvalues)
        memcpy(e->values, values, tag->nvalues * sizeof(*values));
    return e;
}

static void destroy(struct lucet_exception *e)
{
    lucet_tag_release(e->tag);
    lucet__free(e);
}

void lucet_exception_retain(struct lucet_exception *e)
{
    if (e)
        e->refs++;
}

void lucet_exception_release(struct lucet_exception *e)
{
    if (!e || --e->refs > 0)
        return;
    if (!e->of)
        destroy(e);
    else /* it may have been found through this reference only */
        lucet__exception_mark(lucet__exception_set(e), e);
}

/* ---- Sets ---- */

static atomic_uint_fast64_t last_ref;

static uint64_t new_ref(void)
{
    return (atomic_fetch_add_explicit(&last_ref, 1, memory_order_relaxed) + 1) * LUCET__REF_SPREAD;
}

uint64_t lucet__refs_given(void)
{
    return atomic_load_explicit(&last_ref, memory_order_relaxed);
}

static struct lucet_exception **chain(const struct exceptions *s, const struct exception_table *t,
                                      uint64_t ref)
{
    return &t->chains[lucet__exception_hash(s, ref) >> (64 - t->bits)];
}

static struct lucet_exception *look_up(const struct exceptions *s, const struct exception_table *t,
                                       uint64_t ref)
{
    struct lucet_exception *e = t->chains ? *chain(s, t, ref) : NULL;

    while (e && e->ref != ref)
        e = e->next;
    return e;
}

static struct lucet_exception *find(const struct exceptions *s, uint64_t ref)
{
    struct lucet_exception *e = look_up(s, &s->table, ref);

    if (!e)
        e = look_up(s, &s->old, ref);
    for (const struct exceptions *t = s->united; t && !e; t = t->next_united)
        e = find(t, ref);
    return e;
}

struct lucet_exception *lucet__exception_find(struct exceptions *s, uint64_t ref)
{
    struct lucet_exception *e = s && ref ? find(s, ref) : NULL;

    if (!e || s->phase == PHASE_NONE || e->marked == s->collections)
        return e;
    if (s->phase == PHASE_SWEEP && e->refs == 0)
        return NULL; /* it was gone before anyone asked */
    lucet__exception_mark(s, e);
    return e;
}

static void put_in_place(struct exceptions *s, struct lucet_exception *e)
{
    struct lucet_exception **to = chain(s, &s->table, e->ref);

    e->of = s;
    e->marked = s->phase == PHASE_NONE ? 0 : s->collections;
    e->next = *to;
    *to = e;
}

static void move_chain(struct exceptions *s, struct exception_table *from)
{
    struct lucet_exception *e = from->chains[from->moved], *next;

    from->chains[from->moved++] = NULL;
    for (; e; e = next) {
        next = e->next;
        put_in_place(s, e);
    }
    if (from->moved >> from->bits == 0)
        return;
    lucet__free(from->chains);
    from->chains = NULL;
}

bool lucet__exceptions_move(struct exceptions *s)
{
    struct exceptions *t = s->united;

    if (s->old.chains) {
        move_chain(s, &s->old);
    } else if (t) {
        move_chain(s, t->old.chains ? &t->old : &t->table);
        if (!t->table.chains) {
            s->united = t->next_united;
            lucet__free(t);
        }
    }
    return s->old.chains || s->united;
}

static struct lucet_exception **new_chains(unsigned bits)
{
    return lucet__calloc((size_t)1 << bits, sizeof(struct lucet_exception *));
}

/* Bit by bit, so that none takes long: all of the smaller table has moved long before the larger
 * one is full. Longer chains will do when there is no memory, or while somebody goes through
 * them. */
static void make_room(struct exceptions *s)
{
    struct lucet_exception **larger;

    if (lucet__exceptions_move(s) && lucet__exceptions_move(s))
        return;
    if (s->count >> s->table.bits == 0 || s->old.chains || s->united || s->phase != PHASE_NONE)
        return;
    larger = new_chains(s->table.bits + 2);
    if (!larger)
        return;
    s->old = s->table;
    s->table = (struct exception_table){.chains = larger, .bits = s->old.bits + 2};
}

static void insert(struct exceptions *s, struct lucet_exception *e)
{
    make_room(s);
    put_in_place(s, e);
    s->count++;
    s->bytes += lucet__exception_size(e->tag);
}

void lucet__exception_add(struct exceptions *s, struct lucet_exception *e)
{
    e->ref = new_ref();
    insert(s, e);
}

static struct exceptions *set_new(uint64_t limit)
{
    struct exceptions *s = lucet__calloc(1, sizeof(*s));

    if (!s)
        return NULL;
    *s = (struct exceptions){.table.bits = 4, .limit = limit, .key = lucet_siphash_key()};
    s->table.chains = new_chains(s->table.bits);
    if (!s->table.chains) {
        lucet__free(s);
        return NULL;
    }
    return s;
}

/* Those that the host holds lose what they refer to. */
static void orphan(struct lucet_exception *e)
{
    e->of = NULL;
    for (uint32_t k = 0; k < e->tag->nvalues; k++)
        if (e->tag->types[k] == LUCET_FUNCREF || e->tag->types[k] == LUCET_EXNREF)
            e->values[k][0] = 0;
    if (e->refs == 0)
        destroy(e);
}

static void set_free(struct exceptions *s)
{
    while (lucet__exceptions_move(s))
        ;
    for (size_t k = 0; k >> s->table.bits == 0; k++)
        for (struct lucet_exception *e = s->table.chains[k], *next; e; e = next) {
            next = e->next;
            orphan(e);
        }
    lucet__free(s->table.chains);
    lucet__free(s);
}

static void use(struct lucet_instance *i, struct exceptions *s)
{
    i->exceptions = s;
    s->users++;
    s->user = i;
}

struct exceptions *lucet__exceptions_of(struct lucet_instance *i)
{
    struct store_members m;
    struct exceptions *s;

    if (i->exceptions)
        return i->exceptions;
    s = set_new(i->region->limits.exceptions_size);
    if (!s)
        return NULL;
    m = lucet__store_members(i);
    if (!m.instances)
        use(i, s);
    for (struct lucet_instance *k = m.instances; k; k = k->store_next)
        use(k, s);
    return s;
}

void lucet__exceptions_leave(struct lucet_instance *i)
{
    struct exceptions *s = i->exceptions;

    lucet_exception_release(i->uncaught);
    i->uncaught = NULL;
    i->exceptions = NULL;
    if (s && --s->users == 0)
        set_free(s);
}

/* Neither set is searched any more as if it were whole. */
static void give_up_collection(struct exceptions *s)
{
    s->phase = PHASE_NONE;
    s->found = NULL;
}

/* Takes over what `t` has, as time goes by. */
static void take_over(struct exceptions *s, struct exceptions *t)
{
    struct exceptions **end = &s->united;

    give_up_collection(s);
    give_up_collection(t);
    s->limit += t->limit;
    s->count += t->count;
    s->bytes += t->bytes;
    t->next_united = t->united;
    t->united = NULL;
    while (*end)
        end = &(*end)->next_united;
    *end = t;
    for (; t; t = t->next_united)
        t->into = s;
}

/* Two stores become one: instances of a store have one set, or none yet. This may be within a
 * guest's run, and with the mutex of all stores: it takes no longer for large sets than for small
 * ones. */
void lucet__exceptions_unite(struct lucet_instance *one, struct lucet_instance *two)
{
    struct exceptions *s = one ? one->exceptions : NULL, *t = two ? two->exceptions : NULL;

    if (s == t)
        return;
    if (!s) {
        lucet__exceptions_unite(two, one);
        return;
    }
    for (struct lucet_instance *i = two; i; i = i->store_next)
        use(i, s);
    if (t)
        take_over(s, t);
}

/* ---- From one store to another ---- */

enum lucet_error lucet__exception_share(const struct lucet_tag *tag, const uint64_t (*values)[2],
                                        struct lucet_instance *from, struct lucet_instance *to)
{
    struct store *one, *two;

    if (from == to || (from->exceptions && from->exceptions == to->exceptions))
        return lucet_error_ok;
    for (uint32_t k = 0; k < tag->nvalues; k++) {
        if ((tag->types[k] != LUCET_FUNCREF && tag->types[k] != LUCET_EXNREF) || !values[k][0])
            continue;
        one = lucet__store_of_instance(from);
        two = lucet__store_of_instance(to);
        return one && two ? lucet__store_link(two, one, STORE_MUTUAL) : lucet__no_memory();
    }
    return lucet_error_ok;
}

/* What a free exception, made by the host, refers to. */
static enum lucet_error hold_values(struct lucet_instance *i, const struct lucet_exception *e)
{
    for (uint32_t k = 0; k < e->tag->nvalues; k++) {
        const struct lucet_val v = lucet__value_load(e->tag->types[k], e->values[k]);
        if (v.ty == lucet_val_type_exnref && e->values[k][0] &&
            !lucet__exception_find(i->exceptions, e->values[k][0]))
            return lucet__fail(lucet_error_type_mismatch,
                               "value %u is an exception that does not exist any more", k);
        enum lucet_error error = lucet__value_hold(i, &v);
        if (error != lucet_error_ok)
            return error;
    }
    return lucet_error_ok;
}

enum lucet_error lucet__exception_hold(struct lucet_instance *i, const struct lucet_exception *e)
{
    if (!lucet__exceptions_of(i))
        return lucet__no_memory();
    const struct exceptions *s = lucet__exception_set(e);
    return s ? lucet__exception_share(e->tag, e->values, s->user, i) : hold_values(i, e);
}

enum lucet_error lucet__exception_admit(struct lucet_instance *i, struct lucet_exception *e,
                                        uint64_t *ref)
{
    enum lucet_error error = lucet__exception_hold(i, e);

    if (error != lucet_error_ok)
        return error;
    if (e->of && lucet__exception_set(e) != i->exceptions) {
        e = lucet__exception_new(e->tag, e->values);
        if (!e)
            return lucet__no_memory();
        e->refs = 0;
    }
    if (!e->of)
        lucet__exception_add(i->exceptions, e);
    *ref = e->ref;
    return lucet_error_ok;
}

/* ---- For the host ---- */

/* From the host's exception to what guests call it. */
static bool nested_ref(struct lucet_val *v)
{
    const struct lucet_exception *e = v->inner_val.as_ref;

    v->inner_val.as_u64 = e ? e->ref : 0;
    return !e || e->of;
}

enum lucet_error lucet_exception_new(struct lucet_tag *tag, size_t count,
                                     const struct lucet_val *values, struct lucet_exception **out)
{
    struct lucet_exception *e;

    lucet__clear_error();
    if (!tag || !out || (count && !values))
        return lucet__fail(lucet_error_invalid_argument, "lucet_exception_new: NULL");
    *out = NULL;
    if (count != tag->nvalues)
        return lucet__fail(lucet_error_type_mismatch, "%zu values, the tag has %u", count,
                           tag->nvalues);
    e = lucet__malloc(lucet__exception_size(tag));
    if (!e)
        return lucet__no_memory();
    *e = (struct lucet_exception){.refs = 1, .tag = tag};
    lucet_tag_retain(tag);
    for (uint32_t k = 0; k < tag->nvalues; k++) {
        struct lucet_val v = values[k];
        e->values[k][0] = e->values[k][1] = 0;
        if (v.ty == lucet_val_type_exnref && !nested_ref(&v)) {
            destroy(e);
            return lucet__fail(lucet_error_type_mismatch,
                               "value %u is an exception that no instance has", k);
        }
        if (!lucet__value_store(&v, tag->types[k], e->values[k]) ||
            !lucet__tag_admits(tag, k, e->values[k])) {
            destroy(e);
            return lucet__fail(lucet_error_type_mismatch, "value %u is not of type %s", k,
                               lucet_valtype_name(tag->types[k]));
        }
    }
    *out = e;
    return lucet_error_ok;
}

struct lucet_tag *lucet_exception_tag(const struct lucet_exception *e)
{
    return e ? e->tag : NULL;
}

size_t lucet_exception_count(const struct lucet_exception *e)
{
    return e ? e->tag->nvalues : 0;
}

enum lucet_error lucet_exception_value(const struct lucet_exception *e, size_t i,
                                       struct lucet_val *out)
{
    lucet__clear_error();
    if (!e || !out || i >= e->tag->nvalues)
        return lucet__fail(lucet_error_invalid_argument, "lucet_exception_value: NULL or index");
    *out = lucet__value_load(e->tag->types[i], e->values[i]);
    if (out->ty == lucet_val_type_exnref)
        out->inner_val.as_ref = lucet__exception_find(lucet__exception_set(e), e->values[i][0]);
    return lucet_error_ok;
}
