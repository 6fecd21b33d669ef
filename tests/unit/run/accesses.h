/* All loads and stores of numbers, as functions of a guest, and what they must give. */
#ifndef LUCET_TEST_ACCESSES_H
#define LUCET_TEST_ACCESSES_H

#include "guest.h"

struct access {
    const char *op, *type;
    unsigned width;
    bool is_signed;
};
enum { LOADS = 14, STORES = 9 };
extern const struct access loads[LOADS], stores[STORES];

/* Adds functions "load K OFFSET SUFFIX": address -> i64, "store K OFFSET SUFFIX": address i64 ->.
 * The bits travel as i64 whatever the type. `memory` is "" or "$name"; `address` is i32 or i64;
 * `index`, when not NULL, takes the place of the parameter. */
void accesses_add(struct text *t, const char *memory, const char *address, uint64_t offset,
                  const char *index, const char *suffix);

/* Memory whose bytes tell where they are: their highest bits are set. */
uint8_t pattern(uint64_t at);
/* What the load yields there. */
uint64_t expected_load(const struct access *a, uint64_t at);

#endif
