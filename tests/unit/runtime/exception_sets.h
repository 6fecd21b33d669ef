/* What tests of sets of exceptions have in common: one region and one module, which exports a tag
 * "n" of one i64, for all their tests, and an allocator that counts. */
#ifndef LUCET_TEST_EXCEPTION_SETS_H
#define LUCET_TEST_EXCEPTION_SETS_H

#include "lucet/exception.h"
#include "run/guest.h"
#include "runtime/counting.h"
#include "runtime/exception.h"
#include "runtime/instance.h"

/* The beginning of every test; the first makes region and module. */
void sets_begin(const char *wat, size_t instances);
struct lucet_instance *sets_instance(void);
struct lucet_tag *sets_tag(struct lucet_instance *i, const char *name);
/* One that only the set has. */
struct lucet_exception *sets_add(struct lucet_instance *i, uint64_t value);
/* Their stores become one. */
void sets_link(struct lucet_instance *one, struct lucet_instance *two);

/* With cmocka_run_group_tests(). The allocator is set; all slots are free afterwards. */
int sets_set_up(void **state);
int sets_tear_down(void **state);

#endif
