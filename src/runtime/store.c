/* Stores: who must outlive whom.
 *
 * Function references travel: through shared tables, globals, parameters. A reference names an
 * instance without owning it, so instances that might hold references to each other form one
 * store and live until nobody outside holds any of them. References of private modules cannot
 * travel, so an instance of one only keeps alive what it imports from (a link), and its importers
 * keep it. Links never form cycles: stores that would are merged.
 *
 * A store is counted by its holders outside: owners of instances, linkers, linked stores. Stores
 * change rarely; one mutex guards them all. */
#include "runtime/store.h"

#include <pthread.h>

#include "runtime/allocate.h"
#include "runtime/error.h"
#include "runtime/exception.h"
#include "runtime/instance.h"
#include "runtime/linker.h"

struct link {
    struct link *next;
    struct store *from, *to;
    struct link *next_caller, **at; /* in the list of `to`; at = NULL: `from` calls nothing of it */
};

struct store {
    struct store *merged_into; /* NULL: this is a live one */
    struct store *merged;      /* list of those merged into this one, by next_merged */
    struct store *next_merged;
    uint64_t refs;
    struct lucet_instance *instances;
    struct object *objects;
    struct link *links;
    struct link *callers;  /* links of stores whose functions call those of this one */
    struct store *visited; /* while somebody looks: the list of those seen, which ends in itself */
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static struct store *root(struct store *s)
{
    while (s->merged_into)
        s = s->merged_into;
    return s;
}

struct store *lucet__store_of_instance(struct lucet_instance *i)
{
    pthread_mutex_lock(&mutex);
    if (!i->store) {
        struct store *s = lucet__calloc(1, sizeof(*s));
        if (s) {
            s->refs = 1; /* of the instance's owner */
            s->instances = i;
            i->store = s;
            i->vector_level = lucet__vector_level; /* others' code may name more than its own */
        }
    }
    struct store *s = i->store ? root(i->store) : NULL;
    pthread_mutex_unlock(&mutex);
    return s;
}

struct store_members lucet__store_members(const struct lucet_instance *i)
{
    struct store_members m = {NULL, NULL};

    pthread_mutex_lock(&mutex);
    if (i->store) {
        const struct store *s = root(i->store);
        m = (struct store_members){s->instances, s->objects};
    }
    pthread_mutex_unlock(&mutex);
    return m;
}

struct store *lucet__store_of_object(struct object *o)
{
    struct store *s = lucet__calloc(1, sizeof(*s));

    if (s) {
        s->refs = 1;
        s->objects = o;
    }
    return s;
}

void lucet__store_retain(struct store *s)
{
    pthread_mutex_lock(&mutex);
    root(s)->refs++;
    pthread_mutex_unlock(&mutex);
}

/* ---- Links ---- */

static void add_caller(struct store *used, struct link *l)
{
    l->next_caller = used->callers;
    if (l->next_caller)
        l->next_caller->at = &l->next_caller;
    l->at = &used->callers;
    used->callers = l;
}

static void free_link(struct link *l)
{
    if (l->at)
        *l->at = l->next_caller;
    if (l->next_caller)
        l->next_caller->at = l->at;
    lucet__free(l);
}

static struct link *find_link(const struct store *user, const struct store *used)
{
    struct link *l = user->links;

    while (l && root(l->to) != used)
        l = l->next;
    return l;
}

static enum lucet_error add_link(struct store *user, struct store *used, bool calls)
{
    struct link *l = find_link(user, used);

    if (!l) {
        l = lucet__malloc(sizeof(*l));
        if (!l)
            return lucet__no_memory();
        *l = (struct link){.next = user->links, .from = user, .to = used};
        user->links = l;
        used->refs++;
    }
    if (calls && !l->at)
        add_caller(used, l);
    return lucet_error_ok;
}

/* ---- The end ---- */

/* With the mutex held: moves a store that nobody holds, and those only it held, to a list. */
static void collect(struct store *s, struct store **dead)
{
    struct store *queue = s;

    while (queue) {
        s = queue;
        queue = s->next_merged;
        s->next_merged = *dead;
        *dead = s;
        while (s->links) {
            struct link *l = s->links;
            struct store *to = root(l->to);
            s->links = l->next;
            free_link(l);
            if (--to->refs == 0) {
                to->next_merged = queue;
                queue = to;
            }
        }
    }
}

static void destroy(struct store *s)
{
    while (s->instances) {
        struct lucet_instance *i = s->instances;
        s->instances = i->store_next;
        lucet__instance_destroy(i);
    }
    while (s->objects) {
        struct object *o = s->objects;
        s->objects = o->store_next;
        lucet__object_destroy(o);
    }
    while (s->merged) {
        struct store *m = s->merged;
        s->merged = m->next_merged;
        lucet__free(m);
    }
    lucet__free(s);
}

void lucet__store_release(struct store *s)
{
    struct store *dead = NULL;

    pthread_mutex_lock(&mutex);
    s = root(s);
    if (--s->refs == 0)
        collect(s, &dead);
    pthread_mutex_unlock(&mutex);
    for (const struct store *d = dead; d; d = d->next_merged)
        for (struct lucet_instance *i = d->instances; i; i = i->store_next)
            lucet__instance_leave(i);
    while (dead) {
        struct store *next = dead->next_merged;
        destroy(dead);
        dead = next;
    }
}

/* ---- From one to others ---- */

/* With the mutex held, for all of this part. Every store is looked at once, and without recursion:
 * chains are as long as hosts make them, and there may be many ways from one to another. */
static struct store *next_visited(const struct store *s)
{
    return s->visited == s ? NULL : s->visited;
}

/* Behind the last one of the list, unless it is there. The new end. */
static struct store *visit(struct store *last, struct store *s)
{
    if (s->visited)
        return last;
    s->visited = s;
    return last->visited = s;
}

static void end_visit(struct store *first)
{
    for (struct store *s = first, *next; s; s = next) {
        next = next_visited(s);
        s->visited = NULL;
    }
}

static bool reaches(struct store *from, const struct store *to)
{
    struct store *last = visit(from, from);
    bool found = false;

    for (struct store *s = from; s && !found; s = next_visited(s)) {
        found = s == to;
        for (const struct link *l = s->links; l && !found; l = l->next)
            last = visit(last, root(l->to));
    }
    end_visit(from);
    return found;
}

struct lucet_instance *lucet__store_suspended_callers(const struct lucet_instance *i)
{
    struct lucet_instance *list = NULL;
    struct store *first, *last;

    pthread_mutex_lock(&mutex);
    first = i->store ? root(i->store) : NULL;
    last = first ? visit(first, first) : NULL;
    for (struct store *s = first; s; s = next_visited(s)) {
        for (const struct link *l = s->callers; l; l = l->next_caller)
            last = visit(last, root(l->from));
        for (struct lucet_instance *k = s == first ? NULL : s->instances; k; k = k->store_next)
            if (k->state == INSTANCE_YIELDED) {
                k->caller_next = list;
                list = k;
            }
    }
    end_visit(first);
    pthread_mutex_unlock(&mutex);
    return list;
}

/* ---- Becoming one ---- */

/* With the mutex held. Links from one to the other must not remain: they would be cycles. */
static void drop_links(struct store *from, const struct store *to)
{
    for (struct link **p = &from->links; *p;) {
        struct link *l = *p;
        if (root(l->to) != to) {
            p = &l->next;
            continue;
        }
        *p = l->next;
        free_link(l);
        from->refs--; /* `from` and `to` are one by now */
    }
}

#define APPEND(list, next, more)                                                                   \
    do {                                                                                           \
        __typeof__(list) *end = &(list);                                                           \
        while (*end)                                                                               \
            end = &(*end)->next;                                                                   \
        *end = (more);                                                                             \
        (more) = NULL;                                                                             \
    } while (0)

static void merge(struct store *into, struct store *s)
{
    lucet__exceptions_unite(into->instances, s->instances);
    into->refs += s->refs;
    APPEND(s->instances, store_next, into->instances);
    into->instances = s->instances;
    APPEND(s->objects, store_next, into->objects);
    into->objects = s->objects;
    APPEND(s->links, next, into->links);
    into->links = s->links;
    while (s->callers) {
        struct link *l = s->callers;
        s->callers = l->next_caller;
        add_caller(into, l);
    }
    APPEND(s->merged, next_merged, into->merged);
    into->merged = s->merged;
    s->merged_into = into;
    s->next_merged = into->merged;
    into->merged = s;
    drop_links(into, into);
}

/* With the mutex held: all between the two become one with them. Those that use one of them and
 * are used by the other are on a circle then. */
static void unite(struct store *into, struct store *s)
{
    merge(into, s);
    for (const struct link *l = into->links; l;) {
        struct store *used = root(l->to);
        if (reaches(used, into)) {
            merge(into, used);
            l = into->links;
        } else {
            l = l->next;
        }
    }
}

enum lucet_error lucet__store_link(struct store *user, struct store *used, enum store_link kind)
{
    enum lucet_error e = lucet_error_ok;

    pthread_mutex_lock(&mutex);
    user = root(user);
    used = root(used);
    if (user != used) {
        if (kind == STORE_MUTUAL || reaches(used, user))
            unite(used, user);
        else
            e = add_link(user, used, kind == STORE_CALLS);
    }
    pthread_mutex_unlock(&mutex);
    return e;
}
