/* A guest with a large data segment in a region with pages on demand. */
#ifndef LUCET_TEST_DEMAND_GUEST_H
#define LUCET_TEST_DEMAND_GUEST_H

#include "run/guest.h"

#define BLOCK 65536u /* also a page of WebAssembly; the memory has 8 */
#define IMAGE (8 * BLOCK)

struct demand {
    struct lucet_dl_module *module;
    struct lucet_region *region;
    struct lucet_instance *inst;
};
/* The beginning of a test: everything, the region with this capacity and heap_resident_limit. The
 * test is skipped where there are no such regions. */
struct demand demand_begin(size_t capacity, uint64_t resident_limit);
void demand_end(struct demand *d);

/* The parts: a region; the module, exporting load, store, fill and grow; and the same with this
 * memory and segment. */
struct lucet_region *demand_region(size_t capacity, uint64_t resident_limit);
struct lucet_dl_module *demand_module(void);
struct lucet_dl_module *demand_module_with(const char *memory, const char *data);

/* What the image has at this place; in how many bytes a heap differs from it; and that it does
 * not. */
uint8_t demand_expected(size_t at);
size_t demand_differences(struct lucet_instance *inst);
void demand_expect_image(struct lucet_instance *inst);
/* By the guest. */
uint32_t demand_load(struct lucet_instance *inst, uint32_t at);
uint64_t demand_resident(struct lucet_instance *inst);

#endif
