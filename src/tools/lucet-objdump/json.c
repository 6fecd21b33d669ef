/* Pieces that several sections are made of. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/common/escape.h"
#include "tools/lucet-objdump/objdump.h"

void out_of_memory(void)
{
    fputs("lucet-objdump: error: out of memory\n", stderr);
    exit(EXIT_DAMAGED);
}

json_t *must(json_t *value)
{
    if (!value)
        out_of_memory();
    return value;
}

void must_do(int result)
{
    if (result != 0)
        out_of_memory();
}

json_t *json_name(const struct lucet_artifact *a, struct lucet_str s, bool optional)
{
    const size_t room = 4 * (size_t)s.size + 8;

    if (s.size == 0 && optional)
        return must(json_null());
    char *text = malloc(room);
    if (!text)
        out_of_memory();
    json_t *name = must(json_string(tool_escape(lucet_artifact_str(a, s), s.size, text, room)));
    free(text);
    return name;
}

static void write_types(FILE *f, const uint8_t *types, unsigned n)
{
    fputc('(', f);
    for (unsigned i = 0; i < n; i++)
        fprintf(f, "%s%s", i ? ", " : "", lucet_valtype_name(types[i]));
    fputc(')', f);
}

/* Text written with stdio to memory, as JSON. */
struct text {
    FILE *f;
    char *bytes;
    size_t size;
};

static void text_open(struct text *t)
{
    *t = (struct text){0};
    t->f = open_memstream(&t->bytes, &t->size);
    if (!t->f)
        out_of_memory();
}

static json_t *text_close(struct text *t)
{
    if (fclose(t->f) != 0)
        out_of_memory();
    json_t *value = must(json_string(t->bytes));
    free(t->bytes);
    return value;
}

static void write_params(FILE *f, const struct lucet_artifact *a, uint32_t type)
{
    const struct lucet_module_type *t = &a->types[type];

    write_types(f, lucet_artifact_params(a, t), t->nparams);
}

static void write_type(FILE *f, const struct lucet_artifact *a, uint32_t type)
{
    const struct lucet_module_type *t = &a->types[type];

    write_params(f, a, type);
    fputs(" -> ", f);
    write_types(f, lucet_artifact_results(a, t), t->nresults);
}

json_t *json_functype(const struct lucet_artifact *a, uint32_t type)
{
    struct text t;

    text_open(&t);
    write_type(t.f, a, type);
    return text_close(&t);
}

static void write_limits(FILE *f, uint64_t min, uint64_t max, uint32_t flags)
{
    fputs(flags & LUCET_INDEX64 ? "i64 " : "", f);
    fprintf(f, "%llu..", (unsigned long long)min);
    if (flags & LUCET_HAS_MAX)
        fprintf(f, "%llu", (unsigned long long)max);
}

json_t *json_extern(const struct lucet_artifact *a, uint32_t kind, uint32_t index)
{
    struct text t;

    text_open(&t);
    fprintf(t.f, "%s ", extern_name(kind));
    switch (kind) {
    case LUCET_EXTERN_FUNC: write_type(t.f, a, a->funcs[index].type); break;
    case LUCET_EXTERN_TABLE:
        write_limits(t.f, a->tables[index].min, a->tables[index].max, a->tables[index].flags);
        fprintf(t.f, " %s", lucet_valtype_name(a->tables[index].elem));
        break;
    case LUCET_EXTERN_MEMORY:
        write_limits(t.f, a->memories[index].min, a->memories[index].max, a->memories[index].flags);
        fputs(a->memories[index].page_log2 ? " pages" : " bytes", t.f);
        fputs(a->memories[index].flags & LUCET_SHARED ? " shared" : "", t.f);
        break;
    case LUCET_EXTERN_TAG: write_params(t.f, a, a->tags[index].type); break;
    default:
        fprintf(t.f, "%s%s", a->globals[index].mutable ? "mut " : "",
                lucet_valtype_name(a->globals[index].type));
        break;
    }
    return text_close(&t);
}

const char *extern_name(uint32_t kind)
{
    static const char *const names[] = {"func", "table", "memory", "global", "tag"};

    return kind < sizeof names / sizeof names[0] ? names[kind] : "?";
}

static double as_f32(uint64_t bits)
{
    const uint32_t low = (uint32_t)bits;
    float f;

    memcpy(&f, &low, sizeof f);
    return f;
}

static double as_f64(uint64_t bits)
{
    double d;

    memcpy(&d, &bits, sizeof d);
    return d;
}

static void write_op(FILE *f, const struct lucet_init_op *op)
{
    const unsigned long long low = op->value[0], high = op->value[1];

    switch (op->kind) {
    case LUCET_INIT_I32: fprintf(f, "i32.const %d", (int32_t)low); break;
    case LUCET_INIT_I64: fprintf(f, "i64.const %lld", (long long)low); break;
    case LUCET_INIT_F32: fprintf(f, "f32.const %.9g", as_f32(low)); break;
    case LUCET_INIT_F64: fprintf(f, "f64.const %.17g", as_f64(low)); break;
    case LUCET_INIT_V128: fprintf(f, "v128.const 0x%016llx%016llx", high, low); break;
    case LUCET_INIT_GLOBAL_GET: fprintf(f, "global.get %llu", low); break;
    case LUCET_INIT_REF_NULL: fputs("ref.null", f); break;
    case LUCET_INIT_REF_FUNC: fprintf(f, "ref.func %llu", low); break;
    case LUCET_INIT_I32_ADD: fputs("i32.add", f); break;
    case LUCET_INIT_I32_SUB: fputs("i32.sub", f); break;
    case LUCET_INIT_I32_MUL: fputs("i32.mul", f); break;
    case LUCET_INIT_I64_ADD: fputs("i64.add", f); break;
    case LUCET_INIT_I64_SUB: fputs("i64.sub", f); break;
    case LUCET_INIT_I64_MUL: fputs("i64.mul", f); break;
    default: fprintf(f, "op %u", op->kind); break;
    }
}

json_t *json_init(const struct lucet_artifact *a, struct lucet_init init)
{
    struct text t;

    if (init.count == 0)
        return must(json_null());
    text_open(&t);
    for (uint32_t i = 0; i < init.count; i++) {
        if (i)
            fputc(' ', t.f);
        write_op(t.f, &a->init_ops[init.first + i]);
    }
    return text_close(&t);
}

json_t *json_function_label(const struct view *v, uint32_t number)
{
    const uint32_t index = v->map.wasm_index[number];

    return index == LUCET_NONE ? must(json_null()) : json_name(v->a, v->names[index], true);
}

struct lucet_str *function_names(const struct lucet_artifact *a)
{
    struct lucet_str *names = calloc((size_t)a->nfuncs + 1, sizeof *names);

    if (!names)
        out_of_memory();
    for (uint32_t i = 0; i < a->nfuncs; i++)
        names[i] = a->funcs[i].name;
    for (uint32_t i = 0; i < a->nexports; i++) {
        const struct lucet_module_export *e = &a->exports[i];
        if (e->kind == LUCET_EXTERN_FUNC && names[e->index].size == 0)
            names[e->index] = e->name;
    }
    return names;
}
