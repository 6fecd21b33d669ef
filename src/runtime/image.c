/* The initial contents of a module's memory 0, made when the module is instantiated first, if all
 * active segments have constant places within the initial size and are not too far apart. Large
 * ones are a sealed file that instances map copy-on-write, small ones are copied. Both can be read
 * here, to put single pages back into their initial state. */
#include "runtime/image.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runtime/allocate.h"
#include "runtime/memfd.h"
#include "runtime/module.h"
#include "runtime/sizes.h"

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

/* False: copying segment by segment is the only way. */
static bool measure(const struct lucet_artifact *a, struct extent *e)
{
    uint64_t size =
        a->nmemories ? lucet_memory_bytes(a->memories[0].min, a->memories[0].page_log2) : 0;
    /* Others lie in mappings of their own. */
    const bool in_slot = a->nmemories > 0 && a->header->nimported_memories == 0 &&
                         !(a->memories[0].flags & LUCET_SHARED);

    *e = (struct extent){UINT64_MAX, 0, 0};
    for (uint32_t i = 0; i < a->ndatas; i++) {
        const struct lucet_module_data *d = &a->datas[i];
        uint64_t offset;
        if (d->mode != LUCET_ACTIVE)
            continue;
        /* Segments are applied in order until one traps: with other memories or bad places in
         * between, only copying does the right thing. */
        if (d->memory != 0 || !in_slot || !constant_offset(a, d, &offset) || offset > size ||
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

/* Modules come in thousands of segments with small gaps. Their bytes are gathered, gaps as zeros,
 * while nothing that was written lies in or behind the gap. */
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
    const size_t capacity = 64 << 10;
    uint8_t *bytes = lucet__malloc(capacity);
    struct gathered g = {
        .fd = fd, .start = start, .at = start, .capacity = capacity, .bytes = bytes};
    bool good = bytes != NULL;

    for (uint32_t i = 0; good && i < a->ndatas; i++) {
        const struct lucet_module_data *d = &a->datas[i];
        uint64_t offset;
        if (d->mode == LUCET_ACTIVE && d->size > 0 && constant_offset(a, d, &offset))
            good = gather(&g, offset, a->data_bytes + d->bytes, d->size);
    }
    good = good && flush(&g);
    lucet__free(bytes);
    return good;
}

/* A file to map, and to read here. */
static bool make_file(const struct lucet_artifact *a, struct image *image)
{
    int fd = lucet__memfd("lucet-image");
    void *p = MAP_FAILED;

    if (fd < 0)
        return false;
    if (ftruncate(fd, (off_t)image->size) == 0 && write_segments(a, fd, image->offset) &&
        lucet__memfd_seal(fd))
        p = mmap(NULL, image->size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (p == MAP_FAILED) {
        close(fd);
        return false;
    }
    image->fd = fd;
    image->bytes = p;
    return true;
}

static bool make_bytes(const struct lucet_artifact *a, struct image *image)
{
    uint8_t *bytes = lucet__calloc(1, image->size);
    uint64_t offset;

    for (uint32_t i = 0; bytes && i < a->ndatas; i++) {
        const struct lucet_module_data *d = &a->datas[i];
        if (d->mode == LUCET_ACTIVE && d->size && constant_offset(a, d, &offset))
            memcpy(bytes + (offset - image->offset), a->data_bytes + d->bytes, d->size);
    }
    image->bytes = bytes;
    return bytes != NULL;
}

static void make(struct lucet_dl_module *m)
{
    const struct lucet_artifact *a = &m->artifact;
    struct image image = {.complete = true, .fd = -1};
    struct extent e;

    /* Segments far apart would make a large, mostly empty image. */
    if (!measure(a, &e) || (e.bytes && e.high - e.low > 2 * e.bytes + WORTHWHILE))
        return;
    if (e.bytes) {
        image.offset = e.low / LUCET__PAGE * LUCET__PAGE;
        image.size = round_up(e.high, LUCET__PAGE) - image.offset;
        if (!(e.bytes < WORTHWHILE ? make_bytes(a, &image) : make_file(a, &image)))
            return;
    }
    m->image = image;
}

const struct image *lucet__image(struct lucet_dl_module *m)
{
    if (!atomic_load_explicit(&m->image_made, memory_order_acquire)) {
        pthread_mutex_lock(&m->mutex);
        if (!atomic_load_explicit(&m->image_made, memory_order_relaxed))
            make(m);
        atomic_store_explicit(&m->image_made, true, memory_order_release);
        pthread_mutex_unlock(&m->mutex);
    }
    return &m->image;
}

void lucet__image_release(struct lucet_dl_module *m)
{
    const struct image *image = &m->image;

    if (image->fd >= 0) {
        munmap((void *)(uintptr_t)image->bytes, image->size);
        close(image->fd);
    } else {
        lucet__free((void *)(uintptr_t)image->bytes);
    }
}
