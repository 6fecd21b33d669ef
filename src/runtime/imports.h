/* What an instance imports. */
#ifndef LUCET_RUNTIME_IMPORTS_H
#define LUCET_RUNTIME_IMPORTS_H

#include "lucet/lucet.h"

/* imports.c: fills the context's import arrays. */
enum lucet_error lucet__imports_resolve(struct lucet_instance *i, struct lucet_linker *l);

#endif
