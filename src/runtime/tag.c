/* Tags: what an exception is, as an object whose address is its identity. */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/allocate.h"
#include "runtime/error.h"
#include "runtime/exception.h"
#include "runtime/instance.h"
#include "runtime/module.h"
#include "runtime/names.h"
#include "runtime/signature.h"
#include "runtime/value.h"

struct lucet_tag *lucet__tag_new(const uint8_t *types, uint32_t n, uint64_t signature,
                                 uint64_t group)
{
    struct lucet_tag *t = lucet__malloc(sizeof(*t) + n + (size_t)n + 2);

    if (!t)
        return NULL;
    *t = (struct lucet_tag){.nvalues = n};
    atomic_init(&t->refs, 1);
    t->signature = signature;
    t->group = group;
    lucet__signature_retain(group);
    t->letters = (char *)t->types + n;
    for (uint32_t i = 0; i < n; i++) {
        t->types[i] = types[i];
        t->letters[i] = lucet_valtype_letter(types[i]);
        t->has_references |= types[i] == LUCET_FUNCREF || types[i] == LUCET_EXNREF;
    }
    memcpy(t->letters + n, ":", 2);
    return t;
}

enum lucet_error lucet_tag_new(const char *signature, struct lucet_tag **out)
{
    uint8_t types[LUCET__TAG_VALUES];
    uint32_t n = 0;

    lucet__clear_error();
    if (!signature || !out)
        return lucet__fail(lucet_error_invalid_argument, "lucet_tag_new: NULL");
    *out = NULL;
    for (const char *p = signature; *p != ':' || p[1]; p++, n++) {
        const uint8_t type = lucet_valtype_from_letter(*p);
        if (n == LUCET__TAG_VALUES || type == 0)
            return lucet__fail(lucet_error_invalid_argument,
                               "tag: \"%s\" is no signature without results", signature);
        types[n] = type;
    }
    const uint64_t id = lucet__signature_plain(types, n, 0);
    if (id == 0)
        return lucet__no_memory();
    *out = lucet__tag_new(types, n, id, id);
    lucet__signature_release(id);
    return *out ? lucet_error_ok : lucet__no_memory();
}

void lucet_tag_retain(struct lucet_tag *t)
{
    if (t)
        atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
}

void lucet_tag_release(struct lucet_tag *t)
{
    if (t && atomic_fetch_sub(&t->refs, 1) == 1) {
        lucet__signature_release(t->group);
        lucet__free(t->exact);
        lucet__free(t);
    }
}

const char *lucet_tag_signature(const struct lucet_tag *t)
{
    return t ? t->letters : "";
}

bool lucet__tag_admits(const struct lucet_tag *t, uint32_t k, const void *value)
{
    return !t->exact || lucet__value_fits(t->exact[k].type, t->exact[k].id, value);
}

/* ---- Of instances ---- */

/* What hosts make exceptions of must be what guests expect without looking. */
static bool set_exact(struct lucet_tag *tag, const struct lucet_dl_module *m,
                      const struct lucet_module_type *t)
{
    for (uint32_t k = 0; k < t->nparams; k++) {
        const uint32_t exact = lucet_artifact_exact(&m->artifact, t->valtypes + k);
        if (exact == lucet_valtype_plain(exact))
            continue;
        if (!tag->exact && !(tag->exact = lucet__calloc(t->nparams, sizeof(*tag->exact))))
            return false;
        tag->exact[k].type = exact;
        if ((exact & 0x7f) == LUCET_REF_TYPE)
            tag->exact[k].id = m->type_ids[exact >> 8];
    }
    return true;
}

enum lucet_error lucet__tags_make(struct lucet_instance *i)
{
    const struct lucet_artifact *a = &i->module->artifact;
    uint64_t *identities = LUCET__AT(i->ctx, uint64_t, a->header->layout.tags);

    if (a->ntags == 0)
        return lucet_error_ok;
    i->tags = lucet__calloc(a->ntags, sizeof(struct lucet_tag *));
    if (!i->tags)
        return lucet__no_memory();
    for (uint32_t k = a->header->nimported_tags; k < a->ntags; k++) {
        const struct lucet_module_type *t = &a->types[a->tags[k].type];
        const uint64_t id = i->module->type_ids[a->tags[k].type];
        i->tags[k] =
            lucet__tag_new(lucet_artifact_params(a, t), t->nparams, id, id - t->group_before);
        if (!i->tags[k] || !set_exact(i->tags[k], i->module, t))
            return lucet__no_memory();
        identities[k] = (uintptr_t)i->tags[k];
    }
    return lucet_error_ok;
}

void lucet__tag_import(struct lucet_instance *i, uint32_t index, struct lucet_tag *t)
{
    lucet_tag_retain(t);
    i->tags[index] = t;
    LUCET__AT(i->ctx, uint64_t, i->module->artifact.header->layout.tags)[index] = (uintptr_t)t;
}

void lucet__tags_release(struct lucet_instance *i)
{
    for (uint32_t k = 0; i->tags && k < i->module->artifact.ntags; k++)
        lucet_tag_release(i->tags[k]);
    lucet__free(i->tags);
    lucet__free(i->tags_sorted);
}

#define FEW 8u /* that looking at each is as quick */

static int compare(const void *a, const void *b)
{
    const uintptr_t x = (uintptr_t)*(struct lucet_tag *const *)a;
    const uintptr_t y = (uintptr_t)*(struct lucet_tag *const *)b;

    return (x > y) - (x < y);
}

/* Sorted and not hashed: guests choose how many there are and of what size, and so much of where
 * they lie. */
enum lucet_error lucet__tags_sort(struct lucet_instance *i)
{
    const size_t n = i->module->artifact.ntags;

    if (n <= FEW)
        return lucet_error_ok;
    i->tags_sorted = lucet__malloc(n * sizeof(struct lucet_tag *));
    if (!i->tags_sorted)
        return lucet__no_memory();
    memcpy(i->tags_sorted, i->tags, n * sizeof(struct lucet_tag *));
    qsort(i->tags_sorted, n, sizeof(struct lucet_tag *), compare);
    return lucet_error_ok;
}

struct lucet_tag *lucet__tag_find(const struct lucet_instance *i, uint64_t identity)
{
    struct lucet_tag **tags = i->tags_sorted ? i->tags_sorted : i->tags;
    uint32_t n = i->module->artifact.ntags;

    while (n > FEW) { /* what is sought is not before tags[0] */
        const uint32_t half = n / 2;
        if ((uintptr_t)tags[half] <= identity)
            tags += half;
        n -= half;
    }
    for (uint32_t k = 0; k < n; k++)
        if ((uintptr_t)tags[k] == identity)
            return tags[k];
    return NULL;
}

enum lucet_error lucet_instance_tag(struct lucet_instance *i, const char *name, size_t name_len,
                                    struct lucet_tag **out)
{
    const struct lucet_module_export *e;
    char text[LUCET__NAME_MAX];

    lucet__clear_error();
    if (!i || !name || !out)
        return lucet__fail(lucet_error_invalid_argument, "lucet_instance_tag: NULL");
    *out = NULL;
    e = lucet_artifact_export(&i->module->artifact, name, name_len);
    if (!e || e->kind != LUCET_EXTERN_TAG)
        return lucet__fail(lucet_error_symbol_not_found, "no exported tag \"%s\"",
                           lucet__printable(text, sizeof(text), name, name_len));
    *out = i->tags[e->index];
    return lucet_error_ok;
}
