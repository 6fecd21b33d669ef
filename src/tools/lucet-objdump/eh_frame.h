/* Function ranges from .eh_frame, a second opinion on where functions begin and end. */
#ifndef LUCET_OBJDUMP_EH_FRAME_H
#define LUCET_OBJDUMP_EH_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct frame_range {
    uint32_t start, size; /* image addresses */
};

/* Reads all entries of the section that lies at image address `vaddr`, sorted by start. Returns
 * false when the section is not understood (*out then holds what came before) or memory runs out.
 * *out is the caller's to free. */
bool eh_frame_ranges(const uint8_t *bytes, size_t size, uint64_t vaddr, struct frame_range **out,
                     size_t *count);

#endif
