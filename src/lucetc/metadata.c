/* Writes what module/format.h describes. The order of the tables in the section is this file's
 * business; readers go by the spans in the header. */
#include "lucetc/metadata.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lucetc/bindings.h"
#include "lucetc/effects.h"
#include "lucetc/helpers.h"
#include "lucetc/image.h"
#include "lucetc/version.h"

struct writer {
    struct emitter *e;
    const struct compilation *c;
    const struct wasm_module *m;
    struct lucet_module_header header;
    struct image image;   /* .lucet.module */
    struct image strings; /* appended at the end */
    struct image data;    /* .lucet.data */
    struct image inits;   /* struct lucet_init_op; appended at the end */
    uint32_t ninits;
};

/* ---- Small parts ---- */

static struct lucet_str string(struct writer *w, const void *bytes, size_t size)
{
    if (size == 0)
        return (struct lucet_str){0, 0};
    return (struct lucet_str){image_append(&w->strings, bytes, size), (uint32_t)size};
}

static struct lucet_str name_string(struct writer *w, struct wasm_bytes name)
{
    return string(w, name.data, name.size);
}

/* Begins a table in the section. */
static struct lucet_span begin(struct writer *w)
{
    image_align(&w->image, 8);
    return (struct lucet_span){.offset = (uint32_t)w->image.size};
}

/* Appends a record whose field at `field` is the address of a function. */
static void append_code(struct writer *w, const void *record, size_t size, size_t field,
                        LLVMValueRef func)
{
    const size_t at = image_append(&w->image, record, size);
    if (func)
        image_fixup(&w->image, at + field, func);
}

static uint32_t flags_of(struct wasm_limits l)
{
    return (l.has_max ? LUCET_HAS_MAX : 0) | (l.is64 ? LUCET_INDEX64 : 0);
}

/* ---- Constant expressions ---- */

static bool init_op(const struct wasm_instr *in, struct lucet_init_op *op)
{
    *op = (struct lucet_init_op){0};
    switch (in->op) {
    case WASM_OP_i32_const:
        op->kind = LUCET_INIT_I32;
        op->value[0] = in->imm.i32;
        return true;
    case WASM_OP_i64_const:
        op->kind = LUCET_INIT_I64;
        op->value[0] = in->imm.i64;
        return true;
    case WASM_OP_f32_const:
        op->kind = LUCET_INIT_F32;
        op->value[0] = in->imm.i32;
        return true;
    case WASM_OP_f64_const:
        op->kind = LUCET_INIT_F64;
        op->value[0] = in->imm.i64;
        return true;
    case WASM_OP_v128_const:
        op->kind = LUCET_INIT_V128;
        memcpy(op->value, in->imm.v128, 16);
        return true;
    case WASM_OP_global_get:
        op->kind = LUCET_INIT_GLOBAL_GET;
        op->value[0] = in->imm.index;
        return true;
    case WASM_OP_ref_null:
        op->kind = LUCET_INIT_REF_NULL;
        op->value[0] = in->imm.valtype;
        return true;
    case WASM_OP_ref_func:
        op->kind = LUCET_INIT_REF_FUNC;
        op->value[0] = in->imm.index;
        return true;
    case WASM_OP_i32_add: op->kind = LUCET_INIT_I32_ADD; return true;
    case WASM_OP_i32_sub: op->kind = LUCET_INIT_I32_SUB; return true;
    case WASM_OP_i32_mul: op->kind = LUCET_INIT_I32_MUL; return true;
    case WASM_OP_i64_add: op->kind = LUCET_INIT_I64_ADD; return true;
    case WASM_OP_i64_sub: op->kind = LUCET_INIT_I64_SUB; return true;
    case WASM_OP_i64_mul: op->kind = LUCET_INIT_I64_MUL; return true;
    default: return false; /* end */
    }
}

static struct lucet_init init_expr(struct writer *w, struct wasm_expr e)
{
    struct lucet_init init = {.first = w->ninits};
    if (e.size == 0)
        return init;
    struct wasm_reader r;
    struct wasm_instr in;
    struct lucet_init_op op;
    wasm_reader_init_expr(&r, w->m, e);
    while (wasm_reader_next(&r, &in))
        if (init_op(&in, &op)) {
            image_append(&w->inits, &op, sizeof op);
            w->ninits++;
            init.count++;
        }
    return init;
}

/* ---- Tables ---- */

static LLVMValueRef type_helper(struct writer *w, uint32_t type, enum type_use use,
                                enum helper_kind kind)
{
    if (!(w->c->plan.types[type] & use))
        return NULL;
    return helper_declare(w->e, (struct helper){.kind = kind, .a = type});
}

static void write_types(struct writer *w)
{
    struct lucet_span span = begin(w);
    uint32_t valtypes = 0;
    for (uint32_t i = 0; i < w->m->ntypes; i++) {
        const struct wasm_functype *t = &w->m->types[i];
        const struct lucet_module_type record = {.valtypes = valtypes,
                                                 .nparams = (uint16_t)t->nparams,
                                                 .nresults = (uint16_t)t->nresults,
                                                 .group_before = i - t->group,
                                                 .group_after = t->group + t->group_size - 1 - i,
                                                 .is_open = t->is_open};
        const size_t at = image_append(&w->image, &record, sizeof record);
        static const struct {
            enum type_use use;
            enum helper_kind kind;
            size_t field;
        } code[] = {
            {TYPE_ENTRY, HELPER_entry, offsetof(struct lucet_module_type, entry)},
            {TYPE_THUNK, HELPER_thunk, offsetof(struct lucet_module_type, thunk)},
            {TYPE_HOST, HELPER_host, offsetof(struct lucet_module_type, host)},
        };
        for (size_t k = 0; k < 3; k++) {
            LLVMValueRef func = type_helper(w, i, code[k].use, code[k].kind);
            if (func)
                image_fixup(&w->image, at + code[k].field, func);
        }
        valtypes += t->nparams + t->nresults;
    }
    span.count = w->m->ntypes;
    w->header.types = span;
}

/* Exceptions of all types are held alike. */
static uint32_t abi_valtype(wasm_valtype t)
{
    return lucet_valtype_plain(t) == LUCET_EXNREF ? LUCET_EXNREF : t;
}

static void append_valtype(struct writer *w, wasm_valtype t)
{
    const uint8_t byte = lucet_valtype_plain(t);
    image_append(&w->image, &byte, 1);
    w->header.valtypes.count++;
}

static void append_reftype(struct writer *w, wasm_valtype t)
{
    image_append(&w->image, &t, sizeof t);
    w->header.reftypes.count++;
}

static bool has_exact_types(const struct wasm_module *m)
{
    for (uint32_t i = 0; i < m->ntypes; i++) {
        const struct wasm_functype *t = &m->types[i];
        for (uint32_t k = 0; k < t->nparams; k++)
            if (t->params[k] != lucet_valtype_plain(t->params[k]))
                return true;
        for (uint32_t k = 0; k < t->nresults; k++)
            if (t->results[k] != lucet_valtype_plain(t->results[k]))
                return true;
    }
    return false;
}

static void each_valtype(struct writer *w, void (*append)(struct writer *, wasm_valtype))
{
    for (uint32_t i = 0; i < w->m->ntypes; i++) {
        const struct wasm_functype *t = &w->m->types[i];
        for (uint32_t k = 0; k < t->nparams; k++)
            append(w, t->params[k]);
        for (uint32_t k = 0; k < t->nresults; k++)
            append(w, t->results[k]);
    }
}

static void write_valtypes(struct writer *w)
{
    w->header.valtypes = begin(w);
    each_valtype(w, append_valtype);
    w->header.reftypes = begin(w);
    if (has_exact_types(w->m))
        each_valtype(w, append_reftype);
}

static void write_imports(struct writer *w)
{
    w->header.imports = begin(w);
    for (uint32_t i = 0; i < w->m->nimports; i++) {
        const struct wasm_import *import = &w->m->imports[i];
        const char *symbol = import->kind == WASM_EXTERN_FUNC ? bindings_find(w->c, import) : NULL;
        const struct lucet_module_import record = {
            .module = name_string(w, import->module),
            .name = name_string(w, import->name),
            .symbol = symbol ? string(w, symbol, strlen(symbol)) : (struct lucet_str){0, 0},
            .kind = (uint32_t)import->kind,
            .index = import->index,
        };
        image_append(&w->image, &record, sizeof record);
    }
    w->header.imports.count = w->m->nimports;
}

static int compare_exports(const void *a, const void *b)
{
    const struct wasm_bytes *x = &(*(const struct wasm_export *const *)a)->name;
    const struct wasm_bytes *y = &(*(const struct wasm_export *const *)b)->name;
    const uint32_t common = x->size < y->size ? x->size : y->size;
    const int order = common ? memcmp(x->data, y->data, common) : 0;
    return order ? order : (x->size > y->size) - (x->size < y->size);
}

static void write_exports(struct writer *w)
{
    const uint32_t n = w->m->nexports;
    const struct wasm_export **sorted = calloc((size_t)n + 1, sizeof *sorted);
    w->header.exports = begin(w);
    if (!sorted) {
        w->image.failed = true;
        return;
    }
    for (uint32_t i = 0; i < n; i++)
        sorted[i] = &w->m->exports[i];
    qsort(sorted, n, sizeof *sorted, compare_exports);
    for (uint32_t i = 0; i < n; i++) {
        const struct lucet_module_export record = {.name = name_string(w, sorted[i]->name),
                                                   .kind = (uint32_t)sorted[i]->kind,
                                                   .index = sorted[i]->index};
        image_append(&w->image, &record, sizeof record);
    }
    w->header.exports.count = n;
    free(sorted);
}

static void write_funcs(struct writer *w)
{
    w->header.funcs = begin(w);
    for (uint32_t i = 0; i < w->m->nfuncs; i++) {
        const struct wasm_func *f = &w->m->funcs[i];
        const struct lucet_module_func record = {.type = f->type,
                                                 .name = name_string(w, f->name),
                                                 .wasm_offset = f->body_offset,
                                                 .effects = effects_of(w->c->plan.effects, i)};
        append_code(w, &record, sizeof record, offsetof(struct lucet_module_func, code),
                    emitter_guest_func(w->e, i));
    }
    w->header.funcs.count = w->m->nfuncs;
}

static void write_tables_and_memories(struct writer *w)
{
    w->header.tables = begin(w);
    for (uint32_t i = 0; i < w->m->ntables; i++) {
        const struct wasm_table_type *t = &w->m->tables[i].type;
        const struct lucet_module_table record = {.min = t->limits.min,
                                                  .max = t->limits.max,
                                                  .elem = abi_valtype(t->elem),
                                                  .flags = flags_of(t->limits),
                                                  .init = init_expr(w, w->m->tables[i].init)};
        image_append(&w->image, &record, sizeof record);
    }
    w->header.tables.count = w->m->ntables;
    w->header.memories = begin(w);
    for (uint32_t i = 0; i < w->m->nmemories; i++) {
        const struct wasm_memory_type *t = &w->m->memories[i].type;
        const struct lucet_module_memory record = {.min = t->limits.min,
                                                   .max = t->limits.max,
                                                   .flags = flags_of(t->limits) |
                                                            (t->shared ? LUCET_SHARED : 0),
                                                   .page_log2 = t->page_log2};
        image_append(&w->image, &record, sizeof record);
    }
    w->header.memories.count = w->m->nmemories;
}

static void write_globals_and_tags(struct writer *w)
{
    w->header.globals = begin(w);
    for (uint32_t i = 0; i < w->m->nglobals; i++) {
        const struct wasm_global *g = &w->m->globals[i];
        const struct lucet_module_global record = {.type = abi_valtype(g->type.type),
                                                   .mutable = g->type.mutable,
                                                   .cell = w->c->plan.cells[i],
                                                   .init = init_expr(w, g->init)};
        image_append(&w->image, &record, sizeof record);
    }
    w->header.globals.count = w->m->nglobals;
    w->header.tags = begin(w);
    for (uint32_t i = 0; i < w->m->ntags; i++) {
        const struct lucet_module_tag record = {.type = w->m->tags[i].type};
        image_append(&w->image, &record, sizeof record);
    }
    w->header.tags.count = w->m->ntags;
}

static void write_elems(struct writer *w)
{
    uint32_t funcs = 0, exprs = 0;
    w->header.elems = begin(w);
    for (uint32_t i = 0; i < w->m->nelems; i++) {
        const struct wasm_elem *s = &w->m->elems[i];
        /* An empty segment has neither; only one of function references may count as functions. */
        const bool is_exprs = s->exprs || wasm_heap_type(s->type) != WASM_FUNCREF;
        uint32_t *next = is_exprs ? &exprs : &funcs;
        const struct lucet_module_elem record = {.mode = (uint32_t)s->mode,
                                                 .type = abi_valtype(s->type),
                                                 .table = s->table,
                                                 .first = *next,
                                                 .count = s->count,
                                                 .is_exprs = is_exprs,
                                                 .offset = init_expr(w, s->table_offset)};
        *next += s->count;
        image_append(&w->image, &record, sizeof record);
    }
    w->header.elems.count = w->m->nelems;

    w->header.elem_funcs = begin(w);
    for (uint32_t i = 0; i < w->m->nelems; i++)
        if (w->m->elems[i].funcs)
            image_append(&w->image, w->m->elems[i].funcs,
                         (size_t)w->m->elems[i].count * sizeof(uint32_t));
    w->header.elem_funcs.count = funcs;

    w->header.elem_inits = begin(w);
    for (uint32_t i = 0; i < w->m->nelems; i++)
        for (uint32_t k = 0; w->m->elems[i].exprs && k < w->m->elems[i].count; k++) {
            const struct lucet_init init = init_expr(w, w->m->elems[i].exprs[k]);
            image_append(&w->image, &init, sizeof init);
        }
    w->header.elem_inits.count = exprs;
}

static void write_datas(struct writer *w)
{
    w->header.datas = begin(w);
    for (uint32_t i = 0; i < w->m->ndatas; i++) {
        const struct wasm_data *d = &w->m->datas[i];
        const struct lucet_module_data record = {
            .mode = (uint32_t)d->mode,
            .memory = d->memory,
            .bytes = image_append(&w->data, d->bytes.data, d->bytes.size),
            .size = d->bytes.size,
            .offset = init_expr(w, d->memory_offset)};
        image_append(&w->image, &record, sizeof record);
    }
    w->header.datas.count = w->m->ndatas;
    w->header.data_size = w->data.size;
}

static void write_helper(void *arg, struct helper h)
{
    struct writer *w = arg;
    char name[HELPER_NAME_SIZE];
    helper_name(h, name);
    const struct lucet_module_helper record = {.name = string(w, name, strlen(name))};
    append_code(w, &record, sizeof record, offsetof(struct lucet_module_helper, code),
                helper_declare(w->e, h));
    w->header.helpers.count++;
}

static void write_rest(struct writer *w)
{
    w->header.ref_funcs = begin(w);
    image_append(&w->image, w->c->plan.ref_funcs, w->c->plan.nref_funcs * sizeof(uint32_t));
    w->header.ref_funcs.count = w->c->plan.nref_funcs;

    w->header.helpers = begin(w);
    helpers_each(w->c, write_helper, w);

    w->header.init_ops = begin(w);
    image_append(&w->image, w->inits.bytes, w->inits.size);
    w->header.init_ops.count = w->ninits;

    w->header.strings = begin(w);
    image_append(&w->image, w->strings.bytes, w->strings.size);
    w->header.strings.count = (uint32_t)w->strings.size;
}

static void fill_header(struct writer *w)
{
    struct lucet_module_header *h = &w->header;
    char producer[64];
    snprintf(producer, sizeof producer, "lucetc %s (LLVM %s)", LUCETC_VERSION,
             lucetc_llvm_version());
    memcpy(h->magic, LUCET_MODULE_MAGIC, sizeof h->magic);
    h->format_version = LUCET_FORMAT_VERSION;
    h->abi_version = LUCET_ABI_VERSION;
    h->arch = LUCET_ARCH_X86_64;
    h->flags = (w->c->plan.private_funcs ? LUCET_MODULE_PRIVATE_FUNCS : 0) |
               (w->c->options->precise_traps ? LUCET_MODULE_PRECISE_TRAPS : 0) |
               (w->c->options->count_instructions ? LUCET_MODULE_COUNTS_INSTRUCTIONS : 0) |
               (w->c->plan.tail_calls ? LUCET_MODULE_TAIL_CALLS : 0);
    h->cpu_features = w->c->target.features;
    h->heap.reserved_size = w->c->reserved_size;
    h->heap.guard_size = w->c->guard_size;
    h->heap.front_guard = 4096;
    h->layout = w->c->layout;
    h->start = w->m->start == WASM_NONE ? LUCET_NONE : w->m->start;
    h->nimported_funcs = w->m->nimported_funcs;
    h->nimported_tables = w->m->nimported_tables;
    h->nimported_memories = w->m->nimported_memories;
    h->nimported_globals = w->m->nimported_globals;
    h->nimported_tags = w->m->nimported_tags;
    h->module_name = name_string(w, w->m->name);
    h->producer = string(w, producer, strlen(producer));
    h->cpu = string(w, w->c->target.tune, strlen(w->c->target.tune));
}

enum lucet_error metadata_emit(struct emitter *e)
{
    struct writer w = {.e = e, .c = e->c, .m = e->c->module};
    image_append(&w.image, &w.header, sizeof w.header);
    fill_header(&w);
    write_types(&w);
    write_valtypes(&w);
    write_imports(&w);
    write_exports(&w);
    write_funcs(&w);
    write_tables_and_memories(&w);
    write_globals_and_tags(&w);
    write_elems(&w);
    write_datas(&w);
    write_rest(&w);
    image_align(&w.image, 8);

    bool ok = !w.image.failed && !w.strings.failed && !w.data.failed && !w.inits.failed;
    if (ok) {
        w.header.size = (uint32_t)w.image.size;
        memcpy(w.image.bytes, &w.header, sizeof w.header);
        ok = image_emit(&w.image, e, "lucet_module", LUCET_SECTION_MODULE) &&
             (w.data.size == 0 || image_emit(&w.data, e, "lucet_data", LUCET_SECTION_DATA));
    }
    image_free(&w.image);
    image_free(&w.strings);
    image_free(&w.data);
    image_free(&w.inits);
    return ok ? lucet_error_ok : lucet_error_no_memory;
}
