/* Tables. */
#ifndef LUCET_RUNTIME_TABLE_H
#define LUCET_RUNTIME_TABLE_H

#include "lucet/types.h"
#include "module/abi.h"
#include "runtime/allowance.h"

struct table {
    struct lucet_table *desc;
    uint64_t grow_limit;   /* entries */
    uint64_t declared_max; /* LUCET__NO_MAX */
    uint64_t elem;         /* lucet__exact_type() */
    bool index64;
    struct allowance *allowance; /* of the instance; NULL = no bound beyond grow_limit */
};
/* table.c. Entries before, or -1. New entries are null. */
int64_t lucet__table_grow(struct table *t, uint64_t n);
enum lucet_error lucet__table_reset(struct table *t, uint64_t n);
/* The same, with whatever was there. */
enum lucet_error lucet__table_resize(struct table *t, uint64_t n);
void lucet__table_free(struct table *t);

#endif
