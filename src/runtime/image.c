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

/* Modules come in thousands of segments with small gaps. Their bytes are gathered, gaps as zeros, while
 * nothing that was written lies in or behind the gap. */
struct gathered {
    int fd;
    uint64_t start;        /* of the image */
    uint64_t at;           /* where `bytes` belong */
    uint64_t written;      /* the end of what has been written so far */
    size_t size, capacity; /* of `bytes` */
    uint8_t *bytes;
};

static bool put(struct gathered *g, uint64_t offset, const uint8_t *bytes, size_t size)
{
    if (offset + size > g->written)
        g->written = offset + size;
    return lucet__memfd_write(g->fd, bytes, size, offset - g->start);
}

static bool flush(struct gathered *g)
{
    size_t size = g->size;

    g->size = 0;
    return size == 0 || put(g, g->at, g->bytes, size);
}

static bool gather(struct gathered *g, uint64_t offset, const uint8_t *bytes, size_t size)
{
    uint64_t end = g->at + g->size;

    if (size > g->capacity)
        return flush(g) && put(g, offset, bytes, size);
    if (offset < end || end < g->written || offset - g->at > g->capacity - size) {
        if (!flush(g))
            return false;
        g->at = end = offset;
    }
    memset(g->bytes + g->size, 0, offset - end);
    memcpy(g->bytes + (offset - g->at), bytes, size);
    g->size = offset - g->at + size;
    return true;
}

static bool write_segments(const struct lucet_artifact *a, int fd, uint64_t start)
{
    struct gathered g = {.fd = fd, .start = start, .at = start, .capacity = 64 << 10};
    bool good = (g.bytes = malloc(g.capacity)) != NULL;

    for (uint32_t i = 0; good && i < a->ndatas; i++) {
        const struct lucet_module_data *d = &a->datas[i];
        uint64_t offset;
        if (d->mode == LUCET_ACTIVE && d->size > 0 && constant_offset(a, d, &offset))
            good = gather(&g, offset, a->data_bytes + d->bytes, d->size);
    }
    good = good && flush(&g);
    free(g.bytes);
    return good;
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
