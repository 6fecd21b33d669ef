/* Which module a program counter is in. */
#ifndef LUCET_RUNTIME_CODE_RANGES_H
#define LUCET_RUNTIME_CODE_RANGES_H

#include "lucet/lucet.h"

/* code_ranges.c: text of loaded modules, found by program counter, also in signal handlers. */
bool lucet__code_range_add(struct lucet_dl_module *m);
void lucet__code_range_remove(struct lucet_dl_module *m);
struct lucet_dl_module *lucet__code_range_find(uintptr_t pc);

#endif
