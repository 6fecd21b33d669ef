/* Which function lies where: from the metadata's tables, with ends from .eh_frame. */
#ifndef LUCET_OBJDUMP_CODE_MAP_H
#define LUCET_OBJDUMP_CODE_MAP_H

#include "module/reader.h"
#include "tools/lucet-objdump/audit.h"

struct code_map {
    struct audit_input input;
    uint32_t *wasm_index; /* per function of the input: its number in the module or LUCET_NONE */
    uint32_t nframes;     /* entries of .eh_frame */
    bool frames_readable;
};

/* False when out of memory. Free it either way. */
bool code_map_make(const struct lucet_artifact *a, struct code_map *out);
void code_map_free(struct code_map *m);

#endif
