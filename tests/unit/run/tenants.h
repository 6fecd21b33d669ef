/* A slot and instances that have it one after the other, each for one thing that it does there. */
#ifndef LUCET_TEST_TENANTS_H
#define LUCET_TEST_TENANTS_H

#include "guest.h"
#include "module/format.h"

enum { TENANTS_QUIET = LUCET_FUNC_CLOSED | LUCET_FUNC_QUIET };
#define TENANTS_SECRET UINT64_C(0x5ec2e75ec2e75ec2)

struct tenants {
    struct lucet_region *region; /* of one slot */
    struct lucet_dl_module *module;
    struct lucet_func quiet, closed, loud, trap; /* all are "II:I" */
};

void tenants_begin(struct tenants *t);
void tenants_end(struct tenants *t);
/* With the secret and 100. */
enum lucet_error tenants_call(const struct lucet_func *f, struct lucet_instance *i);
/* As an instance of the module finds them. */
bool tenants_stack_is_clean(const struct lucet_instance *i);
bool tenants_heap_is_clean(const struct lucet_instance *i);

#endif
