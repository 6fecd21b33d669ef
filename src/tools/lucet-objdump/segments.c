/* Element and data segments, and what they leave in the initial memory. */
#include <stdlib.h>
#include <string.h>

#include "tools/lucet-objdump/objdump.h"

static const char *mode_name(uint32_t mode)
{
    static const char *const names[] = {"active", "passive", "declarative"};

    return mode < sizeof names / sizeof names[0] ? names[mode] : "?";
}

json_t *section_elements(struct view *v)
{
    const struct lucet_artifact *a = v->a;
    json_t *list = must(json_array());

    for (uint32_t i = 0; i < a->nelems; i++) {
        const struct lucet_module_elem *e = &a->elems[i];
        json_t *o = must(json_pack("{sisssssi}", "index", (int)i, "mode", mode_name(e->mode),
                                   "type", lucet_valtype_name(e->type), "count", (int)e->count));
        if (e->mode == LUCET_ACTIVE) {
            must_do(json_object_set_new(o, "table", json_integer(e->table)));
            must_do(json_object_set_new(o, "offset", json_init(a, e->offset)));
        }
        must_do(json_array_append_new(list, o));
    }
    return list;
}

json_t *section_data(struct view *v)
{
    const struct lucet_artifact *a = v->a;
    json_t *list = must(json_array());

    for (uint32_t i = 0; i < a->ndatas; i++) {
        const struct lucet_module_data *d = &a->datas[i];
        json_t *o = must(json_pack("{sisssI}", "index", (int)i, "mode", mode_name(d->mode), "size",
                                   (json_int_t)d->size));
        if (d->mode == LUCET_ACTIVE) {
            must_do(json_object_set_new(o, "memory", json_integer(d->memory)));
            must_do(json_object_set_new(o, "offset", json_init(a, d->offset)));
        }
        must_do(json_array_append_new(list, o));
    }
    return list;
}

/* ---- Sparse pages: the pages of 4 KiB that active segments leave nonzero ---- */

enum { PAGE = 4096 };

struct page {
    uint32_t memory;
    uint64_t number;
    uint8_t *bytes; /* PAGE of them */
};

struct pages {
    struct page *list; /* by memory and number */
    size_t count, room;
    uint32_t unplaced; /* segments whose place is known at instantiation only */
    uint32_t outside;  /* segments that do not fit: instantiation traps */
};

static size_t find_page(const struct pages *p, uint32_t memory, uint64_t number)
{
    size_t lo = 0, hi = p->count;

    while (lo < hi) {
        const size_t mid = lo + (hi - lo) / 2;
        const struct page *q = &p->list[mid];
        if (q->memory < memory || (q->memory == memory && q->number < number))
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* The bytes of a page, zero when it is new. At most two pages more than the data has arise. */
static uint8_t *get_page(struct pages *p, uint32_t memory, uint64_t number)
{
    const size_t at = find_page(p, memory, number);

    if (at < p->count && p->list[at].memory == memory && p->list[at].number == number)
        return p->list[at].bytes;
    if (p->count == p->room) {
        p->room = p->room ? 2 * p->room : 64;
        struct page *more = realloc(p->list, p->room * sizeof *more);
        if (!more)
            out_of_memory();
        p->list = more;
    }
    memmove(&p->list[at + 1], &p->list[at], (p->count - at) * sizeof *p->list);
    p->count++;
    p->list[at] = (struct page){memory, number, calloc(1, PAGE)};
    if (!p->list[at].bytes)
        out_of_memory();
    return p->list[at].bytes;
}

static bool constant_offset(const struct lucet_artifact *a, struct lucet_init init, uint64_t *out)
{
    if (init.count != 1)
        return false;
    const struct lucet_init_op *op = &a->init_ops[init.first];
    if (op->kind == LUCET_INIT_I32)
        *out = (uint32_t)op->value[0];
    else if (op->kind == LUCET_INIT_I64)
        *out = op->value[0];
    else
        return false;
    return true;
}

/* False when instantiation would stop here. */
static bool place(const struct lucet_artifact *a, const struct lucet_module_data *d,
                  struct pages *p)
{
    const uint64_t limit =
        lucet_memory_bytes(a->memories[d->memory].min, a->memories[d->memory].page_log2);
    const uint8_t *from = a->data_bytes + d->bytes;
    uint64_t at, left = d->size;

    if (!constant_offset(a, d->offset, &at)) {
        p->unplaced++;
        return true;
    }
    if (at > limit || d->size > limit - at) {
        p->outside++;
        return d->memory < a->header->nimported_memories; /* an imported one may be larger */
    }
    while (left) {
        const uint64_t room = PAGE - at % PAGE, n = left < room ? left : room;
        memcpy(get_page(p, d->memory, at / PAGE) + at % PAGE, from, n);
        from += n;
        at += n;
        left -= n;
    }
    return true;
}

static bool is_zero(const uint8_t *bytes)
{
    return bytes[0] == 0 && memcmp(bytes, bytes + 1, PAGE - 1) == 0;
}

static void append_range(json_t *list, uint32_t memory, uint64_t first, uint64_t pages)
{
    must_do(json_array_append_new(
        list, must(json_pack("{sisIsIsI}", "memory", (int)memory, "first_page", (json_int_t)first,
                             "pages", (json_int_t)pages, "address", (json_int_t)first * PAGE))));
}

json_t *section_sparse(struct view *v)
{
    const struct lucet_artifact *a = v->a;
    struct pages p = {0};
    json_t *ranges = must(json_array());
    uint64_t first = 0, run = 0, total = 0;
    uint32_t memory = 0;

    for (uint32_t i = 0; i < a->ndatas; i++)
        if (a->datas[i].mode == LUCET_ACTIVE && !place(a, &a->datas[i], &p))
            break;
    for (size_t i = 0; i < p.count; i++) {
        const struct page *q = &p.list[i];
        if (!is_zero(q->bytes)) {
            if (run && (q->memory != memory || q->number != first + run)) {
                append_range(ranges, memory, first, run);
                run = 0;
            }
            if (run == 0) {
                memory = q->memory;
                first = q->number;
            }
            run++;
            total++;
        }
        free(q->bytes);
    }
    if (run)
        append_range(ranges, memory, first, run);
    free(p.list);
    return must(json_pack("{sIsisiso}", "nonzero_pages", (json_int_t)total, "unplaced_segments",
                          (int)p.unplaced, "outside_segments", (int)p.outside, "ranges", ranges));
}
