/* Exceptions in the runtime: tag.c (what they are), exception.c (objects, and the set of them that
 * a store has), exception_collect.c (which of them are still in use), throw.c (on their way).
 *
 * An exception on its way through guest frames is no object: tag and values stand in the context of
 * the instance whose frames it passes (struct lucet_pending). It becomes an object when a guest
 * wants to keep it (catch_ref), when it reaches the host, and while it passes an instance that does
 * not know its tag. Guests hold objects by numbers that are never used again, and that mean nothing
 * outside the instances that may exchange references; they are looked up at each use. */
#ifndef LUCET_RUNTIME_EXCEPTION_H
#define LUCET_RUNTIME_EXCEPTION_H

#include <stdatomic.h>

#include "lucet/lucet.h"
#include "module/abi.h"
#include "module/siphash.h"

struct activation; /* activation.h */
struct object;     /* linker.h */

#define LUCET__TAG_VALUES 1000u

struct lucet_tag {
    atomic_uint refs;
    uint64_t signature; /* interned: the types, no results */
    uint64_t group;     /* id of the first type of its recursion group */
    uint32_t nvalues;
    bool has_references; /* to functions or exceptions, among its values */
    char *letters;       /* behind types */
    /* What the values are exactly, and the ids of types they name; NULL: no more than `types`
     * says. */
    struct exact_value {
        uint32_t type;
        uint64_t id;
    } *exact;
    uint8_t types[];
};

struct lucet_exception {
    uint64_t ref;          /* what guests hold */
    uint32_t refs;         /* of the host */
    uint32_t marked;       /* the collection that found it last */
    struct exceptions *of; /* lucet__exception_set() */
    struct lucet_exception *next, *next_marked;
    struct lucet_tag *tag;
    uint64_t values[][2];
};

struct exception_table {
    struct lucet_exception **chains; /* 2^bits */
    unsigned bits;
    size_t moved; /* so many have been taken over by another table */
};

/* The exceptions that instances of one store may hold, by what guests call them. */
struct exceptions {
    uint32_t users;              /* instances */
    struct lucet_instance *user; /* one of them */
    /* `old` has what `table`, which is larger, has not taken over yet; chains = NULL: nothing. */
    struct exception_table table, old;
    struct lucet_siphash_key key; /* guests know in which order numbers are given */
    size_t count;
    uint64_t bytes, limit;
    /* Sets that have become one with this one, of which not everything has been taken over. */
    struct exceptions *united, *next_united;
    struct exceptions *into; /* the set with which this one has become one */
    /* The collection that is in progress (exception_collect.c). */
    enum exceptions_phase { PHASE_NONE, PHASE_ROOTS, PHASE_TABLES, PHASE_MARK, PHASE_SWEEP } phase;
    struct {
        const struct lucet_instance *instance; /* which has it, by store_next; then ... */
        const struct object *object;           /* ... which is it, by store_next */
        uint32_t table;
        uint64_t entry;
    } next;                        /* to be searched */
    uint32_t collections;          /* its number, or the last one's */
    size_t chain;                  /* of the table: the next to be looked at */
    struct lucet_exception *found; /* whose values have not been looked at; by next_marked */
};

/* ---- tag.c ---- */

struct lucet_tag *lucet__tag_new(const uint8_t *types, uint32_t n, uint64_t signature,
                                 uint64_t group);
/* Whether a stored value of the plain type is what value `k` is to be. */
bool lucet__tag_admits(const struct lucet_tag *t, uint32_t k, const void *value);
/* Own tags of a new instance, and room for the imported ones. no_memory. */
enum lucet_error lucet__tags_make(struct lucet_instance *i);
void lucet__tag_import(struct lucet_instance *i, uint32_t index, struct lucet_tag *t);
/* When all are there, so that they are found quickly. no_memory. */
enum lucet_error lucet__tags_sort(struct lucet_instance *i);
void lucet__tags_release(struct lucet_instance *i);
/* The tag of the instance with that identity, or NULL. */
struct lucet_tag *lucet__tag_find(const struct lucet_instance *i, uint64_t identity);

/* ---- exception.c ---- */

/* In no set; one reference. NULL: out of memory. */
struct lucet_exception *lucet__exception_new(struct lucet_tag *tag, const uint64_t (*values)[2]);
/* The set of the instance's store, made at the first call; NULL: out of memory. */
struct exceptions *lucet__exceptions_of(struct lucet_instance *i);
/* Where one of that number is, by the upper bits. */
static inline uint64_t lucet__exception_hash(const struct exceptions *s, uint64_t ref)
{
    uint64_t h = (ref ^ s->key.words[0]) * (s->key.words[1] | 1);

    h ^= h >> 32;
    return h * 0x9e3779b97f4a7c15u;
}
/* The set it is in; NULL: none (any more), it goes with its last reference. */
static inline struct exceptions *lucet__exception_set(const struct lucet_exception *e)
{
    return e->of && e->of->into ? e->of->into : e->of;
}
/* Numbers count up, and are spread over 64 bits, so that hardly any other word on a stack looks
 * like one: which do is seen without a look at any table. */
#define LUCET__REF_SPREAD 0x9e3779b97f4a7c15u
#define LUCET__REF_UNSPREAD 0xf1de83e19937733du
_Static_assert(LUCET__REF_SPREAD *LUCET__REF_UNSPREAD == 1, "the inverse");
uint64_t lucet__refs_given(void);
static inline bool lucet__is_ref(uint64_t word, uint64_t given)
{
    return word * LUCET__REF_UNSPREAD - 1 < given;
}
/* NULL: there is none of that number. Whoever asks for it may hold it. */
struct lucet_exception *lucet__exception_find(struct exceptions *s, uint64_t ref);
/* Moves a chain from a table before to the present one. False: nothing is left to move. */
bool lucet__exceptions_move(struct exceptions *s);
/* Into the set; guests may hold it from now on. */
void lucet__exception_add(struct exceptions *s, struct lucet_exception *e);
uint64_t lucet__exception_size(const struct lucet_tag *tag);
/* What it refers to lives as long as `i`. type_mismatch: that is gone already. no_memory. */
enum lucet_error lucet__exception_hold(struct lucet_instance *i, const struct lucet_exception *e);
/* The same, and gives it a number that means something to `i`. For room the caller has cared. */
enum lucet_error lucet__exception_admit(struct lucet_instance *i, struct lucet_exception *e,
                                        uint64_t *ref);
/* The values come from `from`, by a way that does not show in its module's types: what they refer
 * to is to live as long as `to`. no_memory. */
enum lucet_error lucet__exception_share(const struct lucet_tag *tag, const uint64_t (*values)[2],
                                        struct lucet_instance *from, struct lucet_instance *to);

/* The instance is going away. */
void lucet__exceptions_leave(struct lucet_instance *i);
/* Two stores with these instances (by store_next; NULL: none) become one. */
void lucet__exceptions_unite(struct lucet_instance *one, struct lucet_instance *two);

/* ---- exception_collect.c ---- */

/* Room for `size` more bytes of exceptions. False: too many are in use, or `act` (NULL: none) was
 * asked to stop, and does not wait for that. */
bool lucet__exceptions_room(struct lucet_instance *i, const struct activation *act, uint64_t size);
/* The same for a builtin that `ctx` called: when its slice is over it is put aside meanwhile, and
 * goes on as lucet__slice_yield() says. */
bool lucet__exceptions_room_in_slices(struct lucet_vmctx *ctx, uint64_t size);
/* For one more that comes whether there is room or not, as a run ends: does a part of what makes
 * room. */
void lucet__exceptions_tidy(struct lucet_instance *i, const struct activation *act, uint64_t size);
/* Entries of a table of exceptions are copied to somewhere else, which may have been searched
 * already. */
void lucet__exceptions_come_out(struct exceptions *s, const uint64_t *entries, uint64_t n);
/* It is in use, as a collection in progress is to know. */
void lucet__exception_mark(struct exceptions *s, struct lucet_exception *e);

#endif
