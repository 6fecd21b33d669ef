/* Reads an artifact: what kind of file it is, the ELF file, the header of .lucet.module, its
 * tables, then every record. */
#include "module/reader.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "module/reader_internal.h"

#define KNOWN_FLAGS                                                                                \
    (LUCET_MODULE_PRIVATE_FUNCS | LUCET_MODULE_PRECISE_TRAPS | LUCET_MODULE_COUNTS_INSTRUCTIONS |  \
     LUCET_MODULE_TAIL_CALLS)

bool reader_fail(struct reader *r, const char *format, ...)
{
    const char *prefix = r->identified ? "a damaged artifact, to be compiled again: " : "";
    const size_t used = strlen(prefix);
    va_list args;

    memcpy(r->err->text, prefix, used);
    va_start(args, format);
    vsnprintf(r->err->text + used, sizeof(r->err->text) - used, format, args);
    va_end(args);
    return false;
}

bool reader_check_str(struct reader *r, struct lucet_str s, const char *what, uint32_t i)
{
    if (s.offset > r->a->nstrings || s.size > r->a->nstrings - s.offset)
        return reader_fail(r, "%s %u: name is outside the strings", what, i);
    if (s.size > LUCET_ARTIFACT_MAX_NAME)
        return reader_fail(r, "%s %u: name is longer than %u bytes", what, i,
                           LUCET_ARTIFACT_MAX_NAME);
    return true;
}

bool reader_check_code(struct reader *r, lucet_code code, bool may_be_absent, const char *what,
                       uint32_t i)
{
    const struct lucet_artifact *a = r->a;
    uint64_t at = lucet_artifact_code(a, code);

    if (code == 0)
        return may_be_absent || reader_fail(r, "%s %u: has no code", what, i);
    if (at < a->text.vaddr || at - a->text.vaddr >= a->text.size)
        return reader_fail(r, "%s %u: code at 0x%llx is outside .text", what, i,
                           (unsigned long long)at);
    return true;
}

static bool read_header(struct reader *r)
{
    struct lucet_artifact *a = r->a;
    const uint8_t *bytes = a->bytes + a->module.offset;

    if ((uintptr_t)bytes % _Alignof(struct lucet_module_header))
        return reader_fail(r, "%s: not aligned", LUCET_SECTION_MODULE);
    if (a->module.size < sizeof(struct lucet_module_header))
        return reader_fail(r, "%s: too short for its header", LUCET_SECTION_MODULE);
    const struct lucet_module_header *h = (const struct lucet_module_header *)bytes;
    a->header = h;
    if (!reader_versions(r, bytes, a->module.size))
        return false;
    uint16_t machine;
    memcpy(&machine, a->bytes + 18, sizeof(machine)); /* e_machine */
    if (h->arch != machine)
        return reader_fail(r, "header: architecture %u differs from the ELF header's %u", h->arch,
                           machine);
    if (h->flags & ~(uint32_t)KNOWN_FLAGS)
        return reader_fail(r, "header: unknown flags 0x%x", h->flags);
    if (h->size != a->module.size)
        return reader_fail(r, "header: size %u differs from the section's %llu", h->size,
                           (unsigned long long)a->module.size);
    if (h->data_size > a->data.size)
        return reader_fail(r, "header: %llu data bytes, but section %s has %llu",
                           (unsigned long long)h->data_size, LUCET_SECTION_DATA,
                           (unsigned long long)a->data.size);
    return true;
}

static bool check_span(struct reader *r, const char *name, struct lucet_span s, size_t record,
                       size_t align)
{
    const struct lucet_module_header *h = r->a->header;

    if (s.count == 0)
        return true;
    if (s.offset < sizeof(*h) || s.offset % align)
        return reader_fail(r, "table %s: offset %u is inside the header or not aligned", name,
                           s.offset);
    if (s.offset > h->size || s.count > (h->size - s.offset) / record)
        return reader_fail(r, "table %s: %u records at %u end behind the section", name, s.count,
                           s.offset);
    return true;
}

static bool read_tables(struct reader *r)
{
    struct lucet_artifact *a = r->a;
    const uint8_t *base = a->bytes + a->module.offset;

#define X(table, type)                                                                             \
    if (!check_span(r, #table, a->header->table, sizeof(type), _Alignof(type)))                    \
        return false;                                                                              \
    a->n##table = a->header->table.count;                                                          \
    a->table = (const type *)(const void *)(base + (a->n##table ? a->header->table.offset : 0));
    LUCET_MODULE_TABLES(X)
#undef X
    a->data_bytes = a->bytes + a->data.offset;
    return reader_check_str(r, a->header->module_name, "header: module", 0) &&
           reader_check_str(r, a->header->producer, "header: producer", 0) &&
           reader_check_str(r, a->header->cpu, "header: cpu", 0);
}

bool lucet_artifact_read(const void *bytes, size_t size, struct lucet_artifact *out,
                         struct lucet_artifact_error *err)
{
    struct reader r = {.a = out, .err = err};

    memset(out, 0, sizeof(*out));
    out->bytes = bytes;
    out->size = size;
    err->text[0] = '\0';
    r.identified = reader_identify(&r);
    return r.identified && reader_elf(&r) && read_header(&r) && read_tables(&r) &&
           reader_records(&r) && reader_layout(&r) && reader_references(&r);
}

uint32_t lucet_artifact_count(const struct lucet_artifact *a, enum lucet_extern kind)
{
    switch (kind) {
    case LUCET_EXTERN_FUNC: return a->nfuncs;
    case LUCET_EXTERN_TABLE: return a->ntables;
    case LUCET_EXTERN_MEMORY: return a->nmemories;
    case LUCET_EXTERN_GLOBAL: return a->nglobals;
    case LUCET_EXTERN_TAG: return a->ntags;
    }
    return 0;
}

uint32_t lucet_artifact_imported(const struct lucet_artifact *a, enum lucet_extern kind)
{
    switch (kind) {
    case LUCET_EXTERN_FUNC: return a->header->nimported_funcs;
    case LUCET_EXTERN_TABLE: return a->header->nimported_tables;
    case LUCET_EXTERN_MEMORY: return a->header->nimported_memories;
    case LUCET_EXTERN_GLOBAL: return a->header->nimported_globals;
    case LUCET_EXTERN_TAG: return a->header->nimported_tags;
    }
    return 0;
}

static int compare_names(const char *a, size_t na, const char *b, size_t nb)
{
    int order = memcmp(a, b, na < nb ? na : nb);

    return order ? order : (na > nb) - (na < nb);
}

const struct lucet_module_export *lucet_artifact_export(const struct lucet_artifact *a,
                                                        const char *name, size_t size)
{
    uint32_t low = 0, high = a->nexports;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const struct lucet_module_export *e = &a->exports[middle];
        int order = compare_names(name, size, lucet_artifact_str(a, e->name), e->name.size);
        if (order == 0)
            return e;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

static const struct {
    uint8_t type;
    char letter;
    const char *name;
} valtypes[] = {
    {LUCET_I32, 'i', "i32"},
    {LUCET_I64, 'I', "i64"},
    {LUCET_F32, 'f', "f32"},
    {LUCET_F64, 'F', "f64"},
    {LUCET_V128, 'v', "v128"},
    {LUCET_FUNCREF, 'r', "funcref"},
    {LUCET_EXTERNREF, 'e', "externref"},
    {LUCET_EXNREF, 'x', "exnref"},
};
#define NVALTYPES (sizeof(valtypes) / sizeof(valtypes[0]))

char lucet_valtype_letter(uint32_t valtype)
{
    valtype = lucet_valtype_plain(valtype);
    for (size_t i = 0; i < NVALTYPES; i++)
        if (valtypes[i].type == valtype)
            return valtypes[i].letter;
    return '?';
}

const char *lucet_valtype_name(uint32_t valtype)
{
    valtype = lucet_valtype_plain(valtype);
    for (size_t i = 0; i < NVALTYPES; i++)
        if (valtypes[i].type == valtype)
            return valtypes[i].name;
    return "?";
}

uint8_t lucet_valtype_from_letter(char letter)
{
    for (size_t i = 0; i < NVALTYPES; i++)
        if (valtypes[i].letter == letter)
            return valtypes[i].type;
    return 0;
}

size_t lucet_artifact_signature(const struct lucet_artifact *a, const struct lucet_module_type *t,
                                char *buf, size_t size)
{
    const uint8_t *types = lucet_artifact_params(a, t);
    size_t n = 0, length = (size_t)t->nparams + t->nresults + 1;

    for (size_t i = 0; i < length && n + 1 < size; i++)
        buf[n++] = i == t->nparams ? ':' : lucet_valtype_letter(types[i - (i > t->nparams)]);
    if (size)
        buf[n] = '\0';
    return length;
}
