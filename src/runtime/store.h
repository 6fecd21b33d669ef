/* Instances and objects that may hold references to each other live and die together. */
#ifndef LUCET_RUNTIME_STORE_H
#define LUCET_RUNTIME_STORE_H

#include "lucet/lucet.h"

struct object; /* linker.h */

struct store *lucet__store_of_instance(struct lucet_instance *i); /* NULL: no memory */
struct store *lucet__store_of_object(struct object *o);
void lucet__store_retain(struct store *s);
void lucet__store_release(struct store *s);
/* `user` refers to `used`. Mutual: they become one store. no_memory. */
enum lucet_error lucet__store_link(struct store *user, struct store *used, bool mutual);
void lucet__object_destroy(struct object *o);
/* All that is in the instance's store; NULL: it is alone. They stay as long as it does not run on
 * another thread. */
struct store_members {
    struct lucet_instance *instances; /* by store_next */
    struct object *objects;
};
struct store_members lucet__store_members(const struct lucet_instance *i);

#endif
