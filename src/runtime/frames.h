/* What .eh_frame says of a module's code. */
#ifndef LUCET_RUNTIME_FRAMES_H
#define LUCET_RUNTIME_FRAMES_H

#include "lucet/lucet.h"

struct frame_entry {      /* a function as .eh_frame describes it */
    uint32_t start, size; /* of the code, from the image's base; first: lucet_count_started() */
    uint32_t fde;         /* offset in .eh_frame */
    bool pinned;          /* helper code that must not be put aside in the middle */
};

/* frames.c: sorted index over .eh_frame, and what it says. */
enum lucet_error lucet__frames_index(struct lucet_dl_module *m);
/* The canonical frame address of the frame at pc is register + *offset; the register is sp, or
 * the probe register when *probe. False: unknown. Safe in signal handlers. */
bool lucet__frame_cfa(const struct lucet_dl_module *m, uintptr_t pc, int64_t *offset, bool *probe);
/* Whether a run may be put aside at pc and go on elsewhere (docs/abi.md T7). Safe in signal
 * handlers. */
bool lucet__preemptible(const struct lucet_dl_module *m, uintptr_t pc);

#endif
