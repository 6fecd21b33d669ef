/* What memory 0 looks like when an instance is new. */
#ifndef LUCET_RUNTIME_IMAGE_H
#define LUCET_RUNTIME_IMAGE_H

#include "lucet/lucet.h"

struct image {
    bool complete; /* all active data segments are in it; else they are applied one by one */
    int fd;        /* to be mapped copy-on-write; -1: copied */
    uint64_t offset, size; /* in the memory, whole pages; 0: it is all zero */
    const uint8_t *bytes;  /* of it, to read */
};

/* image.c: makes m->image on first use. */
const struct image *lucet__image(struct lucet_dl_module *m);
void lucet__image_release(struct lucet_dl_module *m);

#endif
