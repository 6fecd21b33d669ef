/* Instances and objects that may hold references to each other live and die together. */
#ifndef LUCET_RUNTIME_STORE_H
#define LUCET_RUNTIME_STORE_H

#include "lucet/lucet.h"

struct object; /* linker.h */

struct store *lucet__store_of_instance(struct lucet_instance *i); /* NULL: no memory */
struct store *lucet__store_of_object(struct object *o);
void lucet__store_retain(struct store *s);
void lucet__store_release(struct store *s);
enum store_link {
    STORE_REFERS, /* `user` refers to `used` */
    STORE_CALLS,  /* and its functions call those of `used` */
    STORE_MUTUAL, /* they become one store */
};
/* no_memory. */
enum lucet_error lucet__store_link(struct store *user, struct store *used, enum store_link kind);
void lucet__object_destroy(struct object *o);
/* All that is in the instance's store; NULL: it is alone. They stay as long as it does not run on
 * another thread. */
struct store_members {
    struct lucet_instance *instances; /* by store_next */
    struct object *objects;
};
struct store_members lucet__store_members(const struct lucet_instance *i);
/* Instances of other stores, by caller_next, whose runs were put aside and may have frames of the
 * instance's store on their stacks. All of them belong to the thread that has the instance. */
struct lucet_instance *lucet__store_suspended_callers(const struct lucet_instance *i);

#endif
