/* Bytes under construction, with places that hold addresses of code not known yet. */
#ifndef LUCETC_IMAGE_H
#define LUCETC_IMAGE_H

#include "lucetc/emitter.h"

struct image_fixup {
    uint32_t offset; /* of a lucet_code in the bytes */
    LLVMValueRef func;
};

/* Zero-initialise; release with image_free(). */
struct image {
    uint8_t *bytes;
    size_t size, capacity;
    struct image_fixup *fixups; /* in order of their offsets */
    size_t nfixups, fixups_capacity;
    bool failed; /* out of memory, or over 4 GiB: checked once, at the end */
};

/* Appends `size` bytes and returns their offset. */
uint32_t image_append(struct image *m, const void *data, size_t size);
void image_align(struct image *m, size_t alignment);
/* Says that the 4 bytes at `offset` will hold the address of a function; called in order of
 * offsets. */
void image_fixup(struct image *m, size_t offset, LLVMValueRef func);
void image_free(struct image *m);

/* The image as a hidden constant `name` in a section, aligned to 4096; fixups become differences
 * from its beginning. False when out of memory. */
bool image_emit(const struct image *m, struct emitter *e, const char *name, const char *section);

#endif
