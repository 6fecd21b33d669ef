#include "tools/lucet-objdump/code_map.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "module/cpu.h"
#include "tools/common/escape.h"
#include "tools/lucet-objdump/eh_frame.h"
#include "tools/lucet-objdump/stack_args.h"

struct entry {
    struct audit_function fn;
    uint32_t wasm_index;
};

static enum audit_class class_of(const char *name)
{
    const size_t stem = strcspn(name, ".");

    for (unsigned c = CLASS_GUEST + 1; c < CLASS_OTHER; c++) {
        const char *class = audit_class_name(c);
        if (strlen(class) == stem && memcmp(class, name, stem) == 0)
            return c;
    }
    return CLASS_OTHER;
}

/* By address; of several functions at one, the guest's first: its rules are the strictest. */
static int by_start(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;

    if (x->fn.start != y->fn.start)
        return x->fn.start < y->fn.start ? -1 : 1;
    if (x->fn.class != y->fn.class)
        return x->fn.class < y->fn.class ? -1 : 1;
    return x->wasm_index < y->wasm_index ? -1 : x->wasm_index > y->wasm_index;
}

static uint32_t collect(const struct lucet_artifact *a, struct entry *out)
{
    uint32_t n = 0;

    for (uint32_t i = a->header->nimported_funcs; i < a->nfuncs; i++) {
        if (a->funcs[i].code == 0)
            continue;
        struct entry *e = &out[n++];
        e->wasm_index = i;
        e->fn.start = (uint32_t)lucet_artifact_code(a, a->funcs[i].code);
        e->fn.class = CLASS_GUEST;
        snprintf(e->fn.name, sizeof e->fn.name, "guest_func_%u", i);
        e->fn.stack_args = stack_args_of_body(a, a->funcs[i].type);
    }
    for (uint32_t i = 0; i < a->nhelpers; i++) {
        const struct lucet_str name = a->helpers[i].name;
        struct entry *e = &out[n++];
        e->wasm_index = LUCET_NONE;
        e->fn.start = (uint32_t)lucet_artifact_code(a, a->helpers[i].code);
        tool_escape(lucet_artifact_str(a, name), name.size, e->fn.name, sizeof e->fn.name);
        e->fn.class = class_of(e->fn.name);
        stack_args_of_helper(a, e->fn.name, &e->fn);
    }
    return n;
}

static uint32_t drop_duplicates(struct entry *e, uint32_t n)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < n; i++)
        if (kept == 0 || e[kept - 1].fn.start != e[i].fn.start)
            e[kept++] = e[i];
    return kept;
}

static const struct frame_range *find_frame(const struct frame_range *frames, size_t n,
                                            uint32_t start)
{
    size_t lo = 0, hi = n;

    while (lo < hi) {
        const size_t mid = lo + (hi - lo) / 2;
        if (frames[mid].start < start)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < n && frames[lo].start == start ? &frames[lo] : NULL;
}

/* A function ends where .eh_frame says, but before the next one; without that, at the next one. */
static void set_end(struct audit_function *fn, uint32_t next, const struct frame_range *frame)
{
    fn->end = next;
    if (!frame) {
        fn->range_note = "no entry in .eh_frame: its end is guessed";
    } else if (frame->size == 0 || frame->size > next - fn->start) {
        fn->range_note = ".eh_frame lets it overlap the next function, or be empty";
        fn->range_wrong = true;
    } else {
        fn->end = fn->start + frame->size;
    }
}

static bool set_ends(const struct lucet_artifact *a, struct code_map *m)
{
    struct frame_range *frames = NULL;
    size_t n = 0;
    struct audit_input *in = &m->input;

    m->frames_readable =
        a->eh_frame.size == 0 || eh_frame_ranges(a->bytes + a->eh_frame.offset, a->eh_frame.size,
                                                 a->eh_frame.vaddr, &frames, &n);
    m->nframes = (uint32_t)n;
    for (uint32_t i = 0; i < in->nfunctions; i++) {
        struct audit_function *fn = &in->functions[i];
        const uint32_t next = i + 1 < in->nfunctions ? in->functions[i + 1].start : in->text.end;
        set_end(fn, next, find_frame(frames, n, fn->start));
    }
    free(frames);
    return true;
}

/* Entries do on behalf of a function no more than it does itself. */
static void set_marks(const struct lucet_artifact *a, struct audit_input *in)
{
    for (uint32_t i = a->header->nimported_funcs; i < a->nfuncs; i++) {
        const struct lucet_module_func *f = &a->funcs[i];
        const lucet_code entry = a->types[f->type].entry;
        if (f->effects == 0 || f->code == 0)
            continue;
        struct audit_mark *m = &in->marks[in->nmarks++];
        *m = (struct audit_mark){
            .function = audit_function_from(in, lucet_artifact_code(a, f->code)),
            .effects = f->effects,
            .entry = entry ? audit_function_from(in, lucet_artifact_code(a, entry)) : UINT32_MAX,
            .entered = entry != 0};
        in->functions[m->function].effects |= f->effects;
        if (m->entry != UINT32_MAX)
            in->functions[m->entry].effects |= f->effects;
    }
}

static void set_areas(const struct lucet_artifact *a, struct audit_input *in)
{
    in->text = (struct audit_area){.start = (uint32_t)a->text.vaddr,
                                   .end = (uint32_t)(a->text.vaddr + a->text.size),
                                   .bytes = a->bytes + a->text.offset};
    for (uint32_t i = 0; i < a->nsegments; i++) {
        const struct lucet_artifact_segment *s = &a->segments[i];
        if (s->exec || in->nreadonly == sizeof in->readonly / sizeof in->readonly[0])
            continue;
        const uint64_t in_file = s->size < a->size - s->offset ? s->size : a->size - s->offset;
        in->readonly[in->nreadonly++] = (struct audit_area){.start = (uint32_t)s->vaddr,
                                                            .end = (uint32_t)(s->vaddr + in_file),
                                                            .bytes = a->bytes + s->offset};
    }
}

bool code_map_make(const struct lucet_artifact *a, struct code_map *out)
{
    struct audit_input *in = &out->input;
    const size_t room = (size_t)a->nfuncs + a->nhelpers + 1;
    struct entry *entries = calloc(room, sizeof *entries);

    *out = (struct code_map){0};
    in->functions = calloc(room, sizeof *in->functions);
    in->marks = calloc(room, sizeof *in->marks);
    out->wasm_index = calloc(room, sizeof *out->wasm_index);
    if (!entries || !in->functions || !in->marks || !out->wasm_index) {
        free(entries);
        return false;
    }
    set_areas(a, in);
    in->header = a->header;
    in->sizes = (struct audit_unit_sizes){a->memories, a->header->nimported_memories, a->nmemories};
    in->nmemories = a->nmemories - a->header->nimported_memories;
    in->ntables = a->ntables - a->header->nimported_tables;
    in->has_bmi = a->header->cpu_features >> LUCET_CPU_bmi & 1;
    in->has_avx512 = lucet_cpu_is_avx512(a->header->cpu_features);

    uint32_t n = collect(a, entries);
    qsort(entries, n, sizeof *entries, by_start);
    n = drop_duplicates(entries, n);
    for (uint32_t i = 0; i < n; i++) {
        in->functions[i] = entries[i].fn;
        out->wasm_index[i] = entries[i].wasm_index;
    }
    in->nfunctions = n;
    free(entries);
    set_marks(a, in);
    return set_ends(a, out);
}

void code_map_free(struct code_map *m)
{
    free(m->input.functions);
    free(m->input.marks);
    free(m->wasm_index);
    *m = (struct code_map){0};
}
