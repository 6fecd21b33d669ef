/* The artifact's metadata (module/format.h), as an LLVM module of constants. */
#ifndef LUCETC_METADATA_H
#define LUCETC_METADATA_H

#include "lucetc/emitter.h"

/* Emits sections .lucet.module and .lucet.data into the module of e. Error no_memory. */
enum lucet_error metadata_emit(struct emitter *e);

#endif
