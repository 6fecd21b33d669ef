/* What globals and tables of a module begin with. */
#ifndef LUCET_RUNTIME_PRISTINE_H
#define LUCET_RUNTIME_PRISTINE_H

#include "module/reader.h"
#include "runtime/instance.h"

bool lucet__pristine_possible(const struct lucet_artifact *a);
/* An instance that is all new: for the next. */
void lucet__pristine_remember(struct lucet_instance *i);
/* Sets globals and tables to what they begin with; *applied = false: it is not known. */
enum lucet_error lucet__pristine_apply(struct lucet_instance *i, bool *applied);

#endif
