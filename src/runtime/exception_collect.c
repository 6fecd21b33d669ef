/* Which exceptions guests still hold. There is no other garbage in WebAssembly as it is implemented
 * here, so nothing is counted or traced while guests run: when the set of a store is full, all
 * places where a reference can be are searched, and what is not found goes. That is done in parts,
 * between which the run may be put aside and others run, who go on with it when they need room.
 *
 * References are in tables and globals of type exnref, in values of other exceptions, and in frames
 * and saved registers on guest stacks. Stacks and the guest's parts of contexts are searched word
 * by word: what looks like the number of an exception counts as one, which can only keep too
 * much. */

#include "runtime/activation.h"
#include "runtime/allocate.h"
#include "runtime/builtins.h"
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
#include "runtime/x86_64/machine.h"

#define STEPS 256u /* of a part; each may be a miss of all caches, or a free */
#define PARTS 16u  /* that the end of a run waits for */

struct search {
    struct exceptions *s;
    const struct activation *act; /* whose stop request is heard; NULL: nobody's */
    uint64_t given;               /* lucet__refs_given(); of later ones none has to be found */
    uint64_t steps;
    bool stopped; /* given up: every loop over roots ends */
};

static bool is_stopped(const struct activation *act)
{
    enum lucet_terminated_reason reason;

    return act && lucet__stop_requested(act->instance->stop, &reason);
}

static bool goes_on(struct search *w)
{
    if (++w->steps % STEPS == 0 && is_stopped(w->act))
        w->stopped = true;
    return !w->stopped;
}

void lucet__exception_mark(struct exceptions *s, struct lucet_exception *e)
{
    if (s->phase == PHASE_NONE || s->phase == PHASE_SWEEP || e->marked == s->collections)
        return;
    e->marked = s->collections;
    e->next_marked = s->found;
    s->found = e;
}

/* The number of one, perhaps. To find it is to mark it. */
static void look_at(struct search *w, uint64_t word)
{
    if (lucet__is_ref(word, w->given))
        lucet__exception_find(w->s, word);
}

/* The words of a stack include what AddressSanitizer guards. */
#ifdef LUCET_SANITIZE
__attribute__((no_sanitize("address")))
#endif
static void search_words(struct search *w, const void *from, const void *to)
{
    const volatile uint64_t *p = (const volatile uint64_t *)(((uintptr_t)from + 7) & ~(uintptr_t)7);

    for (; (uintptr_t)(p + 1) <= (uintptr_t)to && goes_on(w); p++)
        look_at(w, *p);
}

static void search_values(struct search *w, const struct lucet_exception *e)
{
    for (uint32_t k = 0; e && k < e->tag->nvalues && goes_on(w); k++)
        if (e->tag->types[k] == LUCET_EXNREF)
            look_at(w, e->values[k][0]);
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
        sp = (const uint8_t *)machine_saved_sp(r) - LUCET__RED_ZONE;
        search_words(w, r, (const uint8_t *)r + sizeof(*r) + lucet__xsave_size);
    }
    if (sp < slot->stack || sp > slot->stack + slot->region->limits.stack_size)
        sp = slot->stack;
    search_words(w, sp, slot->stack + slot->region->limits.stack_size);
    search_values(w, s->throwing);
    search_values(w, s->passing);
    search_words(w, s->in_transit, s->in_transit + s->in_transit_size);
    /* A call by handle leaves none of its arguments in `few`, which has no room for more of them
     * either. */
    const uint32_t n = lucet__func_type(s->module, s->func)->nparams;
    search_words(w, i->values, i->values + (s->many || n <= LUCET__FEW ? n : 0));
}

static void search_instance(struct search *w, const struct lucet_instance *i)
{
    const struct lucet_layout *l = &i->module->artifact.header->layout;

    if (!i->ctx)
        return;
    search_suspended(w, i);
    search_words(w, LUCET__AT(i->ctx, uint8_t, l->guest_part), LUCET__AT(i->ctx, uint8_t, l->size));
}

static void search_object(struct search *w, const struct object *o)
{
    if (o->kind == lucet_extern_global && o->u.global.type == LUCET_EXNREF)
        look_at(w, o->u.global.value[0]);
}

static bool within(const struct activation *act, uintptr_t sp)
{
    return sp >= (uintptr_t)act->stack_low && sp <= (uintptr_t)act->stack_high;
}

/* Guests' frames of all runs on this thread, whoever's they are, host functions above them
 * included. A run's own end of the stack is where the next inner one, or this function, was
 * called. */
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

/* All but tables at once: who can run meanwhile could move a reference from where has not been
 * looked to where has been. What comes out of tables is reported (lucet__exceptions_come_out()), so
 * these may take their time. What is neither found now nor there, directly or through values, which
 * never change, cannot be found by guests later either. */
static void search_roots(struct search *w, struct lucet_instance *i)
{
    const struct store_members m = lucet__store_members(i);

    w->s->next.instance = m.instances ? m.instances : i;
    w->s->next.object = m.objects;
    w->s->next.table = 0;
    w->s->next.entry = 0;
    search_registers_and_stacks(w);
    for (const struct lucet_instance *k = w->s->next.instance; k && goes_on(w); k = k->store_next)
        search_instance(w, k);
    for (const struct lucet_instance *k = lucet__store_suspended_callers(i); k && goes_on(w);
         k = k->caller_next)
        search_suspended(w, k);
    for (const struct object *o = m.objects; o && goes_on(w); o = o->store_next)
        search_object(w, o);
}

static void begin(struct search *w, struct lucet_instance *i, const struct activation *act)
{
    struct exceptions *s = w->s;

    if (++s->collections == 0) /* new ones have 0 */
        s->collections = 1;
    s->phase = PHASE_ROOTS;
    s->found = NULL;
    s->chain = 0;
    w->act = act;
    search_roots(w, i);
    w->act = NULL; /* what follows goes on where it ended */
    s->phase = w->stopped ? PHASE_NONE : PHASE_TABLES;
}

/* Of the table that is searched next; NULL: there is none. Tables that come to the store meanwhile
 * have nothing that was anywhere when it began. */
static const struct table *next_table(struct exceptions *s)
{
    for (; s->next.instance; s->next.instance = s->next.instance->store_next, s->next.table = 0) {
        const struct lucet_instance *i = s->next.instance;
        const struct lucet_artifact *a = &i->module->artifact;
        if (i->tables && s->next.table < a->ntables - a->header->nimported_tables)
            return &i->tables[s->next.table];
    }
    for (; s->next.object; s->next.object = s->next.object->store_next)
        if (s->next.object->kind == lucet_extern_table)
            return &s->next.object->u.table.own;
    return NULL;
}

static void leave_table(struct exceptions *s)
{
    s->next.entry = 0;
    if (s->next.instance)
        s->next.table++;
    else
        s->next.object = s->next.object->store_next;
}

/* Some entries of one. */
static void search_tables(struct search *w)
{
    struct exceptions *s = w->s;
    const struct table *t = next_table(s);
    const uint64_t size = t && t->desc && t->elem == LUCET_EXNREF ? t->desc->size : 0;
    const uint64_t from = s->next.entry, left = from < size ? size - from : 0;
    const uint64_t n = left < STEPS ? left : STEPS;

    for (uint64_t k = from; k < from + n; k++)
        look_at(w, t->desc->elems[k]);
    w->steps += n;
    s->next.entry += n;
    if (!t)
        s->phase = PHASE_MARK;
    else if (n == left)
        leave_table(s);
}

void lucet__exceptions_come_out(struct exceptions *s, const uint64_t *entries, uint64_t n)
{
    for (uint64_t k = 0; s && s->phase == PHASE_TABLES && k < n; k++)
        lucet__exception_find(s, entries[k]);
}

/* Values of one that was found, or a chain's that the host holds. */
static void mark(struct search *w)
{
    struct exceptions *s = w->s;
    const struct lucet_exception *e = s->found;

    if (e) {
        s->found = e->next_marked;
        search_values(w, e);
    } else if (s->chain >> s->table.bits == 0) {
        for (struct lucet_exception *h = s->table.chains[s->chain++]; h; h = h->next, w->steps++)
            if (h->refs)
                lucet__exception_mark(s, h);
    } else {
        s->chain = 0;
        s->phase = PHASE_SWEEP;
    }
}

/* A chain. */
static void sweep(struct search *w)
{
    struct exceptions *s = w->s;

    for (struct lucet_exception **p = &s->table.chains[s->chain++]; *p; w->steps++) {
        struct lucet_exception *e = *p;
        if (e->marked == s->collections || e->refs) {
            p = &e->next;
            continue;
        }
        *p = e->next;
        s->count--;
        s->bytes -= lucet__exception_size(e->tag);
        lucet_tag_release(e->tag);
        lucet__free(e);
    }
    if (s->chain >> s->table.bits)
        s->phase = PHASE_NONE;
}

/* A part of the collection in progress, or of a new one. True: it is over. */
static bool advance(struct lucet_instance *i, const struct activation *act)
{
    struct exceptions *s = i->exceptions;
    struct search w = {.s = s, .given = lucet__refs_given()};

    for (; w.steps < STEPS && !w.stopped; w.steps++)
        switch (s->phase) {
        case PHASE_NONE:
            if (!lucet__exceptions_move(s))
                begin(&w, i, act);
            break;
        case PHASE_ROOTS: /* only within begin() */
        case PHASE_TABLES: search_tables(&w); break;
        case PHASE_MARK: mark(&w); break;
        case PHASE_SWEEP:
            sweep(&w);
            if (s->phase == PHASE_NONE)
                return true;
        }
    return false;
}

static bool has_room(const struct exceptions *s, uint64_t size)
{
    return s->bytes <= s->limit && size <= s->limit - s->bytes;
}

/* What somebody does until there is room. Others may do a part of it, or what makes it vain: only
 * who has seen a collection from its beginning to its end knows that nothing more can go. */
struct effort {
    const struct exceptions *s;
    uint32_t began; /* number of the collection, 0: none yet */
};

/* False: it is in vain. */
static bool try_on(struct effort *own, struct lucet_instance *i, const struct activation *act)
{
    const struct exceptions *s = i->exceptions;
    const uint32_t before = s->collections;
    const bool over = advance(i, act);

    if (s != own->s)
        *own = (struct effort){.s = s};
    if (s->collections != before)
        own->began = s->collections;
    return !over || own->began != s->collections;
}

bool lucet__exceptions_room(struct lucet_instance *i, const struct activation *act, uint64_t size)
{
    struct effort own = {NULL, 0};

    if (!lucet__exceptions_of(i))
        return false;
    while (!has_room(i->exceptions, size))
        if (is_stopped(act) || !try_on(&own, i, act))
            return has_room(i->exceptions, size);
    return true;
}

bool lucet__exceptions_room_in_slices(struct lucet_vmctx *ctx, uint64_t size)
{
    struct lucet_instance *i = lucet__instance(ctx);
    struct effort own = {NULL, 0};

    if (!lucet__exceptions_of(i))
        return false;
    while (!has_room(i->exceptions, size)) {
        if (!try_on(&own, i, lucet__activation_thread(ctx->activation)->current))
            return has_room(i->exceptions, size);
        lucet__poll(ctx);
    }
    return true;
}

void lucet__exceptions_tidy(struct lucet_instance *i, const struct activation *act, uint64_t size)
{
    for (unsigned k = 0; k < PARTS && !has_room(i->exceptions, size) && !is_stopped(act); k++)
        if (advance(i, act))
            return;
}
