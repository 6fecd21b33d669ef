/* From the IR of a partition to optimised IR. */
#ifndef LUCETC_OPTIMIZE_H
#define LUCETC_OPTIMIZE_H

#include "lucetc/emitter.h"

/* Runs the passes of a level. Error internal (diagnosed). */
enum lucet_error optimize(struct emitter *e, LLVMTargetMachineRef tm, enum lucetc_opt_level level);

#endif
