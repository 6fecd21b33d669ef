/* The set-up of a test: a region, a module, and two instances of it, whose imports from "h" are
 * functions of the test's. */
#ifndef LUCET_TEST_SET_H
#define LUCET_TEST_SET_H

#include "guest.h"

struct set {
    struct lucet_region *region; /* with two slots more */
    struct lucet_dl_module *module;
    struct lucet_linker *linker;
    struct lucet_instance *a, *b;
};
struct set_host {
    const char *name, *signature;
    void *f;
};
/* As many functions as there are before a NULL name. */
struct set set_begin(const char *wat, const struct guest_mode *mode, const struct set_host *hosts);
/* All slots are free afterwards. */
void set_end(struct set *s);

/* Of the monotonic clock. */
double set_seconds(void);

#endif
