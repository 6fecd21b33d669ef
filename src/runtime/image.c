/* The initial contents of a module's memory 0 as a sealed file, so that an instance can map it
 * copy-on-write instead of copying it: made when the module is instantiated first, if all active
 * segments of memory 0 have constant places within its initial size, and it pays. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/runtime.h"

/* Below this, copying is cheaper than another mapping and its page faults. */
#define WORTHWHILE (UINT64_C(64) << 10)

struct extent {
    uint64_t low, high, bytes;
};

/* Place of an active segment of memory 0; false: not constant. */
static bool constant_offset(const struct lucet_artifact *a, const struct lucet_module_data *d,
                            uint64_t *offset)
{
    const struct lucet_init_op *op = &a->init_ops[d->offset.first];

    *offset = op->kind == LUCET_INIT_I64 ? op->value[0] : (uint32_t)op->value[0];
    return op->kind == LUCET_INIT_I32 || op->kind == LUCET_INIT_I64;
}

static bool measure(const struct lucet_artifact *a, struct extent *e)
{
    uint64_t size = lucet_memory_bytes(a->memories[0].min, a->memories[0].page_log2);

    *e = (struct extent){UINT64_MAX, 0, 0};
    for (uint32_t i = 0; i < a->ndatas; i++) {
        const struct lucet_module_data *d = &a->datas[i];
        uint64_t offset;
        if (d->mode != LUCET_ACTIVE)
            continue;
        /* Segments are applied in order until one traps: with other memories or bad places in
         * between, only copying does the right thing. */
        if (d->memory != 0 || !constant_offset(a, d, &offset) || offset > size ||
            d->size > size - offset)
            return false;
        if (d->size == 0)
            continue;
        e->low = offset < e->low ? offset : e->low;
        e->high = offset + d->size > e->high ? offset + d->size : e->high;
        e->bytes += d->size;
    }
    return true;
}

static bool write_segments(const struct lucet_artifact *a, int fd, uint64_t start)
{
    for (uint32_t i = 0; i < a->ndatas; i++) {
        const struct lucet_module_data *d = &a->datas[i];
        uint64_t offset;
        if (d->mode != LUCET_ACTIVE || !constant_offset(a, d, &offset))
            continue;
        if (!lucet__memfd_write(fd, a->data_bytes + d->bytes, d->size, offset - start))
            return false;
    }
    return true;
}

static void make(struct lucet_dl_module *m)
{
    const struct lucet_artifact *a = &m->artifact;
    struct extent e;

    if (a->nmemories == 0 || a->header->nimported_memories > 0 || !measure(a, &e))
        return;
    /* Segments far apart would make a large, mostly empty image. */
    if (e.bytes < WORTHWHILE || e.high - e.low > 2 * e.bytes + WORTHWHILE)
        return;
    uint64_t start = e.low / LUCET__PAGE * LUCET__PAGE;
    uint64_t size = round_up(e.high, LUCET__PAGE) - start;
    int fd = lucet__memfd("lucet-image");
    if (fd < 0)
        return;
    if (ftruncate(fd, (off_t)size) != 0 || !write_segments(a, fd, start) ||
        !lucet__memfd_seal(fd)) {
        close(fd);
        return;
    }
    m->image = (struct image){fd, start, size};
}

const struct image *lucet__image(struct lucet_dl_module *m)
{
    pthread_mutex_lock(&m->mutex);
    if (!m->image_made)
        make(m);
    m->image_made = true;
    pthread_mutex_unlock(&m->mutex);
    return &m->image;
}

void lucet__image_release(struct lucet_dl_module *m)
{
    if (m->image.fd >= 0)
        close(m->image.fd);
}
