/* Which exceptions guests still hold. There is no other garbage in WebAssembly as it is implemented
 * here, so nothing is counted or traced while guests run: when the set of a store is full, all places
 * where a reference can be are searched, and what is not found goes.
 *
 * References are in tables and globals of type exnref, in values of other exceptions, and in frames and
 * saved registers on guest stacks. Stacks and the guest's parts of contexts are searched word by word:
 * what looks like the number of an exception counts as one, which can only keep too much. */

#include "runtime/activation.h"
#include "runtime/allocate.h"
#include "runtime/exception.h"
#include "runtime/instance.h"
#include "runtime/linker.h"
#include "runtime/module.h"
#include "runtime/region.h"
#include "runtime/slot.h"
#include "runtime/stop.h"
#include "runtime/store.h"
#include "runtime/suspend.h"
#include "runtime/table.h"

#define STEPS                                                                                      \
    1024u /* between looks at stop requests; each may be a miss of all caches, or a free */
enum { RSP = 15, RED_ZONE = 128 }; /* in struct registers; below it */

struct search {
    struct exceptions *s;
    struct lucet_exception *marked; /* found, values not looked at yet; by next_marked */
    const struct activation *act;   /* whose stop request is heard; NULL: nobody's */
    uint64_t steps;
    bool stopped; /* given up: every loop ends */
};

/* Slices do not end here: others would change what is being searched. */
static bool goes_on(struct search *w)
{
    enum lucet_terminated_reason reason;

    if (++w->steps % STEPS == 0 && w->act && lucet__stop_requested(w->act->instance->stop, &reason))
        w->stopped = true;
    return !w->stopped;
}

static void found(struct search *w, struct lucet_exception *e)
{
    if (!e || e->marked == w->s->collections)
        return;
    e->marked = w->s->collections;
    e->next_marked = w->marked;
    w->marked = e;
}

/* The words of a stack include what AddressSanitizer guards. */
#ifdef LUCET_SANITIZE
__attribute__((no_sanitize("address")))
#endif
static void search_words(struct search *w, const void *from, const void *to)
{
    const volatile uint64_t *p = (const volatile uint64_t *)(((uintptr_t)from + 7) & ~(uintptr_t)7);

    for (; (uintptr_t)(p + 1) <= (uintptr_t)to && goes_on(w); p++)
        found(w, lucet__exception_find(w->s, *p));
}

static void search_values(struct search *w, const struct lucet_exception *e)
{
    for (uint32_t k = 0; e && k < e->tag->nvalues && goes_on(w); k++)
        if (e->tag->types[k] == LUCET_EXNREF)
            found(w, lucet__exception_find(w->s, e->values[k][0]));
}

static void search_table(struct search *w, const struct table *t)
{
    if (t->desc && t->elem == LUCET_EXNREF)
        search_words(w, t->desc->elems, t->desc->elems + t->desc->size);
}

/* A run that was put aside, whose registers are on its stack or beside it. */
static void search_suspended(struct search *w, const struct lucet_instance *i)
{
    const struct suspended *s = &i->suspended;
    const struct slot *slot = i->slot;
    const uint8_t *sp = s->sp;

    if (i->state != INSTANCE_YIELDED)
        return;
    if (!sp) {
        const struct registers *r = i->registers;
        sp = (const uint8_t *)(uintptr_t)r->general[RSP] - RED_ZONE;
        search_words(w, r, (const uint8_t *)r + sizeof(*r) + lucet__xsave_size);
    }
    if (sp < slot->stack || sp > slot->stack + slot->region->limits.stack_size)
        sp = slot->stack;
    search_words(w, sp, slot->stack + slot->region->limits.stack_size);
    search_values(w, s->throwing);
    search_values(w, s->passing);
    search_words(w, s->in_transit, s->in_transit + s->in_transit_size);
    /* A call by handle leaves none of its arguments in `few`, which has no room for more of them either. */
    const uint32_t n = lucet__func_type(s->module, s->func)->nparams;
    search_words(w, i->values, i->values + (s->many || n <= LUCET__FEW ? n : 0));
}

static void search_instance(struct search *w, const struct lucet_instance *i)
{
    const struct lucet_artifact *a = &i->module->artifact;
    const struct lucet_layout *l = &a->header->layout;

    if (!i->ctx)
        return;
    search_suspended(w, i);
    search_words(w, LUCET__AT(i->ctx, uint8_t, l->guest_part), LUCET__AT(i->ctx, uint8_t, l->size));
    for (uint32_t k = 0; i->tables && k < a->ntables - a->header->nimported_tables; k++)
        search_table(w, &i->tables[k]);
}

static void search_object(struct search *w, const struct object *o)
{
    if (o->kind == lucet_extern_table)
        search_table(w, &o->u.table.own);
    if (o->kind == lucet_extern_global && o->u.global.type == LUCET_EXNREF)
        found(w, lucet__exception_find(w->s, o->u.global.value[0]));
}

static bool within(const struct activation *act, uintptr_t sp)
{
    return sp >= (uintptr_t)act->stack_low && sp <= (uintptr_t)act->stack_high;
}

/* Guests' frames of all runs on this thread, whoever's they are, host functions above them included. A
 * run's own end of the stack is where the next inner one, or this function, was called. */
static void search_stacks(struct search *w)
{
    uintptr_t sp = (uintptr_t)__builtin_frame_address(0);

    for (const struct activation *act = lucet__thread.current; act; act = act->outer) {
        search_words(w, within(act, sp) ? (const void *)sp : act->stack_low, act->stack_high);
        search_values(w, act->passing);
        search_values(w, act->throwing);
        sp = (uintptr_t)act->host_sp;
    }
}

/* Everything that a callee keeps for its caller comes onto the stack first. */
__attribute__((noinline)) static void search_registers_and_stacks(struct search *w)
{
    __builtin_unwind_init();
    search_stacks(w);
    __asm__ volatile("" ::: "memory"); /* not a jump: this frame must be there */
}

/* Those that the host holds. */
static void search_host(struct search *w)
{
    const struct exceptions *s = w->s;

    for (size_t k = 0; k < (size_t)1 << s->bits && goes_on(w); k++)
        for (struct lucet_exception *e = s->table[k]; e && goes_on(w); e = e->next)
            if (e->refs)
                found(w, e);
}

static void mark(struct search *w, struct lucet_instance *i)
{
    const struct store_members m = lucet__store_members(i);

    search_host(w);
    search_registers_and_stacks(w);
    if (!m.instances)
        search_instance(w, i);
    for (const struct lucet_instance *k = m.instances; k && goes_on(w); k = k->store_next)
        search_instance(w, k);
    for (const struct object *o = m.objects; o && goes_on(w); o = o->store_next)
        search_object(w, o);
    while (w->marked && goes_on(w)) {
        const struct lucet_exception *e = w->marked;
        w->marked = e->next_marked;
        search_values(w, e);
    }
}

static void sweep(struct search *w)
{
    struct exceptions *s = w->s;

    for (size_t k = 0; k < (size_t)1 << s->bits && goes_on(w); k++)
        for (struct lucet_exception **p = &s->table[k]; *p && goes_on(w);) {
            struct lucet_exception *e = *p;
            if (e->marked == s->collections) {
                p = &e->next;
                continue;
            }
            *p = e->next;
            s->count--;
            s->bytes -= lucet__exception_size(e->tag);
            lucet_tag_release(e->tag);
            lucet__free(e);
        }
}

static void collect(struct search *w, struct lucet_instance *i)
{
    struct exceptions *s = w->s;

    if (++s->collections == 0) /* new ones have 0 */
        s->collections = 1;
    while (goes_on(w) && lucet__exceptions_move(s))
        ;
    mark(w, i);
    if (!w->stopped) /* else not all have been found */
        sweep(w);
}

bool lucet__exceptions_room(struct lucet_instance *i, const struct activation *act, uint64_t size)
{
    struct exceptions *s = lucet__exceptions_of(i);

    if (!s)
        return false;
    if (s->bytes <= s->limit && size <= s->limit - s->bytes)
        return true;
    struct search w = {.s = s, .act = act};
    collect(&w, i);
    return !w.stopped && s->bytes <= s->limit && size <= s->limit - s->bytes;
}
